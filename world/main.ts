/**
 * `npm run world -- --seeds N [--from F] [--seed S] [--profile P] [--moves]`: plays worlds, tells which broke a rule, and how to play one again.
 */
import { type TemperName, temperNames } from './tempers.ts'
import { playWorld } from './world.ts'

const { seeds, from, seed, profile, moves } = parse(process.argv.slice(2))
const names = seed === undefined ? Array.from({ length: seeds }, (_, i) => String(from + i)) : [seed]
const beganMs = performance.now()
let failed = 0
const totals: Record<string, number> = {}
for (const name of names) {
  const told = await playWorld(name, profile)
  for (const [what, count] of Object.entries(told.counts)) totals[what] = (totals[what] ?? 0) + count
  if (moves || told.broken.length > 0) console.log(told.moves.join('\n'))
  if (told.broken.length === 0) continue
  failed++
  console.log(`\nseed ${name} broke:\n${told.broken.map((what) => `  ${what}`).join('\n')}`)
  console.log(
    `again: npm run world -- --seed ${name}${profile === undefined ? '' : ` --profile ${profile}`}\n`,
  )
}
const tookS = ((performance.now() - beganMs) / 1000).toFixed(1)
console.log(
  `${names.length} ${names.length === 1 ? 'world' : 'worlds'} in ${tookS} s, ${failed} broke a rule; ` +
    Object.entries(totals)
      .map(([what, count]) => `${what} ${count}`)
      .join(', '),
)
process.exitCode = failed === 0 ? 0 : 1

interface Asked {
  seeds: number
  /** The first of them. */
  from: number
  seed?: string
  profile?: TemperName
  moves: boolean
}

function parse(args: readonly string[]): Asked {
  const asked: Asked = { seeds: 100, from: 1, moves: false }
  for (let i = 0; i < args.length; i++) {
    const [arg = '', value = ''] = [args[i], args[i + 1]]
    const profile = temperNames.find((name) => name === value)
    const count = /^[1-9]\d{0,6}$/.test(value)
    if (arg === '--moves') {
      asked.moves = true
      continue
    }
    if (arg === '--seed' && value !== '') asked.seed = value
    else if (arg === '--seeds' && count) asked.seeds = Number(value)
    else if (arg === '--from' && count) asked.from = Number(value)
    else if (arg === '--profile' && profile) asked.profile = profile
    else {
      const profiles = temperNames.join(', ')
      console.error(
        `world: wanted --seeds N, --from F, --seed S, --profile P (${profiles}) or --moves, got ${arg} ${value}`,
      )
      process.exit(2)
    }
    i++
  }
  return asked
}
