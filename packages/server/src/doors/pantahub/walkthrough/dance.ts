/**
 * How a browser gets in: a service sends it to the auth service with a code, and gets it back with a session.
 *
 * A page asked for without a login is answered 301, a session that is not logged in yet, and a `Location` with a code.
 * The code says which session asked, where to go back to and which scopes are wanted; it is sealed, so that all of it is
 * the server's word and any process can read it. It is good for five minutes, once, and for the browser whose session it
 * names: a link with somebody else's code leads nowhere. At the auth service whoever is logged in passes at once, others
 * are shown a page; then a 301 leads back. The session gets another id there, so that one which was planted before the
 * login is worth nothing after it.
 *
 * All services are one host here: what is brought back is the auth service's session, and stands for all of it. A service that
 * is shown it answers with a cookie of its own below its own path (`credentials.ts`).
 */

import type { IncomingHttpHeaders } from 'node:http'
import { Instant, ok, type Result, refuse, spentCodes } from '@waymark/domain'
import { expandScopes } from '@waymark/pantahub'
import type { Claims } from '../../../access.ts'
import type { House } from '../../../house.ts'
import type { Asked } from '../answer.ts'
import { objectOf } from '../bodies.ts'
import { badValue } from '../errors.ts'
import type { WalkHandlers, WalkSaid } from './answer.ts'
import { type Credentials, narrowed, openSealed } from './credentials.ts'
import { credentialsIn, dropQuery, enter } from './login.ts'
import { loginPage } from './page.ts'
import type { OwnRefusal } from './refusals.ts'

/** How long a code is good. */
export const codeLifeMs = 5 * 60_000
/** Longest address that is come back to. */
const callbackMax = 2048
const place = 'walkthrough/code'

/** The scopes a session is for: what these services are about. */
const wantedScopes = expandScopes('trails objects')

interface Code {
  readonly session: string
  /** Path and query on this host. */
  readonly callback: string
  readonly scopes: readonly string[]
  readonly until: Instant
  /** Its name among those that are spent. */
  readonly hash: string
}

export interface Dance {
  /** The first step: 301 to the auth service; undefined when the caller is no browser that asks for a page. */
  begin(asked: { method: string; url: string; headers: IncomingHttpHeaders }): WalkSaid | undefined
  readonly handlers: Pick<WalkHandlers, 'authorize'>
}

