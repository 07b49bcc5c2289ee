/**
 * How the Pantahub door says no: one table from refusals to statuses, and Base's two shapes of an error body.
 *
 * What a handler refuses is told as `{"error": <incident>, "msg", "code"}`: the incident is opaque to the caller and
 * stands in the log beside the reason. What the door itself refuses (no bearer, no such route, wrong method or type, a
 * defect) is told as `{"Error": <text>}`. Neither pvr nor Pantavisor acts on the text; statuses are Base's where a client
 * acts on them, and what HTTP means by them elsewhere. `msg` names the thing, what was wanted and what came, and holds
 * no secret.
 */
import type {
  AccessTokenRefusal,
  AppRefusal,
  DeviceRefusal,
  DirectoryRefusal,
  Instant,
  LinkRefusal,
  ObjectRefusal,
  PlanRefusal,
  TrailRefusal,
} from '@waymark/domain'
import type { ProgressRefusal, StateRefusal } from '@waymark/pantahub'
import type { BytesRefusal } from '@waymark/store'
import type { LoginRefusal } from '../../access.ts'
import type { BandwidthRefusal } from '../../traffic.ts'

/** Refusals that are the door's own. */
export type DoorRefusal =
  /** A part of the request is not what it has to be. */
  | BadValue
  /** Absent or not theirs: callers are not told which. pvr asks for a login on 403, and on nothing else. */
  | { readonly kind: 'no-access'; readonly thing: string }
  /** Known to them, but not there. */
  | { readonly kind: 'absent'; readonly thing: string; readonly got: string }
  /** They may see it, but not do that. */
  | {
      readonly kind: 'not-allowed'
      readonly thing: string
      readonly wanted: string
      readonly got: string
    }
  | { readonly kind: 'insufficient-scope'; readonly wanted: readonly string[] }
  | { readonly kind: 'too-many-registrations'; readonly retryAfterMs: number }
  /** Its tenant asked for too much in too short a time. */
  | { readonly kind: 'too-many-requests'; readonly retryAfterMs: number }
  | BandwidthRefusal
  | { readonly kind: 'too-many-devices'; readonly wanted: number; readonly got: number }
  | { readonly kind: 'incompatible-client' }
  /** The account asked for cannot be made: taken, or not of the right form (Base: 412). */
  | { readonly kind: 'unfit-account'; readonly thing: string; readonly wanted: string; readonly got: string }
  /** An authorization code that is not good, or not for this app: told as Base tells it. */
  | { readonly kind: 'bad-access-code' }
  | { readonly kind: 'bad-login-state' }
  /** Another provider of logins did not answer as it should. */
  | { readonly kind: 'provider-failed'; readonly service: string; readonly got: string }
  | { readonly kind: 'no-such-account' }
  | { readonly kind: 'wrong-email-challenge' }
  | { readonly kind: 'bad-recovery-token' }
  | { readonly kind: 'mail-queue-full' }
  | { readonly kind: 'bad-url-token'; readonly wanted: string }
  | { readonly kind: 'bad-cursor' }
  /** The bearer was good, but not for this: told as a missing one, so that clients log in again. */
  | { readonly kind: 'login-too-old' }
  /** Only the installation's own services may ask this. */
  | { readonly kind: 'not-the-service' }
  | { readonly kind: 'range-not-satisfiable'; readonly size: number; readonly got: string }

export interface BadValue {
  readonly kind: 'bad-value'
  readonly thing: string
  readonly wanted: string
  readonly got: string
}

export type Refusal =
  | DoorRefusal
  | LoginRefusal
  | DeviceRefusal
  | DirectoryRefusal
  | AccessTokenRefusal
  | AppRefusal
  | LinkRefusal
  | TrailRefusal
  | ObjectRefusal
  | PlanRefusal
  | BytesRefusal
  | StateRefusal
  | ProgressRefusal

export function badValue(
  thing: string,
  wanted: string,
  got: string,
): { readonly ok: false; readonly refusal: BadValue } {
  return { ok: false, refusal: { kind: 'bad-value', thing, wanted, got } }
}

export interface Told {
  readonly status: number
  /** Left out of the body when absent, as Base does. */
  readonly msg?: string
  readonly headers?: Readonly<Record<string, string>>
}

type Teller = { readonly [K in Refusal['kind']]: (refusal: Extract<Refusal, { kind: K }>) => Told }

const asked = ({ thing, wanted, got }: { thing: string; wanted: string; got: string }) =>
  `${thing}: wanted ${wanted}, got ${got}`
const bad = (refusal: { thing: string; wanted: string; got: string }): Told => ({
  status: 400,
  msg: asked(refusal),
})

