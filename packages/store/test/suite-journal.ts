/** The port's tenants and journal (RULES.md, ST30 to ST47). */
import { Defect, type Instant, ok, refuse, type Store } from '@waymark/domain'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
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
  things,
  until,
} from './fixture.ts'
import type { Home } from './store-suite.ts'

export function journalSuite(home: Home): void {
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
  const telemetry = (of = ann, ...list: Note[]) =>
    store.transact(of, async (tx) => {
      for (const note of list) await tx.put(notes, note)
      return ok(undefined)
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
      await expect(store.transact(ann, async (tx) => ok(await tx.count(people, {})))).rejects.toThrow(Defect)
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

    test('[ST48] the newest entries about a device are read from the end, oldest first', async () => {
      const device = 'd'.repeat(24)
      for (let i = 0; i < 12; i++)
        await store.transact(ann, async (tx) => {
          tx.journal(i % 3 ? entry(`other${i}`) : entry(`own${i}`, { device }))
          return ok(undefined)
        })
      const own = entry('', { device }).device
      if (own === undefined) throw new Error('no device')
      const newest = await store.journal.newest(ann, { device: own, limit: 3 })
      expect(newest.map(({ kind }) => kind)).toEqual(['own3', 'own6', 'own9'])
      const all = await store.journal.read(ann, { device: own, limit: 10 })
      if (!all.ok) throw new Error('refused')
      expect(newest).toEqual(all.value.entries.slice(1))
      expect(await store.journal.newest(bob, { device: own, limit: 3 })).toEqual([])
      await store.journal.trim(ann, 2000 as Instant, 7)
      expect((await store.journal.newest(ann, { device: own, limit: 3 })).length).toBe(1)
    })

    test('[ST47] listeners are told the devices the entries are about, or that any may be', async () => {
      const told: ('any' | string[])[] = []
      store.onCommit(({ devices }) => told.push(devices === 'any' ? devices : [...devices]))
      const device = 'd'.repeat(24)
      await store.transact(ann, async (tx) => {
        tx.journal(entry('about nobody'))
        tx.journal(entry('about one', { device }))
        return ok(undefined)
      })
      await until(() => told.length > 0)
      expect(['any', [device]]).toContainEqual(told[0])
    })

    test('[ST47] listeners are told which devices others than themselves did something about', async () => {
      const told: ('any' | string[])[] = []
      store.onCommit(({ byOthers }) => told.push(byOthers === 'any' ? byOthers : [...byOthers.keys()].sort()))
      const [quiet, asked] = ['1'.repeat(24), '2'.repeat(24)]
      await store.transact(ann, async (tx) => {
        for (const device of [quiet, asked])
          tx.journal(entry('its own', { device, by: { kind: 'device', id: device } }))
        tx.journal(entry('another’s', { device: asked, by: { kind: 'device', id: quiet } }))
        return ok(undefined)
      })
      await until(() => told.length > 0)
      expect(['any', [asked]]).toContainEqual(told[0])
    })

    test('[ST47] listeners are told the kinds of the entries', async () => {
      const told: ('any' | string[])[] = []
      store.onCommit(({ kinds }) => told.push(kinds === 'any' ? kinds : [...kinds].sort()))
      await store.transact(ann, async (tx) => {
        for (const kind of ['b', 'a', 'b']) tx.journal(entry(kind))
        return ok(undefined)
      })
      await until(() => told.length > 0)
      expect(['any', ['a', 'b']]).toContainEqual(told[0])
    })

    test('[ST46] listeners hear of commits with entries, after they can be read', async () => {
      const heard: string[][] = []
      const read: Promise<number>[] = []
      const stop = store.onCommit(({ tenants }) => {
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
}
