/** Images on the wire: what a server says a device reads, whatever it is that comes. Rules: RULES.md. */
import { atom, type Bert, tuple } from '@waymark/etf'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Conversation } from '../src/conversation.ts'
import {
  decodeMessage,
  defaultEndLimits,
  type Effect,
  encodedCall,
  encodeMessage,
  type ImageCall,
  imageAnswer,
  imageCall,
  imageResults,
  keyOf,
  readImageAnswer,
  readImageCall,
  Seal,
} from '../src/index.ts'
import { longPayload } from '../src/keys.ts'
import { defaultMessageLimits } from '../src/messages.ts'
import { hex, joined, kinds, sent } from './wire.ts'

function overTheWire(call: ImageCall) {
  const message = decodeMessage(encodeMessage({ kind: 'call', ...imageCall(call) }), defaultMessageLimits)
  if (!('kind' in message) || message.kind !== 'call') throw new Error('no call')
  return readImageCall(message)
}

const read = (name: string, pairs: Bert[]) =>
  readImageCall({ module: 'exoport', function: name, args: [pairs] })
const pair = (name: string, value: Bert) => tuple<Bert>(atom(name), value)
const id = fc.string({ minLength: 1, maxLength: 40, unit: 'grapheme' })
const whole = fc.nat()

describe('images', () => {
  test('[XP38] what a server says is what a device reads, byte for byte', () => {
    const calls: fc.Arbitrary<ImageCall> = fc.oneof(
      fc.record({
        kind: fc.constant('start' as const),
        id,
        type: fc.constantFrom('configuration-data', 'rpm-file', 'debian-file', 'other'),
        size: whole,
        chunkSize: fc.integer({ min: 1, max: 65536 }),
      }),
      fc.record({
        kind: fc.constant('chunk' as const),
        id,
        index: whole,
        data: fc.uint8Array({ maxLength: 300 }),
      }),
      fc.record({
        kind: fc.constantFrom('install' as const, 'upgrade' as const, 'uninstall' as const),
        images: fc.array(id, { minLength: 1, maxLength: 5 }),
      }),
      fc.record({ kind: fc.constant('finish' as const), id, checksum: fc.constant('ab'.repeat(32)) }),
      fc.record({ kind: fc.constantFrom('delete' as const, 'activate' as const), id }),
      fc.constant({ kind: 'rollback' as const }),
    )
    fc.assert(
      fc.property(calls, (call) => {
        expect(overTheWire(call)).toEqual(call)
      }),
    )
    const marked = { kind: 'chunk', id: 'a', index: 0, data: Uint8Array.of(0xef, 0xbb, 0xbf, 65) } as const
    expect(overTheWire(marked)).toEqual(marked)
  })

  test('[XP38] a part that is not as long as it says, and an image in parts of nothing, are of an illegal size', () => {
    const chunk = (size: Bert) =>
      read('ep-transfer-image-chunk', [
        pair('image-id', 'a'),
        pair('chunk-index', 0),
        pair('size', size),
        pair('data', 'four'),
      ])
    expect(chunk(4)).toMatchObject({ kind: 'chunk' })
    for (const size of [3, 5, -1, 'x']) expect(chunk(size)).toEqual({ refused: 'illegal-size' })
    const start = (chunkSize: number) =>
      read('ep-start-image-transfer', [
        pair('image-id', 'a'),
        pair('image-type', 3),
        pair('image-size', 9),
        pair('chunk-size', chunkSize),
      ])
    expect(start(0)).toEqual({ refused: 'illegal-size' })
  })

  test.each([
    ['ep-start-image-transfer', [pair('image-id', 'a')]],
    ['ep-transfer-image-chunk', [pair('image-id', 'a'), pair('chunk-index', -1)]],
    ['ep-finish-image-tranfer', [pair('image-id', '')]],
    ['ep-install-packages', [pair('images', [])]],
    ['ep-delete-image', ['image-id']],
  ] satisfies [string, Bert[]][])('[XP38] what is missing is a format error: %s', (name, pairs) => {
    expect(read(name, pairs)).toEqual({ refused: 'format-error' })
  })

  test('[XP39] every result comes back by its number and by its name, misspelt as published; others are none', () => {
    for (const name of Object.keys(imageResults) as (keyof typeof imageResults)[]) {
      const answer = imageAnswer(name)
      if (answer.kind !== 'reply') throw new Error('no reply')
      expect(readImageAnswer(answer)).toBe(name)
      expect(readImageAnswer({ kind: 'reply', result: [pair('result', name)] })).toBe(name)
    }
    expect(readImageAnswer({ kind: 'reply', result: [pair('result', 'permission-denined')] })).toBe(
      'permission-denied',
    )
    expect(readImageAnswer({ kind: 'reply', result: [pair('result', 99)] })).toHaveProperty('reason')
    const error = { type: 'server', code: 2, class: 'BERTError', trace: [] } as const
    const said = (detail: string) => readImageAnswer({ kind: 'error', error: { ...error, detail } })
    expect(said('function not defined')).toBe('undefined-call')
    expect(said('access denied')).toBe('undefined-call')
    expect(said('no room')).toEqual({ reason: 'server error 2: no room' })
  })

  test('[XP40] a call written out once is the same on the wire as one that each connection writes itself', () => {
    const short = fc.uint8Array({ maxLength: 2000 })
    const long = fc.uint8Array({ minLength: 8192, maxLength: 9000 })
    const generated = fc.record({ id, index: whole, data: fc.oneof(short, long) })
    fc.assert(
      fc.property(generated, fc.uint8Array({ minLength: 4, maxLength: 4 }), (part, challenge) => {
        const call = imageCall({ kind: 'chunk', ...part })
        const own = new Conversation(
          new Seal(keyOf(1), challenge),
          new Seal(keyOf(2), challenge),
          defaultEndLimits,
        )
        const shared = new Conversation(
          new Seal(keyOf(1), challenge),
          new Seal(keyOf(2), challenge),
          defaultEndLimits,
        )
        const [alone, together]: [Effect[], Effect[]] = [[], []]
        own.call({ id: 1, ...call }, 0, alone)
        const payload = encodedCall(call)
        shared.call({ id: 1, ...call, payload }, 0, together)
        expect(hex(joined(...sent(together)))).toBe(hex(joined(...sent(alone))))
        // A long one leaves as it lies; a short one is copied into its frame, and leaves in one.
        expect(sent(together).slice(1)).toEqual(payload.length > longPayload ? [payload] : [])
        if (payload.length > longPayload) expect(sent(together)[1]).toBe(payload)
        expect(shared.busy).toBe(true)
      }),
    )
  })

  test('[XP40] one that does not fit into a frame is answered as unsent', () => {
    const limits = { ...defaultEndLimits, frameBytes: 100 }
    const seal = new Seal(keyOf(1), new Uint8Array(4))
    const call = imageCall({ kind: 'chunk', id: 'a', index: 0, data: new Uint8Array(200) })
    const out: Effect[] = []
    new Conversation(seal, seal, limits).call({ id: 7, ...call, payload: encodedCall(call) }, 0, out)
    expect(kinds(out)).toEqual(['answered 7 unsent'])
  })
})
