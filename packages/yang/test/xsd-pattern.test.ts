import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { compilePattern, matchBudget, patternLimits } from '../src/xsd-pattern.ts'

function compiled(source: string) {
  const pattern = compilePattern(source)
  if (!pattern.ok) throw new Error(`${source}: ${pattern.expected} at ${pattern.at}`)
  return pattern
}

const verdicts: { pattern: string; yes: string[]; no: string[] }[] = [
  { pattern: '', yes: [''], no: ['a'] },
  { pattern: 'abc', yes: ['abc'], no: ['ab', 'abcd', 'xabc', 'abc\n'] },
  { pattern: 'a|b', yes: ['a', 'b'], no: ['', 'ab'] },
  { pattern: 'a|', yes: ['a', ''], no: ['b'] },
  { pattern: '(ab)*', yes: ['', 'ab', 'abab'], no: ['aba'] },
  { pattern: '(a*)*', yes: ['', 'aaaa'], no: ['b'] },
  { pattern: '(a?){3}', yes: ['', 'a', 'aaa'], no: ['aaaa'] },
  { pattern: '(a?b?){2,3}', yes: ['', 'ab', 'ba', 'ababab', 'bab'], no: ['bbbb', 'bababa'] },
  { pattern: '((a|b?){2}c?){2}', yes: ['', 'abcab', 'bbbb', 'cc', 'abc'], no: ['abcabcc', 'bbbbb'] },
  { pattern: 'a{0}', yes: [''], no: ['a'] },
  { pattern: 'a{2,}', yes: ['aa', 'aaaaa'], no: ['a', ''] },
  { pattern: '(a|aa){2,3}', yes: ['aa', 'aaaaaa'], no: ['a', 'aaaaaaa'] },
  { pattern: '((ab){2}c){2}', yes: ['ababcababc'], no: ['ababc', 'abcabc', 'ababcababcababc'] },
  { pattern: '(a{2}){0,2}', yes: ['', 'aa', 'aaaa'], no: ['aaa', 'aaaaaa'] },
  { pattern: '^a$', yes: ['^a$'], no: ['a'] },
  { pattern: '.', yes: ['a', '\u{1F600}', '\u2028'], no: ['\n', '\r', '', 'aa'] },
  { pattern: '[^a]', yes: ['b', '\n'], no: ['a', ''] },
  { pattern: '[a^]', yes: ['a', '^'], no: ['b'] },
  { pattern: '[-a]', yes: ['-', 'a'], no: ['b'] },
  { pattern: '[a-]', yes: ['-', 'a'], no: ['b'] },
  { pattern: '[\\w.-]+', yes: ['a.b-c'], no: ['a b'] },
  { pattern: '[\\-a\\]\\[\\^]+', yes: ['-a][^'], no: ['b'] },
  { pattern: '[+--]', yes: ['+', ',', '-'], no: ['.'] },
  { pattern: '[a-z-[aeiou]]+', yes: ['xyz'], no: ['xaz', 'A'] },
  { pattern: '[a-z-[b-y-[m]]]+', yes: ['amz'], no: ['b'] },
  { pattern: '[^0-9-[a-z]]+', yes: ['ABC'], no: ['a', '5'] },
  { pattern: '\\d+', yes: ['019', '\u0665'], no: ['a', ''] },
  { pattern: '\\D', yes: ['a'], no: ['1'] },
  { pattern: '\\w+', yes: ['azAZ09\u00e9+$'], no: ['.', ' ', '-', '_'] },
  { pattern: '\\W', yes: ['.', ' ', '_'], no: ['a'] },
  { pattern: '\\s\\S', yes: [' a', '\tb'], no: ['\u00a0a', '  '] },
  { pattern: '\\i\\c*', yes: ['_a-b.1', ':x', '\u00e9a'], no: ['1a', '-a', ''] },
  { pattern: '\\I', yes: ['1', '-'], no: ['a', '_'] },
  { pattern: '\\C', yes: [' ', '/'], no: ['a', '-', '.'] },
  { pattern: '\\p{L}\\p{Lu}\\P{Lu}', yes: ['aBc', '\u00e9\u00c91'], no: ['aBC', '1Ba'] },
  { pattern: '\\p{IsBasicLatin}+', yes: ['abc~'], no: ['\u00e9'] },
  { pattern: '\\P{IsBasicLatin}', yes: ['\u00e9'], no: ['a'] },
  { pattern: '\\p{IsGreek}', yes: ['\u03b1'], no: ['a'] },
  { pattern: '[\\p{Lu}-[A-M]]', yes: ['N', '\u00c9'], no: ['A', 'n'] },
  {
    pattern: '\\n\\r\\t\\\\\\|\\.\\?\\*\\+\\(\\)\\{\\}\\-\\[\\]\\^',
    yes: ['\n\r\t\\|.?*+(){}-[]^'],
    no: [''],
  },
  { pattern: '{a}', yes: ['{a}'], no: ['a'] },
  { pattern: '\u{1F600}{2}', yes: ['\u{1F600}\u{1F600}'], no: ['\u{1F600}'] },
  { pattern: '[\u{1F600}-\u{1F64F}]', yes: ['\u{1F610}'], no: ['\ud83d'] },
  {
    pattern:
      '(([0-9]|[1-9][0-9]|1[0-9][0-9]|2[0-4][0-9]|25[0-5])\\.){3}([0-9]|[1-9][0-9]|1[0-9][0-9]|2[0-4][0-9]|25[0-5])(%[\\p{N}\\p{L}]+)?',
    yes: ['0.0.0.0', '255.255.255.255', '10.0.0.1%eth0'],
    no: ['256.0.0.1', '1.2.3', '1.2.3.4%', '01.2.3.4'],
  },
]

