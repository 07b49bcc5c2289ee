/**
 * A device that comes by request: between two of them it is nowhere, and is still one session for the house.
 *
 * The session opens with the first request and ends when no further one came for a while. What was handed out in an
 * answer counts as delivered once the answer is written; what was not stays here for the next. One poll at a time: a
 * second one waits for the first, so that nothing is handed to a caller that has hung up while somebody else asks.
 */
import type { Carried, Known, LinkHouse, OpenSession } from '../link.ts'

/** Answers handed out and not yet known to be delivered. */
export interface Batch {
  readonly carried: readonly Carried[]
  /** The answer was written, or it was not. */
  delivered(wasWritten: boolean): Promise<void>
}

export class DeviceSession {
  readonly #opened: Promise<OpenSession>
  #undelivered: Carried[] = []
  #turn: Promise<void> = Promise.resolve()
  #looking: Promise<void> | undefined
  #requests = 0
  #restsSince: number

  constructor(house: LinkHouse, known: Known, address: string, ended: () => void, now: number) {
    this.#restsSince = now
    this.#opened = house.open(known, { address, end: ended })
  }

  /** Milliseconds without a request; 0 while one is open. */
  restedMs(now: number): number {
    return this.#requests > 0 ? 0 : now - this.#restsSince
  }

  /** Runs one request of the device in this session. */
  async during<T>(now: () => number, work: (opened: OpenSession) => Promise<T>): Promise<T> {
    this.#requests += 1
    try {
      const opened = await this.#opened
      opened.heard()
      return await work(opened)
    } finally {
      this.#requests -= 1
      this.#restsSince = now()
    }
  }

  /**
   * Up to `most` things to carry, waiting up to `waitMs` for the first. `gone` resolves when nobody waits for the answer
   * any more. The batch has to be told whether it was delivered: until then no other poll is served.
   */
  async poll(
    opened: OpenSession,
    { most, waitMs, gone }: { most: number; waitMs: number; gone: Promise<unknown> },
  ): Promise<Batch> {
    const before = this.#turn
    const mine = Promise.withResolvers<void>()
    this.#turn = mine.promise
    const isOurs = await Promise.race([before.then(() => true), gone.then(() => false)])
    if (!isOurs) {
      // Whoever comes next still waits for the one before.
      void before.then(mine.resolve)
      return { carried: [], delivered: () => Promise.resolve() }
    }
    const isWanted = await this.#something(opened, most > 0 ? waitMs : 0, gone)
    const carried = isWanted ? this.#undelivered.splice(0, most) : []
    while (carried.length > 0 && carried.length < most) {
      const more = await opened.next(0)
      if (more === undefined) break
      carried.push(more)
    }
    return {
      carried,
      delivered: async (wasWritten) => {
        try {
          if (!wasWritten) this.#undelivered.unshift(...carried)
          else for (const one of carried) await opened.settle(one, { kind: 'done' })
        } finally {
          mine.resolve()
        }
      },
    }
  }

  /** Waits until something is there to hand out, or the time is up; false: nobody wants it any more. */
  async #something(opened: OpenSession, waitMs: number, gone: Promise<unknown>): Promise<boolean> {
    const late = Promise.withResolvers<boolean>()
    const timer = setTimeout(() => late.resolve(true), waitMs)
    try {
      while (this.#undelivered.length === 0) {
        const wasLeft = this.#looking !== undefined
        this.#looking ??= this.#look(opened, waitMs)
        const found = this.#looking.then(() => undefined)
        const ended = await Promise.race([
          found,
          gone.then(() => false),
          ...(waitMs > 0 ? [late.promise] : []),
        ])
        if (ended !== undefined) return ended
        if (!wasLeft) break
      }
      return true
    } finally {
      clearTimeout(timer)
    }
  }

  /** One look for what is next, which outlives the poll that began it: what it finds waits for the next one. */
  async #look(opened: OpenSession, waitMs: number): Promise<void> {
    try {
      const found = await opened.next(waitMs)
      if (found !== undefined) this.#undelivered.push(found)
    } finally {
      this.#looking = undefined
    }
  }

  /** What was handed out and not delivered goes back to the queue. */
  async close(): Promise<void> {
    const opened = await this.#opened
    await opened.close()
  }
}
