/**
 * Cuts XPath 1.0 text into tokens (XPath 1.0, 3.7).
 *
 * XPath has no reserved words: `div` is a division after an operand and a node called div elsewhere,
 * and `*` is either a product or any name. Which one is decided here, by the token before, so that the
 * parser meets no ambiguity.
 */

export type Token = {
  readonly kind:
    | 'number'
    | 'literal'
    | 'name'
    /** `prefix:*` or `*`, standing for any name. */
    | 'any'
    /** A name directly before "(": a function or a node type. */
    | 'call'
    | 'axis'
    | 'variable'
    | 'operator'
    | 'mark'
    | 'end'
  /** What was written; for literals without the quotes. For `any`, `name`, `call`: the local part. */
  readonly text: string
  readonly prefix: string | undefined
  /** Offset in UTF-16 units. */
  readonly at: number
}

/** What stood where something else was needed; `at` is an offset in UTF-16 units. */
export type XPathFault = { readonly at: number; readonly found: string; readonly expected: string }

/** Thrown inside the reader only; the parser turns it into a value. */
export class XPathSyntax extends Error {
  readonly fault: XPathFault
  constructor(fault: XPathFault) {
    super(`${fault.found} at ${fault.at}, expected ${fault.expected}`)
    this.fault = fault
  }
}

// Names of XML without the colon; YANG's identifiers are a subset.
const ncName = '[\\p{L}_][\\p{L}\\p{N}\\p{M}_.\\u00b7-]*'
const nameParts = new RegExp(ncName, 'uy')

const operatorNames = new Set(['and', 'or', 'mod', 'div'])

/** All tokens, an `end` last. Throws XPathSyntax at the first character that begins none. */
export function tokenize(text: string, maximum: number): Token[] {
  const tokens: Token[] = []
  const place: Place = { text, at: 0 }
  let before: Token | undefined
  let at = 0
  for (;;) {
    at = skipBlanks(text, at)
    if (at >= text.length) {
      tokens.push({ kind: 'end', text: '', prefix: undefined, at })
      return tokens
    }
    if (tokens.length >= maximum)
      throw new XPathSyntax({ at, found: `more than ${maximum} tokens`, expected: `at most ${maximum}` })
    const end = endOfMark(text, at)
    if (end > at) {
      const mark = text.slice(at, end)
      before = { kind: operatorMarks.has(mark) ? 'operator' : 'mark', text: mark, prefix: undefined, at }
      at = end
    } else {
      place.at = at
      before = readWord(place, before)
      at = place.at
    }
    tokens.push(before)
  }
}

const operatorMarks = new Set(['/', '//', '|', '+', '-', '=', '!=', '<', '<=', '>', '>='])

function skipBlanks(text: string, from: number): number {
  let at = from
  for (;;) {
    const code = text.charCodeAt(at)
    if (code !== 32 && code !== 9 && code !== 10 && code !== 13) return at
    at++
  }
}

const isDigit = (code: number) => code >= 48 && code <= 57

/** Where a mark that begins here ends; the same place when none does. A point before a digit begins a number. */
function endOfMark(text: string, at: number): number {
  const next = text.charCodeAt(at + 1)
  switch (text[at]) {
    case '(':
    case ')':
    case '[':
    case ']':
    case ',':
    case '@':
    case '|':
    case '+':
    case '-':
    case '=':
      return at + 1
    case '.':
      return next === 0x2e ? at + 2 : isDigit(next) ? at : at + 1
    case '/':
      return next === 0x2f ? at + 2 : at + 1
    case '<':
    case '>':
      return next === 0x3d ? at + 2 : at + 1
    case '!':
      return next === 0x3d ? at + 2 : at
    case ':':
      return next === 0x3a ? at + 2 : at
    default:
      return at
  }
}

/** Where reading has got to; functions that take it move it behind what they read. */
type Place = { readonly text: string; at: number }

