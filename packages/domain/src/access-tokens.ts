/**
 * Personal tokens: a name and a secret by which a program logs in for a person, with some of the person's scopes. The
 * secret is shown once and kept as a keyed hash; whoever removes a token voids the logins that stand on it.
 */
import { type Env, newId } from './env.ts'
import { AccessTokenId, type Instant, type PrincipalId, type TenantId } from './ids.ts'
import { actingOn } from './journal.ts'
import { type AccessToken, accessTokens } from './login-records.ts'
import type { Actor, HouseTx, Reader } from './port.ts'
import { ok, type Result, refuse } from './result.ts'

/** Tokens one principal may have. */
export const accessTokensMax = 1000

export type AccessTokenRefusal =
  | { readonly kind: 'no-such-access-token'; readonly got: string }
  | { readonly kind: 'too-many-access-tokens'; readonly wanted: number }

/** Keeps a new token. `made` is told its id, and answers the hash of a secret that may hold it. */
export async function createAccessToken(
  house: HouseTx,
  env: Env,
  asked: {
    readonly principal: PrincipalId
    readonly tenant: TenantId
    readonly name: string
    readonly type: string
    readonly scopes: readonly string[]
    readonly expiresAt: Instant
    readonly made: (id: AccessTokenId) => { readonly hash: string }
    readonly by: Actor
  },
): Promise<Result<AccessToken, AccessTokenRefusal>> {
  const { principal, tenant, name, type, scopes, expiresAt } = asked
  if ((await house.count(accessTokens, { principal })) >= accessTokensMax)
    return refuse({ kind: 'too-many-access-tokens', wanted: accessTokensMax })
  const id = newId(env, AccessTokenId.parse)
  const { hash } = asked.made(id)
  const token: AccessToken = {
    id,
    principal,
    tenant,
    name,
    type,
    scopes,
    hash,
    expiresAt,
    createdAt: env.now,
  }
  await house.put(accessTokens, token)
  actingOn(house.tenant(tenant), env, asked.by).note('access-token.created', {
    token: id,
    principal,
    name,
    scopes: [...scopes],
  })
  return ok(token)
}

/** Removes a principal's token; another's is as absent. */
export async function removeAccessToken(
  house: HouseTx,
  env: Env,
  asked: { readonly id: AccessTokenId; readonly principal: PrincipalId; readonly by: Actor },
): Promise<Result<AccessToken, AccessTokenRefusal>> {
  const held = await house.get(accessTokens, { id: asked.id })
  if (held?.principal !== asked.principal) return refuse({ kind: 'no-such-access-token', got: asked.id })
  await house.remove(accessTokens, { id: held.id })
  actingOn(house.tenant(held.tenant), env, asked.by).note('access-token.removed', {
    token: held.id,
    principal: held.principal,
  })
  return ok(held)
}

/** The living token behind a hash and a name. */
export async function accessTokenByHash(
  reader: Reader,
  now: Instant,
  asked: { readonly hash: string; readonly name: string },
): Promise<AccessToken | undefined> {
  const [token] = await reader.find(accessTokens, { where: { hash: asked.hash }, limit: 1 })
  return token && token.name === asked.name && token.expiresAt > now ? token : undefined
}
