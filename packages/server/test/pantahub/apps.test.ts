import { createHash } from 'node:crypto'
import { afterAll, describe, expect, test } from 'vitest'
import { isLoopback, isRegistered } from '../../src/doors/pantahub/codes.ts'
import { type Answer, at, openDoor, type Person } from './support.ts'

const door = await openDoor({}, afterAll)
const author = await door.person()
const user = await door.person()
const base = 'prn:pantahub.com:apis:/base/'
const redirect = 'https://app.example/back'

type Type = 'public' | 'confidential' | 'pkce'
const facts = (nick: string, type: Type = 'confidential') => ({
  nick,
  name: `The ${nick}`,
  type,
  redirect_uris: [redirect],
  scopes: [
    {
      id: 'devices.readonly',
      service: 'prn:pantahub.com:apis:/base',
      description: 'sees devices',
      required: true,
    },
    'trails.readonly',
  ],
})
async function register(nick: string, type?: Type, person: Person = author) {
  const { json } = await door.must('POST', '/apps/', { token: person.token, body: facts(nick, type) })
  return {
    id: String(at(json, 'id')),
    prn: String(at(json, 'prn')),
    secret: String(at(json, 'secret')),
    json,
  }
}
const agree = (token: string, path: string, body: object, headers: Record<string, string> = {}) =>
  door.call('POST', path, { token, body, headers })
const msg = (answer: Answer) => String(at(answer.json, 'msg'))

describe('apps', () => {
  test('[AP1] an app has a prn of its nick and a secret that is shown once; only its owner sees it', async () => {
    const { id, prn, secret, json } = await register('first-app')
    expect([prn, secret.length, at(json, 'owner'), at(json, 'owner-nick')]).toEqual([
      'prn:pantahub.com:apis:/first-app',
      40,
      author.prn,
      author.nick,
    ])
    expect(at(json, 'scopes', 1)).toEqual({
      id: 'trails.readonly',
      service: 'prn:pantahub.com:apis:/base',
      description: '',
      required: false,
    })
    for (const path of ['/apps/', `/apps/${id}`, '/apps/first-app']) {
      const seen = await door.must('GET', path, { token: author.token })
      expect([seen.text.includes('first-app'), seen.text.includes(secret)]).toEqual([true, false])
    }
    for (const [method, path] of [
      ['GET', `/apps/${id}`],
      ['PUT', `/apps/${id}`],
      ['DELETE', `/apps/${id}`],
      ['GET', '/apps/0123456789abcdef01234567'],
      ['PUT', '/apps/nobody'],
      ['DELETE', '/apps/nobody'],
    ] as const)
      expect([
        method,
        path,
        (await door.call(method, path, { token: user.token, body: facts('x') })).status,
      ]).toEqual([method, path, 404])
    expect((await door.must('GET', '/apps/', { token: user.token })).text).toBe('[]')
    expect(door.logged()).not.toContain(secret)
  })

  test('[AP1] its nick is made from its name, stays, and is nobody else’s', async () => {
    const made = await door.must('POST', '/apps/', {
      token: author.token,
      body: { ...facts(''), nick: '', name: 'My App, 2nd!' },
    })
    expect(at(made.json, 'nick')).toBe('my-app-2nd')
    expect((await agree(user.token, '/apps/', facts('my-app-2nd'))).status).toBe(409)
    const renamed = await door.must('PUT', `/apps/${at(made.json, 'id')}`, {
      token: author.token,
      body: { ...facts('other'), name: 'Other' },
    })
    expect([at(renamed.json, 'nick'), at(renamed.json, 'name'), at(renamed.json, 'secret')]).toEqual([
      'my-app-2nd',
      'Other',
      '',
    ])
  })

  for (const [why, change] of [
    ['no scope', { scopes: [] }],
    ['no scopes at all', { scopes: undefined }],
    ['no redirect', { redirect_uris: [] }],
    ['a redirect that runs', { redirect_uris: ['javascript:alert(1)'] }],
    ['a redirect with a password', { redirect_uris: ['https://u:p@app.example/'] }],
    ['a redirect with a fragment', { redirect_uris: ['https://app.example/#x'] }],
    ['a logo over 15 kB', { logo: 'x'.repeat(15 * 1024 + 1) }],
    ['a type nobody knows', { type: 'native' }],
    ['the nick of Base', { nick: 'base' }],
    ['no nick', { nick: '', name: '!' }],
    ['a scope with spaces', { scopes: ['a b'] }],
    ['a scope of nothing', { scopes: [{ id: 'x', service: 'not a prn' }] }],
    ['scopes that are none', { scopes: { a: 1 } }],
  ] as const)
    test(`[AP1] ${why}: 400`, async () => {
      expect((await agree(author.token, '/apps/', { ...facts('unfit-app'), ...change })).status).toBe(400)
    })

  test('[AP2] the scopes there are, and those an app exposes, are open to all', async () => {
    const { json } = await door.must('GET', '/apps/scopes')
    expect(at(json, 0)).toEqual({
      id: 'all',
      service: 'prn:pantahub.com:apis:/base',
      description: 'everything',
      required: false,
    })
    const exposed = [
      { id: 'read', service: 'prn:pantahub.com:apis:/exposer', description: 'reads', required: false },
    ]
    await agree(author.token, '/apps/', { ...facts('exposer'), exposed_scopes: exposed })
    expect((await door.must('GET', '/apps/scopes?serviceID=prn:pantahub.com:apis:/exposer')).json).toEqual(
      exposed,
    )
    expect((await door.must('GET', '/apps/scopes?serviceID=nonsense')).json).toEqual([])
  })

  test('[AP3] a confidential app logs in by prn and secret, and may do nothing but redeem codes', async () => {
    const { prn, secret } = await register('service-app')
    const token = await door.enter(prn, secret)
    const claims = (await door.must('GET', '/auth/auth_status', { token })).json
    expect([at(claims, 'type'), at(claims, 'prn'), at(claims, 'roles')]).toEqual(['SERVICE', prn, 'service'])
    for (const path of ['/devices/', '/trails/', '/objects/', '/auth/', '/tokens/', '/apps/', '/logs/'])
      expect([path, (await door.call('GET', path, { token })).status]).toEqual([path, 403])
    for (const [name, password] of [
      [prn, 'wrong'],
      [prn, ''],
      ['prn:pantahub.com:apis:/nobody', secret],
      [(await register('open-app', 'public')).prn, ''],
    ] as const)
      expect((await door.call('POST', '/auth/login', { body: { username: name, password } })).status).toBe(
        401,
      )
  })
})

