/**
 * Objects up and down: bytes that are named by their sha256. They pass through in pieces, so that their size does not
 * matter; what breaks off goes on where it stopped; and nothing is called whole before size and sha256 agree.
 */
import { FleetFault, FleetProblem } from './errors.ts'
import { type Exchange, Interrupted } from './exchange.ts'
import type { StoredObject } from './generated/operations.ts'
import { type Outside, sleep } from './outside.ts'
import { backoff, type RetryPolicy } from './retry.ts'
import type { Hash } from './sha256.ts'

/** How far a transfer is. `hashing` reads the bytes to learn their name, `sending` and `receiving` move them. */
export interface TransferProgress {
  readonly stage: 'hashing' | 'sending' | 'receiving' | 'done'
  readonly bytes: number
  readonly total: number
}

export interface PutOptions {
  readonly name?: string | undefined
  readonly mimeType?: string | undefined
  /** When it is known already: the first pass is left out. */
  readonly sha256?: string | undefined
  readonly onProgress?: ((progress: TransferProgress) => void) | undefined
  readonly signal?: AbortSignal | undefined
}

export interface GetOptions {
  /** Bytes that are here from an earlier try: they are read for the sha256 and not asked for again. */
  readonly held?: AsyncIterable<Uint8Array> | undefined
  readonly onProgress?: ((progress: TransferProgress) => void) | undefined
  readonly signal?: AbortSignal | undefined
}

export interface ObjectNeeds {
  readonly exchange: Exchange
  readonly outside: Outside
  readonly retry: RetryPolicy
  readonly createHash: () => Hash
  /** Whether a request with a stream for its body may say its length. */
  readonly streams: boolean
  readonly path: (id: 'putObject' | 'getObject', asked: Record<string, string | undefined>) => string
  readonly info: (sha256: string, signal?: AbortSignal) => Promise<StoredObject>
}

/**
 * Stores bytes, unless they are stored already. A `Blob` may be a file (`File` in a browser, `fs.openAsBlob` in
 * Node.js); it is read twice, and once more for each further try.
 */
export async function putObject(needs: ObjectNeeds, blob: Blob, options: PutOptions): Promise<StoredObject> {
  const { exchange } = needs
  const { name, mimeType, signal, onProgress } = options
  const sha256 = options.sha256 ?? (await nameOf(needs, blob, options))
  const stored = await storedAlready(needs, sha256, signal)
  if (stored) {
    onProgress?.({ stage: 'done', bytes: blob.size, total: blob.size })
    return stored
  }
  const counted = (): ReadableStream<Uint8Array> =>
    countedStream(blob, (bytes) => onProgress?.({ stage: 'sending', bytes, total: blob.size }))
  const answer = await exchange.json({
    method: 'PUT',
    path: needs.path('putObject', { sha256, name, mimeType }),
    headers: {
      'content-type': 'application/octet-stream',
      ...(needs.streams ? { 'content-length': String(blob.size) } : {}),
    },
    // A whole Blob says its length by itself, but nobody hears how far it is.
    body: needs.streams ? counted : () => blob,
    mayRepeat: true,
    signal,
    // However long the bytes take: silence is the server's to judge, which sees them arrive.
    patienceMs: 0,
  })
  onProgress?.({ stage: 'done', bytes: blob.size, total: blob.size })
  return answer as StoredObject
}

/** The sha256 of bytes, read once from end to end. */
async function nameOf(needs: ObjectNeeds, blob: Blob, { onProgress, signal }: PutOptions): Promise<string> {
  const hash = needs.createHash()
  let bytes = 0
  const reader = blob.stream().getReader()
  for (;;) {
    signal?.throwIfAborted()
    const { done, value } = await reader.read()
    if (done) return hash.hex()
    hash.update(value)
    bytes += value.byteLength
    onProgress?.({ stage: 'hashing', bytes, total: blob.size })
  }
}

