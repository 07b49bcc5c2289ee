/**
 * Who is calling, and what they may open. Every door asks here and nowhere else.
 *
 * A login gives a token; a token gives a *caller*, who stands in exactly one tenant; a caller and a device id give an
 * *opened* device with the handle to read it by, or nothing: absent and not yours look alike. Nothing outside this
 * file turns a device id into a tenant.
 */
import {
  AccessTokenId,
  type Actor,
  type App,
  AppId,
  accessTokenByHash,
  accessTokens,
  appByNick,
  apps,
  credentials,
  type Device,
  type DeviceId,
  devices,
  homeOf,
  type Instant,
  invariant,
  memberships,
  ok,
  type Principal,
  PrincipalId,
  principalByLogin,
  principalByNick,
  principals,
  type Reader,
  type Result,
  type Role,
  refuse,
  rolesIn,
  type Store,
  TenantId,
  DeviceId as toDeviceId,
  unclaimedTenant,
  unreachable,
} from '@waymark/domain'
import {
  allows,
  anonymousScopes,
  ObjectId24,
  Prn,
  parsePrn,
  type ScopeWanted,
  scopeWords,
} from '@waymark/pantahub'

/** What a token says. One form for all doors; the names are the ones Pantahub's clients may look at. */
export interface Claims {
  readonly id: string
  readonly nick: string
  readonly prn: string
  readonly type: 'USER' | 'SESSION' | 'DEVICE' | 'SERVICE' | 'ANONYMOUS'
  readonly roles: 'user' | 'admin' | 'session' | 'device' | 'service' | 'anonymous'
  /** Space separated prns. */
  readonly scopes: string
  /** Of a device: its owner's prn, as it was at the login; empty while unclaimed. */
  readonly owner?: string
  /** Seconds. */
  readonly exp: number
  /** Seconds: when the password was given. */
  readonly orig_iat: number
  /** The tenant the bearer acts in. */
  readonly tn?: string
  /** Version of the credential the token stands on: a newer one voids it. */
  readonly cv?: number
  /** Of a token with less than its owner's standing: the personal token (its prn) or the app (its prn) it was given to. */
  readonly aud?: string
  readonly token_id?: string
  /** Set when an administrator acts for a user: everything is judged by these. */
  readonly 'call-as'?: Omit<Claims, 'call-as'>
}

export type Caller = UserCaller | DeviceCaller | ServiceCaller | AnonymousCaller
export interface UserCaller {
  readonly kind: 'user'
  readonly principal: Principal
  readonly tenant: TenantId
  readonly roles: readonly Role[]
  readonly scopes: readonly string[]
  readonly actor: Actor
  readonly claims: Claims
}
export interface DeviceCaller {
  readonly kind: 'device'
  readonly device: Device
  readonly tenant: TenantId
  readonly scopes: readonly string[]
  readonly actor: Actor
  readonly claims: Claims
}
/** An app of a third party, in its own name: it may turn codes into tokens, and nothing else. */
export interface ServiceCaller {
  readonly kind: 'service'
  readonly app: App
  readonly scopes: readonly string[]
  readonly actor: Actor
  readonly claims: Claims
}
/** Logged in as nobody in particular: reads what is published. */
export interface AnonymousCaller {
  readonly kind: 'anonymous'
  readonly scopes: readonly string[]
  readonly claims: Claims
}

/** Who wants to log in, as the door understood the name. */
export type Login =
  | { readonly kind: 'user'; readonly name: string; readonly password: string }
  | { readonly kind: 'act-as'; readonly admin: string; readonly user: string; readonly password: string }
  | { readonly kind: 'device'; readonly device: DeviceId; readonly secret: string }
  /** A personal token, by its name and the keyed hash of its secret. */
  | { readonly kind: 'access-token'; readonly name: string; readonly hash: string }
  /** An app, by its nick and the keyed hash of its secret. */
  | { readonly kind: 'service'; readonly nick: string; readonly hash: string }
  | { readonly kind: 'anonymous' }

export type LoginRefusal =
  /** Unknown, wrong, disabled or not yet confirmed: a caller is not told which. */
  | { readonly kind: 'wrong-credentials' }
  | { readonly kind: 'too-many-guesses'; readonly retryAfterMs: number }

export type TokenRefusal =
  | { readonly kind: 'bad-token'; readonly why: string }
  | { readonly kind: 'token-void'; readonly why: string }

