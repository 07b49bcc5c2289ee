import { afterAll, describe, expect, test } from 'vitest'
import { at, openWalk } from './support.ts'

/** The walkthrough's first part: the registry, the login, privileged resources, and bytes of objects. */
const walk = await openWalk({}, afterAll)
const owner = await walk.person()
const device = await walk.deviceWithSteps(owner, 2)
const base = walk.url

describe('using the registry', () => {
  const loginIds = ['olive', 'olive@example.com', 'prn:::accounts:/5c0e0a1b2c3d4e5f60718293', device.prn]
  for (const [way, ask] of [
    ['in the query of a GET', (id: string) => walk.must('GET', `/resolve?id=${encodeURIComponent(id)}`)],
    ['in the JSON body of a GET', (id: string) => walk.must('GET', '/resolve', { body: { id } })],
    ['in the JSON body of a POST', (id: string) => walk.must('POST', '/resolve', { body: { id } })],
    ['in the query of a POST', (id: string) => walk.must('POST', `/resolve?id=${encodeURIComponent(id)}`)],
  ] as const)
    test(`[WT1][PH-07][PH-08][PH-09][PH-10] a login id ${way} is resolved to the login API and its endpoint`, async () => {
      for (const id of loginIds)
        expect((await ask(id)).json).toEqual({ id, api: 'prn:::login:/v1', endpoint: `${base}/api/v1/login` })
    })

  test('[WT1][PH-06][PH-11] who knows a login id alone logs in where the registry says', async () => {
    const { json } = await walk.must('GET', '/resolve', { body: { id: owner.nick } })
    const said = await walk.must('GET', String(at(json, 'endpoint')), {
      body: { identity: owner.nick, secret: owner.password },
    })
    expect(at(said.json, 'text')).toBe('Login Successful.')
  })

  test('[WT1][PH-26][PH-27][PH-28][PH-29] a trail’s id is resolved to the trails API, its endpoint and that very trail', async () => {
    for (const id of [device.id, `prn:::trails:/${device.id}`])
      expect((await walk.must('GET', `/resolve?id=${id}`)).json).toEqual({
        id,
        api: 'prn:::trails:/v1',
        endpoint: `${base}/v1/trails/`,
        resource: `${base}/v1/trails/${device.id}`,
      })
  })

  test('[WT1][PH-30][PH-31][PH-32] with the resource alone a device gets its jobs and reports on them', async () => {
    const own = await walk.deviceWithSteps(owner, 1)
    const { json } = await walk.must('GET', `/resolve?id=${own.id}`)
    const resource = String(at(json, 'resource'))
    expect(walk.revs(await walk.must('GET', `${resource}/steps`, { token: own.token }))).toEqual([1])
    const put = await walk.must('PUT', `${resource}/steps/1`, {
      token: own.token,
      body: { status: 'QUEUED' },
    })
    expect(at(put.json, 'status')).toBe('QUEUED')
  })

  const prns = [
    { id: 'prn:::objects:/MYKERNEL', api: 'prn:::objects:/v1', resource: '/v1/objects/MYKERNEL' },
    { id: 'prn:::sessions:/5c0e0a1b2c3d4e5f60718293', api: 'prn:::login:/v1' },
    { id: 'prn:pantahub.com:auth:/user1', api: 'prn:::login:/v1' },
    { id: 'prn:::devices-tokens:/5c0e0a1b2c3d4e5f60718293', api: 'prn:::devices:/base' },
    { id: 'prn::subscriptions:FREE', api: 'prn:::subscriptions:/base' },
    { id: 'prn:pantahub.com:apis:/base/devices', api: 'prn:::auth:/base' },
  ]
  for (const { id, api, resource } of prns)
    test(`[WT1][PH-25] ${id} is resolved to ${api}`, async () => {
      const { json } = await walk.must('GET', `/resolve?id=${encodeURIComponent(id)}`)
      expect([at(json, 'id'), at(json, 'api')]).toEqual([id, api])
      if (resource) expect(at(json, 'resource')).toBe(base + resource)
    })

  test('[WT1] names that nobody has are answered like those that somebody has', async () => {
    for (const [known, unknown] of [
      [owner.nick, 'nobody-of-that-name'],
      [device.id, 'f'.repeat(24)],
    ] as const) {
      const ask = async (id: string) =>
        (await walk.must('GET', `/resolve?id=${id}`)).text.replaceAll(id, 'ID')
      expect(await ask(unknown)).toBe(await ask(known))
    }
  })

  const bad = [
    { what: 'no id', path: '/resolve', status: 400 },
    { what: 'an empty id', path: '/resolve?id=', status: 400 },
    { what: 'an id of 600 characters', path: `/resolve?id=${'x'.repeat(600)}`, status: 400 },
    { what: 'a prn of no service here', path: '/resolve?id=prn:::moon:/1', status: 404 },
    { what: 'a broken prn', path: '/resolve?id=prn:', status: 404 },
    { what: 'an id that is no text', path: '/resolve', body: { id: { $ne: null } }, status: 400 },
    { what: 'a body that is no JSON', path: '/resolve', body: '{"id":', status: 400 },
  ]
  for (const { what, path, body, status } of bad)
    test(`[WT1] ${what} is ${status} and says what was wanted`, async () => {
      const said = await walk.ask('GET', path, { body })
      expect([said.status, at(said.json, 'status')]).toEqual([status, status])
      expect(String(at(said.json, 'text')).length).toBeGreaterThan(10)
    })
})

