/**
 * Cursors of stores that give each journal entry the next number (memory, SQLite): the number as text. 0 stands
 * before the first entry.
 */
import { type Cursor, type JournalRefusal, type Result, refuse } from '@waymark/domain'

export function cursorOf(seq: number): Cursor {
  return String(seq) as Cursor
}

/**
 * Where to read on. Refuses what never was a cursor here (also one ahead of the journal: a follower that came from
 * another store, or from before a backup was put back, would skip what happens next) and what lies before the cut.
 */
export function seqAfter(
  after: string | undefined,
  journal: { readonly floor: number; readonly last: number },
): Result<number, JournalRefusal> {
  if (after === undefined) return { ok: true, value: journal.floor }
  const seq = /^(0|[1-9]\d{0,15})$/.test(after) ? Number(after) : Number.NaN
  if (!Number.isSafeInteger(seq) || seq > journal.last)
    return refuse({ kind: 'not-a-cursor', got: after.slice(0, 100) })
  if (seq < journal.floor)
    return refuse({ kind: 'cursor-too-old', got: after, oldest: cursorOf(journal.floor) })
  return { ok: true, value: seq }
}

/** At most this many entries at once. */
export const journalReadMax = 10_000
