/**
 * ExoPort devices in a whole server, with every transaction on disk: what ten thousand idle ones cost it, and how fast one
 * call to a group reaches and comes back from all of them.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startChild, startWaymark } from './child.ts'
import type { ClientsAsked } from './exoport-clients.ts'
import type { Figure } from './figure.ts'

const password = 'a good password'
const demo = `module demo {
  namespace "http://example.com/demo"; prefix d;
  import exosense { prefix exo; }
  rpc blink { input { uses exo:std-request; leaf times { type uint8; default 3; } } output { uses exo:std-response; } }
}`

/** `echoRate`: frames a second that a bare server gets back from as many sockets. */
export async function measureHouse({
  count,
  idleBytes,
  echoRate,
}: {
  count: number
  idleBytes: number
  echoRate: number
}): Promise<Figure[]> {
  const folder = mkdtempSync(join(tmpdir(), 'waymark-bench-'))
  let server = await startWaymark(folder)
  let clients: Awaited<ReturnType<typeof startChild<object>>> | undefined
  try {
    let ask = asker(server.port)
    await ask('exodm-admin', 'create-account', { name: 'acme', password, email: 'a@example.com' }, 'bench')
    await ask('acme-admin', 'create-device-type', { name: 't', protocol: 'exodm_bert' })
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
    await ask('acme-admin', 'create-device-group', {
      name: 'all',
      'notification-url': 'http://example.com/',
    })
    const names = Array.from({ length: count }, (_, index) => `d${index}`)
    await each(names, 32, (name) =>
      ask('acme-admin', 'create-device', {
        'device-id': name,
        'device-type': 't',
        'device-key': 7001,
        'server-key': 7002,
      }),
    )
    for (let at = 0; at < count; at += 500) {
      const members = { 'device-id': names.slice(at, at + 500) }
      await ask('acme-admin', 'add-config-set-members', { name: 'set', ...members })
      await ask('acme-admin', 'add-device-group-members', { 'group-id': ['all'], ...members })
    }
    // A process that has made nothing yet: what it grows by is the connections.
    await server.stop()
    server = await startWaymark(folder)
    ask = asker(server.port)
    const devices = await startChild<object>('exoport-clients.ts', [
      JSON.stringify({ port: server.exoport, mode: 'device', account: 'acme' }),
    ])
    clients = devices
    const tell = <T>(asked: ClientsAsked) => devices.ask<T>(asked)
    const before = server.memory()
    for (let at = 0; at < count; at += 1000) await tell({ kind: 'connect', count: 1000 })
    const after = server.memory()
    const round = async () => {
      const served = tell<{ ms: number }>({ kind: 'served', count })
      await ask('acme-admin', 'demo:blink', { 'device-id': 'all' })
      return count / ((await served).ms / 1000)
    }
    await round()
    const rate = await round()
    const figures: Figure[] = [
      {
        name: `a whole server: a group's call to each of ${count} devices, on disk / framed echo over as many sockets`,
        ratio: rate / echoRate,
        goal: { atLeast: 0.25 },
        detail: `${Math.round(rate)} against ${Math.round(echoRate)} a second`,
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
    await clients?.stop()
    await server.stop()
    rmSync(folder, { recursive: true, force: true })
  }
}

function asker(port: number) {
  return async (user: string, method: string, params: object, secret = password): Promise<void> => {
    const answer = await fetch(`http://127.0.0.1:${port}/exodm/rpc`, {
      method: 'POST',
      body: JSON.stringify({ method: method.includes(':') ? method : `exodm:${method}`, id: 1, params }),
      headers: { authorization: `Basic ${Buffer.from(`${user}:${secret}`).toString('base64')}` },
    })
    const text = await answer.text()
    if (!/"result":("ok"|\{"result":"ok"|\{.*"rpc-status":"accepted")/.test(text))
      throw new Error(`${method}: ${text}`)
  }
}

async function each<T>(items: readonly T[], atOnce: number, act: (item: T) => Promise<void>): Promise<void> {
  const left = items.values()
  await Promise.all(
    Array.from({ length: atOnce }, async () => {
      for (const item of left) await act(item)
    }),
  )
}