describe('log in', () => {
  test('[WT2][PH-12][PH-13][PH-16][PH-19] GET with identity and secret in its JSON body answers 200 and says so', async () => {
    for (const prefix of ['/api/v1', '/v1'])
      for (const [identity, secret] of [
        [owner.nick, owner.password],
        [owner.prn, owner.password],
        [device.prn, device.secret],
        [device.id, device.secret],
      ] as const) {
        const said = await walk.logIn(identity, secret, prefix)
        expect([said.status, at(said.json, 'status'), at(said.json, 'text')]).toEqual([
          200,
          200,
          'Login Successful.',
        ])
      }
  })

  test('[WT2][PH-14][PH-15][PH-17][PH-18] both cookies hold both tokens, for /api/v1, out of reach of scripts and other sites', async () => {
    const said = await walk.logIn(device.prn, device.secret)
    expect(said.cookies).toEqual({
      'X-pantahub-core-access_token': at(said.json, 'access_token'),
      'X-pantahub-core-refresh_token': at(said.json, 'refresh_token'),
    })
    for (const line of said.setCookie) {
      expect(line).toMatch(/; Path=\/api\/v1; Expires=[^;]+ GMT; HttpOnly; SameSite=Lax$/)
    }
    expect(said.headers['cache-control']).toBe('no-store')
  })

  test('[WT2] under https the cookies are Secure', async () => {
    const other = await openWalk({ flags: ['--public-url', 'https://hub.example'] })
    const person = await other.person()
    const said = await other.logIn(person.nick, person.password)
    for (const line of said.setCookie) expect(line).toMatch(/; Secure$/)
  })

  test('[WT2] identity and secret may stand in the query, and no log tells them', async () => {
    const other = await openWalk({ flags: ['--log-requests', 'all'] })
    const person = await other.person('query-person')
    const secret = encodeURIComponent(person.password)
    for (const query of [
      `identity=${person.nick}&secret=${secret}`,
      `%69dentity=${person.nick}&%73ecret=${secret}`,
    ])
      await other.must('GET', `/api/v1/login?${query}`)
    expect(
      (await other.ask('GET', `/api/v1/login?identity=${person.nick}&secret=wrong-${secret}`)).status,
    ).toBe(401)
    await expect.poll(() => other.logged()).toContain('/api/v1/login')
    expect(other.logged()).not.toContain(secret)
    expect(other.logged()).not.toContain(person.password)
  })

  test('[WT2][PH-20] a cookie store is enough for all that follows', async () => {
    const { cookies } = await walk.logIn(device.prn, device.secret)
    const cookie = Object.entries(cookies)
      .map(([name, value]) => `${name}=${value}`)
      .join('; ')
    await walk.must('GET', `/api/v1/trails/${device.id}/steps`, { headers: { cookie } })
    await walk.must('PUT', `/api/v1/trails/${device.id}/steps/1`, {
      headers: { cookie },
      body: { status: 'NEW' },
    })
  })

  test('[WT2][PH-21] so is the access token as a bearer, here and at today’s forms', async () => {
    const { json } = await walk.logIn(device.prn, device.secret)
    const token = String(at(json, 'access_token'))
    await walk.must('GET', `/v1/trails/${device.id}`, { token })
    await walk.must('GET', `/trails/${device.id}`, { token })
  })

  test('[WT2][PH-22] the refresh token as a bearer gives a new pair, also when the access token is too old', async () => {
    const other = await openWalk()
    const person = await other.person()
    const own = await other.deviceWithTrail(person)
    const first = (await other.logIn(own.prn, own.secret)).json
    other.pass(61 * 60_000)
    expect(
      (await other.ask('GET', `/v1/trails/${own.id}`, { token: String(at(first, 'access_token')) })).status,
    ).toBe(401)
    const again = await other.must('GET', '/api/v1/login', { token: String(at(first, 'refresh_token')) })
    expect(at(again.json, 'text')).toBe('Login Successful.')
    await other.must('GET', `/v1/trails/${own.id}`, { token: String(at(again.json, 'access_token')) })
    const cookie = `X-pantahub-core-refresh_token=${again.cookies['X-pantahub-core-refresh_token']}`
    await other.must('GET', '/api/v1/login', { headers: { cookie } })
    other.pass(24 * 3600_000)
    expect(
      (await other.ask('GET', '/api/v1/login', { token: String(at(again.json, 'refresh_token')) })).status,
    ).toBe(401)
  })

  test('[WT2][PH-22] on any other call the refresh token is refused, and the access token gives no pair', async () => {
    const { json } = await walk.logIn(device.prn, device.secret)
    const refresh = String(at(json, 'refresh_token'))
    for (const path of [`/v1/trails/${device.id}`, '/v1/trails/', `/trails/${device.id}`, '/auth/login'])
      expect([path, (await walk.ask('GET', path, { token: refresh })).status]).toEqual([path, 401])
    const cookie = `X-pantahub-core-access_token=${refresh}`
    expect((await walk.ask('GET', `/v1/trails/${device.id}`, { headers: { cookie } })).status).toBe(401)
    const access = String(at(json, 'access_token'))
    expect((await walk.ask('GET', '/api/v1/login', { token: access })).status).toBe(401)
  })

  test('[WT2][PH-22] a refresh token dies with the credential it stands on', async () => {
    const other = await openWalk()
    const person = await other.person()
    const own = await other.deviceWithTrail(person)
    const { json } = await other.logIn(own.prn, own.secret)
    await other.must('DELETE', `/devices/${own.id}`, { token: person.token })
    expect(
      (await other.ask('GET', '/api/v1/login', { token: String(at(json, 'refresh_token')) })).status,
    ).toBe(401)
  })

  const refused = [
    { what: 'a wrong secret', body: { identity: owner.nick, secret: 'no' }, status: 401 },
    { what: 'an unknown identity', body: { identity: 'nobody', secret: 'no' }, status: 401 },
    {
      what: 'an unknown device',
      body: { identity: `prn:::devices:/${'f'.repeat(24)}`, secret: 'no' },
      status: 401,
    },
    { what: 'no secret', body: { identity: owner.nick }, status: 400 },
    { what: 'no identity', body: { secret: 'x' }, status: 400 },
    { what: 'nothing', body: undefined, status: 400 },
    { what: 'identity as an object', body: { identity: { $gt: '' }, secret: 'x' }, status: 400 },
    { what: 'broken JSON', body: '{"identity":', status: 400 },
    { what: 'a body of 20 kB', body: { identity: 'x', secret: 'y'.repeat(20_000) }, status: 413 },
  ]
  for (const { what, body, status } of refused)
    test(`[WT2] ${what} is ${status} and sets no cookie`, async () => {
      const said = await walk.ask('GET', '/api/v1/login', { body })
      expect([said.status, said.setCookie]).toEqual([status, []])
      expect(at(said.json, 'status')).toBe(status)
    })

  test('[WT2] no page of another site logs a browser in', async () => {
    const body = { identity: owner.nick, secret: owner.password }
    for (const headers of [{ origin: 'https://evil.example' }, { 'sec-fetch-site': 'cross-site' }]) {
      const said = await walk.ask('GET', '/api/v1/login', {
        body,
        headers: headers as Record<string, string>,
      })
      expect([said.status, said.setCookie]).toEqual([401, []])
    }
  })

  test('[WT2] guesses are slowed', async () => {
    const other = await openWalk({ flags: ['--guess-limit', '3'] })
    const person = await other.person()
    const statuses: number[] = []
    for (let i = 0; i < 5; i += 1) statuses.push((await other.logIn(person.nick, `guess ${i}`)).status)
    expect(statuses.slice(0, 2)).toEqual([401, 401])
    expect(statuses.at(-1)).toBe(429)
  })
})

