/** What operators do: asking why, exporting a step, backing up, restoring; against a device's read, `tar` and `cp`. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { backupLoadFigure } from './backup-load.ts'
import { startChild } from './child.ts'
import { type Bench, type Figure, paired } from './figure.ts'
import type { HouseReady } from './house-child.ts'
import { requestsPerSecond } from './http-load.ts'
import { restoreFigures } from './restore.ts'
import { type Hub, login, MiB, objectUrls, put } from './transfer.ts'

const rounds = 7
const roundMs = 1000
const objectCount = 8
const objectBytes = 16 * MiB
const deviceCount = 2000

export const upkeep: Bench = {
  name: 'upkeep',
  about: 'why, export, backup and restore, as operators ask for them',
  async run() {
    const figures = [...(await askedFigures()), await backupLoadFigure(), ...(await restoreFigures())]
    return { figures }
  },
}

async function askedFigures(): Promise<Figure[]> {
  const folder = mkdtempSync(join(tmpdir(), 'waymark-bench-'))
  const data = join(folder, 'house')
  const house = await startChild<HouseReady>('house-child.ts', [JSON.stringify({ data })])
  try {
    await house.ask({ kind: 'seed', count: deviceCount, open: true })
    const hub = await login(house.first.port)
    for (let at = 0; at < objectCount; at++)
      await put((await objectUrls(hub, objectBytes, at)).put, objectBytes, at)
    return [await whyFigure(house, hub), await exportFigure(hub, join(data, 'objects'))]
  } finally {
    await house.stop()
    rmSync(folder, { recursive: true, force: true })
  }
}

async function whyFigure(
  house: Awaited<ReturnType<typeof startChild<HouseReady>>>,
  hub: Hub,
): Promise<Figure> {
  const { devices } = await house.ask<{ devices: { id: string }[] }>({ kind: 'tokens', count: 200 })
  const rate = (tail: string) => () => {
    let turn = 0
    const next = () =>
      `GET /fleet/v1/devices/${devices[turn++ % devices.length]?.id}${tail} HTTP/1.1\r\nHost: hub\r\nAuthorization: Bearer ${hub.token}\r\n\r\n`
    return requestsPerSecond({ port: house.first.port, connections: 16, durationMs: roundMs, next })
  }
  await rate('/why')()
  await rate('')()
  // Costs, not rates: a read's rate over why's.
  const { ratio, ours, theirs } = await paired(rounds, rate(''), rate('/why'))
  return {
    name: 'cost of why / cost of a device read',
    ratio,
    goal: { atMost: 2 },
    detail: `${Math.round(theirs)} why/s against ${Math.round(ours)} reads/s, a step waiting`,
  }
}

/** A step of all objects as a tar over HTTP, against `tar | cat` over the same files. */
async function exportFigure(hub: Hub, objects: string): Promise<Figure> {
  const files = readdirSync(objects, { recursive: true, encoding: 'utf8' }).filter((path) =>
    /[0-9a-f]{64}$/.test(path),
  )
  const state = Object.fromEntries(files.map((path, at) => [`app/${at}.img`, path.slice(-64)]))
  const made = await ask<{ id: string; nick: string; secret: string }>(`${hub.url}/devices/`, hub.token, {
    secret: 'bench',
  })
  const device = await ask<{ token: string }>(`${hub.url}/auth/login`, undefined, {
    username: `prn:::devices:/${made.id}`,
    password: 'bench',
  })
  await ask(`${hub.url}/trails/`, device.token, { '#spec': 'pantavisor-service-system@1', ...state })
  const url = `${hub.url}/exports/admin/${made.nick}/latest/step.tar`
  const read = async () => {
    const started = performance.now()
    const bytes = await counted(url, hub.token)
    if (bytes < objectCount * objectBytes) throw new Error(`export: ${bytes} bytes`)
    return 1 / (performance.now() - started)
  }
  const tar = async () => {
    const started = performance.now()
    must('sh', ['-c', 'tar -cf - -C "$0" "$@" | cat > /dev/null', objects, ...files])
    return 1 / (performance.now() - started)
  }
  await read()
  await tar()
  const { ratio, ours, theirs } = await paired(rounds, read, tar)
  const size = (objectCount * objectBytes) / MiB
  return {
    name: 'export of a step over HTTP / tar of the same files into a pipe',
    ratio,
    goal: { atLeast: 0.7 },
    detail: `${Math.round(size * 1000 * ours)} against ${Math.round(size * 1000 * theirs)} MiB/s, ${objectCount} objects, page cache warm`,
  }
}

/** Reads an answer to its end over a bare socket and counts its bytes: what `cat > /dev/null` is to the peer. */
function counted(address: string, token: string): Promise<number> {
  const { hostname, port, pathname } = new URL(address)
  return new Promise((resolve, reject) => {
    let bytes = 0
    const socket = connect({
      host: hostname,
      port: Number(port),
      onread: {
        buffer: Buffer.alloc(1024 * 1024),
        callback(count) {
          bytes += count
          return true
        },
      },
    })
    socket.on('error', reject)
    socket.on('close', () => resolve(bytes))
    socket.write(
      `GET ${pathname} HTTP/1.1\r\nHost: hub\r\nAuthorization: Bearer ${token}\r\nConnection: close\r\n\r\n`,
    )
  })
}

async function ask<T>(url: string, token: string | undefined, body: object): Promise<T> {
  const answer = await fetch(url, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    },
    body: JSON.stringify(body),
  })
  const text = await answer.text()
  if (!answer.ok) throw new Error(`${url}: ${answer.status} ${text}`)
  return JSON.parse(text) as T
}

function must(command: string, args: readonly string[]): void {
  const { status, stderr } = spawnSync(command, args, { stdio: ['ignore', 'ignore', 'pipe'] })
  if (status !== 0) throw new Error(`${command} ended with ${status}: ${stderr.toString().slice(0, 500)}`)
}
