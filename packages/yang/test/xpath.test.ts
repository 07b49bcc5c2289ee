import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  checkXPath,
  compileXPath,
  parseXPath,
  type Value,
  XPathTooCostly,
  type XPathTree,
  xpathLimits,
} from '../src/xpath/index.ts'
import { numberText, textNumber } from '../src/xpath/value.ts'

// A tree of its own, so that the evaluator is seen to know nothing of documents. ------------------------

type Element = {
  name: string
  module: string
  text: string | undefined
  up: Element | undefined
  below: Element[]
  order: number
}

type Sketch = { [name: string]: string | Sketch | (string | Sketch)[] }

function grow(
  sketch: Sketch,
  up: Element | undefined = undefined,
  name = '',
  counter = { next: 1 },
): Element {
  const node: Element = { name, module: 'm', text: undefined, up, below: [], order: counter.next++ }
  for (const [key, value] of Object.entries(sketch)) {
    const [module, local] = key.includes(':') ? key.split(':') : ['m', key]
    for (const item of Array.isArray(value) ? value : [value]) {
      const child =
        typeof item === 'string'
          ? { name: local ?? '', module: '', text: item, up: node, below: [], order: counter.next++ }
          : grow(item, node, local, counter)
      child.module = module ?? ''
      node.below.push(child)
    }
  }
  return node
}

const texts = (node: Element): string => node.text ?? node.below.map(texts).join('')

const elements: XPathTree<Element> = {
  parent: (node) => node.up,
  children: (node) => node.below,
  childrenNamed: (node, module, name) =>
    node.below.filter((child) => child.module === module && child.name === name),
  name: (node) => (node.up ? { module: node.module, name: node.name } : undefined),
  namespace: (node) => (node.up ? `urn:${node.module}` : ''),
  hasText: (node) => node.text !== undefined,
  text: texts,
  identity: () => undefined,
  enumValue: () => undefined,
  bits: (node) => node.text?.split(' '),
  deref: (node) => node.up?.below.filter((other) => other !== node) ?? [],
  compare: (a, b) => a.order - b.order,
}

const root = grow({
  top: {
    a: ['1', '2', '3'],
    b: { c: 'x', d: [{ e: 'deep' }, { e: 'deeper' }] },
    item: [
      { id: 'p', n: '10' },
      { id: 'q', n: '20' },
      { id: 'r', n: '30' },
    ],
    'o:other': 'foreign',
    words: '  two   words ',
    flags: 'up down',
  },
})
const top = root.below[0] ?? root

const scope = {
  prefixes: new Map([
    ['m', 'm'],
    ['o', 'o'],
  ]),
  moduleName: 'm',
}

function evaluate(text: string, from: Element = top): Value<Element> {
  const parsed = parseXPath(text)
  if (!parsed.ok)
    throw new Error(`${text}: found ${parsed.found} at ${parsed.at}, expected ${parsed.expected}`)
  expect(checkXPath(parsed.expr, scope)).toEqual([])
  return compileXPath(parsed.expr, scope, elements).value(from, { left: 100_000 })
}

const shown = (value: Value<Element>): unknown => (typeof value === 'object' ? value.map(texts) : value)

