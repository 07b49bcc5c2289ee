/**
 * Personal tokens (Pantahub wire facts 2.5): made by a person for its programs, which log in by name and secret and get
 * the person's token with the scopes that were chosen, for five minutes at a time.
 *
 * The secret is shown once. It is long and random, so it is found by its keyed hash and needs no slow one.
 */
import {
  type AccessToken,
  AccessTokenId,
  accessTokens,
  createAccessToken,
  Instant,
  refuse,
  removeAccessToken,
} from '@waymark/domain'
import { Prn } from '@waymark/pantahub'
import { hex, ownerPrn, type UserCaller } from '../../access.ts'
import { newTokenSecret, tokenLifeDefaultMs, tokenLifeMaxMs, tokenSecretPurpose } from '../../handed-on.ts'
import type { House } from '../../house.ts'
import { type Handlers, say } from './answer.ts'
import { described, objectOf, textAt } from './bodies.ts'
import { type BadValue, badValue } from './errors.ts'
import { handedOn, ownLogin } from './own-login.ts'

const nameForm = /^[\x20-\x7e]{1,128}$/
const pageSizeMax = 1000

export function accessTokenHandlers(
  house: House,
): Pick<Handlers, 'listAccessTokens' | 'createAccessToken' | 'readAccessToken' | 'removeAccessToken'> {
  return {
    async listAccessTokens({ caller, query }) {
      const size = numberAt(query['page[size]'] ?? query.page_size, 1, pageSizeMax, 50)
      const offset = numberAt(query['page[offset]'] ?? query.page_offset, 0, pageSizeMax, 0)
      if (size === undefined || offset === undefined)
        return badValue('page', `a size of 1 to ${pageSizeMax} and an offset`, 'another')
      // One person has at most as many as are read here.
      const own = await house.store.readHouse().find(accessTokens, {
        where: { principal: caller.principal.id },
        order: ['principal', 'id'],
        limit: pageSizeMax,
      })
      const items = own.slice(offset, offset + size).map(wire)
      return say({ items, total: own.length, page_size: size, page_offset: offset })
    },

    async createAccessToken({ caller, body }) {
      const allowed = ownLogin(caller)
      if (!allowed.ok) return allowed
      const asked = objectOf(body, 'token')
      if (!asked.ok) return asked
      const { name, type } = asked.value
      if (typeof name !== 'string' || !nameForm.test(name))
        return badValue('name', 'a text of 1 to 128 printable characters', described(name))
      const kind = textAt(asked.value, 'type', 64)
      if (!kind.ok) return badValue('type', 'a text of at most 64 characters', described(type))
      const raw = asked.value.scopes ?? ['all']
      if (!Array.isArray(raw) || raw.length === 0)
        return badValue('scopes', 'an array of scopes', described(raw))
      const scopes = handedOn(caller, raw)
      if (!scopes.ok) return scopes
      const expires = expiry(asked.value['expire-at'], house.clock.now())
      if (!expires.ok) return expires

      let secret = ''
      const made = await house.store.transactHouse((tx) =>
        createAccessToken(tx, house.env(), {
          principal: caller.principal.id,
          tenant: caller.tenant,
          name,
          type: kind.value ?? '',
          scopes: scopes.value,
          expiresAt: expires.value,
          made: (id) => {
            secret = newTokenSecret(house.env(), id)
            return { hash: house.keys.lookup(tokenSecretPurpose, secret) }
          },
          by: caller.actor,
        }),
      )
      return made.ok ? say({ ...wire(made.value), secret }) : made
    },

    async readAccessToken({ caller, params }) {
      const token = await own(caller, params.id)
      return token ? say(wire(token)) : refuse({ kind: 'no-such-access-token', got: String(params.id) })
    },

    async removeAccessToken({ caller, params }) {
      const id = AccessTokenId.parse(params.id)
      if (!id) return refuse({ kind: 'no-such-access-token', got: String(params.id) })
      const asked = { id, principal: caller.principal.id, by: caller.actor }
      const gone = await house.store.transactHouse((tx) => removeAccessToken(tx, house.env(), asked))
      return gone.ok ? say({ success: true }) : gone
    },
  }

  async function own(caller: UserCaller, raw: string | undefined): Promise<AccessToken | undefined> {
    const id = AccessTokenId.parse(raw)
    const token = id && (await house.store.readHouse().get(accessTokens, { id }))
    return token && token.principal === caller.principal.id ? token : undefined
  }
}

/** A token as it is told: neither its secret nor a hash of it. */
function wire(token: AccessToken): Record<string, unknown> {
  return {
    id: token.id,
    prn: Prn.accessToken(hex(token.id)),
    name: token.name,
    type: token.type,
    owner: ownerPrn(token.tenant),
    scopes: token.scopes,
    'expire-at': Instant.format(token.expiresAt),
    'time-created': Instant.format(token.createdAt),
  }
}

/** When a token ends: in a year, unless told; the zero time counts as not told. */
function expiry(
  raw: unknown,
  now: Instant,
): { readonly ok: true; readonly value: Instant } | { readonly ok: false; readonly refusal: BadValue } {
  if (raw === undefined || raw === null || raw === '' || raw === '0001-01-01T00:00:00Z')
    return { ok: true, value: Instant.after(now, tokenLifeDefaultMs) }
  const at = typeof raw === 'string' ? Instant.parse(raw) : undefined
  if (at === undefined || at <= now || at > now + tokenLifeMaxMs)
    return badValue('expire-at', 'a time within ten years from now (RFC 3339)', described(raw))
  return { ok: true, value: at }
}

function numberAt(raw: string | undefined, min: number, max: number, usual: number): number | undefined {
  if (raw === undefined || raw === '') return usual
  const value = /^\d{1,6}$/.test(raw) ? Number(raw) : Number.NaN
  return value >= min && value <= max ? value : undefined
}
