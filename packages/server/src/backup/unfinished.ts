/**
 * The sign over a store that is being restored: a file beside its objects, and a mark in each database, on disk before
 * the first byte is restored and gone after the last one is. However a restore ends, SIGKILL included, what it leaves is
 * either whole or says that it is not, and nobody opens it: the databases do not, wherever the objects are looked for,
 * and the objects are not, whatever database is named beside them.
 */
import { existsSync } from 'node:fs'
import { mkdir, open, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { markUnfinished, type StorePlace } from '@waymark/store'
import type { Places } from './places.ts'

const sign = 'restore-unfinished'

/** Why what belongs to this folder of objects may not be opened, as a line for people; undefined when it may. */
export async function unfinishedRestore(objects: string): Promise<string | undefined> {
  const path = join(objects, sign)
  try {
    const file = await open(path, 'r')
    const said = (await file.readFile('utf8').finally(() => file.close())).trim()
    return `${path}: a restore from ${said || 'a backup'} was not finished, so this store is not whole: empty it and restore again`
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  }
}

/** Puts the sign up over objects and databases, durably, naming the backup; answers how to take it down, durably too. */
export async function beginRestore(places: Places, backup: string): Promise<() => Promise<void>> {
  const { objects } = places
  await mkdir(objects, { recursive: true, mode: 0o700 })
  const path = join(objects, sign)
  const file = await open(path, 'wx', 0o600)
  try {
    await file.writeFile(`${backup}\n`)
    await file.sync()
  } finally {
    await file.close()
  }
  await syncFolder(objects)
  const stores = storesOf(places)
  for (const store of stores) await markUnfinished(store, backup)
  return async () => {
    // The file last: until then it says what is to be done.
    for (const store of stores) if (isThere(store)) await markUnfinished(store, undefined)
    await rm(path)
    await syncFolder(objects)
  }
}

function storesOf(places: Places): readonly StorePlace[] {
  return places.kind === 'sqlite'
    ? [{ file: places.main }, { file: places.telemetry }]
    : [
        { url: places.url, schema: places.schemas.main },
        { url: places.url, schema: places.schemas.telemetry },
      ]
}

/** A restore that was taken back has removed its files. */
function isThere(store: StorePlace): boolean {
  return !('file' in store) || existsSync(store.file)
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r')
  await folder.sync().finally(() => folder.close())
}
