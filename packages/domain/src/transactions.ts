/**
 * Transactions: things asked of devices, and the one life they all live.
 *
 * A kind says how it is delivered and in which lane; nothing here knows what a payload means or which wire carries it.
 * Links take what is next in a lane and report what came of it; steps of a trail, which a device reads by itself, are
 * moved along by the device's reports (`trails.ts`). An entry ends done, failed, timed out or cancelled; it never
 * vanishes. What is asked of a group is in `group-transactions.ts`; here its parent is moved along by its children.
 *
 * Whoever wants to be told how something goes is told by the commit that moves it (`deliveries.ts`).
 */

import { deviceConfigurations } from './back-end-records.ts'
import { enqueueAbout, enqueueAboutEach } from './deliveries.ts'
import { type Env, newId } from './env.ts'
import { type DeviceId, type GroupId, Instant, TransactionId } from './ids.ts'
import { actingOn, lastingly } from './journal.ts'
import type { Json } from './json.ts'
import { endPackage } from './package-ends.ts'
import type { AskedPackage } from './package-plan.ts'
import type { Actor, Tx } from './port.ts'
import {
  groupSlices,
  groups,
  groupWorks,
  lanes,
  type Notify,
  type Proof,
  type Transaction,
  type TransactionState,
  transactions,
} from './records.ts'
import { invariant, ok, type Result, refuse } from './result.ts'
import { endCarried, wakeTrailWork } from './trail-works.ts'

/** How a kind reaches the device. */
export type Delivery =
  /** Durable, in order, one in flight a lane, at least once; a device that is offline never fails it. */
  | 'queued'
  /** In a lane that the device reads by itself; several may be open at once. */
  | 'pulled'
  /** Refused while the device is offline; at most once; an answer that is lost makes it failed. */
  | 'immediate'

/** Every kind of thing that can be asked of a device. A new kind is a new row. */
export const transactionKinds = {
  step: { delivery: 'pulled', lane: 'trail' },
  configuration: { delivery: 'queued', lane: 'queue' },
  package: { delivery: 'queued', lane: 'queue' },
  rpc: { delivery: 'queued', lane: 'queue' },
  'direct-rpc': { delivery: 'immediate', lane: 'direct' },
  'node-management': { delivery: 'immediate', lane: 'direct' },
} as const satisfies Record<string, { delivery: Delivery; lane: string }>

export type TransactionKind = keyof typeof transactionKinds

/** The lawful moves of a transaction's life. Going back to `queued` is how a queued kind is sent again. */
export const lawfulMoves = {
  queued: ['sent', 'in-progress', 'done', 'failed', 'timed-out', 'cancelled'],
  sent: ['queued', 'in-progress', 'done', 'failed', 'timed-out', 'cancelled'],
  'in-progress': ['queued', 'in-progress', 'done', 'failed', 'timed-out', 'cancelled'],
  done: [],
  failed: [],
  'timed-out': [],
  cancelled: [],
} as const satisfies Record<TransactionState, readonly TransactionState[]>

export type EndState = 'done' | 'failed' | 'timed-out' | 'cancelled'

export function hasEnded(state: TransactionState): state is EndState {
  return lawfulMoves[state].length === 0
}

export type TransactionRefusal =
  | { readonly kind: 'no-such-transaction'; readonly got: string }
  | { readonly kind: 'device-offline'; readonly device: DeviceId }
  | { readonly kind: 'no-such-group'; readonly got: string }
  | {
      readonly kind: 'unlawful-move'
      readonly transaction: TransactionId
      readonly from: TransactionState
      readonly to: TransactionState
    }

export interface Submission {
  readonly kind: TransactionKind
  readonly device: DeviceId
  readonly payload: Json
  readonly by: Actor
  /** Milliseconds until it times out; absent: never. */
  readonly ttlMs?: number
  /** Whether the device's link is up: asked of immediate kinds only. */
  readonly online?: boolean
  readonly parent?: { readonly id: TransactionId; readonly slice: number; readonly group: GroupId }
  readonly notify?: Notify
  readonly behalf?: TransactionId
  /** For kinds whose order is given elsewhere (a step's revision): its place in the lane. */
  readonly seq?: number
  /** Whether whoever carries it takes it with the commit that asks it, as the last in its lane: then it begins as sent. */
  takes?(device: DeviceId, seq: number): boolean
}

