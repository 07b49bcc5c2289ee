/**
 * Every refusal that can come out of the fleet door, with its status: one table. Each becomes problem details whose
 * `type` is the refusal's name and whose members are its facts: thing, wanted, got.
 */
import type {
  AccessTokenRefusal,
  AppRefusal,
  DeliveryRefusal,
  DeviceRefusal,
  DeviceTypeRefusal,
  DirectoryRefusal,
  GroupRefusal,
  ImportRefusal,
  JournalRefusal,
  MemberRefusal,
  ObjectRefusal,
  PackageConfigurationRefusal,
  PackageRefusal,
  TrailRefusal,
  TransactionRefusal,
  WalkRefusal,
} from '@waymark/domain'
import type { StateRefusal } from '@waymark/pantahub'
import type { BytesRefusal } from '@waymark/store'
import type { LoginRefusal, TokenRefusal } from '../../access.ts'
import type { RotationRefusal } from '../../token-keys.ts'
import type { BandwidthRefusal } from '../../traffic.ts'

/** Refusals of the door itself. */
export type DoorRefusal =
  | { readonly kind: 'no-login' }
  | { readonly kind: 'no-right'; readonly wanted: string; readonly got: string }
  | { readonly kind: 'bad-cursor'; readonly got: string }
  | { readonly kind: 'bad-state'; readonly reason: StateRefusal }
  | { readonly kind: 'no-length'; readonly wanted: string }
  | { readonly kind: 'bad-range'; readonly wanted: string; readonly got: string }
  | { readonly kind: 'too-many-streams'; readonly wanted: number }
  | { readonly kind: 'too-many-registrations'; readonly retryAfterMs: number }
  /** The tenant asked for too much in too short a time. */
  | { readonly kind: 'too-many-requests'; readonly retryAfterMs: number }
  | BandwidthRefusal
  | RotationRefusal
  | { readonly kind: 'key-reused'; readonly got: string }
  | { readonly kind: 'bad-value'; readonly thing: string; readonly wanted: string; readonly got: string }
  | { readonly kind: 'no-such-user'; readonly got: string }
  | { readonly kind: 'wrong-password' }
  | { readonly kind: 'bad-password-token' }
  | { readonly kind: 'too-many-devices'; readonly wanted: number; readonly got: number }
  | { readonly kind: 'too-many-join-tokens'; readonly wanted: number }
  | { readonly kind: 'mail-queue-full' }
  /** The door that owns the table of commands is not open. */
  | { readonly kind: 'no-back-end' }

export type FleetRefusal =
  | DoorRefusal
  | LoginRefusal
  | TokenRefusal
  | DeviceRefusal
  | DirectoryRefusal
  | TrailRefusal
  | WalkRefusal
  | TransactionRefusal
  | ObjectRefusal
  | JournalRefusal
  | BytesRefusal
  | AccessTokenRefusal
  | AppRefusal
  | MemberRefusal
  | ImportRefusal
  | GroupRefusal
  | DeviceTypeRefusal
  | DeliveryRefusal
  | PackageRefusal
  | PackageConfigurationRefusal

export const statusOf = {
  'no-login': 401,
  'bad-token': 401,
  'token-void': 401,
  'wrong-credentials': 401,
  'no-right': 403,
  'wrong-challenge': 403,
  'no-such-device': 404,
  'no-trail': 404,
  'no-such-step': 404,
  'no-such-object': 404,
  'no-such-transaction': 404,
  'no-such-group': 404,
  'no-such-type': 404,
  'no-such-delivery': 404,
  'no-such-package': 404,
  'no-such-version': 404,
  'not-installed': 409,
  cycle: 422,
  'bad-name': 422,
  'name-taken': 409,
  'not-empty': 409,
  'another-type': 409,
  'no-such-principal': 404,
  'no-such-tenant': 404,
  'no-such-join-token': 404,
  'no-such-access-token': 404,
  'no-such-app': 404,
  'no-such-member': 404,
  'no-such-user': 404,
  'wrong-password': 403,
  'bad-password-token': 403,
  'not-at-home': 403,
  'last-owner': 409,
  'id-taken': 409,
  'step-differs': 409,
  'app-nick-taken': 409,
  'too-many-access-tokens': 409,
  'too-many-apps': 409,
  'too-many-join-tokens': 409,
  'too-many-devices': 413,
  'mail-queue-full': 503,
  'no-back-end': 503,
  'already-claimed': 409,
  'already-stored': 409,
  'nick-taken': 409,
  'email-taken': 409,
  'trail-exists': 409,
  'wrong-revision': 409,
  'step-not-waiting': 409,
  'step-ended': 409,
  'step-not-failed': 409,
  'held-back': 409,
  'out-of-turn': 409,
  'abort-not-asked': 409,
  'unlawful-move': 409,
  'device-offline': 409,
  'in-use': 409,
  'image-of-package': 409,
  'size-differs': 409,
  'key-reused': 409,
  'cursor-too-old': 410,
  'no-length': 411,
  'too-large': 413,
  'quota-exceeded': 413,
  'bad-range': 416,
  'bad-nick': 422,
  'bad-email': 422,
  'bad-label': 422,
  'bad-state': 422,
  'bad-value': 422,
  'bad-cursor': 400,
  'not-a-cursor': 400,
  'object-missing': 422,
  'too-short': 422,
  'too-long': 422,
  'wrong-hash': 422,
  'too-many-guesses': 429,
  'too-many-registrations': 429,
  'too-many-requests': 429,
  'too-many-keys': 409,
  'bandwidth-exceeded': 429,
  'too-many-streams': 429,
  'disk-full': 507,
} as const satisfies Record<FleetRefusal['kind'], number>

