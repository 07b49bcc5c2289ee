/**
 * Why a device or a step stands where it stands: a chain of plain sentences, from the effect to its causes, each with the
 * journal entries that show it.
 *
 * `factsFor` reads what there is to know (a handful of rows, however long the trail), `why` decides. A sentence says
 * no more than the records do: that a device is silent is measured against how often it used to be heard of, and
 * an entry that has been trimmed from the journal, or lies further back than is looked, is simply not pointed at.
 */
import { Instant, type Revision } from './ids.ts'
import type { JournalKind } from './journal.ts'
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
import { invariant, ok, type Result, refuse, unreachable } from './result.ts'
import { stepWords, type TrailRefusal } from './trails.ts'
import { hasEnded, transactionKinds } from './transactions.ts'
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
const queueLook = 1000

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

/** The causal chain, effect first. Never empty. */
export function why(facts: WhyFacts, around: WhyAround): readonly Cause[] {
  const { device, trail, subject } = facts
  const shows = entriesOf(facts.journal)
  if (device.challenge !== undefined && device.claimedAt === undefined)
    return [
      {
        kind: 'not-claimed',
        says: `nobody has claimed it since it registered on ${dateSaid(device.createdAt)}`,
        cursors: shows(['device.registered']),
      },
      heard(around),
    ]
  if (facts.queue !== undefined) return queued(facts.queue, facts.journal, around)
  if (trail === undefined || subject === undefined)
    return [
      {
        kind: 'never-announced',
        says: 'it has never announced its factory state, so no step can be posted to it',
        cursors: shows(['device.arrived', 'device.registered']).slice(-1),
      },
      heard(around),
    ]
  const closed: Cause[] =
    trail.closedAt === undefined
      ? []
      : [
          {
            kind: 'trail-closed',
            says: `its trail was closed on ${dateSaid(trail.closedAt)} and it has not announced itself since`,
            cursors: shows(['trail.closed']).slice(-1),
          },
        ]
  return [...closed, ...standing(subject, facts.before, shows, around)]
}

/** How a device's queue stands: what waits, what has its turn, what came of the one before, and whether anybody is there. */
function queued(queue: QueueFacts, journal: readonly JournalRow[], around: WhyAround): readonly Cause[] {
  const { head, last, open } = queue
  const cursorsOf = ({ id }: Transaction) =>
    journal.filter(({ data }) => data.transaction === id).map(({ cursor }) => cursor)
  if (head === undefined && last === undefined)
    return [{ kind: 'nothing-asked', says: 'nothing has been asked of it', cursors: [] }, linked(around)]
  const ended: Cause[] = last === undefined ? [] : [endOf(last, cursorsOf(last))]
  if (head === undefined) return [...ended, linked(around)]
  const many = open > queueLook ? `more than ${queueLook}` : String(open)
  return [
    {
      kind: 'queue-waits',
      says: `${many} in its queue, the oldest since ${dateSaid(head.createdAt)}`,
      cursors: cursorsOf(head).slice(0, 1),
    },
    turnOf(head, cursorsOf(head)),
    ...(last?.state === 'failed' || last?.state === 'timed-out' ? ended : []),
    linked(around),
  ]
}

/** What has its turn, in words. */
function turnOf(head: Transaction, cursors: readonly Cursor[]): Cause {
  if (head.state === 'queued' && head.attempts === 0)
    return { kind: 'waits', says: `the first of them, ${head.kind}, waits to be handed over`, cursors }
  const times = head.attempts === 1 ? 'once' : `${head.attempts} times`
  if (head.state === 'queued')
    return {
      kind: 'waits',
      says: `the first of them, ${head.kind}, was handed over ${times} and will be again`,
      cursors,
    }
  const how = head.state === 'in-progress' ? `is at ${head.percent} %` : 'has not been answered'
  return {
    kind: 'working',
    says: `the first of them, ${head.kind}, was handed over ${times} and ${how}`,
    cursors,
  }
}

function endOf(last: Transaction, cursors: readonly Cursor[]): Cause {
  const when = last.endedAt === undefined ? '' : ` on ${dateSaid(last.endedAt)}`
  const kind = hasEnded(last.state) ? last.state : 'done'
  const word = { done: 'was done', failed: 'failed', 'timed-out': 'timed out', cancelled: 'was called off' }[
    kind
  ]
  const why = kind === 'failed' || kind === 'timed-out' ? said(last.reason) : ''
  return { kind, says: `what ended last, ${last.kind}, ${word}${when}${why}`, cursors: cursors.slice(-1) }
}

