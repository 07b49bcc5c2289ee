/** The manual's own figures 4 to 7, and what its chapter on devices and their types says. */
import { devices, tenants, transactions } from '@waymark/domain'
import type { JsonObject } from '@waymark/yang'
import { describe, expect, test } from 'vitest'
import { type Back, dialIn, master, openBack, openSink, password } from './support.ts'

// ── figure 4: accounts, users, roles ─────────────────────────────────────────────────────────────────────────────

const vanpoint = ['vanpoint_taxi', 'vanpoint_truck', 'vanpoint_rental'] as const
const accounts = [...vanpoint, 'infrafleet'] as const
/** Who has what where, as figure 4 prints it. */
const figure4 = {
  general_admin: { roles: ['admin'], in: accounts },
  vanpoint_view: { roles: ['view'], in: vanpoint },
  vanpoint_manage: { roles: ['view', 'config', 'device'], in: vanpoint },
  vanpoint_execute: { roles: ['execute'], in: vanpoint },
  'infra-fleet_admin': { roles: ['admin'], in: ['infrafleet'] },
} as const satisfies Record<string, { roles: readonly string[]; in: readonly string[] }>
const users = Object.keys(figure4) as (keyof typeof figure4)[]

async function companies(back: Back): Promise<void> {
  for (const account of accounts) await back.account(account)
  for (const uname of users) {
    await back.ask(master, 'exodm:create-user', { uname, password, account: 'vanpoint_taxi' })
    for (const account of figure4[uname].in)
      for (const role of figure4[uname].roles)
        await back.ask(master, 'exodm:add-account-users', { account, role, unames: [uname] })
  }
}

/** Whether a command gets past the roles: refused or not by who asks, never by what is asked. */
async function may(back: Back, uname: string, account: string, method: string, params: JsonObject) {
  const { result, error } = await back.call(uname, `exodm:${method}`, { ...params, account })
  const code = (result as JsonObject | undefined)?.result
  return error === undefined && code !== 'permission-denied' && code !== 'access-denied'
}

/** A command that a role opens, and that none of the others of figure 4 opens. */
const opens = {
  admin: ['create-user', { uname: 'general_admin', password }],
  view: ['list-devices', { n: 1, previous: '' }],
  config: ['update-config-set', { name: 'none', values: {} }],
  device: ['create-device', { 'device-id': 'd', 'device-type': 'none' }],
} as const

describe('figure 4', () => {
  test.each(users)(
    '[FG4] %s has what the figure gives, where it gives it, and nothing elsewhere',
    async (uname) => {
      const back = await openBack()
      await companies(back)
      const { roles, in: where } = figure4[uname]
      const listed = await back.ask(master, 'exodm:list-user-accounts', { uname })
      expect(listed.accounts).toEqual(
        [...where].sort().map((name) => ({ name, roles: expect.arrayContaining([...roles]) })),
      )
      for (const account of accounts)
        for (const [role, [method, params]] of Object.entries(opens)) {
          const has = (where as readonly string[]).includes(account)
          const held = roles as readonly string[]
          const wanted =
            has &&
            (held.includes(role) || held.includes('admin') || (role === 'view' && held.includes('device')))
          expect([account, method, await may(back, uname, account, method, params)]).toEqual([
            account,
            method,
            wanted,
          ])
        }
    },
  )
})

// ── devices and their types ──────────────────────────────────────────────────────────────────────────────────────

const attributes = (name: string, more = '') => `module ${name} {
  namespace "urn:${name}"; prefix a;
  container attributes { leaf msisdn { type string; } leaf location { type string; } ${more} }
}`
const weather = `module weather {
  namespace "urn:weather"; prefix w;
  import exosense { prefix exo; }
  container weather_app { leaf sample_rate { type uint16; default 128; } }
  rpc request-waypoint { input { uses exo:std-request; }
    output { leaf latitude { type decimal64 { fraction-digits 6; } } leaf longitude { type decimal64 { fraction-digits 6; } } } }
}`
const exodev = `module exodev {
  namespace "urn:exodev"; prefix e;
  container exodev { leaf ip_addr { type string; default "192.168.0.1"; } }
}`

