/**
 * Parts of images, read once for many devices.
 *
 * When a package goes to a group, a thousand devices want the same parts within moments. A part that was read is kept for a
 * while and handed to whoever asks for it next; all of them share its bytes, which nobody changes. What is kept is bounded
 * in bytes; the part that nobody has asked for the longest goes first.
 */
import type { ObjectBytes } from '@waymark/store'

/** Bytes of parts that are kept. */
const keptMax = 16 * 1024 * 1024

export interface ImageBytes {
  /**
   * Bytes of an image from an offset on, as many as there are of `length`. The same array may be given to others: it is
   * not to be changed. Rejects where the image is not there or cannot be read.
   */
  read(sha: string, offset: number, length: number): Promise<Uint8Array>
}

export function createImageReader(bytes: Pick<ObjectBytes, 'open'>, bytesMax = keptMax): ImageBytes {
  const parts = new Map<string, { readonly bytes: Promise<Uint8Array>; readonly length: number }>()
  let kept = 0

  function forget(key: string): void {
    const part = parts.get(key)
    if (!part) return
    parts.delete(key)
    kept -= part.length
  }

  return {
    read(sha, offset, length) {
      const key = `${sha} ${offset} ${length}`
      const held = parts.get(key)
      if (held) {
        // Asked for again: the last to go.
        parts.delete(key)
        parts.set(key, held)
        return held.bytes
      }
      const reading = readPart(bytes, sha, offset, length)
      if (length > bytesMax) return reading
      parts.set(key, { bytes: reading, length })
      kept += length
      reading.catch(() => forget(key))
      for (const oldest of parts.keys()) {
        if (kept <= bytesMax) break
        forget(oldest)
      }
      return reading
    },
  }
}

async function readPart(
  bytes: Pick<ObjectBytes, 'open'>,
  sha: string,
  offset: number,
  length: number,
): Promise<Uint8Array> {
  const opened = await bytes.open(sha, { start: offset, end: offset + length - 1 })
  if (!opened) throw new Error(`the image ${sha} is not there`)
  // Copied: what a stream hands out may lie in a buffer that it uses again.
  const parts: Uint8Array[] = []
  for await (const part of opened.stream) parts.push(Uint8Array.from(part))
  return parts.length === 1 && parts[0] ? parts[0] : Buffer.concat(parts)
}
