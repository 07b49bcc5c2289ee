/**
 * The clock and the luck of the real world.
 */
import { setTimeout as wait } from 'node:timers/promises'
import type { Clock, Luck } from '../ports.ts'

/** Longest single timer; Node fires a longer one at once. */
const timerLimitMs = 2 ** 31 - 1

export const realClock: Clock = {
  now: () => Date.now(),
  async sleep(ms, signal) {
    if (signal.aborted) return
    await wait(Math.min(Math.max(0, ms), timerLimitMs), undefined, { signal }).catch(() => undefined)
  },
}

export const realLuck: Luck = { next: () => Math.random() }
