/**
 * Keeps the memory of long uploads flat.
 *
 * Node.js hands every 64 KiB of a body over as a new buffer, whose bytes lie outside the heap; the collector counts them
 * late and lets some sixty megabytes stand. Whoever moves gigabytes asks for a small collection now and then instead:
 * well under a millisecond for every four megabytes.
 */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

const sweepEveryBytes = 4 * 2 ** 20

type Collect = (options: { type: 'minor' }) => void
let collect: Collect | undefined
let moved = 0

/** Tells of bytes that have been moved and are no longer needed. */
export function movedBytes(count: number): void {
  moved += count
  if (moved < sweepEveryBytes) return
  moved = 0
  if (collect === undefined) {
    setFlagsFromString('--expose-gc')
    collect = runInNewContext('gc') as Collect
  }
  collect({ type: 'minor' })
}