describe('[X1] expressions mean what XPath 1.0 says', () => {
  const rows: [expression: string, value: unknown][] = [
    ['1 + 2 * 3', 7],
    ['(1 + 2) * 3', 9],
    ['7 mod 3', 1],
    ['-7 mod 3', -1],
    ['5 div 2', 2.5],
    ['1 div 0', Infinity],
    ['- - 3', 3],
    ['1 < 2 and 2 < 1', false],
    ['1 < 2 or 2 < 1', true],
    ['1 = 1.0', true],
    ['"1" = 1', true],
    ['"a" != "b"', true],
    ['true() = "x"', true],
    ['a', ['1', '2', '3']],
    ['a[2]', ['2']],
    ['a[last()]', ['3']],
    ['a[position() > 1]', ['2', '3']],
    ['a[. > 1][1]', ['2']],
    ['a[. = 2]/..', [texts(top)]],
    ['/top/a', ['1', '2', '3']],
    ['/m:top/m:a[1]', ['1']],
    ['//e', ['deep', 'deeper']],
    ['//d[1]/e', ['deep']],
    ['b//e[1]', ['deep', 'deeper']],
    ['(b//e)[1]', ['deep']],
    ['b/*', ['x', 'deep', 'deeper']],
    ['o:other', ['foreign']],
    ['other', []],
    ['o:*', ['foreign']],
    ['count(*)', 10],
    ['count(//*)', 22],
    ['count(/)', 1],
    ['count(a | a | b)', 4],
    ['b/d/e/ancestor::b/c', ['x']],
    ['count(b/d/e/ancestor::node())', 5],
    ['a[2]/preceding-sibling::a', ['1']],
    ['a[3]/preceding-sibling::a[1]', ['2']],
    ['a[1]/following-sibling::a', ['2', '3']],
    ['b/following::id[1]', ['p']],
    ['item[1]/preceding::e[1]', ['deeper']],
    ['self::top/a[1]', ['1']],
    ['self::nothing', []],
    ['item[id = "q"]/n', ['20']],
    ['item[n > 10]/id', ['q', 'r']],
    ['item[n = ../a]', []],
    ['a = 3', true],
    ['a != 3', true],
    ['not(a = 4)', true],
    ['a < 2', true],
    ['a > 3', false],
    ['a >= item/n', false],
    ['item/n > a', true],
    ['nothing = nothing', false],
    ['nothing != 1', false],
    ['nothing = false()', true],
    ['sum(item/n)', 60],
    ['sum(nothing)', 0],
    ['count(item[position() mod 2 = 1])', 2],
    ['string(a)', '1'],
    ['string(b)', 'xdeepdeeper'],
    ['concat("a", 1, true())', 'a1true'],
    ['starts-with("abc", "ab")', true],
    ['contains("abc", "bc")', true],
    ['substring-before("1999/04", "/")', '1999'],
    ['substring-after("1999/04", "/")', '04'],
    ['substring("12345", 2, 3)', '234'],
    ['substring("12345", 1.5, 2.6)', '234'],
    ['substring("12345", 0, 3)', '12'],
    ['substring("12345", 0 div 0, 3)', ''],
    ['substring("12345", -42, 1 div 0)', '12345'],
    ['substring("12345", 2)', '2345'],
    ['string-length("\u{1F600}a")', 2],
    ['normalize-space(words)', 'two words'],
    ['translate("bar", "abc", "AB")', 'BAr'],
    ['number("  12.5 ")', 12.5],
    ['number("1e3")', Number.NaN],
    ['number("+1")', Number.NaN],
    ['number(true())', 1],
    ['boolean("")', false],
    ['boolean("false")', true],
    ['boolean(0)', false],
    ['floor(-1.5)', -2],
    ['ceiling(-1.5)', -1],
    ['round(-1.5)', -1],
    ['round(2.5)', 3],
    ['local-name(o:other)', 'other'],
    ['namespace-uri(o:other)', 'urn:o'],
    ['name(/)', ''],
    ['string(1000000000000000000000)', '1000000000000000000000'],
    ['string(0.0000001)', '0.0000001'],
    ['string(-0)', '0'],
    ['a/text()', ['1', '2', '3']],
    ['@a', []],
    ['div div div', Number.NaN],
  ]
  for (const [expression, value] of rows)
    test(expression, () => expect(shown(evaluate(expression))).toEqual(value))
})

describe("[X2] YANG's functions", () => {
  const rows: [expression: string, value: unknown][] = [
    ['current()/a[1]', ['1']],
    ['item[id = current()/item[2]/id]/n', ['20']],
    ['re-match("1.22.333", "\\d{1,3}\\.\\d{1,3}\\.\\d{1,3}")', true],
    ['re-match("abc", "b")', false],
    ['re-match("abc", concat("[", "x"))', false],
    ['bit-is-set(flags, "down")', true],
    ['bit-is-set(flags, "left")', false],
    ['bit-is-set(nothing, "up")', false],
    ['enum-value(a)', Number.NaN],
    ['derived-from(a, "m:b")', false],
    ['count(deref(b/c))', 2],
    ['deref(nothing)', []],
  ]
  for (const [expression, value] of rows)
    test(expression, () => expect(shown(evaluate(expression))).toEqual(value))
})

