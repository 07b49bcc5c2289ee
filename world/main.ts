/**
 * `npm run world -- --seeds N [--from F] [--seed S] [--profile P] [--moves]`: plays worlds, tells which broke a rule, and how to play one again.
 */
import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { type TemperName, temperNames } from './tempers.ts'
import { playWorld } from './world.ts'

/** So many worlds share a process: what each leaves behind in the frameworks it used adds up. */
const worldsAProcess = 50

/** What came of some worlds. */
interface Sum {
  worlds: number
  failed: number
  totals: Record<string, number>
}

const asked = parse(process.argv.slice(2))
const beganMs = performance.now()
const sum = asked.seed === undefined && asked.seeds > worldsAProcess ? await playSlices() : await playHere()
if (process.send) process.send(sum)
else tellSum(sum)
process.exitCode = sum.failed === 0 ? 0 : 1

async function playHere(): Promise<Sum> {
  const { seeds, from, seed, profile, moves } = asked
  const names = seed === undefined ? Array.from({ length: seeds }, (_, i) => String(from + i)) : [seed]
  const played: Sum = { worlds: names.length, failed: 0, totals: {} }
  for (const name of names) {
    const told = await playWorld(name, profile)
    add(played.totals, told.counts)
    if (moves || told.broken.length > 0) console.log(told.moves.join('\n'))
    if (told.broken.length === 0) continue
    played.failed++
    console.log(`\nseed ${name} broke:\n${told.broken.map((what) => `  ${what}`).join('\n')}`)
    console.log(
      `again: npm run world -- --seed ${name}${profile === undefined ? '' : ` --profile ${profile}`}\n`,
    )
  }
  return played
}

/** The same, a process for each few of them, one after the other. */
async function playSlices(): Promise<Sum> {
  const { seeds, from, profile, moves } = asked
  const played: Sum = { worlds: 0, failed: 0, totals: {} }
  for (let done = 0; done < seeds; done += worldsAProcess) {
    const count = Math.min(worldsAProcess, seeds - done)
    const args = ['--seeds', String(count), '--from', String(from + done), ...(moves ? ['--moves'] : [])]
    const child = fork(fileURLToPath(import.meta.url), [...args, ...(profile ? ['--profile', profile] : [])])
    let slice: Sum | undefined
    child.on('message', (told) => {
      // The child is this very program.
      slice = told as Sum
    })
    // The channel closes once all that was said has been heard.
    await new Promise((over) => child.once('disconnect', over))
    // A process that says nothing at its end has died over a world: none of them holds.
    played.worlds += count
    played.failed += slice?.failed ?? count
    if (slice) add(played.totals, slice.totals)
    else console.log(`\nthe process of seeds ${from + done} to ${from + done + count - 1} died\n`)
  }
  return played
}

function add(totals: Record<string, number>, counts: Readonly<Record<string, number>>): void {
  for (const [what, count] of Object.entries(counts)) totals[what] = (totals[what] ?? 0) + count
}

function tellSum({ worlds, failed, totals }: Sum): void {
  const tookS = ((performance.now() - beganMs) / 1000).toFixed(1)
  const counts = Object.entries(totals).map(([what, count]) => `${what} ${count}`)
  console.log(
    `${worlds} ${worlds === 1 ? 'world' : 'worlds'} in ${tookS} s, ${failed} broke a rule; ${counts.join(', ')}`,
  )
}

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
