/** A backup while the server works: what polls take at half of full load, with `waymark backup create` beside and without. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { watchCalm } from './calm.ts'
import { startChild } from './child.ts'
import { type Figure, paired } from './figure.ts'
import type { HouseReady } from './house-child.ts'
import { requestsPerSecond } from './http-load.ts'
import { onSchedule, quantile } from './open-loop.ts'
import { drawn, pollRequest } from './poll.ts'
import { configOf, type Filling, fill } from './restore.ts'

const rounds = 5
const quietMs = 10_000
const connections = 64
const small: Filling = { objectMiB: 512, rows: 50_000 }
const full: Filling = { objectMiB: 10 * 1024, rows: 1_000_000 }

export async function backupLoadFigure(
  filling: Filling = process.argv.includes('--full') ? full : small,
): Promise<Figure> {
  const folder = mkdtempSync(join(tmpdir(), 'waymark-bench-'))
  const data = join(folder, 'house')
  try {
    await fill(configOf(data), filling)
    const house = await startChild<HouseReady>('house-child.ts', [JSON.stringify({ data })])
    try {
      const { devices } = await house.ask<{ devices: { id: string; token: string }[] }>({
        kind: 'tokens',
        count: 1000,
      })
      const next = drawn(devices.map((device) => pollRequest(device, false)))
      const { port } = house.first
      await requestsPerSecond({ port, connections, durationMs: 2000, next })
      const rate = (await requestsPerSecond({ port, connections, durationMs: 3000, next })) / 2
      const calm = watchCalm()
      const counts = { beside: { asked: 0, leftOut: 0 }, without: { asked: 0, leftOut: 0 } }
      const p99 = async (side: keyof typeof counts, ended: () => boolean) => {
        const all = await onSchedule({ port, rate, connections, next, ended })
        const left = all.filter(({ due, answered }) => calm.wasCalm(due, answered))
        counts[side].asked += all.length
        counts[side].leftOut += all.length - left.length
        return quantile(
          left.map(({ due, answered }) => answered - due),
          0.99,
        )
      }
      const share = (side: keyof typeof counts) =>
        `${((100 * counts[side].leftOut) / counts[side].asked).toFixed(1)} %`
      const quiet = () => {
        const until = performance.now() + quietMs
        return p99('without', () => performance.now() > until)
      }
      let backups = 0
      const beside = async () => {
        const file = join(folder, `backup-${++backups}.tar`)
        let done = false
        const backup = backUp(data, file).finally(() => {
          done = true
        })
        const found = await p99('beside', () => done)
        await backup
        rmSync(file)
        return found
      }
      await quiet()
      const { ratio, ours, theirs } = await paired(rounds, beside, quiet)
      calm.stop()
      return {
        name: 'p99 of polls at half load while a backup is made / without',
        ratio,
        goal: { atMost: 3 },
        detail: `${ours.toFixed(1)} against ${theirs.toFixed(1)} ms at ${Math.round(rate)} polls/s, ${filling.objectMiB} MiB of objects, ${filling.rows} rows; left out, because the machine stood still: ${share('beside')} of the polls beside, ${share('without')} without`,
      }
    } finally {
      await house.stop()
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** The command, in a process of its own, as it is run beside a server. */
async function backUp(data: string, file: string): Promise<void> {
  const program = fileURLToPath(new URL('../packages/cli/bin/waymark.mjs', import.meta.url))
  const child = spawn(process.execPath, [program, 'backup', 'create', file, '--data', data], {
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  const [code] = (await once(child, 'exit')) as [number | null]
  if (code !== 0) throw new Error(`waymark backup create ended with ${code}`)
}
