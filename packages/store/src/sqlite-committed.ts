/**
 * The reading side of a SQLite store: what is committed, seen through a connection of its own.
 *
 * The connection keeps one snapshot open from the first read after a commit until the next one is on disk (`letGo`), so a
 * point read does not pay for taking and giving back the file's locks, and what is on its way to the disk is not seen.
 * Nobody else writes the file, so an open snapshot is never out of date.
 */
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import {
  type Collection,
  type Cursor,
  type DeviceId,
  type Find,
  type JournalRefusal,
  type JournalRow,
  type KeyOf,
  ok,
  type Reader,
  type Result,
  type Where,
} from '@waymark/domain'
import { type Ask, askOf, countOf } from './ask.ts'
import { entryOf, reach, type Scope } from './body.ts'
import { cursorOf, journalReadMax, seqAfter } from './cursor.ts'
import { StoreError } from './errors.ts'
import { arrays, Connection, translated } from './sqlite-connection.ts'
import type { Row, Table } from './table.ts'

export class Committed {
  /** The number of the last committed journal entry. */
  seq: number
  readonly #file: string
  readonly #connection: Connection
  readonly #look: StatementSync
  readonly #unlook: StatementSync
  readonly #ping: StatementSync
  readonly #floor: StatementSync
  readonly #entries: StatementSync
  readonly #entriesOf: StatementSync
  readonly #newestOf: StatementSync
  readonly #oldest: StatementSync
  #snapshot = false
  #closed = false

