/** The benches that rooms keep beside their own code. */
import type { Bench } from './figure.ts'

export const rooms: readonly Bench[] = [
  {
    name: 'etf',
    about: 'Erlang terms, decoded and encoded, against msgpackr on equal data',
    async run() {
      const { main } = await import('../packages/etf/bench/terms.ts')
      const { figures, skipped } = await main()
      return {
        figures: figures.map(({ name, ratio, goal }) => ({
          name,
          ratio,
          detail: 'rates',
          ...(goal === undefined ? {} : { goal: { atLeast: goal } }),
        })),
        skipped,
      }
    },
  },
]
