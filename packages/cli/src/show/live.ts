/**
 * A list that stays true: read once, then kept by the journal. On a terminal it is redrawn in place; elsewhere every
 * row that changes is printed again, as a line or as JSON, so that a script can follow along.
 *
 * The journal is opened before the list is read, so that nothing falls between the two. An entry only says whose rows
 * to read again: what is shown is always what the server answers, and a burst of entries costs one reading.
 */
import type { Fleet } from '@waymark/sdk'
import { Failure, type Io } from '../io.ts'
import type { Outside } from '../outside.ts'
import { type Column, createTable, tableLines } from './table.ts'

/** Rows that are kept in view at most. */
const rowsMax = 10_000

export interface Live<R> {
  readonly columns: readonly Column<R>[]
  /** All rows as they are now. */
  list(): AsyncIterable<R>
  /** The rows of one device as they are now; none when it is gone. */
  reload(device: string): Promise<readonly R[]>
  key(row: R): string
  device(row: R): string
  /** Only entries about this device concern the list. */
  readonly only?: string
  /** Ends the watching once it holds; absent: only a signal does. */
  until?(rows: ReadonlyMap<string, R>): boolean
}

export interface LiveNeeds {
  readonly io: Io
  readonly outside: Outside
  readonly fleet: Pick<Fleet, 'follow'>
  readonly renewMs: number
  readonly json: boolean | undefined
}

/** Shows the list until `until` holds or the process is told to stop. */
export async function watchList<R>(needs: LiveNeeds, live: Live<R>): Promise<ReadonlyMap<string, R>> {
  const { io, outside, fleet } = needs
  const ending = new AbortController()
  const signal = AbortSignal.any([io.stopSignal(), ending.signal])
  const following = fleet.follow({
    device: live.only,
    signal,
    renewMs: needs.renewMs,
    onLost: (error) => {
      if (outside.screen === undefined) io.err(`waymark: connection lost, trying again: ${error.message}`)
    },
  })
  const rows = new Map<string, R>()
  let failure: unknown
  const view = needs.json
    ? jsonView<R>(io)
    : outside.screen
      ? screenView(outside.screen, live.columns)
      : lineView(io, live.columns)
  try {
    await following.open()
    for await (const row of live.list()) keep(row)
    view.begin(rows)
    if (live.until?.(rows)) return rows
    await followed()
  } catch (error) {
    if (!signal.aborted) throw error
  } finally {
    ending.abort()
  }
  if (failure !== undefined) throw failure
  return rows

  function keep(row: R): void {
    rows.set(live.key(row), row)
    if (rows.size > rowsMax) throw new Failure(1, `--watch: wanted at most ${rowsMax} rows, got more`)
  }

  /** Entries mark devices as changed; the marks are worked off one by one, each as often as it takes and no more. */
  async function followed(): Promise<void> {
    const changed = new Set<string>()
    let working = false
    let work = Promise.resolve()
    for await (const { device } of following) {
      if (device === undefined) continue
      changed.add(device)
      if (!working) work = workOff()
    }
    await work

    async function workOff(): Promise<void> {
      working = true
      try {
        for (const device of changed) {
          changed.delete(device)
          apply(device, await live.reload(device))
          if (live.until?.(rows)) return ending.abort()
        }
      } catch (error) {
        failure = error
        ending.abort()
      } finally {
        // In the same turn as the last look at the marks: none is left lying.
        working = false
      }
    }
  }

  function apply(device: string, fresh: readonly R[]): void {
    const news: R[] = []
    for (const row of fresh) {
      const before = rows.get(live.key(row))
      if (before !== undefined && JSON.stringify(before) === JSON.stringify(row)) continue
      keep(row)
      news.push(row)
    }
    const gone = fresh.length === 0 ? [...rows.values()].filter((row) => live.device(row) === device) : []
    for (const row of gone) rows.delete(live.key(row))
    if (news.length + gone.length > 0) view.change(rows, news, gone)
  }
}

interface View<R> {
  begin(rows: ReadonlyMap<string, R>): void
  change(rows: ReadonlyMap<string, R>, news: readonly R[], gone: readonly R[]): void
}

function jsonView<R>(io: Io): View<R> {
  const say = (row: R): void => io.out(JSON.stringify(row))
  return {
    begin: (rows) => [...rows.values()].forEach(say),
    change(_rows, news, gone) {
      news.forEach(say)
      for (const row of gone) io.out(JSON.stringify({ ...row, gone: true }))
    },
  }
}

function lineView<R>(io: Io, columns: readonly Column<R>[]): View<R> {
  const table = createTable(columns)
  const say = (rows: readonly R[], mark = ''): void => {
    for (const line of table.take(rows)) io.out(`${line}${mark}`)
  }
  return {
    begin: (rows) => say([...rows.values()]),
    change(_rows, news, gone) {
      say(news)
      say(gone, '  (gone)')
    },
  }
}

function screenView<R>(screen: NonNullable<Outside['screen']>, columns: readonly Column<R>[]): View<R> {
  let drawn = 0
  function draw(rows: ReadonlyMap<string, R>): void {
    const room = Math.max(1, screen.rows - 3)
    const lines = tableLines(columns, [...rows.values()].slice(0, room), screen.columns)
    if (rows.size === 0) lines.push('nothing yet')
    if (rows.size > room) lines.push(`… and ${rows.size - room} more`)
    const up = drawn === 0 ? '' : `\x1b[${drawn}A`
    screen.write(`${up}\r\x1b[J${lines.join('\n')}\n`)
    drawn = lines.length
  }
  return { begin: draw, change: draw }
}
