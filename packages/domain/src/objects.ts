/**
 * Objects: bytes named by their sha256. A tenant registers one, uploads its bytes, and lets steps refer to it.
 *
 * Records belong to tenants, bytes to the house: the same bytes lie on disk once, and `blobs` counts the tenants that
 * hold them. A tenant never learns from another's bytes: it uploads its own before it may use them. The collector takes
 * what no step refers to, never what one does.
 */
import type { Env } from './env.ts'
import type { Instant, ObjectSha, TenantId } from './ids.ts'
import { actingOn } from './journal.ts'
import { packages } from './package-records.ts'
import type { Actor, HouseTx, Tx } from './port.ts'
import { blobs, type ObjectRecord, objects, objectUses, type Usage, usages } from './records.ts'
import { invariant, ok, type Result, refuse } from './result.ts'

export type ObjectRefusal =
  | { readonly kind: 'no-such-object'; readonly got: string }
  | { readonly kind: 'already-stored'; readonly object: ObjectRecord }
  | { readonly kind: 'size-differs'; readonly sha: ObjectSha; readonly wanted: number; readonly got: number }
  | {
      readonly kind: 'quota-exceeded'
      readonly what: 'objects'
      readonly wanted: number
      readonly got: number
    }
  | { readonly kind: 'in-use'; readonly sha: ObjectSha; readonly device: string; readonly rev: number }
  | { readonly kind: 'image-of-package'; readonly sha: ObjectSha; readonly package: string }

/** Bytes and count of what a tenant has registered. */
export async function objectUsage(tx: Pick<Tx, 'get'>): Promise<Usage> {
  return (await tx.get(usages, { what: 'objects' })) ?? { what: 'objects', bytes: 0, count: 0 }
}

/**
 * Registers an object before its upload. Registering again before the bytes came is fine and may correct name and
 * size; bytes already stored are refused as such, with the record.
 */
export async function registerObject(
  tx: Tx,
  env: Env,
  asked: { sha: ObjectSha; size: number; name: string; mimeType: string; quotaBytes: number; by: Actor },
): Promise<Result<ObjectRecord, ObjectRefusal>> {
  const held = await tx.get(objects, { sha: asked.sha })
  if (held?.stored) return refuse({ kind: 'already-stored', object: held })
  const usage = await objectUsage(tx)
  const bytes = usage.bytes - (held?.size ?? 0) + asked.size
  if (bytes > asked.quotaBytes)
    return refuse({ kind: 'quota-exceeded', what: 'objects', wanted: asked.quotaBytes, got: bytes })
  const object: ObjectRecord = {
    sha: asked.sha,
    size: asked.size,
    name: asked.name,
    mimeType: asked.mimeType,
    stored: false,
    createdAt: held?.createdAt ?? env.now,
    modifiedAt: env.now,
  }
  await tx.put(objects, object)
  await tx.put(usages, { what: 'objects', bytes, count: usage.count + (held ? 0 : 1) })
  actingOn(tx, env, asked.by).note('object.registered', {
    sha: object.sha,
    size: object.size,
    name: object.name,
  })
  return ok(object)
}

/** The bytes have arrived and agree with size and sha256: the object may be referred to. */
export async function markStored(
  house: HouseTx,
  env: Env,
  asked: { tenant: TenantId; sha: ObjectSha; size: number; by: Actor },
): Promise<Result<ObjectRecord, ObjectRefusal>> {
  const tx = house.tenant(asked.tenant)
  const held = await tx.get(objects, { sha: asked.sha })
  if (!held) return refuse({ kind: 'no-such-object', got: asked.sha })
  if (held.size !== asked.size)
    return refuse({ kind: 'size-differs', sha: asked.sha, wanted: held.size, got: asked.size })
  if (held.stored) return ok(held)
  const object: ObjectRecord = { ...held, stored: true, modifiedAt: env.now }
  await tx.put(objects, object)
  const blob = await house.get(blobs, { sha: asked.sha })
  await house.put(blobs, { sha: asked.sha, size: asked.size, holders: (blob?.holders ?? 0) + 1 })
  actingOn(tx, env, asked.by).note('object.stored', { sha: object.sha, size: object.size, name: object.name })
  return ok(object)
}

/** Gives an object another name. */
export async function renameObject(
  tx: Tx,
  env: Env,
  asked: { sha: ObjectSha; name: string; by: Actor },
): Promise<Result<ObjectRecord, ObjectRefusal>> {
  const held = await tx.get(objects, { sha: asked.sha })
  if (!held) return refuse({ kind: 'no-such-object', got: asked.sha })
  const object: ObjectRecord = { ...held, name: asked.name, modifiedAt: env.now }
  await tx.put(objects, object)
  actingOn(tx, env, asked.by).note('object.renamed', { sha: object.sha, name: object.name, was: held.name })
  return ok(object)
}

/** Removes an object that no step refers to. The bytes go once no tenant holds them. */
export async function removeObject(
  house: HouseTx,
  env: Env,
  asked: { tenant: TenantId; sha: ObjectSha; by: Actor; collected?: boolean },
): Promise<Result<ObjectRecord, ObjectRefusal>> {
  const tx = house.tenant(asked.tenant)
  const held = await tx.get(objects, { sha: asked.sha })
  if (!held) return refuse({ kind: 'no-such-object', got: asked.sha })
  const [use] = await tx.find(objectUses, { where: { sha: asked.sha }, limit: 1 })
  if (use) return refuse({ kind: 'in-use', sha: asked.sha, device: use.device, rev: use.rev })
  const [image] = await tx.find(packages, { where: { image: asked.sha }, limit: 1 })
  if (image) return refuse({ kind: 'image-of-package', sha: asked.sha, package: image.name })
  await tx.remove(objects, { sha: asked.sha })
  const usage = await objectUsage(tx)
  await tx.put(usages, { what: 'objects', bytes: usage.bytes - held.size, count: usage.count - 1 })
  if (held.stored) {
    const blob = await house.get(blobs, { sha: asked.sha })
    invariant(blob && blob.holders > 0, `the blob of the stored object ${asked.sha} is counted`)
    if (blob.holders === 1) await house.remove(blobs, { sha: asked.sha })
    else await house.put(blobs, { ...blob, holders: blob.holders - 1 })
  }
  actingOn(tx, env, asked.by).note(asked.collected ? 'object.collected' : 'object.removed', {
    sha: held.sha,
    size: held.size,
  })
  return ok(held)
}

/** Removes objects older than `before` that no step refers to, looking at most at `limit` from `after` on. */
export async function collectObjects(
  house: HouseTx,
  env: Env,
  asked: { tenant: TenantId; before: Instant; limit: number; after?: readonly [Instant, ObjectSha] },
): Promise<{ removed: ObjectRecord[]; next?: readonly [Instant, ObjectSha] }> {
  const tx = house.tenant(asked.tenant)
  const old = await tx.find(objects, {
    where: { modifiedAt: { lt: asked.before } },
    order: ['modifiedAt', 'sha'],
    limit: asked.limit,
    ...(asked.after === undefined ? {} : { after: asked.after }),
  })
  const by: Actor = { kind: 'system', id: 'collector' }
  const removed: ObjectRecord[] = []
  for (const object of old) {
    const gone = await removeObject(house, env, {
      tenant: asked.tenant,
      sha: object.sha,
      by,
      collected: true,
    })
    if (gone.ok) removed.push(gone.value)
  }
  const last = old.length === asked.limit ? old.at(-1) : undefined
  return { removed, ...(last ? { next: [last.modifiedAt, last.sha] as const } : {}) }
}
