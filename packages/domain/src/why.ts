/**
 * Why a device or a step stands where it stands: a chain of plain sentences, from the effect to its causes, each with the
 * journal entries that show it.
 *
 * `factsFor` reads what there is to know (`why-facts.ts`), `why` decides: here about steps of a trail, in `why-queue.ts` about
 * what is asked of other devices. A sentence says no more than the records do: that a device is silent is measured against how
 * often it used to be heard of, and an entry that has been trimmed from the journal, or lies further back than is looked, is
 * simply not pointed at.
 */
import type { JournalKind } from './journal.ts'
import type { Cursor, JournalRow } from './port.ts'
import type { Step } from './records.ts'
import { unreachable } from './result.ts'
import { stepWords } from './trails.ts'
import type { Cause, StepFacts, WhyAround, WhyFacts } from './why-facts.ts'
import { queued } from './why-queue.ts'
import { dateSaid, durationSaid, said, sizeSaid } from './why-words.ts'

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
