/**
 * ExoPort devices in a whole server, with every transaction on disk: what ten thousand idle ones cost it, and how fast one
 * call to a group reaches and comes back from all of them.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startChild, startWaymark } from './child.ts'
import type { ClientsAsked } from './exoport-clients.ts'
import { asker, makeFleet, slices } from './exoport-fleet.ts'
import { type Figure, paired } from './figure.ts'

const demo = `module demo {
  namespace "http://example.com/demo"; prefix d;
  import exosense { prefix exo; }
  rpc blink { input { uses exo:std-request; leaf times { type uint8; default 3; } } output { uses exo:std-response; } }
}`

/** Rounds before it counts: a server that has just started compiles what it runs often. */
const warmRounds = 3

export async function measureHouse({
  count,
  idleBytes,
  rounds,
}: {
  count: number
  idleBytes: number
  rounds: number
}): Promise<Figure[]> {
  const folder = mkdtempSync(join(tmpdir(), 'waymark-bench-'))
  let server = await startWaymark(folder)
  const started: Awaited<ReturnType<typeof startChild<object>>>[] = []
  const start = async <T>(script: string, args: readonly string[]) => {
    const child = await startChild<T>(script, args)
    started.push(child as (typeof started)[number])
    return child
  }
  try {
    let ask = asker(server.port)
    const names = await makeFleet(server.port, count)
    await ask('acme-admin', 'create-yang-module', {
      repository: 'user',
      name: 'demo.yang',
      'yang-module': demo,
    })
    await ask('acme-admin', 'create-config-set', {
      name: 'set',
      yang: 'demo.yang',
      'notification-url': 'http://example.com/',
    })
    for (const some of slices(names))
      await ask('acme-admin', 'add-config-set-members', { name: 'set', 'device-id': some })
    // A process that has made nothing yet: what it grows by is the connections.
    await server.stop()
    server = await startWaymark(folder)
    ask = asker(server.port)
    const devices = await start<object>('exoport-clients.ts', [
      JSON.stringify({ port: server.exoport, mode: 'device', account: 'acme' }),
    ])
    const tell = <T>(asked: ClientsAsked) => devices.ask<T>(asked)
    const before = server.memory()
    for (let at = 0; at < count; at += 1000) await tell({ kind: 'connect', count: 1000 })
    const after = server.memory()
    const round = async () => {
      const served = tell<{ ms: number }>({ kind: 'served', count })
      await ask('acme-admin', 'demo:blink', { 'device-id': 'all' })
      return count / ((await served).ms / 1000)
    }
    const echo = await start<{ port: number }>('exoport-child.ts', ['echo'])
    const echoing = await start<object>('exoport-clients.ts', [
      JSON.stringify({ port: echo.first.port, mode: 'echo', account: '' }),
    ])
    for (let at = 0; at < count; at += 1000) await echoing.ask({ kind: 'connect', count: 1000 })
    const echoRound = async () => count / ((await echo.ask<{ ms: number }>({ kind: 'round' })).ms / 1000)
    for (let at = 0; at < warmRounds; at++) {
      await round()
      await echoRound()
    }
    const calls = await paired(rounds, round, echoRound)
    const figures: Figure[] = [
      {
        name: `a whole server: a group's call to each of ${count} devices, on disk / framed echo over as many sockets`,
        ratio: calls.ratio,
        goal: { atLeast: 0.25 },
        detail: `${Math.round(calls.ours)} against ${Math.round(calls.theirs)} a second`,
      },
    ]
    if (before !== undefined && after !== undefined)
      figures.unshift({
        name: 'a whole server: memory of an idle connection / 20 KiB',
        ratio: (after - before) / count / idleBytes,
        goal: { atMost: 1 },
        detail: `${((after - before) / count / 1024).toFixed(1)} KiB each`,
      })
    return figures
  } finally {
    for (const child of started) await child.stop()
    await server.stop()
    rmSync(folder, { recursive: true, force: true })
  }
}
