/**
 * Two real ends under a simulated clock, joined by a line that cuts, delays and breaks off as a seed says. Whatever
 * happens: a call is answered at most once, an answer belongs to its call, calls of one connection are served in the
 * order in which they were made, and when the line holds and answers are given, everything is answered.
 */
import { type Bert, DeviceEnd, type Effect, ServerEnd } from '@waymark/exoport'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { bytes, keys, name } from './wire.ts'

interface Side {
  readonly receive: (chunk: Uint8Array, now: number) => Effect[]
  readonly call: (id: number, now: number) => Effect[]
  readonly answer: (result: Bert) => Effect[]
  readonly tick: (now: number) => Effect[]
  readonly inbox: Uint8Array[]
  readonly unserved: string[]
  readonly served: string[]
  readonly answered: Map<number, string>
  ended: boolean
}

/** A small generator whose numbers depend on the seed alone. */
function dice(seed: number): (below: number) => number {
  let state = seed >>> 0 || 1
  return (below) => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) % below
  }
}

function play(seed: number, { breaks }: { breaks: boolean }) {
  const roll = dice(seed)
  const device = new DeviceEnd({ ...keys, name }, bytes('00000001'))
  const server = new ServerEnd(0)
  const side = (end: DeviceEnd | ServerEnd): Side => ({
    receive: (chunk, now) => end.receive(chunk, now),
    call: (id, now) => end.call({ id, module: 'm', function: `f${id}`, args: [], timeoutMs: 2000 }, now),
    answer: (result) => end.answer({ kind: 'reply', result }),
    tick: (now) => end.tick(now),
    inbox: [],
    unserved: [],
    served: [],
    answered: new Map(),
    ended: false,
  })
  const sides = [side(device), side(server)] as const
  let now = 0
  let ready = 0
  let nextId = 0
  const made: [number[], number[]] = [[], []]

  const take = (at: 0 | 1, effects: Effect[]): void => {
    const own = sides[at]
    for (const effect of effects) {
      if (effect.kind === 'send') sides[1 - at]?.inbox.push(effect.bytes)
      else if (effect.kind === 'named') take(at, server.admit(keys, bytes('00000002'), now))
      else if (effect.kind === 'ready') ready += 1
      else if (effect.kind === 'called') own.unserved.push(effect.call.function)
      else if (effect.kind === 'ended') own.ended = true
      else if (effect.kind === 'answered') {
        expect(own.answered.has(effect.id)).toBe(false)
        const { answer } = effect
        if (answer.kind === 'reply') expect(answer.result).toBe(`f${effect.id}`)
        own.answered.set(effect.id, answer.kind)
      }
    }
  }

  take(0, device.start(now))
  let cut = false
  for (let step = 0; step < 400; step++) {
    now += roll(20)
    const at = roll(2) === 0 ? 0 : 1
    const own = sides[at]
    const [chunk] = own.inbox
    switch (roll(8)) {
      case 0:
      case 1:
        if (ready === 2 && made[at].length < 30) {
          made[at].push(nextId)
          take(at, own.call(nextId++, now))
        }
        break
      case 2: {
        const next = own.unserved.shift()
        if (next !== undefined && !own.ended) {
          own.served.push(next)
          take(at, own.answer(next))
        }
        break
      }
      case 3:
        take(at, own.tick(now))
        break
      default:
        if (chunk !== undefined && !cut) {
          const length = 1 + roll(chunk.length)
          own.inbox.shift()
          if (length < chunk.length) own.inbox.unshift(chunk.subarray(length))
          take(at, own.receive(chunk.slice(0, length), now))
        }
    }
    if (breaks && roll(300) === 0) cut = true
  }
  return { sides, made, cut, take, now, ready }
}

describe('a seeded line between two ends', () => {
  test('[XP13][XP15] answers belong to their calls, each call is answered at most once, and served in order', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2 ** 31 }), fc.boolean(), (seed, breaks) => {
        const { sides, made } = play(seed, { breaks })
        for (const at of [0, 1] as const) {
          const asked = made[1 - at]?.map((id) => `f${id}`) ?? []
          const { served } = sides[at]
          expect(served).toEqual(asked.slice(0, served.length))
        }
      }),
      { numRuns: 300 },
    )
  })

  test('[XP14] when the line holds, everything is answered in the end', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2 ** 31 }), (seed) => {
        const { sides, made, take, now } = play(seed, { breaks: false })
        for (let round = 0; round < 500; round++)
          for (const at of [0, 1] as const) {
            const own = sides[at]
            const chunk = own.inbox.shift()
            if (chunk !== undefined) take(at, own.receive(chunk, now))
            const next = own.unserved.shift()
            if (next !== undefined) take(at, own.answer(next))
          }
        for (const at of [0, 1] as const) {
          expect(sides[at].ended).toBe(false)
          expect([...sides[at].answered.keys()].toSorted((a, b) => a - b)).toEqual(made[at])
        }
      }),
      { numRuns: 200 },
    )
  })
})
