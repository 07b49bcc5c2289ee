import { Buffer } from 'node:buffer'
import { deflateSync } from 'node:zlib'
import { decode, decodeFirst, encode, type Limits, type Term, TermRefused, tryDecode } from '@waymark/etf'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { anyTerm } from './generate.ts'
import { bytes, vectors } from './vectors.ts'

const refusal = (input: Uint8Array, limits?: Partial<Limits>) => {
  const outcome = tryDecode(input, limits === undefined ? {} : { limits })
  return outcome.ok ? undefined : outcome.refusal
}
const repeat = (head: string, times: number, tail = '') => bytes(`83${head.repeat(times)}${tail}`)
const compressed = (inside: Uint8Array, claimed = inside.length) =>
  new Uint8Array(Buffer.concat([Buffer.from([131, 80]), u32(claimed), deflateSync(inside)]))
const u32 = (value: number) => {
  const buffer = Buffer.alloc(4)
  buffer.writeUInt32BE(value)
  return buffer
}

describe('[ET20] what breaks the format is refused by name', () => {
  const refused: [string, string, string][] = [
    ['nothing at all', '', 'truncated'],
    ['a version alone', '83', 'truncated'],
    ['another version', '826100', 'bad-version'],
    ['an unknown tag', '8301', 'unknown-tag'],
    ['tag 255', '83ff', 'unknown-tag'],
    ['a version within a term', '8368018361 01'.replace(' ', ''), 'unknown-tag'],
    ['ATOM_CACHE_REF', '835200', 'atom-cache'],
    ['ATOM_CACHE_REF inside', '8368015200', 'atom-cache'],
    ['ATOM_CACHE_REF as a node', '8367520000000009000000 0103'.replace(' ', ''), 'atom-cache'],
    ['a distribution header', '834400', 'atom-cache'],
    ['a distribution fragment', '8345000000', 'atom-cache'],
    ['a local term inside another', '836801796101', 'unknown-tag'],
    ['a NaN', '83467ff8000000000000', 'malformed'],
    ['an infinite float', '8346fff0000000000000', 'malformed'],
    ['an old float without a point', `8363${'31'.repeat(2)}${'00'.repeat(29)}`, 'malformed'],
    [
      'an old float with a space',
      `8363${Buffer.from(' 1.5').toString('hex')}${'00'.repeat(27)}`,
      'malformed',
    ],
    [
      'an old float that is infinite',
      `8363${Buffer.from('1.5e999').toString('hex')}${'00'.repeat(24)}`,
      'malformed',
    ],
    [
      'an old float in hexadecimal',
      `8363${Buffer.from('0x1.5').toString('hex')}${'00'.repeat(26)}`,
      'malformed',
    ],
    ['an atom of 256 characters', `83640100${'61'.repeat(256)}`, 'malformed'],
    ['an atom of 256 characters in UTF-8', `83760200${'cebb'.repeat(256)}`, 'malformed'],
    ['an atom that is not UTF-8', '837701e9', 'bad-utf8'],
    ['an atom with a surrogate', '837703eda080', 'bad-utf8'],
    ['an overlong atom', '837702c080', 'bad-utf8'],
    ['a bit count of 9', '834d0000000109ff', 'malformed'],
    ['a bit count of 0', '834d0000000100ff', 'malformed'],
    ['bits of no bytes', '834d0000000003', 'malformed'],
    ['a pid whose node is a number', '835861010000000900000001 00000007'.replace(' ', ''), 'malformed'],
    ['a reference without words', '837200006400036140 6203'.replace(' ', ''), 'malformed'],
    ['a reference of six words', `835a0006640003614062${'00000009'.repeat(7)}`, 'malformed'],
    ['an export of a negative arity', '83716400016164000162 62ffffffff'.replace(' ', ''), 'malformed'],
    ['an export whose arity is a list', '837164000161640001626a', 'malformed'],
    ['a fun smaller than its own size', '837000000003', 'truncated'],
    ['compressed inside a term', '83680150000000026100', 'unknown-tag'],
  ]
  for (const [name, spelled, kind] of refused)
    test(name, () => expect(refusal(bytes(spelled))).toMatchObject({ kind, wanted: expect.any(String) }))

  test('a fun whose size does not fit its parts', () => {
    const fun = vectors.find(({ erlang }) => erlang === 'fun (Y) -> … end')?.hex ?? ''
    const padded = bytes(`${fun}00`)
    padded[5] = (padded[5] as number) + 1
    expect(refusal(padded)).toMatchObject({ kind: 'malformed' })
  })

  test('the refusal says where, what was wanted and what came', () => {
    expect(() => decode(bytes('83680161'))).toThrow(
      'SMALL_INTEGER_EXT at byte 4: wanted 1 bytes or more, got 0',
    )
  })
})

