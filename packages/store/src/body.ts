/**
 * Bodies of transactions, and the handles they are given.
 *
 * A handle checks what a body does, translates records and rows, and passes the rest to a *session*: the store's own
 * way to read and write within the commit at hand. What holds for every store is settled here: a handle names only
 * its own scope and is dead after its body; a body that saw an operation fail is never kept, even when it caught the
 * error; a body whose changes of journaled collections come without a journal entry is a defect, and so is one that
 * awaits something else than the store.
 *
 * That last one is seen by a *sentinel*: when the event loop comes round (all microtasks are done by then) and the
 * current body has neither ended nor an operation under way, it waits for something outside.
 */
import {
  type Actor,
  type AnyCollection,
  type Collection,
  type Commit,
  type CommitListener,
  Defect,
  type DeviceId,
  type Find,
  type HouseTx,
  type Instant,
  type JournalEntry,
  type KeyOf,
  type Result,
  type TenantId,
  type Tx,
  type Where,
} from '@waymark/domain'
import { type Ask, askOf, countOf } from './ask.ts'
import { keepText, type Row, type Table, unkeepText } from './table.ts'

/** The house, or a tenant by its id. */
export type Scope = TenantId | 'house'

/** A store's own way to read and write within one commit. Synchronous where the store is. */
export interface Session {
  get(table: Table, scope: Scope, key: Row): Row | undefined | Promise<Row | undefined>
  /** In the order of the keys. */
  getAll(
    table: Table,
    scope: Scope,
    keys: readonly Row[],
  ): readonly (Row | undefined)[] | Promise<readonly (Row | undefined)[]>
  find(table: Table, scope: Scope, ask: Ask): Row[] | Promise<Row[]>
  count(table: Table, scope: Scope, ask: Ask): number | Promise<number>
  put(table: Table, scope: Scope, row: Row): undefined | Promise<undefined>
  remove(table: Table, scope: Scope, key: Row): boolean | Promise<boolean>
}

/** A journal entry as it is kept; texts that no database keeps faithfully are kept as columns keep them. */
export interface KeptEntry {
  readonly scope: Scope
  readonly at: number
  readonly kind: string
  readonly device: string | null
  readonly byKind: string
  readonly byId: string
  readonly data: string
}

/** One that is being added: `about` is the device as it was given. */
export interface AddedEntry extends KeptEntry {
  readonly about: DeviceId | undefined
}

export function keptEntry(scope: Scope, entry: JournalEntry): AddedEntry {
  if (!Number.isSafeInteger(entry.at)) throw new Defect(`a journal entry ${entry.kind} at ${entry.at}`)
  return {
    scope,
    about: entry.device,
    at: entry.at,
    kind: keepText(entry.kind),
    device: entry.device === undefined ? null : keepText(entry.device),
    byKind: entry.by.kind,
    byId: keepText(entry.by.id),
    data: JSON.stringify(entry.data),
  }
}

/** A kept entry as it was given. */
export function entryOf(kept: Omit<KeptEntry, 'scope'>): JournalEntry {
  const entry = {
    kind: unkeepText(kept.kind),
    at: kept.at as Instant,
    by: { kind: kept.byKind as Actor['kind'], id: unkeepText(kept.byId) },
    data: JSON.parse(kept.data) as JournalEntry['data'],
  }
  return kept.device === null
    ? entry
    : { ...entry, device: unkeepText(kept.device) as NonNullable<JournalEntry['device']> }
}

/** What a store knows of one body while it runs. */
export class Body {
  readonly entries: AddedEntry[] = []
  /** The first journaled collection that was changed. */
  touched: string | undefined
  open = true
  /** Operations under way; always 0 where the store is synchronous. */
  underWay = 0
  failed: { readonly error: unknown } | undefined
  /** Ends the body from outside. */
  cut: () => void = () => {}
  /** Called when no operation is under way any more. */
  quiet: (() => void) | undefined
  readonly sentinel: Sentinel

  constructor(sentinel: Sentinel) {
    this.sentinel = sentinel
  }

  fail(error: unknown): Promise<never> {
    this.failed ??= { error }
    const rejected = Promise.reject(error)
    // A body that never looks is refused all the same, by `judge`: nothing is lost by not shouting here as well.
    rejected.catch(() => {})
    return rejected
  }

  /** An operation's answer as a promise, passed through `then`; failures are remembered. */
  answer<A, B>(answer: A | Promise<A>, then: (value: A) => B): Promise<B> {
    if (!(answer instanceof Promise)) return Promise.resolve(then(answer))
    this.underWay++
    const told = answer.then(
      (value) => {
        this.#done()
        return then(value)
      },
      (error) => {
        this.#done()
        return this.fail(error)
      },
    )
    told.catch(() => {})
    return told
  }

