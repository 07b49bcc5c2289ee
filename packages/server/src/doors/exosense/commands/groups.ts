/** Groups of devices. */
import {
  addToGroup,
  createGroup,
  devices,
  type Group,
  type GroupMember,
  type GroupRefusal,
  groupByName,
  groups,
  groupsByName,
  isHidden,
  memberOf,
  membershipsOf,
  membersOf,
  ok,
  type Reader,
  type Result,
  refuse,
  removeFromGroup,
  removeGroup,
  retargetGroup,
  sweepMembers,
  type Tx,
} from '@waymark/domain'
import type { JsonObject } from '@waymark/yang'
import {
  type CommandAnswer,
  type Commands,
  type Context,
  type Page,
  type Params,
  pageNames,
  pageOf,
} from '../command.ts'
import { codeOf } from '../refusals.ts'
import { deviceByName, devicesByName, idsOfDevices, namesOfDevices } from './naming.ts'

const change = ['master', 'admin', 'device'] as const
const look = ['master', 'admin', 'view', 'device'] as const
/** How a group is named varies between generations and clients. */
const spellings = { 'group-name': 'group-id', gid: 'group-id', 'device-groups': 'group-id', name: 'group-id' }

export const groupCommands = {
  'create-device-group': {
    roles: change,
    spellings: { 'group-id': 'name', 'group-name': 'name', gid: 'name' },
    async run({ house, tenant, actor }, params) {
      const url = params.maybeText('notification-url')
      const target = url === undefined || url === '' ? undefined : house.exchange.keepTarget(tenant.id, url)
      if (target && !target.ok) return codeOf(target.refusal)
      const made = await house.store.transact(tenant.id, (tx) =>
        createGroup(tx, house.env(), {
          name: params.text('name'),
          by: actor,
          ...(target === undefined ? {} : { target: target.value }),
        }),
      )
      return made.ok ? 'ok' : codeOf(made.refusal)
    },
  },
  'update-device-group': {
    roles: change,
    spellings,
    async run({ house, tenant, actor, reader }, params) {
      const group = await groupByName(reader, params.text('group-id'))
      if (!group) return 'object-not-found'
      const url = params.maybeText('notification-url')
      if (url === undefined) return 'ok'
      const target = house.exchange.keepTarget(tenant.id, url)
      if (!target.ok) return codeOf(target.refusal)
      const done = await house.store.transact(tenant.id, (tx) =>
        retargetGroup(tx, house.env(), { id: group.id, target: target.value, by: actor }),
      )
      return done.ok ? 'ok' : codeOf(done.refusal)
    },
  },
  'delete-device-group': {
    roles: change,
    spellings,
    async run({ house, tenant, actor, reader }, params) {
      const group = await groupByName(reader, params.text('group-id'))
      if (!group) return 'object-not-found'
      const done = await house.store.transact(tenant.id, (tx) =>
        removeGroup(tx, house.env(), { id: group.id, by: actor }),
      )
      if (!done.ok) return codeOf(done.refusal)
      for (let swept = 1; swept > 0; ) {
        const slice = await house.store.transact(tenant.id, async (tx) =>
          ok(await sweepMembers(tx, group.id, 500)),
        )
        swept = slice.ok ? slice.value : 0
      }
      return 'ok'
    },
  },
  'list-device-groups': {
    roles: look,
    spellings: { 'dev-id': 'device-id' },
    empty: 'device-groups',
    async run({ house, tenant, reader }, params) {
      const page = pageOf(params)
      const name = params.maybeText('device-id')
      const found = name === undefined ? await pageOfGroups(reader, page) : await groupsOf(reader, name, page)
      if (!found) return { result: 'device-not-found', 'device-groups': [] }
      const shown = found.map(
        (group): JsonObject => ({
          'group-id': group.name,
          'group-name': group.name,
          'notification-url':
            group.target === undefined ? '' : house.exchange.openTarget(tenant.id, group.target),
        }),
      )
      return { result: 'ok', 'device-groups': shown }
    },
  },
  'list-device-group-members': {
    roles: look,
    spellings,
    empty: 'device-group-members',
    async run({ reader }, params) {
      const group = await groupByName(reader, params.text('group-id'))
      if (!group) return { result: 'object-not-found', 'device-group-members': [], devices: [] }
      const found = await memberNames(reader, group, pageOf(params))
      return {
        result: 'ok',
        'device-group-members': found.map(({ name }) => name),
        devices: found.map(({ name, primary }) => ({ 'device-id': name, primary })),
      }
    },
  },
  'add-device-group-members': {
    roles: change,
    aliases: ['add-device-group-member'],
    spellings: { ...spellings, 'dev-id': 'device-id' },
    lists: ['group-id', 'device-id'],
    run(context, params) {
      const primary = params.flag('primary')
      if (primary && params.texts('group-id').length !== 1)
        return Promise.resolve('validation-failed' as const)
      return eachGroup(context, params, (tx, env, asked) => addToGroup(tx, env, { ...asked, primary }))
    },
  },
  'remove-device-group-members': {
    roles: change,
    spellings: { ...spellings, 'dev-id': 'device-id' },
    lists: ['group-id', 'device-id'],
    run: (context, params) => eachGroup(context, params, removeFromGroup),
  },
} as const satisfies Commands

