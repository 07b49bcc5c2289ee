/**
 * Objects that come in through the control socket.
 *
 * Bytes go into a file of their own, and into the pool by a rename once their sha256 agrees; nothing is held in memory.
 * Until a state names it, an object that came in is kept by a *pin*: a small state of its own that the collector reads
 * like any other. The pin is written before the object has its name, so that no collector sees the one without the other.
 */
import { createHash } from 'node:crypto'
import { stateSpecs } from '@waymark/pantahub'
import { folderOf, makeFolderDurably, writeDurably } from '../durable.ts'
import { objectPath, type Pool } from '../pool.ts'
import type { Bytes, Clock, Disk } from '../ports.ts'
import { asObject, isSha } from '../wire.ts'

const pinsPath = 'states/uploads.json'
const folder = 'control/uploads'

/** `atOnce` uploads at a time; `pins` kept, the oldest gone first. */
export const uploadLimits = { atOnce: 8, pins: 4096, pinMs: 24 * 3_600_000 }

export type Upload =
  | { readonly kind: 'stored' }
  | { readonly kind: 'bad-checksum'; readonly got: string }
  | { readonly kind: 'no-space' }
  | { readonly kind: 'busy' }

export interface Uploads {
  /** Clears what an earlier run left half-way. */
  open(): Promise<void>
  /** Stores bytes under `sha`; `length` is what was announced, when it was. Rejects when the bytes break off. */
  put(sha: string, length: number | undefined, bytes: Bytes): Promise<Upload>
  /** Lets go of objects that came in longer ago than this. Milliseconds. */
  release(olderMs: number): Promise<void>
}

export function createUploads(disk: Disk, pool: Pool, clock: Clock, spareBytes: number): Uploads {
  /** By sha, the time it came. */
  const pins = new Map<string, number>()
  let underWay = 0
  let count = 0
  let writing: Promise<void> | undefined
  let waiting: Promise<void> | undefined

  async function writePins(): Promise<void> {
    const state = Object.fromEntries([...pins].map(([sha, at]) => [`uploaded/${at}/${sha}`, sha]))
    await writeDurably(disk, pinsPath, `${JSON.stringify({ '#spec': stateSpecs[0], ...state })}\n`)
  }

  /** One write at a time; all who ask during one share the next. */
  function keepPins(): Promise<void> {
    if (!writing) {
      writing = writePins().finally(() => {
        writing = undefined
      })
      return writing
    }
    waiting ??= writing
      .catch(() => undefined)
      .then(() => {
        waiting = undefined
        return keepPins()
      })
    return waiting
  }

  async function pin(sha: string): Promise<void> {
    pins.delete(sha)
    pins.set(sha, clock.now())
    for (const oldest of pins.keys()) {
      if (pins.size <= uploadLimits.pins) break
      pins.delete(oldest)
    }
    await keepPins()
  }

  async function receive(sha: string, bytes: Bytes, path: string): Promise<Upload> {
    const hash = createHash('sha256')
    const file = await disk.open(path)
    try {
      for await (const part of bytes) {
        hash.update(part)
        await file.write(part)
      }
      await file.sync()
    } finally {
      await file.close()
    }
    const got = hash.digest('hex')
    if (got !== sha) return { kind: 'bad-checksum', got }
    await pin(sha)
    const target = objectPath(sha)
    await disk.makeReadOnly(path)
    await makeFolderDurably(disk, folderOf(target))
    await disk.rename(path, target)
    await disk.syncFolder(folderOf(target))
    return { kind: 'stored' }
  }

  return {
    async open() {
      await disk.remove(folder)
      const raw = asObject(parsed((await disk.readText(pinsPath)) ?? ''))
      for (const [path, sha] of Object.entries(raw ?? {})) {
        const at = Number(path.split('/')[1])
        if (isSha(sha) && Number.isFinite(at)) pins.set(sha, at)
      }
    },
    async put(sha, length, bytes) {
      if (underWay >= uploadLimits.atOnce) return { kind: 'busy' }
      underWay++
      const path = `${folder}/${++count}`
      try {
        if (await pool.holds(sha)) {
          await pin(sha)
          for await (const _ of bytes);
          return { kind: 'stored' }
        }
        if ((length ?? 0) + spareBytes > (await disk.freeBytes())) return { kind: 'no-space' }
        await makeFolderDurably(disk, folder)
        return await receive(sha, bytes, path)
      } catch (cause) {
        if (cause instanceof Error && 'code' in cause && (cause.code === 'ENOSPC' || cause.code === 'EDQUOT'))
          return { kind: 'no-space' }
        throw cause
      } finally {
        underWay--
        await disk.remove(path).catch(() => undefined)
      }
    },
    async release(olderMs) {
      const until = clock.now() - olderMs
      const before = pins.size
      for (const [sha, at] of pins) if (at < until) pins.delete(sha)
      if (pins.size < before) await keepPins()
    },
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
