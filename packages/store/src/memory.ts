/**
 * The store in memory: for tests, demonstrations and the simulated world. Nothing outlives it.
 *
 * It keeps the same rows as the others, so a record comes back exactly as it would from disk and is nobody's to
 * change. Bodies run one after another; each writes into a layer of its own that is laid over what is kept when the
 * body ends well, and dropped when it does not, so that readers outside never see what may yet be refused.
 */
import {
  type AnyCollection,
  type Collection,
  type CommitListener,
  Defect,
  type Find,
  type HouseTx,
  type Instant,
  type Journal,
  type JournalRow,
  type KeyOf,
  ok,
  type Reader,
  type Result,
  type Store,
  type TenantId,
  type Tx,
  type Where,
} from '@waymark/domain'
import { type Ask, askOf, byOrder, countOf, matches, parseShape, type Shape } from './ask.ts'
import {
  type AddedEntry,
  Body,
  entryOf,
  Handle,
  type KeptEntry,
  Listeners,
  reach,
  runBody,
  type Scope,
  Sentinel,
  type Session,
} from './body.ts'
import { cursorOf, journalReadMax, seqAfter } from './cursor.ts'
import { StoreError, type StoreLog, silent } from './errors.ts'
import { type Kept, keyText, type Row, type Table, tablesOf } from './table.ts'

export interface MemoryOptions {
  readonly collections: readonly AnyCollection[]
  readonly log?: StoreLog
}

/** A store that keeps everything in memory. */
export function createMemoryStore(options: MemoryOptions): Store {
  return new MemoryStore(options)
}

/** The rows of one collection and scope, hashed by key and by every column that leads or joins an index. */
class Rows {
  readonly byKey = new Map<string, Row>()
  readonly #hashed = new Map<number, Map<Kept, Map<string, Row>>>()

  constructor(table: Table) {
    for (let at = 0; at < table.keyWidth; at++) if (table.keyWidth > 1) this.#hashed.set(at, new Map())
    for (const index of table.declared.indexes)
      for (const field of index.on) this.#hashed.set(table.columnAt(field), new Map())
  }

  set(key: string, row: Row): void {
    const before = this.byKey.get(key)
    this.byKey.set(key, row)
    for (const [at, buckets] of this.#hashed) {
      const value = row[at] as Kept
      if (before !== undefined && before[at] !== value) drop(buckets, before[at] as Kept, key)
      const bucket = buckets.get(value)
      if (bucket === undefined) buckets.set(value, new Map([[key, row]]))
      else bucket.set(key, row)
    }
  }

  delete(key: string): void {
    const before = this.byKey.get(key)
    if (before === undefined) return
    this.byKey.delete(key)
    for (const [at, buckets] of this.#hashed) drop(buckets, before[at] as Kept, key)
  }

  /** The fewest rows that hold all answers: one bucket, or everything. */
  candidates(shape: Shape, values: readonly (Kept | Kept[])[]): ReadonlyMap<string, Row> {
    let best: ReadonlyMap<string, Row> = this.byKey
    let next = 0
    for (const { at, operator } of shape.terms) {
      const value = operator === '0' ? null : operator === '1' ? undefined : (values[next++] as Kept)
      if (operator !== '=' && operator !== '0') continue
      const buckets = this.#hashed.get(at)
      if (buckets === undefined) continue
      const bucket = buckets.get(value as Kept) ?? none
      if (bucket.size < best.size) best = bucket
    }
    return best
  }
}

const none: ReadonlyMap<string, Row> = new Map()

function drop(buckets: Map<Kept, Map<string, Row>>, value: Kept, key: string): void {
  const bucket = buckets.get(value)
  bucket?.delete(key)
  if (bucket?.size === 0) buckets.delete(value)
}

/** What a body has written so far: rows by key, `undefined` where it removed one. */
type Layer = Map<Table, Map<Scope, Map<string, Row | undefined>>>

class MemoryStore implements Store {
  readonly journal: Journal
  readonly #tables: Map<string, Table>
  readonly #rows = new Map<Table, Map<Scope, Rows>>()
  readonly #journals = new Map<Scope, { floor: number; entries: { seq: number; kept: KeptEntry }[] }>()
  readonly #shapes = new Map<Table, Map<string, Shape>>()
  readonly #sentinel = new Sentinel()
  readonly #listeners: Listeners
  #last = 0
  #tail: Promise<unknown> = Promise.resolve()
  #closed = false

