import { createHash } from 'node:crypto'
import { afterAll, describe, expect, test } from 'vitest'
import { type Answer, at, openDoor } from './support.ts'

/** The page of consent, walked as a browser without scripts does: a form, cookies, redirects. */
const door = await openDoor({ flags: ['--guess-limit', '20'] }, afterAll)
const author = await door.person()
const user = await door.person()
const redirect = 'https://app.example/back'
const app = (
  await door.must('POST', '/apps/', {
    token: author.token,
    body: {
      nick: 'the-app',
      name: 'The <b>App</b>',
      type: 'confidential',
      redirect_uris: [redirect],
      scopes: ['devices.readonly', 'trails.readonly'],
    },
  })
).json

function asked(change: Record<string, string> = {}): string {
  const query = { client_id: String(at(app, 'prn')), redirect_uri: redirect, state: 's p"', ...change }
  return `/oauth2/authorize?${new URLSearchParams(query)}`
}
const cookiesOf = (answer: Pick<Answer, 'headers'>) =>
  answer.headers
    .getSetCookie()
    .map((line) => line.split(';')[0])
    .join('; ')
type Page = Pick<Answer, 'text' | 'headers'>
const requestOf = ({ text }: Page) => /name="request" value="([^"]+)"/.exec(text)?.[1] ?? ''
const send = (page: Page, fields: Record<string, string>, headers: Record<string, string> = {}) =>
  door.call('POST', '/oauth2/authorize', {
    body: new URLSearchParams({ request: requestOf(page), ...fields }).toString(),
    headers: {
      'content-type': 'application/x-www-form-urlencoded',
      cookie: cookiesOf(page),
      origin: door.url,
      ...headers,
    },
  })
const allow = { answer: 'allow', name: user.nick, password: user.password }
const placeOf = (answer: Answer) => new URL(String(answer.headers.get('location')))

