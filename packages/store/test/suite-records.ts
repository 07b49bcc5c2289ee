/** The port's records: what comes back, what is refused (RULES.md, ST1 to ST5). */
import { Defect, type Find, ok, type Store } from '@waymark/domain'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { ann, bob, entry, keep, type Note, notes, type Thing, things } from './fixture.ts'
import type { Home } from './store-suite.ts'

export function recordSuite(home: Home): void {
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
  const ids = async (find: Find<Thing>) => (await store.read(ann).find(things, find)).map(({ id }) => id)
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
          expect(await store.read(ann).find(things, { where: { name: record.name } })).toStrictEqual([record])
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
      expect(await ids({ where: { size: 2 } })).toEqual(['x'])
      expect(await ids({ where: { size: 1 } })).toEqual([])
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

    test('[ST3] many are read in the order of their keys, and put as one after another', async () => {
      await telemetry(ann, { topic: 'a', no: 1, text: 'old' }, { topic: 'b', no: 1 })
      const read = await store.transact(ann, async (tx) => {
        await tx.putAll(notes, [
          { topic: 'a', no: 1, text: 'one' },
          { topic: 'a', no: 2 },
          { topic: 'a', no: 1, text: 'two' },
        ])
        await tx.putAll(notes, [])
        return ok(
          await tx.getAll(notes, [
            { topic: 'b', no: 1 },
            { topic: 'z', no: 9 },
            { topic: 'a', no: 1 },
            { topic: 'a', no: 1 },
          ]),
        )
      })
      const a1 = { topic: 'a', no: 1, text: 'two' }
      expect(read).toEqual(ok([{ topic: 'b', no: 1 }, undefined, a1, a1]))
      expect(await store.read(ann).find(notes, { where: { topic: 'a' } })).toEqual([
        a1,
        { topic: 'a', no: 2 },
      ])
    })

    test('[ST26] of many of which one can not be kept, none is', async () => {
      const many = [{ id: 'x' }, { id: undefined as unknown as string }, { id: 'y' }]
      const put = store.transact(ann, async (tx) => {
        tx.journal(entry('e'))
        await tx.putAll(things, many).catch(() => {})
        return ok(undefined)
      })
      await expect(put).rejects.toThrow(Defect)
      expect(await ids({})).toEqual([])
    })

    test('[ST27] many that are put want an entry as one does', async () => {
      const put = store.transact(ann, async (tx) => {
        await tx.putAll(things, [{ id: 'x' }])
        return ok(undefined)
      })
      await expect(put).rejects.toThrow(Defect)
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
}

function deepOf(thing: Thing | undefined): number[] {
  return (thing?.extra as { deep: number[] } | undefined)?.deep ?? []
}
