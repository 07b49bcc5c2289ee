/**
 * The sign over a store that is being restored: a file beside its objects, on disk before the first byte is restored and
 * gone after the last one is. However a restore ends, SIGKILL included, what it leaves is either whole or says that it
 * is not, and nobody opens it.
 *
 * It lies with the objects since all processes of one installation share those, whichever database they use.
 */
import { mkdir, open, rm } from 'node:fs/promises'
import { join } from 'node:path'

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

/** Puts the sign up, durably, naming the backup; answers how to take it down, durably too. */
export async function beginRestore(objects: string, backup: string): Promise<() => Promise<void>> {
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
  return async () => {
    await rm(path)
    await syncFolder(objects)
  }
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r')
  await folder.sync().finally(() => folder.close())
}
