/**
 * The writing side of a PostgreSQL store within one transaction that many bodies share.
 *
 * Every statement costs a way to the server and back, so writes are held in *layers* and sent together: a body writes
 * into its own layer; when it ends well, that is laid over the batch's, and when it does not, it is dropped, with no
 * word to the server. The batch's layer is sent once, before the COMMIT: one statement per table. It also remembers
 * the rows that were read, so a row that many bodies want is fetched once. Reads by key look into the layers first; a
 * `find` or `count` over a collection with unsent changes sends them first, the body's own behind a savepoint. So does
 * a row that claims a unique value: whether it may have it shows at once, and in the order in which values changed hands.
 */
import type pg from 'pg'
import type { Ask } from './ask.ts'
import type { KeptEntry, Scope, Session } from './body.ts'
import { run, type Statement, statement } from './postgres-connection.ts'
import {
  columnsOf,
  getManyText,
  postgresDialect,
  putManyText,
  removeManyText,
  tableName,
} from './postgres-schema.ts'
import { countPlan, filled, findPlan, getText, type Plan } from './sql.ts'
import { type Kept, keyText, type Row, type Table } from './table.ts'

/** A row as the transaction sees it; `undefined` where there is none. `unsent`: the server does not know it yet. */
interface Held {
  readonly scope: Scope
  readonly key: Row
  readonly row: Row | undefined
  readonly unsent: boolean
}

type Layer = Map<Table, Map<string, Held>>

/** Statements of one schema: prepared under the same name on every connection. */
export class Statements {
  readonly append: Statement
  readonly #schema: string
  readonly #own = new Map<string, Statement>()
  readonly #plans = new Map<string, { plan: Plan; prepared: Statement }>()

  constructor(schema: string) {
    this.#schema = schema
    this.append = statement(
      `INSERT INTO ${tableName(schema, '_journal')} (_tenant, at, kind, device, by_kind, by_id, data, seq)
       SELECT * FROM unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::bigint[])`,
    )
  }

  get(table: Table): Statement {
    return this.#one(`get ${table.name}`, () =>
      getText(table, postgresDialect(this.#schema), table.texts.length > 0),
    )
  }

  getMany(table: Table): Statement {
    return this.#one(`get many ${table.name}`, () => getManyText(this.#schema, table))
  }

  putMany(table: Table): Statement {
    return this.#one(`put ${table.name}`, () => putManyText(this.#schema, table))
  }

  removeMany(table: Table): Statement {
    return this.#one(`remove ${table.name}`, () => removeManyText(this.#schema, table))
  }

  find(table: Table, shape: string): { plan: Plan; prepared: Statement } {
    return this.#plan(`find ${table.name} ${shape}`, () =>
      findPlan(table, postgresDialect(this.#schema), shape),
    )
  }

  count(table: Table, shape: string): { plan: Plan; prepared: Statement } {
    return this.#plan(`count ${table.name} ${shape}`, () =>
      countPlan(table, postgresDialect(this.#schema), shape),
    )
  }

  #one(name: string, make: () => string): Statement {
    let found = this.#own.get(name)
    if (found === undefined) {
      found = statement(make())
      this.#own.set(name, found)
    }
    return found
  }

  #plan(name: string, make: () => Plan): { plan: Plan; prepared: Statement } {
    let found = this.#plans.get(name)
    if (found === undefined) {
      const plan = make()
      found = { plan, prepared: statement(plan.text) }
      this.#plans.set(name, found)
    }
    return found
  }
}

export class PostgresSession implements Session {
  /** Set by the first answer of the server that ends the transaction: everything has to begin anew. */
  broken: { readonly error: unknown } | undefined
  readonly #client: pg.Client
  readonly #statements: Statements
  readonly #batch: Layer = new Map()
  readonly #entries: KeptEntry[] = []
  #body: Layer = new Map()
  #saved = false
  #tail: Promise<unknown> = Promise.resolve()
  #queued = 0

