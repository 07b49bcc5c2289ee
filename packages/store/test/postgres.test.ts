/** PostgreSQL: the port's suite against a real server, and what several processes share (RULES.md, PG). */
import { setTimeout as pause } from 'node:timers/promises'
import { ok, type Store } from '@waymark/domain'
import { openPostgresStore } from '@waymark/store'
import { postgresPackage, startPostgres, type TestPostgres } from '@waymark/store/testing'
import pg from 'pg'
import { afterAll, describe, expect, test } from 'vitest'
import { type Cut, cuttingProxy } from './cutting-proxy.ts'
import { ann, bob, collections, entry, follow, keep, things, until } from './fixture.ts'
import { expectAllKept, killWriter } from './killed.ts'
import { migrationSuite } from './migration-suite.ts'
import { expectLikeMemory } from './model.ts'
import { storeSuite } from './store-suite.ts'

const postgres: TestPostgres | undefined = await startPostgres()
const url = postgres?.url ?? ''
let schemas = 0
const newSchema = () => `suite_${++schemas}`
const open = (schema: string, more: object = {}) => openPostgresStore({ url, schema, collections, ...more })
afterAll(() => postgres?.stop())

/** A client beside the stores: another program on the same server. */
async function beside<A>(work: (client: pg.Client) => Promise<A>): Promise<A> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    return await work(client)
  } finally {
    await client.end()
  }
}

const killConnections = () =>
  beside((client) =>
    client.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'waymark'"),
  )

const increment = (store: Store, id: string) =>
  store.transact(ann, async (tx) => {
    const held = await tx.get(things, { id })
    await tx.put(things, { id, size: (held?.size ?? 0) + 1 })
    tx.journal(entry('counted'))
    return ok(undefined)
  })

