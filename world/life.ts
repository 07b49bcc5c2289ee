/**
 * A life of a program: what it may do until it is killed. Everything a program does to the world goes through a gate;
 * a killed one hangs at its next gate for ever, as a process that is gone would, while what it had done stays done.
 */

export interface Life {
  readonly number: number
  readonly dead: boolean
  /** How many gates were passed. */
  readonly passed: number
  /** Dies after so many further gates: before, or just after, what that gate leads to has happened. */
  doom(gates: number, when: 'before' | 'after'): void
  /** Takes its doom back. */
  spare(): void
  die(): void
  /** Does it and answers, unless death comes first. */
  gate<T>(act: () => Promise<T>): Promise<T>
  /** The same for pieces that come one by one. */
  gateEach<T>(pieces: AsyncIterable<T>): AsyncIterable<T>
}

/** A promise of its own each time: one that all the dead wait for would keep them all in memory. */
const never = (): Promise<never> => new Promise(() => {})

export function createLife(number: number, onDeath: () => void): Life {
  let dead = false
  let passed = 0
  let doomedAt: { gates: number; when: 'before' | 'after' } | undefined

  function die(): void {
    if (dead) return
    dead = true
    onDeath()
  }

  async function gate<T>(act: () => Promise<T>): Promise<T> {
    if (dead) return never()
    passed++
    const last = doomedAt !== undefined && --doomedAt.gates <= 0
    if (last && doomedAt?.when === 'before') die()
    if (dead) return never()
    try {
      return await act()
    } finally {
      if (last) die()
      if (dead) await never()
    }
  }

  async function* gateEach<T>(pieces: AsyncIterable<T>): AsyncGenerator<T> {
    const source = pieces[Symbol.asyncIterator]()
    try {
      for (;;) {
        const next = await gate(() => source.next())
        if (next.done) return
        yield next.value
      }
    } finally {
      if (!dead) await source.return?.()
    }
  }

  return {
    number,
    get dead() {
      return dead
    },
    get passed() {
      return passed
    },
    doom(gates, when) {
      doomedAt = { gates, when }
    },
    spare() {
      doomedAt = undefined
    },
    die,
    gate,
    gateEach,
  }
}
