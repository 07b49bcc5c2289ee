/**
 * Messages to back ends, on their way out. One is put into its lane by the commit that it tells of, so that nothing is
 * told that did not happen and nothing that happened is left untold; it goes out when a sender takes it, in order within
 * its lane, and is tried again with growing pauses until it is taken or given up.
 */
import type {
  ConfigurationSet,
  DeliveryLane,
  DeliveryMatter,
  OutgoingMessage,
  Target,
} from './back-end-records.ts'
import { configurationSets, configurationTargets, deliveries, deliveryLanes } from './back-end-records.ts'
import type { Env } from './env.ts'
import { type DeviceId, type GroupId, Instant } from './ids.ts'
import type { Reader, Tx } from './port.ts'
import { type Group, groupMembers, groups, type Notify } from './records.ts'
import { ok, type Result, refuse } from './result.ts'

/** Groups of one device that are told: one more than a tenant may put it in by any sane plan. */
const groupsTold = 100

/** Pauses between tries, in milliseconds; after the last one a message is given up. About two hours in all. */
export const deliveryPausesMs = [1_000, 5_000, 30_000, 120_000, 600_000, 1_800_000, 3_600_000] as const

/** Puts a message into the lane of its target. */
export async function enqueue(tx: Tx, env: Env, target: Target, about: DeliveryMatter): Promise<void> {
  const held = await tx.get(deliveryLanes, { lane: target.lane })
  const seq = (held?.lastSeq ?? 0) + 1
  const lane: DeliveryLane = held?.waiting
    ? { ...held, lastSeq: seq }
    : { lane: target.lane, sealed: target.sealed, lastSeq: seq, waiting: true, attempts: 0, dueAt: env.now }
  await tx.put(deliveryLanes, lane)
  await tx.put(deliveries, { lane: target.lane, seq, about, state: 'waiting', createdAt: env.now })
}

/** Puts a message about a transaction into the lanes of all who are to be told, each once. */
export async function enqueueAbout(
  tx: Tx,
  env: Env,
  notify: Notify,
  device: DeviceId | undefined,
  about: DeliveryMatter,
): Promise<void> {
  for (const target of await targetsOf(tx, notify, device)) await enqueue(tx, env, target, about)
}

/** The same of many of which the same is wanted, in their order: who is told is looked for once; `about` makes the message. */
export async function enqueueAboutEach<T extends { readonly device: DeviceId }>(
  tx: Tx,
  env: Env,
  notify: Notify,
  all: readonly T[],
  about: (one: T) => DeliveryMatter,
): Promise<void> {
  const isOfGroups = notify.target === undefined && notify.groupsToo === true
  const devices = all.map(({ device }) => device)
  const groupsOf = isOfGroups ? await groupTargetsOfEach(tx, devices) : undefined
  for (const one of all) {
    const ofGroups = groupsOf?.get(one.device) ?? []
    if (notify.target === undefined && notify.set === undefined && ofGroups.length === 0) continue
    for (const target of await targetsOf(tx, notify, one.device, ofGroups))
      await enqueue(tx, env, target, about(one))
  }
}

/**
 * Who is told how a transaction goes: where the caller wanted it; else where the set of configuration says, for this
 * device or at all; and, as the 1.x server did, the groups of the device.
 */
async function targetsOf(
  reader: Reader,
  notify: Notify,
  device: DeviceId | undefined,
  ofGroups?: readonly GroupTarget[],
): Promise<readonly Target[]> {
  const found = new Map<string, Target>()
  const add = (target: Target | undefined) => target && found.set(target.lane, target)
  if (notify.target) add(notify.target)
  else {
    if (notify.set !== undefined) add(await targetOfSet(reader, notify.set, device))
    if (notify.groupsToo && device !== undefined)
      for (const { target } of ofGroups ?? (await groupTargets(reader, device))) add(target)
  }
  return [...found.values()]
}

/** Where messages about a set of configuration go: for this device, if it has an address of its own there. */
export async function targetOfSet(
  reader: Reader,
  set: string,
  device: DeviceId | undefined,
): Promise<Target | undefined> {
  const own = device === undefined ? undefined : await reader.get(configurationTargets, { set, device })
  if (own) return own.target
  const held: ConfigurationSet | undefined = await reader.get(configurationSets, { name: set })
  return held?.target
}

/** The address of a group that a device is in; `primary` marks the one whose answer counts. */
export interface GroupTarget {
  readonly target: Target
  readonly primary: boolean
  readonly group: string
}

/** The addresses of a device's groups, in the order of the groups' names. */
export async function groupTargets(reader: Reader, device: DeviceId): Promise<readonly GroupTarget[]> {
  return (await groupTargetsOfEach(reader, [device])).get(device) ?? []
}

