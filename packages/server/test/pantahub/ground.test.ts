import { readFileSync } from 'node:fs'
import { afterAll, describe, expect, test } from 'vitest'
import { mounts, type Row, routes, routesPage } from '../../src/doors/pantahub/routes.ts'
import { agent, at, factory, openDoor } from './support.ts'

const door = await openDoor({}, afterAll)
const owner = await door.person()
const device = await door.deviceWithTrail(owner)
const anonymous = await door.enter(
  'prn:pantahub.com:auth:/anon',
  '',
  'devices.readonly objects.readonly trails.readonly',
)
const header = `JWT realm="pantahub services", ph-aeps="${door.url}/auth"`

describe('paths', () => {
  for (const [from, to] of [
    ['/devices', '/devices/'],
    ['/trails', '/trails/'],
    ['/auth?a=1', '/auth/?a=1'],
    ['/trails//summary?sort=-status', '/trails/summary?sort=-status'],
    ['//objects//x', '/objects/x'],
  ] as const)
    test(`[GR1] ${from} is answered 301 to ${to}`, async () => {
      const answer = await door.call('GET', `${door.url}${from}`)
      expect([answer.status, answer.headers.get('location')]).toEqual([301, to])
    })

  test('[GR2] one trailing slash is tolerated everywhere under /trails/, and nowhere else', async () => {
    const { token } = owner
    for (const path of [
      `/trails/${device.id}/`,
      `/trails/${device.id}/steps/`,
      `/trails/${device.id}/steps/0/state/`,
    ])
      expect((await door.call('GET', path, { token })).status).toBe(200)
    expect((await door.call('GET', `/devices/${device.id}/`, { token })).status).toBe(404)
    expect((await door.call('GET', '/devices/tokens/', { token })).status).toBe(404)
  })

  test('[GR10] an unknown path is 404, an unknown method 405', async () => {
    for (const mount of ['/auth/', '/devices/', '/objects/', '/trails/', '/logs/']) {
      const absent = await door.call('GET', `${mount}no/such/path/at/all/here`)
      expect([absent.status, absent.json]).toEqual([404, { Error: 'Resource not found' }])
    }
    for (const [method, path] of [
      ['PATCH', '/devices/'],
      ['DELETE', `/trails/${device.id}`],
      ['HEAD', '/trails/'],
    ] as const) {
      const answer = await door.call(method, path, { token: owner.token })
      expect(answer.status).toBe(405)
      if (method !== 'HEAD') expect(answer.json).toEqual({ Error: 'Method not allowed' })
    }
  })
})

describe('old ways of speaking HTTP', () => {
  test('[GR3] a full URL as request target is routed by its path', async () => {
    const reply = await door.raw(
      `POST https://hub.example:443/devices/ HTTP/1.0\r\nHost: hub.example:443\r\nUser-Agent: ${agent}\r\n\r\n`,
    )
    expect(reply).toMatch(/^HTTP\/1\.1 200 /)
    expect(reply).toContain('"challenge":"')
  })

  test('[GR4] HTTP/1.0 is answered without chunks, and the connection is closed', async () => {
    const reply = await door.raw(
      `GET /trails/ HTTP/1.0\r\nHost: x\r\nUser-Agent: ${agent}\r\nAuthorization: Bearer ${device.token}\r\n\r\n`,
    )
    const [head = '', body = ''] = reply.split('\r\n\r\n')
    expect(head).toMatch(/^HTTP\/1\.1 200 /)
    expect(head.toLowerCase()).not.toContain('transfer-encoding')
    expect(head.toLowerCase()).toContain('connection: close')
    expect(JSON.parse(body)).toHaveLength(1)
  })
})

test('[GR4] a list too long to be gathered comes whole, in chunks or until the connection closes', async () => {
  const person = await door.person()
  const meta = { filler: 'x'.repeat(20_000) }
  for (let i = 0; i < 40; i++)
    await door.must('POST', '/devices/', { token: person.token, body: { nick: `n${i}`, 'user-meta': meta } })
  const fetched = await door.must('GET', '/devices/', { token: person.token })
  expect(fetched.headers.get('content-length')).toBeNull()
  expect(fetched.json).toHaveLength(40)
  const reply = await door.raw(
    `GET /devices/ HTTP/1.0\r\nUser-Agent: a\r\nAuthorization: Bearer ${person.token}\r\n\r\n`,
  )
  expect(reply.toLowerCase()).not.toContain('transfer-encoding')
  expect(JSON.parse(reply.slice(reply.indexOf('\r\n\r\n')))).toHaveLength(40)
})

