/**
 * Small changes that are wanted at the same time, made in one body of the store.
 *
 * When a group is asked for something, ten thousand sessions take and settle within moments, each a few rows. A body of its
 * own for each costs a savepoint and a copy of every page that it touches; shared by a few dozen they cost that once.
 * Nobody waits for company: a body is asked for at once, and takes along what came while it waited for its turn. All are
 * answered after the commit. If one of them fails, nothing of that body is kept and each is tried again by itself, so that
 * it spoils none of the others; so a change must be one that may be run twice, and it refuses nothing by value.
 */
import { ok, type Store, settled, type TenantId, type Tx } from '@waymark/domain'

/** Changes that share a body at most: what one that fails makes the others repeat. */
const sharedMax = 32

interface Change {
  run(tx: Tx): Promise<void>
  resolve(): void
  reject(error: unknown): void
}

/** Makes a change in a tenant's records; answers what it answered, once it is on disk. */
export type ShareCommit = <T>(tenant: TenantId, change: (tx: Tx) => Promise<T>) => Promise<T>

export function createSharedCommits(store: Pick<Store, 'transact'>): ShareCommit {
  const lines = new Map<TenantId, { waiting: Change[]; asked: number }>()

  function share<T>(tenant: TenantId, change: (tx: Tx) => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      let answer: { readonly value: T } | undefined
      const line = lines.get(tenant) ?? { waiting: [], asked: 0 }
      lines.set(tenant, line)
      line.waiting.push({
        async run(tx) {
          answer = { value: await change(tx) }
        },
        resolve: () => answer && resolve(answer.value),
        reject,
      })
      if (line.asked * sharedMax < line.waiting.length) void makeSome(tenant, line)
    })
  }

  async function makeSome(tenant: TenantId, line: { waiting: Change[]; asked: number }): Promise<void> {
    line.asked += 1
    let made: Change[] | undefined
    const take = () => {
      if (made) return made
      line.asked -= 1
      made = line.waiting.splice(0, sharedMax)
      if (line.asked === 0 && line.waiting.length === 0) lines.delete(tenant)
      return made
    }
    try {
      settled(
        await store.transact(tenant, async (tx) => {
          for (const change of take()) await change.run(tx)
          return ok(undefined)
        }),
      )
      for (const change of take()) change.resolve()
    } catch (error) {
      const all = take()
      if (all.length === 1) all[0]?.reject(error)
      else for (const change of all) void makeAlone(tenant, change)
    }
  }

  async function makeAlone(tenant: TenantId, change: Change): Promise<void> {
    try {
      settled(
        await store.transact(tenant, async (tx) => {
          await change.run(tx)
          return ok(undefined)
        }),
      )
      change.resolve()
    } catch (error) {
      change.reject(error)
    }
  }

  return share
}
