/**
 * Accounts, users and roles as back ends manage them: an account is a tenant, a user a principal, a role of a user in an
 * account a membership. What differs from people who sign up by themselves is only how they come in: names are freer, an
 * e-mail address is a note and not a proof, and a user may be there before belonging anywhere.
 */
import {
  configurationSets,
  deviceTypes,
  type ExecutionPermission,
  executionPermissions,
  schemas,
  type UserFacts,
  userFacts,
} from './back-end-records.ts'
import { principalByNick, tenantByNick } from './directory.ts'
import { type Env, newId } from './env.ts'
import { PrincipalId, TenantId } from './ids.ts'
import { actingOn } from './journal.ts'
import type { Actor, HouseTx, Reader, Tx } from './port.ts'
import {
  credentials,
  devices,
  memberships,
  type Principal,
  principals,
  type Tenant,
  type TenantExchange,
  tenants,
} from './records.ts'
import { ok, type Result, refuse } from './result.ts'
import type { Role } from './roles.ts'

export type AccountRefusal =
  | { readonly kind: 'bad-name'; readonly wanted: string; readonly got: string }
  | { readonly kind: 'name-taken'; readonly got: string }
  | { readonly kind: 'no-such-account'; readonly got: string }
  | { readonly kind: 'no-such-user'; readonly got: string }
  | { readonly kind: 'not-empty'; readonly got: string; readonly holds: string }
  | { readonly kind: 'protected'; readonly got: string }

/** The account that the installation itself is run from: made at the first start, never removed. */
export const houseAccount = 'exodm'

/** One of these before an account's name and before a user's name says that the login is for that account. */
export const nameDelimiters = "*=#_-/&+!%^:;.,()[]{}'`<>\\$"

/** A name of an account or a user: 1–64 characters, none a control character, the first no delimiter. */
export function isAccountName(name: string): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for.
  return /^[^\u0000-\u001f\u007f]{1,64}$/.test(name) && !nameDelimiters.includes(name.charAt(0))
}

export type ToldFactsOfUser = Partial<Omit<UserFacts, 'principal' | 'initialOf'>>

export interface NewUser {
  readonly name: string
  readonly passwordHash: string
  readonly facts: ToldFactsOfUser
  readonly by: Actor
}

/** Makes an account with its first user, who manages it. */
export async function openAccount(
  house: HouseTx,
  env: Env,
  asked: NewUser & { readonly account: string; readonly houseAdmin?: boolean },
): Promise<Result<{ tenant: Tenant; principal: Principal }, AccountRefusal>> {
  const refused = badName(asked.account) ?? badName(asked.name)
  if (refused) return refuse(refused)
  if (await accountByName(house, asked.account)) return refuse({ kind: 'name-taken', got: asked.account })
  const id = newId(env, TenantId.parse)
  // The nick stands for the tenant at the Pantahub door, where no two may share it.
  const nick = (await tenantByNick(house, asked.account)) ? id : asked.account
  const tenant: Tenant = { id, name: asked.account, nick, createdAt: env.now }
  await house.put(tenants, tenant)
  for (const at of [house, house.tenant(id)])
    actingOn(at, env, asked.by).note('tenant.created', { tenant: id, name: tenant.name })
  const made = await createUser(house, env, { ...asked, home: id, initialOf: id })
  if (!made.ok) return made
  await setMembership(house, env, { principal: made.value.id, tenant: id, roles: ['owner'], by: asked.by })
  return ok({ tenant, principal: made.value })
}

/** Makes a user. That alone opens nothing: roles do. */
export async function createUser(
  house: HouseTx,
  env: Env,
  asked: NewUser & {
    readonly home: TenantId
    readonly initialOf?: TenantId
    readonly houseAdmin?: boolean
  },
): Promise<Result<Principal, AccountRefusal>> {
  const refused = badName(asked.name)
  if (refused) return refuse(refused)
  if (await principalByNick(house, asked.name)) return refuse({ kind: 'name-taken', got: asked.name })
  const principal: Principal = {
    id: newId(env, PrincipalId.parse),
    kind: 'user',
    nick: asked.name,
    home: asked.home,
    houseAdmin: asked.houseAdmin ?? false,
    verifiedAt: env.now,
    disabled: false,
    credentialVersion: 1,
    createdAt: env.now,
    modifiedAt: env.now,
  }
  await house.put(principals, principal)
  await putPassword(house, env, principal.id, asked.passwordHash)
  await house.put(userFacts, {
    email: '',
    aliases: [],
    ...asked.facts,
    principal: principal.id,
    ...(asked.initialOf === undefined ? {} : { initialOf: asked.initialOf }),
  })
  actingOn(house, env, asked.by).note('principal.created', {
    principal: principal.id,
    nick: principal.nick,
    kind: principal.kind,
  })
  return ok(principal)
}

