/**
 * The records that back-end systems work with: types of devices and what is known of a device of one, schemas, sets of
 * configuration, who may execute what, and messages on their way out. Types and collections alone; what may be done with
 * them is in `device-types.ts`, `groups.ts`, `schemas.ts`, `configurations.ts`, `accounts.ts` and `deliveries.ts`.
 *
 * Addresses that messages go to may hold credentials, and keys are keys: all of them are kept sealed. Values whose numbers
 * may be beyond what a double holds are kept as JSON text.
 */
import type { DeviceId, GroupId, Instant, PrincipalId, TenantId, TransactionId } from './ids.ts'
import type { JsonObject } from './json.ts'
import { collection } from './port.ts'

/** Where a message goes: the address sealed, and the lane (a keyed hash of it) that keeps messages to it in order. */
export interface Target {
  readonly sealed: string
  readonly lane: string
}

// ── devices of a type ────────────────────────────────────────────────────────────────────────────────────────────

/** A type of device of a tenant: names the protocol, and thereby the link, that reaches its devices. */
export interface DeviceType {
  readonly name: string
  readonly protocol: string
  /** The schema that describes the attributes of its devices, and the container in it. */
  readonly schema?: string
  readonly container?: string
  readonly createdAt: Instant
  readonly modifiedAt: Instant
}
export const deviceTypes = collection<DeviceType>()({
  name: 'device_types',
  scope: 'tenant',
  key: ['name'],
  columns: { name: 'text' },
})

/** What a back end has told about a device. None of it is ever sent to the device. */
export interface DeviceFacts {
  readonly device: DeviceId
  readonly description?: string
  /** Eight bytes each, in hex, sealed: `device` signs what the device says, `server` what we say. */
  readonly sealedDeviceKey?: string
  readonly sealedServerKey?: string
  /** For devices that log in by a password. */
  readonly sealedPassword?: string
  /** Seconds without a sign of life after which its session ends; 0: never. */
  readonly sessionTimeout: number
  /** By name, as JSON text values: `msisdn`, `latitude`, and what its type's schema describes. */
  readonly attributes: JsonObject
  /** Where what the device says by itself goes. */
  readonly target?: Target
}
export const deviceFacts = collection<DeviceFacts>()({
  name: 'device_facts',
  scope: 'tenant',
  key: ['device'],
  columns: { device: 'text' },
})

// ── schemas and configuration ────────────────────────────────────────────────────────────────────────────────────

/** A YANG module as it was uploaded, byte for byte. */
export interface StoredSchema {
  /** The module's name, without revision and ending. */
  readonly name: string
  /** Its newest revision; empty where it has none. */
  readonly revision: string
  readonly text: string
  readonly createdAt: Instant
}
/** A tenant's own. */
export const schemas = collection<StoredSchema>()({
  name: 'schemas',
  scope: 'tenant',
  key: ['name', 'revision'],
  columns: { name: 'text', revision: 'text' },
  texts: ['text'],
})
/** For all tenants, beside those that come with the product. */
export const systemSchemas = collection<StoredSchema>()({
  name: 'system_schemas',
  scope: 'house',
  key: ['name', 'revision'],
  columns: { name: 'text', revision: 'text' },
  texts: ['text'],
})

/** Values for one or more devices, in the form of one schema. Its members are those of a group of its own. */
export interface ConfigurationSet {
  readonly name: string
  /** The module's name; and as it was named when the set was made, perhaps with a revision. */
  readonly schema: string
  readonly file: string
  readonly members: GroupId
  readonly target?: Target
  /** JSON texts, empty where there is nothing: edited; pushed and not yet confirmed by all; confirmed. */
  readonly staged: string
  readonly pending: string
  readonly installed: string
  /** The push that `pending` waits for. */
  readonly push?: TransactionId
  readonly createdAt: Instant
  readonly modifiedAt: Instant
}
export const configurationSets = collection<ConfigurationSet>()({
  name: 'configuration_sets',
  scope: 'tenant',
  key: ['name'],
  columns: { name: 'text', schema: 'text', members: 'text', push: 'text' },
  texts: ['staged', 'pending', 'installed'],
  indexes: [{ on: ['members'], unique: true }, { on: ['schema', 'name'] }, { on: ['push'] }],
})

