/** What one commit hands to sessions that wait, beside what else it does. Rules: RULES.md of the Exosense door, HO. */
import { devices, ok, settled, submit, type TenantId, tenants, transactions } from '@waymark/domain'
import { describe, expect, test } from 'vitest'
import type { Carried, OpenSession } from '../../src/links/link.ts'
import { type Back, dialIn, openBack } from '../exosense/support.ts'

const demo = `module demo {
  namespace "urn:demo"; prefix d;
  import exosense { prefix exo; }
  rpc blink { input { uses exo:std-request; leaf times { type uint8; default 3; } } output { uses exo:std-response; } }
}`

/** An account whose devices are all in one group and have the module `demo`. */
async function fleet(back: Back, count: number): Promise<{ admin: string; names: string[] }> {
  const admin = await back.account('acme')
  await back.ask(admin, 'exodm:create-device-type', { name: 't', protocol: 'exodm_bert' })
  const names = Array.from({ length: count }, (_, at) => `d${String(at).padStart(4, '0')}`)
  for (const name of names)
    await back.ask(admin, 'exodm:create-device', {
      'device-id': name,
      'device-type': 't',
      'device-key': 1,
      'server-key': 2,
    })
  await back.ask(admin, 'exodm:create-yang-module', {
    repository: 'user',
    name: 'demo.yang',
    'yang-module': demo,
  })
  await back.ask(admin, 'exodm:create-config-set', { name: 'set', yang: 'demo.yang' })
  await back.ask(admin, 'exodm:add-config-set-members', { name: 'set', 'device-id': names })
  await back.ask(admin, 'exodm:create-device-group', { name: 'all' })
  await back.ask(admin, 'exodm:add-device-group-members', { 'group-id': ['all'], 'device-id': names })
  return { admin, names }
}

async function tenantOf(back: Back): Promise<TenantId> {
  const [tenant] = await back.test.house.store.readHouse().find(tenants, { where: { name: 'acme' } })
  if (!tenant) throw new Error('there is no acme')
  return tenant.id
}

const times = (carried: Carried | undefined) => (carried?.kind === 'rpc' ? carried.input.times : undefined)

/** Waits until somebody waits at the session, as a link does that has nothing to carry. */
async function waiting(session: OpenSession): Promise<{ readonly next: Promise<Carried | undefined> }> {
  const next = session.next(5000)
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve))
  return { next }
}