/** Changes what is known of a user, and the password if one is given: tokens and remembered logins are then void. */
export async function changeUser(
  house: HouseTx,
  env: Env,
  asked: {
    readonly name: string
    readonly passwordHash?: string
    readonly facts: ToldFactsOfUser
    readonly by: Actor
  },
): Promise<Result<Principal, AccountRefusal>> {
  const held = await principalByNick(house, asked.name)
  if (!held) return refuse({ kind: 'no-such-user', got: asked.name })
  const principal: Principal =
    asked.passwordHash === undefined
      ? { ...held, modifiedAt: env.now }
      : { ...held, credentialVersion: held.credentialVersion + 1, modifiedAt: env.now }
  await house.put(principals, principal)
  if (asked.passwordHash !== undefined) await putPassword(house, env, held.id, asked.passwordHash)
  const facts = await factsOfUser(house, held.id)
  await house.put(userFacts, { ...facts, ...asked.facts })
  const pen = actingOn(house, env, asked.by)
  if (asked.passwordHash !== undefined) pen.note('credential.changed', { principal: held.id })
  pen.note('principal.changed', { principal: held.id })
  return ok(principal)
}

/** Removes a user, unless it is the one an account was made with. */
export async function removeUser(
  house: HouseTx,
  env: Env,
  asked: { readonly name: string; readonly by: Actor },
): Promise<Result<Principal, AccountRefusal>> {
  const held = await principalByNick(house, asked.name)
  if (held?.kind !== 'user') return refuse({ kind: 'no-such-user', got: asked.name })
  const facts = await house.get(userFacts, { principal: held.id })
  if (facts?.initialOf !== undefined || held.houseAdmin || ownsHome(held))
    return refuse({ kind: 'protected', got: asked.name })
  await dropUser(house, env, held, asked.by)
  return ok(held)
}

/** Who signed up by themselves owns the tenant that bears the same id: it would be left to nobody. */
function ownsHome({ id, home }: Principal): boolean {
  return (home as string) === id
}

async function dropUser(house: HouseTx, env: Env, principal: Principal, by: Actor): Promise<void> {
  const { id } = principal
  for (const row of await house.find(memberships, { where: { principal: id } })) {
    await house.remove(memberships, row)
    for (const at of [house, house.tenant(row.tenant)])
      actingOn(at, env, by).note('membership.changed', { principal: id, tenant: row.tenant, roles: [] })
  }
  await house.remove(credentials, { principal: id, kind: 'password' })
  await house.remove(userFacts, { principal: id })
  await house.remove(principals, { id })
  actingOn(house, env, by).note('principal.removed', { principal: id })
}

/** Removes an account that holds nothing any more but its first user, who goes with it. */
export async function closeAccount(
  house: HouseTx,
  env: Env,
  asked: { readonly account: string; readonly by: Actor },
): Promise<Result<Tenant, AccountRefusal>> {
  const tenant = await accountByName(house, asked.account)
  if (!tenant) return refuse({ kind: 'no-such-account', got: asked.account })
  if (tenant.name === houseAccount || tenant.name === 'main')
    return refuse({ kind: 'protected', got: asked.account })
  const tx = house.tenant(tenant.id)
  const holds =
    (await holdsAny(tx)) ??
    ((await othersIn(house, tenant.id)) ? 'users other than its first one' : undefined)
  if (holds !== undefined) return refuse({ kind: 'not-empty', got: asked.account, holds })
  for (const { principal: id } of await house.find(memberships, { where: { tenant: tenant.id } })) {
    const principal = await house.get(principals, { id })
    if (principal) await dropUser(house, env, principal, asked.by)
  }
  await house.remove(tenants, { id: tenant.id })
  for (const at of [house, tx])
    actingOn(at, env, asked.by).note('tenant.removed', { tenant: tenant.id, name: tenant.name })
  return ok(tenant)
}

async function holdsAny(tx: Tx): Promise<string | undefined> {
  if ((await tx.find(devices, { where: { garbage: false }, limit: 1 })).length > 0) return 'devices'
  if ((await tx.find(schemas, { limit: 1, without: 'texts' })).length > 0) return 'schemas'
  if ((await tx.find(deviceTypes, { limit: 1 })).length > 0) return 'device types'
  if ((await tx.find(configurationSets, { limit: 1, without: 'texts' })).length > 0)
    return 'sets of configuration'
  return undefined
}

async function othersIn(house: HouseTx, tenant: TenantId): Promise<boolean> {
  for (const { principal } of await house.find(memberships, { where: { tenant } })) {
    const facts = await house.get(userFacts, { principal })
    if (facts?.initialOf !== tenant) return true
  }
  return false
}

