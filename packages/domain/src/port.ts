/**
 * The one port to everything that is kept.
 *
 * The domain declares *collections* (its records, their keys and what they are searched by); a store keeps them, in
 * memory, in SQLite or in PostgreSQL. A store knows no record by name: all it is told is here. In return it promises
 *
 *  - **all or nothing**: what a body wrote is kept whole when the body answers `ok`, and not at all when it answers a
 *    refusal, throws, or is cut off by a crash;
 *  - **ack means durable**: `transact` answers after the commit that holds the body's writes is on disk. Bodies that
 *    arrive together share one commit; one that fails spoils none of the others;
 *  - **one at a time**: bodies behave as if they ran one after another (PostgreSQL: serializable; a body may be run
 *    again from its start after a conflict, so it changes nothing but the store);
 *  - **a tenant's handle names only that tenant's rows**: the tenant is part of every key, added by the store;
 *  - **no change without history**: a commit that touched a journaled collection holds a journal entry, else it is
 *    refused as a defect.
 *
 * A body awaits only the store. In SQLite and in memory those awaits settle within the turn; a body that is still
 * pending after it is rolled back and refused as a defect.
 */
import type { DeviceId, Instant, TenantId } from './ids.ts'
import type { JsonObject } from './json.ts'
import type { Result } from './result.ts'

export type Scalar = string | number | boolean

/** How a field that can be searched is kept. Everything else of a record is kept as JSON and comes back unchanged. */
export type ColumnType = 'text' | 'int' | 'bool'

export interface Index<R> {
  readonly on: readonly (keyof R & string)[]
  /** No two rows of one tenant (of the house, for a house collection) share these values; rows lacking one are free. */
  readonly unique?: true
  /** Rows that lack the last field are not in it: for finds that ask something of that field. */
  readonly sparse?: true
}

export interface Collection<R extends object, K extends keyof R & string> {
  readonly name: string
  /** `house` rows stand outside the tenants (the directory); `tenant` rows are reached by that tenant's handle only. */
  readonly scope: 'house' | 'tenant'
  /** The fields that name a record, in index order; each has a column. */
  readonly key: readonly K[]
  readonly columns: Readonly<Partial<Record<keyof R & string, ColumnType>>>
  /** Long texts kept as they are in columns of their own, neither searched nor written again when unchanged. */
  readonly texts: readonly (keyof R & string)[]
  readonly indexes: readonly Index<R>[]
  /** Changes of journaled collections need a journal entry in the same commit; telemetry does not. */
  readonly journaled: boolean
  /** Carries the record's type; holds nothing. */
  readonly record?: R
}

/** Declares a collection: `collection<Device>()({ name: 'devices', key: ['id'], … })`. */
export function collection<R extends object>() {
  return <const K extends keyof R & string>(declared: {
    name: string
    scope: 'house' | 'tenant'
    key: readonly K[]
    columns: Partial<Record<keyof R & string, ColumnType>>
    texts?: readonly (keyof R & string)[]
    indexes?: readonly Index<R>[]
    journaled?: boolean
  }): Collection<R, K> => ({ texts: [], indexes: [], journaled: true, ...declared })
}

/** A collection whose record type does not matter: what a store is handed to keep. */
export interface AnyCollection {
  readonly name: string
  readonly scope: 'house' | 'tenant'
  readonly key: readonly string[]
  readonly columns: Readonly<Record<string, ColumnType | undefined>>
  readonly texts: readonly string[]
  readonly indexes: readonly {
    readonly on: readonly string[]
    readonly unique?: true
    readonly sparse?: true
  }[]
  readonly journaled: boolean
}

/** What a column is compared with: a value, or one of these; `null` finds the rows that lack it. */
export type Condition<V> =
  | V
  | null
  | { readonly in: readonly V[] }
  | { readonly not: V | null }
  | { readonly gt?: V; readonly gte?: V; readonly lt?: V; readonly lte?: V }
  /** Texts that begin so, whatever the case of ASCII letters. */
  | { readonly prefix: string }

export type Where<R> = { readonly [F in keyof R]?: Condition<NonNullable<R[F]>> }

export interface Find<R> {
  /** All conditions hold; fields must have columns. */
  readonly where?: Where<R>
  /** Fields with columns, `-` first for descending; rows that lack a value come first ascending. Default: the key. */
  readonly order?: readonly ((keyof R & string) | `-${keyof R & string}`)[]
  /** Begin after the row with these values of the `order` fields (all of one direction, ending in the whole key). */
  readonly after?: readonly (Scalar | null)[]
  /** At most this many rows. Default 1000: nothing is ever read without a bound. */
  readonly limit?: number
  /** Leave out the long texts: they come back as empty strings. Default: they are read. */
  readonly without?: 'texts'
}

export type KeyOf<R, K extends keyof R> = { readonly [F in K]: R[F] }

