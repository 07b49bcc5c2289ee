/**
 * BERP, BERT-RPC's framing: each message is one term behind its length. Bytes in, terms out, and back.
 *
 * A frame whose bytes are no term spoils only itself: BERT-RPC answers it with a protocol error and goes on, so it is
 * handed out as `undecodable` in its place among the others. A frame that is too long breaks the stream for good.
 */
import { type DecodeOptions, decodeSettings, decodeWith } from './decode.ts'
import { type EncodeOptions, encodeSettings, encodeWith } from './encode.ts'
import { createFrameReader } from './frames.ts'
import { attempt, type Refusal } from './refusal.ts'
import type { Term } from './term.ts'

export type BerpEvent =
  | { readonly kind: 'term'; readonly term: Term }
  | { readonly kind: 'undecodable'; readonly refusal: Refusal; readonly frame: Uint8Array }
  /** Comes last, and once: whatever is fed afterwards brings nothing. */
  | { readonly kind: 'broken'; readonly refusal: Refusal }

export type BerpReader = {
  /** Takes the next bytes of the stream, in pieces of any size, and gives what has become whole. */
  feed(chunk: Uint8Array): BerpEvent[]
  /** The stream has ended: a refusal if that was inside a frame, or if the stream was broken before. */
  end(): Refusal | undefined
}

/** A reader of framed terms; `limits.bytes` (16 MiB by default) also bounds the frame. */
export function createBerpReader(options: DecodeOptions = {}): BerpReader {
  const settings = decodeSettings(options)
  const reader = createFrameReader({ mostBytes: settings.limits.bytes })
  let told = false

  function read(frame: Uint8Array): BerpEvent {
    const outcome = attempt(() => decodeWith(frame, settings))
    return outcome.ok
      ? { kind: 'term', term: outcome.value }
      : { kind: 'undecodable', refusal: outcome.refusal, frame }
  }

  return {
    feed(chunk) {
      const { frames, broken } = reader.feed(chunk)
      if (frames.length === 0 && broken === undefined) return []
      const events = frames.map(read)
      if (broken !== undefined && !told) {
        told = true
        events.push({ kind: 'broken', refusal: broken })
      }
      return events
    },
    end: reader.end,
  }
}

/** The bytes of one framed term. Throws `TermRefused` as `encode` does. */
export function encodeBerp(term: Term, options: EncodeOptions = {}): Uint8Array {
  const bytes = encodeWith(term, encodeSettings(options), 4)
  new DataView(bytes.buffer).setUint32(0, bytes.length - 4)
  return bytes
}
