/**
 * UTF-8 and Latin-1, strictly: bytes that are no text are refused or reported, never repaired.
 *
 * Short texts (names of atoms, keys) are by far the most frequent and are read byte by byte while they are
 * ASCII; calling into the runtime's converter costs more than a short loop.
 */
import { Buffer } from 'node:buffer'

const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Up to this many bytes `asciiText` is quicker than the runtime's converter. */
export const shortText = 20

/** The text that the UTF-8 in bytes `start` to `end` spells, or undefined if it is not UTF-8. */
export function utf8Text(bytes: Buffer, start: number, end: number): string | undefined {
  const text = bytes.toString('utf8', start, end)
  // The quick converter puts U+FFFD for what it cannot read, so a text without any was all UTF-8.
  if (!text.includes('\ufffd')) return text
  try {
    return strict.decode(bytes.subarray(start, end))
  } catch {
    return undefined
  }
}

/** The text whose code points are the bytes `start` to `end`. */
export function latin1Text(bytes: Uint8Array, start: number, end: number): string {
  if (end - start > shortText)
    return Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString('latin1')
  let text = ''
  for (let at = start; at < end; at++) text += String.fromCharCode(bytes[at] as number)
  return text
}

/** Is every character below U+0100? */
export function isLatin1(text: string): boolean {
  for (let at = 0; at < text.length; at++) if (text.charCodeAt(at) > 255) return false
  return true
}

/** How many code points a well-formed text has: what OTP counts when it limits atoms to 255 characters. */
export function characters(text: string): number {
  if (text.length <= 255) return text.length
  let count = 0
  for (const _ of text) count++
  return count
}

/** The text of bytes that are all below 128, else undefined; eight at a time: measured, a call per byte takes twice as long. */
export function asciiText(bytes: Uint8Array, start: number, end: number): string | undefined {
  let text = ''
  let at = start
  for (; at + 8 <= end; at += 8) {
    const a = bytes[at] as number
    const b = bytes[at + 1] as number
    const c = bytes[at + 2] as number
    const d = bytes[at + 3] as number
    const e = bytes[at + 4] as number
    const f = bytes[at + 5] as number
    const g = bytes[at + 6] as number
    const h = bytes[at + 7] as number
    if ((a | b | c | d | e | f | g | h) > 127) return undefined
    text += String.fromCharCode(a, b, c, d, e, f, g, h)
  }
  if (at + 4 <= end) {
    const a = bytes[at] as number
    const b = bytes[at + 1] as number
    const c = bytes[at + 2] as number
    const d = bytes[at + 3] as number
    if ((a | b | c | d) > 127) return undefined
    text += String.fromCharCode(a, b, c, d)
    at += 4
  }
  switch (end - at) {
    case 3: {
      const a = bytes[at] as number
      const b = bytes[at + 1] as number
      const c = bytes[at + 2] as number
      return (a | b | c) > 127 ? undefined : text + String.fromCharCode(a, b, c)
    }
    case 2: {
      const a = bytes[at] as number
      const b = bytes[at + 1] as number
      return (a | b) > 127 ? undefined : text + String.fromCharCode(a, b)
    }
    case 1: {
      const a = bytes[at] as number
      return a > 127 ? undefined : text + String.fromCharCode(a)
    }
    default:
      return text
  }
}
