import { type Env, Instant, leases, mainCollections } from '@waymark/domain'
import { createMemoryStore } from '@waymark/store'
import { expect, test } from 'vitest'
import { type Chore, startChores } from '../src/chores.ts'

/** Processes with chores on one store, whose turns and clock are moved by hand. */
function scene() {
  const store = createMemoryStore({ collections: mainCollections })
  let now = 1_800_000_000_000
  const env = (): Env => ({ now: Instant.of(now), random: (count) => new Uint8Array(count) })
  return {
    store,
    pass: (ms: number) => (now += ms),
    process(holder: string, run: () => Promise<void>, chore: Partial<Chore> = {}) {
      let then: (() => void) | undefined
      let turned = Promise.withResolvers<void>()
      const failures: unknown[] = []
      const stop = startChores([{ name: 'work', everyMs: 1000, run, ...chore }], {
        store,
        env,
        holder,
        after(_ms, next) {
          then = next
          turned.resolve()
          return () => {
            then = undefined
          }
        },
        failed: (_chore, error) => failures.push(error),
      })
      return {
        stop,
        failures,
        /** One turn, to its end. */
        async turn() {
          turned = Promise.withResolvers<void>()
          then?.()
          await turned.promise
        },
      }
    },
  }
}

test('[CH1] of several processes one does a chore, and another takes over when that one is gone', async () => {
  const { process, pass } = scene()
  const done: string[] = []
  const one = process('one', async () => void done.push('one'))
  const other = process('other', async () => void done.push('other'))
  await one.turn()
  await other.turn()
  pass(1000)
  await one.turn()
  await other.turn()
  expect(done).toEqual(['one', 'one'])
  pass(3001)
  await other.turn()
  await one.turn()
  expect(done).toEqual(['one', 'one', 'other'])
})

test('[CH2] a lease from a clock that has been set back since is taken over at once', async () => {
  const { process, pass, store } = scene()
  const done: string[] = []
  const one = process('one', async () => void done.push('one'))
  await one.turn()
  pass(-3600 * 1000)
  const other = process('other', async () => void done.push('other'))
  await other.turn()
  expect(done).toEqual(['one', 'other'])
  expect((await store.readHouse().get(leases, { name: 'chore.work' }))?.holder).toBe('other')
})

test('[CH3] a chore that fails is told of and tried again; each process does its own for itself', async () => {
  const { process } = scene()
  let count = 0
  const failing = process('one', async () => {
    count += 1
    throw new Error('not this time')
  })
  await failing.turn()
  await failing.turn()
  expect(count).toBe(2)
  expect(failing.failures.map(String)).toEqual(['Error: not this time', 'Error: not this time'])
  const done: string[] = []
  for (const name of ['one', 'other']) {
    const own = process(name, async () => void done.push(name), { name: 'own', alone: true })
    await own.turn()
  }
  expect(done).toEqual(['one', 'other'])
})
