/**
 * Following a tenant's journal: everything after a cursor, then everything as it is committed, skipping nothing. What a
 * store says of new commits is only a hint to read on; the cursor alone decides what comes next.
 */
import type { Cursor, DeviceId, JournalRefusal, JournalRow, Result, Store, TenantId } from '@waymark/domain'

/** Entries read at a time. */
const pageSize = 200

export interface Follower {
  /** The next entries in order, waiting for some to be committed; empty once stopped. Refused when the cursor is too old. */
  next(): Promise<Result<readonly JournalRow[], JournalRefusal>>
  /** Where the next read begins. */
  readonly cursor: string | undefined
  stop(): void
}

/** Follows from behind `after`; without it, from now on. */
export async function followJournal(
  store: Store,
  asked: { tenant: TenantId; after?: string; device?: DeviceId },
): Promise<Follower> {
  let cursor: string | undefined = asked.after ?? (await store.journal.head(asked.tenant))
  let stopped = false
  let news = true
  let wake: () => void = () => {}
  const unhear = store.onCommit(({ tenants }) => {
    if (!tenants.has(asked.tenant)) return
    news = true
    wake()
  })

  return {
    get cursor() {
      return cursor
    },
    async next() {
      while (!stopped) {
        if (!news) {
          await new Promise<void>((resolve) => {
            wake = resolve
          })
          continue
        }
        news = false
        const read = await store.journal.read(asked.tenant, {
          limit: pageSize,
          ...(cursor === undefined ? {} : { after: cursor }),
          ...(asked.device === undefined ? {} : { device: asked.device }),
        })
        if (!read.ok) return read
        cursor = read.value.next as Cursor
        if (read.value.entries.length === 0) continue
        news = true
        return { ok: true, value: read.value.entries }
      }
      return { ok: true, value: [] }
    },
    stop() {
      stopped = true
      unhear()
      wake()
    },
  }
}
