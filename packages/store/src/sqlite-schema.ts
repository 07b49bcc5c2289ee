/**
 * A SQLite file's own shape: what tables there are, and how a file is opened, recognised, backed up and brought to
 * the declared collections. Everything that changes happens in one transaction, after a copy of the file was made.
 *
 * Long texts live in a table of their own, `_texts_<name>`: SQLite writes a whole row again when any column of it
 * changes, and a step's state must not be written again with every report of progress.
 */

import type { DatabaseSync, SQLInputValue } from 'node:sqlite'
import type { AnyCollection } from '@waymark/domain'
import type { Shape } from './ask.ts'
import { messageOf, StoreError, type StoreLog } from './errors.ts'
import {
  type Changes,
  changesBetween,
  formatKnown,
  keptDeclaration,
  type Migration,
  migrationsFrom,
  nothingIn,
  summaryOf,
  type TableChange,
} from './migrate.ts'
import { bestIndex, createIndex, type Dialect, keyColumns, quoted } from './sql.ts'
import type { Row, Table } from './table.ts'
import { refuseUnfinished, unfinishedName } from './unfinished-mark.ts'

/** "Wymk": PRAGMA application_id of our files. */
const applicationId = 0x57796d6b

export const sqliteDialect: Dialect = {
  place: () => '?',
  from(table, shape) {
    const index = chosenIndex(table, shape)
    const main = `${quoted(table.name)} r${index === undefined ? '' : ` INDEXED BY ${quoted(index)}`}`
    if (!shape.texts || table.texts.length === 0) return main
    const on = keyColumns(table).map((name) => `x.${name} = r.${name}`)
    return `${main} LEFT JOIN ${textsTable(table)} x ON ${on.join(' AND ')}`
  },
  textColumn: (field) => `x.${quoted(field)}`,
  notSame: (column, place) => `${column} IS NOT ${place}`,
  // A text with the value in front, whatever the case of ASCII letters (SQLite's lower knows no others).
  begins: (column, place) => `instr(lower(${column}), lower(${place})) = 1`,
  oneOf: (column, place) => `${column} IN (SELECT value FROM json_each(${place}))`,
  direction: (descending) => (descending ? 'DESC' : 'ASC'),
  // A bare parameter here makes SQLite plan the statement again at every new value: twelve times the cost of a point
  // read. An expression is taken as it comes.
  limit: (place) => `${place} + 0`,
}

function chosenIndex(table: Table, shape: Shape): string | undefined {
  return shape.terms.length === 0 ? undefined : bestIndex(table, shape)
}

export function textsTable(table: Table): string {
  return quoted(`_texts_${table.name}`)
}

const types = { text: 'TEXT', int: 'INTEGER', bool: 'INTEGER' } as const