/** Gives an account another name. */
export async function renameAccount(
  house: HouseTx,
  env: Env,
  asked: { readonly account: string; readonly to: string; readonly by: Actor },
): Promise<Result<Tenant, AccountRefusal>> {
  const held = await accountByName(house, asked.account)
  if (!held) return refuse({ kind: 'no-such-account', got: asked.account })
  const refused = badName(asked.to)
  if (refused) return refuse(refused)
  if (held.name === houseAccount) return refuse({ kind: 'protected', got: held.name })
  const other = await accountByName(house, asked.to)
  if (other && other.id !== held.id) return refuse({ kind: 'name-taken', got: asked.to })
  const tenant: Tenant = { ...held, name: asked.to }
  await house.put(tenants, tenant)
  for (const at of [house, house.tenant(held.id)])
    actingOn(at, env, asked.by).note('tenant.changed', { tenant: held.id, name: asked.to })
  return ok(tenant)
}

/** Sets how an account's back ends and devices want it. */
export async function setExchange(
  house: HouseTx,
  env: Env,
  asked: { readonly account: string; readonly exchange: TenantExchange; readonly by: Actor },
): Promise<Result<Tenant, AccountRefusal>> {
  const held = await accountByName(house, asked.account)
  if (!held) return refuse({ kind: 'no-such-account', got: asked.account })
  const tenant: Tenant = { ...held, exchange: { ...held.exchange, ...asked.exchange } }
  await house.put(tenants, tenant)
  for (const at of [house, house.tenant(held.id)])
    actingOn(at, env, asked.by).note('tenant.changed', { tenant: held.id, exchange: { ...asked.exchange } })
  return ok(tenant)
}

// ── memberships ──────────────────────────────────────────────────────────────────────────────────────────────────

/** Sets what a user is in an account; an account's first user stays its owner. `null`: no longer there at all. */
export async function setMembership(
  house: HouseTx,
  env: Env,
  asked: {
    readonly principal: PrincipalId
    readonly tenant: TenantId
    readonly roles: readonly Role[] | null
    readonly by: Actor
  },
): Promise<Result<readonly Role[], AccountRefusal>> {
  const { principal, tenant } = asked
  const facts = await house.get(userFacts, { principal })
  if (facts?.initialOf === tenant && !asked.roles?.includes('owner'))
    return refuse({ kind: 'protected', got: principal })
  const roles = [...new Set(asked.roles ?? [])]
  if (asked.roles === null) await house.remove(memberships, { principal, tenant })
  else await house.put(memberships, { principal, tenant, roles })
  for (const at of [house, house.tenant(tenant)])
    actingOn(at, env, asked.by).note('membership.changed', { principal, tenant, roles })
  return ok(roles)
}

// ── execution permissions ────────────────────────────────────────────────────────────────────────────────────────

/** Lets everybody of a role execute an operation of a schema, or no longer. Answers whether that changed anything. */
export async function permitExecution(
  tx: Tx,
  env: Env,
  asked: ExecutionPermission & { readonly permitted: boolean; readonly by: Actor },
): Promise<boolean> {
  const { permitted, by, ...row } = asked
  const held = (await tx.get(executionPermissions, row)) !== undefined
  if (held === permitted) return false
  if (permitted) await tx.put(executionPermissions, row)
  else await tx.remove(executionPermissions, row)
  actingOn(tx, env, by).note('permission.changed', { ...row, permitted })
  return true
}

/** The roles that may execute an operation. */
export async function rolesPermitted(
  reader: Reader,
  { schema, operation }: Pick<ExecutionPermission, 'schema' | 'operation'>,
): Promise<readonly string[]> {
  const rows = await reader.find(executionPermissions, {
    where: { schema, operation },
    order: ['schema', 'operation', 'role'],
  })
  return rows.map(({ role }) => role)
}

// ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────────

export async function accountByName(reader: Reader, name: string): Promise<Tenant | undefined> {
  return (await reader.find(tenants, { where: { name }, limit: 1 }))[0]
}

export async function factsOfUser(reader: Reader, principal: PrincipalId): Promise<UserFacts> {
  return (await reader.get(userFacts, { principal })) ?? { principal, email: '', aliases: [] }
}

function badName(name: string): AccountRefusal | undefined {
  return isAccountName(name)
    ? undefined
    : { kind: 'bad-name', wanted: '1 to 64 characters, the first no delimiter', got: name }
}

async function putPassword(house: HouseTx, env: Env, principal: PrincipalId, hash: string): Promise<void> {
  await house.put(credentials, { principal, kind: 'password', hash, changedAt: env.now })
}
