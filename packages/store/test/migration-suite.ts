/** The suite of changes (RULES.md, MG): opening a store that was kept under other declarations. */
import { type AnyCollection, collection, ok, type Store } from '@waymark/domain'
import type { Migration, StoreLog } from '@waymark/store'
import { describe, expect, test } from 'vitest'
import { ann, bob, entry, follow } from './fixture.ts'

export interface Place {
  open(more: {
    collections: readonly AnyCollection[]
    migrations?: readonly Migration[]
    log?: StoreLog
  }): Promise<Store>
  /** Reads rows out of a backup, by the name the log gave it. */
  inBackup(backup: string, table: string): Promise<number>
}

interface Box {
  id: string
  label?: string | null
  weight?: number
  sealed?: boolean
  story?: string
  more?: unknown
}

const plain = { name: 'boxes', scope: 'tenant', key: ['id'], columns: { id: 'text' } } as const
const first = collection<Box>()({ ...plain, key: ['id'], indexes: [] })
const searchable = collection<Box>()({
  ...plain,
  key: ['id'],
  columns: { id: 'text', label: 'text', weight: 'int', sealed: 'bool' },
  texts: ['story'],
  indexes: [{ on: ['weight'] }, { on: ['label'], unique: true }],
})
const lids = collection<{ no: number }>()({
  name: 'lids',
  scope: 'house',
  key: ['no'],
  columns: { no: 'int' },
})

const boxes: Box[] = [
  { id: 'a', label: 'one', weight: 3, sealed: true, story: 'long ago', more: { x: [1] } },
  { id: 'b', label: null, weight: 1 },
  { id: 'c', sealed: false, story: '' },
  { id: 'nul\0', label: 'nul\0', story: 'nul\0' },
]