describe('replies', () => {
  test('[GR5] they say what they are, and how they are written', async () => {
    const { token } = owner
    const trail = await door.must('GET', `/trails/${device.id}`, { token })
    expect(trail.headers.get('content-type')).toBe('application/json; charset=utf-8')
    expect(trail.headers.get('x-powered-by')).toBe('go-json-rest')
    expect(Number(trail.headers.get('x-runtime'))).toBeGreaterThanOrEqual(0)
    expect(trail.headers.get('phjsonformat')).toBe('gibson042-canonicaljson')
    expect(Object.keys(trail.json as object)).toEqual(Object.keys(trail.json as object).toSorted())
    const account = await door.must('GET', '/auth/', { token })
    expect(account.text).toMatch(/^\{\n {2}"type": "USER",\n/)
    expect(account.headers.get('phjsonformat')).toBeNull()
  })

  test('[GR6] any origin may ask, with credentials; a preflight names the mount’s methods and lasts an hour', async () => {
    const origin = 'https://console.example'
    const asked = {
      origin,
      'access-control-request-method': 'PUT',
      'access-control-request-headers': 'authorization',
    }
    for (const [path, methods] of [
      ['/devices/', 'GET, POST, DELETE, PUT, PATCH'],
      [`/trails/${device.id}/steps`, 'GET, POST, PUT'],
      ['/logs/not/there', 'GET, POST'],
    ] as const) {
      const answer = await door.call('OPTIONS', path, { headers: asked })
      expect(answer.status).toBe(200)
      expect(answer.headers.get('access-control-allow-origin')).toBe(origin)
      expect(answer.headers.get('access-control-allow-credentials')).toBe('true')
      expect(answer.headers.get('access-control-allow-methods')).toBe(methods)
      expect(answer.headers.get('access-control-allow-headers')).toBe('authorization')
      expect(answer.headers.get('access-control-max-age')).toBe('3600')
    }
    const refused = await door.call('GET', '/devices/', { headers: { origin } })
    expect([refused.status, refused.headers.get('access-control-allow-origin')]).toEqual([401, origin])
    const plain = await door.call('GET', '/devices/')
    expect(plain.headers.get('access-control-allow-origin')).toBeNull()
  })
})

describe('bodies', () => {
  const body = JSON.stringify({ username: owner.nick, password: owner.password })
  for (const [type, status] of [
    ['application/json', 200],
    ['application/json; charset=UTF-8', 200],
    ['text/plain', 415],
    ['application/json; charset=latin1', 415],
    ['application/x-www-form-urlencoded', 415],
  ] as const)
    test(`[GR7] /auth/ answers ${status} to a body of type ${type}`, async () => {
      const answer = await door.call('POST', '/auth/login', { body, headers: { 'content-type': type } })
      expect(answer.status).toBe(status)
      if (status === 415) expect(at(answer.json, 'Error')).toContain('application/json')
    })

  test('[GR8] elsewhere the type is ignored, and no JSON counts as empty where nothing depends on it', async () => {
    const made = await door.call('POST', '/devices/', {
      body: 'not json',
      headers: { 'content-type': 'text/plain' },
    })
    expect(made.status).toBe(200)
    const named = await door.call('POST', '/devices/', {
      token: owner.token,
      body: '{"nick":"typed-anyhow"}',
      headers: { 'content-type': 'image/png' },
    })
    expect(at(named.json, 'nick')).toBe('typed-anyhow')
  })

  for (const [method, path] of [
    ['POST', '/objects/'],
    ['PUT', `/devices/${device.id}/user-meta`],
    ['POST', `/trails/${device.id}/steps`],
    ['PUT', `/trails/${device.id}/steps/0/state`],
  ] as const)
    test(`[GR8] ${method} ${path.replaceAll(device.id, ':id')} depends on its body: 400 that says where it went wrong`, async () => {
      for (const body of ['{"a":', '[1]', '', 'nonsense']) {
        const answer = await door.call(method, path, { token: owner.token, body })
        expect(answer.status).toBe(400)
        expect(at(answer.json, 'msg')).toMatch(/wanted .*, got /)
      }
    })
})

describe('errors', () => {
  test('[GR9] the incident id is opaque, and stands in the log beside the reason', async () => {
    const answer = await door.call('GET', `/trails/${device.id}/steps/77`, { token: owner.token })
    expect(answer.status).toBe(404)
    expect(answer.json).toEqual({
      error: expect.stringMatching(/^REST-ERR-ID-\d{19}$/),
      msg: `trail ${device.id}: there is no step 77`,
      code: 404,
    })
    const line = door
      .logged()
      .split('\n')
      .find((text) => text.includes(String(at(answer.json, 'error'))))
    expect(at(JSON.parse(line ?? '{}'), 'reason')).toEqual({
      kind: 'no-such-step',
      device: device.id,
      got: 77,
    })
  })

  test('[GR9] no two incidents are the same', async () => {
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => door.call('GET', '/devices/tokens', { token: device.token })),
    )
    expect(new Set(answers.map((answer) => at(answer.json, 'error'))).size).toBe(20)
  })
})

