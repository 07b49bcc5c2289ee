/**
 * Frames of a length and so many bytes (BERP's packets, and Erlang's `{packet, 4}`): bytes in, whole frames out.
 *
 * No socket here: whoever has one feeds what it read, in pieces of any size, and takes what has become complete.
 * A frame that is too long is a fact about the peer, not about one message: the reader says so once and takes nothing
 * more. An unfinished frame is kept in a buffer that grows with what arrived, never with what was announced.
 */
import type { Refusal } from './refusal.ts'

/** What feeding bytes brought: whole frames, and after them perhaps the reason why there will be no more. */
export type Frames = { readonly frames: readonly Uint8Array[]; readonly broken: Refusal | undefined }

export type FrameReader = {
  /** Takes the next bytes of the stream. Frames are copies: the chunk may be used again. */
  feed(chunk: Uint8Array): Frames
  /** The stream has ended: a refusal if that was inside a frame. */
  end(): Refusal | undefined
}

const headBytes = 4

/** What most pieces of a long frame bring. */
const nothingYet: Frames = { frames: [], broken: undefined }

/** The bytes of one frame: a 32-bit length, highest byte first, and the body. */
export function frame(body: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(headBytes + body.length)
  new DataView(bytes.buffer).setUint32(0, body.length)
  bytes.set(body, headBytes)
  return bytes
}

/** A reader of frames of at most `mostBytes` bytes each. Holds at most twice what an unfinished frame has brought. */
export function createFrameReader({ mostBytes }: { mostBytes: number }): FrameReader {
  let pending = new Uint8Array(0)
  let held = 0
  let broken: Refusal | undefined

  /** Adds bytes to the unfinished frame until it holds `wanted`; says where in the chunk it stopped. */
  function hold(chunk: Uint8Array, from: number, wanted: number): number {
    const to = Math.min(chunk.length, from + wanted - held)
    const total = held + to - from
    if (total > pending.length) {
      const room = new Uint8Array(Math.max(total, Math.min(2 * pending.length, headBytes + mostBytes), 64))
      room.set(pending.subarray(0, held))
      pending = room
    }
    pending.set(chunk.subarray(from, to), held)
    held = total
    return to
  }

  /** How many bytes must be held before anything more is known. */
  function missingTo(): number {
    return held < headBytes ? headBytes : headBytes + u32(pending)
  }

  function feed(chunk: Uint8Array): Frames {
    // A piece that fits into what is waited for anyway needs nothing decided.
    if (broken === undefined && held + chunk.length < missingTo() && held + chunk.length <= pending.length) {
      pending.set(chunk, held)
      held += chunk.length
      return nothingYet
    }
    const frames: Uint8Array[] = []
    let at = 0
    while (broken === undefined && at < chunk.length) {
      if (held < headBytes) at = hold(chunk, at, headBytes)
      if (held < headBytes) break
      const length = u32(pending)
      if (length > mostBytes) {
        broken = { kind: 'too-large', thing: 'frame', wanted: `at most ${mostBytes} bytes`, got: `${length}` }
        pending = new Uint8Array(0)
        break
      }
      if (held === headBytes && chunk.length - at >= length) {
        frames.push(Uint8Array.prototype.slice.call(plain(chunk), at, at + length))
        at += length
        held = 0
        continue
      }
      at = hold(chunk, at, headBytes + length)
      if (held < headBytes + length) break
      frames.push(pending.slice(headBytes, held))
      held = 0
      if (pending.length > 65536) pending = new Uint8Array(0)
    }
    return { frames, broken }
  }

  function end(): Refusal | undefined {
    if (broken !== undefined) return broken
    if (held === 0) return undefined
    const wanted = missingTo()
    return { kind: 'truncated', thing: 'frame', wanted: `${wanted} bytes`, got: `${held}` }
  }

  return { feed, end }
}

/** A Buffer's slices are Buffers on the same memory. */
function plain(bytes: Uint8Array): Uint8Array {
  return bytes.constructor === Uint8Array
    ? bytes
    : new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

function u32(bytes: Uint8Array): number {
  return (bytes[0] ?? 0) * 0x1000000 + (bytes[1] ?? 0) * 0x10000 + (bytes[2] ?? 0) * 0x100 + (bytes[3] ?? 0)
}
