/** The Exosense door: a command that looks one device up, and a push to a large group. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startChild } from './child.ts'
import { type Bench, type Figure, median, paired } from './figure.ts'
import { requestsPerSecond } from './http-load.ts'

const members = 100_000
const rounds = 5
const roundMs = 2000
const pushes = 3

function request(port: number, path: string, body: string): string {
  const login = Buffer.from('exodm-admin:bench').toString('base64')
  return (
    `POST ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nAuthorization: Basic ${login}\r\n` +
    `Content-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`
  )
}

const lookup = (name: string) =>
  JSON.stringify({ jsonrpc: '2.0', method: 'exodm:lookup-device', id: 1, params: { 'device-id': name } })

export const exosense: Bench = {
  name: 'exosense',
  about:
    'commands against a bare JSON echo; a push to a group of 100,000 against the same rows in plain commits',
  async run() {
    const folder = mkdtempSync(join(tmpdir(), 'waymark-bench-'))
    const house = await startChild<{ port: number }>('exosense-child.ts', [JSON.stringify({ data: folder })])
    const echo = await startChild<{ port: number }>('echo-child.ts', [])
    try {
      await house.ask({ kind: 'seed', count: members })
      const { port } = house.first
      const body = lookup('d7')
      const rate = (to: number, path: string) => () =>
        requestsPerSecond({
          port: to,
          connections: 32,
          durationMs: roundMs,
          next: () => request(to, path, body),
        })
      await rate(port, '/exodm/rpc')()
      await rate(echo.first.port, '/')()
      const looked = await paired(rounds, rate(port, '/exodm/rpc'), rate(echo.first.port, '/'))
      const figures: Figure[] = [
        {
          name: 'lookup-device with Basic login',
          ratio: looked.ratio,
          goal: { atLeast: 0.5 },
          detail: `${Math.round(looked.ours)} against ${Math.round(looked.theirs)} requests/s`,
        },
      ]
      const ratios: number[] = []
      const waits: number[] = []
      const rss: number[] = []
      // The first one also fills caches that stay as they are.
      await house.ask({ kind: 'push' })
      for (let push = 0; push < pushes; push++) {
        const before = await house.ask<{ rss: number }>({ kind: 'memory' })
        const others = watch(port, body)
        const { ms } = await house.ask<{ ms: number }>({ kind: 'push' })
        waits.push(await others.longest())
        const after = await house.ask<{ rss: number }>({ kind: 'memory' })
        rss.push((after.rss - before.rss) / 2 ** 20)
        const peer = await house.ask<{ ms: number }>({ kind: 'plain', count: members })
        ratios.push(peer.ms / ms)
      }
      figures.push(
        {
          name: `a push to ${members} devices`,
          ratio: median(ratios),
          goal: { atLeast: 0.25 },
          detail: 'rows a second, against the same rows in commits of 1,000',
        },
        {
          name: 'the longest that another request waits meanwhile, of 100 ms',
          ratio: median(waits) / 100,
          goal: { atMost: 1 },
          detail: `${waits.map((wait) => `${Math.round(wait)} ms`).join(', ')}`,
        },
        {
          name: 'memory it leaves behind, of 64 MiB',
          ratio: median(rss) / 64,
          goal: { atMost: 1 },
          detail: rss.map((mib) => `${Math.round(mib)} MiB`).join(', '),
        },
      )
      return { figures }
    } finally {
      await Promise.all([house.stop(), echo.stop()])
      rmSync(folder, { recursive: true, force: true })
    }
  },
}

/** Asks one thing after the other until told to stop; answers how long the slowest took. */
function watch(port: number, body: string) {
  let stopped = false
  let longest = 0
  const watching = (async () => {
    while (!stopped) {
      const started = performance.now()
      await requestsPerSecond({
        port,
        connections: 1,
        durationMs: 0,
        next: () => request(port, '/exodm/rpc', body),
      })
      longest = Math.max(longest, performance.now() - started)
    }
  })()
  return {
    async longest(): Promise<number> {
      stopped = true
      await watching
      return longest
    },
  }
}
