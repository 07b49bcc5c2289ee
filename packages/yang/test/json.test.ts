import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { JsonDecimal, type JsonValue, parseJson, printJson } from '../src/data/index.ts'

function read(text: string): JsonValue {
  const parsed = parseJson(text)
  if (!parsed.ok) throw new Error(`${text}: found ${parsed.found}, expected ${parsed.expected}`)
  return parsed.value
}

describe('[J1] numbers stay what they were', () => {
  const rows: [text: string, value: JsonValue][] = [
    ['0', 0],
    ['-1', -1],
    ['1.50', 1.5],
    ['1e3', 1000],
    ['9007199254740991', 9007199254740991],
    ['9007199254740992', 9007199254740992n],
    ['18446744073709551615', 18446744073709551615n],
    ['-9223372036854775808', -9223372036854775808n],
    ['0.1', 0.1],
    ['1.00000000000000000001', new JsonDecimal('1.00000000000000000001')],
    ['1e400', new JsonDecimal('1e400')],
    ['9.223372036854775807', new JsonDecimal('9.223372036854775807')],
  ]
  for (const [text, value] of rows) test(text, () => expect(read(text)).toEqual(value))

  test('whole numbers of any size come back digit by digit', () => {
    fc.assert(
      fc.property(fc.bigInt(), (number) => {
        expect(printJson(read(number.toString()))).toBe(number.toString())
      }),
    )
  })
})

test('[J2] what JSON.parse reads is read alike, and comes back', () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.constantFrom(0, 2), (value, indent) => {
      const text = JSON.stringify(value, undefined, indent)
      expect(JSON.parse(printJson(read(text), indent))).toEqual(JSON.parse(text))
      expect(printJson(read(printJson(read(text))))).toBe(printJson(read(text)))
    }),
    { numRuns: 2000 },
  )
})

describe('[J3] what is no JSON is refused with its place', () => {
  const rows: [text: string, line: number, column: number][] = [
    ['', 1, 1],
    ['{', 1, 2],
    ['[1,]', 1, 4],
    ['{"a":1,}', 1, 8],
    ['{"a" 1}', 1, 6],
    ['{a:1}', 1, 2],
    ['01', 1, 1],
    ['1.', 1, 3],
    ['1e', 1, 3],
    ['+1', 1, 1],
    ['.5', 1, 1],
    ['NaN', 1, 1],
    ['nul', 1, 1],
    ['"a', 1, 3],
    ['"\\x"', 1, 2],
    ['"\\u12"', 1, 2],
    ['"a\nb"', 1, 3],
    ['1 2', 1, 3],
    ['[\n1,\n  x]', 3, 3],
    ["{'a':1}", 1, 2],
    ['{"a":1,\n "a":2}', 2, 2],
    ['{"__proto__":1,"__proto__":2}', 1, 16],
  ]
  for (const [text, line, column] of rows)
    test(JSON.stringify(text), () => expect(parseJson(text)).toMatchObject({ ok: false, line, column }))
})

describe('[J4] depth, length, values and digits are limited', () => {
  test('depth', () => {
    expect(parseJson(`${'['.repeat(200)}${']'.repeat(200)}`).ok).toBe(true)
    expect(parseJson(`${'['.repeat(201)}${']'.repeat(201)}`).ok).toBe(false)
    expect(parseJson('['.repeat(1_000_000)).ok).toBe(false)
    expect(parseJson(`[${'[],'.repeat(1000)}[]]`).ok).toBe(true)
  })
  test('values, members and elements alike', () => {
    const limits = { length: 99, depth: 9, values: 4 }
    expect(parseJson('{"a":[1,2]}', limits).ok).toBe(true)
    expect(parseJson('{"a":[1,2],"b":{}}', limits)).toMatchObject({
      ok: false,
      at: 15,
      found: 'another value',
      expected: 'at most 4',
    })
  })
  test('length', () => expect(parseJson('[1,2,3]', { length: 6, depth: 9 }).ok).toBe(false))
  test('digits', () => expect(parseJson('9'.repeat(100_000)).ok).toBe(false))
})

test('[J5] no text makes the reader throw', () => {
  const pieces = fc.constantFrom(
    ...'{}[]:,"\\0123456789.eE+-truefalsn \n\u{1F600}',
    '"a"',
    '\\u00',
    '__proto__',
  )
  fc.assert(
    fc.property(fc.array(pieces, { maxLength: 20 }), (parts) => {
      const text = parts.join('')
      const ours = parseJson(text)
      let theirs = true
      try {
        JSON.parse(text)
      } catch {
        theirs = false
      }
      // Ours refuses more: members twice.
      if (ours.ok) expect(theirs).toBe(true)
      else if (theirs) expect(ours.found).toMatch(/again$/)
    }),
    { numRuns: 5000 },
  )
})

test('[J6] a member called __proto__ is a member', () => {
  const value = read('{"__proto__":{"x":1}}')
  expect(Object.getPrototypeOf(value)).toBe(Object.prototype)
  expect(printJson(value)).toBe('{"__proto__":{"x":1}}')
})
