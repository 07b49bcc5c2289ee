/** Rules: RULES.md of packages/plugin. The queues are the real house's; time is the test's. */
import { cancel, type DeviceId, ok, system, type TenantId, tenants, transactions } from '@waymark/domain'
import { describe, expect, onTestFinished, test } from 'vitest'
import { createDialling, type DiallingNeeds } from '../../src/links/dialling.ts'
import type { ToDial } from '../../src/links/link.ts'
import { createTickets } from '../../src/links/plugins/tickets.ts'
import { carriedLanes } from '../../src/links/sessions.ts'
import { openBack } from '../exosense/support.ts'
import { until } from '../support.ts'

async function openDialling(dial: (device: ToDial) => Promise<void> = async () => {}) {
  const back = await openBack()
  const { store, log, env } = back.test.house
  const admin = await back.account('acme')
  const must = async (method: string, params: Parameters<typeof back.ask>[2]) => {
    const answer = await back.ask(admin, `exodm:${method}`, params)
    if (answer.result !== 'ok') throw new Error(`${method}: ${JSON.stringify(answer)}`)
  }
  await must('create-device-type', { name: 't', protocol: 'exodm_bert' })
  await must('create-package', { 'package-name': 'app', image: Buffer.from('x').toString('base64') })
  await must('add-package-to-device-type', { 'package-name': ['app'], 'device-type': 't' })
  const [tenant] = await store.readHouse().find(tenants, { where: { name: 'acme' } })
  if (!tenant) throw new Error('there is no acme')

  const calls: ToDial[] = []
  const there = new Set<DeviceId>()
  const timers: { readonly ms: number; readonly then: () => void; stopped: boolean }[] = []
  let now = 0
  const begin = () => {
    const made = createDialling(needs, dials)
    onTestFinished(() => made.close())
    return made
  }
  const needs: DiallingNeeds = {
    store,
    log,
    clock: { now: () => now },
    random: () => 0,
    after(ms, then) {
      const timer = { ms, then, stopped: false }
      timers.push(timer)
      return () => {
        timer.stopped = true
      }
    },
    isConnected: (device) => there.has(device),
    lanes: carriedLanes,
  }
  const dials = new Map([
    [
      'exodm_bert',
      async (device: ToDial) => {
        calls.push(device)
        await dial(device)
      },
    ],
  ])
  const dialling = begin()
  store.onCommit((commit) => dialling.heard(commit))
  const reader = store.read(tenant.id)
  return {
    must,
    calls,
    timers,
    /** What a server that starts anew would have. */
    begin,
    device: (name: string, more = {}) =>
      must('create-device', { 'device-id': name, 'device-type': 't', msisdn: '+46 70', ...more }),
    queue: (name: string) => must('install-package', { 'package-name': 'app', targets: [name] }),
    pass: (ms: number) => {
      now += ms
    },
    comes(device: DeviceId) {
      there.add(device)
      dialling.came(device)
    },
    leaves(device: DeviceId) {
      there.delete(device)
      dialling.left(tenant.id, device)
    },
    async callOff() {
      for (const { id, open } of await reader.find(transactions, {}))
        if (open) await store.transact(tenant.id, async (tx) => ok(await cancel(tx, env(), id, system)))
    },
    /** What was begun has been looked at. */
    quiet: async () => {
      for (let turn = 0; turn < 50; turn += 1) await new Promise((resolve) => setImmediate(resolve))
    },
    fire() {
      const timer = timers.at(-1)
      if (timer && !timer.stopped) timer.then()
      return timer?.ms
    },
  }
}

const first = ({ calls }: { calls: readonly ToDial[] }): DeviceId => {
  const [call] = calls
  if (!call) throw new Error('nobody was called')
  return call.device
}

