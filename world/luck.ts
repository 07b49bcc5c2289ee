/**
 * Luck that replays: one seed, forked by name. An actor draws from its own stream, so that one more draw by one actor
 * does not shift the fate of all others.
 */

export interface Luck {
  /** A number in [0, 1). */
  next(): number
  /** A whole number from 0 up to, not including, `end`. */
  below(end: number): number
  /** A whole number between two, both included. */
  between(least: number, most: number): number
  /** True with this probability. */
  chance(probability: number): boolean
  pick<T>(list: readonly T[]): T
  /** A row of a table of weights. */
  weighed<K extends string>(weights: Readonly<Record<K, number>>): K
  bytes(count: number): Uint8Array
  /** A pause around a mean, exponentially scattered: how long until something happens by itself. Milliseconds. */
  pause(meanMs: number): number
  /** A stream of its own: the same name always gives the same one, whatever has been drawn before. */
  fork(name: string): Luck
}

/** Luck from a seed; any text will do. */
export function createLuck(seed: string): Luck {
  const next = sfc32(seed)
  const below = (end: number): number => Math.floor(next() * end)
  return {
    next,
    below,
    between: (least, most) => least + below(most - least + 1),
    chance: (probability) => next() < probability,
    pick(list) {
      const picked = list[below(list.length)]
      if (picked === undefined) throw new Error('picked from nothing')
      return picked
    },
    weighed(weights) {
      const rows = Object.entries<number>(weights) as [keyof typeof weights, number][]
      let left = next() * rows.reduce((sum, [, weight]) => sum + weight, 0)
      for (const [name, weight] of rows) {
        left -= weight
        if (left < 0) return name
      }
      throw new Error('weighed nothing')
    },
    bytes: (count) => Uint8Array.from({ length: count }, () => below(256)),
    pause: (meanMs) => Math.round(-Math.log(1 - next()) * meanMs),
    fork: (name) => createLuck(`${seed}/${name}`),
  }
}

/** sfc32, started from a hash of the seed: small, fast, and without short cycles. */
function sfc32(seed: string): () => number {
  const hash = fnv1a(seed)
  let [a, b, c, d] = [hash(), hash(), hash(), 1]
  const draw = (): number => {
    const t = (((a + b) | 0) + d) | 0
    d = (d + 1) | 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) | 0
    c = (((c << 21) | (c >>> 11)) + t) | 0
    return (t >>> 0) / 4_294_967_296
  }
  for (let i = 0; i < 12; i++) draw()
  return draw
}

/** Words that depend on every letter of a text. */
function fnv1a(text: string): () => number {
  let hash = 0x811c9dc5
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  return () => {
    hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d)
    hash = Math.imul(hash ^ (hash >>> 12), 0x297a2d39)
    hash ^= hash >>> 15
    return hash
  }
}
