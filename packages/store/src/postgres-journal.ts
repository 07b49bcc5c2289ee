/**
 * The journal in PostgreSQL, and the news of commits.
 *
 * Transactions commit out of order: one that began earlier may show its entries later. So entries are ordered by the
 * id of their transaction, and nobody reads an entry before every transaction with a lower id has ended
 * (`pg_snapshot_xmin`): what was skipped once could never be seen again. A cursor names epoch, transaction and place.
 * A transaction that stays open for long (of any client of the same server that writes) therefore holds up followers.
 *
 * News of commits come by NOTIFY from other processes and directly from our own lanes; either way listeners are told
 * when the entries can be read, not before. After a lost connection the journal itself is asked what was missed.
 */
import {
  type Cursor,
  type DeviceId,
  type Instant,
  type JournalRefusal,
  type JournalRow,
  ok,
  type Result,
  refuse,
} from '@waymark/domain'
import type pg from 'pg'
import { entryOf, type Listeners, type Scope } from './body.ts'
import { journalReadMax } from './cursor.ts'
import type { StoreLog } from './errors.ts'
import { clientConfig, driver, run, statement } from './postgres-connection.ts'
import { tableName } from './postgres-schema.ts'
import { quoted } from './sql.ts'
import type { Kept, Row } from './table.ts'

/** Runs a prepared statement on whatever connection is free, again on a fresh one where the first was lost. */
export type Ask = (prepared: ReturnType<typeof statement>, values?: readonly unknown[]) => Promise<Row[]>

const xminText = 'pg_snapshot_xmin(pg_current_snapshot())::text::bigint'
const xminNow = statement(`SELECT ${xminText}`)

interface Place {
  readonly xid: number
  readonly seq: number
}

export class PostgresJournal {
  readonly #ask: Ask
  readonly #epoch: number
  readonly #read: ReturnType<typeof statement>
  readonly #readDevice: ReturnType<typeof statement>
  readonly #newest: ReturnType<typeof statement>
  readonly #trim: ReturnType<typeof statement>

