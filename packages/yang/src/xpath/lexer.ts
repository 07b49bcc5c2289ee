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

const spaces = /[ \t\r\n]*/y
const numbers = /(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)/y
const literals = /"[^"]*"|'[^']*'/y
// Names of XML without the colon; YANG's identifiers are a subset.
const ncName = '[\\p{L}_][\\p{L}\\p{N}\\p{M}_.\\u00b7-]*'
const names = new RegExp(`(?:(${ncName}):(?!:))?(${ncName}|\\*)`, 'uy')
const variables = new RegExp(`\\$(?:(${ncName}):)?(${ncName})`, 'uy')
const marks = /::|\.\.|\/\/|!=|<=|>=|[()[\].,@/|+=<>-]/y

const operatorNames = new Set(['and', 'or', 'mod', 'div'])
const operatorMarks = new Set(['/', '//', '|', '+', '-', '=', '!=', '<', '<=', '>', '>='])

/** All tokens, an `end` last. Throws XPathSyntax at the first character that begins none. */
export function tokenize(text: string, maximum: number): Token[] {
  const tokens: Token[] = []
  let at = 0
  const take = (expression: RegExp): RegExpExecArray | null => {
    expression.lastIndex = at
    const match = expression.exec(text)
    if (match) at = expression.lastIndex
    return match
  }
  for (;;) {
    take(spaces)
    const from = at
    if (at >= text.length) {
      tokens.push({ kind: 'end', text: '', prefix: undefined, at })
      return tokens
    }
    if (tokens.length >= maximum)
      throw new XPathSyntax({ at, found: `more than ${maximum} tokens`, expected: `at most ${maximum}` })
    const afterOperand = endsOperand(tokens.at(-1))
    let match = take(numbers)
    if (match) {
      tokens.push({ kind: 'number', text: match[0], prefix: undefined, at: from })
      continue
    }
    match = take(literals)
    if (match) {
      tokens.push({ kind: 'literal', text: match[0].slice(1, -1), prefix: undefined, at: from })
      continue
    }
    match = take(variables)
    if (match) {
      tokens.push({ kind: 'variable', text: match[2] ?? '', prefix: match[1], at: from })
      continue
    }
    match = take(names)
    if (match) {
      const name = match[2] ?? ''
      const prefix = match[1]
      if (afterOperand && prefix === undefined && (name === '*' || operatorNames.has(name))) {
        tokens.push({ kind: 'operator', text: name, prefix, at: from })
        continue
      }
      const before = at
      take(spaces)
      const following = text.startsWith('::', at) ? 'axis' : text[at] === '(' ? 'call' : undefined
      at = before
      const kind =
        name === '*' ? 'any' : prefix === undefined || following === 'call' ? (following ?? 'name') : 'name'
      tokens.push({ kind, text: name, prefix, at: from })
      continue
    }
    match = take(marks)
    if (!match) throw new XPathSyntax({ at, found: quoted(text, at), expected: 'a token of XPath' })
    const mark = match[0]
    tokens.push({
      kind: operatorMarks.has(mark) ? 'operator' : 'mark',
      text: mark,
      prefix: undefined,
      at: from,
    })
  }
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
