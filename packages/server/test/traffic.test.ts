/** What tenants ask for and move: limits by the second, the month's bandwidth, and what logs add up to. */
import {
  Instant,
  logEntries,
  logVolumes,
  mainCollections,
  TenantId,
  telemetryCollections,
  tenants,
} from '@waymark/domain'
import { createMemoryStore } from '@waymark/store'
import { expect, test } from 'vitest'
import { dropLogs } from '../src/log-room.ts'
import { createMetrics } from '../src/metrics.ts'
import { createTraffic } from '../src/traffic.ts'
import { at, listOf, openDoor } from './pantahub/support.ts'
import { openWalk } from './walkthrough/support.ts'

const one = tenantId('a'.repeat(24))
const other = tenantId('b'.repeat(24))

function tenantId(text: string): TenantId {
  const id = TenantId.parse(text)
  if (!id) throw new Error(text)
  return id
}

function scene(config: { tenantRate?: number | 'off'; tenantBandwidth?: number | 'off' } = {}) {
  let now = Date.UTC(2026, 10, 30, 23, 0)
  const store = createMemoryStore({ collections: mainCollections })
  const telemetry = createMemoryStore({ collections: telemetryCollections })
  const metrics = createMetrics()
  const open = () =>
    createTraffic({
      store,
      telemetry,
      clock: { now: () => Instant.of(now) },
      config: { tenantRate: 'off', tenantBandwidth: 'off', ...config },
      metrics,
    })
  const limit = async (tenant: TenantId, limits: object) => {
    await store.transactHouse(async (house) => {
      await house.put(tenants, {
        id: tenant,
        name: tenant,
        nick: tenant,
        createdAt: Instant.of(0),
        ...limits,
      })
      house.journal({
        kind: 'tenant.changed',
        at: Instant.of(now),
        by: { kind: 'system', id: 'test' },
        data: {},
      })
      return { ok: true, value: undefined } as const
    })
  }
  return { ...open(), open, limit, metrics, pass: (ms: number) => (now += ms) }
}

test('[TF1] a tenant has its burst, then its rate, and is told how long to wait; another has its own', () => {
  const { take, pass } = scene({ tenantRate: 5 })
  const burst = Array.from({ length: 51 }, () => take(one))
  expect(burst.slice(0, 50)).toEqual(Array.from({ length: 50 }, () => 0))
  expect(burst[50]).toBe(200)
  expect(take(other)).toBe(0)
  pass(200)
  expect([take(one), take(one)]).toEqual([0, 200])
})

test('[TF2] bytes are charged as they pass: what overdraws is sent, what is asked next waits', () => {
  const { take, moved, pass } = scene({ tenantBandwidth: 1000 })
  expect(take(one)).toBe(0)
  moved(one, 12_000)
  expect(take(one)).toBe(2000)
  pass(2000)
  expect(take(one, 500)).toBe(0)
  expect(take(one)).toBe(500)
})

test('[TF3] a tenant’s own limits stand in place of the server’s, and 0 is none', async () => {
  const { take, limit, pass } = scene({ tenantRate: 1 })
  await limit(one, { requestRateMax: 3 })
  await limit(other, { requestRateMax: 0 })
  const until = (tenant: TenantId) => {
    let count = 0
    while (count < 1000 && take(tenant) === 0) count++
    return count
  }
  take(one)
  take(other)
  pass(1)
  await new Promise((resolve) => setImmediate(resolve))
  expect([until(one), until(other)]).toEqual([30, 1000])
  await limit(one, { requestRateMax: 0 })
  pass(6000)
  take(one)
  await new Promise((resolve) => setImmediate(resolve))
  expect(until(one)).toBe(1000)
})

test('[TF4] a month’s bytes are kept, whoever counted them, and held against the plan until the month is over', async () => {
  const { open, limit, pass } = scene()
  const plan = {
    name: 'FREE',
    attributes: { OBJECTS: '1GiB', BANDWIDTH: '1000', DEVICES: '1' },
    since: Instant.of(0),
  }
  await limit(one, { plan })
  const [first, second] = [open(), open()]
  first.moved(one, 400)
  second.moved(one, 500)
  expect(await first.exhausted(one)).toBeUndefined()
  await first.flush()
  await second.flush()
  expect(await open().month(one)).toEqual({ bytes: 900, max: 1000 })
  first.moved(one, 100)
  await first.flush()
  expect(await second.exhausted(one)).toBeUndefined()
  await second.flush()
  expect(await second.exhausted(one)).toEqual({
    kind: 'bandwidth-exceeded',
    wanted: 1000,
    got: 1000,
    retryAfterMs: 3600 * 1000,
  })
  expect(await second.exhausted(other)).toBeUndefined()
  pass(3600 * 1000)
  expect(await second.exhausted(one)).toBeUndefined()
  expect(await second.month(one)).toEqual({ bytes: 0, max: 1000 })
})

test('[TF5] who is told to wait is told 429 and how long, at every door, and is counted', async () => {
  const door = await openWalk({ flags: ['--tenant-rate', '1'] })
  const person = await door.person()
  const { token } = person
  for (const path of ['/devices/', '/api/v1/trails/', '/fleet/v1/me']) {
    let answer = await door.call('GET', path, { token })
    for (let count = 0; count < 20 && answer.status === 200; count++)
      answer = await door.call('GET', path, { token })
    expect([path, answer.status]).toEqual([path, 429])
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThanOrEqual(1)
    expect((await door.call('GET', path, { token: (await door.person()).token })).status).toBe(200)
    door.pass(20_000)
  }
  expect((await door.house.metrics.text()).body).toMatch(
    /waymark_tenant_throttled_total\{what="requests"\} [3-9]/,
  )
})