async function types(back: Back) {
  const admin = await back.account('acme')
  const ask = (method: string, params: JsonObject) => back.ask(admin, `exodm:${method}`, params)
  const must = async (method: string, params: JsonObject) => {
    const answer = await ask(method, params)
    if (answer.result !== 'ok') throw new Error(`${method}: ${JSON.stringify(answer)}`)
  }
  for (const [name, more] of [
    ['weather_r1_attributes', ''],
    ['weather_r2_attributes', 'leaf altitude { type int16; }'],
  ] as const)
    await must('create-yang-module', {
      repository: 'user',
      name: `${name}.yang`,
      'yang-module': attributes(name, more),
    })
  for (const name of ['weather_r1', 'weather_r2'])
    await must('create-device-type', {
      name,
      protocol: 'exodm_bert',
      'yang-specification': `${name}_attributes.yang`,
      'attribute-container': 'attributes',
    })
  const device = (name: string, type: string, given: JsonObject) =>
    ask('create-device', {
      'device-id': name,
      'device-type': type,
      'device-key': 1,
      'server-key': 2,
      attributes: given,
    })
  return { admin, ask, must, device }
}

describe('figures 6 and 7', () => {
  test('[FG6] two types name one protocol, and each an attribute module of its own, the second with more', async () => {
    const back = await openBack()
    const { ask, device } = await types(back)
    const { 'device-types': listed } = await ask('list-device-types', { n: 10, previous: '' })
    expect(listed).toMatchObject([
      { name: 'weather_r1', protocol: 'exodm_bert' },
      { name: 'weather_r2', protocol: 'exodm_bert' },
    ])
    const here = { msisdn: '+46', location: 'here' }
    expect(await device('device1', 'weather_r1', here)).toEqual({ result: 'ok' })
    expect(await device('device2', 'weather_r1', { ...here, altitude: 9 })).toMatchObject({
      result: 'validation-failed',
    })
    expect(await device('device3', 'weather_r2', { ...here, altitude: 9 })).toEqual({ result: 'ok' })
  })

  test('[FG7] a device’s record has its id, its type, and attributes of the type’s structure; its packages have values', async () => {
    const back = await openBack()
    const { ask, must, device } = await types(back)
    await device('device1', 'weather_r1', { msisdn: '+46', location: 'here' })
    expect(await ask('lookup-device', { 'device-id': 'device1' })).toMatchObject({
      result: 'ok',
      devices: [
        {
          'device-id': 'device1',
          'device-type': 'weather_r1',
          attributes: { msisdn: '+46', location: 'here' },
        },
      ],
    })
    await must('create-yang-module', { repository: 'user', name: 'exodev.yang', 'yang-module': exodev })
    await must('create-yang-module', { repository: 'user', name: 'weather.yang', 'yang-module': weather })
    for (const [name, container] of [
      ['exodev', 'exodev'],
      ['weather', 'weather_app'],
    ] as const) {
      await must('create-package', {
        'package-name': name,
        'yang-specification': `${name}.yang`,
        'configuration-container': container,
        image: 'AAAA',
      })
      await must('add-package-to-device-type', { 'package-name': [name], 'device-type': 'weather_r1' })
      await must('install-package', { 'package-name': name, targets: ['device1'] })
    }
    const session = await dialIn(back, 'acme', 'device1')
    for (let step = 0; step < 2; step++) {
      const carried = await session.nextOfAll(5000)
      if (carried?.kind !== 'packages') throw new Error('no package came')
      for (const index of carried.steps.keys()) await session.stepped(carried, index, true)
      await session.settle(carried, { kind: 'done' })
    }
    const values = async (name: string) =>
      (await ask('read-package-config', { target: 'device1', 'package-name': name })).values
    expect(await values('exodev')).toEqual({ ip_addr: '192.168.0.1' })
    expect(await values('weather')).toEqual({ sample_rate: 128 })
  })
})