/** A sentence for people, where the facts alone do not make one. */
export function detailOf(refusal: FleetRefusal): string {
  switch (refusal.kind) {
    case 'no-such-device':
      return `there is no device ${refusal.got} here`
    case 'wrong-revision':
      return `step ${refusal.got} cannot follow on trail ${refusal.device} (expected ${refusal.wanted})`
    case 'step-not-waiting':
      return `step ${refusal.rev} of ${refusal.device} is ${refusal.got}, not ${refusal.wanted}`
    case 'no-such-step':
      return `trail ${refusal.device} has no step ${refusal.got}`
    case 'no-such-object':
      return `there is no object ${refusal.got} here`
    case 'bad-nick':
      return `${JSON.stringify(refusal.got)} cannot be a nick (wanted ${refusal.wanted})`
    case 'too-large':
      return `${refusal.what}: at most ${refusal.wanted}, got ${refusal.got}`
    case 'step-ended':
    case 'step-not-failed':
      return `step ${refusal.rev} of ${refusal.device} is ${refusal.got}, not ${refusal.wanted}`
    case 'no-trail':
      return `device ${refusal.device} has not announced its factory state yet`
    case 'object-missing':
      return `${refusal.path} names ${refusal.sha}, whose bytes are not stored here`
    case 'no-right':
      return `needs ${refusal.wanted}, which ${refusal.got} does not carry`
    case 'wrong-credentials':
      return 'the name is unknown or the password is wrong'
    case 'no-login':
      return 'log in first: Authorization: Bearer <token>'
    case 'cursor-too-old':
      return 'entries after this cursor have been dropped; begin again at `oldest`'
    case 'already-claimed':
      return `device ${refusal.device} is not waiting to be claimed`
    case 'wrong-challenge':
      return `that is not the challenge of device ${refusal.device}`
    case 'no-such-group':
      return `there is no group ${refusal.got} here`
    case 'no-such-type':
      return `there is no device type ${refusal.got} here`
    case 'no-such-delivery':
      return `no message ${refusal.got} was put aside here`
    case 'no-such-package':
      return `there is no package ${refusal.got} here`
    case 'no-such-version':
      return `there was no version ${refusal.got} of it`
    case 'not-installed':
      return `${refusal.package} is not installed there`
    case 'cycle':
      return `a cycle: ${refusal.chain.join(' needs ')}`
    case 'not-empty':
      return 'holds' in refusal ? refusal.holds : `there are devices of type ${refusal.got}`
    case 'another-type':
      return `device ${refusal.device} is of type ${refusal.got}; the group is of ${refusal.wanted}`
    case 'name-taken':
    case 'nick-taken':
      return `${refusal.got} is taken`
    case 'bad-value':
      return `${refusal.thing}: wanted ${refusal.wanted}, got ${refusal.got}`
    case 'no-such-user':
    case 'no-such-member':
      return `there is no user ${refusal.got} here`
    case 'no-such-tenant':
      return `there is no tenant ${refusal.got} here`
    case 'no-such-access-token':
      return `you have no token ${refusal.got}`
    case 'no-such-join-token':
      return `there is no join token ${refusal.got} here`
    case 'no-such-app':
      return `you have no app ${refusal.got}`
    case 'app-nick-taken':
    case 'email-taken':
      return `${refusal.got} is taken`
    case 'wrong-password':
      return 'that is not the present password'
    case 'bad-password-token':
      return 'the token is not good, was used, or has run out'
    case 'last-owner':
      return 'a tenant keeps an owner who can log in; make somebody else one first'
    case 'not-at-home':
      return 'the account belongs to another tenant, which alone decides about its login'
    case 'id-taken':
      return `a device ${refusal.got} was here before, or lives elsewhere`
    case 'step-differs':
      return `step ${refusal.rev} of ${refusal.device} asks for another state here`
    case 'too-many-devices':
      return `this would make ${refusal.got} devices; the quota is ${refusal.wanted}`
    case 'too-many-access-tokens':
    case 'too-many-join-tokens':
    case 'too-many-apps':
      return `${refusal.kind.replaceAll('-', ' ')}: at most ${refusal.wanted}`
    case 'quota-exceeded':
      return `this would make ${refusal.got} bytes of objects; the quota is ${refusal.wanted}`
    case 'wrong-hash':
    case 'too-short':
    case 'too-long':
      return `the bytes do not agree with what was announced: wanted ${refusal.wanted}, got ${refusal.got}`
    default:
      return refusal.kind.replaceAll('-', ' ')
  }
}
