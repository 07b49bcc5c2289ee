/** That the world replays, and that its checks notice what they are there for. */
import {
  createAccount,
  devices,
  Instant,
  type JournalEntry,
  mainCollections,
  ok,
  registerDevice,
  type Store,
  type TenantId,
  telemetryCollections,
} from '@waymark/domain'
import { createMemoryStore } from '@waymark/store'
import { describe, expect, test } from 'vitest'
import { createWorldClock } from './clock.ts'
import { createWorldDisk } from './disk.ts'
import { acknowledged, committedInOrder, foldsToRecords, watchJournal } from './invariants.ts'
import { createLedger, createSecrets } from './ledger.ts'
import { createLife } from './life.ts'
import { createLuck } from './luck.ts'
import { type Asked, createNetwork, fair, type Line } from './network.ts'
import { playWorld } from './world.ts'

describe('replaying', () => {
  for (const seed of ['1', '4', '19', 'any text will do'])
    test(`[W10] seed ${seed} gives the same moves twice, byte for byte`, async () => {
      const first = await playWorld(seed)
      const second = await playWorld(seed)
      expect(first.moves.length).toBeGreaterThan(100)
      expect(second.moves.join('\n')).toBe(first.moves.join('\n'))
      expect(second.counts).toEqual(first.counts)
    })

  test('[W10] another seed gives other moves', async () => {
    expect((await playWorld('2')).moves.slice(0, 200)).not.toEqual((await playWorld('3')).moves.slice(0, 200))
  })

  test('[W10] a fork of luck depends on its name alone, not on what was drawn before', () => {
    const drawn = createLuck('seed')
    drawn.next()
    expect(drawn.fork('a').next()).toBe(createLuck('seed').fork('a').next())
    expect(drawn.fork('a').next()).not.toBe(drawn.fork('b').next())
  })
})

describe('time', () => {
  test('[W11] timers run in order of time, then of setting; a month passes at once', async () => {
    const clock = createWorldClock(0)
    const ran: string[] = []
    const month = 30 * 24 * 3_600_000
    clock.after(month, () => ran.push('month'))
    clock.after(10, () => ran.push('a'))
    clock.after(5, () => clock.after(5, () => ran.push('b')))
    clock.after(10, () => ran.push('c'))
    clock.after(7, () => ran.push('never'))()
    await clock.run(month)
    expect(ran).toEqual(['a', 'c', 'b', 'month'])
    expect(clock.now()).toBe(month)
  })

  test('[W11] time stands still while work is under way', async () => {
    const clock = createWorldClock(0)
    let seen = -1
    clock.after(1, () => {
      void clock.busy(
        (async () => {
          for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve))
          seen = clock.now()
        })(),
      )
    })
    clock.after(2, () => expect(seen).toBe(1))
    await clock.run(10)
    expect(seen).toBe(1)
  })
})

describe('lives', () => {
  for (const { when, done } of [
    { when: 'before', done: ['one', 'two'] },
    { when: 'after', done: ['one', 'two', 'three'] },
  ] as const)
    test(`[W12] a life doomed ${when} its third gate gets so far and no further`, async () => {
      const did: string[] = []
      let deaths = 0
      const life = createLife(1, () => deaths++)
      life.doom(3, when)
      void (async () => {
        for (const what of ['one', 'two', 'three', 'four']) await life.gate(async () => did.push(what))
        did.push('the end')
      })()
      await new Promise((resolve) => setImmediate(resolve))
      expect(did).toEqual(done)
      expect(deaths).toBe(1)
      expect(life.dead).toBe(true)
    })
})

