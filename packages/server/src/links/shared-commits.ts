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

interface Change<Together> {
  run(tx: Tx, together: Together): Promise<void>
  resolve(): void
  reject(error: unknown): void
}

/** What changes of one body gather, and what is done with it at the body's end. */
export interface Gathering<Together> {
  begin(): Together
  end(tx: Tx, together: Together): Promise<void>
}

/** Makes a change in a tenant's records; answers what it answered, once it is on disk. */
export type ShareCommit<Together> = <T>(
  tenant: TenantId,
  change: (tx: Tx, together: Together) => Promise<T>,
) => Promise<T>

export function createSharedCommits<Together>(
  store: Pick<Store, 'transact'>,
  gathering: Gathering<Together>,
): ShareCommit<Together> {
  const lines = new Map<TenantId, { waiting: Change<Together>[]; asked: number }>()

  function share<T>(tenant: TenantId, change: (tx: Tx, together: Together) => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      let answer: { readonly value: T } | undefined
      const line = lines.get(tenant) ?? { waiting: [], asked: 0 }
      lines.set(tenant, line)
      line.waiting.push({
        async run(tx, together) {
          answer = { value: await change(tx, together) }
        },
        resolve: () => answer && resolve(answer.value),
        reject,
      })
      if (line.asked * sharedMax < line.waiting.length) void makeSome(tenant, line)
    })
  }

  async function makeSome(
    tenant: TenantId,
    line: { waiting: Change<Together>[]; asked: number },
  ): Promise<void> {
    line.asked += 1
    let made: Change<Together>[] | undefined
    const take = () => {
      if (made) return made
      line.asked -= 1
      made = line.waiting.splice(0, sharedMax)
      if (line.asked === 0 && line.waiting.length === 0) lines.delete(tenant)
      return made
    }
    try {
      await make(tenant, take)
      for (const change of take()) change.resolve()
    } catch (error) {
      const all = take()
      if (all.length === 1) all[0]?.reject(error)
      else for (const change of all) void makeAlone(tenant, change)
    }
  }

  async function make(tenant: TenantId, changes: () => readonly Change<Together>[]): Promise<void> {
    settled(
      await store.transact(tenant, async (tx) => {
        const together = gathering.begin()
        for (const change of changes()) await change.run(tx, together)
        await gathering.end(tx, together)
        return ok(undefined)
      }),
    )
  }

  async function makeAlone(tenant: TenantId, change: Change<Together>): Promise<void> {
    try {
      await make(tenant, () => [change])
      change.resolve()
    } catch (error) {
      change.reject(error)
    }
  }

  return share
}