export function createDance(house: House, credentials: Credentials): Dance {
  const { keys, clock } = house
  const newId = () => Buffer.from(house.env().random(16)).toString('hex')

  return {
    begin({ method, url, headers }) {
      if (method !== 'GET' || !wantsPage(headers) || url.length > callbackMax) return undefined
      const session = credentials.sessionOf(headers)?.id ?? newId()
      const until = Instant.after(clock.now(), codeLifeMs)
      const code = keys.seal(
        JSON.stringify({ session, callback: url, scopes: wantedScopes, until, nonce: newId() }),
        place,
      )
      return ok({
        status: 301,
        cookies: [credentials.sessionCookieFor({ id: session }, until)],
        headers: { location: `${house.publicUrl()}/v1/auth?code=${code}` },
        text: '',
      })
    },
    handlers: { authorize },
  }

  async function authorize(asked: Asked<undefined>): Promise<WalkSaid> {
    const changes = asked.raw.method === 'POST'
    const form = formOf(asked)
    dropQuery(asked.raw)
    if (!form.ok) return form
    const { text, body } = form.value
    const code = openCode(text)
    if (!code.ok) return code
    if (await house.store.readHouse().get(spentCodes, { hash: code.value.hash })) return spent()
    const session = credentials.sessionOf(asked.headers)
    if (session?.id !== code.value.session)
      return refuse({ kind: 'bad-code', wanted: 'the session it was made for', got: 'another, or none' })

    const given = credentialsIn({ body, query: {} })
    if (given.ok && given.value) {
      const entered = await enter(house, given.value, asked.peer, code.value.scopes)
      if (entered.ok) return lead(code.value, entered.value, true)
      return wantsPage(asked.headers)
        ? page(text, 'The identity is unknown or the secret is wrong.', 401)
        : entered
    }
    const known = await credentials.knownOf(asked.headers, changes)
    if (known.kind === 'caller') {
      const renewed = await house.access.renew(narrowed(known.caller.claims, code.value.scopes))
      if (renewed.ok) return lead(code.value, renewed.value, false)
    }
    return wantsPage(asked.headers) ? page(text, '', 200) : refuse({ kind: 'no-login' })
  }

  /** Spends the code and leads back, with a session that is logged in. */
  async function lead(
    code: Code,
    login: { token: string; claims: Claims },
    isNew: boolean,
  ): Promise<WalkSaid> {
    const first = await house.store.transactHouse(async (tx): Promise<Result<void, OwnRefusal>> => {
      if (await tx.get(spentCodes, { hash: code.hash })) return spent()
      await tx.put(spentCodes, { hash: code.hash, expiresAt: code.until })
      const old = await tx.find(spentCodes, {
        where: { expiresAt: { lt: clock.now() } },
        order: ['expiresAt', 'hash'],
        limit: 20,
      })
      for (const row of old) await tx.remove(spentCodes, row)
      return ok(undefined)
    })
    if (!first.ok) return first
    const { token, claims } = login
    const session = { id: newId(), token }
    return ok({
      status: 301,
      cookies: [
        credentials.sessionCookieFor(session, Instant.of(claims.exp * 1000)),
        // Who came with a login keeps it; who logged in here has the token for programs as well.
        ...(isNew ? [credentials.accessCookieFor(token, claims)] : []),
      ],
      headers: { location: house.publicUrl() + code.callback },
      text: '',
    })
  }

  function openCode(text: string): Result<Code, OwnRefusal> {
    const { session, callback, scopes, until } = openSealed(house, text, place) ?? {}
    if (typeof session !== 'string' || typeof callback !== 'string' || typeof until !== 'number')
      return refuse({ kind: 'bad-code', wanted: 'one of ours', got: text === '' ? 'none' : 'another' })
    if (until <= clock.now())
      return refuse({ kind: 'bad-code', wanted: 'one younger than five minutes', got: 'an older one' })
    const named = Array.isArray(scopes) ? scopes.filter((scope) => typeof scope === 'string') : []
    return ok({
      session,
      callback,
      scopes: named,
      until: Instant.of(until),
      hash: keys.lookup(place, text),
    })
  }

  function page(code: string, note: string, status: number): WalkSaid {
    return ok(loginPage({ code, note, status, base: house.publicUrl() }))
  }
}

function spent(): { readonly ok: false; readonly refusal: OwnRefusal } {
  return refuse({ kind: 'bad-code', wanted: 'one that has not been used', got: 'one that has' })
}

/** Whether a browser asks, for something to look at. */
export function wantsPage({ accept }: IncomingHttpHeaders): boolean {
  return accept !== undefined && /\btext\/html\b/i.test(accept)
}

/** The code, and what else came: by GET in query and body, by POST in a form or in JSON. */
function formOf({ query, body, headers }: Asked<undefined>) {
  const isForm = (headers['content-type'] ?? '').toLowerCase().startsWith('application/x-www-form-urlencoded')
  if (isForm && body !== undefined) {
    const fields = new URLSearchParams(body.toString('utf8'))
    const json = JSON.stringify({ identity: fields.get('identity'), secret: fields.get('secret') })
    return ok({ text: fields.get('code') ?? query.code ?? '', body: Buffer.from(json) })
  }
  if (body === undefined || body.length === 0) return ok({ text: query.code ?? '', body: undefined })
  const from = objectOf(body, 'login')
  if (!from.ok) return from
  const code = from.value.code ?? query.code ?? ''
  return typeof code === 'string' ? ok({ text: code, body }) : badValue('code', 'a text', typeof code)
}