/** The same of many devices, of those that have any. */
async function groupTargetsOfEach(
  reader: Reader,
  of: readonly DeviceId[],
): Promise<ReadonlyMap<DeviceId, readonly GroupTarget[]>> {
  const memberships = await reader.find(groupMembers, {
    where: { device: { in: of }, current: true },
    order: ['device', 'current', 'group', 'since'],
    limit: groupsTold * of.length,
  })
  const held = new Map<GroupId, Group | undefined>()
  const found = new Map<DeviceId, GroupTarget[]>()
  for (const { device, group: id, primary } of memberships) {
    if (!held.has(id)) held.set(id, await reader.get(groups, { id }))
    const group = held.get(id)
    if (!group?.target) continue
    const own = found.get(device) ?? []
    own.push({ target: group.target, primary, group: group.name })
    found.set(device, own)
  }
  for (const own of found.values()) own.sort((a, b) => (a.group < b.group ? -1 : 1))
  return found
}

// ── the sender's side ────────────────────────────────────────────────────────────────────────────────────────────

/** Lanes whose first message is due, the longest due first. */
export async function lanesDue(
  reader: Reader,
  now: Instant,
  limit: number,
): Promise<readonly DeliveryLane[]> {
  return reader.find(deliveryLanes, {
    where: { waiting: true, dueAt: { lte: now } },
    order: ['waiting', 'dueAt', 'lane'],
    limit,
  })
}

/** The first messages of a lane, in order. */
export async function headOf(
  reader: Reader,
  lane: string,
  limit: number,
): Promise<readonly OutgoingMessage[]> {
  return reader.find(deliveries, {
    where: { state: 'waiting', lane },
    order: ['state', 'lane', 'seq'],
    limit,
  })
}

/** Messages were taken: they are gone, and the lane goes on with the next one at once. */
export async function delivered(
  tx: Tx,
  env: Env,
  lane: string,
  taken: readonly Pick<OutgoingMessage, 'seq'>[],
): Promise<void> {
  for (const { seq } of taken) await tx.remove(deliveries, { lane, seq })
  await moveOn(tx, env, lane)
}

/**
 * A lane's first message was not taken. It is tried again after a pause, or, after the last one, or where trying again
 * makes no sense (`forGood`), put aside; the next one then has its turn.
 */
export async function notDelivered(
  tx: Tx,
  env: Env,
  lane: string,
  failure: { readonly seq: number; readonly reason: string; readonly forGood: boolean },
): Promise<'again' | 'dead'> {
  const held = await tx.get(deliveryLanes, { lane })
  const head = await tx.get(deliveries, { lane, seq: failure.seq })
  if (!held || head?.state !== 'waiting') return 'dead'
  const pause = failure.forGood ? undefined : deliveryPausesMs[held.attempts]
  if (pause === undefined) {
    await tx.put(deliveries, { ...head, state: 'dead', reason: failure.reason })
    await moveOn(tx, env, lane)
    return 'dead'
  }
  const dueAt = Instant.after(env.now, pause)
  await tx.put(deliveryLanes, { ...held, attempts: held.attempts + 1, dueAt, reason: failure.reason })
  return 'again'
}

async function moveOn(tx: Tx, env: Env, lane: string): Promise<void> {
  const held = await tx.get(deliveryLanes, { lane })
  if (!held) return
  const waiting = (await headOf(tx, lane, 1)).length > 0
  const { reason: _, ...rest } = held
  await tx.put(deliveryLanes, { ...rest, waiting, attempts: 0, dueAt: env.now })
}

// ── what was put aside ───────────────────────────────────────────────────────────────────────────────────────────

export type DeliveryRefusal = { readonly kind: 'no-such-delivery'; readonly got: string }

/** Messages put aside, after a place; at most `limit`. */
export async function deadLetters(
  reader: Reader,
  ask: { readonly after?: { readonly lane: string; readonly seq: number }; readonly limit: number },
): Promise<readonly OutgoingMessage[]> {
  return reader.find(deliveries, {
    where: { state: 'dead' },
    order: ['state', 'lane', 'seq'],
    limit: ask.limit,
    ...(ask.after === undefined ? {} : { after: ['dead', ask.after.lane, ask.after.seq] }),
  })
}

/** Puts a message that was put aside at the end of its lane again. */
export async function redrive(
  tx: Tx,
  env: Env,
  asked: { readonly lane: string; readonly seq: number },
): Promise<Result<OutgoingMessage, DeliveryRefusal>> {
  const held = await tx.get(deliveries, { lane: asked.lane, seq: asked.seq })
  const lane = await tx.get(deliveryLanes, { lane: asked.lane })
  if (held?.state !== 'dead' || !lane)
    return refuse({ kind: 'no-such-delivery', got: `${asked.lane}-${asked.seq}` })
  await tx.remove(deliveries, held)
  await enqueue(tx, env, lane, held.about)
  return ok(held)
}

/** Drops messages put aside before a time, at most `limit`; answers how many. */
export async function dropDeadLetters(tx: Tx, before: Instant, limit: number): Promise<number> {
  const dead = await deadLetters(tx, { limit })
  const old = dead.filter(({ createdAt }) => createdAt < before)
  for (const letter of old) await tx.remove(deliveries, letter)
  return old.length
}
