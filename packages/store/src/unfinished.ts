/**
 * The mark of a store that is being filled by a restore: a row among those the store keeps about itself, there before
 * the first record is put back and gone after the last one is. A store that bears it is opened by nobody, wherever its
 * objects lie, and says why.
 */
import { DatabaseSync } from 'node:sqlite'
import pg from 'pg'
import { StoreError } from './errors.ts'
import { clientConfig, safeUrl, translated } from './postgres-connection.ts'
import { keepMeta as keepInSchema, tableName } from './postgres-schema.ts'
import { keepMeta as keepInFile } from './sqlite-schema.ts'
import { unfinishedName } from './unfinished-mark.ts'

export type StorePlace = { readonly file: string } | { readonly url: string; readonly schema: string }

/** Marks a store that is there as being restored from `source`; undefined takes the mark away, durably. */
export async function markUnfinished(of: StorePlace, source: string | undefined): Promise<void> {
  if ('file' in of) {
    const db = new DatabaseSync(of.file, { timeout: 5000 })
    try {
      db.exec('PRAGMA synchronous = FULL')
      if (source === undefined) db.prepare('DELETE FROM _meta WHERE name = ?').run(unfinishedName)
      else keepInFile(db, unfinishedName, source)
    } finally {
      db.close()
    }
    return
  }
  const client = new pg.Client(clientConfig(of.url))
  client.on('error', () => {})
  try {
    await client.connect()
    if (source === undefined)
      await client.query(`DELETE FROM ${tableName(of.schema, '_meta')} WHERE name = $1`, [unfinishedName])
    else await keepInSchema(client, of.schema, unfinishedName, source)
  } catch (error) {
    const told = translated(safeUrl(of.url), error)
    throw told instanceof StoreError
      ? told
      : new StoreError('unreachable', `store ${safeUrl(of.url)}: ${String(error)}`, error)
  } finally {
    await client.end().catch(() => {})
  }
}
