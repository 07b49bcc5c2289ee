/**
 * A lane: one connection on which the bodies of some tenants run, gathered into shared commits.
 *
 * Measured against bodies that commit singly on 4 to 32 connections: gathered on one they are a third faster than the
 * best of those (PostgreSQL's own group commit included), because the client's statements, not the disk, are the limit.
 *
 * While one commit is under way the next bodies wait; then up to `batchMax` of them run one after another in one
 * SERIALIZABLE transaction. Bodies of one process and tenant never conflict that way. What conflicts comes from other
 * processes (or lanes): then the batch is rolled back and run again in halves, down to single bodies, which are run
 * again with growing, jittered pauses. Nothing was answered before the COMMIT, so running again is invisible.
 *
 * A connection lost before the COMMIT was sent means that nothing was kept: run again on a new one. Lost during the
 * COMMIT, the server itself is asked what became of the transaction.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { Defect, type Result } from '@waymark/domain'
import type pg from 'pg'
import { Body, Handle, runBody, type Scope, Sentinel, type Verdict } from './body.ts'
import { messageOf, StoreError, type StoreLog } from './errors.ts'
import { clientConfig, driver, remedyFor, run, statement, translated } from './postgres-connection.ts'
import { PostgresSession, type Statements } from './postgres-session.ts'
import type { Table } from './table.ts'

export interface Job {
  readonly scope: Scope
  start(handle: Handle): Promise<Result<unknown, unknown>>
  resolve(result: Result<unknown, unknown>): void
  reject(error: unknown): void
}

export interface LaneOptions {
  readonly url: string
  readonly store: string
  readonly tables: ReadonlyMap<string, Table>
  readonly statements: Statements
  readonly channel: string
  /** Tells our own announcements from those of other processes. */
  readonly instance: string
  readonly batchMax: number
  readonly waitingMax: number
  readonly random: () => number
  readonly log: StoreLog
  /** Called after a commit with journal entries, with the transaction's id. */
  committed(xid: number, scopes: ReadonlySet<Scope>): void
}

interface Group {
  readonly jobs: readonly Job[]
  readonly attempt: number
}

/** What a group comes to once its COMMIT is through. */
interface Sent {
  readonly verdicts: readonly Verdict<unknown, unknown>[]
  readonly scopes: ReadonlySet<Scope>
  readonly xid: string | undefined
}

const conflictAttemptsMax = 30
const uniqueAttemptsMax = 4
const reconnectAttemptsMax = 12

const announce = statement(
  `SELECT pg_current_xact_id()::text, pg_notify($1, pg_current_xact_id()::text || ' ' || word)::text FROM unnest($2::text[]) word`,
)
const assigned = statement('SELECT pg_current_xact_id_if_assigned()::text')
const fate = statement('SELECT pg_xact_status($1::xid8)')
const scopesPerWord = 200

export class Lane {
  readonly #options: LaneOptions
  readonly #waiting: Job[] = []
  readonly #sentinel = new Sentinel()
  #client: pg.Client | undefined
  #busy = false
  #drained: (() => void) | undefined

  constructor(options: LaneOptions) {
    this.#options = options
  }