  constructor(db: DatabaseSync, opened: { readonly file: string; readonly seq: number }) {
    this.#file = opened.file
    this.seq = opened.seq
    this.#connection = new Connection(db)
    this.#look = db.prepare('BEGIN')
    this.#unlook = db.prepare('COMMIT')
    this.#ping = db.prepare('SELECT 1 FROM _meta LIMIT 1')
    this.#floor = arrays(db, 'SELECT seq FROM _floors WHERE _tenant = ?')
    const entry = 'SELECT seq, at, kind, device, by_kind, by_id, data FROM _journal'
    this.#entries = arrays(db, `${entry} WHERE _tenant = ? AND seq > ? ORDER BY seq LIMIT ? + 0`)
    this.#entriesOf = arrays(
      db,
      `${entry} WHERE _tenant = ? AND device = ? AND seq > ? ORDER BY seq LIMIT ? + 0`,
    )
    this.#oldest = arrays(db, 'SELECT seq, at FROM _journal WHERE _tenant = ? ORDER BY seq LIMIT ? + 0')
    this.#newestOf = arrays(db, `${entry} WHERE _tenant = ? AND device = ? ORDER BY seq DESC LIMIT ? + 0`)
  }

  get(table: Table, scope: Scope, key: Row): Row | undefined {
    this.#open()
    try {
      return this.#connection.get(table, scope, key)
    } catch (error) {
      throw this.#failed(error)
    }
  }

  find(table: Table, scope: Scope, ask: Ask): Row[] {
    this.#open()
    try {
      return this.#connection.find(table, scope, ask)
    } catch (error) {
      throw this.#failed(error)
    }
  }

  count(table: Table, scope: Scope, ask: Ask): number {
    this.#open()
    try {
      return this.#connection.count(table, scope, ask)
    } catch (error) {
      throw this.#failed(error)
    }
  }

  entries(
    scope: Scope,
    ask: { readonly after?: string; readonly limit: number; readonly device?: DeviceId },
  ): Result<{ entries: JournalRow[]; next: Cursor }, JournalRefusal> {
    this.#open()
    try {
      const floor = (this.#floor.get(scope) as unknown as [number] | undefined)?.[0] ?? 0
      const from = seqAfter(ask.after, { floor, last: this.seq })
      if (!from.ok) return from
      const limit = Math.max(0, Math.min(Math.trunc(ask.limit), journalReadMax))
      const rows = (ask.device === undefined
        ? this.#entries.all(scope, from.value, limit)
        : this.#entriesOf.all(scope, ask.device, from.value, limit)) as unknown as EntryRow[]
      const entries = rows.map(journalRow)
      const goOn =
        entries.length === limit ? (entries.at(-1)?.cursor ?? cursorOf(from.value)) : cursorOf(this.seq)
      return ok({ entries, next: goOn })
    } catch (error) {
      throw this.#failed(error)
    }
  }

  newest(scope: Scope, ask: { readonly device: DeviceId; readonly limit: number }): JournalRow[] {
    this.#open()
    try {
      const limit = Math.max(0, Math.min(Math.trunc(ask.limit), journalReadMax))
      const rows = this.#newestOf.all(scope, ask.device, limit) as unknown as EntryRow[]
      return rows.map(journalRow).reverse()
    } catch (error) {
      throw this.#failed(error)
    }
  }

  head(): Cursor {
    this.#open()
    return cursorOf(this.seq)
  }

  ping(): void {
    this.#open()
    try {
      this.#ping.get()
    } catch (error) {
      throw this.#failed(error)
    }
  }

  /** The oldest entries of a journal: their numbers, and when they happened. */
  oldest(scope: Scope, limit: number): readonly (readonly [number, number])[] {
    this.#open()
    try {
      return this.#oldest.all(scope, Math.max(0, Math.trunc(limit))) as unknown as [number, number][]
    } catch (error) {
      throw this.#failed(error)
    }
  }

  /** From now on what is read is as it is now, until `letGo`. */
  hold(): void {
    if (!this.#snapshot) this.ping()
  }

  /** Lets the snapshot go: what is read next is as it is then. */
  letGo(): void {
    if (!this.#snapshot) return
    this.#snapshot = false
    try {
      if (this.#connection.db.isTransaction) this.#unlook.run()
    } catch {
      // Ending a read changes nothing; what is wrong with the file shows at the next one.
    }
  }

  close(): void {
    this.letGo()
    this.#closed = true
    this.#connection.db.close()
  }

  #open(): void {
    if (this.#snapshot) return
    if (this.#closed) throw closedStore(this.#file)
    this.#look.run()
    this.#snapshot = true
  }

  #failed(error: unknown): unknown {
    this.letGo()
    return translated(this.#file, error)
  }
}

/** seq, at, kind, device, by_kind, by_id, data. */
type EntryRow = [number, number, string, string | null, string, string, string]

function journalRow([seq, at, kind, device, byKind, byId, data]: EntryRow): JournalRow {
  return { ...entryOf({ at, kind, device, byKind, byId, data }), cursor: cursorOf(seq) }
}

export function closedStore(file: string): StoreError {
  return new StoreError('closed', `store ${file} is closed`)
}

/** One scope's reader. */
export class CommittedReader implements Reader {
  readonly #tables: ReadonlyMap<string, Table>
  readonly #scope: Scope
  readonly #committed: Committed

  constructor(tables: ReadonlyMap<string, Table>, scope: Scope, committed: Committed) {
    this.#tables = tables
    this.#scope = scope
    this.#committed = committed
  }

  async get<R extends object, K extends keyof R & string>(
    from: Collection<R, K>,
    key: KeyOf<R, K>,
  ): Promise<R | undefined> {
    const table = reach(this.#tables, from, this.#scope)
    const row = this.#committed.get(table, this.#scope, table.encodeKey(key))
    return row === undefined ? undefined : (table.decode(row) as R)
  }

  async find<R extends object, K extends keyof R & string>(
    from: Collection<R, K>,
    find: Find<R>,
  ): Promise<R[]> {
    const table = reach(this.#tables, from, this.#scope)
    const rows = this.#committed.find(table, this.#scope, askOf(table, find))
    return rows.map((row) => table.decode(row) as R)
  }

  async count<R extends object, K extends keyof R & string>(
    from: Collection<R, K>,
    where: Where<R>,
  ): Promise<number> {
    const table = reach(this.#tables, from, this.#scope)
    return this.#committed.count(table, this.#scope, countOf(table, where))
  }
}
