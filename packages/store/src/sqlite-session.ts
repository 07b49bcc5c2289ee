/**
 * The writing side of a SQLite store: what bodies read and write through their handles.
 *
 * Bodies see the file as it was committed last, and over it what those before them have changed; nothing of that is in the
 * file yet. What has come together is handed over as one transaction (`take`), and while it is on its way to the disk the
 * next bodies go on above it. Rows that were read whole or written are remembered until others need the room: the file is
 * locked, so nobody else writes (the parent that ten thousand children look at is read once).
 *
 * Of a record that is put again only the columns that differ are written, so indexes over the others, and long texts, are
 * left alone; and it is written once, as it is last: what thirty changes that share a commit count up.
 */
import { Defect } from '@waymark/domain'
import { type Ask, byOrder, matches, parseShape, type Shape } from './ask.ts'
import type { KeptEntry, Scope, Session } from './body.ts'
import { type Change, Changes } from './changes.ts'
import { KnownRows } from './known-rows.ts'
import type { Committed } from './sqlite-committed.ts'
import type { Run } from './sqlite-file-writer.ts'
import { rowsTogether, TableStatements, type Writer } from './sqlite-writer.ts'
import { type Kept, keyText, type Row, type Table } from './table.ts'

/** How many rows of one answer are worth remembering. */
const knownOfAnswerMax = 16
/** Shapes come from our own code and are few; should some caller make many, they are taken apart again. */
const shapesMax = 512

export class SqliteSession implements Session {
  /** The number of the last journal entry, committed or not. */
  seq: number
  readonly #committed: Committed
  readonly #writer: Writer
  readonly #indexed: boolean
  readonly #known = new KnownRows()
  readonly #statements = new Map<Table, TableStatements>()
  readonly #shapes = new Map<Table, Map<string, Shape>>()
  /** On its way to the disk. */
  #flying: Changes | undefined
  #now = new Changes()
  /** Body by body. */
  #entries: (readonly KeptEntry[])[] = []
  #entryCount = 0
  /** Statements that are neither rows nor entries. */
  #others: Run[] = []
  #entriesOf: readonly KeptEntry[] = []

  constructor(opened: {
    readonly committed: Committed
    readonly writer: Writer
    /** Whether the file has its indexes; else what must be unique is looked at when they are made. */
    readonly indexed: boolean
  }) {
    this.#committed = opened.committed
    this.#indexed = opened.indexed
    this.#writer = opened.writer
    this.seq = opened.committed.seq
  }

  /** How much waits to be taken: rows and entries. */
  get size(): number {
    return this.#now.size + this.#entryCount + this.#others.length
  }

  get(table: Table, scope: Scope, key: Row): Row | undefined {
    return this.#get(table, scope, keyText(key, table.keyWidth), key)
  }

  getAll(table: Table, scope: Scope, keys: readonly Row[]): (Row | undefined)[] {
    return keys.map((key) => this.get(table, scope, key))
  }

  find(table: Table, scope: Scope, ask: Ask): Row[] {
    const now = this.#now.of(table, scope)
    const flying = this.#flying?.of(table, scope)
    if (now === undefined && flying === undefined) {
      const rows = this.#committed.find(table, scope, ask)
      if (rows.length <= knownOfAnswerMax && (ask.texts || table.texts.length === 0))
        for (const row of rows) this.#known.keep(table, scope, keyText(row, table.keyWidth), row)
      return rows
    }
    const shape = this.#shapeOf(table, ask.shape)
    const added: Row[] = []
    // Of what the file answers so many may be otherwise by now.
    let hidden = 0
    eachChanged(now, flying, ({ row }, before) => {
      if (before === undefined || matches(shape, ask.values, before)) hidden += 1
      if (row !== undefined && matches(shape, ask.values, row))
        added.push(ask.texts ? row : row.slice(0, table.bodyAt + 1))
    })
    const rows = this.#committed.find(table, scope, { ...ask, limit: ask.limit + hidden })
    const found =
      hidden === 0
        ? rows
        : rows.filter((row) => {
            const key = keyText(row, table.keyWidth)
            return !now?.has(key) && !flying?.has(key)
          })
    if (added.length > 0) {
      for (const row of added) found.push(row)
      found.sort(byOrder(shape))
    }
    return found.length > ask.limit ? found.slice(0, ask.limit) : found
  }

