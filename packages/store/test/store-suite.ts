/**
 * The suite of the port: what every home of the store promises (RULES.md, ST). A home gives a fresh, empty store for
 * each test.
 */
import { type Collection, Defect, ok, refuse, type Store, type Tx } from '@waymark/domain'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import {
  ann,
  bob,
  entry,
  follow,
  keep,
  type Note,
  notes,
  type Person,
  pause,
  people,
  type Thing,
  tenant,
  things,
  until,
} from './fixture.ts'

export interface Home {
  readonly name: string
  open(): Promise<Store>
}

export function storeSuite(home: Home): void {
  describe(`the port, kept in ${home.name}`, () => {
    let store: Store
    const openStore = async () => {
      store = await home.open()
    }
    const closeStore = () => store.close()
    const freshForEachTest = () => {
      beforeEach(openStore)
      afterEach(closeStore)
    }

    const get = (id: string, of = ann) => store.read(of).get(things, { id })
    const ids = async (find: Parameters<ReturnType<Store['read']>['find']>[1]) =>
      (await store.read(ann).find(things as Collection<Thing, 'id'>, find as never)).map(({ id }) => id)
    const telemetry = (of = ann, ...list: Note[]) =>
      store.transact(of, async (tx) => {
        for (const note of list) await tx.put(notes, note)
        return ok(undefined)
      })

    describe('records', () => {
      freshForEachTest()

      const texts = [
        '',
        'plain',
        'ünïcödé 🚂',
        'nul\0inside',
        '\0',
        'half \ud800 pair',
        '\udc00',
        '\uffff',
        '\uffff"x"',
        "'; DROP TABLE things; --",
        '"',
        '\\',
        '%_',
        '\u{10ffff}',
        'a'.repeat(5000),
        '\r\n\t',
        '\u2028',
      ]
      const records: [string, Thing][] = [
        ['only a key', { id: 'x' }],
        ['nulls', { id: 'x', name: null, size: null, on: null, extra: null }],
        ['false, zero and empty', { id: 'x', name: '', size: 0, on: false, state: '' }],
        ['true and large numbers', { id: 'x', size: Number.MAX_SAFE_INTEGER, on: true, extra: 1.5e300 }],
        ['negative numbers', { id: 'x', size: -Number.MAX_SAFE_INTEGER, extra: -0.25 }],
        ['nested JSON', { id: 'x', extra: { a: [1, { b: null }], '': '', ключ: 'значение', __proto_: 1 } }],
        ['a key of JSON called __proto__', { id: 'x', extra: JSON.parse('{"__proto__": {"a": 1}}') }],
        ['a long text of a megabyte', { id: 'x', state: 'wörd '.repeat(200_000) }],
        ...texts.map((text): [string, Thing] => [
          `the text ${JSON.stringify(text.slice(0, 20))} everywhere`,
          { id: text || 'x', name: text, state: text, extra: text },
        ]),
      ]
      for (const [what, record] of records)
        test(`[ST1] comes back as it was put: ${what}`, async () => {
          await keep(store, ann, record)
          expect(await get(record.id)).toStrictEqual(record)
          expect(await store.read(ann).find(things, { where: { id: record.id } })).toStrictEqual([record])
          await keep(store, ann, { ...record, extra: 'other' })
          await keep(store, ann, record)
          expect(await get(record.id)).toStrictEqual(record)
          if (typeof record.name === 'string')
            expect(await store.read(ann).find(things, { where: { name: record.name } })).toStrictEqual([
              record,
            ])
        })

      test('[ST1] a field set to undefined is absent', async () => {
        await keep(store, ann, { id: 'x', name: undefined, extra: undefined } as unknown as Thing)
        expect(await get('x')).toStrictEqual({ id: 'x' })
      })

      test('[ST1] fields come and go when a record is put again', async () => {
        await keep(store, ann, { id: 'x', name: 'n', size: 1, on: true, state: 's', extra: 1 })
        await keep(store, ann, { id: 'x' })
        expect(await get('x')).toStrictEqual({ id: 'x' })
        await store.transact(ann, async (tx) => {
          const x = await tx.get(things, { id: 'x' })
          await tx.put(things, { id: x?.id ?? '', name: null, size: 2, state: 't' })
          tx.journal(entry('e'))
          return ok(undefined)
        })
        expect(await get('x')).toStrictEqual({ id: 'x', name: null, size: 2, state: 't' })
        expect(await ids({ where: { size: 2 } as never })).toEqual(['x'])
        expect(await ids({ where: { size: 1 } as never })).toEqual([])
      })

      test('[ST2] what a caller holds is a copy', async () => {
        const record = { id: 'x', extra: { deep: [1] } }
        await store.transact(ann, async (tx) => {
          await tx.put(things, record)
          record.extra.deep.push(2)
          const inside = await tx.get(things, { id: 'x' })
          expect(inside).toEqual({ id: 'x', extra: { deep: [1] } })
          deepOf(inside).push(3)
          tx.journal(entry('e'))
          return ok(undefined)
        })
        const outside = await get('x')
        deepOf(outside).push(4)
        expect(await get('x')).toEqual({ id: 'x', extra: { deep: [1] } })
      })

      test('[ST3] put replaces by key, remove answers whether there was one', async () => {
        await telemetry(
          ann,
          { topic: 'a', no: 1, text: 'one' },
          { topic: 'a', no: 2 },
          { topic: 'a', no: 1, text: 'two' },
        )
        expect(await store.read(ann).get(notes, { topic: 'a', no: 1 })).toEqual({
          topic: 'a',
          no: 1,
          text: 'two',
        })
        const removed = await store.transact(ann, async (tx) =>
          ok([
            await tx.remove(notes, { topic: 'a', no: 1 }),
            await tx.remove(notes, { topic: 'a', no: 1 }),
            await tx.get(notes, { topic: 'a', no: 1 }),
            await tx.remove(notes, { topic: 'z', no: 9 }),
          ]),
        )
        expect(removed).toEqual(ok([true, false, undefined, false]))
        expect(await store.read(ann).find(notes, {})).toEqual([{ topic: 'a', no: 2 }])
      })

      test('[ST3] a removed record with long texts can be put again without them', async () => {
        await keep(store, ann, { id: 'x', state: 'long' })
        await store.transact(ann, async (tx) => {
          await tx.get(things, { id: 'x' })
          await tx.remove(things, { id: 'x' })
          await tx.put(things, { id: 'x' })
          tx.journal(entry('e'))
          return ok(undefined)
        })
        expect(await get('x')).toStrictEqual({ id: 'x' })
      })

      const wrong: [string, unknown][] = [
        ['a text in a number column', { id: 'x', size: '1' }],
        ['a fraction in a number column', { id: 'x', size: 1.5 }],
        ['a number beyond 2^53', { id: 'x', size: 2 ** 53 }],
        ['NaN', { id: 'x', size: Number.NaN }],
        ['a number in a text column', { id: 'x', name: 1 }],
        ['a number in a boolean column', { id: 'x', on: 1 }],
        ['an object in a text column', { id: 'x', name: {} }],
        ['a number as long text', { id: 'x', state: 1 }],
        ['no key', { name: 'n' }],
        ['null as key', { id: null }],
      ]
      for (const [what, record] of wrong)
        test(`[ST4] refused as a defect: ${what}`, async () => {
          await expect(keep(store, ann, record as Thing)).rejects.toThrow(Defect)
          expect(await store.read(ann).count(things, {})).toBe(0)
        })

      test('[ST4] a collection that was not declared is a defect', async () => {
        const stranger = { ...things, name: 'strangers' } as typeof things
        await expect(store.read(ann).find(stranger, {})).rejects.toThrow(/strangers/)
        await expect(
          store.transact(ann, async (tx) => ok(await tx.get(stranger, { id: 'x' }))),
        ).rejects.toThrow(Defect)
      })

      test('[ST5] a unique index holds within a tenant, and lacking values are free', async () => {
        await keep(store, ann, { id: '1', name: 'n' })
        await keep(store, bob, { id: '1', name: 'n' })
        for (const id of ['2', '3']) await keep(store, ann, { id })
        for (const id of ['4', '5']) await keep(store, ann, { id, name: null })
        await keep(store, ann, { id: '1', name: 'n', size: 1 })
        await expect(keep(store, ann, { id: '6', name: 'n' })).rejects.toThrow(Defect)
        expect(await ids({})).toEqual(['1', '2', '3', '4', '5'])
      })

      test('[ST5] a unique value can change hands within one body', async () => {
        await keep(store, ann, { id: '1', name: 'm' })
        await keep(store, ann, { id: '2', name: 'n' })
        const swapped = await store.transact(ann, async (tx) => {
          await tx.put(things, { id: '1', name: 'free' })
          await tx.put(things, { id: '2', name: 'm' })
          await tx.put(things, { id: '1', name: 'n' })
          tx.journal(entry('swapped'))
          return ok(undefined)
        })
        expect(swapped.ok).toBe(true)
        expect(await store.read(ann).find(things, {})).toEqual([
          { id: '1', name: 'n' },
          { id: '2', name: 'm' },
        ])
      })

      test('[ST5] a unique value is free again after its row is removed in the same body', async () => {
        await keep(store, ann, { id: '1', name: 'm' })
        await store.transact(ann, async (tx) => {
          await tx.remove(things, { id: '1' })
          await tx.put(things, { id: '2', name: 'm' })
          tx.journal(entry('e'))
          return ok(undefined)
        })
        expect(await store.read(ann).find(things, {})).toEqual([{ id: '2', name: 'm' }])
      })
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
          expect((await ids({ where } as never)).join('')).toBe(found)
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
          expect((await ids({ order } as never)).join('')).toBe(found)
          expect((await ids({ order, limit: 3 } as never)).join(''), '[ST13]').toBe(found.slice(0, 3))
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

    describe('commits', () => {
      freshForEachTest()

      const failing: [string, (tx: Tx) => Promise<ReturnType<typeof refuse> | ReturnType<typeof ok>>][] = [
        ['refuses', async () => refuse({ kind: 'no' })],
        [
          'throws',
          async () => {
            throw new Error('oh')
          },
        ],
        [
          'throws before its first await',
          () => {
            throw new Error('oh')
          },
        ],
        [
          'rejects later',
          async (tx) => {
            await tx.get(things, { id: 'x' })
            throw new Error('oh')
          },
        ],
      ]
      for (const [how, end] of failing)
        test(`[ST20] a body that ${how} leaves nothing, however much it wrote`, async () => {
          await keep(store, ann, { id: 'x', name: 'old', state: 'old' })
          const outcome = await store
            .transact(ann, async (tx) => {
              await tx.put(things, { id: 'x', name: 'new', state: 'new' })
              await tx.put(things, { id: 'y' })
              await tx.find(things, {})
              await tx.remove(things, { id: 'x' })
              await tx.put(notes, { topic: 'n', no: 1 })
              tx.journal(entry('never'))
              return end(tx)
            })
            .catch((error: Error) => error.message)
          expect(outcome).toEqual(how === 'refuses' ? refuse({ kind: 'no' }) : 'oh')
          expect(await store.read(ann).find(things, {})).toEqual([{ id: 'x', name: 'old', state: 'old' }])
          expect(await store.read(ann).count(notes, {})).toBe(0)
          expect((await follow(store, ann)).map(({ kind }) => kind)).toEqual(['thing.kept'])
        })

      test('[ST21] a body sees its own writes, in every kind of question', async () => {
        await keep(store, ann, { id: 'a', size: 1 })
        await keep(store, ann, { id: 'b', size: 2 })
        const seen = await store.transact(ann, async (tx) => {
          await tx.put(things, { id: 'c', size: 3 })
          await tx.put(things, { id: 'a', size: 9 })
          await tx.remove(things, { id: 'b' })
          tx.journal(entry('e'))
          return ok({
            c: await tx.get(things, { id: 'c' }),
            b: await tx.get(things, { id: 'b' }),
            ordered: (await tx.find(things, { order: ['-size'] })).map(({ id }) => id),
            nine: await tx.count(things, { size: 9 }),
            again: (await tx.find(things, { where: { size: { gte: 3 } } })).map(({ id }) => id),
          })
        })
        expect(seen).toEqual(
          ok({ c: { id: 'c', size: 3 }, b: undefined, ordered: ['a', 'c'], nine: 1, again: ['a', 'c'] }),
        )
      })

      test('[ST21] readers outside see nothing before the commit', async () => {
        const seen: unknown[] = []
        let inside = () => {}
        const begun = new Promise<void>((resolve) => {
          inside = resolve
        })
        const outside = begun.then(async () => {
          seen.push(await get('x'))
        })
        await store.transact(ann, async (tx) => {
          await tx.put(things, { id: 'x' })
          await tx.find(things, {})
          inside()
          for (let i = 0; i < 50; i++) await tx.get(things, { id: 'x' })
          tx.journal(entry('e'))
          return ok(undefined)
        })
        await outside
        expect([[undefined], [{ id: 'x' }]]).toContainEqual(seen)
        expect(await get('x')).toEqual({ id: 'x' })
      })

      test('[ST22] concurrent increments sum exactly', async () => {
        await keep(store, ann, { id: 'n', size: 0 })
        const rounds = 300
        const answers = await Promise.all(
          Array.from({ length: rounds }, () =>
            store.transact(ann, async (tx) => {
              const n = await tx.get(things, { id: 'n' })
              const size = (n?.size ?? 0) + 1
              await tx.put(things, { id: 'n', size })
              tx.journal(entry('counted'))
              return ok(size)
            }),
          ),
        )
        expect(new Set(answers.map((answer) => (answer.ok ? answer.value : 0))).size).toBe(rounds)
        expect((await get('n'))?.size).toBe(rounds)
        expect(await follow(store, ann, undefined, 100)).toHaveLength(rounds + 1)
      })

      test('[ST22] a rule over many rows holds under concurrency', async () => {
        // At most three things may be on: everybody counts, then adds.
        const answers = await Promise.all(
          Array.from({ length: 40 }, (_, i) =>
            store.transact(ann, async (tx) => {
              if ((await tx.count(things, { on: true })) >= 3) return refuse({ kind: 'full' })
              await tx.put(things, { id: `t${i}`, on: true })
              tx.journal(entry('e'))
              return ok(i)
            }),
          ),
        )
        expect(answers.filter((answer) => answer.ok)).toHaveLength(3)
        expect(await store.read(ann).count(things, {})).toBe(3)
      })

      test('[ST23] bodies that fail spoil none of those around them', async () => {
        const answers = await Promise.allSettled(
          Array.from({ length: 90 }, (_, i) =>
            store.transact(i % 2 ? ann : bob, async (tx) => {
              await tx.put(things, { id: String(i), state: `s${i}` })
              tx.journal(entry('e', { data: { i } }))
              if (i % 3 === 1) return refuse({ kind: 'no', i })
              if (i % 9 === 2) throw new Error(`thrown ${i}`)
              if (i % 9 === 5) await tx.put(things, { id: 'bad', size: 'bad' } as unknown as Thing)
              return ok(i)
            }),
          ),
        )
        answers.forEach((answer, i) => {
          if (i % 3 === 1) expect(answer).toEqual({ status: 'fulfilled', value: refuse({ kind: 'no', i }) })
          else if (i % 9 === 2 || i % 9 === 5) expect(answer.status).toBe('rejected')
          else expect(answer).toEqual({ status: 'fulfilled', value: ok(i) })
        })
        const left = [
          ...(await store.read(ann).find(things, {})),
          ...(await store.read(bob).find(things, {})),
        ]
        const kept = Array.from({ length: 90 }, (_, i) => i).filter((i) => i % 3 === 0 || i % 9 === 8)
        expect(left.map(({ id }) => Number(id)).sort((a, b) => a - b)).toEqual(kept)
        const told = [...(await follow(store, ann)), ...(await follow(store, bob))]
        expect(told.map(({ data }) => Number(data.i)).sort((a, b) => a - b)).toEqual(kept)
      })

      test('[ST24] a body that awaits something else is rolled back and refused, the others go on', async () => {
        let late: Promise<unknown> = Promise.resolve()
        const guilty = store.transact(ann, async (tx) => {
          await tx.put(things, { id: 'guilty' })
          tx.journal(entry('never'))
          await pause(30)
          late = tx.put(things, { id: 'late' }).catch((error) => error)
          return ok(undefined)
        })
        const others = Promise.all(['a', 'b', 'c'].map((id) => keep(store, ann, { id })))
        await expect(guilty).rejects.toThrow(/awaited something else/)
        await others
        await pause(60)
        expect(await late, '[ST25]').toBeInstanceOf(Defect)
        expect(await ids({})).toEqual(['a', 'b', 'c'])
      })

      test('[ST24] a body that never ends is cut off as well', async () => {
        await expect(store.transact(ann, () => new Promise<never>(() => {}))).rejects.toThrow(Defect)
        await keep(store, ann, { id: 'a' })
      })

      test('[ST25] a handle is dead after its body', async () => {
        let kept: Tx | undefined
        await store.transactHouse(async (house) => {
          kept = house.tenant(ann)
          return ok(undefined)
        })
        await expect(kept?.get(things, { id: 'x' })).rejects.toThrow(Defect)
        await expect(kept?.put(things, { id: 'x' })).rejects.toThrow(Defect)
        await expect(kept?.find(things, {})).rejects.toThrow(Defect)
        expect(() => kept?.journal(entry('e'))).toThrow(Defect)
      })

      test('[ST26] a body that caught a failed operation is refused with it all the same', async () => {
        await keep(store, ann, { id: '1', name: 'n' })
        const caught = store.transact(ann, async (tx) => {
          await tx.put(things, { id: '2' })
          await tx.put(things, { id: '3', name: 'n' }).catch(() => {})
          tx.journal(entry('e'))
          return ok(undefined)
        })
        await expect(caught).rejects.toThrow(Defect)
        const unseen = store.transact(ann, async (tx) => {
          void tx.put(things, { id: '4', size: 0.5 })
          tx.journal(entry('e'))
          return ok(undefined)
        })
        await expect(unseen).rejects.toThrow(Defect)
        expect(await ids({})).toEqual(['1'])
      })

      test('[ST26] operations that a body did not wait for belong to it', async () => {
        await store.transact(ann, async (tx) => {
          void tx.put(things, { id: 'a' })
          void tx.put(things, { id: 'b' })
          tx.journal(entry('e'))
          return ok(undefined)
        })
        expect(await ids({})).toEqual(['a', 'b'])
      })

      test('[ST27] a change without a journal entry is a defect, telemetry needs none', async () => {
        const silent = store.transact(ann, async (tx) => {
          await tx.put(things, { id: 'x' })
          return ok(undefined)
        })
        await expect(silent).rejects.toThrow(/things was changed without a journal entry/)
        await keep(store, ann, { id: 'y' })
        await expect(
          store.transact(ann, async (tx) => ok(await tx.remove(things, { id: 'y' }))),
        ).rejects.toThrow(Defect)
        expect(await store.transact(ann, async (tx) => ok(await tx.remove(things, { id: 'x' })))).toEqual(
          ok(false),
        )
        await telemetry(ann, { topic: 't', no: 1 })
        expect(await ids({})).toEqual(['y'])
      })

      test('[ST28] close finishes what has begun and refuses what comes after', async () => {
        const begun = Array.from({ length: 20 }, (_, i) => keep(store, ann, { id: String(i) }))
        const closing = store.close()
        const late = keep(store, ann, { id: 'late' })
        await expect(late).rejects.toMatchObject({ kind: 'closed' })
        expect((await Promise.all(begun)).every((one) => one.ok)).toBe(true)
        await closing
        await expect(store.read(ann).get(things, { id: '1' })).rejects.toMatchObject({ kind: 'closed' })
        await expect(store.ping()).rejects.toMatchObject({ kind: 'closed' })
        await expect(store.journal.head(ann)).rejects.toMatchObject({ kind: 'closed' })
        await store.close()
      })
    })

    describe('tenants', () => {
      freshForEachTest()

      test("[ST30] a tenant's handle reaches that tenant's rows only", async () => {
        await keep(store, ann, { id: 'x', name: 'hers', size: 1 })
        await keep(store, bob, { id: 'x', name: 'his', size: 1 })
        await keep(store, bob, { id: 'y', size: 1 })
        const seen = await store.transact(ann, async (tx) => {
          const before = [await tx.get(things, { id: 'y' }), await tx.count(things, { size: 1 })]
          await tx.remove(things, { id: 'y' })
          await tx.put(things, { id: 'x', name: 'changed' })
          tx.journal(entry('e'))
          return ok(before)
        })
        expect(seen).toEqual(ok([undefined, 1]))
        expect(await store.read(ann).find(things, {})).toEqual([{ id: 'x', name: 'changed' }])
        expect(await store.read(bob).find(things, {})).toEqual([
          { id: 'x', name: 'his', size: 1 },
          { id: 'y', size: 1 },
        ])
      })

      test('[ST31] handles name collections of their own scope only', async () => {
        await expect(store.read(ann).get(people, { login: 'x' })).rejects.toThrow(Defect)
        await expect(store.readHouse().find(things, {})).rejects.toThrow(Defect)
        await expect(store.transact(ann, async (tx) => ok(await tx.count(people, {})))).rejects.toThrow(
          Defect,
        )
        await expect(
          store.transactHouse(async (house) => {
            await house.put(things, { id: 'x' })
            return ok(undefined)
          }),
        ).rejects.toThrow(Defect)
      })

      test('[ST32] a house body moves a row from one tenant to another in one commit', async () => {
        await keep(store, ann, { id: 'x', name: 'n' })
        const person: Person = { login: 'p', tenant: bob, badge: 7 }
        await store.transactHouse(async (house) => {
          const row = await house.tenant(ann).get(things, { id: 'x' })
          await house.tenant(ann).remove(things, { id: 'x' })
          if (row !== undefined) await house.tenant(bob).put(things, row)
          await house.put(people, person)
          house.journal(entry('house'))
          house.tenant(ann).journal(entry('left'))
          house.tenant(bob).journal(entry('came'))
          return ok(undefined)
        })
        expect(await get('x')).toBeUndefined()
        expect(await get('x', bob)).toEqual({ id: 'x', name: 'n' })
        expect(await store.readHouse().find(people, { where: { tenant: bob } })).toEqual([person])
        expect((await follow(store, ann)).map(({ kind }) => kind)).toEqual(['thing.kept', 'left'])
        expect((await follow(store, bob)).map(({ kind }) => kind)).toEqual(['came'])
        expect((await follow(store, 'house')).map(({ kind }) => kind)).toEqual(['house'])
        const twice = store.transactHouse(async (house) => {
          await house.put(people, { ...person, login: 'q' })
          house.journal(entry('e'))
          return ok(undefined)
        })
        await expect(twice, '[ST5]').rejects.toThrow(Defect)
      })
    })

    describe('journal', () => {
      freshForEachTest()

      const write = (of = ann, ...kinds: string[]) =>
        store.transact(of, async (tx) => {
          for (const kind of kinds) tx.journal(entry(kind))
          return ok(undefined)
        })

      test('[ST40] entries come back in order as they were written', async () => {
        const full = {
          ...entry('k\0', { at: 5, device: 'd'.repeat(24), data: { a: [1, 'ü', null], '\ud800': '\0' } }),
          by: { kind: 'user' as const, id: 'some\0body' },
        }
        await store.transact(ann, async (tx) => {
          tx.journal(full)
          tx.journal(entry('second', { at: 4 }))
          return ok(undefined)
        })
        await write(bob, 'other')
        await write(ann, 'third')
        expect(await follow(store, ann)).toStrictEqual([full, entry('second', { at: 4 }), entry('third')])
        expect((await follow(store, bob)).map(({ kind }) => kind)).toEqual(['other'])
        expect(await follow(store, 'house')).toEqual([])
      })

      test('[ST40] what a caller holds of an entry is a copy', async () => {
        const data = { list: [1] }
        await store.transact(ann, async (tx) => {
          tx.journal(entry('e', { data }))
          data.list.push(2)
          return ok(undefined)
        })
        expect(await follow(store, ann)).toEqual([entry('e', { data: { list: [1] } })])
      })

      test('[ST41] a follower sees every entry once while many write', async () => {
        const writers = Promise.all(
          Array.from({ length: 120 }, (_, i) =>
            pause(i % 10).then(() =>
              write(i % 4 ? ann : bob, ...Array.from({ length: i % 3 }, (_, k) => `${i}.${k}`)),
            ),
          ),
        )
        const seen: string[] = []
        let after: string | undefined
        let done = false
        void writers.then(() => {
          done = true
        })
        for (;;) {
          const last = done
          const read = await store.journal.read(ann, after === undefined ? { limit: 5 } : { after, limit: 5 })
          if (!read.ok) throw new Error('refused')
          for (const { kind } of read.value.entries) seen.push(kind)
          after = read.value.next
          if (last && read.value.entries.length === 0) break
          if (read.value.entries.length === 0) await pause(1)
        }
        const wanted = Array.from({ length: 120 }, (_, i) => i).flatMap((i) =>
          i % 4 ? Array.from({ length: i % 3 }, (_, k) => `${i}.${k}`) : [],
        )
        expect(seen).toHaveLength(wanted.length)
        expect(new Set(seen)).toEqual(new Set(wanted))
      })

      test('[ST41] every cursor of an entry leads to what follows it', async () => {
        await write(ann, 'a', 'b')
        await write(ann, 'c')
        const read = await store.journal.read(ann, { limit: 100 })
        if (!read.ok) throw new Error('refused')
        for (const [i, row] of read.value.entries.entries())
          expect((await follow(store, ann, row.cursor)).map(({ kind }) => kind)).toEqual(
            ['a', 'b', 'c'].slice(i + 1),
          )
        expect(await store.journal.read(ann, { limit: 0 })).toMatchObject({
          ok: true,
          value: { entries: [] },
        })
      })

      test('[ST42] from head on comes what happens from now on', async () => {
        const empty = await store.journal.head(ann)
        await write(ann, 'a')
        const head = await store.journal.head(ann)
        expect(await follow(store, ann, head)).toEqual([])
        await write(ann, 'b')
        expect((await follow(store, ann, head)).map(({ kind }) => kind)).toEqual(['b'])
        expect((await follow(store, ann, empty)).map(({ kind }) => kind)).toEqual(['a', 'b'])
      })

      test('[ST43] trim drops a prefix and tells old cursors so', async () => {
        const at = async (of: typeof ann, ...times: number[]) => {
          for (const time of times)
            await store.transact(of, async (tx) => {
              tx.journal(entry(String(time), { at: time }))
              return ok(undefined)
            })
        }
        const start = await store.journal.head(ann)
        await at(ann, 10, 20)
        const middle = await store.journal.head(ann)
        await at(ann, 30, 25, 40)
        await at(bob, 10)
        expect(await store.journal.trim(ann, entry('', { at: 15 }).at, 100)).toBe(1)
        expect((await follow(store, ann)).map(({ kind }) => kind)).toEqual(['20', '30', '25', '40'])
        expect(await store.journal.trim(ann, entry('', { at: 30 }).at, 100)).toBe(1)
        expect((await follow(store, ann, middle)).map(({ kind }) => kind)).toEqual(['30', '25', '40'])
        expect(await store.journal.trim(ann, entry('', { at: 99 }).at, 2)).toBe(2)
        for (const old of [start, middle]) {
          const refused = await store.journal.read(ann, { after: old, limit: 10 })
          expect(refused).toMatchObject({ ok: false, refusal: { kind: 'cursor-too-old', got: old } })
          if (!refused.ok && refused.refusal.kind === 'cursor-too-old')
            expect((await follow(store, ann, refused.refusal.oldest)).map(({ kind }) => kind)).toEqual(['40'])
        }
        expect((await follow(store, ann)).map(({ kind }) => kind)).toEqual(['40'])
        expect(await store.journal.trim(ann, entry('', { at: 99 }).at, 100)).toBe(1)
        expect(await store.journal.trim(ann, entry('', { at: 99 }).at, 100)).toBe(0)
        expect(await follow(store, ann)).toEqual([])
        expect((await follow(store, bob)).map(({ kind }) => kind)).toEqual(['10'])
        await at(ann, 50)
        expect((await follow(store, ann)).map(({ kind }) => kind)).toEqual(['50'])
      })

      for (const got of [
        '',
        'x',
        '-1',
        '1e3',
        '1.5.2',
        ' 1',
        '99999999999999999999',
        "0' OR 1=1",
        '9007199254740000',
        '1000000.1',
      ])
        test(`[ST44] ${JSON.stringify(got)} is not a cursor`, async () => {
          await write(ann, 'a')
          expect(await store.journal.read(ann, { after: got, limit: 5 })).toEqual(
            refuse({ kind: 'not-a-cursor', got }),
          )
        })

      test("[ST45] one device's entries can be read alone", async () => {
        const device = 'd'.repeat(24)
        for (let i = 0; i < 12; i++)
          await store.transact(ann, async (tx) => {
            tx.journal(i % 3 ? entry(`other${i}`) : entry(`own${i}`, { device }))
            return ok(undefined)
          })
        const own = entry('', { device }).device
        if (own === undefined) throw new Error('no device')
        const first = await store.journal.read(ann, { device: own, limit: 3 })
        if (!first.ok) throw new Error('refused')
        expect(first.value.entries.map(({ kind }) => kind)).toEqual(['own0', 'own3', 'own6'])
        const second = await store.journal.read(ann, { device: own, limit: 3, after: first.value.next })
        expect(second.ok && second.value.entries.map(({ kind }) => kind)).toEqual(['own9'])
        if (second.ok) expect(await follow(store, ann, second.value.next)).toEqual([])
      })

      test('[ST47] listeners are told the devices the entries are about, or that any may be', async () => {
        const told: ('any' | string[])[] = []
        store.onCommit((_tenants, devices) => told.push(devices === 'any' ? devices : [...devices]))
        const device = 'd'.repeat(24)
        await store.transact(ann, async (tx) => {
          tx.journal(entry('about nobody'))
          tx.journal(entry('about one', { device }))
          return ok(undefined)
        })
        await until(() => told.length > 0)
        expect(['any', [device]]).toContainEqual(told[0])
      })

      test('[ST46] listeners hear of commits with entries, after they can be read', async () => {
        const heard: string[][] = []
        const read: Promise<number>[] = []
        const stop = store.onCommit((tenants) => {
          heard.push([...tenants].sort())
          read.push(follow(store, ann).then((entries) => entries.length))
        })
        store.onCommit(() => {
          throw new Error('a bad listener')
        })
        await telemetry(ann, { topic: 't', no: 1 })
        await store.transact(ann, async (tx) => {
          tx.journal(entry('never'))
          return refuse({ kind: 'no' })
        })
        await pause(5)
        expect(heard).toEqual([])
        await store.transactHouse(async (house) => {
          house.journal(entry('h'))
          house.tenant(ann).journal(entry('a'))
          return ok(undefined)
        })
        await until(() => heard.length > 0)
        expect(heard).toEqual([[ann, 'house'].sort()])
        expect(await Promise.all(read)).toEqual([1])
        stop()
        await write(bob, 'b')
        await pause(5)
        expect(heard).toHaveLength(1)
      })
    })

    describe('health', () => {
      freshForEachTest()

      test('[ST29] a store that answers says so', async () => {
        await store.ping()
      })
    })
  })
}

function deepOf(thing: Thing | undefined): number[] {
  return (thing?.extra as { deep: number[] } | undefined)?.deep ?? []
}
