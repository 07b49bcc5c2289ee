/**
 * One thread of a copy of many objects: reads a piece, hashes it, writes it. While the disk takes a whole object in, the
 * next one is hashed. It asks for an order, carries it out, and asks again; an empty one ends it once all is on disk.
 *
 * Runs as a thread of its own, so it imports nothing but the platform.
 */
import { createHash } from 'node:crypto'
import { closeSync, fsync, openSync, readSync, writeSync } from 'node:fs'
import { parentPort, workerData } from 'node:worker_threads'

/** What to copy: from where in the file, and whereto. */
export type CopyOrder = readonly {
  readonly sha: string
  readonly size: number
  readonly at: number
  readonly path: string
}[]

export type CopyAnswer =
  | { readonly kind: 'next' }
  | {
      readonly kind: 'failed'
      readonly sha: string
      readonly why:
        | { readonly kind: 'too-short'; readonly wanted: number; readonly got: number }
        | { readonly kind: 'wrong-hash'; readonly wanted: string; readonly got: string }
        | {
            readonly kind: 'io'
            readonly code: string
            readonly message: string
            readonly wanted: number
            readonly got: number
          }
    }

/** Small enough to stay in the processor's own memory between reading, hashing and writing. */
const pieceBytes = 128 * 1024
/** Files that wait for the disk at once. */
const syncingMax = 16

const port = parentPort
if (port === null) throw new Error('wanted to run as a thread')
const { from, flags } = workerData as { readonly from: string; readonly flags: number }
const source = openSync(from, 'r')
const piece = Buffer.allocUnsafeSlow(pieceBytes)
const say = (answer: CopyAnswer) => port.postMessage(answer)

let syncing = 0
let wake: () => void = () => {}
let failed = false

port.on('message', async (order: CopyOrder) => {
  for (const one of order) {
    if (failed) break
    while (syncing >= syncingMax) await fewer()
    copy(one)
  }
  if (order.length > 0) return say({ kind: 'next' })
  while (syncing > 0) await fewer()
  closeSync(source)
  port.close()
})
say({ kind: 'next' })

function fewer(): Promise<void> {
  return new Promise((resolve) => {
    wake = resolve
  })
}

function fail(answer: Extract<CopyAnswer, { readonly kind: 'failed' }>): void {
  failed = true
  say(answer)
}

function copy({ sha, size, at, path }: CopyOrder[number]): void {
  const hash = createHash('sha256')
  let got = 0
  let file: number | undefined
  const io = (error: unknown) => {
    const code = error instanceof Error && 'code' in error ? String(error.code) : ''
    const message = error instanceof Error ? error.message : String(error)
    fail({ kind: 'failed', sha, why: { kind: 'io', code, message, wanted: size, got } })
  }
  try {
    file = openSync(path, flags, 0o600)
    while (got < size) {
      const read = readSync(source, piece, 0, Math.min(pieceBytes, size - got), at + got)
      if (read === 0) break
      hash.update(read === pieceBytes ? piece : piece.subarray(0, read))
      for (let from = 0; from < read; ) from += writeSync(file, piece, from, read - from)
      got += read
    }
    if (got < size) fail({ kind: 'failed', sha, why: { kind: 'too-short', wanted: size, got } })
    else {
      const hashed = hash.digest('hex')
      if (hashed !== sha) fail({ kind: 'failed', sha, why: { kind: 'wrong-hash', wanted: sha, got: hashed } })
    }
  } catch (error) {
    io(error)
  }
  if (file === undefined) return
  const open = file
  if (failed) {
    closeSync(open)
    return
  }
  syncing += 1
  fsync(open, (error) => {
    closeSync(open)
    if (error) io(error)
    syncing -= 1
    wake()
  })
}