describe('[XR1] a pattern matches whole values by the rules of XML Schema', () => {
  for (const { pattern, yes, no } of verdicts)
    test(`/${pattern}/`, () => {
      const { match } = compiled(pattern)
      for (const text of yes) expect([text, match(text)]).toEqual([text, 'match'])
      for (const text of no) expect([text, match(text)]).toEqual([text, 'mismatch'])
    })
})

describe('[XR2] what is no pattern is refused with its place', () => {
  const refusals: [pattern: string, at: number][] = [
    ['a(b', 3],
    ['a)b', 1],
    ['*a', 0],
    ['a**', 2],
    ['a+?', 2],
    ['[', 1],
    ['[]', 1],
    ['[^]', 2],
    ['[a', 2],
    ['[z-a]', 1],
    ['[a-\\d]', 3],
    ['[a[b]]', 2],
    ['[a-[b]c]', 6],
    ['a]', 1],
    ['a{', 2],
    ['a{2', 3],
    ['a{x}', 2],
    ['a{3,2}', 1],
    ['a{1000001}', 2],
    ['\\', 1],
    ['\\1', 0],
    ['\\b', 0],
    ['\\_', 0],
    ['\\&', 0],
    ['\\p', 2],
    ['\\p{L', 4],
    ['\\p{Xx}', 0],
    ['x\\p{IsNowhere}', 1],
    ['\\p{Cs}', 0],
    ['(?=a)', 1],
    ['(?:a)', 1],
  ]
  for (const [pattern, at] of refusals)
    test(`/${pattern}/ at ${at}`, () => expect(compilePattern(pattern)).toMatchObject({ ok: false, at }))

  test('superfluous escapes of marks are taken as libxml2 and libyang take them, unless they are to be refused', () => {
    expect(compiled('\\/\\$\\"\\@\\:[\\,-\\/]').test('/$"@:.')).toBe(true)
    expect(compilePattern('a\\/b', { strictEscapes: true })).toMatchObject({
      ok: false,
      at: 1,
      found: '"\\/"',
    })
  })

  test('limits on length and depth are refusals, not exhaustion', () => {
    expect(compilePattern('a'.repeat(patternLimits.length + 1)).ok).toBe(false)
    expect(compilePattern(`${'('.repeat(300)}a${')'.repeat(300)}`).ok).toBe(false)
    expect(compilePattern(`${'[a-'.repeat(300)}[a]${']'.repeat(300)}`).ok).toBe(false)
  })

  test('no text makes the reader throw', () => {
    const pieces = fc.constantFrom(
      ...'ab\\()[]{}^-|?*+.,0123pPLiIcCdDwWsSnrt$',
      '\\p{L}',
      '-[',
      '{2,3}',
      '\u{1F600}',
    )
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 14 }), fc.string({ maxLength: 8 }), (parts, text) => {
        const pattern = compilePattern(parts.join(''))
        if (pattern.ok) expect(['match', 'mismatch', 'costly']).toContain(pattern.match(text))
        else expect(pattern.at).toBeLessThanOrEqual(parts.join('').length)
      }),
      { numRuns: 3000 },
    )
  })
})

