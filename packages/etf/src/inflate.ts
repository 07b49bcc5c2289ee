/**
 * Compressed terms, bounded twice: the size a message claims is held against the limits before anything is
 * inflated, and inflating stops at the claimed size, so that a stream which goes on costs no more than it said.
 */
import { deflateSync, inflateSync } from 'node:zlib'
import type { Limits } from './limits.ts'
import { refuse } from './refusal.ts'

/** A compressed message may always inflate to this many bytes, whatever its ratio. */
const freeBytes = 64 * 1024

/** Inflates the zlib stream at the start of `bytes` to exactly `claimed` bytes; `used` counts the stream's own bytes. */
export function inflate(
  bytes: Uint8Array,
  claimed: number,
  limits: Limits,
  at: number,
): { bytes: Uint8Array; used: number } {
  const allowed = Math.min(limits.inflatedBytes, Math.max(freeBytes, bytes.length * limits.inflateRatio))
  if (claimed > allowed)
    refuse('too-large', 'compressed term', `at most ${allowed} bytes inside`, `${claimed}`, at)
  if (claimed === 0) refuse('malformed', 'compressed term', 'a term inside', 'nothing', at)
  const { inflated, used } = inflateBounded(bytes, claimed, at)
  if (inflated.length !== claimed)
    refuse('bad-compression', 'compressed term', `${claimed} bytes as it claims`, `${inflated.length}`, at)
  return { bytes: new Uint8Array(inflated.buffer, inflated.byteOffset, inflated.byteLength), used }
}

/** zlib's form of `bytes`, at a level from 0 to 9. */
export function deflate(bytes: Uint8Array, level: number): Uint8Array {
  return deflateSync(bytes, { level })
}

function inflateBounded(bytes: Uint8Array, most: number, at: number): { inflated: Uint8Array; used: number } {
  try {
    // With `info` the result says how much of its input the stream took; the declared type does not know.
    const found: unknown = inflateSync(bytes, { maxOutputLength: most, info: true })
    const { buffer, engine } = found as { buffer: Uint8Array; engine: { bytesWritten: number } }
    return { inflated: buffer, used: engine.bytesWritten }
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown'
    const got = code === 'ERR_BUFFER_TOO_LARGE' ? 'more' : code
    return refuse('bad-compression', 'compressed term', `a zlib stream of ${most} bytes`, got, at)
  }
}
