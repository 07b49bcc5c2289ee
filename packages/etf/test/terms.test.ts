import {
  Atom,
  atom,
  BitBinary,
  decode,
  type EncodeOptions,
  Export,
  encode,
  equalTerms,
  Float,
  ImproperList,
  isAtom,
  mapGet,
  Pid,
  Port,
  property,
  Reference,
  type Term,
  TermRefused,
  Tuple,
  textOf,
  tryDecode,
  tuple,
} from '@waymark/etf'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { anyTerm } from './generate.ts'
import { bytes, hex } from './vectors.ts'

const spellings: EncodeOptions[] = [
  {},
  { atoms: 'utf8' },
  { atoms: 'small-latin1' },
  { floats: 'text' },
  { compress: 6 },
]

describe('round trips', () => {
  for (const options of spellings)
    test(`[ET2] any term comes back as it went: ${JSON.stringify(options)}`, () => {
      fc.assert(
        fc.property(anyTerm, (term) => {
          const there = encode(term, options)
          const back = decode(there)
          expect(back).toEqual(term)
          expect(equalTerms(back, term)).toBe(true)
          expect(hex(encode(back, options))).toBe(hex(there))
        }),
        { numRuns: 300 },
      )
    })

  test('[ET3] the type of a number is decided by its kind and size, never by luck', () => {
    expect(decode(encode(2))).toBe(2)
    expect(decode(encode(2n))).toBe(2)
    expect(decode(encode(new Float(2)))).toEqual(new Float(2))
    expect(decode(encode(2.5))).toEqual(new Float(2.5))
    expect(decode(encode(2n ** 53n - 1n))).toBe(Number.MAX_SAFE_INTEGER)
    expect(decode(encode(2n ** 53n))).toBe(2n ** 53n)
    expect(decode(encode(-0))).toBe(0)
    expect(decode(encode(new Float(2)), { floats: 'number' })).toBe(2)
  })

  test('[ET3] a series of floats as numbers is read like any list: checked, counted, and with any tail', () => {
    const series = [0.5, 2, -0.25].map((value) => new Float(value))
    const read = (term: Term, terms = 100) => decode(encode(term), { floats: 'number', limits: { terms } })
    expect(read(series)).toEqual([0.5, 2, -0.25])
    expect(read([...series, 1, 2])).toEqual([0.5, 2, -0.25, 1, 2])
    expect(read(new ImproperList<Term>(series, atom('x')))).toEqual(
      new ImproperList<Term>([0.5, 2, -0.25], atom('x')),
    )
    expect(refusalOf(() => read(series, 3))?.kind).toBe('too-many')
    expect(refusalOf(() => decode(encode([series]), { floats: 'number', limits: { depth: 2 } }))?.kind).toBe(
      'too-deep',
    )
    const nan = bytes('836c00000002463ff8000000000000467ff80000000000006a')
    expect(refusalOf(() => decode(nan, { floats: 'number' }))).toMatchObject({
      kind: 'malformed',
      thing: 'float',
    })
  })

  test('[ET4] a string goes as a binary and a boolean as an atom', () => {
    expect(decode(encode('Dépôt'))).toEqual(new Uint8Array(Buffer.from('Dépôt')))
    expect(decode(encode(true))).toEqual(atom('true'))
    expect(decode(encode('x'.repeat(1000)), { binaries: 'text' })).toBe('x'.repeat(1000))
  })

  test('[ET5] as text, valid UTF-8 is a string (byte order mark included) and other bytes stay bytes', () => {
    const read = (data: number[] | string) =>
      decode(encode(new Uint8Array(Buffer.from(data as string))), { binaries: 'text' })
    for (const text of [
      '',
      'a',
      'fleet',
      'ab'.repeat(7),
      'é',
      '\ufeffx',
      '\ufffd',
      'λ'.repeat(50),
      '🚚',
      'x'.repeat(99),
    ])
      expect(read(text)).toBe(text)
    for (const data of [
      [0xff],
      [0x61, 0xe9],
      [0xed, 0xa0, 0x80],
      [0xc0, 0x80],
      [...Array(40).fill(97), 0xff],
    ])
      expect(read(data)).toEqual(Uint8Array.from(data))
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (data) => {
        const term = decode(encode(data), { binaries: 'text' })
        expect(hex(encode(term))).toBe(hex(encode(data)))
      }),
    )
  })

  test('[ET6] a copy is its own memory; a view is a window on the input', () => {
    const input = encode(new Uint8Array([1, 2, 3]))
    const copy = decode(input)
    const view = decode(input, { binaries: 'view' })
    input[input.length - 1] = 9
    expect(copy).toEqual(Uint8Array.of(1, 2, 3))
    expect(view).toEqual(Uint8Array.of(1, 2, 9))
  })

  test('[ET7] what encode hands out is not touched by the next call', () => {
    const first = encode('first')
    const before = hex(first)
    encode('second, and longer than the first')
    expect(hex(first)).toBe(before)
  })

  test('[ET8] a call of encode within a call does not disturb the outer one', () => {
    let inner = ''
    const nosy = new Proxy([1000, 2000], {
      get(target, key, receiver) {
        if (key === '1') inner = hex(encode('inside'))
        return Reflect.get(target, key, receiver)
      },
    })
    expect(hex(encode(nosy))).toBe(hex(encode([1000, 2000])))
    expect(inner).toBe(hex(encode('inside')))
  })

  test('[ET9] opaque terms made from their parts are read as the same parts', () => {
    const made: Term[] = [
      new Pid('a@b', 1, 2, 3),
      new Port('a@b', 7n, 3),
      new Port('a@b', 1n << 40n, 3),
      new Reference('a@b', 9, [1, 2, 3]),
      new Export('lists', 'map', 2),
    ]
    for (const term of made) expect(equalTerms(decode(encode(term)), term)).toBe(true)
  })

  test('[ET10] compression is used where it is shorter, and only there', () => {
    expect(encode('x'.repeat(500), { compress: 9 })[1]).toBe(80)
    expect(encode('x', { compress: 9 })[1]).toBe(109)
  })
})

