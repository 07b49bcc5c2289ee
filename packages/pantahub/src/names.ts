/**
 * The trail's small names: hashes, ids, revisions. Each type and its parser share one name, and the only casts are here,
 * after the check that earns them. Nothing here reads a clock or rolls dice: `ObjectId24.make` is given both.
 */
import { createHash } from 'node:crypto'

/** Bytes or a state, named by the SHA-256 of them: 64 lower-case hex digits. */
export type Sha256 = string & { readonly __brand: 'Sha256' }
export const Sha256 = {
  /** The hash if `raw` is one, else undefined. Capital digits are not accepted: names are compared as text. */
  parse(raw: unknown): Sha256 | undefined {
    return typeof raw === 'string' && raw.length === 64 && sha256Form.test(raw) ? (raw as Sha256) : undefined
  },
  /** The hash of bytes, or of a text's UTF-8. */
  of(data: string | Uint8Array): Sha256 {
    return createHash('sha256').update(data).digest('hex') as Sha256
  },
} as const

/** MongoDB's form of id, kept by Pantahub for everything: 24 lower-case hex digits, the first eight a time in seconds. */
export type ObjectId24 = string & { readonly __brand: 'ObjectId24' }
export const ObjectId24 = {
  parse(raw: unknown): ObjectId24 | undefined {
    return typeof raw === 'string' && /^[0-9a-f]{24}$/.test(raw) ? (raw as ObjectId24) : undefined
  },
  /**
   * Makes an id of a time (whole seconds since 1970, counted modulo 2^32) and exactly eight random bytes. Throws
   * `RangeError` for other lengths: an id that is less random than it looks is worse than none.
   */
  make({ seconds, random }: { seconds: number; random: Uint8Array }): ObjectId24 {
    if (random.length !== 8) throw new RangeError(`ObjectId24: wanted 8 random bytes, got ${random.length}`)
    const time = (Math.floor(seconds) >>> 0).toString(16).padStart(8, '0')
    return (time + Buffer.from(random).toString('hex')) as ObjectId24
  },
  /** The time an id was made at, in seconds since 1970. */
  seconds(id: ObjectId24): number {
    return Number.parseInt(id.slice(0, 8), 16)
  },
} as const

/** A revision: the place of a step on its trail. 0 is the factory state; there are no gaps. */
export type Rev = number & { readonly __brand: 'Rev' }
export const Rev = {
  factory: 0 as Rev,
  after: (rev: Rev): Rev => (rev + 1) as Rev,
  /** A whole number from 0 up, given as a number or as plain digits (`"07"`, `"-1"` and `"1.0"` are none). */
  parse(raw: unknown): Rev | undefined {
    const value = typeof raw === 'string' && /^(?:0|[1-9]\d{0,15})$/.test(raw) ? Number(raw) : raw
    return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
      ? ((value || 0) as Rev)
      : undefined
  },
  /**
   * The revision that a `POST …/steps` asks for: `-1` and an absent `rev` mean "append". Undefined when it is neither.
   */
  parseWanted(raw: unknown): Rev | 'append' | undefined {
    return raw === undefined || raw === -1 ? 'append' : typeof raw === 'number' ? Rev.parse(raw) : undefined
  },
} as const

/** A step's id on the wire: `<device id>-<rev>`. A trail's id is its device's. */
export function stepId(device: ObjectId24, rev: Rev): string {
  return `${device}-${rev}`
}

/** Takes a step's id apart again; undefined when it is none. */
export function parseStepId(raw: unknown): { device: ObjectId24; rev: Rev } | undefined {
  if (typeof raw !== 'string' || raw[24] !== '-') return undefined
  const device = ObjectId24.parse(raw.slice(0, 24))
  const rev = Rev.parse(raw.slice(25))
  return device !== undefined && rev !== undefined ? { device, rev } : undefined
}

/** The name a state goes by: the SHA-256 of its canonical text (`state-sha` on the wire). */
export function stateSha(canonicalText: string): Sha256 {
  return Sha256.of(canonicalText)
}

/** Where an owner's copy of an object is kept: every owner has a namespace of its own (`storage-id` on the wire). */
export function storageId(ownerPrn: string, sha: Sha256): Sha256 {
  return Sha256.of(`${ownerPrn}/${sha}`)
}

const sha256Form = /^[0-9a-f]+$/