/** A device that a caller may see. */
export interface Opened {
  readonly device: Device
  readonly tenant: TenantId
  /** Reads the tenant the device lives in; for a published device of others, look at nothing but this device. */
  readonly reader: Reader
  /** What the caller is to it. */
  readonly as: 'owner' | 'self' | 'visitor'
}

export interface AccessNeeds {
  readonly store: Store
  readonly clock: { now(): Instant }
  readonly tokens: {
    issue(claims: Claims): string
    verify(token: string): Result<Claims, { readonly kind: string }>
  }
  readonly passwords: {
    /** Whether the password is the one behind the hash; without a hash it takes as long and answers false. */
    matches(asked: {
      hash: string | undefined
      password: string
      credential: string
      version: number
    }): Promise<boolean>
  }
  readonly secrets: {
    /** The device's secret in the clear. */
    unseal(sealed: string, device: DeviceId): string
    /** Compares in constant time. */
    same(a: string, b: string): boolean
  }
  readonly guesses: {
    /** Milliseconds to wait before this name may be tried again from this address; 0: now. */
    waitMs(name: string, peer: string): number
    wrong(name: string, peer: string): void
    right(name: string, peer: string): void
  }
  readonly lifeSeconds: number
  readonly refreshWindowSeconds: number
}

/** Seconds a token of nobody, and one that a personal token gave, lives: five minutes. */
const shortLifeSeconds = 300

const allScopes = Prn.scope('all')

export type Access = ReturnType<typeof createAccess>

