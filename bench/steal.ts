/**
 * When the machine was not ours: a virtual machine's host may give its processors to others for a while, and whatever is
 * measured then measures those. Linux counts that time (`steal` in /proc/stat); elsewhere nothing is known of it.
 */

import { readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'

const sliceMs = 250
/** Of the processors' time in one slice. */
const shareMost = 0.01
/** What waited meanwhile is served within this time. */
const afterMs = 1000

export interface StealWatch {
  /** Whether the processors were ours all the time from one moment to another (`performance.now()`). */
  wasCalm(from: number, until: number): boolean
  stop(): void
}

/** Looks at the count every quarter of a second. */
export function watchSteal(): StealWatch {
  const stolen: { from: number; until: number }[] = []
  let last = { at: performance.now(), ms: stolenMs() }
  const look = () => {
    const now = { at: performance.now(), ms: stolenMs() }
    if (now.ms - last.ms > (now.at - last.at) * availableParallelism() * shareMost)
      stolen.push({ from: last.at, until: now.at + afterMs })
    last = now
  }
  const timer = setInterval(look, sliceMs)
  return {
    wasCalm: (from, until) => !stolen.some((slice) => from < slice.until && until > slice.from),
    stop() {
      look()
      clearInterval(timer)
    },
  }
}

function stolenMs(): number {
  try {
    const ticks = readFileSync('/proc/stat', 'utf8').split('\n', 1)[0]?.trim().split(/\s+/)[8]
    return Number(ticks ?? 0) * 10
  } catch {
    return 0
  }
}
