/**
 * Transactions: things asked of devices, and the one life they all live.
 *
 * A kind says how it is delivered and in which lane; nothing here knows what a payload means or which wire carries it.
 * Links take what is next in a lane and report what came of it; steps of a trail, which a device reads by itself, are
 * moved along by the device's reports (`trails.ts`). An entry ends done, failed, timed out or cancelled; it never
 * vanishes. A group's parent has its membership fixed in its own commit and ends when its last child does.
 */
import { type Env, newId } from './env.ts'
import { type DeviceId, type GroupId, Instant, TransactionId } from './ids.ts'
import { actingOn } from './journal.ts'
import type { Json } from './json.ts'
import type { Actor, Reader, Tx } from './port.ts'
import {
  type GroupSlice,
  groupMembers,
  groupSlices,
  groups,
  lanes,
  type Proof,
  type Transaction,
  type TransactionState,
  transactions,
} from './records.ts'
import { invariant, ok, type Result, refuse } from './result.ts'

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
  /** For kinds whose order is given elsewhere (a step's revision): its place in the lane. */
  readonly seq?: number
}

/** Asks something of a device. What is refused leaves nothing behind. */
export async function submit(
  tx: Tx,
  env: Env,
  asked: Submission,
): Promise<Result<Transaction, TransactionRefusal>> {
  const { delivery, lane } = transactionKinds[asked.kind]
  if (delivery === 'immediate' && asked.online !== true)
    return refuse({ kind: 'device-offline', device: asked.device })
  const transaction: Transaction = {
    id: newId(env, TransactionId.parse),
    kind: asked.kind,
    device: asked.device,
    lane,
    seq: asked.seq ?? (await nextSeq(tx, asked.device, lane)),
    state: 'queued',
    open: true,
    percent: 0,
    payload: asked.payload,
    by: asked.by,
    attempts: 0,
    createdAt: env.now,
    ...(asked.ttlMs === undefined ? {} : { expiresAt: Instant.after(env.now, asked.ttlMs) }),
    ...(asked.parent === undefined
      ? {}
      : { parent: asked.parent.id, slice: asked.parent.slice, group: asked.parent.group }),
  }
  await tx.put(transactions, transaction)
  actingOn(tx, env, asked.by, asked.device).note('transaction.submitted', {
    transaction: transaction.id,
    kind: asked.kind,
    lane,
    seq: transaction.seq,
  })
  return ok(transaction)
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
  if (head?.state !== 'queued') return undefined
  const sent: Transaction = { ...head, state: 'sent', sentAt: env.now, attempts: head.attempts + 1 }
  await tx.put(transactions, sent)
  actingOn(tx, env, system, device).note('transaction.sent', { transaction: sent.id, attempt: sent.attempts })
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

/** Ends a transaction, once: an end is never changed. Moves its group's parent along. */
export async function finish(
  tx: Tx,
  env: Env,
  id: TransactionId,
  ending: Ending,
  by: Actor,
): Promise<Result<Transaction, TransactionRefusal>> {
  const held = await tx.get(transactions, { id })
  if (!held) return refuse({ kind: 'no-such-transaction', got: id })
  if (!held.open)
    return refuse({ kind: 'unlawful-move', transaction: id, from: held.state, to: ending.state })
  const { state, ...facts } = ending
  const ended: Transaction = {
    ...held,
    ...facts,
    state,
    open: false,
    percent: state === 'done' ? 100 : held.percent,
    endedAt: env.now,
  }
  await tx.put(transactions, ended)
  actingOn(tx, env, by, held.device).note('transaction.ended', {
    transaction: id,
    kind: held.kind,
    state,
    ...(ending.reason === undefined ? {} : { reason: ending.reason }),
    ...(ending.proof === undefined ? {} : { proof: ending.proof }),
  })
  if (ended.parent !== undefined && ended.slice !== undefined)
    await childEnded(tx, env, ended.parent, ended.slice, state)
  return ok(ended)
}

/**
 * A device's link went down. What is queued by kind goes back to its place and will be sent again; what was immediate
 * has lost its answer for good. Pulled lanes do not notice.
 */
export async function linkLost(tx: Tx, env: Env, device: DeviceId): Promise<void> {
  for (const lane of new Set(Object.values(transactionKinds).map((kind) => kind.lane))) {
    const open = await tx.find(transactions, { where: { device, lane, open: true }, order: ['seq', 'id'] })
    for (const held of open) {
      const { delivery } = kindOf(held)
      if (delivery === 'pulled' || held.state === 'queued') continue
      if (delivery === 'immediate') {
        await finish(
          tx,
          env,
          held.id,
          { state: 'failed', reason: 'unknown: the answer was lost with the link' },
          system,
        )
        continue
      }
      const { sentAt: _, ...back } = held
      await tx.put(transactions, { ...back, state: 'queued', percent: 0 })
      actingOn(tx, env, system, device).note('transaction.requeued', { transaction: held.id })
    }
  }
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

// ── groups ───────────────────────────────────────────────────────────────────────────────────────────────────────

/** Members a slice: small enough that a slice's commit holds nobody up. */
export const sliceSize = 500

/**
 * Asks something of every member a group has now. The membership is fixed here; children follow slice by slice
 * (`submitSlice`), restartable at any point.
 */
export async function submitToGroup(
  tx: Tx,
  env: Env,
  asked: Omit<Submission, 'device' | 'parent' | 'seq' | 'online'> & { readonly group: GroupId },
): Promise<Result<Transaction, TransactionRefusal>> {
  if (!(await tx.get(groups, { id: asked.group }))) return refuse({ kind: 'no-such-group', got: asked.group })
  const id = newId(env, TransactionId.parse)
  let members = 0
  let slice = 0
  let after: DeviceId | undefined
  for (;;) {
    const page = await tx.find(groupMembers, {
      where: { group: asked.group },
      order: ['group', 'device'],
      limit: sliceSize,
      ...(after === undefined ? {} : { after: [asked.group, after] }),
    })
    const last = page.at(-1)
    if (!last) break
    await tx.put(groupSlices, {
      parent: id,
      slice,
      members: page.map((member) => member.device),
      submitted: false,
      ended: false,
      waiting: page.length,
      failed: 0,
    })
    members += page.length
    slice += 1
    after = last.device
    if (page.length < sliceSize) break
  }
  const parent: Transaction = {
    id,
    kind: asked.kind,
    lane: transactionKinds[asked.kind].lane,
    seq: 0,
    state: members === 0 ? 'done' : 'in-progress',
    open: members > 0,
    percent: members === 0 ? 100 : 0,
    payload: asked.payload,
    by: asked.by,
    group: asked.group,
    attempts: 0,
    createdAt: env.now,
    ...(members === 0 ? { endedAt: env.now } : {}),
    ...(asked.ttlMs === undefined ? {} : { expiresAt: Instant.after(env.now, asked.ttlMs) }),
  }
  await tx.put(transactions, parent)
  actingOn(tx, env, asked.by).note('transaction.submitted', {
    transaction: id,
    kind: asked.kind,
    group: asked.group,
    members,
    slices: slice,
  })
  return ok(parent)
}

/** Slices whose children have not been submitted yet: work left over, also from before a crash. */
export async function slicesToSubmit(reader: Reader, limit: number): Promise<GroupSlice[]> {
  return reader.find(groupSlices, {
    where: { submitted: false },
    order: ['submitted', 'parent', 'slice'],
    limit,
  })
}

/** Submits one slice's children, all in this commit or none; a slice already submitted is left as it is. */
export async function submitSlice(
  tx: Tx,
  env: Env,
  parentId: TransactionId,
  number: number,
): Promise<Result<number, TransactionRefusal>> {
  const parent = await tx.get(transactions, { id: parentId })
  const slice = await tx.get(groupSlices, { parent: parentId, slice: number })
  if (!parent || !slice || parent.group === undefined)
    return refuse({ kind: 'no-such-transaction', got: `${parentId} slice ${number}` })
  if (slice.submitted) return ok(0)
  if (!parent.open) {
    await tx.put(groupSlices, { ...slice, submitted: true, ended: true, waiting: 0 })
    actingOn(tx, env, system).note('transaction.slice-dropped', { transaction: parentId, slice: number })
    return ok(0)
  }
  await tx.put(groupSlices, { ...slice, submitted: true })
  const ttlMs = parent.expiresAt === undefined ? undefined : Math.max(0, parent.expiresAt - env.now)
  for (const device of slice.members) {
    const child = await submit(tx, env, {
      kind: kindName(parent.kind),
      device,
      payload: parent.payload,
      by: parent.by,
      online: true,
      parent: { id: parentId, slice: number, group: parent.group },
      ...(ttlMs === undefined ? {} : { ttlMs }),
    })
    if (!child.ok) return child
  }
  return ok(slice.members.length)
}

async function childEnded(tx: Tx, env: Env, parentId: TransactionId, number: number, state: EndState) {
  const slice = await tx.get(groupSlices, { parent: parentId, slice: number })
  invariant(slice && slice.waiting > 0, `slice ${number} of ${parentId} waits for the child that ended`)
  const waiting = slice.waiting - 1
  await tx.put(groupSlices, {
    ...slice,
    waiting,
    ended: waiting === 0,
    failed: slice.failed + (state === 'done' ? 0 : 1),
  })
  if (waiting > 0) return
  let after: number | undefined
  let failed = 0
  let members = 0
  for (;;) {
    const page = await tx.find(groupSlices, {
      where: { parent: parentId },
      order: ['parent', 'slice'],
      ...(after === undefined ? {} : { after: [parentId, after] }),
    })
    const last = page.at(-1)
    if (!last) break
    if (page.some((other) => !other.ended)) return
    for (const other of page) {
      failed += other.failed
      members += other.members.length
    }
    after = last.slice
  }
  const parent = await tx.get(transactions, { id: parentId })
  if (!parent?.open) return
  await finish(
    tx,
    env,
    parentId,
    failed === 0
      ? { state: 'done' }
      : { state: 'failed', reason: `${failed} of ${members} devices did not get there` },
    system,
  )
}

// ── inside ───────────────────────────────────────────────────────────────────────────────────────────────────────

const system: Actor = { kind: 'system', id: 'transactions' }

async function nextSeq(tx: Tx, device: DeviceId, lane: string): Promise<number> {
  const held = await tx.get(lanes, { device, lane })
  const seq = (held?.lastSeq ?? 0) + 1
  await tx.put(lanes, { device, lane, lastSeq: seq })
  return seq
}

function kindName(kind: string): TransactionKind {
  invariant(kind in transactionKinds, `transaction kind ${kind} is one of ours`)
  return kind as TransactionKind
}

function kindOf(transaction: Transaction) {
  return transactionKinds[kindName(transaction.kind)]
}