export function createAccess(needs: AccessNeeds) {
  const { store, clock, tokens } = needs
  const directory = store.readHouse()
  const seconds = () => Math.floor(clock.now() / 1000)

  /** Checks credentials and issues a token. `scopes`: those asked for; none: everything the account has. */
  async function login(
    who: Login,
    asked: { scopes: readonly string[]; peer: string },
  ): Promise<Result<{ token: string; claims: Claims }, LoginRefusal>> {
    const name = loginName(who)
    const waitMs = who.kind === 'anonymous' ? 0 : needs.guesses.waitMs(name, asked.peer)
    if (waitMs > 0) return refuse({ kind: 'too-many-guesses', retryAfterMs: waitMs })
    const claims = await claimsFor(who, asked.scopes)
    if (!claims) {
      needs.guesses.wrong(name, asked.peer)
      return refuse({ kind: 'wrong-credentials' })
    }
    if (who.kind !== 'anonymous') needs.guesses.right(name, asked.peer)
    return ok({ token: tokens.issue(claims), claims })
  }

  async function claimsFor(who: Login, scopes: readonly string[]): Promise<Claims | undefined> {
    switch (who.kind) {
      case 'user': {
        const principal = await provenUser(who.name, who.password)
        return principal && userClaims(principal, scopes)
      }
      case 'act-as': {
        const admin = await provenUser(who.admin, who.password)
        if (!admin?.houseAdmin) return undefined
        const user = await principalByLogin(directory, who.user)
        if (!user || user.disabled) return undefined
        return { ...userClaims(admin, []), 'call-as': userClaims(user, scopes) }
      }
      case 'device': {
        const home = await homeOf(directory, who.device)
        const device = home && (await store.read(home.tenant).get(devices, { id: who.device }))
        if (!home || !device || device.garbage) return undefined
        if (!needs.secrets.same(needs.secrets.unseal(device.sealedSecret, device.id), who.secret))
          return undefined
        return deviceClaims(device, home.tenant, scopes)
      }
      case 'access-token': {
        const token = await accessTokenByHash(directory, clock.now(), who)
        const owner = token && (await directory.get(principals, { id: token.principal }))
        if (!token || !owner || owner.disabled) return undefined
        // What was asked for beyond what the token has is left out.
        const kept = scopes.filter((scope) => scope !== allScopes && grants(token.scopes, scope))
        return standingOn(
          userClaims(owner, kept.length > 0 ? kept : token.scopes),
          Prn.accessToken(hex(token.id)),
          token.id,
        )
      }
      case 'service': {
        const app = await appByNick(directory, who.nick)
        if (app?.hash === undefined || !needs.secrets.same(app.hash, who.hash)) return undefined
        const now = seconds()
        return {
          id: app.id,
          nick: app.nick,
          prn: Prn.app(app.nick),
          type: 'SERVICE',
          roles: 'service',
          scopes: scopes.length > 0 ? scopes.join(' ') : allScopes,
          exp: now + needs.lifeSeconds,
          orig_iat: now,
          cv: printOf(app.hash),
        }
      }
      case 'anonymous': {
        const now = seconds()
        const id = `anon-${now}`
        return {
          id,
          nick: 'anon',
          prn: `prn:pantahub.com:auth:/${id}`,
          type: 'ANONYMOUS',
          roles: 'anonymous',
          scopes: anonymousScopes(scopes).join(' '),
          exp: now + shortLifeSeconds,
          orig_iat: now,
        }
      }
      default:
        return unreachable(who)
    }
  }

  /**
   * Checks a user's password on a request that brings it along, and issues nothing. A name is a nick here, whatever
   * characters it has.
   */
  async function prove(who: {
    readonly name: string
    readonly password: string
    readonly peer: string
  }): Promise<Result<Principal, LoginRefusal>> {
    const name = who.name.toLowerCase()
    const waitMs = needs.guesses.waitMs(name, who.peer)
    if (waitMs > 0) return refuse({ kind: 'too-many-guesses', retryAfterMs: waitMs })
    const principal = await proven(await principalByNick(directory, who.name), who.password)
    if (!principal) {
      needs.guesses.wrong(name, who.peer)
      return refuse({ kind: 'wrong-credentials' })
    }
    needs.guesses.right(name, who.peer)
    return ok(principal)
  }

  /** Whether a principal is a member of any tenant. */
  async function belongsSomewhere(principal: PrincipalId): Promise<boolean> {
    const own = await directory.find(memberships, { where: { principal }, limit: 10 })
    return own.some(({ roles }) => roles.length > 0)
  }

  async function provenUser(name: string, password: string): Promise<Principal | undefined> {
    return proven(await principalByLogin(directory, name), password)
  }

  async function proven(principal: Principal | undefined, password: string): Promise<Principal | undefined> {
    const credential =
      principal && (await directory.get(credentials, { principal: principal.id, kind: 'password' }))
    const matches = await needs.passwords.matches({
      hash: credential?.hash,
      password,
      credential: principal?.id ?? '',
      version: principal?.credentialVersion ?? 0,
    })
    const mayEnter = principal && !principal.disabled && principal.verifiedAt !== undefined
    return matches && mayEnter ? principal : undefined
  }

  function userClaims(principal: Principal, scopes: readonly string[]): Claims {
    const now = seconds()
    const session = principal.kind === 'session'
    return {
      id: principal.id,
      nick: principal.nick,
      prn: session ? Prn.session(hex(principal.id)) : Prn.account(hex(principal.home)),
      type: session ? 'SESSION' : 'USER',
      roles: session ? 'session' : principal.houseAdmin ? 'admin' : 'user',
      scopes: scopes.length > 0 ? scopes.join(' ') : allScopes,
      exp: now + needs.lifeSeconds,
      orig_iat: now,
      tn: principal.home,
      cv: principal.credentialVersion,
    }
  }

  function deviceClaims(device: Device, tenant: TenantId, scopes: readonly string[]): Claims {
    const now = seconds()
    return {
      id: device.id,
      nick: device.nick,
      prn: Prn.device(hex(device.id)),
      type: 'DEVICE',
      roles: 'device',
      scopes: scopes.length > 0 ? scopes.join(' ') : allScopes,
      owner: ownerPrn(tenant),
      exp: now + needs.lifeSeconds,
      orig_iat: now,
      tn: tenant,
      cv: device.credentialVersion,
    }
  }

  /** Issues a token for a principal that has just proved itself otherwise (a new session account). */
  function tokenFor(principal: Principal): string {
    return tokens.issue(userClaims(principal, []))
  }

  /** Issues a token for a device that has proved itself otherwise (a certificate); undefined when there is none. */
  async function tokenForDevice(id: DeviceId): Promise<string | undefined> {
    const home = await homeOf(directory, id)
    const device = home && (await store.read(home.tenant).get(devices, { id }))
    return home && device && !device.garbage ? tokens.issue(deviceClaims(device, home.tenant, [])) : undefined
  }

  /** A token for a principal that lets an app in, with these scopes and no more. */
  function tokenForApp(principal: Principal, app: App, scopes: readonly string[], mark: string): string {
    return tokens.issue(standingOn(userClaims(principal, scopes), Prn.app(app.nick), `${app.id}-${mark}`))
  }

  function standingOn(claims: Claims, aud: string, tokenId: string): Claims {
    const exp = parsePrn(aud)?.kind === 'accessToken' ? claims.orig_iat + shortLifeSeconds : claims.exp
    return { ...claims, exp, aud, token_id: tokenId }
  }

  /** Whether what a narrower token stands on still does. */
  async function standingHolds(claims: Claims): Promise<boolean> {
    if (claims.aud === undefined) return true
    const audience = parsePrn(claims.aud)
    switch (audience?.kind) {
      case 'accessToken': {
        const id = AccessTokenId.parse(audience.name)
        const token = id && (await directory.get(accessTokens, { id }))
        return token !== undefined && token.expiresAt > clock.now()
      }
      case 'app': {
        // By its id, which the token's begins with: a nick may have passed on to another app.
        const id = AppId.parse(claims.token_id?.slice(0, 24))
        const app = id && (await directory.get(apps, { id }))
        return app?.nick === audience.name
      }
      default:
        return false
    }
  }

  /** A new token with the same claims and a new expiry, while the login it stands on is recent enough. */
  async function refresh(token: string): Promise<Result<{ token: string; claims: Claims }, TokenRefusal>> {
    const caller = await callerOf(token)
    if (!caller.ok) return caller
    return renew(caller.value.claims)
  }

  /**
   * A new token for a login that was proved before, with these claims (perhaps narrower than they were), if all they
   * stand on still holds.
   */
  async function renew(claims: Claims): Promise<Result<{ token: string; claims: Claims }, TokenRefusal>> {
    const standing = await callerBehind(claims)
    if (!standing.ok) return standing
    const now = seconds()
    if (now - claims.orig_iat > needs.refreshWindowSeconds)
      return refuse({ kind: 'token-void', why: 'the login is too long ago; log in again' })
    const short = claims.type === 'ANONYMOUS' || parsePrn(claims.aud)?.kind === 'accessToken'
    const life = short ? shortLifeSeconds : needs.lifeSeconds
    const fresh: Claims = { ...claims, exp: now + life }
    return ok({ token: tokens.issue(fresh), claims: fresh })
  }

  /** Who a token stands for, as things are now: revoked, deleted and claimed devices and users are seen at once. */
  async function callerOf(token: string): Promise<Result<Caller, TokenRefusal>> {
    const verified = tokens.verify(token)
    if (!verified.ok) return refuse({ kind: 'bad-token', why: verified.refusal.kind })
    return callerBehind(verified.value)
  }

  async function callerBehind(claims: Claims): Promise<Result<Caller, TokenRefusal>> {
    switch (claims.type) {
      case 'DEVICE':
        return deviceCaller(claims)
      case 'SERVICE':
        return serviceCaller(claims)
      case 'ANONYMOUS':
        return ok({ kind: 'anonymous', scopes: claims.scopes.split(' '), claims })
      default: {
        const bearer = await userCaller(claims)
        const inner = claims['call-as']
        if (!bearer.ok || !inner) return bearer
        if (!bearer.value.principal.houseAdmin)
          return refuse({ kind: 'token-void', why: 'no longer an administrator' })
        const acting = await userCaller(inner)
        return acting.ok ? ok({ ...acting.value, actor: bearer.value.actor, claims }) : acting
      }
    }
  }

  async function userCaller(claims: Claims): Promise<Result<UserCaller, TokenRefusal>> {
    const id = PrincipalId.parse(claims.id)
    const tenant = TenantId.parse(claims.tn)
    const principal = id && (await directory.get(principals, { id }))
    if (!principal || !tenant || principal.disabled || principal.credentialVersion !== claims.cv)
      return refuse({ kind: 'token-void', why: 'the account or its credential has changed' })
    if (claims.aud !== undefined && !(await standingHolds(claims)))
      return refuse({ kind: 'token-void', why: 'what the token stood on is gone' })
    return ok({
      kind: 'user',
      principal,
      tenant,
      roles: await rolesIn(directory, principal.id, tenant),
      scopes: claims.scopes.split(' '),
      actor: { kind: 'user', id: principal.id },
      claims,
    })
  }

  async function serviceCaller(claims: Claims): Promise<Result<ServiceCaller, TokenRefusal>> {
    const id = AppId.parse(claims.id)
    const app = id && (await directory.get(apps, { id }))
    if (app?.hash === undefined || printOf(app.hash) !== claims.cv)
      return refuse({ kind: 'token-void', why: 'the app or its secret has changed' })
    const actor: Actor = { kind: 'service', id: app.id }
    return ok({ kind: 'service', app, scopes: claims.scopes.split(' '), actor, claims })
  }

  async function deviceCaller(claims: Claims): Promise<Result<DeviceCaller, TokenRefusal>> {
    const id = toDeviceId.parse(claims.id)
    const home = id && (await homeOf(directory, id))
    const device = home && (await store.read(home.tenant).get(devices, { id }))
    if (!device || device.garbage || device.credentialVersion !== claims.cv)
      return refuse({ kind: 'token-void', why: 'the device or its secret has changed' })
    return ok({
      kind: 'device',
      device,
      tenant: home.tenant,
      scopes: claims.scopes.split(' '),
      actor: { kind: 'device', id: device.id },
      claims,
    })
  }

  /** The device as this caller may see it: their own, themselves, or published by others; else undefined. */
  async function openDevice(caller: Caller, id: DeviceId): Promise<Opened | undefined> {
    if (caller.kind === 'device' && caller.device.id === id)
      return { device: caller.device, tenant: caller.tenant, reader: store.read(caller.tenant), as: 'self' }
    const home = await homeOf(directory, id)
    if (!home) return undefined
    const own = caller.kind === 'user' && caller.roles.length > 0 && home.tenant === caller.tenant
    if (!own && !home.published) return undefined
    const reader = store.read(home.tenant)
    const device = await reader.get(devices, { id })
    if (!device || device.garbage) return undefined
    return { device, tenant: home.tenant, reader, as: own ? 'owner' : 'visitor' }
  }

  /** Whether a device is there and waits for whoever knows its challenge. */
  async function awaitsClaim(id: DeviceId): Promise<boolean> {
    return (await homeOf(directory, id))?.tenant === unclaimedTenant
  }

  /** The tenant a device lives in, to look at, for the installation's own service account and nobody else. */
  async function houseReader(id: DeviceId): Promise<Reader | undefined> {
    const home = await homeOf(directory, id)
    return home && store.read(home.tenant)
  }

  return {
    login,
    prove,
    belongsSomewhere,
    houseReader,
    tokenFor,
    tokenForDevice,
    tokenForApp,
    refresh,
    renew,
    callerOf,
    openDevice,
    awaitsClaim,
  }
}

