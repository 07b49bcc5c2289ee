/**
 * The directory: who exists, what proves it, and which tenants they may enter. It stands outside the tenants; a door
 * asks it who is calling and goes on with one tenant's handle.
 *
 * Passwords arrive hashed: how they are hashed and checked is the server's business.
 */
import { type Env, newId } from './env.ts'
import { type DeviceId, JoinTokenId, PrincipalId, TenantId, unclaimedTenant } from './ids.ts'
import { actingOn } from './journal.ts'
import type { JsonObject } from './json.ts'
import type { Actor, HouseTx, Reader } from './port.ts'
import {
  credentials,
  type DeviceHome,
  deviceHomes,
  type JoinToken,
  joinTokens,
  type Membership,
  memberships,
  type Principal,
  principals,
  type Tenant,
  tenants,
} from './records.ts'
import { ok, type Result, refuse } from './result.ts'
import type { Role } from './roles.ts'

export type DirectoryRefusal =
  | { readonly kind: 'bad-nick'; readonly wanted: string; readonly got: string }
  | { readonly kind: 'bad-email'; readonly got: string }
  | { readonly kind: 'nick-taken'; readonly got: string }
  | { readonly kind: 'email-taken'; readonly got: string }
  | { readonly kind: 'no-such-principal'; readonly got: string }
  | { readonly kind: 'no-such-tenant'; readonly got: string }
  | { readonly kind: 'no-such-join-token'; readonly got: string }

/** Nicks of people, 3–23 characters. `@`, `:` and `/` are left out: e-mail addresses and prns are told apart by them. */
export const nickForm = /^[A-Za-z0-9][A-Za-z0-9_.+-]{2,22}$/
const emailForm = /^[^\s@<>]{1,64}@[^\s@<>]{1,190}$/

export interface NewAccount {
  readonly nick: string
  readonly email?: string
  readonly passwordHash: string
  /** The tenant's name; the account's nick unless told otherwise. */
  readonly tenantName?: string
  /** True when no e-mail has to be confirmed. */
  readonly verified: boolean
  readonly houseAdmin?: boolean
}

/** Makes a tenant and the user who owns it: what Pantahub calls an account. Both carry the same id. */
export async function createAccount(
  house: HouseTx,
  env: Env,
  asked: NewAccount,
): Promise<Result<{ tenant: Tenant; principal: Principal }, DirectoryRefusal>> {
  if (!nickForm.test(asked.nick))
    return refuse({ kind: 'bad-nick', wanted: nickForm.source, got: asked.nick })
  if (asked.email !== undefined && !emailForm.test(asked.email))
    return refuse({ kind: 'bad-email', got: asked.email })
  const name = asked.tenantName ?? asked.nick
  if ((await principalByNick(house, asked.nick)) || (await tenantByNick(house, asked.nick)))
    return refuse({ kind: 'nick-taken', got: asked.nick })
  if ((await house.find(tenants, { where: { name }, limit: 1 })).length > 0)
    return refuse({ kind: 'nick-taken', got: name })
  const email = asked.email?.toLowerCase()
  if (email !== undefined && (await principalByEmail(house, email)))
    return refuse({ kind: 'email-taken', got: email })
  const id = newId(env, TenantId.parse)
  const tenant: Tenant = { id, name, nick: asked.nick, createdAt: env.now }
  const principal: Principal = {
    id: PrincipalId.parse(id) ?? newId(env, PrincipalId.parse),
    kind: 'user',
    nick: asked.nick,
    ...(email === undefined ? {} : { email }),
    home: id,
    houseAdmin: asked.houseAdmin ?? false,
    ...(asked.verified ? { verifiedAt: env.now } : {}),
    disabled: false,
    credentialVersion: 1,
    createdAt: env.now,
    modifiedAt: env.now,
  }
  await house.put(tenants, tenant)
  await house.put(principals, principal)
  await house.put(credentials, {
    principal: principal.id,
    kind: 'password',
    hash: asked.passwordHash,
    changedAt: env.now,
  })
  await house.put(memberships, { principal: principal.id, tenant: id, roles: ['owner'] })
  noteAccount(house, env, tenant, principal)
  return ok({ tenant, principal })
}

