/**
 * Reads an XML Schema regular expression (W3C XML Schema Part 2, second edition, appendix F) into a
 * small tree: sets of code points, sequences, alternatives and counted repetitions.
 *
 * The language is not JavaScript's. There are no anchors (`^` and `$` are ordinary characters), no
 * look-around, no back-reference and no lazy quantifier; there are class subtraction
 * (`[a-z-[aeiou]]`), block names (`\p{IsGreek}`) and name characters (`\i`, `\c`). Nothing here runs
 * a pattern; `xsd-pattern.ts` does that.
 */
import { xsdBlocks } from './xsd-blocks.ts'

/** A set of code points: ranges and named classes, perhaps turned round, less another set. */
export type CharSet = {
  /** Pairs of first and last code point, as written. */
  readonly ranges: readonly number[]
  /** Tests of one code point each; a member of any is a member of the set. */
  readonly classes: readonly ((codePoint: number) => boolean)[]
  readonly negated: boolean
  readonly minus: CharSet | undefined
}

/** The tree of a pattern. `max` of a repetition is Infinity when nothing bounds it. */
export type PatternNode =
  | { readonly kind: 'empty' }
  | { readonly kind: 'set'; readonly set: CharSet; readonly text: string }
  | { readonly kind: 'sequence'; readonly items: readonly PatternNode[] }
  | { readonly kind: 'choice'; readonly branches: readonly PatternNode[] }
  | { readonly kind: 'repeat'; readonly body: PatternNode; readonly min: number; readonly max: number }

/** Why a text is no pattern: the place (UTF-16 offset), what stands there, what should. */
export type PatternRefusal = {
  readonly ok: false
  readonly at: number
  readonly found: string
  readonly expected: string
}

export type PatternOptions = {
  /**
   * Refuse `\` before punctuation that XML Schema does not escape. Published modules write `\/`, `\$` or
   * `\@`, and libxml2 and libyang both take them for the mark itself; so does this reader unless told not to.
   */
  readonly strictEscapes?: boolean
}

/** Longest pattern text, deepest nesting of groups and of subtractions, largest repetition count. */
export const patternLimits = { length: 8_192, depth: 200, count: 1_000_000 } as const

/** Whether the set holds the code point. */
export function setHas(set: CharSet, codePoint: number): boolean {
  let inside = false
  const { ranges, classes } = set
  for (let i = 0; i < ranges.length && !inside; i += 2)
    inside = codePoint >= (ranges[i] ?? 0) && codePoint <= (ranges[i + 1] ?? -1)
  for (let i = 0; i < classes.length && !inside; i++) inside = classes[i]?.(codePoint) ?? false
  if (set.negated) inside = !inside
  return inside && !(set.minus && setHas(set.minus, codePoint))
}

/** The one code point of a set written as one; undefined for every other set. */
export function onlyMember(set: CharSet): number | undefined {
  const only = set.ranges.length === 2 && set.ranges[0] === set.ranges[1] ? set.ranges[0] : undefined
  return set.classes.length === 0 && !set.negated && !set.minus ? only : undefined
}

/** Reads `source` whole; the first offence ends the reading. */
export function parsePattern(
  source: string,
  options: PatternOptions = {},
): { readonly ok: true; readonly tree: PatternNode } | PatternRefusal {
  if (source.length > patternLimits.length)
    return refusal(
      0,
      `a pattern of ${source.length} characters`,
      `at most ${patternLimits.length} characters`,
    )
  const reader: Reader = { source, at: 0, strict: options.strictEscapes === true }
  try {
    const tree = readChoice(reader, 0)
    if (reader.at < source.length) fail(reader, 'an end, or "(" before this ")"')
    return { ok: true, tree }
  } catch (error) {
    if (error instanceof Offence) return error.refusal
    throw error
  }
}

type Reader = { readonly source: string; at: number; readonly strict: boolean }

/** Carries the first refusal out of the recursive reader; never leaves this file. */
class Offence extends Error {
  readonly refusal: PatternRefusal
  constructor(refused: PatternRefusal) {
    super(refused.expected)
    this.refusal = refused
  }
}

function refusal(at: number, found: string, expected: string): PatternRefusal {
  return { ok: false, at, found, expected }
}

function fail(reader: Reader, expected: string, at = reader.at): never {
  const codePoint = reader.source.codePointAt(at)
  const found = codePoint === undefined ? 'the end of the pattern' : `"${String.fromCodePoint(codePoint)}"`
  throw new Offence(refusal(at, found, expected))
}

const emptyNode: PatternNode = { kind: 'empty' }

function readChoice(reader: Reader, depth: number): PatternNode {
  if (depth > patternLimits.depth) fail(reader, `at most ${patternLimits.depth} groups inside each other`)
  const branches = [readSequence(reader, depth)]
  while (reader.source[reader.at] === '|') {
    reader.at++
    branches.push(readSequence(reader, depth))
  }
  return branches.length === 1 ? (branches[0] ?? emptyNode) : { kind: 'choice', branches }
}

