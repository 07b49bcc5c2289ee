/**
 * Packages: made, allowed for types of devices, asked of devices and groups, and what each device has of them.
 *
 * An operation is one transaction, whatever it takes: prerequisites first, in order; each step changes what the device has
 * as it ends, and tells of it. A step that fails ends the whole: what came before stays, what was to come is not begun, and
 * nothing is left half installed on our record.
 */
import type { Env } from './env.ts'
import { leaveToTrail, submitToGroup } from './group-transactions.ts'
import { addToGroup, createGroup, removeFromGroup, removeGroup } from './groups.ts'
import type { DeviceId, GroupId, ObjectSha } from './ids.ts'
import { actingOn } from './journal.ts'
import type { Json } from './json.ts'
import { beginPackage } from './package-begin.ts'
import type { AskedPackage } from './package-plan.ts'
import {
  type AllowedPackage,
  allowedPackages,
  type DevicePackage,
  devicePackages,
  type Package,
  packages,
  type Transfer,
  transfers,
} from './package-records.ts'
import type { Actor, Reader, Tx } from './port.ts'
import { groups, type Notify, objects, type Transaction, transactions } from './records.ts'
import { invariant, ok, type Result, refuse } from './result.ts'
import { submit, type TransactionRefusal } from './transactions.ts'

export type PackageRefusal =
  | { readonly kind: 'bad-name'; readonly wanted: string; readonly got: string }
  | { readonly kind: 'name-taken'; readonly got: string }
  | { readonly kind: 'no-such-package'; readonly got: string }
  | { readonly kind: 'no-such-object'; readonly got: string }
  | { readonly kind: 'cycle'; readonly chain: readonly string[] }
  | { readonly kind: 'not-empty'; readonly got: string; readonly holds: string }

/** Rows looked at at once. */
const pageSize = 500

/** Makes a package of an object that is there, on packages that are there. */
export async function createPackage(
  tx: Tx,
  env: Env,
  asked: {
    readonly name: string
    readonly image: ObjectSha
    readonly file?: string
    readonly container?: string
    readonly prerequisites: readonly string[]
    readonly upgradeFrom: readonly string[]
    readonly by: Actor
  },
): Promise<Result<Package, PackageRefusal>> {
  const { by, ...told } = asked
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for.
  if (!/^[^\u0000-\u001f\u007f]{1,256}$/.test(told.name))
    return refuse({ kind: 'bad-name', wanted: '1 to 256 characters', got: told.name })
  if (await tx.get(packages, { name: told.name })) return refuse({ kind: 'name-taken', got: told.name })
  const object = await tx.get(objects, { sha: told.image })
  if (!object?.stored) return refuse({ kind: 'no-such-object', got: told.image })
  const refused = await badPrerequisite(tx, told.name, told.prerequisites)
  if (refused) return refuse(refused)
  const members = await createGroup(tx, env, { name: `package/${told.name}`, hidden: true, by })
  invariant(members.ok, 'a package that is new has no members yet')
  const made: Package = {
    ...told,
    prerequisites: [...new Set(told.prerequisites)],
    size: object.size,
    members: members.value.id,
    createdAt: env.now,
  }
  await tx.put(packages, made)
  actingOn(tx, env, by).note('package.created', { package: made.name, image: made.image, size: made.size })
  return ok(made)
}

/** A prerequisite that is not there, or that leads back. */
async function badPrerequisite(
  reader: Reader,
  name: string,
  prerequisites: readonly string[],
  chain: readonly string[] = [name],
  seen = new Set<string>(),
): Promise<PackageRefusal | undefined> {
  for (const each of prerequisites) {
    if (chain.includes(each)) return { kind: 'cycle', chain: [...chain, each] }
    // Many ways may lead to one package; one of them is looked at.
    if (seen.has(each)) continue
    seen.add(each)
    const held = await reader.get(packages, { name: each })
    if (!held) return { kind: 'no-such-package', got: each }
    const refused = await badPrerequisite(reader, name, held.prerequisites, [...chain, each], seen)
    if (refused) return refused
  }
  return undefined
}

