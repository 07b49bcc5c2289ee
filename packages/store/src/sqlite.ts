/**
 * The store in a SQLite file: the default home, one process per file.
 *
 * **Group commit.** A disk syncs about a thousand times a second but takes a hundred thousand rows, so bodies do not
 * commit singly. `transact` puts a body into a queue; when the event loop comes round, those that wait run one after
 * another, for some milliseconds, then whoever else wants the event loop has a turn. What they wrote is gathered in memory
 * (`sqlite-session.ts`) and committed as one transaction (WAL, `synchronous=FULL`), after which they are all answered; one
 * that is refused leaves no trace. Nothing is awaited by bodies but this store, which answers within the turn.
 *
 * **Threads.** Where commits take their time, a thread makes them (`sqlite-writer.ts`): nobody who reads waits for the disk.
 * While one is under way, the next bodies run above what is in it; should it fail, they fall with it.
 *
 * **Reads.** A connection of the main thread reads what is committed. It keeps its snapshot open from one commit to the
 * next, which saves the locks of opening one for every row; it is let go when the next one is on disk, so it never holds up
 * a checkpoint (`sqlite-checkpoints.ts`).
 */
import { open } from 'node:fs/promises'
import { dirname } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import {
  type AnyCollection,
  type CommitListener,
  type HouseTx,
  type Journal,
  ok,
  type Reader,
  type Result,
  type Store,
  type TenantId,
  type Tx,
} from '@waymark/domain'
import {
  type AddedEntry,
  Body,
  Handle,
  Listeners,
  runBody,
  type Scope,
  Sentinel,
  type Verdict,
} from './body.ts'
import { StoreError, type StoreLog, silent } from './errors.ts'
import type { Migration } from './migrate.ts'
import { Checkpoints, pagesMost } from './sqlite-checkpoints.ts'
import { Committed, CommittedReader, closedStore } from './sqlite-committed.ts'
import { translated } from './sqlite-connection.ts'
import { type FileLock, lockFile, realFile } from './sqlite-lock.ts'
import { makeIndexes, metaOf, prepareFile } from './sqlite-schema.ts'
import { SqliteSession } from './sqlite-session.ts'
import { Writer } from './sqlite-writer.ts'
import { type Table, tablesOf } from './table.ts'

export interface SqliteOptions {
  /** The database file; beside it appear `-wal`, `-shm`, `-lock` and backups. The folder has to exist. */
  readonly file: string
  readonly collections: readonly AnyCollection[]
  readonly migrations?: readonly Migration[]
  /** Who writes: kept in the file, for people who look into it. */
  readonly program?: string
  readonly log?: StoreLog
  /** The clock, milliseconds since 1970: names backups. */
  readonly now?: () => number
  /** The file grows to at most so many pages of 4 KiB; then commits are refused with `disk-full`. */
  readonly maxPages?: number
  /** At most so many bodies wait; more are refused with `overloaded`. */
  readonly waitingMax?: number
  /**
   * A thread makes the commits once they have taken so many milliseconds of a second: by default 100; 0: all of them, from
   * the first on.
   */
  readonly threadAfterMs?: number
  /**
   * For filling an empty file: what is committed is on disk only once `close` has resolved, and an empty file gets its
   * indexes then, so nothing may be looked for by them before. Who fills it takes care that nobody opens it half full.
   */
  readonly bulk?: boolean
}

/** Everything else waits while bodies run: after so many milliseconds they make room for a turn. */
const turnMs = 10
/** What one commit holds at most: bodies, and rows with journal entries. A body that writes more is one alone. */
const commitBodiesMax = 512
const commitRowsMax = 2048
const waitingMaxDefault = 65_536
/** A tenth of the time. */
const threadAfterMsDefault = 100

/** Opens (makes, migrates) the store in a file. Refuses with a StoreError that names the file and what is wrong. */
export async function openSqliteStore(options: SqliteOptions): Promise<Store> {
  const { file } = options
  const tables = tablesOf(options.collections)
  const lock = lockFile(file)
  let writer: DatabaseSync | undefined
  try {
    const real = realFile(file)
    writer = connect(real)
    const bulk = options.bulk ?? false
    const prepared = await prepareFile(writer, {
      bulk,
      file,
      tables,
      migrations: options.migrations ?? [],
      program: options.program ?? 'Waymark',
      now: options.now ?? Date.now,
      log: options.log ?? silent,
    })
    writer.exec('PRAGMA journal_mode = WAL')
    const seq = Number(metaOf(writer, 'seq') ?? 0)
    const reader = new DatabaseSync(real, { timeout: 5000 })
    for (const pragma of [...connectionPragmas, 'PRAGMA query_only = ON']) reader.exec(pragma)
    const committed = new Committed(reader, { file, seq })
    // The thread has a connection of its own. Closed after the reader is open, this one leaves the log in place.
    writer.close()
    return new SqliteStore({ ...options, tables, lock, committed, real, indexed: prepared === 'indexed' })
  } catch (error) {
    if (writer?.isOpen) writer.close()
    lock.release()
    throw translated(file, error)
  }
}

