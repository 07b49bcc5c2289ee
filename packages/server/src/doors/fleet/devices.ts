/** Devices at the fleet door: named by id or by nick, always within the caller's tenant. */
import { Type } from '@sinclair/typebox'
import {
  claimDevice,
  type Device,
  DeviceId,
  deleteDevice,
  deviceByNick,
  deviceLabels,
  deviceMetas,
  devices,
  deviceTypes,
  globalMeta,
  type JsonObject,
  labelDevice,
  livingDevice,
  logEntries,
  ok,
  patchUserMeta,
  publishDevice,
  queueOf,
  type Reader,
  type Result,
  refuse,
  registerDevice,
  renameDevice,
  setUserMeta,
  type TenantId,
  trailType,
  userMetas,
  withGlobal,
} from '@waymark/domain'
import { devicePlace, type House } from '../../house.ts'
import { changing, type Operation, reading } from './operation.ts'
import { pageOf, readCursor } from './paging.ts'
import type { FleetRefusal } from './refusals.ts'
import * as wire from './schemas.ts'
import { deviceView, logView } from './views.ts'

/** A device by id or nick. */
export const Named = Type.Object({
  device: Type.String({ minLength: 1, maxLength: 128, description: 'id or nick' }),
})

/** The device a path names, in the caller's tenant. */
export async function namedDevice(reader: Reader, name: string): Promise<Result<Device, FleetRefusal>> {
  const id = DeviceId.parse(name)
  const found = id && (await livingDevice(reader, id))
  if (found?.ok) return found
  const device = await deviceByNick(reader, name)
  return device ? ok(device) : refuse({ kind: 'no-such-device', got: name })
}

/** How a device that is connected to stands; undefined for one that follows a trail by itself. */
async function linkOf(house: House, tenant: TenantId, device: Device) {
  if (device.type === trailType) return undefined
  const reader = house.store.read(tenant)
  const [type, queue] = await Promise.all([
    reader.get(deviceTypes, { name: device.type }),
    queueOf(reader, device.id),
  ])
  return {
    ...(type === undefined ? {} : { protocol: type.protocol }),
    connected: house.exchange.sessions.isConnected(device.id),
    waiting: queue.open,
  }
}

async function shown(house: House, device: Device) {
  return deviceView(device, await house.presence.lastSeen(device.id))
}

