/**
 * What the texts after keywords look like, and their small languages: names, dates, counts, node paths,
 * ranges, feature expressions.
 *
 * Everything here is a function from a text to a value or to `undefined`; whoever calls knows the statement and
 * makes the finding. No name is looked up here.
 */

import type { ArgumentForm } from './grammar.ts'

const identifier = /^[A-Za-z_][\w.-]*$/
const reference = /^[A-Za-z_][\w.-]*(?::[A-Za-z_][\w.-]*)?$/
const step = '[A-Za-z_][\\w.-]*(?::[A-Za-z_][\\w.-]*)?'
const absolutePath = new RegExp(`^(?:/${step})+$`)
const descendantPath = new RegExp(`^${step}(?:/${step})*$`)
const integer = /^(?:0|-?[1-9]\d*)$/
const count = /^(?:0|[1-9]\d*)$/
const positive = /^[1-9]\d*$/
const date = /^\d{4}-\d{2}-\d{2}$/
const keys = new RegExp(`^${step}(?:[ \\t\\r\\n]+${step})*$`)
const uniques = new RegExp(`^${step}(?:/${step})*(?:[ \\t\\r\\n]+${step}(?:/${step})*)*$`)

interface Form {
  readonly expected: string
  fits(text: string): boolean
}

const oneOf = (...words: string[]): Form => ({
  expected: words.map((word) => `"${word}"`).join(' or '),
  fits: (text) => words.includes(text),
})
const matching = (expected: string, pattern: RegExp): Form => ({
  expected,
  fits: (text) => pattern.test(text),
})

