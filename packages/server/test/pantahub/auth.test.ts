import { request } from 'node:http'
import { afterAll, describe, expect, test } from 'vitest'
import { adminPassword } from '../house.ts'
import { at, listOf, openDoor } from './support.ts'

const door = await openDoor({}, afterAll)
const owner = await door.person('olga')
const device = await door.deviceOf(owner)
const status = async (token: string, mount = '/auth/') =>
  (await door.must('GET', `${mount}auth_status`, { token })).json

describe('login', () => {
  for (const [name, form] of [
    ['nick', 'olga'],
    ['e-mail', 'olga@example.com'],
    ['e-mail in capitals', 'OLGA@EXAMPLE.COM'],
    ['account prn', owner.prn],
  ] as const)
    test(`[AU1] a person logs in by ${name}`, async () => {
      const claims = await status(await door.enter(form, owner.password))
      expect(at(claims, 'prn')).toBe(owner.prn)
      expect([at(claims, 'type'), at(claims, 'roles'), at(claims, 'nick')]).toEqual(['USER', 'user', 'olga'])
      expect(at(claims, 'scopes')).toBe('prn:pantahub.com:apis:/base/all')
    })

  test('[AU1] a device logs in by prn and secret, and its token names the owner', async () => {
    const claims = await status(await door.enter(device.prn, device.secret))
    expect([at(claims, 'type'), at(claims, 'prn'), at(claims, 'owner')]).toEqual([
      'DEVICE',
      device.prn,
      owner.prn,
    ])
  })

  test('[AU1] an administrator acts for somebody, and everything is judged by who that is', async () => {
    const token = await door.enter('admin==>olga', adminPassword)
    const claims = await status(token)
    expect([at(claims, 'nick'), at(claims, 'call-as', 'nick')]).toEqual(['admin', 'olga'])
    expect(listOf(await door.must('GET', '/devices/', { token })).map((one) => at(one, 'id'))).toEqual([
      device.id,
    ])
    const refused = await door.call('POST', '/auth/login', {
      body: { username: 'olga==>admin', password: owner.password },
    })
    expect(refused.status).toBe(401)
  })

  for (const username of ['prn:pantahub.com:apis:/some-app', 'some personal token', 'prn:::accounts:/x', ''])
    test(`[AU1] "${username}" names nobody: 401`, async () => {
      const answer = await door.call('POST', '/auth/login', { body: { username, password: 'x' } })
      expect(answer.status).toBe(401)
    })

  test('[AU2] the reply is one token and nothing else, at most 1016 bytes', async () => {
    const long = 'd'.repeat(128)
    const made = await door.must('POST', '/devices/', {
      token: owner.token,
      body: { nick: long, secret: 's' },
    })
    for (const [username, password] of [
      ['olga', owner.password],
      [device.prn, device.secret],
      [String(at(made.json, 'prn')), 's'],
      ['prn:pantahub.com:auth:/anon', ''],
    ]) {
      const { text, json } = await door.must('POST', '/auth/login', { body: { username, password } })
      expect(Object.keys(json as object)).toEqual(['token'])
      expect(text).toMatch(/^\{\n {2}"token": "[\w.-]+"\n\}$/)
      expect(String(at(json, 'token')).length).toBeLessThanOrEqual(1016)
    }
    const scope = Array.from({ length: 40 }, (_, i) => `devices.number${i}`).join(' ')
    const tooLong = await door.call('POST', '/auth/login', {
      body: { username: 'olga', password: owner.password, scope },
    })
    expect([tooLong.status, at(tooLong.json, 'msg')]).toEqual([400, expect.stringContaining('1016 bytes')])
  })

  test('[AU3] a login or a registration without a User-Agent is 403', async () => {
    for (const path of ['/auth/login', '/devices/']) {
      const reply = await door.raw(
        `POST ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}`,
      )
      expect(reply).toMatch(/^HTTP\/1\.1 403 /)
      expect(reply).toMatch(/"msg":\s?"Incompatible Client; upgrade pantavisor"/)
    }
  })

  for (const [why, username, password] of [
    ['a wrong password', 'olga', 'wrong'],
    ['an unknown name', 'nobody-here', 'x'],
    ['an unknown device', 'prn:::devices:/0123456789abcdef01234567', 'x'],
    ['a wrong secret', device.prn, 'x'],
    ['no password', 'olga', ''],
  ] as const)
    test(`[AU4] ${why} is 401 in the handlers’ shape, without WWW-Authenticate`, async () => {
      const answer = await door.call('POST', '/auth/login', { body: { username, password } })
      expect([answer.status, answer.headers.get('www-authenticate')]).toEqual([401, null])
      expect(answer.json).toEqual({ error: expect.stringMatching(/^REST-ERR-ID-/), code: 401 })
    })

  for (const body of [
    '{',
    '[]',
    '7',
    '{"username":7}',
    '{"username":"olga","password":{"$ne":""}}',
    '{"username":"olga","scope":[]}',
  ])
    test(`[AU4] ${body} is no login: 400`, async () => {
      const answer = await door.call('POST', '/auth/login', {
        body,
        headers: { 'content-type': 'application/json' },
      })
      expect(answer.status).toBe(400)
    })
})