export const deviceOperations: readonly Operation[] = [
  reading({
    id: 'listDevices',
    method: 'GET',
    path: '/devices',
    tag: 'devices',
    summary: 'Devices, by nick; or those with a label',
    right: 'devices.read',
    query: Type.Object({
      ...wire.Paging,
      nick: Type.Optional(Type.String({ maxLength: 128, description: 'begins so, whatever the case' })),
      type: Type.Optional(Type.String({ maxLength: 64 })),
      label: Type.Optional(Type.String({ maxLength: 320, description: '`label=value`' })),
    }),
    answer: wire.Page(wire.Device),
    async run({ house, caller, query }) {
      const reader = house.store.read(caller.tenant)
      const limit = query.limit ?? 50
      const page = query.label === undefined ? await byNick() : await byLabel(query.label)
      if (!page.ok) return page
      const { items, next } = page.value
      return ok({
        items: await Promise.all(items.map((device) => shown(house, device))),
        ...(next === undefined ? {} : { next }),
      })

      async function byNick() {
        const after = readCursor(query.cursor, ['boolean', 'string', 'string'])
        if (!after.ok) return after
        const rows = await reader.find(devices, {
          where: {
            garbage: false,
            ...(query.nick === undefined ? {} : { nick: { prefix: query.nick } }),
            ...(query.type === undefined ? {} : { type: query.type }),
          },
          order: ['garbage', 'nick', 'id'],
          limit: limit + 1,
          ...(after.value === undefined ? {} : { after: after.value }),
        })
        return ok(pageOf(rows, limit, (row) => [row.garbage, row.nick, row.id]))
      }

      async function byLabel(asked: string) {
        const after = readCursor(query.cursor, ['string', 'string', 'string'])
        if (!after.ok) return after
        const [label = '', ...value] = asked.split('=')
        const rows = await reader.find(deviceLabels, {
          where: { label, ...(value.length === 0 ? {} : { value: value.join('=') }) },
          order: ['label', 'value', 'device'],
          limit: limit + 1,
          ...(after.value === undefined ? {} : { after: after.value }),
        })
        const paged = pageOf(rows, limit, (row) => [row.label, row.value, row.device])
        const found = await Promise.all(paged.items.map((row) => livingDevice(reader, row.device)))
        const items = found.flatMap((device) => (device.ok ? [device.value] : []))
        return ok({ ...paged, items })
      }
    },
  }),

  changing({
    id: 'createDevice',
    method: 'POST',
    path: '/devices',
    tag: 'devices',
    summary: 'Makes a device of the tenant; its secret is shown this once',
    right: 'devices.write',
    body: wire.NewDevice,
    answer: wire.DeviceMade,
    status: 201,
    async run({ house, caller, body }) {
      return ok(async (directory) => {
        const env = house.env()
        const made = await registerDevice(directory, env, {
          tenant: caller.tenant,
          by: caller.actor,
          seal: (secret, device) => house.keys.seal(secret, devicePlace(device)),
          ...(body.nick === undefined ? {} : { nick: body.nick }),
        })
        if (!made.ok) return made
        if (body.labels === undefined)
          return ok({ device: deviceView(made.value.device, undefined), secret: made.value.secret })
        const labelled = await labelDevice(directory.tenant(caller.tenant), env, {
          device: made.value.device.id,
          labels: body.labels,
          by: caller.actor,
        })
        if (!labelled.ok) return labelled
        return ok({ device: deviceView(labelled.value, undefined), secret: made.value.secret })
      })
    },
  }),

  reading({
    id: 'getDevice',
    method: 'GET',
    path: '/devices/:device',
    tag: 'devices',
    summary: 'One device',
    right: 'devices.read',
    params: Named,
    answer: wire.Device,
    async run({ house, caller, params }) {
      const found = await namedDevice(house.store.read(caller.tenant), params.device)
      if (!found.ok) return found
      const link = await linkOf(house, caller.tenant, found.value)
      return ok({ ...(await shown(house, found.value)), ...(link === undefined ? {} : { link }) })
    },
  }),

  changing({
    id: 'changeDevice',
    method: 'PATCH',
    path: '/devices/:device',
    tag: 'devices',
    summary: 'Sets nick, labels or whether it is public',
    right: 'devices.write',
    params: Named,
    body: wire.DeviceChange,
    answer: wire.Device,
    async run({ house, caller, params, body }) {
      return ok(async (directory, tx) => {
        const found = await namedDevice(tx, params.device)
        if (!found.ok) return found
        const env = house.env()
        const device = found.value.id
        const by = caller.actor
        let now: Result<Device, FleetRefusal> = found
        if (body.nick !== undefined) now = await renameDevice(tx, env, { device, nick: body.nick, by })
        if (now.ok && body.labels !== undefined)
          now = await labelDevice(tx, env, { device, labels: body.labels, by })
        if (now.ok && body.public !== undefined)
          now = await publishDevice(directory, env, {
            device,
            tenant: caller.tenant,
            published: body.public,
            by,
          })
        return now.ok ? ok(deviceView(now.value, undefined)) : now
      })
    },
  }),

  changing({
    id: 'deleteDevice',
    method: 'DELETE',
    path: '/devices/:device',
    tag: 'devices',
    summary: 'Deletes a device: gone from every list, refused at login',
    right: 'devices.write',
    params: Named,
    answer: wire.Device,
    async run({ house, caller, params }) {
      return ok(async (directory, tx) => {
        const found = await namedDevice(tx, params.device)
        if (!found.ok) return found
        const gone = await deleteDevice(directory, house.env(), {
          device: found.value.id,
          tenant: caller.tenant,
          by: caller.actor,
        })
        return gone.ok ? ok(deviceView(gone.value, undefined)) : gone
      })
    },
  }),

  changing({
    id: 'claimDevice',
    method: 'POST',
    path: '/devices/:device/claim',
    tag: 'devices',
    summary: 'Claims an unclaimed device, by its id and challenge',
    right: 'devices.write',
    params: Type.Object({ device: wire.Id }),
    body: wire.Claim,
    answer: wire.Device,
    async run({ house, caller, params, body }) {
      const device = DeviceId.parse(params.device)
      if (!device) return refuse({ kind: 'no-such-device', got: params.device })
      return ok(async (directory) => {
        const claimed = await claimDevice(directory, house.env(), {
          device,
          challenge: body.challenge,
          tenant: caller.tenant,
          by: caller.actor,
        })
        return claimed.ok ? ok(deviceView(claimed.value, undefined)) : claimed
      })
    },
  }),

  reading({
    id: 'getUserMeta',
    method: 'GET',
    path: '/devices/:device/user-meta',
    tag: 'devices',
    summary: 'What the owner wants the device to know: its own user-meta over what all devices are told',
    right: 'devices.read',
    params: Named,
    query: Type.Object({
      own: Type.Optional(Type.Boolean({ description: 'only what is said to this device alone' })),
    }),
    answer: wire.Meta,
    async run({ house, caller, params, query }) {
      const reader = house.store.read(caller.tenant)
      const found = await namedDevice(reader, params.device)
      if (!found.ok) return found
      const own = (await reader.get(userMetas, { device: found.value.id }))?.meta
      return ok((query.own ? own : withGlobal(await globalMeta(reader), own)) ?? {})
    },
  }),
  metaChange('putUserMeta', 'PUT', 'Replaces what the owner wants the device to know', setUserMeta),
  metaChange(
    'patchUserMeta',
    'PATCH',
    'Merges into what the owner wants the device to know',
    (tx, env, asked) => patchUserMeta(tx, env, { device: asked.device, patch: asked.meta, by: asked.by }),
  ),

  reading({
    id: 'getDeviceMeta',
    method: 'GET',
    path: '/devices/:device/device-meta',
    tag: 'devices',
    summary: 'What the device says of itself',
    right: 'devices.read',
    params: Named,
    answer: wire.Meta,
    async run({ house, caller, params }) {
      const reader = house.store.read(caller.tenant)
      const found = await namedDevice(reader, params.device)
      if (!found.ok) return found
      return ok((await reader.get(deviceMetas, { device: found.value.id }))?.meta ?? {})
    },
  }),

  reading({
    id: 'listLogs',
    method: 'GET',
    path: '/devices/:device/logs',
    tag: 'devices',
    summary: 'Log lines in the order of arrival: the newest ones, or those after a line',
    right: 'devices.read',
    params: Named,
    query: Type.Object({
      limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000, default: 100 })),
      after: Type.Optional(
        Type.String({ pattern: '^[0-9a-f]{24}$', description: 'id of a line: what came later' }),
      ),
      level: Type.Optional(Type.String({ maxLength: 64 })),
      source: Type.Optional(Type.String({ maxLength: 256 })),
    }),
    answer: Type.Object({ items: Type.Array(wire.LogLine) }),
    async run({ house, caller, params, query }) {
      const found = await namedDevice(house.store.read(caller.tenant), params.device)
      if (!found.ok) return found
      const items = await logLines(house, caller.tenant, found.value, query)
      return ok({ items: items.map(logView) })
    },
  }),
]

