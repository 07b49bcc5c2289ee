/** SQLite: the port's suite, and what only a file can promise (RULES.md, SQ). */
import { execFile } from 'node:child_process'
import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { promisify } from 'node:util'
import type { Worker } from 'node:worker_threads'
import { ok } from '@waymark/domain'
import { openSqliteStore, StoreError } from '@waymark/store'
import { afterAll, expect, test } from 'vitest'
import { ann, bob, collections, entry, follow, keep, notes, things } from './fixture.ts'
import { expectAllKept, killWriter } from './killed.ts'
import { migrationSuite } from './migration-suite.ts'
import { expectLikeMemory } from './model.ts'
import { storeSuite } from './store-suite.ts'

const folder = mkdtempSync(join(tmpdir(), 'waymark-store-'))
let files = 0
const newFile = () => join(folder, `${++files}.db`)
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** A thread makes all commits. */
const threadAfterMs = 0

storeSuite({ name: 'SQLite', open: () => openSqliteStore({ file: newFile(), collections }) })
storeSuite({
  name: 'SQLite, written by a thread',
  open: () => openSqliteStore({ file: newFile(), collections, threadAfterMs }),
})

test.each([{}, { threadAfterMs }])(
  '[ST22] generated histories answer as in memory: %j',
  async (how) => {
    await expectLikeMemory(() => openSqliteStore({ file: newFile(), collections, ...how }), 60)
  },
  60_000,
)

migrationSuite('SQLite', () => {
  const file = newFile()
  return {
    open: (more) => openSqliteStore({ file, ...more }),
    async inBackup(backup, table) {
      const db = new DatabaseSync(backup, { readOnly: true })
      const row = db.prepare(`SELECT count(*) AS n FROM "${table}"`).get()
      db.close()
      return Number(row?.n)
    },
  }
})

test('[SQ1] the second on a file is told who holds it; afterwards the file is free', async () => {
  const file = newFile()
  const first = await openSqliteStore({ file, collections })
  await expect(openSqliteStore({ file, collections })).rejects.toMatchObject({
    kind: 'held-elsewhere',
    message: `store ${file} is held by this very process: one process at a time`,
  })
  await keep(first, ann, { id: 'x' })
  await first.close()
  const second = await openSqliteStore({ file, collections })
  expect(await second.read(ann).count(things, {})).toBe(1)
  await second.close()
})

test('[SQ1] another process is named by its id', async () => {
  const file = newFile()
  const store = await openSqliteStore({ file, collections })
  const script = `
    import { openSqliteStore } from '@waymark/store'
    await openSqliteStore({ file: process.argv[1], collections: [] }).catch((error) => console.log(error.message))`
  const args = ['--conditions=source', '--input-type=module', '-e', script, file]
  const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: import.meta.dirname })
  expect(stdout).toContain(`is held by process ${process.pid} on `)
  await store.close()
})

test.each(['sqlite', 'sqlite-thread'])(
  '[SQ2] every acknowledged write is found after SIGKILL at any moment: %s',
  async (how) => {
    const file = newFile()
    for (let run = 0; run < 12; run++) {
      const acknowledged = await killWriter([how, file, `r${run}`], {
        rows: run * 40,
        ms: (run * 37) % 60,
      })
      const store = await openSqliteStore({ file, collections })
      await expectAllKept(store, `r${run}`, acknowledged)
      await store.close()
    }
  },
  120_000,
)

test('[SQ3] a full disk refuses by name, loses nothing acknowledged, and passes', async () => {
  const file = newFile()
  let store = await openSqliteStore({ file, collections, maxPages: 150 })
  const kept: string[] = []
  let full = 0
  for (let round = 0; round < 12; round++) {
    const ids = Array.from({ length: 30 }, (_, i) => `${round}.${i}`)
    const answers = await Promise.allSettled(
      ids.map((id) => keep(store, ann, { id, state: 'x'.repeat(1500) })),
    )
    answers.forEach((answer, i) => {
      if (answer.status === 'fulfilled') kept.push(ids[i] as string)
      else {
        full++
        expect(answer.reason).toBeInstanceOf(StoreError)
        expect(answer.reason).toMatchObject({ kind: 'disk-full' })
      }
    })
  }
  expect(full).toBeGreaterThan(0)
  expect(kept.length).toBeGreaterThan(0)
  const found = () => store.read(ann).find(things, { without: 'texts' })
  expect((await found()).map(({ id }) => id).sort()).toEqual([...kept].sort())
  expect((await follow(store, ann, undefined, 500)).map(({ data }) => data.id).sort()).toEqual(
    [...kept].sort(),
  )
  const removed = await store.transact(ann, async (tx) => {
    for (const id of kept.slice(0, 20)) await tx.remove(things, { id })
    tx.journal(entry('room made'))
    return ok(undefined)
  })
  expect(removed.ok).toBe(true)
  await keep(store, ann, { id: 'after', state: 'x'.repeat(1500) })
  await store.close()
  store = await openSqliteStore({ file, collections })
  await keep(store, ann, { id: 'room' })
  expect((await found()).map(({ id }) => id).sort()).toEqual([...kept.slice(20), 'after', 'room'].sort())
  await store.close()
})

