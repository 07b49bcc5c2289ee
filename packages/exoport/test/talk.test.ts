import { atom, encode, encodeBerp, type Term, tuple } from '@waymark/etf'
import {
  type Bert,
  DeviceEnd,
  defaultEndLimits,
  type Effect,
  encodeMessage,
  Seal,
  ServerEnd,
  serverAnswer,
} from '@waymark/exoport'
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
  sent,
  serverChallenge,
  settle,
} from './wire.ts'

const limits = { ...defaultEndLimits, queuedCalls: 3, waitingCalls: 2, lateAnswerMs: 500 }
const asDevice = new Seal(deviceKey, deviceChallenge)

function pair() {
  const device = new DeviceEnd({ ...keys, name }, deviceChallenge, limits)
  const server = new ServerEnd(0, limits)
  settle(device, server, { device: device.start(0) })
  return { device, server }
}

const call = (id: number, timeoutMs?: number) => ({
  id,
  module: 'm',
  function: `f${id}`,
  args: [],
  ...(timeoutMs === undefined ? {} : { timeoutMs }),
})
const say = (result: Bert) => asDevice.frame(encodeMessage({ kind: 'reply', result }))
const calls = (effects: Effect[]) => effects.flatMap((e) => (e.kind === 'called' ? [e.call.function] : []))

describe('calls', () => {
  test('[XP13] one is on the wire; the others wait in order for its answer', () => {
    const { server } = pair()
    expect(kinds(server.call(call(1), 0))).toEqual(['send'])
    expect(server.call(call(2), 0)).toEqual([])
    expect(server.call(call(3), 0)).toEqual([])
    expect(kinds(server.receive(say('one'), 0))).toEqual(['answered 1 reply', 'send'])
    expect(kinds(server.receive(say('two'), 0))).toEqual(['answered 2 reply', 'send'])
    expect(kinds(server.receive(say('three'), 0))).toEqual(['answered 3 reply'])
  })

  test('[XP13] more than may wait are refused to the caller, not to the peer', () => {
    const { server } = pair()
    for (const id of [1, 2, 3, 4]) server.call(call(id), 0)
    expect(server.call(call(5), 0)).toEqual([
      { kind: 'answered', id: 5, answer: { kind: 'unsent', reason: 'queue-full' } },
    ])
  })

  test('[XP14] both sides call at once, and both are served', () => {
    const { device, server } = pair()
    const seen = settle(device, server, { device: device.call(call(1), 0), server: server.call(call(2), 0) })
    expect(calls(seen.server)).toEqual(['f1'])
    expect(calls(seen.device)).toEqual(['f2'])
    const end = settle(device, server, {
      device: device.answer({ kind: 'reply', result: 'down' }),
      server: server.answer({ kind: 'reply', result: 'up' }),
    })
    expect(end.device).toContainEqual({ kind: 'answered', id: 1, answer: { kind: 'reply', result: 'up' } })
    expect(end.server).toContainEqual({ kind: 'answered', id: 2, answer: { kind: 'reply', result: 'down' } })
  })

  test('[XP15] an answer nobody waits for is skipped, and so is a second one', () => {
    const { server } = pair()
    expect(kinds(server.receive(say('what'), 0))).toEqual(['skipped stray-answer'])
    server.call(call(1), 0)
    expect(kinds(server.receive(joined(say('one'), say('again')), 0))).toEqual([
      'answered 1 reply',
      'skipped stray-answer',
    ])
  })

  test('[XP16] a late answer is not taken for the next call’s', () => {
    const { server } = pair()
    server.call(call(1, 100), 0)
    server.call(call(2, 100), 0)
    expect(server.deadline).toBe(100)
    expect(server.tick(99)).toEqual([])
    expect(kinds(server.tick(100))).toEqual(['answered 1 timed-out'])
    expect(kinds(server.receive(say('late'), 200))).toEqual(['skipped stray-answer', 'send'])
    expect(server.deadline).toBe(300)
    expect(kinds(server.receive(say('two'), 250))).toEqual(['answered 2 reply'])
    expect(server.deadline).toBe(Number.POSITIVE_INFINITY)
  })

  test('[XP16] a peer that never answers is given up', () => {
    const { server } = pair()
    server.call(call(1, 100), 0)
    server.tick(100)
    expect(kinds(server.tick(599))).toEqual([])
    expect(kinds(server.tick(600))).toEqual(['ended silent'])
  })

  test('[XP17] a cast is receipted in its turn and handed out', () => {
    const { server } = pair()
    const cast = asDevice.frame(encodeMessage({ kind: 'cast', module: 'm', function: 'c', args: [1] }))
    const plain = asDevice.frame(encodeMessage({ kind: 'call', module: 'm', function: 'f', args: [] }))
    expect(kinds(server.receive(joined(plain, cast), 0))).toEqual(['called'])
    const after = server.answer(serverAnswer.ok)
    expect(kinds(after)).toEqual(['send', 'send', 'cast'])
    expect(kinds(server.receive(cast, 0))).toEqual(['send', 'cast'])
  })

  test('[XP17] info is skipped', () => {
    const { server } = pair()
    const info = asDevice.frame(encodeMessage({ kind: 'info', command: 'cache' }))
    expect(server.receive(info, 0)).toEqual([{ kind: 'skipped', what: { kind: 'info', command: 'cache' } }])
  })

  test('[XP18] calls beyond the limit end the connection; those within it are served in order', () => {
    const { server } = pair()
    const plain = (n: number) =>
      asDevice.frame(encodeMessage({ kind: 'call', module: 'm', function: `f${n}`, args: [] }))
    expect(calls(server.receive(joined(plain(1), plain(2), plain(3)), 0))).toEqual(['f1'])
    expect(calls(server.answer(serverAnswer.ok))).toEqual(['f2'])
    expect(kinds(server.receive(joined(plain(4), plain(5)), 0))).toEqual(['ended too-many-calls'])
  })

  test('[XP19] what no term or frame can carry is told to the caller, and the next call goes out', () => {
    const small = { ...limits, frameBytes: 200 }
    const device = new DeviceEnd({ ...keys, name }, deviceChallenge, small)
    const server = new ServerEnd(0, small)
    settle(device, server, { device: device.start(0) })
    expect(kinds(server.call({ ...call(1), args: ['x'.repeat(300)] }, 0))).toEqual(['answered 1 unsent'])
    expect(kinds(server.call({ ...call(2), args: [atom('x'.repeat(256))] }, 0))).toEqual([
      'answered 2 unsent',
    ])
    expect(kinds(server.call(call(3), 0))).toEqual(['send'])
    device.receive(sent(server.call(call(4), 0))[0] ?? new Uint8Array(0), 0)
    const [called] = server.receive(
      asDevice.frame(encodeMessage({ kind: 'call', module: 'm', function: 'f', args: [] })),
      0,
    )
    expect(called?.kind).toBe('called')
    const [effect] = server.answer({ kind: 'reply', result: 'x'.repeat(300) })
    const [error] = effect?.kind === 'send' ? device.receive(effect.bytes, 0) : []
    expect(error?.kind).toBe('skipped')
  })
})

