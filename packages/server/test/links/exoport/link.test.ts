import { execFileSync } from 'node:child_process'
import { connect } from 'node:net'
import { join } from 'node:path'
import { Atom, atom } from '@waymark/etf'
import {
  type Bert,
  deviceCall,
  encodeMessage,
  keyOf,
  operationAnswer,
  readConfTree,
  Seal,
} from '@waymark/exoport'
import type { JsonObject } from '@waymark/yang'
import fc from 'fast-check'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { PortLimits } from '../../../src/links/exoport/limits.ts'
import { exoportLink } from '../../../src/links/exoport/link.ts'
import { temporaryFolder } from '../../support.ts'
import { createMemoryHouse, type MemoryHouse } from '../memory-house.ts'
import { pair, type StockOptions, stockDevice, until } from './stock-device.ts'

const truck = { name: { account: 'fleet', device: 'truck-9' }, deviceKey: 7001n, serverKey: 7002n }

async function openPort({
  limits = {},
  flags = [],
}: {
  limits?: Partial<PortLimits>
  flags?: string[]
} = {}) {
  const house = createMemoryHouse(flags)
  house.add(truck)
  const open = exoportLink({ tickMs: 5, ...limits }).open(house)
  const [listener] = open.listeners
  if (!listener) throw new Error('no listener')
  const { url } = await listener.listen({ host: '127.0.0.1', port: 0 })
  onTestFinished(() => open.close())
  const port = Number(new URL(url).port)
  const device = (options: Omit<StockOptions, 'port'> = {}) => stockDevice({ port, ...options })
  return { house, port, url, open, listener, device }
}

const notify = (method: string, ...pairs: Bert[]) => operationAnswer.notify(method, pairs)
const outcomes = (house: MemoryHouse) => house.settled.map(({ outcome }) => outcome)

describe('who is let in', () => {
  test('[XL1] a device with its keys, and it is there for the house', async () => {
    const { house, url, device } = await openPort()
    expect(url).toMatch(/^tcp:\/\/127\.0\.0\.1:\d+$/)
    const truck = device()
    expect(await truck.ping()).toEqual({ kind: 'reply', result: atom('pong') })
    expect(house.isThere('truck-9')).toBe(true)
    expect(house.attempts).toEqual([{ name: { account: 'fleet', device: 'truck-9' }, right: true }])
    truck.socket.destroy()
    await until(() => !house.isThere('truck-9'))
  })

  const strangers: [string, Omit<StockOptions, 'port'>][] = [
    ['a device that does not exist', { device: 'nobody' }],
    ['an account that does not exist', { account: 'nowhere' }],
    ['a wrong device key', { deviceKey: 1n }],
    ['a device of another protocol', { device: 'other' }],
    ['a device without keys', { device: 'keyless' }],
  ]
  for (const [who, options] of strangers)
    test(`[XL1] ${who} hears nothing, and it counts as a failed attempt`, async () => {
      const { house, device } = await openPort()
      house.add({ ...truck, name: { account: 'fleet', device: 'other' }, protocol: 'trail' })
      house.add({ name: { account: 'fleet', device: 'keyless' } })
      const stranger = device(options)
      let heard = 0
      stranger.socket.on('data', (chunk) => (heard += chunk.length))
      await stranger.gone
      expect(heard).toBe(0)
      expect(house.attempts.map(({ right }) => right)).toEqual([false])
      expect(house.opened()).toBe(0)
    })

  test('[XL2] who has to wait is closed before anything is looked at', async () => {
    const { house, device } = await openPort()
    house.throttleMs = 1000
    await device().gone
    expect(house.attempts).toEqual([])
  })

  test('[XL3] a handshake that is played again is refused, however right it is', async () => {
    const { house, device, port } = await openPort()
    const challenge = Uint8Array.of(1, 2, 3, 4)
    const first = device({ challenge })
    await first.ping()
    const hello = new Seal(keyOf(7001n), challenge).hello(new TextEncoder().encode('*fleet*truck-9'))
    const replay = connect(port, '127.0.0.1')
    replay.write(hello)
    let heard = 0
    replay.on('data', (chunk) => (heard += chunk.length))
    await new Promise((resolve) => replay.once('close', resolve))
    expect(heard).toBe(0)
    expect(house.opened()).toBe(1)
    expect(house.attempts.map(({ right }) => right)).toEqual([true, false])
    expect(house.lines).toMatchObject([{ level: 'warn', device: 'truck-9' }])
    expect(await first.ping()).toMatchObject({ kind: 'reply' })
    expect((await device().ping()).kind).toBe('reply')
  })

  test('[XL4] TLS and plain on the same port; an account that wants TLS knows nobody without', async () => {
    const folder = temporaryFolder()
    const files = ['--tls-cert', join(folder, 'cert.pem'), '--tls-key', join(folder, 'key.pem')] as const
    const kind = ['-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2']
    const out = ['-subj', '/CN=127.0.0.1', '-out', files[1], '-keyout', files[3]]
    execFileSync('openssl', ['req', ...kind, ...out], { stdio: 'ignore' })
    const { house, device } = await openPort({ flags: [...files] })
    house.add({ ...truck, name: { account: 'fleet', device: 'safe' }, tlsOnly: true })
    expect((await device().ping()).kind).toBe('reply')
    expect((await device({ tls: true }).ping()).kind).toBe('reply')
    await device({ device: 'safe' }).gone
    expect((await device({ device: 'safe', tls: true }).ping()).kind).toBe('reply')
  })
})

