/**
 * Prns: Pantahub's names for everything it has, `prn:<domain>:<service>:/<resource>`.
 *
 * Most are Pantahub's own and carry an empty domain and an empty partition (`prn:::devices:/<id>`); a few older ones
 * carry a domain, or a bare word for a resource (`prn::subscriptions:FREE`). This file writes the forms that clients
 * know and reads any of them back. Whether the thing named exists is not its business.
 */
import { ObjectId24, type Sha256 } from './names.ts'

/** A text that has the form of a prn. */
export type Prn = string & { readonly __brand: 'Prn' }

export type PrnKind =
  | 'account'
  | 'session'
  | 'device'
  | 'joinToken'
  | 'accessToken'
  | 'object'
  | 'trail'
  | 'subscription'
  | 'plan'
  | 'builtIn'
  | 'anonymous'
  | 'scope'
  | 'app'
  | 'other'

/** A prn taken apart. `name` is the resource without its slash; for a scope, the bare word; for anonymous, the id. */
export interface ParsedPrn {
  readonly prn: Prn
  readonly kind: PrnKind
  readonly domain: string
  readonly service: string
  readonly resource: string
  readonly name: string
}

/** Longest prn accepted, in UTF-16 units; those of Pantahub stay under 80. */
export const prnLengthMax = 512

const scopePrefix = 'prn:pantahub.com:apis:/base/'
const anonymousLogin = 'prn:pantahub.com:auth:/anon'

/** Writes prns. The forms are those that pvr and Pantavisor store and send back. */
export const Prn = {
  account: (id: ObjectId24): Prn => `prn:::accounts:/${id}` as Prn,
  session: (id: ObjectId24): Prn => `prn:::sessions:/${id}` as Prn,
  device: (id: ObjectId24): Prn => `prn:::devices:/${id}` as Prn,
  joinToken: (id: ObjectId24): Prn => `prn:::devices-tokens:/${id}` as Prn,
  accessToken: (id: ObjectId24): Prn => `prn:::auth-tokens:/${id}` as Prn,
  subscription: (id: ObjectId24): Prn => `prn::subscriptions:/${id}` as Prn,
  plan: (plan: 'FREE' | 'VIP' | 'CUSTOM' | 'CANCELLED' | 'LOCKED' | 'stripe'): Prn =>
    `prn::subscriptions:${plan}` as Prn,
  /** An object in the walkthrough's notation: `prn:::objects:/<name>`. Base names objects by their sha alone. */
  object: (sha: Sha256): Prn => `prn:::objects:/${sha}` as Prn,
  /** A trail in the walkthrough's notation; its id is the device's. */
  trail: (id: ObjectId24): Prn => `prn:::trails:/${id}` as Prn,
  /** A built-in demo account: `user1`, `admin`, `device1`, … */
  builtIn: (nick: string): Prn => `prn:pantahub.com:auth:/${nick}` as Prn,
  /** A third-party app, by the slug of its nick. */
  app: (slug: string): Prn => `prn:pantahub.com:apis:/${slug}` as Prn,
  /** A scope word of Base: `devices.readonly` → `prn:pantahub.com:apis:/base/devices.readonly`. */
  scope: (word: string): Prn => (scopePrefix + word) as Prn,
  /** The name under which anybody may log in anonymously. */
  anonymousLogin: anonymousLogin as Prn,
  /** What an anonymous token is called. */
  anonymous: (id: ObjectId24): Prn => `${anonymousLogin}-${id}` as Prn,
} as const

/**
 * Reads a prn: answers its parts, or undefined when the text has not the form of one. A kind is recognised only when its
 * id has the right shape; anything else that is well formed is `other`.
 *
 *     parsePrn('prn:::devices:/5c0e…')  → { kind: 'device', name: '5c0e…', … }
 */
export function parsePrn(text: unknown): ParsedPrn | undefined {
  if (typeof text !== 'string' || text.length > prnLengthMax || !text.startsWith('prn:')) return undefined
  if (unwelcome.test(text)) return undefined
  const slash = text.indexOf(':/', 4)
  const split = slash < 0 ? text.lastIndexOf(':') : slash
  const head = text.slice(4, Math.max(split, 4)).split(':')
  const resource = text.slice(split + 1)
  const service = head.at(-1) ?? ''
  if (head.length < 2 || head.length > 3 || service === '' || resource === '' || resource === '/')
    return undefined
  const parts = { prn: text as Prn, domain: head[0] ?? '', service, resource }
  for (const { kind, form } of forms) {
    const name = form.exec(text)?.[1]
    if (name !== undefined) return { ...parts, kind, name }
  }
  return { ...parts, kind: 'other', name: resource.replace(/^\//, '') }
}

/** The id inside a device's prn, or undefined when the text names no device. */
export function deviceOfPrn(text: unknown): ObjectId24 | undefined {
  const parsed = parsePrn(text)
  return parsed?.kind === 'device' ? ObjectId24.parse(parsed.name) : undefined
}

/** White space and control characters have no place in a name that is compared, logged and put into headers. */
const unwelcome = /[\s\p{Cc}\p{Cs}]/u

/** Tried from the top: the narrower form stands first. */
const forms: readonly { kind: PrnKind; form: RegExp }[] = [
  { kind: 'account', form: /^prn:::accounts:\/([0-9a-f]{24})$/ },
  { kind: 'session', form: /^prn:::sessions:\/([0-9a-f]{24})$/ },
  { kind: 'device', form: /^prn:::devices:\/([0-9a-f]{24})$/ },
  { kind: 'joinToken', form: /^prn:::devices-tokens:\/([0-9a-f]{24})$/ },
  { kind: 'accessToken', form: /^prn:::auth-tokens:\/([0-9a-f]{24})$/ },
  { kind: 'trail', form: /^prn:::trails:\/([0-9a-f]{24})$/ },
  { kind: 'object', form: /^prn:::objects:\/([^/]+)$/ },
  { kind: 'subscription', form: /^prn::subscriptions:\/([0-9a-f]{24})$/ },
  { kind: 'plan', form: /^prn::subscriptions:([^/]+)$/ },
  { kind: 'anonymous', form: /^prn:pantahub\.com:auth:\/anon-([0-9a-f]{24})$/ },
  { kind: 'builtIn', form: /^prn:pantahub\.com:auth:\/([^/]+)$/ },
  { kind: 'scope', form: /^prn:pantahub\.com:apis:\/base\/([^/]+)$/ },
  { kind: 'app', form: /^prn:pantahub\.com:apis:\/([^/]+)$/ },
]