describe('payloads', () => {
  const broken: [string, Uint8Array][] = [
    ['nothing', new Uint8Array(0)],
    ['no term', bytes('00')],
    ['a lying length', bytes('836d7fffffff')],
    ['a lying count', bytes('836c7fffffff')],
    ['bytes after the term', bytes('83610100')],
    ['a compressed term', bytes('8350000000ff')],
    ['a term that is no message', encode([1, 2])],
    ['a tuple of another kind', encode(tuple<Term>(atom('hello'), 1))],
    ['a call without a list of arguments', encode(tuple<Term>(atom('call'), atom('m'), atom('f'), 1))],
    [
      'a tuple of BERT that BERT does not know',
      encode(tuple<Term>(atom('reply'), tuple<Term>(atom('bert'), atom('who')))),
    ],
    ['reuse, but not first', new TextEncoder().encode('reuse%port:9999')],
  ]
  for (const [what, payload] of broken)
    test(`[XP12] ${what} is answered by a protocol error, and the session goes on`, () => {
      const { device, server } = pair()
      const effects = server.receive(asDevice.frame(payload), 0)
      expect(kinds(effects)).toEqual(['skipped undecodable', 'send'])
      device.call(call(1), 0)
      expect(device.receive(sent(effects)[0] ?? new Uint8Array(0), 0)).toEqual([
        {
          kind: 'answered',
          id: 1,
          answer: {
            kind: 'error',
            error: { type: 'protocol', code: 0, class: 'BERTError', detail: 'unable to decode', trace: [] },
          },
        },
      ])
      expect(kinds(server.receive(frames.ping, 0))).toEqual(['called'])
    })

  test('[XP10] a wrong token ends the connection, and nothing after it is heard', () => {
    const { server } = pair()
    const wrong = frames.ping.slice()
    wrong[5] = (wrong[5] ?? 0) ^ 1
    expect(kinds(server.receive(joined(wrong, frames.ping), 0))).toEqual(['ended wrong-token'])
    expect(server.receive(frames.ping, 0)).toEqual([])
  })

  test('[XP10] a frame sealed with the other side’s key or challenge is a wrong token', () => {
    for (const seal of [new Seal(keys.serverKey, serverChallenge), new Seal(deviceKey, serverChallenge)]) {
      const { server } = pair()
      expect(kinds(server.receive(seal.frame(encode(1)), 0))).toEqual(['ended wrong-token'])
    }
  })

  test('[XP11] reuse may carry options of any module, and may be absent', () => {
    const server = new ServerEnd(0)
    settle(new DeviceEnd({ ...keys, name }, deviceChallenge), server, {})
    const fresh = () => {
      const end = new ServerEnd(0)
      end.receive(frames.hello, 0)
      end.admit(keys, serverChallenge, 0)
      end.receive(frames.hello, 0)
      return end
    }
    const option = encode(tuple<Term>(atom('access'), [tuple<Term>(atom('redirect'), [])]))
    const head = new TextEncoder().encode('reuse%port:9999%|bert_enc|')
    const payload = joined(head, Uint8Array.of(option.length >> 8, option.length & 255), option)
    expect(fresh().receive(asDevice.frame(payload), 0)).toEqual([])
    expect(kinds(fresh().receive(frames.ping, 0))).toEqual(['called'])
  })

  test('[XP20] after the end nothing is said and nothing is taken', () => {
    const { device, server } = pair()
    server.close()
    device.close()
    expect(server.receive(frames.ping, 0)).toEqual([])
    expect(kinds(server.call(call(1), 0))).toEqual(['answered 1 unsent'])
    expect(server.answer(serverAnswer.ok)).toEqual([])
    expect(server.tick(1e9)).toEqual([])
    expect(device.receive(frames.pong, 0)).toEqual([])
    expect(kinds(device.call(call(1), 0))).toEqual(['answered 1 unsent'])
    expect(device.tick(1e9)).toEqual([])
  })

  test('terms framed without a token, as plain BERT-RPC does, are a wrong token', () => {
    const { server } = pair()
    expect(kinds(server.receive(encodeBerp(tuple<Term>(atom('reply'), 1)), 0))).toEqual(['ended wrong-token'])
    expect(framed(new Uint8Array(2)).length).toBe(6)
  })
})