function readSequence(reader: Reader, depth: number): PatternNode {
  const items: PatternNode[] = []
  for (;;) {
    const char = reader.source[reader.at]
    if (char === undefined || char === '|' || char === ')') break
    items.push(readQuantifier(reader, readAtom(reader, depth)))
  }
  if (items.length === 0) return emptyNode
  return items.length === 1 ? (items[0] ?? emptyNode) : { kind: 'sequence', items }
}

function readAtom(reader: Reader, depth: number): PatternNode {
  const from = reader.at
  const char = reader.source[from]
  switch (char) {
    case '(': {
      reader.at++
      const inner = readChoice(reader, depth + 1)
      if (reader.source[reader.at] !== ')') fail(reader, '")"')
      reader.at++
      return inner
    }
    case '?':
    case '*':
    case '+':
      return fail(reader, 'something to repeat before the quantifier')
    case ']':
      return fail(reader, '"\\]", or "[" before it')
    case '[':
      return setNode(reader, from, readClass(reader, 0))
    case '.':
      reader.at++
      return setNode(reader, from, notLineEnd)
    case '\\':
      return setNode(reader, from, readEscape(reader))
    default:
      // "{" and "}" where no quantifier can stand are characters by appendix F, rule [10].
      return setNode(reader, from, single(readCodePoint(reader)))
  }
}

function setNode(reader: Reader, from: number, set: CharSet): PatternNode {
  return { kind: 'set', set, text: reader.source.slice(from, reader.at) }
}

function readQuantifier(reader: Reader, body: PatternNode): PatternNode {
  switch (reader.source[reader.at]) {
    case '?':
      reader.at++
      return { kind: 'repeat', body, min: 0, max: 1 }
    case '*':
      reader.at++
      return { kind: 'repeat', body, min: 0, max: Infinity }
    case '+':
      reader.at++
      return { kind: 'repeat', body, min: 1, max: Infinity }
    case '{':
      break
    default:
      return body
  }
  const open = reader.at
  reader.at++
  const min = readCount(reader)
  let max = min
  if (reader.source[reader.at] === ',') {
    reader.at++
    max = reader.source[reader.at] === '}' ? Infinity : readCount(reader)
  }
  if (reader.source[reader.at] !== '}') fail(reader, '"}" after the count')
  if (max < min) fail(reader, `a maximum that is not below the minimum ${min}`, open)
  reader.at++
  return { kind: 'repeat', body, min, max }
}

function readCount(reader: Reader): number {
  const from = reader.at
  while (isDigit(reader.source.charCodeAt(reader.at))) reader.at++
  if (reader.at === from) fail(reader, 'a count in digits')
  const count = Number(reader.source.slice(from, reader.at))
  if (count > patternLimits.count) fail(reader, `a count of at most ${patternLimits.count}`, from)
  return count
}

function isDigit(code: number): boolean {
  return code >= 48 && code <= 57
}

function readCodePoint(reader: Reader): number {
  const codePoint = reader.source.codePointAt(reader.at)
  if (codePoint === undefined) return fail(reader, 'a character')
  reader.at += codePoint > 0xffff ? 2 : 1
  return codePoint
}

/** `[…]`, from the bracket to its partner (rules [12] to [22]). */
function readClass(reader: Reader, depth: number): CharSet {
  if (depth > patternLimits.depth)
    fail(reader, `at most ${patternLimits.depth} subtractions inside each other`)
  reader.at++
  const negated = reader.source[reader.at] === '^'
  if (negated) reader.at++
  const ranges: number[] = []
  const classes: ((codePoint: number) => boolean)[] = []
  let minus: CharSet | undefined
  for (;;) {
    const char = reader.source[reader.at]
    if (char === undefined) fail(reader, '"]"')
    if (char === ']') {
      if (ranges.length + classes.length === 0) fail(reader, 'at least one character inside "[…]"')
      reader.at++
      return { ranges, classes, negated, minus }
    }
    if (char === '[') fail(reader, '"\\[", or "-" before a class to subtract')
    if (char === '-' && reader.source[reader.at + 1] === '[') {
      if (ranges.length + classes.length === 0) fail(reader, 'characters to subtract from')
      reader.at++
      minus = readClass(reader, depth + 1)
      if (reader.source[reader.at] !== ']') fail(reader, '"]" after the subtracted class')
      continue
    }
    readRange(reader, ranges, classes)
  }
}

function readRange(reader: Reader, ranges: number[], classes: ((codePoint: number) => boolean)[]): void {
  const from = reader.at
  const low = readMember(reader)
  if (typeof low !== 'number') {
    classes.push((codePoint) => setHas(low, codePoint))
    return
  }
  const next = reader.source[reader.at + 1]
  // A "-" is itself first, last, or before a class to subtract; elsewhere it spans a range.
  const spans =
    reader.source[reader.at] === '-' &&
    next !== undefined &&
    next !== ']' &&
    next !== '[' &&
    !isDash(reader, from)
  if (!spans) {
    ranges.push(low, low)
    return
  }
  reader.at++
  const highAt = reader.at
  const high = readMember(reader)
  if (typeof high !== 'number') fail(reader, 'one character as the end of the range', highAt)
  if (high < low) fail(reader, 'a range whose end is not before its start', from)
  ranges.push(low, high)
}