/** Removes a package that no device has, none is getting, no other needs and no type allows. */
export async function removePackage(
  tx: Tx,
  env: Env,
  asked: { readonly name: string; readonly by: Actor },
): Promise<Result<Package, PackageRefusal>> {
  const held = await tx.get(packages, { name: asked.name })
  if (!held) return refuse({ kind: 'no-such-package', got: asked.name })
  const holds = await holderOf(tx, held.name)
  if (holds !== undefined) return refuse({ kind: 'not-empty', got: held.name, holds })
  for (let more = true; more; ) {
    const rows = await tx.find(devicePackages, { where: { package: held.name }, limit: pageSize })
    for (const row of rows) await tx.remove(devicePackages, row)
    more = rows.length === pageSize
  }
  await removeGroup(tx, env, { id: held.members, by: asked.by })
  await tx.remove(packages, { name: held.name })
  actingOn(tx, env, asked.by).note('package.removed', { package: held.name })
  return ok(held)
}

async function holderOf(tx: Tx, name: string): Promise<string | undefined> {
  const [type] = await tx.find(allowedPackages, { where: { package: name }, limit: 1 })
  if (type) return `type ${type.type} allows it`
  const holds = ({ installed, status }: DevicePackage) => installed || status === 'queued'
  for (let after: DeviceId | undefined; ; ) {
    const page: readonly DevicePackage[] = await tx.find(devicePackages, {
      where: { package: name, ...(after === undefined ? {} : { device: { gt: after } }) },
      order: ['package', 'device'],
      limit: pageSize,
    })
    const row = page.find(holds)
    if (row) return `device ${row.device} has it`
    after = page.at(-1)?.device
    if (page.length < pageSize) break
  }
  for (let after = ''; ; ) {
    const page: readonly Package[] = await tx.find(packages, {
      where: { name: { gt: after } },
      order: ['name'],
      limit: pageSize,
    })
    const other = page.find(({ prerequisites }) => prerequisites.includes(name))
    if (other) return `package ${other.name} needs it`
    after = page.at(-1)?.name ?? ''
    if (page.length < pageSize) return undefined
  }
}

/** Lets devices of a type have packages, with what their installers are told. */
export async function allowPackage(
  tx: Tx,
  env: Env,
  asked: AllowedPackage & { readonly by: Actor },
): Promise<Result<AllowedPackage, PackageRefusal>> {
  const { by, ...row } = asked
  if (!(await tx.get(packages, { name: row.package })))
    return refuse({ kind: 'no-such-package', got: row.package })
  await tx.put(allowedPackages, row)
  actingOn(tx, env, by).note('package.allowed', { package: row.package, type: row.type, allowed: true })
  return ok(row)
}

/** No longer: what is installed stays. */
export async function disallowPackage(
  tx: Tx,
  env: Env,
  asked: { readonly type: string; readonly package: string; readonly by: Actor },
): Promise<Result<undefined, PackageRefusal>> {
  const { by, ...key } = asked
  if (!(await tx.remove(allowedPackages, key))) return refuse({ kind: 'no-such-package', got: key.package })
  actingOn(tx, env, by).note('package.allowed', { package: key.package, type: key.type, allowed: false })
  return ok(undefined)
}

// ── operations ───────────────────────────────────────────────────────────────────────────────────────────────────

/** Asks an operation of a device. What can not be ends at once, failed, and is told of like any other end. */
export async function submitPackage(
  tx: Tx,
  env: Env,
  asked: {
    readonly device: DeviceId
    readonly payload: AskedPackage
    readonly notify?: Notify
    readonly ttlMs?: number
    readonly by: Actor
  },
): Promise<Result<Transaction, TransactionRefusal>> {
  const submitted = await submit(tx, env, { ...asked, kind: 'package', payload: { ...asked.payload } })
  if (submitted.ok) {
    await leaveToTrail(tx, env, submitted.value)
    await beginPackage(tx, env, submitted.value, asked.payload)
  }
  return submitted.ok
    ? ok((await tx.get(transactions, { id: submitted.value.id })) ?? submitted.value)
    : submitted
}

