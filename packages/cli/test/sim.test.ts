/** `waymark sim` against a real server over real sockets, and how a wrong use of it is told. */
import { createFleet, type Fleet } from '@waymark/sdk'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  type Person,
  type PersonOptions,
  password,
  person,
  startServer,
  type TestServer,
} from './fleet-support.ts'

let server: TestServer
let fleet: Fleet
beforeAll(async () => {
  server = await startServer('--registration-rate', 'off', '--exoport', '0')
  const { token } = await createFleet({ url: server.url }).login({ body: { name: 'admin', password } })
  fleet = createFleet({ url: server.url, token })
})
afterAll(() => server.stop())

async function admin(options: PersonOptions = {}): Promise<Person> {
  const { token } = await createFleet({ url: server.url }).login({ body: { name: 'admin', password } })
  return person({ ...options, env: { WAYMARK_SERVER: server.url, WAYMARK_TOKEN: token } })
}

const quick = ['--interval', '200ms', '--report', '100ms']
const everyDevice = async () => (await fleet.listDevices({})).items
/** Those that have come since. */
const newSince = async (before: readonly { id: string }[]) =>
  (await everyDevice()).filter(({ id }) => !before.some((each) => each.id === id))

/** Waits until the server itself says so. */
async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 200; tries++) {
    if (await holds()) return
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  throw new Error(`never: ${what}`)
}

describe('a fleet', () => {
  test('[SM1] [SM7] comes in by a token of its own, follows a step to DONE, and ends with 0 when it is stopped', async () => {
    const before = await everyDevice()
    const running = (await admin()).begin('sim', '--devices', '6', ...quick)
    await running.shows(/^6 of 6 devices poll, 0 update/)
    const devices = await newSince(before)
    expect(devices).toHaveLength(6)
    const [first] = devices
    if (!first) throw new Error('no device')
    const state = await fleet.getState({ device: first.id, rev: 0 })
    for (const { id } of devices)
      await fleet.postStep({ device: id, body: { state: { ...state, 'app/a.json': { of: id } } } })
    await running.shows(/6 steps done, 0 failed/)
    await until('the server has heard it', async () => {
      const heads = await Promise.all(devices.map(({ id }) => fleet.getTrail({ device: id })))
      return heads.every(({ head }) => head?.status === 'DONE')
    })
    running.stop()
    const { code, out } = await running.ended
    expect(code).toBe(0)
    expect(out.at(-1)).toMatch(/^stopped: \d+ requests, \d+ polls, \d+ missed, 6 steps done, 0 failed$/)
    const tokens = (await fleet.listJoinTokens({})).items
    expect(tokens.filter(({ nick, disabled }) => nick === 'waymark sim' && !disabled)).toEqual([])
  })

  test('[SM1] without owners is claimed, device by device, and told in JSON', async () => {
    const before = await everyDevice()
    const running = (await admin()).begin('sim', 'devices', '--claim', '--devices', '3', '--json', ...quick)
    await running.shows(/"polling":3/)
    expect(await newSince(before)).toHaveLength(3)
    running.stop()
    const { code, out } = await running.ended
    expect(code).toBe(0)
    for (const line of out) expect(JSON.parse(line)).toMatchObject({ ended: 0 })
  })

  test('[SM6] of failing devices says so to the server, each with its reason', async () => {
    const { token } = await fleet.createJoinToken({ body: { nick: 'failing' } })
    const before = await everyDevice()
    const running = (await admin()).begin(
      'sim',
      ...['--devices', '8', '--join-token', token, '--profile', 'failing', '--seed', 'x'],
      ...quick,
    )
    await running.shows(/^8 of 8 devices poll/)
    const devices = await newSince(before)
    for (const { id } of devices) {
      const state = await fleet.getState({ device: id, rev: 0 })
      for (let n = 1; n <= 3; n++)
        await fleet.postStep({ device: id, body: { state: { ...state, 'app/a.json': { n } } } })
    }
    const ends = async () =>
      (await Promise.all(devices.map(({ id }) => fleet.listSteps({ device: id })))).flatMap(
        ({ items }) => items,
      )
    await until('all have ended', async () =>
      (await ends()).every(({ status }) => /^(DONE|ERROR)$/.test(status)),
    )
    const failed = (await ends()).filter(({ status }) => status === 'ERROR')
    expect(failed.length).toBeGreaterThan(0)
    running.stop()
    expect((await running.ended).code).toBe(0)
  })
})

