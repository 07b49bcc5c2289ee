/** Modules that specify what devices understand. */
import {
  parseSchemaName,
  type Repository,
  removeSchema,
  type StoredSchema,
  schemaByName,
  schemaFileName,
  schemasByName,
  storeSchema,
} from '@waymark/domain'
import {
  type CommandAnswer,
  type Commands,
  type Context,
  type Params,
  pageNames,
  pageOf,
} from '../command.ts'
import { codeOf } from '../refusals.ts'

const manage = ['master', 'admin'] as const
const look = ['master', 'admin', 'view'] as const

/** Names that the manual writes for modules of the system, and what they are called here. */
const otherNames: Readonly<Record<string, string>> = {
  exodm_role: 'exodm_role_module',
  exodm_device_type: 'exodm_device_types',
}

export const yangModuleCommands = {
  'create-yang-module': {
    roles: manage,
    async run(context, params) {
      const { house, tenant, actor, caller } = context
      const repository = repositoryIn(params)
      if (repository === 'system' && !caller.master) return 'permission-denied'
      const { schemas } = house.exchange
      const text = params.text('yang-module')
      const tried = await schemas.tryOut(repository === 'system' ? 'house' : tenant.id, text)
      if (!tried.ok) return { result: 'validation-failed', reason: tried.refusal.first }
      const { name, revision } = tried.value
      // What the module calls itself is what it is found by; the file's name should say the same.
      const given = parseSchemaName(params.text('name')).name
      if (repository === 'own' && ((await schemas.isSystem(name)) || (await schemas.isSystem(given))))
        return 'object-exists'
      if (repository === 'system' && schemas.shipped.some((module) => module.name === name))
        return 'object-exists'
      const schema = { name, revision, text, repository, by: actor }
      const stored =
        repository === 'system'
          ? await house.store.transactHouse((tx) => storeSchema(tx, house.env(), schema))
          : await house.store.transact(tenant.id, (tx) => storeSchema(tx, house.env(), schema))
      return stored.ok ? 'ok' : codeOf(stored.refusal)
    },
  },
  'delete-yang-module': {
    roles: manage,
    async run({ house, tenant, actor, caller }, params) {
      const repository = repositoryIn(params)
      if (repository === 'system' && !caller.master) return 'permission-denied'
      const asked = { ...nameIn(params), repository, by: actor }
      if (repository === 'system' && house.exchange.schemas.shipped.some(({ name }) => name === asked.name))
        return 'permission-denied'
      const done =
        repository === 'system'
          ? await house.store.transactHouse((tx) => removeSchema(tx, house.env(), asked))
          : await house.store.transact(tenant.id, (tx) => removeSchema(tx, house.env(), asked))
      return done.ok ? 'ok' : codeOf(done.refusal)
    },
  },
  'lookup-yang-module': {
    roles: look,
    empty: 'yang-modules',
    async run(context, params) {
      const found = await lookUp(context, params)
      return found
        ? { result: 'ok', 'yang-modules': [found.text] }
        : { result: 'object-not-found', 'yang-modules': [] }
    },
  },
  'list-yang-modules': {
    roles: look,
    empty: 'yang-modules',
    async run({ house, reader, directory }, params): Promise<CommandAnswer> {
      const repository = repositoryIn(params)
      const from = repository === 'system' ? directory : reader
      const names: string[] = []
      let after: StoredSchema | undefined
      for (;;) {
        const page = await schemasByName(from, repository, {
          limit: 500,
          ...(after === undefined ? {} : { after }),
        })
        names.push(...page.map(schemaFileName))
        after = page.at(-1)
        if (page.length < 500) break
      }
      if (repository === 'system') names.push(...house.exchange.schemas.shipped.map(schemaFileName))
      return { result: 'ok', 'yang-modules': pageNames(names, (name) => name, pageOf(params)) }
    },
  },
} as const satisfies Commands

async function lookUp(
  { house, reader, directory }: Context,
  params: Params,
): Promise<Pick<StoredSchema, 'text'> | undefined> {
  const asked = nameIn(params)
  if (repositoryIn(params) === 'own') return schemaByName(reader, 'own', asked)
  const { name, revision } = asked
  const shipped = house.exchange.schemas.shipped.find(
    (module) =>
      module.name === name && (revision === undefined || revision === '' || revision === module.revision),
  )
  return shipped ?? schemaByName(directory, 'system', asked)
}

/** `user` is 1.x's word, `account` the 2.x one. */
function repositoryIn(params: Params): Repository {
  return params.maybeText('repository') === 'system' ? 'system' : 'own'
}

function nameIn(params: Params) {
  const asked = parseSchemaName(params.text('name'))
  const other = repositoryIn(params) === 'system' ? otherNames[asked.name] : undefined
  return other === undefined ? asked : { ...asked, name: other }
}
