import { afterAll, describe, expect, test } from 'vitest'
import { at, openWalk, type Said, type Walk } from './support.ts'

/** The redirect-and-session dance: a browser that has no login is sent for one, and comes back. */
const walk = await openWalk({}, afterAll)
const owner = await walk.person()
const device = await walk.deviceWithSteps(owner, 2)
const html = { accept: 'text/html,application/xhtml+xml,*/*;q=0.8' }
const wanted = `/v1/trails/${device.id}/steps?start=1`

const session = (said: Said) => `session=${said.cookies.session}`
const begin = (on: Walk = walk, path = wanted) => on.ask('GET', path, { headers: html })
const pathOf = (said: Said) => String(said.headers.location).replace(/^https?:\/\/[^/]+/, '')

/** Logs in at the page, as a browser submits it. */
function submit(
  on: Walk,
  first: Said,
  form: Record<string, string>,
  headers: Record<string, string> = {},
): Promise<Said> {
  const code = new URL(String(first.headers.location)).searchParams.get('code') ?? ''
  return on.ask('POST', '/v1/auth', {
    body: new URLSearchParams({ code, ...form }).toString(),
    headers: {
      ...html,
      cookie: session(first),
      'content-type': 'application/x-www-form-urlencoded',
      ...headers,
    },
  })
}

