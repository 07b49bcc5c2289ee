import { Buffer } from 'node:buffer'
import { DeviceEnd, defaultEndLimits, Seal, ServerEnd } from '@waymark/exoport'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  bytes,
  deviceChallenge,
  deviceKey,
  framed,
  frames,
  joined,
  keys,
  kinds,
  name,
  serverChallenge,
} from './wire.ts'

const asDevice = new Seal(deviceKey, deviceChallenge)

function admitted(): ServerEnd {
  const server = new ServerEnd(0)
  server.receive(frames.hello, 0)
  server.admit(keys, serverChallenge, 0)
  return server
}

function talking(): ServerEnd {
  const server = admitted()
  server.receive(frames.hello, 0)
  return server
}

describe('[XP2] lengths that lie', () => {
  test('a stranger’s frame may hold a name and no more', () => {
    for (const head of ['00000409', '00010000', '7fffffff', 'ffffffff']) {
      const server = new ServerEnd(0)
      expect(kinds(server.receive(bytes(head), 0))).toEqual(['ended frame-too-long'])
      expect(server.heldBytes).toBe(0)
    }
  })

  test('after the handshake the limit is 16 MiB, and an announced length costs nothing', () => {
    const server = talking()
    expect(server.receive(bytes('01000000'), 0)).toEqual([])
    expect(server.heldBytes).toBe(4)
    expect(kinds(talking().receive(bytes('01000001'), 0))).toEqual(['ended frame-too-long'])
  })

  test('frames too short for a token are wrong tokens', () => {
    for (const length of [0, 1, 3]) {
      const frame = framed(new Uint8Array(length))
      expect(kinds(talking().receive(frame, 0))).toEqual(['ended wrong-token'])
    }
  })
})

describe('the handshake', () => {
  test('[XP4] unknown, keyless and wrong look alike: nothing is sent', () => {
    const wrongKey = { ...keys, deviceKey: keys.serverKey }
    for (const [found, why] of [
      [undefined, 'unknown'],
      [wrongKey, 'wrong-token'],
    ] as const) {
      const server = new ServerEnd(0)
      server.receive(frames.hello, 0)
      expect(kinds(server.admit(found, serverChallenge, 0))).toEqual([`ended ${why}`])
    }
  })

  test('[XP5] ten seconds a frame, and slow bytes do not prolong them', () => {
    const server = new ServerEnd(1000)
    for (let second = 0; second < 10; second++) {
      expect(server.receive(frames.hello.subarray(second, second + 1), 1000 + second * 1000)).toEqual([])
      expect(server.tick(1000 + second * 1000)).toEqual([])
    }
    expect(kinds(server.tick(11_000))).toEqual(['ended too-slow'])
  })

  test('[XP5] the third frame has its own ten seconds', () => {
    const server = new ServerEnd(0)
    server.receive(frames.hello, 9000)
    server.admit(keys, serverChallenge, 9500)
    expect(server.deadline).toBe(19_500)
    expect(kinds(server.tick(19_500))).toEqual(['ended too-slow'])
  })

  test('[XP5] the device waits ten seconds for the server’s', () => {
    const device = new DeviceEnd({ ...keys, name }, deviceChallenge)
    device.start(0)
    expect(device.tick(9999)).toEqual([])
    expect(kinds(device.tick(10_000))).toEqual(['ended too-slow'])
  })

  test('[XP3] the third frame has to be the first once more', () => {
    const other = new Seal(deviceKey, bytes('00000001')).hello(new TextEncoder().encode('*fleet*truck-9'))
    expect(kinds(admitted().receive(other, 0))).toEqual(['ended bad-confirmation'])
    expect(kinds(admitted().receive(frames.ping, 0))).toEqual(['ended bad-confirmation'])
  })

  test('whoever does not wait for the keys to be found is let go of', () => {
    const server = new ServerEnd(0)
    expect(kinds(server.receive(joined(frames.hello, new Uint8Array(70_000)), 0))).toEqual([
      'named',
      'ended too-eager',
    ])
  })

  test('[XP7] a server without the key hears a name and nothing else', () => {
    const device = new DeviceEnd({ ...keys, name }, deviceChallenge)
    device.start(0)
    const impostor = new Seal(deviceKey, serverChallenge).hello(new TextEncoder().encode('exodm'))
    expect(kinds(device.receive(joined(impostor, frames.pong), 0))).toEqual(['ended wrong-token'])
  })

  const hellos: [string, string][] = [
    ['no name', ''],
    ['a lone delimiter', '*'],
    ['one part', '*fleet'],
    ['an empty account', '**d1'],
    ['an empty id', '*fleet*'],
    ['three parts', '*fleet*d1*x'],
  ]
  for (const [what, text] of hellos)
    test(`[XP6] ${what} is no name`, () => {
      const hello = asDevice.hello(new TextEncoder().encode(text))
      expect(kinds(new ServerEnd(0).receive(hello, 0))).toEqual(['ended bad-hello'])
    })
})

describe('whatever comes, the end answers or ends', () => {
  test('garbage from a stranger', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 80 }), { maxLength: 6 }), (pieces) => {
        const server = new ServerEnd(0)
        for (const piece of pieces)
          for (const effect of server.receive(piece, 0))
            if (effect.kind === 'named')
              expect(kinds(server.admit(keys, serverChallenge, 0))).toEqual(['ended wrong-token'])
      }),
    )
  })

  test('[XP12] garbage from a device that knows its key', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 60 }), { maxLength: 6 }), (payloads) => {
        const server = talking()
        for (const payload of payloads) {
          const near = joined(Uint8Array.of(131), payload)
          for (const sealed of [asDevice.frame(payload), asDevice.frame(near)])
            for (const kind of kinds(server.receive(sealed, 0)))
              expect(kind).toMatch(/^(skipped|send|called|cast)/)
        }
        expect(server.phase).toBe('talk')
      }),
    )
  })

  test('a flipped bit anywhere in a conversation ends it or changes a length', () => {
    const whole = joined(frames.hello, frames.hello, frames.ping)
    for (let at = 4; at < whole.length; at++) {
      const flipped = whole.slice()
      flipped[at] = (flipped[at] ?? 0) ^ 0x10
      const server = new ServerEnd(0)
      const seen: string[] = []
      for (const effect of server.receive(flipped, 0)) {
        seen.push(effect.kind)
        if (effect.kind === 'named') seen.push(...kinds(server.admit(keys, serverChallenge, 0)))
      }
      expect(seen).not.toContain('called')
    }
  })

  test('deep terms and many terms are no messages, and take no longer than their bytes', () => {
    const deep = (levels: number) =>
      joined(bytes('83'), new Uint8Array(Buffer.from('6801'.repeat(levels), 'hex')), bytes('6a'))
    const wide = joined(bytes('836c00100000'), new Uint8Array(2 * 1_048_576).fill(0x61), bytes('6a'))
    for (const payload of [deep(300), deep(100_000), wide])
      expect(kinds(talking().receive(asDevice.frame(payload), 0))).toEqual(['skipped undecodable', 'send'])
    expect(defaultEndLimits.depth).toBeLessThan(300)
  })

  test('a million frames of a byte too few are cut without growing', () => {
    const server = talking()
    const piece = frames.ping.subarray(0, frames.ping.length - 1)
    server.receive(piece, 0)
    expect(server.heldBytes).toBe(piece.length)
    server.receive(frames.ping.subarray(frames.ping.length - 1), 0)
    expect(server.heldBytes).toBe(0)
  })
})
