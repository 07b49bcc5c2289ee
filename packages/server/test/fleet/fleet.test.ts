import { createHash } from 'node:crypto'
import { createAccount } from '@waymark/domain'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { fleetDoor, fleetOpenapi, fleetOperations } from '../../src/doors/fleet/door.ts'
import { openTestHouse, type TestHouse } from '../house.ts'

let at: TestHouse
let admin: string

beforeAll(async () => {
  at = await openTestHouse([fleetDoor])
  admin = await at.login()
})
afterAll(() => at.close())

interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly body: Record<string, unknown> & { items?: Record<string, unknown>[]; next?: string }
}

async function ask(
  method: string,
  path: string,
  options: { token?: string; body?: unknown; headers?: Record<string, string> } = {},
): Promise<Answer> {
  const token = options.token ?? admin
  const answer = await fetch(`${at.url}/fleet/v1${path}`, {
    method,
    headers: {
      ...(token === '' ? {} : { authorization: `Bearer ${token}` }),
      ...(options.body === undefined ? {} : { 'content-type': 'application/json' }),
      ...options.headers,
    },
    ...(options.body === undefined ? {} : { body: JSON.stringify(options.body) }),
  })
  const text = await answer.text()
  return { status: answer.status, headers: answer.headers, body: text === '' ? {} : JSON.parse(text) }
}

let made = 0
async function makeDevice(body: object = {}): Promise<{ id: string; nick: string; secret: string }> {
  made += 1
  const answer = await ask('POST', '/devices', { body: { nick: `device-${made}`, ...body } })
  expect(answer.status).toBe(201)
  const { device, secret } = answer.body as { device: { id: string; nick: string }; secret: string }
  return { ...device, secret }
}

async function makeUser(nick: string): Promise<string> {
  const passwordHash = await at.house.passwords.hash('another password')
  await at.house.store.transactHouse((house) =>
    createAccount(house, at.house.env(), { nick, passwordHash, verified: true }),
  )
  return at.login(nick, 'another password')
}

const pathOf = (path: string): string =>
  path
    .replace(':device/claim', `${'0'.repeat(24)}/claim`)
    .replace('/imports/:device', `/imports/${'0'.repeat(24)}`)
    .replace(':device', 'device-1')
    .replace(':user', 'nobody')
    .replace(':app', 'no-such-app')
    .replace(':rev', '0')
    .replace(':seq', '1')
    .replace(':sha256', 'a'.repeat(64))
    .replace(':id', '0'.repeat(24))