describe('privileged resources', () => {
  const cookieOf = async () => {
    const { cookies } = await walk.logIn(device.prn, device.secret)
    return `X-pantahub-core-access_token=${cookies['X-pantahub-core-access_token']}`
  }

  test('[WT4][PH-43][PH-45] the cookie alone is always enough', async () => {
    const cookie = await cookieOf()
    for (const path of [
      '/api/v1/trails/',
      `/api/v1/trails/${device.id}`,
      `/api/v1/trails/${device.id}/steps`,
    ])
      await walk.must('GET', path, { headers: { cookie } })
  })

  test('[WT4][PH-48][PH-91] it is good below /v1 as below /api/v1, which answer the same', async () => {
    const cookie = await cookieOf()
    for (const path of [
      '/trails/',
      `/trails/${device.id}`,
      `/trails/${device.id}/steps`,
      `/trails/${device.id}/steps/0`,
    ]) {
      const [one, other] = [
        await walk.must('GET', `/v1${path}`, { headers: { cookie } }),
        await walk.must('GET', `/api/v1${path}`, { headers: { cookie } }),
      ]
      expect(one.text).toBe(other.text)
    }
  })

  test('[WT4][PH-49] so it is with the path of its Set-Cookie after it, as printed', async () => {
    const cookie = `${await cookieOf()}, Path=/api/v1`
    await walk.must('GET', `/v1/trails/${device.id}`, { headers: { cookie } })
  })

  test('[WT4][PH-44] Authentication: Bearer counts like Authorization: Bearer', async () => {
    const { json } = await walk.logIn(device.prn, device.secret)
    const authentication = `Bearer ${at(json, 'access_token')}`
    await walk.must('GET', `/v1/trails/${device.id}`, { headers: { authentication } })
    const wrong = { authentication: 'Bearer nonsense', cookie: await cookieOf() }
    expect((await walk.ask('GET', `/v1/trails/${device.id}`, { headers: wrong })).status).toBe(401)
  })

  test('[WT4] a cookie changes nothing for a page of another site', async () => {
    const cookie = await cookieOf()
    const put = (headers: Record<string, string>) =>
      walk.ask('PUT', `/v1/trails/${device.id}/steps/1`, {
        headers: { cookie, ...headers },
        body: { status: 'NEW' },
      })
    expect((await put({ origin: 'https://evil.example' })).status).toBe(401)
    expect((await put({ origin: 'null' })).status).toBe(401)
    expect((await put({ 'sec-fetch-site': 'cross-site' })).status).toBe(401)
    expect((await put({ origin: base, 'sec-fetch-site': 'same-origin' })).status).toBe(200)
    const read = await walk.must('GET', `/v1/trails/${device.id}`, {
      headers: { cookie, origin: 'https://evil.example' },
    })
    expect(read.headers['access-control-allow-origin']).toBeUndefined()
  })
})

