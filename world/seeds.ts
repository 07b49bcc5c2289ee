/** One test a seed: a world in which every rule holds, or its moves and what broke. */
import { expect, test } from 'vitest'
import { playWorld } from './world.ts'

export function playSeeds(from: number, to: number): void {
  for (let seed = from; seed <= to; seed++)
    test(`[W1–W9] seed ${seed}: every rule holds`, async () => {
      const { moves, broken } = await playWorld(String(seed))
      expect(broken, `${moves.join('\n')}\n\nagain: npm run world -- --seed ${seed}`).toEqual([])
    })
}
