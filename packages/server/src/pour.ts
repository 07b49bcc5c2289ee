/** Bytes into an answer, from buffers that are used again: a download of gigabytes leaves no garbage behind. */
import type { ServerResponse } from 'node:http'

/** Hands out pieces one after another; each may be overwritten once `take` has resolved. */
export type Pieces = (take: (piece: Uint8Array) => Promise<void>) => Promise<void>

/** Writes all pieces and ends the answer. A caller that hangs up ends it too: there is nobody left to tell. */
export async function pour(pieces: Pieces, answer: ServerResponse): Promise<void> {
  try {
    await pieces((piece) => written(answer, piece))
    answer.end()
  } catch {
    answer.destroy()
  }
}

/** Resolves when the system has taken the bytes. */
function written(answer: ServerResponse, piece: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    const gone = () => reject(new Error('the caller hung up'))
    answer.once('close', gone)
    answer.write(piece, (error) => {
      answer.off('close', gone)
      if (error) reject(error)
      else resolve()
    })
  })
}