// The reference: Brzozowski derivatives over a tree of its own, with no counter and no automaton. -------

type Ref =
  | { t: 'none' }
  | { t: 'eps' }
  | { t: 'chars'; chars: string }
  | { t: 'cat'; a: Ref; b: Ref }
  | { t: 'alt'; a: Ref; b: Ref }
  | { t: 'rep'; a: Ref; min: number; max: number }

const none: Ref = { t: 'none' }
const eps: Ref = { t: 'eps' }

const cat = (a: Ref, b: Ref): Ref =>
  a.t === 'none' || b.t === 'none' ? none : a.t === 'eps' ? b : b.t === 'eps' ? a : { t: 'cat', a, b }
const alt = (a: Ref, b: Ref): Ref =>
  a.t === 'none' || JSON.stringify(a) === JSON.stringify(b) ? b : b.t === 'none' ? a : { t: 'alt', a, b }

function nullable(r: Ref): boolean {
  switch (r.t) {
    case 'none':
    case 'chars':
      return false
    case 'eps':
      return true
    case 'cat':
      return nullable(r.a) && nullable(r.b)
    case 'alt':
      return nullable(r.a) || nullable(r.b)
    case 'rep':
      return r.min === 0 || nullable(r.a)
  }
}

function derive(r: Ref, c: string): Ref {
  switch (r.t) {
    case 'none':
    case 'eps':
      return none
    case 'chars':
      return r.chars.includes(c) ? eps : none
    case 'cat': {
      const first = cat(derive(r.a, c), r.b)
      return nullable(r.a) ? alt(first, derive(r.b, c)) : first
    }
    case 'alt':
      return alt(derive(r.a, c), derive(r.b, c))
    case 'rep': {
      if (r.max === 0) return none
      const rest: Ref = { t: 'rep', a: r.a, min: Math.max(0, r.min - 1), max: r.max - 1 }
      return cat(derive(r.a, c), rest.max === 0 ? eps : rest)
    }
  }
}

const refMatch = (r: Ref, text: string): boolean => nullable([...text].reduce(derive, r))

const alphabet = 'abc'

function written(r: Ref): string {
  switch (r.t) {
    case 'none':
      throw new Error('the generator makes no empty language')
    case 'eps':
      return '()'
    case 'chars':
      return r.chars.length === 1 ? r.chars : `[${r.chars}]`
    case 'cat':
      return `${written(r.a)}${written(r.b)}`
    case 'alt':
      return `(${written(r.a)}|${written(r.b)})`
    case 'rep': {
      const count =
        r.max === Infinity ? (r.min === 0 ? '*' : r.min === 1 ? '+' : `{${r.min},}`) : `{${r.min},${r.max}}`
      return `(${written(r.a)})${r.min === 0 && r.max === 1 ? '?' : count}`
    }
  }
}

const { tree } = fc.letrec<{ tree: Ref }>((tie) => ({
  tree: fc.oneof(
    { maxDepth: 5, withCrossShrink: true },
    fc.constantFrom<Ref>(
      { t: 'chars', chars: 'a' },
      { t: 'chars', chars: 'b' },
      { t: 'chars', chars: 'ab' },
      { t: 'chars', chars: 'bc' },
      eps,
    ),
    fc.record({ t: fc.constant('cat' as const), a: tie('tree'), b: tie('tree') }),
    fc.record({ t: fc.constant('alt' as const), a: tie('tree'), b: tie('tree') }),
    fc
      .tuple(tie('tree'), fc.integer({ min: 0, max: 3 }), fc.constantFrom(0, 1, 2, Infinity))
      .map(([a, min, more]): Ref => ({ t: 'rep', a, min, max: min + more })),
  ),
}))

