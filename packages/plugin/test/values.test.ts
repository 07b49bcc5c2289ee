import { Duplex, PassThrough } from 'node:stream'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Channel, openChannel } from '../src/channel.ts'
import { NotAValue, readValue, writeValue } from '../src/values.ts'

const most = 1024 * 1024

const value = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 5 },
    fc.constantFrom(undefined, null, true, false),
    fc.double(),
    fc.bigInt({ min: -(2n ** 80n), max: 2n ** 80n }),
    fc.string({ unit: 'grapheme' }),
    fc.uint8Array(),
    fc.array(tie('value')),
    fc.dictionary(
      fc.string().filter((name) => name !== '__proto__'),
      tie('value'),
      { noNullPrototype: true },
    ),
  ),
})).value

describe('values as bytes', () => {
  test('[PL14] a value comes back as it was, and a part of its bytes is no value', () => {
    fc.assert(
      fc.property(value, fc.nat(), (given, at) => {
        const bytes = writeValue(given, most)
        expect(readValue(bytes)).toEqual(given)
        expect(() => readValue(bytes.subarray(0, at % bytes.length))).toThrow(NotAValue)
        expect(() => readValue(Buffer.concat([bytes, Buffer.from([1])]))).toThrow(NotAValue)
      }),
    )
  })

  test('[PL14] whatever the bytes are, they are a value or refused', () => {
    const tagged = fc.array(fc.oneof(fc.nat(9), fc.nat(255), fc.constant(0)), { maxLength: 200 })
    fc.assert(
      fc.property(tagged, (bytes) => {
        try {
          readValue(Buffer.from(bytes))
        } catch (error) {
          expect(error).toBeInstanceOf(NotAValue)
        }
      }),
      { numRuns: 20_000 },
    )
  })

  test('[PL14] a byte that was changed gives a value or a refusal, never another thing', () => {
    fc.assert(
      fc.property(value, fc.nat(), fc.nat(255), (given, at, byte) => {
        const bytes = writeValue(given, most)
        bytes[at % bytes.length] = byte
        try {
          readValue(bytes)
        } catch (error) {
          expect(error).toBeInstanceOf(NotAValue)
        }
      }),
      { numRuns: 5000 },
    )
  })

  const ring: unknown[] = []
  ring.push(ring)
  const refused: [string, unknown, RegExp][] = [
    ['a function', { f: () => 1 }, /got a function/],
    ['a symbol', [Symbol('s')], /got a symbol/],
    ['a date', new Date(), /object of a class/],
    ['a map', { at: new Map() }, /object of a class/],
    ['a ring', ring, /a ring/],
    ['a text that is too long', 'x'.repeat(2 * most), /at most 1048576 bytes/],
    ['a list with too many holes', new Array(4_000_000_000), /at most 1048576 bytes/],
    ['a bigint without end', 10n ** 100n, /80 digits/],
  ]
  for (const [name, given, says] of refused)
    test(`[PL14] ${name} is not written`, () => expect(() => writeValue(given, most)).toThrow(says))

  test('[PL14] a name that would be a prototype is refused', () => {
    const bytes = writeValue({ __prot0__: 1 }, most)
    bytes.write('__proto__', bytes.indexOf('__prot0__'))
    expect(() => readValue(bytes)).toThrow('got __proto__')
  })
})

describe('a channel', () => {
  const limits = { inMost: 1000, outMost: 1000, waitingMost: 5000 }
  const bytesOf = (given: unknown) => {
    const body = writeValue(given, 1000)
    const head = Buffer.alloc(4)
    head.writeUInt32BE(body.length)
    return Buffer.concat([head, body])
  }
  function heardBy(pipe: Duplex) {
    const values: unknown[] = []
    const broken: string[] = []
    const channel: Channel = openChannel(pipe, limits, {
      value: (given) => void values.push(given),
      broken: (why) => void broken.push(why),
      ended() {},
    })
    return { channel, values, broken }
  }
  const turn = () => new Promise((resolve) => setImmediate(resolve))

  test('[PL14] frames come out whole, however they are cut', async () => {
    const all = Buffer.concat([{ a: 1 }, 'two', [3n]].map(bytesOf))
    for (let size = 1; size <= all.length; size += 1) {
      const pipe = new PassThrough()
      const { values } = heardBy(pipe)
      for (let at = 0; at < all.length; at += size) pipe.write(all.subarray(at, at + size))
      await turn()
      expect(values).toEqual([{ a: 1 }, 'two', [3n]])
    }
  })

  test('[PL14] a frame that is too long breaks it once, before its bytes are there', async () => {
    const pipe = new PassThrough()
    const { values, broken } = heardBy(pipe)
    pipe.write(Buffer.from([0, 0, 4, 0]))
    pipe.write(bytesOf('after'))
    await turn()
    expect(broken).toEqual(['it said 1024 bytes at once, over 1000'])
    expect(values).toEqual([])
  })

  test('[PL14] while it is paused nothing is given, and afterwards everything', async () => {
    const pipe = new PassThrough()
    const { channel, values } = heardBy(pipe)
    channel.pause()
    pipe.write(Buffer.concat([bytesOf(1), bytesOf(2)]))
    await turn()
    expect(values).toEqual([])
    channel.resume()
    await turn()
    expect(values).toEqual([1, 2])
  })

  test('[PL14] an end that does not read breaks it, before more than the limit waits', () => {
    const deaf = new Duplex({ read() {}, write() {} })
    const { channel, broken } = heardBy(deaf)
    for (let each = 0; each < 100; each += 1) channel.send('x'.repeat(900))
    expect(broken).toEqual(['it does not read what it is told'])
    expect(deaf.writableLength).toBeLessThan(limits.waitingMost + 1000)
  })
})