/** Asks something of a device. What is refused leaves nothing behind. */
export async function submit(
  tx: Tx,
  env: Env,
  asked: Submission,
): Promise<Result<Transaction, TransactionRefusal>> {
  const { delivery, lane } = transactionKinds[asked.kind]
  const { device } = asked
  if (delivery === 'immediate' && asked.online !== true) return refuse({ kind: 'device-offline', device })
  const seq = asked.seq ?? (await nextSeq(tx, device, lane))
  const transaction = submitted(env, asked, { device, seq, isTaken: asked.takes?.(device, seq) === true })
  await tx.put(transactions, transaction)
  noteSubmitted(tx, env, asked.by, transaction)
  return ok(transaction)
}

/** What is asked of many devices alike. */
export type SubmissionToMany = Omit<Submission, 'device' | 'seq' | 'online' | 'behalf'>

/** Asks the same of devices of which none is named twice, in their order. None of it is refused: a lane holds it. */
export async function submitToMany(
  tx: Tx,
  env: Env,
  of: readonly DeviceId[],
  asked: SubmissionToMany,
): Promise<readonly Transaction[]> {
  const { lane } = transactionKinds[asked.kind]
  const held = await tx.getAll(
    lanes,
    of.map((device) => ({ device, lane })),
  )
  const next = of.map((device, at) => ({ device, lane, lastSeq: (held[at]?.lastSeq ?? 0) + 1 }))
  await tx.putAll(lanes, next)
  const all = next.map(({ device, lastSeq: seq }) =>
    submitted(env, asked, { device, seq, isTaken: asked.takes?.(device, seq) === true }),
  )
  await tx.putAll(transactions, all)
  for (const transaction of all) noteSubmitted(tx, env, asked.by, transaction)
  return all
}

function submitted(
  env: Env,
  asked: SubmissionToMany & Pick<Submission, 'behalf'>,
  { device, seq, isTaken }: { readonly device: DeviceId; readonly seq: number; readonly isTaken: boolean },
): Transaction {
  return {
    id: newId(env, TransactionId.parse),
    kind: asked.kind,
    device,
    lane: transactionKinds[asked.kind].lane,
    seq,
    state: isTaken ? 'sent' : 'queued',
    open: true,
    percent: 0,
    payload: asked.payload,
    by: lastingly(asked.by),
    attempts: isTaken ? 1 : 0,
    createdAt: env.now,
    ...(isTaken ? { sentAt: env.now } : undefined),
    ...(asked.ttlMs === undefined ? undefined : { expiresAt: Instant.after(env.now, asked.ttlMs) }),
    ...(asked.notify === undefined ? undefined : { notify: asked.notify }),
    ...(asked.behalf === undefined ? undefined : { behalf: asked.behalf }),
    ...(asked.parent === undefined
      ? undefined
      : { parent: asked.parent.id, slice: asked.parent.slice, group: asked.parent.group }),
  }
}

/** One entry, also of what is sent by the same commit: then it names the attempt. */
function noteSubmitted(
  tx: Tx,
  env: Env,
  by: Actor,
  { id, kind, device, lane, seq, attempts }: Transaction,
): void {
  const what = { transaction: id, kind, lane, seq }
  actingOn(tx, env, by, device).note(
    'transaction.submitted',
    attempts === 0 ? what : { ...what, attempt: attempts },
  )
}

function noteSent(tx: Tx, env: Env, { id, device, attempts }: Transaction): void {
  actingOn(tx, env, system, device).note('transaction.sent', { transaction: id, attempt: attempts })
}

/**
 * The transaction a link should now send in a lane: the oldest open one, marked `sent`; undefined while another is in
 * flight there or the lane is empty.
 */
