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
  const heldModules = new Map<TenantId, Map<string, Promise<DeviceModule | undefined>>>()
  const heldSets = new Map<TenantId, Map<GroupId, Promise<ConfigurationSet | undefined>>>()
  const heldSchemas = new Map<TenantId, Map<string, Promise<OpenSchema | undefined>>>()
  const all = [heldModules, heldSets, heldSchemas]
  store.onCommit(({ tenants, kinds }) => {
    if (kinds !== 'any' && [...kinds].every((kind) => kind.startsWith('transaction.'))) return
    for (const tenant of tenants)
      for (const held of all) {
        if (tenant === 'house') held.clear()
        else held.delete(tenant)
      }
  })

  function setOf(tenant: TenantId, group: GroupId): Promise<ConfigurationSet | undefined> {
    return held(heldSets, tenant, group, () => setOfMembers(store.read(tenant), group))
  }

  function schemaOf(tenant: TenantId, file: string): Promise<OpenSchema | undefined> {
    return held(heldSchemas, tenant, file, () => schemas.open(tenant, parseSchemaName(file)))
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
    return held(heldModules, tenant, `${device} ${name}`, () => lookUp(tenant, device, name))
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

  return { moduleOf, find }
}

/** Things of a kind remembered of one tenant at most. */
const heldMax = 20_000

function held<K, V>(
  all: Map<TenantId, Map<K, Promise<V>>>,
  tenant: TenantId,
  key: K,
  read: () => Promise<V>,
): Promise<V> {
  const own = all.get(tenant) ?? new Map<K, Promise<V>>()
  all.set(tenant, own)
  const known = own.get(key)
  if (known) return known
  if (own.size >= heldMax) own.clear()
  const reading = read()
  own.set(key, reading)
  // What is not there may be on its way from another process.
  reading.then(
    (found) => found === undefined && own.delete(key),
    () => own.delete(key),
  )
  return reading
}

/** What an extension of the module `exosense` says on an operation. */
export function extensionOf({ uses }: Operation, name: string): string | undefined {
  return uses.find((use) => use.name === name && (use.module === 'exosense' || use.module === undefined))
    ?.argument
}
