/**
 * Packages at the fleet door: software for devices of every link. An image is an object that was uploaded before; what is
 * asked of devices and groups is one transaction, whatever kinds of devices are among them.
 */
import { Type } from '@sinclair/typebox'
import {
  type AllowedPackage,
  type AskedPackage,
  allowedPackages,
  allowPackage,
  createPackage,
  type DeviceId,
  devicePackages,
  devices,
  deviceTypes,
  disallowPackage,
  Instant,
  membersOf,
  nextCallId,
  ObjectSha,
  ok,
  type Package,
  packages,
  parseSchemaName,
  type Reader,
  type Result,
  refuse,
  removePackage,
  submitPackage,
  submitPackageToAll,
  submitToGroup,
  trailType,
} from '@waymark/domain'
import { judgeValues } from '../../links/software.ts'
import { namedDevice } from './devices.ts'
import { namedGroup } from './groups.ts'
import { changing, type Operation, reading } from './operation.ts'
import { pageOf, readCursor } from './paging.ts'
import type { FleetRefusal } from './refusals.ts'
import * as wire from './schemas.ts'
import { transactionView } from './views.ts'

const Name = Type.String({ minLength: 1, maxLength: 256 })
const Named = Type.Object({ package: Name })
const Names = Type.Array(Name, { maxItems: 100 })
const Told = Type.String({ minLength: 1, maxLength: 256, description: 'what the device’s installer is told' })
const TypeName = Type.String({
  minLength: 1,
  maxLength: 64,
  description: 'of devices; `pantahub`: on a trail',
})

const PackageShown = Type.Object({
  name: Type.String(),
  image: Type.String({ description: 'sha256' }),
  size: Type.Integer(),
  module: Type.Optional(Type.String({ description: 'of its operations and configuration' })),
  container: Type.Optional(Type.String({ description: 'of its configuration, in the module' })),
  needs: Type.Array(Type.String()),
  upgrades: Type.Array(Type.String({ description: 'what it can take the place of' })),
  types: Type.Optional(Type.Array(Type.String({ description: 'of devices that may have it' }))),
  createdAt: Type.String({ format: 'date-time' }),
})

const OnDevice = Type.Object({
  device: wire.Id,
  nick: Type.String(),
  package: Type.String(),
  installed: Type.Boolean(),
  operation: Type.String(),
  status: Type.String({ description: 'queued, completed, timeout, dependency-failure, other-error' }),
  transaction: wire.Id,
  since: Type.String({ format: 'date-time' }),
})

/** Devices and groups that are asked at once. */
const targetsMax = 1000
const Target = Type.String({ minLength: 1, maxLength: 128, description: 'id or name' })
const Targets = Type.Array(Target, { maxItems: targetsMax })
/** How long what is asked may wait, where nothing is said: a week, in milliseconds. */
const ttlDefaultMs = 604_800_000

