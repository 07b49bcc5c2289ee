/** Progress reports, each durable before it is answered: 256 in flight, `synchronous=FULL`. */
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import {
  type DeviceId,
  Instant,
  mainCollections,
  type Reading,
  Revision,
  reportStep,
  type Store,
  TenantId,
} from '@waymark/domain'
import { openPostgresStore, openSqliteStore } from '@waymark/store'
import { startChild } from './child.ts'
import { type Bench, type Figure, median, paired } from './figure.ts'
import type { HouseReady } from './house-child.ts'
import { requestsPerSecond } from './http-load.ts'
import { drawn } from './poll.ts'
import { seed } from './seed.ts'

const deviceCount = 1000
const inFlight = 256
const reportsARound = 10_000
const rounds = 5
const tenant = TenantId.parse('6'.repeat(24)) as TenantId
const rev = Revision.parse(1) as Revision

export const reports: Bench = {
  name: 'reports',
  about: 'durable progress reports, 256 in flight, synchronous=FULL',
  async run() {
    const folder = mkdtempSync(join(tmpdir(), 'waymark-bench-'))
    try {
      const figures = [...(await domainAndStore(folder)), await overHttp(join(folder, 'house'))]
      const { postgres, skipped } = await onPostgres()
      return { figures: [...figures, ...postgres], skipped }
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  },
}

async function domainAndStore(folder: string): Promise<Figure[]> {
  const file = join(folder, 'store.db')
  const store = await openSqliteStore({ file, collections: mainCollections })
  const ids = await seed(store, tenant, deviceCount, true)
  const rawFiles = [join(folder, 'raw-64.db'), join(folder, 'raw-256.db')] as const
  await store.close()
  for (const rawFile of rawFiles) copyFileSync(file, rawFile)
  const reopened = await openSqliteStore({ file, collections: mainCollections })
  const literal = rawRows(rawFiles[0], ids, 64)
  const large = rawRows(rawFiles[1], ids, 256)
  try {
    const ours = () => reportRate(reopened, ids)
    await ours()
    const rows = await paired(rounds, ours, async () => literal.rate())
    const reportsAtOnce = await paired(rounds, ours, async () => large.rate())
    const told = (pair: { ours: number; theirs: number }) =>
      `${Math.round(pair.ours)} against ${Math.round(pair.theirs)} reports/s of four rows each`
    return [
      {
        name: 'domain and store / the same rows in 256-row commits through the driver',
        ratio: rows.ratio,
        goal: { atLeast: 0.25 },
        detail: told(rows),
      },
      {
        name: 'domain and store / the same rows in 1024-row commits through the driver',
        ratio: reportsAtOnce.ratio,
        detail: told(reportsAtOnce),
      },
    ]
  } finally {
    literal.close()
    large.close()
    await reopened.close()
  }
}

/** The rows a report writes, written without asking anybody: step, transaction, two journal entries. */
function rawRows(file: string, ids: readonly DeviceId[], reportsACommit: number) {
  const db = new DatabaseSync(file)
  db.exec('PRAGMA journal_mode = WAL')
  db.exec('PRAGMA synchronous = FULL')
  const columns = (table: string) =>
    db
      .prepare(`PRAGMA table_info("${table}")`)
      .all()
      .map(({ name }) => String(name))
  const body = columns('steps').find((name) => name.includes('body')) ?? 'body'
  const step = db.prepare(
    `UPDATE steps SET status = ?, "reportedAt" = ?, "modifiedAt" = ?, "${body}" = ? WHERE _tenant = ? AND device = ? AND generation = 0 AND rev = 1`,
  )
  const ownBody = db.prepare(
    `SELECT "${body}" AS text FROM steps WHERE _tenant = ? AND device = ? AND rev = 1`,
  )
  const ofDevice = db.prepare(
    `SELECT id, "${body}" AS text FROM transactions WHERE _tenant = ? AND device = ? AND seq = 1`,
  )
  const transaction = db.prepare(
    `UPDATE transactions SET state = ?, "${body}" = ? WHERE _tenant = ? AND id = ?`,
  )
  const journal = db.prepare(
    'INSERT INTO _journal (_tenant, seq, at, kind, device, by_kind, by_id, data) VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
  )
  const held = ids.map((id) => {
    const owned = ofDevice.get(tenant, id)
    return {
      id,
      step: String(ownBody.get(tenant, id)?.text),
      transaction: String(owned?.id),
      life: String(owned?.text),
    }
  })
  let seq = Number(db.prepare('SELECT max(seq) AS seq FROM _journal').get()?.seq ?? 0)
  const data = JSON.stringify({ rev: 1, generation: 0, status: 'INPROGRESS', percent: 50, message: 'half' })
  return {
    rate(): number {
      const started = performance.now()
      for (let i = 0; i < reportsARound; i++) {
        if (i % reportsACommit === 0) db.exec('BEGIN IMMEDIATE')
        const device = held[(i * 7919) % held.length]
        if (device) {
          step.run('INPROGRESS', i, i, device.step, tenant, device.id)
          transaction.run('in-progress', device.life, tenant, device.transaction)
          journal.run(tenant, ++seq, i, 'step.reported', device.id, 'device', device.id, data)
          journal.run(tenant, ++seq, i, 'transaction.progressed', device.id, 'device', device.id, data)
        }
        if (i % reportsACommit === reportsACommit - 1) db.exec('COMMIT')
      }
      if (db.isTransaction) db.exec('COMMIT')
      return (reportsARound * 1000) / (performance.now() - started)
    },
    close: () => db.close(),
  }
}

let turn = 0

/** Reports a second, `inFlight` of them waiting for their commit at any time. */
async function reportRate(store: Store, ids: readonly DeviceId[]): Promise<number> {
  const env = { now: Instant.of(Date.now()), random: () => new Uint8Array() }
  let asked = 0
  turn += 1
  const started = performance.now()
  await Promise.all(
    Array.from({ length: inFlight }, async () => {
      while (asked < reportsARound) {
        const device = ids[(asked++ * 7919) % ids.length] as DeviceId
        const percent = (asked + turn) % 100
        const reading: Reading = { word: 'INPROGRESS', meaning: 'working', percent, message: 'half' }
        const report = { status: 'INPROGRESS', progress: percent, 'status-msg': 'half' }
        const said = await store.transact(tenant, (tx) =>
          reportStep(tx, env, { device, rev, report, reading, by: { kind: 'device', id: device } }),
        )
        if (!said.ok) throw new Error(said.refusal.kind)
      }
    }),
  )
  return (reportsARound * 1000) / (performance.now() - started)
}

/** The whole route over HTTP, and the same route with the store's transaction left out, in turn. */
async function overHttp(data: string): Promise<Figure> {
  const house = await startChild<HouseReady>('house-child.ts', [JSON.stringify({ data })])
  try {
    await house.ask({ kind: 'seed', count: deviceCount, open: true })
    const { devices } = await house.ask<{ devices: { id: string; token: string }[] }>({
      kind: 'tokens',
      count: deviceCount,
    })
    const requests = devices.flatMap(({ id, token }) =>
      [40, 60].map((percent) => reportRequest(id, token, percent)),
    )
    const load = { port: house.first.port, connections: inFlight, durationMs: 2000 }
    const rate = () => requestsPerSecond({ ...load, next: drawn(requests) })
    const without = async () => {
      await house.ask({ kind: 'leave-store-out' })
      const measured = await rate()
      await house.ask({ kind: 'leave-store-out' })
      return measured
    }
    await rate()
    await without()
    const { ratio, ours, theirs } = await paired(rounds, rate, without)
    return {
      name: 'whole over HTTP / the same route with the store left out',
      ratio,
      goal: { atLeast: 0.5 },
      detail: `${Math.round(ours)} against ${Math.round(theirs)} reports/s`,
    }
  } finally {
    await house.stop()
  }
}

function reportRequest(id: string, token: string, percent: number): string {
  const body = JSON.stringify({ status: 'INPROGRESS', progress: percent, 'status-msg': 'half' })
  return (
    `PUT /trails/${id}/steps/1/progress HTTP/1.1\r\nHost: hub\r\nUser-Agent: Pantavisor/2\r\n` +
    `Authorization: Bearer ${token}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`
  )
}

async function onPostgres(): Promise<{ postgres: Figure[]; skipped: string[] }> {
  const { startPostgres } = await import('@waymark/store/testing')
  const server = await startPostgres()
  if (server === undefined) return { postgres: [], skipped: ['PostgreSQL: no binaries for this platform'] }
  try {
    const sqlite = mkdtempSync(join(tmpdir(), 'waymark-bench-'))
    const file = join(sqlite, 'store.db')
    const [embedded, distributed] = await Promise.all([
      openSqliteStore({ file, collections: mainCollections }),
      openPostgresStore({ url: server.url, collections: mainCollections }),
    ])
    try {
      const embeddedIds = await seed(embedded, tenant, deviceCount, true)
      const distributedIds = await seed(distributed, tenant, deviceCount, true)
      const rates: number[] = []
      const pair = await paired(
        3,
        async () => {
          const rate = await reportRate(distributed, distributedIds)
          rates.push(rate)
          return rate
        },
        () => reportRate(embedded, embeddedIds),
      )
      return {
        postgres: [
          {
            name: 'domain and store on PostgreSQL / on SQLite',
            ratio: pair.ratio,
            detail: `${Math.round(median(rates))} against ${Math.round(pair.theirs)} reports/s`,
          },
        ],
        skipped: [],
      }
    } finally {
      await Promise.all([embedded.close(), distributed.close()])
      rmSync(sqlite, { recursive: true, force: true })
    }
  } finally {
    await server.stop()
  }
}
