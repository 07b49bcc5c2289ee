/**
 * Lets many that come one by one go on together.
 *
 * Whoever comes alone goes on at once. Where many come, the next ones wait a millisecond for each that went on the last time,
 * up to a bound: what a thousand devices confirm while a commit waits for its disk then goes into one commit and not into
 * ten, and the thread that commits has its time for other things.
 */

/** Longest wait, milliseconds. */
const waitMost = 100

/** Resolves when it is this caller's turn to go on. */
export type Pace = () => Promise<void>

export function createPace(now: () => number = () => performance.now()): Pace {
  let waiting: (() => void)[] = []
  let wentAt = Number.NEGATIVE_INFINITY
  let went = 0

  function letGo(): void {
    const all = waiting
    waiting = []
    wentAt = now()
    went = all.length
    for (const goOn of all) goOn()
  }

  return () => {
    const leftMs = wentAt + Math.min(waitMost, went) - now()
    if (waiting.length === 0 && leftMs <= 0) {
      wentAt = now()
      went = 1
      return Promise.resolve()
    }
    return new Promise((resolve) => {
      waiting.push(resolve)
      if (waiting.length === 1) setTimeout(letGo, Math.max(1, leftMs))
    })
  }
}