/** The form of every kind of argument, with the words a finding uses for it. */
export const argumentForms: Readonly<Record<ArgumentForm, Form>> = {
  text: { expected: 'a text', fits: () => true },
  identifier: matching('an identifier', identifier),
  reference: matching('an identifier, with or without a prefix', reference),
  date: { expected: 'a date, YYYY-MM-DD', fits: isDate },
  boolean: oneOf('true', 'false'),
  status: oneOf('current', 'deprecated', 'obsolete'),
  'ordered-by': oneOf('system', 'user'),
  version: oneOf('1', '1.1'),
  count: {
    expected: 'an integer from 0 to 4294967295',
    fits: (text) => count.test(text) && Number(text) <= 4294967295,
  },
  max: {
    expected: '"unbounded" or an integer from 1 to 4294967295',
    fits: (text) => text === 'unbounded' || (positive.test(text) && Number(text) <= 4294967295),
  },
  integer: {
    expected: 'an integer from -2147483648 to 2147483647',
    fits: (text) => integer.test(text) && Math.abs(Number(text) + 0.5) <= 2147483647.5,
  },
  digits: { expected: 'an integer from 1 to 18', fits: (text) => positive.test(text) && Number(text) <= 18 },
  modifier: oneOf('invert-match'),
  deviate: oneOf('not-supported', 'add', 'replace', 'delete'),
  uri: { expected: 'a URI', fits: (text) => !/[\s<>"{}|\\^`]/.test(text) },
  'absolute-path': matching('an absolute schema node path', absolutePath),
  'descendant-path': matching('a descendant schema node path', descendantPath),
  'augment-path': {
    expected: 'a schema node path',
    fits: (text) => absolutePath.test(text) || descendantPath.test(text),
  },
  key: matching('names of leafs, separated by white space', keys),
  unique: matching('descendant paths of leafs, separated by white space', uniques),
}

/** True for a date that the calendar knows. */
export function isDate(text: string): boolean {
  if (!date.test(text)) return false
  const at = new Date(`${text}T00:00:00Z`)
  return !Number.isNaN(at.getTime()) && at.toISOString().startsWith(text)
}

export const isIdentifier = (text: string): boolean => identifier.test(text)

/** `p:name` or `name`. */
export interface PrefixedName {
  readonly prefix: string | undefined
  readonly name: string
}

export function splitName(text: string): PrefixedName {
  const colon = text.indexOf(':')
  return colon === -1
    ? { prefix: undefined, name: text }
    : { prefix: text.slice(0, colon), name: text.slice(colon + 1) }
}

/** The steps of an absolute or descendant schema node path, which must have the right form already. */
export function splitPath(text: string): PrefixedName[] {
  return (text.startsWith('/') ? text.slice(1) : text).split('/').map(splitName)
}

export const splitWords = (text: string): string[] => text.split(/[ \t\r\n]+/).filter((word) => word !== '')

// Ranges and lengths (RFC 7950 14, range-arg and length-arg). -----------------------------------------------

/** One end of a range: a number's text, or the ends of the type being narrowed. */
export interface RangePart {
  readonly from: string
  readonly to: string
}

// The grammar has no plus sign, but every tool takes it.
const rangeEnd = /^(?:min|max|[+-]?\d+(?:\.\d+)?)$/

/** `1..4 | 10` as parts with both ends; undefined when the form is wrong. */
export function parseRange(text: string): RangePart[] | undefined {
  const parts: RangePart[] = []
  for (const piece of text.split('|')) {
    const ends = piece.split('..').map((end) => end.trim())
    const [from, to = from] = ends
    if (ends.length > 2 || from === undefined || to === undefined) return undefined
    if (!rangeEnd.test(from) || !rangeEnd.test(to)) return undefined
    parts.push({ from, to })
  }
  return parts
}

// Feature expressions (RFC 7950 7.20.2). ---------------------------------------------------------------------

export type FeatureExpression =
  | { readonly kind: 'feature'; readonly name: PrefixedName }
  | { readonly kind: 'not'; readonly of: FeatureExpression }
  | { readonly kind: 'and' | 'or'; readonly left: FeatureExpression; readonly right: FeatureExpression }

const maxFeatureDepth = 1000

/** `a and (b or not c)`; undefined when the form is wrong or longer than some 500 names. */
export function parseFeatureExpression(text: string): FeatureExpression | undefined {
  const tokens = text.match(/[()]|[^\s()]+/g) ?? []
  let at = 0
  let depth = 0

  const binary = (kind: 'and' | 'or', operand: () => FeatureExpression | undefined) => {
    let left = operand()
    while (left && tokens[at] === kind) {
      at++
      const right = operand()
      left = right && { kind, left, right }
      if (++depth > maxFeatureDepth) return undefined
    }
    return left
  }
  const factor = (): FeatureExpression | undefined => {
    if (++depth > maxFeatureDepth) return undefined
    const token = tokens[at++]
    if (token === undefined) return undefined
    if (token === 'not') {
      const of = factor()
      return of && { kind: 'not', of }
    }
    if (token === '(') {
      const inner = either()
      return tokens[at++] === ')' ? inner : undefined
    }
    return reference.test(token) && token !== 'and' && token !== 'or'
      ? { kind: 'feature', name: splitName(token) }
      : undefined
  }
  const both = () => binary('and', factor)
  const either = (): FeatureExpression | undefined => binary('or', both)

  const expression = either()
  return at === tokens.length ? expression : undefined
}

// Leafref paths (RFC 7950 9.9.2). ----------------------------------------------------------------------------

/** `../../a/b[k = current()/../c]/d`, without white space. */
export interface LeafrefPath {
  readonly absolute: boolean
  /** How many `..` a relative path begins with. */
  readonly up: number
  readonly steps: readonly LeafrefStep[]
}

export interface LeafrefStep extends PrefixedName {
  readonly predicates: readonly LeafrefPredicate[]
}

/** `[key = current()/../../steps]`. */
export interface LeafrefPredicate {
  readonly key: PrefixedName
  readonly up: number
  readonly steps: readonly PrefixedName[]
}

const stepAt = new RegExp(step, 'y')
const isBlank = (code: number) =>
  code === 32 || (code >= 9 && code <= 13) || (code > 127 && /\s/.test(String.fromCharCode(code)))
const predicateAt = new RegExp(
  `\\s*\\[\\s*(${step})\\s*=\\s*current\\s*\\(\\s*\\)\\s*/\\s*((?:\\.\\.\\s*/\\s*)+)(${step}(?:\\s*/\\s*${step})*)\\s*\\]\\s*`,
  'y',
)

const maxPathLength = 16_384

/** Undefined when the form is wrong, or the text longer than 16 384 characters. */
export function parseLeafrefPath(text: string): LeafrefPath | undefined {
  // White space may stand around the parts of a path, not around the whole.
  if (text.length > maxPathLength || text.trim() !== text) return undefined
  let at = 0
  const blanks = () => {
    if (isBlank(text.charCodeAt(at))) while (isBlank(text.charCodeAt(at))) at++
  }
  blanks()
  const absolute = text[at] === '/'
  let up = 0
  if (absolute) at++
  else
    while (text.startsWith('..', at)) {
      at += 2
      blanks()
      if (text[at] !== '/') return undefined
      at++
      up++
      blanks()
    }
  if (!absolute && up === 0) return undefined
  const steps: LeafrefStep[] = []
  for (;;) {
    blanks()
    stepAt.lastIndex = at
    const name = stepAt.exec(text)?.[0]
    if (name === undefined) return undefined
    at += name.length
    const predicates: LeafrefPredicate[] = []
    for (;;) {
      blanks()
      if (text[at] !== '[') break
      predicateAt.lastIndex = at
      const found = predicateAt.exec(text)
      if (!found) break
      const [whole, key = '', ups = '', path = ''] = found
      at += whole.length
      const names = path.split('/').map((name) => splitName(name.trim()))
      predicates.push({ key: splitName(key), up: ups.split('..').length - 1, steps: names })
    }
    steps.push({ ...splitName(name), predicates })
    blanks()
    if (at >= text.length) return { absolute, up, steps }
    if (text[at] !== '/') return undefined
    at++
  }
}
