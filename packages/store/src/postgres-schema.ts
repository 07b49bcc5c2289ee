/**
 * A database's own shape: one schema with a table per collection, long texts as columns of the same table (PostgreSQL
 * keeps them aside by itself and leaves them alone when they are unchanged), the journal with the id of the
 * transaction that wrote each entry. How it is made, recognised, backed up and brought to the declared collections:
 * in one transaction, under an advisory lock, so that processes that start together do it once.
 */

import { createHash } from 'node:crypto'
import type { AnyCollection } from '@waymark/domain'
import type pg from 'pg'
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
import { run, statement } from './postgres-connection.ts'
import { createIndex, type Dialect, keyColumns, quoted, selected } from './sql.ts'
import type { Kept, Row, Table } from './table.ts'
import { refuseUnfinished, unfinishedName } from './unfinished-mark.ts'

const types = { text: 'text', int: 'bigint', bool: 'boolean' } as const

export function postgresDialect(schema: string): Dialect {
  return {
    place: (n) => `$${n}`,
    from: (table) => `${tableName(schema, table.name)} r`,
    textColumn: (field) => `r.${quoted(field)}`,
    notSame: (column, place) => `${column} IS DISTINCT FROM ${place}`,
    // The C collation's lower knows ASCII letters only, as in every other home.
    begins: (column, place) => `starts_with(lower(${column}), lower(${place}::text COLLATE "C"))`,
    oneOf: (column, place, type) => `${column} = ANY(${place}::${types[type]}[])`,
    limit: (place) => place,
    direction: (descending, nullable) =>
      nullable ? (descending ? 'DESC NULLS LAST' : 'ASC NULLS FIRST') : descending ? 'DESC' : 'ASC',
  }
}

export function tableName(schema: string, name: string): string {
  return `${quoted(schema)}.${quoted(name)}`
}

export interface Prepared {
  /** Goes up when the journal had to be numbered anew, after a database was restored elsewhere; part of cursors. */
  readonly epoch: number
}

/** Makes or recognises the schema and, where needed, changes it. Refuses with a StoreError that says what is wrong. */
export async function prepareSchema(
  client: pg.Client,
  wanted: {
    readonly store: string
    readonly schema: string
    readonly tables: ReadonlyMap<string, Table>
    readonly migrations: readonly Migration[]
    readonly program: string
    readonly now: () => number
    readonly log: StoreLog
  },
): Promise<Prepared> {
  const { schema, store } = wanted
  const version = await rowsOf(client, 'SHOW server_version_num')
  if (Number(version[0]?.[0]) < 140_000)
    throw new StoreError('unsupported', `store ${store}: PostgreSQL ${version[0]?.[0]}, wanted 14 or newer`)
  await client.query('BEGIN')
  try {
    await client.query('SET LOCAL statement_timeout = 0')
    await client.query('SELECT pg_advisory_xact_lock($1)', [lockNumber(schema)])
    const found = await rowsOf(
      client,
      'SELECT relname FROM pg_class WHERE relnamespace = to_regnamespace($1)',
      [quoted(schema)],
    )
    const names = new Set(found.map(([name]) => name))
    if (names.size === 0) await makeAll(client, wanted)
    else if (names.has('_meta') && names.has('_journal')) await bringForward(client, wanted)
    else
      throw new StoreError(
        'not-a-store',
        `the schema ${schema} of ${store} holds something else: an empty one or a Waymark store was wanted`,
      )
    const epoch = await renumberRestored(client, wanted)
    await client.query('COMMIT')
    return { epoch }
  } catch (cause) {
    await client.query('ROLLBACK').catch(() => {})
    if (cause instanceof StoreError) throw cause
    throw new StoreError(
      'needs-migration',
      `store ${store} could not be changed and is as before: ${messageOf(cause)}`,
      cause,
    )
  }
}

type Wanted = Parameters<typeof prepareSchema>[1]

async function rowsOf(client: pg.Client, text: string, values: readonly unknown[] = []): Promise<Row[]> {
  return run(client, statement(text), values)
}

/** One number per schema name; any will do that others are unlikely to lock. */
function lockNumber(schema: string): string {
  return createHash('sha256').update(`waymark ${schema}`).digest().readBigInt64BE().toString()
}