  constructor(ask: Ask, opened: { readonly schema: string; readonly epoch: number }) {
    this.#ask = ask
    this.#epoch = opened.epoch
    const journal = tableName(opened.schema, '_journal')
    const floors = tableName(opened.schema, '_floors')
    const read = (device: string) =>
      statement(`
        SELECT h.xmin, coalesce(f.xid, 0), coalesce(f.seq, 0),
               j.xid, j.seq, j.at, j.kind, j.device, j.by_kind, j.by_id, j.data
        FROM (SELECT ${xminText} AS xmin) h
        LEFT JOIN ${floors} f ON f._tenant = $1
        LEFT JOIN LATERAL (
          SELECT * FROM ${journal} e
          WHERE e._tenant = $1 AND (e.xid, e.seq) > ($2::bigint, $3::bigint) AND e.xid < h.xmin${device}
          ORDER BY e.xid, e.seq LIMIT $4
        ) j ON true
        ORDER BY j.xid, j.seq`)
    this.#read = read('')
    this.#readDevice = read(' AND e.device = $5')
    this.#newest = statement(`
      SELECT 0, 0, 0, e.xid, e.seq, e.at, e.kind, e.device, e.by_kind, e.by_id, e.data FROM ${journal} e
      WHERE e._tenant = $1 AND e.device = $2 AND e.xid < ${xminText}
      ORDER BY e.xid DESC, e.seq DESC LIMIT $3`)
    this.#trim = statement(`
      WITH oldest AS (
        SELECT xid, seq, at FROM ${journal}
        WHERE _tenant = $1 AND xid < ${xminText} ORDER BY xid, seq LIMIT $3
      ), cut AS (
        SELECT xid, seq FROM (
          SELECT xid, seq, bool_and(at < $2) OVER (ORDER BY xid, seq) AS old FROM oldest
        ) o WHERE old ORDER BY xid DESC, seq DESC LIMIT 1
      ), floor AS (
        INSERT INTO ${floors} AS f SELECT $1, xid, seq FROM cut
        ON CONFLICT (_tenant) DO UPDATE SET xid = excluded.xid, seq = excluded.seq
        WHERE (f.xid, f.seq) < (excluded.xid, excluded.seq)
      ), gone AS (
        DELETE FROM ${journal} j USING cut
        WHERE j._tenant = $1 AND (j.xid, j.seq) <= (cut.xid, cut.seq) RETURNING 1
      ) SELECT count(*) FROM gone`)
  }

  async read(
    scope: Scope,
    ask: { readonly after?: string; readonly limit: number; readonly device?: DeviceId },
  ): Promise<Result<{ entries: JournalRow[]; next: Cursor }, JournalRefusal>> {
    const after = ask.after === undefined ? { xid: 0, seq: 0 } : this.#parse(ask.after)
    const notACursor = () => refuse({ kind: 'not-a-cursor' as const, got: (ask.after ?? '').slice(0, 100) })
    if (after === undefined) return notACursor()
    const limit = Math.max(0, Math.min(Math.trunc(ask.limit), journalReadMax))
    const values: Kept[] = [scope, after.xid, after.seq, limit]
    const rows =
      ask.device === undefined
        ? await this.#ask(this.#read, values)
        : await this.#ask(this.#readDevice, [...values, ask.device])
    const [xmin = 0, floorXid = 0, floorSeq = 0] = (rows[0] ?? []) as number[]
    if (after.xid > xmin) return notACursor()
    const floor = { xid: floorXid, seq: floorSeq }
    if (ask.after !== undefined && isBefore(after, floor))
      return refuse({ kind: 'cursor-too-old', got: ask.after, oldest: this.#cursor(floor) })
    const entries = rows.filter((row) => row[3] !== null).map((row) => this.#entry(row))
    const full = entries.length === limit
    const next = full
      ? (entries.at(-1)?.cursor ?? this.#cursor(isBefore(after, floor) ? floor : after))
      : this.#cursor({ xid: xmin, seq: 0 })
    return ok({ entries, next })
  }

  async newest(
    scope: Scope,
    ask: { readonly device: DeviceId; readonly limit: number },
  ): Promise<JournalRow[]> {
    const limit = Math.max(0, Math.min(Math.trunc(ask.limit), journalReadMax))
    const rows = await this.#ask(this.#newest, [scope, ask.device, limit])
    return rows.map((row) => this.#entry(row)).reverse()
  }

  async head(): Promise<Cursor> {
    const rows = await this.#ask(xminNow)
    return this.#cursor({ xid: Number(rows[0]?.[0]), seq: 0 })
  }

  async trim(scope: Scope, before: Instant, limit: number): Promise<number> {
    const rows = await this.#ask(this.#trim, [scope, before, Math.max(0, Math.trunc(limit))])
    return Number(rows[0]?.[0])
  }

  #entry(row: Row): JournalRow {
    const [, , , xid, seq, at, kind, device, byKind, byId, data] = row as [
      number,
      number,
      number,
      number,
      number,
      number,
      string,
      string | null,
      string,
      string,
      string,
    ]
    return { ...entryOf({ at, kind, device, byKind, byId, data }), cursor: this.#cursor({ xid, seq }) }
  }

  #cursor({ xid, seq }: Place): Cursor {
    return `${this.#epoch}.${xid}.${seq}` as Cursor
  }

  #parse(text: string): Place | undefined {
    const found = /^(\d{1,9})\.(\d{1,15})\.(\d{1,15})$/.exec(text)
    return found !== null && Number(found[1]) === this.#epoch
      ? { xid: Number(found[2]), seq: Number(found[3]) }
      : undefined
  }
}

function isBefore(a: Place, b: Place): boolean {
  return a.xid < b.xid || (a.xid === b.xid && a.seq < b.seq)
}

const heartbeatMs = 5_000
const reconnectMaxMs = 5_000
const lookMaxMs = 200

interface AnnouncerOptions {
  readonly url: string
  readonly store: string
  readonly schema: string
  readonly channel: string
  /** Names this process in its own announcements. */
  readonly instance: string
  readonly ask: Ask
  readonly listeners: Listeners
  readonly log: StoreLog
}

/** A commit and whose journals it wrote to. */
interface News {
  readonly xid: number
  readonly scopes: Iterable<Scope>
}

