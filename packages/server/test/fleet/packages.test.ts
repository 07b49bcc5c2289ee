/** Packages and their configuration at the fleet door. Rules: ../../src/doors/fleet/RULES.md. */
import { createHash } from 'node:crypto'
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
  const module_ = `module app { namespace "urn:app"; prefix a;
    container app { leaf rate { type uint16 { range "1..1000"; } default 128; } leaf big { type uint64; } } }`
  await rpc('create-yang-module', 'repository=user', 'name=app.yang', `yang-module=${module_}`)
  await ask('POST', '/device-types', { name: 'station', protocol: 'exodm_bert' })
  await ask('POST', '/packages', { name: 'base', image: await put('the base') })
  const app = { image: await put('the app'), module: 'app.yang', container: 'app', needs: ['base'] }
  expect(await ask('POST', '/packages', { name: 'app/1', ...app })).toMatchObject({
    status: 201,
    body: { name: 'app/1', size: 7, needs: ['base'], upgrades: [], module: 'app.yang', container: 'app' },
  })
  for (const name of ['base', 'app%2F1'])
    expect((await ask('POST', `/packages/${name}/allow`, { type: 'station' })).status).toBe(200)
})
afterAll(() => house.close())

interface Body extends Record<string, unknown> {
  readonly items?: Record<string, unknown>[]
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
async function put(text: string) {
  const sha = createHash('sha256').update(text).digest('hex')
  const stored = await fetch(`${house.url}/fleet/v1/objects/${sha}`, {
    method: 'PUT',
    headers: { authorization: `Bearer ${admin}`, 'content-type': 'application/octet-stream' },
    body: text,
  })
  expect(stored.status).toBe(200)
  return sha
}
const station = (name: string) =>
  rpc('create-device', `device-id=${name}`, 'device-type=station', 'device-key=1', 'server-key=2')

/** A session of a device, and what it is asked next, done. */
async function dial(device: string) {
  const inside = house.house
  const links = createLinkHouse({ ...inside, sessions: inside.exchange.sessions })
  const known = await links.identify({ account: 'main', device }, ['exodm_bert'])
  if (!known) throw new Error(`nobody is called ${device}`)
  const session = await links.open(known, { address: '127.0.0.1', end: () => {} })
  return {
    close: () => session.close(),
    async serve() {
      const carried = await session.nextOfAll(5000)
      if (!carried) throw new Error('nothing came to carry')
      if (carried.kind === 'packages')
        for (const index of carried.steps.keys()) await session.stepped(carried, index, true)
      await session.settle(carried, { kind: 'done' })
      return carried
    },
  }
}

test('[FL23] an installation of devices and groups is one transaction; how it stands is told of each device', async () => {
  for (const name of ['p-one', 'p-two']) await station(name)
  await ask('POST', '/groups', { name: 'p' })
  await ask('POST', '/groups/p/add', { devices: ['p-one', 'p-two'] })
  const asked = await ask('POST', '/packages/app%2F1/operate', {
    operation: 'install',
    recursive: true,
    groups: ['p'],
    devices: ['p-one'],
    values: '{"big":18446744073709551615}',
  })
  expect(asked).toMatchObject({ status: 201, body: { kind: 'package', state: 'in-progress' } })
  const session = await dial('p-one')
  const carried = await session.serve()
  expect(carried.kind === 'packages' && carried.steps.map((step) => [step.package, step.values])).toEqual([
    ['base', undefined],
    ['app/1', { rate: 128, big: 18446744073709551615n }],
  ])
  await session.close()
  const { items } = (await ask('GET', '/packages/app%2F1/devices')).body
  expect(items?.map(({ nick, installed, status }) => [nick, installed, status]).sort()).toEqual([
    ['p-one', true, 'completed'],
    ['p-two', false, 'queued'],
  ])
  expect((await ask('GET', '/packages/app%2F1')).body).toMatchObject({ types: ['station'] })
  const whole = await ask('GET', `/transactions/${String(asked.body.id)}`)
  expect(whole.body).toMatchObject({ state: 'in-progress' })
  expect((await ask('DELETE', '/packages/app%2F1')).status).toBe(409)
})

test('[FL23] what can not be is refused by name, and nothing is made of it', async () => {
  const image = await put('the base')
  const refused = async (body: object) => {
    const { status, body: said } = await ask('POST', '/packages', { name: 'x', image, ...body })
    return [status, said.type, said.detail]
  }
  expect(await refused({ name: 'base' })).toEqual([
    409,
    expect.stringContaining('name-taken'),
    'base is taken',
  ])
  expect((await refused({ needs: ['none'] }))[0]).toBe(404)
  expect(await refused({ needs: ['x'] })).toEqual([
    422,
    expect.stringContaining('cycle'),
    'a cycle: x needs x',
  ])
  expect((await refused({ image: createHash('sha256').update('not here').digest('hex') }))[0]).toBe(404)
  expect((await refused({ module: 'none.yang' }))[0]).toBe(422)
  expect((await refused({ module: 'app.yang', container: 'none' }))[0]).toBe(422)
  expect((await refused({ container: 'app' }))[0]).toBe(422)
  expect((await ask('GET', '/packages/x')).status).toBe(404)
  const operate = async (body: object) =>
    (await ask('POST', '/packages/app%2F1/operate', { operation: 'install', ...body })).status
  expect(await operate({})).toBe(422)
  expect(await operate({ devices: ['nobody'] })).toBe(404)
  expect(await operate({ groups: ['none'] })).toBe(404)
  await station('p-three')
  expect(await operate({ devices: ['p-three'], values: '{"rate":0}' })).toBe(422)
  expect(await operate({ devices: ['p-three'], values: 'no JSON' })).toBe(422)
  // What the plan refuses is an end like any other: told at once.
  const asked = await ask('POST', '/packages/app%2F1/operate', { operation: 'install', devices: ['p-three'] })
  expect(asked.body).toMatchObject({ state: 'failed', reason: 'dependency-failure: app/1 needs base' })
})

test('[FL23] packages are listed page by page; one that nobody holds is removed', async () => {
  await ask('POST', '/packages', { name: 'spare', image: await put('a spare') })
  const first = await ask('GET', '/packages?limit=1')
  expect(first.body.items).toMatchObject([{ name: 'app/1' }])
  const next = await ask('GET', `/packages?limit=9&cursor=${String(first.body.next)}`)
  expect(next.body.items?.map(({ name }) => name)).toEqual(['base', 'spare'])
  await ask('POST', '/packages/spare/allow', { type: 'station' })
  expect((await ask('DELETE', '/packages/spare')).body).toMatchObject({ detail: 'type station allows it' })
  expect((await ask('POST', '/packages/spare/disallow', { type: 'station' })).status).toBe(200)
  expect((await ask('POST', '/packages/spare/disallow', { type: 'station' })).status).toBe(404)
  expect((await ask('POST', '/packages/spare/allow', { type: 'none' })).status).toBe(404)
  expect((await ask('DELETE', '/packages/spare')).status).toBe(200)
})

test('[FL24] configuration is judged, staged, pushed, kept as history and taken back', async () => {
  await station('c-one')
  await ask('POST', '/packages/app%2F1/operate', {
    operation: 'install',
    recursive: true,
    devices: ['c-one'],
  })
  const session = await dial('c-one')
  await session.serve()
  const path = '/devices/c-one/config/app%2F1'
  expect((await ask('GET', path)).body).toEqual({ package: 'app/1', version: 1, current: '{"rate":128}' })
  const wrong = await ask('PATCH', path, { values: '{"rate":1001}' })
  expect([wrong.status, wrong.body.detail]).toEqual([422, expect.stringContaining('rate')])
  expect((await ask('GET', path)).body).not.toHaveProperty('staged')
  const edited = await ask('PATCH', path, { values: '{"big":18446744073709551615}' })
  expect(edited.body).toMatchObject({ staged: '{"big":18446744073709551615}' })
  const pushed = await ask('POST', '/devices/c-one/config/push', {})
  expect(pushed.body).toMatchObject({ transaction: { kind: 'configuration', state: 'queued' } })
  expect(await session.serve()).toMatchObject({
    kind: 'package-configuration',
    packages: [{ package: 'app/1', values: { rate: 128, big: 18446744073709551615n } }],
  })
  const { items } = (await ask('GET', `${path}/versions`)).body
  expect(items?.map(({ version, values }) => [version, values])).toEqual([
    [2, '{"rate":128,"big":18446744073709551615}'],
    [1, '{"rate":128}'],
  ])
  expect((await ask('POST', `${path}/rollback`, { version: 9 })).status).toBe(404)
  expect((await ask('POST', `${path}/rollback`, { version: 1 })).body).toMatchObject({
    staged: '{"rate":128}',
  })
  expect((await ask('GET', '/devices/c-one/config')).body.items).toHaveLength(1)
  await session.close()
})

test('[FL24] a group’s edits reach its members; nothing staged pushes nothing; what is not installed has none', async () => {
  await station('c-two')
  await ask('POST', '/groups', { name: 'c' })
  await ask('POST', '/groups/c/add', { devices: ['c-two'] })
  expect((await ask('PATCH', '/devices/c-two/config/app%2F1', { values: '{"rate":2}' })).status).toBe(409)
  expect((await ask('PATCH', '/groups/c/config/none', { values: '{}' })).status).toBe(404)
  await ask('POST', '/packages/app%2F1/operate', { operation: 'install', recursive: true, groups: ['c'] })
  const session = await dial('c-two')
  await session.serve()
  expect((await ask('POST', '/groups/c/config/push', {})).body).toEqual({})
  expect((await ask('PATCH', '/groups/c/config/app%2F1', { values: '{"rate":7}' })).status).toBe(200)
  expect((await ask('POST', '/groups/c/config/push', { package: 'app/1' })).body).toHaveProperty(
    'transaction',
  )
  expect(await session.serve()).toMatchObject({ packages: [{ values: { rate: 7 } }] })
  expect((await ask('GET', '/groups/c/config/app%2F1')).body).toMatchObject({ current: '{"rate":7}' })
  await session.close()
})
