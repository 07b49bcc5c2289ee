import { atom, tuple } from '@waymark/etf'
import {
  type Bert,
  DeviceEnd,
  deviceCall,
  type Effect,
  externalName,
  keyOf,
  operationAnswer,
  operationCall,
  pairsOf,
  readAnswer,
  readDeviceCall,
  Seal,
  ServerEnd,
  serverAnswer,
  valuesOf,
} from '@waymark/exoport'
import { describe, expect, test } from 'vitest'
import {
  deviceChallenge,
  deviceKey,
  frames,
  hex,
  joined,
  keys,
  kinds,
  name,
  sent,
  serverChallenge,
  serverKey,
} from './wire.ts'

const input = { 'device-id': 'truck-9', 'transaction-id': 42, times: 3 }

function openServer(): ServerEnd {
  const server = new ServerEnd(0)
  server.receive(frames.hello, 0)
  server.admit(keys, serverChallenge, 0)
  server.receive(frames.hello, 0)
  return server
}

function openDevice(): DeviceEnd {
  const device = new DeviceEnd({ ...keys, name }, deviceChallenge)
  device.start(0)
  device.receive(frames.serverHello, 0)
  return device
}

/** What is sent, whatever kind of array it lies in. */
const bytesOf = (effects: readonly Effect[]) => sent(effects).map((bytes) => Uint8Array.from(bytes))

describe('[XP3] the worked example, byte for byte', () => {
  test('keys of 7001 and 7002 are eight bytes, highest first', () => {
    expect(hex(deviceKey)).toBe('0000000000001b59')
    expect(hex(keyOf(2n ** 64n - 1n))).toBe('ffffffffffffffff')
    for (const wrong of [-1, 2n ** 64n, 2 ** 60]) expect(() => keyOf(wrong)).toThrow(RangeError)
  })

  test('the device says hello, hello again and reuse', () => {
    const device = new DeviceEnd({ ...keys, name }, deviceChallenge)
    expect(bytesOf(device.start(0))).toEqual([frames.hello])
    const after = device.receive(frames.serverHello, 0)
    expect(bytesOf(after)).toEqual([frames.hello, frames.reuse])
    expect(kinds(after)).toEqual(['send', 'send', 'ready'])
  })

  test('the server asks for keys, says hello, and is ready after the third frame', () => {
    const server = new ServerEnd(0)
    expect(server.receive(frames.hello, 0)).toEqual([{ kind: 'named', name, challenge: deviceChallenge }])
    expect(server.admit(keys, serverChallenge, 0)).toEqual([{ kind: 'send', bytes: frames.serverHello }])
    expect(kinds(server.receive(frames.hello, 0))).toEqual(['ready'])
    expect(server.receive(frames.reuse, 0)).toEqual([])
  })

  test('a ping is answered by pong', () => {
    const device = openDevice()
    expect(bytesOf(device.call({ id: 1, ...deviceCall.ping() }, 0))).toEqual([frames.ping])
    const server = openServer()
    const [called] = server.receive(joined(frames.reuse, frames.ping), 0)
    if (called?.kind !== 'called') throw new Error('no call')
    expect(readDeviceCall(called.call)).toEqual({ kind: 'ping' })
    expect(bytesOf(server.answer(serverAnswer.pong))).toEqual([frames.pong])
    expect(device.receive(frames.pong, 0)).toEqual([
      { kind: 'answered', id: 1, answer: { kind: 'reply', result: atom('pong') } },
    ])
  })

  test('the server calls blink with one argument, and the device answers by a notification', () => {
    const server = openServer()
    const call = operationCall('fleet', 'blink', pairsOf(input))
    expect(bytesOf(server.call({ id: 7, ...call }, 0))).toEqual([frames.blink])

    const device = openDevice()
    const [called] = device.receive(frames.blink, 0)
    if (called?.kind !== 'called') throw new Error('no call')
    expect(called.call.module).toBe('fleet')
    expect(called.call.function).toBe('blink')
    expect(called.call.args).toHaveLength(1)
    const answer = operationAnswer.notify('blink-callback', [
      tuple<Bert>(atom('rpc-status'), 1),
      tuple<Bert>(atom('final'), true),
    ])
    expect(bytesOf(device.answer(answer))).toEqual([frames.blinked])

    const [answered] = server.receive(frames.blinked, 0)
    if (answered?.kind !== 'answered') throw new Error('no answer')
    const said = readAnswer(answered.answer)
    if (said.kind !== 'notify') throw new Error(said.kind)
    expect(said.method).toBe('blink-callback')
    const nodes = [
      { kind: 'leaf', name: 'rpc-status', type: { kind: 'enumeration' } },
      { kind: 'leaf', name: 'final', type: { kind: 'boolean' } },
    ] as const
    expect(valuesOf(said.elements, nodes)).toEqual({ ok: true, value: { 'rpc-status': 1, final: true } })
  })
})

