/**
 * What bodies have changed and no disk has yet: rows by collection, scope and key, laid over what is committed.
 *
 * Bodies run one after another, and each can be taken back without a trace: whatever it changed is noted as it was before.
 */
import type { Scope } from './body.ts'
import type { Row, Table } from './table.ts'

/** One row as it is now. */
export interface Change {
  readonly table: Table
  readonly scope: Scope
  /** The key's values, or more of the row. */
  readonly key: Row
  /** Undefined where it was removed. */
  readonly row: Row | undefined
  /** The row as the file has it before this is written, where that is known. */
  readonly before: Row | undefined
}

type ByKey = Map<string, Change>

/** Rows by collection and scope. */
export class ByScope<V> {
  readonly #tables = new Map<Table, Map<Scope, V>>()
  /** What was found last: who asks for one asks for a hundred. */
  #last: { readonly table: Table; readonly scope: Scope; readonly value: V } | undefined

  get(table: Table, scope: Scope): V | undefined {
    const last = this.#last
    if (last !== undefined && last.table === table && last.scope === scope) return last.value
    const value = this.#tables.get(table)?.get(scope)
    if (value !== undefined) this.#last = { table, scope, value }
    return value
  }

  made(table: Table, scope: Scope, make: () => V): V {
    const found = this.get(table, scope)
    if (found !== undefined) return found
    let scopes = this.#tables.get(table)
    if (scopes === undefined) {
      scopes = new Map()
      this.#tables.set(table, scopes)
    }
    const value = make()
    scopes.set(scope, value)
    return value
  }

  each(look: (value: V, table: Table, scope: Scope) => void): void {
    for (const [table, scopes] of this.#tables) for (const [scope, value] of scopes) look(value, table, scope)
  }
}

export class Changes {
  readonly #all = new ByScope<ByKey>()
  /** Changes of collections with unique values, each in its turn: a value is given up before another row has it. */
  readonly #inTurn: Change[] = []
  #inTurnKept = 0
  readonly #undo: { readonly of: ByKey; readonly key: string; readonly was: Change | undefined }[] = []
  #size = 0

  /** How many changes there are, at most. */
  get size(): number {
    return this.#size
  }

  of(table: Table, scope: Scope): ReadonlyMap<string, Change> | undefined {
    const changes = this.#all.get(table, scope)
    return changes === undefined || changes.size === 0 ? undefined : changes
  }

  /** Puts a change in the place of an earlier one of the same row. */
  set(key: string, change: Change): void {
    const of = this.#all.made(change.table, change.scope, newMap)
    const was = of.get(key)
    this.#undo.push({ of, key, was })
    this.#size += 1
    if (change.table.uniques.length > 0) {
      // What the file has then is what was written last.
      this.#inTurn.push(was === undefined ? change : { ...change, before: was.row })
    }
    of.set(key, was === undefined ? change : { ...change, before: was.before })
  }

  /** Ends one body: what it changed stays, or is as it was. */
  settle(keep: boolean): void {
    if (keep) this.#inTurnKept = this.#inTurn.length
    else {
      this.#size -= this.#undo.length
      for (let last = this.#undo.pop(); last !== undefined; last = this.#undo.pop())
        if (last.was === undefined) last.of.delete(last.key)
        else last.of.set(last.key, last.was)
      this.#inTurn.length = this.#inTurnKept
    }
    this.#undo.length = 0
  }

  /** What is to be written, in an order in which it can be. */
  eachToWrite(write: (change: Change) => void): void {
    for (const change of this.#inTurn) write(change)
    this.#all.each((changes, table) => {
      if (table.uniques.length === 0) for (const change of changes.values()) write(change)
    })
  }

  /** Every changed row with its key, as it is last. */
  each(look: (key: string, change: Change) => void): void {
    this.#all.each((changes) => {
      for (const [key, change] of changes) look(key, change)
    })
  }
}

function newMap(): ByKey {
  return new Map()
}