describe('a fleet that calls in over ExoPort', () => {
  test('[SM8] stays connected, answers calls to all of it, says what it measures, and comes back under the same names', async () => {
    const person = await admin()
    for (const round of [1, 2]) {
      const at = `127.0.0.1:${server.exoport}`
      const running = person.begin('sim', 'exoport', '--devices', '5', '--exoport', at, ...quick)
      await running.shows(/^5 of 5 devices connected/)
      const called = await person.run(
        'rpc',
        'waymark-sim:blink',
        'device-id=waymark-sim',
        'times=2',
        '--watch',
      )
      expect([round, called.code]).toEqual([round, 0])
      expect(called.out.at(-1)).toMatch(/ended.*done/)
      await running.shows(/; 5 calls carried out, |connected; 5 calls carried out/)
      await running.shows(/[1-9]\d*\.\d notifications\/s, 0 refused/)
      running.stop()
      const { code, out } = await running.ended
      expect(code).toBe(0)
      expect(out.at(-1)).toMatch(
        /^stopped: 5 calls carried out, 0 configurations taken, [1-9]\d* notifications, 0 /,
      )
    }
    const shown = (await person.run('device', 'show', 'sim-0')).out.join('\n')
    expect(shown).toMatch(/type +waymark-sim/)
  })

  for (const { args, says } of [
    { args: ['--exoport', 'nowhere'], says: /--exoport: wanted HOST:PORT or PORT, got nowhere/ },
    { args: ['--account', 'none'], says: /account-not-specified/ },
  ])
    test(`[SM8] waymark sim exoport ${args.join(' ')} is refused in one line`, async () => {
      const { code, err } = await (await admin()).run('sim', 'exoport', '--devices', '1', ...args)
      expect(code).not.toBe(0)
      expect(err.join('\n')).toMatch(says)
    })
})

test('[SM9] waymark sim weather says what a server lacks that does not know the protocol', async () => {
  const { code, err } = await (await admin()).run('sim', 'weather', '--devices', '1')
  expect(code).toBe(1)
  expect(err.join('\n')).toMatch(
    /weather_proto_v1: wanted a server with --plugin \.\/examples\/weather, got create-device-type/,
  )
})

describe('wrong use', () => {
  for (const { args, says } of [
    { args: ['boats'], says: /kind: wanted one of devices, exoport, weather, got boats/ },
    { args: ['--devices', '0'], says: /--devices: wanted a number from 1 to 100000, got 0/ },
    { args: ['--devices', 'many'], says: /--devices: wanted a number .* got many/ },
    { args: ['--interval', '3 weeks'], says: /--interval: wanted a time from 100ms to 24h, got 3 weeks/ },
    { args: ['--interval', '1ms'], says: /--interval: wanted a time from 100ms/ },
    {
      args: ['--profile', 'sleepy'],
      says: /--profile: wanted one of steady, flaky, slow, failing, mixed, got sleepy/,
    },
  ])
    test(`waymark sim ${args.join(' ')} is refused in one line, with code 2`, async () => {
      const { code, err } = await (await admin()).run('sim', ...args)
      expect(code).toBe(2)
      expect(err.join('\n')).toMatch(says)
    })

  test('nobody who is not logged in makes a token', async () => {
    const stranger = person({ env: { WAYMARK_SERVER: server.url } })
    const { code, err } = await stranger.run('sim', '--devices', '1')
    expect(code).toBe(1)
    expect(err.join('\n')).toMatch(/not logged in to .*: run waymark login/)
  })
})
