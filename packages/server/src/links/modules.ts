/**
 * Which modules a device has, and what they define. A device has the modules of the packages that are installed on it and
 * of the sets of configuration that it is a member of; it may be asked, and may say, what these define and nothing else.
 */
import {
  type DeviceId,
  packages,
  packagesOf,
  parseSchemaName,
  type Reader,
  type Store,
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
  /** The device's module of a name; the first set by name gives it where several do. */
  async function moduleOf(
    tenant: TenantId,
    device: DeviceId,
    name: string,
    reader: Reader = store.read(tenant),
  ): Promise<DeviceModule | undefined> {
    for (const row of await packagesOf(reader, device)) {
      if (!row.installed) continue
      const file = (await reader.get(packages, { name: row.package }))?.file
      if (file === undefined || parseSchemaName(file).name !== name) continue
      const schema = await schemas.open(tenant, parseSchemaName(file))
      if (schema) return { schema }
    }
    for (const set of await setsOfDevice(reader, device)) {
      if (set.schema !== name) continue
      const schema = await schemas.open(tenant, parseSchemaName(set.file))
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

/** What an extension of the module `exosense` says on an operation. */
export function extensionOf({ uses }: Operation, name: string): string | undefined {
  return uses.find((use) => use.name === name && (use.module === 'exosense' || use.module === undefined))
    ?.argument
}
