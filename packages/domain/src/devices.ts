/**
 * Devices: how they come in, whose they are, what they are called and what is known of them.
 *
 * A device that nobody owns lives in the tenant `unclaimed`; claiming moves it in one commit, together with everything
 * that is said about it. The directory keeps where each device lives. Secrets arrive here sealed and stay so.
 */
import { forgetDevice } from './device-farewell.ts'
import { type Env, newId } from './env.ts'
import { DeviceId, Generation, type Instant, type TenantId, unclaimedTenant } from './ids.ts'
import { actingOn } from './journal.ts'
import type { Json, JsonObject } from './json.ts'
import { forgetPublished, indexPublished } from './links.ts'
import type { Actor, HouseTx, Reader, Tx } from './port.ts'
import {
  type Device,
  deviceHomes,
  deviceLabels,
  deviceMetas,
  deviceNames,
  devices,
  userMetas,
} from './records.ts'
import { invariant, ok, type Result, refuse } from './result.ts'
import { closeTrail } from './trails.ts'
import { generatedSecret, threeWords, unregisteredNick, unregisteredPrefix } from './words.ts'

export type DeviceRefusal =
  | { readonly kind: 'no-such-device'; readonly got: string }
  | { readonly kind: 'bad-nick'; readonly wanted: string; readonly got: string }
  | { readonly kind: 'nick-taken'; readonly got: string }
  | { readonly kind: 'wrong-challenge'; readonly device: DeviceId }
  | { readonly kind: 'already-claimed'; readonly device: DeviceId }
  | { readonly kind: 'bad-label'; readonly wanted: string; readonly got: string }
  | { readonly kind: 'too-large'; readonly what: string; readonly wanted: number; readonly got: number }

const nickForm = /^[A-Za-z0-9_\-+%]+$/
const nickLengthMax = 128

/** Largest metadata map, in bytes of JSON. */
export const metaBytesMax = 1024 * 1024

export interface Register {
  /** Where it comes in: a tenant, or the unclaimed. */
  readonly tenant: TenantId
  /** The id it has already; absent: one is made. Nobody may have it. */
  readonly id?: DeviceId
  readonly nick?: string
  /** The device's own secret; absent: one is made. */
  readonly secret?: string
  readonly type?: string
  readonly userMeta?: JsonObject
  readonly deviceMeta?: JsonObject
  readonly by?: Actor
  /** Seals the secret for keeping (the server's key; never undone here). */
  readonly seal: (secret: string, device: DeviceId) => string
}

/** Registers a device. Answers the record and, this once, the secret in the clear. */
export async function registerDevice(
  house: HouseTx,
  env: Env,
  asked: Register,
): Promise<Result<{ device: Device; secret: string }, DeviceRefusal>> {
  const tx = house.tenant(asked.tenant)
  const id = asked.id ?? newId(env, DeviceId.parse)
  const unclaimed = asked.tenant === unclaimedTenant
  const made = asked.nick ?? (unclaimed ? unregisteredNick(env) : await freeNick(tx, env))
  const nick = await takeNick(tx, made, id)
  if (!nick.ok) return nick
  const secret = asked.secret ?? generatedSecret(env)
  const device: Device = {
    id,
    nick: made,
    type: asked.type ?? 'pantahub',
    labels: {},
    ...(unclaimed ? { challenge: threeWords(env, '-') } : { claimedAt: env.now }),
    sealedSecret: asked.seal(secret, id),
    credentialVersion: 1,
    published: false,
    garbage: false,
    generation: Generation.first,
    createdAt: env.now,
    modifiedAt: env.now,
  }
  await tx.put(devices, device)
  await house.put(deviceHomes, { device: id, tenant: asked.tenant, published: false })
  const by = asked.by ?? { kind: 'device', id }
  actingOn(tx, env, by, id).note('device.registered', { nick: made, type: device.type, claimed: !unclaimed })
  if (asked.userMeta) await setUserMeta(tx, env, { device, meta: asked.userMeta, by })
  if (asked.deviceMeta) await setDeviceMeta(tx, env, { device: id, meta: asked.deviceMeta })
  return ok({ device, secret })
}