describe('the network', () => {
  const asked: Asked = { method: 'GET', path: '/local-s3/x', headers: {}, body: Buffer.alloc(0) }
  const whole = Buffer.alloc(50_000, 'x')

  /** One request under one kind of weather; what the sender got, and how often the server was asked. */
  async function sendIn(weather: Partial<typeof fair>, up = true) {
    const clock = createWorldClock(0)
    let handled = 0
    let learnt = 0
    const network = createNetwork({
      clock,
      server: () => ({
        async handle() {
          handled++
          return { status: 200, headers: {}, body: whole }
        },
        onDeath: () => () => undefined,
      }),
      arrived: () => undefined,
      heard: () => undefined,
      learnt: () => learnt++,
      tell: () => undefined,
    })
    const line: Line = network.connect({
      name: 'a',
      address: '10.0.0.1',
      luck: createLuck('7'),
      delayMs: 1000,
    })
    line.weather = { ...fair, ...weather }
    line.up = up
    const patience = new AbortController()
    clock.after(5000, () => patience.abort(new Error('out of patience')))
    let got = Buffer.alloc(0)
    let failed = false
    void (async () => {
      try {
        const reply = await line.send(asked, patience.signal)
        for await (const piece of reply.body) got = Buffer.concat([got, piece])
      } catch {
        failed = true
      }
    })()
    await clock.run(60_000)
    return { handled, learnt, failed, whole: got.equals(whole), bytes: got.length }
  }

  const rows = [
    { name: 'fair', weather: {}, is: { handled: 1, learnt: 1, failed: false, whole: true } },
    { name: 'dropRequest', weather: { dropRequest: 1 }, is: { handled: 0, learnt: 0, failed: true } },
    { name: 'dropReply', weather: { dropReply: 1 }, is: { handled: 1, learnt: 0, failed: true } },
    { name: 'duplicate', weather: { duplicate: 1 }, is: { handled: 2, learnt: 1, failed: false } },
    { name: 'cut', weather: { cut: 1 }, is: { handled: 1, learnt: 0, failed: true, whole: false } },
    {
      name: 'corrupt',
      weather: { corrupt: 1 },
      is: { handled: 1, failed: false, whole: false, bytes: whole.length },
    },
  ]
  for (const { name, weather, is } of rows)
    test(`[W1] ${name}: only a whole reply is relied on`, async () =>
      expect(await sendIn(weather)).toMatchObject(is))

  test('[W1] nothing passes a line that is down', async () =>
    expect(await sendIn({}, false)).toMatchObject({ handled: 0, failed: true }))
})

