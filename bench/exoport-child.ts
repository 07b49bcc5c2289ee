/**
 * The server's side of the ExoPort bench in a process of its own: the link with a house that costs nothing, or a bare
 * socket server that sends a frame to each connection and takes it back. Told what to do by messages.
 */
import { createServer, type Socket } from 'node:net'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { DeviceId, TransactionId } from '@waymark/domain'
import { FrameCutter, keyOf } from '@waymark/exoport'
import { parseConfig } from '../packages/server/src/config.ts'
import { exoportLink } from '../packages/server/src/links/exoport/link.ts'
import type { Carried, LinkHouse } from '../packages/server/src/links/link.ts'
import { createLog } from '../packages/server/src/log.ts'
import { createMetrics } from '../packages/server/src/metrics.ts'

export type ServerAsked =
  | { readonly kind: 'count' }
  | { readonly kind: 'memory' }
  /** One exchange with every connection; answers the milliseconds until the last was back. */
  | { readonly kind: 'round' }

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

interface Side {
  readonly port: number
  count(): number
  round(): Promise<number>
}

const side = await (process.argv[2] === 'link' ? openLink() : openEcho())
process.send?.({ port: side.port })
process.on('message', (asked: ServerAsked) => {
  void answer(asked).then((said) => process.send?.(said))
})

async function answer(asked: ServerAsked): Promise<object> {
  switch (asked.kind) {
    case 'count':
      return { count: side.count() }
    case 'memory':
      collect()
      await new Promise((resolve) => setTimeout(resolve, 200))
      collect()
      return { rss: process.memoryUsage.rss() }
    case 'round':
      return { ms: await side.round() }
  }
}

async function openLink(): Promise<Side> {
  const parsed = parseConfig({ flags: ['--log-level', 'warn'], env: {} })
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.refusal))
  const config = parsed.value
  const sessions = new Map<DeviceId, { queued: Carried | undefined; wake: (() => void) | undefined }>()
  const keys = { deviceKey: keyOf(7001), serverKey: keyOf(7002) }
  let settled = 0
  let allSettled = () => {}
  const house: LinkHouse = {
    config,
    log: createLog(config),
    metrics: createMetrics(),
    clock: { now: () => Date.now() },
    random: (count) => crypto.getRandomValues(new Uint8Array(count)),
    draining: new AbortController().signal,
    identify: (name) =>
      Promise.resolve({
        name,
        device: name.device as DeviceId,
        protocol: 'exodm_bert',
        ...keys,
        passwordIs: () => false,
        idleMs: 0,
        tlsOnly: false,
      }),
    waitMs: () => 0,
    attempted() {},
    open({ device }) {
      const live: { queued: Carried | undefined; wake: (() => void) | undefined } = {
        queued: undefined,
        wake: undefined,
      }
      sessions.set(device, live)
      let open = true
      const noPackages = () => Promise.reject(new Error('this house has no packages'))
      async function next(): Promise<Carried | undefined> {
        while (open && live.queued === undefined)
          await new Promise<void>((resolve) => {
            live.wake = resolve
          })
        const queued = live.queued
        live.queued = undefined
        return queued
      }
      return Promise.resolve({
        next,
        nextOfAll: next,
        image: noPackages,
        confirmed: noPackages,
        restart: noPackages,
        stepped: noPackages,
        settle() {
          settled += 1
          if (settled === sessions.size) allSettled()
          return Promise.resolve()
        },
        progressed: () => Promise.resolve(),
        describe: () => Promise.resolve(undefined),
        call: () => Promise.resolve({ kind: 'taken' }),
        heard() {},
        get open() {
          return open
        },
        close() {
          open = false
          live.wake?.()
          if (sessions.get(device) === live) sessions.delete(device)
          return Promise.resolve()
        },
      })
    },
  }
  const [listener] = exoportLink().open(house).listeners
  const { url } = (await listener?.listen({ host: '127.0.0.1', port: 0 })) ?? { url: '' }
  return {
    port: Number(new URL(url).port),
    count: () => sessions.size,
    round() {
      const began = performance.now()
      settled = 0
      const done = new Promise<number>((resolve) => {
        allSettled = () => resolve(performance.now() - began)
      })
      for (const [device, live] of sessions) {
        live.queued = {
          kind: 'rpc',
          transaction: device as string as TransactionId,
          attempt: 0,
          callId: 42,
          module: 'fleet',
          method: 'blink',
          input: { 'device-id': 'truck-9', 'transaction-id': 42, times: 3 },
          described: { kind: 'rpc', input: [], output: [] },
        }
        live.wake?.()
      }
      return done
    },
  }
}

async function openEcho(): Promise<Side> {
  const sockets = new Set<Socket>()
  // As long as the call on the other side.
  const frame = Buffer.alloc(109)
  frame.writeUInt32BE(105)
  let back = 0
  let allBack = () => {}
  const server = createServer((socket) => {
    const cutter = new FrameCutter()
    sockets.add(socket)
    socket.setNoDelay(true)
    socket.on('error', () => {})
    socket.on('close', () => sockets.delete(socket))
    socket.on('data', (chunk) => {
      cutter.add(chunk)
      while (cutter.next(2 ** 24) !== undefined) {
        back += 1
        if (back === sockets.size) allBack()
      }
    })
  })
  await new Promise<void>((resolve) => server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 }, resolve))
  const address = server.address()
  return {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    count: () => sockets.size,
    round() {
      const began = performance.now()
      back = 0
      const done = new Promise<number>((resolve) => {
        allBack = () => resolve(performance.now() - began)
      })
      for (const socket of sockets) socket.write(frame)
      return done
    },
  }
}
