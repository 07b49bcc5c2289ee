/**
 * What the store costs beside its driver, as ratios measured in one run.
 *
 *  - *durable reports*: 256 bodies in flight, each {get a row, put it changed, one journal entry}, SQLite with
 *    `synchronous=FULL`, against the same row updates and journal inserts through the driver alone, prepared, with
 *    ready-made values, in commits of 256 rows;
 *  - *point read* and *search without result*, against the bare prepared statement;
 *  - the same reports on PostgreSQL, beside (where its package is installed);
 *  - *object write*, against sha256 and write with one fsync.
 *
 * Run alone: `node --conditions=source packages/store/bench/store.ts`.
 */
import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { collection, type DeviceId, Id24, type Instant, ok, type Store, TenantId } from '@waymark/domain'
import { createObjectBytes, openPostgresStore, openSqliteStore } from '@waymark/store'
import { startPostgres } from '@waymark/store/testing'

export interface Figure {
  readonly name: string
  /** Ours by the peer's; undefined where there is no peer. */
  readonly ratio: number | undefined
  readonly goal: number | undefined
  readonly detail: string
}

interface Step {
  device: string
  rev: number
  status: string
  modifiedAt: number
  state: string
  progress: { status: string; statusMsg: string; percent: number }
  meta: Record<string, string>
}

const steps = collection<Step>()({
  name: 'steps',
  scope: 'tenant',
  key: ['device', 'rev'],
  columns: { device: 'text', rev: 'int', status: 'text', modifiedAt: 'int' },
  texts: ['state'],
  indexes: [{ on: ['device', 'status', 'rev'] }],
})

const tenant = TenantId.parse('a'.repeat(24)) as TenantId
const devices = Array.from({ length: 20_000 }, (_, i) =>
  Id24.make((1_700_000_000_000 + i * 1000) as Instant, noise(i)),
)

function noise(i: number): Uint8Array {
  return createHash('sha256').update(String(i)).digest().subarray(0, 6)
}

function stepOf(device: string, i: number): Step {
  return {
    device,
    rev: 1,
    status: 'INPROGRESS',
    modifiedAt: 1_700_000_000_000 + i,
    state: JSON.stringify({
      '#spec': 'pantavisor-service-system@1',
      'bsp/run.json': { addons: [], i },
    }).repeat(8),
    progress: { status: 'INPROGRESS', statusMsg: `downloading part ${i}`, percent: i % 100 },
    meta: { 'pvr-sdk': 'one', origin: 'two' },
  }
}

async function fill(store: Store): Promise<void> {
  for (let from = 0; from < devices.length; from += 1000)
    await store.transact(tenant, async (tx) => {
      for (const device of devices.slice(from, from + 1000)) await tx.put(steps, stepOf(device, 0))
      tx.journal({ kind: 'filled', at: 1 as Instant, by: { kind: 'system', id: 'bench' }, data: {} })
      return ok(undefined)
    })
}

/** Reports on devices drawn uniformly, 256 in flight; answers reports per second. */
async function reports(store: Store, count: number, seed: number): Promise<number> {
  let next = 0
  const report = async () => {
    while (next < count) {
      const i = next++
      const device = devices[(i * 7919 + seed) % devices.length] ?? ''
      await store.transact(tenant, async (tx) => {
        const step = await tx.get(steps, { device, rev: 1 })
        if (step === undefined) throw new Error(`no step of ${device}`)
        const progress = { status: 'INPROGRESS', statusMsg: `downloading part ${i}`, percent: i % 100 }
        await tx.put(steps, { ...step, modifiedAt: step.modifiedAt + 1, progress })
        tx.journal({
          kind: 'step.reported',
          at: step.modifiedAt as Instant,
          by: { kind: 'device', id: device },
          device: device as DeviceId,
          data: { rev: 1, progress },
        })
        return ok(undefined)
      })
    }
  }
  const begun = performance.now()
  await Promise.all(Array.from({ length: 256 }, report))
  return count / ((performance.now() - begun) / 1000)
}

