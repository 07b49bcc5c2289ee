/**
 * What a good device said, spoilt: cut short, bent, swollen, with pieces missing or twice. Random bytes rarely get past a
 * parser's first word; these do. The same seed gives the same mutants.
 */

/** Bytes that are put in at once: more than any name or password may have. */
const swellBytes = 4096

/** `count` mutants of these bytes. */
export function mutantsOf(bytes: Buffer, count: number, seed: number): readonly Buffer[] {
  if (bytes.length === 0) return []
  let state = seed >>> 0
  /** The next number below `most`: a linear congruential generator, of which the upper bits are the better ones. */
  const draw = (most: number) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * most)
  }
  const ways: readonly ((at: number) => Buffer)[] = [
    (at) => bytes.subarray(0, at),
    (at) => {
      const bent = Buffer.from(bytes)
      for (let times = 0; times < 4; times++) bent[draw(bent.length)] = draw(256)
      bent[at] = draw(256)
      return bent
    },
    (at) => Buffer.concat([bytes.subarray(0, at), Buffer.alloc(swellBytes, 'a'), bytes.subarray(at)]),
    (at) => Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1 + draw(16))]),
    (at) => Buffer.concat([bytes.subarray(0, at), bytes, bytes.subarray(at)]),
  ]
  return Array.from({ length: count }, (_, number) => {
    const way = ways[number % ways.length]
    return way?.(draw(bytes.length)) ?? bytes
  })
}
