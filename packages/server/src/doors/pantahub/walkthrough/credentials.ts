/**
 * What a caller of the walkthrough's forms proves itself with, and how it gets it.
 *
 * One login gives two tokens, as cookies and in the body. The access token is the house's own and good at every door;
 * the refresh token is signed with a key of its own and good for one thing, a new pair. A browser that was sent to log
 * in holds a session instead: a cookie that is sealed, so that all a session is made of travels with it and every process
 * can open it. It brings the session of the auth service back; each service that is shown that one answers with a cookie
 * of its own, below its own path, good there and nowhere else.
 *
 * A bearer counts before any cookie. Cookies travel by themselves, so they count for changes only when the request comes
 * from a page of ours or from no page at all; that, and `SameSite`, keeps other sites' pages from acting for a browser.
 */

import type { IncomingHttpHeaders } from 'node:http'
import { Instant, ok, type Result } from '@waymark/domain'
import { allows, isJsonObject, type JsonObject, parseJson } from '@waymark/pantahub'
import type { Caller, Claims } from '../../../access.ts'
import type { House } from '../../../house.ts'
import { keysBy } from '../../../token-keys.ts'
import { createTokens } from '../../../tokens.ts'

export const accessCookie = 'X-pantahub-core-access_token'
export const refreshCookie = 'X-pantahub-core-refresh_token'
export const sessionCookie = 'session'
/** Cookies of that name that are looked at: one for each path above what is asked for, and some of others. */
const sessionsMax = 8

/** The path of the login's cookies, as printed. They are taken below `/v1` as well, from whoever sends them there. */
const loginPath = '/api/v1'

export type CameBy = 'bearer' | 'cookie' | 'session' | 'own-session'

/** A service that keeps sessions: what its sessions are sealed for, and the path of their cookies. */
export interface Service {
  readonly name: string
  readonly path: string
}

/** What is known of a caller: who it is, that it showed nothing, or that what it showed is not good. */
export type Known =
  | {
      readonly kind: 'caller'
      readonly caller: Caller
      readonly token: string
      /** `session`: the auth service's; `own-session`: that of the service which is asked. */
      readonly by: CameBy
    }
  | { readonly kind: 'nothing' }
  | { readonly kind: 'not-good' }

/** A browser's session with the services here; without `token` it has not logged in yet. */
export interface Session {
  readonly id: string
  readonly token?: string
}

export interface Pair {
  readonly access: string
  readonly refresh: string
  readonly cookies: readonly string[]
}

export type Credentials = ReturnType<typeof createCredentials>

interface RefreshClaims {
  /** What the access token says that it came with. */
  readonly login: Claims
  /** Seconds. */
  readonly exp: number
}

export function createCredentials(house: House) {
  const { access, clock, keys, config } = house
  const refreshing = createTokens<RefreshClaims>({
    clock,
    keys: keysBy(house.tokenKeys, (label) => ({
      kid: `refresh-${label}`,
      secret: Buffer.from(keys.lookup('walkthrough/refresh-tokens', label), 'hex'),
    })),
    parse: refreshClaims,
  })

  return {
    /** Both tokens for a login, and the cookies that carry them. */
    pairFor({ token, claims }: { token: string; claims: Claims }): Pair {
      const until = claims.orig_iat + config.tokenRefresh * 60
      const refresh = refreshing.issue({ login: claims, exp: until })
      return {
        access: token,
        refresh,
        cookies: [
          accessCookieFor(token, claims),
          cookie(refreshCookie, refresh, { path: loginPath, until: Instant.of(until * 1000) }),
        ],
      }
    },

    accessCookieFor,

    /** A new access token for a refresh token; undefined when it is none, too old, or what it stands on has changed. */
    async refreshed(refresh: string): Promise<{ token: string; claims: Claims } | undefined> {
      const known = refreshing.verify(refresh)
      if (!known.ok) return undefined
      const fresh = await access.renew(known.value.login)
      return fresh.ok ? fresh.value : undefined
    },

    /** Who asks a service, or the auth service. `changes`: whether the request would change something. */
    async knownOf(headers: IncomingHttpHeaders, changes: boolean, service?: Service): Promise<Known> {
      const bearer = bearerOf(headers)
      if (bearer !== undefined) return (await callerBy(bearer, 'bearer')) ?? { kind: 'not-good' }
      if (changes && comesFromElsewhere(headers)) return { kind: 'nothing' }
      const shown = cookieOf(headers, accessCookie)
      const own = service && sessionOf(headers, service)
      const session = sessionOf(headers)
      const tokens: readonly [string | undefined, CameBy][] = [
        [shown, 'cookie'],
        [own?.token, 'own-session'],
        [session?.token, 'session'],
      ]
      for (const [token, by] of tokens) {
        const known = token === undefined ? undefined : await callerBy(token, by)
        if (known) return known
      }
      return { kind: tokens.every(([token]) => token === undefined) ? 'nothing' : 'not-good' }
    },

    comesFromElsewhere,

    /** The session of the auth service that a browser shows, logged in or not. */
    sessionOf: (headers: IncomingHttpHeaders) => sessionOf(headers),

    /** The cookie of a session, good until then. */
    sessionCookieFor(session: Session, until: Instant): string {
      return cookie(sessionCookie, sealedFor(session), { path: '/', until })
    },

    /** A service's own cookie for whoever showed it the auth service's session: it ends when that one does. */
    ownSessionCookieFor(service: Service, token: string, claims: Claims): string {
      const session = { id: Buffer.from(house.env().random(16)).toString('hex'), token }
      const until = Instant.of(claims.exp * 1000)
      return cookie(sessionCookie, sealedFor(session, service), { path: service.path, until })
    },
  }

  async function callerBy(token: string, by: CameBy): Promise<Known | undefined> {
    const found = token === '' ? undefined : await access.callerOf(token)
    return found?.ok ? { kind: 'caller', caller: found.value, token, by } : undefined
  }

  function accessCookieFor(token: string, claims: Claims): string {
    return cookie(accessCookie, token, { path: loginPath, until: Instant.of(claims.exp * 1000) })
  }

  /** The auth service's session, or a service's own, among those that are shown. */
  function sessionOf(headers: IncomingHttpHeaders, service?: Service): Session | undefined {
    for (const shown of cookiesOf(headers, sessionCookie).slice(0, sessionsMax)) {
      const { id, token } = openSealed(house, shown, placeOf(service)) ?? {}
      if (typeof id === 'string') return typeof token === 'string' ? { id, token } : { id }
    }
    return undefined
  }

  function sealedFor(session: Session, service?: Service): string {
    return keys.seal(JSON.stringify(session), placeOf(service))
  }

  function cookie(name: string, value: string, { path, until }: { path: string; until: Instant }): string {
    const secure = house.publicUrl().startsWith('https:') ? '; Secure' : ''
    const expires = new Date(until).toUTCString()
    return `${name}=${value}; Path=${path}; Expires=${expires}; HttpOnly; SameSite=Lax${secure}`
  }

  /** Whether a page of another site made the browser ask. */
  function comesFromElsewhere(headers: IncomingHttpHeaders): boolean {
    const { origin, host } = headers
    const site = headers['sec-fetch-site']
    if (site === 'cross-site' || site === 'same-site') return true
    if (origin === undefined) return false
    return (
      origin !== new URL(house.publicUrl()).origin &&
      origin !== `http://${host}` &&
      origin !== `https://${host}`
    )
  }
}