/** The same rows through the driver alone: update, journal insert, 256 of each per commit. */
function rawReports(db: DatabaseSync, count: number, seed: number, firstSeq: number): number {
  const update = db.prepare(
    'UPDATE steps SET "modifiedAt" = ?, "_body" = ? WHERE "_tenant" = ? AND device = ? AND rev = ?',
  )
  const append = db.prepare(
    'INSERT INTO _journal (_tenant, seq, at, kind, device, by_kind, by_id, data) VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
  )
  const begin = db.prepare('BEGIN IMMEDIATE')
  const commit = db.prepare('COMMIT')
  // Values are made ready beforehand: the driver's own work is what is measured.
  const rows = Array.from({ length: count }, (_, i) => {
    const device = devices[(i * 7919 + seed) % devices.length] ?? ''
    const { progress, meta } = stepOf(device, i)
    return { device, body: JSON.stringify({ progress, meta }), data: JSON.stringify({ rev: 1, progress }) }
  })
  const begun = performance.now()
  for (let i = 0; i < count; ) {
    begin.run()
    for (let k = 0; k < 256 && i < count; k++, i++) {
      const { device, body, data } = rows[i] as (typeof rows)[number]
      update.run(1_700_000_000_001 + i, body, tenant, device, 1)
      append.run(tenant, firstSeq + i, 1_700_000_000_000, 'step.reported', device, 'device', device, data)
    }
    commit.run()
  }
  return count / ((performance.now() - begun) / 1000)
}

function perSecond(count: number, work: () => void): number {
  const begun = performance.now()
  work()
  return count / ((performance.now() - begun) / 1000)
}

function median(list: readonly number[]): number {
  return [...list].sort((a, b) => a - b)[list.length >> 1] ?? Number.NaN
}

/** The median of the rounds' own ratios: what else the machine does falls on both of a round alike. */
function paired(ours: readonly number[], theirs: readonly number[]): number {
  return median(ours.map((value, i) => value / (theirs[i] ?? Number.NaN)))
}

const rate = (value: number) => `${Math.round(value).toLocaleString('en-GB')}/s`
const rounds = 5

async function benchSqlite(folder: string): Promise<Figure[]> {
  const file = join(folder, 'bench.db')
  const store = await openSqliteStore({ file, collections: [steps] })
  await fill(store)
  await reports(store, 4096, 1)
  const ours: number[] = []
  const raws: number[] = []
  const raw = new DatabaseSync(join(folder, 'bench-raw.db'))
  const twin = await openSqliteStore({ file: join(folder, 'bench-raw.db'), collections: [steps] })
  await fill(twin)
  await twin.close()
  for (const pragma of [
    'synchronous = FULL',
    'cache_size = -32768',
    'mmap_size = 1073741824',
    'wal_autocheckpoint = 4000',
    'temp_store = MEMORY',
  ])
    raw.exec(`PRAGMA ${pragma}`)
  raw.exec('PRAGMA journal_mode = WAL')
  let seq = 1_000_000
  rawReports(raw, 4096, 0, seq)
  for (let round = 1; round <= rounds; round++) {
    ours.push(await reports(store, 8192, round))
    seq += 10_000
    raws.push(rawReports(raw, 8192, round, seq))
  }
  const bodies = paired(ours, raws)
  const reads = await benchReads(store, raw)
  raw.close()
  await store.close()
  return [
    {
      name: 'durable reports, 256 in flight, SQLite FULL',
      ratio: bodies,
      goal: 0.25,
      detail: `${rate(median(ours))} of ${rate(median(raws))} through the driver`,
    },
    ...reads,
  ]
}