test('[SQ3] a disk that takes no more at the commit itself: all of that commit are refused, nothing acknowledged is lost', async () => {
  const file = newFile()
  const script = join(import.meta.dirname, 'children', 'limited-writer.ts')
  // The shell lets no file grow beyond 512 KiB; the write-ahead log meets that in the middle of a commit.
  const args = [
    '-c',
    'ulimit -f 1024; exec "$@"',
    'sh',
    process.execPath,
    '--conditions=source',
    script,
    file,
  ]
  const { stdout } = await promisify(execFile)('/bin/sh', args)
  const told = JSON.parse(stdout) as { kept: string[]; refused: string[]; found: string[] }
  expect(told.kept.length).toBeGreaterThan(0)
  expect(told.refused.length).toBeGreaterThan(0)
  for (const kind of told.refused) expect(['io', 'disk-full']).toContain(kind)
  expect(told.found.sort()).toEqual(told.kept.sort())
  const store = await openSqliteStore({ file, collections })
  const found = await store.read(ann).find(things, {})
  expect(found.map(({ id }) => id).sort()).toEqual(told.kept)
  await keep(store, ann, { id: 'after' })
  await store.close()
})

test('[SQ4] files that are no store of ours are refused and left as they are', async () => {
  const text = newFile()
  writeFileSync(text, 'this is a shopping list, not a database. '.repeat(100))
  await expect(openSqliteStore({ file: text, collections })).rejects.toMatchObject({ kind: 'not-a-store' })
  expect(readFileSync(text, 'utf8')).toContain('shopping list')

  const foreign = newFile()
  const db = new DatabaseSync(foreign)
  db.exec('CREATE TABLE things (id TEXT)')
  db.close()
  await expect(openSqliteStore({ file: foreign, collections })).rejects.toThrow(
    `${foreign} is a SQLite database of something else: a Waymark store was wanted`,
  )

  const nowhere = join(folder, 'no', 'such', 'folder.db')
  await expect(openSqliteStore({ file: nowhere, collections })).rejects.toMatchObject({ kind: 'io' })
})

test('[SQ4] a damaged file is told as damaged, not answered from', async () => {
  const file = newFile()
  const store = await openSqliteStore({ file, collections })
  for (let i = 0; i < 200; i++) await keep(store, ann, { id: `t${i}`, state: 'y'.repeat(500) })
  await store.close()
  const bytes = readFileSync(file)
  bytes.fill(0xee, 4096 * 2)
  writeFileSync(file, bytes)
  await expect(
    openSqliteStore({ file, collections }).then(async (opened) => {
      await opened
        .read(ann)
        .find(things, {})
        .finally(() => opened.close())
    }),
  ).rejects.toMatchObject({ kind: 'damaged' })
  // Whoever met the damage has let go of the file.
  const again = await openSqliteStore({ file, collections })
  await again.close()
})

test('[SQ5] more waiting bodies than allowed are refused, the others are served', async () => {
  const store = await openSqliteStore({ file: newFile(), collections, waitingMax: 10 })
  const answers = await Promise.allSettled(
    Array.from({ length: 25 }, (_, i) => keep(store, ann, { id: String(i) })),
  )
  expect(answers.filter(({ status }) => status === 'fulfilled')).toHaveLength(10)
  for (const answer of answers)
    if (answer.status === 'rejected') expect(answer.reason).toMatchObject({ kind: 'overloaded' })
  await keep(store, ann, { id: 'later' })
  await store.close()
})

