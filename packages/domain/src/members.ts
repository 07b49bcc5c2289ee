/**
 * Members of a tenant: who may act in it, with which roles, and whether they may still log in.
 *
 * A tenant is never left without an owner who can log in: whoever would take the last one's role or login away is
 * refused. A login belongs to the account's home; a guest from another tenant can lose roles here, but not the login.
 */
import type { Env } from './env.ts'
import type { PrincipalId, TenantId } from './ids.ts'
import { actingOn } from './journal.ts'
import type { Actor, HouseTx, Reader } from './port.ts'
import { type Membership, memberships, type Principal, principals } from './records.ts'
import { ok, type Result, refuse } from './result.ts'
import type { Role } from './roles.ts'

export type MemberRefusal =
  | { readonly kind: 'no-such-member'; readonly got: string }
  | { readonly kind: 'last-owner'; readonly tenant: TenantId; readonly principal: PrincipalId }
  | { readonly kind: 'not-at-home'; readonly principal: PrincipalId; readonly wanted: TenantId }

/** A member as the tenant knows them. */
export interface Member {
  readonly principal: Principal
  readonly roles: readonly Role[]
}

/** The members of a tenant by their id, from behind `after` on; at most `limit`. */
export async function tenantMembers(
  reader: Reader,
  tenant: TenantId,
  { after, limit }: { after?: PrincipalId | undefined; limit: number },
): Promise<Member[]> {
  const rows = await reader.find(memberships, {
    where: { tenant, ...(after === undefined ? {} : { principal: { gt: after } }) },
    order: ['principal', 'tenant'],
    limit,
  })
  const members = await Promise.all(rows.map((row) => memberBehind(reader, row)))
  return members.flatMap((member) => member ?? [])
}

/** One member, by the account's id. */
export async function tenantMember(
  reader: Reader,
  tenant: TenantId,
  principal: PrincipalId,
): Promise<Result<Member, MemberRefusal>> {
  const row = await reader.get(memberships, { principal, tenant })
  const member = row && (await memberBehind(reader, row))
  return member ? ok(member) : refuse({ kind: 'no-such-member', got: principal })
}

/** Sets a member's roles. */
export async function setRoles(
  house: HouseTx,
  env: Env,
  asked: { principal: PrincipalId; tenant: TenantId; roles: readonly Role[]; by: Actor },
): Promise<Result<Member, MemberRefusal>> {
  const { tenant } = asked
  const held = await tenantMember(house, tenant, asked.principal)
  if (!held.ok) return held
  const { principal } = held.value
  if (!asked.roles.includes('owner') && (await isLastOwner(house, tenant, held.value)))
    return refuse({ kind: 'last-owner', tenant, principal: principal.id })
  const roles = [...new Set(asked.roles)]
  await house.put(memberships, { principal: principal.id, tenant, roles })
  for (const at of [house, house.tenant(tenant)])
    actingOn(at, env, asked.by).note('membership.changed', { principal: principal.id, tenant, roles })
  return ok({ principal, roles })
}

/** Keeps an account from logging in, or lets it again. Tokens issued before are void at once. */
export async function setDisabled(
  house: HouseTx,
  env: Env,
  asked: { principal: PrincipalId; tenant: TenantId; disabled: boolean; by: Actor },
): Promise<Result<Member, MemberRefusal>> {
  const { tenant, disabled } = asked
  const held = await tenantMember(house, tenant, asked.principal)
  if (!held.ok) return held
  const { principal, roles } = held.value
  if (principal.home !== tenant)
    return refuse({ kind: 'not-at-home', principal: principal.id, wanted: principal.home })
  if (principal.disabled === disabled) return held
  if (disabled && (await isLastOwner(house, tenant, held.value)))
    return refuse({ kind: 'last-owner', tenant, principal: principal.id })
  const changed: Principal = {
    ...principal,
    disabled,
    // What was issued before stays void also when the account is enabled again.
    credentialVersion: principal.credentialVersion + (disabled ? 1 : 0),
    modifiedAt: env.now,
  }
  await house.put(principals, changed)
  for (const at of [house, house.tenant(tenant)])
    actingOn(at, env, asked.by).note('principal.changed', { principal: principal.id, disabled })
  return ok({ principal: changed, roles })
}

/** Whether nobody else is left who owns the tenant and can log in. */
async function isLastOwner(reader: Reader, tenant: TenantId, member: Member): Promise<boolean> {
  if (!isOwner(member)) return false
  let after: PrincipalId | undefined
  for (;;) {
    const page = await tenantMembers(reader, tenant, { after, limit: 200 })
    if (page.some((other) => other.principal.id !== member.principal.id && isOwner(other))) return false
    after = page.at(-1)?.principal.id
    if (page.length < 200) return true
  }
}

const isOwner = ({ principal, roles }: Member): boolean =>
  roles.includes('owner') && !principal.disabled && principal.verifiedAt !== undefined

async function memberBehind(
  reader: Reader,
  { principal: id, roles }: Membership,
): Promise<Member | undefined> {
  const principal = await reader.get(principals, { id })
  return principal && { principal, roles }
}
