import { atom } from '@waymark/etf'
import { type Effect, keyOf, readDeviceCall, ServerEnd, serverAnswer } from '@waymark/exoport'
import {
  createExoPortDevice,
  type ExoPortEvent,
  type ExoPortOptions,
  type ExoPortOutside,
} from '@waymark/sdk/exoport'
import { describe, expect, test } from 'vitest'

const keys = { deviceKey: keyOf(7001), serverKey: keyOf(7002) }

/** A world of one device and one server, under a clock that a test turns. */
function world(options: Partial<ExoPortOptions> = {}) {
  let now = 0
  let luck = 0
  const timers = new Set<{ at: number; then: () => void }>()
  const dials: Line[] = []
  const events: ExoPortEvent[] = []
  /** What the server does with the next connections. */
  const server = { refuses: false, answers: true, pongs: true, taken: [] as string[] }

  interface Line {
    readonly at: number
    readonly end: ServerEnd
    /** Cuts it from the server's side. */
    cut(): void
    /** The device's side lets go. */
    leave(): void
    carryOut(effects: readonly Effect[]): void
    open: boolean
  }

  const outside: ExoPortOutside = {
    now: () => now,
    after(ms, then) {
      const timer = { at: now + ms, then }
      timers.add(timer)
      return () => void timers.delete(timer)
    },
    random: () => luck,
    challenge: () => Uint8Array.of(1, 2, 3, dials.length),
    connect(_address, events) {
      const end = new ServerEnd(now)
      const line: Line = {
        at: now,
        end,
        open: !server.refuses,
        cut() {
          if (!line.open) return
          line.open = false
          events.closed('cut')
        },
        leave() {
          line.open = false
        },
        carryOut(effects) {
          for (const effect of effects) {
            if (!line.open) return
            if (effect.kind === 'send') events.read(effect.bytes)
            if (effect.kind === 'named') line.carryOut(end.admit(keys, Uint8Array.of(9, 9, 9, 9), now))
            if (effect.kind === 'called') {
              const asked = readDeviceCall(effect.call)
              if (asked.kind === 'ping') {
                line.carryOut(end.answer(server.pongs ? serverAnswer.pong : serverAnswer.ok))
                continue
              }
              if (asked.kind === 'other' || !server.answers) continue
              server.taken.push(asked.method)
              const failed = asked.method === 'wrong'
              line.carryOut(
                end.answer(
                  failed
                    ? serverAnswer.failed('no such thing')
                    : asked.kind === 'rpc'
                      ? serverAnswer.output([])
                      : serverAnswer.ok,
                ),
              )
            }
            if (effect.kind === 'ended') line.cut()
          }
        },
      }
      dials.push(line)
      queueMicrotask(() => (line.open ? events.opened() : events.closed('refused')))
      return {
        write: (bytes) => {
          if (line.open) queueMicrotask(() => line.carryOut(end.receive(bytes, now)))
        },
        end: () => line.leave(),
        destroy: () => line.leave(),
      }
    },
  }

  const device = createExoPortDevice({
    host: 'h',
    port: 1,
    account: 'fleet',
    device: 'truck-9',
    deviceKey: 7001,
    serverKey: 7002n,
    outside,
    happened: (event) => events.push(event),
    ...options,
  })

  /** Lets everything settle that needs no time. */
  const settle = async () => {
    for (let turn = 0; turn < 50; turn++) await Promise.resolve()
  }
  /** Lets so many milliseconds pass, timer by timer. */
  async function pass(ms: number) {
    const until = now + ms
    await settle()
    for (;;) {
      const next = [...timers].sort((a, b) => a.at - b.at)[0]
      if (next === undefined || next.at > until) break
      now = next.at
      timers.delete(next)
      next.then()
      await settle()
    }
    now = until
    await settle()
  }
  return {
    device,
    server,
    dials,
    events,
    timers,
    settle,
    pass,
    setLuck(value: number) {
      luck = value
    },
    line: () => dials.at(-1) as Line,
  }
}

