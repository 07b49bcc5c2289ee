/**
 * Keys, challenges and tokens: how the two ends prove who they are, and that nobody else speaks on the connection.
 *
 * Both ends know two keys of eight bytes, the device's and the server's, and each draws one challenge of four bytes for
 * the whole connection. The token of a payload is the last four bytes of SHA-1 over the sender's key, the sender's
 * challenge and the payload. Four bytes are a weak check and can be replayed within a connection; whoever needs more
 * puts TLS beneath. Comparing takes the same time wherever two tokens differ.
 */
import { createHash, hash } from 'node:crypto'

export const keyBytes = 8
export const challengeBytes = 4
export const tokenBytes = 4

/** Length and token stand before the payload of a frame. */
const lengthBytes = 4
const saltBytes = keyBytes + challengeBytes

/** Above this, copying a payload behind the key costs more than feeding the hash twice. */
export const longPayload = 8 * 1024

/** The eight bytes of a key that is kept as a number: highest byte first. `RangeError` outside 0 … 2⁶⁴−1. */
export function keyOf(value: number | bigint): Uint8Array {
  const wide = BigInt(value)
  if (wide < 0n || wide >= 1n << 64n || (typeof value === 'number' && !Number.isSafeInteger(value)))
    throw new RangeError(
      `key: wanted a whole number from 0 to 2^64-1 (exact: a bigint beyond 2^53), got another`,
    )
  const key = new Uint8Array(keyBytes)
  new DataView(key.buffer).setBigUint64(0, wide)
  return key
}

/** One sender's key and challenge, ready to seal its payloads and to check them. */
export class Seal {
  readonly #salt = new Uint8Array(saltBytes)

  /** Eight bytes of key and four of challenge; anything else is a defect of the caller (`RangeError`). */
  constructor(key: Uint8Array, challenge: Uint8Array) {
    if (key.length !== keyBytes) throw new RangeError(`key: wanted ${keyBytes} bytes, got ${key.length}`)
    if (challenge.length !== challengeBytes)
      throw new RangeError(`challenge: wanted ${challengeBytes} bytes, got ${challenge.length}`)
    this.#salt.set(key)
    this.#salt.set(challenge, keyBytes)
  }

  /** A whole data frame: length, token, payload. */
  frame(payload: Uint8Array): Uint8Array {
    // Key and challenge stand where length and token will: the hash is taken of one piece, and nothing is copied twice.
    const bytes = Buffer.allocUnsafe(saltBytes + payload.length)
    bytes.set(this.#salt)
    bytes.set(payload, saltBytes)
    const digest = digestOf(bytes)
    const start = saltBytes - lengthBytes - tokenBytes
    putLength(bytes, start, tokenBytes + payload.length)
    for (let i = 0; i < tokenBytes; i++)
      bytes[start + lengthBytes + i] = digest.charCodeAt(digest.length - tokenBytes + i)
    // It was cut from a pool, where nothing of the key is to stay.
    bytes.fill(0, 0, start)
    return bytes.subarray(start)
  }

  /** Key and challenge: what stands before a payload when its token is made. As secret as the key. */
  get salt(): Uint8Array {
    return this.#salt
  }

  /**
   * What stands before a payload in its frame: length and token. The payload itself is left where it is; its token may
   * have been made elsewhere.
   */
  head(payload: Uint8Array, token = this.token(payload)): Uint8Array {
    const head = new Uint8Array(lengthBytes + tokenBytes)
    putLength(head, 0, tokenBytes + payload.length)
    head.set(token, lengthBytes)
    return head
  }

  /** A whole frame of the handshake: length, challenge, token, identity. */
  hello(identity: Uint8Array): Uint8Array {
    const bytes = new Uint8Array(lengthBytes + challengeBytes + tokenBytes + identity.length)
    putLength(bytes, 0, bytes.length - lengthBytes)
    bytes.set(this.#salt.subarray(keyBytes), lengthBytes)
    bytes.set(this.token(identity), lengthBytes + challengeBytes)
    bytes.set(identity, lengthBytes + challengeBytes + tokenBytes)
    return bytes
  }

  /** The four bytes that vouch for a payload. */
  token(payload: Uint8Array): Uint8Array {
    const digest = this.#digest(payload)
    const from = digest.length - tokenBytes
    return Uint8Array.from({ length: tokenBytes }, (_, i) => digest.charCodeAt(from + i))
  }

  /** Whether `body`, a token and what follows, was sealed by this one. Takes the same time wherever they differ. */
  vouchesFor(body: Uint8Array): boolean {
    if (body.length < tokenBytes) return false
    const digest = this.#digest(body.subarray(tokenBytes))
    const from = digest.length - tokenBytes
    let differs = 0
    for (let i = 0; i < tokenBytes; i++) differs |= digest.charCodeAt(from + i) ^ (body[i] ?? 0)
    return differs === 0
  }

  #digest(payload: Uint8Array): string {
    if (payload.length > longPayload)
      return createHash('sha1').update(this.#salt).update(payload).digest('binary')
    hashed.set(this.#salt)
    hashed.set(payload, saltBytes)
    return digestOf(hashed.subarray(0, saltBytes + payload.length))
  }
}

/** What is being hashed; nothing else happens meanwhile. */
const hashed = new Uint8Array(saltBytes + longPayload)

/** A character for each byte: short texts are cheaper to have than buffers. */
function digestOf(bytes: Uint8Array): string {
  return hash('sha1', bytes, 'binary')
}

function putLength(bytes: Uint8Array, at: number, length: number): void {
  bytes[at] = length >>> 24
  bytes[at + 1] = length >>> 16
  bytes[at + 2] = length >>> 8
  bytes[at + 3] = length
}