  constructor({ collections, log = silent }: MemoryOptions) {
    this.#tables = tablesOf(collections)
    this.#listeners = new Listeners((error) => log.warn({ err: error }, 'a listener to commits threw'))
    this.journal = {
      read: async (scope, ask) => {
        this.#live()
        const { floor, entries } = this.#journalOf(scope)
        const from = seqAfter(ask.after, { floor, last: this.#last })
        if (!from.ok) return from
        const limit = Math.min(ask.limit, journalReadMax)
        const found: JournalRow[] = []
        for (let i = firstAfter(entries, from.value); i < entries.length && found.length < limit; i++) {
          const { seq, kept } = entries[i] as (typeof entries)[number]
          const entry = entryOf(kept)
          if (ask.device === undefined || entry.device === ask.device)
            found.push({ ...entry, cursor: cursorOf(seq) })
        }
        const last = found.at(-1)
        const next =
          found.length === limit && last !== undefined
            ? last.cursor
            : cursorOf(limit === 0 ? from.value : this.#last)
        return ok({ entries: found, next })
      },
      newest: async (scope, ask) => {
        this.#live()
        const { entries } = this.#journalOf(scope)
        const limit = Math.min(ask.limit, journalReadMax)
        const found: JournalRow[] = []
        for (let i = entries.length - 1; i >= 0 && found.length < limit; i--) {
          const { seq, kept } = entries[i] as (typeof entries)[number]
          const entry = entryOf(kept)
          if (entry.device === ask.device) found.push({ ...entry, cursor: cursorOf(seq) })
        }
        return found.reverse()
      },
      head: async () => {
        this.#live()
        return cursorOf(this.#last)
      },
      trim: async (scope: Scope, before: Instant, limit: number) => {
        this.#live()
        const journal = this.#journalOf(scope)
        let count = 0
        while (
          count < limit &&
          count < journal.entries.length &&
          (journal.entries[count]?.kept.at ?? before) < before
        )
          count++
        const last = journal.entries.splice(0, count).at(-1)
        if (last !== undefined) journal.floor = last.seq
        return count
      },
    }
  }

  transact<T, R>(tenant: TenantId, body: (tx: Tx) => Promise<Result<T, R>>): Promise<Result<T, R>> {
    return this.#enqueue(tenant, body)
  }

  transactHouse<T, R>(body: (house: HouseTx) => Promise<Result<T, R>>): Promise<Result<T, R>> {
    return this.#enqueue('house', body)
  }

  read(tenant: TenantId): Reader {
    return this.#reader(tenant)
  }

  readHouse(): Reader {
    return this.#reader('house')
  }

  onCommit(listener: CommitListener): () => void {
    return this.#listeners.add(listener)
  }

  async ping(): Promise<void> {
    this.#live()
  }

  async close(): Promise<void> {
    this.#closed = true
    await this.#tail
  }

  async #enqueue<T, R>(
    scope: Scope,
    start: (handle: Handle) => Promise<Result<T, R>>,
  ): Promise<Result<T, R>> {
    this.#live()
    const run = this.#tail.then(() => this.#run(scope, start))
    this.#tail = run.catch(() => {})
    return run
  }

  async #run<T, R>(scope: Scope, start: (handle: Handle) => Promise<Result<T, R>>): Promise<Result<T, R>> {
    const layer: Layer = new Map()
    const body = new Body(this.#sentinel)
    const handle = new Handle(this.#tables, this.#session(layer), body, scope)
    const verdict = await runBody(body, () => start(handle))
    if (verdict.keep) this.#keep(layer, body.entries)
    if ('error' in verdict) throw verdict.error
    return verdict.result
  }

  #keep(layer: Layer, entries: readonly AddedEntry[]): void {
    for (const [table, scopes] of layer)
      for (const [scope, changed] of scopes) {
        const rows = this.#rowsOf(table, scope)
        for (const [key, row] of changed) row === undefined ? rows.delete(key) : rows.set(key, row)
      }
    for (const kept of entries) this.#journalOf(kept.scope).entries.push({ seq: ++this.#last, kept })
    this.#listeners.tellOf([entries])
  }

  #session(layer: Layer): Session {
    const changes = (table: Table, scope: Scope) => layer.get(table)?.get(scope)
    const write = (table: Table, scope: Scope, key: string, row: Row | undefined) => {
      const scopes = madeIn(layer, table, () => new Map())
      madeIn(scopes, scope, () => new Map()).set(key, row)
    }
    const get = (table: Table, scope: Scope, key: Row): Row | undefined => {
      const text = keyText(key, table.keyWidth)
      const changed = changes(table, scope)
      return changed?.has(text) ? changed.get(text) : this.#rowsOf(table, scope).byKey.get(text)
    }
    return {
      get,
      getAll: (table, scope, keys) => keys.map((key) => get(table, scope, key)),
      find: (table, scope, ask) => this.#find(table, scope, ask, changes(table, scope)),
      count: (table, scope, ask) => this.#answers(table, scope, ask, changes(table, scope)).length,
      put: (table, scope, row) => {
        this.#checkUnique(table, scope, row, changes(table, scope))
        write(table, scope, keyText(row, table.keyWidth), row)
        return undefined
      },
      remove: (table, scope, key) => {
        if (get(table, scope, key) === undefined) return false
        write(table, scope, keyText(key, table.keyWidth), undefined)
        return true
      },
    }
  }

  #checkUnique(
    table: Table,
    scope: Scope,
    row: Row,
    changed: ReadonlyMap<string, Row | undefined> | undefined,
  ): void {
    for (const index of table.declared.indexes) {
      if (index.unique !== true) continue
      const ats = index.on.map((field) => table.columnAt(field))
      const values = ats.map((at) => row[at] as Kept)
      if (values.includes(null)) continue
      const ask = { shape: index.on.map((field) => `${field}=`).join(), values, limit: 0, texts: false }
      const own = keyText(row, table.keyWidth)
      if (this.#answers(table, scope, ask, changed).some((other) => keyText(other, table.keyWidth) !== own))
        throw new Defect(`${table.name}: another row has the same ${index.on.join(', ')}`)
    }
  }

  #answers(
    table: Table,
    scope: Scope,
    ask: Ask,
    changed: ReadonlyMap<string, Row | undefined> | undefined,
  ): Row[] {
    const shape = this.#shapeOf(table, ask)
    const found: Row[] = []
    for (const [key, row] of this.#rowsOf(table, scope).candidates(shape, ask.values))
      if (!changed?.has(key) && matches(shape, ask.values, row)) found.push(row)
    if (changed !== undefined)
      for (const row of changed.values())
        if (row !== undefined && matches(shape, ask.values, row)) found.push(row)
    return found
  }

  #find(table: Table, scope: Scope, ask: Ask, changed?: ReadonlyMap<string, Row | undefined>): Row[] {
    const found = this.#answers(table, scope, ask, changed)
    found.sort(byOrder(this.#shapeOf(table, ask)))
    const page = found.slice(0, ask.limit)
    return ask.texts ? page : page.map((row) => row.slice(0, table.bodyAt + 1))
  }

  #reader(scope: Scope): Reader {
    const at = async (collection: AnyCollection) => {
      this.#live()
      return reach(this.#tables, collection, scope)
    }
    return {
      get: async <R extends object, K extends keyof R & string>(from: Collection<R, K>, key: KeyOf<R, K>) => {
        const table = await at(from)
        const row = this.#rowsOf(table, scope).byKey.get(keyText(table.encodeKey(key), table.keyWidth))
        return row && (table.decode(row) as R)
      },
      find: async <R extends object, K extends keyof R & string>(from: Collection<R, K>, find: Find<R>) => {
        const table = await at(from)
        return this.#find(table, scope, askOf(table, find)).map((row) => table.decode(row) as R)
      },
      count: async <R extends object, K extends keyof R & string>(
        from: Collection<R, K>,
        where: Where<R>,
      ) => {
        const table = await at(from)
        return this.#answers(table, scope, countOf(table, where), undefined).length
      },
    }
  }

  #rowsOf(table: Table, scope: Scope): Rows {
    const scopes = madeIn(this.#rows, table, () => new Map<Scope, Rows>())
    return madeIn(scopes, scope, () => new Rows(table))
  }

  #journalOf(scope: Scope) {
    return madeIn(this.#journals, scope, () => ({ floor: 0, entries: [] }))
  }

  #shapeOf(table: Table, ask: Ask): Shape {
    const shapes = madeIn(this.#shapes, table, () => new Map<string, Shape>())
    return madeIn(shapes, ask.shape, () => parseShape(table, ask.shape))
  }

  #live(): void {
    if (this.#closed) throw new StoreError('closed', 'the store in memory is closed')
  }
}

function firstAfter(entries: readonly { readonly seq: number }[], seq: number): number {
  let low = 0
  let high = entries.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((entries[middle]?.seq ?? 0) <= seq) low = middle + 1
    else high = middle
  }
  return low
}

/** The value under a key, made when there is none yet. */
function madeIn<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  let value = map.get(key)
  if (value === undefined) {
    value = make()
    map.set(key, value)
  }
  return value
}
