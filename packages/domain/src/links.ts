/**
 * Links: an object whose bytes another owner has published need not be uploaded again.
 *
 * A link is an own record, counted as an own holder of the bytes: when the first owner removes its object, or takes back
 * its publication, what was linked stays. Where published objects are is kept in a house-wide index, written in the
 * commits that publish, unpublish, post and replace. The index is where linking looks first and never its proof: before
 * a link is made, the step, its device and the stored bytes are looked at themselves.
 */
import type { Env } from './env.ts'
import { type DeviceId, ObjectSha, type Revision, type TenantId } from './ids.ts'
import { actingOn } from './journal.ts'
import { publishedObjects } from './login-records.ts'
import { objectUsage } from './objects.ts'
import type { Actor, HouseTx, Tx } from './port.ts'
import {
  blobs,
  type Device,
  deviceHomes,
  devices,
  type ObjectRecord,
  objects,
  objectUses,
  usages,
} from './records.ts'
import { invariant, ok, type Result, refuse } from './result.ts'
import { openTrail, type PostedState } from './trails.ts'

/** Uses of objects that publishing a device looks at, the newest first: what lies beyond them is not linked to. */
export const indexedUsesMax = 20_000

/** Devices that are asked for one sha before a link is given up. */
const candidatesMax = 20

/** Writes a published device's objects into the index, or takes them out of it: for the commit that publishes. */
export async function indexPublished(house: HouseTx, tenant: TenantId, device: Device): Promise<void> {
  const tx = house.tenant(tenant)
  if (!device.published || device.garbage) return forgetPublished(house, device.id)
  const trail = await openTrail(tx, device)
  if (!trail) return
  const where = { device: device.id, generation: trail.generation }
  const order = ['-device', '-generation', '-rev', '-path', '-sha'] as const
  const known = new Set<ObjectSha>()
  const uses = await tx.find(objectUses, { where, order, limit: indexedUsesMax })
  for (const { sha } of uses) {
    if (known.has(sha)) continue
    known.add(sha)
    await house.put(publishedObjects, { sha, device: device.id, tenant })
  }
}

/**
 * Writes the objects of a tenant's published devices into the index, a page of devices at a time: for stores from before
 * there was one. Answers the device to go on behind; undefined when all are done.
 */
export async function reindexPublished(
  house: HouseTx,
  tenant: TenantId,
  asked: { readonly after?: DeviceId; readonly limit: number },
): Promise<DeviceId | undefined> {
  const homes = await house.find(deviceHomes, {
    where: { tenant, published: true },
    order: ['device'],
    limit: asked.limit,
    ...(asked.after === undefined ? {} : { after: [asked.after] }),
  })
  for (const { device: id } of homes) {
    const device = await house.tenant(tenant).get(devices, { id })
    if (device) await indexPublished(house, tenant, device)
  }
  return homes.length === asked.limit ? homes.at(-1)?.device : undefined
}

/** Takes a device's objects out of the index. */
export async function forgetPublished(house: HouseTx, device: DeviceId): Promise<void> {
  for (;;) {
    const page = await house.find(publishedObjects, {
      where: { device },
      order: ['device', 'sha'],
      limit: 500,
    })
    for (const row of page) await house.remove(publishedObjects, row)
    if (page.length < 500) return
  }
}

/** Adds the objects of a state that was just kept, if its device is published. */
export async function indexState(
  house: HouseTx,
  tenant: TenantId,
  id: DeviceId,
  state: PostedState,
): Promise<void> {
  const device = await house.tenant(tenant).get(devices, { id })
  if (!device?.published) return
  for (const { sha } of state.objects) {
    const named = ObjectSha.parse(sha)
    if (named) await house.put(publishedObjects, { sha: named, device: id, tenant })
  }
}

export type LinkRefusal =
  /** Nobody else has published it. */
  | { readonly kind: 'nothing-to-link'; readonly sha: ObjectSha }
  | {
      readonly kind: 'quota-exceeded'
      readonly what: 'objects'
      readonly wanted: number
      readonly got: number
    }

export interface Link {
  readonly tenant: TenantId
  readonly sha: ObjectSha
  /** What the own record is called; absent: as the other owner calls it. */
  readonly name?: string
  readonly quotaBytes: number
  readonly by: Actor
}

