/** A device by its wire alone: a socket, the protocol's end, and what the test wants to answer. */
import { connect, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { atom, tuple } from '@waymark/etf'
import {
  type Answer,
  type Bert,
  DeviceEnd,
  deviceCall,
  type Effect,
  type IncomingCall,
  keyOf,
  operationAnswer,
  type Result,
} from '@waymark/exoport'
import { onTestFinished } from 'vitest'

export interface StockDevice {
  readonly socket: Socket
  readonly calls: IncomingCall[]
  readonly end: DeviceEnd
  /** Resolves when the handshake is through; rejects when the connection ends first. */
  readonly ready: Promise<void>
  /** Resolves when the connection is gone. */
  readonly gone: Promise<void>
  call(call: { module: string; function: string; args: readonly Bert[] }): Promise<Answer>
  ping(): Promise<Answer>
  answer(result: Result): void
}

export interface StockOptions {
  readonly port: number
  readonly account?: string
  readonly device?: string
  readonly deviceKey?: bigint
  readonly serverKey?: bigint
  readonly tls?: boolean
  readonly challenge?: Uint8Array
  /** What it answers to calls; undefined leaves them open. */
  readonly serve?: (call: IncomingCall) => Result | undefined
}

export function stockDevice(options: StockOptions): StockDevice {
  const { port, tls, account = 'fleet', device = 'truck-9', deviceKey = 7001n, serverKey = 7002n } = options
  const serve = options.serve ?? (() => operationAnswer.ok)
  const challenge = options.challenge ?? crypto.getRandomValues(new Uint8Array(4))
  const identity = { name: { account, device }, deviceKey: keyOf(deviceKey), serverKey: keyOf(serverKey) }
  const end = new DeviceEnd(identity, challenge)
  const calls: IncomingCall[] = []
  const pending = new Map<number, (answer: Answer) => void>()
  const ready = Promise.withResolvers<void>()
  const gone = Promise.withResolvers<void>()
  ready.promise.catch(() => {})
  let ids = 0

  const socket: Socket = tls
    ? connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false })
    : connect(port, '127.0.0.1')
  socket.setNoDelay(true)
  onTestFinished(() => void socket.destroy())
  socket.on(tls ? 'secureConnect' : 'connect', () => carryOut(end.start(0)))
  socket.on('data', (chunk) => carryOut(end.receive(chunk, 0)))
  socket.on('error', () => {})
  socket.on('close', () => {
    ready.reject(new Error('the connection ended'))
    gone.resolve()
  })

  function carryOut(effects: readonly Effect[]): void {
    for (const effect of effects) {
      if (effect.kind === 'send') socket.write(effect.bytes)
      if (effect.kind === 'ready') ready.resolve()
      if (effect.kind === 'ended') socket.destroy()
      if (effect.kind === 'answered') pending.get(effect.id)?.(effect.answer)
      if (effect.kind === 'called') {
        calls.push(effect.call)
        const result = serve(effect.call)
        if (result) carryOut(end.answer(result))
      }
    }
  }

  const call: StockDevice['call'] = async (call) => {
    await ready.promise
    const id = ids++
    return new Promise((resolve) => {
      pending.set(id, resolve)
      carryOut(end.call({ id, ...call }, 0))
    })
  }
  return {
    socket,
    calls,
    end,
    ready: ready.promise,
    gone: gone.promise,
    call,
    ping: () => call(deviceCall.ping()),
    answer: (result) => carryOut(end.answer(result)),
  }
}

/** `{name, value}`, a name as an atom. */
export function pair(name: string, value: Bert): Bert {
  return tuple<Bert>(atom(name), value)
}

/** Waits until something holds, looking at it each turn of the event loop. */
export async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setImmediate(resolve))
}
