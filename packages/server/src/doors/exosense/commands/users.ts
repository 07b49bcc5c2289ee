/** Users, their roles, and what roles may execute. */
import {
  changeUser,
  createUser,
  executionPermissions,
  factsOfUser,
  memberships,
  ok,
  type Principal,
  parseSchemaName,
  permitExecution,
  principalByNick,
  principals,
  removeUser,
  rolesPermitted,
  tenants,
} from '@waymark/domain'
import { type CommandAnswer, type Commands, type Context, Params, pageNames, pageOf } from '../command.ts'
import { exoRoles, wordsOf } from '../login.ts'
import { codeOf } from '../refusals.ts'
import {
  addRole,
  changeHouse,
  dropRole,
  nameOfUser,
  prepareNames,
  userFactsIn,
  usersIn,
  withRole,
} from './accounts.ts'

const manage = ['master', 'admin'] as const
const look = ['master', 'admin', 'view'] as const

export const userCommands = {
  'create-user': {
    roles: manage,
    lists: ['alias'],
    async run({ house, actor, tenant }, params) {
      const name = params.text('uname')
      const password = params.maybeText('password')
      if (password === undefined) return 'missing-option'
      const slash = name.indexOf('/')
      // `ACCOUNT/NAME` names an account: one that is not there is no name.
      if (slash > 0 && tenant.name !== name.slice(0, slash)) return 'illegal-name'
      const made = await changeHouse(house, password, (tx, env, passwordHash) =>
        createUser(tx, env, { name, passwordHash, home: tenant.id, facts: userFactsIn(params), by: actor }),
      )
      return made.ok ? 'ok' : codeOf(made.refusal)
    },
  },
  'update-user': {
    roles: manage,
    self: 'uname',
    lists: ['alias'],
    async run(context, params) {
      const { house, actor } = context
      const name = params.text('uname')
      if (!(await isTheirs(context, name))) return 'object-not-found'
      const password = params.maybeText('password')
      const passwordHash = password === undefined ? undefined : await house.passwords.hash(password)
      const done = await house.store.transactHouse((tx) =>
        changeUser(tx, house.env(), {
          name,
          facts: userFactsIn(params),
          by: actor,
          ...(passwordHash === undefined ? {} : { passwordHash }),
        }),
      )
      return done.ok ? 'ok' : codeOf(done.refusal)
    },
  },
  'delete-user': {
    roles: manage,
    async run(context, params) {
      const { house, actor } = context
      const name = params.text('uname')
      if (!(await isTheirs(context, name))) return 'object-not-found'
      const done = await house.store.transactHouse((tx) => removeUser(tx, house.env(), { name, by: actor }))
      return done.ok ? 'ok' : codeOf(done.refusal)
    },
  },
  'lookup-user': {
    roles: manage,
    self: 'uname',
    empty: 'users',
    async run(context, params) {
      const { directory } = context
      const principal = await principalByNick(directory, params.text('uname'))
      if (!principal || !(await isTheirs(context, principal.nick)))
        return { result: 'object-not-found', users: [] }
      const facts = await factsOfUser(directory, principal.id)
      const { fullname, phone, skype } = facts
      const user = {
        uname: principal.nick,
        email: facts.email === '' ? (principal.email ?? '') : facts.email,
        ...(fullname === undefined ? {} : { fullname }),
        ...(phone === undefined ? {} : { phone }),
        ...(skype === undefined ? {} : { skype }),
        alias: [...facts.aliases],
      }
      return { result: 'ok', users: [user] }
    },
  },
  'list-user-accounts': {
    roles: manage,
    self: 'uname',
    empty: 'accounts',
    async run(context, params) {
      const { directory, caller, tenant } = context
      const principal = await principalByNick(directory, params.text('uname'))
      if (!principal || !(await isTheirs(context, principal.nick)))
        return { result: 'object-not-found', accounts: [] }
      const own = caller.master || principal.id === caller.principal.id
      const rows = await directory.find(memberships, { where: { principal: principal.id } })
      const accounts: { name: string; roles: string[] }[] = []
      for (const row of rows) {
        // What somebody is elsewhere is not this account's admin's to know.
        if (!own && row.tenant !== tenant.id) continue
        const found = await directory.get(tenants, { id: row.tenant })
        if (found) accounts.push({ name: found.name, roles: [...wordsOf(row.roles)] })
      }
      accounts.sort((a, b) => (a.name < b.name ? -1 : 1))
      return { result: 'ok', accounts }
    },
  },
  'list-users': {
    roles: look,
    aliases: ['list-user'],
    empty: 'users',
    async run({ directory, caller, tenant }, params) {
      const page = pageOf(params)
      if (params.has('account'))
        return { result: 'ok', users: pageNames(await usersIn(directory, tenant.id), nameOfUser, page) }
      if (!caller.master) {
        const users = pageNames(await usersIn(directory, tenant.id), nameOfUser, page).map(nameOfUser)
        return { result: 'ok', users }
      }
      if (page.n === 0) return { result: 'ok', users: [] }
      const { previous, descending } = page
      const found = await directory.find(principals, {
        where: {
          kind: 'user',
          ...(previous === '' ? {} : { nick: descending ? { lt: previous } : { gt: previous } }),
        },
        order: [descending ? '-nick' : 'nick'],
        limit: page.n,
      })
      return { result: 'ok', users: found.map(({ nick }) => nick) }
    },
  },
  'add-user-to-role': {
    roles: manage,
    prepare: prepareRoleNames,
    run: (context, params) => withRole(context, namesAsUnames(params), addRole),
  },
  'remove-user-from-role': {
    roles: manage,
    prepare: prepareRoleNames,
    run: (context, params) => withRole(context, namesAsUnames(params), dropRole),
  },
  'add-role-execution-permission': {
    roles: manage,
    aliases: ['add-role-execution-rights'],
    run: (context, params) => permit(context, ofPackage(params), params.text('role'), true),
  },
  'remove-role-execution-permission': {
    roles: manage,
    aliases: ['remove-role-execution-rights'],
    run: (context, params) => permit(context, ofPackage(params), params.text('role'), false),
  },
  'list-rpc-roles': {
    roles: look,
    empty: 'roles',
    async run({ reader }, params) {
      const roles = await rolesPermitted(reader, ofPackage(params))
      return { result: 'ok', roles: pageNames(roles, (role) => role, pageOf(params)) }
    },
  },
  'add-execution-permission': {
    roles: manage,
    spellings: { modulename: 'name' },
    run: (context, params) => permit(context, ofModule(params), params.text('role'), true),
  },
  'remove-execution-permission': {
    roles: manage,
    spellings: { modulename: 'name' },
    run: (context, params) => permit(context, ofModule(params), params.text('role'), false),
  },
  'list-execution-permissions': {
    roles: look,
    aliases: ['list-execution-permission'],
    spellings: { modulename: 'name' },
    empty: 'roles',
    async run({ reader }, params) {
      const schema = parseSchemaName(params.text('name')).name
      const operation = params.maybeText('rpcname')
      if (operation !== undefined)
        return {
          result: 'ok',
          roles: [...(await rolesPermitted(reader, { schema, operation: bare(operation) }))],
        }
      const rows = await reader.find(executionPermissions, {
        where: { schema },
        order: ['schema', 'operation', 'role'],
      })
      const roles = exoRoles.flatMap((role) => {
        const rpcs = rows.filter((row) => row.role === role).map((row) => row.operation)
        return rpcs.length === 0 ? [] : [{ name: role, rpcs }]
      })
      return { result: 'ok', roles }
    },
  },
} as const satisfies Commands

