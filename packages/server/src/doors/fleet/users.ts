/**
 * Users at the fleet door: the members of a tenant, for its owners; and everybody's own password.
 *
 * Who runs the installation may name another tenant in the query; to everybody else other tenants are as absent. Nobody
 * but they themselves and their like touches an account that runs the installation: an owner must not become one by
 * setting such a password.
 */
import { randomBytes } from 'node:crypto'
import { Type } from '@sinclair/typebox'
import {
  changePassword,
  createMember,
  Instant,
  type Member,
  ok,
  type Principal,
  PrincipalId,
  principalByLogin,
  principals,
  type Reader,
  type Result,
  type Role,
  refuse,
  setDisabled,
  setRoles,
  TenantId,
  tenantByNick,
  tenantMember,
  tenantMembers,
  tenants,
} from '@waymark/domain'
import type { UserCaller } from '../../access.ts'
import { createPasswordTokens, invitationLifeMs } from '../../handed-on.ts'
import type { House } from '../../house.ts'
import { postMail } from '../../mail-queue.ts'
import { networkOf } from '../../throttle.ts'
import * as wire from './account-schemas.ts'
import { ownLogin } from './handing-on.ts'
import { changing, type Operation, reading, type Work } from './operation.ts'
import { readCursor, writeCursor } from './paging.ts'
import type { FleetRefusal } from './refusals.ts'
import { Page, Paging, Token } from './schemas.ts'

const Named = Type.Object({
  user: Type.String({ minLength: 1, maxLength: 254, description: 'id, nick or e-mail address' }),
})
const Within = Type.Object({
  tenant: Type.Optional(
    Type.String({
      maxLength: 128,
      description: 'id or nick of another tenant: for who runs the installation',
    }),
  ),
})

/** Passwords of one's own. */
export const passwordOperations: readonly Operation[] = [
  reading({
    id: 'changeOwnPassword',
    method: 'PUT',
    path: '/me/password',
    tag: 'session',
    summary: 'Sets one’s own password: every other login is void, the answer is a new one',
    right: 'any',
    body: wire.OwnPassword,
    answer: Token,
    async run({ house, caller, body, request }) {
      const own = ownLogin(caller)
      if (!own.ok) return own
      const { id, nick } = caller.principal
      const peer = house.peerAddress(request)
      const proof = (password: string) =>
        house.access.login({ kind: 'user', name: nick, password }, { scopes: [], peer })
      const proved = await proof(body.current)
      if (!proved.ok)
        return proved.refusal.kind === 'wrong-credentials' ? refuse({ kind: 'wrong-password' }) : proved
      const passwordHash = await house.passwords.hash(body.password)
      const changed = await house.store.transactHouse<Principal, FleetRefusal>((directory) =>
        changePassword(directory, house.env(), { principal: id, passwordHash, by: caller.actor }),
      )
      if (!changed.ok) return changed
      const login = await proof(body.password)
      return login.ok
        ? ok({ token: login.value.token, expiresAt: new Date(login.value.claims.exp * 1000).toISOString() })
        : login
    },
  }),

  reading({
    id: 'setPasswordByToken',
    method: 'POST',
    path: '/password',
    tag: 'session',
    summary: 'Sets a password by the token of an invitation or a recovery',
    right: 'none',
    body: wire.PasswordByToken,
    answer: Type.Object({ nick: Type.String() }),
    async run({ house, body, request }) {
      const retryAfterMs = house.registrations.take(networkOf(house.peerAddress(request)))
      if (retryAfterMs > 0) return refuse({ kind: 'too-many-registrations', retryAfterMs })
      const claims = createPasswordTokens(house).verify(body.token)
      const id = claims.ok ? PrincipalId.parse(claims.value.sub) : undefined
      if (!claims.ok || !id) return refuse({ kind: 'bad-password-token' })
      const { cv } = claims.value
      // Looked at before the hashing, which is dear, and again in the commit, where it counts.
      const now = await house.store.readHouse().get(principals, { id })
      if (now?.credentialVersion !== cv || now.disabled) return refuse({ kind: 'bad-password-token' })
      const passwordHash = await house.passwords.hash(body.password)
      const changed = await house.store.transactHouse<Principal, FleetRefusal>(async (directory) => {
        const held = await directory.get(principals, { id })
        if (held?.credentialVersion !== cv || held.disabled) return refuse({ kind: 'bad-password-token' })
        const by = { kind: 'user', id } as const
        return changePassword(directory, house.env(), { principal: id, passwordHash, by, verifies: true })
      })
      return changed.ok ? ok({ nick: changed.value.nick }) : changed
    },
  }),
]

