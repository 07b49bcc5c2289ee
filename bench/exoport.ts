/**
 * ExoPort devices: what an idle one costs, how many may come at once, and how fast a call reaches all of them, against
 * frames that a bare socket server sends out and gets back. First the link alone, with a house that costs nothing, then a
 * whole server.
 */
import { startChild } from './child.ts'
import type { ServerAsked } from './exoport-child.ts'
import type { ClientsAsked } from './exoport-clients.ts'
import { measureHouse } from './exoport-house.ts'
import { type Bench, type Figure, paired } from './figure.ts'

const idle = 10_000
const atOnce = 2000
const rounds = 9
const idleBytes = 20 * 1024

export const exoport: Bench = {
  name: 'exoport',
  about: `${idle} ExoPort devices: memory, a rush, and a call to each against framed echo`,
  async run() {
    return {
      figures: [...(await measureLink()), ...(await measureHouse({ count: idle, idleBytes, rounds }))],
    }
  },
}

async function measureLink(): Promise<Figure[]> {
  const servers = {
    link: await startChild<{ port: number }>('exoport-child.ts', ['link']),
    echo: await startChild<{ port: number }>('exoport-child.ts', ['echo']),
  }
  const clients = {
    link: await startClients(servers.link.first.port, 'device'),
    echo: await startClients(servers.echo.first.port, 'echo'),
  }
  try {
    const ask = <T>(side: 'link' | 'echo', asked: ServerAsked) => servers[side].ask<T>(asked)
    const tell = <T>(side: 'link' | 'echo', asked: ClientsAsked) => clients[side].ask<T>(asked)
    const memory = async (side: 'link' | 'echo') => (await ask<{ rss: number }>(side, { kind: 'memory' })).rss

    const held: Record<'link' | 'echo', number> = { link: 0, echo: 0 }
    for (const side of ['link', 'echo'] as const) {
      const before = await memory(side)
      for (let count = 0; count < idle; count += 1000) await tell(side, { kind: 'connect', count: 1000 })
      held[side] = ((await memory(side)) - before) / idle
    }
    const round = (side: 'link' | 'echo') => async () =>
      idle / (await ask<{ ms: number }>(side, { kind: 'round' })).ms
    await round('link')()
    await round('echo')()
    const calls = await paired(rounds, round('link'), round('echo'))
    await tell('link', { kind: 'leave' })
    const rush = await tell<{ ms: number; served: number }>('link', { kind: 'connect', count: atOnce })
    return [
      {
        name: 'the link alone: memory of an idle connection / 20 KiB',
        ratio: held.link / idleBytes,
        goal: { atMost: 1 },
        detail: `${kib(held.link)} KiB each, of which a bare socket with a frame cutter takes ${kib(held.echo)} KiB`,
      },
      {
        name: `the link alone: share of ${atOnce} devices connecting at once that were served`,
        ratio: rush.served / atOnce,
        goal: { atLeast: 1 },
        detail: `logged in and pinged within ${Math.round(rush.ms)} ms`,
      },
      {
        name: `the link alone: a call to each of ${idle} devices, answered / framed echo over as many sockets`,
        ratio: calls.ratio,
        goal: { atLeast: 0.25 },
        detail: `${Math.round(calls.ours * 1000)} against ${Math.round(calls.theirs * 1000)} a second`,
      },
    ]
  } finally {
    for (const child of [...Object.values(clients), ...Object.values(servers)]) await child.stop()
  }
}

function startClients(port: number, mode: 'device' | 'echo') {
  return startChild<object>('exoport-clients.ts', [JSON.stringify({ port, mode, account: 'fleet' })])
}

function kib(bytes: number): string {
  return (bytes / 1024).toFixed(1)
}
