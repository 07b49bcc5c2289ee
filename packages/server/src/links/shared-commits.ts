/**
 * Small changes that are wanted at the same time, made in one body of the store.
 *
 * When a group is asked for something, ten thousand sessions take and settle within moments, each a few rows. A body of its
 * own for each costs a savepoint and a copy of every page that it touches; shared by a few dozen they cost that once.
 * Nobody waits for company: a body is asked for at once, and takes along what came while it waited for its turn. All are
 * answered after the commit. If one of them fails, nothing of that body is kept and each is tried again by itself, so that
 * it spoils none of the others; so what is wanted must be something that may be done twice, and it refuses nothing by value.
 */
import { invariant, ok, type Store, settled, type TenantId, type Tx } from '@waymark/domain'

/** What shares a body at most: what one that fails makes the others repeat. */
const sharedMax = 32

/** Wants something done to a tenant's records; resolves once it is on disk. */
export type Shared<Wanted> = (tenant: TenantId, wanted: Wanted) => Promise<void>

interface Waiting<Wanted> {
  readonly wanted: Wanted
  resolve(): void
  reject(error: unknown): void
}

/** `make` does all that share a body; `kept` is called with each that is on disk. */
export function createShared<Wanted>(
  store: Pick<Store, 'transact'>,
  make: (tx: Tx, all: readonly Wanted[]) => Promise<void>,
  kept: (wanted: Wanted) => void = () => {},
): Shared<Wanted> {
  type One = Waiting<Wanted>
  const lines = new Map<TenantId, { waiting: One[]; asked: number }>()

  function share(tenant: TenantId, wanted: Wanted): Promise<void> {
    return new Promise((resolve, reject) => {
      const line = lines.get(tenant) ?? { waiting: [], asked: 0 }
      lines.set(tenant, line)
      line.waiting.push({ wanted, resolve, reject })
      if (line.asked * sharedMax < line.waiting.length) void makeSome(tenant, line)
    })
  }

  async function makeSome(tenant: TenantId, line: { waiting: One[]; asked: number }): Promise<void> {
    line.asked += 1
    let taken: One[] | undefined
    const take = () => {
      if (taken) return taken
      line.asked -= 1
      taken = line.waiting.splice(0, sharedMax)
      if (line.asked === 0 && line.waiting.length === 0) lines.delete(tenant)
      return taken
    }
    try {
      await makeThese(tenant, take)
    } catch (error) {
      const all = take()
      if (all.length === 1) all[0]?.reject(error)
      else for (const one of all) makeThese(tenant, () => [one]).catch(one.reject)
    }
  }

  async function makeThese(tenant: TenantId, these: () => readonly One[]): Promise<void> {
    settled(
      await store.transact(tenant, async (tx) => {
        await make(
          tx,
          these().map(({ wanted }) => wanted),
        )
        return ok(undefined)
      }),
    )
    for (const { wanted, resolve } of these()) {
      kept(wanted)
      resolve()
    }
  }

  return share
}

/** Makes a change in a tenant's records; answers what it answered, once it is on disk. */
export type ShareCommit = <T>(tenant: TenantId, change: (tx: Tx) => Promise<T>) => Promise<T>

/** Changes of any kind, made one after another. */
export function createSharedCommits(store: Pick<Store, 'transact'>): ShareCommit {
  const share = createShared<(tx: Tx) => Promise<void>>(store, async (tx, changes) => {
    for (const change of changes) await change(tx)
  })
  return async <T>(tenant: TenantId, change: (tx: Tx) => Promise<T>): Promise<T> => {
    let answer: { readonly value: T } | undefined
    await share(tenant, async (tx) => {
      answer = { value: await change(tx) }
    })
    invariant(answer, 'what is on disk was made')
    return answer.value
  }
}
