/**
 * Logging in by GET, as the walkthrough prints it: identity and secret from a JSON body of the GET, or from its query,
 * or, instead of both, the refresh token.
 *
 * A secret in a query ends up in the logs of whoever stands between; ours drops the query of this address before a line
 * is written. The body counts before the query, and credentials before tokens: who gives them wants to log in anew.
 */

import type { IncomingMessage } from 'node:http'
import { DeviceId, PrincipalId, principals, type Result, refuse } from '@waymark/domain'
import { expandScopes, parsePrn } from '@waymark/pantahub'
import type { Claims, Login } from '../../../access.ts'
import type { House } from '../../../house.ts'
import type { Asked } from '../answer.ts'
import { objectOf, textAt } from '../bodies.ts'
import { type BadValue, badValue } from '../errors.ts'
import { tokenBytesMax } from '../login.ts'
import type { WalkHandlers } from './answer.ts'
import { bearerOf, type Credentials, cookieOf, pairSaid, refreshCookie } from './credentials.ts'
import type { WalkDoorRefusal } from './refusals.ts'

export function walkLoginHandlers(house: House, credentials: Credentials): Pick<WalkHandlers, 'login'> {
  return {
    async login(asked) {
      const given = credentialsIn(asked)
      dropQuery(asked.raw)
      if (!given.ok) return given
      // Nobody's page logs a browser in as somebody else.
      if (credentials.comesFromElsewhere(asked.headers)) return refuse({ kind: 'no-login' })
      if (given.value) {
        const entered = await enter(house, given.value, asked.peer)
        return entered.ok ? pairSaid(credentials.pairFor(entered.value)) : entered
      }
      const shown = bearerOf(asked.headers) ?? cookieOf(asked.headers, refreshCookie)
      if (shown === undefined)
        return badValue('login', 'identity and secret, or the refresh token', 'neither')
      const fresh = await credentials.refreshed(shown)
      return fresh ? pairSaid(credentials.pairFor(fresh)) : refuse({ kind: 'no-login' })
    },
  }
}

/** Who somebody says they are. */
export interface Given {
  readonly identity: string
  readonly secret: string
}

/** Identity and secret of a request, both from its body or both from its query; undefined when there are none. */
export function credentialsIn({
  body,
  query,
}: Pick<Asked<undefined>, 'body' | 'query'>): Result<Given | undefined, BadValue> {
  if (body !== undefined && body.length > 0) {
    const from = objectOf(body, 'login')
    if (!from.ok) return from
    const identity = textAt(from.value, 'identity', 512)
    if (!identity.ok) return identity
    const secret = textAt(from.value, 'secret')
    if (!secret.ok) return secret
    if (identity.value !== undefined || secret.value !== undefined)
      return complete(identity.value, secret.value)
  }
  return query.identity === undefined && query.secret === undefined
    ? { ok: true, value: undefined }
    : complete(query.identity, query.secret)
}

function complete(
  identity: string | undefined,
  secret: string | undefined,
): Result<Given | undefined, BadValue> {
  if (!identity) return badValue('identity', 'a login id', 'nothing')
  if (!secret) return badValue('secret', 'a text', 'nothing')
  return { ok: true, value: { identity, secret } }
}

/** Logs in by identity and secret; `scopes`: those wanted, none: all. */
export async function enter(
  house: House,
  { identity, secret }: Given,
  peer: string,
  scopes: readonly string[] = expandScopes(undefined),
): Promise<Result<{ token: string; claims: Claims }, WalkDoorRefusal>> {
  const entered = await house.access.login(await loginMeant(house, identity, secret), { scopes, peer })
  if (!entered.ok) return entered
  const bytes = Buffer.byteLength(entered.value.token)
  if (bytes > tokenBytesMax)
    return badValue('identity', `one whose token has at most ${tokenBytesMax} bytes`, `${bytes} bytes`)
  return entered
}

/** Whom an identity means: a device by its prn or id; anybody else by account prn, nick or e-mail address. */
async function loginMeant(house: House, identity: string, secret: string): Promise<Login> {
  const prn = identity.startsWith('prn:') ? parsePrn(identity) : undefined
  const device = DeviceId.parse(prn === undefined ? identity : prn.kind === 'device' ? prn.name : undefined)
  if (device) return { kind: 'device', device, secret }
  const id = prn?.kind === 'account' ? PrincipalId.parse(prn.name) : undefined
  const person = id && (await house.store.readHouse().get(principals, { id }))
  return { kind: 'user', name: person?.nick ?? identity, password: secret }
}

/** Takes the query out of what is logged of a request. */
export function dropQuery(raw: IncomingMessage): void {
  raw.url = raw.url?.split('?', 1)[0] ?? ''
}
