/**
 * The bytes of objects: files named by their sha256, in folders `ab/cd/`.
 *
 * Bytes appear under their name only after size and hash agreed and the disk has them: they are written to `incoming/`
 * on the same file system while they are hashed, synced, renamed, and the folder synced. Memory stays constant: one
 * piece of the source at a time. Deletion has two phases, so that a collector of unreferenced objects can be wrong for
 * a while without harm: `toTrash` hides, `restore` brings back, `emptyTrash` deletes what has lain there long enough.
 *
 * Knows no tenant, no quota and no database; who may see which bytes is decided elsewhere.
 */
import { createHash, randomUUID } from 'node:crypto'
import {
  type FileHandle,
  mkdir,
  open,
  opendir,
  readdir,
  rename,
  rm,
  stat,
  unlink,
  utimes,
} from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { Readable } from 'node:stream'
import { Defect, ObjectSha, ok, type Result, refuse } from '@waymark/domain'
import { messageOf, StoreError } from './errors.ts'

/** Why bytes were not taken. Sizes in bytes. */
export type BytesRefusal =
  | { readonly kind: 'too-short' | 'too-long'; readonly wanted: number; readonly got: number }
  | { readonly kind: 'wrong-hash'; readonly wanted: string; readonly got: string }
  /** No room left: `wanted` bytes, `got` of them came. */
  | { readonly kind: 'disk-full'; readonly wanted: number; readonly got: number }

/** An open object: read it in one of the two ways, once. */
export interface OpenedBytes {
  /** The size of the whole object. */
  readonly size: number
  /** Made at the first look. */
  readonly stream: Readable
  /** Hands out the bytes in pieces of two buffers: a piece may be overwritten once `take` has resolved. */
  readonly pieces: (take: (piece: Uint8Array) => Promise<void>) => Promise<void>
}

export interface ObjectBytes {
  /**
   * Takes exactly `size` bytes whose sha256 is `sha` (64 lower-case hex digits, else a defect); answers after they are
   * on disk under that name. Stops reading as soon as there are too many. What the source throws is thrown. A source may
   * use a piece again once it is asked for the next.
   */
  write(
    sha: string,
    size: number,
    source: AsyncIterable<Uint8Array>,
  ): Promise<Result<undefined, BytesRefusal>>
  /** The bytes, or a range of them (`end` inclusive, both cut to the size); undefined when there are none. */
  open(
    sha: string,
    range?: { readonly start: number; readonly end: number },
  ): Promise<OpenedBytes | undefined>
  /** The size, when the bytes are there. */
  stat(sha: string): Promise<number | undefined>
  /** Everything that can be opened, in no order, with the time it was written (ms). */
  list(): AsyncIterable<{ readonly sha: string; readonly size: number; readonly modifiedAt: number }>
  /** Hides the bytes as of now; answers whether there were any. */
  toTrash(sha: string): Promise<boolean>
  /** Brings them back as they were; answers whether they were in the trash. */
  restore(sha: string): Promise<boolean>
  /**
   * Drops for good what was thrown away before this instant (ms); answers how many. Uploads that nobody has written to
   * since then go with it: their process died.
   */
  emptyTrash(before: number): Promise<number>
}

export interface ObjectBytesOptions {
  /** Made when missing. `incoming/` and `trash/` inside are ours. */
  readonly folder: string
  /**
   * Whether other processes write to the folder too: then only uploads that have lain still for an hour are taken for
   * those of a dead process. Default: the folder is ours alone.
   */
  readonly shared?: boolean
  /** The clock, milliseconds since 1970: when bytes were written, and when they came into the trash. */
  readonly now?: () => number
}

/** Longer than any upload that is still alive may lie still. */
const abandonedAfterMs = 3600_000

/** Opens a folder of objects, removing what crashed uploads left. */
export async function createObjectBytes(options: ObjectBytesOptions): Promise<ObjectBytes> {
  const { folder, shared = false, now = Date.now } = options
  const incoming = join(folder, 'incoming')
  try {
    if (!shared) await rm(incoming, { recursive: true, force: true })
    await mkdir(incoming, { recursive: true, mode: 0o700 })
    await mkdir(join(folder, 'trash'), { recursive: true, mode: 0o700 })
    await removeAbandoned(incoming, now() - abandonedAfterMs)
  } catch (cause) {
    throw new StoreError('io', `objects in ${folder}: ${messageOf(cause)}`, cause)
  }
  return new ObjectFiles(folder, now)
}

