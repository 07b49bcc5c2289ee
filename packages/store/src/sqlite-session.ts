/**
 * The writing side of a SQLite store: what bodies read and write through their handles.
 *
 * Each body that writes has a savepoint, made with its first write. Rows that were read whole or written are remembered
 * until a body or a commit is taken back, or others need the room: the file is locked, so nobody else writes, and one that
 * is asked for again by its key comes from memory (the parent that ten thousand children look at is read once). When a
 * record is put again, only the columns that differ are written, so indexes over the others, and long texts, are left alone.
 *
 * A row that is put waits in memory until its body ends, or until something is looked for in its table, and is then
 * written as it is last: what thirty changes that share a body count up is written once. Where a unique index might say no,
 * a row is written at once, so that the put that broke it is told.
 */
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { Defect } from '@waymark/domain'
import type { Ask } from './ask.ts'
import type { KeptEntry, Scope, Session } from './body.ts'
import { messageOf } from './errors.ts'
import { KnownRows } from './known-rows.ts'
import { Connection, isConstraint, translated } from './sqlite-connection.ts'
import { type Kept, keyText, type Row, type Table } from './table.ts'

/** How many rows of one answer are worth remembering. */
const knownOfAnswerMax = 16
/** Rows that wait to be written at most. */
const unwrittenMax = 1024
export class SqliteSession implements Session {
  readonly db: DatabaseSync
  /** The number of the last journal entry, committed or not. */
  seq: number
  readonly #file: string
  readonly #writer: Connection
  readonly #known = new KnownRows()
  /** Rows that were put and wait to be written. */
  readonly #unwritten = new Map<Table, Map<string, Unwritten>>()
  readonly #begin: StatementSync
  readonly #commit: StatementSync
  readonly #rollback: StatementSync
  readonly #save: StatementSync
  readonly #back: StatementSync
  readonly #release: StatementSync
  readonly #append: StatementSync
  readonly #keepSeq: StatementSync
  #unwrittenCount = 0
  #writtenCount = 0
  #saved = false
  #seqSaved: number

