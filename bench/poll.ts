/** The hot path: a device asks for steps and there is nothing new. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startChild } from './child.ts'
import { type Bench, type Figure, paired } from './figure.ts'
import type { HouseReady } from './house-child.ts'
import { requestsPerSecond } from './http-load.ts'

const deviceCount = 1000
const rounds = 5
const roundMs = 2000

/** What Pantavisor sends, as it sends it: `$`, `:` and `,` unescaped. */
export function pollRequest(device: { id: string; token: string }, closing: boolean): string {
  const words = '{%22$in%22:[%22NEW%22,%22DOWNLOADING%22,%22INPROGRESS%22,%22TESTING%22,%22QUEUED%22]}'
  return (
    `GET /trails/${device.id}/steps?progress.status=${words} HTTP/1.1\r\nHost: hub\r\n` +
    `User-Agent: Pantavisor/2 (Linux; x86_64) PV/029 Date/2026\r\nAuthorization: Bearer ${device.token}\r\n` +
    `${closing ? 'Connection: close\r\n' : ''}\r\n`
  )
}

/** Requests drawn evenly over the devices, prebuilt. */
export function drawn(requests: readonly string[]): () => string {
  let seed = 1
  return () => {
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0
    return requests[seed % requests.length] ?? ''
  }
}

export const poll: Bench = {
  name: 'poll',
  about: 'trail poll with nothing new against a bare node:http handler answering the same bytes',
  async run() {
    const folder = mkdtempSync(join(tmpdir(), 'waymark-bench-'))
    const house = await startChild<HouseReady>('house-child.ts', [JSON.stringify({ data: folder })])
    try {
      await house.ask({ kind: 'seed', count: deviceCount, open: false })
      const { devices } = await house.ask<{ devices: { id: string; token: string }[] }>({
        kind: 'tokens',
        count: deviceCount,
      })
      const [first] = devices
      if (!first) throw new Error('no devices')
      const peer = await startChild<{ port: number }>('bare-child.ts', [
        JSON.stringify(await sameAnswer(house.first.port, first)),
      ])
      const figures: Figure[] = []
      try {
        for (const closing of [false, true]) {
          const requests = devices.map((device) => pollRequest(device, closing))
          const rate = (port: number) => () =>
            requestsPerSecond({ port, connections: 64, durationMs: roundMs, closing, next: drawn(requests) })
          await rate(house.first.port)()
          await rate(peer.first.port)()
          const { ratio, ours, theirs } = await paired(rounds, rate(house.first.port), rate(peer.first.port))
          figures.push({
            name: closing ? 'Connection: close' : 'keep-alive',
            ratio,
            goal: { atLeast: 0.7 },
            detail: `${Math.round(ours)} against ${Math.round(theirs)} polls/s, ${deviceCount} devices`,
          })
        }
      } finally {
        await peer.stop()
      }
      return { figures }
    } finally {
      await house.stop()
      rmSync(folder, { recursive: true, force: true })
    }
  },
}

/** One real answer, head and body, for the peer to repeat. */
async function sameAnswer(port: number, device: { id: string; token: string }) {
  const path = pollRequest(device, false).split(' ')[1] ?? ''
  const answer = await fetch(`http://127.0.0.1:${port}${path}`, {
    headers: { authorization: `Bearer ${device.token}` },
  })
  const skipped = ['date', 'connection', 'keep-alive', 'transfer-encoding']
  const headers = Object.fromEntries([...answer.headers].filter(([name]) => !skipped.includes(name)))
  const body = await answer.text()
  if (answer.status !== 200 || body !== '[]')
    throw new Error(`wanted an empty list, got ${answer.status} ${body}`)
  return { headers, body }
}
