/**
 * Which modules a device has, and what they define. A device has the modules of the packages that are installed on it and
 * of the sets of configuration that it is a member of; it may be asked, and may say, what these define and nothing else.
 */
import {
  type ConfigurationSet,
  type DeviceId,
  type GroupId,
  packages,
  packagesOf,
  parseSchemaName,
  type Reader,
  type Store,
  setOfMembers,
  setsOfDevice,
  type TenantId,
} from '@waymark/domain'
import type { OpenSchema, Operation, SchemaRoom } from '../schemas/schema-room.ts'

/** A module of a device, and the set of configuration that gives it, where none of its packages does. */
export interface DeviceModule {
  readonly schema: OpenSchema
  readonly set?: string
}

export interface FoundOperation extends DeviceModule {
  readonly operation: Operation
}

export type DeviceModules = ReturnType<typeof createDeviceModules>

export function createDeviceModules({
  store,
  schemas,
}: {
  readonly store: Store
  readonly schemas: SchemaRoom
}) {
  // A group's call asks the same of thousands of devices, again and again: what modules they have stays as it is while
  // nothing but transactions is committed.
  const heldModules = new Remembered<string, Map<DeviceId, Held<DeviceModule>>>(namesMax)
  const heldSets = new Remembered<GroupId, Held<ConfigurationSet>>(heldMax)
  const heldSchemas = new Remembered<string, Held<OpenSchema>>(heldMax)
  const all = [heldModules, heldSets, heldSchemas]
  store.onCommit(({ tenants, kinds }) => {
    if (kinds !== 'any' && [...kinds].every((kind) => kind.startsWith('transaction.'))) return
    for (const tenant of tenants) for (const held of all) held.forget(tenant)
  })

  function setOf(tenant: TenantId, group: GroupId): Promise<ConfigurationSet | undefined> {
    return held(heldSets.of(tenant), group, () => setOfMembers(store.read(tenant), group))
  }

  function schemaOf(tenant: TenantId, file: string): Promise<OpenSchema | undefined> {
    return held(heldSchemas.of(tenant), file, () => schemas.open(tenant, parseSchemaName(file)))
  }

  /** The device's module of a name; the first set by name gives it where several do. */
  function moduleOf(
    tenant: TenantId,
    device: DeviceId,
    name: string,
    within?: Reader,
  ): Promise<DeviceModule | undefined> {
    // A body sees what it has written itself, so nothing that was read before helps it.
    if (within) return lookUp(tenant, device, name, within)
    const names = heldModules.of(tenant)
    let of = names.get(name)
    if (of === undefined) {
      of = new Map()
      names.set(name, of)
    }
    return held(of, device, () => lookUp(tenant, device, name))
  }

  async function lookUp(
    tenant: TenantId,
    device: DeviceId,
    name: string,
    within?: Reader,
  ): Promise<DeviceModule | undefined> {
    const reader = within ?? store.read(tenant)
    for (const row of await packagesOf(reader, device)) {
      if (!row.installed) continue
      const file = (await reader.get(packages, { name: row.package }))?.file
      if (file === undefined || parseSchemaName(file).name !== name) continue
      const schema = await schemas.open(tenant, parseSchemaName(file))
      if (schema) return { schema }
    }
    const sets = within
      ? await setsOfDevice(within, device)
      : await setsOfDevice(reader, device, (group) => setOf(tenant, group))
    for (const set of sets) {
      if (set.schema !== name) continue
      const schema = await (within
        ? schemas.open(tenant, parseSchemaName(set.file))
        : schemaOf(tenant, set.file))
      if (schema) return { schema, set: set.name }
    }
    return undefined
  }

  /** An operation or notification of one of the device's modules. */
  async function find(
    tenant: TenantId,
    device: DeviceId,
    module: string,
    name: string,
  ): Promise<FoundOperation | undefined> {
    const found = await moduleOf(tenant, device, module)
    const operation = found?.schema.operations.get(name)
    return found && operation && { ...found, operation }
  }

  /** The same where it was found before and stands; undefined: only `find` can tell. */
  function foundNow(
    tenant: TenantId,
    device: DeviceId,
    module: string,
    name: string,
  ): FoundOperation | undefined {
    const found = heldModules.of(tenant).get(module)?.get(device)?.found
    const operation = found?.schema.operations.get(name)
    return found && operation && { ...found, operation }
  }

  return { moduleOf, find, foundNow }
}

/** Something that was looked for, and was there. */
interface Held<V> {
  readonly reading: Promise<V | undefined>
  found?: V
}

/** Things of a kind remembered of one tenant at most; of names of modules, which devices may make up, fewer. */
const heldMax = 20_000
const namesMax = 1000

/** What is remembered of each tenant. */
class Remembered<K, V> {
  readonly #all = new Map<TenantId, Map<K, V>>()
  readonly #max: number

  constructor(max: number) {
    this.#max = max
  }

  of(tenant: TenantId): Map<K, V> {
    let own = this.#all.get(tenant)
    if (own === undefined || own.size >= this.#max) {
      own = new Map()
      this.#all.set(tenant, own)
    }
    return own
  }

  forget(tenant: TenantId | 'house'): void {
    if (tenant === 'house') this.#all.clear()
    else this.#all.delete(tenant)
  }
}

function held<K, V>(
  own: Map<K, Held<V>>,
  key: K,
  read: () => Promise<V | undefined>,
): Promise<V | undefined> {
  const known = own.get(key)
  if (known) return known.reading
  if (own.size >= heldMax) own.clear()
  const made: Held<V> = { reading: read() }
  own.set(key, made)
  made.reading.then(
    (found) => {
      if (found !== undefined) made.found = found
      // What is not there may be on its way from another process.
      else own.delete(key)
    },
    () => own.delete(key),
  )
  return made.reading
}

/** What an extension of the module `exosense` says on an operation. */
export function extensionOf({ uses }: Operation, name: string): string | undefined {
  return uses.find((use) => use.name === name && (use.module === 'exosense' || use.module === undefined))
    ?.argument
}
