/** Sets of configuration. */
import {
  addToGroup,
  type ConfigurationRefusal,
  type ConfigurationSet,
  changeConfigurationSet,
  configurationSets,
  createConfigurationSet,
  type GroupRefusal,
  groups,
  nextCallId,
  ok,
  parseSchemaName,
  pushConfigurationSet,
  type Result,
  refuse,
  removeConfigurationSet,
  removeFromGroup,
  retargetMember,
  setsOfDevice,
  type Target,
  type Tx,
} from '@waymark/domain'
import { type JsonObject, type JsonValue, parseJson, printJson } from '@waymark/yang'
import { mergeTexts } from '../../../links/merge.ts'
import {
  type CommandAnswer,
  type Commands,
  type Context,
  type Params,
  pageNames,
  pageOf,
  type ResultCode,
} from '../command.ts'
import { isJsonObject } from '../json-rpc.ts'
import { codeOf } from '../refusals.ts'
import { parseTimer } from '../timer.ts'
import { memberNames } from './groups.ts'
import { deviceByName, idsOfDevices } from './naming.ts'

const change = ['master', 'admin', 'device', 'config'] as const
const look = ['master', 'admin', 'view', 'device', 'config'] as const
const spellings = { 'config-set': 'name', 'config-data': 'name', 'dev-id': 'device-id' }

export const configSetCommands = {
  'create-config-set': {
    roles: change,
    aliases: ['create-config-data'],
    spellings,
    async run(context, params) {
      const { house, tenant, actor } = context
      const schema = parseSchemaName(params.text('yang'))
      if (!(await house.exchange.schemas.open(tenant.id, schema))) return 'object-not-found'
      const values = await judged(context, params.text('yang'), params.any('values'))
      if ('answer' in values) return values.answer
      const target = targetIn(context, params)
      if (target && !target.ok) return codeOf(target.refusal)
      const made = await house.store.transact(tenant.id, (tx) =>
        createConfigurationSet(tx, house.env(), {
          name: params.text('name'),
          file: params.text('yang'),
          values: values.text,
          by: actor,
          ...(target === undefined ? {} : { target: target.value }),
        }),
      )
      return made.ok ? 'ok' : codeOf(made.refusal)
    },
  },
  'update-config-set': {
    roles: change,
    aliases: ['update-config-data'],
    spellings,
    async run(context, params) {
      const { house, tenant, actor, reader } = context
      const name = params.text('name')
      const held = await reader.get(configurationSets, { name })
      if (!held) return 'object-not-found'
      const values = await judged(context, held.file, params.any('values'))
      if ('answer' in values) return values.answer
      const target = targetIn(context, params)
      if (target && !target.ok) return codeOf(target.refusal)
      const done = await house.store.transact<ConfigurationSet, ConfigurationRefusal>(
        tenant.id,
        async (tx) => {
          const now = await tx.get(configurationSets, { name })
          return changeConfigurationSet(tx, house.env(), {
            name,
            by: actor,
            staged: mergeTexts(now?.staged ?? '', values.text),
            ...(target === undefined ? {} : { target: target.value }),
          })
        },
      )
      return done.ok ? 'ok' : codeOf(done.refusal)
    },
  },
  'delete-config-set': {
    roles: change,
    aliases: ['delete-config-data'],
    spellings,
    async run({ house, tenant, actor }, params) {
      const done = await house.store.transact(tenant.id, (tx) =>
        removeConfigurationSet(tx, house.env(), { name: params.text('name'), by: actor }),
      )
      return done.ok ? 'ok' : codeOf(done.refusal)
    },
  },
  'list-config-sets': {
    roles: look,
    aliases: ['list-config-data'],
    spellings: { 'dev-id': 'device-id' },
    empty: 'config-sets',
    async run({ house, tenant, reader }, params) {
      const page = pageOf(params)
      const device = params.maybeText('device-id')
      const found = device === undefined ? undefined : await deviceByName(reader, device)
      if (device !== undefined && !found) return { result: 'device-not-found', 'config-sets': [] }
      const { n, previous, descending } = page
      const sets = found
        ? pageNames(await setsOfDevice(reader, found.device.id), ({ name }) => name, page)
        : n === 0
          ? []
          : await reader.find(configurationSets, {
              where: previous === '' ? {} : { name: descending ? { lt: previous } : { gt: previous } },
              order: [descending ? '-name' : 'name'],
              limit: n,
              without: 'texts',
            })
      const shown = sets.map(
        ({ name, schema, target }): JsonObject => ({
          name,
          yang: schema,
          'notification-url': target === undefined ? '' : house.exchange.openTarget(tenant.id, target),
        }),
      )
      return { result: 'ok', 'config-sets': shown }
    },
  },
  'list-config-set-members': {
    roles: look,
    aliases: ['list-config-data-members'],
    spellings,
    empty: 'config-set-members',
    async run({ reader }, params) {
      const set = await reader.get(configurationSets, { name: params.text('name') })
      const members = set && (await reader.get(groups, { id: set.members }))
      if (!members) return { result: 'object-not-found', 'config-set-members': [] }
      const found = await memberNames(reader, members, pageOf(params))
      return { result: 'ok', 'config-set-members': found.map(({ name }) => name) }
    },
  },
  'add-config-set-members': {
    roles: change,
    aliases: ['add-config-data-members'],
    spellings,
    lists: ['name', 'device-id'],
    run: (context, params) => eachSet(context, params, addToGroup),
  },
  'remove-config-set-members': {
    roles: change,
    aliases: ['remove-config-data-members'],
    spellings,
    lists: ['name', 'device-id'],
    run: (context, params) => eachSet(context, params, removeFromGroup),
  },
  'read-config-set-data': {
    roles: look,
    aliases: ['read-config-data'],
    spellings,
    async run({ reader }, params) {
      const set = await reader.get(configurationSets, { name: params.text('name') })
      const text = set?.[params.text('area') as 'staged' | 'pending' | 'installed'] ?? ''
      if (text === '') return 'object-not-found'
      const values = parseJson(text)
      return values.ok ? { result: 'ok', values: values.value } : 'internal-error'
    },
  },
  'push-config-set': {
    roles: change,
    spellings,
    async run(context, params) {
      const { house, tenant, actor } = context
      const ttlMs = params.has('timeout') ? parseTimer(params.text('timeout'), house.env().now) : undefined
      if (ttlMs && !ttlMs.ok) return 'validation-failed'
      const target = targetIn(context, params)
      if (target && !target.ok) return codeOf(target.refusal)
      const name = params.text('name')
      const given = params.any('transaction-id')
      const done = await house.store.transact(tenant.id, async (tx) => {
        const callId = given === undefined ? await nextCallId(tx) : printJson(given)
        return pushConfigurationSet(tx, house.env(), {
          name,
          callId,
          merge: mergeTexts,
          by: actor,
          notify: {
            each: true,
            method: 'exodm:push-config-set-callback',
            callId,
            ...(target === undefined ? { set: name } : { target: target.value }),
            ...(tenant.exchange?.groupsToo ? { groupsToo: true } : {}),
          },
          ...(ttlMs === undefined ? {} : { ttlMs: ttlMs.value }),
        })
      })
      if (!done.ok) return codeOf(done.refusal)
      if (done.value) context.began?.(done.value)
      return 'ok'
    },
  },
  'add-notification-urls': {
    roles: ['master', 'admin', 'config'],
    spellings: { 'dev-id': 'device-id' },
    run(context, params) {
      const rows = params.any('urls')
      const wanted = (Array.isArray(rows) ? rows : []).filter(isJsonObject).map((row) => ({
        set: String(row['config-set']),
        target: context.house.exchange.keepTarget(context.tenant.id, String(row['notification-url'])),
      }))
      const bad = wanted.find(({ target }) => !target.ok)
      if (bad && !bad.target.ok) return Promise.resolve(codeOf(bad.target.refusal))
      return retarget(
        context,
        params,
        wanted.flatMap(({ set, target }) => (target.ok ? [{ set, target: target.value }] : [])),
      )
    },
  },
  'delete-notification-urls': {
    roles: ['master', 'admin', 'config'],
    aliases: ['remove-notification-urls'],
    spellings: { 'dev-id': 'device-id' },
    lists: ['config-sets'],
    run: (context, params) =>
      retarget(
        context,
        params,
        params.texts('config-sets').map((set) => ({ set, target: null })),
      ),
  },
} as const satisfies Commands