/** Claims an unclaimed device into a tenant for whoever knows its challenge: the record and its metadata move whole. */
export async function claimDevice(
  house: HouseTx,
  env: Env,
  asked: { device: DeviceId; challenge: string; tenant: TenantId; by: Actor },
): Promise<Result<Device, DeviceRefusal>> {
  const from = house.tenant(unclaimedTenant)
  const held = await from.get(devices, { id: asked.device })
  if (!held || held.garbage) return refuse({ kind: 'already-claimed', device: asked.device })
  if (held.challenge === undefined || held.challenge !== asked.challenge)
    return refuse({ kind: 'wrong-challenge', device: asked.device })
  const to = house.tenant(asked.tenant)
  const { challenge: _, ...rest } = held
  // A nick chosen at registration may be taken where the device goes; a made-up one always gives way.
  const chosen = held.nick.startsWith(unregisteredPrefix) || (await nickOwner(to, held.nick)) !== undefined
  const nick = chosen ? await freeNick(to, env) : held.nick
  const device: Device = { ...rest, nick, modifiedAt: env.now, claimedAt: env.now }
  for (const name of await from.find(deviceNames, { where: { device: held.id } }))
    await from.remove(deviceNames, name)
  const userMeta = await from.get(userMetas, { device: held.id })
  const deviceMeta = await from.get(deviceMetas, { device: held.id })
  await from.remove(devices, { id: held.id })
  await from.remove(userMetas, { device: held.id })
  await from.remove(deviceMetas, { device: held.id })
  const named = await takeNick(to, nick, held.id)
  if (!named.ok) return named
  await to.put(devices, device)
  if (userMeta) await to.put(userMetas, userMeta)
  if (deviceMeta) await to.put(deviceMetas, deviceMeta)
  await house.put(deviceHomes, { device: held.id, tenant: asked.tenant, published: held.published })
  actingOn(from, env, asked.by, held.id).note('device.left', { nick: held.nick })
  actingOn(to, env, asked.by, held.id).note('device.arrived', { nick, type: device.type })
  return ok(device)
}

/** Gives a device another name, unique among the tenant's living devices. */
export async function renameDevice(
  tx: Tx,
  env: Env,
  asked: { device: DeviceId; nick: string; by: Actor },
): Promise<Result<Device, DeviceRefusal>> {
  const held = await livingDevice(tx, asked.device)
  if (!held.ok) return held
  if (held.value.nick === asked.nick) return held
  const taken = await takeNick(tx, asked.nick, asked.device)
  if (!taken.ok) return taken
  await tx.remove(deviceNames, { door: 'nick', name: held.value.nick })
  const device: Device = { ...held.value, nick: asked.nick, modifiedAt: env.now }
  await tx.put(devices, device)
  actingOn(tx, env, asked.by, device.id).note('device.renamed', { nick: asked.nick, was: held.value.nick })
  return ok(device)
}

/** Replaces a device's secret; tokens issued before are void. */
export async function changeDeviceSecret(
  tx: Tx,
  env: Env,
  asked: { device: DeviceId; sealedSecret: string; by: Actor },
): Promise<Result<Device, DeviceRefusal>> {
  const held = await livingDevice(tx, asked.device)
  if (!held.ok) return held
  const device: Device = {
    ...held.value,
    sealedSecret: asked.sealedSecret,
    credentialVersion: held.value.credentialVersion + 1,
    modifiedAt: env.now,
  }
  await tx.put(devices, device)
  actingOn(tx, env, asked.by, device.id).note('device.secret-changed', {})
  return ok(device)
}

const labelForm = /^[A-Za-z0-9][A-Za-z0-9._/-]{0,62}$/
const labelsMax = 64

/** Sets labels; `null` takes one away. At most 64 labels, values up to 256 characters. */
export async function labelDevice(
  tx: Tx,
  env: Env,
  asked: { device: DeviceId; labels: Readonly<Record<string, string | null>>; by: Actor },
): Promise<Result<Device, DeviceRefusal>> {
  const held = await livingDevice(tx, asked.device)
  if (!held.ok) return held
  const labels: Record<string, string> = { ...held.value.labels }
  for (const [label, value] of Object.entries(asked.labels)) {
    if (!labelForm.test(label)) return refuse({ kind: 'bad-label', wanted: labelForm.source, got: label })
    if (value === null) delete labels[label]
    else if (value.length > 256)
      return refuse({ kind: 'too-large', what: label, wanted: 256, got: value.length })
    else labels[label] = value
  }
  const count = Object.keys(labels).length
  if (count > labelsMax) return refuse({ kind: 'too-large', what: 'labels', wanted: labelsMax, got: count })
  const device: Device = { ...held.value, labels, modifiedAt: env.now }
  await tx.put(devices, device)
  for (const [label, value] of Object.entries(asked.labels))
    if (value === null) await tx.remove(deviceLabels, { device: device.id, label })
    else await tx.put(deviceLabels, { device: device.id, label, value })
  actingOn(tx, env, asked.by, device.id).note('device.labelled', { labels })
  return ok(device)
}