/** A package's operations are those of a module of its name, until there are packages with another. */
function ofPackage(params: Params): { schema: string; operation: string } {
  const [module, operation] = params.text('rpc-name').split(':')
  return operation === undefined
    ? { schema: params.text('package-name'), operation: module ?? '' }
    : { schema: module ?? '', operation }
}

function ofModule(params: Params): { schema: string; operation: string } {
  return { schema: parseSchemaName(params.text('name')).name, operation: bare(params.text('rpcname')) }
}

/** `MODULE:RPC` or `RPC`. */
function bare(name: string): string {
  return name.slice(name.indexOf(':') + 1)
}

async function permit(
  { house, tenant, actor }: Context,
  what: { schema: string; operation: string },
  word: string,
  permitted: boolean,
): Promise<CommandAnswer> {
  const role = word === 'root' ? 'master' : word === 'initial-admin' ? 'admin' : word
  const env = house.env()
  const done = await house.store.transact(tenant.id, async (tx) =>
    ok(await permitExecution(tx, env, { ...what, role, permitted, by: actor })),
  )
  return done.ok && (done.value || permitted) ? 'ok' : 'object-not-found'
}

function prepareRoleNames(params: Parameters<typeof prepareNames>[0]) {
  const { unames, ...rest } = prepareNames(params)
  return unames === undefined ? rest : { ...rest, names: unames }
}

/** The same parameters, with the names where the commands on accounts look for them. */
function namesAsUnames(params: Params): Params {
  return new Params({ ...params.values, unames: params.values.names ?? [] })
}

/** Whether a user is one that the caller may see: their own, one of the account's, or anybody to the master. */
async function isTheirs({ caller, directory, tenant }: Context, name: string): Promise<boolean> {
  if (caller.master || caller.principal.nick === name) return true
  const principal: Principal | undefined = await principalByNick(directory, name)
  if (!principal) return false
  if (principal.home === tenant.id) return true
  return (await directory.get(memberships, { principal: principal.id, tenant: tenant.id })) !== undefined
}
