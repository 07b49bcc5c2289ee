import { bytesOf } from '@waymark/domain'
import { afterAll, describe, expect, test } from 'vitest'
import { adminPassword } from '../house.ts'
import { at, factory, type Json, openDoor } from './support.ts'

const door = await openDoor({}, afterAll)
const admin = await door.enter('admin', adminPassword)
const stats = (json: Json, what: string, key: string) => at(json, 'subscription', 'quota-stats', what, key)

test('[DA1] the dash tells what is used of the limits and the five most recent devices', async () => {
  const owner = await door.person()
  const { token } = owner
  await door.upload(token, Buffer.alloc(1024 * 1024), 'one')
  const made = []
  for (let i = 0; i < 6; i++) {
    made.push(await door.deviceWithTrail(owner))
    door.pass(1000)
  }
  const [first] = made
  if (!first) throw new Error('no device')
  await door.post(owner, first)
  await door.progress(first, 1, 'DONE')
  const { json } = await door.must('GET', '/dash/', { token })
  expect(json).toMatchObject({
    prn: owner.prn,
    nick: owner.nick,
    subscription: {
      'plan-id': 'CUSTOM',
      'quota-stats': {
        DEVICES: { Name: 'DEVICES', Actual: 6, Max: 0, Unit: 'Piece' },
        OBJECTS: { Name: 'OBJECTS', Actual: 1 / 1024, Max: 0, Unit: 'GiB' },
        BANDWIDTH: { Name: 'BANDWIDTH', Actual: 1 / 1024, Max: 0, Unit: 'GiB' },
      },
    },
  })
  const top = at(json, 'top-devices') as { 'device-id': string; status: string; message: string }[]
  expect(top).toHaveLength(5)
  expect(top[0]).toMatchObject({ 'device-id': first.id, status: 'DONE', message: 'is DONE', type: 'INFO' })
  expect((await door.must('GET', '/dash/', { token })).text).not.toContain(first.secret)
})

describe('plans', () => {
  test('[DA2] an administrator alone puts an account on a plan, and it is told', async () => {
    const { prn, token } = await door.person()
    const body = { subject: prn, plan: 'VIP' }
    const path = '/subscriptions/admin/subscription'
    expect((await door.call('PUT', path, { token, body })).status).toBe(403)
    await door.must('PUT', path, { token: admin, body })
    const { json } = await door.must('GET', '/subscriptions/', { token })
    expect(json).toMatchObject({
      Start: 0,
      Page: -1,
      Size: 1,
      Subs: [
        {
          type: 'prn::subscriptions:VIP',
          subject: prn,
          attr: { OBJECTS: '20GiB', BANDWIDTH: '10GiB', DEVICES: '100' },
        },
      ],
    })
    const dash = (await door.must('GET', '/dash/', { token })).json
    expect(['DEVICES', 'OBJECTS', 'BANDWIDTH'].map((what) => stats(dash, what, 'Max'))).toEqual([100, 20, 10])
  })

  test('[DA2] its limits of objects and devices hold from then on', async () => {
    const owner = await door.person()
    await door.deviceOf(owner)
    await door.must('PUT', '/subscriptions/admin/subscription', {
      token: admin,
      body: {
        subject: owner.prn,
        plan: 'prn::subscriptions:CUSTOM',
        attrs: { OBJECTS: '1MiB', DEVICES: '1' },
      },
    })
    const object = (size: number, digit: string) => ({
      objectname: 'x',
      size: String(size),
      sha256sum: digit.repeat(64),
    })
    const post = (body: object) => door.call('POST', '/objects/', { token: owner.token, body })
    expect((await post(object(1024 * 1024, 'a'))).status).toBe(200)
    const refused = await post(object(1, 'b'))
    expect([refused.status, at(refused.json, 'msg')]).toEqual([
      500,
      'quota of objects exceeded: wanted at most 1048576 bytes, got 1048577',
    ])
    const second = await door.newDevice()
    const claim = await door.call('PUT', `/devices/${second.id}?challenge=${second.challenge}`, {
      token: owner.token,
    })
    expect([claim.status, at(claim.json, 'msg')]).toEqual([403, 'devices: wanted at most 1, got 2'])
  })

  for (const [what, body] of [
    ['no account', { subject: 'prn:::devices:/x', plan: 'FREE' }],
    ['no plan', { subject: 'prn:::accounts:/000000000000000000000001', plan: 'GOLD' }],
    ['an attribute nobody knows', { plan: 'FREE', attrs: { TEA: '2' } }],
    ['a size that is none', { plan: 'FREE', attrs: { OBJECTS: '-2GiB' } }],
    ['a count that is none', { plan: 'FREE', attrs: { DEVICES: '1e3' } }],
    ['attributes that are no object', { plan: 'FREE', attrs: [] }],
  ] as const)
    test(`[DA2] ${what} is refused`, async () => {
      const { prn } = await door.person()
      const answer = await door.call('PUT', '/subscriptions/admin/subscription', {
        token: admin,
        body: { subject: prn, ...body },
      })
      expect(answer.status).toBe('subject' in body && body.plan === 'GOLD' ? 404 : 400)
    })

  test('[DA2] sizes are read with their units', () => {
    expect(
      ['7', '7B', '2KiB', '3 MiB', '2GiB', '1TiB', '2GB', '', '-1', '9999999999TiB'].map(bytesOf),
    ).toEqual([7, 7, 2048, 3 * 2 ** 20, 2 ** 31, 2 ** 40, undefined, undefined, undefined, undefined])
  })
})