/** Whether a device that connects is there. */
function linked({ now, presence, connected }: WhyAround): Cause {
  if (connected) return { kind: 'connected', says: 'the device is connected', cursors: [] }
  if (presence === undefined)
    return { kind: 'never-heard', says: 'the device has never been heard of', cursors: [] }
  const ago = durationSaid(Math.max(0, now - presence.lastSeenAt))
  return {
    kind: 'offline',
    says: `the device is offline; it was last heard of on ${dateSaid(presence.lastSeenAt)}, ${ago} ago`,
    cursors: [],
  }
}

type Shows = ReturnType<typeof entriesOf>

function standing(
  subject: StepFacts,
  before: StepFacts | undefined,
  shows: Shows,
  around: WhyAround,
): readonly Cause[] {
  const { step, transaction } = subject
  switch (transaction.state) {
    case 'queued':
    case 'sent':
    case 'in-progress':
      return waiting(subject, before, shows, around)
    case 'failed':
    case 'timed-out':
      return [failed(subject, shows), ...cleared(step, shows), ...contradicted(step, shows), heard(around)]
    case 'cancelled':
      return [
        {
          kind: 'cancelled',
          says: `step ${step.rev} was cancelled${said(transaction.reason)}, so no device is asked for it`,
          rev: step.rev,
          cursors: shows(['step.abort-asked', 'transaction.ended'], step),
        },
        ...contradicted(step, shows),
      ]
    case 'done':
      return transaction.proof === 'seen' || transaction.proof === 'verified'
        ? [done(subject, shows), ...contradicted(step, shows)]
        : [
            {
              kind: 'done-not-seen',
              says: `step ${step.rev} is done, as the device says; it has not been seen to run it yet`,
              rev: step.rev,
              cursors: shows(['transaction.ended'], step),
            },
            ...contradicted(step, shows),
            heard(around),
          ]
    default:
      return unreachable(transaction.state)
  }
}

function waiting(
  { step, transaction }: StepFacts,
  before: StepFacts | undefined,
  shows: Shows,
  around: WhyAround,
): readonly Cause[] {
  const { rev } = step
  const abort: Cause[] =
    step.abortAskedAt === undefined
      ? []
      : [
          {
            kind: 'abort-asked',
            says: `its owner asked the device to give step ${rev} up, and it has not answered`,
            rev,
            cursors: shows(['step.abort-asked'], step),
          },
        ]
  if (step.status !== stepWords.posted)
    return [working({ step, transaction }, shows, around), ...abort, heard(around)]
  if (before !== undefined) {
    const stands = before.step.open ? 'which has not ended' : 'which failed'
    const behind: Cause = {
      kind: 'waits-behind',
      says: `step ${rev} waits behind step ${before.step.rev}, ${stands}`,
      rev,
      cursors: shows(['step.posted'], step),
    }
    return [behind, ...abort, ...standing(before, undefined, shows, around)]
  }
  const waits: Cause = {
    kind: 'waits',
    says: `step ${rev} waits for the device to take it, since ${dateSaid(step.createdAt)}`,
    rev,
    cursors: shows(['step.posted'], step),
  }
  return [waits, ...abort, heard(around)]
}

function working({ step, transaction }: StepFacts, shows: Shows, around: WhyAround): Cause {
  const { rev } = step
  const cursors = shows(['step.reported'], step).slice(-1)
  const download = around.downloadOf(step)
  if (download !== undefined && download.got < download.total) {
    const percent = Math.floor((100 * download.got) / download.total)
    const rate = download.seconds > 0 ? ` at ${sizeSaid(download.got / download.seconds)}/s` : ''
    return {
      kind: 'downloading',
      says: `step ${rev} is being downloaded: ${percent} % of ${sizeSaid(download.total)}${rate}`,
      rev,
      cursors,
    }
  }
  const message = step.report['status-msg']
  const ago = step.reportedAt === undefined ? '' : ` (${durationSaid(around.now - step.reportedAt)} ago)`
  const words = typeof message === 'string' && message !== '' ? `, “${message.slice(0, 200)}”` : ''
  return {
    kind: 'working',
    says: `the device works on step ${rev}: ${step.status}, ${transaction.percent} %${words}${ago}`,
    rev,
    cursors,
  }
}