/** Where messages about one device of a set go instead. */
export interface ConfigurationTarget {
  readonly set: string
  readonly device: DeviceId
  readonly target: Target
}
export const configurationTargets = collection<ConfigurationTarget>()({
  name: 'configuration_targets',
  scope: 'tenant',
  key: ['set', 'device'],
  columns: { set: 'text', device: 'text' },
  indexes: [{ on: ['device', 'set'] }],
})

/** The configuration that a device has confirmed last, by the name it goes by; its values are the push's. */
export interface DeviceConfiguration {
  readonly device: DeviceId
  readonly name: string
  readonly push: TransactionId
  readonly at: Instant
}
export const deviceConfigurations = collection<DeviceConfiguration>()({
  name: 'device_configurations',
  scope: 'tenant',
  key: ['device', 'name'],
  columns: { device: 'text', name: 'text' },
})

// ── who may do what ──────────────────────────────────────────────────────────────────────────────────────────────

/** That everybody of a role may execute an operation of a schema. */
export interface ExecutionPermission {
  readonly schema: string
  readonly operation: string
  readonly role: string
}
export const executionPermissions = collection<ExecutionPermission>()({
  name: 'execution_permissions',
  scope: 'tenant',
  key: ['schema', 'operation', 'role'],
  columns: { schema: 'text', operation: 'text', role: 'text' },
})

/** What is known of a user beside the login. The address is not proved and need not be the user's alone. */
export interface UserFacts {
  readonly principal: PrincipalId
  readonly email: string
  readonly fullname?: string
  readonly phone?: string
  readonly skype?: string
  readonly aliases: readonly string[]
  /** The tenant it was made with: it can not be deleted while that stands. */
  readonly initialOf?: TenantId
}
export const userFacts = collection<UserFacts>()({
  name: 'user_facts',
  scope: 'house',
  key: ['principal'],
  columns: { principal: 'text' },
})

/** A number that goes up: the next one is given out in the commit that uses it. */
export interface Counter {
  readonly name: string
  readonly value: number
}
export const counters = collection<Counter>()({
  name: 'counters',
  scope: 'tenant',
  key: ['name'],
  columns: { name: 'text' },
  journaled: false,
})

// ── messages on their way out ────────────────────────────────────────────────────────────────────────────────────

/** A message to a back end: kept until it has been taken, or given up and put aside. */
export interface OutgoingMessage {
  readonly lane: string
  /** Its place in the lane. */
  readonly seq: number
  /** What it is about; its text is made when it is sent. */
  readonly about: DeliveryMatter
  readonly state: 'waiting' | 'dead'
  readonly createdAt: Instant
  /** Why it was given up. */
  readonly reason?: string
}
export type DeliveryMatter =
  /** How something asked stands: `final` marks the last message about it. */
  | {
      readonly kind: 'transaction'
      readonly transaction: TransactionId
      readonly final: boolean
      /** On the message of a group's member: the group's transaction is `transaction`, this its own. */
      readonly member?: TransactionId
    }
  /** How a package came on, on one device: one message a step. */
  | {
      readonly kind: 'package'
      readonly transaction: TransactionId
      readonly member: TransactionId
      readonly device: DeviceId
      readonly package: string
      readonly status: string
      readonly final: boolean
    }
  /** What a device said by itself; `params` is JSON text. */
  | {
      readonly kind: 'notification'
      readonly device: DeviceId
      readonly method: string
      readonly params: string
    }
export const deliveries = collection<OutgoingMessage>()({
  name: 'deliveries',
  scope: 'tenant',
  key: ['lane', 'seq'],
  columns: { lane: 'text', seq: 'int', state: 'text' },
  indexes: [{ on: ['state', 'lane', 'seq'] }],
  journaled: false,
})

/** An address that messages go to, one after the other: while its first one waits for another try, all wait. */
export interface DeliveryLane {
  readonly lane: string
  readonly sealed: string
  readonly lastSeq: number
  readonly waiting: boolean
  /** How often its first message was tried. */
  readonly attempts: number
  /** When it is tried next. */
  readonly dueAt: Instant
  /** Why the last try failed. */
  readonly reason?: string
}
export const deliveryLanes = collection<DeliveryLane>()({
  name: 'delivery_lanes',
  scope: 'tenant',
  key: ['lane'],
  columns: { lane: 'text', waiting: 'bool', dueAt: 'int' },
  indexes: [{ on: ['waiting', 'dueAt', 'lane'] }],
  journaled: false,
})