describe('codes', () => {
  test('[AP4] a code becomes a token with the scopes that were agreed on, once, for its app alone', async () => {
    const app = await register('coder')
    const other = await register('thief')
    const given = await agree(user.token, '/auth/code', {
      service: app.prn,
      scopes: 'devices.readonly',
      redirect_uri: `${redirect}/in`,
      state: 'a b&c',
    })
    const code = String(at(given.json, 'code'))
    expect([given.status, at(given.json, 'scopes')]).toEqual([200, `${base}devices.readonly`])
    expect(at(given.json, 'redirect_uri')).toBe(`${redirect}/in?code=${code}&state=a+b%26c`)
    const [mine, theirs] = [await door.enter(app.prn, app.secret), await door.enter(other.prn, other.secret)]
    expect((await agree(theirs, '/auth/token', { 'access-code': code })).status).toBe(401)
    const redeemed = await agree(mine, '/auth/token', { 'access-code': code, comment: 'x' })
    expect([at(redeemed.json, 'token_type'), at(redeemed.json, 'scopes')]).toEqual([
      'bearer',
      `${base}devices.readonly`,
    ])
    const token = String(at(redeemed.json, 'token'))
    const claims = (await door.must('GET', '/auth/auth_status', { token })).json
    expect([at(claims, 'prn'), at(claims, 'aud')]).toEqual([user.prn, app.prn])
    expect((await door.call('GET', '/devices/', { token })).status).toBe(200)
    expect((await door.call('GET', '/trails/', { token })).status).toBe(403)
    for (const again of [code, '', 'x', `${code}x`])
      expect((await agree(mine, '/auth/token', { 'access-code': again })).status).toBe(401)
    // What was handed on hands nothing on.
    const body = { service: app.prn, redirect_uri: redirect }
    expect((await agree(token, '/auth/code', body)).status).toBe(403)
    expect((await agree(token, '/tokens/', { name: 'x' })).status).toBe(403)
    await door.must('DELETE', `/apps/${app.id}`, { token: author.token })
    expect((await door.call('GET', '/devices/', { token })).status).toBe(401)
    expect((await door.call('GET', '/auth/auth_status', { token: mine })).status).toBe(401)
    await register('coder')
    expect((await door.call('GET', '/devices/', { token })).status).toBe(401)
  })

  test('[AP4] of many who redeem a code at once one succeeds', async () => {
    const app = await register('racer')
    const given = await agree(user.token, '/auth/code', { service: app.prn, redirect_uri: redirect })
    const token = await door.enter(app.prn, app.secret)
    const body = { 'access-code': at(given.json, 'code') }
    const all = await Promise.all(Array.from({ length: 8 }, () => agree(token, '/auth/token', body)))
    expect(all.filter(({ status }) => status === 200)).toHaveLength(1)
  })

  test('[AP4] a code is void after five minutes, and when its giver’s password has changed', async () => {
    const own = await openDoor()
    const [maker, giver] = [await own.person(), await own.person()]
    const app = (await own.must('POST', '/apps/', { token: maker.token, body: facts('late-app') })).json
    const service = await own.enter(String(at(app, 'prn')), String(at(app, 'secret')))
    const give = async () =>
      at(
        (
          await own.must('POST', '/auth/code', {
            token: giver.token,
            body: { service: at(app, 'prn'), redirect_uri: redirect },
          })
        ).json,
        'code',
      )
    const redeem = async (code: unknown) =>
      (await own.call('POST', '/auth/token', { token: service, body: { 'access-code': code } })).status
    const late = await give()
    own.pass(300_001)
    expect(await redeem(late)).toBe(401)
    const code = await give()
    const { changePassword, principalByNick } = await import('@waymark/domain')
    const { store } = own.house
    const person = await principalByNick(store.readHouse(), giver.nick)
    if (!person) throw new Error('the giver is there')
    const by = { kind: 'user', id: person.id } as const
    await store.transactHouse((tx) =>
      changePassword(tx, own.house.env(), { principal: person.id, passwordHash: 'x', by }),
    )
    expect(await redeem(code)).toBe(401)
  })

  test('[AP5] a token in the fragment, for apps that ask for it', async () => {
    const app = await register('implicit', 'public')
    const body = { service: app.prn, scopes: `${base}trails.readonly`, redirect_uri: redirect, state: 's' }
    const given = await agree(user.token, '/auth/authorize', body)
    const url = new URL(String(at(given.json, 'redirect_uri')))
    const fragment = new URLSearchParams(url.hash.slice(1))
    expect(Object.fromEntries(fragment)).toEqual({
      access_token: at(given.json, 'token'),
      token_type: 'bearer',
      expires_in: '3600',
      scope: `${base}trails.readonly`,
      state: 's',
    })
    const token = String(at(given.json, 'token'))
    expect((await door.call('GET', '/trails/', { token })).status).toBe(200)
    expect((await door.call('GET', '/devices/', { token })).status).toBe(403)
  })

  for (const path of ['/auth/code', '/auth/authorize'])
    for (const [why, change] of [
      ['an unknown service', { service: 'prn:pantahub.com:apis:/nobody' }],
      ['no service', { service: undefined }],
      ['a scope that is not the app’s', { scopes: 'devices.write' }],
      ['another redirect', { redirect_uri: 'https://evil.example/back' }],
      ['a redirect that only begins alike', { redirect_uri: 'https://app.example/backdoor' }],
      ['no redirect', { redirect_uri: undefined }],
      ['another response type', { response_type: 'id_token' }],
      ['scopes that are no text', { scopes: ['all'] }],
    ] as const)
      test(`[AP6] ${path} with ${why}: 400`, async () => {
        const nick = `strict-${path.slice(6)}`
        const known = await door.call('GET', `/apps/${nick}`, { token: author.token })
        if (known.status === 404) await register(nick, 'public')
        const answer = await agree(user.token, path, {
          service: `prn:pantahub.com:apis:/${nick}`,
          redirect_uri: redirect,
          ...change,
        })
        expect(answer.status).toBe(400)
        expect(msg(answer)).toMatch(/wanted .*, got /)
      })

  test('[AP6] nobody lets an app do what the own token may not', async () => {
    const app = await register('greedy', 'public')
    const narrow = await door.enter(user.nick, user.password, 'devices.readonly')
    const body = { service: app.prn, redirect_uri: redirect }
    expect((await agree(narrow, '/auth/authorize', body)).status).toBe(403)
    expect((await agree(narrow, '/auth/authorize', { ...body, scopes: 'devices.readonly' })).status).toBe(200)
  })

  // biome-ignore format: a table
  for (const [registered, asked, good] of [
    ['https://a.example/cb', 'https://a.example/cb', true],
    ['https://a.example/cb', 'https://a.example/cb/more', true],
    ['https://a.example/cb', 'https://a.example/cb?x=1', true],
    ['https://a.example/cb', 'https://A.EXAMPLE/cb', true],
    ['https://a.example/', 'https://a.example/any', true],
    ['https://a.example/cb', 'https://a.example/cbx', false],
    ['https://a.example/cb', 'https://a.example/cb/../evil', false],
    ['https://a.example/cb', 'https://a.example/cb/%2e%2e/evil', false],
    ['https://a.example', 'https://a.example.evil.example/', false],
    ['https://a.example', 'https://a.example@evil.example/', false],
    ['https://a.example', 'https://evil.example\\@a.example/', false],
    ['https://a.example/cb', 'http://a.example/cb', false],
    ['https://a.example/cb', 'https://a.example:8443/cb', false],
    ['https://a.example/cb', '//a.example/cb', false],
    ['https://a.example/cb', 'javascript://a.example/cb', false],
    ['https://a.example/cb', 'https://a.example/cb#x', false],
    ['https://a.example/cb', 'https://a.example/cb\r\nx', false],
  ] as const)
    test(`[AP6] ${asked.replace(/\s/g, '_')} ${good ? 'lies below' : 'is not'} ${registered}`, () => {
      expect(isRegistered({ redirectUris: [registered] }, asked)).toBe(good)
    })

  for (const [asked, good] of [
    ['http://localhost/callback', true],
    ['http://127.0.0.1:51234/callback', true],
    ['https://localhost:8443/callback/x', true],
    ['http://localhost/callbacks', false],
    ['http://localhost/', false],
    ['http://localhost.evil.example/callback', false],
    ['http://evil.example/callback', false],
    ['http://localhost@evil.example/callback', false],
    ['http://[::1]/callback', false],
    ['file://localhost/callback', false],
  ] as const)
    test(`[AP7] ${asked} ${good ? 'leads' : 'does not lead'} to this machine`, () => {
      expect(isLoopback(asked)).toBe(good)
    })
})

