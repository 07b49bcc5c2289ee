/** What a bench answers: ratios within one run, each with the absolute figures it was made from. */

export interface Figure {
  readonly name: string
  /** Ours against the peer or the limit, as the name says. */
  readonly ratio: number
  /** What the ratio has to be; absent: for information. */
  readonly goal?: { readonly atLeast: number } | { readonly atMost: number }
  /** The absolute figures behind it, with units. */
  readonly detail: string
}

export interface Bench {
  /** Its name on the command line: `npm run bench -- poll`. */
  readonly name: string
  readonly about: string
  run(): Promise<{ readonly figures: readonly Figure[]; readonly skipped?: readonly string[] }>
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  const upper = sorted[middle] ?? Number.NaN
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2
}

export function reached({ ratio, goal }: Figure): boolean | undefined {
  if (goal === undefined) return undefined
  return 'atLeast' in goal ? ratio >= goal.atLeast : ratio <= goal.atMost
}

/**
 * Takes two measurements in turn, A B A B …, so that a machine that grows slower meanwhile does it to both; answers the
 * median of the ratios pair by pair, and both medians.
 */
export async function paired(
  rounds: number,
  ours: () => Promise<number>,
  theirs: () => Promise<number>,
): Promise<{ ratio: number; ours: number; theirs: number }> {
  const pairs: { a: number; b: number }[] = []
  for (let round = 0; round < rounds; round++) {
    const a = await ours()
    const b = await theirs()
    pairs.push({ a, b })
  }
  return {
    ratio: median(pairs.map(({ a, b }) => a / b)),
    ours: median(pairs.map(({ a }) => a)),
    theirs: median(pairs.map(({ b }) => b)),
  }
}