async function makeAll(client: pg.Client, { schema, tables, migrations, program }: Wanted): Promise<void> {
  const own = quoted(schema)
  await client.query(`
    CREATE SCHEMA IF NOT EXISTS ${own};
    CREATE TABLE ${own}._meta (name text PRIMARY KEY, value text NOT NULL);
    CREATE TABLE ${own}._journal (
      _tenant text COLLATE "C" NOT NULL,
      xid bigint NOT NULL DEFAULT (pg_current_xact_id()::text::bigint), seq bigint NOT NULL,
      at bigint NOT NULL, kind text NOT NULL, device text COLLATE "C", by_kind text NOT NULL, by_id text NOT NULL,
      data text NOT NULL, PRIMARY KEY (_tenant, xid, seq));
    CREATE INDEX _journal_device ON ${own}._journal (_tenant, device, xid, seq) WHERE device IS NOT NULL;
    CREATE INDEX _journal_xid ON ${own}._journal (xid);
    CREATE TABLE ${own}._floors (_tenant text COLLATE "C" PRIMARY KEY, xid bigint NOT NULL, seq bigint NOT NULL)`)
  for (const table of tables.values()) await createTable(client, schema, table)
  for (const table of tables.values())
    for (const index of table.declared.indexes) await client.query(indexText(schema, table, index))
  const declared = [...tables.values()].map((table) => keptDeclaration(table.declared))
  await keepMeta(client, schema, 'format', String(formatKnown(migrations)))
  await keepMeta(client, schema, 'program', program)
  await keepMeta(client, schema, 'collections', JSON.stringify(declared))
  await keepMeta(client, schema, 'epoch', '0')
}

async function bringForward(client: pg.Client, wanted: Wanted): Promise<void> {
  const { schema, store, tables, migrations, log } = wanted
  refuseUnfinished(store, await metaOf(client, schema, unfinishedName))
  const format = Number(await metaOf(client, schema, 'format'))
  const pending = migrationsFrom(store, format, migrations)
  const kept = async () =>
    JSON.parse((await metaOf(client, schema, 'collections')) ?? '[]') as AnyCollection[]
  const before = await kept()
  if (pending.length === 0 && nothingIn(changesBetween(store, before, tables))) return
  if (!(await isEmpty(client, schema, before))) await backUp(client, wanted, format, before)
  await client.query(`SET LOCAL search_path = ${quoted(schema)}`)
  const sql = {
    dialect: 'postgres' as const,
    exec: async (text: string) => void (await client.query(text)),
    rows: async (text: string, values: readonly Kept[] = []) =>
      (await client.query<Record<string, unknown>>(text, [...values])).rows,
  }
  for (const migration of pending) {
    await migration.up(sql)
    log.info({ store, version: migration.version, name: migration.name }, 'migrated the store')
  }
  const changes = changesBetween(store, await kept(), tables)
  await applyChanges(client, schema, changes)
  const declared = [...tables.values()].map((table) => keptDeclaration(table.declared))
  await keepMeta(client, schema, 'format', String(formatKnown(migrations)))
  await keepMeta(client, schema, 'program', wanted.program)
  await keepMeta(client, schema, 'collections', JSON.stringify([...declared, ...changes.keptOn]))
  log.info({ store, changes: summaryOf(changes) }, 'the store keeps the declared collections')
}

/** A copy of every table in a schema of its own, in the same transaction as the change. */
async function backUp(
  client: pg.Client,
  { schema, store, now, log }: Wanted,
  format: number,
  kept: readonly AnyCollection[],
): Promise<void> {
  const at = new Date(now()).toISOString().replaceAll(/[-:.]/g, '').toLowerCase()
  const backup = `${schema}_backup_${format}_${at}`
  await client.query(`CREATE SCHEMA ${quoted(backup)}`)
  for (const name of ['_meta', '_journal', '_floors', ...kept.map((one) => one.name)])
    await client.query(`CREATE TABLE ${tableName(backup, name)} AS TABLE ${tableName(schema, name)}`)
  log.info({ store, backup, format }, 'made a backup before changing the store')
}

/**
 * Entries are ordered by the ids of the transactions that wrote them. A database restored from a dump into another
 * server keeps entries whose ids that server has yet to reach; they are numbered anew, and the epoch tells old
 * cursors apart.
 */
