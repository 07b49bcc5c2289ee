/**
 * Letting apps in (Pantahub wire facts 2.5): a person gives a code, or a token itself, to an app; the app turns the code
 * into a token that acts for the person with the scopes that were agreed on, and no more.
 *
 * A code is good once and for five minutes, for the app, the redirect and the scopes it was given for. People are sent
 * back only to where the app said it lives: same scheme, host and port, and the same path or one below it. With a code
 * challenge (RFC 7636, S256 alone) they are sent back to this machine's `/callback`, and the code is worth nothing
 * without its verifier.
 *
 * Deviations: a redirect has to lie below a registered one, not merely begin with the same letters; the tokens handed
 * out refuse to make further ones.
 */
import { createHash } from 'node:crypto'
import {
  type App,
  AppId,
  appByNick,
  apps,
  type HouseTx,
  keepCode,
  type LoginCode,
  letters,
  loginCodes,
  ok,
  type Principal,
  principals,
  type Result,
  refuse,
  takeCode,
} from '@waymark/domain'
import { type JsonObject, Prn, parsePrn } from '@waymark/pantahub'
import type { UserCaller } from '../../access.ts'
import type { House } from '../../house.ts'
import { networkOf } from '../../throttle.ts'
import { type Asked, type Handlers, say } from './answer.ts'
import { scopePrn } from './apps.ts'
import { described, objectOf, textAt } from './bodies.ts'
import { badValue, type Refusal } from './errors.ts'
import { handedOn, ownLogin } from './own-login.ts'

const codeLetters = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789'
const codeLength = 40
const codePurpose = 'login-code'
const requestPurpose = 'login-request'
const challengeForm = /^[\w-]{43}$/
const verifierForm = /^[\w.~-]{43,128}$/
const cookieSeconds = 300

/** What a person agrees to: which app, where to, with which scopes. */
interface Agreement {
  readonly app: App
  readonly redirectUri: string
  readonly scopes: readonly string[]
  readonly state: string
}