/** The number, literal, variable or name that begins here. */
function readWord(place: Place, before: Token | undefined): Token {
  const { text, at } = place
  const code = text.charCodeAt(at)
  if (isDigit(code) || code === 0x2e) {
    let end = at
    while (isDigit(text.charCodeAt(end))) end++
    if (text.charCodeAt(end) === 0x2e)
      do end++
      while (isDigit(text.charCodeAt(end)))
    place.at = end
    return { kind: 'number', text: text.slice(at, end), prefix: undefined, at }
  }
  if (code === 0x22 || code === 0x27) {
    const end = text.indexOf(code === 0x22 ? '"' : "'", at + 1)
    if (end < 0) throw noToken(text, at)
    place.at = end + 1
    return { kind: 'literal', text: text.slice(at + 1, end), prefix: undefined, at }
  }
  if (code === 0x24) {
    place.at++
    const { name, prefix } = readName(place, false)
    return { kind: 'variable', text: name, prefix, at }
  }
  const { name, prefix } = readName(place, true)
  if (prefix === undefined && (name === '*' || operatorNames.has(name)) && endsOperand(before))
    return { kind: 'operator', text: name, prefix, at }
  if (name === '*') return { kind: 'any', text: name, prefix, at }
  const behind = skipBlanks(text, place.at)
  if (text[behind] === '(') return { kind: 'call', text: name, prefix, at }
  const isAxis = prefix === undefined && text.startsWith('::', behind)
  return { kind: isAxis ? 'axis' : 'name', text: name, prefix, at }
}

/** `name` or `prefix:name`, the name possibly `*`. */
function readName(place: Place, wild: boolean): { name: string; prefix: string | undefined } {
  const { text, at: from } = place
  if (wild && text.charCodeAt(from) === 0x2a) {
    place.at = from + 1
    return { name: '*', prefix: undefined }
  }
  const end = endOfName(text, from)
  if (end === from) throw noToken(text, wild ? from : from - 1)
  const first = text.slice(from, end)
  place.at = end
  if (text.charCodeAt(end) !== 0x3a || text.charCodeAt(end + 1) === 0x3a)
    return { name: first, prefix: undefined }
  if (wild && text.charCodeAt(end + 1) === 0x2a) {
    place.at = end + 2
    return { name: '*', prefix: first }
  }
  const last = endOfName(text, end + 1)
  if (last === end + 1) return { name: first, prefix: undefined }
  place.at = last
  return { name: text.slice(end + 1, last), prefix: first }
}

/** Where the name that begins here ends; the same place when none does. Letters beyond ASCII take the longer way. */
function endOfName(text: string, from: number): number {
  let at = from
  for (;;) {
    const code = text.charCodeAt(at)
    const isLetter = (code >= 97 && code <= 122) || (code >= 65 && code <= 90) || code === 0x5f
    if (code > 127) {
      nameParts.lastIndex = from
      return nameParts.test(text) ? nameParts.lastIndex : from
    }
    if (!isLetter && (at === from || !(isDigit(code) || code === 0x2d || code === 0x2e))) return at
    at++
  }
}

function noToken(text: string, at: number): XPathSyntax {
  return new XPathSyntax({ at, found: quoted(text, at), expected: 'a token of XPath' })
}

/** After an operand, `*` and the operator names are operators (XPath 1.0, 3.7). */
function endsOperand(token: Token | undefined): boolean {
  if (!token || token.kind === 'operator' || token.kind === 'axis' || token.kind === 'call') return false
  return (
    token.kind !== 'mark' ||
    token.text === ')' ||
    token.text === ']' ||
    token.text === '.' ||
    token.text === '..'
  )
}

function quoted(text: string, at: number): string {
  const codePoint = text.codePointAt(at)
  const char = codePoint === undefined ? '' : String.fromCodePoint(codePoint)
  return char === '"' || char === "'" ? 'a literal without its closing quote' : `"${char}"`
}
