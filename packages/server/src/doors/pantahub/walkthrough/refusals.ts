/**
 * How these forms say no: `{"status", "text"}`, the shape of their login reply. Statuses are those of today's forms where
 * the refusal is one of theirs; what is refused because it comes out of turn is a conflict with the trail: 409.
 */
import type { WalkRefusal } from '@waymark/domain'
import { type Refusal, type Told, tell } from '../errors.ts'

/** Refusals that only these forms have. */
export type OwnRefusal =
  | { readonly kind: 'no-login' }
  | { readonly kind: 'no-provider'; readonly got: string }
  | { readonly kind: 'bad-code'; readonly wanted: string; readonly got: string }
  | { readonly kind: 'body-too-large'; readonly thing: string; readonly wanted: number }

export type WalkDoorRefusal = Refusal | WalkRefusal | OwnRefusal

type NotTodays = Exclude<WalkDoorRefusal, Refusal>
type Teller = { readonly [K in NotTodays['kind']]: (refusal: Extract<NotTodays, { kind: K }>) => Told }

const ofStep = (refusal: { device: string; rev: number; wanted: string; got: string }): Told => ({
  status: 409,
  msg: `step ${refusal.device}-${refusal.rev}: wanted ${refusal.wanted}, got ${refusal.got}`,
})
const behind = (refusal: {
  device: string
  rev: number
  before: number
  wanted: string
  got: string
}): Told => ({
  status: 409,
  msg: `step ${refusal.device}-${refusal.rev}: wanted step ${refusal.before} ${refusal.wanted}, got ${refusal.got}`,
})

const ours: Teller = {
  'step-ended': ofStep,
  'step-not-failed': ofStep,
  'abort-not-asked': ofStep,
  'held-back': behind,
  'out-of-turn': behind,
  'no-login': () => ({
    status: 401,
    msg: 'wanted a login: the cookie or the access token of GET /api/v1/login',
  }),
  'no-provider': ({ got }) => ({ status: 404, msg: `id: there is no provider here for ${got}` }),
  'bad-code': ({ wanted, got }) => ({ status: 400, msg: `code: wanted ${wanted}, got ${got}` }),
  'body-too-large': ({ thing, wanted }) => ({
    status: 413,
    msg: `${thing}: wanted at most ${wanted} bytes, got more`,
  }),
}

/** What the caller is told of a refusal. */
export function tellWalker(refusal: WalkDoorRefusal): Told {
  if (isOurs(refusal)) return (ours[refusal.kind] as (refusal: WalkDoorRefusal) => Told)(refusal)
  const told = tell(refusal)
  if (refusal.kind === 'step-not-waiting') return { ...told, status: 409 }
  if (refusal.kind === 'wrong-credentials')
    return { ...told, msg: 'the identity is unknown or the secret is wrong' }
  return told
}

function isOurs(refusal: WalkDoorRefusal): refusal is NotTodays {
  return Object.hasOwn(ours, refusal.kind)
}