describe('downloading objects', () => {
  test('[WT5][PH-46][PH-47][PH-50] an object by its name is described as JSON, with get_object to its bytes', async () => {
    const { sha } = await walk.object(device.token, 'MYOBJECT')
    const { cookies } = await walk.logIn(device.prn, device.secret)
    const cookie = `X-pantahub-core-access_token=${cookies['X-pantahub-core-access_token']}, Path=/api/v1`
    for (const name of ['MYOBJECT', sha]) {
      const said = await walk.must('GET', `/v1/objects/${name}`, { headers: { cookie } })
      expect([at(said.json, 'sha256sum'), at(said.json, 'objectname')]).toEqual([sha, 'MYOBJECT'])
      expect(at(said.json, 'get_object')).toBe(at(said.json, 'signed-geturl'))
      expect((await walk.ask('GET', String(at(said.json, 'get_object')))).text).toBe('the bytes of MYOBJECT')
    }
  })

  test('[WT5][PH-51][PH-52][PH-53][PH-54] download answers 301 to a signed URL that needs no login', async () => {
    const { sha } = await walk.object(device.token, 'big file.bin')
    for (const name of ['big%20file.bin', sha]) {
      const said = await walk.ask('GET', `/v1/objects/${name}/download`, { token: device.token })
      expect([said.status, said.headers['cache-control']]).toEqual([301, 'no-store'])
      const location = String(said.headers.location)
      expect(location.startsWith(`${base}/local-s3/`)).toBe(true)
      expect((await walk.ask('GET', location)).text).toBe('the bytes of big file.bin')
    }
  })

  test('[WT5] of two objects of one name it is the newer one whose bytes are here', async () => {
    const first = await walk.object(device.token, 'twice', 'first')
    walk.pass(1000)
    const second = await walk.object(device.token, 'twice', 'second')
    const named = await walk.must('GET', '/v1/objects/twice', { token: device.token })
    expect(at(named.json, 'sha256sum')).toBe(second.sha)
    expect(
      at((await walk.must('GET', `/v1/objects/${first.sha}`, { token: device.token })).json, 'sha256sum'),
    ).toBe(first.sha)
  })

  test('[WT5] unknown objects and those of others are refused alike; one without bytes has no download', async () => {
    const stranger = await walk.person()
    const { sha } = await walk.object(stranger.token, 'theirs')
    for (const name of [sha, 'theirs', 'nobodys', walk.sha256('nothing')])
      for (const rest of ['', '/download'])
        expect((await walk.ask('GET', `/v1/objects/${name}${rest}`, { token: device.token })).status).toBe(
          403,
        )
    const awaited = walk.sha256('never sent')
    await walk.must('POST', '/objects/', {
      token: owner.token,
      body: { objectname: 'awaited', size: '10', sha256sum: awaited },
    })
    expect((await walk.ask('GET', `/v1/objects/${awaited}/download`, { token: owner.token })).status).toBe(
      404,
    )
  })
})