function isDash(reader: Reader, at: number): boolean {
  return reader.source[at] === '-'
}

/** One character of a class as its code point, or a class escape as a set. */
function readMember(reader: Reader): number | CharSet {
  if (reader.source[reader.at] !== '\\') return readCodePoint(reader)
  const set = readEscape(reader)
  return onlyMember(set) ?? set
}

const singleEscapes = new Map([
  ['n', 10],
  ['r', 13],
  ['t', 9],
  ...[...'\\|.?*+(){}-[]^'].map((char): [string, number] => [char, char.charCodeAt(0)]),
])

/** Marks that need no escape and that XML Schema allows none for, though common tools do. */
const superfluousEscapes = '!"#$%,/:;=>@`~'

function readEscape(reader: Reader): CharSet {
  const from = reader.at
  reader.at++
  const char = reader.source[reader.at]
  if (char === undefined) fail(reader, 'a character after "\\"')
  reader.at++
  const one = singleEscapes.get(char)
  if (one !== undefined) return single(one)
  const many = multiEscapes.get(char)
  if (many) return many
  if (char === 'p' || char === 'P') return readProperty(reader, from, char === 'P')
  if (!reader.strict && superfluousEscapes.includes(char)) return single(char.charCodeAt(0))
  throw new Offence(
    refusal(
      from,
      `"\\${char}"`,
      'an escape of XML Schema (\\n \\r \\t \\s \\i \\c \\d \\w \\p{…} or an escaped mark)',
    ),
  )
}

const categories = /^(?:L[ultmo]?|M[nce]?|N[dlo]?|P[cdseifo]?|Z[slp]?|S[mcko]?|C[cfon]?)$/

function readProperty(reader: Reader, from: number, negated: boolean): CharSet {
  if (reader.source[reader.at] !== '{') fail(reader, '"{" and the name of a category or block')
  const close = reader.source.indexOf('}', reader.at)
  if (close < 0) fail(reader, '"}" after the name of the category or block', reader.source.length)
  const name = reader.source.slice(reader.at + 1, close)
  reader.at = close + 1
  if (categories.test(name)) return { ranges: [], classes: [category(name)], negated, minus: undefined }
  const block = name.startsWith('Is') ? xsdBlocks.get(name.slice(2)) : undefined
  if (block) return { ranges: block, classes: [], negated, minus: undefined }
  throw new Offence(
    refusal(
      from,
      `"\\${negated ? 'P' : 'p'}{${name.slice(0, 60)}}"`,
      'a Unicode category, or "Is" and a block name',
    ),
  )
}

const categoryTests = new Map<string, (codePoint: number) => boolean>()

/** A test of one general category; the runtime's own Unicode tables decide. */
function category(name: string): (codePoint: number) => boolean {
  const known = categoryTests.get(name)
  if (known) return known
  const expression = new RegExp(`^\\p{${name}}$`, 'u')
  const test = (codePoint: number): boolean => expression.test(String.fromCodePoint(codePoint))
  categoryTests.set(name, test)
  return test
}

function single(codePoint: number): CharSet {
  return { ranges: [codePoint, codePoint], classes: [], negated: false, minus: undefined }
}

function setOf(ranges: readonly number[], classes: readonly string[], negated: boolean): CharSet {
  return { ranges, classes: classes.map(category), negated, minus: undefined }
}

const notLineEnd = setOf([10, 10, 13, 13], [], true)

// NameStartChar and NameChar of XML 1.0. The first editions listed letters of Unicode 2.0 one range
// after another; the fifth edition's wider ranges are taken, as later editions of XML Schema do.
const nameStart = [
  0x3a, 0x3a, 0x41, 0x5a, 0x5f, 0x5f, 0x61, 0x7a, 0xc0, 0xd6, 0xd8, 0xf6, 0xf8, 0x2ff, 0x370, 0x37d, 0x37f,
  0x1fff, 0x200c, 0x200d, 0x2070, 0x218f, 0x2c00, 0x2fef, 0x3001, 0xd7ff, 0xf900, 0xfdcf, 0xfdf0, 0xfffd,
  0x10000, 0xeffff,
]
const nameChar = [...nameStart, 0x2d, 0x2e, 0x30, 0x39, 0xb7, 0xb7, 0x300, 0x36f, 0x203f, 0x2040]
const blanks = [9, 10, 13, 13, 32, 32]

const multiEscapes = new Map<string, CharSet>([
  ['s', setOf(blanks, [], false)],
  ['S', setOf(blanks, [], true)],
  ['i', setOf(nameStart, [], false)],
  ['I', setOf(nameStart, [], true)],
  ['c', setOf(nameChar, [], false)],
  ['C', setOf(nameChar, [], true)],
  ['d', setOf([], ['Nd'], false)],
  ['D', setOf([], ['Nd'], true)],
  ['w', setOf([], ['P', 'Z', 'C'], true)],
  ['W', setOf([], ['P', 'Z', 'C'], false)],
])