describe('refresh and status', () => {
  test('[AU5] a refresh gives the same claims and a new expiry, until the login is too old; a body is ignored', async () => {
    const own = await openDoor()
    const person = await own.person()
    const before = (await own.must('GET', '/auth/auth_status', { token: person.token })).json
    own.pass(50 * 60_000)
    const reply = await own.raw(
      `GET /auth/login HTTP/1.1\r\nHost: x\r\nUser-Agent: a\r\nConnection: close\r\nAuthorization: Bearer ${person.token}\r\n` +
        'Content-Type: text/plain\r\nContent-Length: 9\r\n\r\nnonsense!',
    )
    let token = /"token": "([^"]+)"/.exec(reply)?.[1] ?? ''
    const after = (await own.must('GET', '/auth/auth_status', { token })).json
    expect(after).toEqual({ ...(before as object), exp: Number(at(before, 'exp')) + 50 * 60 })
    for (let hour = 0; hour < 23; hour++) {
      own.pass(59 * 60_000)
      const next = await own.call('GET', '/auth/login', { token })
      if (next.status !== 200) break
      token = String(at(next.json, 'token'))
    }
    own.pass(55 * 60_000)
    const late = await own.call('GET', '/auth/login', { token })
    expect([late.status, late.headers.get('www-authenticate')]).toEqual([
      401,
      expect.stringMatching(/^JWT realm=/),
    ])
  })

  test('[AU6] auth_status tells the claims under every mount, and nothing of ours', async () => {
    const anonymous = await door.enter('prn:pantahub.com:auth:/anon', '', 'devices.readonly')
    for (const mount of ['/auth/', '/devices/', '/objects/', '/trails/'])
      for (const token of [owner.token, device.token, anonymous]) {
        const claims = await status(token, mount)
        for (const key of ['type', 'nick', 'prn', 'exp', 'orig_iat']) expect(at(claims, key)).toBeDefined()
        expect(Object.keys(claims as object)).not.toContain('tn')
        expect(Object.keys(claims as object)).not.toContain('cv')
      }
  })

  test('[AU11] anonymous tokens keep read-only scopes alone and live five minutes', async () => {
    const claims = await status(
      await door.enter('prn:pantahub.com:auth:/anon', 'x', 'devices trails.readonly all'),
    )
    expect(at(claims, 'scopes')).toBe('prn:pantahub.com:apis:/base/trails.readonly')
    expect(Number(at(claims, 'exp')) - Number(at(claims, 'orig_iat'))).toBe(300)
  })
})