describe('[X3] what is wrong with an expression alone is told with its place', () => {
  const rows: [expression: string, at: number][] = [
    ['', 0],
    ['a[', 2],
    ['a]', 1],
    ['count(a', 7],
    ['1 +', 3],
    ['a b', 2],
    ['"open', 0],
    ['a::b', 0],
    ['/..a', 3],
    ['a/[1]', 2],
    ['#', 0],
    ['a:b:c', 3],
  ]
  for (const [expression, at] of rows)
    test(`${expression || 'nothing'} at ${at}`, () =>
      expect(parseXPath(expression)).toMatchObject({ ok: false, at }))

  const faults: [expression: string, found: string][] = [
    ['n:a', 'prefix "n"'],
    ['a[n:b/c]', 'prefix "n"'],
    ['n:*', 'prefix "n"'],
    ['frob(1)', 'function "frob"'],
    ['m:count(a)', 'function "m:count"'],
    ['count()', '0 arguments of count()'],
    ['concat("a")', '1 arguments of concat()'],
    ['true(1)', '1 arguments of true()'],
    ['$x', '"$x"'],
    ['re-match(., "[a")', 'the end of the pattern at 2 of the pattern'],
    ['derived-from(., "n:x")', 'prefix "n"'],
  ]
  for (const [expression, found] of faults)
    test(`${expression}: ${found}`, () => {
      const parsed = parseXPath(expression)
      expect(parsed.ok && checkXPath(parsed.expr, scope).map((fault) => fault.found)).toEqual([found])
    })
})

describe('[X4] no expression exhausts reader or evaluator', () => {
  test('nesting, length and tokens are limited', () => {
    expect(parseXPath(`${'('.repeat(500)}1${')'.repeat(500)}`)).toMatchObject({ ok: false })
    expect(parseXPath(`${'a['.repeat(500)}1${']'.repeat(500)}`)).toMatchObject({ ok: false })
    expect(parseXPath(`1${'+1'.repeat(1001)}`)).toMatchObject({ ok: false })
    expect(parseXPath(`${'-'.repeat(10_001)}1`)).toMatchObject({ ok: false })
    expect(parseXPath(' '.repeat(xpathLimits.length + 1))).toMatchObject({ ok: false })
  })

  test('a long chain is read and evaluated', () => {
    expect(evaluate(`1${'+1'.repeat(1000)}`)).toBe(1001)
    expect(evaluate(`a${'|a'.repeat(1000)}`)).toHaveLength(3)
    expect(evaluate(`${'-'.repeat(4001)}1`)).toBe(-1)
  })

  test('visits are counted and the excess is told', () => {
    const parsed = parseXPath('//*[//*[//*[//*[//*]]]]')
    if (!parsed.ok) throw new Error(parsed.found)
    const compiled = compileXPath(parsed.expr, scope, elements)
    expect(() => compiled.boolean(top, { left: 10_000 })).toThrow(XPathTooCostly)
  })

  test('no text makes the reader throw', () => {
    const pieces = fc.constantFrom(
      ...'ab/.*[]()|+-=<>!@:,"\'$ 1',
      '::',
      '//',
      '..',
      ' and ',
      ' div ',
      'count(',
      'text()',
      'm:',
      'parent::',
    )
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 16 }), (parts) => {
        const parsed = parseXPath(parts.join(''))
        if (!parsed.ok) return parsed.at <= parts.join('').length
        compileXPath(parsed.expr, scope, elements).value(top, { left: 1_000_000 })
        return true
      }),
      { numRuns: 4000 },
    )
  })
})

test('[X5] numbers become texts without exponent and come back', () => {
  fc.assert(
    fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (number) => {
      const text = numberText(number)
      expect(text).toMatch(/^-?[0-9]+(\.[0-9]+)?$/)
      expect(textNumber(text)).toBe(number === 0 ? 0 : number)
    }),
  )
})

test('[X6] a look-up by key selects what a search would', () => {
  const keys = fc.constantFrom('p', 'q', 'r', 's', '')
  const withIndex: XPathTree<Element> = {
    ...elements,
    keyed: (node, list, key, value) =>
      elements
        .childrenNamed(node, list.module, list.name)
        .filter((entry) =>
          elements.childrenNamed(entry, key.module, key.name).some((leaf) => leaf.text === value),
        ),
  }
  const forms = [
    (key: string) => `item[id = "${key}"]/n`,
    (key: string) => `item["${key}" = id]`,
    (key: string) => `item[id = "${key}"][1]`,
    (key: string) => `item[id = "${key}"][2]`,
    (key: string) => `item[id = current()/item[id = "${key}"]/id]`,
    (key: string) => `item[id = concat("", "${key}")][n > 10]`,
    (key: string) => `item[id = /top/item[id = "${key}"]/id or false()]`,
  ]
  fc.assert(
    fc.property(keys, fc.constantFrom(...forms), (key, form) => {
      const parsed = parseXPath(form(key))
      if (!parsed.ok) throw new Error(parsed.found)
      const [slow, fast] = [elements, withIndex].map((tree) =>
        compileXPath(parsed.expr, scope, tree).value(top, { left: 10_000 }),
      )
      expect(shown(fast ?? [])).toEqual(shown(slow ?? []))
    }),
  )
})
