/**
 * The store in a SQLite file: the default home, one process per file.
 *
 * **Group commit.** A disk syncs about a thousand times a second but takes a hundred thousand rows, so bodies do not
 * commit singly. `transact` puts a body into a queue; when the event loop comes round, up to 256 of them, or as many as some
 * milliseconds have room for, run one after another inside one BEGIN IMMEDIATE … COMMIT, and all are answered after the
 * COMMIT (WAL, `synchronous=FULL`); then whoever else wants the event loop has a turn. Each
 * body that writes has a savepoint, from its first write on, so that a refused one leaves no trace. Nothing is awaited
 * inside but the bodies themselves, and they await nothing but this store, which answers within the turn.
 *
 * **Reads.** A second connection reads what is committed. It keeps its snapshot open between two commits, which saves
 * the locks of opening one for every row; the snapshot is let go just before the next commit, so it never holds up a
 * checkpoint (`sqlite-checkpoints.ts`).
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
  Body,
  Handle,
  type KeptEntry,
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
import { arrays, translated } from './sqlite-connection.ts'
import { type FileLock, lockFile, realFile } from './sqlite-lock.ts'
import { makeIndexes, metaOf, prepareFile } from './sqlite-schema.ts'
import { SqliteSession } from './sqlite-session.ts'
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
   * For filling an empty file: what is committed is on disk only once `close` has resolved, and an empty file gets its
   * indexes then, so nothing may be looked for by them before. Who fills it takes care that nobody opens it half full.
   */
  readonly bulk?: boolean
}

const batchMax = 256
/** A commit takes no further body when those before it have taken so long: everything else waits meanwhile. */
const batchMs = 10
const waitingMaxDefault = 65_536

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
    writer.exec(`PRAGMA wal_autocheckpoint = ${pagesMost}`)
    writer.exec('PRAGMA journal_size_limit = 67108864')
    if (options.maxPages !== undefined) writer.exec(`PRAGMA max_page_count = ${Math.trunc(options.maxPages)}`)
    if (bulk) writer.exec('PRAGMA synchronous = OFF')
    const reader = connect(real)
    reader.exec('PRAGMA query_only = ON')
    const indexed = prepared === 'indexed'
    return new SqliteStore({ ...options, tables, lock, writer, reader, indexed })
  } catch (error) {
    writer?.close()
    lock.release()
    throw translated(file, error)
  }
}

function connect(file: string): DatabaseSync {
  const db = new DatabaseSync(file, { timeout: 5000 })
  db.exec('PRAGMA synchronous = FULL')
  db.exec('PRAGMA cache_size = -32768')
  db.exec('PRAGMA mmap_size = 1073741824')
  db.exec('PRAGMA temp_store = MEMORY')
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
  readonly entries: readonly KeptEntry[]
}

class SqliteStore implements Store {
  readonly journal: Journal
  readonly #file: string
  readonly #tables: ReadonlyMap<string, Table>
  readonly #lock: FileLock
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
  readonly #trim: ReturnType<typeof trimStatements>
  #busy = false
  #drained: (() => void) | undefined
  #closing: Promise<void> | undefined