/** Every refusal a handler may answer, and what the caller is told. */
const onTheWire: Teller = {
  'bad-value': bad,
  'no-access': ({ thing }) => ({ status: 403, msg: `${thing}: not there, or not yours` }),
  absent: ({ thing, got }) => ({ status: 404, msg: `${thing}: there is no ${got}` }),
  'not-allowed': (refusal) => ({ status: 403, msg: asked(refusal) }),
  'insufficient-scope': ({ wanted }) => ({
    status: 403,
    msg: `scope: wanted one of ${wanted.join(' ')}`,
  }),
  'too-many-registrations': ({ retryAfterMs }) => tooMany('registrations', retryAfterMs),
  'too-many-requests': ({ retryAfterMs }) => tooMany('requests', retryAfterMs),
  'bandwidth-exceeded': ({ wanted, got, retryAfterMs }) => ({
    ...tooMany('bytes', retryAfterMs),
    msg: `quota of BANDWIDTH exceeded: wanted at most ${wanted} bytes a month, got ${got}`,
  }),
  'too-many-devices': ({ wanted, got }) => ({
    status: 403,
    msg: `devices: wanted at most ${wanted}, got ${got}`,
  }),
  'incompatible-client': () => ({ status: 403, msg: 'Incompatible Client; upgrade pantavisor' }),
  'unfit-account': (refusal) => ({ status: 412, msg: asked(refusal) }),
  'bad-access-code': () => ({
    status: 401,
    msg: 'access-code: wanted one that was given to this app within five minutes and not used, got another',
  }),
  'bad-login-state': () => ({
    status: 403,
    msg: 'state: wanted the one this browser was sent away with, within ten minutes, got another',
  }),
  'provider-failed': ({ service, got }) => ({
    status: 502,
    msg: `${service}: wanted its word, got ${got}`,
  }),
  'no-such-account': () => ({ status: 403, msg: 'account: not there' }),
  'wrong-email-challenge': () => ({
    status: 412,
    msg: 'challenge: wanted the newest one that was sent, got another, or one that was used',
  }),
  'bad-recovery-token': () => ({
    status: 403,
    msg: 'token: wanted one that was sent within the hour and not used, got another',
  }),
  'mail-queue-full': () => ({
    status: 503,
    msg: 'mail: too many wait to be sent, try again later',
    headers: { 'retry-after': '300' },
  }),
  'bad-url-token': ({ wanted }) => ({ status: 403, msg: `object URL: wanted ${wanted}` }),
  'bad-cursor': () => ({
    status: 403,
    msg: 'cursor: wanted one of your own, younger than two minutes',
  }),
  'range-not-satisfiable': ({ size, got }) => ({
    status: 416,
    msg: `range: wanted one within ${size} bytes, got ${got}`,
    headers: { 'content-range': `bytes */${size}` },
  }),

  'not-the-service': () => ({
    status: 401,
    headers: { 'www-authenticate': 'Basic realm="pantahub services"' },
  }),
  'no-such-plan': ({ wanted, got }) => bad({ thing: 'plan', wanted, got }),
  'bad-attribute': bad,

  'login-too-old': () => ({ status: 401 }),
  'wrong-credentials': () => ({ status: 401 }),
  'too-many-guesses': ({ retryAfterMs }) => tooMany('guesses', retryAfterMs),

  'no-such-device': ({ got }) => ({ status: 404, msg: `device ${got}: not there` }),
  'bad-nick': ({ wanted, got }) => bad({ thing: 'nick', wanted, got }),
  'nick-taken': ({ got }) => ({ status: 409, msg: `device already exists: nick ${got} is taken` }),
  'wrong-challenge': ({ device }) => ({
    status: 403,
    msg: `device ${device}: wanted its challenge, got another or none`,
  }),
  'already-claimed': ({ device }) => ({ status: 403, msg: `device ${device}: already claimed` }),
  'bad-label': ({ wanted, got }) => bad({ thing: 'label', wanted, got }),
  'too-large': ({ kind: _, ...refusal }) => ({
    status: 413,
    msg:
      'what' in refusal
        ? `${refusal.what}: wanted at most ${refusal.wanted} bytes, got ${refusal.got}`
        : asked(refusal),
  }),

  'bad-email': ({ got }) => bad({ thing: 'email', wanted: 'an address', got }),
  'email-taken': ({ got }) => ({ status: 412, msg: `email: ${got} is taken` }),
  'no-such-principal': ({ got }) => ({ status: 404, msg: `account ${got}: not there` }),
  'no-such-tenant': ({ got }) => ({ status: 404, msg: `owner ${got}: not there` }),
  'no-such-access-token': ({ got }) => ({ status: 404, msg: `token ${got}: not there` }),
  'too-many-access-tokens': ({ wanted }) => ({
    status: 403,
    msg: `tokens: wanted at most ${wanted}, got one more`,
  }),
  'no-such-app': ({ got }) => ({ status: 404, msg: `app ${got}: not there` }),
  'app-nick-taken': ({ got }) => ({ status: 409, msg: `app: nick ${got} is taken` }),
  'too-many-apps': ({ wanted }) => ({ status: 403, msg: `apps: wanted at most ${wanted}, got one more` }),
  'no-such-join-token': ({ got }) => ({ status: 404, msg: `join token ${got}: not there` }),

  'no-trail': ({ device }) => ({ status: 404, msg: `trail ${device}: the device has not announced one` }),
  'trail-exists': ({ device }) => ({ status: 409, msg: `trail ${device}: it is there already` }),
  'no-such-step': ({ device, got }) => ({ status: 404, msg: `trail ${device}: there is no step ${got}` }),
  'wrong-revision': ({ device, wanted, got }) => ({
    status: 409,
    msg: `trail ${device}: step ${got} cannot follow step ${wanted - 1} (expected ${wanted})`,
  }),
  'object-missing': ({ path, sha }) =>
    bad({ thing: `state path ${path}`, wanted: `the bytes of object ${sha}, uploaded`, got: 'none' }),
  'step-not-waiting': ({ device, rev, wanted, got }) =>
    bad({ thing: `step ${device}-${rev}`, wanted: `status ${wanted}`, got: `${got}, or ended` }),

  'no-such-object': ({ got }) => ({ status: 404, msg: `object ${got}: not there` }),
  'nothing-to-link': ({ sha }) => ({ status: 404, msg: `object ${sha}: nobody has published it` }),
  'already-stored': ({ object }) => ({ status: 409, msg: `object ${object.sha}: its bytes are here` }),
  'size-differs': ({ sha, wanted, got }) =>
    bad({ thing: `object ${sha}`, wanted: `${wanted} bytes`, got: `${got}` }),
  'quota-exceeded': ({ what, wanted, got }) => ({
    status: 500,
    msg: `quota of ${what} exceeded: wanted at most ${wanted} bytes, got ${got}`,
  }),
  'in-use': ({ sha, device, rev }) => ({
    status: 409,
    msg: `object ${sha}: step ${device}-${rev} needs it`,
  }),
  'image-of-package': ({ sha, package: name }) => ({
    status: 409,
    msg: `object ${sha}: package ${name} is made of it`,
  }),

  // A body that ends early says nothing of the sender's intent: Base's 500 makes clients try again.
  'too-short': ({ wanted, got }) => ({ status: 500, msg: `object: wanted ${wanted} bytes, got ${got}` }),
  'too-long': ({ wanted, got }) => ({
    status: 400,
    msg: `object: wanted ${wanted} bytes, got ${got} or more`,
  }),
  'wrong-hash': ({ wanted, got }) => bad({ thing: 'object', wanted: `sha256 ${wanted}`, got }),
  'disk-full': ({ wanted, got }) => ({
    status: 507,
    msg: `object: wanted room for ${wanted} bytes, got ${got}`,
  }),

  'not-json': bad,
  'not-an-object': bad,
  'too-many-paths': bad,
  'missing-spec': bad,
  'unknown-spec': bad,
  'bad-path': bad,
  'file-and-folder': bad,
  'not-a-sha': bad,
  'bad-status': bad,
}

