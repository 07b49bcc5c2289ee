/**
 * A thousand agents in one `waymark sim` process against one server on the same machine, polling every five seconds.
 *
 * Both are the built programs in processes of their own. Counting begins when all devices poll; a poll is missed when it
 * begins more than two intervals after the one before it.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { startWaymark } from './child.ts'
import type { Bench, Figure } from './figure.ts'

const devices = 1000
const intervalS = 5
/** Registering a thousand devices takes as long as it takes; after this something is wrong. Seconds. */
const patienceS = 180
const measuredS = 30

interface Counts {
  readonly polling: number
  readonly polls: number
  readonly missed: number
  readonly lost: number
  readonly refused: number
}

export const sim: Bench = {
  name: 'sim',
  about: `${devices} agents in one process against one server beside it, a poll each ${intervalS} s`,
  async run() {
    if (!existsSync('/proc/self/stat'))
      return { figures: [], skipped: ['the share of the processor (no /proc on this system)'] }
    const folder = mkdtempSync(join(tmpdir(), 'waymark-bench-'))
    const unused = ['iottalk-http', 'mqtt', 'mqtt-ws', 'ccm', 'exoport'].flatMap((name) => [
      `--${name}`,
      'off',
    ])
    const server = await startWaymark(folder, [...unused, '--registration-rate', 'off'])
    try {
      const url = `http://127.0.0.1:${server.port}`
      const fleet = startFleet(url, await tokenOf(url))
      try {
        return { figures: await measure(fleet, server.pid) }
      } finally {
        await fleet.stop()
      }
    } finally {
      await server.stop()
      rmSync(folder, { recursive: true, force: true })
    }
  },
}

async function measure(fleet: ReturnType<typeof startFleet>, serverPid: number): Promise<Figure[]> {
  await fleet.until(({ polling }) => polling === devices, patienceS)
  // One interval more, so that what registering has held up is over.
  await fleet.pass(intervalS)
  const [before, fleetBefore, serverBefore] = [fleet.counts(), usedS(fleet.pid), usedS(serverPid)]
  const beganAt = performance.now()
  await fleet.pass(measuredS)
  const after = fleet.counts()
  const seconds = (performance.now() - beganAt) / 1000
  const polls = after.polls - before.polls
  const share = (usedBefore: number, pid: number): string =>
    `${((100 * (usedS(pid) - usedBefore)) / seconds).toFixed(0)} % of a core`
  return [
    {
      name: 'polls that were missed',
      ratio: after.missed - before.missed,
      goal: { atMost: 0 },
      detail: `of ${polls} in ${seconds.toFixed(0)} s; ${after.lost - before.lost} requests lost, ${after.refused - before.refused} refused`,
    },
    {
      name: 'polls made against polls due',
      ratio: polls / ((devices * seconds) / intervalS),
      detail: `simulation ${share(fleetBefore, fleet.pid)}, server ${share(serverBefore, serverPid)}`,
    },
    {
      name: 'memory of the simulation, MiB',
      ratio: residentBytes(fleet.pid) / 2 ** 20,
      detail: `${(residentBytes(fleet.pid) / 1024 / devices).toFixed(0)} KiB a device, Node.js itself included`,
    },
  ]
}

async function tokenOf(url: string): Promise<string> {
  const answer = await fetch(`${url}/fleet/v1/login`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ name: 'admin', password: 'bench' }),
  })
  const { token } = (await answer.json()) as { token?: string }
  if (token === undefined) throw new Error(`login: wanted a token, got ${answer.status}`)
  return token
}

/** `waymark sim` as anybody starts it, telling its counts once a second. */
function startFleet(url: string, token: string) {
  const program = fileURLToPath(new URL('../packages/cli/bin/waymark.mjs', import.meta.url))
  const flags = [
    '--server',
    url,
    '--devices',
    String(devices),
    '--interval',
    `${intervalS}s`,
    '--json',
    '--report',
    '1s',
  ]
  const child = spawn(process.execPath, [program, 'sim', ...flags], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, WAYMARK_TOKEN: token },
  })
  let counts: Counts = { polling: 0, polls: 0, missed: 0, lost: 0, refused: 0 }
  let wake: () => void = () => {}
  createInterface({ input: child.stdout }).on('line', (line) => {
    counts = JSON.parse(line) as Counts
    wake()
  })
  async function until(holds: (counts: Counts) => boolean, limitS: number): Promise<void> {
    const limitAt = performance.now() + limitS * 1000
    while (!holds(counts)) {
      if (performance.now() > limitAt) throw new Error(`after ${limitS} s: ${JSON.stringify(counts)}`)
      await new Promise<void>((resolve) => {
        wake = resolve
      })
    }
  }
  return {
    pid: child.pid ?? 0,
    counts: () => counts,
    until,
    pass: (seconds: number) => new Promise<void>((resolve) => setTimeout(resolve, seconds * 1000)),
    async stop(): Promise<void> {
      if (child.exitCode !== null) return
      child.kill('SIGTERM')
      await once(child, 'exit')
    },
  }
}

/** Seconds of a core that a process has used: fields 14 and 15 of its stat, in hundredths. */
function usedS(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) / 100
}

function residentBytes(pid: number): number {
  const told = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))
  return Number(told?.[1] ?? 0) * 1024
}