/** Makes a device, with its trail, readable by everyone who is logged in, or takes that back. */
export async function publishDevice(
  house: HouseTx,
  env: Env,
  asked: { device: DeviceId; tenant: TenantId; published: boolean; by: Actor },
): Promise<Result<Device, DeviceRefusal>> {
  const tx = house.tenant(asked.tenant)
  const held = await livingDevice(tx, asked.device)
  if (!held.ok) return held
  const device: Device = { ...held.value, published: asked.published, modifiedAt: env.now }
  await tx.put(devices, device)
  await house.put(deviceHomes, { device: device.id, tenant: asked.tenant, published: asked.published })
  await indexPublished(house, asked.tenant, device)
  actingOn(tx, env, asked.by, device.id).note(asked.published ? 'device.published' : 'device.unpublished', {})
  return ok(device)
}

/**
 * Deletes a device: out of every listing, refused at login, its name free again; what was asked of it ends, steps that are open
 * too. History stays until swept.
 */
export async function deleteDevice(
  house: HouseTx,
  env: Env,
  asked: { device: DeviceId; tenant: TenantId; by: Actor },
): Promise<Result<Device, DeviceRefusal>> {
  const tx = house.tenant(asked.tenant)
  const held = await livingDevice(tx, asked.device)
  if (!held.ok) return held
  const device: Device = {
    ...held.value,
    garbage: true,
    published: false,
    credentialVersion: held.value.credentialVersion + 1,
    modifiedAt: env.now,
  }
  await forgetDevice(tx, env, device.id, asked.by)
  // What it has not done it never will; a device without a trail has nothing to close.
  await closeTrail(tx, env, { device: device.id, by: asked.by })
  await tx.put(devices, device)
  for (const name of await tx.find(deviceNames, { where: { device: device.id } }))
    await tx.remove(deviceNames, name)
  for (const label of await tx.find(deviceLabels, { where: { device: device.id } }))
    await tx.remove(deviceLabels, label)
  await house.put(deviceHomes, { device: device.id, tenant: asked.tenant, published: false })
  await forgetPublished(house, device.id)
  actingOn(tx, env, asked.by, device.id).note('device.deleted', { nick: device.nick })
  return ok(device)
}

/** How long a device may stay unclaimed before it is swept (Pantahub Base: five days). */
export const unclaimedAgeMaxMs = 5 * 24 * 3600 * 1000

/** Deletes devices left unclaimed too long, at most `limit`; answers how many. */
export async function sweepUnclaimed(house: HouseTx, env: Env, limit: number): Promise<number> {
  const before = (env.now - unclaimedAgeMaxMs) as Instant
  const stale = await house.tenant(unclaimedTenant).find(devices, {
    where: { garbage: false, modifiedAt: { lt: before } },
    order: ['modifiedAt', 'id'],
    limit,
  })
  const by: Actor = { kind: 'system', id: 'sweep' }
  for (const device of stale)
    await deleteDevice(house, env, { device: device.id, tenant: unclaimedTenant, by })
  return stale.length
}

// ── what is known of a device ────────────────────────────────────────────────────────────────────────────────────

/** Replaces what the owner wants the device to know. Keys are kept as they are, dots and all. */
export async function setUserMeta(
  tx: Tx,
  env: Env,
  asked: { device: Device; meta: JsonObject; by: Actor },
): Promise<Result<JsonObject, DeviceRefusal>> {
  const tooLarge = metaTooLarge('user-meta', asked.meta)
  if (tooLarge) return refuse(tooLarge)
  await tx.put(userMetas, { device: asked.device.id, meta: asked.meta, modifiedAt: env.now })
  actingOn(tx, env, asked.by, asked.device.id).note('device.wanted', {
    keys: Object.keys(asked.meta).slice(0, 100),
  })
  return ok(asked.meta)
}

