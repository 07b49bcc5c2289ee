/**
 * The body of a request, piece by piece, for those who may stop before its end.
 *
 * Node destroys the connection of a request whose reading is broken off, and with it the answer that was to say why.
 * Here the rest is let go by instead, so that whoever is still sending can read what we have to say; there is an end to
 * that, too.
 */
import type { Readable } from 'node:stream'
import { movedBytes } from './sweep-young.ts'

/** Bytes that are read only to be thrown away; behind them the connection is cut. */
const letGoMax = 64 * 2 ** 20

/** The bytes of the stream. When the reader stops early, what still comes is dropped, up to `most` bytes. */
export function bodyOf(stream: Readable, most = letGoMax): AsyncIterable<Uint8Array> {
  const pieces: AsyncIterator<Uint8Array> = stream.iterator({ destroyOnReturn: false })
  return {
    [Symbol.asyncIterator]: () => ({
      async next() {
        const piece = await pieces.next()
        if (!piece.done) movedBytes(piece.value.length)
        return piece
      },
      async return() {
        await pieces.return?.()
        if (!stream.readableEnded && !stream.destroyed) letGo(stream, most)
        return { done: true, value: undefined }
      },
    }),
  }
}

function letGo(stream: Readable, most: number): void {
  let left = most
  stream.on('data', (bytes: Uint8Array) => {
    left -= bytes.length
    if (left < 0) stream.destroy()
  })
  // The sender hung up: there is nobody left to tell.
  stream.on('error', () => {})
  stream.resume()
}
