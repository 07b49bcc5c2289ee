/** Calling the table of back ends by a fleet login. Rules: ../../src/doors/fleet/RULES.md. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { exosenseDoor } from '../../src/doors/exosense/door.ts'
import { fleetDoor } from '../../src/doors/fleet/door.ts'
import { openTestHouse, type TestHouse } from '../house.ts'

let house: TestHouse
let admin: string
beforeAll(async () => {
  house = await openTestHouse([fleetDoor, exosenseDoor], { flags: ['--allow-private-targets'] })
  admin = await house.login()
})
afterAll(() => house.close())

async function ask(method: string, path: string, body?: unknown, token = admin) {
  const answer = await fetch(`${house.url}/fleet/v1${path}`, {
    method,
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  return { status: answer.status, body: (await answer.json()) as Record<string, unknown> }
}
const call = async (method: string, ...params: string[]) =>
  (await ask('POST', '/rpc', { method, params })).body

const weather = `module weather { namespace "urn:weather"; prefix w;
  rpc blink { description "Blinks. Several times."; input {
    leaf times { type uint8; mandatory true; } leaf fast { type boolean; } leaf-list colours { type string; }
    leaf key { type uint64; } container at { leaf x { type decimal64 { fraction-digits 1; } } }
    list steps { key n; leaf n { type uint8; } leaf ms { type uint16; } } }
    output { leaf done { type boolean; } } } }`

async function withStation(name: string) {
  await call('create-device-type', 'name=station', 'protocol=exodm_bert')
  await call('create-yang-module', 'repository=user', 'name=weather.yang', `yang-module=${weather}`)
  await call('create-config-set', 'name=sky', 'yang=weather.yang')
  expect(await call('create-device', `device-id=${name}`, 'device-type=station')).toMatchObject({ ok: true })
  expect(await call('add-config-set-members', 'name=sky', `device-id=${name}`)).toMatchObject({ ok: true })
}

test('[FL18] a fleet login calls commands in its tenant, under every name they have', async () => {
  expect(await call('exodm:create-device-group', 'name=roof')).toMatchObject({ ok: true })
  expect(await call('list-device-groups', 'n=10', 'previous=')).toMatchObject({ ok: true })
  expect(await call('exodm:create-device-group', 'name=roof')).toMatchObject({
    ok: false,
    text: '{"result":"object-exists"}',
  })
})

test('[FL18] an operation of a device’s module: texts are typed by its schema, and what it began is told', async () => {
  await withStation('mast')
  const answer = await call(
    'weather:blink',
    'device-id=mast',
    'times=3',
    'fast=true',
    'colours=red,green',
    'colours=blue',
    'key=18446744073709551615',
    'at.x=1.5',
    'steps.n=1',
    'steps.ms=10',
    'steps.n=2',
  )
  expect(answer).toMatchObject({ ok: true, result: { 'rpc-status': 'accepted' } })
  const { house: inside } = house
  const { transactions, TransactionId, tenants } = await import('@waymark/domain')
  const [main] = await inside.store.readHouse().find(tenants, { where: { name: 'main' } })
  const id = TransactionId.parse(answer.transaction)
  if (!main || !id) throw new Error('a transaction of main')
  const asked = await inside.store.read(main.id).get(transactions, { id })
  expect(asked).toMatchObject({
    kind: 'rpc',
    payload: { module: 'weather', method: 'blink' },
  })
  expect(JSON.stringify(asked?.payload)).toContain('18446744073709551615')
  expect(asked?.payload).toHaveProperty(
    'input',
    '{"times":3,"fast":true,"colours":["red","green","blue"],"key":18446744073709551615,"at":{"x":"1.5"},"steps":[{"n":1,"ms":10},{"n":2}]}',
  )
})

const wrong = [
  { method: 'exodm:create-devise', params: [], says: 'did you mean exodm:create-device?' },
  { method: 'lookup-devise', params: [], says: 'did you mean lookup-device?' },
  { method: 'weather:blnik', params: ['device-id=oak'], says: 'did you mean weather:blink?' },
  { method: 'weather:blink', params: ['device-id=elm'], says: 'there is no elm here' },
  { method: 'weather:blink', params: [], says: 'wanted device-id=NAME, got none' },
  { method: 'weather:blink', params: ['device-id=oak', 'tmes=3'], says: 'did you mean times?' },
  { method: 'weather:blink', params: ['device-id=oak', 'times=999'], says: 'times' },
  { method: 'weather:blink', params: ['device-id=oak', 'times:=]'], says: 'wanted JSON behind :=, got ]' },
  { method: 'exodm:create-device', params: ['devic-id=a'], says: 'did you mean device-id?' },
  { method: 'exodm:create-device', params: ['nonsense'], says: 'wanted name=value, got nonsense' },
]
test('[FL18] what is wrong is named, with the nearest name there is', async () => {
  await withStation('oak')
  for (const { method, params, says } of wrong) {
    const answer = await call(method, ...params)
    expect(answer).toMatchObject({ ok: false, error: { code: expect.any(Number) } })
    expect(String(answer.text)).toContain(says)
  }
})

test('[FL18] methods are listed in pages, those of the tenant’s modules among them', async () => {
  await withStation('ash')
  const seen: Record<string, unknown>[] = []
  for (let next = ''; ; ) {
    const { body } = await ask('GET', `/rpc/methods?limit=40${next}`)
    seen.push(...(body.items as Record<string, unknown>[]))
    if (body.next === undefined) break
    next = `&cursor=${body.next}`
  }
  expect(new Set(seen.map(({ method }) => method)).size).toBe(seen.length)
  expect(seen.map(({ method }) => method)).toContain('exodm:push-config-set')
  expect(seen.find(({ method }) => method === 'weather:blink')).toMatchObject({
    description: 'Blinks.',
    params: expect.arrayContaining([{ name: 'times', type: 'uint8', mandatory: true }]),
  })
})

test('[FL18] roles are the matrix’s: a viewer lists and makes nothing', async () => {
  await ask('POST', '/users', { nick: 'looker', password: 'another password', roles: ['viewer'] })
  const token = await house.login('looker', 'another password')
  const made = await ask('POST', '/rpc', { method: 'create-device-group', params: ['name=mine'] }, token)
  expect(made.body).toMatchObject({ ok: false, text: '{"result":"permission-denied"}' })
  const listed = await ask('POST', '/rpc', { method: 'list-devices', params: ['n=1', 'previous='] }, token)
  expect(listed.body).toMatchObject({ ok: true })
  const accounts = await ask('POST', '/rpc', { method: 'list-accounts', params: ['n=1', 'previous='] }, token)
  expect(accounts.body).toMatchObject({ ok: false })
})
