/**
 * Who calls, and which account they mean.
 *
 * A login is HTTP Basic on every request. The account is named by a parameter, else in the login (`*acme*bob`), else by the
 * command's own user name (`acme/bob`), else it is the user's only one. A user of several accounts who names none of them
 * is told so; an account where the user has no place is denied.
 */
import {
  type Actor,
  accountByName,
  type Membership,
  memberships,
  nameDelimiters,
  type Principal,
  type Reader,
  type Role,
  type Tenant,
  tenants,
} from '@waymark/domain'

/** Exosense's six roles. */
export type ExoRole = 'master' | 'admin' | 'view' | 'device' | 'config' | 'execute'
export const exoRoles: readonly ExoRole[] = ['master', 'admin', 'view', 'device', 'config', 'execute']

/** What our roles are in Exosense's words. */
const wordsFor = {
  owner: ['admin'],
  operator: ['device', 'config', 'execute'],
  viewer: ['view'],
  device: ['device'],
  config: ['config'],
  execute: ['execute'],
} as const satisfies Record<Role, readonly ExoRole[]>

/** And the other way round: `root` and `initial-admin` are 1.x's words. `master` is nobody's to give. */
const roleFor: Readonly<Record<string, Role>> = {
  admin: 'owner',
  'initial-admin': 'owner',
  view: 'viewer',
  device: 'device',
  config: 'config',
  execute: 'execute',
}

export function roleNamed(word: string): Role | undefined {
  return Object.hasOwn(roleFor, word) ? roleFor[word] : undefined
}

/** The words for roles, each once, in alphabetical order. */
export function wordsOf(roles: readonly Role[]): readonly ExoRole[] {
  return [...new Set(roles.flatMap((role) => wordsFor[role] as readonly ExoRole[]))].sort()
}

/** Somebody who has proved who they are. */
export interface Caller {
  readonly principal: Principal
  readonly actor: Actor
  /** May do everything everywhere. */
  readonly master: boolean
  /** The account that the login itself names. */
  readonly account?: string
  /** Where a login of the fleet door stands, and what it is there: meant where a call names no account. */
  readonly place?: Extract<AccountAnswer, { readonly ok: true }>
}

/** How a login may be meant, in the order in which it is tried. */
export function readings(login: string): readonly { readonly user: string; readonly account?: string }[] {
  const found: { user: string; account?: string }[] = []
  const delimiter = login.charAt(0)
  const second = login.indexOf(delimiter, 1)
  if (delimiter !== '' && nameDelimiters.includes(delimiter) && second > 1)
    found.push({ account: login.slice(1, second), user: login.slice(second + 1) })
  found.push({ user: login })
  const at = login.lastIndexOf('@')
  if (at > 0) found.push({ user: login.slice(0, at), account: login.slice(at + 1) })
  return found.flatMap((reading) => {
    const old = /^(.+)\/admin$/.exec(reading.user)?.[1]
    return old === undefined ? [reading] : [{ ...reading, user: `${old}-admin` }, reading]
  })
}

export type AccountAnswer =
  | { readonly ok: true; readonly tenant: Tenant; readonly roles: readonly ExoRole[] }
  | { readonly ok: false; readonly result: 'account-not-specified' | 'permission-denied' }

/** The account a request acts on, and what the caller is in it. */
export async function accountOf(
  reader: Reader,
  caller: Caller,
  named: string | undefined,
  uname: string | undefined,
): Promise<AccountAnswer> {
  const wanted = named ?? caller.account ?? (await accountOfUserName(reader, uname))
  if (wanted !== undefined) {
    const tenant = await accountByName(reader, wanted)
    if (!tenant) return { ok: false, result: 'account-not-specified' }
    const member = await reader.get(memberships, { principal: caller.principal.id, tenant: tenant.id })
    if (!member && !caller.master) return { ok: false, result: 'permission-denied' }
    return { ok: true, tenant, roles: rolesOf(caller, member) }
  }
  const own = await reader.find(memberships, { where: { principal: caller.principal.id }, limit: 2 })
  const [only] = own
  if (!only || own.length > 1) return { ok: false, result: 'account-not-specified' }
  const tenant = await reader.get(tenants, { id: only.tenant })
  return tenant
    ? { ok: true, tenant, roles: rolesOf(caller, only) }
    : { ok: false, result: 'account-not-specified' }
}

/** `acme/bob` names the account `acme`, where there is one. */
async function accountOfUserName(reader: Reader, uname: string | undefined): Promise<string | undefined> {
  const slash = uname?.indexOf('/') ?? -1
  const account = slash > 0 ? uname?.slice(0, slash) : undefined
  return account !== undefined && (await accountByName(reader, account)) ? account : undefined
}

function rolesOf(caller: Caller, member: Membership | undefined): readonly ExoRole[] {
  return rolesWith(caller.master, member?.roles ?? [])
}

/** What somebody is who has these roles in an account; `master` comes before them. */
export function rolesWith(master: boolean, held: readonly Role[]): readonly ExoRole[] {
  const roles = wordsOf(held)
  return master ? ['master', ...roles] : roles
}