describe('[XP1] one conversation, every way in', () => {
  const whole = joined(frames.hello, frames.hello, frames.reuse, frames.ping, frames.blinked)

  function heard(pieces: readonly Uint8Array[]): Effect[] {
    const server = new ServerEnd(0)
    const seen: Effect[] = []
    const take = (effects: Effect[]): void => {
      for (const effect of effects) {
        seen.push(effect)
        if (effect.kind === 'named') take(server.admit(keys, serverChallenge, 0))
        if (effect.kind === 'ready') take(server.call({ id: 7, module: 'm', function: 'f', args: [] }, 0))
        if (effect.kind === 'called') take(server.answer(serverAnswer.pong))
      }
    }
    for (const piece of pieces) take(server.receive(piece, 0))
    return seen
  }

  const expected = heard([frames.hello, frames.hello, frames.reuse, frames.ping, frames.blinked])

  test('frame by frame it is the whole story', () => {
    expect(kinds(expected)).toEqual(['named', 'send', 'ready', 'send', 'called', 'send', 'answered 7 reply'])
  })

  test('a byte at a time', () => {
    expect(heard([...whole].map((byte) => Uint8Array.of(byte)))).toEqual(expected)
  })

  test('cut in two at every place', () => {
    // Without the answer: in one piece with the third frame it would come before the call was made.
    const pieces = [frames.hello, frames.hello, frames.reuse, frames.ping]
    const short = joined(...pieces)
    const story = kinds(heard(pieces)).toSorted()
    for (let at = 0; at <= short.length; at++)
      expect(kinds(heard([short.subarray(0, at), short.subarray(at)])).toSorted()).toEqual(story)
  })

  test('out of a buffer that is used again for the next read', () => {
    const room = new Uint8Array(5)
    const server = new ServerEnd(0)
    let named = 0
    for (let at = 0; at < frames.hello.length; at += room.length) {
      const piece = frames.hello.subarray(at, at + room.length)
      room.set(piece)
      named += server.receive(room.subarray(0, piece.length), 0).length
      room.fill(0xff)
    }
    expect(named).toBe(1)
    expect(kinds(server.admit(keys, serverChallenge, 0))).toEqual(['send'])
  })
})

test('[XP6] the name of the example is built and read', () => {
  expect(externalName(name)).toBe('*fleet*truck-9')
})

test('[XP3] a seal vouches for what it sealed, and for nothing else', () => {
  const seal = new Seal(serverKey, serverChallenge)
  for (const length of [0, 1, 100, 8192, 8193, 100_000]) {
    const frame = seal.frame(new Uint8Array(length).fill(7))
    const body = frame.slice(4)
    expect(body.length).toBe(length + 4)
    expect(seal.vouchesFor(body)).toBe(true)
    for (const at of [0, 3, body.length - 1]) {
      const other = body.slice()
      other[at] = (other[at] ?? 0) ^ 1
      expect(seal.vouchesFor(other)).toBe(false)
    }
    expect(new Seal(deviceKey, serverChallenge).vouchesFor(body)).toBe(false)
  }
  expect(seal.vouchesFor(new Uint8Array(3))).toBe(false)
})