/** Opens, recognises and, where needed, migrates. The connection is the one that will write. */
export async function prepareFile(
  db: DatabaseSync,
  wanted: {
    readonly file: string
    readonly tables: ReadonlyMap<string, Table>
    readonly migrations: readonly Migration[]
    readonly program: string
    readonly now: () => number
    readonly log: StoreLog
    /** An empty file gets its indexes by `makeIndexes`, once it has been filled. */
    readonly bulk: boolean
  },
): Promise<'indexed' | 'without indexes'> {
  const { file, tables, migrations } = wanted
  const fresh = recognise(db, file)
  if (fresh) {
    // What is made through the log is synced once; the other way each table's pages are kept twice.
    db.exec('PRAGMA journal_mode = WAL')
    inTransaction(db, () => {
      db.exec(`PRAGMA application_id = ${applicationId}`)
      db.exec(ownTables)
      for (const table of tables.values()) createTable(db, table)
      if (!wanted.bulk) for (const text of indexTexts(tables)) db.exec(text)
      keepMeta(db, 'format', String(formatKnown(migrations)))
      keepMeta(db, 'program', wanted.program)
      keepMeta(
        db,
        'collections',
        JSON.stringify([...tables.values()].map(({ declared }) => keptDeclaration(declared))),
      )
    })
    return wanted.bulk ? 'without indexes' : 'indexed'
  }
  refuseUnfinished(file, metaOf(db, unfinishedName))
  const format = Number(metaOf(db, 'format'))
  const pending = migrationsFrom(file, format, migrations)
  const kept = JSON.parse(metaOf(db, 'collections') ?? '[]') as AnyCollection[]
  if (pending.length === 0 && nothingIn(changesBetween(file, kept, tables))) {
    if (metaOf(db, 'program') !== wanted.program) keepMeta(db, 'program', wanted.program)
    return 'indexed'
  }
  if (!isEmpty(db, kept)) {
    const at = new Date(wanted.now()).toISOString().replaceAll(':', '-')
    const backup = `${file}.backup-${format}-${at}`
    db.prepare('VACUUM INTO ?').run(backup)
    wanted.log.info({ store: file, backup, format }, 'made a backup before changing the store')
  }
  db.exec('BEGIN IMMEDIATE')
  try {
    const sql = {
      dialect: 'sqlite' as const,
      exec: async (text: string) => db.exec(text),
      rows: async (text: string, values: readonly SQLInputValue[] = []) => db.prepare(text).all(...values),
    }
    for (const migration of pending) {
      await migration.up(sql)
      wanted.log.info({ store: file, version: migration.version, name: migration.name }, 'migrated the store')
    }
    const now = JSON.parse(metaOf(db, 'collections') ?? '[]') as AnyCollection[]
    const changes = changesBetween(file, now, tables)
    applyChanges(db, changes)
    keepMeta(db, 'format', String(formatKnown(migrations)))
    keepMeta(db, 'program', wanted.program)
    const declared = [...tables.values()].map((table) => keptDeclaration(table.declared))
    keepMeta(db, 'collections', JSON.stringify([...declared, ...changes.keptOn]))
    db.exec('COMMIT')
    wanted.log.info({ store: file, changes: summaryOf(changes) }, 'the store keeps the declared collections')
    return 'indexed'
  } catch (cause) {
    if (db.isTransaction) db.exec('ROLLBACK')
    if (cause instanceof StoreError) throw cause
    throw new StoreError(
      'needs-migration',
      `store ${file} could not be changed and is as before: ${messageOf(cause)}`,
      cause,
    )
  }
}

/** Makes every index, in one transaction: sorting a table once costs less than keeping its rows in order one by one. */
export function makeIndexes(db: DatabaseSync, tables: ReadonlyMap<string, Table>): void {
  inTransaction(db, () => {
    for (const text of indexTexts(tables)) db.exec(text)
  })
}

function* indexTexts(tables: ReadonlyMap<string, Table>): Generator<string> {
  yield 'CREATE INDEX _journal_device ON _journal (_tenant, device, seq) WHERE device IS NOT NULL'
  for (const table of tables.values())
    for (const index of table.declared.indexes)
      yield createIndex(table, index, { table: quoted(table.name), nulls: '' })
}

/** Whether the file is empty; refuses what is not ours. */
function recognise(db: DatabaseSync, file: string): boolean {
  try {
    const count = Number(db.prepare('SELECT count(*) AS n FROM sqlite_schema').get()?.n)
    const id = Number(db.prepare('PRAGMA application_id').get()?.application_id)
    if (count === 0 && (id === 0 || id === applicationId)) return true
    if (id === applicationId && metaOf(db, 'format') !== undefined) return false
    throw new StoreError(
      'not-a-store',
      `${file} is a SQLite database of something else: a Waymark store was wanted`,
    )
  } catch (cause) {
    if (cause instanceof StoreError) throw cause
    const code = cause instanceof Error && 'errcode' in cause ? Number(cause.errcode) & 0xff : 0
    if (code === 26)
      throw new StoreError('not-a-store', `${file} is no SQLite database: a Waymark store was wanted`, cause)
    if (code === 11) throw new StoreError('damaged', `store ${file} is damaged: ${messageOf(cause)}`, cause)
    throw new StoreError('io', `store ${file} cannot be read: ${messageOf(cause)}`, cause)
  }
}

const ownTables = `
  CREATE TABLE _meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE _journal (
    _tenant TEXT NOT NULL, seq INTEGER NOT NULL, at INTEGER NOT NULL, kind TEXT NOT NULL, device TEXT,
    by_kind TEXT NOT NULL, by_id TEXT NOT NULL, data TEXT NOT NULL, PRIMARY KEY (_tenant, seq)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE _floors (_tenant TEXT PRIMARY KEY, seq INTEGER NOT NULL) STRICT, WITHOUT ROWID;
`