export const packageOperations: readonly Operation[] = [
  reading({
    id: 'listPackages',
    method: 'GET',
    path: '/packages',
    tag: 'packages',
    summary: 'Packages, by name',
    right: 'devices.read',
    query: Type.Object({ ...wire.Paging }),
    answer: wire.Page(PackageShown),
    async run({ house, caller, query }) {
      const after = readCursor(query.cursor, ['string'])
      if (!after.ok) return after
      const limit = query.limit ?? 50
      const found = await house.store.read(caller.tenant).find(packages, {
        order: ['name'],
        limit: limit + 1,
        ...(after.value === undefined ? {} : { after: after.value }),
      })
      const { items, ...more } = pageOf(found, limit, ({ name }) => [name])
      return ok({ items: items.map((each) => view(each)), ...more })
    },
  }),

  reading({
    id: 'getPackage',
    method: 'GET',
    path: '/packages/:package',
    tag: 'packages',
    summary: 'One package, with the types of devices that may have it',
    right: 'devices.read',
    params: Named,
    answer: PackageShown,
    async run({ house, caller, params }) {
      const reader = house.store.read(caller.tenant)
      const found = await namedPackage(reader, params.package)
      if (!found.ok) return found
      const rows = await reader.find(allowedPackages, { where: { package: found.value.name }, limit: 1000 })
      return ok(
        view(
          found.value,
          rows.map(({ type }) => type),
        ),
      )
    },
  }),

  reading({
    id: 'listPackageDevices',
    method: 'GET',
    path: '/packages/:package/devices',
    tag: 'packages',
    summary: 'How a package stands on each device that has it, had it, or is to have it',
    right: 'devices.read',
    params: Named,
    query: Type.Object({ ...wire.Paging }),
    answer: wire.Page(OnDevice),
    async run({ house, caller, params, query }) {
      const reader = house.store.read(caller.tenant)
      const found = await namedPackage(reader, params.package)
      if (!found.ok) return found
      const after = readCursor(query.cursor, ['string'])
      if (!after.ok) return after
      const limit = query.limit ?? 50
      const [from] = after.value ?? []
      const rows = await reader.find(devicePackages, {
        where: {
          package: found.value.name,
          ...(from === undefined ? {} : { device: { gt: String(from) as DeviceId } }),
        },
        order: ['package', 'device'],
        limit: limit + 1,
      })
      const page = pageOf(rows, limit, (row) => [row.device])
      const items = await Promise.all(
        page.items.map(async ({ since, ...row }) => {
          const nick = (await reader.get(devices, { id: row.device }))?.nick ?? ''
          return { ...row, nick, since: Instant.format(since) }
        }),
      )
      return ok({ ...page, items })
    },
  }),

  changing({
    id: 'createPackage',
    method: 'POST',
    path: '/packages',
    tag: 'packages',
    summary: 'Makes a package of an object that is stored here',
    right: 'devices.write',
    also: 'objects.write',
    body: Type.Object(
      {
        name: Name,
        image: Type.String({ pattern: '^[0-9a-f]{64}$', description: 'sha256 of a stored object' }),
        module: Type.Optional(Name),
        container: Type.Optional(Name),
        needs: Type.Optional(Names),
        upgrades: Type.Optional(Names),
      },
      { additionalProperties: false },
    ),
    answer: PackageShown,
    status: 201,
    async run({ house, caller, body }) {
      const { name, module: file, container } = body
      const image = ObjectSha.parse(body.image)
      if (!image) return refuse({ kind: 'no-such-object', got: body.image })
      if (container !== undefined && file === undefined)
        return bad('container', 'a module that has it', container)
      if (file !== undefined) {
        const schema = await house.exchange.schemas.open(caller.tenant, parseSchemaName(file))
        if (!schema) return bad('module', 'a module that is here', file)
        const there = schema.data.some((each) => each.kind === 'container' && each.name === container)
        if (container !== undefined && !there) return bad('container', `a container of ${file}`, container)
      }
      return ok(async (_directory, tx) => {
        const made = await createPackage(tx, house.env(), {
          name,
          image,
          prerequisites: body.needs ?? [],
          upgradeFrom: body.upgrades ?? [],
          by: caller.actor,
          ...(file === undefined ? {} : { file }),
          ...(container === undefined ? {} : { container }),
        })
        return made.ok ? ok(view(made.value)) : made
      })
    },
  }),

  changing({
    id: 'removePackage',
    method: 'DELETE',
    path: '/packages/:package',
    tag: 'packages',
    summary: 'Removes a package that no device has or is getting, no other needs and no type allows',
    right: 'devices.write',
    also: 'objects.write',
    params: Named,
    answer: PackageShown,
    async run({ house, caller, params }) {
      return ok(async (_directory, tx) => {
        const gone = await removePackage(tx, house.env(), { name: params.package, by: caller.actor })
        return gone.ok ? ok(view(gone.value)) : gone
      })
    },
  }),

  changing({
    id: 'allowPackage',
    method: 'POST',
    path: '/packages/:package/allow',
    tag: 'packages',
    summary: 'Lets devices of a type have it',
    right: 'devices.write',
    params: Named,
    body: Type.Object(
      {
        type: TypeName,
        installArguments: Type.Optional(Told),
        upgradeArguments: Type.Optional(Told),
        uninstallArguments: Type.Optional(Told),
      },
      { additionalProperties: false },
    ),
    answer: Type.Object({ type: Type.String(), package: Type.String() }),
    async run({ house, caller, params, body }) {
      return ok(async (_directory, tx) => {
        if (body.type !== trailType && !(await tx.get(deviceTypes, { name: body.type })))
          return refuse({ kind: 'no-such-type', got: body.type })
        const row: AllowedPackage = { ...body, package: params.package }
        const done = await allowPackage(tx, house.env(), { ...row, by: caller.actor })
        return done.ok ? ok({ type: row.type, package: row.package }) : done
      })
    },
  }),

  changing({
    id: 'disallowPackage',
    method: 'POST',
    path: '/packages/:package/disallow',
    tag: 'packages',
    summary: 'Devices of a type may have it no longer; where it is installed it stays',
    right: 'devices.write',
    params: Named,
    body: Type.Object({ type: TypeName }, { additionalProperties: false }),
    answer: Type.Object({ type: Type.String(), package: Type.String() }),
    async run({ house, caller, params, body }) {
      return ok(async (_directory, tx) => {
        const found = await namedPackage(tx, params.package)
        if (!found.ok) return found
        const key = { type: body.type, package: found.value.name }
        const done = await disallowPackage(tx, house.env(), { ...key, by: caller.actor })
        return done.ok ? ok(key) : refuse({ kind: 'no-such-type', got: body.type })
      })
    },
  }),

  changing({
    id: 'operatePackage',
    method: 'POST',
    path: '/packages/:package/operate',
    tag: 'packages',
    summary: 'Installs, upgrades to or uninstalls a package on devices and groups, as one transaction',
    right: 'devices.write',
    params: Named,
    body: Type.Object(
      {
        operation: Type.Union([
          Type.Literal('transmit'),
          Type.Literal('install'),
          Type.Literal('upgrade'),
          Type.Literal('uninstall'),
        ]),
        devices: Type.Optional(Targets),
        groups: Type.Optional(Targets),
        from: Type.Optional(Type.String({ ...Name, description: 'what an upgrade replaces' })),
        recursive: Type.Optional(Type.Boolean({ description: 'install what it needs first' })),
        removeUnused: Type.Optional(
          Type.Boolean({ description: 'uninstall what nothing needs any more; true for an uninstallation' }),
        ),
        values: Type.Optional(
          Type.String({ maxLength: 1_000_000, description: 'its first configuration, as JSON text' }),
        ),
        ttlMs: Type.Optional(Type.Integer({ minimum: 1, description: 'a week, if nothing is said' })),
      },
      { additionalProperties: false },
    ),
    answer: wire.Transaction,
    status: 201,
    async run({ house, caller, params, body }) {
      const reader = house.store.read(caller.tenant)
      const found = await namedPackage(reader, params.package)
      if (!found.ok) return found
      const held = found.value
      const values =
        body.values === undefined
          ? undefined
          : await judgeValues(house.exchange.schemas, caller.tenant, held, {
              text: body.values,
              as: 'config',
            })
      if (values && !values.ok) return values
      const { operation } = body
      return ok(async (_directory, tx) => {
        const targets = await targetsOf(tx, body.devices ?? [], body.groups ?? [])
        if (!targets.ok) return targets
        const { ids, group } = targets.value
        const callId = await nextCallId(tx)
        const payload: AskedPackage = {
          operation,
          package: held.name,
          recursive: body.recursive ?? false,
          removeUnused: body.removeUnused ?? operation === 'uninstall',
          callId,
          ...(body.from === undefined ? {} : { from: body.from }),
          ...(values === undefined ? {} : { values: values.value }),
        }
        const asked = { ttlMs: body.ttlMs ?? ttlDefaultMs, by: caller.actor }
        const env = house.env()
        const [only] = ids
        const done =
          group !== undefined
            ? await submitToGroup(tx, env, { ...asked, kind: 'package', group, payload: { ...payload } })
            : ids.length === 1 && only !== undefined
              ? await submitPackage(tx, env, { ...asked, device: only, payload })
              : await submitPackageToAll(tx, env, {
                  ...asked,
                  kind: 'package',
                  devices: ids,
                  payload: { ...payload },
                  name: `${callId} ${env.now}`,
                })
        return done.ok ? ok(transactionView(done.value)) : done
      })
    },
  }),
]