/** Somebody came, with a tenant of their own. */
function noteAccount(house: HouseTx, env: Env, { id: tenant, name }: Tenant, principal: Principal): void {
  const { id, nick, kind } = principal
  const by: Actor = { kind: 'user', id }
  const pen = actingOn(house, env, by)
  pen.note('tenant.created', { tenant, name })
  pen.note('principal.created', { principal: id, nick, kind })
  pen.note('membership.changed', { principal: id, tenant, roles: ['owner'] })
  actingOn(house.tenant(tenant), env, by).note('tenant.created', { tenant, name })
}

/** A further user of an existing tenant. */
export async function createMember(
  house: HouseTx,
  env: Env,
  asked: {
    nick: string
    email?: string
    passwordHash: string
    tenant: TenantId
    roles: readonly Role[]
    /** False: nobody logs in until an e-mail address is confirmed. */
    verified?: boolean
    by: Actor
  },
): Promise<Result<Principal, DirectoryRefusal>> {
  if (!nickForm.test(asked.nick))
    return refuse({ kind: 'bad-nick', wanted: nickForm.source, got: asked.nick })
  const email = asked.email?.toLowerCase()
  if (email !== undefined && !emailForm.test(email)) return refuse({ kind: 'bad-email', got: email })
  // A nick names an account and its tenant alike: neither may be had twice.
  if ((await principalByNick(house, asked.nick)) || (await tenantByNick(house, asked.nick)))
    return refuse({ kind: 'nick-taken', got: asked.nick })
  if (email !== undefined && (await principalByEmail(house, email)))
    return refuse({ kind: 'email-taken', got: email })
  if (!(await house.get(tenants, { id: asked.tenant })))
    return refuse({ kind: 'no-such-tenant', got: asked.tenant })
  const principal: Principal = {
    id: newId(env, PrincipalId.parse),
    kind: 'user',
    nick: asked.nick,
    ...(email === undefined ? {} : { email }),
    home: asked.tenant,
    houseAdmin: false,
    ...(asked.verified === false ? {} : { verifiedAt: env.now }),
    disabled: false,
    credentialVersion: 1,
    createdAt: env.now,
    modifiedAt: env.now,
  }
  await house.put(principals, principal)
  await house.put(credentials, {
    principal: principal.id,
    kind: 'password',
    hash: asked.passwordHash,
    changedAt: env.now,
  })
  await house.put(memberships, { principal: principal.id, tenant: asked.tenant, roles: asked.roles })
  const { id, nick, kind } = principal
  for (const at of [house, house.tenant(asked.tenant)]) {
    const pen = actingOn(at, env, asked.by)
    pen.note('principal.created', { principal: id, nick, kind })
    pen.note('membership.changed', { principal: id, tenant: asked.tenant, roles: asked.roles })
  }
  return ok(principal)
}

/** A session account: a user without a password, known by its token alone, with a tenant of its own. */
export async function createSession(
  house: HouseTx,
  env: Env,
): Promise<Result<{ tenant: Tenant; principal: Principal }, DirectoryRefusal>> {
  const id = newId(env, TenantId.parse)
  const nick = `session-${id}`
  const tenant: Tenant = { id, name: nick, nick, createdAt: env.now }
  const principal: Principal = {
    id: PrincipalId.parse(id) ?? newId(env, PrincipalId.parse),
    kind: 'session',
    nick,
    home: id,
    houseAdmin: false,
    verifiedAt: env.now,
    disabled: false,
    credentialVersion: 1,
    createdAt: env.now,
    modifiedAt: env.now,
  }
  await house.put(tenants, tenant)
  await house.put(principals, principal)
  await house.put(memberships, { principal: principal.id, tenant: id, roles: ['owner'] })
  noteAccount(house, env, tenant, principal)
  return ok({ tenant, principal })
}