export function metaOf(db: DatabaseSync, name: string): string | undefined {
  const row = db.prepare('SELECT value FROM _meta WHERE name = ?').get(name)
  return row === undefined ? undefined : String(row.value)
}

export function keepMeta(db: DatabaseSync, name: string, value: string): void {
  db.prepare('INSERT INTO _meta VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value').run(
    name,
    value,
  )
}

function createTable(db: DatabaseSync, table: Table): void {
  const key = keyColumns(table).join(', ')
  const columns = table.columns.map(
    ({ field, type }, at) => `${quoted(field)} ${types[type]}${at < table.keyWidth ? ' NOT NULL' : ''}`,
  )
  if (table.scope === 'tenant') columns.unshift('"_tenant" TEXT NOT NULL')
  db.exec(
    `CREATE TABLE ${quoted(table.name)} (${columns.join(', ')}, "_body" TEXT NOT NULL, PRIMARY KEY (${key})) STRICT, WITHOUT ROWID`,
  )
  if (table.texts.length > 0) createTextsTable(db, table)
}

function createTextsTable(db: DatabaseSync, table: Table): void {
  const key = keyColumns(table).join(', ')
  const columns = table.columns
    .slice(0, table.keyWidth)
    .map(({ field, type }) => `${quoted(field)} ${types[type]} NOT NULL`)
  if (table.scope === 'tenant') columns.unshift('"_tenant" TEXT NOT NULL')
  for (const field of table.texts) columns.push(`${quoted(field)} TEXT`)
  // With rowids: rows of many pages make a poor tree to search.
  db.exec(`CREATE TABLE ${textsTable(table)} (${columns.join(', ')}, PRIMARY KEY (${key})) STRICT`)
}

function isEmpty(db: DatabaseSync, kept: readonly AnyCollection[]): boolean {
  return ['_journal', ...kept.map(({ name }) => name)].every(
    (name) => db.prepare(`SELECT 1 FROM ${quoted(name)} LIMIT 1`).get() === undefined,
  )
}

function applyChanges(db: DatabaseSync, changes: Changes): void {
  for (const name of changes.dropIndexes) db.exec(`DROP INDEX ${quoted(name)}`)
  for (const table of changes.newTables) createTable(db, table)
  for (const change of changes.tables) changeTable(db, change)
  for (const { table, index } of changes.addIndexes)
    db.exec(createIndex(table, index, { table: quoted(table.name), nulls: '' }))
}

/** New columns first, then every row in its new layout, then the old columns go. */
function changeTable(db: DatabaseSync, change: TableChange): void {
  const { before, after } = change
  const name = quoted(after.name)
  for (const field of change.addColumns) {
    const type = after.columns[after.columnAt(field)]?.type ?? 'text'
    db.exec(`ALTER TABLE ${name} ADD COLUMN ${quoted(field)} ${types[type]}`)
  }
  if (before.texts.length === 0 && after.texts.length > 0) createTextsTable(db, after)
  else
    for (const field of change.addTexts)
      db.exec(`ALTER TABLE ${textsTable(after)} ADD COLUMN ${quoted(field)} TEXT`)
  const update = db.prepare(updateText(after, after.columns.map((_, at) => at).slice(after.keyWidth)))
  const texts = after.texts.length > 0 ? db.prepare(putTextsText(after)) : undefined
  for (const { scope, row } of allRows(db, before)) {
    const now = after.encode(before.decode(row))
    const key = [...scope, ...now.slice(0, after.keyWidth)]
    update.run(...now.slice(after.keyWidth, after.bodyAt + 1), ...key)
    texts?.run(...key, ...now.slice(after.bodyAt + 1))
  }
  for (const field of change.dropColumns) db.exec(`ALTER TABLE ${name} DROP COLUMN ${quoted(field)}`)
  if (before.texts.length > 0 && after.texts.length === 0) db.exec(`DROP TABLE ${textsTable(before)}`)
  else
    for (const field of change.dropTexts)
      db.exec(`ALTER TABLE ${textsTable(after)} DROP COLUMN ${quoted(field)}`)
}

