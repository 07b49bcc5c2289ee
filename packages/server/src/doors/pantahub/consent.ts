/**
 * Where a person agrees to let an app in (`/oauth2/authorize`): a page of the server's own, for browsers, without a
 * script. The app and what it asks for are shown; who allows it says so with name and password, and is sent back with a
 * code (or a token), as `codes.ts` gives them.
 *
 * There is no session here to be misused: every agreement is made with a password. What was shown is sealed into the
 * form, and bound to the browser it was shown to by a cookie, so that nobody can make a person agree to something else
 * than stood on the page, or in somebody else's name. A request from another site's page is refused. Nobody is sent
 * to an address that the app has not registered, not even with a refusal.
 */
import { ok, type Result, refuse } from '@waymark/domain'
import { isJsonObject, Prn, parseJson } from '@waymark/pantahub'
import { seenFrom } from '../../access.ts'
import type { House } from '../../house.ts'
import { sameSecret } from '../../keys.ts'
import type { Asked, Handlers, Said } from './answer.ts'
import { described } from './bodies.ts'
import { appNamed, cookieOf, isLoopback, isRegistered, scopesOf } from './codes.ts'
import { badValue, type Refusal } from './errors.ts'
import { escaped, htmlPage } from './html.ts'

/** How long a page that was shown can be answered. */
const lifeMs = 5 * 60_000
const place = 'consent'
const cookieName = 'consent'
const formBytesMax = 16 * 1024

/** What stood on a page. */
interface Shown {
  /** The browser it was shown to. */
  readonly browser: string
  readonly app: string
  readonly appName: string
  readonly redirectUri: string
  readonly scopes: string
  readonly state: string
  readonly wanted: 'code' | 'token'
  readonly until: number
}