describe('down', () => {
  test('[XL6] what waited is carried on connecting, one by one, in order', async () => {
    const { house, device } = await openPort()
    for (const times of [1, 2, 3]) house.queueRpc('truck-9', 'blink', { times })
    const truck = device({ serve: () => undefined })
    for (const count of [1, 2, 3]) {
      await until(() => truck.calls.length === count)
      await truck.ping()
      expect(truck.calls).toHaveLength(count)
      truck.answer(operationAnswer.ok)
    }
    await until(() => house.settled.length === 3)
    expect(truck.calls.map(({ args }) => args)).toEqual([1, 2, 3].map((times) => [[pair('times', times)]]))
    expect(outcomes(house)).toEqual([{ kind: 'done' }, { kind: 'done' }, { kind: 'done' }])
  })

  test('[XL7] one argument with the pairs of the input, values by the schema', async () => {
    const { house, device } = await openPort()
    const truck = device()
    await truck.ping()
    house.queueRpc('truck-9', 'blink', {
      'device-id': 'truck-9',
      'transaction-id': 18446744073709551615n,
      note: '',
      loud: true,
      levels: [2, 4, 6],
      lamps: [{ name: 'front', on: false }],
    })
    await until(() => house.settled.length === 1)
    expect(truck.calls).toEqual([
      {
        module: 'fleet',
        function: 'blink',
        args: [
          [
            pair('device-id', 'truck-9'),
            pair('transaction-id', 18446744073709551615n),
            pair('note', ''),
            pair('loud', true),
            pair('levels', [2, 4, 6]),
            pair('lamps', [[pair('name', 'front'), pair('on', false)]]),
          ],
        ],
      },
    ])
  })

  const chars = [...'hi'].map((letter) => letter.charCodeAt(0))
  const answers: { says: string; answer: ReturnType<typeof notify>; is: unknown }[] = [
    {
      says: 'a notification of the module',
      answer: notify(
        'blink-callback',
        pair('rpc-status', 1),
        pair('final', true),
        pair('note', chars),
        pair('levels', [2, 4]),
      ),
      is: {
        kind: 'done',
        notify: {
          method: 'blink-callback',
          params: { 'rpc-status': 1, final: true, note: 'hi', levels: [2, 4] },
        },
      },
    },
    { says: 'ok', answer: operationAnswer.ok, is: { kind: 'done' } },
    {
      says: 'an output',
      answer: operationAnswer.output([pair('seen', 3)]),
      is: { kind: 'replied', output: { seen: 3 } },
    },
    {
      says: 'access denied',
      answer: operationAnswer.accessDenied,
      is: { kind: 'failed', reason: 'server error 2: access denied' },
    },
    {
      says: 'an output that does not fit',
      answer: operationAnswer.output([pair('seen', [[1]])]),
      is: { kind: 'failed', reason: 'format-error: seen: wanted an integer, got another term' },
    },
    {
      says: 'nonsense',
      answer: { kind: 'reply', result: 17 },
      is: { kind: 'failed', reason: 'the device answered 17' },
    },
  ]
  for (const { says, answer, is } of answers)
    test(`[XL7] ${says} is an outcome`, async () => {
      const { house, device } = await openPort()
      house.queueRpc('truck-9', 'blink', { times: 1 })
      device({ serve: () => answer })
      await until(() => house.settled.length === 1)
      expect(outcomes(house)).toEqual([is])
    })

  test('[XL7] what no term can carry has failed, and the next is carried', async () => {
    const { house, device } = await openPort()
    let deep: JsonObject = {}
    for (let level = 0; level < 500; level++) deep = { deep }
    house.queueRpc('truck-9', 'blink', deep)
    house.queueConfiguration('truck-9', 'net', deep)
    house.queueRpc('truck-9', 'blink', { times: 1 })
    const truck = device()
    await until(() => house.settled.length === 3)
    expect(outcomes(house).map(({ kind }) => kind)).toEqual(['failed', 'failed', 'done'])
    expect(truck.calls).toHaveLength(1)
  })

  test('[XL7] a configuration is pushed as one tree and confirmed by the protocol’s own notification', async () => {
    const { house, device } = await openPort()
    house.queueConfiguration('truck-9', 'net', { ip: '10.0.0.1', ports: [80, 443] })
    house.queueConfiguration('truck-9', 'net', { ip: '10.0.0.2' })
    let status = 1
    const truck = device({
      serve: () =>
        notify('push-config-set-callback', pair('rpc-status', status++), pair('transaction-id', 999)),
    })
    await until(() => house.settled.length === 2)
    const [call] = truck.calls
    expect([call?.module, call?.function]).toEqual(['exoport_config', 'push_config_set'])
    const properties = call?.args[0]
    const last = Array.isArray(properties) && Array.isArray(properties[0]) ? properties[0].at(-1) : undefined
    const tree =
      typeof last === 'object' && last !== null && 'elements' in last ? last.elements[1] : undefined
    expect(readConfTree(tree)).toEqual({ name: 'net', values: { ip: '10.0.0.1', ports: [80, 443] } })
    expect(outcomes(house)).toEqual([
      { kind: 'done' },
      { kind: 'failed', reason: 'the device says rpc-status 2' },
    ])
  })

  test('[XL5] cut in flight, it is carried again on the next connection', async () => {
    const { house, device } = await openPort()
    house.queueRpc('truck-9', 'blink', { times: 1 })
    const first = device({ serve: () => undefined })
    await until(() => first.calls.length === 1)
    first.socket.destroy()
    await until(() => house.waiting('truck-9') === 1)
    const second = device()
    await until(() => house.settled.length === 1)
    expect(second.calls).toEqual(first.calls)
    expect(house.settled[0]?.carried.attempt).toBe(1)
  })

  test('[XL5] a new connection replaces the old one, with what was under way', async () => {
    const { house, device } = await openPort()
    house.queueRpc('truck-9', 'blink', { times: 1 })
    const first = device({ serve: () => undefined })
    await until(() => first.calls.length === 1)
    const second = device()
    await first.gone
    await until(() => house.settled.length === 1)
    expect(second.calls).toHaveLength(1)
    expect((await second.ping()).kind).toBe('reply')
  })

  test('[XL10] a device that does not answer is let go of, and the call stays', async () => {
    const { house, device } = await openPort({ limits: { answerMs: 1 } })
    house.queueRpc('truck-9', 'blink', { times: 1 })
    const silent = device({ serve: () => undefined })
    await silent.gone
    await until(() => house.waiting('truck-9') === 1)
    expect(house.settled).toEqual([])
  })

  test('[XL10] one whose time has passed is not waited for; its late answer is not the next one’s', async () => {
    const { house, device } = await openPort()
    house.queueRpc('truck-9', 'blink', { times: 1 }, { expiresAt: Date.now() })
    house.queueRpc('truck-9', 'blink', { times: 2 })
    const truck = device({ serve: () => undefined })
    await until(() => house.settled.length === 1)
    expect(outcomes(house)).toEqual([{ kind: 'failed', reason: 'the device did not answer in time' }])
    truck.answer(operationAnswer.output([pair('seen', 1)]))
    await until(() => truck.calls.length === 2)
    truck.answer(operationAnswer.output([pair('seen', 2)]))
    await until(() => house.settled.length === 2)
    expect(outcomes(house)[1]).toEqual({ kind: 'replied', output: { seen: 2 } })
  })

  test('[XL7] acks of what was never sent, and acks twice, change nothing', async () => {
    const { house, device } = await openPort()
    const challenge = Uint8Array.of(9, 9, 9, 9)
    const truck = device({ challenge })
    await truck.ping()
    const ack = new Seal(keyOf(7001n), challenge).frame(encodeMessage({ kind: 'reply', result: atom('ok') }))
    truck.socket.write(ack)
    await truck.ping()
    house.queueRpc('truck-9', 'blink', { times: 1 })
    await until(() => house.settled.length === 1)
    truck.socket.write(ack)
    truck.socket.write(ack)
    expect((await truck.ping()).kind).toBe('reply')
    expect(outcomes(house)).toEqual([{ kind: 'done' }])
  })
})

