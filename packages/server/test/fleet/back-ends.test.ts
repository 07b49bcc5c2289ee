/** Groups, device types, transactions and messages put aside, at the fleet door. Rules: ../../src/doors/fleet/RULES.md. */
import { deliveries, deliveryLanes, Instant, tenants, transactions } from '@waymark/domain'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { exosenseDoor } from '../../src/doors/exosense/door.ts'
import { fleetDoor } from '../../src/doors/fleet/door.ts'
import { openTestHouse, type TestHouse } from '../house.ts'

let house: TestHouse
let admin: string
beforeAll(async () => {
  house = await openTestHouse([fleetDoor, exosenseDoor], { flags: ['--allow-private-targets'] })
  admin = await house.login()
  await rpc('create-yang-module', 'repository=user', 'name=w.yang', `yang-module=${weather}`)
  await rpc('create-config-set', 'name=sky', 'yang=w.yang')
})
afterAll(() => house.close())

const weather =
  'module w { namespace "urn:w"; prefix w; rpc blink { output { leaf done { type boolean; } } } }'

interface Body extends Record<string, unknown> {
  readonly items?: Record<string, unknown>[]
  readonly next?: string
}
async function ask(method: string, path: string, body?: unknown) {
  const answer = await fetch(`${house.url}/fleet/v1${path}`, {
    method,
    headers: {
      authorization: `Bearer ${admin}`,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  return { status: answer.status, body: (await answer.json()) as Body }
}
async function rpc(method: string, ...params: string[]) {
  return (await ask('POST', '/rpc', { method, params })).body
}
async function station(...names: string[]) {
  await ask('POST', '/device-types', { name: 'station', protocol: 'exodm_bert' })
  for (const name of names) {
    await rpc('create-device', `device-id=${name}`, 'device-type=station')
    await rpc('add-config-set-members', 'name=sky', `device-id=${name}`)
  }
}
async function all(path: string) {
  const items: Record<string, unknown>[] = []
  for (let next = ''; ; ) {
    const { body } = await ask('GET', `${path}${path.includes('?') ? '&' : '?'}limit=2${next}`)
    items.push(...(body.items ?? []))
    if (body.next === undefined) return items
    next = `&cursor=${body.next}`
  }
}

test('[FL19] groups are made, filled, shown in pages, emptied and removed', async () => {
  await station('g-one', 'g-two', 'g-three')
  const made = await ask('POST', '/groups', { name: 'roof' })
  expect([made.status, made.body]).toEqual([201, expect.objectContaining({ name: 'roof', size: 0 })])
  expect((await ask('POST', '/groups', { name: 'roof' })).status).toBe(409)
  const filled = await ask('POST', '/groups/roof/add', { devices: ['g-one', 'g-two', 'g-three'] })
  expect(filled.body).toMatchObject({ size: 3, type: 'station' })
  expect((await all('/groups/roof/devices')).map(({ nick }) => nick).sort()).toEqual([
    'g-one',
    'g-three',
    'g-two',
  ])
  const plain = await ask('POST', '/devices', { nick: 'trail-device' })
  expect(plain.status).toBe(201)
  expect((await ask('POST', '/groups/roof/add', { devices: ['trail-device'] })).body.type).toBe(
    'urn:waymark:another-type',
  )
  expect((await ask('POST', '/groups/roof/remove', { devices: ['g-one'] })).body).toMatchObject({ size: 2 })
  for (const name of ['a', 'b', 'c']) await ask('POST', '/groups', { name })
  expect((await all('/groups')).map(({ name }) => name)).toEqual(['a', 'b', 'c', 'roof'])
  expect((await ask('DELETE', '/groups/roof')).status).toBe(200)
  expect((await ask('GET', '/groups/roof')).status).toBe(404)
  expect((await ask('GET', '/devices/g-two')).status).toBe(200)
})

test('[FL19] types of devices: a protocol nobody speaks is refused, and so is removing one that has devices', async () => {
  await station('t-one')
  expect((await ask('POST', '/device-types', { name: 'odd', protocol: 'smoke' })).status).toBe(422)
  expect((await ask('POST', '/device-types', { name: 'spare', protocol: 'exodm_bert' })).status).toBe(201)
  expect((await all('/device-types')).map(({ name }) => name)).toEqual(['spare', 'station'])
  expect((await ask('GET', '/device-types/station')).body).toMatchObject({ protocol: 'exodm_bert' })
  expect((await ask('DELETE', '/device-types/station')).body.type).toBe('urn:waymark:not-empty')
  expect((await ask('DELETE', '/device-types/spare')).status).toBe(200)
  expect((await ask('GET', '/device-types/spare')).status).toBe(404)
})

test('[FL20] what was asked is listed by device, state and kind, newest first, and can be called off once', async () => {
  await station('q-one')
  for (let i = 0; i < 5; i++) await rpc('w:blink', 'device-id=q-one')
  const listed = await all('/transactions?device=q-one&newest=true')
  expect(listed).toHaveLength(5)
  const ids = listed.map(({ id }) => String(id))
  expect([...ids].sort().reverse()).toEqual(ids)
  const [last = ''] = ids
  const ended = await ask('POST', `/transactions/${last}/cancel`)
  expect(ended.body).toMatchObject({ id: last, state: 'cancelled', reason: 'called off' })
  expect((await ask('POST', `/transactions/${last}/cancel`)).status).toBe(409)
  expect(await all('/transactions?device=q-one&state=queued&kind=rpc')).toHaveLength(4)
  expect(await all('/transactions?device=q-one&state=cancelled')).toHaveLength(1)
  expect(await all('/transactions?device=q-one&kind=package')).toEqual([])
  expect((await ask('POST', `/transactions/${'0'.repeat(24)}/cancel`)).status).toBe(404)
})

test('[FL21] messages that were put aside are listed without their address, and one put back leaves the list', async () => {
  const { store, env } = house.house
  const [main] = await store.readHouse().find(tenants, { where: { name: 'main' } })
  if (!main) throw new Error('main is there')
  await station('d-one')
  const { transaction } = await rpc('w:blink', 'device-id=d-one')
  await store.transact(main.id, async (tx) => {
    const id = (await tx.find(transactions, { limit: 1 }))[0]?.id
    if (!id) throw new Error('something was asked')
    const sealed = 'sealed-address'
    await tx.put(deliveryLanes, {
      lane: 'L',
      sealed,
      lastSeq: 3,
      waiting: false,
      attempts: 0,
      dueAt: Instant.of(0),
    })
    for (const seq of [1, 2, 3])
      await tx.put(deliveries, {
        lane: 'L',
        seq,
        about: { kind: 'transaction', transaction: id, final: true },
        state: 'dead',
        createdAt: env().now,
        reason: 'no answer',
      })
    return { ok: true, value: undefined } as const
  })
  expect(transaction).toBeDefined()
  const letters = await all('/dead-letters')
  expect(letters.map(({ seq, reason }) => [seq, reason])).toEqual([
    [1, 'no answer'],
    [2, 'no answer'],
    [3, 'no answer'],
  ])
  expect(JSON.stringify(letters)).not.toContain('sealed-address')
  expect((await ask('GET', '/dead-letters/L/2')).body).toMatchObject({ lane: 'L', seq: 2 })
  expect((await ask('POST', '/dead-letters/L/2/redrive')).status).toBe(200)
  expect((await ask('POST', '/dead-letters/L/2/redrive')).status).toBe(404)
  expect((await all('/dead-letters')).map(({ seq }) => seq)).toEqual([1, 3])
  const { body } = await ask('GET', '/journal?limit=500')
  expect(body.items?.map(({ kind }) => kind)).toContain('delivery.redriven')
})