/** The same for each of the named groups with the named devices: all or none. */
async function eachGroup(
  { house, tenant, actor }: Context,
  params: Params,
  change: (
    tx: Tx,
    env: ReturnType<Context['house']['env']>,
    asked: Parameters<typeof removeFromGroup>[2],
  ) => Promise<Result<Group, GroupRefusal>>,
): Promise<CommandAnswer> {
  const done = await house.store.transact<undefined, GroupRefusal>(tenant.id, async (tx) => {
    const found = await idsOfDevices(tx, params.texts('device-id'))
    if ('missing' in found) return refuse({ kind: 'no-such-device', got: found.missing })
    for (const name of params.texts('group-id')) {
      const group = await groupByName(tx, name)
      if (!group) return refuse({ kind: 'no-such-group', got: name })
      const changed = await change(tx, house.env(), { group: group.id, devices: found.ids, by: actor })
      if (!changed.ok) return changed
    }
    return ok(undefined)
  })
  return done.ok ? 'ok' : codeOf(done.refusal)
}

async function pageOfGroups(reader: Reader, { n, previous, descending }: Page): Promise<readonly Group[]> {
  return n === 0 ? [] : groupsByName(reader, { previous, limit: n, descending })
}

/** The groups of a device; undefined: there is no such device. */
async function groupsOf(reader: Reader, name: string, page: Page): Promise<readonly Group[] | undefined> {
  const found = await deviceByName(reader, name)
  if (!found) return undefined
  const own: Group[] = []
  for (const { group: id } of await membershipsOf(reader, found.device.id)) {
    const group = await reader.get(groups, { id })
    if (group && !isHidden(group)) own.push(group)
  }
  return pageNames(own, (group) => group.name, page)
}

/** A group of more members is read by names, in order, instead of whole. */
const gatheredMax = 5000

/** The members of a group in the order of their names. */
export async function memberNames(
  reader: Reader,
  group: Pick<Group, 'id' | 'size'>,
  page: Page,
): Promise<readonly { readonly name: string; readonly primary: boolean }[]> {
  if (group.size > gatheredMax) {
    const found = await devicesByName(
      reader,
      page,
      async ({ device }) => (await memberOf(reader, group.id, device.id)) !== undefined,
    )
    const named: { name: string; primary: boolean }[] = []
    for (const { name, device } of found)
      named.push({ name, primary: (await memberOf(reader, group.id, device.id))?.primary ?? false })
    return named
  }
  const all: { name: string; primary: boolean }[] = []
  let after: GroupMember | undefined
  for (;;) {
    const rows = await membersOf(reader, group.id, { limit: 500, ...(after === undefined ? {} : { after }) })
    for (const row of rows) {
      const device = await reader.get(devices, { id: row.device })
      const [name] = device ? await namesOfDevices(reader, [device]) : []
      if (name !== undefined) all.push({ name, primary: row.primary })
    }
    after = rows.at(-1)
    if (rows.length < 500) break
  }
  return pageNames(all, ({ name }) => name, page)
}