async function renumberRestored(client: pg.Client, { schema, store, log }: Wanted): Promise<number> {
  const epoch = Number((await metaOf(client, schema, 'epoch')) ?? 0)
  const journal = tableName(schema, '_journal')
  const ahead = await rowsOf(
    client,
    `SELECT 1 FROM ${journal} WHERE xid >= pg_snapshot_xmax(pg_current_snapshot())::text::bigint LIMIT 1`,
  )
  if (ahead.length === 0) return epoch
  await client.query(`
    UPDATE ${journal} j SET xid = 0, seq = n.place
    FROM (SELECT _tenant, xid, seq, row_number() OVER (ORDER BY xid, seq) AS place FROM ${journal}) n
    WHERE j._tenant = n._tenant AND j.xid = n.xid AND j.seq = n.seq;
    UPDATE ${tableName(schema, '_floors')} SET xid = 0, seq = 0`)
  await keepMeta(client, schema, 'epoch', String(epoch + 1))
  log.info({ store, epoch: epoch + 1 }, 'numbered the journal anew: the database came from another server')
  return epoch + 1
}

async function metaOf(client: pg.Client, schema: string, name: string): Promise<string | undefined> {
  const rows = await rowsOf(client, `SELECT value FROM ${tableName(schema, '_meta')} WHERE name = $1`, [name])
  const value = rows[0]?.[0]
  return value === undefined ? undefined : String(value)
}

export async function keepMeta(
  client: pg.Client,
  schema: string,
  name: string,
  value: string,
): Promise<void> {
  const text = `INSERT INTO ${tableName(schema, '_meta')} VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value`
  await client.query(text, [name, value])
}

async function createTable(client: pg.Client, schema: string, table: Table): Promise<void> {
  const columns = table.columns.map(
    ({ field, type }, at) => `${columnText(field, type)}${at < table.keyWidth ? ' NOT NULL' : ''}`,
  )
  if (table.scope === 'tenant') columns.unshift('"_tenant" text COLLATE "C" NOT NULL')
  columns.push('"_body" text NOT NULL', ...table.texts.map((field) => `${quoted(field)} text`))
  // Room on each page lets a changed row stay where it is, and its index entries with it.
  await client.query(
    `CREATE TABLE ${tableName(schema, table.name)} (${columns.join(', ')}, PRIMARY KEY (${keyColumns(table).join(', ')})) WITH (fillfactor = 80)`,
  )
}

function columnText(field: string, type: keyof typeof types): string {
  return `${quoted(field)} ${types[type]}${type === 'text' ? ' COLLATE "C"' : ''}`
}

function indexText(schema: string, table: Table, index: AnyCollection['indexes'][number]): string {
  return createIndex(table, index, { table: tableName(schema, table.name), nulls: ' NULLS FIRST' })
}

async function isEmpty(client: pg.Client, schema: string, kept: readonly AnyCollection[]): Promise<boolean> {
  for (const name of ['_journal', ...kept.map((one) => one.name)])
    if ((await rowsOf(client, `SELECT 1 FROM ${tableName(schema, name)} LIMIT 1`)).length > 0) return false
  return true
}

async function applyChanges(client: pg.Client, schema: string, changes: Changes): Promise<void> {
  for (const name of changes.dropIndexes) await client.query(`DROP INDEX ${tableName(schema, name)}`)
  for (const table of changes.newTables) await createTable(client, schema, table)
  for (const change of changes.tables) await changeTable(client, schema, change)
  for (const { table, index } of changes.addIndexes) await client.query(indexText(schema, table, index))
}

const sliceRows = 500