describe('up', () => {
  test('[XL9] a notification is taken, with values by its schema', async () => {
    const { house, device } = await openPort()
    const note = [...'low'].map((letter) => letter.charCodeAt(0))
    const answer = await device().call(
      deviceCall.notification('fleet', 'alarm', [
        pair('level', 3),
        pair('note', note),
        pair('levels', [108, 111]),
      ]),
    )
    expect(answer).toEqual({ kind: 'reply', result: atom('ok') })
    expect(house.ups).toEqual([
      { module: 'fleet', method: 'alarm', params: { level: 3, note: 'low', levels: [108, 111] } },
    ])
  })

  test('[XL9] an RPC is answered by the output of its schema', async () => {
    const { house, device } = await openPort()
    house.answer = (up) => ({
      kind: 'output',
      output: up.method === 'report' ? { thanks: 'a lot' } : {},
      described: house.described(up.method),
    })
    const truck = device()
    const ask = (method: string) => truck.call(deviceCall.rpc('fleet', method, []))
    expect(await ask('reset')).toEqual({ kind: 'reply', result: atom('ok') })
    expect(await ask('report')).toEqual({ kind: 'reply', result: [pair('thanks', 'a lot')] })
  })

  test('[XL8] every other function is not defined', async () => {
    const { house, device } = await openPort()
    const truck = device()
    const others: [string, string, Bert[]][] = [
      ['os', 'cmd', ['id']],
      ['erlang', 'halt', []],
      ['exodm_rpc', 'stop', []],
      ['exodm_rpc', 'ping', [1]],
      ['fleet', 'blink', [[]]],
    ]
    for (const [module, name, args] of others)
      expect(await truck.call({ module, function: name, args })).toEqual({
        kind: 'error',
        error: { type: 'server', code: 2, class: 'BERTError', detail: 'function not defined', trace: [] },
      })
    expect(house.ups).toEqual([])
  })

  test('[XL9] unknown methods and values that do not fit are answered, and the session goes on', async () => {
    const { device } = await openPort()
    const truck = device()
    const unknown = await truck.call(deviceCall.rpc('fleet', 'nothing', []))
    expect(unknown).toMatchObject({ kind: 'error', error: { code: 2, detail: 'function not defined' } })
    const wrong = await truck.call(deviceCall.notification('fleet', 'alarm', [pair('level', [[1]])]))
    expect(wrong).toMatchObject({
      kind: 'error',
      error: { detail: expect.stringContaining('bad-params: level') },
    })
    expect((await truck.ping()).kind).toBe('reply')
  })

  test('[XL14] a device’s call is served while one of ours is under way, and the other way round', async () => {
    const { house, device } = await openPort()
    const held = Promise.withResolvers<void>()
    house.answer = async () => {
      await held.promise
      return { kind: 'taken' }
    }
    const truck = device()
    const alarm = truck.call(deviceCall.notification('fleet', 'alarm', []))
    await until(() => house.ups.length === 1)
    house.queueRpc('truck-9', 'blink', { times: 1 })
    await until(() => house.settled.length === 1)
    held.resolve()
    expect(await alarm).toEqual({ kind: 'reply', result: new Atom('ok') })
  })
})