/** Replaces a principal's password; tokens issued before are void. */
export async function changePassword(
  house: HouseTx,
  env: Env,
  asked: { principal: PrincipalId; passwordHash: string; by: Actor; verifies?: boolean },
): Promise<Result<Principal, DirectoryRefusal>> {
  const held = await house.get(principals, { id: asked.principal })
  if (!held) return refuse({ kind: 'no-such-principal', got: asked.principal })
  const principal: Principal = {
    ...held,
    credentialVersion: held.credentialVersion + 1,
    modifiedAt: env.now,
    ...(asked.verifies && held.verifiedAt === undefined ? { verifiedAt: env.now } : {}),
  }
  await house.put(principals, principal)
  await house.put(credentials, {
    principal: held.id,
    kind: 'password',
    hash: asked.passwordHash,
    changedAt: env.now,
  })
  actingOn(house, env, asked.by).note('credential.changed', { principal: held.id })
  return ok(principal)
}

/** The principal a login name means: a nick or an e-mail address. */
export async function principalByLogin(reader: Reader, name: string): Promise<Principal | undefined> {
  return name.includes('@') ? principalByEmail(reader, name.toLowerCase()) : principalByNick(reader, name)
}

export async function principalByNick(reader: Reader, nick: string): Promise<Principal | undefined> {
  return (await reader.find(principals, { where: { nick }, limit: 1 }))[0]
}

async function principalByEmail(reader: Reader, email: string): Promise<Principal | undefined> {
  return (await reader.find(principals, { where: { email }, limit: 1 }))[0]
}

/** The tenant an account nick means: the account's own, or the home of the user who bears it. */
export async function tenantByNick(reader: Reader, nick: string): Promise<Tenant | undefined> {
  const [tenant] = await reader.find(tenants, { where: { nick }, limit: 1 })
  if (tenant) return tenant
  const principal = await principalByNick(reader, nick)
  return principal && reader.get(tenants, { id: principal.home })
}

/** What a principal may do in a tenant; the unclaimed have no members, whoever asks. */
export async function rolesIn(
  reader: Reader,
  principal: PrincipalId,
  tenant: TenantId,
): Promise<readonly Role[]> {
  if (tenant === unclaimedTenant) return []
  const membership: Membership | undefined = await reader.get(memberships, { principal, tenant })
  return membership?.roles ?? []
}

/** Where a device lives. */
export async function homeOf(reader: Reader, device: DeviceId): Promise<DeviceHome | undefined> {
  return reader.get(deviceHomes, { device })
}

// ── join tokens ──────────────────────────────────────────────────────────────────────────────────────────────────

/** Keeps a join token by its keyed hash; the caller shows the token itself, once. */
export async function createJoinToken(
  house: HouseTx,
  env: Env,
  asked: { tenant: TenantId; nick: string; hash: string; defaultUserMeta: JsonObject; by: Actor },
): Promise<Result<JoinToken, DirectoryRefusal>> {
  const token: JoinToken = {
    id: newId(env, JoinTokenId.parse),
    tenant: asked.tenant,
    nick: asked.nick,
    hash: asked.hash,
    defaultUserMeta: asked.defaultUserMeta,
    disabled: false,
    createdAt: env.now,
    modifiedAt: env.now,
  }
  await house.put(joinTokens, token)
  actingOn(house.tenant(asked.tenant), env, asked.by).note('join-token.created', {
    token: token.id,
    nick: token.nick,
  })
  return ok(token)
}

/** Disables a join token of the tenant; a foreign one is as absent. */
export async function disableJoinToken(
  house: HouseTx,
  env: Env,
  asked: { id: JoinTokenId; tenant: TenantId; by: Actor },
): Promise<Result<JoinToken, DirectoryRefusal>> {
  const held = await house.get(joinTokens, { id: asked.id })
  if (held?.tenant !== asked.tenant) return refuse({ kind: 'no-such-join-token', got: asked.id })
  const token: JoinToken = { ...held, disabled: true, modifiedAt: env.now }
  await house.put(joinTokens, token)
  actingOn(house.tenant(asked.tenant), env, asked.by).note('join-token.disabled', { token: token.id })
  return ok(token)
}

/** The join token behind a keyed hash, unless it was disabled. */
export async function joinTokenByHash(reader: Reader, hash: string): Promise<JoinToken | undefined> {
  const [token] = await reader.find(joinTokens, { where: { hash }, limit: 1 })
  return token?.disabled ? undefined : token
}
