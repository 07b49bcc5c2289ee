/** Personal tokens at the fleet door: a program logs in by a token's name and secret, and gets what its scopes allow. */
import { Type } from '@sinclair/typebox'
import {
  type AccessToken,
  AccessTokenId,
  accessTokens,
  accessTokensMax,
  createAccessToken,
  Instant,
  ok,
  PrincipalId,
  type Result,
  refuse,
  removeAccessToken,
} from '@waymark/domain'
import { newTokenSecret, tokenLifeDefaultMs, tokenLifeMaxMs, tokenSecretPurpose } from '../../handed-on.ts'
import * as wire from './account-schemas.ts'
import { handedOn, ownLogin, scopeSaid } from './handing-on.ts'
import { changing, type Operation, reading } from './operation.ts'
import type { DoorRefusal } from './refusals.ts'
import { Id } from './schemas.ts'

export const accessTokenOperations: readonly Operation[] = [
  reading({
    id: 'listAccessTokens',
    method: 'GET',
    path: '/tokens',
    tag: 'tokens',
    summary: 'One’s own personal tokens, without their secrets',
    right: 'any',
    answer: Type.Object({ items: Type.Array(wire.AccessToken) }),
    async run({ house, caller }) {
      const own = await house.store.readHouse().find(accessTokens, {
        where: { principal: caller.principal.id },
        order: ['principal', 'id'],
        limit: accessTokensMax,
      })
      return ok({ items: own.map(view) })
    },
  }),

  changing({
    id: 'createAccessToken',
    method: 'POST',
    path: '/tokens',
    tag: 'tokens',
    summary: 'Makes a personal token; its secret is shown this once',
    right: 'any',
    body: wire.NewAccessToken,
    answer: wire.AccessTokenMade,
    status: 201,
    async run({ house, caller, body }) {
      const allowed = ownLogin(caller)
      if (!allowed.ok) return allowed
      const scopes = handedOn(caller, body.scopes ?? ['all'])
      if (!scopes.ok) return scopes
      const expiresAt = expiry(body.expiresAt, house.clock.now())
      if (!expiresAt.ok) return expiresAt
      return ok(async (directory) => {
        const env = house.env()
        let secret = ''
        const made = await createAccessToken(directory, env, {
          principal: caller.principal.id,
          tenant: caller.tenant,
          name: body.name,
          type: '',
          scopes: scopes.value,
          expiresAt: expiresAt.value,
          made: (id) => {
            secret = newTokenSecret(env, id)
            return { hash: house.keys.lookup(tokenSecretPurpose, secret) }
          },
          by: caller.actor,
        })
        return made.ok ? ok({ token: view(made.value), secret }) : made
      })
    },
  }),

  changing({
    id: 'removeAccessToken',
    method: 'DELETE',
    path: '/tokens/:id',
    tag: 'tokens',
    summary: 'Removes a personal token of one’s own: logins that stand on it are void',
    right: 'any',
    params: Type.Object({ id: Id }),
    answer: wire.AccessToken,
    async run({ house, caller, params }) {
      const id = AccessTokenId.parse(params.id)
      const principal = PrincipalId.parse(caller.principal.id)
      if (!id || !principal) return refuse({ kind: 'no-such-access-token', got: params.id })
      return ok(async (directory) => {
        const gone = await removeAccessToken(directory, house.env(), { id, principal, by: caller.actor })
        return gone.ok ? ok(view(gone.value)) : gone
      })
    },
  }),
]

function view(token: AccessToken) {
  return {
    id: token.id,
    name: token.name,
    scopes: token.scopes.map(scopeSaid),
    expiresAt: Instant.format(token.expiresAt),
    createdAt: Instant.format(token.createdAt),
  }
}

/** When a token ends: in a year, unless told. */
function expiry(asked: string | undefined, now: Instant): Result<Instant, DoorRefusal> {
  if (asked === undefined) return ok(Instant.after(now, tokenLifeDefaultMs))
  const at = Instant.parse(asked)
  return at !== undefined && at > now && at <= now + tokenLifeMaxMs
    ? ok(at)
    : refuse({ kind: 'bad-value', thing: 'expiresAt', wanted: 'a time within ten years', got: asked })
}