describe('accounts', () => {
  test('[AU7] an account is made with e-mail, password and nick', async () => {
    const made = await door.must('POST', '/auth/accounts', {
      body: { email: 'Peter@Example.com', nick: 'peter', password: 'x', captcha: 'ignored' },
    })
    expect(made.json).toEqual({
      type: 'USER',
      email: 'peter@example.com',
      nick: 'peter',
      prn: expect.stringMatching(/^prn:::accounts:\/[0-9a-f]{24}$/),
      'time-created': expect.stringMatching(/Z$/),
      'time-modified': expect.stringMatching(/Z$/),
    })
  })

  for (const [why, body] of [
    ['no e-mail', { nick: 'newcomer', password: 'x' }],
    ['no password', { nick: 'newcomer', email: 'n@example.com' }],
    ['no nick', { email: 'n@example.com', password: 'x' }],
    ['a nick of two characters', { nick: 'ab', email: 'n@example.com', password: 'x' }],
    ['a nick of 24 characters', { nick: 'a'.repeat(24), email: 'n@example.com', password: 'x' }],
    ['a taken nick', { nick: 'olga', email: 'n@example.com', password: 'x' }],
    ['a taken e-mail', { nick: 'newcomer', email: 'olga@example.com', password: 'x' }],
    ['an e-mail that is none', { nick: 'newcomer', email: 'nowhere', password: 'x' }],
  ] as const)
    test(`[AU7] ${why}: 412 and why`, async () => {
      const answer = await door.call('POST', '/auth/accounts', { body })
      expect([answer.status, at(answer.json, 'msg')]).toEqual([412, expect.stringContaining('wanted')])
    })

  test('[AU8] with a mail server an account cannot log in before it is confirmed', async () => {
    const mailing = await openDoor({ flags: ['--smtp', 'smtp://mail.example'] })
    const body = { nick: 'waiting', email: 'w@example.com', password: 'right' }
    await mailing.must('POST', '/auth/accounts', { body })
    const answer = await mailing.call('POST', '/auth/login', {
      body: { username: 'waiting', password: 'right' },
    })
    expect(answer.status).toBe(401)
  })

  test('[AU9] a session account has a token and no password', async () => {
    const { json } = await door.must('POST', '/auth/sessions')
    expect(Object.keys(json as object)).toEqual(['token'])
    const token = String(at(json, 'token'))
    const claims = await status(token)
    expect([at(claims, 'type'), at(claims, 'roles')]).toEqual(['SESSION', 'session'])
    await door.must('POST', '/devices/', { token, body: { nick: 'of-a-session' } })
    expect(listOf(await door.must('GET', '/devices/', { token }))).toHaveLength(1)
    const login = await door.call('POST', '/auth/login', {
      body: { username: at(claims, 'nick'), password: '' },
    })
    expect(login.status).toBe(401)
  })

  test('[AU10] one sees one’s own account; an administrator sees all', async () => {
    expect(at((await door.must('GET', '/auth/', { token: owner.token })).json, 'nick')).toBe('olga')
    const own = listOf(await door.must('GET', '/auth/accounts', { token: owner.token }))
    expect(own.map((one) => at(one, 'nick'))).toEqual(['olga'])
    expect((await door.call('GET', '/auth/accounts?asadmin=yes', { token: owner.token })).status).toBe(403)
    const admin = await door.enter('admin', adminPassword)
    const all = listOf(await door.must('GET', '/auth/accounts?asadmin=yes', { token: admin }))
    expect(all.map((one) => at(one, 'nick'))).toEqual(expect.arrayContaining(['admin', 'olga']))
  })
})

test('[AU12] wrong passwords are slowed by name and address; the owner gets in from elsewhere', async () => {
  const guarded = await openDoor({ flags: ['--guess-limit', '3'] })
  const person = await guarded.person('guessed')
  const guess = () =>
    guarded.call('POST', '/auth/login', { body: { username: 'guessed', password: 'guess' } })
  const answers = [await guess(), await guess(), await guess(), await guess()]
  expect(answers.map((answer) => answer.status)).toEqual([401, 401, 401, 429])
  expect(Number(answers[3]?.headers.get('retry-after'))).toBeGreaterThan(0)
  expect(
    (await guarded.call('POST', '/auth/login', { body: { username: 'guessed', password: person.password } }))
      .status,
  ).toBe(429)
  expect(await loginFrom('127.0.0.2', guarded.url, { username: 'guessed', password: person.password })).toBe(
    200,
  )
  guarded.pass(60_000)
  expect(
    (await guarded.call('POST', '/auth/login', { body: { username: 'guessed', password: person.password } }))
      .status,
  ).toBe(200)
})

/** Logs in from another address of this machine; answers the status. */
function loginFrom(localAddress: string, url: string, body: object): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const asked = request(`${url}/auth/login`, {
      method: 'POST',
      localAddress,
      headers: { 'content-type': 'application/json', 'user-agent': 'x' },
    })
    asked.on('response', (answer) => {
      answer.resume()
      resolve(answer.statusCode)
    })
    asked.on('error', reject)
    asked.end(JSON.stringify(body))
  })
}