describe('a commit that submits much', () => {
  test('[HO1] a group of several slices reaches every member that waits, each once', async () => {
    const back = await openBack()
    const { admin, names } = await fleet(back, 203)
    const sessions = await Promise.all(names.map((name) => dialIn(back, 'acme', name)))
    for (const round of [1, 2]) {
      const coming = sessions.map((session) => session.next(5000))
      await back.ask(admin, 'demo:blink', { 'device-id': 'all', times: round })
      const carried = await Promise.all(coming)
      expect(new Set(carried.map(times))).toEqual(new Set([round]))
      for (const [at, one] of carried.entries()) if (one) await sessions[at]?.settle(one, { kind: 'done' })
    }
    const all = await back.test.house.store.read(await tenantOf(back)).find(transactions, { limit: 1000 })
    expect(all).toHaveLength(2 * 204)
    expect(new Set(all.map(({ state }) => state))).toEqual(new Set(['done']))
    expect(new Set(all.filter(({ device }) => device).map(({ attempts }) => attempts))).toEqual(new Set([1]))
  })

  test('[HO2] takes the head of the lane, not what it submits itself', async () => {
    const back = await openBack()
    const { names } = await fleet(back, 1)
    const session = await dialIn(back, 'acme', names[0] ?? '')
    const { house } = back.test
    const tenant = await tenantOf(back)
    const { next } = await waiting(session)
    const [device] = await house.store.read(tenant).find(devices, {})
    if (!device) throw new Error('there is no device')
    const payload = (n: number) => ({ module: 'demo', method: 'blink', input: `{"times":${n}}`, callId: '1' })
    const by = { kind: 'system', id: 'test' } as const
    const handOver = house.exchange.sessions.handOver()
    settled(
      await house.store.transact(tenant, async (tx) => {
        for (const n of [1, 2]) {
          const asked = await submit(tx, house.env(), {
            kind: 'rpc',
            device: device.id,
            payload: payload(n),
            by,
          })
          if (n === 2 && asked.ok) await handOver.submitted(tx, [asked.value], asked.value.payload)
        }
        return ok(undefined)
      }),
    )
    handOver.ended(true)
    const first = await next
    expect(times(first)).toBe(1)
    if (first) await session.settle(first, { kind: 'done' })
    expect(times(await session.next(5000))).toBe(2)
  })

  test.each([
    { what: 'the session ends meanwhile', leave: true, kept: true },
    { what: 'nothing of the commit is kept', leave: false, kept: false },
  ])('[HO3] what was taken goes back where $what, and is carried later', async ({ leave, kept }) => {
    const back = await openBack()
    const { names } = await fleet(back, 1)
    const { house } = back.test
    const tenant = await tenantOf(back)
    const session = await dialIn(back, 'acme', names[0] ?? '')
    const { next } = await waiting(session)
    const [device] = await house.store.read(tenant).find(devices, {})
    if (!device) throw new Error('there is no device')
    const payload = { module: 'demo', method: 'blink', input: '{"times":7}', callId: '1' }
    const handOver = house.exchange.sessions.handOver()
    const ask = (how: 'taken' | 'left') =>
      house.store.transact(tenant, async (tx) => {
        const by = { kind: 'system', id: 'test' } as const
        const asked = await submit(tx, house.env(), { kind: 'rpc', device: device.id, payload, by })
        if (how === 'taken' && asked.ok) await handOver.submitted(tx, [asked.value], payload)
        return kept || how === 'left' ? ok(undefined) : { ok: false, refusal: { kind: 'no' } }
      })
    await ask('taken')
    if (leave) await session.close()
    handOver.ended(kept)
    if (leave) expect(await next).toBeUndefined()
    else await ask('left')
    const again = leave ? await dialIn(back, 'acme', names[0] ?? '') : session
    const carried = leave ? await again.next(5000) : await next
    expect(times(carried)).toBe(7)
    if (carried) await again.settle(carried, { kind: 'done' })
    const [asked] = await house.store.read(tenant).find(transactions, { where: { device: device.id } })
    expect(asked?.state).toBe('done')
  })

  test('[HO4] what is settled takes the next with it, and a session that asks twice is given it once', async () => {
    const back = await openBack()
    const { admin, names } = await fleet(back, 1)
    const [name = ''] = names
    for (const n of [1, 2, 3]) await back.ask(admin, 'demo:blink', { 'device-id': name, times: n })
    const session = await dialIn(back, 'acme', name)
    const seen: unknown[] = []
    for (let carried = await session.next(5000); carried; ) {
      seen.push(times(carried))
      const two = [session.next(50), session.next(50)]
      await session.settle(carried, { kind: 'done' })
      const came: (Carried | undefined)[] = await Promise.all(two)
      expect(came.filter(Boolean).length).toBe(seen.length < 3 ? 1 : 0)
      carried = came.find(Boolean)
    }
    expect(seen).toEqual([1, 2, 3])
  })

  test('[HO5] who waits without end is given what comes, also when roused for nothing; at the end nothing', async () => {
    const back = await openBack()
    const { admin, names } = await fleet(back, 2)
    const [name = '', other = ''] = names
    const session = await dialIn(back, 'acme', name)
    const { house } = back.test
    const tenant = await tenantOf(back)
    /** Something is said of the device that brings it nothing. */
    const remark = async (nick: string) => {
      const [device] = await house.store.read(tenant).find(devices, { where: { nick } })
      if (!device) throw new Error(`there is no ${nick}`)
      const by = { kind: 'system', id: 'test' } as const
      await house.store.transact(tenant, async (tx) => {
        tx.journal({ kind: 'device.labelled', at: house.env().now, by, device: device.id, data: {} })
        return ok(undefined)
      })
    }
    // It has looked, and there was nothing: from now on it waits and looks for nothing.
    expect(await session.next(1)).toBeUndefined()
    for (const n of [1, 2, 3]) {
      const idle = session.next()
      if (n === 2) await remark(name)
      await back.ask(admin, 'demo:blink', { 'device-id': n === 3 ? 'all' : name, times: n })
      const carried = await idle
      expect(times(carried)).toBe(n)
      if (carried) await session.settle(carried, { kind: 'done' })
    }
    const idle = session.next()
    await session.close()
    expect(await idle).toBeUndefined()

    const gone = await dialIn(back, 'acme', other)
    const carried = await gone.next(5000)
    expect(times(carried)).toBe(3)
    if (carried) await gone.settle(carried, { kind: 'done' })
    const last = gone.next()
    await back.ask(admin, 'exodm:delete-devices', { 'device-id': [other] })
    expect(await last).toBeUndefined()
    expect(gone.open).toBe(false)
  })

  test('[HO5] of two that wait one is given it, and the other goes on waiting, as long as it said', async () => {
    const back = await openBack()
    const { admin, names } = await fleet(back, 1)
    const session = await dialIn(back, 'acme', names[0] ?? '')
    expect(await session.next(1)).toBeUndefined()
    const two = [session.next(300), session.next(300)]
    await back.ask(admin, 'demo:blink', { 'device-id': 'all', times: 1 })
    const came: (Carried | undefined)[] = await Promise.all(two)
    expect(came.map(times).sort()).toEqual([1, undefined])
    const carried = came.find(Boolean)
    const next = session.next(5000)
    await back.ask(admin, 'demo:blink', { 'device-id': 'all', times: 2 })
    if (carried) await session.settle(carried, { kind: 'done' })
    expect(times(await next)).toBe(2)
  })
})
