/** The port's questions: conditions, order, pages, limits (RULES.md, ST10 to ST15). */
import { Defect, type Find, ok, type Store } from '@waymark/domain'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ann, bob, keep, type Note, notes, type Thing, tenant, things } from './fixture.ts'
import type { Home } from './store-suite.ts'

export function questionSuite(home: Home): void {
  let store: Store
  const openStore = async () => {
    store = await home.open()
  }
  const closeStore = () => store.close()
  const ids = async (find: Find<Thing>) => (await store.read(ann).find(things, find)).map(({ id }) => id)
  const telemetry = (of = ann, ...list: Note[]) =>
    store.transact(of, async (tx) => {
      for (const note of list) await tx.put(notes, note)
      return ok(undefined)
    })

  describe('questions', () => {
    // They change nothing, so one store answers them all; what needs rows of its own has a tenant of its own.
    afterAll(closeStore)
    beforeAll(async () => {
      await openStore()
      const rows: Thing[] = [
        { id: 'a', name: 'Alpha', size: 3, on: true, state: 'S' },
        { id: 'b', name: 'alphabet', size: 1, on: false },
        { id: 'c', name: 'beta', size: 2 },
        { id: 'd', size: 2, on: true },
        { id: 'e', name: 'ÄRGER', on: false },
        { id: 'f', name: '%x', size: -5 },
      ]
      for (const row of rows) await keep(store, ann, row)
      await keep(store, bob, { id: 'a', name: 'Alpha', size: 3, on: true })
    })

    const questions: [object, string][] = [
      [{}, 'abcdef'],
      [{ id: 'c' }, 'c'],
      [{ name: 'beta' }, 'c'],
      [{ name: 'Beta' }, ''],
      [{ on: true }, 'ad'],
      [{ on: false }, 'be'],
      [{ on: null }, 'cf'],
      [{ size: null }, 'e'],
      [{ name: null }, 'd'],
      [{ size: { not: null } }, 'abcdf'],
      [{ size: { not: 2 } }, 'abef'],
      [{ on: { not: true } }, 'bcef'],
      [{ size: { in: [1, 3, 99] } }, 'ab'],
      [{ size: { in: [] } }, ''],
      [{ on: { in: [true, false] } }, 'abde'],
      [{ name: { in: ['beta', '%x', "'"] } }, 'cf'],
      [{ size: { gt: 2 } }, 'a'],
      [{ size: { gte: 2 } }, 'acd'],
      [{ size: { lt: 2 } }, 'bf'],
      [{ size: { lte: 2 } }, 'bcdf'],
      [{ size: { gte: 1, lt: 3 } }, 'bcd'],
      [{ name: { gt: 'alphabet' } }, 'ce'],
      [{ name: { prefix: 'ALPHA' } }, 'ab'],
      [{ name: { prefix: 'alphab' } }, 'b'],
      [{ name: { prefix: '' } }, 'abcef'],
      [{ name: { prefix: '%' } }, 'f'],
      [{ name: { prefix: 'ärger' } }, ''],
      [{ name: { prefix: 'Ärger' } }, 'e'],
      [{ name: { prefix: 'b', not: 'beta' } }, ''],
      [{ on: true, size: 2 }, 'd'],
      [{ on: true, size: { lt: 3 } }, 'd'],
      [{ on: { not: null }, size: null }, 'e'],
    ]
    for (const [where, found] of questions)
      test(`[ST10] ${JSON.stringify(where)} finds ${found || 'nothing'}`, async () => {
        expect((await ids({ where })).join('')).toBe(found)
        expect(await store.read(ann).count(things, where), '[ST15]').toBe(found.length)
        const inside = await store.transact(ann, async (tx) =>
          ok([
            (await tx.find(things, { where })).map(({ id }) => id).join(''),
            await tx.count(things, where),
          ]),
        )
        expect(inside).toEqual(ok([found, found.length]))
      })

    const orders: [string[], string][] = [
      [['id'], 'abcdef'],
      [['-id'], 'fedcba'],
      [['size'], 'efbcda'],
      [['-size'], 'adcbfe'],
      [['size', '-id'], 'efbdca'],
      [['on', '-size'], 'cfbead'],
      [['name'], 'dfabce'],
      [['-name'], 'ecbafd'],
    ]
    for (const [order, found] of orders)
      test(`[ST11] in the order ${order.join()} comes ${found}`, async () => {
        expect((await ids({ order: order as ['id'] })).join('')).toBe(found)
        expect((await ids({ order: order as ['id'], limit: 3 })).join(''), '[ST13]').toBe(found.slice(0, 3))
      })

    test('[ST11] texts are ordered by code point, not by UTF-16 unit', async () => {
      await telemetry(
        tenant('c'),
        ...['\ue000', '\u{10000}', 'z', 'Z', 'é', ''].map((topic) => ({ topic, no: 1 })),
      )
      const found = await store.read(tenant('c')).find(notes, { order: ['topic'] })
      expect(found.map(({ topic }) => topic)).toEqual(['', 'Z', 'z', 'é', '\ue000', '\u{10000}'])
    })

    for (const order of [
      ['id'],
      ['-id'],
      ['size', 'id'],
      ['-size', '-id'],
      ['on', 'size', 'id'],
      ['-on', '-size', '-id'],
    ])
      test(`[ST12] pages of ${order.join()} meet without gap or repeat`, async () => {
        const all = await store.read(tenant('c')).find(things, { order: order as ['id'] })
        for (let i = 0; i < all.length; i++) {
          const last = all[i] as Thing
          // Rows that lack a value of the order can be gone on from as well: null stands for it.
          const after = order.map((field) => last[field.replace('-', '') as 'size'] ?? null) as number[]
          const rest = await store
            .read(tenant('c'))
            .find(things, { order: order as ['id'], after, where: { id: { not: 'zz' } } })
          expect(rest).toEqual(all.slice(i + 1))
        }
      })

    test('[ST12] without an order, after goes by the key', async () => {
      await telemetry(
        tenant('d'),
        ...[1, 2, 3].flatMap((no) => [
          { topic: 'a', no },
          { topic: 'b', no },
        ]),
      )
      const found = await store.read(tenant('d')).find(notes, { after: ['a', 2], limit: 2 })
      expect(found).toEqual([
        { topic: 'a', no: 3 },
        { topic: 'b', no: 1 },
      ])
    })

    test('[ST13] a thousand rows when no limit is said', async () => {
      await telemetry(tenant('e'), ...Array.from({ length: 1100 }, (_, no) => ({ topic: 't', no })))
      expect(await store.read(tenant('e')).find(notes, {})).toHaveLength(1000)
      expect(await store.read(tenant('e')).find(notes, { limit: 1100 })).toHaveLength(1100)
      expect(await store.read(tenant('e')).find(notes, { limit: 0 })).toEqual([])
    })

    test('[ST13] without texts, long texts come back empty and the rest as it is', async () => {
      expect(await store.read(ann).find(things, { where: { id: 'a' }, without: 'texts' })).toStrictEqual([
        { id: 'a', name: 'Alpha', size: 3, on: true, state: '' },
      ])
    })

    const unclear: [string, object][] = [
      ['an undefined condition', { where: { name: undefined } }],
      ['a field without column', { where: { extra: 1 } }],
      ['a long text', { where: { state: 'S' } }],
      ['an unknown word', { where: { size: { about: 3 } } }],
      ['an empty condition', { where: { size: {} } }],
      ['undefined in a condition', { where: { size: { gt: undefined } } }],
      ['a prefix of a number', { where: { size: { prefix: '1' } } }],
      ['a text against a number column', { where: { size: '2' } }],
      ['an injected field', { where: { 'id" OR 1=1 --': 'x' } }],
      ['an order by a field without column', { order: ['extra'] }],
      ['after that does not fit the order', { order: ['size'], after: [1, 'a'] }],
      ['after without the key', { order: ['size'], after: [1] }],
      ['after in two directions', { order: ['size', '-id'], after: [1, 'a'] }],
      ['a negative limit', { limit: -1 }],
      ['a limit without bound', { limit: Number.POSITIVE_INFINITY }],
    ]
    for (const [what, find] of unclear)
      test(`[ST14] refused as a defect: ${what}`, async () => {
        await expect(store.read(ann).find(things, find)).rejects.toThrow(Defect)
        await expect(store.transact(ann, async (tx) => ok(await tx.find(things, find)))).rejects.toThrow(
          Defect,
        )
      })
  })
}
