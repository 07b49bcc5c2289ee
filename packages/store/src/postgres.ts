/**
 * The store in PostgreSQL: for fleets that outgrow one process. Several processes share one database.
 *
 * Bodies run in *lanes* (`postgres-lane.ts`), each a connection with group commit of its own; a tenant's bodies always
 * go to the same lane, the house's to the first. Reads take a connection from a pool, outside any transaction.
 */
import { createHash, randomBytes } from 'node:crypto'
import type {
  AnyCollection,
  Collection,
  CommitListener,
  Find,
  HouseTx,
  Journal,
  KeyOf,
  Reader,
  Result,
  Store,
  TenantId,
  Tx,
  Where,
} from '@waymark/domain'
import type pg from 'pg'
import { askOf, countOf } from './ask.ts'
import { type Handle, Listeners, reach, type Scope } from './body.ts'
import { StoreError, type StoreLog, silent } from './errors.ts'
import type { Migration } from './migrate.ts'
import {
  clientConfig,
  driver,
  remedyFor,
  run,
  type Statement,
  safeUrl,
  statement,
  translated,
} from './postgres-connection.ts'
import { Announcer, PostgresJournal } from './postgres-journal.ts'
import { Lane } from './postgres-lane.ts'
import { prepareSchema } from './postgres-schema.ts'
import { Statements } from './postgres-session.ts'
import { filled } from './sql.ts'
import { type Row, type Table, tablesOf } from './table.ts'

export interface PostgresOptions {
  /** `postgres://user:password@host:port/database`. */
  readonly url: string
  readonly collections: readonly AnyCollection[]
  readonly migrations?: readonly Migration[]
  /** The schema that holds the tables; made when it is missing. */
  readonly schema?: string
  readonly program?: string
  readonly log?: StoreLog
  /** The clock, milliseconds since 1970: names backups. */
  readonly now?: () => number
  /** Randomness for pauses before bodies run again: 0 to 1. */
  readonly random?: () => number
  /** Connections for reads. */
  readonly readers?: number
  /** Connections for bodies. */
  readonly lanes?: number
  /** At most so many bodies share a commit. */
  readonly batchMax?: number
  /** At most so many bodies wait in a lane; more are refused with `overloaded`. */
  readonly waitingMax?: number
}

const schemaForm = /^[a-z_][a-z0-9_]{0,30}$/

/** Opens (makes, migrates) the store in a database. Refuses with a StoreError that says what is wrong. */
export async function openPostgresStore(options: PostgresOptions): Promise<Store> {
  const store = safeUrl(options.url)
  const schema = options.schema ?? 'waymark'
  if (!schemaForm.test(schema))
    throw new StoreError('not-a-store', `store ${store}: ${JSON.stringify(schema)} is no name for a schema`)
  const tables = tablesOf(options.collections)
  const { Client, Pool } = await driver()
  const client = new Client(clientConfig(options.url))
  client.on('error', () => {})
  try {
    await client.connect()
    const { epoch } = await prepareSchema(client, {
      store,
      schema,
      tables,
      migrations: options.migrations ?? [],
      program: options.program ?? 'Waymark',
      now: options.now ?? Date.now,
      log: options.log ?? silent,
    })
    const pool = new Pool({ ...clientConfig(options.url), max: options.readers ?? 6, allowExitOnIdle: true })
    return await PostgresStore.start({ ...options, schema, store, tables, epoch, pool })
  } catch (error) {
    const told = translated(store, error)
    throw told instanceof StoreError
      ? told
      : new StoreError('unreachable', `store ${store}: ${String(error)}`, error)
  } finally {
    await client.end().catch(() => {})
  }
}

interface Opened extends PostgresOptions {
  readonly schema: string
  readonly store: string
  readonly tables: ReadonlyMap<string, Table>
  readonly epoch: number
  /** Connections that read. */
  readonly pool: pg.Pool
}

const readAttemptsMax = 5
const alive = statement('SELECT 1')

class PostgresStore implements Store {
  readonly journal: Journal
  readonly #store: string
  readonly #tables: ReadonlyMap<string, Table>
  readonly #statements: Statements
  readonly #pool: pg.Pool
  readonly #lanes: readonly Lane[]
  readonly #listeners: Listeners
  readonly #announcer: Announcer
  #closing: Promise<void> | undefined

  static async start(opened: Opened): Promise<PostgresStore> {
    const store = new PostgresStore(opened)
    try {
      await store.#announcer.start()
      return store
    } catch (error) {
      await store.close()
      throw error
    }
  }

