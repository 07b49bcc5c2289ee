/**
 * The bytes of objects as files named by their sha256: `ab/cd/<sha256>`.
 *
 * Bytes are streamed to a file without such a name, hashed on the way, synced, and get their name only once size and
 * sha256 agree: what has a name is whole. Writing the same object twice at the same time is harmless. Throwing away
 * goes in two phases: to the trash, from where an object can be brought back, and later for good.
 */
import { createHash, randomBytes } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { mkdir, open, opendir, rename, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Readable } from 'node:stream'
import { ok, type Result, refuse } from '@waymark/domain'

/** Why bytes were not taken. Sizes in bytes. */
export type BytesRefusal =
  | { readonly kind: 'too-short'; readonly wanted: number; readonly got: number }
  | { readonly kind: 'too-long'; readonly wanted: number; readonly got: number }
  | { readonly kind: 'wrong-hash'; readonly wanted: string; readonly got: string }
  | { readonly kind: 'disk-full'; readonly wanted: number; readonly got: number }

export interface ObjectBytes {
  /** Takes exactly `size` bytes whose sha256 is `sha`; answers after they are on disk under that name. */
  write(
    sha: string,
    size: number,
    source: AsyncIterable<Uint8Array>,
  ): Promise<Result<undefined, BytesRefusal>>
  /** The bytes, or a range of them (`end` inclusive); undefined when there are none. */
  open(
    sha: string,
    range?: { readonly start: number; readonly end: number },
  ): Promise<{ readonly size: number; readonly stream: Readable } | undefined>
  /** The size, when the bytes are there. */
  stat(sha: string): Promise<number | undefined>
  list(): AsyncIterable<{ readonly sha: string; readonly size: number; readonly modifiedAt: number }>
  /** Takes the name away; the bytes can be restored until the trash is emptied. */
  toTrash(sha: string): Promise<boolean>
  restore(sha: string): Promise<boolean>
  /** Drops what was thrown away before this instant (ms); answers how many. */
  emptyTrash(before: number): Promise<number>
}

/** Bytes read from disk at once: large enough that the disk and the socket, not the calls, are the limit. */
const readAtOnce = 512 * 1024

/** Opens the folder (made when absent); leftovers of uploads that a crash cut off are removed. */
export async function createObjectBytes({ folder }: { folder: string }): Promise<ObjectBytes> {
  const incoming = join(folder, 'incoming')
  const trash = join(folder, 'trash')
  await rm(incoming, { recursive: true, force: true })
  for (const path of [folder, incoming, trash]) await mkdir(path, { recursive: true, mode: 0o700 })
  const made = new Set<string>()
  const pathOf = (sha: string): string => join(folder, sha.slice(0, 2), sha.slice(2, 4), sha)

  return {
    async write(sha, size, source) {
      const unnamed = join(incoming, `${sha.slice(0, 12)}-${randomBytes(8).toString('hex')}`)
      const file = await open(unnamed, 'wx', 0o600)
      let got = 0
      try {
        const hash = createHash('sha256')
        try {
          for await (const bytes of source) {
            got += bytes.length
            if (got > size) return refuse({ kind: 'too-long', wanted: size, got })
            hash.update(bytes)
            await writeWhole(file, bytes)
          }
          if (got < size) return refuse({ kind: 'too-short', wanted: size, got })
          const digest = hash.digest('hex')
          if (digest !== sha) return refuse({ kind: 'wrong-hash', wanted: sha, got: digest })
          await file.sync()
        } catch (error) {
          if (isFull(error)) return refuse({ kind: 'disk-full', wanted: size, got })
          throw error
        }
        const path = pathOf(sha)
        await makeFolders(path)
        await rename(unnamed, path)
        await syncFolder(dirname(path))
        return ok(undefined)
      } finally {
        await file.close()
        await rm(unnamed, { force: true })
      }
    },

    async open(sha, range) {
      const path = pathOf(sha)
      const file = await open(path, 'r').catch(absent)
      if (!file) return undefined
      const { size } = await file.stat()
      const stream = createReadStream(path, { fd: file, highWaterMark: readAtOnce, ...range })
      return { size, stream }
    },

    async stat(sha) {
      return (await stat(pathOf(sha)).catch(absent))?.size
    },

    async *list() {
      for await (const path of filesBelow(folder, 2)) {
        const sha = path.slice(path.lastIndexOf('/') + 1)
        const found = await stat(path).catch(absent)
        if (found && /^[0-9a-f]{64}$/.test(sha)) yield { sha, size: found.size, modifiedAt: found.mtimeMs }
      }
    },

    toTrash: (sha) => moved(pathOf(sha), join(trash, sha)),

    async restore(sha) {
      await makeFolders(pathOf(sha))
      return moved(join(trash, sha), pathOf(sha))
    },

    async emptyTrash(before) {
      let dropped = 0
      for await (const path of filesBelow(trash, 0)) {
        const found = await stat(path).catch(absent)
        // What is thrown away keeps its times but the one of the change of its name.
        if (!found || found.ctimeMs >= before) continue
        await rm(path, { force: true })
        dropped += 1
      }
      return dropped
    },
  }

  async function makeFolders(path: string): Promise<void> {
    const inner = dirname(path)
    if (made.has(inner)) return
    await mkdir(inner, { recursive: true, mode: 0o700 })
    await syncFolder(dirname(inner))
    await syncFolder(folder)
    made.add(inner)
  }
}

async function writeWhole(file: Awaited<ReturnType<typeof open>>, bytes: Uint8Array): Promise<void> {
  for (let from = 0; from < bytes.length; ) from += (await file.write(bytes, from)).bytesWritten
}

async function moved(from: string, to: string): Promise<boolean> {
  try {
    await rename(from, to)
  } catch (error) {
    return absent(error) !== undefined
  }
  await syncFolder(dirname(from))
  await syncFolder(dirname(to))
  return true
}

async function* filesBelow(folder: string, depth: number): AsyncIterable<string> {
  for await (const entry of await opendir(folder)) {
    const path = `${folder}/${entry.name}`
    if (entry.isFile() && depth === 0) yield path
    else if (entry.isDirectory() && depth > 0 && /^[0-9a-f]{2}$/.test(entry.name))
      yield* filesBelow(path, depth - 1)
  }
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r')
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined
}

function isFull(error: unknown): boolean {
  return ['ENOSPC', 'EDQUOT'].includes(String(codeOf(error)))
}

function absent(error: unknown): undefined {
  if (codeOf(error) !== 'ENOENT') throw error
  return undefined
}