describe('changes', async () => {
  const owner = await door.person()
  const { token } = owner
  const devices = [await door.deviceWithTrail(owner), await door.deviceWithTrail(owner)]
  for (const device of devices) for (let i = 0; i < 5; i++) await door.post(owner, device, factory)
  const idOf = (row: Json) => String(at(row, 'id'))

  async function walk(from: string, way: 'next' | 'prev'): Promise<string[]> {
    const seen: string[] = []
    for (let url = from; ; ) {
      const { json } = await door.must('GET', url, { token })
      const data = at(json, 'data') as Json[]
      if (data.length === 0) return seen
      const ids = data.map(idOf)
      if (way === 'next') seen.push(...ids)
      else seen.unshift(...ids)
      url = String(at(json, 'links', way))
    }
  }

  for (const [what, count] of [
    ['devices', 2],
    ['steps', 12],
    ['trails', 2],
  ] as const)
    test(`[CH1] every one of the ${what} is met once, forwards and backwards`, async () => {
      for (const size of [1, 5, 250]) {
        const forwards = await walk(`/changes/${what}?page[size]=${size}`, 'next')
        expect(new Set(forwards).size).toBe(count)
        expect(forwards).toHaveLength(count)
        const end = encodeURIComponent(new Date(Date.now() + 3600_000).toISOString())
        expect(await walk(`/changes/${what}?page[size]=${size}&page[before]=${end}`, 'prev')).toEqual(
          forwards,
        )
      }
    })

  test('[CH1] a plain time is taken; what others own is not there', async () => {
    const { json } = await door.must('GET', '/changes/steps?page[size]=250', { token })
    const rows = at(json, 'data') as Json[]
    const middle = String(at(rows[5], 'timemodified') ?? at(rows[5], 'time-modified'))
    const later = await door.must(
      'GET',
      `/changes/steps?page[size]=250&page[after]=${encodeURIComponent(middle)}`,
      { token },
    )
    expect((at(later.json, 'data') as Json[]).length).toBeLessThan(7)
    const stranger = await door.person()
    expect(at((await door.must('GET', '/changes/steps', { token: stranger.token })).json, 'data')).toEqual([])
  })

  test('[CH2] what is no page is 400', async () => {
    for (const query of [
      'page[size]=251',
      'page[size]=0',
      'page[size]=x',
      'page[after]=yesterday',
      'page[after]=2026-01-01T00:00:00Z~x',
      `page[after]=2026-01-01T00:00:00Z~${'a'.repeat(24)}~1`,
      'page[after]=2026-01-01T00:00:00Z&page[before]=2026-01-01T00:00:00Z',
    ])
      expect([query, (await door.call('GET', `/changes/devices?${query}`, { token })).status]).toEqual([
        query,
        400,
      ])
  })

  test('[CH1] posts are made of the newest steps', async () => {
    const { json } = await door.must('GET', '/plog/posts', { token })
    expect(json).toHaveLength(12)
    expect(at(json, 0)).toMatchObject({ title: 'next', author: owner.nick })
  })
})

describe('services', async () => {
  const secret = 'a secret: with a colon'
  const service = await openDoor(
    {
      flags: ['--guess-limit', '1000'],
      env: { WAYMARK_SAADMIN_SECRET: secret },
    },
    afterAll,
  )
  const owner = await service.person()
  const device = await service.deviceWithTrail(owner)
  const basic = (name: string, password: string) => ({
    authorization: `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}`,
  })
  const headers = basic('saadmin', secret)
  const rows = [
    ['GET', '/healthz/'],
    ['PUT', `/callbacks/devices/${device.id}`],
    ['PUT', `/callbacks/steps/${device.id}-0`],
    ['PUT', '/cron/public/devices'],
    ['PUT', '/cron/public/steps'],
  ] as const

  for (const [method, path] of rows)
    test(`[SV1] ${method} ${path.replace(device.id, ':id')} is saadmin’s alone`, async () => {
      expect((await service.call(method, path, { headers })).status).toBe(200)
      for (const wrong of [
        {},
        basic('saadmin', 'guess'),
        basic('saadmin', ''),
        basic('admin', secret),
        { authorization: `Bearer ${owner.token}` },
        { authorization: 'Basic !' },
      ]) {
        const answer = await service.call(method, path, { headers: wrong })
        expect([answer.status, answer.headers.get('www-authenticate')]).toEqual([
          401,
          'Basic realm="pantahub services"',
        ])
      }
      // Where no secret is configured, none is right.
      for (const guess of ['', 'undefined'])
        expect((await door.call(method, path, { headers: basic('saadmin', guess) })).status).toBe(401)
    })

  test('[SV2] a callback about an older record is 304', async () => {
    const step = `/callbacks/steps/${device.id}-0`
    const now = encodeURIComponent(new Date(Date.now() + 60_000).toISOString())
    for (const path of [step, `/callbacks/devices/${device.id}`]) {
      const ask = (time: string) => service.call('PUT', `${path}?timemodified=${time}`, { headers })
      expect((await ask('2020-01-01T00:00:00Z')).status).toBe(304)
      expect((await ask(now)).status).toBe(200)
      expect((await ask('soon')).status).toBe(400)
    }
    for (const path of [`/callbacks/steps/${device.id}-9`, `/callbacks/devices/${'0'.repeat(24)}`])
      expect((await service.call('PUT', path, { headers })).status).toBe(404)
    expect((await service.call('PUT', '/callbacks/steps/x', { headers })).status).toBe(400)
  })

  test('[SV3] how the installation is, is looked at once in thirty seconds', async () => {
    service.pass(60_000)
    const ask = async () => (await service.must('GET', '/healthz/', { headers })).json
    const first = await ask()
    expect(first).toMatchObject({ code: 0, duration: expect.any(Number) })
    service.pass(20_000)
    expect(await ask()).toEqual(first)
    service.pass(11_000)
    expect(at(await ask(), 'start-time')).not.toBe(at(first, 'start-time'))
  })
})