export function codeHandlers(
  house: House,
): Pick<Handlers, 'giveCode' | 'giveToken' | 'redeemCode' | 'beginPkce' | 'finishPkce'> {
  return {
    async giveCode({ caller, body, headers }) {
      const request = cookieOf(headers.cookie, 'pkce_auth_code')
      const agreed = await agreement(caller, body, 'code')
      if (!agreed.ok) return agreed
      const { app, redirectUri, scopes, state } = agreed.value
      const code = letters(house.env(), codeLetters, codeLength)
      const kept = await house.store.transactHouse<LoginCode, Refusal>(async (tx) => {
        const challenge = request === undefined ? undefined : await challengeOf(tx, request, agreed.value)
        if (challenge === undefined) {
          if (app.type === 'pkce')
            return badValue('pkce_auth_code', 'the cookie of a login with a code challenge', 'none')
          if (!isRegistered(app, redirectUri)) return wrongRedirect(app, redirectUri)
        }
        return ok(
          await keepCode(tx, house.env(), {
            hash: house.keys.lookup(codePurpose, code),
            kind: 'code',
            app: app.id,
            redirectUri,
            scopes,
            principal: caller.principal.id,
            tenant: caller.tenant,
            credentialVersion: caller.principal.credentialVersion,
            ...(challenge === undefined ? {} : { challenge }),
          }),
        )
      })
      if (!kept.ok) return kept
      const back = new URL(redirectUri)
      back.searchParams.set('code', code)
      if (state !== '') back.searchParams.set('state', state)
      return say({ code, scopes: scopes.join(' '), redirect_uri: back.href })
    },

    async giveToken({ caller, body }) {
      const agreed = await agreement(caller, body, 'token')
      if (!agreed.ok) return agreed
      const { app, redirectUri, scopes, state } = agreed.value
      if (app.type === 'pkce') return badValue('service', 'an app that does not ask for codes', app.nick)
      if (!isRegistered(app, redirectUri)) return wrongRedirect(app, redirectUri)
      const token = house.access.tokenForApp(caller.principal, app, scopes, newMark())
      const back = new URL(redirectUri)
      back.hash = new URLSearchParams({
        access_token: token,
        token_type: 'bearer',
        expires_in: String(house.config.tokenLife * 60),
        scope: scopes.join(' '),
        ...(state === '' ? {} : { state }),
      }).toString()
      return say({ token, token_type: 'bearer', scopes: scopes.join(' '), redirect_uri: back.href })
    },

    async redeemCode({ caller, body }) {
      const asked = objectOf(body, 'code')
      if (!asked.ok) return asked
      const code = textAt(asked.value, 'access-code', 256)
      if (!code.ok) return code
      const hash = house.keys.lookup(codePurpose, code.value ?? '')
      const taken = await house.store.transactHouse<Redeemed, Refusal>(async (tx) => {
        const held = await takeCode(tx, house.env(), hash, 'code')
        // A code for another app stays good for that one.
        if (held?.app !== caller.app.id || held.challenge !== undefined)
          return refuse({ kind: 'bad-access-code' })
        return redeem(tx, held)
      })
      if (!taken.ok) return taken
      const { principal, app, scopes } = taken.value
      const token = house.access.tokenForApp(principal, app, scopes, newMark())
      return say({ token, token_type: 'bearer', scopes: scopes.join(' ') })
    },

    async beginPkce({ query, peer }) {
      const { client_id, redirect_uri = '', code_challenge = '', code_challenge_method } = query
      const app = await appNamed(house, client_id)
      if (!app || app.type === 'confidential')
        return badValue('client_id', 'an app without a secret', described(client_id))
      if (!isLoopback(redirect_uri))
        return badValue(
          'redirect_uri',
          'http(s)://localhost or 127.0.0.1, /callback',
          described(redirect_uri),
        )
      if (code_challenge_method !== 'S256')
        return badValue('code_challenge_method', 'S256', described(code_challenge_method))
      if (!challengeForm.test(code_challenge))
        return badValue('code_challenge', '43 characters of base64url', described(code_challenge))
      if (query.response_type !== undefined && query.response_type !== 'code')
        return badValue('response_type', 'code', described(query.response_type))
      const scopes = scopesOf(app, query.scope)
      if (!scopes.ok) return scopes
      const retryAfterMs = house.registrations.take(networkOf(peer))
      if (retryAfterMs > 0) return refuse({ kind: 'too-many-registrations', retryAfterMs })
      const request = letters(house.env(), codeLetters, codeLength)
      await house.store.transactHouse(async (tx) =>
        ok(
          await keepCode(tx, house.env(), {
            hash: house.keys.lookup(requestPurpose, request),
            kind: 'request',
            app: app.id,
            redirectUri: redirect_uri,
            scopes: scopes.value,
            challenge: code_challenge,
          }),
        ),
      )
      const front = new URL(`${house.publicUrl()}/oauth2/authorize`)
      const passed = ['redirect_uri', 'scope', 'state', 'code_challenge', 'code_challenge_method'] as const
      front.searchParams.set('client_id', Prn.app(app.nick))
      front.searchParams.set('response_type', 'code')
      for (const name of passed) {
        const value = query[name]
        if (value !== undefined) front.searchParams.set(name, value.slice(0, 1024))
      }
      const secure = front.protocol === 'https:' ? '; Secure' : ''
      // Of the page of consent, and of whatever else asks `/auth/code` for it.
      const kept = `; Path=/; Max-Age=${cookieSeconds}; HttpOnly; SameSite=Lax${secure}`
      return ok({
        status: 307,
        headers: {
          location: front.href,
          'set-cookie': [
            `pkce_auth_code=${request}${kept}`,
            `pkce_redirect_uri=${encodeURIComponent(redirect_uri)}${kept}`,
          ],
        },
        text: '',
      })
    },

    async finishPkce({ body }) {
      const asked = objectOf(body, 'code')
      if (!asked.ok) return asked
      const { grant_type, 'access-code': code, code_verifier, redirect_uri } = asked.value
      if (grant_type !== 'authorization_code')
        return badValue('grant_type', 'authorization_code', described(grant_type))
      if (typeof code !== 'string' || code.length > 256)
        return badValue('access-code', 'the code', described(code))
      if (typeof code_verifier !== 'string' || !verifierForm.test(code_verifier))
        return badValue('code_verifier', '43 to 128 letters, digits and -._~', 'another')
      const hash = house.keys.lookup(codePurpose, code)
      const challenge = createHash('sha256').update(code_verifier).digest('base64url')
      // Kept also when it does not fit: a code gets one try.
      const taken = await house.store.transactHouse<Result<Redeemed, Refusal>, Refusal>(async (tx) => {
        const held = await takeCode(tx, house.env(), hash, 'code')
        if (held?.challenge === undefined) return notGood('access-code', 'one that is good')
        if (held.challenge !== challenge) return ok(notGood('code_verifier', 'the one of the code'))
        if (held.redirectUri !== redirect_uri) return ok(notGood('redirect_uri', 'the one of the code'))
        return ok(await redeem(tx, held))
      })
      if (!taken.ok) return taken
      const redeemed = taken.value
      if (!redeemed.ok)
        return redeemed.refusal.kind === 'bad-access-code'
          ? notGood('access-code', 'one that is good')
          : redeemed
      const { principal, app, scopes } = redeemed.value
      const token = house.access.tokenForApp(principal, app, scopes, newMark())
      return say({ token, token_type: 'bearer' })
    },
  }

  async function agreement(
    caller: UserCaller,
    body: Asked['body'],
    wanted: 'code' | 'token',
  ): Promise<Result<Agreement, Refusal>> {
    const allowed = ownLogin(caller)
    if (!allowed.ok) return allowed
    const asked = objectOf(body, 'agreement')
    if (!asked.ok) return asked
    const texts = textsOf(asked.value, ['service', 'scopes', 'redirect_uri', 'state', 'response_type'])
    if (!texts.ok) return texts
    const { service, scopes: words, redirect_uri = '', state = '', response_type } = texts.value
    if (response_type !== undefined && response_type !== wanted)
      return badValue('response_type', wanted, response_type)
    const app = await appNamed(house, service)
    if (!app) return badValue('service', 'the prn of an app', described(service))
    const among = scopesOf(app, words)
    if (!among.ok) return among
    const scopes = handedOn(caller, among.value)
    if (!scopes.ok) return scopes
    return ok({ app, redirectUri: redirect_uri, scopes: scopes.value, state })
  }

  /** The code challenge of the request a cookie names, if it was for this app and redirect; the request is used up. */
  async function challengeOf(
    tx: HouseTx,
    request: string,
    { app, redirectUri, scopes }: Agreement,
  ): Promise<string | undefined> {
    const hash = house.keys.lookup(requestPurpose, request)
    const held = await tx.get(loginCodes, { hash })
    const same = held?.kind === 'request' && held.app === app.id && held.redirectUri === redirectUri
    if (!same || !scopes.every((scope) => held.scopes.includes(scope))) return undefined
    return (await takeCode(tx, house.env(), hash, 'request'))?.challenge
  }

  /** Who gave a code and to which app, if both still stand as they did. */
  async function redeem(tx: HouseTx, held: LoginCode): Promise<Result<Redeemed, Refusal>> {
    const app = await tx.get(apps, { id: held.app })
    const principal = held.principal && (await tx.get(principals, { id: held.principal }))
    const stands = principal && !principal.disabled && principal.credentialVersion === held.credentialVersion
    return app && stands ? ok({ app, principal, scopes: held.scopes }) : refuse({ kind: 'bad-access-code' })
  }

  function newMark(): string {
    return letters(house.env(), codeLetters, 12)
  }
}

