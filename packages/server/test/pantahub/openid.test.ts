import { createHash } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { createServer, type ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { enterByIdentity, identities } from '@waymark/domain'
import { describe, expect, onTestFinished, test } from 'vitest'
import { parseProviders } from '../../src/doors/pantahub/openid-providers.ts'
import { at, openDoor } from './support.ts'

interface Person {
  [key: string]: unknown
}

/** A provider whose users are whoever the test says is sitting at the browser, and that can be made to misbehave. */
async function fakeProvider() {
  const given = new Map<string, { person: Person; challenge: string; redirect: string }>()
  const said = { token: undefined as string | undefined, user: undefined as string | undefined }
  const server = createServer((request, response) => {
    let body = ''
    request.on('data', (piece) => {
      body += String(piece)
    })
    request.on('end', () => {
      if (request.url === '/token') grant(new URLSearchParams(body), response)
      else if (request.url === '/user') tell(request.headers.authorization ?? '', response)
      else response.writeHead(302, { location: 'http://127.0.0.1:1/' }).end()
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  const address = server.address()
  const url = `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`

  function grant(form: URLSearchParams, response: ServerResponse): void {
    if (said.token !== undefined) return void response.end(said.token)
    const held = given.get(form.get('code') ?? '')
    const challenge = createHash('sha256')
      .update(form.get('code_verifier') ?? '')
      .digest('base64url')
    const good =
      held?.challenge === challenge &&
      held.redirect === form.get('redirect_uri') &&
      form.get('client_id') === 'us' &&
      form.get('client_secret') === 'between us'
    if (!good) return void response.writeHead(400).end('{}')
    response.end(JSON.stringify({ access_token: form.get('code'), token_type: 'bearer' }))
  }

  function tell(authorization: string, response: ServerResponse): void {
    if (said.user !== undefined) return void response.end(said.user)
    const held = given.get(authorization.replace('Bearer ', ''))
    response.end(JSON.stringify(held?.person ?? {}))
  }

  return {
    url,
    said,
    /** Somebody consents: where the browser is sent back to. */
    consent(location: string, person: Person): URL {
      const asked = new URL(location).searchParams
      const code = `code-${given.size}`
      const redirect = asked.get('redirect_uri') ?? ''
      given.set(code, { person, challenge: asked.get('code_challenge') ?? '', redirect })
      const back = new URL(redirect)
      back.searchParams.set('code', code)
      back.searchParams.set('state', asked.get('state') ?? '')
      return back
    },
  }
}

async function withProvider(flags: readonly string[] = []) {
  const provider = await fakeProvider()
  const described = (service: string) => ({
    service,
    clientId: 'us',
    clientSecret: 'between us',
    authorizeUrl: `${provider.url}/authorize`,
    tokenUrl: `${provider.url}/token`,
    userUrl: `${provider.url}/user`,
  })
  const file = join(tmpdir(), `waymark-providers-${process.pid}-${Math.random().toString(36).slice(2)}.json`)
  writeFileSync(file, JSON.stringify([described('ours'), described('theirs')]))
  const { rmSync } = await import('node:fs')
  onTestFinished(() => rmSync(file, { force: true }))
  const door = await openDoor({ flags: ['--openid-providers', file, ...flags] })

  async function leave(service = 'ours') {
    const answer = await door.call('GET', `/auth/oauth/login/${service}`)
    const cookie = (answer.headers.getSetCookie()[0] ?? '').split(';')[0] ?? ''
    return { answer, cookie, location: answer.headers.get('location') ?? '' }
  }
  const comeBack = (back: URL, cookie: string) =>
    door.call('GET', `${back.pathname}${back.search}`, { headers: { cookie } })
  async function enter(person: Person, service = 'ours') {
    const { cookie, location } = await leave(service)
    return comeBack(provider.consent(location, person), cookie)
  }
  const accountOf = async (token: unknown) =>
    (await door.must('GET', '/auth/', { token: String(token) })).json
  return { provider, door, leave, comeBack, enter, accountOf, file }
}

const person = { sub: 'p-1', preferred_username: 'petra', email: 'petra@example.com', email_verified: true }

describe('logging in by another provider', () => {
  test('[OI1] there and back: an account at the first time, the same one from then on', async () => {
    const { door, leave, enter, accountOf } = await withProvider()
    const { answer, location } = await leave()
    expect(answer.status).toBe(302)
    const asked = new URL(location).searchParams
    expect([asked.get('client_id'), asked.get('response_type'), asked.get('code_challenge_method')]).toEqual([
      'us',
      'code',
      'S256',
    ])
    expect(asked.get('redirect_uri')).toBe(`${door.url}/auth/oauth/callback/ours`)
    expect(answer.headers.getSetCookie()[0]).toMatch(/; Path=\/auth\/; Max-Age=600; HttpOnly; SameSite=Lax$/)
    const first = await enter(person)
    expect([first.status, Object.keys(first.json as object)]).toEqual([200, ['token']])
    const account = await accountOf(at(first.json, 'token'))
    expect([at(account, 'nick'), at(account, 'email')]).toEqual(['petra', 'petra@example.com'])
    const again = await enter({ ...person, preferred_username: 'renamed', email: 'other@example.com' })
    expect(at(await accountOf(at(again.json, 'token')), 'prn')).toBe(at(account, 'prn'))
    // The same name at another provider is somebody else.
    const elsewhere = await enter(person, 'theirs')
    const other = await accountOf(at(elsewhere.json, 'token'))
    expect([at(other, 'nick'), at(other, 'email')]).toEqual(['petra-2', ''])
    expect(at(other, 'prn')).not.toBe(at(account, 'prn'))
    expect(door.logged()).not.toContain('between us')
  })

  test('[AU20] where sign-up is closed nobody makes an account, and those who have one get in', async () => {
    const { door, enter } = await withProvider(['--sign-up', 'closed'])
    const facts = { nick: 'newcomer', email: 'new@example.com', password: 'secret of newcomer' }
    expect((await door.call('POST', '/auth/accounts', { body: facts })).status).toBe(403)
    expect((await door.call('POST', '/auth/sessions')).status).toBe(403)
    expect((await enter(person)).status).toBe(403)
    const { store, env, passwords } = door.house
    const passwordHash = await passwords.hash('of nobody')
    await store.transactHouse((tx) =>
      enterByIdentity(tx, env(), { provider: 'ours', subject: 'p-1', nick: 'petra', passwordHash }),
    )
    expect((await enter(person)).status).toBe(200)
    expect(await door.enter('admin', 'correct horse battery')).toMatch(/^ey/)
    // Devices come in as ever.
    expect((await door.call('POST', '/devices/')).status).toBe(200)
  })

  test('[OI2] state and cookie belong together, for one provider and ten minutes', async () => {
    const { door, provider, leave, comeBack } = await withProvider()
    const [mine, evil] = [await leave(), await leave()]
    const back = provider.consent(evil.location, person)
    for (const cookie of ['', mine.cookie, 'openid_state=x', 'openid_state='])
      expect((await comeBack(back, cookie)).status).toBe(403)
    const elsewhere = new URL(back)
    elsewhere.pathname = '/auth/oauth/callback/theirs'
    expect((await comeBack(elsewhere, evil.cookie)).status).toBe(403)
    for (const state of ['', 'x', `${back.searchParams.get('state')}x`]) {
      const changed = new URL(back)
      changed.searchParams.set('state', state)
      expect((await comeBack(changed, evil.cookie)).status).toBe(403)
    }
    door.pass(600_001)
    expect((await comeBack(back, evil.cookie)).status).toBe(403)
    const { cookie, location } = await leave()
    expect((await comeBack(provider.consent(location, person), cookie)).status).toBe(200)
  })

  test('[OI2] a refusal at the provider, an unknown code and an unknown provider make nobody', async () => {
    const { door, provider, leave, comeBack } = await withProvider()
    const { cookie, location } = await leave()
    const back = provider.consent(location, person)
    const refused = new URL(back)
    refused.searchParams.delete('code')
    refused.searchParams.set('error', 'access_denied')
    expect((await comeBack(refused, cookie)).status).toBe(403)
    const forged = new URL(back)
    forged.searchParams.set('code', 'made up')
    expect((await comeBack(forged, cookie)).status).toBe(502)
    for (const path of [
      '/auth/oauth/login/nobody',
      '/auth/oauth/callback/nobody',
      '/auth/oauth/login/__proto__',
    ])
      expect((await door.call('GET', path)).status).toBe(404)
    const none = await openDoor()
    expect((await none.call('GET', '/auth/oauth/login/google')).status).toBe(404)
  })

  test('[OI3] an account that has the address is not taken, and an unconfirmed address is left out', async () => {
    const { door, enter, accountOf } = await withProvider()
    const olga = await door.person('olga')
    const came = await enter({ ...person, preferred_username: 'olga', email: 'olga@example.com' })
    const account = await accountOf(at(came.json, 'token'))
    expect(at(account, 'prn')).not.toBe(olga.prn)
    expect([at(account, 'nick'), at(account, 'email')]).toEqual(['olga-2', ''])
    for (const [sub, email_verified] of [
      ['a', false],
      ['b', undefined],
      ['c', 'true'],
    ] as const) {
      const other = await enter({
        sub,
        preferred_username: `u-${sub}-x`,
        email: `${sub}@example.com`,
        email_verified,
      })
      expect(at(await accountOf(at(other.json, 'token')), 'email')).toBe('')
    }
  })

  for (const nick of ['', '!', 'x', '<script>', 'a'.repeat(64), 'имя', '../..', 7, null])
    test(`[OI3] somebody called ${JSON.stringify(nick)} gets a nick that can be one`, async () => {
      const { enter, accountOf } = await withProvider()
      const came = await enter({ sub: 'x-1', preferred_username: nick })
      expect(came.status).toBe(200)
      expect(at(await accountOf(at(came.json, 'token')), 'nick')).toMatch(
        /^[A-Za-z0-9][A-Za-z0-9_.+-]{2,22}$/,
      )
    })

  test('[OI4] what a provider says wrong is 502', async () => {
    const { door, provider, leave, comeBack } = await withProvider()
    const wrong: { token?: string; user?: string }[] = [
      { token: 'no json' },
      { token: '[]' },
      { token: '{}' },
      { token: '{"access_token":7}' },
      { token: '{"access_token":"a b\\n"}' },
      { token: `{"x":"${'x'.repeat(300_000)}"}` },
      { user: '{}' },
      { user: '{"sub":""}' },
      { user: '{"sub":{"$ne":1}}' },
      { user: 'null' },
    ]
    for (const lie of wrong) {
      const { cookie, location } = await leave()
      const back = provider.consent(location, person)
      Object.assign(provider.said, { token: undefined, user: undefined, ...lie })
      expect([JSON.stringify(lie).slice(0, 60), (await comeBack(back, cookie)).status]).toEqual([
        JSON.stringify(lie).slice(0, 60),
        502,
      ])
    }
    expect(await door.house.store.readHouse().count(identities, {})).toBe(0)
  })
})

describe('the file of providers', () => {
  test('[OI1] those known by name need an id and a secret alone', () => {
    for (const service of ['google', 'github', 'gitlab', 'entraid']) {
      const read = parseProviders([{ service, clientId: 'i', clientSecret: 's' }])
      expect(read).toMatchObject({
        ok: true,
        value: [{ service, authorizeUrl: expect.stringMatching(/^https:/) }],
      })
    }
  })

  const whole = { service: 'x', clientId: 'i', clientSecret: 's' }
  for (const [why, content] of [
    ['no array', {}],
    ['no object', [7]],
    ['no service', [{ ...whole, service: undefined }]],
    ['a service that is no word', [{ ...whole, service: '../x' }]],
    ['a service of an object’s', [{ ...whole, service: 'constructor' }]],
    ['no secret', [{ service: 'google', clientId: 'i' }]],
    ['no URLs', [whole]],
    ['a URL in the clear', [{ ...whole, service: 'google', tokenUrl: 'http://example.com/token' }]],
    ['a key mistyped', [{ ...whole, service: 'google', clientID: 'x' }]],
    [
      'one twice',
      [
        { ...whole, service: 'google' },
        { ...whole, service: 'google' },
      ],
    ],
  ] as const)
    test(`[OI1] ${why} is refused`, () => {
      expect(parseProviders(content)).toMatchObject({ ok: false, refusal: { kind: 'bad-providers' } })
    })

  test('[OI1] a file that cannot be read stops the start', async () => {
    await expect(openDoor({ flags: ['--openid-providers', '/nowhere/providers.json'] })).rejects.toThrow(
      /openid-providers: .*wanted a readable file/,
    )
  })
})