  enqueue(job: Job): void {
    if (this.#waiting.length >= this.#options.waitingMax) {
      const { store } = this.#options
      job.reject(
        new StoreError('overloaded', `store ${store}: ${this.#waiting.length} transactions wait already`),
      )
      return
    }
    this.#waiting.push(job)
    if (this.#busy) return
    this.#busy = true
    setImmediate(() => void this.#work())
  }

  /** Resolves when everything that waits is done; then lets the connection go. */
  async close(): Promise<void> {
    if (this.#busy)
      await new Promise<void>((resolve) => {
        this.#drained = resolve
      })
    await this.#client?.end().catch(() => {})
  }

  async #work(): Promise<void> {
    while (this.#waiting.length > 0) {
      const jobs = this.#waiting.splice(0, this.#options.batchMax)
      const groups: Group[] = [{ jobs, attempt: 1 }]
      for (let group = groups.pop(); group !== undefined; group = groups.pop())
        groups.push(...(await this.#run(group)))
    }
    this.#busy = false
    this.#drained?.()
  }

  /** Runs a group in one transaction and answers its jobs; or answers into which groups it has to be run again. */
  async #run(group: Group): Promise<Group[]> {
    const { jobs } = group
    let sent: Sent | undefined
    try {
      const client = await this.#connected()
      await client.query('BEGIN ISOLATION LEVEL SERIALIZABLE')
      const session = new PostgresSession(client, this.#options.statements)
      const verdicts: Verdict<unknown, unknown>[] = []
      for (const job of jobs) {
        const body = new Body(this.#sentinel)
        const handle = new Handle(this.#options.tables, session, body, job.scope)
        const verdict = await runBody(body, () => job.start(handle))
        if (session.broken !== undefined) throw session.broken.error
        await session.settle(verdict.keep, body.entries)
        verdicts.push(verdict)
      }
      await session.finish()
      const scopes = session.scopes
      sent = { verdicts, scopes, xid: await this.#transactionId(client, scopes) }
      await client.query('COMMIT')
      return this.#answer(jobs, sent)
    } catch (error) {
      if (sent !== undefined && remedyFor(error) === 'reconnect')
        return this.#afterLostCommit(group, sent, error)
      return this.#after(group, error)
    }
  }

  #answer(jobs: readonly Job[], { verdicts, scopes, xid }: Sent): Group[] {
    jobs.forEach((job, i) => {
      const verdict = verdicts[i] as Verdict<unknown, unknown>
      if ('error' in verdict) job.reject(verdict.error)
      else job.resolve(verdict.result)
    })
    if (xid !== undefined && scopes.size > 0) this.#options.committed(Number(xid), scopes)
    return []
  }

  /** The id of the transaction, if it wrote; tells other processes of it at the commit. */
  async #transactionId(client: pg.Client, scopes: ReadonlySet<Scope>): Promise<string | undefined> {
    const { channel, instance } = this.#options
    const list = [...scopes]
    const words: string[] = []
    for (let i = 0; i < list.length; i += scopesPerWord)
      words.push(`${instance} ${list.slice(i, i + scopesPerWord)}`)
    const [row] =
      words.length > 0 ? await run(client, announce, [channel, words]) : await run(client, assigned)
    const xid = row?.[0]
    return typeof xid === 'string' ? xid : undefined
  }

  async #after(group: Group, error: unknown): Promise<Group[]> {
    const { jobs, attempt } = group
    const { store, log } = this.#options
    const remedy = remedyFor(error)
    if (remedy === 'reconnect') this.#drop()
    else await this.#client?.query('ROLLBACK').catch(() => this.#drop())
    const single = jobs.length === 1
    if (remedy === 'reconnect') {
      if (attempt >= reconnectAttemptsMax) return this.#refuse(jobs, translated(store, error))
      log.warn({ store, err: error, attempt }, 'the database was lost; looking for it again')
      await this.#wait(attempt, 50)
      return [{ ...group, attempt: attempt + 1 }]
    }
    // Whichever body is to blame, the others need not wait for it.
    if (!single) return halves(group)
    if (remedy === 'again') {
      if (attempt >= conflictAttemptsMax)
        return this.#refuse(
          jobs,
          new StoreError('conflict', `store ${store}: others kept changing the same rows`, error),
        )
      await this.#wait(attempt, 2)
      return [{ ...group, attempt: attempt + 1 }]
    }
    if (remedy === 'unique') {
      if (attempt >= uniqueAttemptsMax)
        return this.#refuse(jobs, new Defect(`another row is the same: ${messageOf(error)}`))
      await this.#wait(attempt, 2)
      return [{ ...group, attempt: attempt + 1 }]
    }
    return this.#refuse(jobs, translated(store, error))
  }

  /** The COMMIT was sent and its answer lost: the server knows what became of it. */
  async #afterLostCommit(group: Group, sent: Sent, error: unknown): Promise<Group[]> {
    const { store, log } = this.#options
    const { xid } = sent
    // Nothing was written, so nothing can have been kept.
    if (xid === undefined) return this.#after(group, error)
    log.warn({ store, err: error, xid }, 'the database was lost during a commit; asking what became of it')
    for (let attempt = 1; attempt <= reconnectAttemptsMax; attempt++) {
      this.#drop()
      await this.#wait(attempt, 50)
      try {
        const [row] = await run(await this.#connected(), fate, [xid])
        if (row?.[0] === 'committed') return this.#answer(group.jobs, sent)
        if (row?.[0] === 'aborted') return [{ ...group, attempt: group.attempt + 1 }]
      } catch (cause) {
        if (remedyFor(cause) !== 'reconnect') break
      }
    }
    const what = `store ${store}: the connection was lost during a commit, and what became of it could not be learned`
    return this.#refuse(group.jobs, new StoreError('unknown-outcome', what, error))
  }

  #refuse(jobs: readonly Job[], error: unknown): Group[] {
    for (const job of jobs) job.reject(error)
    return []
  }

  async #connected(): Promise<pg.Client> {
    if (this.#client !== undefined) return this.#client
    const { Client } = await driver()
    const client = new Client(clientConfig(this.#options.url))
    // Whatever befalls the connection shows at the next statement; between statements, it is replaced quietly.
    client.on('error', () => {
      if (this.#client === client) this.#client = undefined
    })
    await client.connect()
    await client.query('SET synchronous_commit = on')
    this.#client = client
    return client
  }

  #drop(): void {
    const client = this.#client
    this.#client = undefined
    void client?.end().catch(() => {})
  }

  /** Grows with each attempt, and no two wait equally long. */
  #wait(attempt: number, unitMs: number): Promise<void> {
    return pause(Math.min(500, unitMs * 2 ** Math.min(attempt, 10)) * (0.5 + this.#options.random()))
  }
}

function halves(group: Group): Group[] {
  const middle = group.jobs.length >> 1
  // Taken from the end: the first half runs first.
  return [
    { ...group, jobs: group.jobs.slice(middle), attempt: 1 },
    { ...group, jobs: group.jobs.slice(0, middle), attempt: 1 },
  ]
}