test('[SQ6] long texts are not written again when they are unchanged', async () => {
  const file = newFile()
  const store = await openSqliteStore({ file, collections })
  await keep(store, ann, { id: 'x', state: 'z'.repeat(1_000_000) })
  const before = statSync(`${file}-wal`).size
  for (let size = 0; size < 20; size++)
    await store.transact(ann, async (tx) => {
      const x = await tx.get(things, { id: 'x' })
      await tx.put(things, { ...x, id: 'x', size })
      tx.journal(entry('e'))
      return ok(undefined)
    })
  expect(statSync(`${file}-wal`).size - before).toBeLessThan(1_000_000)
  expect((await store.read(ann).get(things, { id: 'x' }))?.state).toHaveLength(1_000_000)
  await store.close()
})

test('[SQ7] conditions on indexed columns read few rows however many there are', async () => {
  const file = newFile()
  const store = await openSqliteStore({ file, collections })
  for (let from = 0; from < 20_000; from += 1000)
    await store.transact(ann, async (tx) => {
      for (let i = from; i < from + 1000; i++) await tx.put(things, { id: `t${i}`, size: i, on: i % 2 === 0 })
      tx.journal(entry('e'))
      return ok(undefined)
    })
  await store.close()
  // What SQLite would do is asked of SQLite itself, through the statements that the store makes.
  const { findPlan } = await import('../src/sql.ts')
  const { askOf } = await import('../src/ask.ts')
  const { sqliteDialect } = await import('../src/sqlite-schema.ts')
  const { Table } = await import('../src/table.ts')
  const db = new DatabaseSync(file)
  const table = new Table(things)
  const plans: [object, RegExp][] = [
    [{ where: { name: 'x' } }, /_ix_things.*_tenant=\? AND name=\?/],
    [{ where: { size: { in: [1, 2] } } }, /_ix_things.*_tenant=\? AND size=\?/],
    [{ where: { on: true, size: { lt: 5 } } }, /_ix_things.*_tenant=\? AND on=\? AND size<\?/],
    [
      { where: { size: { gte: 1, lt: 5 } }, order: ['size'] },
      /_ix_things.*_tenant=\? AND size>\? AND size<\?/,
    ],
    [{ where: { id: 'x', size: 1 } }, /_ix_things|PRIMARY KEY \(_tenant=\? AND id=\?\)/],
    [{ after: ['t5'] }, /PRIMARY KEY \(_tenant=\? AND id>\?\)/],
  ]
  for (const [find, wanted] of plans) {
    const { text } = findPlan(table, sqliteDialect, askOf(table, find).shape)
    const steps = db
      .prepare(`EXPLAIN QUERY PLAN ${text}`)
      .all()
      .map(({ detail }) => String(detail))
    expect(steps[0], JSON.stringify(find)).toMatch(wanted)
    expect(steps.join()).not.toMatch(/SCAN r/)
  }
  db.close()
})

test('what was written is there after closing and opening', async () => {
  const file = newFile()
  let store = await openSqliteStore({ file, collections })
  await keep(store, ann, { id: 'x', name: 'n', state: 's', extra: { a: 1 } })
  await keep(store, bob, { id: 'y' })
  await store.transact(ann, async (tx) => ok(await tx.put(notes, { topic: 't', no: 1 })))
  const cursor = await store.journal.head(ann)
  await store.close()
  expect(existsSync(`${file}-wal`)).toBe(false)
  store = await openSqliteStore({ file, collections })
  expect(await store.read(ann).find(things, {})).toEqual([
    { id: 'x', name: 'n', state: 's', extra: { a: 1 } },
  ])
  expect(await store.read(bob).count(things, {})).toBe(1)
  expect(await follow(store, ann, cursor)).toEqual([])
  await keep(store, ann, { id: 'z' })
  expect(await follow(store, ann, cursor)).toHaveLength(1)
  await store.close()
})

test('[SQ10] what was committed moves into the file beside the work', async () => {
  const file = newFile()
  const store = await openSqliteStore({ file, collections })
  // Too little for SQLite itself to move it.
  for (let from = 0; from < 20_000; from += 1000)
    await store.transact(ann, async (tx) => {
      for (let no = from; no < from + 1000; no++) await tx.put(notes, { topic: 't', no })
      return ok(undefined)
    })
  const moved = async () => {
    // The thread has moved what there was; the next commit moves the rest.
    await keep(store, ann, { id: 'x' })
    const copy = newFile()
    copyFileSync(file, copy)
    const db = new DatabaseSync(copy, { readOnly: true })
    const row = db.prepare('SELECT count(*) AS n FROM notes').get()
    db.close()
    return Number(row?.n)
  }
  await expect.poll(moved, { timeout: 30_000, interval: 50 }).toBe(20_000)
  await store.close()
  expect(existsSync(`${file}-wal`)).toBe(false)
  const again = await openSqliteStore({ file, collections })
  expect(await again.read(ann).count(notes, {})).toBe(20_000)
  await again.close()
}, 60_000)

