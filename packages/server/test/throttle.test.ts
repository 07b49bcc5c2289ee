import { Instant } from '@waymark/domain'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createRecent } from '../src/recent.ts'
import { createGuesses, createThrottle, networkOf } from '../src/throttle.ts'
import { type Answer, at, openDoor } from './pantahub/support.ts'

function clockAt(start = 1_000_000) {
  let now = start
  return { now: () => Instant.of(now), later: (ms: number) => (now += ms) }
}

test('[TH1] the burst passes, then the rate, and the wait is told', () => {
  const clock = clockAt()
  const throttle = createThrottle({ clock, perMinute: 60, burst: 3 })
  expect([1, 2, 3, 4].map(() => throttle.take('x'))).toEqual([0, 0, 0, 1000])
  expect(throttle.take('y')).toBe(0)
  clock.later(999)
  expect(throttle.take('x')).toBe(1)
  clock.later(1)
  expect(throttle.waitMs('x')).toBe(0)
  expect(throttle.take('x')).toBe(0)
  clock.later(60_000_000)
  expect([1, 2, 3, 4].map(() => throttle.take('x'))).toEqual([0, 0, 0, 1000])
})

test('[TH1] whoever waits as told is let through, and no more pass than burst and rate allow', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 600 }),
      fc.integer({ min: 1, max: 20 }),
      fc.array(fc.nat(5000), { maxLength: 60 }),
      (perMinute, burst, pauses) => {
        const clock = clockAt()
        const throttle = createThrottle({ clock, perMinute, burst })
        let passed = 0
        for (const pause of pauses) {
          clock.later(pause)
          const wait = throttle.take('x')
          if (wait === 0) passed++
          else expect(takeAfter(throttle, clock, wait)).toBe(0)
          if (wait !== 0) passed++
        }
        const minutes = (clock.now() - 1_000_000) / 60_000
        expect(passed).toBeLessThanOrEqual(burst + minutes * perMinute + 1e-6)
      },
    ),
  )
})

/** Takes again after the wait that was told. */
function takeAfter(
  throttle: { take(key: string): number },
  clock: { later(ms: number): void },
  wait: number,
): number {
  clock.later(wait)
  return throttle.take('x')
}

test('[TH1] a clock that is set back gives nothing and locks nobody out', () => {
  const clock = clockAt()
  const throttle = createThrottle({ clock, perMinute: 60, burst: 1 })
  throttle.take('x')
  clock.later(-500_000)
  expect(throttle.take('x')).toBe(1000)
  clock.later(1000)
  expect(throttle.take('x')).toBe(0)
})

test('[TH1] off slows nothing', () => {
  const throttle = createThrottle({ clock: clockAt(), perMinute: 'off' })
  for (let i = 0; i < 1000; i++) expect(throttle.take('x')).toBe(0)
})

test('[TH2] wrong guesses for one name from one address are slowed', () => {
  const clock = clockAt()
  const guesses = createGuesses({ clock, perMinute: 10 })
  const guess = () => {
    const wait = guesses.waitMs('admin', '203.0.113.9')
    if (wait === 0) guesses.wrong('admin', '203.0.113.9')
    return wait
  }
  expect(Array.from({ length: 11 }, guess)).toEqual([...Array.from({ length: 10 }, () => 0), 6000])
  clock.later(6000)
  expect(guess()).toBe(0)
  expect(guess()).toBe(6000)
})

test('[TH2] trying one password on many names is slowed by address', () => {
  const guesses = createGuesses({ clock: clockAt(), perMinute: 10 })
  const waits = Array.from({ length: 150 }, (_, i) => guesses.waitMs(`user${i}`, '203.0.113.9'))
  expect(waits.filter((wait) => wait === 0)).toHaveLength(100)
})

test('[TH3] the owner, from an address that did not guess, passes at once while a thousand addresses guess', () => {
  const guesses = createGuesses({ clock: clockAt(), perMinute: 10 })
  for (let peer = 0; peer < 1000; peer++)
    for (let i = 0; i < 20; i++) guesses.waitMs('admin', `10.0.${peer >> 8}.${peer & 255}`)
  expect(guesses.waitMs('admin', '198.51.100.7')).toBe(0)
})

test('[TH4] a thousand guesses at once are not all let through', () => {
  const guesses = createGuesses({ clock: clockAt(), perMinute: 10 })
  const waits = Array.from({ length: 1000 }, () => guesses.waitMs('admin', '203.0.113.9'))
  expect(waits.filter((wait) => wait === 0)).toHaveLength(10)
})