export function consentHandlers(
  house: House,
  codes: Pick<Handlers, 'giveCode' | 'giveToken'>,
): Pick<Handlers, 'askConsent' | 'takeConsent'> {
  return {
    async askConsent({ query, headers }) {
      const { client_id, redirect_uri = '', state = '', response_type = 'code' } = query
      const app = await appNamed(house, client_id)
      if (!app) return badValue('client_id', 'an app that is registered', described(client_id))
      const challenged = cookieOf(headers.cookie, 'pkce_auth_code') !== undefined
      if (!isRegistered(app, redirect_uri) && !(challenged && isLoopback(redirect_uri)))
        return badValue('redirect_uri', 'one that the app registered', described(redirect_uri))
      if (response_type !== 'code' && response_type !== 'token')
        return badValue('response_type', 'code or token', described(response_type))
      if (state.length > 1024) return badValue('state', 'at most 1024 characters', `${state.length}`)
      const scopes = scopesOf(app, query.scope)
      if (!scopes.ok) return scopes
      const browser = Buffer.from(house.env().random(16)).toString('hex')
      const secure = house.publicUrl().startsWith('https:') ? '; Secure' : ''
      const page = pageOf({
        browser,
        app: Prn.app(app.nick),
        appName: app.name === '' ? app.nick : `${app.name} (${app.nick})`,
        redirectUri: redirect_uri,
        scopes: scopes.value.join(' '),
        state,
        wanted: response_type,
        until: house.clock.now() + lifeMs,
      })
      const cookie = `${cookieName}=${browser}; Path=/oauth2/; Max-Age=${lifeMs / 1000}; HttpOnly; SameSite=Strict${secure}`
      return ok({ ...page, headers: { ...page.headers, 'set-cookie': cookie } })
    },

    async takeConsent(asked) {
      const form = formOf(asked)
      if (!form.ok) return form
      const shown = openShown(form.value.get('request') ?? '')
      const browser = cookieOf(asked.headers.cookie, cookieName)
      if (!shown || browser === undefined || !sameSecret(browser, shown.browser))
        return badValue('request', 'what was shown to this browser within five minutes', 'another, or none')
      if (form.value.get('answer') !== 'allow') return sendBack(refusedAt(shown))

      const login = {
        kind: 'user',
        name: form.value.get('name') ?? '',
        password: form.value.get('password') ?? '',
      } as const
      const entered = await house.access.login(login, { scopes: [], peer: asked.peer })
      if (!entered.ok) {
        const waits = entered.refusal.kind === 'too-many-guesses' ? entered.refusal.retryAfterMs : 0
        const note =
          waits > 0 ? 'Too many attempts: wait a minute.' : 'The name is unknown or the password is wrong.'
        return ok(pageOf(shown, { note, status: waits > 0 ? 429 : 401 }))
      }
      const known = await house.access.callerOf(entered.value.token)
      if (!known.ok || known.value.kind !== 'user') return refuse({ kind: 'wrong-credentials' })
      const { app: service, redirectUri: redirect_uri, scopes, state, wanted: response_type } = shown
      const body = Buffer.from(JSON.stringify({ service, redirect_uri, scopes, state, response_type }))
      const give = shown.wanted === 'token' ? codes.giveToken : codes.giveCode
      const given = await give({ ...asked, caller: seenFrom(known.value, asked.peer), body })
      if (!given.ok) return given
      const { redirect_uri: back } = given.value.value as { readonly redirect_uri: string }
      return sendBack(back)
    },
  }

  function pageOf(shown: Shown, { note = '', status = 200 }: { note?: string; status?: number } = {}) {
    const request = house.keys.seal(JSON.stringify(shown), place)
    const target = new URL(shown.redirectUri)
    const body = `${note === '' ? '' : `<p role="alert">${escaped(note)}</p>`}
<p><strong>${escaped(shown.appName)}</strong> wants to act for you here, and sends you back to ${escaped(target.host)}. It asks for:</p>
<ul>
${shown.scopes
  .split(' ')
  .map((scope) => `  <li>${escaped(scope.slice(scope.lastIndexOf('/') + 1))}</li>`)
  .join('\n')}
</ul>
<form method="post" action="/oauth2/authorize">
  <input type="hidden" name="request" value="${escaped(request)}">
  <label>Name <input name="name" autocomplete="username" autofocus></label>
  <label>Password <input name="password" type="password" autocomplete="current-password"></label>
  <button name="answer" value="allow">Allow</button>
  <button name="answer" value="deny">Do not allow</button>
</form>
`
    return htmlPage({ title: 'Let an app in', body, status, formTo: [target.origin] })
  }

  function openShown(sealed: string): Shown | undefined {
    const plain = house.keys.unseal(sealed, place)
    const parsed = plain.ok ? parseJson(plain.value) : undefined
    if (!parsed?.ok || !isJsonObject(parsed.value)) return undefined
    // Sealed by `pageOf` and by nothing else.
    const shown = parsed.value as unknown as Shown
    return shown.until > house.clock.now() ? shown : undefined
  }

  /** The fields of the form; refused when another site's page sent it. */
  function formOf({ body, headers }: Asked<undefined>): Result<URLSearchParams, Refusal> {
    const { origin } = headers
    const site = headers['sec-fetch-site']
    const own = origin === undefined || origin === new URL(house.publicUrl()).origin
    if (!own || site === 'cross-site' || site === 'same-site')
      return refuse({
        kind: 'not-allowed',
        thing: 'form',
        wanted: 'the one of this page',
        got: 'another site’s',
      })
    const type = (headers['content-type'] ?? '').toLowerCase()
    if (
      !type.startsWith('application/x-www-form-urlencoded') ||
      body === undefined ||
      body.length > formBytesMax
    )
      return badValue('form', `a form of at most ${formBytesMax} bytes`, type === '' ? 'none' : 'another')
    return ok(new URLSearchParams(body.toString('utf8')))
  }
}

/** Where the browser goes when its person does not agree (RFC 6749 4.1.2.1, 4.2.2.1). */
function refusedAt({ redirectUri, state, wanted }: Shown): string {
  const back = new URL(redirectUri)
  const told = { error: 'access_denied', ...(state === '' ? {} : { state }) }
  if (wanted === 'token') back.hash = new URLSearchParams(told).toString()
  else for (const [name, value] of Object.entries(told)) back.searchParams.set(name, value)
  return back.href
}

/** 303: what was posted is not posted again. */
function sendBack(location: string): Said {
  return ok({
    status: 303,
    headers: { location, 'cache-control': 'no-store', 'referrer-policy': 'no-referrer' },
    text: '',
  })
}
