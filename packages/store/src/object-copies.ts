/**
 * Bytes of many objects at once, out of one file: what a restore does.
 *
 * An upload is written beside its place and renamed, since others look meanwhile. Here nobody looks until all is done,
 * so each object is written where it stays, hashed on the way, by as many threads as there are processors: hashing is
 * what takes longest. An object counts when its file and, at the end, the folders are on disk; the disk is set to
 * work while the next objects are hashed. What fails ends the whole, and `undo` leaves the folder without any of them.
 */
import { constants } from 'node:fs'
import { mkdir, open, rm } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { dirname, join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { Defect, ObjectSha, ok, type Result, refuse } from '@waymark/domain'
import { messageOf, StoreError } from './errors.ts'
import type { BytesRefusal } from './object-bytes.ts'
import type { CopyAnswer, CopyOrder } from './object-copy-worker.ts'

/** Where an object lies in the file. */
export interface ObjectPlace {
  /** 64 lower-case hex digits, else a defect. */
  readonly sha: string
  readonly size: number
  /** Of its first byte, from the file's start. */
  readonly at: number
}

export type CopyRefusal = BytesRefusal & { readonly sha: string }

export interface ObjectCopies {
  /**
   * Copies all of them, and answers when they are on disk; or at the first that is not what its name says. Throws what
   * the file system says, as a StoreError. Call it once.
   */
  copy(places: readonly ObjectPlace[]): Promise<Result<undefined, CopyRefusal>>
  /** Ends a copy that is under way, and removes every object, the others' too: the folder was empty before. */
  undo(): Promise<void>
}

/** An order of small objects is about so large, so that threads are not asked for each. */
const orderBytes = 4 * 1024 * 1024
const orderMax = 256
const threadsMax = 8

/** Copies out of `from` into a folder that holds no objects and that nobody else has open. */
export function createObjectCopies(of: {
  readonly from: string
  readonly folder: string
  readonly threads?: number
}): ObjectCopies {
  const threads = Math.max(1, Math.min(of.threads ?? availableParallelism(), threadsMax))
  let stopped = false
  let running: Promise<unknown> = Promise.resolve()
  return {
    copy(places) {
      const copying = copyAll(of, threads, places, () => stopped)
      running = copying.catch(() => {})
      return copying
    },
    async undo() {
      stopped = true
      await running
      for (let first = 0; first < 256; first++)
        await rm(join(of.folder, first.toString(16).padStart(2, '0')), { recursive: true, force: true })
      await syncFolder(of.folder)
    },
  }
}

async function copyAll(
  { from, folder }: { readonly from: string; readonly folder: string },
  threads: number,
  places: readonly ObjectPlace[],
  stopped: () => boolean,
): Promise<Result<undefined, CopyRefusal>> {
  if (places.length === 0) return ok(undefined)
  try {
    const folders = await makeFolders(folder, places)
    const orders = ordersOf(folder, places)
    let failed: Extract<CopyAnswer, { readonly kind: 'failed' }> | undefined
    const next = () => (failed || stopped() ? undefined : orders.next().value)
    const one = () =>
      runThread(from, next, (answer) => {
        failed ??= answer
      })
    await Promise.all(Array.from({ length: threads }, one))
    if (failed !== undefined) return refusalOf(failed)
    for (const made of folders) await syncFolder(made)
    return ok(undefined)
  } catch (cause) {
    if (cause instanceof StoreError || cause instanceof Defect) throw cause
    throw new StoreError('io', `objects in ${folder}: ${messageOf(cause)}`, cause)
  }
}

/** The folders of these objects, deepest first, as they have to be synced. */
async function makeFolders(folder: string, places: readonly ObjectPlace[]): Promise<readonly string[]> {
  const leaves = new Set<string>()
  for (const { sha } of places) {
    if (ObjectSha.parse(sha) === undefined)
      throw new Defect(`an object named ${JSON.stringify(sha.slice(0, 80))}`)
    leaves.add(dirname(pathOf(folder, sha)))
  }
  for (const leaf of leaves) await mkdir(leaf, { recursive: true, mode: 0o700 })
  return [...leaves, ...new Set([...leaves].map((leaf) => dirname(leaf))), folder]
}

function pathOf(folder: string, sha: string): string {
  return join(folder, sha.slice(0, 2), sha.slice(2, 4), sha)
}

function* ordersOf(folder: string, places: readonly ObjectPlace[]): Generator<CopyOrder, undefined> {
  let order: CopyOrder[number][] = []
  let bytes = 0
  for (const place of places) {
    order.push({ ...place, path: pathOf(folder, place.sha) })
    bytes += place.size
    if (bytes < orderBytes && order.length < orderMax) continue
    yield order
    order = []
    bytes = 0
  }
  if (order.length > 0) yield order
  return undefined
}

/** One thread, from its start to its end: it asks for orders until there are none. */
function runThread(
  from: string,
  next: () => CopyOrder | undefined,
  failed: (answer: Extract<CopyAnswer, { readonly kind: 'failed' }>) => void,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const end = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
    const worker = new Worker(new URL(`./object-copy-worker.${end}`, import.meta.url), {
      workerData: { from, flags: constants.O_CREAT | constants.O_EXCL | constants.O_WRONLY },
    })
    worker.on('message', (answer: CopyAnswer) => {
      if (answer.kind === 'failed') failed(answer)
      // Nothing more: the thread syncs what it has written, and ends.
      else worker.postMessage(next() ?? [])
    })
    worker.on('error', reject)
    worker.on('exit', () => resolve())
  })
}

function refusalOf(failed: Extract<CopyAnswer, { readonly kind: 'failed' }>): Result<never, CopyRefusal> {
  const { sha, why } = failed
  if (why.kind !== 'io') return refuse({ sha, ...why })
  if (['ENOSPC', 'EDQUOT', 'EFBIG'].includes(why.code))
    return refuse({ sha, kind: 'disk-full', wanted: why.wanted, got: why.got })
  throw new StoreError('io', `object ${sha}: ${why.message}`)
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r')
  await folder.sync().finally(() => folder.close())
}