  count(table: Table, scope: Scope, ask: Ask): number {
    let count = this.#committed.count(table, scope, ask)
    const now = this.#now.of(table, scope)
    const flying = this.#flying?.of(table, scope)
    if (now === undefined && flying === undefined) return count
    const shape = this.#shapeOf(table, ask.shape)
    eachChanged(now, flying, ({ key, row }, before) => {
      const was = before ?? this.#committed.get(table, scope, key.slice(0, table.keyWidth))
      if (was !== undefined && matches(shape, ask.values, was)) count -= 1
      if (row !== undefined && matches(shape, ask.values, row)) count += 1
    })
    return count
  }

  put(table: Table, scope: Scope, row: Row): undefined {
    const key = keyText(row, table.keyWidth)
    const before = this.#lately(table, scope, key)
    if (this.#indexed && table.uniques.length > 0) this.#checkUnique(table, scope, row, key)
    this.#now.set(key, { table, scope, key: row, row, before })
  }

  remove(table: Table, scope: Scope, key: Row): boolean {
    const text = keyText(key, table.keyWidth)
    if (this.#get(table, scope, text, key) === undefined) return false
    this.#now.set(text, { table, scope, key, row: undefined, before: this.#lately(table, scope, text) })
    return true
  }

  /** Entries of the body at hand. */
  append(entries: readonly KeptEntry[]): void {
    this.#entriesOf = entries
  }

  /** The journal of a scope begins behind an entry. */
  trim(scope: Scope, cut: number): void {
    const drop = this.#writer.statement('DELETE FROM _journal WHERE _tenant = ? AND seq <= ?', 2)
    const keepFloor = this.#writer.statement(
      'INSERT INTO _floors VALUES (?, ?) ON CONFLICT (_tenant) DO UPDATE SET seq = excluded.seq',
      2,
    )
    this.#others.push(
      { statement: drop, values: [scope, cut] },
      { statement: keepFloor, values: [scope, cut] },
    )
  }

  /** Ends one body: keeps what it wrote, or takes it back. */
  settle(keep: boolean): void {
    this.#now.settle(keep)
    if (keep && this.#entriesOf.length > 0) {
      this.#entries.push(this.#entriesOf)
      this.#entryCount += this.#entriesOf.length
    }
    this.#entriesOf = []
  }

  /** What has come together since the last time, for the writer; `kept` or `lost` has to follow. */
  take(): Run[] {
    const runs = this.#others
    const rows = new Map<number, Kept[]>()
    this.#now.eachToWrite((change) => this.#write(runs, rows, change))
    for (const [statement, values] of rows) runs.push({ statement, values })
    if (this.#entryCount > 0) this.#writeEntries(runs)
    this.#flying = this.#now
    this.#now = new Changes()
    this.#entries = []
    this.#entryCount = 0
    this.#others = []
    return runs
  }

  /** What was taken is on disk. */
  kept(): void {
    if (this.#flying === undefined) return
    this.#flying.each((key, { table, scope, row }) => {
      if (row === undefined) this.#known.drop(table, scope, key)
      else this.#known.keep(table, scope, key, row)
    })
    this.#flying = undefined
  }

  /** Nothing of what was taken was kept; what was built on it falls with it. */
  lost(): void {
    this.#flying = undefined
    this.#now = new Changes()
    this.#entries = []
    this.#entryCount = 0
    this.#others = []
    this.seq = this.#committed.seq
  }

