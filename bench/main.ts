/**
 * `npm run bench [-- NAME…]`: every figure is a ratio against a peer or a physical limit within the same run, printed
 * with the machine and the absolute figures it was made from. Exit code 1 when a goal is not reached.
 */
import { cpus, totalmem } from 'node:os'
import { agentIdle } from './agent-idle.ts'
import { agentUpdate } from './agent-update.ts'
import { exoport } from './exoport.ts'
import { exosense } from './exosense.ts'
import { type Bench, reached } from './figure.ts'
import { packages } from './packages.ts'
import { poll } from './poll.ts'
import { reports } from './reports.ts'
import { rooms } from './rooms.ts'
import { scale } from './scale.ts'
import { sim } from './sim.ts'
import { transfer } from './transfer.ts'
import { upkeep } from './upkeep.ts'

const benches: readonly Bench[] = [
  poll,
  reports,
  transfer,
  scale,
  exosense,
  exoport,
  packages,
  sim,
  upkeep,
  agentIdle,
  agentUpdate,
  ...rooms,
]

const asked = process.argv.slice(2).filter((word) => word !== '--full')
const unknown = asked.find((name) => !benches.some((bench) => bench.name === name))
if (unknown !== undefined) {
  process.stderr.write(`bench: ${unknown} is none of ${benches.map(({ name }) => name).join(', ')}\n`)
  process.exit(2)
}

const [cpu] = cpus()
console.log(
  `${cpus().length} × ${cpu?.model.trim() ?? 'processor'}, ${Math.round(totalmem() / 2 ** 30)} GiB, Node.js ${process.versions.node}, ${process.platform}`,
)
let missed = 0
for (const bench of benches) {
  if (asked.length > 0 && !asked.includes(bench.name)) continue
  console.log(`\n${bench.name}: ${bench.about}`)
  const { figures, skipped = [] } = await bench.run()
  for (const figure of figures) {
    const goal =
      figure.goal === undefined
        ? ''
        : 'atLeast' in figure.goal
          ? `≥ ${figure.goal.atLeast}`
          : `≤ ${figure.goal.atMost}`
    const verdict = { true: 'reached', false: 'MISSED', undefined: '' }[String(reached(figure)) as 'true']
    if (reached(figure) === false) missed += 1
    console.log(
      `  ${figure.ratio.toFixed(2).padStart(6)} ${goal.padEnd(7)} ${(verdict ?? '').padEnd(7)}  ${figure.name} (${figure.detail})`,
    )
  }
  for (const what of skipped) console.log(`         skipped: ${what}`)
}
console.log(missed === 0 ? '\nevery goal reached' : `\n${missed} goals missed`)
process.exit(missed === 0 ? 0 : 1)
