/**
 * One connection that reads a SQLite file: its prepared statements by table and shape, and SQLite's result codes in the
 * store's words. Rows come as arrays, which is what they are.
 */
import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite'
import type { Ask } from './ask.ts'
import type { Scope } from './body.ts'
import { messageOf, StoreError } from './errors.ts'
import { countPlan, filled, findPlan, getText, type Plan } from './sql.ts'
import { sqliteDialect } from './sqlite-schema.ts'
import type { Kept, Row, Table } from './table.ts'

/** The prepared statements of one table on one connection, by shape. */
class Statements {
  readonly get: StatementSync
  readonly #db: DatabaseSync
  readonly #table: Table
  readonly #finds = new Map<string, { plan: Plan; statement: StatementSync }>()
  readonly #counts = new Map<string, { plan: Plan; statement: StatementSync }>()

  constructor(db: DatabaseSync, table: Table) {
    this.#db = db
    this.#table = table
    this.get = arrays(db, getText(table, sqliteDialect, table.texts.length > 0))
  }

  find(shape: string) {
    let found = this.#finds.get(shape)
    if (found === undefined) {
      const plan = findPlan(this.#table, sqliteDialect, shape)
      found = { plan, statement: arrays(this.#db, plan.text) }
      bounded(this.#finds).set(shape, found)
    }
    return found
  }

  count(shape: string) {
    let found = this.#counts.get(shape)
    if (found === undefined) {
      const plan = countPlan(this.#table, sqliteDialect, shape)
      found = { plan, statement: arrays(this.#db, plan.text) }
      bounded(this.#counts).set(shape, found)
    }
    return found
  }
}

/** Shapes come from our own code and are few; should some caller make many, the oldest statements are let go. */
function bounded<V>(cache: Map<string, V>): Map<string, V> {
  if (cache.size >= 512) for (const key of [...cache.keys()].slice(0, 64)) cache.delete(key)
  return cache
}

export function arrays(db: DatabaseSync, text: string): StatementSync {
  const statement = db.prepare(text)
  statement.setReturnArrays(true)
  return statement
}

function bindable(values: (Kept | Kept[])[]): SQLInputValue[] {
  for (let i = 0; i < values.length; i++) {
    const value = values[i]
    if (Array.isArray(value)) values[i] = JSON.stringify(value)
  }
  return values as SQLInputValue[]
}

/** One connection's way to rows: statements by table, nothing else. */
export class Connection {
  readonly db: DatabaseSync
  readonly #statements = new Map<Table, Statements>()

  constructor(db: DatabaseSync) {
    this.db = db
  }

  of(table: Table): Statements {
    let statements = this.#statements.get(table)
    if (statements === undefined) {
      statements = new Statements(this.db, table)
      this.#statements.set(table, statements)
    }
    return statements
  }

  get(table: Table, scope: Scope, key: Row): Row | undefined {
    const { get } = this.of(table)
    const row = table.scope === 'tenant' ? get.get(scope, ...key) : get.get(...key)
    return row as Row | undefined
  }

  find(table: Table, scope: Scope, ask: Ask): Row[] {
    const { plan, statement } = this.of(table).find(ask.shape)
    return statement.all(...bindable(filled(plan, scope, ask))) as unknown as Row[]
  }

  count(table: Table, scope: Scope, ask: Ask): number {
    const { plan, statement } = this.of(table).count(ask.shape)
    const row = statement.get(...bindable(filled(plan, scope, ask))) as unknown as [number]
    return row[0]
  }
}

function codeOf(error: unknown): number {
  return error instanceof Error && 'errcode' in error ? Number(error.errcode) & 0xff : 0
}

/** SQLite's result codes in the store's words; what is named already stays as it is. */
export function translated(file: string, error: unknown): unknown {
  switch (codeOf(error)) {
    case 13:
      return new StoreError(
        'disk-full',
        `store ${file}: no room left: nothing of this commit was kept`,
        error,
      )
    case 10:
    case 14:
    case 8:
      return new StoreError('io', `store ${file}: ${messageOf(error)}`, error)
    case 11:
      return new StoreError('damaged', `store ${file} is damaged: ${messageOf(error)}`, error)
    case 26:
      return new StoreError('not-a-store', `${file} is no SQLite database: a Waymark store was wanted`, error)
    default:
      return error
  }
}
