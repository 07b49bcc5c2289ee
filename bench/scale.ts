/** A million devices: what a poll costs then, and how long a server takes to be ready. */
import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { startChild } from './child.ts'
import { type Bench, type Figure, median, paired } from './figure.ts'
import type { HouseReady } from './house-child.ts'
import { requestsPerSecond } from './http-load.ts'
import { drawn, pollRequest } from './poll.ts'

const few = 1000
const many = Number(process.env.WAYMARK_BENCH_DEVICES ?? 1_000_000)
/** Devices that poll, drawn evenly over all. */
const polling = 20_000
const rounds = 5

export const scale: Bench = {
  name: 'scale',
  about: `${many.toLocaleString('en')} devices and steps in the store`,
  async run() {
    const folder = mkdtempSync(join(tmpdir(), 'waymark-bench-'))
    try {
      const figures = [await pollsAtScale(folder), ...(await starts(folder))]
      return { figures }
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  },
}

async function pollsAtScale(folder: string): Promise<Figure> {
  const small = await crowd(join(folder, 'few'), few)
  const large = await crowd(join(folder, 'many'), many)
  try {
    const { ratio, ours, theirs } = await paired(rounds, small.rate, large.rate)
    return {
      name: `cost of a poll among ${many.toLocaleString('en')} / among ${few.toLocaleString('en')}`,
      ratio,
      goal: { atMost: 1.3 },
      detail: `${Math.round(theirs)} against ${Math.round(ours)} polls/s`,
    }
  } finally {
    await small.stop()
    await large.stop()
  }
}

async function crowd(data: string, count: number) {
  const house = await startChild<HouseReady>('house-child.ts', [JSON.stringify({ data })])
  await house.ask({ kind: 'seed', count, open: false })
  const { devices } = await house.ask<{ devices: { id: string; token: string }[] }>({
    kind: 'tokens',
    count: polling,
  })
  const requests = devices.map((device) => pollRequest(device, false))
  const rate = () =>
    requestsPerSecond({ port: house.first.port, connections: 64, durationMs: 2000, next: drawn(requests) })
  await rate()
  return { rate, stop: () => house.stop() }
}

/** How long until `ready`, as a whole process, against a bare Fastify that listens. */
async function starts(folder: string): Promise<Figure[]> {
  const program = fileURLToPath(new URL('../packages/cli/bin/waymark.mjs', import.meta.url))
  const bare = fileURLToPath(new URL('bare-fastify.mjs', import.meta.url))
  const up = (data: string) => untilReady(program, ['up', '--data', data, '--http', '0', '--exoport', '0'])
  let fresh = 0
  const onEmpty = () => {
    const data = join(folder, `empty-${fresh++}`)
    mkdirSync(data)
    return up(data)
  }
  const empty: number[] = []
  const full: number[] = []
  const peer: number[] = []
  for (let round = 0; round < 7; round++) {
    empty.push(await onEmpty())
    peer.push(await untilReady(bare, []))
    full.push(await up(join(folder, 'many')))
  }
  const ratio = (a: readonly number[], b: readonly number[]) =>
    median(a.map((value, i) => value / (b[i] ?? Number.NaN)))
  const told = (a: readonly number[], b: readonly number[]) =>
    `${Math.round(median(a))} against ${Math.round(median(b))} ms`
  return [
    {
      name: 'ready on an empty folder / a bare Fastify that listens',
      ratio: ratio(empty, peer),
      goal: { atMost: 4 },
      detail: told(empty, peer),
    },
    {
      name: `ready with ${many.toLocaleString('en')} devices / on an empty folder`,
      ratio: ratio(full, empty),
      goal: { atMost: 2 },
      detail: told(full, empty),
    },
  ]
}

function untilReady(program: string, args: readonly string[]): Promise<number> {
  const started = performance.now()
  const child = spawn(process.execPath, [program, ...args], { stdio: ['ignore', 'pipe', 'ignore'] })
  return new Promise((resolve, reject) => {
    let took: number | undefined
    createInterface({ input: child.stdout }).on('line', (line) => {
      if (line !== 'ready') return
      took = performance.now() - started
      child.kill('SIGTERM')
    })
    child.on('exit', (code) => {
      if (took === undefined) reject(new Error(`${program} ended with ${code} before it was ready`))
      else resolve(took)
    })
  })
}