describe('the way there and back', () => {
  test('[WT3][PH-35][PH-36][PH-37] a first request without a session is 301, a session with path and expiry, and a code', async () => {
    const said = await begin()
    expect([said.status, said.text]).toEqual([301, ''])
    expect(said.setCookie).toHaveLength(1)
    expect(said.setCookie[0]).toMatch(/^session=[^;]+; Path=\/; Expires=[^;]+ GMT; HttpOnly; SameSite=Lax$/)
    expect(String(said.headers.location)).toMatch(new RegExp(`^${walk.url}/v1/auth\\?code=[\\w.-]+$`))
    expect(said.headers['cache-control']).toBe('no-store')
  })

  test('[WT3][PH-38][PH-40][PH-41][PH-42] whoever is logged in at the auth service is led back at once, with a session', async () => {
    const first = await begin()
    const login = await walk.logIn(owner.nick, owner.password)
    const access = login.cookies['X-pantahub-core-access_token']
    const back = await walk.ask('GET', pathOf(first), {
      headers: { ...html, cookie: `${session(first)}; X-pantahub-core-access_token=${access}` },
    })
    expect([back.status, back.headers.location]).toEqual([301, walk.url + wanted])
    expect(back.setCookie[0]).toMatch(/^session=[^;]+; Path=\/; Expires=[^;]+ GMT; HttpOnly; SameSite=Lax$/)
    const said = await walk.must('GET', wanted, { headers: { ...html, cookie: session(back) } })
    expect(walk.revs(said)).toEqual([1, 2])
  })

  test('[WT3][PH-38][PH-42] others log in at the page there, and are led back with a session and a token', async () => {
    const first = await begin()
    const page = await walk.must('GET', pathOf(first), { headers: { ...html, cookie: session(first) } })
    expect(page.headers['content-type']).toBe('text/html; charset=utf-8')
    expect(page.text).toContain('name="secret" type="password"')
    expect(String(page.headers['content-security-policy'])).toContain("frame-ancestors 'none'")
    expect(page.headers['referrer-policy']).toBe('no-referrer')

    const back = await submit(
      walk,
      first,
      { identity: owner.nick, secret: owner.password },
      { origin: walk.url },
    )
    expect([back.status, back.headers.location]).toEqual([301, walk.url + wanted])
    await walk.must('GET', wanted, { headers: { ...html, cookie: session(back) } })
    const token = back.cookies['X-pantahub-core-access_token']
    await walk.must('GET', wanted, { token })
  })

  test('[WT3][PH-38] a program follows with identity and secret in the body of its GET', async () => {
    const first = await begin()
    const back = await walk.ask('GET', pathOf(first), {
      headers: { cookie: session(first) },
      body: { identity: device.prn, secret: device.secret },
    })
    expect([back.status, back.headers.location]).toEqual([301, walk.url + wanted])
  })

  test('[WT3][PH-33][PH-34] one round trip: the next requests pass by the session, here and at the other services', async () => {
    const { sha } = await walk.object(owner.token, 'for-the-browser')
    const first = await begin()
    const back = await submit(walk, first, { identity: owner.nick, secret: owner.password })
    const headers = { ...html, cookie: session(back) }
    for (const path of [wanted, `/api/v1/trails/${device.id}`, '/v1/trails/', `/v1/objects/${sha}`])
      await walk.must('GET', path, { headers })
    const put = await walk.ask('PUT', `/v1/trails/${device.id}/steps/1`, { headers, body: { abort: true } })
    expect(put.status).toBe(200)
  })

  test('[WT3][PH-33] each service keeps a session cookie of its own: set by the first call, good there and nowhere else', async () => {
    const { sha } = await walk.object(owner.token, 'for-both-services')
    const back = await submit(walk, await begin(), { identity: owner.nick, secret: owner.password })
    const services = [
      { path: '/v1/trails', asks: wanted },
      { path: '/api/v1/trails', asks: `/api/v1/trails/${device.id}` },
      { path: '/v1/objects', asks: `/v1/objects/${sha}` },
    ]
    const own: Record<string, string> = {}
    for (const { path, asks } of services) {
      const first = await walk.must('GET', asks, { headers: { ...html, cookie: session(back) } })
      expect(first.setCookie).toEqual([
        expect.stringMatching(
          new RegExp(`^session=[^;]+; Path=${path}; Expires=[^;]+ GMT; HttpOnly; SameSite=Lax$`),
        ),
      ])
      expect(first.cookies.session).not.toBe(back.cookies.session)
      own[path] = session(first)
    }
    const until = (said: Said) => /Expires=([^;]+)/.exec(said.setCookie[0] ?? '')?.[1]
    const again = await walk.must('GET', wanted, { headers: { cookie: session(back) } })
    expect(until(again)).toBe(until(back))
    for (const { path, asks } of services) {
      // By its own alone, and before the other one, as a browser sends them: nothing is set anew.
      const mine = own[path] ?? ''
      for (const cookie of [mine, `${mine}; ${session(back)}`])
        expect((await walk.must('GET', asks, { headers: { ...html, cookie } })).setCookie).toEqual([])
      for (const other of services.filter(({ path: at }) => !at.endsWith(path.slice(-6))))
        expect((await walk.ask('GET', other.asks, { headers: { cookie: mine } })).status).toBe(401)
    }
    // A program's login needs no session, and gets none.
    expect((await walk.must('GET', wanted, { token: owner.token })).setCookie).toEqual([])
  })

  test('[WT3][PH-39] callback and scopes are the code’s: what the client sends of them changes nothing', async () => {
    const first = await begin()
    const code = new URL(String(first.headers.location)).searchParams.get('code') ?? ''
    const back = await submit(walk, first, {
      identity: owner.nick,
      secret: owner.password,
      callback: 'https://evil.example/',
      redirect_uri: 'https://evil.example/',
      scope: 'all',
    })
    expect(back.headers.location).toBe(walk.url + wanted)
    expect(code).not.toContain('trails')
    const token = back.cookies['X-pantahub-core-access_token']
    await walk.must('GET', '/trails/', { token })
    expect((await walk.ask('GET', '/devices/', { token })).status).toBe(403)
    expect((await walk.ask('GET', '/auth/', { token })).status).toBe(403)
  })

  test('[WT3] a login that may do less gives a session that may do no more', async () => {
    const narrow = await walk.enter(owner.nick, owner.password, 'trails.readonly devices')
    const first = await begin()
    const back = await walk.ask('GET', pathOf(first), {
      token: narrow,
      headers: { ...html, cookie: session(first) },
    })
    expect(back.status).toBe(301)
    const headers = { cookie: session(back) }
    await walk.must('GET', wanted, { headers })
    const put = await walk.ask('PUT', `/v1/trails/${device.id}/steps/1`, { headers, body: { abort: true } })
    expect(put.status).toBe(403)
  })

  test('[WT3] scopes of other apps, whatever they are called, give a session nothing', async () => {
    const foreign = await walk.enter(owner.nick, owner.password, 'prn:pantahub.com:apis:/other/all')
    const first = await begin()
    const back = await walk.ask('GET', pathOf(first), {
      token: foreign,
      headers: { ...html, cookie: session(first) },
    })
    expect((await walk.ask('GET', wanted, { headers: { cookie: session(back) } })).status).toBe(403)
  })
})

