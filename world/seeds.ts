/** One test a seed: a world in which every rule holds, or its moves and what broke. */
import { expect, test } from 'vitest'
import { type TemperName, temperOf } from './tempers.ts'
import { playWorld } from './world.ts'

export function playSeeds(from: number, to: number): void {
  for (let seed = from; seed <= to; seed++)
    test(`[W1–W17] seed ${seed}: every rule holds`, async () => {
      const { moves, broken } = await playWorld(String(seed))
      expect(broken, `${moves.join('\n')}\n\nagain: npm run world -- --seed ${seed}`).toEqual([])
    })
}

/** The same for worlds in which all devices are of one temperament. */
export function playProfile(profile: TemperName, from: number, to: number): void {
  for (let seed = from; seed <= to; seed++)
    test(`[W1–W17] ${profile}, ${temperOf(profile).about}: seed ${seed}`, async () => {
      const { moves, broken } = await playWorld(String(seed), profile)
      const again = `again: npm run world -- --seed ${seed} --profile ${profile}`
      expect(broken, `${moves.join('\n')}\n\n${again}`).toEqual([])
    })
}