  constructor(
    opened: SqliteOptions & {
      readonly tables: ReadonlyMap<string, Table>
      readonly lock: FileLock
      readonly writer: DatabaseSync
      readonly reader: DatabaseSync
      readonly indexed: boolean
    },
  ) {
    this.#file = opened.file
    this.#bulk = opened.bulk ?? false
    this.#indexed = opened.indexed
    this.#tables = opened.tables
    this.#lock = opened.lock
    this.#log = opened.log ?? silent
    this.#waitingMax = opened.waitingMax ?? waitingMaxDefault
    this.#listeners = new Listeners((error) => this.#log.warn({ err: error }, 'a listener to commits threw'))
    const seq = Number(metaOf(opened.writer, 'seq') ?? 0)
    this.#session = new SqliteSession(opened.writer, { file: opened.file, seq })
    this.#committed = new Committed(opened.reader, { file: opened.file, seq })
    this.#trim = trimStatements(opened.writer)
    this.#checkpoints = new Checkpoints({ ...opened, file: realFile(opened.file), log: this.#log })
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
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    if (this.#busy)
      await new Promise<void>((resolve) => {
        this.#drained = resolve
      })
    this.#committed.close()
    await this.#checkpoints.close()
    const { db } = this.#session
    try {
      if (!this.#indexed) makeIndexes(db, this.#tables)
      if (this.#bulk) db.exec('PRAGMA wal_checkpoint(TRUNCATE)')
    } catch (error) {
      throw translated(this.#file, error)
    } finally {
      db.close()
      this.#lock.release()
    }
    if (this.#bulk) await syncFile(this.#file)
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

  #schedule(): void {
    if (this.#busy) return
    this.#busy = true
    setImmediate(() => void this.#flush())
  }

  /** One commit. Never throws: whatever goes wrong is told to the bodies it befell. */
  async #flush(): Promise<void> {
    const until = performance.now() + batchMs
    const session = this.#session
    let done: { job: Job; ran: Ran }[] = []
    for (let taken = 0; taken < batchMax; taken++) {
      if (taken > 0 && performance.now() >= until) break
      const job = this.#waiting.shift()
      if (job === undefined) break
      try {
        session.begin()
      } catch (error) {
        job.reject(translated(this.#file, error))
        continue
      }
      const ran = await this.#settled(job)
      if (session.began) done.push({ job, ran })
      else {
        // A full disk may undo the whole transaction at once: this body and all before it.
        const { verdict } = ran
        const error =
          'error' in verdict
            ? verdict.error
            : new StoreError('io', `store ${this.#file}: a commit was undone`)
        for (const other of done) other.job.reject(error)
        job.reject(error)
        done = []
      }
    }
    this.#commit(done)
    this.#busy = false
    if (this.#waiting.length > 0) this.#schedule()
    else this.#drained?.()
  }

  /** Runs one body and keeps what it wrote, or takes it back without a trace. */
  async #settled(job: Job): Promise<Ran> {
    const { seq } = this.#session
    let ran: Ran
    try {
      ran = await job.run()
      this.#session.settle(ran.verdict.keep)
    } catch (error) {
      ran = { verdict: { keep: false, error: translated(this.#file, error) }, entries: [] }
      this.#undoBody()
    }
    if (!ran.verdict.keep) this.#session.seq = seq
    return ran
  }

  #undoBody(): void {
    try {
      this.#session.settle(false)
    } catch {
      // Then nothing of the transaction can be trusted; it is undone whole.
      this.#session.undo()
    }
  }

  async #run<T, R>(scope: Scope, start: (handle: Handle) => Promise<Result<T, R>>): Promise<Ran> {
    const body = new Body(this.#sentinel)
    const verdict = await runBody(body, () => start(new Handle(this.#tables, this.#session, body, scope)))
    if (!verdict.keep || body.entries.length === 0) return { verdict, entries: [] }
    this.#session.append(body.entries)
    return { verdict, entries: body.entries }
  }

  /** Puts the bodies' writes on disk, then answers them all. */
  #commit(done: readonly { readonly job: Job; readonly ran: Ran }[]): void {
    if (done.length === 0) return
    try {
      this.#committed.letGo()
      this.#session.commit()
    } catch (cause) {
      const error = translated(this.#file, cause)
      try {
        this.#session.undo()
      } catch (err) {
        this.#log.warn({ err, store: this.#file }, 'a transaction could not be rolled back')
      }
      for (const { job } of done) job.reject(error)
      return
    }
    this.#committed.seq = this.#session.seq
    if (!this.#bulk) this.#checkpoints.committed(this.#session.takeWritten())
    for (const { job, ran } of done)
      if ('error' in ran.verdict) job.reject(ran.verdict.error)
      else job.resolve(ran.verdict.result)
    this.#listeners.tellOf(done.flatMap(({ ran }) => ran.entries))
  }

  #journal(): Journal {
    return {
      read: async (scope, ask) => this.#committed.entries(scope, ask),
      newest: async (scope, ask) => this.#committed.newest(scope, ask),
      head: async () => this.#committed.head(),
      trim: async (scope, before, limit) => {
        const trimmed = await this.#enqueue(scope, async () => {
          this.#session.save()
          const rows = this.#trim.oldest.all(scope, Math.max(0, Math.trunc(limit))) as unknown as [
            number,
            number,
          ][]
          let count = 0
          while (count < rows.length && (rows[count]?.[1] ?? before) < before) count++
          const cut = rows[count - 1]?.[0]
          if (cut !== undefined) {
            this.#trim.drop.run(scope, cut)
            this.#trim.keepFloor.run(scope, cut)
          }
          return ok(count)
        })
        return trimmed.ok ? trimmed.value : 0
      },
    }
  }
}

function trimStatements(writer: DatabaseSync) {
  return {
    oldest: arrays(writer, 'SELECT seq, at FROM _journal WHERE _tenant = ? ORDER BY seq LIMIT ? + 0'),
    drop: writer.prepare('DELETE FROM _journal WHERE _tenant = ? AND seq <= ?'),
    keepFloor: writer.prepare(
      'INSERT INTO _floors VALUES (?, ?) ON CONFLICT (_tenant) DO UPDATE SET seq = excluded.seq',
    ),
  }
}
