/**
 * What an account tells of itself, and what it wants every one of its devices to know. The latter stands under each
 * device's own user-meta: a key of the device's wins.
 */
import { metaBytesMax } from './devices.ts'
import type { Env } from './env.ts'
import type { TenantId } from './ids.ts'
import { actingOn } from './journal.ts'
import type { JsonObject } from './json.ts'
import { globalMetas, type Profile, profiles } from './login-records.ts'
import type { Actor, HouseTx, Reader, Tx } from './port.ts'
import { ok, type Result, refuse } from './result.ts'

/** Replaces what an account tells of itself. */
export async function setProfile(
  house: HouseTx,
  env: Env,
  asked: {
    readonly tenant: TenantId
    readonly nick: string
    readonly facts: Readonly<Record<string, string>>
    readonly by: Actor
  },
): Promise<Profile> {
  const held = await house.get(profiles, { tenant: asked.tenant })
  const profile: Profile = {
    tenant: asked.tenant,
    nick: asked.nick,
    facts: asked.facts,
    createdAt: held?.createdAt ?? env.now,
    modifiedAt: env.now,
  }
  await house.put(profiles, profile)
  actingOn(house.tenant(asked.tenant), env, asked.by).note('profile.changed', {
    facts: Object.keys(asked.facts),
  })
  return profile
}

export type GlobalMetaRefusal = {
  readonly kind: 'too-large'
  readonly what: string
  readonly wanted: number
  readonly got: number
}

/** Replaces what an owner wants every device to know. */
export async function setGlobalMeta(
  tx: Tx,
  env: Env,
  asked: { readonly meta: JsonObject; readonly by: Actor },
): Promise<Result<JsonObject, GlobalMetaRefusal>> {
  const got = Buffer.byteLength(JSON.stringify(asked.meta))
  if (got > metaBytesMax) return refuse({ kind: 'too-large', what: 'global meta', wanted: metaBytesMax, got })
  await tx.put(globalMetas, { what: 'global', meta: asked.meta, modifiedAt: env.now })
  actingOn(tx, env, asked.by).note('global-meta.changed', { keys: Object.keys(asked.meta).slice(0, 100) })
  return ok(asked.meta)
}

/** What an owner wants every device to know; undefined when nothing was ever said. */
export async function globalMeta(reader: Reader): Promise<JsonObject | undefined> {
  return (await reader.get(globalMetas, { what: 'global' }))?.meta
}

/** A device's user-meta as it is read: its own over its owner's. */
export function withGlobal(
  global: JsonObject | undefined,
  own: JsonObject | undefined,
): JsonObject | undefined {
  if (global === undefined || Object.keys(global).length === 0) return own
  // Entries, because a key may be called `__proto__`.
  return Object.fromEntries(new Map([...Object.entries(global), ...Object.entries(own ?? {})]))
}