describe('what is no term', () => {
  const circle: Term[] = []
  circle.push(circle)
  const refused: [string, unknown, string][] = [
    ['null', null, 'not-a-term'],
    ['undefined', undefined, 'not-a-term'],
    ['a plain object', { a: 1 }, 'not-a-term'],
    ['a plain object with the parts of an opaque term', { encoded: Uint8Array.of(1) }, 'not-a-term'],
    ['an object without a prototype', Object.create(null), 'not-a-term'],
    ['a function', () => 1, 'not-a-term'],
    ['a symbol', Symbol('x'), 'not-a-term'],
    ['NaN', Number.NaN, 'not-a-term'],
    ['an infinite float', new Float(Number.POSITIVE_INFINITY), 'not-a-term'],
    ['a number beyond 2^53', 1e300, 'not-a-term'],
    ['a hole in a list', Array(3), 'not-a-term'],
    ['a lone surrogate', 'a\ud800', 'bad-utf8'],
    ['an atom of 256 characters', atom('a'.repeat(256)), 'not-a-term'],
    ['an atom with a lone surrogate', atom('λ\udc00'), 'bad-utf8'],
    ['a list in itself', circle, 'too-deep'],
    ['an improper list that is proper', new ImproperList<Term>([1], []), 'not-a-term'],
    ['an improper list without elements', new ImproperList<Term>([], 1), 'not-a-term'],
    ['a bit binary of 8 bits', new BitBinary(Uint8Array.of(1), 8), 'not-a-term'],
    ['a pid with a negative part', new Pid('a@b', -1, 0, 0), 'not-a-term'],
    ['a port of 65 bits', new Port('a@b', 1n << 64n, 0), 'not-a-term'],
    ['a reference of six words', new Reference('a@b', 1, [1, 2, 3, 4, 5, 6]), 'not-a-term'],
    ['an export of arity 256', new Export('m', 'f', 256), 'not-a-term'],
  ]
  for (const [name, value, kind] of refused)
    test(`[ET11] ${name} is refused by name`, () => {
      expect(refusalOf(() => encode(value as Term))).toMatchObject({ kind, wanted: expect.any(String) })
    })

  test('[ET12] the limits hold for what is encoded as well', () => {
    let shared: Term[] = [1000]
    for (let i = 0; i < 40; i++) shared = [shared, shared]
    expect(refusalOf(() => encode(shared))?.kind).toBe('too-many')
    expect(refusalOf(() => encode('x'.repeat(100), { limits: { bytes: 50 } }))?.kind).toBe('too-large')
    expect(refusalOf(() => encode(1n << 80n, { limits: { integerBytes: 8 } }))?.kind).toBe('too-large')
    expect(() => encode(1, { limits: { depth: 5000 } })).toThrow(RangeError)
    expect(() => encode(1, { compress: 10 })).toThrow(RangeError)
    expect(hex(encode('x'.repeat(45), { limits: { bytes: 51 } })).length).toBe(102)
  })
})

