/**
 * One process per SQLite file. A small database beside it, `<file>-lock`, is kept in an open write transaction: the
 * operating system lets go of that lock however the process ends, SIGKILL included, and the row inside tells whoever
 * comes second who was first.
 */
import { existsSync, realpathSync } from 'node:fs'
import { hostname } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { messageOf, StoreError } from './errors.ts'

export interface FileLock {
  release(): void
}

/** Takes the lock of a store's file, or refuses with `held-elsewhere` naming the holder. */
export function lockFile(file: string): FileLock {
  const held = `${realFile(file)}-lock`
  let db: DatabaseSync
  try {
    db = new DatabaseSync(held, { timeout: 0 })
  } catch (cause) {
    throw new StoreError('io', `store ${file}: cannot open its lock ${held}: ${messageOf(cause)}`, cause)
  }
  try {
    db.exec('PRAGMA synchronous = OFF')
    db.exec('BEGIN IMMEDIATE')
    db.exec('CREATE TABLE IF NOT EXISTS holder (id INTEGER PRIMARY KEY, pid INTEGER, host TEXT) STRICT')
    db.prepare('INSERT OR REPLACE INTO holder VALUES (1, ?, ?)').run(process.pid, hostname())
    db.exec('COMMIT')
    db.exec('BEGIN IMMEDIATE')
  } catch (cause) {
    const holder = holderOf(db)
    db.close()
    if (!isBusy(cause))
      throw new StoreError('io', `store ${file}: cannot take its lock ${held}: ${messageOf(cause)}`, cause)
    throw new StoreError('held-elsewhere', `store ${file} is held by ${holder}: one process at a time`, cause)
  }
  return {
    release() {
      db.exec('ROLLBACK')
      db.close()
    },
  }
}

function holderOf(db: DatabaseSync): string {
  try {
    const row = db.prepare('SELECT pid, host FROM holder WHERE id = 1').get()
    if (row === undefined) return 'another process'
    if (row.pid === process.pid) return 'this very process'
    return `process ${String(row.pid)} on ${String(row.host)}`
  } catch {
    return 'another process'
  }
}

function isBusy(error: unknown): boolean {
  return error instanceof Error && 'errcode' in error && (Number(error.errcode) & 0xff) === 5
}

/** The file's one true name: two paths to one file meet at one lock. */
export function realFile(file: string): string {
  if (existsSync(file)) return realpathSync(file)
  const folder = dirname(file)
  return existsSync(folder) ? join(realpathSync(folder), basename(file)) : file
}
