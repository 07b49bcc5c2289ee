/** The port's commits: all or nothing, one at a time, none spoilt by another (RULES.md, ST20 to ST29). */
import { Defect, type Find, ok, refuse, type Store, type Tx } from '@waymark/domain'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { ann, bob, entry, follow, keep, type Note, notes, pause, type Thing, things } from './fixture.ts'
import type { Home } from './store-suite.ts'

export function commitSuite(home: Home): void {
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

    test('[ST20] neighbours of one commit build on what was kept, and never on what was taken back', async () => {
      await keep(store, ann, { id: 'n', size: 0, state: 'old' })
      const add = (size: number, kept: boolean) =>
        store.transact(ann, async (tx) => {
          const [found] = await tx.find(things, { where: { id: 'n' }, limit: 1 })
          const n = await tx.get(things, { id: 'n' })
          await tx.put(things, { id: 'n', size: (n?.size ?? 0) + size, state: kept ? 'kept' : 'lost' })
          tx.journal(entry('counted'))
          return kept ? ok([found?.size, n?.size]) : refuse({ kind: 'no' })
        })
      const answers = await Promise.all([add(1, true), add(10, false), add(100, true), add(1000, false)])
      const no = refuse({ kind: 'no' })
      expect(answers).toEqual([ok([0, 0]), no, ok([1, 1]), no])
      expect(await get('n')).toEqual({ id: 'n', size: 101, state: 'kept' })
      await store.transact(ann, async (tx) => {
        await tx.remove(things, { id: 'n' })
        tx.journal(entry('removed'))
        return ok(undefined)
      })
      expect(await get('n')).toBeUndefined()
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
      const left = [...(await store.read(ann).find(things, {})), ...(await store.read(bob).find(things, {}))]
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

  describe('health', () => {
    freshForEachTest()

    test('[ST29] a store that answers says so', async () => {
      await store.ping()
    })
  })
}
