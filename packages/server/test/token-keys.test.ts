/** Rotation of the keys that sign logins: nobody is logged out, and two processes on one store agree. */
import { randomBytes } from 'node:crypto'
import { Instant, mainCollections, settings } from '@waymark/domain'
import { createMemoryStore } from '@waymark/store'
import { expect, test } from 'vitest'
import { createKeys } from '../src/keys.ts'
import { keysBy, openTokenKeys, tokenKeysMax } from '../src/token-keys.ts'
import { createTokens } from '../src/tokens.ts'

const hourMs = 3600 * 1000
const by = { kind: 'user', id: 'the-admin' } as const
const keys = createKeys(new Uint8Array(32).fill(7), randomBytes)

/** A store with a clock, and processes that issue and believe tokens on it. */
function scene({ shared = false } = {}) {
  const store = createMemoryStore({ collections: mainCollections })
  let now = 1_800_000_000_000
  const clock = { now: () => Instant.of(now) }
  const env = () => ({ now: clock.now(), random: (count: number) => randomBytes(count) })
  return {
    store,
    pass: (ms: number) => (now += ms),
    async process(epoch = 1) {
      const tokenKeys = await openTokenKeys({ store, env, epoch, lifeMs: 24 * hourMs, shared })
      const tokens = createTokens<{ id: string; exp: number }>({
        clock,
        keys: keysBy(tokenKeys, (label) => keys.tokenKey(label)),
        parse: (payload) => payload as { id: string; exp: number },
      })
      return {
        ...tokenKeys,
        issue: (id: string, lifeMs = hourMs) => tokens.issue({ id, exp: Math.floor((now + lifeMs) / 1000) }),
        believes: (token: string) => tokens.verify(token).ok,
      }
    },
  }
}

test('[TK6] a login from before a rotation is good until its own end, and not a moment longer', async () => {
  const { process, pass } = scene()
  const server = await process()
  const before = server.issue('before', 24 * hourMs)
  expect((await server.rotate(by)).ok).toBe(true)
  const after = server.issue('after')
  expect(after.split('.')[0]).not.toBe(before.split('.')[0])
  expect([server.believes(before), server.believes(after)]).toEqual([true, true])
  pass(24 * hourMs - 2000)
  expect(server.believes(before)).toBe(true)
  pass(2000)
  expect(server.believes(before)).toBe(false)
})

test('[TK6] a key whose last token has run out is forgotten, whatever was remembered of it', async () => {
  const { process, pass, store } = scene()
  const server = await process()
  // Longer than any login of ours lives: signed with a key that is gone, it is foreign.
  const long = server.issue('long', 100 * hourMs)
  expect(server.believes(long)).toBe(true)
  await server.rotate(by)
  pass(25 * hourMs)
  expect(server.believes(long)).toBe(false)
  expect(await server.drop()).toBe(1)
  expect(await server.drop()).toBe(0)
  expect(server.labels()).toEqual(['1.1'])
  const read = await store.journal.read('house', { limit: 10 })
  expect(read.ok && read.value.entries.map(({ kind, by: who }) => [kind, who.id])).toEqual([
    ['setting.changed', 'the-admin'],
    ['setting.changed', 'token-keys'],
  ])
})

test('[TK7] of two processes on one store the one that rotates signs with the new key only when the other has heard', async () => {
  const { process, pass } = scene({ shared: true })
  const first = await process()
  const second = await process()
  await first.rotate(by)
  // The second knows nothing yet, and need not: the old key still signs.
  expect(second.believes(first.issue('early'))).toBe(true)
  pass(10_000)
  await second.load()
  pass(5_000)
  const late = first.issue('late')
  expect(first.labels()).toEqual(['1.1', '1'])
  expect(second.labels()).toEqual(first.labels())
  expect(second.believes(late)).toBe(true)
  expect(first.believes(second.issue('also'))).toBe(true)
})

test('[TK7] a process that starts later finds the same keys; rotations of both at once make two keys', async () => {
  const { process, store } = scene()
  const first = await process()
  const second = await process()
  const made = await Promise.all([first.rotate(by), second.rotate(by)])
  expect(made.map((one) => one.ok && one.value.serial).sort()).toEqual([1, 2])
  await first.load()
  await second.load()
  const third = await process()
  expect(new Set([first, second, third].map((one) => one.labels().join()))).toEqual(new Set(['1.2,1.1,1']))
  expect(JSON.stringify(await store.readHouse().get(settings, { name: 'token-keys' }))).not.toContain(
    'secret',
  )
})

test('[TK8] raising the epoch voids every login, rotated or not', async () => {
  const { process } = scene()
  const server = await process()
  const token = server.issue('one')
  await server.rotate(by)
  const other = server.issue('two')
  const raised = await process(2)
  expect([raised.believes(token), raised.believes(other)]).toEqual([false, false])
})

test('[TK9] keys that are believed at once are few: one more is refused', async () => {
  const { process, pass } = scene()
  const server = await process()
  for (let count = 1; count < tokenKeysMax; count++) expect((await server.rotate(by)).ok).toBe(true)
  expect(await server.rotate(by)).toEqual({
    ok: false,
    refusal: { kind: 'too-many-keys', wanted: tokenKeysMax, got: tokenKeysMax },
  })
  pass(26 * hourMs)
  expect((await server.rotate(by)).ok).toBe(true)
})