/** A package by its name. */
export async function namedPackage(reader: Reader, name: string): Promise<Result<Package, FleetRefusal>> {
  const found = await reader.get(packages, { name })
  return found ? ok(found) : refuse({ kind: 'no-such-package', got: name })
}

/** The devices that are meant, each once; or the one group, whose membership is then its own to fix. */
async function targetsOf(reader: Reader, named: readonly string[], groups: readonly string[]) {
  const ids = new Set<DeviceId>()
  for (const name of named) {
    const device = await namedDevice(reader, name)
    if (!device.ok) return device
    ids.add(device.value.id)
  }
  for (const name of groups) {
    const group = await namedGroup(reader, name)
    if (!group.ok) return group
    if (ids.size === 0 && groups.length === 1) return ok({ ids: [], group: group.value.id })
    for (let after: { device: DeviceId; since: number } | undefined; ; ) {
      const page = await membersOf(reader, group.value.id, {
        limit: 500,
        ...(after === undefined ? {} : { after }),
      })
      for (const { device } of page) ids.add(device)
      after = page.at(-1)
      if (page.length < 500) break
    }
  }
  return ids.size === 0
    ? bad('devices', 'at least one device or group', 'none')
    : ok({ ids: [...ids], group: undefined })
}

function bad(thing: string, wanted: string, got: string) {
  return refuse({ kind: 'bad-value', thing, wanted, got } as const)
}

function view(
  { name, image, size, file, container, prerequisites, upgradeFrom, createdAt }: Package,
  types?: string[],
) {
  return {
    name,
    image,
    size,
    needs: prerequisites,
    upgrades: upgradeFrom,
    createdAt: Instant.format(createdAt),
    ...(file === undefined ? {} : { module: file }),
    ...(container === undefined ? {} : { container }),
    ...(types === undefined ? {} : { types }),
  }
}
