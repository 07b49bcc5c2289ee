/** One fleet: a device that back ends made is found, labelled, followed and explained like any other. Rules: ../../src/doors/fleet/RULES.md. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { exosenseDoor } from '../../src/doors/exosense/door.ts'
import { fleetDoor } from '../../src/doors/fleet/door.ts'
import { createLinkHouse } from '../../src/links/link-house.ts'
import { openTestHouse, type TestHouse } from '../house.ts'

let house: TestHouse
let admin: string
beforeAll(async () => {
  house = await openTestHouse([fleetDoor, exosenseDoor], { flags: ['--allow-private-targets'] })
  admin = await house.login()
  const weather =
    'module w { namespace "urn:w"; prefix w; rpc blink { output { leaf done { type boolean; } } } }'
  await rpc('create-device-type', 'name=station', 'protocol=exodm_bert')
  await rpc('create-yang-module', 'repository=user', 'name=w.yang', `yang-module=${weather}`)
  await rpc('create-config-set', 'name=sky', 'yang=w.yang')
  await rpc('create-device', 'device-id=mast', 'device-type=station')
  await rpc('add-config-set-members', 'name=sky', 'device-id=mast')
})
afterAll(() => house.close())

interface Body extends Record<string, unknown> {
  readonly items?: Record<string, unknown>[]
  readonly chain?: { readonly kind: string; readonly says: string; readonly cursors: string[] }[]
}
async function ask(method: string, path: string, body?: unknown): Promise<Body> {
  const answer = await fetch(`${house.url}/fleet/v1${path}`, {
    method,
    headers: {
      authorization: `Bearer ${admin}`,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  return (await answer.json()) as Body
}
const rpc = (method: string, ...params: string[]) => ask('POST', '/rpc', { method, params })
const why = async () => (await ask('GET', '/devices/mast/why')).chain ?? []

test('[FL22] a device that back ends made is listed, labelled, searched and shown with its type', async () => {
  expect(await ask('PATCH', '/devices/mast', { labels: { site: 'north' } })).toMatchObject({
    type: 'station',
  })
  for (const query of ['nick=ma', 'type=station', 'label=site%3Dnorth'])
    expect((await ask('GET', `/devices?${query}`)).items).toMatchObject([{ nick: 'mast', type: 'station' }])
})

test('[FL22] why tells its queue: nothing, what waits, what is handed over, what failed, and the link', async () => {
  expect((await why()).map(({ kind }) => kind)).toEqual(['nothing-asked', 'never-heard'])
  await rpc('w:blink', 'device-id=mast')
  await rpc('w:blink', 'device-id=mast')
  const waits = await why()
  expect(waits.map(({ kind }) => kind)).toEqual(['queue-waits', 'waits', 'never-heard'])
  expect(waits[0]?.says).toMatch(/^2 in its queue, the oldest since /)
  expect(waits[0]?.cursors).toHaveLength(1)
  expect((await ask('GET', '/journal?device=mast')).items?.map(({ kind }) => kind)).toContain(
    'transaction.submitted',
  )

  const links = createLinkHouse({ ...house.house, sessions: house.house.exchange.sessions })
  const known = await links.identify({ account: 'main', device: 'mast' }, ['exodm_bert'])
  if (!known) throw new Error('mast is known')
  const session = await links.open(known, { address: '127.0.0.1', end: () => {} })
  const carried = await session.next(5000)
  if (!carried) throw new Error('something waits')
  expect(await ask('GET', '/devices/mast')).toMatchObject({
    link: { protocol: 'exodm_bert', connected: true, waiting: 2 },
  })
  const sent = await why()
  expect(sent.map(({ kind }) => kind)).toEqual(['queue-waits', 'working', 'connected'])
  expect(sent[1]?.says).toBe('the first of them, rpc, was handed over once and has not been answered')
  await session.settle(carried, { kind: 'failed', reason: 'lamp is broken' })
  const failed = await why()
  expect(failed.map(({ kind }) => kind)).toContain('failed')
  expect(failed.find(({ kind }) => kind === 'failed')?.says).toMatch(/rpc, failed on .*: .*lamp is broken/)
  await session.close()
  expect((await why()).at(-1)).toMatchObject({ kind: 'offline' })
})