describe('the connection', () => {
  test('[S30] it dials, logs in and pings', async () => {
    const { device, settle, events } = world()
    expect(device.connected).toBe(false)
    device.start()
    await settle()
    expect(device.connected).toBe(true)
    expect(events).toEqual([{ kind: 'connected' }])
  })

  test('[S30] a server that answers a ping by something else is given up', async () => {
    const { device, server, settle, events } = world()
    server.pongs = false
    device.start()
    await settle()
    expect(device.connected).toBe(false)
    expect(events).toMatchObject([{ kind: 'disconnected', why: expect.stringContaining('pong') }])
  })

  test('[S33] each wait is about twice the last, up to the longest', async () => {
    const { device, server, pass, dials, setLuck } = world({
      patience: { firstRetry: 1000, lastRetry: 8000 },
    })
    server.refuses = true
    setLuck(0)
    device.start()
    await pass(30_000)
    const waits = dials.slice(1).map(({ at }, index) => at - (dials[index]?.at ?? 0))
    expect(waits.slice(0, 6)).toEqual([500, 1000, 2000, 4000, 4000, 4000])
    setLuck(0.999)
    await pass(30_000)
    const late = dials.slice(-3).map(({ at }) => at)
    expect((late[2] ?? 0) - (late[1] ?? 0)).toBeGreaterThan(7900)
  })

  test('[S33] thrown out right after it got in, it waits longer each time; after a connection that lasted, the least', async () => {
    const { device, pass, settle, line, dials, events } = world({
      patience: { firstRetry: 1000, stable: 30_000, ping: 0 },
    })
    device.start()
    await settle()
    const waits: number[] = []
    for (let round = 0; round < 3; round++) {
      line().cut()
      const last = events.at(-1)
      if (last?.kind !== 'disconnected') throw new Error('not disconnected')
      waits.push(last.retryMs ?? 0)
      await pass(last.retryMs ?? 0)
    }
    expect(waits).toEqual([500, 1000, 2000])
    await pass(30_000)
    line().cut()
    expect(events.at(-1)).toMatchObject({ retryMs: 500 })
    expect(dials).toHaveLength(4)
  })

  test('[S35] a quiet line is pinged, and a server that does not answer is dialled anew', async () => {
    const { device, pass, settle, line, dials } = world({
      patience: { ping: 10_000, answer: 5000, firstRetry: 1000 },
    })
    device.start()
    await settle()
    await pass(60_000)
    expect(dials).toHaveLength(1)
    // The server is there and deaf: nothing it is told is answered.
    line().carryOut = () => {}
    await pass(15_500)
    expect(dials).toHaveLength(2)
  })

  test('[S30] a connection that does not come in time is given up', async () => {
    const { device, server, pass, dials, events } = world({ patience: { connect: 3000, firstRetry: 1000 } })
    server.refuses = true
    device.start()
    await pass(100)
    expect(events).toHaveLength(1)
    expect(dials).toHaveLength(1)
  })

  test('[S36] after stop it neither dials nor answers, and what waited is rejected', async () => {
    const { device, pass, settle, line, dials, timers } = world()
    device.start()
    await settle()
    line().cut()
    const waiting = device.notify('fleet', 'alarm')
    device.stop()
    await expect(waiting).rejects.toMatchObject({ kind: 'stopped' })
    await pass(600_000)
    expect(dials).toHaveLength(1)
    expect(timers.size).toBe(0)
  })

  test('keys that are none and names that cannot be split are refused at once', () => {
    expect(() => world({ deviceKey: new Uint8Array(7) })).toThrow(RangeError)
    expect(() => world({ serverKey: -1 })).toThrow(RangeError)
    expect(() => world({ account: '' })).toThrow(RangeError)
  })
})

describe('what it has to say', () => {
  test('[S31] waits in order until there is a connection', async () => {
    const { device, server, settle } = world()
    const said = ['a', 'b', 'c'].map((name) => device.notify('fleet', name))
    expect(device.pending).toBe(3)
    device.start()
    await settle()
    await Promise.all(said)
    expect(server.taken).toEqual(['a', 'b', 'c'])
    expect(device.pending).toBe(0)
  })

  test('[S32] what was not answered is sent again on the next connection', async () => {
    const { device, server, settle, pass, line } = world()
    device.start()
    await settle()
    server.answers = false
    const said = device.rpc('fleet', 'report')
    await settle()
    line().cut()
    server.answers = true
    await pass(10_000)
    expect(await said).toEqual({})
    expect(server.taken).toEqual(['report'])
  })

  test('[S32] what is refused is told to its caller and holds nothing up', async () => {
    const { device, server, settle } = world()
    device.start()
    await settle()
    const wrong = device.rpc('fleet', 'wrong')
    const right = device.notify('fleet', 'right')
    await expect(wrong).rejects.toMatchObject({ kind: 'refused', got: 'no such thing' })
    await right
    expect(server.taken).toEqual(['wrong', 'right'])
  })

  test('[S31] more than may wait is refused at once', async () => {
    const { device } = world({ queueMax: 1 })
    const first = device.notify('fleet', 'a')
    await expect(device.notify('fleet', 'b')).rejects.toMatchObject({ kind: 'queue-full' })
    device.start()
    await first
  })
})

describe('what it is asked', () => {
  async function asked(
    options: Partial<ExoPortOptions>,
    call: { module: string; function: string; args: never[] | unknown[] },
  ) {
    const { device, settle, line } = world(options)
    device.start()
    await settle()
    let answer: Effect | undefined
    const carry = line().carryOut.bind(line())
    line().carryOut = (effects) => {
      answer = effects.find((effect) => effect.kind === 'answered') ?? answer
      carry(effects)
    }
    carry(
      line().end.call({ id: 5, module: call.module, function: call.function, args: call.args as never[] }, 0),
    )
    await settle()
    return answer?.kind === 'answered' ? answer.answer : undefined
  }

  test('[S34] what is not in the table is denied, and so is what every object has', async () => {
    for (const name of ['other', 'constructor', 'toString'])
      expect(await asked({ operations: {} }, { module: 'fleet', function: name, args: [[]] })).toMatchObject({
        kind: 'error',
        error: { detail: 'access denied' },
      })
  })

  test('[S34] a configuration without a taker is denied', async () => {
    const { pushCall } = await import('@waymark/exoport')
    const push = pushCall({ name: 'net', values: { a: 1 } })
    expect(await asked({}, { ...push, args: [...push.args] })).toMatchObject({ kind: 'error' })
    const seen: unknown[] = []
    await asked({ configured: (given) => void seen.push(given) }, { ...push, args: [...push.args] })
    expect(seen).toEqual([{ name: 'net', values: { a: 1 } }])
  })

  test('[S34] a handler that throws has failed, with its message', async () => {
    const operations = {
      'fleet:blink': () => {
        throw new Error('the bulb is broken')
      },
    }
    expect(await asked({ operations }, { module: 'fleet', function: 'blink', args: [[]] })).toMatchObject({
      error: { detail: 'the bulb is broken' },
    })
  })

  test('[S34] nothing said is ok', async () => {
    const operations = { 'fleet:blink': () => undefined }
    expect(await asked({ operations }, { module: 'fleet', function: 'blink', args: [[]] })).toEqual({
      kind: 'reply',
      result: atom('ok'),
    })
  })
})