const filled = (path: string) =>
  path
    .replace(':id', device.id)
    .replace(':rev', '0')
    .replace(':sha', 'a'.repeat(64))
    .replace(':usernick', owner.nick)
    .replace(':devicenick', device.nick)

describe('who may call', () => {
  const rows = (routes as readonly Row[]).filter(({ who }) => !(who.length === 1 && who[0] === 'none'))

  for (const { method, path, who } of rows)
    test(`[GR11] ${method} ${path} without a good bearer`, async () => {
      const none = await door.call(method, filled(path))
      if (!who.includes('none'))
        expect([none.status, none.headers.get('www-authenticate')]).toEqual([401, header])
      for (const authorization of ['Bearer nonsense', 'Bearer ', `bearer ${owner.token}`, 'Basic YTpi']) {
        const answer = await door.call(method, filled(path), { headers: { authorization } })
        expect([answer.status, answer.headers.get('www-authenticate'), answer.json]).toEqual([
          401,
          header,
          { Error: 'Not Authorized' },
        ])
      }
    })

  test('[GR11] a token of another house, a tampered one and one that has expired are 401', async () => {
    const other = await openDoor()
    const stranger = await other.person()
    const [head, claims, signature] = owner.token.split('.')
    const tampered = `${head}.${Buffer.from('{"id":"admin"}').toString('base64url')}.${signature}`
    for (const token of [stranger.token, tampered, `${head}.${claims}.`])
      expect((await door.call('GET', '/devices/', { token })).status).toBe(401)
    other.pass(61 * 60_000)
    expect((await other.call('GET', '/devices/', { token: stranger.token })).status).toBe(401)
  })

  const kinds = { user: owner.token, device: device.token, anonymous }
  for (const { method, path, who } of rows)
    for (const [kind, token] of Object.entries(kinds))
      if (!who.some((word) => word === kind))
        test(`[GR14] ${method} ${path} is refused to a ${kind}`, async () => {
          const answer = await door.call(method, filled(path), { token, body: factory })
          expect(answer.status).toBe(403)
          expect(at(answer.json, 'msg')).toContain(`got ${kind}`)
        })
})

describe('scopes', () => {
  const rows = (routes as readonly Row[]).filter(
    ({ scope, who }) => scope !== undefined && who.includes('user'),
  )
  test('[GR12] every route with a scope refuses a token without it, and tells which it wants', async () => {
    const token = await door.enter(owner.nick, owner.password, 'metrics.readonly')
    for (const { method, path } of rows) {
      const answer = await door.call(method, filled(path), { token, body: {} })
      expect([method, path, answer.status]).toEqual([method, path, 403])
      expect(answer.headers.get('www-authenticate')).toMatch(
        /^Bearer Realm="pantahub services", ph-aeps="http[^"]+\/auth", scope="prn:pantahub\.com:apis:\/base\/all [^"]+", error="insufficient_scope", error_description="[^"]+"$/,
      )
    }
  })

  for (const [scope, path, status] of [
    ['devices.readonly', '/devices/', 200],
    ['devices', '/objects/', 200],
    ['devices', '/trails/', 403],
    ['trails.readonly', `/trails/${device.id}/steps`, 200],
    ['objects.write', '/objects/', 403],
    ['prn:pantahub.com:apis:/base/all', '/trails/', 200],
    ['prn:pantahub.com:apis:/other/all', '/trails/', 403],
  ] as const)
    test(`[GR12] scope ${scope} on ${path.replace(device.id, ':id')}: ${status}`, async () => {
      const token = await door.enter(owner.nick, owner.password, scope)
      expect((await door.call('GET', path, { token })).status).toBe(status)
    })

  test('[GR12] a token that may only read changes nothing', async () => {
    const token = await door.enter(
      owner.nick,
      owner.password,
      'devices.readonly trails.readonly objects.readonly',
    )
    for (const { method, path, scope } of rows)
      if (scope?.endsWith('.write') || scope?.endsWith('.change'))
        expect([path, (await door.call(method, filled(path), { token, body: {} })).status]).toEqual([
          path,
          403,
        ])
  })
})

test('[GR13] the page of routes is the one the table makes', () => {
  const page = new URL('../../src/doors/pantahub/ROUTES.md', import.meta.url)
  expect(readFileSync(page, 'utf8')).toBe(routesPage())
})

test('[GR13] every route lies under a mount, and no two are the same', () => {
  const names = routes.map(({ method, path }) => `${method} ${path}`)
  expect(new Set(names).size).toBe(names.length)
  for (const { path } of routes)
    expect(Object.keys(mounts).some((mount) => path.startsWith(mount))).toBe(true)
})
