/**
 * `npm run world -- --seeds N [--seed S] [--moves]`: plays worlds, tells which broke a rule, and how to play one again.
 */
import { playWorld } from './world.ts'

const { seeds, seed, moves } = parse(process.argv.slice(2))
const names = seed === undefined ? Array.from({ length: seeds }, (_, i) => String(i + 1)) : [seed]
const beganMs = performance.now()
let failed = 0
const totals: Record<string, number> = {}
for (const name of names) {
  const told = await playWorld(name)
  for (const [what, count] of Object.entries(told.counts)) totals[what] = (totals[what] ?? 0) + count
  if (moves || told.broken.length > 0) console.log(told.moves.join('\n'))
  if (told.broken.length === 0) continue
  failed++
  console.log(`\nseed ${name} broke:\n${told.broken.map((what) => `  ${what}`).join('\n')}`)
  console.log(`again: npm run world -- --seed ${name}\n`)
}
const tookS = ((performance.now() - beganMs) / 1000).toFixed(1)
console.log(
  `${names.length} ${names.length === 1 ? 'world' : 'worlds'} in ${tookS} s, ${failed} broke a rule; ` +
    Object.entries(totals)
      .map(([what, count]) => `${what} ${count}`)
      .join(', '),
)
process.exitCode = failed === 0 ? 0 : 1

function parse(args: readonly string[]): { seeds: number; seed: string | undefined; moves: boolean } {
  let seeds = 100
  let seed: string | undefined
  let moves = false
  for (let i = 0; i < args.length; i++) {
    const arg = args[i]
    if (arg === '--moves') moves = true
    else if (arg === '--seed' && args[i + 1] !== undefined) seed = args[++i]
    else if (arg === '--seeds' && /^[1-9]\d{0,6}$/.test(args[i + 1] ?? '')) seeds = Number(args[++i])
    else {
      console.error(`world: wanted --seeds N, --seed S or --moves, got ${arg}`)
      process.exit(2)
    }
  }
  return { seeds, seed, moves }
}
