/**
 * A clock that only moves when everything else has come to rest, and luck that replays from its seed.
 */
import type { Clock, Luck } from '../../src/index.ts'

/** Mulberry32: small, seeded, good enough to scatter faults. */
export function seededLuck(seed: number): Luck {
  let a = seed >>> 0
  return {
    next() {
      a = (a + 0x6d2b79f5) >>> 0
      let t = a
      t = Math.imul(t ^ (t >>> 15), t | 1)
      t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
      return ((t ^ (t >>> 14)) >>> 0) / 4294967296
    },
  }
}

export interface SimClock extends Clock {
  /** Moves time on, sleeper by sleeper, until `over` says so or `forMs` have passed. */
  play(over: () => boolean, forMs: number): Promise<void>
}

export function createSimClock(startMs = 1_700_000_000_000): SimClock {
  let now = startMs
  let sleepers: { at: number; wake: () => void }[] = []
  const rest = () => new Promise<void>((resolve) => setImmediate(resolve))
  return {
    now: () => now,
    sleep: (ms, signal) =>
      new Promise<void>((resolve) => {
        if (signal.aborted) return resolve()
        const sleeper = { at: now + Math.max(0, ms), wake }
        function wake(): void {
          sleepers = sleepers.filter((each) => each !== sleeper)
          signal.removeEventListener('abort', wake)
          resolve()
        }
        sleepers.push(sleeper)
        signal.addEventListener('abort', wake)
      }),
    async play(over, forMs) {
      const end = now + forMs
      for (;;) {
        await rest()
        if (over()) return
        const next = sleepers.reduce<(typeof sleepers)[number] | undefined>(
          (first, each) => (!first || each.at < first.at ? each : first),
          undefined,
        )
        if (!next || next.at > end) return
        now = Math.max(now, next.at)
        next.wake()
      }
    },
  }
}