  /** The row of a key as the body at hand sees it. */
  #get(table: Table, scope: Scope, text: string, key: Row): Row | undefined {
    const change = this.#now.of(table, scope)?.get(text) ?? this.#flying?.of(table, scope)?.get(text)
    if (change !== undefined) return change.row
    const known = this.#known.get(table, scope, text)
    if (known !== undefined) return known
    const row = this.#committed.get(table, scope, key)
    if (row !== undefined) this.#known.keep(table, scope, text, row)
    return row
  }

  /** The row of a key as the file has it before what is now changed is written; undefined where that is not known. */
  #lately(table: Table, scope: Scope, text: string): Row | undefined {
    const flying = this.#flying?.of(table, scope)?.get(text)
    return flying === undefined ? this.#known.get(table, scope, text) : flying.row
  }

  #checkUnique(table: Table, scope: Scope, row: Row, key: string): void {
    const latest = this.#now.of(table, scope)?.get(key)?.row ?? this.#lately(table, scope, key)
    for (const columns of table.uniques) {
      if (columns.some((at) => row[at] === null)) continue
      if (latest !== undefined && columns.every((at) => row[at] === latest[at])) continue
      const fields = columns.map((at) => table.columns[at]?.field ?? '')
      const ask: Ask = {
        shape: `${fields.map((field) => `${field}=`).join()}|||`,
        values: columns.map((at) => row[at] as Kept),
        limit: 2,
        texts: false,
      }
      if (this.find(table, scope, ask).some((other) => keyText(other, table.keyWidth) !== key))
        throw new Defect(`${table.name}: another row has the same ${fields.join(', ')}`)
    }
  }

  #writeEntries(runs: Run[]): void {
    const values: Kept[] = []
    for (const entries of this.#entries)
      for (const { scope, at, kind, device, byKind, byId, data } of entries)
        values.push(scope, ++this.seq, at, kind, device, byKind, byId, data)
    const many = { text: appendText(rowsTogether), rows: rowsTogether }
    const keepSeq = this.#writer.statement(
      "INSERT INTO _meta VALUES ('seq', ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
      1,
    )
    runs.push(
      { statement: this.#writer.statement(appendText(1), 8, many), values },
      { statement: keepSeq, values: [String(this.seq)] },
    )
  }

  /** Gathers what is to be written in `rows`, by statement; where the turn matters each is a run of its own. */
  #write(runs: Run[], rows: Map<number, Kept[]>, { table, scope, key, row, before }: Change): void {
    const statements = this.#statementsOf(table)
    if (row === undefined) {
      for (const remove of statements.removes) pushKey(valuesOf(remove, table, runs, rows), table, scope, key)
      return
    }
    // A bit for each column.
    let mask = 0
    if (before !== undefined)
      for (let at = table.keyWidth; at < table.bodyAt; at++) if (before[at] !== row[at]) mask += 2 ** at
    if (before === undefined || mask !== 0 || before[table.bodyAt] !== row[table.bodyAt]) {
      // Where all columns are the key there is no index to leave alone.
      const update = before && table.bodyAt > table.keyWidth ? statements.update(mask) : undefined
      const values = valuesOf(update?.number ?? statements.put, table, runs, rows)
      if (update === undefined) {
        if (table.scope === 'tenant') values.push(scope)
        for (let at = 0; at <= table.bodyAt; at++) values.push(row[at] as Kept)
      } else {
        for (const at of update.columns) values.push(row[at] as Kept)
        values.push(row[table.bodyAt] as Kept)
        pushKey(values, table, scope, key)
      }
    }
    for (let at = table.bodyAt + 1; at < table.width; at++)
      if (before === undefined || before[at] !== row[at]) {
        const values = valuesOf(statements.putTexts, table, runs, rows)
        pushKey(values, table, scope, key)
        for (let text = table.bodyAt + 1; text < table.width; text++) values.push(row[text] as Kept)
        break
      }
  }

  #statementsOf(table: Table): TableStatements {
    let statements = this.#statements.get(table)
    if (statements === undefined) {
      statements = new TableStatements(this.#writer, table)
      this.#statements.set(table, statements)
    }
    return statements
  }

  #shapeOf(table: Table, text: string): Shape {
    let shapes = this.#shapes.get(table)
    if (shapes === undefined || shapes.size >= shapesMax) {
      shapes = new Map()
      this.#shapes.set(table, shapes)
    }
    let shape = shapes.get(text)
    if (shape === undefined) {
      shape = parseShape(table, text)
      shapes.set(text, shape)
    }
    return shape
  }
}

/** Where the values of a statement go. */
function valuesOf(statement: number, table: Table, runs: Run[], rows: Map<number, Kept[]>): Kept[] {
  const isInTurn = table.uniques.length > 0
  let values = isInTurn ? undefined : rows.get(statement)
  if (values === undefined) {
    values = []
    if (isInTurn) runs.push({ statement, values })
    else rows.set(statement, values)
  }
  return values
}

function pushKey(values: Kept[], table: Table, scope: Scope, key: Row): void {
  if (table.scope === 'tenant') values.push(scope)
  for (let at = 0; at < table.keyWidth; at++) values.push(key[at] as Kept)
}

/** Every changed row as it is last; `before` is what the file answers of it while what flies is not on disk. */
function eachChanged(
  now: ReadonlyMap<string, Change> | undefined,
  flying: ReadonlyMap<string, Change> | undefined,
  look: (change: Change, before: Row | undefined) => void,
): void {
  if (flying !== undefined)
    for (const [key, change] of flying) if (!now?.has(key)) look(change, change.before)
  if (now !== undefined)
    for (const [key, change] of now) {
      const under = flying?.get(key)
      look(change, under === undefined ? change.before : under.before)
    }
}

function appendText(rows: number): string {
  const places = new Array(rows).fill('(?, ?, ?, ?, ?, ?, ?, ?)').join(', ')
  return `INSERT INTO _journal (_tenant, seq, at, kind, device, by_kind, by_id, data) VALUES ${places}`
}