describe('fleet door', () => {
  test('[FL1] every row has its page in the OpenAPI document, and the served document is that one', async () => {
    const document = (await fleetOpenapi()) as {
      openapi: string
      paths: Record<string, Record<string, { operationId: string }>>
    }
    expect(document.openapi).toBe('3.1.0')
    const pages = Object.values(document.paths).flatMap((methods) =>
      Object.values(methods).map(({ operationId }) => operationId),
    )
    expect(pages.sort()).toEqual(fleetOperations.map(({ id }) => id).sort())
    expect((await ask('GET', '/openapi.json', { token: '' })).body).toEqual(document)
  })

  describe('[FL2] without a good token 401, without the right or scope 403', () => {
    const bad = [
      { name: 'no token', token: () => '' },
      { name: 'nonsense', token: () => 'nonsense' },
      { name: 'another house’s', token: () => `${admin.slice(0, -4)}AAAA` },
    ]
    for (const operation of fleetOperations.filter(({ right }) => right !== 'none'))
      for (const { name, token } of bad)
        test(`${operation.id} with ${name}`, async () => {
          const answer = await ask(operation.method, pathOf(operation.path), {
            token: token(),
            ...(operation.body ? { body: exampleBody[operation.id] ?? {} } : {}),
          })
          expect(answer.status).toBe(401)
          expect(answer.headers.get('www-authenticate')).toContain('Bearer')
        })

    test('a device’s own token opens nothing here', async () => {
      const device = await makeDevice()
      const login = await at.house.access.login(
        { kind: 'device', device: device.id as never, secret: device.secret },
        { scopes: [], peer: '127.0.0.1' },
      )
      if (!login.ok) throw new Error(login.refusal.kind)
      for (const path of ['/devices', '/me', '/journal'])
        expect(await ask('GET', path, { token: login.value.token })).toMatchObject({ status: 403 })
    })

    test('a token that only reads does not write', async () => {
      const login = await at.house.access.login(
        { kind: 'user', name: 'admin', password: 'correct horse battery' },
        { scopes: ['prn:pantahub.com:apis:/base/devices.readonly'], peer: '127.0.0.1' },
      )
      if (!login.ok) throw new Error(login.refusal.kind)
      const { token } = login.value
      expect((await ask('GET', '/devices', { token })).status).toBe(200)
      expect(await ask('POST', '/devices', { token, body: {} })).toMatchObject({
        status: 403,
        body: { type: 'urn:waymark:no-right', wanted: 'scope devices.write' },
      })
    })
  })

  test('[FL3] another tenant’s device is as absent as one that never was', async () => {
    const device = await makeDevice({ nick: 'mine-alone' })
    const other = await makeUser('stranger')
    const absent = await ask('GET', `/devices/${'1'.repeat(24)}`, { token: other })
    for (const name of [device.id, device.nick]) {
      for (const path of [
        '',
        '/user-meta',
        '/device-meta',
        '/logs',
        '/trail',
        '/steps',
        '/steps/0',
        '/steps/0/state',
      ])
        expect((await ask('GET', `/devices/${name}${path}`, { token: other })).status).toBe(404)
      const answer = await ask('GET', `/devices/${name}`, { token: other })
      expect({ ...answer.body, got: '', detail: '' }).toEqual({ ...absent.body, got: '', detail: '' })
      expect((await ask('DELETE', `/devices/${name}`, { token: other })).status).toBe(404)
      expect(
        (await ask('PATCH', `/devices/${name}`, { token: other, body: { nick: 'stolen' } })).status,
      ).toBe(404)
    }
    expect((await ask('GET', '/devices', { token: other })).body.items).toEqual([])
  })

  const refusals = [
    {
      what: 'a malformed cursor',
      method: 'GET',
      path: '/devices?cursor=zzz',
      status: 400,
      kind: 'bad-cursor',
    },
    {
      what: 'a cursor of another list',
      method: 'GET',
      path: '/objects?cursor=WzFd',
      status: 400,
      kind: 'bad-cursor',
    },
    {
      what: 'an unknown device',
      method: 'GET',
      path: '/devices/nobody',
      status: 404,
      kind: 'no-such-device',
    },
    {
      what: 'a nick with a space',
      method: 'POST',
      path: '/devices',
      body: { nick: 'a b' },
      status: 422,
      kind: 'bad-nick',
    },
    {
      what: 'an unknown member',
      method: 'POST',
      path: '/devices',
      body: { nik: 'x' },
      status: 400,
      kind: 'not-by-the-schema',
    },
    {
      what: 'a wrong type',
      method: 'POST',
      path: '/devices',
      body: { nick: 7 },
      status: 400,
      kind: 'not-by-the-schema',
    },
    {
      what: 'a limit too high',
      method: 'GET',
      path: '/devices?limit=501',
      status: 400,
      kind: 'not-by-the-schema',
    },
    { what: 'no trail yet', method: 'GET', path: '/devices/device-1/trail', status: 404, kind: 'no-trail' },
    {
      what: 'a state with a path trick',
      method: 'POST',
      path: '/devices/device-1/steps',
      body: { state: { '#spec': 'pantavisor-service-system@1', '../x.json': {} } },
      status: 422,
      kind: 'bad-state',
    },
    {
      what: 'a wrong password',
      method: 'POST',
      path: '/login',
      body: { name: 'admin', password: 'no' },
      status: 401,
      kind: 'wrong-credentials',
    },
    {
      what: 'a cursor that is none',
      method: 'GET',
      path: '/journal?after=%00',
      status: 400,
      kind: 'not-a-cursor',
    },
  ]
  for (const { what, method, path, body, status, kind } of refusals)
    test(`[FL4] ${what} is answered ${status} ${kind}`, async () => {
      await makeDevice()
      const answer = await ask(method, path, { ...(body === undefined ? {} : { body }) })
      expect(answer).toMatchObject({ status, body: { type: `urn:waymark:${kind}`, status } })
      expect(answer.headers.get('content-type')).toContain('application/problem+json')
    })

  test('[FL4] malformed JSON and a body that is too large are told as such', async () => {
    const send = (body: string) =>
      fetch(`${at.url}/fleet/v1/devices`, {
        method: 'POST',
        headers: { authorization: `Bearer ${admin}`, 'content-type': 'application/json' },
        body,
      })
    expect((await send('{"nick":')).status).toBe(400)
    expect((await send(JSON.stringify({ nick: 'x'.repeat(5 * 1024 * 1024) }))).status).toBe(413)
  })

  test('[FL5] pages meet every item once, whatever is added meanwhile', async () => {
    const user = await makeUser('pager')
    const nicks = Array.from({ length: 23 }, (_, i) => `page-${String(i).padStart(2, '0')}`)
    for (const nick of nicks) await ask('POST', '/devices', { token: user, body: { nick } })
    const seen: unknown[] = []
    let cursor: string | undefined
    do {
      const page = await ask('GET', `/devices?limit=5${cursor ? `&cursor=${cursor}` : ''}`, { token: user })
      seen.push(...(page.body.items ?? []).map((item) => item.nick))
      cursor = page.body.next
      // Sorts before the page that was read: a page by offset would repeat an item.
      await ask('POST', '/devices', { token: user, body: { nick: `aaa-${seen.length}` } })
    } while (cursor)
    expect(seen).toEqual(nicks)
  })

  test('[FL5] devices are found by label and by the beginning of their nick', async () => {
    const user = await makeUser('labeller')
    for (const [nick, site] of [
      ['Pump-1', 'north'],
      ['pump-2', 'south'],
      ['fan-1', 'north'],
    ])
      await ask('POST', '/devices', { token: user, body: { nick, labels: { site } } })
    const nicks = async (query: string) =>
      (await ask('GET', `/devices?${query}`, { token: user })).body.items?.map((item) => item.nick)
    expect((await nicks('label=site=north'))?.sort()).toEqual(['Pump-1', 'fan-1'])
    expect(await nicks('nick=PUMP')).toEqual(['Pump-1', 'pump-2'])
    expect(await nicks('nick=%25')).toEqual([])
    await ask('PATCH', '/devices/fan-1', { token: user, body: { labels: { site: null } } })
    expect(await nicks('label=site=north')).toEqual(['Pump-1'])
  })

  test('[FL6] the same key gives the first answer again and makes nothing twice', async () => {
    const user = await makeUser('repeater')
    const post = (nick: string) =>
      ask('POST', '/devices', { token: user, body: { nick }, headers: { 'idempotency-key': 'k1' } })
    const answers = await Promise.all([post('once'), post('once'), post('once')])
    expect(answers.map(({ status }) => status)).toEqual([201, 201, 201])
    expect(new Set(answers.map(({ body }) => JSON.stringify(body))).size).toBe(1)
    expect((await ask('GET', '/devices', { token: user })).body.items).toHaveLength(1)
    expect(await post('other')).toMatchObject({ status: 409, body: { type: 'urn:waymark:key-reused' } })
    at.pass(25 * 3600 * 1000)
    try {
      const later = await at.login('repeater', 'another password')
      const again = await ask('POST', '/devices', {
        token: later,
        body: { nick: 'other' },
        headers: { 'idempotency-key': 'k1' },
      })
      expect(again.status).toBe(201)
    } finally {
      at.pass(-25 * 3600 * 1000)
    }
  })

  describe('objects', () => {
    const bytes = Buffer.from('the quick brown fox '.repeat(1000))
    const sha = createHash('sha256').update(bytes).digest('hex')
    const put = (name: string, body: Buffer) =>
      fetch(`${at.url}/fleet/v1/objects/${name}`, {
        method: 'PUT',
        headers: { authorization: `Bearer ${admin}`, 'content-type': 'application/octet-stream' },
        body: new Uint8Array(body),
      })
    const get = (headers: Record<string, string> = {}) =>
      fetch(`${at.url}/fleet/v1/objects/${sha}`, {
        headers: { authorization: `Bearer ${admin}`, ...headers },
      })

    test('[FL7] bytes that are not what their name says leave nothing behind', async () => {
      const wrong = await put('b'.repeat(64), bytes)
      expect(wrong.status).toBe(422)
      expect(await wrong.json()).toMatchObject({ type: 'urn:waymark:wrong-hash', got: sha })
      expect((await ask('GET', `/objects/${'b'.repeat(64)}`)).status).toBe(404)
    })

    test('[FL7] bytes are stored once and are then there for good', async () => {
      expect((await put(sha, bytes)).status).toBe(200)
      expect((await put(sha, bytes)).status).toBe(200)
      const got = await get()
      expect(Buffer.from(await got.arrayBuffer()).equals(bytes)).toBe(true)
      expect(got.headers.get('etag')).toBe(`"${sha}"`)
      expect((await ask('GET', '/objects/usage')).body).toMatchObject({ bytes: bytes.length + bytes.length })
    })

    const ranges = [
      { range: 'bytes=0-9', status: 206, from: 0, to: 10 },
      { range: 'bytes=19990-', status: 206, from: 19_990, to: 20_000 },
      { range: 'bytes=-5', status: 206, from: 19_995, to: 20_000 },
      { range: 'bytes=5-99999', status: 206, from: 5, to: 20_000 },
      { range: 'bytes=0-1,4-5', status: 200, from: 0, to: 20_000 },
      { range: 'lines=1-2', status: 200, from: 0, to: 20_000 },
      { range: 'bytes=20000-', status: 416 },
      { range: 'bytes=9-3', status: 416 },
    ]
    for (const { range, status, from, to } of ranges)
      test(`[FL8] ${range} of 20000 bytes is answered ${status}`, async () => {
        await put(sha, bytes)
        const got = await get({ range })
        expect(got.status).toBe(status)
        if (status < 400)
          expect(Buffer.from(await got.arrayBuffer()).equals(bytes.subarray(from, to))).toBe(true)
        else expect(got.headers.get('content-range')).toBe('bytes */20000')
      })
  })

  describe('events', () => {
    test('[FL9] events come in order and resume from a cursor', async () => {
      const user = await makeUser('listener')
      const first = await listen(user)
      await ask('POST', '/devices', { token: user, body: { nick: 'one', labels: { a: 'b' } } })
      const seen = await first.until((events) => events.length >= 2)
      expect(seen.map(({ kind }) => kind)).toEqual(['device.registered', 'device.labelled'])
      first.close()
      await ask('POST', '/devices', { token: user, body: { nick: 'two', labels: { a: 'b' } } })
      const second = await listen(user, seen[0]?.id)
      const rest = await second.until((events) => events.length >= 3)
      expect(rest.map(({ kind }) => kind)).toEqual([
        'device.labelled',
        'device.registered',
        'device.labelled',
      ])
      second.close()
      const journal = await ask('GET', '/journal', { token: user })
      expect(journal.body.items?.map((item) => item.kind)).toEqual([
        'tenant.created',
        'device.registered',
        'device.labelled',
        'device.registered',
        'device.labelled',
      ])
    })

    test('[FL9] a cursor that is too old is answered 410 with where to begin again', async () => {
      const user = await makeUser('historian')
      const me = (await ask('GET', '/me', { token: user })).body
      const before = (await ask('GET', '/journal?limit=1', { token: user })).body.next
      await ask('POST', '/devices', { token: user, body: { nick: 'old' } })
      await ask('POST', '/devices', { token: user, body: { nick: 'older' } })
      await at.house.store.journal.trim(me.tenant as never, (Date.now() + 1000) as never, 1000)
      for (const path of ['/journal', '/events']) {
        const answer = await ask('GET', `${path}?after=${before}`, { token: user })
        expect(answer).toMatchObject({ status: 410, body: { type: 'urn:waymark:cursor-too-old' } })
        expect((await ask('GET', `/journal?after=${answer.body.oldest}`, { token: user })).status).toBe(200)
      }
    })
  })

  test('[FL10] secrets are shown when made and never again, in no answer and no log line', async () => {
    const device = await makeDevice({ nick: 'secretive' })
    const joined = await ask('POST', '/join-tokens', { body: { nick: 'line 4' } })
    const token = String(joined.body.token)
    expect(token).toHaveLength(32)
    const answers = await Promise.all(
      ['/devices', '/devices/secretive', '/join-tokens', '/journal?limit=500'].map((path) =>
        ask('GET', path),
      ),
    )
    const told = JSON.stringify(answers.map(({ body }) => body)) + at.logged()
    for (const secret of [device.secret, token, admin]) expect(told).not.toContain(secret)
  })
})