function tooMany(what: string, retryAfterMs: number): Told {
  const seconds = Math.max(1, Math.ceil(retryAfterMs / 1000))
  return {
    status: 429,
    msg: `too many ${what}: try again in ${seconds} s`,
    headers: { 'retry-after': String(seconds) },
  }
}

/** What the caller is told of a refusal. */
export function tell(refusal: Refusal): Told {
  // Each kind's own teller takes that kind: the table's type says so.
  return (onTheWire[refusal.kind] as (refusal: Refusal) => Told)(refusal)
}

/** The first shape of an error body. */
export function errorBody(
  incident: string,
  { status, msg }: Told,
): { readonly error: string; readonly msg?: string; readonly code: number } {
  return { error: incident, ...(msg === undefined ? {} : { msg }), code: status }
}

/** Makes incident ids: Base's form, the clock in nanoseconds; never the same twice in one process. */
export function createIncidents(clock: { now(): Instant }): () => string {
  let count = 0
  return () => {
    count = (count + 1) % 1_000_000
    return `REST-ERR-ID-${clock.now()}${String(count).padStart(6, '0')}`
  }
}

/** Why a bearer is asked for, in the one form that pvr can read (it spins without end on any other). */
export function bearerWanted(publicUrl: string): string {
  return `JWT realm="pantahub services", ph-aeps="${publicUrl}/auth"`
}

/** Told with a refused scope. */
export function scopeWantedHeader(publicUrl: string, scopes: readonly string[]): string {
  return (
    `Bearer Realm="pantahub services", ph-aeps="${publicUrl}/auth", scope="${scopes.join(' ')}", ` +
    'error="insufficient_scope", error_description="The request requires other scopes than the token carries"'
  )
}
