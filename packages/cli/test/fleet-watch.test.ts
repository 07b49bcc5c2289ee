/** Watching when the line is bad, the login ends, or everything happens at once. */
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import type { Fleet } from '@waymark/sdk'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import type { Io } from '../src/index.ts'
import { processOutside } from '../src/outside.ts'
import { watchList } from '../src/show/live.ts'
import { fakeDevice } from './fake-device.ts'
import { admin, type Person, startServer, type TestServer } from './fleet-support.ts'

let server: TestServer
let me: Person
beforeAll(async () => {
  server = await startServer()
})
afterAll(() => server.stop())

/** A line to the server that can be cut. */
async function line(): Promise<{ url: string; cut: () => void }> {
  const sockets = new Set<Socket>()
  const proxy = createServer((near) => {
    const far = connect(Number(new URL(server.url).port), '127.0.0.1')
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(socket)
      socket.on('error', () => {})
      socket.on('close', () => {
        sockets.delete(socket)
        other.destroy()
      })
      socket.pipe(other)
    }
  })
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
  const cut = (): void => {
    for (const socket of sockets) socket.destroy()
  }
  onTestFinished(() => {
    proxy.close()
    cut()
  })
  return { url: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`, cut }
}

test('[CL14] a line that is cut is mended, and what happened meanwhile is shown', async () => {
  me = await admin(server)
  const { id, challenge } = await fakeDevice(server)
  await me.run('device', 'claim', id, challenge, '--nick', 'far')
  const { url, cut } = await line()
  const away = await admin({ ...server, url })
  const running = away.begin('device', 'ls', '--nick', 'far', '--watch', '--json')
  await running.shows(/"nick":"far"/)
  for (const n of ['1', '2', '3']) {
    cut()
    await me.run('device', 'set', 'far', '--label', `n=${n}`)
    await running.shows(new RegExp(`"n":"${n}"`))
  }
  running.stop()
  const { code, out, err } = await running.ended
  expect(code).toBe(0)
  expect(out.map((text) => JSON.parse(text).labels.n)).toEqual([undefined, '1', '2', '3'])
  expect(err.length).toBeGreaterThan(0)
  for (const text of err) expect(text).toMatch(/^waymark: connection lost, trying again: /)
})

test('[CL14] of a burst the last state is shown, and nothing twice', async () => {
  me = await admin(server)
  const { id, challenge } = await fakeDevice(server)
  await me.run('device', 'claim', id, challenge, '--nick', 'busy')
  const running = me.begin('device', 'ls', '--nick', 'busy', '--watch', '--json')
  await running.shows(/busy/)
  for (let n = 1; n <= 30; n++) await me.run('device', 'set', 'busy', '--label', `n=${n}`)
  await running.shows(/"n":"30"/)
  running.stop()
  const { out } = await running.ended
  const seen = out.map((text) => Number(JSON.parse(text).labels.n ?? 0))
  expect(seen).toEqual(seen.toSorted((a, b) => a - b))
  expect(seen.at(-1)).toBe(30)
  expect(new Set(out).size).toBe(out.length)
})

test('[CL10] what cannot be begun is told at once', async () => {
  const own = await startServer()
  const someone = await admin(own)
  const { id, challenge } = await fakeDevice(own)
  await someone.run('device', 'claim', id, challenge, '--nick', 'last')
  expect(await someone.run('trail', 'show', 'last', '--watch')).toMatchObject({
    code: 1,
    err: [`waymark: device ${id} has not announced its factory state yet`],
  })
  await own.stop()
  const nobody = await someone.run('device', 'ls', '--watch')
  expect(nobody.code).toBe(1)
  expect(nobody.err[0]).toMatch(
    /wanted an answer, got connect ECONNREFUSED .* \(waymark up starts a server\)$/,
  )
})

test('[CL10] rows that cannot be read again end the watching with their reason', async () => {
  const out: string[] = []
  const never = new AbortController()
  const io: Io = {
    out: (text) => out.push(text),
    err: () => {},
    env: {},
    terminal: false,
    stopSignal: () => never.signal,
  }
  const entry = { cursor: 'c1', kind: 'x', at: '', by: { kind: '', id: '' }, device: 'd', data: {} }
  const fleet: Pick<Fleet, 'follow'> = {
    follow: ({ signal } = {}) => ({
      cursor: undefined,
      open: async () => 'c0',
      async *[Symbol.asyncIterator]() {
        yield entry
        await new Promise((resolve) => signal?.addEventListener('abort', resolve))
      },
    }),
  }
  const watching = watchList(
    { io, fleet, renewMs: 1, json: true, outside: { ...processOutside(), screen: undefined } },
    {
      columns: [],
      async *list() {
        yield { id: 'd' }
      },
      reload: async () => {
        throw new Error('no right any more')
      },
      key: ({ id }) => id,
      device: ({ id }) => id,
    },
  )
  await expect(watching).rejects.toThrow('no right any more')
  expect(out).toEqual(['{"id":"d"}'])
})
