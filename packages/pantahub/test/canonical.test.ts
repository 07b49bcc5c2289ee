import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  canonicalJson,
  canonicalText,
  compareCodePoints,
  NotJson,
  parseJson,
  stateSha,
} from '../src/index.ts'

const numbers = [
  { says: '1.5', text: '1.5E0' },
  { says: '0.25', text: '2.5E-1' },
  { says: '250.5', text: '2.505E2' },
  { says: '1e-7', text: '1.0E-7' },
  { says: '-1e-7', text: '-1.0E-7' },
  { says: '100.0', text: '100' },
  { says: '-0', text: '0' },
  { says: '-0.0', text: '0' },
  { says: '1e21', text: '1000000000000000000000' },
  { says: '-1.5e22', text: '-15000000000000000000000' },
  { says: '12345678901234567890', text: '12345678901234567000' },
  { says: '9007199254740993', text: '9007199254740992' },
  { says: '5e-324', text: '5.0E-324' },
  { says: '0.1', text: '1.0E-1' },
  { says: '123456.789', text: '1.23456789E5' },
  { says: '1e-400', text: '0' },
]
for (const { says, text } of numbers)
  test(`[CJ2] [CJ3] the number ${says} is written ${text}`, () => {
    expect(canonicalText(says)).toMatchObject({ ok: true, text })
  })

const texts = [
  { name: 'slash, angle brackets and ampersand stay', says: '"\\/<>&"', text: '"/<>&"' },
  { name: 'line separators and delete stay', says: '"\\u2028\\u2029\\u007f"', text: '"\u2028\u2029\u007f"' },
  { name: 'quote and backslash are escaped', says: '"\\"\\\\"', text: '"\\"\\\\"' },
  { name: 'five controls by letter', says: '"\\u0008\\u000c\\n\\r\\t"', text: '"\\b\\f\\n\\r\\t"' },
  { name: 'other controls in capital hex', says: '"\\u001f\\u000b\\u0000"', text: '"\\u001F\\u000B\\u0000"' },
  {
    name: 'an escaped backslash before hex is left alone',
    says: '"\\\\u001f\\u001f"',
    text: '"\\\\u001f\\u001F"',
  },
  { name: 'letters are never escaped', says: '"\\u00e9\\ud83d\\ude00"', text: '"é😀"' },
  { name: 'keys are escaped like texts', says: '{"a\\u001f":1}', text: '{"a\\u001F":1}' },
]
for (const { name, says, text } of texts)
  test(`[CJ4] ${name}`, () => {
    expect(canonicalText(says)).toMatchObject({ ok: true, text })
  })

test('[CJ1] a key above U+FFFF sorts after U+FF61, as in UTF-8', () => {
  expect(canonicalJson({ '😀': 2, '｡': 1, a: 0 })).toBe('{"a":0,"｡":1,"😀":2}')
})

test('[CJ5] half pairs become U+FFFD, in keys too, where the last of equals wins', () => {
  expect(canonicalText('{"\\ud800":1,"\\udc00":2,"x":"\\ud83d"}')).toMatchObject({ text: '{"x":"�","�":2}' })
  expect(canonicalJson({ '\ud800': 1, '\udc00': ['\ud83d'] })).toBe('{"�":["�"]}')
})

test('[CJ6] the empty object has the hash that every tool prints for {}', () => {
  expect(stateSha(canonicalJson({}))).toBe('44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a')
})

describe('[CJ7] what JSON cannot say', () => {
  const cycle: unknown[] = []
  cycle.push(cycle)
  const wrongs = [
    { name: 'NaN', value: Number.NaN },
    { name: 'infinity', value: [Number.POSITIVE_INFINITY] },
    { name: 'a function', value: { f: () => 1 } },
    { name: 'a bigint', value: 1n },
    { name: 'undefined in an array', value: [undefined] },
    { name: 'a cycle', value: cycle },
  ]
  for (const { name, value } of wrongs)
    test(`[CJ7] ${name} throws NotJson`, () => expect(() => canonicalJson(value)).toThrow(NotJson))

  test('[CJ7] undefined members are left out', () => {
    expect(canonicalJson({ a: undefined, b: 1, c: undefined, d: null })).toBe('{"b":1,"d":null}')
  })
})

const anyJson = fc.jsonValue({ stringUnit: 'binary', maxDepth: 5 })

test('[CJ6] canonical text is a fixed point and says the same value', () => {
  fc.assert(
    fc.property(anyJson, (value) => {
      const text = canonicalJson(value)
      expect(canonicalText(text)).toMatchObject({ ok: true, text })
      // JSON's own text of both: it writes -0 as 0, as canonical JSON does.
      expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(value)))
    }),
  )
})

test('[CJ6] the order in which keys were written leaves no trace', () => {
  const entries = fc.uniqueArray(fc.tuple(fc.string({ unit: 'binary' }), fc.integer()), {
    selector: ([key]) => key,
  })
  fc.assert(
    fc.property(entries, (pairs) => {
      const backwards = canonicalJson(Object.fromEntries(pairs.toReversed()))
      expect(canonicalJson(Object.fromEntries(pairs))).toBe(backwards)
    }),
  )
})

test('[CJ1] keys come in the order of their UTF-8 bytes', () => {
  // Few letters around the places where UTF-16 and code points disagree, so that prefixes and ties are common.
  const unit = fc.constantFrom(
    'a',
    '\u007f',
    'é',
    '\ud7ff',
    '\ue000',
    '\uff61',
    '\uffff',
    '😀',
    '\u{10ffff}',
    '"',
    '\u0001',
  )
  const keys = fc.uniqueArray(fc.string({ unit, maxLength: 4 }), { minLength: 2, maxLength: 20 })
  fc.assert(
    fc.property(keys, (given) => {
      const text = canonicalJson(Object.fromEntries(given.map((key) => [key, 0])))
      const written = [...text.matchAll(/"((?:[^"\\]|\\.)*)":0/g)].map(
        ([, key]) => JSON.parse(`"${key}"`) as string,
      )
      const byBytes = given.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
      expect(written).toEqual(byBytes)
      expect(given.toSorted(compareCodePoints)).toEqual(byBytes)
    }),
  )
})

test('[CJ2] [CJ3] every double is written in one of two forms and reads back as itself', () => {
  fc.assert(
    fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (value) => {
      const text = canonicalJson(value)
      expect(text).toMatch(Number.isInteger(value) ? /^(?:0|-?[1-9]\d*)$/ : /^-?[1-9]\.(?:0|\d*[1-9])E-?\d+$/)
      expect(Number(text)).toBe(value === 0 ? 0 : value)
    }),
  )
})

test('[CJ6] parsing and rendering survive nesting up to the limit and no further', () => {
  const nested = (levels: number) => '['.repeat(levels) + ']'.repeat(levels)
  expect(canonicalText(nested(64))).toMatchObject({ ok: true, text: nested(64) })
  expect(canonicalText(nested(65))).toMatchObject({ ok: false, at: 64 })
  expect(parseJson(nested(1_000_000))).toMatchObject({ ok: false, wanted: 'at most 64 levels of nesting' })
})
