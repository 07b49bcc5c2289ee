/**
 * UTF-8 and Latin-1, strictly: bytes that are no text are refused or reported, never repaired.
 */
import { Buffer } from 'node:buffer'

const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

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

/** Up to this many bytes a loop is quicker than the runtime's converter. */
const loopBytes = 24

/** The text whose code points are the bytes `start` to `end`. */
export function latin1Text(bytes: Uint8Array, start: number, end: number): string {
  if (end - start > loopBytes)
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