const sliceRows = 500

/** Every row of a table in key order, read in slices, each complete before what is done with it. */
function* allRows(db: DatabaseSync, table: Table): Generator<{ scope: string[]; row: Row }> {
  const keys = keyColumns(table)
  const shape: Shape = { terms: [], order: [], after: [], texts: table.texts.length > 0 }
  const columns = [
    ...keys.map((name) => `r.${name}`),
    ...table.columns.slice(table.keyWidth).map(({ field }) => `r.${quoted(field)}`),
    'r."_body"',
    ...table.texts.map((field) => `x.${quoted(field)}`),
  ]
  const read = `SELECT ${columns.join(', ')} FROM ${sqliteDialect.from(table, shape)}`
  const order = `ORDER BY ${keys.map((name) => `r.${name}`).join(', ')} LIMIT ${sliceRows}`
  const places = keys.map(() => '?').join(', ')
  const first = db.prepare(`${read} ${order}`, { returnArrays: true })
  const next = db.prepare(
    `${read} WHERE (${keys.map((name) => `r.${name}`).join(', ')}) > (${places}) ${order}`,
    {
      returnArrays: true,
    },
  )
  const scopeWidth = keys.length - table.keyWidth
  let slice = first.all() as unknown as Row[]
  while (slice.length > 0) {
    for (const whole of slice)
      yield { scope: whole.slice(0, scopeWidth) as string[], row: whole.slice(scopeWidth) }
    const last = slice.at(-1) as Row
    slice = next.all(...last.slice(0, keys.length)) as unknown as Row[]
  }
}

/** `INSERT … ON CONFLICT DO UPDATE` of some rows: values are the scope (tenant scope), the columns, the body, row by row. */
export function putText(table: Table, rows = 1): string {
  const names = table.columns.map(({ field }) => quoted(field))
  if (table.scope === 'tenant') names.unshift('"_tenant"')
  names.push('"_body"')
  const set = [...table.columns.slice(table.keyWidth).map(({ field }) => quoted(field)), '"_body"']
  const row = `(${names.map(() => '?').join(', ')})`
  return `INSERT INTO ${quoted(table.name)} (${names.join(', ')}) VALUES ${new Array(rows).fill(row).join(', ')}
    ON CONFLICT (${keyColumns(table).join(', ')}) DO UPDATE SET ${set.map((name) => `${name} = excluded.${name}`).join(', ')}`
}

/** Writes the long texts, and nothing where they are the same as before. */
export function putTextsText(table: Table): string {
  const texts = table.texts.map(quoted)
  const names = [...keyColumns(table), ...texts]
  return `INSERT INTO ${textsTable(table)} AS x (${names.join(', ')}) VALUES (${names.map(() => '?').join(', ')})
    ON CONFLICT (${keyColumns(table).join(', ')}) DO UPDATE SET ${texts.map((name) => `${name} = excluded.${name}`).join(', ')}
    WHERE ${texts.map((name) => `x.${name} IS NOT excluded.${name}`).join(' OR ')}`
}

/** `UPDATE` of these columns and the body; values are theirs, then the scope (tenant scope) and the key. */
export function updateText(table: Table, columns: readonly number[]): string {
  const set = [...columns.map((at) => quoted(table.columns[at]?.field ?? '')), '"_body"']
  const where = keyColumns(table).map((name) => `${name} = ?`)
  return `UPDATE ${quoted(table.name)} SET ${set.map((name) => `${name} = ?`).join(', ')} WHERE ${where.join(' AND ')}`
}

export function removeTexts(table: Table): string[] {
  const where = keyColumns(table).map((name) => `${name} = ?`)
  const names = table.texts.length > 0 ? [quoted(table.name), textsTable(table)] : [quoted(table.name)]
  return names.map((name) => `DELETE FROM ${name} WHERE ${where.join(' AND ')}`)
}

function inTransaction(db: DatabaseSync, work: () => void): void {
  db.exec('BEGIN IMMEDIATE')
  try {
    work()
    db.exec('COMMIT')
  } catch (error) {
    if (db.isTransaction) db.exec('ROLLBACK')
    throw error
  }
}