export const userOperations: readonly Operation[] = [
  reading({
    id: 'listUsers',
    method: 'GET',
    path: '/users',
    tag: 'users',
    summary: 'Members of the tenant',
    right: 'members.write',
    query: Type.Object({ ...Paging, ...Within.properties }),
    answer: Page(wire.User),
    async run({ house, caller, query }) {
      const reader = house.store.readHouse()
      const tenant = await tenantMeant(reader, caller, query.tenant)
      if (!tenant.ok) return tenant
      const cursor = readCursor(query.cursor, ['string'])
      if (!cursor.ok) return cursor
      const limit = query.limit ?? 50
      const after = PrincipalId.parse(cursor.value?.[0])
      const rows = await tenantMembers(reader, tenant.value, { after, limit: limit + 1 })
      const items = rows.slice(0, limit)
      const last = items.at(-1)
      return ok({
        items: items.map(view),
        ...(rows.length > limit && last !== undefined ? { next: writeCursor([last.principal.id]) } : {}),
      })
    },
  }),

  reading({
    id: 'getUser',
    method: 'GET',
    path: '/users/:user',
    tag: 'users',
    summary: 'One member',
    right: 'members.write',
    params: Named,
    query: Within,
    answer: wire.User,
    async run({ house, caller, params, query }) {
      const found = await meant(house.store.readHouse(), caller, params.user, query.tenant)
      return found.ok ? ok(view(found.value.member)) : found
    },
  }),

  changing({
    id: 'createUser',
    method: 'POST',
    path: '/users',
    tag: 'users',
    summary: 'Makes a member with a password',
    right: 'members.write',
    query: Within,
    body: wire.NewUser,
    answer: wire.User,
    status: 201,
    async run({ house, caller, query, body }) {
      const passwordHash = await house.passwords.hash(body.password)
      return ok(async (directory) => {
        const tenant = await tenantMeant(directory, caller, query.tenant)
        if (!tenant.ok) return tenant
        const roles = rolesIn(body.roles)
        const made = await createMember(directory, house.env(), {
          nick: body.nick,
          ...(body.email === undefined ? {} : { email: body.email }),
          passwordHash,
          tenant: tenant.value,
          roles,
          by: caller.actor,
        })
        return made.ok ? ok(view({ principal: made.value, roles })) : made
      })
    },
  }),

  changing({
    id: 'inviteUser',
    method: 'POST',
    path: '/invitations',
    tag: 'users',
    summary: 'Makes a member who sets the password themselves, by mail where mail is sent',
    right: 'members.write',
    query: Within,
    body: wire.Invitation,
    answer: wire.Invited,
    status: 201,
    async run({ house, caller, query, body }) {
      // Nobody knows this one: the login opens with the password that the invited set.
      const passwordHash = await house.passwords.hash(randomBytes(32).toString('base64'))
      const tokens = createPasswordTokens(house)
      return ok(async (directory) => {
        const env = house.env()
        const tenant = await tenantMeant(directory, caller, query.tenant)
        if (!tenant.ok) return tenant
        const roles = rolesIn(body.roles)
        const made = await createMember(directory, env, {
          nick: body.nick,
          email: body.email,
          passwordHash,
          tenant: tenant.value,
          roles,
          verified: false,
          by: caller.actor,
        })
        if (!made.ok) return made
        const token = tokens.issueFor(made.value, invitationLifeMs)
        const mails = house.config.smtp !== undefined
        if (mails) {
          const mail = invitationMail(house, made.value, caller.principal.nick, token)
          if (!(await postMail(house, directory, env, mail))) return refuse({ kind: 'mail-queue-full' })
        }
        return ok({
          user: view({ principal: made.value, roles }),
          expiresAt: Instant.format(Instant.after(env.now, invitationLifeMs)),
          ...(mails ? {} : { token }),
        })
      })
    },
  }),

  changing({
    id: 'setUserRoles',
    method: 'PUT',
    path: '/users/:user/roles',
    tag: 'users',
    summary: 'Sets a member’s roles',
    right: 'members.write',
    params: Named,
    query: Within,
    body: wire.RolesWanted,
    answer: wire.User,
    async run({ house, caller, params, query, body }) {
      return ok(async (directory) => {
        const found = await meant(directory, caller, params.user, query.tenant)
        if (!found.ok) return found
        const { tenant, member } = found.value
        const principal = member.principal.id
        const roles = rolesIn(body.roles)
        const set = await setRoles(directory, house.env(), { principal, tenant, roles, by: caller.actor })
        return set.ok ? ok(view(set.value)) : set
      })
    },
  }),

  turned('disableUser', 'disable', 'Keeps a member from logging in; every login is void at once', true),
  turned('enableUser', 'enable', 'Lets a member log in again', false),

  changing({
    id: 'setUserPassword',
    method: 'PUT',
    path: '/users/:user/password',
    tag: 'users',
    summary: 'Sets a member’s password; every login is void at once',
    right: 'members.write',
    params: Named,
    query: Within,
    body: wire.PasswordWanted,
    answer: wire.User,
    async run({ house, caller, params, query, body }) {
      const passwordHash = await house.passwords.hash(body.password)
      return ok(async (directory) => {
        const found = await touchable(directory, caller, params.user, query.tenant)
        if (!found.ok) return found
        const { member } = found.value
        const changed = await changePassword(directory, house.env(), {
          principal: member.principal.id,
          passwordHash,
          by: caller.actor,
          verifies: true,
        })
        return changed.ok ? ok(view({ ...member, principal: changed.value })) : changed
      })
    },
  }),
]