  constructor(db: DatabaseSync, opened: { readonly file: string; readonly seq: number }) {
    this.db = db
    this.#file = opened.file
    this.seq = opened.seq
    this.#seqSaved = opened.seq
    this.#writer = new Connection(db)
    this.#begin = db.prepare('BEGIN IMMEDIATE')
    this.#commit = db.prepare('COMMIT')
    this.#rollback = db.prepare('ROLLBACK')
    this.#save = db.prepare('SAVEPOINT body')
    this.#back = db.prepare('ROLLBACK TO body')
    this.#release = db.prepare('RELEASE body')
    this.#append = db.prepare(
      'INSERT INTO _journal (_tenant, seq, at, kind, device, by_kind, by_id, data) VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
    )
    this.#keepSeq = db.prepare(
      "INSERT INTO _meta VALUES ('seq', ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
    )
  }

  /** Whether a transaction is open; a full disk may end one at any statement. */
  get began(): boolean {
    return this.db.isTransaction
  }

  begin(): void {
    if (this.db.isTransaction) return
    this.#forgetUnwritten()
    this.#begin.run()
  }

  /** Commits to disk, or throws with nothing kept. */
  commit(): void {
    if (this.seq !== this.#seqSaved) this.#keepSeq.run(String(this.seq))
    this.#forgetUnwritten()
    this.#commit.run()
    this.#seqSaved = this.seq
  }

  /** How many rows were written since this was last asked. */
  takeWritten(): number {
    const written = this.#writtenCount
    this.#writtenCount = 0
    return written
  }

  /** Undoes the whole transaction, if there still is one. */
  undo(): void {
    this.#saved = false
    this.#forget()
    if (this.db.isTransaction) this.#rollback.run()
  }

  /** From here on what is written can be taken back until `settle`. */
  save(): void {
    if (this.#saved) return
    this.#save.run()
    this.#saved = true
  }

  append(entries: readonly KeptEntry[]): void {
    this.save()
    this.#writtenCount += entries.length
    for (const { scope, at, kind, device, byKind, byId, data } of entries)
      this.#append.run(scope, ++this.seq, at, kind, device, byKind, byId, data)
  }

  /** Ends one body: keeps what it wrote, or takes it back. */
  settle(keep: boolean): void {
    if (keep) this.#writeAll()
    else this.#forget()
    if (!this.#saved) return
    this.#saved = false
    if (!this.db.isTransaction) {
      this.#forget()
      return
    }
    if (!keep) this.#back.run()
    this.#release.run()
  }

  get(table: Table, scope: Scope, key: Row): Row | undefined {
    const known = this.#latest(table, scope + keyText(key, table.keyWidth))
    if (known !== undefined) return known
    const row = this.#writer.get(table, scope, key)
    if (row !== undefined) this.#known.keep(table, scope, row)
    return row
  }

  find(table: Table, scope: Scope, ask: Ask): Row[] {
    this.#write(table)
    const rows = this.#writer.find(table, scope, ask)
    if (rows.length <= knownOfAnswerMax && (ask.texts || table.texts.length === 0))
      for (const row of rows) this.#known.keep(table, scope, row)
    return rows
  }

  count(table: Table, scope: Scope, ask: Ask): number {
    this.#write(table)
    return this.#writer.count(table, scope, ask)
  }

  put(table: Table, scope: Scope, row: Row): undefined {
    try {
      this.save()
    } catch (error) {
      throw translated(this.#file, error)
    }
    const key = scope + keyText(row, table.keyWidth)
    let rows = this.#unwritten.get(table)
    if (rows === undefined) {
      rows = new Map()
      this.#unwritten.set(table, rows)
    }
    rows.set(key, {
      scope,
      row,
      before: rows.has(key) ? rows.get(key)?.before : this.#known.get(table, key),
    })
    this.#unwrittenCount += 1
    if (table.uniques.length > 0) this.#write(table)
    else if (this.#unwrittenCount >= unwrittenMax) this.#writeAll()
  }

  /** The row of a key as the body at hand sees it, if that is in memory. */
  #latest(table: Table, key: string): Row | undefined {
    return this.#unwritten.get(table)?.get(key)?.row ?? this.#known.get(table, key)
  }

  #writeAll(): void {
    if (this.#unwrittenCount === 0) return
    for (const table of this.#unwritten.keys()) this.#write(table)
    this.#unwrittenCount = 0
  }

  #write(table: Table): void {
    const rows = this.#unwritten.get(table)
    if (rows === undefined) return
    this.#unwritten.delete(table)
    try {
      for (const unwritten of rows.values()) this.#put(table, unwritten)
    } catch (error) {
      if (isConstraint(error)) throw new Defect(`${table.name}: another row has the same ${messageOf(error)}`)
      throw translated(this.#file, error)
    }
  }

  remove(table: Table, scope: Scope, key: Row): boolean {
    this.#write(table)
    try {
      this.save()
      const bound = table.scope === 'tenant' ? [scope, ...key] : key
      this.#writtenCount += 1
      let removed = 0
      for (const statement of this.#writer.of(table).removes)
        removed += Number(statement.run(...bound).changes)
      this.#known.drop(table, scope + keyText(key, table.keyWidth))
      return removed > 0
    } catch (error) {
      throw translated(this.#file, error)
    }
  }

  #put(table: Table, { scope, row, before }: Unwritten): void {
    this.#writtenCount += 1
    const statements = this.#writer.of(table)
    const key =
      table.scope === 'tenant' ? [scope, ...row.slice(0, table.keyWidth)] : row.slice(0, table.keyWidth)
    if (before === undefined) {
      const main = row.slice(0, table.bodyAt + 1)
      if (table.scope === 'tenant') main.unshift(scope)
      statements.put.run(...main)
    } else {
      let mask = ''
      for (let at = table.keyWidth; at < table.bodyAt; at++)
        if (before[at] !== row[at]) mask += String.fromCharCode(at)
      if (mask !== '' || before[table.bodyAt] !== row[table.bodyAt]) {
        const { statement, columns } = statements.update(mask)
        const values: Kept[] = []
        for (const at of columns) values.push(row[at] as Kept)
        values.push(row[table.bodyAt] as Kept)
        statement.run(...values, ...key)
      }
    }
    for (let at = table.bodyAt + 1; at < table.width; at++)
      if (before === undefined || before[at] !== row[at]) {
        statements.putTexts.run(...key, ...row.slice(table.bodyAt + 1))
        break
      }
    this.#known.keep(table, scope, row)
  }

  /** Forgets all, also what was put and is not written. */
  #forget(): void {
    this.#known.clear()
    this.#forgetUnwritten()
  }

  #forgetUnwritten(): void {
    this.#unwritten.clear()
    this.#unwrittenCount = 0
  }
}

/** A row that was put: as it is now, and as it was before, where that is known. */
interface Unwritten {
  readonly scope: Scope
  readonly row: Row
  readonly before: Row | undefined
}