async function storedAlready(
  needs: ObjectNeeds,
  sha256: string,
  signal: AbortSignal | undefined,
): Promise<StoredObject | undefined> {
  try {
    const held = await needs.info(sha256, signal)
    return held.stored ? held : undefined
  } catch (error) {
    if (error instanceof FleetProblem && error.status === 404) return undefined
    throw error
  }
}

function countedStream(blob: Blob, passed: (bytes: number) => void): ReadableStream<Uint8Array> {
  let bytes = 0
  return blob.stream().pipeThrough(
    new TransformStream<Uint8Array, Uint8Array>({
      transform(piece, controller) {
        bytes += piece.byteLength
        controller.enqueue(piece)
        passed(bytes)
      },
    }),
  )
}

/**
 * Whether a request may say its own length here, as Node.js lets it: then a stream can be sent, and counted as it goes
 * out. A browser takes that header away.
 */
export function lengthIsOurs(): boolean {
  const headers = { 'content-length': '1' }
  return new Request('http://localhost/', { method: 'PUT', headers, body: 'x' }).headers.has('content-length')
}

/**
 * The bytes of an object, in pieces. They are whole only when the iteration ends without an error: only then has their
 * sha256 been seen to agree.
 */
export async function* getObject(
  needs: ObjectNeeds,
  sha256: string,
  { held, onProgress, signal }: GetOptions,
): AsyncGenerator<Uint8Array, void, undefined> {
  const { outside, retry } = needs
  const { size: total } = await needs.info(sha256, signal)
  const hash = needs.createHash()
  let bytes = 0
  if (held)
    for await (const piece of held) {
      hash.update(piece)
      bytes += piece.byteLength
    }
  for (let failures = 0; bytes < total; ) {
    try {
      for await (const piece of from(bytes)) {
        failures = 0
        hash.update(piece)
        bytes += piece.byteLength
        if (bytes > total) break
        onProgress?.({ stage: 'receiving', bytes, total })
        yield piece
      }
      if (bytes < total) throw new Interrupted(`the body ended at ${bytes} of ${total} bytes`)
    } catch (error) {
      failures += 1
      if (!(error instanceof Interrupted)) throw error
      if (failures >= retry.attempts) {
        const facts = {
          thing: `object ${sha256}`,
          wanted: `${total} bytes`,
          got: `${bytes}: ${error.message}`,
        }
        throw new FleetFault('unreachable', facts, { cause: error })
      }
      await sleep(
        outside,
        backoff(failures, () => outside.random(), retry),
        signal,
      )
    }
  }
  if (bytes !== total)
    throw wrongBytes({ thing: `object ${sha256}`, wanted: `${total} bytes`, got: `${bytes} bytes or more` })
  const got = hash.hex()
  if (got !== sha256) throw wrongBytes({ thing: `object ${sha256}`, wanted: sha256, got: `sha256 ${got}` })
  onProgress?.({ stage: 'done', bytes, total })

  /** The bytes from an offset on, also from a server that answers the whole. */
  async function* from(start: number): AsyncGenerator<Uint8Array, void, undefined> {
    const answer = await needs.exchange.send({
      method: 'GET',
      path: needs.path('getObject', { sha256 }),
      headers: { accept: '*/*', ...(start === 0 ? {} : { range: `bytes=${start}-` }) },
      mayRepeat: true,
      signal,
    })
    const range = answer.headers.get('content-range')
    if (answer.status === 206 && !range?.startsWith(`bytes ${start}-`))
      throw new FleetFault('unexpected-answer', {
        thing: `object ${sha256}`,
        wanted: `bytes from ${start} on`,
        got: range ?? 'a part without its range',
      })
    let skip = answer.status === 206 ? 0 : start
    for await (const piece of answer.pieces()) {
      const rest = piece.subarray(Math.min(skip, piece.byteLength))
      skip -= piece.byteLength - rest.byteLength
      if (rest.byteLength > 0) yield rest
    }
  }
}

function wrongBytes(facts: { thing: string; wanted: string; got: string }): FleetFault {
  return new FleetFault('wrong-bytes', facts)
}
