/**
 * The factory state: a folder whose files become revision 0.
 *
 * A file that ends in `.json` and holds JSON stands in the state as that document; every other file is an
 * object, named by its bytes. `#spec` may lie in the folder as a file of that name; without one it is the
 * spec that Pantavisor runs today.
 */
import { isJsonObject, stateSpecs } from '@waymark/pantahub'
import { digest, type Pool } from './pool.ts'
import type { FactoryFolder, Json, Revision } from './ports.ts'
import { revisionOf } from './revision.ts'

/** A document larger than this is taken as an object. */
const documentLimitBytes = 256 * 1024
const depthLimit = 32
const filesLimit = 65_536

/** The state of a factory folder; its objects are put into the pool. Rejects with what is wrong, by name. */
export async function readFactory(folder: FactoryFolder | undefined, pool: Pool): Promise<Revision> {
  const state: Record<string, Json> = { '#spec': stateSpecs[0] }
  if (folder)
    for (const path of await filesBelow(folder, '', 0)) {
      if (path === '#spec') state['#spec'] = ((await folder.readText(path)) ?? '').trim()
      else state[path] = await entryOf(folder, path, pool)
    }
  const read = revisionOf(0, state)
  if (read.ok) return read.revision
  const { thing, wanted, got } = read.refusal
  throw new Error(`${thing}: wanted ${wanted}, got ${got}`)
}

async function entryOf(folder: FactoryFolder, path: string, pool: Pool): Promise<Json> {
  const { sha, size } = await digest(folder.read(path))
  if (path.endsWith('.json') && size <= documentLimitBytes) {
    const document = jsonOf((await folder.readText(path)) ?? '')
    if (document !== undefined) return document
  }
  if (!(await pool.holds(sha))) {
    await pool.discardPartial(sha)
    const stored = await pool.add({ sha, size }, 0, folder.read(path), () => undefined)
    if (stored.kind !== 'stored') throw new Error(`factory file ${path}: changed while it was read`)
  }
  return sha
}

function jsonOf(text: string): Json | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return isJsonObject(value) ? (value as Json) : undefined
  } catch {
    return undefined
  }
}

async function filesBelow(folder: FactoryFolder, path: string, depth: number): Promise<readonly string[]> {
  if (depth > depthLimit) throw new Error(`factory folder ${path}: more than ${depthLimit} levels`)
  const found: string[] = []
  for (const entry of await folder.list(path === '' ? '.' : path)) {
    const name = path === '' ? entry.name : `${path}/${entry.name}`
    if (entry.kind === 'file') found.push(name)
    else if (entry.kind === 'folder') found.push(...(await filesBelow(folder, name, depth + 1)))
    else throw new Error(`factory file ${name}: wanted a file or a folder, got a link`)
    if (found.length > filesLimit) throw new Error(`factory folder: more than ${filesLimit} files`)
  }
  return found
}