describe('[ET21] a count or length that lies is refused before anything is made for it', () => {
  for (const [name, spelled] of [
    ['list', '836cffffffff6a'],
    ['tuple', '8369ffffffff6a'],
    ['map', '8374ffffffff6a'],
    ['binary', '836dffffffff00'],
    ['bit binary', '834dffffffff0100'],
    ['big integer', '836fffffffff0000'],
    ['string', '836bffff00'],
    ['atom', '8364ffff00'],
    ['free variables of a fun', '8375ffffffff'],
    ['one more element than there are bytes', '836c0000000261016a'],
  ] as const)
    test(name, () => expect(refusal(bytes(spelled))).toMatchObject({ kind: 'truncated' }))

  test('nested lies of 512 levels cost no more than their bytes', () => {
    const before = process.memoryUsage().rss
    const lie = Buffer.concat([
      Buffer.from([131]),
      ...Array(511).fill(Buffer.from('6c000f0000', 'hex')),
      Buffer.alloc(1 << 20, 106),
    ])
    expect(refusal(new Uint8Array(lie))).toBeDefined()
    expect(process.memoryUsage().rss - before).toBeLessThan(256 << 20)
  })
})

describe('[ET22] the limits hold', () => {
  test('depth: as many levels as allowed are read, one more is refused, in every container', () => {
    for (const [head, tail] of [
      ['6801', '6a'],
      ['6900000001', '6a'],
      ['6c00000001', '6a'],
      ['7400000001', '6a'],
    ] as const) {
      const closing = head.startsWith('6c') ? '6a' : head.startsWith('74') ? '61 01'.replace(' ', '') : ''
      const nested = (depth: number) => repeat(head, depth - 1, tail + closing.repeat(depth - 1))
      // A map's first term is its key, and keys have a limit of their own.
      const most = head.startsWith('74') ? 9 : 512
      expect(refusal(nested(most))).toBeUndefined()
      expect(refusal(nested(most + 2))?.kind).toBe('too-deep')
      expect(refusal(repeat(head, 200_000))?.kind).toBe('too-deep')
    }
  })

  test('depth: the deepest limit that can be set fits the stack, both ways', () => {
    const limits = { depth: 1024 }
    const input = repeat('6801', 1023, '6a')
    expect(encode(decode(input, { limits }), { limits })).toEqual(input)
    const values = repeat('74000000016100', 1023, '6a')
    expect(encode(decode(values, { limits }), { limits })).toEqual(values)
  })

  test('tails of lists are followed without nesting', () => {
    expect(decode(repeat('6c00000000', 100_000, '6a'))).toEqual([])
    expect(decode(repeat('6c000000016100', 50_000, '6a'))).toHaveLength(50_000)
  })

  test('terms: elements, keys, values and the characters of strings count', () => {
    const limits = { terms: 4 }
    expect(refusal(encode([1000, 2000, 3000]), limits)).toBeUndefined()
    expect(refusal(encode([1000, 2000, 3000, 4000]), limits)?.kind).toBe('too-many')
    expect(refusal(encode([1, 2, 3, 4]), limits)?.kind).toBe('too-many')
    expect(
      refusal(
        encode(
          new Map([
            [1, 2],
            [3, 4],
          ]),
        ),
        limits,
      )?.kind,
    ).toBe('too-many')
    expect(refusal(repeat('6a', 1), { terms: 1 })).toBeUndefined()
  })

  test('bytes of a message and of an integer', () => {
    expect(refusal(encode('x'.repeat(100)), { bytes: 50 })?.kind).toBe('too-large')
    expect(refusal(encode(1n << 800n), { integerBytes: 100 })?.kind).toBe('too-large')
    expect(refusal(encode((1n << 800n) - 1n), { integerBytes: 100 })).toBeUndefined()
  })

  test('limits that are no positive integers are the caller’s mistake', () => {
    for (const limits of [
      { depth: 0 },
      { terms: -1 },
      { bytes: 1.5 },
      { depth: 1025 },
      { bytes: Number.NaN },
    ])
      expect(() => decode(bytes('836a'), { limits })).toThrow(RangeError)
  })
})

