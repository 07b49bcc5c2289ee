/**
 * When the machine was not ours: a virtual machine's host may give its processors to others for a while, and whatever is
 * measured then measures those. Linux counts most of that time (`steal` in /proc/stat); the rest shows as a timer of this
 * process that comes late, and a load generator that stood still itself has nothing to say about whom it was to ask.
 */
import { readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'

const sliceMs = 250
/** Of the processors' time in one slice. */
const shareMost = 0.01
const timerMs = 5
const lateMost = 10
/** At half load, what waited meanwhile is served within this time: of a stall that is known, and of one that is only counted. */
const afterStalls = 3
const afterStealMs = 1000

export interface CalmWatch {
  /** Whether nothing held us up from one moment to another (`performance.now()`). */
  wasCalm(from: number, until: number): boolean
  stop(): void
}

/** Looks at the count and at its own timer. */
export function watchCalm(): CalmWatch {
  const lost: { from: number; until: number }[] = []
  const lose = (from: number, until: number) => {
    const last = lost.at(-1)
    if (last !== undefined && last.until >= from) last.until = Math.max(last.until, until)
    else lost.push({ from, until })
  }
  let looked = { at: performance.now(), stolen: stolenMs() }
  let ticked = looked.at
  const look = () => {
    const now = performance.now()
    if (now - ticked > timerMs + lateMost) lose(ticked, now + (now - ticked) * afterStalls)
    ticked = now
    if (now - looked.at < sliceMs) return
    const stolen = stolenMs()
    if (stolen - looked.stolen > (now - looked.at) * availableParallelism() * shareMost)
      lose(looked.at, now + afterStealMs)
    looked = { at: now, stolen }
  }
  const timer = setInterval(look, timerMs)
  return {
    wasCalm: (from, until) => !lost.some((one) => from < one.until && until > one.from),
    stop: () => clearInterval(timer),
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
