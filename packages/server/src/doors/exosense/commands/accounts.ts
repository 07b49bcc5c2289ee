/** Accounts, and who is in them. */
import {
  type AccountRefusal,
  accountByName,
  actingOn,
  closeAccount,
  factsOfUser,
  type HouseTx,
  memberships,
  ok,
  openAccount,
  type Principal,
  type PrincipalId,
  principalByNick,
  principals,
  type Reader,
  type Result,
  type Role,
  refuse,
  renameAccount,
  rolesIn,
  setExchange,
  setMembership,
  settings,
  type TenantId,
  tenants,
} from '@waymark/domain'
import type { JsonObject } from '@waymark/yang'
import {
  type CommandAnswer,
  type Commands,
  type Context,
  type Params,
  pageNames,
  pageOf,
} from '../command.ts'
import { exoRoles, roleNamed, wordsOf } from '../login.ts'
import { codeOf } from '../refusals.ts'

const manage = ['master', 'admin'] as const
const look = ['master', 'admin', 'view'] as const

/** One name or several, however they are spelt. */
export function prepareNames(params: JsonObject): JsonObject {
  const { uname, names, unames, ...rest } = params
  const given = unames ?? names ?? uname
  return given === undefined ? rest : { ...rest, unames: Array.isArray(given) ? given : [given] }
}

export const accountCommands = {
  'create-account': {
    roles: ['master'],
    where: 'house',
    lists: ['alias'],
    async run({ house, actor }, params) {
      const name = params.text('name')
      const made = await changeHouse(house, params.text('password'), (tx, env, passwordHash) =>
        openAccount(tx, env, {
          account: name,
          name: `${name}-admin`,
          passwordHash,
          facts: userFactsIn(params),
          by: actor,
        }),
      )
      return made.ok ? { result: 'ok', 'account-admin': `${name}-admin` } : codeOf(made.refusal)
    },
  },
  'update-account': {
    roles: ['master'],
    where: 'house',
    async run({ house, actor, tenant }, params) {
      const account = params.maybeText('name') ?? tenant.name
      const to = params.maybeText('new-name')
      const generation = params.maybeText('notifications')
      const exchange = {
        ...(generation === undefined ? {} : { groupsToo: generation === '1.x' }),
        ...(params.has('devices-by-tls') ? { tlsOnly: params.flag('devices-by-tls') } : {}),
      }
      const set = await house.store.transactHouse((tx) =>
        setExchange(tx, house.env(), { account, exchange, by: actor }),
      )
      if (!set.ok) return codeOf(set.refusal)
      if (to === undefined) return 'ok'
      const done = await house.store.transactHouse((tx) =>
        renameAccount(tx, house.env(), { account, to, by: actor }),
      )
      return done.ok ? 'ok' : codeOf(done.refusal)
    },
  },
  'delete-account': {
    roles: ['master'],
    where: 'house',
    async run({ house, actor }, params) {
      const done = await house.store.transactHouse((tx) =>
        closeAccount(tx, house.env(), { account: params.text('name'), by: actor }),
      )
      return done.ok ? 'ok' : codeOf(done.refusal)
    },
  },
  'lookup-account': {
    roles: manage,
    where: 'house',
    empty: 'accounts',
    async run({ house, caller, directory }, params) {
      const found = await accountByName(directory, params.text('name'))
      const theirs =
        found &&
        (caller.master || (await rolesIn(directory, caller.principal.id, found.id)).includes('owner'))
      return found && theirs
        ? {
            result: 'ok',
            accounts: [
              {
                id: found.id,
                name: found.name,
                notifications: found.exchange?.groupsToo ? '1.x' : '2.x',
                'devices-by-tls': found.exchange?.tlsOnly ?? false,
                'signature-key': house.exchange.signatureKey(found.id),
              },
            ],
          }
        : { result: 'object-not-found', accounts: [] }
    },
  },
  'list-accounts': {
    roles: ['master'],
    where: 'house',
    empty: 'accounts',
    async run({ directory }, params) {
      const { n, previous, descending } = pageOf(params)
      const beyond = previous === '' ? {} : { name: descending ? { lt: previous } : { gt: previous } }
      const found =
        n === 0
          ? []
          : await directory.find(tenants, {
              where: beyond,
              order: [descending ? '-name' : 'name'],
              limit: n,
            })
      return { result: 'ok', accounts: found.map(({ name }) => name) }
    },
  },
  'add-user-to-account': {
    roles: manage,
    aliases: ['add-users-to-account', 'add-user-accounts'],
    prepare: prepareNames,
    run: (context, params) => eachUser(context, params, (held) => held ?? []),
  },
  'add-account-users': {
    roles: manage,
    prepare: prepareNames,
    run: (context, params) => withRole(context, params, addRole),
  },
  'remove-user-from-account': {
    roles: manage,
    aliases: ['remove-user-to-account', 'remove-users-from-account', 'remove-account-user'],
    prepare: prepareNames,
    run: (context, params) => eachUser(context, params, () => null),
  },
  'remove-account-users': {
    roles: manage,
    prepare: prepareNames,
    run: (context, params) =>
      params.has('role') ? withRole(context, params, dropRole) : eachUser(context, params, () => null),
  },
  'list-account-users': {
    roles: look,
    aliases: ['list-own-account-users'],
    empty: 'users',
    async run({ directory, tenant }, params) {
      return {
        result: 'ok',
        users: pageNames(await usersIn(directory, tenant.id), nameOfUser, pageOf(params)),
      }
    },
  },
  'list-account-roles': {
    roles: look,
    empty: 'roles',
    async run({ directory, caller, tenant }, params) {
      const initial = (await factsOfUser(directory, caller.principal.id)).initialOf === tenant.id
      const words = exoRoles.filter((word) => word !== 'master')
      const all: string[] = initial ? [...words, 'initial-admin'] : [...words]
      return { result: 'ok', roles: pageNames(all, (word) => word, pageOf(params)) }
    },
  },
  'set-mblox-parameters': {
    roles: ['master', 'admin', 'config'],
    async run({ house, tenant, actor }, params) {
      const { 'secret-key': secret, account: _, ...open } = params.values
      const value = { ...textsOf(open), secret: house.keys.seal(String(secret), gatewayPlace(tenant.id)) }
      await house.store.transactHouse(async (tx) => {
        await tx.put(settings, { name: gatewayName(tenant.id), value })
        actingOn(tx, house.env(), actor).note('setting.changed', { setting: 'gateway' })
        return ok(undefined)
      })
      return 'ok'
    },
  },
  'get-mblox-parameters': {
    roles: ['master', 'admin', 'config'],
    async run({ directory, tenant }) {
      const held = await directory.get(settings, { name: gatewayName(tenant.id) })
      if (!held || typeof held.value !== 'object' || held.value === null) return 'object-not-found'
      const { secret: _, ...open } = held.value as Record<string, string>
      return { result: 'ok', ...open }
    },
  },
  'delete-mblox-parameters': {
    roles: ['master', 'admin', 'config'],
    async run({ house, tenant, actor }) {
      const gone = await house.store.transactHouse(async (tx) => {
        const removed = await tx.remove(settings, { name: gatewayName(tenant.id) })
        if (removed) actingOn(tx, house.env(), actor).note('setting.changed', { setting: 'gateway' })
        return ok(removed)
      })
      return gone.ok && gone.value ? 'ok' : 'object-not-found'
    },
  },
} as const satisfies Commands