const connectionPragmas = [
  'PRAGMA cache_size = -32768',
  'PRAGMA mmap_size = 1073741824',
  'PRAGMA temp_store = MEMORY',
]

function writerPragmas({ bulk = false, maxPages }: SqliteOptions): string[] {
  const pragmas = [
    ...connectionPragmas,
    `PRAGMA synchronous = ${bulk ? 'OFF' : 'FULL'}`,
    `PRAGMA wal_autocheckpoint = ${pagesMost}`,
    'PRAGMA journal_size_limit = 67108864',
  ]
  if (maxPages !== undefined) pragmas.push(`PRAGMA max_page_count = ${Math.trunc(maxPages)}`)
  return pragmas
}

function connect(file: string): DatabaseSync {
  const db = new DatabaseSync(file, { timeout: 5000 })
  db.exec('PRAGMA synchronous = FULL')
  for (const pragma of connectionPragmas) db.exec(pragma)
  return db
}

/** Puts on disk what was written without waiting for it, and the file's name. */
async function syncFile(path: string): Promise<void> {
  for (const one of [path, dirname(path)]) {
    const file = await open(one, 'r')
    await file.sync().finally(() => file.close())
  }
}

/** A body that waits for its commit. */
interface Job {
  /** Runs the body; answers its verdict and what it wrote to journals. */
  run(): Promise<Ran>
  resolve(result: Result<unknown, unknown>): void
  reject(error: unknown): void
}

interface Ran {
  readonly verdict: Verdict<unknown, unknown>
  /** What it added to journals. */
  readonly entries: readonly AddedEntry[]
}

class SqliteStore implements Store {
  readonly journal: Journal
  readonly #file: string
  readonly #real: string
  readonly #tables: ReadonlyMap<string, Table>
  readonly #lock: FileLock
  readonly #writer: Writer
  readonly #session: SqliteSession
  readonly #committed: Committed
  readonly #checkpoints: Checkpoints
  readonly #listeners: Listeners
  readonly #sentinel = new Sentinel()
  readonly #log: StoreLog
  readonly #waitingMax: number
  readonly #bulk: boolean
  readonly #indexed: boolean
  readonly #waiting: Job[] = []
  /** Bodies that have run, and wait for the commit after the one under way. */
  #ran: { readonly job: Job; readonly ran: Ran }[] = []
  #isRunning = false
  #isCommitting = false
  #drained: (() => void) | undefined
  #closing: Promise<void> | undefined

