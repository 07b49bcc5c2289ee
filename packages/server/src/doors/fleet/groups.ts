/** Groups at the fleet door: devices that are asked together, named by the group's id or name. */
import { Type } from '@sinclair/typebox'
import {
  addToGroup,
  createGroup,
  type DeviceId,
  type Group,
  GroupId,
  groupByName,
  groups,
  groupsByName,
  Instant,
  isHidden,
  livingDevice,
  membersOf,
  ok,
  type Reader,
  type Result,
  refuse,
  removeFromGroup,
  removeGroup,
} from '@waymark/domain'
import { namedDevice } from './devices.ts'
import { changing, type Operation, reading } from './operation.ts'
import { pageOf, readCursor } from './paging.ts'
import type { FleetRefusal } from './refusals.ts'
import * as wire from './schemas.ts'
import { deviceView } from './views.ts'

const Named = Type.Object({ group: Type.String({ minLength: 1, maxLength: 128, description: 'id or name' }) })

const GroupShown = Type.Object({
  id: wire.Id,
  name: Type.String(),
  type: Type.Optional(Type.String({ description: 'of all its members; absent while it has none' })),
  size: Type.Integer(),
  open: Type.Integer({ description: 'transactions of the whole group that have not ended' }),
  createdAt: Type.String({ format: 'date-time' }),
})

/** Devices added or removed at once. */
const devicesMax = 1000
const Devices = Type.Object(
  {
    devices: Type.Array(Type.String({ minLength: 1, maxLength: 128, description: 'id or nick' }), {
      minItems: 1,
      maxItems: devicesMax,
    }),
  },
  { additionalProperties: false },
)

export const groupOperations: readonly Operation[] = [
  reading({
    id: 'listGroups',
    method: 'GET',
    path: '/groups',
    tag: 'devices',
    summary: 'Groups, by name',
    right: 'devices.read',
    query: Type.Object({ ...wire.Paging }),
    answer: wire.Page(GroupShown),
    async run({ house, caller, query }) {
      const after = readCursor(query.cursor, ['string'])
      if (!after.ok) return after
      const limit = query.limit ?? 50
      const previous = String(after.value?.[0] ?? '')
      const found = await groupsByName(house.store.read(caller.tenant), { previous, limit: limit + 1 })
      const { items, ...more } = pageOf(found, limit, ({ name }) => [name])
      return ok({ items: items.map(view), ...more })
    },
  }),

  reading({
    id: 'getGroup',
    method: 'GET',
    path: '/groups/:group',
    tag: 'devices',
    summary: 'One group',
    right: 'devices.read',
    params: Named,
    answer: GroupShown,
    async run({ house, caller, params }) {
      const found = await namedGroup(house.store.read(caller.tenant), params.group)
      return found.ok ? ok(view(found.value)) : found
    },
  }),

  reading({
    id: 'listGroupMembers',
    method: 'GET',
    path: '/groups/:group/devices',
    tag: 'devices',
    summary: 'The devices of a group, by id',
    right: 'devices.read',
    params: Named,
    query: Type.Object({ ...wire.Paging }),
    answer: wire.Page(wire.Device),
    async run({ house, caller, params, query }) {
      const reader = house.store.read(caller.tenant)
      const found = await namedGroup(reader, params.group)
      if (!found.ok) return found
      const cursor = readCursor(query.cursor, ['string', 'number'])
      if (!cursor.ok) return cursor
      const [device, since] = cursor.value ?? []
      const limit = query.limit ?? 50
      const rows = await membersOf(reader, found.value.id, {
        limit: limit + 1,
        ...(device === undefined || since === undefined
          ? {}
          : { after: { device: String(device) as DeviceId, since: Number(since) } }),
      })
      const page = pageOf(rows, limit, (row) => [row.device, row.since])
      const members = await Promise.all(page.items.map((row) => livingDevice(reader, row.device)))
      const living = members.flatMap((each) => (each.ok ? [each.value] : []))
      const items = await Promise.all(
        living.map(async (each) => deviceView(each, await house.presence.lastSeen(each.id))),
      )
      return ok({ ...page, items })
    },
  }),

  changing({
    id: 'createGroup',
    method: 'POST',
    path: '/groups',
    tag: 'devices',
    summary: 'Makes a group, which has no members yet',
    right: 'devices.write',
    body: Type.Object(
      { name: Type.String({ minLength: 1, maxLength: 64 }) },
      { additionalProperties: false },
    ),
    answer: GroupShown,
    status: 201,
    async run({ house, caller, body }) {
      return ok(async (_directory, tx) => {
        const made = await createGroup(tx, house.env(), { name: body.name, by: caller.actor })
        return made.ok ? ok(view(made.value)) : made
      })
    },
  }),

  changing({
    id: 'removeGroup',
    method: 'DELETE',
    path: '/groups/:group',
    tag: 'devices',
    summary: 'Removes a group; its devices stay, and what was asked of it goes on',
    right: 'devices.write',
    params: Named,
    answer: GroupShown,
    async run({ house, caller, params }) {
      return ok(async (_directory, tx) => {
        const found = await namedGroup(tx, params.group)
        if (!found.ok) return found
        const gone = await removeGroup(tx, house.env(), { id: found.value.id, by: caller.actor })
        return gone.ok ? ok(view(gone.value)) : gone
      })
    },
  }),

  changingMembers('addToGroup', '/groups/:group/add', 'Adds devices, all of them or none', addToGroup),
  changingMembers(
    'removeFromGroup',
    '/groups/:group/remove',
    'Takes devices out; who is no member is passed over',
    removeFromGroup,
  ),
]

function changingMembers(
  id: string,
  path: string,
  summary: string,
  change: typeof removeFromGroup,
): Operation {
  return changing({
    id,
    method: 'POST',
    path,
    tag: 'devices',
    summary,
    right: 'devices.write',
    params: Named,
    body: Devices,
    answer: GroupShown,
    async run({ house, caller, params, body }) {
      return ok(async (_directory, tx) => {
        const found = await namedGroup(tx, params.group)
        if (!found.ok) return found
        const devices: DeviceId[] = []
        for (const name of body.devices) {
          const device = await namedDevice(tx, name)
          if (!device.ok) return device
          devices.push(device.value.id)
        }
        const asked = { group: found.value.id, devices, by: caller.actor }
        const done = await change(tx, house.env(), asked)
        return done.ok ? ok(view(done.value)) : done
      })
    },
  })
}

/** A group by its id or name; hidden ones are nobody's business. */
export async function namedGroup(reader: Reader, named: string): Promise<Result<Group, FleetRefusal>> {
  const id = GroupId.parse(named)
  const found = (id && (await reader.get(groups, { id }))) ?? (await groupByName(reader, named))
  return found && !isHidden(found) ? ok(found) : refuse({ kind: 'no-such-group', got: named })
}

function view({ id, name, type, size, open, createdAt }: Group) {
  return {
    id,
    name,
    size,
    open,
    createdAt: Instant.format(createdAt),
    ...(type === undefined ? {} : { type }),
  }
}