/** The app behind a prn, an id or a nick. */
export async function appNamed(
  { store }: Pick<House, 'store'>,
  named: string | undefined,
): Promise<App | undefined> {
  if (named === undefined) return undefined
  const reader = store.readHouse()
  const id = AppId.parse(named)
  const prn = parsePrn(named)
  if (id) return reader.get(apps, { id })
  return appByNick(reader, prn?.kind === 'app' ? prn.name : named)
}

interface Redeemed {
  readonly app: App
  readonly principal: Principal
  readonly scopes: readonly string[]
}

function notGood(thing: string, wanted: string) {
  return badValue(thing, wanted, 'another, or one that was used')
}

function wrongRedirect(app: App, got: string) {
  return badValue('redirect_uri', `one below ${app.redirectUris.join(' or ')}`, described(got))
}

/** The scopes that are asked for among an app's; all of them when none is named. */
export function scopesOf(app: App, words: string | undefined): Result<readonly string[], Refusal> {
  const has = app.scopes.map(scopePrn)
  const asked = (words ?? '').split(/\s+/).filter((word) => word !== '')
  if (asked.length === 0) return ok([...new Set(has)])
  const scopes = new Set<string>()
  for (const word of asked) {
    const scope = word.startsWith('prn:') ? word : Prn.scope(word)
    if (!has.includes(scope)) return badValue('scopes', 'scopes of the app', described(word))
    scopes.add(scope)
  }
  return ok([...scopes])
}

/** Whether a redirect is one an app registered, or lies below it. */
export function isRegistered(app: Pick<App, 'redirectUris'>, redirect: string): boolean {
  const asked = redirectUrl(redirect)
  if (!asked) return false
  return app.redirectUris.some((registered) => {
    const { origin, pathname } = new URL(registered)
    const below = pathname.endsWith('/') ? pathname : `${pathname}/`
    return asked.origin === origin && (asked.pathname === pathname || asked.pathname.startsWith(below))
  })
}

/** Whether a redirect leads to this machine's `/callback`. */
export function isLoopback(redirect: string): boolean {
  const asked = redirectUrl(redirect)
  if (!asked || (asked.hostname !== 'localhost' && asked.hostname !== '127.0.0.1')) return false
  return asked.pathname === '/callback' || asked.pathname.startsWith('/callback/')
}

function redirectUrl(text: string): URL | undefined {
  if (text.length > 1024 || !/^https?:\/\/[\x21-\x7e]+$/.test(text) || !URL.canParse(text)) return undefined
  const url = new URL(text)
  // `\` and `@` are where parsers of URLs disagree about the host.
  const plain = url.username === '' && url.password === '' && url.hash === '' && !/[\\@#]/.test(text)
  return plain ? url : undefined
}

/** A cookie's value, if it is there and plain. */
export function cookieOf(header: string | undefined, name: string): string | undefined {
  for (const part of (header ?? '').split(';')) {
    const [key = '', value = ''] = part.trim().split('=', 2)
    if (key === name && /^[\w-]{1,128}$/.test(value)) return value
  }
  return undefined
}

function textsOf<const N extends string>(
  from: JsonObject,
  names: readonly N[],
): Result<{ readonly [K in N]?: string }, Refusal> {
  const texts: Partial<Record<N, string>> = {}
  for (const name of names) {
    const text = textAt(from, name, 2048)
    if (!text.ok) return text
    if (text.value !== undefined) texts[name] = text.value
  }
  return ok(texts)
}