/** A sealed JSON object, opened; undefined when it is none of ours. */
export function openSealed(house: House, sealed: string | undefined, place: string): JsonObject | undefined {
  const plain = sealed === undefined ? undefined : house.keys.unseal(sealed, place)
  const parsed = plain?.ok ? parseJson(plain.value) : undefined
  return parsed?.ok && isJsonObject(parsed.value) ? parsed.value : undefined
}

/** The token of `Authorization: Bearer`, or of `Authentication: Bearer`; '' when it is something else. */
export function bearerOf(headers: IncomingHttpHeaders): string | undefined {
  const header = headers.authorization ?? headers.authentication
  if (header === undefined) return undefined
  return typeof header === 'string' && header.startsWith('Bearer ') ? header.slice(7).trim() : ''
}

/**
 * The value of a cookie. What follows a comma is not part of it: the walkthrough prints a `Cookie` header that repeats
 * the path of the `Set-Cookie` it was made from.
 */
export function cookieOf(headers: IncomingHttpHeaders, name: string): string | undefined {
  return cookiesOf(headers, name)[0]
}

/** The values of all cookies of a name: a browser sends that of the longest path first. */
function cookiesOf(headers: IncomingHttpHeaders, name: string): readonly string[] {
  const values: string[] = []
  for (const part of (headers.cookie ?? '').split(';')) {
    const equals = part.indexOf('=')
    if (equals < 0 || part.slice(0, equals).trim() !== name) continue
    const [value = ''] = part.slice(equals + 1).split(',')
    values.push(value.trim())
  }
  return values
}

function placeOf(service: Service | undefined): string {
  return service === undefined ? 'walkthrough/session' : `walkthrough/session/${service.name}`
}

/** The claims of a refresh token: its signature has been checked, so a wrong form is another version's. */
function refreshClaims(payload: unknown): RefreshClaims | undefined {
  if (typeof payload !== 'object' || payload === null) return undefined
  const { login, exp } = payload as Partial<RefreshClaims>
  return typeof login === 'object' && typeof exp === 'number' ? { login, exp } : undefined
}

/** The claims with no more scopes than these; a login narrower than that keeps what it has of them. */
export function narrowed(claims: Claims, scopes: readonly string[]): Claims {
  const inner = claims['call-as']
  if (inner) return { ...claims, 'call-as': { ...inner, scopes: common(inner.scopes, scopes) } }
  return { ...claims, scopes: common(claims.scopes, scopes) }
}

function common(held: string, wanted: readonly string[]): string {
  const own = held.split(' ')
  const all = allows(own, 'all')
  // A narrower word of a family that is wanted (`trails.readonly` of `trails`) is kept as it is.
  const within = (scope: string) => wanted.some((word) => scope === word || scope.startsWith(`${word}.`))
  return (all ? wanted : own.filter(within)).join(' ')
}

/** What a handler that answers a pair says: the reply the walkthrough prints. */
export function pairSaid(
  pair: Pair,
): Result<{ readonly cookies: readonly string[]; readonly value: unknown }, never> {
  return ok({
    cookies: pair.cookies,
    value: {
      status: 200,
      access_token: pair.access,
      refresh_token: pair.refresh,
      text: 'Login Successful.',
    },
  })
}