test('[TH4] right logins cost nothing: any number of devices behind one address may log in', () => {
  const guesses = createGuesses({ clock: clockAt(), perMinute: 10 })
  for (let i = 0; i < 10_000; i++) {
    expect(guesses.waitMs(`device${i % 50}`, '203.0.113.9')).toBe(0)
    guesses.right(`device${i % 50}`, '203.0.113.9')
  }
})

test('[TH4] a right login does not wipe out wrong ones', () => {
  const guesses = createGuesses({ clock: clockAt(), perMinute: 10 })
  for (let i = 0; i < 9; i++) guesses.waitMs('victim', 'p')
  guesses.waitMs('own', 'p')
  guesses.right('own', 'p')
  expect([1, 2].map(() => guesses.waitMs('victim', 'p') === 0)).toEqual([true, false])
})

const networks = [
  ['203.0.113.9', '203.0.113.9'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
  ['2001:db8:1:2::1', '2001:db8:1:2::/64'],
  ['2001:0db8:0001:0002::1', '2001:db8:1:2::/64'],
  ['2001:db8::1', '2001:db8:0:0::/64'],
  ['::1', '0:0:0:0::/64'],
  ['fe80::1%eth0', 'fe80:0:0:0::/64'],
  ['64:ff9b::192.0.2.1', '64:ff9b:0:0::/64'],
  ['', ''],
] as const
for (const [address, network] of networks)
  test(`[TH5] ${address || 'nothing'} counts as ${network || 'nothing'}`, () =>
    expect(networkOf(address)).toBe(network))

test('[TH6] the last keys used are there, and at most twice the limit', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 10 }), fc.array(fc.nat(30), { maxLength: 200 }), (limit, uses) => {
      const recent = createRecent<number>(limit)
      for (const use of uses) if (recent.get(String(use)) === undefined) recent.set(String(use), use)
      expect(recent.size).toBeLessThanOrEqual(2 * limit)
      const last = [...new Set(uses.toReversed())].slice(0, limit)
      for (const use of last) expect(recent.get(String(use))).toBe(use)
    }),
  )
})

test('[TH6] what is deleted or replaced is gone from both generations', () => {
  const recent = createRecent<number>(1)
  recent.set('a', 1)
  recent.set('b', 2)
  recent.set('a', 3)
  expect(recent.get('a')).toBe(3)
  recent.delete('a')
  expect(recent.get('a')).toBeUndefined()
})

test('[TH7] guesses at a secret of whatever kind are slowed, and the right one passes from elsewhere', async () => {
  const secret = 'the installation’s own'
  const flags = ['--guess-limit', '3', '--trusted-proxies', '127.0.0.0/8']
  const door = await openDoor({ flags, env: { WAYMARK_SAADMIN_SECRET: secret } })
  const owner = await door.person()
  const device = await door.deviceOf(owner)
  const basic = (password: string) => `Basic ${Buffer.from(`saadmin:${password}`).toString('base64')}`
  const logIn = (username: string, password: string, from: string) =>
    door.call('POST', '/auth/login', { body: { username, password }, headers: { 'x-forwarded-for': from } })
  const join = (token: string, from: string) =>
    door.call('POST', '/devices/', {
      body: {},
      headers: { 'pantahub-devices-auto-token-v1': token, 'x-forwarded-for': from },
    })
  const made = await door.must('POST', '/devices/tokens', { token: owner.token, body: {} })
  const joinToken = String(at(made.json, 'token'))
  const kinds: Record<string, (guess: string | undefined, from: string) => Promise<Answer>> = {
    password: (guess, from) => logIn(owner.nick, guess ?? owner.password, from),
    device: (guess, from) => logIn(device.prn, guess ?? device.secret, from),
    saadmin: (guess, from) =>
      door.call('GET', '/healthz/', {
        headers: { authorization: basic(guess ?? secret), 'x-forwarded-for': from },
      }),
    'join token': (guess, from) => join(guess === undefined ? joinToken : guess.padEnd(32, 'A'), from),
  }
  for (const [at, [kind, ask]] of Object.entries(kinds).entries()) {
    const [guesser, friend] = [`192.0.2.${2 * at + 1}`, `192.0.2.${2 * at + 2}`]
    let slowed = 0
    // A join token has no name: its guesses are slowed by the address alone, ten times as many.
    for (let count = 0; count < 32 && slowed === 0; count++) {
      const answer = await ask(`guess${count}`, guesser)
      if (answer.status === 429) slowed = Number(answer.headers.get('retry-after'))
    }
    expect([kind, slowed > 0]).toEqual([kind, true])
    expect([kind, (await ask(undefined, friend)).status]).toEqual([kind, 200])
  }
})
