/** The thread that makes tokens of payloads. It imports nothing but the platform. */
import { createHash } from 'node:crypto'
import { parentPort } from 'node:worker_threads'

/** A payload, and the salts under which it is sealed, one behind the other. */
export interface SealOrder {
  readonly id: number
  readonly payload: Uint8Array
  readonly salts: Uint8Array
  readonly count: number
}

/** The tokens, one behind the other. */
export interface Sealed {
  readonly id: number
  readonly tokens: Uint8Array
}

const tokenBytes = 4

const port = parentPort
port?.on('message', ({ id, payload, salts, count }: SealOrder) => {
  const tokens = new Uint8Array(count * tokenBytes)
  const length = salts.length / count
  for (let at = 0; at < count; at++) {
    const digest = createHash('sha1')
      .update(salts.subarray(at * length, (at + 1) * length))
      .update(payload)
      .digest()
    tokens.set(digest.subarray(digest.length - tokenBytes), at * tokenBytes)
  }
  const sealed: Sealed = { id, tokens }
  port.postMessage(sealed)
})
