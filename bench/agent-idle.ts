/** A device at rest, day after day: its memory against a bare loop that makes the same requests, and its processor time. */
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { leanFlags } from '../packages/agent/src/real/lean.ts'
import { startFakeHub } from '../packages/agent/test/support/fake-hub.ts'
import type { Bench } from './figure.ts'

/** The agent may settle for so long, and is then watched. Milliseconds. */
const settleMs = 15_000
const watchMs = 40_000

const program = fileURLToPath(new URL('../packages/cli/bin/waymark.mjs', import.meta.url))

/** What the agent asks at rest, as plainly as Node.js can: steps and user-meta every 5 s, device-meta once a minute. */
const bareLoop = `
const { Agent, request } = require('node:http')
const [base, trail, token] = process.argv.slice(1)
const agent = new Agent({ keepAlive: true })
const ask = (method, path, body) => new Promise((done) => {
  const asked = request(base + path, { method, agent, headers: { authorization: 'Bearer ' + token } }, (reply) => {
    let text = ''
    reply.on('data', (part) => (text += part))
    reply.on('end', () => done(JSON.parse(text)))
  })
  asked.on('error', done)
  asked.end(body)
})
const statuses = encodeURIComponent('{"$in":["NEW","DOWNLOADING","INPROGRESS","TESTING","QUEUED"]}')
setInterval(() => ask('GET', '/trails/' + trail + '/steps?progress.status=' + statuses), 5000)
setInterval(() => ask('GET', '/devices/' + trail + '/user-meta'), 5000)
setInterval(() => ask('PUT', '/devices/' + trail + '/device-meta', JSON.stringify({ arch: process.arch })), 60000)
`

export const agentIdle: Bench = {
  name: 'agent-idle',
  about: 'an agent at rest at its default intervals, against a bare loop that makes the same requests',
  async run() {
    if (!existsSync('/proc/self/smaps_rollup'))
      return { figures: [], skipped: ['memory and time from /proc (Linux)'] }
    const folder = await mkdtemp(join(tmpdir(), 'waymark-bench-'))
    const hub = await startFakeHub()
    const children: ChildProcess[] = []
    const start = (args: readonly string[]): number => {
      const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'inherit'] })
      children.push(child)
      return child.pid ?? 0
    }
    try {
      hub.joinTokens.add('bench')
      const config = join(folder, 'agent.config')
      await writeFile(config, `hub=${hub.base}\ndata=${join(folder, 'data')}\nfactory.autotok=bench\n`)
      // As anybody starts it: where it can, it makes itself small (docs/performance.md).
      const agent = start([program, 'agent', '--config', config])
      await pause(settleMs / 2)
      const { id, prn, secret } = hub.device()
      const login = await fetch(`${hub.base}/auth/login`, {
        method: 'POST',
        body: JSON.stringify({ username: prn, password: secret }),
      })
      const { token } = (await login.json()) as { token: string }
      const bare = start(['-e', bareLoop, '--', hub.base, id, token])
      // The same loop with the flags that the agent gives itself: what is left then is the agent's own doing.
      const small = start([...leanFlags, '-e', bareLoop, '--', hub.base, id, token])
      await pause(settleMs / 2)
      const before = cpuSeconds(agent)
      const asked = hub.seen.length
      const memory: Record<'agent' | 'bare' | 'small', number[]> = { agent: [], bare: [], small: [] }
      for (let left = watchMs; left > 0; left -= 2000) {
        await pause(2000)
        memory.agent.push(residentBytes(agent))
        memory.bare.push(residentBytes(bare))
        memory.small.push(residentBytes(small))
      }
      const used = cpuSeconds(agent) - before
      const most = (values: readonly number[]): number => Math.max(...values)
      const MiB = (bytes: number): string => (bytes / 2 ** 20).toFixed(1)
      const share = used / (watchMs / 1000)
      return {
        figures: [
          {
            name: 'memory of the agent / of the bare loop (the most of either)',
            ratio: most(memory.agent) / most(memory.bare),
            goal: { atMost: 1.4 },
            detail: `${MiB(most(memory.agent))} against ${MiB(most(memory.bare))} MiB, ${hub.seen.length - asked} requests`,
          },
          {
            name: 'the same, of a bare loop with the flags that the agent gives itself',
            ratio: most(memory.agent) / most(memory.small),
            goal: { atMost: 1.4 },
            detail: `${MiB(most(memory.agent))} against ${MiB(most(memory.small))} MiB`,
          },
          {
            name: 'processor time of the agent / 0.2 % of a core',
            ratio: share / 0.002,
            goal: { atMost: 1 },
            detail: `${(used * 1000).toFixed(0)} ms in ${watchMs / 1000} s`,
          },
        ],
      }
    } finally {
      for (const child of children) child.kill('SIGKILL')
      await hub[Symbol.asyncDispose]()
      await rm(folder, { recursive: true, force: true })
    }
  },
}

const pause = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms))

/** Resident memory. What is shared with other programs of Node.js counts in full: on a device there is no other. */
function residentBytes(pid: number): number {
  const found = /^Rss:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1]
  return Number(found) * 1024
}

/** Processor time so far, in user and system mode, to the hundredth of a second. */
function cpuSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) / 100
}
