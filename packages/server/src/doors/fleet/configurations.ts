/**
 * Configuration of packages at the fleet door: staged, pushed, looked at and taken back, on a device; staged, pushed and
 * looked at on a group, whose edits are its members' defaults. Values are JSON texts, so that no number is rounded.
 */
import { Type } from '@sinclair/typebox'
import {
  type ConfigurationVersion,
  configurationOf,
  configurationsOf,
  Instant,
  nextCallId,
  ok,
  type PackageConfiguration,
  pushPackageConfigurations,
  type Reader,
  type Result,
  type Subject,
  stageConfiguration,
  stageVersion,
  versionsOf,
} from '@waymark/domain'
import { mergeTexts } from '../../links/merge.ts'
import { judgeValues } from '../../links/software.ts'
import { namedDevice } from './devices.ts'
import { namedGroup } from './groups.ts'
import { changing, type Operation, reading } from './operation.ts'
import { namedPackage } from './packages.ts'
import type { FleetRefusal } from './refusals.ts'
import * as wire from './schemas.ts'
import { transactionView } from './views.ts'

const Name = Type.String({ minLength: 1, maxLength: 256 })
const Named = Type.String({ minLength: 1, maxLength: 128, description: 'id or name' })
const Values = Type.String({ maxLength: 1_000_000, description: 'JSON text, numbers exact' })
/** Versions of a configuration that are shown at most. */
const versionsMax = 100

const Shown = Type.Object({
  package: Type.String(),
  version: Type.Integer({ description: 'of what is confirmed; 0: nothing is' }),
  current: Type.Optional(
    Type.String({ ...Values, description: 'what the device has confirmed, or what members were sent last' }),
  ),
  staged: Type.Optional(Type.String({ ...Values, description: 'edited, and not pushed yet' })),
  whole: Type.Optional(
    Type.Boolean({ description: 'what is staged takes the place of what is there, instead of being merged' }),
  ),
})
const Version = Type.Object({
  version: Type.Integer(),
  at: Type.String({ format: 'date-time' }),
  values: Values,
  transaction: wire.Id,
})

/** Whose configuration a path is about. */
interface Kind {
  readonly what: 'Device' | 'Group'
  readonly path: string
  readonly params: { readonly [name: string]: typeof Named }
  find(reader: Reader, params: Readonly<Record<string, string>>): Promise<Result<Subject, FleetRefusal>>
}

const ofDevice: Kind = {
  what: 'Device',
  path: '/devices/:device/config',
  params: { device: Named },
  async find(reader, params) {
    const found = await namedDevice(reader, params.device ?? '')
    return found.ok ? ok({ kind: 'device', id: found.value.id }) : found
  },
}
const ofGroup: Kind = {
  what: 'Group',
  path: '/groups/:group/config',
  params: { group: Named },
  async find(reader, params) {
    const found = await namedGroup(reader, params.group ?? '')
    return found.ok ? ok({ kind: 'group', id: found.value.id }) : found
  },
}

export const configurationOperations: readonly Operation[] = [
  ...operationsOf(ofDevice),
  ...operationsOf(ofGroup),

  reading({
    id: 'listDeviceConfigVersions',
    method: 'GET',
    path: '/devices/:device/config/:package/versions',
    tag: 'packages',
    summary: 'What a device has confirmed of a package’s configuration, newest first',
    right: 'devices.read',
    params: Type.Object({ device: Named, package: Name }),
    query: Type.Object({ limit: Type.Optional(Type.Integer({ minimum: 1, maximum: versionsMax })) }),
    answer: Type.Object({ items: Type.Array(Version) }),
    async run({ house, caller, params, query }) {
      const reader = house.store.read(caller.tenant)
      const device = await namedDevice(reader, params.device)
      if (!device.ok) return device
      const found = await namedPackage(reader, params.package)
      if (!found.ok) return found
      const rows = await versionsOf(reader, device.value.id, params.package, query.limit ?? versionsMax)
      return ok({ items: rows.map(versionView) })
    },
  }),

  changing({
    id: 'rollbackDeviceConfig',
    method: 'POST',
    path: '/devices/:device/config/:package/rollback',
    tag: 'packages',
    summary: 'Stages what a device had before, whole, to be pushed like any other edit',
    right: 'devices.write',
    params: Type.Object({ device: Named, package: Name }),
    body: Type.Object({ version: Type.Integer({ minimum: 1 }) }, { additionalProperties: false }),
    answer: Shown,
    async run({ house, caller, params, body }) {
      return ok(async (_directory, tx) => {
        const device = await namedDevice(tx, params.device)
        if (!device.ok) return device
        const found = await namedPackage(tx, params.package)
        if (!found.ok) return found
        const asked = { device: device.value.id, package: params.package, version: body.version }
        const done = await stageVersion(tx, house.env(), { ...asked, by: caller.actor })
        return done.ok ? ok(view(await configurationOf(tx, asked.device, asked.package))) : done
      })
    },
  }),
]

