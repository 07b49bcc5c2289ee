import { refuse } from './refusal.ts'

/**
 * What one message may cost. Every number a peer sends is checked against the bytes that are really there before
 * anything is done with it; these limits bound what honest bytes may add up to.
 */
export type Limits = {
  /** Most bytes of one encoded message, its version byte included. */
  readonly bytes: number
  /** Most bytes that a compressed message may inflate to. */
  readonly inflatedBytes: number
  /** Most times that a compressed message may grow, counted from 64 KiB on: smaller ones may always inflate to 64 KiB. */
  readonly inflateRatio: number
  /** Most levels of nesting, at most 1024 so that the stack always suffices. A lone integer has depth 1. */
  readonly depth: number
  /** Most terms in one message; each element, key, value and character of a STRING_EXT is one. */
  readonly terms: number
  /** Most bytes of one big integer's magnitude. */
  readonly integerBytes: number
}

export const defaultLimits: Limits = {
  bytes: 16 * 1024 * 1024,
  inflatedBytes: 16 * 1024 * 1024,
  inflateRatio: 64,
  depth: 512,
  terms: 2 * 1024 * 1024,
  integerBytes: 64 * 1024,
}

const deepest = 1024
const names = Object.keys(defaultLimits) as readonly (keyof Limits)[]

/** The defaults with the caller's own limits in place. Refuses (`RangeError`) what is not a positive integer. */
export function resolveLimits(given: Partial<Limits> | undefined): Limits {
  if (given === undefined) return defaultLimits
  const limits = { ...defaultLimits, ...given }
  for (const name of names) {
    const value = limits[name]
    if (!Number.isSafeInteger(value) || value < 1)
      throw new RangeError(`limit ${name}: wanted a positive integer, got ${value}`)
  }
  if (limits.depth > deepest)
    throw new RangeError(`limit depth: wanted at most ${deepest}, got ${limits.depth}`)
  return limits
}

export function tooDeep(depth: number, at?: number): never {
  return refuse('too-deep', 'term', `at most ${depth} levels of nesting`, 'one more', at)
}

export function tooMany(terms: number, at?: number): never {
  return refuse('too-many', 'message', `at most ${terms} terms`, 'more', at)
}