function failed({ step, transaction }: StepFacts, shows: Shows): Cause {
  const late = transaction.state === 'timed-out'
  return {
    kind: late ? 'timed-out' : 'failed',
    says: `step ${step.rev} ${late ? 'timed out' : 'failed'}${said(transaction.reason)}`,
    rev: step.rev,
    cursors: shows(['transaction.ended'], step),
  }
}

function done({ step, transaction }: StepFacts, shows: Shows): Cause {
  const how = transaction.proof === 'seen' ? 'the device was seen to run it' : 'its evidence was checked'
  return {
    kind: 'done',
    says: `step ${step.rev} is done: ${how}`,
    rev: step.rev,
    cursors: shows(['transaction.ended', 'step.proved'], step),
  }
}

function cleared(step: Step, shows: Shows): Cause[] {
  if (step.clearedAt === undefined) return []
  return [
    {
      kind: 'cleared',
      says: `its owner cleared step ${step.rev}: what follows may go on`,
      rev: step.rev,
      cursors: shows(['step.cleared'], step),
    },
  ]
}

function contradicted(step: Step, shows: Shows): Cause[] {
  const cursors = shows(['step.contradicted'], step)
  if (cursors.length === 0) return []
  return [
    {
      kind: 'contradicted',
      says: `later the device said ${step.status} of step ${step.rev}; the first final word stands`,
      rev: step.rev,
      cursors,
    },
  ]
}

/** Silent this many times longer than usual, and at least so long, is worth telling. */
const silentTimes = 3
const silentMinMs = 60_000

/** When the device was last heard of, against how often it used to be. */
function heard({ now, presence }: WhyAround): Cause {
  if (presence === undefined)
    return { kind: 'never-heard', says: 'the device has never been heard of', cursors: [] }
  const awayMs = Math.max(0, now - presence.lastSeenAt)
  const { usualMs } = presence
  if (awayMs >= Math.max(silentMinMs, silentTimes * (usualMs ?? 0))) {
    const against = usualMs === undefined ? '' : ` against a usual ${durationSaid(usualMs)}`
    return {
      kind: 'silent',
      says: `the device has been silent for ${durationSaid(awayMs)}${against}`,
      cursors: [],
    }
  }
  return { kind: 'heard', says: `the device was heard of ${durationSaid(awayMs)} ago`, cursors: [] }
}

// ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────────

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

/** Finds the cursors of entries by kind: those about one step, or without one all of the device's. */
function entriesOf(journal: readonly JournalRow[]) {
  return (kinds: readonly JournalKind[], step?: Step): readonly Cursor[] => {
    const wanted: readonly string[] = kinds
    return journal
      .filter((row) => wanted.includes(row.kind) && (step === undefined || isAbout(row, step)))
      .map(({ cursor }) => cursor)
  }
}

function isAbout({ data }: JournalRow, { rev, generation, transaction }: Step): boolean {
  if (data.transaction !== undefined) return data.transaction === transaction
  return data.rev === rev && (data.generation ?? generation) === generation
}

// ── words ────────────────────────────────────────────────────────────────────────────────────────────────────────

function said(reason: string | undefined): string {
  return reason === undefined || reason === '' ? '' : `: ${reason}`
}

function dateSaid(at: Instant): string {
  return `${Instant.format(at).slice(0, 19).replace('T', ' ')} UTC`
}

const spans = [
  { unit: 'd', ms: 86_400_000, from: 172_800_000 },
  { unit: 'h', ms: 3_600_000, from: 7_200_000 },
  { unit: 'min', ms: 60_000, from: 120_000 },
] as const

/** `10 s`, `45 min`, `3 h`, `12 d`. */
function durationSaid(ms: number): string {
  const span = spans.find(({ from }) => ms >= from) ?? { unit: 's', ms: 1000 }
  return `${Math.round(ms / span.ms)} ${span.unit}`
}

/** `12 kB`, decimal. */
function sizeSaid(bytes: number): string {
  let size = bytes
  for (const unit of ['B', 'kB', 'MB', 'GB']) {
    if (size < 999.5) return `${size < 9.95 && unit !== 'B' ? size.toFixed(1) : Math.round(size)} ${unit}`
    size /= 1000
  }
  return `${Math.round(size)} TB`
}