/** Bodies that pass validation, so that what is refused is the caller and not the body. */
const exampleBody: Record<string, object> = {
  callMethod: { method: 'list-devices' },
  createGroup: { name: 'x' },
  addToGroup: { devices: ['x'] },
  removeFromGroup: { devices: ['x'] },
  createDeviceType: { name: 'x', protocol: 'exodm_bert' },
  changeDevice: { nick: 'x' },
  claimDevice: { challenge: 'x' },
  postStep: { state: {} },
  changeOwnPassword: { current: 'x', password: 'a long password' },
  createAccessToken: { name: 'x' },
  createApp: { nick: 'an-app', type: 'public', redirectUris: ['http://localhost/x'], scopes: ['all'] },
  changeApp: { name: 'x' },
  createUser: { nick: 'somebody', password: 'a long password', roles: ['viewer'] },
  inviteUser: { nick: 'somebody', email: 'a@example.com', roles: ['viewer'] },
  setUserRoles: { roles: ['viewer'] },
  setTenantLimits: { devicesMax: null },
  setUserPassword: { password: 'a long password' },
  importDevice: { nick: 'x', public: false, createdAt: '2020-01-01T00:00:00Z' },
  importStep: { state: {}, createdAt: '2020-01-01T00:00:00Z' },
  createPackage: { name: 'x', image: 'a'.repeat(64) },
  allowPackage: { type: 'x' },
  disallowPackage: { type: 'x' },
  operatePackage: { operation: 'install' },
  stageDeviceConfig: { values: '{}' },
  stageGroupConfig: { values: '{}' },
  rollbackDeviceConfig: { version: 1 },
}

interface Heard {
  readonly id: string
  readonly kind: string
}

async function listen(token: string, after?: string) {
  const stop = new AbortController()
  const answer = await fetch(`${at.url}/fleet/v1/events`, {
    headers: { authorization: `Bearer ${token}`, ...(after === undefined ? {} : { 'last-event-id': after }) },
    signal: stop.signal,
  })
  expect(answer.status).toBe(200)
  const reader = answer.body?.pipeThrough(new TextDecoderStream()).getReader()
  const heard: Heard[] = []
  let text = ''
  return {
    close: () => stop.abort(),
    async until(enough: (events: Heard[]) => boolean): Promise<Heard[]> {
      while (!enough(heard)) {
        const { value, done } = (await reader?.read()) ?? { done: true }
        if (done) throw new Error(`the stream ended after ${JSON.stringify(heard)}`)
        text += value
        const blocks = text.split('\n\n')
        text = blocks.pop() ?? ''
        for (const block of blocks) {
          const id = /^id: (.*)$/m.exec(block)?.[1]
          const kind = /^event: (.*)$/m.exec(block)?.[1]
          if (id !== undefined && kind !== undefined) heard.push({ id, kind })
        }
      }
      return heard
    },
  }
}