/** Tells listeners of commits, ours and those of other processes, once their entries can be read. */
export class Announcer {
  readonly #options: AnnouncerOptions
  readonly #missed: ReturnType<typeof statement>
  #client: pg.Client | undefined
  /** Everything below this transaction id has been told: as of the last heartbeat but one, so no news is under way. */
  #mark = 0
  #markNext = 0
  #waiting: News[] = []
  #looking = false
  #timers = new Set<NodeJS.Timeout>()
  #closed = false

  constructor(options: AnnouncerOptions) {
    this.#options = options
    this.#missed = statement(
      `SELECT _tenant, max(xid) FROM ${tableName(options.schema, '_journal')} WHERE xid >= $1 GROUP BY _tenant`,
    )
  }

  /** Begins to listen; rejects when the database cannot be reached. */
  async start(): Promise<void> {
    await this.#listen()
    this.#beat()
  }

  /** A transaction of this process has committed. */
  committed(xid: number, scopes: Iterable<Scope>): void {
    this.#waiting.push({ xid, scopes })
    void this.#look()
  }

  async close(): Promise<void> {
    this.#closed = true
    for (const timer of this.#timers) clearTimeout(timer)
    await this.#client?.end().catch(() => {})
  }

  async #listen(): Promise<void> {
    const { url, channel, instance } = this.#options
    const { Client } = await driver()
    const client = new Client(clientConfig(url))
    const lost = () => this.#lost(client)
    client.on('error', lost)
    client.on('end', lost)
    client.on('notification', ({ payload = '' }) => {
      const [xid = '', from = '', scopes = ''] = payload.split(' ')
      if (from !== instance) this.committed(Number(xid), scopes.split(',') as Scope[])
    })
    await client.connect()
    await client.query(`LISTEN ${quoted(channel)}`)
    const xmin = Number((await run(client, xminNow))[0]?.[0])
    if (this.#mark > 0)
      for (const [scope, xid] of await run(client, this.#missed, [this.#mark]))
        this.#waiting.push({ xid: Number(xid), scopes: [scope as Scope] })
    this.#mark = this.#markNext = xmin
    this.#client = client
    if (this.#closed) await client.end()
    void this.#look()
  }

  #lost(client: pg.Client): void {
    if (this.#closed || this.#client !== client) return
    this.#client = undefined
    this.#options.log.warn({ store: this.#options.store }, 'lost the connection that hears of commits')
    this.#again(100)
  }

  #again(afterMs: number): void {
    this.#later(afterMs, () => {
      this.#listen().catch(() => this.#again(Math.min(2 * afterMs, reconnectMaxMs)))
    })
  }

  /** Finds out that a silent connection is dead, and keeps the mark near the present. */
  #beat(): void {
    this.#later(heartbeatMs, () => {
      const client = this.#client
      const told = this.#waiting.length === 0
      if (client === undefined) return this.#beat()
      run(client, xminNow)
        .then(
          ([row]) => {
            if (!told || this.#client !== client) return
            this.#mark = this.#markNext
            this.#markNext = Number(row?.[0])
          },
          () => void client.end().catch(() => {}),
        )
        .finally(() => this.#beat())
    })
  }

  /** Tells what can be read by now; comes back for the rest when older transactions may have ended. */
  async #look(): Promise<void> {
    if (this.#looking || this.#closed) return
    this.#looking = true
    for (let waitMs = 2; this.#waiting.length > 0 && !this.#closed; ) {
      try {
        const xmin = Number((await this.#options.ask(xminNow))[0]?.[0])
        const told = new Set<Scope>()
        const rest: News[] = []
        for (const one of this.#waiting)
          if (one.xid < xmin) for (const scope of one.scopes) told.add(scope)
          else rest.push(one)
        this.#waiting = rest
        this.#options.listeners.tellOfAny(told)
      } catch {
        // The database is away; what waits is told when it is back.
      }
      if (this.#waiting.length > 0) {
        const pauseMs = waitMs
        await new Promise<void>((resolve) => this.#later(pauseMs, resolve))
        waitMs = Math.min(2 * waitMs, lookMaxMs)
      }
    }
    this.#looking = false
  }

  #later(ms: number, then: () => void): void {
    if (this.#closed) return
    const timer = setTimeout(() => {
      this.#timers.delete(timer)
      then()
    }, ms)
    timer.unref()
    this.#timers.add(timer)
  }
}