/** Merges into the user-meta; `null` is kept as null (Pantahub Base's habit: devices count it as absent). */
export async function patchUserMeta(
  tx: Tx,
  env: Env,
  asked: { device: Device; patch: JsonObject; by: Actor },
): Promise<Result<JsonObject, DeviceRefusal>> {
  const held = await tx.get(userMetas, { device: asked.device.id })
  return setUserMeta(tx, env, { device: asked.device, meta: merged(held?.meta, asked.patch), by: asked.by })
}

/** Replaces what the device says of itself. Telemetry: not journaled. */
export async function setDeviceMeta(
  tx: Tx,
  env: Env,
  asked: { device: DeviceId; meta: JsonObject },
): Promise<Result<JsonObject, DeviceRefusal>> {
  const tooLarge = metaTooLarge('device-meta', asked.meta)
  if (tooLarge) return refuse(tooLarge)
  await tx.put(deviceMetas, { device: asked.device, meta: asked.meta, modifiedAt: env.now })
  return ok(asked.meta)
}

/** Merges into the device-meta; `null` removes. */
export async function patchDeviceMeta(
  tx: Tx,
  env: Env,
  asked: { device: DeviceId; patch: JsonObject },
): Promise<Result<JsonObject, DeviceRefusal>> {
  const held = await tx.get(deviceMetas, { device: asked.device })
  const meta = Object.fromEntries(
    Object.entries(merged(held?.meta, asked.patch)).filter(([, value]) => value !== null),
  )
  return setDeviceMeta(tx, env, { device: asked.device, meta })
}

/** A living device of this tenant. */
export async function livingDevice(
  reader: Reader,
  id: DeviceId,
): Promise<Result<Device, Extract<DeviceRefusal, { kind: 'no-such-device' }>>> {
  const device = await reader.get(devices, { id })
  return device && !device.garbage ? ok(device) : refuse({ kind: 'no-such-device', got: id })
}

/** A living device of this tenant by the name people gave it. */
export async function deviceByNick(reader: Reader, nick: string): Promise<Device | undefined> {
  const id = await nickOwner(reader, nick)
  const device = id && (await reader.get(devices, { id }))
  return device && !device.garbage ? device : undefined
}

// ── inside ───────────────────────────────────────────────────────────────────────────────────────────────────────

async function nickOwner(reader: Reader, nick: string): Promise<DeviceId | undefined> {
  return (await reader.get(deviceNames, { door: 'nick', name: nick }))?.device
}

async function takeNick(tx: Tx, nick: string, device: DeviceId): Promise<Result<string, DeviceRefusal>> {
  if (!nickForm.test(nick) || nick.length > nickLengthMax)
    return refuse({
      kind: 'bad-nick',
      wanted: `${nickForm.source}, at most ${nickLengthMax} characters`,
      got: nick,
    })
  const owner = await nickOwner(tx, nick)
  if (owner !== undefined && owner !== device) return refuse({ kind: 'nick-taken', got: nick })
  await tx.put(deviceNames, { door: 'nick', name: nick, device })
  return ok(nick)
}

async function freeNick(tx: Tx, env: Env): Promise<string> {
  for (let tries = 0; tries < 20; tries++) {
    const nick =
      tries < 10 ? threeWords(env, '_') : `${threeWords(env, '_')}_${generatedSecret(env).slice(0, 6)}`
    if ((await nickOwner(tx, nick)) === undefined) return nick
  }
  invariant(false, 'twenty made-up names are not all taken')
  return ''
}

function merged(held: JsonObject | undefined, patch: JsonObject): JsonObject {
  return Object.fromEntries<Json>([...Object.entries(held ?? {}), ...Object.entries(patch)])
}

function metaTooLarge(
  what: string,
  meta: JsonObject,
): Extract<DeviceRefusal, { kind: 'too-large' }> | undefined {
  const got = Buffer.byteLength(JSON.stringify(meta))
  return got > metaBytesMax ? { kind: 'too-large', what, wanted: metaBytesMax, got } : undefined
}
