/**
 * Simulated time. Timers stand in a queue; time moves to the next one only when nothing is in flight: every promise
 * that could settle has settled, and no work that was declared busy (a request inside the server) is under way. A
 * month passes in the time its events take to compute.
 *
 * Node's own loop is the floor this stands on: one turn of it runs everything that needs no clock, in a fixed order,
 * since nothing here touches a real socket, a real file or a thread.
 */

export interface WorldClock {
  /** Milliseconds since 1970. */
  now(): number
  /** Runs `then` after so many milliseconds; answers how to call it off. */
  after(ms: number, then: () => void): () => void
  /** Resolves after `ms`, or at once when the signal is aborted. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>
  /** Time stands still until this work has ended. */
  busy<T>(work: Promise<T>): Promise<T>
  /** Within such work: waits for something that takes time, and lets it pass. */
  waiting<T>(work: Promise<T>): Promise<T>
  /** Time ends here: `run` returns, now and ever after. */
  halt(): void
  /** Called whenever all is at rest, before time moves on. */
  onRest(check: () => Promise<void>): void
  /** Lets time pass until `until` (milliseconds since 1970), or until `over` says so. */
  run(until: number, over?: () => boolean): Promise<void>
}

/** So many turns of the loop may work in the server take; more means it waits for something that never comes. */
const turnsMax = 30_000
/** What takes more turns than this waits for the real disk (a start reads its keys): it is given a moment. */
const turnsQuick = 2000

interface Timer {
  readonly at: number
  readonly seq: number
  act: (() => void) | undefined
}

export function createWorldClock(startMs: number): WorldClock {
  const timers: Timer[] = []
  const checks: (() => Promise<void>)[] = []
  let now = startMs
  let seq = 0
  let underWay = 0
  let waits = 0
  let halted = false

  function after(ms: number, then: () => void): () => void {
    const timer: Timer = { at: now + Math.max(0, Math.round(ms)), seq: seq++, act: then }
    push(timers, timer)
    return () => {
      timer.act = undefined
    }
  }

  async function rest(): Promise<void> {
    let turns = 0
    for (let quiet = 0; quiet < 2; ) {
      await new Promise<void>((resolve) =>
        turns < turnsQuick ? setImmediate(resolve) : setTimeout(resolve, 1),
      )
      quiet = underWay <= waits ? quiet + 1 : 0
      if (++turns > turnsMax) throw new Error('work in the server never ends')
    }
    for (const check of checks) await check()
  }

  return {
    now: () => now,
    after,
    sleep: (ms, signal) =>
      new Promise<void>((resolve) => {
        if (signal?.aborted) return resolve()
        const done = (): void => {
          callOff()
          signal?.removeEventListener('abort', done)
          resolve()
        }
        const callOff = after(ms, done)
        signal?.addEventListener('abort', done)
      }),
    async busy(work) {
      underWay++
      try {
        return await work
      } finally {
        underWay--
      }
    },
    async waiting(work) {
      waits++
      try {
        return await work
      } finally {
        waits--
      }
    },
    halt() {
      halted = true
    },
    onRest: (check) => void checks.push(check),
    async run(until, over = () => false) {
      for (;;) {
        await rest()
        if (halted || over()) return
        let next = timers[0]
        while (next && next.act === undefined) {
          pop(timers)
          next = timers[0]
        }
        if (!next || next.at > until) {
          now = Math.max(now, until)
          return
        }
        pop(timers)
        now = Math.max(now, next.at)
        next.act?.()
      }
    },
  }
}

// ── a heap, earliest first, equals in the order they were set ────────────────────────────────────────────────────

const before = (a: Timer, b: Timer): boolean => a.at < b.at || (a.at === b.at && a.seq < b.seq)

function push(heap: Timer[], timer: Timer): void {
  let at = heap.push(timer) - 1
  while (at > 0) {
    const up = (at - 1) >> 1
    const parent = heap[up] as Timer
    if (!before(timer, parent)) break
    heap[at] = parent
    heap[up] = timer
    at = up
  }
}

function pop(heap: Timer[]): void {
  const last = heap.pop()
  if (!last || heap.length === 0) return
  let at = 0
  for (;;) {
    const left = 2 * at + 1
    const right = left + 1
    const leftTimer = heap[left]
    if (!leftTimer) break
    const rightTimer = heap[right]
    const least = rightTimer && before(rightTimer, leftTimer) ? right : left
    const leastTimer = heap[least] as Timer
    if (!before(leastTimer, last)) break
    heap[at] = leastTimer
    at = least
  }
  heap[at] = last
}