test('[SQ11] reads are answered while a commit is on its way to the disk, and see nothing of it', async () => {
  const store = await openSqliteStore({ file: newFile(), collections, threadAfterMs })
  await keep(store, ann, { id: 'before' })
  const seen = new Set<number>()
  let isDone = false
  const commit = store
    .transact(ann, async (tx) => {
      for (let i = 0; i < 5000; i++) await tx.put(things, { id: `t${i}`, state: 'x'.repeat(1000) })
      tx.journal(entry('many'))
      return ok(undefined)
    })
    .then(() => {
      isDone = true
    })
  let turns = 0
  while (!isDone) {
    const count = await store.read(ann).count(things, {})
    const { length } = await follow(store, ann, undefined, 500)
    if (!isDone) seen.add(count).add(length)
    turns += 1
    await new Promise((resolve) => setImmediate(resolve))
  }
  await commit
  expect(turns).toBeGreaterThan(2)
  expect([...seen]).toEqual([1])
  expect(await store.read(ann).count(things, {})).toBe(5001)
  await store.close()
}, 60_000)

test.each([{}, { threadAfterMs }])(
  '[SQ12] what ran above a commit that fails falls with it: nothing is counted that was not kept: %j',
  async (how) => {
    const file = newFile()
    let store = await openSqliteStore({ file, collections, maxPages: 2000, ...how })
    // More at once than one commit takes, so that some are on their way while others run.
    const answers = await Promise.allSettled(
      Array.from({ length: 6000 }, (_, i) =>
        store.transact(ann, async (tx) => {
          const total = await tx.get(things, { id: 'total' })
          const [last] = await tx.find(things, { where: { on: true }, order: ['-size', '-id'], limit: 1 })
          await tx.put(things, {
            id: `t${i}`,
            size: (last?.size ?? 0) + 1,
            on: true,
            state: 'x'.repeat(1500),
          })
          await tx.put(things, { id: 'total', size: (total?.size ?? 0) + 1 })
          tx.journal(entry('counted'))
          return ok(undefined)
        }),
      ),
    )
    const kept = answers.filter(({ status }) => status === 'fulfilled').length
    expect(kept).toBeGreaterThan(0)
    expect(kept).toBeLessThan(6000)
    for (const answer of answers)
      if (answer.status === 'rejected') expect(answer.reason).toMatchObject({ kind: 'disk-full' })
    const look = async () => {
      const read = store.read(ann)
      const rows = await read.find(things, { where: { on: true }, order: ['size', 'id'], limit: 10_000 })
      expect(rows.map(({ size }) => size)).toEqual(Array.from({ length: kept }, (_, i) => i + 1))
      expect((await read.get(things, { id: 'total' }))?.size).toBe(kept)
      expect(await follow(store, ann, undefined, 500)).toHaveLength(kept)
    }
    await look()
    await store.close()
    store = await openSqliteStore({ file, collections })
    await look()
    await store.close()
  },
  60_000,
)

test('[SQ13] pages of what changes in the same commit skip and repeat nothing', async () => {
  const store = await openSqliteStore({ file: newFile(), collections })
  for (let i = 0; i < 60; i++) await keep(store, ann, { id: `t${String(i).padStart(2, '0')}`, size: i % 7 })
  const told = await store.transact(ann, async (tx) => {
    for (let i = 0; i < 60; i += 3) await tx.remove(things, { id: `t${String(i).padStart(2, '0')}` })
    for (let i = 1; i < 60; i += 3)
      await tx.put(things, { id: `t${String(i).padStart(2, '0')}`, size: 100 - i })
    for (let i = 60; i < 90; i++) await tx.put(things, { id: `t${i}`, size: i % 5 })
    const whole = await tx.find(things, { order: ['size', 'id'], limit: 1000 })
    const paged: unknown[] = []
    for (let after: unknown[] | undefined; ; ) {
      const page = await tx.find(things, {
        order: ['size', 'id'],
        limit: 4,
        ...(after === undefined ? {} : { after: after as never }),
      })
      paged.push(...page)
      const last = page.at(-1)
      if (last === undefined || page.length < 4) break
      after = [last.size, last.id]
    }
    tx.journal(entry('changed'))
    return ok({ whole, paged, count: await tx.count(things, {}) })
  })
  if (!told.ok) throw new Error('refused')
  expect(told.value.paged).toEqual(told.value.whole)
  expect(told.value.count).toBe(told.value.whole.length)
  expect(await store.read(ann).find(things, { order: ['size', 'id'], limit: 1000 })).toEqual(told.value.whole)
  await store.close()
})