/** The caller, with the address that what it does is journaled under. A device is known by where it was last seen. */
export function seenFrom<C extends Caller>(caller: C, address: string): C {
  if (caller.kind !== 'user' && caller.kind !== 'service') return caller
  return { ...caller, actor: { ...caller.actor, address } }
}

/** Whether the caller's token carries one of the scopes that a route accepts. */
export function carries(caller: Caller, wanted: ScopeWanted): boolean {
  return allows(caller.scopes, wanted)
}

/**
 * Whether somebody with these scopes may hand on another one: one of Base's words that they have or that lies within one
 * they have; with everything, any.
 */
export function grants(held: readonly string[], scope: string): boolean {
  if (held.includes(scope) || held.includes(allScopes) || held.includes('all')) return true
  const parsed = parsePrn(scope)
  const known = parsed?.kind === 'scope' && scopeWords.find(({ word }) => word === parsed.name)
  return known ? allows(held, known.word) : false
}

/** A credential's version where there is only a hash to tell it by. */
function printOf(hash: string): number {
  return Number.parseInt(hash.slice(0, 8), 16)
}

/** What the Pantahub door calls the owner of everything in a tenant; empty for the unclaimed. */
export function ownerPrn(tenant: TenantId): string {
  return tenant === unclaimedTenant ? '' : Prn.account(hex(tenant))
}

function loginName(who: Login): string {
  switch (who.kind) {
    case 'user':
      return who.name.toLowerCase()
    case 'act-as':
      return who.admin.toLowerCase()
    case 'device':
      return who.device
    case 'access-token':
      return `token ${who.name}`
    case 'service':
      return `app ${who.nick}`
    case 'anonymous':
      return 'anonymous'
    default:
      return unreachable(who)
  }
}

/** An internal id in the brand that prns are made of: the form is the same. */
export function hex(id: TenantId | PrincipalId | DeviceId | AccessTokenId): ObjectId24 {
  const named = ObjectId24.parse(id)
  invariant(named, 'every id is 24 hex digits')
  return named
}
