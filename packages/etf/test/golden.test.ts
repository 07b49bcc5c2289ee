import { decode, decodeFirst, encode, equalTerms, TermRefused } from '@waymark/etf'
import { describe, expect, test } from 'vitest'
import { bytes, hex, vectors } from './vectors.ts'

describe('[ET1] every tag that Erlang/OTP reads is read, and written as Erlang/OTP writes it', () => {
  for (const { erlang, hex: spelled, term, again, as } of vectors) {
    const input = bytes(spelled)

    test(`${erlang}: decoded whole`, () => {
      expect(decode(input)).toEqual(term)
      expect(equalTerms(decode(input), term)).toBe(true)
    })

    test(`${erlang}: encoded back`, () => {
      expect(hex(encode(decode(input)))).toBe(again ?? spelled)
      if (as !== undefined) expect(hex(encode(term, as))).toBe(spelled)
    })

    test(`${erlang}: every beginning of it is refused, none is taken for the whole`, () => {
      for (let length = 0; length < input.length; length++) {
        // A local term has no end of its own: any bytes are one.
        if (input[1] === 121 && length > 1) continue
        expect(() => decode(input.subarray(0, length))).toThrow(TermRefused)
      }
    })

    test(`${erlang}: with bytes to spare, it takes what is its own`, () => {
      const spare = new Uint8Array([...input, 131, 97, 1])
      const local = input[1] === 121
      expect(decodeFirst(spare).used).toBe(local ? spare.length : input.length)
      if (local) return
      expect(decodeFirst(spare).term).toEqual(term)
      expect(() => decode(spare)).toThrow(/trailing|nothing after/)
    })

    test(`${erlang}: out of the middle of a Buffer, with plain bytes in what comes out`, () => {
      const middle = Buffer.from([9, 9, ...input, 9]).subarray(2, 2 + input.length)
      const decoded = decode(middle)
      expect(decoded).toEqual(term)
      if (decoded instanceof Uint8Array) expect(decoded.constructor).toBe(Uint8Array)
    })
  }
})
