/**
 * What has to be done now and then, in one table. Each chore is a row with a lease: of several processes on one
 * database one does it, and another takes over when that one is gone. Nothing here keeps state in a timer.
 */
import { type Env, Instant, leases, ok, type Store, settled } from '@waymark/domain'

export interface Chore {
  readonly name: string
  readonly everyMs: number
  /** Each process does it for itself (writing out what it alone knows). */
  readonly alone?: true
  run(): Promise<void>
}

export interface ChoreNeeds {
  readonly store: Store
  env(): Env
  /** Runs `then` after so many milliseconds; answers how to call it off. */
  after(ms: number, then: () => void): () => void
  /** Told of a chore that failed; it will be tried again at its next turn. */
  failed(chore: string, error: unknown): void
  /** Names this process among those on the same database. */
  readonly holder: string
}

/** Starts the chores; answers how to stop them, which waits for the one that runs. */
export function startChores(chores: readonly Chore[], needs: ChoreNeeds): () => Promise<void> {
  let stopped = false
  const callOff = new Set<() => void>()
  const running = new Set<Promise<void>>()

  for (const chore of chores) schedule(chore)

  function schedule(chore: Chore): void {
    if (stopped) return
    const off = needs.after(chore.everyMs, () => {
      callOff.delete(off)
      const run = turn(chore).then(() => {
        running.delete(run)
        schedule(chore)
      })
      running.add(run)
    })
    callOff.add(off)
  }

  async function turn(chore: Chore): Promise<void> {
    try {
      if (chore.alone || (await takeLease(chore))) await chore.run()
    } catch (error) {
      if (!stopped) needs.failed(chore.name, error)
    }
  }

  async function takeLease(chore: Chore): Promise<boolean> {
    const name = `chore.${chore.name}`
    const leaseMs = 3 * chore.everyMs
    const taken = await needs.store.transactHouse(async (house) => {
      const env = needs.env()
      const held = await house.get(leases, { name })
      // One that reaches beyond what anybody takes was taken by a clock that has been set back since.
      const good = held !== undefined && held.until > env.now && held.until <= env.now + leaseMs
      if (good && held.holder !== needs.holder) return ok(false)
      await house.put(leases, { name, holder: needs.holder, until: Instant.after(env.now, leaseMs) })
      return ok(true)
    })
    return settled(taken)
  }

  return async () => {
    stopped = true
    for (const off of callOff) off()
    await Promise.allSettled(running)
  }
}