  constructor(
    opened: SqliteOptions & {
      readonly tables: ReadonlyMap<string, Table>
      readonly lock: FileLock
      readonly committed: Committed
      /** The file without links on the way to it. */
      readonly real: string
      readonly indexed: boolean
    },
  ) {
    const { file, real, committed } = opened
    this.#file = file
    this.#real = real
    this.#bulk = opened.bulk ?? false
    this.#indexed = opened.indexed
    this.#tables = opened.tables
    this.#lock = opened.lock
    this.#log = opened.log ?? silent
    this.#waitingMax = opened.waitingMax ?? waitingMaxDefault
    this.#listeners = new Listeners((error) => this.#log.warn({ err: error }, 'a listener to commits threw'))
    this.#writer = new Writer({
      file: real,
      pragmas: writerPragmas(opened),
      threadAfterMs: opened.threadAfterMs ?? threadAfterMsDefault,
      log: this.#log,
    })
    this.#committed = committed
    this.#session = new SqliteSession({ committed, writer: this.#writer, indexed: opened.indexed })
    this.#checkpoints = new Checkpoints({ file: real, log: this.#log })
    this.journal = this.#journal()
  }

  transact<T, R>(tenant: TenantId, body: (tx: Tx) => Promise<Result<T, R>>): Promise<Result<T, R>> {
    return this.#enqueue(tenant, body)
  }

  transactHouse<T, R>(body: (house: HouseTx) => Promise<Result<T, R>>): Promise<Result<T, R>> {
    return this.#enqueue('house', body)
  }

  read(tenant: TenantId): Reader {
    return new CommittedReader(this.#tables, tenant, this.#committed)
  }

  readHouse(): Reader {
    return new CommittedReader(this.#tables, 'house', this.#committed)
  }

  onCommit(listener: CommitListener): () => void {
    return this.#listeners.add(listener)
  }

  async ping(): Promise<void> {
    this.#committed.ping()
    const lost = this.#writer.lost
    if (lost !== undefined) throw translated(this.#file, lost)
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    if (this.#isBusy)
      await new Promise<void>((resolve) => {
        this.#drained = resolve
      })
    try {
      await this.#checkpoints.close()
      this.#committed.close()
      await this.#writer.close()
      if (this.#bulk || !this.#indexed) this.#finishFilling()
    } catch (error) {
      throw translated(this.#file, error)
    } finally {
      this.#lock.release()
    }
    if (this.#bulk) await syncFile(this.#file)
  }

  #finishFilling(): void {
    const db = connect(this.#real)
    try {
      db.exec('PRAGMA synchronous = OFF')
      if (!this.#indexed) makeIndexes(db, this.#tables)
      db.exec('PRAGMA wal_checkpoint(TRUNCATE)')
    } finally {
      db.close()
    }
  }

  get #isBusy(): boolean {
    return this.#isRunning || this.#isCommitting
  }

  #enqueue<T, R>(scope: Scope, start: (handle: Handle) => Promise<Result<T, R>>): Promise<Result<T, R>> {
    return new Promise((resolve, reject) => {
      if (this.#closing !== undefined) return reject(closedStore(this.#file))
      if (this.#waiting.length >= this.#waitingMax)
        return reject(
          new StoreError(
            'overloaded',
            `store ${this.#file}: ${this.#waiting.length} transactions wait already`,
          ),
        )
      this.#waiting.push({
        run: () => this.#run(scope, start),
        // A caller's own types meet the queue's: each job resolves the promise it was made with.
        resolve: resolve as (result: Result<unknown, unknown>) => void,
        reject,
      })
      this.#schedule()
    })
  }

  /** Bodies run when the event loop comes round, unless as many have run already as one commit takes. */
  #schedule(): void {
    if (this.#isRunning || this.#isFull) return
    this.#isRunning = true
    setImmediate(() => void this.#runSome())
  }

  get #isFull(): boolean {
    return this.#ran.length >= commitBodiesMax || this.#session.size >= commitRowsMax
  }

  /** One turn of bodies. Never throws: whatever goes wrong is told to the bodies it befell. */
  async #runSome(): Promise<void> {
    const until = performance.now() + turnMs
    do {
      const job = this.#waiting.shift()
      if (job === undefined) break
      this.#ran.push({ job, ran: await job.run() })
    } while (!this.#isFull && performance.now() < until)
    this.#isRunning = false
    this.#goOn()
  }

  #goOn(): void {
    if (!this.#isCommitting && this.#ran.length > 0) {
      this.#isCommitting = true
      void this.#commit()
    }
    if (this.#waiting.length > 0) this.#schedule()
    else if (!this.#isBusy) this.#drained?.()
  }

  /** Runs one body and keeps what it wrote, or takes it back without a trace. */
  async #run<T, R>(scope: Scope, start: (handle: Handle) => Promise<Result<T, R>>): Promise<Ran> {
    const body = new Body(this.#sentinel)
    const verdict = await runBody(body, () => start(new Handle(this.#tables, this.#session, body, scope)))
    const entries = verdict.keep ? body.entries : []
    this.#session.append(entries)
    this.#session.settle(verdict.keep)
    return { verdict, entries }
  }

  /** Puts what has come together on disk, then answers those it is from. Never throws. */
  async #commit(): Promise<void> {
    const ran = this.#ran
    this.#ran = []
    const rows = this.#session.size
    try {
      if (rows > 0) await this.#write()
      this.#answer(ran)
      if (rows > 0 && !this.#bulk && this.#checkpoints.committed(rows)) await this.#moveRest()
    } catch (cause) {
      const error = translated(this.#file, cause)
      // Those that ran meanwhile saw what is not there.
      for (const { job } of [...ran, ...this.#ran]) job.reject(error)
      this.#ran = []
      this.#session.lost()
    }
    this.#isCommitting = false
    this.#goOn()
  }

  async #write(): Promise<void> {
    const runs = this.#session.take()
    const { seq } = this.#session
    this.#committed.hold()
    await this.#writer.commit(runs)
    this.#session.kept()
    this.#committed.letGo()
    this.#committed.seq = seq
  }

  #answer(all: readonly { readonly job: Job; readonly ran: Ran }[]): void {
    for (const { job, ran } of all)
      if ('error' in ran.verdict) job.reject(ran.verdict.error)
      else job.resolve(ran.verdict.result)
    this.#listeners.tellOf(all.map(({ ran }) => ran.entries))
  }

  /** What a thread has not moved out of the log is moved between two commits. A log that could not be is safe where it is. */
  async #moveRest(): Promise<void> {
    try {
      await this.#writer.move()
    } catch (err) {
      this.#log.warn({ err, store: this.#file }, 'the write-ahead log could not be moved into the file')
    }
    // Who reads on reads from the file, and the log can begin anew.
    this.#committed.letGo()
  }

  #journal(): Journal {
    return {
      read: async (scope, ask) => this.#committed.entries(scope, ask),
      newest: async (scope, ask) => this.#committed.newest(scope, ask),
      head: async () => this.#committed.head(),
      trim: async (scope, before, limit) => {
        const trimmed = await this.#enqueue(scope, async () => {
          const rows = this.#committed.oldest(scope, limit)
          let count = 0
          while (count < rows.length && (rows[count]?.[1] ?? before) < before) count++
          const cut = rows[count - 1]?.[0]
          if (cut !== undefined) this.#session.trim(scope, cut)
          return ok(count)
        })
        return trimmed.ok ? trimmed.value : 0
      },
    }
  }
}