test('[XR3] the matcher agrees with a reference by derivatives', () => {
  fc.assert(
    fc.property(
      tree,
      fc.array(fc.string({ unit: fc.constantFrom(...alphabet), maxLength: 9 })),
      (ref, texts) => {
        const { match } = compiled(written(ref))
        for (const text of ['', ...texts])
          expect([written(ref), text, match(text)]).toEqual([
            written(ref),
            text,
            refMatch(ref, text) ? 'match' : 'mismatch',
          ])
      },
    ),
    { numRuns: 4000 },
  )
})

test('[XR3] class subtraction agrees with sets', () => {
  const chars = fc.uniqueArray(fc.constantFrom(...'abcdefgh'), { minLength: 1 })
  fc.assert(
    fc.property(chars, chars, fc.boolean(), fc.boolean(), (from, less, negated, innerNegated) => {
      const { test: matches } = compiled(
        `[${negated ? '^' : ''}${from.join('')}-[${innerNegated ? '^' : ''}${less.join('')}]]`,
      )
      for (const c of 'abcdefghz')
        expect(matches(c)).toBe(from.includes(c) !== negated && less.includes(c) === innerNegated)
    }),
  )
})

describe('[XR4] no pattern stalls the matcher', () => {
  const long = 'a'.repeat(100_000)
  for (const pattern of ['(a*)*b', '(a|a)*b', '(a+)+b', '(a|aa)+b', '(.*)(.*)(.*)(.*)[^a]'])
    test(`/${pattern}/ on 100,000 characters`, () => expect(compiled(pattern).match(long)).toBe('mismatch'))

  test('counted repetitions of what may be empty', () => {
    expect(compiled('((a?){30}){30}').match('a'.repeat(20))).toBe('match')
    expect(compiled('((a?){9}){9}').match('a'.repeat(81))).toBe('match')
    expect(compiled('((a?){9}){9}').match('a'.repeat(82))).toBe('mismatch')
    expect(compiled('((a?){30}){30}b').match(long)).not.toBe('match')
  })

  test('counts are not unrolled', () => {
    const { match } = compiled('(((a{1000}){1000}){1000}){1000}')
    expect(match('a'.repeat(2000))).toBe('mismatch')
    expect(compiled('(a{50}){50}').match('a'.repeat(2500))).toBe('match')
    expect(compiled('.{0,65535}').match('x'.repeat(65_535))).toBe('match')
  })

  test('what would cost too much is told, and is no match', () => {
    const pattern = compiled('((a|b|aa|bb){1,1000}(a|ab){1,1000}){1,1000}c')
    const text = 'ab'.repeat(5000)
    expect(pattern.match(text)).toBe('costly')
    expect(pattern.test(text)).toBe(false)
  })

  test('what is remembered within a text is paid once, however long the text', () => {
    expect(compiled('(a|b)*abb').match('ab'.repeat(100_000).concat('b'))).toBe('match')
    expect(matchBudget.perUnit * 200_000 + matchBudget.base).toBeLessThan(200_000)
  })

  test('several texts may share a meter, and find nothing left on it', () => {
    const pattern = compiled('(a|b)*a(a|b){40}')
    const meter = { left: 3000 }
    expect(pattern.match('ab'.repeat(30), meter)).toBe('mismatch')
    const left = meter.left
    expect(left).toBeLessThan(3000)
    expect(pattern.match('ab'.repeat(30), meter)).toBe('mismatch')
    expect(meter.left).toBe(left)
    expect(pattern.match('aab'.repeat(300), meter)).toBe('costly')
  })

  test('the verdict does not depend on what was matched before', () => {
    const source = '(.*a.{60}|b*)c?'
    const used = compiled(source)
    const texts = fc.sample(
      fc.string({ unit: fc.constantFrom('a', 'b', 'c'), minLength: 200, maxLength: 2000 }),
      {
        numRuns: 60,
        seed: 7,
      },
    )
    for (const text of texts) expect(used.match(text)).toBe(compiled(source).match(text))
  })
})
