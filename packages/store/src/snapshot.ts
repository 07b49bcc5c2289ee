/**
 * A store as it is at one moment, read while others go on writing to it: what backups are made of.
 *
 * From SQLite a copy is taken (`VACUUM INTO`, which holds nobody up) and read at leisure; it lies at a path of the
 * caller's until the snapshot is closed. From PostgreSQL everything is read in one transaction, serializable and
 * read-only: it waits until no unfinished transaction could make it see what never was, and disturbs none.
 */
import { existsSync, rmSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import type { AnyCollection, JournalEntry, Reader, TenantId } from '@waymark/domain'
import { entryOf, type Scope } from './body.ts'
import { StoreError } from './errors.ts'
import { PostgresReader } from './postgres.ts'
import {
  clientConfig,
  driver,
  run,
  type Statement,
  safeUrl,
  statement,
  translated,
} from './postgres-connection.ts'
import { tableName } from './postgres-schema.ts'
import { Statements } from './postgres-session.ts'
import { openSqliteStore } from './sqlite.ts'
import { translated as translatedFile } from './sqlite-connection.ts'
import { type Kept, tablesOf } from './table.ts'

export interface Snapshot {
  read(tenant: TenantId): Reader
  readHouse(): Reader
  /** All entries of one journal, in the order of their commits. */
  journal(of: TenantId | 'house'): AsyncGenerator<JournalEntry>
  close(): Promise<void>
}

/** Entries fetched at a time. */
const pageSize = 1000

/** Opens a snapshot of a store that exists. Refuses with a StoreError that says what is wrong. */
export function openSnapshot(
  of:
    | { readonly file: string; readonly copy: string; readonly collections: readonly AnyCollection[] }
    | { readonly url: string; readonly schema: string; readonly collections: readonly AnyCollection[] },
): Promise<Snapshot> {
  return 'file' in of ? sqliteSnapshot(of) : postgresSnapshot(of)
}

async function sqliteSnapshot(of: {
  readonly file: string
  readonly copy: string
  readonly collections: readonly AnyCollection[]
}): Promise<Snapshot> {
  const { file, copy, collections } = of
  if (!existsSync(file)) throw new StoreError('io', `store ${file}: there is no such file`)
  const remove = () => {
    for (const end of ['', '-wal', '-shm', '-lock', '-lock-journal', '-journal'])
      rmSync(`${copy}${end}`, { force: true })
  }
  remove()
  try {
    const source = new DatabaseSync(file, { timeout: 5000 })
    try {
      // The copy is thrown away: nobody's commit is to wait until the disk has taken in all of it.
      source.exec('PRAGMA synchronous = OFF')
      source.prepare('VACUUM INTO ?').run(copy)
    } finally {
      source.close()
    }
    const store = await openSqliteStore({ file: copy, collections })
    return {
      read: (tenant) => store.read(tenant),
      readHouse: () => store.readHouse(),
      async *journal(scope) {
        let after: string | undefined
        for (;;) {
          const page = await store.journal.read(scope, {
            limit: pageSize,
            ...(after === undefined ? {} : { after }),
          })
          if (!page.ok) throw new StoreError('damaged', `store ${file}: its journal refuses its own cursor`)
          for (const { cursor: _, ...entry } of page.value.entries) yield entry
          if (page.value.entries.length < pageSize) return
          after = page.value.next
        }
      },
      async close() {
        await store.close()
        remove()
      },
    }
  } catch (error) {
    remove()
    throw translatedFile(file, error)
  }
}

async function postgresSnapshot(of: {
  readonly url: string
  readonly schema: string
  readonly collections: readonly AnyCollection[]
}): Promise<Snapshot> {
  const store = safeUrl(of.url)
  const tables = tablesOf(of.collections)
  const statements = new Statements(of.schema)
  // It may have to wait for a safe moment, and lies still while what it read is written.
  const { Client } = await driver()
  const client = new Client({
    ...clientConfig(of.url),
    statement_timeout: 0,
    idle_in_transaction_session_timeout: 0,
  })
  client.on('error', () => {})
  const journal = tableName(of.schema, '_journal')
  const next = statement(`
    SELECT xid, seq, at, kind, device, by_kind, by_id, data FROM ${journal}
    WHERE _tenant = $1 AND (xid, seq) > ($2::bigint, $3::bigint) ORDER BY xid, seq LIMIT ${pageSize}`)
  const query = async (prepared: Statement, values: readonly unknown[]) => {
    try {
      return await run(client, prepared, values)
    } catch (error) {
      throw translated(store, error)
    }
  }
  const readerOf = (scope: Scope) => new PostgresReader({ query }, tables, statements, scope)
  try {
    await client.connect()
    await client.query('BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY DEFERRABLE')
    const { rows } = await client.query<{ found: string | null }>('SELECT to_regclass($1) AS found', [
      journal,
    ])
    if (!rows[0]?.found)
      throw new StoreError('not-a-store', `store ${store}: there is no store in schema ${of.schema}`)
  } catch (error) {
    await client.end().catch(() => {})
    const told = translated(store, error)
    throw told instanceof StoreError
      ? told
      : new StoreError('unreachable', `store ${store}: ${String(error)}`, error)
  }
  return {
    read: readerOf,
    readHouse: () => readerOf('house'),
    async *journal(scope) {
      let [xid, seq]: readonly Kept[] = [0, 0]
      for (;;) {
        const rows = await query(next, [scope, xid, seq])
        for (const [, , at, kind, device, byKind, byId, data] of rows as [
          number,
          number,
          number,
          string,
          string | null,
          string,
          string,
          string,
        ][])
          yield entryOf({ at, kind, device, byKind, byId, data })
        const last = rows.at(-1)
        if (!last || rows.length < pageSize) return
        ;[xid = 0, seq = 0] = last
      }
    },
    close: () => client.end(),
  }
}
