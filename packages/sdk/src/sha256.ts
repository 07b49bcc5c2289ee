/**
 * SHA-256 piece by piece (FIPS 180-4). The browsers' own digest wants all bytes at once, which an image of gigabytes
 * does not allow; where a platform has a faster one (Node.js does), it is handed to `createFleet` instead.
 */
import { hexOf } from './outside.ts'

/** A digest in the making. */
export interface Hash {
  update(bytes: Uint8Array): void
  /** The digest in lower-case hex digits. Called once, at the end. */
  hex(): string
}

export function createSha256(): Hash {
  const state = Uint32Array.from(initial)
  const block = new Uint8Array(64)
  const words = new Uint32Array(64)
  let held = 0
  let total = 0

  function update(bytes: Uint8Array): void {
    total += bytes.length
    let at = 0
    if (held > 0) {
      at = Math.min(64 - held, bytes.length)
      block.set(bytes.subarray(0, at), held)
      held += at
      if (held < 64) return
      compress(state, words, block, 0)
      held = 0
    }
    for (; at + 64 <= bytes.length; at += 64) compress(state, words, bytes, at)
    block.set(bytes.subarray(at))
    held = bytes.length - at
  }

  function hex(): string {
    const bits = BigInt(total) * 8n
    const padding = new Uint8Array(held < 56 ? 64 - held : 128 - held)
    padding[0] = 0x80
    new DataView(padding.buffer).setBigUint64(padding.length - 8, bits)
    update(padding)
    const digest = new Uint8Array(32)
    const view = new DataView(digest.buffer)
    for (const [i, word] of state.entries()) view.setUint32(i * 4, word)
    return hexOf(digest)
  }

  return { update, hex }
}

/** Fractional parts of the square roots of the first eight primes (5.3.3), and of the cube roots of 64 (4.2.2). */
const initial = roots(8, (prime) => prime ** (1 / 2))
const constants = roots(64, Math.cbrt)

/** The first 32 bits behind the point of a root of each of the first so many primes. */
function roots(count: number, root: (prime: number) => number): Uint32Array {
  const found = new Uint32Array(count)
  let filled = 0
  for (let candidate = 2; filled < count; candidate++) {
    let prime = true
    for (let divisor = 2; divisor * divisor <= candidate; divisor++)
      if (candidate % divisor === 0) prime = false
    if (prime) found[filled++] = (root(candidate) % 1) * 2 ** 32
  }
  return found
}

function compress(state: Uint32Array, w: Uint32Array, bytes: Uint8Array, at: number): void {
  for (let i = 0; i < 16; i++) {
    const j = at + i * 4
    w[i] =
      (byte(bytes, j) << 24) | (byte(bytes, j + 1) << 16) | (byte(bytes, j + 2) << 8) | byte(bytes, j + 3)
  }
  for (let i = 16; i < 64; i++) {
    const x = word(w, i - 15)
    const y = word(w, i - 2)
    const s0 = turn(x, 7) ^ turn(x, 18) ^ (x >>> 3)
    const s1 = turn(y, 17) ^ turn(y, 19) ^ (y >>> 10)
    w[i] = (word(w, i - 16) + s0 + word(w, i - 7) + s1) | 0
  }
  let a = word(state, 0)
  let b = word(state, 1)
  let c = word(state, 2)
  let d = word(state, 3)
  let e = word(state, 4)
  let f = word(state, 5)
  let g = word(state, 6)
  let h = word(state, 7)
  for (let i = 0; i < 64; i++) {
    const s1 = turn(e, 6) ^ turn(e, 11) ^ turn(e, 25)
    const t1 = (h + s1 + ((e & f) ^ (~e & g)) + word(constants, i) + word(w, i)) | 0
    const s0 = turn(a, 2) ^ turn(a, 13) ^ turn(a, 22)
    const t2 = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0
    h = g
    g = f
    f = e
    e = (d + t1) | 0
    d = c
    c = b
    b = a
    a = (t1 + t2) | 0
  }
  state[0] = word(state, 0) + a
  state[1] = word(state, 1) + b
  state[2] = word(state, 2) + c
  state[3] = word(state, 3) + d
  state[4] = word(state, 4) + e
  state[5] = word(state, 5) + f
  state[6] = word(state, 6) + g
  state[7] = word(state, 7) + h
}

const turn = (x: number, by: number): number => (x >>> by) | (x << (32 - by))
// Indices are within bounds by construction; the zero is for the type alone.
const word = (words: Uint32Array, i: number): number => words[i] ?? 0
const byte = (bytes: Uint8Array, i: number): number => bytes[i] ?? 0
