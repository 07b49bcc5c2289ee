/** Bytes of objects in memory, for tests and simulations: the same promises as on disk, but for surviving the process. */
import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import { Defect, ObjectSha, ok, refuse } from '@waymark/domain'
import type { ObjectBytes } from './object-bytes.ts'

/** `now` is the clock (ms); beyond `roomBytes` writes are refused with `disk-full`. */
export function createMemoryObjectBytes(
  now: () => number = Date.now,
  roomBytes: number = Number.POSITIVE_INFINITY,
): ObjectBytes {
  const files = new Map<string, { bytes: Buffer; modifiedAt: number }>()
  const trash = new Map<string, { bytes: Buffer; modifiedAt: number; thrownAt: number }>()
  const used = () => [...files.values(), ...trash.values()].reduce((sum, { bytes }) => sum + bytes.length, 0)
  return {
    async write(sha, size, source) {
      named(sha)
      const pieces: Uint8Array[] = []
      let got = 0
      for await (const piece of source) {
        if (got + piece.length > size)
          return refuse({ kind: 'too-long', wanted: size, got: got + piece.length })
        if (used() + got + piece.length > roomBytes) return refuse({ kind: 'disk-full', wanted: size, got })
        got += piece.length
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
      named(sha)
      const held = files.get(sha)?.bytes
      if (!held) return undefined
      const part = range ? held.subarray(Math.max(range.start, 0), Math.max(range.end + 1, 0)) : held
      return {
        size: held.length,
        stream: Readable.from(part.length === 0 ? [] : [part], { objectMode: false }),
        pieces: async (take) => {
          if (part.length > 0) await take(part)
        },
      }
    },
    async stat(sha) {
      named(sha)
      return files.get(sha)?.bytes.length
    },
    async *list() {
      for (const [sha, { bytes, modifiedAt }] of files) yield { sha, size: bytes.length, modifiedAt }
    },
    async toTrash(sha) {
      named(sha)
      const held = files.get(sha)
      if (!held) return false
      trash.set(sha, { ...held, thrownAt: now() })
      return files.delete(sha)
    },
    async restore(sha) {
      named(sha)
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

function named(sha: string): void {
  if (ObjectSha.parse(sha) === undefined)
    throw new Defect(`an object named ${JSON.stringify(sha.slice(0, 80))}`)
}