export interface Reader {
  get<R extends object, K extends keyof R & string>(
    from: Collection<R, K>,
    key: KeyOf<NoInfer<R>, K>,
  ): Promise<R | undefined>
  find<R extends object, K extends keyof R & string>(
    from: Collection<R, K>,
    find: Find<NoInfer<R>>,
  ): Promise<R[]>
  count<R extends object, K extends keyof R & string>(
    from: Collection<R, K>,
    where: Where<R>,
  ): Promise<number>
}

export interface Tx extends Reader {
  /** Many by their keys at once, in the order of the keys; undefined where there is none. */
  getAll<R extends object, K extends keyof R & string>(
    from: Collection<R, K>,
    keys: readonly KeyOf<NoInfer<R>, K>[],
  ): Promise<(R | undefined)[]>
  /** Inserts the record or replaces the one with the same key. */
  put<R extends object, K extends keyof R & string>(into: Collection<R, K>, record: NoInfer<R>): Promise<void>
  /** The same of many, as if one after another. */
  putAll<R extends object, K extends keyof R & string>(
    into: Collection<R, K>,
    records: readonly NoInfer<R>[],
  ): Promise<void>
  /** Removes the record; answers whether there was one. */
  remove<R extends object, K extends keyof R & string>(
    from: Collection<R, K>,
    key: KeyOf<NoInfer<R>, K>,
  ): Promise<boolean>
  /** Adds to this tenant's journal (a house handle: to the house's own). Written with the commit. */
  journal(entry: JournalEntry): void
}

export interface HouseTx extends Tx {
  /** A tenant's handle within the same commit: a claim moves a device from one to another. */
  tenant(id: TenantId): Tx
}

/** Who did it: what audit and `why` answer with. */
export interface Actor {
  readonly kind: 'user' | 'device' | 'service' | 'system'
  readonly id: string
  /** Where from, if that is known: entries of people carry it in their data, for those who audit. */
  readonly address?: string
}

export interface JournalEntry {
  /** One of the journal's kinds (`journal.ts`): `device.claimed`, `step.reported`, … */
  readonly kind: string
  readonly at: Instant
  readonly by: Actor
  readonly device?: DeviceId
  readonly data: JsonObject
}

/** A place in a journal: opaque outside the store, ordered by commit. */
export type Cursor = string & { readonly __brand: 'Cursor' }

export interface JournalRow extends JournalEntry {
  readonly cursor: Cursor
}

export type JournalRefusal =
  | { readonly kind: 'cursor-too-old'; readonly got: string; readonly oldest: Cursor }
  | { readonly kind: 'not-a-cursor'; readonly got: string }

export interface Journal {
  /**
   * The entries after a cursor (without one: from the oldest kept), in commit order, skipping none even when two
   * processes commit out of order. `next` is where to go on, also when nothing came.
   */
  read(
    tenant: TenantId | 'house',
    ask: { after?: string; limit: number; device?: DeviceId },
  ): Promise<Result<{ entries: JournalRow[]; next: Cursor }, JournalRefusal>>
  /** The newest entries about a device, oldest first: at most `limit` of them. */
  newest(tenant: TenantId | 'house', ask: { device: DeviceId; limit: number }): Promise<JournalRow[]>
  /** The cursor behind the newest entry: what follows is what happens from now on. */
  head(tenant: TenantId | 'house'): Promise<Cursor>
  /** Drops entries older than `before`; answers how many. Cursors before the cut are then too old. */
  trim(tenant: TenantId | 'house', before: Instant, limit: number): Promise<number>
}

/** What a commit, or several, added to journals; `any` where that is not known. */
export interface Commit {
  /** Whose journals grew. */
  readonly tenants: ReadonlySet<TenantId | 'house'>
  /** The devices that entries are about. */
  readonly devices: ReadonlySet<DeviceId> | 'any'
  /** Those of them that somebody else than the device itself did something about, and how many entries say so. */
  readonly byOthers: ReadonlyMap<DeviceId, number> | 'any'
  /** The kinds of the entries. */
  readonly kinds: ReadonlySet<string> | 'any'
}

export type CommitListener = (commit: Commit) => void

export interface Store {
  transact<T, R = never>(tenant: TenantId, body: (tx: Tx) => Promise<Result<T, R>>): Promise<Result<T, R>>
  transactHouse<T, R = never>(body: (house: HouseTx) => Promise<Result<T, R>>): Promise<Result<T, R>>
  /** Reads what is committed, outside any transaction. */
  read(tenant: TenantId): Reader
  readHouse(): Reader
  readonly journal: Journal
  /**
   * Called after commits that added journal entries, with the tenants and the devices they touched, also for commits of
   * other processes on the same database. A hint to read on: calls may be merged, and nothing is told before the
   * commit. Whoever remembers something of a device forgets it when the device is named here.
   */
  onCommit(listener: CommitListener): () => void
  /** Resolves when the store answers (used by /readyz); refuses with the reason when it does not. */
  ping(): Promise<void>
  /** Finishes what has begun, refuses what comes after, lets go of files and sockets. */
  close(): Promise<void>
}