/** What devices and groups have in common. */
function operationsOf({ what, path, params, find }: Kind): readonly Operation[] {
  const whose = what === 'Device' ? 'a device' : 'a group’s members'
  return [
    reading({
      id: `list${what}Config`,
      method: 'GET',
      path,
      tag: 'packages',
      summary: `Configuration of ${whose}, by package`,
      right: 'devices.read',
      params: Type.Object(params),
      answer: Type.Object({ items: Type.Array(Shown) }),
      async run({ house, caller, params: named }) {
        const reader = house.store.read(caller.tenant)
        const subject = await find(reader, named)
        if (!subject.ok) return subject
        return ok({ items: (await configurationsOf(reader, subject.value.id)).map(view) })
      },
    }),

    reading({
      id: `get${what}Config`,
      method: 'GET',
      path: `${path}/:package`,
      tag: 'packages',
      summary: `Configuration of one package for ${whose}`,
      right: 'devices.read',
      params: Type.Object({ ...params, package: Name }),
      answer: Shown,
      async run({ house, caller, params: named }) {
        const reader = house.store.read(caller.tenant)
        const subject = await find(reader, named)
        if (!subject.ok) return subject
        const found = await namedPackage(reader, named.package)
        return found.ok ? ok(view(await configurationOf(reader, subject.value.id, named.package))) : found
      },
    }),

    changing({
      id: `stage${what}Config`,
      method: 'PATCH',
      path: `${path}/:package`,
      tag: 'packages',
      summary: `Edits the configuration of ${whose}: judged by the package’s module, merged, sent nowhere yet`,
      right: 'devices.write',
      params: Type.Object({ ...params, package: Name }),
      body: Type.Object({ values: Values }, { additionalProperties: false }),
      answer: Shown,
      async run({ house, caller, params: named, body }) {
        const reader = house.store.read(caller.tenant)
        const found = await namedPackage(reader, named.package)
        if (!found.ok) return found
        const values = await judgeValues(house.exchange.schemas, caller.tenant, found.value, {
          text: body.values,
          as: 'edit',
        })
        if (!values.ok) return values
        return ok(async (_directory, tx) => {
          const subject = await find(tx, named)
          if (!subject.ok) return subject
          const done = await stageConfiguration(tx, house.env(), {
            subject: subject.value,
            package: named.package,
            values: values.value,
            merge: mergeTexts,
            by: caller.actor,
          })
          return done.ok ? ok(view(done.value)) : done
        })
      },
    }),

    changing({
      id: `push${what}Config`,
      method: 'POST',
      path: `${path}/push`,
      tag: 'packages',
      summary: `Sends what is staged for ${whose}, of one package or all, as one transaction`,
      right: 'devices.write',
      params: Type.Object(params),
      body: Type.Object(
        { package: Type.Optional(Name), ttlMs: Type.Optional(Type.Integer({ minimum: 1 })) },
        { additionalProperties: false },
      ),
      answer: Type.Object({ transaction: Type.Optional(wire.Transaction) }),
      async run({ house, caller, params: named, body }) {
        return ok(async (_directory, tx) => {
          const subject = await find(tx, named)
          if (!subject.ok) return subject
          const done = await pushPackageConfigurations(tx, house.env(), {
            subject: subject.value,
            callId: await nextCallId(tx),
            merge: mergeTexts,
            by: caller.actor,
            ...(body.package === undefined ? {} : { package: body.package }),
            ...(body.ttlMs === undefined ? {} : { ttlMs: body.ttlMs }),
          })
          if (!done.ok) return done
          return ok(done.value === undefined ? {} : { transaction: transactionView(done.value) })
        })
      },
    }),
  ]
}

function view({ package: name, version, current, staged, whole }: PackageConfiguration) {
  return {
    package: name,
    version,
    ...(current === '' ? {} : { current }),
    ...(staged === '' ? {} : { staged }),
    ...(whole === undefined ? {} : { whole }),
  }
}

function versionView({ version, at, values, transaction }: ConfigurationVersion) {
  return { version, at: Instant.format(at), values, transaction }
}
