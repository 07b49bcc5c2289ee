/**
 * The objects this device has, by their sha256: each file is whole and checked, or it is not there.
 *
 * Bytes grow under `objects/partial/` and take their name only after size and hash agree and the disk has
 * them for good. What is reused is hashed again first, since a file may rot or be written over through one
 * of its hard links; what no longer matches is removed. Nothing here holds a file in memory.
 */
import { createHash, type Hash } from 'node:crypto'
import { folderOf, makeFolderDurably } from './durable.ts'
import type { Bytes, Disk } from './ports.ts'

const partialFolder = 'objects/partial'

/** Where an object lies. */
export const objectPath = (sha: string): string => `objects/${sha.slice(0, 2)}/${sha}`

const partialPath = (sha: string): string => `${partialFolder}/${sha}`

/** What became of the bytes handed over. */
export type Stored =
  | { readonly kind: 'stored' }
  | { readonly kind: 'short'; readonly have: number }
  | { readonly kind: 'corrupt'; readonly got: string }

/** Hashes bytes and counts them. */
export async function digest(bytes: Bytes): Promise<{ sha: string; size: number }> {
  const hash = createHash('sha256')
  let size = 0
  for await (const part of bytes) {
    hash.update(part)
    size += part.length
  }
  return { sha: hash.digest('hex'), size }
}

/** The pool on one disk. */
export interface Pool {
  /** True when the object is here and its bytes still hash to its name; a rotten one is removed. */
  holds(sha: string): Promise<boolean>
  /** Bytes of it that an earlier download left. */
  partialBytes(sha: string): Promise<number>
  discardPartial(sha: string): Promise<void>
  /** Adds bytes from `from` on; keeps what came when the source breaks off, and says so by rejecting. */
  add(
    object: { readonly sha: string; readonly size: number },
    from: number,
    bytes: Bytes,
    onBytes: (count: number) => void,
  ): Promise<Stored>
}

/** Makes the pool of a disk. */
export function createPool(disk: Disk): Pool {
  async function open(sha: string, size: number, from: number) {
    await makeFolderDurably(disk, partialFolder)
    const have = from === 0 ? 0 : ((await disk.stat(partialPath(sha)))?.size ?? 0)
    if (have !== from) throw new Error(`object ${sha}: ${have} bytes on disk, resumed at ${from} of ${size}`)
    const hash = createHash('sha256')
    if (from > 0) for await (const part of disk.read(partialPath(sha))) hash.update(part)
    return { hash, file: await disk.open(partialPath(sha), { append: from > 0 }) }
  }

  async function conclude(sha: string, hash: Hash): Promise<Stored> {
    const got = hash.digest('hex')
    if (got !== sha) {
      await disk.remove(partialPath(sha))
      return { kind: 'corrupt', got }
    }
    const path = objectPath(sha)
    await disk.makeReadOnly(partialPath(sha))
    await makeFolderDurably(disk, folderOf(path))
    await disk.rename(partialPath(sha), path)
    await disk.syncFolder(folderOf(path))
    return { kind: 'stored' }
  }

  return {
    async holds(sha) {
      const path = objectPath(sha)
      if ((await disk.stat(path))?.kind !== 'file') return false
      if ((await digest(disk.read(path))).sha === sha) return true
      await disk.remove(path)
      return false
    },
    async partialBytes(sha) {
      return (await disk.stat(partialPath(sha)))?.size ?? 0
    },
    discardPartial: (sha) => disk.remove(partialPath(sha)),
    async add({ sha, size }, from, bytes, onBytes) {
      const { hash, file } = await open(sha, size, from)
      let have = from
      let tooLong = false
      try {
        if (have < size)
          for await (const part of bytes) {
            if (have + part.length > size) {
              tooLong = true
              break
            }
            await file.write(part)
            hash.update(part)
            have += part.length
            onBytes(part.length)
          }
        if (have === size && !tooLong) await file.sync()
      } finally {
        await file.close()
      }
      if (tooLong) {
        await disk.remove(partialPath(sha))
        return { kind: 'corrupt', got: `more than ${size} bytes` }
      }
      return have < size ? { kind: 'short', have } : conclude(sha, hash)
    },
  }
}
