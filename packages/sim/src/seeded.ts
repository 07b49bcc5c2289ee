/**
 * Luck from a seed. One text gives one stream, and a device's stream depends on its number alone, so that a fleet of a
 * thousand behaves the same for its first hundred as one of a hundred.
 */
import type { Luck } from '@waymark/agent'

/** Numbers in [0, 1) from a text; the same text always gives the same ones (splitmix over 32 bits). */
export function createSeeded(seed: string): Luck {
  let state = 0x811c9dc5
  for (let i = 0; i < seed.length; i++) state = Math.imul(state ^ seed.charCodeAt(i), 0x01000193)
  return {
    next() {
      state = (state + 0x9e3779b9) | 0
      let mixed = state ^ (state >>> 16)
      mixed = Math.imul(mixed, 0x21f0aaad)
      mixed ^= mixed >>> 15
      mixed = Math.imul(mixed, 0x735a2d97)
      return ((mixed ^ (mixed >>> 15)) >>> 0) / 4_294_967_296
    },
  }
}
