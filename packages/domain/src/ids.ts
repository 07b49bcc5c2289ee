/**
 * The names of things, as types that cannot be swapped. Each type and its parser share one name; the only casts are
 * here, after the check that earns them. Nothing here reads a clock or a source of randomness: `Id24.make` is given both.
 */

/** Milliseconds since 1970 (UTC), as the clock that was handed in tells it. */
export type Instant = number & { readonly __brand: 'Instant' }
export const Instant = {
  of(ms: number): Instant {
    return Math.trunc(ms) as Instant
  },
  after(from: Instant, ms: number): Instant {
    return Math.trunc(from + ms) as Instant
  },
  /** RFC 3339 in UTC with milliseconds: `2026-01-31T12:00:00.000Z`. */
  format(at: Instant): string {
    return new Date(at).toISOString()
  },
  parse(text: string): Instant | undefined {
    if (!/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/i.test(text)) return undefined
    const ms = Date.parse(text)
    return Number.isNaN(ms) ? undefined : (ms as Instant)
  },
} as const

const id24 = /^[0-9a-f]{24}$/

/** Two digits for each byte. */
const hexOf = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'))

function parseId24(raw: unknown): string | undefined {
  return typeof raw === 'string' && id24.test(raw) ? raw : undefined
}

/**
 * 24 lower-case hex digits: four bytes of time (seconds), two of the second's part, then six random ones. Pantahub's form,
 * kept everywhere. What is made together stands together in a store, which then has fewer pages to write. Refuses
 * (`RangeError`) other than six random bytes.
 */
export const Id24 = {
  make(at: Instant, random: Uint8Array): string {
    if (random.length !== 6) throw new RangeError(`random: wanted 6 bytes, got ${random.length}`)
    const seconds = Math.floor(at / 1000)
    const part = Math.floor(((at - seconds * 1000) * 0x10000) / 1000)
    let text = (seconds >>> 0).toString(16).padStart(8, '0') + part.toString(16).padStart(4, '0')
    for (const byte of random) text += hexOf[byte]
    return text
  },
} as const

/** Who owns everything and isolates everything (pantahub: account; exosense: account; devops: realm; iottalk: user). */
export type TenantId = string & { readonly __brand: 'TenantId' }
export const TenantId = {
  parse: (raw: unknown): TenantId | undefined => parseId24(raw) as TenantId | undefined,
}

/** Where devices live until somebody claims them; it has no members. */
export const unclaimedTenant = '000000000000000000000000' as TenantId

/** Somebody who can log in and is not a device. */
export type PrincipalId = string & { readonly __brand: 'PrincipalId' }
export const PrincipalId = {
  parse: (raw: unknown): PrincipalId | undefined => parseId24(raw) as PrincipalId | undefined,
}

/** A device's one internal id, the same for every door. */
export type DeviceId = string & { readonly __brand: 'DeviceId' }
export const DeviceId = {
  parse: (raw: unknown): DeviceId | undefined => parseId24(raw) as DeviceId | undefined,
}

/** One thing asked of a device. */
export type TransactionId = string & { readonly __brand: 'TransactionId' }
export const TransactionId = {
  parse: (raw: unknown): TransactionId | undefined => parseId24(raw) as TransactionId | undefined,
}

export type GroupId = string & { readonly __brand: 'GroupId' }
export const GroupId = {
  parse: (raw: unknown): GroupId | undefined => parseId24(raw) as GroupId | undefined,
}

export type JoinTokenId = string & { readonly __brand: 'JoinTokenId' }
export const JoinTokenId = {
  parse: (raw: unknown): JoinTokenId | undefined => parseId24(raw) as JoinTokenId | undefined,
}

export type AccessTokenId = string & { readonly __brand: 'AccessTokenId' }
export const AccessTokenId = {
  parse: (raw: unknown): AccessTokenId | undefined => parseId24(raw) as AccessTokenId | undefined,
}

/** A program of a third party. */
export type AppId = string & { readonly __brand: 'AppId' }
export const AppId = {
  parse: (raw: unknown): AppId | undefined => parseId24(raw) as AppId | undefined,
}

export type MailId = string & { readonly __brand: 'MailId' }
export const MailId = {
  parse: (raw: unknown): MailId | undefined => parseId24(raw) as MailId | undefined,
}

/** Bytes named by their sha256: 64 lower-case hex digits. */
export type ObjectSha = string & { readonly __brand: 'ObjectSha' }
export const ObjectSha = {
  parse: (raw: unknown): ObjectSha | undefined =>
    typeof raw === 'string' && /^[0-9a-f]{64}$/.test(raw) ? (raw as ObjectSha) : undefined,
}

/** A step's place on its trail: 0 is the factory state. */
export type Revision = number & { readonly __brand: 'Revision' }
export const Revision = {
  first: 0 as Revision,
  next: (rev: Revision): Revision => (rev + 1) as Revision,
  parse(raw: unknown): Revision | undefined {
    const value = typeof raw === 'string' && /^\d{1,10}$/.test(raw) ? Number(raw) : raw
    return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
      ? (value as Revision)
      : undefined
  },
}

/** Counts the trails a device has had: a factory reset starts the next one. */
export type Generation = number & { readonly __brand: 'Generation' }
export const Generation = {
  first: 0 as Generation,
  next: (generation: Generation): Generation => (generation + 1) as Generation,
}
