import { randomBytes } from 'node:crypto'
import { Instant } from '@waymark/domain'
import { expect, test } from 'vitest'
import {
  createPasswords,
  createVerifiedLogins,
  defaultCost,
  maxPasswordBytes,
  type PasswordsNeeds,
} from '../src/passwords.ts'

/** Cheap, so that rules are shown and not patience. */
const cost = { memory: 8, passes: 1, lanes: 1 }

function fresh(needs: Partial<PasswordsNeeds> = {}) {
  let now = 1_000_000
  const passwords = createPasswords({
    clock: { now: () => Instant.of(now) },
    random: randomBytes,
    cost,
    ...needs,
  })
  return { passwords, later: (ms: number) => (now += ms) }
}

test('[PW1] the right password verifies, no other does, and equal passwords are kept differently', async () => {
  const { passwords } = fresh()
  const hash = await passwords.hash('correct horse')
  expect(hash).toMatch(/^\$argon2id\$v=19\$m=8,t=1,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/)
  expect(await passwords.verify(hash, 'correct horse')).toBe(true)
  for (const wrong of ['', 'correct horsf', 'correct horse ', 'Correct horse'])
    expect(await passwords.verify(hash, wrong), wrong).toBe(false)
  expect(await passwords.hash('correct horse')).not.toBe(hash)
})

test('[PW1] at its default cost a password is hashed with at least 19 MiB and two passes', async () => {
  expect(defaultCost.memory).toBeGreaterThanOrEqual(19 * 1024)
  expect(defaultCost.passes).toBeGreaterThanOrEqual(2)
  const { passwords } = fresh({ cost: defaultCost })
  expect(await passwords.verify(await passwords.hash('x'), 'x')).toBe(true)
})

test('[PW1] a hash made elsewhere is read: the reference vector of RFC 9106’s authors', async () => {
  // phc-winner-argon2, test.c: version 19, t=2, m=2^8 KiB, p=1, "password", "somesalt".
  const hash = '$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4'
  expect(await fresh().passwords.verify(hash, 'password')).toBe(true)
})

test('[PW1] a password longer than is sensible is never right and never hashed', async () => {
  const { passwords } = fresh()
  const long = 'x'.repeat(maxPasswordBytes + 1)
  await expect(passwords.hash(long)).rejects.toThrow(RangeError)
  expect(await passwords.verify(await passwords.hash('x'), long)).toBe(false)
})

test('[PW2] a name nobody has takes a turn like any other, and is refused', async () => {
  const { passwords } = fresh({ atOnce: 1, maxWaiting: 0 })
  const first = passwords.verify(undefined, 'x')
  await expect(passwords.verify(undefined, 'x')).rejects.toThrow('too many')
  expect(await first).toBe(false)
  expect(await passwords.matches({ hash: undefined, password: 'x', credential: '', version: 0 })).toBe(false)
})

test('[PW3] two at once, a bounded number waiting, the rest told to come again; turns are given back', async () => {
  const { passwords } = fresh({ atOnce: 2, maxWaiting: 3 })
  const hash = await passwords.hash('x')
  const asked = await Promise.allSettled(Array.from({ length: 8 }, () => passwords.verify(hash, 'x')))
  expect(asked.map(({ status }) => status)).toEqual([
    ...Array.from({ length: 5 }, () => 'fulfilled'),
    ...Array.from({ length: 3 }, () => 'rejected'),
  ])
  expect(asked[7]).toMatchObject({ reason: { name: 'PasswordsBusy', statusCode: 503 } })
  expect(await Promise.all(Array.from({ length: 5 }, () => passwords.verify(hash, 'x')))).toEqual(
    Array.from({ length: 5 }, () => true),
  )
})

test('[PW4] a verified login is not paid for twice', async () => {
  const { passwords, later } = fresh({ atOnce: 1, maxWaiting: 0, rememberMs: 1000 })
  const login = { hash: await passwords.hash('x'), password: 'x', credential: 'p1', version: 1 }
  expect(await passwords.matches(login)).toBe(true)
  // The only turn is taken: what is remembered needs none, everything else is refused one.
  const taking = passwords.hash('y')
  expect(await passwords.matches(login)).toBe(true)
  for (const other of [
    { password: 'y' },
    { version: 2 },
    { credential: 'p2' },
    { hash: login.hash.replace('t=1', 't=2') },
  ])
    await expect(passwords.matches({ ...login, ...other })).rejects.toThrow('too many')
  later(1000)
  await expect(passwords.matches(login)).rejects.toThrow('too many')
  await taking
})

test('[PW4] a wrong password is not remembered as right', async () => {
  const { passwords } = fresh()
  const login = { hash: await passwords.hash('x'), password: 'y', credential: 'p1', version: 1 }
  expect(await passwords.matches(login)).toBe(false)
  expect(await passwords.matches(login)).toBe(false)
})

test('[PW4] only so many logins are remembered', () => {
  const logins = createVerifiedLogins({
    clock: { now: () => Instant.of(0) },
    random: randomBytes,
    rememberMs: 1000,
    maxRemembered: 2,
  })
  const login = (credential: string) => ({ hash: 'h', password: 'x', credential, version: 1 })
  for (let i = 0; i < 10; i++) logins.remember(login(String(i)))
  const known = Array.from({ length: 10 }, (_, i) => logins.knows(login(String(i)))).filter(Boolean)
  expect(known.length).toBeGreaterThanOrEqual(2)
  expect(known.length).toBeLessThanOrEqual(4)
})

const badHashes = [
  '',
  'plain',
  '$argon2i$v=19$m=8,t=1,p=1$c29tZXNhbHQxMjM0$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA',
  '$argon2id$v=19$m=9999999,t=1,p=1$c29tZXNhbHQxMjM0$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA',
  '$argon2id$v=19$m=8,t=999,p=1$c29tZXNhbHQxMjM0$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA',
  '$argon2id$v=19$m=8,t=1,p=2$c29tZXNhbHQxMjM0$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA',
  '$argon2id$v=19$m=8,t=0,p=1$c29tZXNhbHQxMjM0$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA',
]
for (const hash of badHashes)
  test(`[PW5] ${JSON.stringify(hash.slice(0, 34))} matches nothing`, async () => {
    expect(await fresh().passwords.verify(hash, 'x')).toBe(false)
  })