const gatewayName = (tenant: TenantId) => `gateway.${tenant}`
const gatewayPlace = (tenant: TenantId) => `gateway/${tenant}`

function textsOf(values: JsonObject): Record<string, string> {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, String(value)]))
}

/** Hashes the password and changes the directory. */
export async function changeHouse<T, R>(
  house: Context['house'],
  password: string,
  change: (tx: HouseTx, env: ReturnType<Context['house']['env']>, hash: string) => Promise<Result<T, R>>,
): Promise<Result<T, R>> {
  const hash = await house.passwords.hash(password)
  return house.store.transactHouse((tx) => change(tx, house.env(), hash))
}

export function userFactsIn(params: Params) {
  const [email, fullname, phone, skype] = ['email', 'fullname', 'phone', 'skype'].map((name) =>
    params.maybeText(name),
  )
  return {
    ...(email === undefined ? {} : { email }),
    ...(fullname === undefined ? {} : { fullname }),
    ...(phone === undefined ? {} : { phone }),
    ...(skype === undefined ? {} : { skype }),
    ...(params.has('alias') ? { aliases: params.texts('alias') } : {}),
  }
}

/** The next roles of a user from those held (undefined: no member yet); null: out of the account. */
type NextRoles = (held: readonly Role[] | undefined) => readonly Role[] | null

/** Changes what each of the named users is in the account, all or none. */
async function eachUser(
  { house, tenant, actor }: Context,
  params: Params,
  next: NextRoles,
): Promise<CommandAnswer> {
  const names = params.texts('unames')
  if (names.length === 0) return 'missing-option'
  const done = await house.store.transactHouse<undefined, AccountRefusal>(async (tx) => {
    for (const name of names) {
      const principal = await principalByNick(tx, name)
      if (!principal) return refuse({ kind: 'no-such-user', got: name })
      const held = await tx.get(memberships, { principal: principal.id, tenant: tenant.id })
      const roles = next(held?.roles)
      if (roles === null && !held) continue
      const set = await setMembership(tx, house.env(), {
        principal: principal.id,
        tenant: tenant.id,
        roles,
        by: actor,
      })
      if (!set.ok) return set
    }
    return ok(undefined)
  })
  return done.ok ? 'ok' : codeOf(done.refusal)
}

/** The same, by a role that is named. */
export function withRole(
  context: Context,
  params: Params,
  change: (held: readonly Role[] | undefined, role: Role) => readonly Role[],
): Promise<CommandAnswer> {
  const role = roleNamed(params.text('role'))
  // `master` runs the installation: it is not an account's to give.
  if (role === undefined) return Promise.resolve('permission-denied')
  return eachUser(context, params, (held) => change(held, role))
}

export function addRole(held: readonly Role[] | undefined, role: Role): readonly Role[] {
  return [...(held ?? []), role]
}

export function dropRole(held: readonly Role[] | undefined, role: Role): readonly Role[] {
  return (held ?? []).filter((each) => each !== role)
}

/** The users of an account with what they may do, in no order; at most ten thousand. */
export async function usersIn(
  directory: Reader,
  tenant: TenantId,
): Promise<{ name: string; roles: string[] }[]> {
  const found: { name: string; roles: string[] }[] = []
  let after: PrincipalId | undefined
  while (found.length < 10_000) {
    const page = await directory.find(memberships, {
      where: { tenant, ...(after === undefined ? {} : { principal: { gt: after } }) },
      order: ['principal', 'tenant'],
      limit: 500,
    })
    for (const { principal: id, roles } of page) {
      const principal: Principal | undefined = await directory.get(principals, { id })
      if (!principal) continue
      const initial = (await factsOfUser(directory, id)).initialOf === tenant
      found.push({
        name: principal.nick,
        roles: [...wordsOf(roles), ...(initial ? ['initial-admin'] : [])].sort(),
      })
    }
    after = page.at(-1)?.principal
    if (page.length < 500) break
  }
  return found
}

export const nameOfUser = ({ name }: { readonly name: string }): string => name
