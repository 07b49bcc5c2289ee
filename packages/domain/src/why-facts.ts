/**
 * What an explanation stands on: of a device a handful of rows, however long its trail or its queue.
 *
 * A device that follows a trail is explained by a step and what holds that up; any other by its queue. Nothing here says why;
 * `why.ts` does.
 */
import type { Instant, Revision } from './ids.ts'
import type { Cursor, JournalRow, Reader, Store } from './port.ts'
import {
  type Device,
  type Presence,
  type Step,
  steps,
  type Trail,
  type Transaction,
  trails,
  transactions,
} from './records.ts'
import { invariant, ok, type Result, refuse } from './result.ts'
import type { TrailRefusal } from './trails.ts'
import { transactionKinds } from './transactions.ts'
import { trailType } from './words.ts'

const queueLane = transactionKinds.rpc.lane

/** One link of the chain. */
export interface Cause {
  readonly kind: CauseKind
  /** A sentence for people. */
  readonly says: string
  /** The step it is about. */
  readonly rev?: number
  /** Journal entries that show it, oldest first; those that are no longer at hand are left out. */
  readonly cursors: readonly Cursor[]
}

export type CauseKind =
  | 'not-claimed'
  | 'never-announced'
  | 'trail-closed'
  | 'nothing-asked'
  | 'queue-waits'
  | 'connected'
  | 'offline'
  | 'waits'
  | 'waits-behind'
  | 'downloading'
  | 'working'
  | 'abort-asked'
  | 'failed'
  | 'timed-out'
  | 'cancelled'
  | 'cleared'
  | 'contradicted'
  | 'done-not-seen'
  | 'done'
  | 'never-heard'
  | 'silent'
  | 'heard'

/** A step with the transaction that holds its outcome. */
export interface StepFacts {
  readonly step: Step
  readonly transaction: Transaction
}

export interface WhyFacts {
  readonly device: Device
  /** The trail of the present generation, closed or not; absent before the first announce. */
  readonly trail?: Trail
  /** What is explained: the step asked for, else the oldest open one, else the newest. */
  readonly subject?: StepFacts
  /** The nearest earlier step that has not ended, or that failed and was not cleared. */
  readonly before?: StepFacts
  /** The queue of a device that follows no trail: what is asked of it one after the other. */
  readonly queue?: QueueFacts
  /** The device's newest entries, oldest first. */
  readonly journal: readonly JournalRow[]
}

/** A device's queue. */
export interface QueueFacts {
  /** What has its turn. */
  readonly head?: Transaction
  /** All that has not ended, the head too; counted up to a number. */
  readonly open: number
  /** What was asked last of all that has ended. */
  readonly last?: Transaction
}

/** Bytes on their way, as the device counts them. */
export interface Download {
  readonly total: number
  readonly got: number
  /** Since it began. */
  readonly seconds: number
}

/** What of the outside an explanation needs. */
export interface WhyAround {
  readonly now: Instant
  /** When it was last heard of, and how often it used to be. */
  readonly presence: Presence | undefined
  /** Whether it is connected now, where its link keeps a connection. */
  readonly connected?: boolean
  /** The download that a step's latest report tells of, if it tells of one. */
  downloadOf(step: Step): Download | undefined
}

/** Entries of the device that are looked through. */
const journalLook = 64
/** Earlier steps that are looked through for the one that holds a step up. */
const beforeLook = 20

/** Transactions of a queue that are counted. */
export const queueLook = 1000

/** Reads what `why` needs to know. Refuses a revision that the device's trail does not have. */
export async function factsFor(
  store: Pick<Store, 'journal'> & { read(tenant: Parameters<Store['read']>[0]): Reader },
  asked: { tenant: Parameters<Store['read']>[0]; device: Device; rev?: Revision },
): Promise<Result<WhyFacts, TrailRefusal>> {
  const { device, rev } = asked
  const reader = store.read(asked.tenant)
  const on = { device: device.id, generation: device.generation }
  const [trail, journal, subject] = await Promise.all([
    reader.get(trails, on),
    store.journal.newest(asked.tenant, { device: device.id, limit: journalLook }),
    rev === undefined ? subjectOf(reader, on) : reader.get(steps, { ...on, rev }),
  ])
  if (rev !== undefined && !subject) return refuse({ kind: 'no-such-step', device: device.id, got: rev })
  const known = subject && (await withOutcome(reader, subject))
  const queue = device.type === trailType ? undefined : await queueOf(reader, device.id)
  const before = known?.step.open ? await heldUpBy(reader, known.step) : undefined
  return ok({
    device,
    journal,
    ...(trail === undefined ? {} : { trail }),
    ...(known === undefined ? {} : { subject: known }),
    ...(before === undefined ? {} : { before }),
    ...(queue === undefined ? {} : { queue }),
  })
}

async function subjectOf(reader: Reader, on: Pick<Step, 'device' | 'generation'>): Promise<Step | undefined> {
  const [open] = await reader.find(steps, { where: { ...on, open: true }, order: ['rev'], limit: 1 })
  if (open !== undefined) return open
  const [head] = await reader.find(steps, { where: on, order: ['-rev'], limit: 1 })
  return head
}

/** What a device's queue holds: its head, how many, and what ended last. Counts up to `queueLook` and one more. */
export async function queueOf(reader: Reader, device: Device['id']): Promise<QueueFacts> {
  const [waiting, [last]] = await Promise.all([
    reader.find(transactions, {
      where: { device, lane: queueLane, open: true },
      order: ['seq'],
      limit: queueLook + 1,
    }),
    reader.find(transactions, { where: { device, lane: queueLane, open: false }, order: ['-seq'], limit: 1 }),
  ])
  const [head] = waiting
  return {
    open: waiting.length,
    ...(head === undefined ? {} : { head }),
    ...(last === undefined ? {} : { last }),
  }
}

async function withOutcome(reader: Reader, step: Step): Promise<StepFacts> {
  const transaction = await reader.get(transactions, { id: step.transaction })
  invariant(transaction, `step ${step.device}-${step.rev} has its transaction`)
  return { step, transaction }
}

async function heldUpBy(reader: Reader, { device, generation, rev }: Step): Promise<StepFacts | undefined> {
  const earlier = await reader.find(steps, {
    where: { device, generation, rev: { lt: rev } },
    order: ['-rev'],
    limit: beforeLook,
  })
  for (const step of earlier) {
    const found = await withOutcome(reader, step)
    const { state } = found.transaction
    if (state === 'done') return undefined
    if (step.open || (state !== 'cancelled' && step.clearedAt === undefined)) return found
  }
  return undefined
}