describe.skipIf(postgres === undefined)(`with ${postgresPackage} (skipped where it is not installed)`, () => {
  storeSuite({ name: 'PostgreSQL', open: () => open(newSchema()) })

  migrationSuite('PostgreSQL', () => {
    const schema = newSchema()
    return {
      open: (more) => openPostgresStore({ url, schema, ...more }),
      inBackup: (backup, table) =>
        beside(async (client) => {
          const { rows } = await client.query<{ n: string }>(
            `SELECT count(*) AS n FROM "${backup}"."${table}"`,
          )
          return Number(rows[0]?.n)
        }),
    }
  })

  test('[ST22] generated histories answer as in memory', async () => {
    await expectLikeMemory(() => open(newSchema()), 25)
  }, 120_000)

  test('[PG1] two stores on one database: increments sum exactly', async () => {
    const schema = newSchema()
    const stores = [await open(schema), await open(schema)] as const
    const rounds = Array.from({ length: 150 }, (_, i) => increment(stores[i % 2 === 0 ? 0 : 1], `n${i % 3}`))
    await Promise.all(rounds)
    const rows = await stores[0].read(ann).find(things, {})
    expect(rows.map(({ size }) => size)).toEqual([50, 50, 50])
    expect(await follow(stores[1], ann, undefined, 100)).toHaveLength(150)
    for (const store of stores) await store.close()
  })

  test('[PG1] a rule over rows that are not there yet holds across two stores', async () => {
    const schema = newSchema()
    const stores = [await open(schema), await open(schema)] as const
    const answers = await Promise.allSettled(
      Array.from({ length: 30 }, (_, i) =>
        stores[i % 2 === 0 ? 0 : 1].transact(ann, async (tx) => {
          if ((await tx.count(things, { on: true })) >= 3) return ok('full')
          await tx.put(things, { id: `t${i}`, on: true })
          tx.journal(entry('e'))
          return ok('kept')
        }),
      ),
    )
    expect(answers.every(({ status }) => status === 'fulfilled')).toBe(true)
    expect(await stores[0].read(ann).count(things, {})).toBe(3)
    for (const store of stores) await store.close()
  })

  test('[PG1] a unique value that two processes want goes to one; the other sees it', async () => {
    const schema = newSchema()
    const stores = [await open(schema), await open(schema)] as const
    for (let round = 0; round < 10; round++) {
      const claims = stores.map((store, i) =>
        store.transact(ann, async (tx) => {
          const [holder] = await tx.find(things, { where: { name: `n${round}` } })
          if (holder !== undefined) return ok('taken')
          await tx.put(things, { id: `${round}.${i}`, name: `n${round}` })
          tx.journal(entry('e'))
          return ok('mine')
        }),
      )
      const answers = await Promise.all(claims)
      expect(answers.map((answer) => answer.ok && answer.value).sort()).toEqual(['mine', 'taken'])
    }
    for (const store of stores) await store.close()
  })

  test('[PG2] a follower skips nothing when an older transaction commits later', async () => {
    const schema = newSchema()
    const stores = [await open(schema), await open(schema)] as const
    const early = new pg.Client({ connectionString: url })
    await early.connect()
    await early.query('BEGIN')
    // This transaction has its id first and commits last.
    await early.query(
      `INSERT INTO ${schema}._journal (_tenant, seq, at, kind, by_kind, by_id, data) VALUES ($1, 1, 1, 'early', 'system', 'x', '{}')`,
      [ann],
    )
    const heard: string[][] = []
    stores[1].onCommit(({ tenants }) => heard.push([...tenants]))
    await stores[0].transact(ann, async (tx) => {
      tx.journal(entry('late'))
      return ok(undefined)
    })
    const before = await stores[1].journal.read(ann, { limit: 10 })
    expect(before).toMatchObject({ ok: true, value: { entries: [] } })
    await pause(100)
    expect(heard, 'nobody is told of what cannot be read').toEqual([])
    await early.query('COMMIT')
    await early.end()
    await until(() => heard.length > 0)
    const next = before.ok ? before.value.next : ''
    expect((await follow(stores[1], ann, next)).map(({ kind }) => kind)).toEqual(['early', 'late'])
    for (const store of stores) await store.close()
  })

  test('[PG2] followers of two stores see the same order, and everything, while both write', async () => {
    const schema = newSchema()
    const stores = [await open(schema), await open(schema)] as const
    const seen: string[][] = [[], []]
    let writing = true
    const followers = stores.map(async (store, i) => {
      let after: string | undefined
      for (;;) {
        const last = !writing
        const read = await store.journal.read(ann, after === undefined ? { limit: 20 } : { after, limit: 20 })
        if (!read.ok) throw new Error('refused')
        for (const { data } of read.value.entries) seen[i]?.push(String(data.no))
        after = read.value.next
        if (last && read.value.entries.length === 0) return
        if (read.value.entries.length === 0) await pause(2)
      }
    })
    const numbers = Array.from({ length: 200 }, (_, no) => no)
    await Promise.all(
      numbers.map(async (no) => {
        await pause(no % 40)
        await stores[no % 2 === 0 ? 0 : 1].transact(ann, async (tx) => {
          tx.journal(entry('e', { data: { no } }))
          return ok(undefined)
        })
      }),
    )
    writing = false
    await Promise.all(followers)
    expect([...(seen[0] ?? [])].sort()).toEqual(numbers.map(String).sort())
    expect(seen[1]).toEqual(seen[0])
    for (const store of stores) await store.close()
  })

  test('[PG3] a listener hears of other processes, also after its connection was lost', async () => {
    const schema = newSchema()
    const stores = [await open(schema), await open(schema)] as const
    const heard = new Set<string>()
    stores[1].onCommit(({ tenants }) => {
      for (const tenant of tenants) heard.add(tenant)
    })
    await keep(stores[0], ann, { id: 'x' })
    await until(() => heard.has(ann))
    heard.clear()
    await killConnections()
    await keep(stores[0], bob, { id: 'y' })
    await until(() => heard.has(bob))
    for (const store of stores) await store.close()
  })

  test('[PG4] after lost connections the next request succeeds, and bodies under way come through', async () => {
    const store = await open(newSchema())
    await keep(store, ann, { id: 'x' })
    await Promise.all(Array.from({ length: 6 }, () => store.read(ann).count(things, {})))
    await killConnections()
    expect(await store.read(ann).get(things, { id: 'x' })).toEqual({ id: 'x' })
    await killConnections()
    await keep(store, ann, { id: 'y' })
    await store.ping()
    const many = Array.from({ length: 400 }, (_, i) => increment(store, `n${i % 2}`))
    for (let i = 0; i < 3; i++) {
      await pause(15)
      await killConnections()
    }
    await Promise.all(many)
    const counted = await store.read(ann).find(things, { where: { id: { prefix: 'n' } } })
    expect(counted.map(({ size }) => size)).toEqual([200, 200])
    expect((await follow(store, ann, undefined, 500)).filter(({ kind }) => kind === 'counted')).toHaveLength(
      400,
    )
    await store.close()
  })

  for (const where of ['before', 'after'] satisfies Cut[])
    test(`[PG4] a connection lost just ${where} the COMMIT: the body happens once, and its caller is told so`, async () => {
      const proxy = await cuttingProxy(url)
      const schema = newSchema()
      const store = await openPostgresStore({ url: proxy.url, schema, collections })
      await increment(store, 'n')
      for (let i = 1; i <= 4; i++) {
        proxy.cutNextCommit(where)
        const heard = new Set<string>()
        const stop = store.onCommit(({ tenants }) => {
          for (const tenant of tenants) heard.add(tenant)
        })
        expect(await Promise.all([increment(store, 'n'), increment(store, 'm')])).toEqual([
          ok(undefined),
          ok(undefined),
        ])
        await until(() => heard.has(ann))
        stop()
        expect(proxy.cuts).toBe(i)
        expect((await store.read(ann).get(things, { id: 'n' }))?.size).toBe(i + 1)
        expect((await store.read(ann).get(things, { id: 'm' }))?.size).toBe(i)
      }
      expect(await follow(store, ann)).toHaveLength(9)
      await store.close()
      await proxy.close()
    })

  test('[PG5] every acknowledged write is found after SIGKILL of the writer at any moment', async () => {
    const schema = newSchema()
    for (let run = 0; run < 6; run++) {
      const acknowledged = await killWriter(['postgres', url, schema, `r${run}`], {
        rows: 1 + run * 40,
        ms: run * 11,
      })
      const store = await open(schema)
      await expectAllKept(store, `r${run}`, acknowledged)
      await store.close()
    }
  }, 120_000)

  test('[PG6] what cannot be opened is refused by name, without the password', async () => {
    const away = openPostgresStore({ url: 'postgres://joe:secret@127.0.0.1:1/none', collections })
    await expect(away).rejects.toMatchObject({ kind: 'unreachable' })
    await away.catch((error: Error) => expect(error.message).not.toContain('secret'))
    const schema = newSchema()
    await beside((client) => client.query(`CREATE SCHEMA ${schema}; CREATE TABLE ${schema}.theirs (a int)`))
    await expect(open(schema)).rejects.toThrow(/holds something else/)
    await expect(open('Bobby"; DROP')).rejects.toMatchObject({ kind: 'not-a-store' })
  })

  test('[PG7] processes that open an empty database at once all succeed', async () => {
    const schema = newSchema()
    const stores = await Promise.all(Array.from({ length: 4 }, () => open(schema)))
    await Promise.all(stores.map((store, i) => keep(store, ann, { id: String(i) })))
    expect(await stores[0]?.read(ann).count(things, {})).toBe(4)
    await Promise.all(stores.map((store) => store.close()))
  })

  test('[PG8] a journal restored on another server is numbered anew, and old cursors are told so', async () => {
    const schema = newSchema()
    let store = await open(schema)
    for (const id of ['a', 'b', 'c']) await keep(store, ann, { id })
    const old = await store.journal.head(ann)
    await store.close()
    // As a dump looks to a server whose transactions are not that far yet.
    await beside((client) => client.query(`UPDATE ${schema}._journal SET xid = xid + 1000000000`))
    store = await open(schema)
    expect((await follow(store, ann)).map(({ data }) => data.id)).toEqual(['a', 'b', 'c'])
    expect(await store.journal.read(ann, { after: old, limit: 5 })).toMatchObject({
      refusal: { kind: 'not-a-cursor' },
    })
    await keep(store, ann, { id: 'd' })
    expect(await follow(store, ann)).toHaveLength(4)
    await store.close()
  })
})