function turned(id: string, verb: string, summary: string, disabled: boolean): Operation {
  return changing({
    id,
    method: 'POST',
    path: `/users/:user/${verb}`,
    tag: 'users',
    summary,
    right: 'members.write',
    params: Named,
    query: Within,
    answer: wire.User,
    async run({ house, caller, params, query }): Promise<Result<Work<unknown>, FleetRefusal>> {
      return ok(async (directory) => {
        const found = await touchable(directory, caller, params.user, query.tenant)
        if (!found.ok) return found
        const { tenant, member } = found.value
        const principal = member.principal.id
        const done = await setDisabled(directory, house.env(), {
          principal,
          tenant,
          disabled,
          by: caller.actor,
        })
        return done.ok ? ok(view(done.value)) : done
      })
    },
  })
}

/** The tenant that is meant: the caller's own, or, for who runs the installation, any. */
async function tenantMeant(
  reader: Reader,
  caller: UserCaller,
  named: string | undefined,
): Promise<Result<TenantId, FleetRefusal>> {
  if (named === undefined) return ok(caller.tenant)
  const id = TenantId.parse(named)
  const tenant = (id && (await reader.get(tenants, { id }))) ?? (await tenantByNick(reader, named))
  const may = caller.principal.houseAdmin || tenant?.id === caller.tenant
  return tenant && may ? ok(tenant.id) : refuse({ kind: 'no-such-tenant', got: named })
}

interface Meant {
  readonly tenant: TenantId
  readonly member: Member
}

/** The member that is meant, by id, nick or e-mail address. */
async function meant(
  reader: Reader,
  caller: UserCaller,
  named: string,
  within: string | undefined,
): Promise<Result<Meant, FleetRefusal>> {
  const tenant = await tenantMeant(reader, caller, within)
  if (!tenant.ok) return tenant
  const id = PrincipalId.parse(named)
  const principal = (id && (await reader.get(principals, { id }))) ?? (await principalByLogin(reader, named))
  const member = principal && (await tenantMember(reader, tenant.value, principal.id))
  return member?.ok
    ? ok({ tenant: tenant.value, member: member.value })
    : refuse({ kind: 'no-such-user', got: named })
}

/** A member about whose login the caller may decide. */
async function touchable(
  reader: Reader,
  caller: UserCaller,
  named: string,
  within: string | undefined,
): Promise<Result<Meant, FleetRefusal>> {
  const found = await meant(reader, caller, named, within)
  if (!found.ok) return found
  const { principal } = found.value.member
  if (principal.houseAdmin && !caller.principal.houseAdmin)
    return refuse({ kind: 'no-right', wanted: 'who runs the installation', got: 'an owner' })
  if (principal.home !== found.value.tenant)
    return refuse({ kind: 'not-at-home', principal: principal.id, wanted: principal.home })
  return found
}

function rolesIn(words: readonly string[]): Role[] {
  const known: readonly Role[] = ['owner', 'operator', 'viewer']
  return known.filter((role) => words.includes(role))
}

function view({ principal, roles }: Member) {
  return {
    id: principal.id,
    nick: principal.nick,
    ...(principal.email === undefined ? {} : { email: principal.email }),
    roles: [...roles],
    admin: principal.houseAdmin,
    disabled: principal.disabled,
    verified: principal.verifiedAt !== undefined,
    home: principal.home,
    createdAt: Instant.format(principal.createdAt),
  }
}

function invitationMail(house: House, to: Principal, from: string, token: string) {
  return {
    to: to.email ?? '',
    subject: 'You are invited',
    text: [
      `${from} invites you to ${house.publicUrl()}, where you are called ${to.nick}.`,
      '',
      'To come in, set a password with this token, within a week:',
      '',
      `  ${token}`,
      '',
      `  waymark user password --invited --server ${house.publicUrl()}`,
      '',
      'If you do not want to, do nothing.',
      '',
    ].join('\n'),
  }
}