  #done(): void {
    this.underWay--
    this.sentinel.arm()
    if (this.underWay === 0) this.quiet?.()
  }
}

/** What becomes of a body's writes, and what its caller is told once the commit is on disk. */
export type Verdict<T, R> =
  | { readonly keep: boolean; readonly result: Result<T, R> }
  | { readonly keep: false; readonly error: unknown }

/** Runs a body to its end, or to where the sentinel cuts it off. Never rejects. */
export function runBody<T, R>(body: Body, start: () => Promise<Result<T, R>>): Promise<Verdict<T, R>> {
  return new Promise((resolve) => {
    const end = (verdict: Verdict<T, R>) => {
      body.open = false
      if (body.underWay === 0) resolve(verdict)
      else body.quiet = () => resolve(body.failed ? { keep: false, error: body.failed.error } : verdict)
    }
    body.cut = () =>
      end({
        keep: false,
        error: new Defect('a transaction awaited something else than the store; it was rolled back'),
      })
    body.sentinel.watch(body)
    let promise: Promise<Result<T, R>>
    try {
      promise = start()
    } catch (error) {
      end({ keep: false, error })
      return
    }
    promise.then(
      (result) => end(judge(body, result)),
      (error) => end({ keep: false, error: body.failed?.error ?? error }),
    )
  })
}

function judge<T, R>(body: Body, result: Result<T, R>): Verdict<T, R> {
  if (body.failed !== undefined) return { keep: false, error: body.failed.error }
  if (!result.ok) return { keep: false, result }
  if (body.touched !== undefined && body.entries.length === 0)
    return { keep: false, error: new Defect(`${body.touched} was changed without a journal entry`) }
  return { keep: true, result }
}

/** Watches that the body at hand awaits nothing but the store. One for each line of bodies that run one by one. */
export class Sentinel {
  #armed = false
  #current: Body | undefined

  watch(body: Body): void {
    this.#current = body
    this.arm()
  }

  arm(): void {
    if (this.#armed) return
    this.#armed = true
    setImmediate(() => {
      this.#armed = false
      const body = this.#current
      if (body?.open && body.underWay === 0) body.cut()
    })
  }
}

/** The handle a body is given: of one tenant, or of the house. */
export class Handle implements HouseTx {
  readonly #tables: ReadonlyMap<string, Table>
  readonly #session: Session
  readonly #body: Body
  readonly #scope: Scope

  constructor(tables: ReadonlyMap<string, Table>, session: Session, body: Body, scope: Scope) {
    this.#tables = tables
    this.#session = session
    this.#body = body
    this.#scope = scope
  }

  get<R extends object, K extends keyof R & string>(
    from: Collection<R, K>,
    key: KeyOf<R, K>,
  ): Promise<R | undefined> {
    try {
      const table = this.#reach(from)
      const found = this.#session.get(table, this.#scope, table.encodeKey(key))
      return this.#body.answer(found, (row) => (row === undefined ? undefined : (table.decode(row) as R)))
    } catch (error) {
      return this.#body.fail(error)
    }
  }

  getAll<R extends object, K extends keyof R & string>(
    from: Collection<R, K>,
    keys: readonly KeyOf<R, K>[],
  ): Promise<(R | undefined)[]> {
    try {
      const table = this.#reach(from)
      const wanted = keys.map((key) => table.encodeKey(key))
      return this.#body.answer(this.#session.getAll(table, this.#scope, wanted), (rows) =>
        rows.map((row) => (row === undefined ? undefined : (table.decode(row) as R))),
      )
    } catch (error) {
      return this.#body.fail(error)
    }
  }

  find<R extends object, K extends keyof R & string>(from: Collection<R, K>, find: Find<R>): Promise<R[]> {
    try {
      const table = this.#reach(from)
      const found = this.#session.find(table, this.#scope, askOf(table, find))
      return this.#body.answer(found, (rows) => rows.map((row) => table.decode(row) as R))
    } catch (error) {
      return this.#body.fail(error)
    }
  }

  count<R extends object, K extends keyof R & string>(
    from: Collection<R, K>,
    where: Where<R>,
  ): Promise<number> {
    try {
      const table = this.#reach(from)
      return this.#body.answer(this.#session.count(table, this.#scope, countOf(table, where)), same)
    } catch (error) {
      return this.#body.fail(error)
    }
  }