describe('the checks notice', () => {
  const now = Instant.of(Date.UTC(2026, 0, 1))
  const by = { kind: 'user', id: 'u' } as const

  async function tenantWithDevice() {
    const store = createMemoryStore({ collections: mainCollections })
    const luck = createLuck('checks')
    const env = { now, random: luck.bytes }
    const account = await store.transactHouse((house) =>
      createAccount(house, env, { nick: 'somebody', passwordHash: '', verified: true }),
    )
    if (!account.ok) throw new Error(account.refusal.kind)
    const tenant: TenantId = account.value.tenant.id
    const made = await store.transactHouse((house) =>
      registerDevice(house, env, { tenant, seal: () => 'sealed' }),
    )
    if (!made.ok) throw new Error(made.refusal.kind)
    return { store, tenant, device: made.value.device }
  }

  async function note(store: Store, tenant: TenantId, entry: Pick<JournalEntry, 'kind' | 'data' | 'device'>) {
    await store.transact(tenant, async (tx) => {
      tx.journal({ at: now, by, ...entry })
      return ok(undefined)
    })
  }

  test('[W1] an accepted report that the journal does not hold', async () => {
    const { store, tenant } = await tenantWithDevice()
    const ledger = createLedger()
    const telemetry = createMemoryStore({ collections: telemetryCollections })
    const report = Buffer.from('{"status":"DONE","progress":100}')
    ledger.learnt(
      { method: 'PUT', path: '/trails/abc/steps/3/progress', headers: {}, body: report },
      { status: 200, headers: {}, body: report },
    )
    const watch = watchJournal(store, tenant, new Map())
    await watch.follow()
    expect(await acknowledged(ledger, [watch], telemetry, [tenant])).toEqual([
      '[W1] acknowledged, but gone: step.reported abc 3 DONE 100 (wanted 1 entries, found 0)',
    ])
  })

  test('[W2] a revision committed twice, or behind a newer one, or back without a reason', () => {
    const walked = (revs: readonly number[], why: { tries?: boolean; resets?: number } = {}) => {
      const history = revs.map((rev) => ({ rev, stateSha: '' }))
      const disks = [{ ...createWorldDisk(undefined), history }]
      return committedInOrder({ name: 'd', disks }, { tries: false, resets: 0, ...why })
    }
    expect(walked([0, 1, 3, 2, 2])).toEqual([
      '[W2] d committed revision 2 after revision 3',
      '[W2] d committed revision 2 after revision 2',
    ])
    expect(walked([0, 1, 0, 2])).toEqual(['[W2] d committed revision 0 after revision 1'])
    expect(walked([0, 1, 0, 2, 0, 3], { tries: true })).toEqual([])
    expect(walked([0, 1, 0, 1], { tries: true })).toEqual(['[W2] d committed revision 1 after revision 0'])
    expect(walked([0, 1, 2, 0, 1], { resets: 1 })).toEqual([])
    expect(walked([0, 1, 2, 0, 1, 0], { resets: 1 })).toEqual([
      '[W2] d committed revision 0 after revision 1',
    ])
  })

  test('[W3] [W4] [W6] proof without a word of the device, a gap in a trail, an end without a beginning', async () => {
    const { store, tenant, device } = await tenantWithDevice()
    const watch = watchJournal(store, tenant, new Map())
    await note(store, tenant, {
      kind: 'trail.begun',
      device: device.id,
      data: { generation: 0, stateSha: 'a' },
    })
    await note(store, tenant, {
      kind: 'step.posted',
      device: device.id,
      data: { generation: 0, rev: 2, stateSha: 'a', status: 'NEW', transaction: 't' },
    })
    await note(store, tenant, {
      kind: 'transaction.ended',
      device: device.id,
      data: { transaction: 't', state: 'done' },
    })
    await note(store, tenant, {
      kind: 'step.proved',
      device: device.id,
      data: { rev: 2, transaction: 't', proof: 'seen' },
    })
    const found = (await watch.follow()).join('\n')
    expect(found).toContain(`[W4] step ${device.id}-2 was posted over a gap`)
    expect(found).toContain(`[W3] step ${device.id}-2 is seen, but the device never named it`)
    expect(found).toContain('[W6] the journal does not fold: transaction.ended')
  })

  test('[W5] a word of another tenant in a reply, unless the asker said it first', () => {
    const secrets = createSecrets()
    secrets.add('amber', 'secret-of-amber')
    const said = { status: 200, headers: {}, body: Buffer.from('x secret-of-amber y') }
    const asked: Asked = { method: 'GET', path: '/devices/', headers: {}, body: Buffer.alloc(0) }
    expect(secrets.leak('birch', asked, said)).toBe('secret-of-amber')
    expect(secrets.leak('amber', asked, said)).toBeUndefined()
    expect(secrets.leak('birch', { ...asked, path: '/devices/secret-of-amber' }, said)).toBeUndefined()
  })

  test('[W6] a record changed behind the journal’s back', async () => {
    const { store, tenant, device } = await tenantWithDevice()
    const watch = watchJournal(store, tenant, new Map())
    await watch.follow()
    expect(await foldsToRecords(store, tenant, watch)).toEqual([])
    await store.transact(tenant, async (tx) => {
      await tx.put(devices, { ...device, nick: 'changed' })
      tx.journal({ kind: 'device.wanted', at: now, by, device: device.id, data: { keys: [] } })
      return ok(undefined)
    })
    await watch.follow()
    expect(await foldsToRecords(store, tenant, watch)).toEqual([
      expect.stringMatching(/^\[W6\] device .*the record says .*"nick":"changed"/),
    ])
  })

  test('[W8] a revision that is gone, or whose file is not what its state says', async () => {
    const disk = createWorldDisk(undefined)
    const { raw } = disk
    const write = async (path: string, text: string): Promise<void> => {
      const file = await raw.open(path)
      await file.write(Buffer.from(text))
    }
    await raw.makeFolder('revisions/1')
    await raw.makeFolder('states')
    await write('states/1.json', '{"#spec":"pantavisor-service-system@1","a.json":{"b":1}}')
    await write('revisions/1/a.json', '{"b":1}')
    await raw.symlink('revisions/1', 'current')
    await disk.of(createLife(1, () => undefined)).syncFolder('.')
    expect(disk.history.map(({ rev }) => rev)).toEqual([1])
    await write('revisions/1/a.json', '{"b":2}')
    expect(await disk.look()).toEqual({ broken: 'revisions/1/a.json: is not the document of the state' })
    await raw.remove('current')
    expect(await disk.look()).toEqual({ broken: 'no revision is in force any more' })
  })
})