  private constructor(opened: Opened) {
    const { url, schema, tables, store } = opened
    const log = opened.log ?? silent
    this.#store = store
    this.#tables = tables
    this.#statements = new Statements(schema)
    this.#pool = opened.pool
    this.#pool.on('error', () => {})
    this.#listeners = new Listeners((err) => log.warn({ err }, 'a listener to commits threw'))
    const channel = `waymark_${createHash('sha256').update(schema).digest('hex').slice(0, 16)}`
    const instance = randomBytes(9).toString('base64url')
    const ask = (prepared: Statement, values?: readonly unknown[]) => this.query(prepared, values)
    this.#announcer = new Announcer({
      url,
      store,
      schema,
      channel,
      instance,
      ask,
      listeners: this.#listeners,
      log,
    })
    const journal = new PostgresJournal(ask, { schema, epoch: opened.epoch })
    this.journal = journal
    this.#lanes = Array.from(
      { length: Math.max(1, opened.lanes ?? 2) },
      () =>
        new Lane({
          url,
          store,
          tables,
          statements: this.#statements,
          channel,
          instance,
          batchMax: opened.batchMax ?? 256,
          waitingMax: opened.waitingMax ?? 65_536,
          random: opened.random ?? Math.random,
          log,
          committed: (xid, scopes) => this.#announcer.committed(xid, scopes),
        }),
    )
  }

  transact<T, R>(tenant: TenantId, body: (tx: Tx) => Promise<Result<T, R>>): Promise<Result<T, R>> {
    return this.#enqueue(tenant, body)
  }

  transactHouse<T, R>(body: (house: HouseTx) => Promise<Result<T, R>>): Promise<Result<T, R>> {
    return this.#enqueue('house', body)
  }

  read(tenant: TenantId): Reader {
    return new PostgresReader(this, this.#tables, this.#statements, tenant)
  }

  readHouse(): Reader {
    return new PostgresReader(this, this.#tables, this.#statements, 'house')
  }

  onCommit(listener: CommitListener): () => void {
    return this.#listeners.add(listener)
  }

  async ping(): Promise<void> {
    await this.query(alive)
  }

  close(): Promise<void> {
    this.#closing ??= (async () => {
      await Promise.all(this.#lanes.map((lane) => lane.close()))
      await this.#announcer.close()
      await this.#pool.end()
    })()
    return this.#closing
  }

  /** One statement outside any transaction; on a lost connection again, on another. */
  async query(prepared: Statement, values: readonly unknown[] = []): Promise<Row[]> {
    for (let attempt = 1; ; attempt++) {
      if (this.#closing !== undefined) throw this.#closed()
      try {
        return await run(this.#pool, prepared, values)
      } catch (error) {
        if (remedyFor(error) !== 'reconnect' || attempt >= readAttemptsMax)
          throw translated(this.#store, error)
        await new Promise((resolve) => setTimeout(resolve, 20 * 4 ** (attempt - 1)))
      }
    }
  }

  #enqueue<T, R>(scope: Scope, start: (handle: Handle) => Promise<Result<T, R>>): Promise<Result<T, R>> {
    return new Promise((resolve, reject) => {
      if (this.#closing !== undefined) return reject(this.#closed())
      const lane = this.#lanes[scope === 'house' ? 0 : laneOf(scope, this.#lanes.length)] as Lane
      // A caller's own types meet the queue's: each job resolves the promise it was made with.
      lane.enqueue({ scope, start, resolve: resolve as (result: Result<unknown, unknown>) => void, reject })
    })
  }

  #closed(): StoreError {
    return new StoreError('closed', `store ${this.#store} is closed`)
  }
}

/** The same lane for the same tenant, in every process alike. */
function laneOf(tenant: string, lanes: number): number {
  let sum = 0
  for (let i = 0; i < tenant.length; i++) sum = (sum * 31 + tenant.charCodeAt(i)) >>> 0
  return sum % lanes
}

/** Reads outside our lanes, by whatever runs a statement: the pool, or one connection with one snapshot. */
export class PostgresReader implements Reader {
  readonly #store: { query(prepared: Statement, values: readonly unknown[]): Promise<Row[]> }
  readonly #tables: ReadonlyMap<string, Table>
  readonly #statements: Statements
  readonly #scope: Scope

  constructor(
    store: { query(prepared: Statement, values: readonly unknown[]): Promise<Row[]> },
    tables: ReadonlyMap<string, Table>,
    statements: Statements,
    scope: Scope,
  ) {
    this.#store = store
    this.#tables = tables
    this.#statements = statements
    this.#scope = scope
  }

  async get<R extends object, K extends keyof R & string>(
    from: Collection<R, K>,
    key: KeyOf<R, K>,
  ): Promise<R | undefined> {
    const table = reach(this.#tables, from, this.#scope)
    const values = table.encodeKey(key)
    if (table.scope === 'tenant') values.unshift(this.#scope)
    const [row] = await this.#store.query(this.#statements.get(table), values)
    return row === undefined ? undefined : (table.decode(row) as R)
  }

  async find<R extends object, K extends keyof R & string>(
    from: Collection<R, K>,
    find: Find<R>,
  ): Promise<R[]> {
    const table = reach(this.#tables, from, this.#scope)
    const ask = askOf(table, find)
    const { plan, prepared } = this.#statements.find(table, ask.shape)
    const rows = await this.#store.query(prepared, filled(plan, this.#scope, ask))
    return rows.map((row) => table.decode(row) as R)
  }

  async count<R extends object, K extends keyof R & string>(
    from: Collection<R, K>,
    where: Where<R>,
  ): Promise<number> {
    const table = reach(this.#tables, from, this.#scope)
    const ask = countOf(table, where)
    const { plan, prepared } = this.#statements.count(table, ask.shape)
    const rows = await this.#store.query(prepared, filled(plan, this.#scope, ask))
    return Number(rows[0]?.[0])
  }
}