describe('limits and ends', () => {
  test('[XL11] an idle session ends after its time', async () => {
    const { house, device } = await openPort()
    house.add({ ...truck, idleMs: 1 })
    const idle = device()
    await idle.ready
    await idle.gone
    await until(() => !house.isThere('truck-9'))
  })

  test('[XL4] a certificate that is none keeps the server from starting, and says so', () => {
    const house = createMemoryHouse(['--tls-cert', '/nonexistent', '--tls-key', '/nonexistent'])
    expect(() => exoportLink().open(house)).toThrow(/tls-cert and tls-key/)
  })

  test('[XL12] a stranger that says nothing is let go of', async () => {
    const { port } = await openPort({ limits: { handshakeMs: 1 } })
    const socket = connect(port, '127.0.0.1')
    await new Promise((resolve) => socket.once('close', resolve))
  })

  test('[XL12] strangers beyond the limit are closed; sessions do not count', async () => {
    const { device, port } = await openPort({ limits: { handshakes: 2 } })
    await device().ping()
    const strangers = [1, 2, 3].map(() => connect(port, '127.0.0.1'))
    for (const socket of strangers) onTestFinished(() => void socket.destroy())
    await Promise.race(strangers.map((socket) => new Promise((resolve) => socket.once('close', resolve))))
    expect(strangers.filter((socket) => socket.destroyed)).toHaveLength(1)
  })

  test('[XL12] unfinished frames have one room for all', async () => {
    const { device } = await openPort({ limits: { heldBytes: 100_000 } })
    const calm = device()
    await calm.ping()
    const greedy = device()
    await calm.gone
    await greedy.ready
    const head = new Uint8Array(4)
    new DataView(head.buffer).setUint32(0, 16 * 1024 * 1024)
    greedy.socket.write(head)
    greedy.socket.write(new Uint8Array(200_000))
    await greedy.gone
    expect((await device().ping()).kind).toBe('reply')
  })

  test('[XL12] frames beyond the rate wait, and are all answered', async () => {
    const { device } = await openPort({ limits: { framesPerSecond: 1000, frameBurst: 15 } })
    const truck = device()
    for (let i = 0; i < 20; i++) expect((await truck.ping()).kind).toBe('reply')
  })

  test('[XL12] a device that does not read what it is told is read from no more, and then let go of', async () => {
    const { house, device } = await openPort({ limits: { cloggedMs: 1, unwrittenBytes: 1000 } })
    house.answer = (up) => ({
      kind: 'output',
      output: { thanks: 'x'.repeat(4_000_000) },
      described: house.described(up.method),
    })
    const challenge = Uint8Array.of(7, 7, 7, 7)
    const deaf = device({ challenge })
    await deaf.ping()
    deaf.socket.pause()
    const seal = new Seal(keyOf(7001n), challenge)
    const report = encodeMessage({ kind: 'call', ...deviceCall.rpc('fleet', 'report', []) })
    for (let i = 0; i < 8; i++) deaf.socket.write(seal.frame(report))
    await until(() => !house.isThere('truck-9'))
  })

  test('[XL13] a drain ends what is idle at once and lets what is under way be finished', async () => {
    const { house, device, listener } = await openPort()
    house.add({ ...truck, name: { account: 'fleet', device: 'busy' } })
    house.queueRpc('busy', 'blink', { times: 1 })
    house.queueRpc('busy', 'blink', { times: 2 })
    const idle = device()
    await idle.ping()
    const busy = device({ device: 'busy', serve: () => undefined })
    await until(() => busy.calls.length === 1)
    const drained = listener.drain(10_000)
    await idle.gone
    busy.answer(operationAnswer.ok)
    await drained
    await busy.gone
    expect(outcomes(house)).toEqual([{ kind: 'done' }])
    expect(house.waiting('busy')).toBe(1)
  })

  test('[XL13] what does not end in time is cut, and goes back to the queue', async () => {
    const { house, device, listener } = await openPort()
    house.queueRpc('truck-9', 'blink', { times: 1 })
    const busy = device({ serve: () => undefined })
    await until(() => busy.calls.length === 1)
    await listener.drain(1)
    await busy.gone
    expect(house.waiting('truck-9')).toBe(1)
  })

  test('a device that is deleted is let go of at once', async () => {
    const { house, device } = await openPort()
    const truck = device()
    await truck.ping()
    house.end('truck-9', 'deleted')
    await truck.gone
  })

  test('[XL12] whatever a device or a stranger sends, the others are served', async () => {
    const { house, port, device } = await openPort()
    house.add({ ...truck, name: { account: 'fleet', device: 'mad' } })
    const calm = device()
    const payload = fc.oneof(
      fc.uint8Array({ maxLength: 64 }),
      fc.uint8Array({ maxLength: 64 }).map((bytes) => Uint8Array.of(131, ...bytes)),
      fc
        .constantFrom('halt', 'stop', 'ping')
        .map((name) => encodeMessage({ kind: 'cast', module: 'exodm_rpc', function: name, args: [] })),
    )
    await fc.assert(
      fc.asyncProperty(
        fc.array(payload, { maxLength: 8 }),
        fc.uint8Array({ maxLength: 64 }),
        async (payloads, noise) => {
          const challenge = crypto.getRandomValues(new Uint8Array(4))
          const seal = new Seal(keyOf(7001n), challenge)
          const mad = device({ device: 'mad', challenge })
          await mad.ready
          for (const one of payloads) mad.socket.write(seal.frame(one))
          const stranger = connect(port, '127.0.0.1')
          stranger.on('error', () => {})
          stranger.end(noise)
          expect((await calm.ping()).kind).toBe('reply')
          mad.socket.destroy()
          stranger.destroy()
        },
      ),
      { numRuns: 60 },
    )
    expect(house.lines).toEqual([])
  })

  test('garbage, half a handshake and a port scan leave nothing behind', async () => {
    const { house, port, device } = await openPort()
    const pieces = [
      'GET / HTTP/1.1\r\n\r\n',
      '\x00\x00\x00',
      '\x00\x00\x00\x02ab',
      '\x16\x03\x01\x02\x00\x01',
    ]
    for (const piece of pieces) {
      const socket = connect(port, '127.0.0.1')
      socket.on('error', () => {})
      socket.end(piece, 'latin1')
      await new Promise((resolve) => socket.once('close', resolve))
    }
    expect((await device().ping()).kind).toBe('reply')
    expect(house.lines).toEqual([])
  })
})