/** Values, judged by the set's module, as JSON text; none: the empty text. Defaults are the device's to fill in. */
async function judged(
  { house, tenant }: Context,
  yang: string,
  values: JsonValue | undefined,
): Promise<{ readonly text: string } | { readonly answer: CommandAnswer }> {
  if (values === undefined) return { text: '' }
  if (!isJsonObject(values))
    return { answer: { result: 'validation-failed', reason: 'values: wanted an object' } }
  const schema = await house.exchange.schemas.open(tenant.id, parseSchemaName(yang))
  if (!schema) return { answer: 'object-not-found' }
  // A module of operations alone says nothing of values; 1.x never looked, and clients use such modules.
  if (schema.data.length === 0) return { text: printJson(values) }
  const fits = schema.judge({ as: 'edit' }, values)
  return fits.ok
    ? { text: printJson(values) }
    : { answer: { result: 'validation-failed' satisfies ResultCode, reason: fits.refusal.first } }
}

function targetIn({ house, tenant }: Context, params: Params) {
  const url = params.maybeText('notification-url')
  return url === undefined || url === '' ? undefined : house.exchange.keepTarget(tenant.id, url)
}

/** The same for each of the named sets with the named devices: all or none. */
async function eachSet(
  { house, tenant, actor }: Context,
  params: Params,
  change: (
    tx: Tx,
    env: ReturnType<Context['house']['env']>,
    asked: Parameters<typeof removeFromGroup>[2],
  ) => Promise<Result<unknown, GroupRefusal>>,
): Promise<CommandAnswer> {
  const done = await house.store.transact<undefined, GroupRefusal | ConfigurationRefusal>(
    tenant.id,
    async (tx) => {
      const found = await idsOfDevices(tx, params.texts('device-id'))
      if ('missing' in found) return refuse({ kind: 'no-such-device', got: found.missing })
      for (const name of params.texts('name')) {
        const set = await tx.get(configurationSets, { name })
        if (!set) return refuse({ kind: 'no-such-set', got: name })
        const asked = { group: set.members, devices: found.ids, by: actor }
        const changed = await change(tx, house.env(), asked)
        if (!changed.ok) return changed
      }
      return ok(undefined)
    },
  )
  return done.ok ? 'ok' : codeOf(done.refusal)
}

async function retarget(
  { house, tenant, actor }: Context,
  params: Params,
  rows: readonly { readonly set: string; readonly target: Target | null }[],
): Promise<CommandAnswer> {
  const done = await house.store.transact<undefined, ConfigurationRefusal>(tenant.id, async (tx) => {
    const found = await deviceByName(tx, params.text('device-id'))
    if (!found) return refuse({ kind: 'no-such-device', got: params.text('device-id') })
    for (const { set, target } of rows) {
      const device = found.device.id
      const changed = await retargetMember(tx, house.env(), { set, device, target, by: actor })
      if (!changed.ok) return changed
    }
    return ok(undefined)
  })
  return done.ok ? 'ok' : codeOf(done.refusal)
}