/** Makes an own record of bytes that another owner has published. An own record without bytes becomes the link. */
export async function linkObject(
  house: HouseTx,
  env: Env,
  asked: Link,
): Promise<Result<ObjectRecord, LinkRefusal>> {
  const { sha, tenant } = asked
  const tx = house.tenant(tenant)
  const held = await tx.get(objects, { sha })
  invariant(!held?.stored, 'what is stored needs no link')
  const found = await publishedBytes(house, sha, tenant)
  if (!found) return refuse({ kind: 'nothing-to-link', sha })
  const { owner, object: theirs } = found
  const usage = await objectUsage(tx)
  const bytes = usage.bytes - (held?.size ?? 0) + theirs.size
  if (bytes > asked.quotaBytes)
    return refuse({ kind: 'quota-exceeded', what: 'objects', wanted: asked.quotaBytes, got: bytes })
  const object: ObjectRecord = {
    sha,
    size: theirs.size,
    name: asked.name ?? held?.name ?? theirs.name,
    mimeType: theirs.mimeType,
    stored: true,
    linkedTo: owner,
    createdAt: held?.createdAt ?? env.now,
    modifiedAt: env.now,
  }
  await tx.put(objects, object)
  await tx.put(usages, { what: 'objects', bytes, count: usage.count + (held ? 0 : 1) })
  const blob = await house.get(blobs, { sha })
  invariant(blob && blob.holders > 0, `the blob of the stored object ${sha} is counted`)
  await house.put(blobs, { ...blob, holders: blob.holders + 1 })
  actingOn(tx, env, asked.by).note('object.linked', {
    sha,
    size: object.size,
    name: object.name,
    from: owner,
  })
  return ok(object)
}

/** Links whatever of a state the tenant does not have and somebody has published; what is left is for the post to refuse. */
export async function linkMissing(
  house: HouseTx,
  env: Env,
  asked: Omit<Link, 'sha' | 'name'> & { readonly state: PostedState },
): Promise<Result<undefined, LinkRefusal>> {
  const { state, ...link } = asked
  const tx = house.tenant(link.tenant)
  for (const { sha: raw } of state.objects) {
    const sha = ObjectSha.parse(raw)
    if (!sha || (await tx.get(objects, { sha }))?.stored) continue
    const linked = await linkObject(house, env, { ...link, sha })
    if (!linked.ok && linked.refusal.kind !== 'nothing-to-link') return linked
  }
  return ok(undefined)
}

/** The stored object of another owner that a step of a published device names. */
async function publishedBytes(
  house: HouseTx,
  sha: ObjectSha,
  notOf: TenantId,
): Promise<{ owner: TenantId; object: ObjectRecord } | undefined> {
  const rows = await house.find(publishedObjects, { where: { sha }, limit: candidatesMax })
  for (const { tenant, device } of rows) {
    if (tenant === notOf) continue
    const tx = house.tenant(tenant)
    const object = await tx.get(objects, { sha })
    if (object?.stored && (await namesPublicly(tx, device, sha))) return { owner: tenant, object }
  }
  return undefined
}

/** Whether a published device's open trail has a step that names an object. */
async function namesPublicly(tx: Tx, id: DeviceId, sha: ObjectSha): Promise<boolean> {
  const device = await tx.get(devices, { id })
  if (!device?.published || device.garbage || !(await openTrail(tx, device))) return false
  const where = { sha, device: id, generation: device.generation }
  return (await tx.find(objectUses, { where, limit: 1 })).length > 0
}

/** The objects a step names now: what a replaced state may leave behind. */
export async function objectsOfStep(tx: Tx, id: DeviceId, rev: Revision): Promise<ReadonlySet<ObjectSha>> {
  const device = await tx.get(devices, { id })
  if (!device) return new Set()
  const where = { device: id, generation: device.generation, rev }
  const uses = await tx.find(objectUses, { where, limit: indexedUsesMax })
  return new Set(uses.map(({ sha }) => sha))
}

/** Takes those of a device's objects out of the index that none of its steps names any more. */
export async function forgetUnused(
  house: HouseTx,
  tenant: TenantId,
  id: DeviceId,
  shas: ReadonlySet<ObjectSha>,
): Promise<void> {
  const tx = house.tenant(tenant)
  for (const sha of shas)
    if (!(await namesPublicly(tx, id, sha))) await house.remove(publishedObjects, { sha, device: id })
}
