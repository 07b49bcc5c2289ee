/** The far side of the ExoPort bench in a process of its own: devices that answer, or sockets that send frames back. */
import { connect, type Socket } from 'node:net'
import { DeviceEnd, deviceCall, type Effect, FrameCutter, keyOf, operationAnswer } from '@waymark/exoport'

export type ClientsAsked =
  /** So many more, all at once; answers the milliseconds until the last was served. */
  | { readonly kind: 'connect'; readonly count: number }
  /** Resolves once so many calls were answered since the last time; says how long it took from the first to the last. */
  | { readonly kind: 'served'; readonly count: number }
  | { readonly kind: 'leave' }

const { port, mode, account } = JSON.parse(process.argv[2] ?? '{}') as {
  port: number
  mode: 'device' | 'echo'
  account: string
}
const sockets: Socket[] = []
const patienceMs = 60_000
const calls = { count: 0, firstMs: 0, lastMs: 0 }
const keys = { deviceKey: keyOf(7001), serverKey: keyOf(7002) }
process.send?.({})
process.on('message', (asked: ClientsAsked) => {
  void answer(asked).then((said) => process.send?.(said))
})

async function answer(asked: ClientsAsked): Promise<object> {
  if (asked.kind === 'leave') {
    const gone = sockets.map((socket) => new Promise((resolve) => socket.once('close', resolve)))
    for (const socket of sockets.splice(0)) socket.destroy()
    await Promise.all(gone)
    return {}
  }
  if (asked.kind === 'served') {
    const deadline = performance.now() + patienceMs
    while (calls.count < asked.count) {
      if (performance.now() > deadline)
        throw new Error(`${calls.count} of ${asked.count} calls came within ${patienceMs} ms`)
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
    const ms = calls.lastMs - calls.firstMs
    calls.count = 0
    return { ms }
  }
  const began = performance.now()
  const from = sockets.length
  const open = mode === 'device' ? openDevice : openEcho
  const served = await Promise.all(Array.from({ length: asked.count }, (_, index) => open(from + index)))
  return { ms: performance.now() - began, served: served.filter(Boolean).length }
}

/** Logs in and pings; true when the server answered. */
function openDevice(number: number): Promise<boolean> {
  const end = new DeviceEnd(
    { name: { account, device: `d${number}` }, ...keys },
    crypto.getRandomValues(new Uint8Array(4)),
  )
  const answer = operationAnswer.ok
  return new Promise((resolve) => {
    const socket = dial()
    const carryOut = (effects: readonly Effect[]): void => {
      for (const effect of effects) {
        if (effect.kind === 'send') socket.write(effect.bytes)
        else if (effect.kind === 'ready') carryOut(end.call({ id: 0, ...deviceCall.ping() }, 0))
        else if (effect.kind === 'answered') resolve(effect.answer.kind === 'reply')
        else if (effect.kind === 'called') {
          if (calls.count === 0) calls.firstMs = performance.now()
          calls.count += 1
          calls.lastMs = performance.now()
          carryOut(end.answer(answer))
        }
      }
    }
    socket.once('connect', () => carryOut(end.start(0)))
    socket.on('data', (chunk) => carryOut(end.receive(chunk, 0)))
    socket.once('close', () => resolve(false))
  })
}

function openEcho(): Promise<boolean> {
  const cutter = new FrameCutter()
  const head = Buffer.alloc(4)
  return new Promise((resolve) => {
    const socket = dial()
    socket.once('connect', () => resolve(true))
    socket.on('data', (chunk) => {
      cutter.add(chunk)
      for (;;) {
        const body = cutter.next(2 ** 24)
        if (body === undefined || 'tooLong' in body) break
        head.writeUInt32BE(body.length)
        socket.write(Buffer.concat([head, body]))
      }
    })
    socket.once('close', () => resolve(false))
  })
}

function dial(): Socket {
  const socket = connect(port, '127.0.0.1')
  socket.setNoDelay(true)
  socket.on('error', () => {})
  sockets.push(socket)
  return socket
}
