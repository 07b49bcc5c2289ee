/**
 * Apps of third parties, and the codes by which people let them in.
 *
 * An app names the scopes it may ask for and the addresses people are sent back to. A code is good once, for five
 * minutes, for one app, one redirect and the scopes it was given for. Taking one away and using it are one commit.
 */
import { type Env, newId } from './env.ts'
import { AppId, Instant, type PrincipalId, type TenantId } from './ids.ts'
import { actingOn } from './journal.ts'
import { type App, apps, type LoginCode, loginCodes } from './login-records.ts'
import type { Actor, HouseTx, Reader } from './port.ts'
import { ok, type Result, refuse } from './result.ts'

/** Apps one principal may register. */
export const appsMax = 200

/** How long a code is good. */
export const codeLifeMs = 5 * 60_000

export type AppRefusal =
  | { readonly kind: 'no-such-app'; readonly got: string }
  | { readonly kind: 'app-nick-taken'; readonly got: string }
  | { readonly kind: 'too-many-apps'; readonly wanted: number }

/** What an owner says of an app. */
export type AppFacts = Pick<
  App,
  'nick' | 'name' | 'logo' | 'type' | 'redirectUris' | 'scopes' | 'exposedScopes' | 'hash'
>

/** Registers an app. */
export async function createApp(
  house: HouseTx,
  env: Env,
  asked: {
    readonly principal: PrincipalId
    readonly tenant: TenantId
    readonly facts: AppFacts
    readonly by: Actor
  },
): Promise<Result<App, AppRefusal>> {
  const { principal, tenant, facts } = asked
  if ((await house.count(apps, { principal })) >= appsMax)
    return refuse({ kind: 'too-many-apps', wanted: appsMax })
  if (await appByNick(house, facts.nick)) return refuse({ kind: 'app-nick-taken', got: facts.nick })
  const id = newId(env, AppId.parse)
  const app: App = { ...facts, id, principal, tenant, createdAt: env.now, modifiedAt: env.now }
  await house.put(apps, app)
  note(house, env, app, asked.by, 'app.created')
  return ok(app)
}

/** Changes an app of the principal's; its nick stays, because tokens and people know it by that. */
export async function changeApp(
  house: HouseTx,
  env: Env,
  asked: {
    readonly id: AppId
    readonly principal: PrincipalId
    readonly facts: Omit<AppFacts, 'nick'>
    readonly by: Actor
  },
): Promise<Result<App, AppRefusal>> {
  const held = await house.get(apps, { id: asked.id })
  if (held?.principal !== asked.principal) return refuse({ kind: 'no-such-app', got: asked.id })
  const { hash: _, ...rest } = held
  const app: App = { ...rest, ...asked.facts, modifiedAt: env.now }
  await house.put(apps, app)
  note(house, env, app, asked.by, 'app.changed')
  return ok(app)
}

/** Removes an app of the principal's: its codes and the tokens given to it are void. */
export async function removeApp(
  house: HouseTx,
  env: Env,
  asked: { readonly id: AppId; readonly principal: PrincipalId; readonly by: Actor },
): Promise<Result<App, AppRefusal>> {
  const held = await house.get(apps, { id: asked.id })
  if (held?.principal !== asked.principal) return refuse({ kind: 'no-such-app', got: asked.id })
  await house.remove(apps, { id: held.id })
  note(house, env, held, asked.by, 'app.removed')
  return ok(held)
}

/** The app that a nick names, or that an id does. */
export async function appByNick(reader: Reader, nick: string): Promise<App | undefined> {
  return (await reader.find(apps, { where: { nick }, limit: 1 }))[0]
}

/** Keeps a code, or a request for one, for `codeLifeMs`. */
export async function keepCode(
  house: HouseTx,
  env: Env,
  code: Omit<LoginCode, 'expiresAt'>,
): Promise<LoginCode> {
  const kept: LoginCode = { ...code, expiresAt: Instant.after(env.now, codeLifeMs) }
  await house.put(loginCodes, kept)
  return kept
}

/** Takes a code: whoever comes second finds nothing. Undefined too when it has run out or is of the other kind. */
export async function takeCode(
  house: HouseTx,
  env: Env,
  hash: string,
  kind: LoginCode['kind'],
): Promise<LoginCode | undefined> {
  const held = await house.get(loginCodes, { hash })
  if (held?.kind !== kind) return undefined
  await house.remove(loginCodes, { hash })
  return held.expiresAt > env.now ? held : undefined
}

/** Drops codes that have run out, at most `limit`; answers how many. */
export async function sweepCodes(house: HouseTx, env: Env, limit: number): Promise<number> {
  const old = await house.find(loginCodes, {
    where: { expiresAt: { lte: env.now } },
    order: ['expiresAt', 'hash'],
    limit,
  })
  for (const { hash } of old) await house.remove(loginCodes, { hash })
  return old.length
}

function note(
  house: HouseTx,
  env: Env,
  app: App,
  by: Actor,
  kind: 'app.created' | 'app.changed' | 'app.removed',
): void {
  actingOn(house.tenant(app.tenant), env, by).note(kind, { app: app.id, nick: app.nick, type: app.type })
}