export async function takeNext(
  tx: Tx,
  env: Env,
  device: DeviceId,
  lane: string,
): Promise<Transaction | undefined> {
  const [head] = await tx.find(transactions, {
    where: { device, lane, open: true },
    order: ['seq', 'id'],
    limit: 1,
  })
  return head?.state === 'queued' ? send(tx, env, head) : undefined
}

/**
 * The same, once what stood at a place in the lane has ended, and all before it: where that was the last one that was asked,
 * nothing is looked for.
 */
export async function takeAfter(
  tx: Tx,
  env: Env,
  ended: { readonly device: DeviceId; readonly lane: string; readonly seq: number },
): Promise<Transaction | undefined> {
  const { device, lane } = ended
  const held = await tx.get(lanes, { device, lane })
  return held?.lastSeq === ended.seq ? undefined : takeNext(tx, env, device, lane)
}

/** Marks what waits at the head of its lane as sent, for callers that know that it is the head. */
export async function send(tx: Tx, env: Env, head: Transaction): Promise<Transaction> {
  const sent: Transaction = { ...head, state: 'sent', sentAt: env.now, attempts: head.attempts + 1 }
  await tx.put(transactions, sent)
  noteSent(tx, env, sent)
  return sent
}

/** The device says how far it is. Ends nothing; a percentage of an ended transaction is refused. */
export async function progress(
  tx: Tx,
  env: Env,
  id: TransactionId,
  percent: number,
  by: Actor,
): Promise<Result<Transaction, TransactionRefusal>> {
  const held = await tx.get(transactions, { id })
  if (!held) return refuse({ kind: 'no-such-transaction', got: id })
  if (!held.open)
    return refuse({ kind: 'unlawful-move', transaction: id, from: held.state, to: 'in-progress' })
  if (held.state === 'in-progress' && held.percent === percent) return ok(held)
  const moved: Transaction = { ...held, state: 'in-progress', percent }
  await tx.put(transactions, moved)
  actingOn(tx, env, by, held.device).note('transaction.progressed', { transaction: id, percent })
  return ok(moved)
}

/** What a transaction ended as. */
export interface Ending {
  readonly state: EndState
  readonly reason?: string
  readonly answer?: Json
  readonly proof?: Proof
}

/** Children that have ended in one commit, by their slices: what their parents are told of together. */
export class ChildEndings {
  readonly #slices = new Map<
    string,
    { parent: TransactionId; slice: number; ended: number; failed: number }
  >()

  add(parent: TransactionId, slice: number, state: EndState): void {
    const name = `${parent} ${slice}`
    const held = this.#slices.get(name) ?? { parent, slice, ended: 0, failed: 0 }
    held.ended += 1
    if (state !== 'done') held.failed += 1
    this.#slices.set(name, held)
  }

