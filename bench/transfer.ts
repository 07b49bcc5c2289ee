/** Objects over HTTP: downloads against piping the same file, uploads against hashing and against writing with fsync. */
import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { type ClientRequest, request as httpRequest } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startChild, startWaymark } from './child.ts'
import { type Bench, type Figure, paired } from './figure.ts'
import type { HouseReady } from './house-child.ts'

export const MiB = 2 ** 20
const size = 256 * MiB
const hugeSize = 4096 * MiB
const rounds = 5
const memoryMax = 150 * MiB
const piece = Buffer.alloc(MiB)
for (let i = 0; i < piece.length; i += 4) piece.writeUInt32LE(Math.imul(i, 2_654_435_761) >>> 0, i)

export const transfer: Bench = {
  name: 'transfer',
  about: 'object bytes up and down',
  async run() {
    const folder = mkdtempSync(join(tmpdir(), 'waymark-bench-'))
    const file = join(folder, 'file')
    writeFileSync(file, '')
    for (let at = 0; at < size; at += MiB) writeFileSync(file, piece, { flag: 'a' })
    const house = await startChild<HouseReady>('house-child.ts', [
      JSON.stringify({ data: join(folder, 'house') }),
    ])
    const peer = await startChild<{ port: number }>('bare-file-child.ts', [
      JSON.stringify({ file, target: join(folder, 'target') }),
    ])
    try {
      const hub = await login(house.first.port)
      const figures: Figure[] = []
      const url = await objectUrls(hub, size, 0)
      await put(url.put, size, 0)
      const down = await paired(
        rounds,
        () => get(url.get),
        () => get(`http://127.0.0.1:${peer.first.port}/`),
      )
      figures.push({
        name: 'download / piping the same file with node:http',
        ratio: down.ratio,
        goal: { atLeast: 0.8 },
        detail: `${rate(size, down.ours)} against ${rate(size, down.theirs)} MiB/s`,
      })
      // Times, not rates: the ratio of rates is theirs over ours.
      let number = 1
      const up = await paired(
        rounds,
        async () => {
          const at = number++
          const other = await objectUrls(hub, size, at)
          return 1 / (await put(other.put, size, at))
        },
        async () => {
          const hashed = await put(`http://127.0.0.1:${peer.first.port}/hash`, size, 0)
          const written = await put(`http://127.0.0.1:${peer.first.port}/write`, size, 0)
          return 1 / Math.max(hashed, written)
        },
      )
      figures.push({
        name: 'upload / the slower of node:http into sha256 and write with fsync',
        ratio: up.ratio,
        goal: { atLeast: 0.7 },
        detail: `${rate(size, 1 / up.ours)} against ${rate(size, 1 / up.theirs)} MiB/s`,
      })
      figures[0] = { ...(figures[0] as Figure), ratio: 1 / down.ratio }
      const large = await huge(folder)
      return { figures: [...figures, ...large.figures], skipped: large.skipped }
    } finally {
      await house.stop()
      await peer.stop()
      rmSync(folder, { recursive: true, force: true })
    }
  },
}

/** 4 GiB up and down through a server that has done nothing else: the most memory it ever held. */
async function huge(folder: string): Promise<{ figures: Figure[]; skipped: string[] }> {
  const server = await startWaymark(join(folder, 'huge'))
  try {
    const hub = await login(server.port)
    const url = await objectUrls(hub, hugeSize, 7)
    const up = await put(url.put, hugeSize, 7)
    const down = await get(url.get)
    const peak = server.peakMemory()
    if (peak === undefined)
      return { figures: [], skipped: ['memory during 4 GiB: this system does not tell'] }
    const figure: Figure = {
      name: '4 GiB up and down: memory at most / 150 MiB',
      ratio: peak / memoryMax,
      goal: { atMost: 1 },
      detail: `${Math.round(peak / MiB)} MiB resident at most, ${rate(hugeSize, up)} MiB/s up, ${rate(hugeSize, down)} MiB/s down`,
    }
    return { figures: [figure], skipped: [] }
  } finally {
    await server.stop()
  }
}

export interface Hub {
  readonly url: string
  readonly token: string
}

export async function login(port: number): Promise<Hub> {
  const url = `http://127.0.0.1:${port}`
  const answer = await fetch(`${url}/auth/login`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ username: 'admin', password: 'bench' }),
  })
  const { token } = (await answer.json()) as { token: string }
  return { url, token }
}

/** Registers an object of so many bytes that begin with a number of their own; answers where its bytes go and come from. */
export async function objectUrls(
  hub: Hub,
  bytes: number,
  number: number,
): Promise<{ put: string; get: string }> {
  const hash = createHash('sha256')
  for (const part of parts(bytes, number)) hash.update(part)
  const answer = await fetch(`${hub.url}/objects/`, {
    method: 'POST',
    headers: { authorization: `Bearer ${hub.token}`, 'content-type': 'application/json' },
    body: JSON.stringify({
      objectname: `bench-${number}`,
      size: String(bytes),
      sha256sum: hash.digest('hex'),
    }),
  })
  const object = (await answer.json()) as Record<string, string>
  if (!answer.ok) throw new Error(JSON.stringify(object))
  return { put: String(object['signed-puturl']), get: String(object['signed-geturl']) }
}

function* parts(bytes: number, number: number): Iterable<Buffer> {
  const first = Buffer.from(piece)
  first.writeUInt32LE(number, 0)
  yield first
  for (let at = MiB; at < bytes; at += MiB) yield piece
}

/** Sends the bytes; answers milliseconds. */
export async function put(url: string, bytes: number, number: number): Promise<number> {
  const started = performance.now()
  await exchange(url, 'PUT', bytes, async (sending) => {
    for (const part of parts(bytes, number))
      if (!sending.write(part)) await new Promise((resolve) => sending.once('drain', resolve))
  })
  return performance.now() - started
}

async function get(url: string): Promise<number> {
  const started = performance.now()
  await exchange(url, 'GET', undefined, async () => {})
  return performance.now() - started
}

function exchange(
  url: string,
  method: string,
  length: number | undefined,
  send: (sending: ClientRequest) => Promise<void>,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const sending = httpRequest(
      url,
      { method, agent: false, headers: length === undefined ? {} : { 'content-length': length } },
      (answer) => {
        answer.resume()
        answer.on('end', () => {
          if (answer.statusCode === 200) resolve()
          else reject(new Error(`${method} answered ${answer.statusCode}`))
        })
        answer.on('error', reject)
      },
    )
    sending.on('error', reject)
    void send(sending).then(() => sending.end(), reject)
  })
}

function rate(bytes: number, ms: number): number {
  return Math.round(bytes / MiB / (ms / 1000))
}