test('[SQ14] a thread takes over when commits take their time, and nothing is lost at the change', async () => {
  const file = newFile()
  let store = await openSqliteStore({ file, collections, threadAfterMs: 1 })
  const add = async (size: number) => {
    const answer = await store.transact(ann, async (tx) => {
      const n = await tx.get(things, { id: 'n' })
      await tx.put(things, { id: 'n', size: (n?.size ?? 0) + 1 })
      await tx.put(things, { id: `t${size}`, state: 'x'.repeat(200) })
      tx.journal(entry('counted'))
      return ok(undefined)
    })
    expect(answer.ok).toBe(true)
  }
  let added = 0
  // The first of them are committed here, until the thread is there.
  for (const until = Date.now() + 1500; Date.now() < until; ) {
    await Promise.all(Array.from({ length: 20 }, () => add(added++)))
    await new Promise((resolve) => setImmediate(resolve))
  }
  expect((await store.read(ann).get(things, { id: 'n' }))?.size).toBe(added)
  expect(await store.read(ann).count(things, {})).toBe(added + 1)
  await store.close()
  expect(existsSync(`${file}-wal`)).toBe(false)
  store = await openSqliteStore({ file, collections })
  expect((await store.read(ann).get(things, { id: 'n' }))?.size).toBe(added)
  expect(await follow(store, ann, undefined, 1000)).toHaveLength(added)
  await store.close()
}, 60_000)

test('[SQ14] a file that cannot be written is told by the thread as it is here', async () => {
  for (const how of [{}, { threadAfterMs }]) {
    const file = newFile()
    const store = await openSqliteStore({ file, collections, ...how })
    const other = new DatabaseSync(file)
    other.exec('DROP TABLE things')
    await expect(keep(store, ann, { id: 'x' })).rejects.toThrow('things')
    await store.transact(ann, async (tx) => ok(await tx.put(notes, { topic: 't', no: 1 })))
    expect(await store.read(ann).count(notes, {})).toBe(1)
    other.close()
    await store.close()
  }
})

test('[SQ14] where no thread can be had, commits go on as before', async () => {
  const file = newFile()
  let refused = 0
  const refuse = (worker: Worker) => {
    refused += 1
    void worker.terminate()
  }
  process.on('worker', refuse)
  const store = await openSqliteStore({ file, collections, threadAfterMs: 1 })
  for (let i = 0; i < 300; i++) {
    await keep(store, ann, { id: `t${i}`, state: 'x'.repeat(2000) })
    await new Promise((resolve) => setImmediate(resolve))
  }
  process.off('worker', refuse)
  expect(refused).toBe(1)
  await store.ping()
  expect(await store.read(ann).count(things, {})).toBe(300)
  await store.close()
})

test('[SQ15] a thread that dies is told: nothing more is acknowledged, and what was is there when the file is opened again', async () => {
  const file = newFile()
  const made: Worker[] = []
  const gather = (worker: Worker) => made.push(worker)
  process.on('worker', gather)
  let store = await openSqliteStore({ file, collections, threadAfterMs })
  await keep(store, ann, { id: 'before' })
  process.off('worker', gather)
  const under = Promise.allSettled(Array.from({ length: 50 }, (_, i) => keep(store, ann, { id: `u${i}` })))
  await Promise.all(made.map((worker) => worker.terminate()))
  const kept = (await under).flatMap(({ status }, i) => (status === 'fulfilled' ? [`u${i}`] : []))
  const ended = { kind: 'io', message: `store ${file}: the thread that writes has ended` }
  await expect(keep(store, ann, { id: 'after' })).rejects.toMatchObject(ended)
  await expect(store.ping()).rejects.toMatchObject(ended)
  // What is committed can still be read.
  expect(await store.read(ann).get(things, { id: 'before' })).toEqual({ id: 'before' })
  await store.close()
  store = await openSqliteStore({ file, collections })
  const found = (await store.read(ann).find(things, {})).map(({ id }) => id)
  expect(found).toEqual(expect.arrayContaining(['before', ...kept]))
  expect(found).not.toContain('after')
  await keep(store, ann, { id: 'after' })
  await store.close()
})
