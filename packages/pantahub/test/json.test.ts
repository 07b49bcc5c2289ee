import fc from 'fast-check'
import { expect, test } from 'vitest'
import { canonicalJson, isJsonObject, parseJson } from '../src/index.ts'

const refused = [
  { text: '', at: 0, wanted: 'a value', got: 'the end of the text' },
  { text: '  ', at: 2, wanted: 'a value', got: 'the end of the text' },
  { text: '[1,', at: 3, wanted: 'a value', got: 'the end of the text' },
  { text: '[1,]', at: 3, wanted: 'a value', got: '"]"' },
  { text: '[1 2]', at: 3, wanted: '"," or "]"', got: '"2]"' },
  { text: '{"a":1,}', at: 7, wanted: 'a key in quotes', got: '"}"' },
  { text: '{a:1}', at: 1, wanted: 'a key in quotes', got: '"a:1}"' },
  { text: '{"a" 1}', at: 5, wanted: '":"', got: '"1}"' },
  { text: '{"a":1', at: 6, wanted: '"," or "}"', got: 'the end of the text' },
  { text: '"abc', at: 4, wanted: 'a closing quote', got: 'the end of the text' },
  { text: '"\\x"', at: 1, wanted: 'an escape', got: '"\\\\x\\""' },
  { text: '"\\u12"', at: 1, wanted: 'an escape', got: '"\\\\u12\\""' },
  { text: '"\n"', at: 1, wanted: 'an escaped control character', got: '"\\n\\""' },
  { text: '01', at: 1, wanted: 'the end of the text', got: '"1"' },
  { text: '+1', at: 0, wanted: 'a value', got: '"+1"' },
  { text: '1.', at: 1, wanted: 'the end of the text', got: '"."' },
  { text: 'NaN', at: 0, wanted: 'a value', got: '"NaN"' },
  { text: '{} {}', at: 3, wanted: 'the end of the text', got: '"{}"' },
  { text: '\ufeff{}', at: 0, wanted: 'a value', got: '"\ufeff{}"' },
]
for (const { text, ...refusal } of refused)
  test(`[JP1] ${JSON.stringify(text)} goes wrong at ${refusal.at}: wanted ${refusal.wanted}`, () => {
    expect(parseJson(text)).toEqual({ ok: false, ...refusal })
  })

test('[JP1] texts are taken exactly when JSON takes them', () => {
  const noise = fc.string({ unit: fc.constantFrom(...'{}[]",:\\u0019.eE+-truefalsn \n') })
  const broken = fc.tuple(fc.json(), fc.nat(), noise).map(([text, at, extra]) => {
    const cut = at % (text.length + 1)
    return text.slice(0, cut) + extra + text.slice(cut + (at % 3))
  })
  fc.assert(
    fc.property(fc.oneof(fc.json(), noise, broken), (text) => {
      const parsed = parseJson(text)
      let value: unknown
      try {
        value = JSON.parse(text)
      } catch {
        expect(parsed.ok).toBe(false)
        if (!parsed.ok) expect(parsed.at).toBeLessThanOrEqual(text.length)
        return
      }
      // Generated numbers stay within a double, or both sides would have to say so.
      if (parsed.ok) expect(canonicalJson(parsed.value)).toBe(canonicalJson(value))
      else expect(parsed.wanted).toBe('numbers that fit a double')
    }),
    { numRuns: 1000 },
  )
})

test('[JP2] of equal keys the last one wins', () => {
  expect(parseJson('{"a":1,"b":0,"a":{"c":1,"c":2}}')).toEqual({ ok: true, value: { a: { c: 2 }, b: 0 } })
})

test('[JP3] __proto__ is an own member and reaches no prototype', () => {
  const text = '{"__proto__":{"admin":true},"constructor":{"prototype":{"admin":true}},"x":"\\ud800"}'
  const parsed = parseJson(text)
  if (!parsed.ok || !isJsonObject(parsed.value)) throw new Error('not parsed')
  expect(Object.keys(parsed.value)).toEqual(['__proto__', 'constructor', 'x'])
  expect(Object.getPrototypeOf(parsed.value)).toBe(Object.prototype)
  expect(parsed.value.admin).toBeUndefined()
  expect(canonicalJson(parsed.value)).toBe(
    '{"__proto__":{"admin":true},"constructor":{"prototype":{"admin":true}},"x":"�"}',
  )
})

test('[JP4] brackets inside texts do not nest, escaped quotes do not end texts', () => {
  expect(parseJson(`["${'['.repeat(200)}\\"${'{'.repeat(200)}\\\\"]`)).toMatchObject({ ok: true })
  expect(parseJson('[[[1]]]', { depth: 2 })).toMatchObject({ ok: false, at: 2, got: 'level 3' })
  expect(parseJson('[{"a":[]},[[]]]', { depth: 3 })).toMatchObject({ ok: true })
})

test('[JP4] a text that is too long is refused unread', () => {
  expect(parseJson('[1,2,3]', { length: 6 })).toEqual({
    ok: false,
    at: 6,
    wanted: 'at most 6 characters',
    got: '7',
  })
})

for (const text of ['1e400', '[-1e999]', `{"a":${'9'.repeat(400)}}`, '[{"b":[1E+309]}]'])
  test(`[JP5] ${text.slice(0, 24)} does not become infinite`, () => {
    expect(parseJson(text)).toMatchObject({ ok: false, wanted: 'numbers that fit a double' })
  })

test('[JP5] large numbers that fit, and texts that only look large, are taken', () => {
  expect(parseJson('[1e308,1e-400,"1e999"]')).toEqual({ ok: true, value: [1e308, 0, '1e999'] })
})

test('[CJ5] half pairs are mended as the text is read, whole pairs are left', () => {
  expect(parseJson('{"\\ud800":["\\udc00x","\\ud83d\\ude00"]}')).toEqual({
    ok: true,
    value: { '\ufffd': ['\ufffdx', '😀'] },
  })
  expect(parseJson('"\ud800"')).toEqual({ ok: true, value: '\ufffd' })
})
