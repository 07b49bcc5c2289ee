/**
 * The far side of the package bench, in a process of its own: devices that take images and count their bytes. After the
 * handshake and the first answer they look at nothing but the lengths of frames and say `ok` to each, so that what is
 * measured is the server. Of the plain peer they count what comes.
 */
import { connect, type Socket } from 'node:net'
import { DeviceEnd, type Effect, imageAnswer, keyOf } from '@waymark/exoport'

export type PackagesAsked =
  /** So many connections to a port; of devices, named from 0 on, or plain. */
  | {
      readonly kind: 'connect'
      readonly port: number
      readonly count: number
      readonly mode: 'device' | 'plain'
    }
  /** Resolves once so many bytes came since the last time; how long it took from the first to the last. */
  | { readonly kind: 'served'; readonly bytes: number }
  /** Ends all connections. */
  | { readonly kind: 'leave' }

const keys = { deviceKey: keyOf(7001), serverKey: keyOf(7002) }
/** Shorter frames carry no part of an image; what a longer one has beyond whole KiB is its head. */
const partMin = 4096
const patienceMs = 1_800_000
const came = { bytes: 0, firstMs: 0, lastMs: 0 }
const sockets: Socket[] = []

process.send?.({})
process.on('message', (asked: PackagesAsked) => {
  void answer(asked).then((said) => process.send?.(said))
})

async function answer(asked: PackagesAsked): Promise<object> {
  switch (asked.kind) {
    case 'connect': {
      const open = asked.mode === 'device' ? openDevice : openPlain
      await Promise.all(Array.from({ length: asked.count }, (_, index) => open(asked.port, index)))
      return {}
    }
    case 'served': {
      const deadline = performance.now() + patienceMs
      while (came.bytes < asked.bytes) {
        if (performance.now() > deadline)
          throw new Error(`${came.bytes} of ${asked.bytes} bytes came in time`)
        await new Promise((resolve) => setTimeout(resolve, 5))
      }
      const ms = came.lastMs - came.firstMs
      came.bytes = 0
      return { ms }
    }
    case 'leave': {
      const gone = sockets.map((socket) => new Promise((resolve) => socket.once('close', resolve)))
      for (const socket of sockets.splice(0)) socket.destroy()
      await Promise.all(gone)
      return {}
    }
  }
}

function count(bytes: number): void {
  if (came.bytes === 0) came.firstMs = performance.now()
  came.bytes += bytes
  came.lastMs = performance.now()
}

function openPlain(port: number): Promise<void> {
  return new Promise((resolve) => {
    const socket = dial(port)
    socket.once('connect', () => resolve())
    socket.on('data', (chunk) => count(chunk.length))
  })
}

/** Resolves when it is logged in. */
function openDevice(port: number, number: number): Promise<void> {
  const challenge = crypto.getRandomValues(new Uint8Array(4))
  const end = new DeviceEnd({ name: { account: 'acme', device: `d${number}` }, ...keys }, challenge)
  const head = new Uint8Array(4)
  const lengthOf = new DataView(head.buffer)
  let have = 0
  let left = 0
  let length = 0
  let ok: Uint8Array | undefined
  return new Promise((resolve) => {
    const socket = dial(port)
    const carryOut = (effects: readonly Effect[]): void => {
      for (const effect of effects) {
        if (effect.kind === 'send') socket.write(effect.bytes)
        else if (effect.kind === 'ready') resolve()
        else if (effect.kind === 'called') {
          const [said] = end.answer(imageAnswer('ok'))
          if (said?.kind !== 'send') continue
          ok = said.bytes
          socket.write(ok)
        }
      }
    }
    socket.once('connect', () => carryOut(end.start(0)))
    socket.on('data', (chunk) => {
      if (ok === undefined) carryOut(end.receive(chunk, 0))
      else skim(chunk, ok)
    })

    /** Every frame that is whole gets the same answer. */
    function skim(chunk: Uint8Array, answer: Uint8Array): void {
      for (let at = 0; at < chunk.length; ) {
        if (left > 0) {
          const some = Math.min(left, chunk.length - at)
          at += some
          left -= some
          if (left > 0) continue
          if (length >= partMin) count(length - (length % 1024))
          socket.write(answer)
          continue
        }
        head[have++] = chunk[at++] ?? 0
        if (have < 4) continue
        have = 0
        length = left = lengthOf.getUint32(0)
      }
    }
  })
}

function dial(port: number): Socket {
  const socket = connect(port, '127.0.0.1')
  socket.setNoDelay(true)
  socket.on('error', () => {})
  sockets.push(socket)
  return socket
}
