/**
 * A package to many devices at once over ExoPort: sealed frames, every part written down when it is confirmed, against the
 * same bytes from memory by plain `node:net` writes. And what a transfer costs the server in memory meanwhile.
 */
import { createHash, randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startChild, startWaymark } from './child.ts'
import { asker, makeFleet, password } from './exoport-fleet.ts'
import { type Bench, type Figure, median } from './figure.ts'
import type { PackagesAsked } from './packages-clients.ts'

const isFull = process.argv.includes('--full')
const mib = 1024 * 1024
const count = isFull ? 1000 : 250
const size = 100 * mib
const rounds = isFull ? 1 : 3
const transferBytes = 256 * 1024

export const packages: Bench = {
  name: 'packages',
  about: `an image of ${size / mib} MiB to ${count} ExoPort devices at once, against plain writes`,
  async run() {
    const folder = mkdtempSync(join(tmpdir(), 'waymark-bench-'))
    const server = await startWaymark(folder)
    const plain = await startChild<{ port: number }>('packages-child.ts', [JSON.stringify({ bytes: size })])
    const clients = await startChild<object>('packages-clients.ts', [])
    try {
      const tell = <T>(asked: PackagesAsked) => clients.ask<T>(asked)
      const served = async () => (await tell<{ ms: number }>({ kind: 'served', bytes: count * size })).ms
      await makeFleet(server.port, count)
      const ask = asker(server.port)
      for (let round = 0; round < rounds; round++)
        await makePackage(server.port, ask, `p${round}`, randomBytes(size))
      const ours: number[] = []
      const theirs: number[] = []
      const grown: number[] = []
      for (let round = 0; round < rounds; round++) {
        await tell({ kind: 'connect', port: server.exoport, count, mode: 'device' })
        const before = server.ownMemory()
        let most = before ?? 0
        const watch = setInterval(() => {
          most = Math.max(most, server.ownMemory() ?? 0)
        }, 20)
        const done = served()
        done.catch(() => {})
        await ask('acme-admin', 'install-package', { 'package-name': `p${round}`, targets: ['all'] })
        ours.push((count * size) / (await done))
        clearInterval(watch)
        if (before !== undefined) grown.push((most - before) / count)
        // What comes after the last part: the checksum, the installation.
        await new Promise((resolve) => setTimeout(resolve, 3000))
        await tell({ kind: 'leave' })
        await tell({ kind: 'connect', port: plain.first.port, count, mode: 'plain' })
        const plainly = served()
        await plain.ask({ count })
        theirs.push((count * size) / (await plainly))
        await tell({ kind: 'leave' })
      }
      const figures: Figure[] = [
        {
          name: `an image of ${size / mib} MiB to each of ${count} devices at once / the same bytes by plain writes`,
          ratio: median(ours) / median(theirs),
          goal: { atLeast: 0.5 },
          detail: `${rate(median(ours))} against ${rate(median(theirs))} MiB/s`,
        },
      ]
      if (grown.length > 0)
        figures.push({
          name: 'memory of a transfer / 256 KiB',
          ratio: Math.max(...grown) / transferBytes,
          goal: { atMost: 1 },
          detail: `${(Math.max(...grown) / 1024).toFixed(0)} KiB each at most, of everything that the server grew by but its mapped database`,
        })
      return { figures }
    } finally {
      await clients.stop()
      await plain.stop()
      await server.stop()
      rmSync(folder, { recursive: true, force: true })
    }
  },
}

async function makePackage(
  port: number,
  ask: ReturnType<typeof asker>,
  name: string,
  image: Buffer,
): Promise<void> {
  const login = await fetch(`http://127.0.0.1:${port}/fleet/v1/login`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ name: 'acme-admin', password }),
  })
  const { token } = (await login.json()) as { token?: string }
  const sha = createHash('sha256').update(image).digest('hex')
  const put = await fetch(`http://127.0.0.1:${port}/fleet/v1/objects/${sha}?name=${name}`, {
    method: 'PUT',
    headers: { authorization: `Bearer ${token}` },
    body: new Uint8Array(image),
  })
  if (!put.ok) throw new Error(`upload: ${put.status} ${await put.text()}`)
  await ask('acme-admin', 'create-package', { 'package-name': name, 'image-sha256': sha })
  await ask('acme-admin', 'add-package-to-device-type', { 'package-name': [name], 'device-type': 't' })
}

const rate = (bytesPerMs: number) => Math.round((bytesPerMs * 1000) / mib)
