/**
 * A folder as a state: its `*.json` are documents, everything else is an object, named by its path below the folder.
 * Only plain files are taken; a link could lead anywhere and is refused by its name.
 */
import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { Failure } from './io.ts'

export interface Packed {
  readonly documents: Readonly<Record<string, unknown>>
  readonly files: readonly { readonly path: string; readonly file: string }[]
}

/** Folders that tools keep their own things in, at the top. */
const foreignFolders = ['.pvr', '.git']
/** As many paths as a state may have. */
const filesMax = 65_536
const jsonBytesMax = 8 * 1024 * 1024

/** Reads a folder, its paths in order. */
export async function readFolder(folder: string): Promise<Packed> {
  const documents: Record<string, unknown> = {}
  const files: { path: string; file: string }[] = []
  let count = 0
  for await (const path of pathsBelow(folder, '')) {
    count += 1
    if (count > filesMax) throw new Failure(1, `${folder}: wanted at most ${filesMax} files, got more`)
    const file = join(folder, path)
    if (path.endsWith('.json')) documents[path] = await readJsonFile(file)
    else files.push({ path, file })
  }
  if (count === 0) throw new Failure(1, `${folder}: wanted a folder with files in it, got an empty one`)
  return { documents, files }
}

async function* pathsBelow(folder: string, below: string): AsyncGenerator<string> {
  const entries = await readdir(join(folder, below), { withFileTypes: true })
  for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    if (below === '' && foreignFolders.includes(entry.name)) continue
    const path = below === '' ? entry.name : `${below}/${entry.name}`
    if (entry.isDirectory()) yield* pathsBelow(folder, path)
    else if (entry.isFile()) yield path
    else {
      const got = entry.isSymbolicLink() ? 'a link' : 'something else'
      throw new Failure(1, `${join(folder, path)}: wanted a plain file or a folder, got ${got}`)
    }
  }
}

/** The value in a file of JSON. */
export async function readJsonFile(file: string): Promise<unknown> {
  const { size } = await stat(file)
  if (size > jsonBytesMax)
    throw new Failure(1, `${file}: wanted at most ${jsonBytesMax} bytes of JSON, got ${size}`)
  try {
    return JSON.parse(await readFile(file, 'utf8')) as unknown
  } catch (error) {
    throw new Failure(1, `${file}: wanted JSON, got ${error instanceof Error ? error.message : error}`)
  }
}