describe('the code', () => {
  test('[WT3] is good once', async () => {
    const first = await begin()
    const form = { identity: owner.nick, secret: owner.password }
    const [one, two] = await Promise.all([submit(walk, first, form), submit(walk, first, form)])
    expect([one.status, two.status].sort()).toEqual([301, 400])
    const again = await submit(walk, first, form)
    expect([again.status, at(again.json, 'text')]).toEqual([
      400,
      'code: wanted one that has not been used, got one that has',
    ])
  })

  test('[WT3] is good for five minutes', async () => {
    const other = await openWalk()
    const person = await other.person()
    const own = await other.deviceWithTrail(person)
    const first = await begin(other, `/v1/trails/${own.id}`)
    other.pass(5 * 60_000)
    const late = await submit(other, first, { identity: person.nick, secret: person.password })
    expect([late.status, at(late.json, 'text')]).toEqual([
      400,
      'code: wanted one younger than five minutes, got an older one',
    ])
  })

  test('[WT3] is no good in another browser: nobody is logged in by somebody else’s link', async () => {
    const [mine, theirs] = [await begin(), await begin()]
    const form = { identity: owner.nick, secret: owner.password }
    for (const cookie of [session(theirs), 'session=nonsense', ''])
      expect((await submit(walk, mine, form, { cookie })).status).toBe(400)
  })

  test('[WT3] a wrong secret leaves it good, and the page says so', async () => {
    const first = await begin()
    const wrong = await submit(walk, first, { identity: owner.nick, secret: '"><script>' })
    expect([wrong.status, wrong.setCookie]).toEqual([401, []])
    expect(wrong.text).toContain('The identity is unknown or the secret is wrong.')
    expect(wrong.text).not.toContain('<script>')
    expect((await submit(walk, first, { identity: owner.nick, secret: owner.password })).status).toBe(301)
  })

  for (const code of ['', 'w1.AAAA', 'x'.repeat(3000), `w1.${'A'.repeat(200)}`])
    test(`[WT3] "${code.slice(0, 12)}" is none of ours: 400`, async () => {
      expect((await walk.ask('GET', `/v1/auth?code=${code}`, { headers: html })).status).toBe(400)
      const body = new URLSearchParams({ code }).toString()
      const headers = { ...html, 'content-type': 'application/x-www-form-urlencoded' }
      expect((await walk.ask('POST', '/v1/auth', { body, headers })).status).toBe(400)
    })

  test('[WT3] is told by no log, nor what came with it', async () => {
    const other = await openWalk({ flags: ['--log-requests', 'all'] })
    const person = await other.person()
    const own = await other.deviceWithTrail(person)
    const first = await begin(other, `/v1/trails/${own.id}`)
    const code = new URL(String(first.headers.location)).searchParams.get('code') ?? 'none'
    await other.ask('GET', pathOf(first), { headers: { ...html, cookie: session(first) } })
    await submit(other, first, { identity: person.nick, secret: person.password })
    await expect.poll(() => other.logged()).toContain('/v1/auth')
    for (const secret of [code, person.password, first.cookies.session ?? 'none'])
      expect(other.logged()).not.toContain(secret)
  })
})

describe('the session', () => {
  test('[WT3] from before the login is worth nothing after it', async () => {
    const first = await begin()
    const back = await submit(walk, first, { identity: owner.nick, secret: owner.password })
    expect(back.cookies.session).not.toBe(first.cookies.session)
    const planted = await walk.ask('GET', wanted, { headers: { cookie: session(first) } })
    expect(planted.status).toBe(401)
  })

  test('[WT3] ends with its token, and with the credential it stands on: then it is the dance again', async () => {
    const other = await openWalk()
    const person = await other.person()
    const own = await other.deviceWithTrail(person)
    const path = `/v1/trails/${own.id}`
    const first = await begin(other, path)
    const back = await submit(other, first, { identity: own.prn, secret: own.secret })
    const headers = { ...html, cookie: session(back) }
    await other.must('GET', path, { headers })
    other.pass(61 * 60_000)
    expect((await other.ask('GET', path, { headers })).status).toBe(301)
    expect((await other.ask('GET', path, { headers: { cookie: session(back) } })).status).toBe(401)
  })

  test('[WT3] is no bearer and no login cookie', async () => {
    const back = await submit(walk, await begin(), { identity: owner.nick, secret: owner.password })
    const sealed = back.cookies.session ?? ''
    expect((await walk.ask('GET', wanted, { token: sealed })).status).toBe(401)
    const cookie = `X-pantahub-core-access_token=${sealed}`
    expect((await walk.ask('GET', wanted, { headers: { cookie } })).status).toBe(401)
  })

  test('[WT3] changes nothing for a page of another site', async () => {
    const back = await submit(walk, await begin(), { identity: owner.nick, secret: owner.password })
    const headers = { cookie: session(back), origin: 'https://evil.example' }
    const put = await walk.ask('PUT', `/v1/trails/${device.id}/steps/2`, { headers, body: { abort: true } })
    expect(put.status).toBe(401)
  })
})

test('[WT3] callers that want no page, and requests that change something, get 401', async () => {
  for (const headers of [{}, { accept: 'application/json' }, { accept: '*/*' }] as Record<string, string>[]) {
    const said = await walk.ask('GET', wanted, { headers })
    expect([said.status, said.setCookie, said.headers.location]).toEqual([401, [], undefined])
  }
  const put = await walk.ask('PUT', `/v1/trails/${device.id}/steps/1`, {
    headers: html,
    body: { abort: true },
  })
  expect([put.status, put.headers.location]).toEqual([401, undefined])
  const long = await walk.ask('GET', `/v1/trails/${device.id}?x=${'y'.repeat(3000)}`, { headers: html })
  expect(long.status).toBe(401)
})