describe('[ET23] compressed terms are bounded before and while they are inflated', () => {
  const inside = encode('x'.repeat(5000)).subarray(1)

  test('an honest one is read, and says how many bytes were its own', () => {
    const input = compressed(inside)
    expect(decode(input)).toEqual(decode(encode('x'.repeat(5000))))
    expect(decodeFirst(new Uint8Array([...input, 1, 2, 3])).used).toBe(input.length)
    expect(refusal(new Uint8Array([...input, 1]))?.kind).toBe('trailing-bytes')
  })

  const cases: [string, Uint8Array, string, Partial<Limits>?][] = [
    ['claims more than it holds', compressed(inside, inside.length + 1), 'bad-compression'],
    ['claims less than it holds', compressed(inside, inside.length - 1), 'bad-compression'],
    ['claims nothing', compressed(inside, 0), 'malformed'],
    ['claims beyond the limit', compressed(inside), 'too-large', { inflatedBytes: 5000 }],
    ['claims 4 GiB', compressed(inside, 0xffffffff), 'too-large'],
    ['claims beyond the ratio', compressed(Buffer.alloc(4 << 20, 106)), 'too-large'],
    ['goes on beyond its claim', compressed(Buffer.alloc(15 << 20, 106), 100), 'bad-compression'],
    ['is no zlib stream', bytes('83500000000500112233'), 'bad-compression'],
    ['is cut short', compressed(inside).subarray(0, -5), 'bad-compression'],
    ['is empty', bytes('835000000005'), 'bad-compression'],
    ['holds a term and more', compressed(new Uint8Array([97, 1, 1])), 'trailing-bytes'],
    ['holds a version byte', compressed(new Uint8Array([131, 97, 1])), 'unknown-tag'],
    ['holds a compressed term', compressed(compressed(inside).subarray(1)), 'unknown-tag'],
    ['holds a lie', compressed(bytes('6cffffffff')), 'truncated'],
  ]
  for (const [name, input, kind, limits] of cases)
    test(`one that ${name}`, () => expect(refusal(input, limits)).toMatchObject({ kind }))
})

describe('[ET24] whatever comes, the answer is a term or a refusal', () => {
  const settled = (input: Uint8Array) => {
    for (const options of [{}, { binaries: 'text' }, { binaries: 'view', floats: 'number' }] as const) {
      const outcome = tryDecode(input, options)
      if (outcome.ok) continue
      expect(outcome.refusal).toMatchObject({
        thing: expect.any(String),
        wanted: expect.any(String),
        got: expect.any(String),
      })
    }
  }

  test('random bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (tail) => settled(new Uint8Array([131, ...tail]))),
      { numRuns: 2000 },
    )
  })

  test('terms with a byte changed, dropped or doubled', () => {
    fc.assert(
      fc.property(anyTerm, fc.nat(), fc.nat(255), fc.constantFrom(0, 1, 2), (term, where, byte, copies) => {
        const input = [...encode(term)]
        input.splice(where % input.length, 1, ...Array(copies).fill(byte))
        settled(new Uint8Array(input))
      }),
      { numRuns: 1000 },
    )
  })

  test('every vector with every byte set to every edge', () => {
    for (const { hex } of vectors.filter((vector) => vector.hex.length < 400))
      for (let at = 0; at < hex.length / 2; at++)
        for (const value of [0, 1, 127, 128, 255]) {
          const input = bytes(hex)
          input[at] = value
          settled(input)
        }
  })

  test('a term that is read again after a mutation is written as it will be read', () => {
    fc.assert(
      fc.property(anyTerm, fc.nat(), fc.nat(255), (term, where, byte) => {
        const input = encode(term)
        input[where % input.length] = byte
        const outcome = tryDecode(input)
        if (outcome.ok) expect(decode(encode(outcome.value))).toEqual(outcome.value)
      }),
      { numRuns: 1000 },
    )
  })

  test('keys nested in keys are compared within bounds', () => {
    let key: Term = 'x'.repeat(100_000)
    for (let i = 0; i < 7; i++)
      key = new Map<Term, Term>([
        [key, 1],
        [[i], 2],
      ])
    expect(refusal(encode(key))).toBeUndefined()
    for (let i = 0; i < 3; i++)
      key = new Map<Term, Term>([
        [key, 1],
        [[i], 2],
      ])
    expect(refusal(encode(key))?.kind).toBe('too-deep')
  })

  test('a refusal is a TermRefused and nothing else', () => {
    expect(() => decode(bytes('8301'))).toThrow(TermRefused)
  })
})