describe('a device that something waits for and that is not there', () => {
  test('[PL18] is called once, by its name, with what was told of it', async () => {
    const played = await openDialling()
    await played.device('d1', { latitude: '57.7' })
    await played.quiet()
    expect(played.calls).toEqual([])
    await played.queue('d1')
    await until(() => played.calls.length > 0)
    expect(played.calls[0]).toMatchObject({
      name: { account: 'acme', device: 'd1' },
      protocol: 'exodm_bert',
      attributes: { msisdn: '+46 70', latitude: '57.700000' },
    })
    await played.queue('d1')
    await played.quiet()
    expect(played.calls).toHaveLength(1)
  })

  test('[PL18] is called again with pauses that double, up to five minutes', async () => {
    const played = await openDialling(async () => {
      throw new Error('no answer')
    })
    await played.device('d1')
    await played.queue('d1')
    const pauses: (number | undefined)[] = []
    for (let each = 1; each <= 11; each += 1) {
      await until(() => played.timers.length === each)
      pauses.push(played.fire())
    }
    expect(pauses).toEqual([1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300].map((seconds) => seconds * 750))
  })

  test('[PL18] is called no more once nothing waits, and anew when something does', async () => {
    const played = await openDialling()
    await played.device('d1')
    await played.queue('d1')
    await until(() => played.timers.length === 1)
    await played.callOff()
    played.fire()
    await played.quiet()
    expect([played.calls.length, played.timers.length]).toEqual([1, 1])
    await played.queue('d1')
    await until(() => played.calls.length === 2)
  })

  test('[PL18] is not called while it is there; when it leaves after a good session it is called at once', async () => {
    const played = await openDialling()
    await played.device('d1')
    await played.queue('d1')
    await until(() => played.timers.length === 1)
    played.comes(first(played))
    expect(played.timers[0]?.stopped).toBe(true)
    await played.queue('d1')
    await played.quiet()
    expect(played.calls).toHaveLength(1)
    played.pass(10_000)
    played.leaves(first(played))
    await until(() => played.calls.length === 2)
  })

  test('[PL18] that leaves as soon as it has come is called after the pause that it would have had', async () => {
    const played = await openDialling()
    await played.device('d1')
    await played.queue('d1')
    for (let each = 1; each <= 3; each += 1) {
      await until(() => played.timers.length === 2 * each - 1)
      played.comes(first(played))
      played.leaves(first(played))
      expect(played.timers.at(-1)?.ms).toBe(750 * 2 ** (each - 1))
      played.fire()
    }
  })

  test('[PL18] was waited for before the server started, and is called then; one that is deleted is not', async () => {
    const played = await openDialling()
    await played.device('d1')
    await played.device('d2')
    await played.queue('d1')
    await until(() => played.calls.length === 1)
    await played.begin().lookForAll()
    await until(() => played.calls.length === 2)
    expect(new Set(played.calls.map(({ name }) => name.device))).toEqual(new Set(['d1']))
    await played.must('delete-devices', { 'device-id': ['d1'] })
    played.fire()
    await played.quiet()
    expect(played.calls).toHaveLength(2)
  })
})

test('[PL18] where it is not known whom a commit was about, all are looked at, once for many commits', async () => {
  const played = await openDialling()
  await played.device('d1')
  await played.queue('d1')
  await until(() => played.calls.length === 1)
  const other = played.begin()
  const before = played.timers.length
  const unknown = { tenants: new Set<TenantId>(), devices: 'any', byOthers: 'any', kinds: 'any' } as const
  for (let each = 0; each < 100; each += 1) other.heard(unknown)
  await played.quiet()
  expect(played.timers.length - before).toBe(1)
  played.fire()
  await until(() => played.calls.length === 2)
  // What was heard meanwhile is looked at in its turn.
  await until(() => {
    other.heard(unknown)
    return played.timers.some(({ ms, stopped }, at) => at > before && ms === 2000 && !stopped)
  })
})

test('[PL18] of a hundred devices sixty-four are called at once, and the others in their turn', async () => {
  const answered: (() => void)[] = []
  let most = 0
  let open = 0
  const played = await openDialling(async () => {
    open += 1
    most = Math.max(most, open)
    await new Promise<void>((resolve) => answered.push(resolve))
    open -= 1
  })
  for (let each = 0; each < 100; each += 1) await played.device(`d${each}`)
  await played.must('install-package', {
    'package-name': 'app',
    targets: Array.from({ length: 100 }, (_, each) => `d${each}`),
  })
  await until(() => played.calls.length === 64)
  await played.quiet()
  expect(played.calls).toHaveLength(64)
  while (played.calls.length < 100 || answered.length > 0) {
    answered.shift()?.()
    await new Promise((resolve) => setImmediate(resolve))
  }
  expect(most).toBe(64)
  expect(new Set(played.calls.map(({ device }) => device)).size).toBe(100)
})

describe('a ticket', () => {
  const [d1, d2] = ['d1', 'd2'] as readonly string[] as readonly [DeviceId, DeviceId]
  let now = 0
  let made = 0
  const tickets = createTickets({
    clock: { now: () => now },
    random: (count) => new Uint8Array(count).fill(++made),
  })

  test('[PL19] is good once, for its device', () => {
    const ticket = tickets.give(d1)
    expect(tickets.isGood(ticket, d2)).toBe(false)
    expect(tickets.isGood('', d1)).toBe(false)
    expect(tickets.isGood(ticket, d1)).toBe(true)
    expect(tickets.isGood(ticket, d1)).toBe(false)
  })
  test('[PL19] is good for a minute, and until there is a newer one', () => {
    const old = tickets.give(d1)
    const ticket = tickets.give(d1)
    expect(tickets.isGood(old, d1)).toBe(false)
    now += 60_001
    expect(tickets.isGood(ticket, d1)).toBe(false)
  })
})