describe('logins with a code challenge', () => {
  const verifier = 'a-verifier-of-at-least-43-characters-and-no-less~'
  const challenge = createHash('sha256').update(verifier).digest('base64url')
  const back = 'http://127.0.0.1:51234/callback'

  async function begin(prn: string, change: Record<string, string> = {}) {
    const query = new URLSearchParams({
      client_id: prn,
      redirect_uri: back,
      code_challenge: challenge,
      code_challenge_method: 'S256',
      state: 'x y',
      ...change,
    })
    const answer = await door.call('GET', `/auth/oauth/authorize?${query}`)
    const cookies = answer.headers.getSetCookie()
    return { answer, cookies, cookie: cookies.map((one) => one.split(';')[0]).join('; ') }
  }
  const consent = (prn: string, cookie: string, change: object = {}) =>
    agree(user.token, '/auth/code', { service: prn, redirect_uri: back, state: 'x y', ...change }, { cookie })
  const finish = (code: unknown, change: object = {}) =>
    door.call('POST', '/auth/oauth/token', {
      body: {
        grant_type: 'authorization_code',
        'access-code': code,
        code_verifier: verifier,
        redirect_uri: back,
        ...change,
      },
    })

  test('[AP7] challenge, consent, verifier: a token', async () => {
    const app = await register('cli-app', 'pkce')
    const { answer, cookies, cookie } = await begin(app.prn)
    expect(answer.status).toBe(307)
    const front = new URL(String(answer.headers.get('location')))
    expect([front.pathname, front.searchParams.get('client_id'), front.searchParams.get('state')]).toEqual([
      '/oauth2/authorize',
      app.prn,
      'x y',
    ])
    expect(cookies.map((one) => one.split('=')[0])).toEqual(['pkce_auth_code', 'pkce_redirect_uri'])
    for (const one of cookies) expect(one).toMatch(/; Path=\/; Max-Age=300; HttpOnly; SameSite=Lax$/)
    const given = await consent(app.prn, cookie)
    const code = at(given.json, 'code')
    const done = await finish(code)
    expect([done.status, Object.keys(done.json as object)]).toEqual([200, ['token', 'token_type']])
    const token = String(at(done.json, 'token'))
    expect(at((await door.must('GET', '/auth/auth_status', { token })).json, 'prn')).toBe(user.prn)
    expect((await finish(code)).status).toBe(400)
    // The request was used up as well.
    expect((await consent(app.prn, cookie)).status).toBe(400)
  })

  test('[AP7] a wrong verifier or redirect costs the code', async () => {
    const app = await register('guess-app', 'pkce')
    for (const change of [{ code_verifier: 'b'.repeat(43) }, { redirect_uri: 'http://localhost/callback' }]) {
      const { cookie } = await begin(app.prn)
      const code = at((await consent(app.prn, cookie)).json, 'code')
      expect((await finish(code, change)).status).toBe(400)
      expect((await finish(code)).status).toBe(400)
    }
  })

  test('[AP7] an app that has to use challenges gets no code without, and no token', async () => {
    const app = await register('bound-app', 'pkce')
    expect((await consent(app.prn, '')).status).toBe(400)
    expect((await consent(app.prn, 'pkce_auth_code=made-up')).status).toBe(400)
    const { cookie } = await begin(app.prn)
    const other = 'http://127.0.0.1:1/callback'
    expect((await consent(app.prn, cookie, { redirect_uri: other })).status).toBe(400)
    const implicit = { service: app.prn, redirect_uri: redirect }
    expect((await agree(user.token, '/auth/authorize', implicit)).status).toBe(400)
  })

  test('[AP7] a code with a challenge is none for those who redeem without', async () => {
    const open = await register('both-app', 'public')
    const { cookie } = await begin(open.prn)
    const code = at((await consent(open.prn, cookie)).json, 'code')
    await door.must('PUT', `/apps/${open.id}`, {
      token: author.token,
      body: facts('both-app', 'confidential'),
    })
    const turned = await door.must('GET', `/apps/${open.id}`, { token: author.token })
    expect(at(turned.json, 'type')).toBe('confidential')
    const plain = await agree(user.token, '/auth/code', { service: open.prn, redirect_uri: redirect })
    expect((await finish(at(plain.json, 'code'))).status).toBe(400)
    expect((await finish(code)).status).toBe(200)
  })

  for (const [why, change] of [
    ['plain challenges', { code_challenge_method: 'plain' }],
    ['a short challenge', { code_challenge: 'x' }],
    ['a redirect elsewhere', { redirect_uri: 'https://app.example/callback' }],
    ['an unknown app', { client_id: 'prn:pantahub.com:apis:/nobody' }],
    ['another response type', { response_type: 'token' }],
    ['a scope that is not the app’s', { scope: 'all' }],
  ] as const)
    test(`[AP7] ${why}: 400`, async () => {
      const known = await door.call('GET', '/apps/picky-app', { token: author.token })
      if (known.status === 404) await register('picky-app', 'pkce')
      expect((await begin('prn:pantahub.com:apis:/picky-app', change)).answer.status).toBe(400)
    })

  test('[AP7] an app with a secret does not log in this way; other grants and nonsense are 400', async () => {
    const app = await register('secret-app')
    expect((await begin(app.prn)).answer.status).toBe(400)
    for (const change of [
      { grant_type: 'password' },
      { code_verifier: 'short' },
      { 'access-code': 7 },
      { 'access-code': 'x' },
    ])
      expect((await finish('x', change)).status).toBe(400)
  })
})