/** Asks it of several devices at once: they become a group of their own for this one transaction. */
export async function submitPackageToAll(
  tx: Tx,
  env: Env,
  asked: {
    readonly devices: readonly DeviceId[]
    readonly payload: Json
    readonly kind: 'package' | 'configuration'
    readonly name: string
    readonly notify?: Notify
    readonly ttlMs?: number
    readonly by: Actor
  },
): Promise<Result<Transaction, TransactionRefusal>> {
  const { devices, name, ...submission } = asked
  const group = await createGroup(tx, env, { name: `once/${name}`, hidden: true, by: asked.by })
  invariant(group.ok, 'a group for one transaction is new')
  await addToGroup(tx, env, { group: group.value.id, devices, by: asked.by })
  return submitToGroup(tx, env, { ...submission, group: group.value.id })
}

// ── transfer ─────────────────────────────────────────────────────────────────────────────────────────────────────

export type TransferRefusal = {
  readonly kind: 'not-sent'
  readonly wanted: string
  readonly got: number
}

/** A device has confirmed an image up to so many bytes: they need not be sent again, whatever happens. */
export async function confirmTransfer(
  tx: Tx,
  asked: {
    readonly transaction: Transaction
    readonly package: string
    readonly size: number
    readonly bytes: number
  },
): Promise<Result<number, TransferRefusal>> {
  const { transaction, bytes, size } = asked
  const key = { transaction: transaction.id, package: asked.package }
  const row = await tx.get(transfers, key)
  const held = row?.confirmed ?? 0
  if (!Number.isSafeInteger(bytes) || bytes < 0 || bytes > size)
    return refuse({ kind: 'not-sent', wanted: `at most ${size} bytes`, got: bytes })
  if (bytes <= held || transaction.device === undefined) return ok(held)
  await tx.put(transfers, { ...row, ...key, device: transaction.device, confirmed: bytes })
  return ok(bytes)
}

/** How much of an image a device has confirmed, and how often it was begun again. */
export async function transferOf(
  reader: Reader,
  transaction: Transaction['id'],
  name: string,
): Promise<Pick<Transfer, 'confirmed'> & { readonly restarts: number }> {
  const row = await reader.get(transfers, { transaction, package: name })
  return { confirmed: row?.confirmed ?? 0, restarts: row?.restarts ?? 0 }
}

/** An image is sent again from its beginning: what was confirmed is not what was meant. Counted, also over sessions. */
export async function restartTransfer(tx: Tx, transaction: Transaction, name: string): Promise<void> {
  const key = { transaction: transaction.id, package: name }
  if (transaction.device === undefined) return
  const { restarts } = await transferOf(tx, transaction.id, name)
  await tx.put(transfers, { ...key, device: transaction.device, confirmed: 0, restarts: restarts + 1 })
}

// ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────────

export async function packagesOf(reader: Reader, device: DeviceId): Promise<readonly DevicePackage[]> {
  return reader.find(devicePackages, { where: { device }, order: ['device', 'package'] })
}

/** Adds or removes the devices that `push-package` works on. */
export async function changeMembers(
  tx: Tx,
  env: Env,
  asked: {
    readonly package: string
    readonly devices: readonly DeviceId[]
    readonly members: boolean
    readonly by: Actor
  },
): Promise<Result<GroupId, PackageRefusal>> {
  const held = await tx.get(packages, { name: asked.package })
  if (!held) return refuse({ kind: 'no-such-package', got: asked.package })
  const change = { group: held.members, devices: asked.devices, by: asked.by }
  const changed = asked.members ? await addToGroup(tx, env, change) : await removeFromGroup(tx, env, change)
  if (!changed.ok) return refuse({ kind: 'no-such-package', got: asked.package })
  const group = await tx.get(groups, { id: held.members })
  invariant(group, 'a package has its members')
  return ok(group.id)
}