/** Pieces are gathered to about this size before they are written. */
const pieceBytes = 512 * 1024

class ObjectFiles implements ObjectBytes {
  readonly #folder: string
  readonly #now: () => number
  readonly #made = new Set<string>()
  /** Before the names of our uploads: no neighbour's are called the same. */
  readonly #own = randomUUID()
  #incoming = 0

  constructor(folder: string, now: () => number) {
    this.#folder = folder
    this.#now = now
  }

  async write(
    sha: string,
    size: number,
    source: AsyncIterable<Uint8Array>,
  ): Promise<Result<undefined, BytesRefusal>> {
    const path = this.#path(sha)
    const incoming = join(this.#folder, 'incoming', `${this.#own}-${++this.#incoming}`)
    let file: FileHandle | undefined
    const progress = { got: 0 }
    try {
      file = await open(incoming, 'wx', 0o600)
      const refusal = await receive(file, { sha, size, source, progress })
      if (refusal !== undefined) return refuse(refusal)
      const seconds = this.#now() / 1000
      await file.utimes(seconds, seconds)
      await file.sync()
      await file.close()
      file = undefined
      await this.#publish(incoming, path)
      return ok(undefined)
    } catch (error) {
      if (isFull(error)) return refuse({ kind: 'disk-full', wanted: size, got: progress.got })
      throw error
    } finally {
      await file?.close().catch(() => {})
      await rm(incoming, { force: true }).catch(() => {})
    }
  }

  async open(sha: string, range?: { readonly start: number; readonly end: number }) {
    const file = await present(open(this.#path(sha), 'r'))
    if (file === undefined) return undefined
    try {
      const { size } = await file.stat()
      const start = Math.max(range?.start ?? 0, 0)
      const end = Math.min(range?.end ?? size - 1, size - 1)
      if (start <= end) return openedFile(file, { size, start, end })
      await file.close()
      return { size, stream: Readable.from([], { objectMode: false }), pieces: async () => {} }
    } catch (error) {
      await file.close().catch(() => {})
      throw error
    }
  }

  async stat(sha: string): Promise<number | undefined> {
    return (await present(stat(this.#path(sha))))?.size
  }

  async *list() {
    for (const first of await hexFolders(this.#folder))
      for (const second of await hexFolders(join(this.#folder, first))) {
        const folder = await present(opendir(join(this.#folder, first, second)))
        if (folder === undefined) continue
        for await (const { name } of folder) {
          if (ObjectSha.parse(name) === undefined) continue
          const found = await present(stat(join(this.#folder, first, second, name)))
          if (found !== undefined) yield { sha: name, size: found.size, modifiedAt: found.mtimeMs }
        }
      }
  }

  async toTrash(sha: string): Promise<boolean> {
    const path = this.#path(sha)
    const found = await present(stat(path))
    if (found === undefined) return false
    // The time of the last reading, which means nothing here, says when it came; the time of writing stays.
    await present(utimes(path, this.#now() / 1000, found.mtimeMs / 1000))
    const moved = await present(rename(path, join(this.#folder, 'trash', sha)).then(() => true))
    return moved === true
  }

  async restore(sha: string): Promise<boolean> {
    const trash = join(this.#folder, 'trash', sha)
    const path = this.#path(sha)
    if ((await present(stat(trash))) === undefined) return false
    return (await present(this.#publish(trash, path).then(() => true))) === true
  }

  async emptyTrash(before: number): Promise<number> {
    let gone = 0
    for (const name of await readdir(join(this.#folder, 'trash'))) {
      const path = join(this.#folder, 'trash', name)
      const found = await present(stat(path))
      if (found === undefined || found.atimeMs >= before) continue
      if ((await present(unlink(path).then(() => true))) === true) gone++
    }
    await removeAbandoned(join(this.#folder, 'incoming'), before)
    return gone
  }

  /** Gives a complete, synced file its name, and makes the name itself durable. */
  async #publish(from: string, path: string): Promise<void> {
    const second = dirname(path)
    if (!this.#made.has(second)) {
      await mkdir(second, { recursive: true, mode: 0o700 })
      await syncFolder(dirname(second))
      await syncFolder(this.#folder)
      this.#made.add(second)
    }
    await rename(from, path)
    await syncFolder(second)
  }

  #path(sha: string): string {
    if (ObjectSha.parse(sha) === undefined)
      throw new Defect(`an object named ${JSON.stringify(sha.slice(0, 80))}`)
    return join(this.#folder, sha.slice(0, 2), sha.slice(2, 4), sha)
  }
}

/**
 * Hashes exactly what is written: the source's pieces are copied into two buffers of our own, hashed there as they come,
 * and one buffer is on its way to the disk while the other is filled.
 */
async function receive(
  file: FileHandle,
  wanted: {
    readonly sha: string
    readonly size: number
    readonly source: AsyncIterable<Uint8Array>
    readonly progress: { got: number }
  },
): Promise<BytesRefusal | undefined> {
  const { sha, size, source, progress } = wanted
  const hash = createHash('sha256')
  let [filling, other] = [Buffer.allocUnsafe(pieceBytes), Buffer.allocUnsafe(pieceBytes)]
  let filled = 0
  let writing: Promise<void> = Promise.resolve()
  const send = async () => {
    const piece = filling.subarray(0, filled)
    await writing
    writing = writeWhole(file, piece).then(() => {
      progress.got += piece.length
    })
    // Told where it is awaited; until then it must not count as unseen.
    writing.catch(() => {})
    ;[filling, other] = [other, filling]
    filled = 0
  }
  let got = 0
  for await (const bytes of source) {
    got += bytes.length
    if (got > size) return { kind: 'too-long', wanted: size, got }
    for (let from = 0; from < bytes.length; ) {
      const part = bytes.subarray(from, from + pieceBytes - filled)
      filling.set(part, filled)
      hash.update(filling.subarray(filled, filled + part.length))
      filled += part.length
      from += part.length
      if (filled === pieceBytes) await send()
    }
  }
  await send()
  await writing
  if (got < size) return { kind: 'too-short', wanted: size, got }
  const hashed = hash.digest('hex')
  return hashed === sha ? undefined : { kind: 'wrong-hash', wanted: sha, got: hashed }
}

function openedFile(
  file: FileHandle,
  { size, start, end }: { size: number; start: number; end: number },
): OpenedBytes {
  let stream: Readable | undefined
  return {
    size,
    get stream() {
      stream ??= file.createReadStream({ start, end, highWaterMark: pieceBytes })
      return stream
    },
    async pieces(take) {
      try {
        let [reading, taken] = [Buffer.allocUnsafe(pieceBytes), Buffer.allocUnsafe(pieceBytes)]
        const read = async (into: Buffer, at: number) =>
          into.subarray(0, (await file.read(into, 0, Math.min(into.length, end + 1 - at), at)).bytesRead)
        let at = start
        let next = read(reading, at)
        while (at <= end) {
          const piece = await next
          if (piece.length === 0) throw new Error(`the object ends at ${at}, wanted ${end + 1} bytes`)
          at += piece.length
          ;[reading, taken] = [taken, reading]
          if (at <= end) next = read(reading, at)
          // Told where it is awaited; until then it must not count as unseen.
          next.catch(() => {})
          await take(piece)
        }
      } finally {
        await file.close()
      }
    },
  }
}

async function writeWhole(file: FileHandle, piece: Uint8Array): Promise<void> {
  for (let from = 0; from < piece.length; ) from += (await file.write(piece, from)).bytesWritten
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** Removes uploads that were last written to before this instant (ms). */
async function removeAbandoned(incoming: string, before: number): Promise<void> {
  for (const name of await readdir(incoming)) {
    const path = join(incoming, name)
    const found = await present(stat(path))
    if (found !== undefined && found.mtimeMs < before) await present(unlink(path))
  }
}

/** The answer, or undefined where there is no such file. */
async function present<A>(answer: Promise<A>): Promise<A | undefined> {
  try {
    return await answer
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined
    throw error
  }
}

async function hexFolders(folder: string): Promise<string[]> {
  const names = (await present(readdir(folder))) ?? []
  return names.filter((name) => /^[0-9a-f]{2}$/.test(name))
}

function isFull(error: unknown): boolean {
  return ['ENOSPC', 'EDQUOT', 'EFBIG'].includes(codeOf(error))
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : ''
}
