/** Bytes of objects in memory, for tests and simulations: the same promises as on disk, but for surviving the process. */
import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import { ok, refuse } from '@waymark/domain'
import type { ObjectBytes } from './object-bytes.ts'

export function createMemoryObjectBytes(now: () => number = Date.now): ObjectBytes {
  const files = new Map<string, { bytes: Buffer; modifiedAt: number }>()
  const trash = new Map<string, { bytes: Buffer; modifiedAt: number; thrownAt: number }>()
  return {
    async write(sha, size, source) {
      const pieces: Uint8Array[] = []
      let got = 0
      for await (const piece of source) {
        got += piece.length
        if (got > size) return refuse({ kind: 'too-long', wanted: size, got })
        pieces.push(Uint8Array.from(piece))
      }
      if (got < size) return refuse({ kind: 'too-short', wanted: size, got })
      const bytes = Buffer.concat(pieces)
      const digest = createHash('sha256').update(bytes).digest('hex')
      if (digest !== sha) return refuse({ kind: 'wrong-hash', wanted: sha, got: digest })
      files.set(sha, { bytes, modifiedAt: now() })
      return ok(undefined)
    },
    async open(sha, range) {
      const held = files.get(sha)?.bytes
      if (!held) return undefined
      const part = range ? held.subarray(range.start, range.end + 1) : held
      return {
        size: held.length,
        stream: Readable.from(part.length === 0 ? [] : [part], { objectMode: false }),
      }
    },
    async stat(sha) {
      return files.get(sha)?.bytes.length
    },
    async *list() {
      for (const [sha, { bytes, modifiedAt }] of files) yield { sha, size: bytes.length, modifiedAt }
    },
    async toTrash(sha) {
      const held = files.get(sha)
      if (!held) return false
      trash.set(sha, { ...held, thrownAt: now() })
      return files.delete(sha)
    },
    async restore(sha) {
      const held = trash.get(sha)
      if (!held) return false
      files.set(sha, { bytes: held.bytes, modifiedAt: held.modifiedAt })
      return trash.delete(sha)
    },
    async emptyTrash(before) {
      const old = [...trash].filter(([, { thrownAt }]) => thrownAt < before)
      for (const [sha] of old) trash.delete(sha)
      return old.length
    },
  }
}
