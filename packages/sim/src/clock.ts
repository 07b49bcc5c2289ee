/** An agent's clock from two plain functions: what it is now, and calling back later. */
import type { Clock } from '@waymark/agent'

/** Longest single timer; a longer sleep ends early, and whoever slept looks again. */
const timerMaxMs = 2 ** 31 - 1

/** `after` calls back after so many milliseconds and answers how to take that back. */
export function clockOf({
  now,
  after,
}: {
  now(): number
  after(ms: number, then: () => void): () => void
}): Clock {
  return {
    now,
    sleep: (ms, signal) =>
      new Promise<void>((resolve) => {
        if (signal.aborted) return resolve()
        const done = (): void => {
          callOff()
          signal.removeEventListener('abort', done)
          resolve()
        }
        const callOff = after(Math.min(Math.max(0, ms), timerMaxMs), done)
        signal.addEventListener('abort', done, { once: true })
      }),
  }
}