export function migrationSuite(name: string, fresh: () => Place): void {
  const fill = async (store: Store, of: readonly Box[] = boxes, many = 0) => {
    for (const tenant of [ann, bob])
      await store.transact(tenant, async (tx) => {
        for (const box of of) await tx.put(first, box)
        for (let i = 0; i < many; i++)
          await tx.put(first, { id: `m${String(i).padStart(5, '0')}`, weight: i })
        tx.journal(entry('filled'))
        return ok(undefined)
      })
  }
  const listening = () => {
    const told: Record<string, unknown>[] = []
    const log: StoreLog = { info: (facts) => told.push({ ...facts }), warn: () => {} }
    return { log, backups: () => told.flatMap(({ backup }) => (typeof backup === 'string' ? [backup] : [])) }
  }
  const byId = (list: Box[]) => [...list].sort((a, b) => (a.id < b.id ? -1 : 1))

  describe(`changes in ${name}`, () => {
    test('[MG1] new columns, texts, indexes and collections come by themselves, with their values', async () => {
      const place = fresh()
      let store = await place.open({ collections: [first] })
      await fill(store, boxes, 1200)
      await store.close()
      store = await place.open({ collections: [searchable, lids] })
      for (const tenant of [ann, bob]) {
        const reader = store.read(tenant)
        expect(
          byId(await reader.find(searchable, { where: { id: { in: boxes.map(({ id }) => id) } } })),
        ).toEqual(byId(boxes))
        expect((await reader.find(searchable, { where: { label: 'one' } })).map(({ id }) => id)).toEqual([
          'a',
        ])
        expect((await reader.find(searchable, { where: { sealed: true } })).map(({ id }) => id)).toEqual([
          'a',
        ])
        expect(await reader.count(searchable, { weight: { gte: 600 } })).toBe(600)
        expect((await reader.find(searchable, { where: { id: 'a' }, without: 'texts' }))[0]?.story).toBe('')
        expect(await reader.count(searchable, {})).toBe(1204)
      }
      await store.transactHouse(async (house) => {
        await house.put(lids, { no: 1 })
        house.journal(entry('e'))
        return ok(undefined)
      })
      const twice = store.transact(ann, async (tx) => {
        await tx.put(searchable, { id: 'z', label: 'one' })
        tx.journal(entry('e'))
        return ok(undefined)
      })
      await expect(twice, 'the new unique index holds').rejects.toThrow()
      expect((await follow(store, ann)).map(({ kind }) => kind)).toEqual(['filled'])
      await store.close()
    })

    test('[MG2] what is no longer declared goes back to the body, and comes again', async () => {
      const place = fresh()
      for (const declared of [first, searchable, first, searchable]) {
        const store = await place.open({ collections: [declared] })
        if ((await store.read(ann).count(declared, {})) === 0) await fill(store)
        expect(byId(await store.read(ann).find(declared, {}))).toEqual(byId(boxes))
        await store.close()
      }
    })

    test('[MG2] a collection that is not declared for a while keeps its rows', async () => {
      const place = fresh()
      for (const declared of [[first, lids], [lids], [first]]) {
        const store = await place.open({ collections: declared })
        if (declared.length === 2) await fill(store)
        if (declared.includes(first)) expect(await store.read(bob).count(first, {})).toBe(boxes.length)
        await store.close()
      }
    })

    const changed: [string, AnyCollection][] = [
      ['key', collection<Box>()({ ...plain, key: ['id', 'weight'], columns: { id: 'text', weight: 'int' } })],
      ['scope', collection<Box>()({ ...plain, key: ['id'], scope: 'house' })],
      ['type', collection<Box>()({ ...plain, key: ['id'], columns: { id: 'int' } })],
    ]
    for (const [what, declared] of changed)
      test(`[MG3] another ${what} needs a numbered migration; the store stays as it was`, async () => {
        const place = fresh()
        let store = await place.open({ collections: [first] })
        await fill(store)
        await store.close()
        await expect(place.open({ collections: [declared] })).rejects.toMatchObject({
          kind: 'needs-migration',
        })
        store = await place.open({ collections: [first] })
        expect(byId(await store.read(ann).find(first, {}))).toEqual(byId(boxes))
        await store.close()
      })

    test('[MG3] a column that the rows do not fit, and a unique index they break, change nothing', async () => {
      const place = fresh()
      const store = await place.open({ collections: [first] })
      await fill(store, [
        { id: 'a', weight: 0.5 },
        { id: 'b', label: 'same' },
        { id: 'c', label: 'same' },
      ])
      await store.close()
      for (const columns of [{ weight: 'int' }, { label: 'text' }] as const) {
        const declared = collection<Box>()({
          ...plain,
          key: ['id'],
          columns: { id: 'text', ...columns },
          indexes: 'label' in columns ? [{ on: ['label'], unique: true }] : [],
        })
        await expect(place.open({ collections: [declared] })).rejects.toMatchObject({
          kind: 'needs-migration',
        })
        const again = await place.open({ collections: [first] })
        expect((await again.read(ann).find(first, {})).map(({ id }) => id)).toEqual(['a', 'b', 'c'])
        await again.close()
      }
    })

    test('[MG4] numbered migrations run once, in order, all or nothing', async () => {
      const place = fresh()
      const ran: number[] = []
      const step = (version: number, fail = false): Migration => ({
        version,
        name: `step ${version}`,
        up: async (sql) => {
          ran.push(version)
          await sql.exec(`CREATE TABLE _extra_${version} (a integer)`)
          if (fail) throw new Error('half way')
          const rows = await sql.rows('SELECT count(*) AS n FROM boxes')
          expect(Number(rows[0]?.n)).toBe(2 * boxes.length)
        },
      })
      let store = await place.open({ collections: [first] })
      await fill(store)
      await store.close()
      await expect(
        place.open({ collections: [first], migrations: [step(2), step(3, true)] }),
      ).rejects.toThrow(/half way/)
      store = await place.open({ collections: [first], migrations: [step(3), step(2)] })
      await store.close()
      store = await place.open({ collections: [first], migrations: [step(2), step(3)] })
      expect(await store.read(ann).count(first, {})).toBe(boxes.length)
      await store.close()
      expect(ran).toEqual([2, 3, 2, 3])
    })

    test('[MG5] a store newer than the program is refused by name', async () => {
      const place = fresh()
      const up: Migration = { version: 7, name: 'the seventh', up: async () => {} }
      const store = await place.open({ collections: [first], migrations: [up] })
      await store.close()
      await expect(
        place.open({ collections: [first], migrations: [{ ...up, version: 6 }] }),
      ).rejects.toMatchObject({
        kind: 'newer-format',
        message: expect.stringMatching(
          /^store .* has format 7, this program knows 6: install a newer Waymark$/,
        ),
      })
    })

    test('[MG6] a backup is made before a change, and only then', async () => {
      const place = fresh()
      const { log, backups } = listening()
      const opened = async (declared: AnyCollection) => {
        const store = await place.open({ collections: [declared], log })
        await store.close()
      }
      await opened(first)
      await opened(searchable)
      await opened(first)
      expect(backups(), 'an empty store needs none').toEqual([])
      const store = await place.open({ collections: [first], log })
      await fill(store)
      await store.close()
      await opened(first)
      expect(backups(), 'nor an unchanged one').toEqual([])
      await opened(searchable)
      expect(backups()).toHaveLength(1)
      expect(await place.inBackup(backups()[0] ?? '', 'boxes')).toBe(2 * boxes.length)
    })
  })
}
