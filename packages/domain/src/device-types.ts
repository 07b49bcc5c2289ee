/**
 * Types of devices, and what a back end knows of a device of one. A type names the protocol by which its devices are
 * reached; it can not be removed while it has any. A device that came in by a trail has the type `pantahub`, which needs no
 * record.
 *
 * What is told about a device here (keys, numbers, addresses, attributes) is for links and back ends; it is never sent to
 * the device.
 */
import {
  type DeviceFacts,
  type DeviceType,
  deviceFacts,
  deviceTypes,
  type Target,
} from './back-end-records.ts'
import { deleteDevice, registerDevice } from './devices.ts'
import type { Env } from './env.ts'
import { backEndNames, deviceIdByBackEndName, groupByName, isBackEndName } from './groups.ts'
import type { DeviceId, TenantId } from './ids.ts'
import { actingOn } from './journal.ts'
import type { JsonObject } from './json.ts'
import type { Actor, HouseTx, Reader, Tx } from './port.ts'
import { type Device, deviceNames, devices } from './records.ts'
import { invariant, ok, type Result, refuse } from './result.ts'
import { trailType } from './words.ts'

export type DeviceTypeRefusal =
  | { readonly kind: 'bad-name'; readonly wanted: string; readonly got: string }
  | { readonly kind: 'name-taken'; readonly got: string }
  | { readonly kind: 'no-such-type'; readonly got: string }
  | { readonly kind: 'no-such-device'; readonly got: string }
  | { readonly kind: 'not-empty'; readonly got: string }

/** Makes a type. Whether there is such a protocol is the server's to know. */
export async function createDeviceType(
  tx: Tx,
  env: Env,
  asked: Omit<DeviceType, 'createdAt' | 'modifiedAt'> & { readonly by: Actor },
): Promise<Result<DeviceType, DeviceTypeRefusal>> {
  const { by, ...told } = asked
  if (!isBackEndName(told.name))
    return refuse({ kind: 'bad-name', wanted: '1 to 64 characters', got: told.name })
  if (told.name === trailType || (await tx.get(deviceTypes, { name: told.name })))
    return refuse({ kind: 'name-taken', got: told.name })
  const type: DeviceType = { ...told, createdAt: env.now, modifiedAt: env.now }
  await tx.put(deviceTypes, type)
  actingOn(tx, env, by).note('device-type.created', { type: type.name, protocol: type.protocol })
  return ok(type)
}

/** Changes a type: its devices are reached by the new protocol from their next session on. */
export async function changeDeviceType(
  tx: Tx,
  env: Env,
  asked: { readonly name: string; readonly protocol?: string; readonly by: Actor },
): Promise<Result<DeviceType, DeviceTypeRefusal>> {
  const held = await tx.get(deviceTypes, { name: asked.name })
  if (!held) return refuse({ kind: 'no-such-type', got: asked.name })
  const type: DeviceType = { ...held, protocol: asked.protocol ?? held.protocol, modifiedAt: env.now }
  await tx.put(deviceTypes, type)
  actingOn(tx, env, asked.by).note('device-type.changed', { type: type.name, protocol: type.protocol })
  return ok(type)
}

/** Removes a type that no device has. */
export async function removeDeviceType(
  tx: Tx,
  env: Env,
  asked: { readonly name: string; readonly by: Actor },
): Promise<Result<DeviceType, DeviceTypeRefusal>> {
  const held = await tx.get(deviceTypes, { name: asked.name })
  if (!held) return refuse({ kind: 'no-such-type', got: asked.name })
  if ((await tx.find(devices, { where: { garbage: false, type: held.name }, limit: 1 })).length > 0)
    return refuse({ kind: 'not-empty', got: held.name })
  await tx.remove(deviceTypes, { name: held.name })
  actingOn(tx, env, asked.by).note('device-type.removed', { type: held.name })
  return ok(held)
}

// ── devices ──────────────────────────────────────────────────────────────────────────────────────────────────────