describe('equality', () => {
  test('[ET13] equal terms are equal whatever they are spelled with, different ones are not', () => {
    const equal: [Term, Term][] = [
      [atom('a'), new Atom('a')],
      [true, atom('true')],
      ['é', new Uint8Array([0xc3, 0xa9])],
      [5n, 5],
      [
        new Map<Term, Term>([
          [1, 2],
          [atom('a'), 3],
        ]),
        new Map<Term, Term>([
          [atom('a'), 3],
          [1, 2],
        ]),
      ],
      [new Reference('a@b', 1, [5]), new Reference('a@b', 1, [5, 0, 0])],
    ]
    const different: [Term, Term][] = [
      [1, new Float(1)],
      [new Float(0), new Float(-0)],
      [atom('a'), 'a'],
      [[1, 2], tuple(1, 2)],
      [[1, 2], new ImproperList<Term>([1], 2)],
      [[[1], 2], [[1, 2]]],
      [[], tuple()],
      ['ab', [97, 98]],
      [new BitBinary(Uint8Array.of(0x80), 1), new BitBinary(Uint8Array.of(0x80), 2)],
      [tuple<Term>(12, 3), tuple<Term>(1, 23)],
    ]
    for (const [a, b] of equal) expect(equalTerms(a, b)).toBe(true)
    for (const [a, b] of different) expect(equalTerms(a, b)).toBe(false)
  })

  test('[ET14] mapGet finds a key by what it is, not by which object it is', () => {
    const map = decode(
      encode(
        new Map<Term, Term>([
          [atom('a'), 1],
          ['b', 2],
          [3, 4],
          [tuple(1, 2), 5],
        ]),
      ),
    ) as Map<Term, Term>
    expect(mapGet(map, atom('a'))).toBe(1)
    expect(mapGet(map, 'b')).toBe(2)
    expect(mapGet(map, 3)).toBe(4)
    expect(mapGet(map, tuple(1, 2))).toBe(5)
    expect(mapGet(map, 'a')).toBeUndefined()
  })

  test('[ET15] a map with a key twice is refused, as Erlang refuses it', () => {
    const twice = [
      '83740000000261016101610161 02',
      '8374000000026400016161016400016161 02',
      '83740000000264000161610177016161 02',
      '8374000000026d000000016161016d000000016161 02',
      '837400000002680161016101680161016102',
      '8374000000027400000000610174000000006102',
    ]
    for (const spelled of twice)
      expect(tryDecode(bytes(spelled.replace(' ', '')))).toMatchObject({ refusal: { kind: 'duplicate-key' } })
    const many = new Map<Term, Term>(Array.from({ length: 20 }, (_, i) => [atom(`k${i % 19}`), i]))
    expect(tryDecode(encode(many))).toMatchObject({ refusal: { kind: 'duplicate-key' } })
  })
})

describe('reading', () => {
  test('[ET16] text is read from every form that Erlang programs give it', () => {
    expect(textOf(decode(encode('fleet')))).toBe('fleet')
    expect(textOf(atom('fleet'))).toBe('fleet')
    expect(textOf([102, 108, 955])).toBe('flλ')
    expect(textOf([])).toBe('')
    expect(textOf(tuple<Term>(atom('bert'), atom('nil')))).toBe('')
    expect(textOf([1, atom('a')])).toBeUndefined()
    expect(textOf([0xd800])).toBeUndefined()
    expect(textOf(Uint8Array.of(0xff))).toBeUndefined()
    expect(textOf(5)).toBeUndefined()
  })

  test('[ET17] a property is found by its text in lists of pairs and in maps', () => {
    const list = decode(
      encode([tuple<Term>(atom('a'), 1), tuple<Term>('b', 2), tuple<Term>([99], 3), atom('d')]),
    )
    expect(['a', 'b', 'c', 'd', 'e'].map((key) => property(list, key))).toEqual([1, 2, 3, true, undefined])
    expect(property(new Map<Term, Term>([[atom('a'), 1]]), 'a')).toBe(1)
    expect(property(7, 'a')).toBeUndefined()
  })

  test('[ET18] atoms are ordinary objects: nothing remembers them', () => {
    const [a, b] = [decode(encode(atom('ok'))), decode(encode(atom('ok')))]
    expect(a).not.toBe(b)
    expect(isAtom(a, 'ok') && isAtom(b, 'ok') && !isAtom(a, 'no')).toBe(true)
    expect(`${a}`).toBe('ok')
  })

  test('a tuple can be walked and asked', () => {
    const pair = new Tuple([1, 2])
    expect([...pair]).toEqual([1, 2])
    expect([pair.length, pair.at(1), pair.at(2)]).toEqual([2, 2, undefined])
    expect(Number(new Float(1.5)) + 1).toBe(2.5)
  })
})

function refusalOf(work: () => unknown) {
  try {
    work()
  } catch (error) {
    if (error instanceof TermRefused) return error.refusal
    throw error
  }
  return undefined
}