  /** Moves the parents along; to be called within the commit in which the children end. */
  async tell(tx: Tx, env: Env): Promise<void> {
    for (const slice of this.#slices.values()) await childrenEnded(tx, env, slice)
    this.#slices.clear()
  }
}

/**
 * Ends a transaction, once: an end is never changed. Moves its group's parent along, unless whoever ends many gathers
 * that in `endings`, to tell it of all of them.
 */
export async function finish(
  tx: Tx,
  env: Env,
  id: TransactionId,
  ending: Ending,
  by: Actor,
  endings?: ChildEndings,
): Promise<Result<Transaction, TransactionRefusal>> {
  const held = await tx.get(transactions, { id })
  if (!held) return refuse({ kind: 'no-such-transaction', got: id })
  if (!held.open)
    return refuse({ kind: 'unlawful-move', transaction: id, from: held.state, to: ending.state })
  const ended = endedAs(env, held, ending)
  await tx.put(transactions, ended)
  noteEnded(tx, env, by, ended, ending)
  await settleEnd(tx, env, ended, ending, by, endings)
  return ok(ended)
}

/** How one of many ends, and who says so. */
export interface ToEnd {
  readonly id: TransactionId
  readonly ending: Ending
  readonly by: Actor
}

/** Ends many, as `finish` does one by one. What is not there, or has ended, also by one before it, stays as it is. */
export async function finishAll(
  tx: Tx,
  env: Env,
  all: readonly ToEnd[],
  endings: ChildEndings,
): Promise<void> {
  const held = await tx.getAll(transactions, all)
  const seen = new Set<TransactionId>()
  const ended: { readonly one: Transaction; readonly to: ToEnd }[] = []
  all.forEach((to, at) => {
    const was = held[at]
    if (!was?.open || seen.has(to.id)) return
    seen.add(to.id)
    ended.push({ one: endedAs(env, was, to.ending), to })
  })
  await tx.putAll(
    transactions,
    ended.map(({ one }) => one),
  )
  for (const { one, to } of ended) noteEnded(tx, env, to.by, one, to.ending)
  const calls: Child[] = []
  for (const { one, to } of ended)
    if (isCallOfGroup(one)) {
      calls.push(one)
      endings.add(one.parent, one.slice, to.ending.state)
    } else await settleEnd(tx, env, one, to.ending, to.by, endings)
  await tellOfEnds(tx, env, calls)
}

/** A member's part of what was asked of a group. */
type Child = Transaction & {
  readonly device: DeviceId
  readonly parent: TransactionId
  readonly slice: number
}

function isChild(one: Transaction): one is Child {
  return one.device !== undefined && one.parent !== undefined && one.slice !== undefined
}

/** A call that a member of a group answers: to tell of its end is all that has to be done about it. */
function isCallOfGroup(one: Transaction): one is Child {
  return one.kind === 'rpc' && one.behalf === undefined && isChild(one)
}

function endedAs(env: Env, held: Transaction, { state, ...facts }: Ending): Transaction {
  return {
    ...held,
    ...facts,
    state,
    open: false,
    percent: state === 'done' ? 100 : held.percent,
    endedAt: env.now,
  }
}

function noteEnded(tx: Tx, env: Env, by: Actor, ended: Transaction, { reason, proof }: Ending): void {
  const { id, kind, device, state } = ended
  actingOn(tx, env, by, device).note('transaction.ended', {
    transaction: id,
    kind,
    state,
    ...(reason === undefined ? undefined : { reason }),
    ...(proof === undefined ? undefined : { proof }),
  })
}

/** What else an end brings about. */
async function settleEnd(
  tx: Tx,
  env: Env,
  ended: Transaction,
  ending: Ending,
  by: Actor,
  endings?: ChildEndings,
): Promise<void> {
  const { state } = ending
  if (ended.kind === 'configuration' && state === 'done') await keepConfirmed(tx, env, ended, by)
  // Packages are told of step by step.
  if (ended.kind === 'package') await endPackage(tx, env, ended, packageIn(await payloadOf(tx, ended)))
  else await tellOfEnd(tx, env, ended)
  if (ended.device === undefined) await releaseGroup(tx, ended)
  if (ended.behalf !== undefined) {
    await endCarried(tx, env, ended.behalf, state)
    await finish(tx, env, ended.behalf, ending, by)
  }
  if (ended.kind === 'package' || ended.kind === 'configuration') await wakeTrailWork(tx, env, ended.id)
  if (ended.parent !== undefined && ended.slice !== undefined) {
    const all = endings ?? new ChildEndings()
    all.add(ended.parent, ended.slice, state)
    if (all !== endings) await all.tell(tx, env)
  }
}

/**
 * A device's link went down. What is queued by kind goes back to its place and will be sent again; what was immediate
 * has lost its answer for good. Pulled lanes do not notice.
 */
export async function linkLost(tx: Tx, env: Env, device: DeviceId): Promise<void> {
  for (const lane of new Set(Object.values(transactionKinds).map((kind) => kind.lane))) {
    const open = await tx.find(transactions, { where: { device, lane, open: true }, order: ['seq', 'id'] })
    for (const held of open) await lose(tx, env, held)
  }
}

/** What was marked as sent reached nobody: as if its link had gone down, unless something has become of it since. */
export async function takeBack(tx: Tx, env: Env, sent: Transaction): Promise<void> {
  const held = await tx.get(transactions, { id: sent.id })
  if (held?.state === 'sent' && held.attempts === sent.attempts) await lose(tx, env, held)
}

async function lose(tx: Tx, env: Env, held: Transaction): Promise<void> {
  const { delivery } = kindOf(held)
  if (delivery === 'pulled' || held.state === 'queued') return
  if (delivery === 'immediate') {
    const ending = { state: 'failed', reason: 'unknown: the answer was lost with the link' } as const
    await finish(tx, env, held.id, ending, system)
    return
  }
  const { sentAt: _, ...back } = held
  await tx.put(transactions, { ...back, state: 'queued', percent: 0 })
  actingOn(tx, env, system, held.device).note('transaction.requeued', { transaction: held.id })
}

/** Times out what is due, oldest first, at most `limit`; answers how many. */
export async function expireDue(tx: Tx, env: Env, limit: number): Promise<number> {
  const due = await tx.find(transactions, {
    where: { open: true, expiresAt: { lte: env.now } },
    order: ['expiresAt', 'id'],
    limit,
  })
  for (const held of due)
    await finish(
      tx,
      env,
      held.id,
      { state: 'timed-out', reason: 'not ended within its time to live' },
      system,
    )
  return due.length
}

// ── cancelling ───────────────────────────────────────────────────────────────────────────────────────────────────

/**
 * Calls off what has not ended. What is under way at the device may still happen there; its answer is then ignored. A
 * group's children are called off with it, slice by slice (`group-transactions.ts`).
 */
export async function cancel(
  tx: Tx,
  env: Env,
  id: TransactionId,
  by: Actor,
): Promise<Result<Transaction, TransactionRefusal>> {
  const ended = await finish(tx, env, id, { state: 'cancelled', reason: 'called off' }, by)
  const work = ended.ok && ended.value.device === undefined && (await tx.get(groupWorks, { parent: id }))
  if (work) await tx.put(groupWorks, { ...work, submitted: false })
  return ended
}

/** Ends everything in a device's queues, because the device is gone; at most `limit`, answers how many. */
export async function endAllOf(tx: Tx, env: Env, device: DeviceId, limit: number): Promise<number> {
  let ended = 0
  for (const lane of new Set(Object.values(transactionKinds).map((kind) => kind.lane))) {
    if (lane === transactionKinds.step.lane) continue
    const open = await tx.find(transactions, {
      where: { device, lane, open: true },
      order: ['seq', 'id'],
      limit: limit - ended,
    })
    for (const { id } of open)
      await finish(tx, env, id, { state: 'failed', reason: 'device-unknown' }, system)
    ended += open.length
    if (ended >= limit) break
  }
  return ended
}

/** What is asked: a child of a group's has it from its parent. */
export async function payloadOf(tx: Pick<Tx, 'get'>, transaction: Transaction): Promise<Json> {
  if (transaction.parent === undefined) return transaction.payload
  return (await askedOf(tx, transaction.parent))?.payload ?? null
}

/** What a parent asks and who wants to know: never changed, so that many children of one commit look at it once. */
async function askedOf(
  tx: Pick<Tx, 'get'>,
  id: TransactionId,
): Promise<Pick<Transaction, 'payload' | 'notify'> | undefined> {
  let parents = parentsSeen.get(tx)
  if (parents === undefined) {
    parents = new Map()
    parentsSeen.set(tx, parents)
  }
  const seen = parents.get(id)
  if (seen !== undefined) return seen
  const parent = await tx.get(transactions, { id })
  if (parent !== undefined) parents.set(id, parent)
  return parent
}

/** By the handle of a body, with which they go. */
const parentsSeen = new WeakMap<object, Map<TransactionId, Pick<Transaction, 'payload' | 'notify'>>>()

// ── inside ───────────────────────────────────────────────────────────────────────────────────────────────────────

export const system: Actor = { kind: 'system', id: 'transactions' }

async function childrenEnded(
  tx: Tx,
  env: Env,
  told: {
    readonly parent: TransactionId
    readonly slice: number
    readonly ended: number
    readonly failed: number
  },
): Promise<void> {
  const { parent } = told
  const slice = await tx.get(groupSlices, { parent, slice: told.slice })
  invariant(
    slice && slice.waiting >= told.ended,
    `slice ${told.slice} of ${parent} waits for the children that ended`,
  )
  const waiting = slice.waiting - told.ended
  const failed = slice.failed + told.failed
  await tx.put(groupSlices, { ...slice, waiting, failed })
  if (waiting > 0) return
  const work = await tx.get(groupWorks, { parent })
  invariant(work, `the parent ${parent} of a child has its work`)
  const moved = { ...work, slicesEnded: work.slicesEnded + 1, failed: work.failed + failed }
  await tx.put(groupWorks, moved)
  if (moved.submitted && moved.slicesEnded === moved.slices) await endParent(tx, env, parent, moved)
}

/** Ends a parent whose children have all ended: done if all are. One that ended before them stays as it is. */
export async function endParent(
  tx: Tx,
  env: Env,
  id: TransactionId,
  { failed, members }: { readonly failed: number; readonly members: number },
): Promise<void> {
  const parent = await tx.get(transactions, { id })
  if (!parent?.open) return
  await finish(
    tx,
    env,
    id,
    failed === 0
      ? { state: 'done' }
      : { state: 'failed', reason: `${failed} of ${members} devices did not get there` },
    system,
  )
}

/** A device has confirmed configuration: that is what it has now, by the name it goes by. */
async function keepConfirmed(tx: Tx, env: Env, ended: Transaction, by: Actor): Promise<void> {
  const payload = await payloadOf(tx, ended)
  const name = typeof payload === 'object' && payload !== null && 'name' in payload ? payload.name : undefined
  const { device } = ended
  if (device === undefined || typeof name !== 'string') return
  const push = ended.parent ?? ended.id
  await tx.put(deviceConfigurations, { device, name, push, at: env.now })
  actingOn(tx, env, by, device).note('configuration.confirmed', { name, push })
}

/** Who wanted to know is told of the end. */
async function tellOfEnd(tx: Tx, env: Env, ended: Transaction): Promise<void> {
  if (isChild(ended)) return tellOfEnds(tx, env, [ended])
  if (ended.parent === undefined && ended.notify && !(ended.notify.each && ended.device === undefined))
    await enqueueAbout(tx, env, ended.notify, ended.device, {
      kind: 'transaction',
      transaction: ended.id,
      final: true,
    })
}

/** The same of members, who have it from their parents, in their order. */
async function tellOfEnds(tx: Tx, env: Env, ended: readonly Child[]): Promise<void> {
  const families = new Map<TransactionId, Child[]>()
  for (const child of ended) {
    const family = families.get(child.parent)
    if (family) family.push(child)
    else families.set(child.parent, [child])
  }
  for (const [parent, children] of families) {
    const notify = (await askedOf(tx, parent))?.notify
    if (!notify) continue
    const final = notify.each ?? false
    await enqueueAboutEach(tx, env, notify, children, ({ id: member }) => ({
      kind: 'transaction',
      transaction: parent,
      member,
      final,
    }))
  }
}

/** A group is no longer waited for by what has ended. */
async function releaseGroup(tx: Tx, ended: Transaction): Promise<void> {
  if (ended.group === undefined) return
  const group = await tx.get(groups, { id: ended.group })
  if (group) await tx.put(groups, { ...group, open: Math.max(0, group.open - 1) })
}

/** The package that a payload is about. */
function packageIn(payload: Json): Pick<AskedPackage, 'package' | 'operation'> {
  return payload as unknown as AskedPackage
}

async function nextSeq(tx: Tx, device: DeviceId, lane: string): Promise<number> {
  const held = await tx.get(lanes, { device, lane })
  const seq = (held?.lastSeq ?? 0) + 1
  await tx.put(lanes, { device, lane, lastSeq: seq })
  return seq
}

/** The kind a stored word means; it was one of ours when it was stored. */
export function kindName(kind: string): TransactionKind {
  invariant(kind in transactionKinds, `transaction kind ${kind} is one of ours`)
  return kind as TransactionKind
}

function kindOf(transaction: Transaction) {
  return transactionKinds[kindName(transaction.kind)]
}