  constructor(client: pg.Client, statements: Statements) {
    this.#client = client
    this.#statements = statements
  }

  get(table: Table, scope: Scope, key: Row): Row | undefined | Promise<Row | undefined> {
    if (this.#queued === 0) {
      const held = this.#held(table, scope, key)
      if (held !== undefined) return held.row
    }
    return this.#inTurn(async () => {
      const held = this.#held(table, scope, key)
      if (held !== undefined) return held.row
      const values = table.scope === 'tenant' ? [scope, ...key] : key
      const [row] = await this.#run(this.#statements.get(table), values)
      hold(this.#batch, table, { scope, key, row, unsent: false })
      return row
    })
  }

  /** What is not known yet is fetched with one statement. */
  getAll(
    table: Table,
    scope: Scope,
    keys: readonly Row[],
  ): (Row | undefined)[] | Promise<(Row | undefined)[]> {
    const held = (key: Row) => this.#held(table, scope, key)
    if (this.#queued === 0 && keys.every(held)) return keys.map((key) => held(key)?.row)
    return this.#inTurn(async () => {
      const missing = keys.filter((key) => held(key) === undefined)
      if (missing.length > 0) {
        const wanted = missing.map((key) => (table.scope === 'tenant' ? [scope, ...key] : key))
        const keep = (key: Row, row: Row | undefined) =>
          hold(this.#batch, table, { scope, key, row, unsent: false })
        for (const row of await this.#run(this.#statements.getMany(table), columnsOf(wanted)))
          keep(row.slice(0, table.keyWidth), row)
        for (const key of missing) if (held(key) === undefined) keep(key, undefined)
      }
      return keys.map((key) => held(key)?.row)
    })
  }

  find(table: Table, scope: Scope, ask: Ask): Promise<Row[]> {
    return this.#inTurn(async () => {
      await this.#sendFor(table)
      const { plan, prepared } = this.#statements.find(table, ask.shape)
      return this.#run(prepared, filled(plan, scope, ask))
    })
  }

  count(table: Table, scope: Scope, ask: Ask): Promise<number> {
    return this.#inTurn(async () => {
      await this.#sendFor(table)
      const { plan, prepared } = this.#statements.count(table, ask.shape)
      const rows = await this.#run(prepared, filled(plan, scope, ask))
      return Number(rows[0]?.[0])
    })
  }

  put(table: Table, scope: Scope, row: Row): undefined | Promise<undefined> {
    const key = row.slice(0, table.keyWidth)
    if (this.#queued === 0 && !claimsUnique(table, row, this.#held(table, scope, key)?.row)) {
      hold(this.#body, table, { scope, key, row, unsent: true })
      return undefined
    }
    return this.#inTurn(async () => {
      const claims = claimsUnique(table, row, this.#held(table, scope, key)?.row)
      hold(this.#body, table, { scope, key, row, unsent: true })
      if (claims) await this.#sendBody()
      return undefined
    })
  }

  remove(table: Table, scope: Scope, key: Row): Promise<boolean> {
    return this.#inTurn(async () => {
      const values = table.scope === 'tenant' ? [scope, ...key] : key
      const held = this.#held(table, scope, key)
      const row = held === undefined ? (await this.#run(this.#statements.get(table), values))[0] : held.row
      if (row === undefined) return false
      hold(this.#body, table, { scope, key, row: undefined, unsent: true })
      return true
    })
  }

  /** Ends one body: lays what it wrote over the batch's layer, or drops it. */
  async settle(keep: boolean, entries: readonly KeptEntry[]): Promise<void> {
    if (this.#saved) {
      this.#saved = false
      await this.#client.query(
        keep ? 'RELEASE SAVEPOINT body' : 'ROLLBACK TO SAVEPOINT body; RELEASE SAVEPOINT body',
      )
    }
    if (keep) {
      for (const [table, rows] of this.#body) for (const held of rows.values()) hold(this.#batch, table, held)
      this.#entries.push(...entries)
    }
    this.#body = new Map()
  }

  /** Sends everything that is left: what the commit needs before its COMMIT. */
  async finish(): Promise<void> {
    await this.#send(this.#batch)
    if (this.#entries.length === 0) return
    const rows = this.#entries.map(
      ({ scope, at, kind, device, byKind, byId, data }, i): Row => [
        scope,
        at,
        kind,
        device,
        byKind,
        byId,
        data,
        i + 1,
      ],
    )
    await this.#run(this.#statements.append, columnsOf(rows))
  }

  /** The journals that were written to. */
  get scopes(): Set<Scope> {
    return new Set(this.#entries.map(({ scope }) => scope))
  }

  #held(table: Table, scope: Scope, key: Row): Held | undefined {
    const name = scope + keyText(key, table.keyWidth)
    return this.#body.get(table)?.get(name) ?? this.#batch.get(table)?.get(name)
  }

  async #sendFor(table: Table): Promise<void> {
    if (hasUnsent(this.#batch, table)) await this.#send(this.#batch)
    if (hasUnsent(this.#body, table)) await this.#sendBody()
  }

  /** The body's own writes go behind a savepoint; what earlier bodies wrote goes before it. */
  async #sendBody(): Promise<void> {
    if (!this.#saved) {
      await this.#send(this.#batch)
      await this.#client.query('SAVEPOINT body')
      this.#saved = true
    }
    await this.#send(this.#body)
  }

  async #send(layer: Layer): Promise<void> {
    for (const [table, rows] of layer) {
      const unsent = [...rows.values()].filter((held) => held.unsent)
      await this.#sendTable(table, unsent)
      for (const held of unsent)
        rows.set(held.scope + keyText(held.key, table.keyWidth), { ...held, unsent: false })
    }
  }

  async #sendTable(table: Table, unsent: readonly Held[]): Promise<void> {
    const scoped = (scope: Scope, row: Row): Row => (table.scope === 'tenant' ? [scope, ...row] : row)
    const gone = unsent.filter((held) => held.row === undefined).map(({ scope, key }) => scoped(scope, key))
    if (gone.length > 0) await this.#run(this.#statements.removeMany(table), columnsOf(gone))
    const rows: Row[] = []
    for (const { scope, row } of unsent) if (row !== undefined) rows.push(scoped(scope, row))
    if (rows.length > 0) await this.#run(this.#statements.putMany(table), columnsOf(rows))
  }

  async #run(prepared: Statement, values: readonly (Kept | Kept[])[]): Promise<Row[]> {
    try {
      return await run(this.#client, prepared, values)
    } catch (error) {
      this.broken ??= { error }
      throw error
    }
  }

  /** One operation at a time, in the order in which the body asked. */
  #inTurn<A>(work: () => Promise<A>): Promise<A> {
    this.#queued++
    const turn = this.#tail.then(work).finally(() => {
      this.#queued--
    })
    this.#tail = turn.catch(() => {})
    return turn
  }
}

function hold(layer: Layer, table: Table, held: Held): void {
  let rows = layer.get(table)
  if (rows === undefined) {
    rows = new Map()
    layer.set(table, rows)
  }
  const name = held.scope + keyText(held.key, table.keyWidth)
  // The last word comes last: rows are sent in the order in which they were last written.
  if (held.unsent) rows.delete(name)
  rows.set(name, held)
}

/** Whether a row has values of a unique index that it is not known to have had before. */
function claimsUnique(table: Table, row: Row, before: Row | undefined): boolean {
  for (const columns of table.uniques)
    if (columns.every((at) => row[at] !== null) && columns.some((at) => row[at] !== before?.[at])) return true
  return false
}

function hasUnsent(layer: Layer, table: Table): boolean {
  const rows = layer.get(table)
  if (rows === undefined) return false
  for (const held of rows.values()) if (held.unsent) return true
  return false
}