describe('the page of consent', () => {
  test('[AP8] it shows who asks for what, holds no script, and nobody may frame it', async () => {
    const page = await door.call('GET', asked())
    expect(page.status).toBe(200)
    expect(page.headers.get('content-type')).toBe('text/html; charset=utf-8')
    expect(page.text).toContain('The &#60;b&#62;App&#60;/b&#62; (the-app)')
    expect(page.text).toContain('app.example')
    expect(page.text).toContain('<li>devices.readonly</li>')
    expect(page.text).not.toMatch(/<script|onload|javascript:/i)
    expect(page.headers.get('content-security-policy')).toMatch(/default-src 'none'.*frame-ancestors 'none'/)
    expect(page.headers.getSetCookie()[0]).toMatch(
      /^consent=[0-9a-f]{32}; Path=\/oauth2\/; .*HttpOnly; SameSite=Strict/,
    )
  })

  test('[AP8] whoever allows it is sent back with a code, which the app turns into a token with those scopes', async () => {
    const answer = await send(await door.call('GET', asked({ scope: 'devices.readonly' })), allow)
    expect(answer.status).toBe(303)
    const back = placeOf(answer)
    expect([back.origin + back.pathname, back.searchParams.get('state')]).toEqual([redirect, 's p"'])
    const service = await door.enter(String(at(app, 'prn')), String(at(app, 'secret')))
    const token = await door.must('POST', '/auth/token', {
      token: service,
      body: { 'access-code': back.searchParams.get('code'), comment: '' },
    })
    const acting = String(at(token.json, 'token'))
    expect(at((await door.must('GET', '/auth/auth_status', { token: acting })).json, 'prn')).toBe(user.prn)
    expect((await door.call('GET', '/devices/', { token: acting })).status).toBe(200)
    expect((await door.call('GET', '/trails/', { token: acting })).status).toBe(403)
  })

  test('[AP8] whoever does not is sent back with access_denied, and no password is asked for', async () => {
    const denied = placeOf(await send(await door.call('GET', asked()), { answer: 'deny' }))
    expect([denied.searchParams.get('error'), denied.searchParams.get('code')]).toEqual([
      'access_denied',
      null,
    ])
    const page = await door.call('GET', asked({ response_type: 'token' }))
    expect(placeOf(await send(page, {})).hash).toBe('#error=access_denied&state=s+p%22')
    const token = placeOf(await send(page, allow))
    expect(new URLSearchParams(token.hash.slice(1)).get('access_token')).toMatch(/^ey/)
  })

  test('[AP8] with a code challenge a program on the same machine gets its token by the page', async () => {
    const verifier = 'v'.repeat(50)
    const made = await door.must('POST', '/apps/', {
      token: author.token,
      body: { nick: 'pkce-app', type: 'pkce', redirect_uris: [redirect], scopes: ['devices.readonly'] },
    })
    const back = 'http://localhost:5000/callback'
    const begun = await door.call(
      'GET',
      `/auth/oauth/authorize?${new URLSearchParams({
        client_id: String(at(made.json, 'prn')),
        redirect_uri: back,
        code_challenge: createHash('sha256').update(verifier).digest('base64url'),
        code_challenge_method: 'S256',
      })}`,
    )
    expect(begun.status).toBe(307)
    const page = await door.call('GET', String(begun.headers.get('location')), {
      headers: { cookie: cookiesOf(begun) },
    })
    expect(page.status).toBe(200)
    const answer = await send(page, allow, { cookie: `${cookiesOf(begun)}; ${cookiesOf(page)}` })
    const code = placeOf(answer).searchParams.get('code')
    const done = await door.must('POST', '/auth/oauth/token', {
      body: {
        grant_type: 'authorization_code',
        'access-code': code,
        code_verifier: verifier,
        redirect_uri: back,
      },
    })
    expect(at(done.json, 'token')).toMatch(/^ey/)
  })

  test('[AP9] a wrong password shows the page again, with nothing given; guesses are slowed', async () => {
    const page = await door.call('GET', asked())
    let answer = await send(page, { ...allow, name: 'nobody', password: 'wrong' })
    expect([answer.status, answer.headers.get('location')]).toEqual([401, null])
    expect(answer.text).toContain('role="alert"')
    // The page that came back is as good as the first one.
    expect((await send({ text: answer.text, headers: page.headers }, allow)).status).toBe(303)
    for (let count = 0; count < 40 && answer.status === 401; count++)
      answer = await send(page, { ...allow, name: 'nobody', password: `wrong ${count}` })
    expect(answer.status).toBe(429)
  })

  const notTaken: Record<string, [Record<string, string>, Record<string, string>, number]> = {
    'from another site': [{}, { origin: 'https://evil.example' }, 403],
    'from another site, by what browsers say': [{}, { 'sec-fetch-site': 'cross-site' }, 403],
    'from another browser': [{}, { cookie: 'consent=0123456789abcdef0123456789abcdef' }, 400],
    'without a cookie': [{}, { cookie: '' }, 400],
    'with what was never shown': [{ request: 'w1.made-up' }, {}, 400],
    'as JSON': [{}, { 'content-type': 'application/json' }, 400],
  }
  for (const [how, [fields, headers, status]] of Object.entries(notTaken))
    test(`[AP9] a form that comes ${how} gives nothing`, async () => {
      const answer = await send(await door.call('GET', asked()), { ...allow, ...fields }, headers)
      expect([answer.status, answer.headers.get('location')]).toEqual([status, null])
    })

  test('[AP9] a page is good for five minutes', async () => {
    const page = await door.call('GET', asked())
    door.pass(5 * 60_000 + 1)
    expect((await send(page, allow)).status).toBe(400)
  })

  const notShown: Record<string, Record<string, string>> = {
    'an app nobody knows': { client_id: 'nobody' },
    'an address it has not registered': { redirect_uri: 'https://evil.example/back' },
    'an address that only begins like one': { redirect_uri: `${redirect}ward` },
    'a script as address': { redirect_uri: 'javascript:alert(1)' },
    'scopes it has not': { scope: 'devices.write' },
    'another kind of answer': { response_type: 'id_token' },
    'a state without end': { state: 'x'.repeat(2000) },
  }
  for (const [what, change] of Object.entries(notShown))
    test(`[AP9] ${what} is 400 and leads nowhere`, async () => {
      const answer = await door.call('GET', asked(change))
      expect([answer.status, answer.headers.get('location')]).toEqual([400, null])
    })
})
