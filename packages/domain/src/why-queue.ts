/**
 * How a device's queue stands: what waits, what has its turn, what came of the one before, and whether anybody is there.
 *
 * Of devices that follow no trail: they are asked one thing after the other, over a link that they keep or come back on.
 */
import type { Cursor, JournalRow } from './port.ts'
import type { Transaction } from './records.ts'
import { hasEnded } from './transactions.ts'
import { type Cause, type QueueFacts, queueLook, type WhyAround } from './why-facts.ts'
import { dateSaid, durationSaid, said } from './why-words.ts'

/** The chain of a device's queue, effect first. Never empty. */
export function queued(
  queue: QueueFacts,
  journal: readonly JournalRow[],
  around: WhyAround,
): readonly Cause[] {
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