/** What can be told about a device; `null` takes it away. */
export interface ToldFacts {
  readonly description?: string | null
  readonly sealedDeviceKey?: string | null
  readonly sealedServerKey?: string | null
  readonly sealedPassword?: string | null
  readonly sessionTimeout?: number
  /** Merged by name; `null` takes one away. */
  readonly attributes?: JsonObject
  readonly target?: Target | null
}

/**
 * Makes a device of a type, under the name that back ends will know it by. People see it under the same name where that
 * is a name people may give, else under one that is made up.
 */
export async function provisionDevice(
  house: HouseTx,
  env: Env,
  asked: {
    readonly tenant: TenantId
    readonly name: string
    readonly type: string
    readonly facts: (device: DeviceId) => ToldFacts
    readonly seal: (secret: string, device: DeviceId) => string
    readonly by: Actor
  },
): Promise<Result<Device, DeviceTypeRefusal>> {
  const tx = house.tenant(asked.tenant)
  const { name } = asked
  if (!isBackEndName(name)) return refuse({ kind: 'bad-name', wanted: '1 to 64 characters', got: name })
  if (!(await tx.get(deviceTypes, { name: asked.type })))
    return refuse({ kind: 'no-such-type', got: asked.type })
  if ((await deviceIdByBackEndName(tx, name)) ?? (await groupByName(tx, name)))
    return refuse({ kind: 'name-taken', got: name })
  const speakable = /^[A-Za-z0-9_\-+%]+$/.test(name)
  const made = await registerDevice(house, env, {
    tenant: asked.tenant,
    type: asked.type,
    seal: asked.seal,
    by: asked.by,
    ...(speakable ? { nick: name } : {}),
  })
  invariant(made.ok, 'a free name of the right form is taken by nobody')
  const { device } = made.value
  await tx.put(deviceNames, { door: backEndNames, name, device: device.id })
  const described = await describeDevice(tx, env, {
    device: device.id,
    facts: asked.facts(device.id),
    by: asked.by,
  })
  return described.ok ? ok(device) : described
}

/** Changes what is known of a device. */
export async function describeDevice(
  tx: Tx,
  env: Env,
  asked: { readonly device: DeviceId; readonly facts: ToldFacts; readonly by: Actor },
): Promise<Result<DeviceFacts, DeviceTypeRefusal>> {
  const device = await tx.get(devices, { id: asked.device })
  if (!device || device.garbage) return refuse({ kind: 'no-such-device', got: asked.device })
  const held = await factsOf(tx, asked.device)
  const { attributes, ...told } = asked.facts
  const merged: Record<string, unknown> = { ...held }
  for (const [name, value] of Object.entries(told))
    if (value === null) delete merged[name]
    else if (value !== undefined) merged[name] = value
  const kept = { ...held.attributes }
  for (const [name, value] of Object.entries(attributes ?? {}))
    if (value === null) delete kept[name]
    else kept[name] = value
  const facts = { ...(merged as unknown as DeviceFacts), device: asked.device, attributes: kept }
  await tx.put(deviceFacts, facts)
  actingOn(tx, env, asked.by, asked.device).note('device.described', {
    changed: [...Object.keys(told), ...Object.keys(attributes ?? {})],
  })
  return ok(facts)
}

/** Among a device's attributes: those of its type's own schema, together, as JSON text. No attribute has such a name. */
export const typedAttributes = '{}'

/** What is known of a device; of one that nobody has told anything about: nothing. */
export async function factsOf(reader: Reader, device: DeviceId): Promise<DeviceFacts> {
  return (await reader.get(deviceFacts, { device })) ?? { device, sessionTimeout: 0, attributes: {} }
}

/** Deletes a device with all that stands on it: its queue ends, it leaves its groups, what was known of it is gone. */
export async function removeDevice(
  house: HouseTx,
  env: Env,
  asked: { readonly device: DeviceId; readonly tenant: TenantId; readonly by: Actor },
): Promise<Result<Device, DeviceTypeRefusal>> {
  const deleted = await deleteDevice(house, env, asked)
  return deleted.ok ? deleted : refuse({ kind: 'no-such-device', got: asked.device })
}