/** New columns first, then every row in its new layout, slice by slice, then the old columns go. */
async function changeTable(client: pg.Client, schema: string, change: TableChange): Promise<void> {
  const { before, after } = change
  const name = tableName(schema, after.name)
  for (const field of change.addColumns)
    await client.query(
      `ALTER TABLE ${name} ADD COLUMN ${columnText(field, after.columns[after.columnAt(field)]?.type ?? 'text')}`,
    )
  for (const field of change.addTexts)
    await client.query(`ALTER TABLE ${name} ADD COLUMN ${quoted(field)} text`)
  const keys = keyColumns(before)
  const list = [...keys, ...valueColumns(before)].join(', ')
  const places = keys.map((_, i) => `$${i + 1}`).join(', ')
  const first = statement(`SELECT ${list} FROM ${name} ORDER BY ${keys.join(', ')} LIMIT ${sliceRows}`)
  const next = statement(
    `SELECT ${list} FROM ${name} WHERE (${keys.join(', ')}) > (${places}) ORDER BY ${keys.join(', ')} LIMIT ${sliceRows}`,
  )
  const put = putManyText(schema, after)
  const scopeWidth = keys.length - before.keyWidth
  let slice = await run(client, first)
  while (slice.length > 0) {
    const rows = slice.map((whole) => [
      ...whole.slice(0, scopeWidth),
      ...after.encode(before.decode(whole.slice(scopeWidth))),
    ])
    await client.query(put, columnsOf(rows))
    slice = await run(client, next, (slice.at(-1) as Row).slice(0, keys.length))
  }
  for (const field of [...change.dropColumns, ...change.dropTexts])
    await client.query(`ALTER TABLE ${name} DROP COLUMN ${quoted(field)}`)
}

/** The columns behind the key: declared ones, body, long texts. */
function valueColumns(table: Table): string[] {
  return [
    ...table.columns.slice(table.keyWidth).map(({ field }) => quoted(field)),
    '"_body"',
    ...table.texts.map(quoted),
  ]
}

/** Rows turned into columns, as `unnest` takes them. */
export function columnsOf(rows: readonly Row[]): Kept[][] {
  const width = rows[0]?.length ?? 0
  return Array.from({ length: width }, (_, at) => rows.map((row) => row[at] as Kept))
}

function arrayTypes(table: Table): string[] {
  const own = [...table.columns.map(({ type }) => types[type]), 'text', ...table.texts.map(() => 'text')]
  if (table.scope === 'tenant') own.unshift('text')
  return own
}

/** Reads many rows by their keys, in any order; values are arrays, one per key column (scope first). */
export function getManyText(schema: string, table: Table): string {
  const dialect = postgresDialect(schema)
  const keys = keyColumns(table).map((name) => `r.${name}`)
  const shape: Shape = { terms: [], order: [], after: [], texts: table.texts.length > 0 }
  return `SELECT ${selected(table, dialect, shape.texts)} FROM ${dialect.from(table, shape)}
    WHERE (${keys.join(', ')}) IN (SELECT * FROM unnest(${keyArrays(table).join(', ')}))`
}

/** Inserts or replaces many rows; values are arrays, one per column (scope, key, columns, body, texts). */
export function putManyText(schema: string, table: Table): string {
  const names = [...keyColumns(table), ...valueColumns(table)]
  const arrays = arrayTypes(table).map((type, i) => `$${i + 1}::${type}[]`)
  const plain = [...table.columns.slice(table.keyWidth).map(({ field }) => quoted(field)), '"_body"']
  const set = [
    ...plain.map((name) => `${name} = excluded.${name}`),
    // Assigning a long text to itself leaves it where it is; only a different one is written.
    ...table.texts
      .map(quoted)
      .map(
        (name) =>
          `${name} = CASE WHEN t.${name} IS DISTINCT FROM excluded.${name} THEN excluded.${name} ELSE t.${name} END`,
      ),
  ]
  return `INSERT INTO ${tableName(schema, table.name)} AS t (${names.join(', ')}) SELECT * FROM unnest(${arrays.join(', ')})
    ON CONFLICT (${keyColumns(table).join(', ')}) DO UPDATE SET ${set.join(', ')}`
}

/** Removes many rows; values are arrays, one per key column (scope first). */
export function removeManyText(schema: string, table: Table): string {
  const keys = keyColumns(table).join(', ')
  return `DELETE FROM ${tableName(schema, table.name)} WHERE (${keys}) IN (SELECT * FROM unnest(${keyArrays(table).join(', ')}))`
}

/** The places of a key's values, as arrays. */
function keyArrays(table: Table): string[] {
  return arrayTypes(table)
    .slice(0, keyColumns(table).length)
    .map((type, i) => `$${i + 1}::${type}[]`)
}