test('[TF5] a device that polls is no exception', async () => {
  const door = await openDoor({ flags: ['--tenant-rate', '1'] })
  const owner = await door.person()
  const device = await door.deviceWithTrail(owner)
  door.pass(60_000)
  const poll = () => door.call('GET', `/trails/${device.id}/steps`, { token: device.token })
  const said = new Set<number>()
  for (let count = 0; count < 15; count++) said.add((await poll()).status)
  expect([...said]).toEqual([200, 429])
  door.pass(2000)
  expect((await poll()).status).toBe(200)
})

test('[TF6] BANDWIDTH of a plan is told, counted and held: up and down, and nothing but bytes of objects', async () => {
  const door = await openDoor()
  const person = await door.person()
  const admin = await door.enter('admin', 'correct horse battery')
  const plan = {
    subject: person.prn,
    plan: 'CUSTOM',
    attrs: { OBJECTS: '1GiB', BANDWIDTH: '3000', DEVICES: '9' },
  }
  await door.must('PUT', '/subscriptions/admin/subscription', { token: admin, body: plan })
  const sha = await door.upload(person.token, Buffer.alloc(1000, 'x'))
  const url = String(
    at((await door.must('GET', `/objects/${sha}`, { token: person.token })).json, 'signed-geturl'),
  )
  expect((await door.call('GET', url)).status).toBe(200)
  expect((await door.call('GET', url)).status).toBe(200)
  const third = await door.call('GET', url)
  expect(third.status).toBe(429)
  expect(at(third.json, 'msg')).toMatch(/BANDWIDTH exceeded: wanted at most 3000 bytes a month, got 3000/)
  expect(Number(third.headers.get('retry-after'))).toBeGreaterThan(0)
  const stats = (await door.must('GET', '/dash/', { token: person.token })).json
  expect(at(stats, 'subscription', 'quota-stats', 'BANDWIDTH')).toEqual({
    Name: 'BANDWIDTH',
    Actual: 3000 / 2 ** 30,
    Max: 3000 / 2 ** 30,
    Unit: 'GiB',
  })
  door.pass(32 * 24 * 3600 * 1000)
  const again = await door.enter(person.nick, person.password)
  const fresh = (await door.must('GET', `/objects/${sha}`, { token: again })).json
  expect((await door.call('GET', String(at(fresh, 'signed-geturl')))).status).toBe(200)
})

test('[LR1] a device’s oldest lines go when they add up to more than its quota, and nobody else’s', async () => {
  const door = await openDoor({ flags: ['--log-quota', '64KiB'] })
  const owner = await door.person()
  const [loud, quiet] = [await door.deviceOf(owner), await door.deviceOf(owner)]
  const post = (token: string, msg: string) =>
    door.must('POST', '/logs/', {
      token,
      body: Array.from({ length: 10 }, (_, n) => ({ src: 'a', msg: `${n} ${msg}` })),
    })
  await post(quiet.token, 'quiet')
  for (let batch = 0; batch < 12; batch++) await post(loud.token, `${batch} ${'x'.repeat(1000)}`)
  const { telemetry, access } = door.house
  const known = await access.callerOf(owner.token)
  if (!known.ok || known.value.kind !== 'user') throw new Error('the owner is known')
  const reader = telemetry.read(known.value.tenant)
  const volumes = await reader.find(logVolumes, {})
  for (const { device, bytes } of volumes) {
    const lines = await reader.find(logEntries, { where: { device } })
    expect(lines.reduce((sum, line) => sum + (line.bytes ?? 0), 0)).toBe(bytes)
    expect(bytes).toBeLessThanOrEqual(64 * 1024)
  }
  expect(volumes).toHaveLength(2)
  const answer = await door.must('GET', `/logs/?dev=${loud.prn}&page=1000`, { token: owner.token })
  const kept = (at(answer.json, 'entries') as unknown[]).length
  expect(kept).toBeGreaterThan(45)
  expect(kept).toBeLessThan(64)
  // The newest line is there, the oldest are not.
  expect(answer.text).toContain('9 11 x')
  expect(answer.text).not.toContain('0 0 x')
  expect(listOf({ ...answer, json: at(answer.json, 'entries') ?? null }).length).toBe(kept)
})

test('[LR1] lines older than the retention go, and are counted no more; younger ones stay', async () => {
  const door = await openDoor()
  const owner = await door.person()
  const device = await door.deviceOf(owner)
  const post = async (msg: string) => {
    const token = await door.enter(device.prn, device.secret)
    await door.must('POST', '/logs/', { token, body: [{ src: 'a', msg }] })
  }
  await post('old')
  door.pass(31 * 24 * 3600 * 1000)
  await post('young')
  const { telemetry, access, clock } = door.house
  const known = await access.callerOf(await door.enter(owner.nick, owner.password))
  if (!known.ok || known.value.kind !== 'user') throw new Error('the owner is known')
  const { tenant } = known.value
  const before = Instant.of(clock.now() - 30 * 24 * 3600 * 1000)
  expect(await dropLogs(telemetry, tenant, before)).toBe(1)
  expect(await dropLogs(telemetry, tenant, before)).toBe(0)
  const [line, ...others] = await telemetry.read(tenant).find(logEntries, {})
  expect([line?.message, others.length]).toEqual(['young', 0])
  expect((await telemetry.read(tenant).find(logVolumes, {})).map(({ bytes }) => bytes)).toEqual([line?.bytes])
})