  put<R extends object, K extends keyof R & string>(into: Collection<R, K>, record: R): Promise<void> {
    try {
      const table = this.#reach(into)
      const row = table.encode(record)
      if (table.journaled) this.#body.touched ??= table.name
      const put = this.#session.put(table, this.#scope, row)
      return put === undefined ? done : this.#body.answer(put, same)
    } catch (error) {
      return this.#body.fail(error)
    }
  }

  putAll<R extends object, K extends keyof R & string>(
    into: Collection<R, K>,
    records: readonly R[],
  ): Promise<void> {
    try {
      const table = this.#reach(into)
      const rows = records.map((record) => table.encode(record))
      if (table.journaled && rows.length > 0) this.#body.touched ??= table.name
      const puts = rows.map((row) => this.#session.put(table, this.#scope, row))
      const all = together(puts)
      return all instanceof Promise ? this.#body.answer(all, nothing) : done
    } catch (error) {
      return this.#body.fail(error)
    }
  }

  remove<R extends object, K extends keyof R & string>(
    from: Collection<R, K>,
    key: KeyOf<R, K>,
  ): Promise<boolean> {
    try {
      const table = this.#reach(from)
      const body = this.#body
      return body.answer(this.#session.remove(table, this.#scope, table.encodeKey(key)), (removed) => {
        if (removed && table.journaled) body.touched ??= table.name
        return removed
      })
    } catch (error) {
      return this.#body.fail(error)
    }
  }

  journal(entry: JournalEntry): void {
    if (!this.#body.open) throw deadHandle()
    this.#body.entries.push(keptEntry(this.#scope, entry))
  }

  tenant(id: TenantId): Tx {
    if (!this.#body.open) throw deadHandle()
    return new Handle(this.#tables, this.#session, this.#body, id)
  }

  #reach(collection: AnyCollection): Table {
    if (!this.#body.open) throw deadHandle()
    return reach(this.#tables, collection, this.#scope)
  }
}

/** The collection's table, if it was declared and a handle of this scope may name it; else a defect. */
export function reach(tables: ReadonlyMap<string, Table>, collection: AnyCollection, scope: Scope): Table {
  const table = tables.get(collection.name)
  if (table === undefined)
    throw new Defect(`the collection ${collection.name} was not declared when the store was opened`)
  if ((table.scope === 'house') !== (scope === 'house'))
    throw new Defect(
      `${table.name} belongs to the ${table.scope}; this handle is a ${scope === 'house' ? 'house' : 'tenant'}'s`,
    )
  return table
}

function deadHandle(): Defect {
  return new Defect('a transaction handle was used after its transaction had ended')
}

const done: Promise<void> = Promise.resolve()

function same<V>(value: V): V {
  return value
}

function nothing(): void {}

/** Several answers as one: at hand where all of them are. */
function together<A>(answers: readonly (A | Promise<A>)[]): readonly A[] | Promise<readonly A[]> {
  return answers.some((answer) => answer instanceof Promise)
    ? Promise.all(answers)
    : (answers as readonly A[])
}

/** Those who want to hear of commits. What one of them throws reaches nobody else. */
export class Listeners {
  readonly #all = new Set<CommitListener>()
  readonly #complain: (error: unknown) => void

  constructor(complain: (error: unknown) => void) {
    this.#complain = complain
  }

  add(listener: CommitListener): () => void {
    const own: CommitListener = (commit) => listener(commit)
    this.#all.add(own)
    return () => {
      this.#all.delete(own)
    }
  }

  /** Tells of a commit by the entries that it added, body by body. */
  tellOf(all: Iterable<readonly AddedEntry[]>): void {
    const tenants = new Set<Scope>()
    const devices = new Set<DeviceId>()
    const byOthers = new Map<DeviceId, number>()
    const kinds = new Set<string>()
    let tenant: Scope | undefined
    let last: string | undefined
    for (const entries of all)
      for (const { scope, kind, about, byKind, byId } of entries) {
        if (scope !== tenant) tenants.add(scope)
        if (kind !== last) kinds.add(kind)
        tenant = scope
        last = kind
        if (about === undefined) continue
        devices.add(about)
        if (byKind !== 'device' || byId !== about) byOthers.set(about, (byOthers.get(about) ?? 0) + 1)
      }
    this.#tell({ tenants, devices, byOthers, kinds })
  }

  /** Tells of commits of which only the tenants are known. */
  tellOfAny(tenants: ReadonlySet<Scope>): void {
    this.#tell({ tenants, devices: 'any', byOthers: 'any', kinds: 'any' })
  }

  #tell(commit: Commit): void {
    if (commit.tenants.size === 0) return
    for (const listener of [...this.#all])
      try {
        listener(commit)
      } catch (error) {
        this.#complain(error)
      }
  }
}