async function benchReads(store: Store, raw: DatabaseSync): Promise<Figure[]> {
  const reader = store.read(tenant)
  const count = 20_000
  const get = raw.prepare(
    'SELECT * FROM steps r LEFT JOIN _texts_steps x USING (_tenant, device, rev) WHERE r._tenant = ? AND r.device = ? AND r.rev = ?',
  )
  const find = raw.prepare(
    'SELECT * FROM steps WHERE _tenant = ? AND device = ? AND status = ? AND rev > ? ORDER BY rev LIMIT ? + 0',
  )
  const figures: [string, () => Promise<unknown>, () => void][] = [
    [
      'point read',
      async () => {
        for (let i = 0; i < count; i++)
          await reader.get(steps, { device: devices[(i * 7919) % devices.length] ?? '', rev: 1 })
      },
      () => {
        for (let i = 0; i < count; i++) get.get(tenant, devices[(i * 7919) % devices.length] ?? '', 1)
      },
    ],
    [
      'indexed search without result',
      async () => {
        for (let i = 0; i < count; i++)
          await reader.find(steps, {
            where: { device: devices[(i * 7919) % devices.length] ?? '', status: 'NEW', rev: { gt: 0 } },
            order: ['rev'],
            limit: 1,
            without: 'texts',
          })
      },
      () => {
        for (let i = 0; i < count; i++)
          find.all(tenant, devices[(i * 7919) % devices.length] ?? '', 'NEW', 0, 1)
      },
    ],
  ]
  const results: Figure[] = []
  for (const [name, ours, theirs] of figures) {
    const own: number[] = []
    const bare: number[] = []
    await ours()
    theirs()
    for (let round = 0; round < rounds; round++) {
      const begun = performance.now()
      await ours()
      own.push(count / ((performance.now() - begun) / 1000))
      bare.push(perSecond(count, theirs))
    }
    const detail = `${rate(median(own))} of ${rate(median(bare))} of the bare statement (${(1e6 / median(own)).toFixed(1)} µs each)`
    results.push({ name, ratio: paired(own, bare), goal: undefined, detail })
  }
  return results
}

async function benchPostgres(): Promise<Figure[]> {
  const postgres = await startPostgres()
  if (postgres === undefined)
    return [
      {
        name: 'durable reports, PostgreSQL',
        ratio: undefined,
        goal: undefined,
        detail: 'skipped: not installed',
      },
    ]
  try {
    const store = await openPostgresStore({ url: postgres.url, collections: [steps] })
    await fill(store)
    await reports(store, 2048, 1)
    const ours: number[] = []
    for (let round = 1; round <= 3; round++) ours.push(await reports(store, 4096, round))
    await store.close()
    return [
      {
        name: 'durable reports, 256 in flight, PostgreSQL',
        ratio: undefined,
        goal: undefined,
        detail: rate(median(ours)),
      },
    ]
  } finally {
    await postgres.stop()
  }
}

async function benchObjects(folder: string): Promise<Figure[]> {
  const objects = await createObjectBytes({ folder: join(folder, 'objects') })
  const piece = Buffer.alloc(64 * 1024, 7)
  const pieces = 3072
  const size = piece.length * pieces
  async function* source() {
    for (let i = 0; i < pieces; i++) yield piece
  }
  const hash = createHash('sha256')
  for (let i = 0; i < pieces; i++) hash.update(piece)
  const sha = hash.digest('hex')
  const ours: number[] = []
  const bare: number[] = []
  for (let round = 0; round < rounds; round++) {
    let begun = performance.now()
    const written = await objects.write(sha, size, source())
    if (!written.ok) throw new Error(`refused: ${written.refusal.kind}`)
    ours.push(size / 2 ** 20 / ((performance.now() - begun) / 1000))
    begun = performance.now()
    const loop = createHash('sha256')
    const file = await open(join(folder, 'loop'), 'w')
    for await (const bytes of source()) {
      loop.update(bytes)
      await file.write(bytes)
    }
    await file.sync()
    await file.close()
    bare.push(size / 2 ** 20 / ((performance.now() - begun) / 1000))
  }
  const detail = `${Math.round(median(ours))} MiB/s of ${Math.round(median(bare))} MiB/s for sha256, write and fsync`
  return [{ name: 'object write', ratio: paired(ours, bare), goal: 0.9, detail }]
}

/** All figures of the store. Takes some twenty seconds and 400 MB of temporary disk. */
export async function benchStore(): Promise<Figure[]> {
  const folder = mkdtempSync(join(tmpdir(), 'waymark-bench-'))
  try {
    return [...(await benchSqlite(folder)), ...(await benchPostgres()), ...(await benchObjects(folder))]
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

if (import.meta.main)
  for (const { name, ratio, goal, detail } of await benchStore())
    console.log(
      `${name}: ${ratio === undefined ? '' : `${ratio.toFixed(2)} `}${goal === undefined ? '' : `(goal ${goal}) `}${detail}`,
    )