interface LogQuery {
  readonly limit?: number
  readonly after?: string
  readonly level?: string
  readonly source?: string
}

async function logLines(house: House, tenant: TenantId, device: Device, query: LogQuery) {
  const lines = await house.telemetry.read(tenant).find(logEntries, {
    where: {
      device: device.id,
      ...(query.after === undefined ? {} : { id: { gt: query.after } }),
      ...(query.level === undefined ? {} : { level: query.level }),
      ...(query.source === undefined ? {} : { source: query.source }),
    },
    order: query.after === undefined ? ['-createdAt', '-id'] : ['createdAt', 'id'],
    limit: query.limit ?? 100,
  })
  return query.after === undefined ? lines.reverse() : lines
}

function metaChange(
  id: string,
  method: 'PUT' | 'PATCH',
  summary: string,
  change: typeof setUserMeta,
): Operation {
  return changing({
    id,
    method,
    path: '/devices/:device/user-meta',
    tag: 'devices',
    summary,
    right: 'devices.write',
    params: Named,
    body: wire.Meta,
    answer: wire.Meta,
    async run({ house, caller, params, body }) {
      return ok(async (_directory, tx) => {
        const found = await namedDevice(tx, params.device)
        if (!found.ok) return found
        return change(tx, house.env(), { device: found.value, meta: body as JsonObject, by: caller.actor })
      })
    },
  })
}