describe('devices', () => {
  test('[DV1] a device has an id, a type that was made before, and one account; an id is unique in its account alone', async () => {
    const back = await openBack()
    const { device, ask } = await types(back)
    expect(await device('van', 'weather_r1', {})).toEqual({ result: 'ok' })
    expect(await device('van', 'weather_r1', {})).toEqual({ result: 'object-exists' })
    expect(await device('car', 'weather_r9', {})).toMatchObject({ result: 'validation-failed' })
    expect((await ask('lookup-device', { 'device-id': 'car' })).devices).toEqual([])
    const other = await back.account('other')
    await back.ask(other, 'exodm:create-device-type', { name: 't', protocol: 'exodm_bert' })
    expect(await back.ask(other, 'exodm:create-device', { 'device-id': 'van', 'device-type': 't' })).toEqual({
      result: 'ok',
    })
    const { house } = back.test
    const found = await house.store.readHouse().find(tenants, {})
    const owners = await Promise.all(
      found.map(async ({ id, name }) => [name, await house.store.read(id).count(devices, { nick: 'van' })]),
    )
    expect(
      owners
        .filter(([, count]) => count === 1)
        .map(([name]) => name)
        .sort(),
    ).toEqual(['acme', 'other'])
  })

  test('[DV2] attributes stay with the server: nothing of them goes to the device', async () => {
    const back = await openBack()
    const { ask, must, device } = await types(back)
    await device('van', 'weather_r1', { msisdn: '+46', location: 'here' })
    await must('update-device', { 'device-id': 'van', attributes: { msisdn: '+47', location: 'there' } })
    const session = await dialIn(back, 'acme', 'van')
    expect(await session.nextOfAll(20)).toBeUndefined()
    expect(await back.test.house.store.read((await tenantOf(back)).id).count(transactions, {})).toBe(0)
    expect(await ask('lookup-device', { 'device-id': 'van' })).toMatchObject({
      devices: [{ attributes: { msisdn: '+47', location: 'there' } }],
    })
  })

  test('[DV3] no roles can be added: a word that is none of those there are is refused', async () => {
    const back = await openBack()
    const admin = await back.account('acme')
    await back.ask(admin, 'exodm:create-user', { uname: 'bob', password })
    for (const role of ['pilot', '', 'Admin'])
      expect(
        (await back.call(admin, 'exodm:add-user-to-role', { role, names: ['bob'] })).error ??
          (await back.ask(admin, 'exodm:add-user-to-role', { role, names: ['bob'] })).result,
      ).not.toBe('ok')
    const { roles } = await back.ask(admin, 'exodm:list-account-roles', { n: 100, previous: '' })
    expect(roles).toEqual(expect.arrayContaining(['admin', 'view', 'config', 'device', 'execute']))
  })
})

describe('figure 5', () => {
  test('[FG5] the operation of a member’s module returns a position, latitude and longitude', async () => {
    const back = await openBack()
    const sink = await openSink()
    const { admin, must, device } = await types(back)
    await device('van', 'weather_r1', {})
    await must('create-yang-module', { repository: 'user', name: 'weather.yang', 'yang-module': weather })
    await must('create-config-set', { name: 'A', yang: 'weather.yang' })
    await must('add-config-set-members', { name: ['A'], 'device-id': ['van'] })
    await back.ask(admin, 'weather:request-waypoint', { 'device-id': 'van', 'notification-url': sink.url })
    await (await dialIn(back, 'acme', 'van')).serve(() => ({
      kind: 'replied',
      output: { latitude: '59.334591', longitude: '18.06324' } as JsonObject,
    }))
    await back.tend()
    const [told] = await sink.until(1)
    expect(told?.params).toMatchObject({ latitude: '59.334591', longitude: '18.063240' })
  })
})

async function tenantOf(back: Back) {
  const [tenant] = await back.test.house.store.readHouse().find(tenants, { where: { name: 'acme' } })
  if (!tenant) throw new Error('there is no acme')
  return tenant
}
