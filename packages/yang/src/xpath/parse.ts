/**
 * Reads XPath 1.0 into a tree (XPath 1.0, sections 2 and 3).
 *
 * Only the grammar is judged here. Whether prefixes and functions exist is `check.ts`, what the
 * expression means is `evaluate.ts`. Abbreviations are written out, so a reader of the tree meets
 * axes only: `..` is `parent::node()`, `//` is `/descendant-or-self::node()/`.
 */
import { type Token, tokenize, type XPathFault, XPathSyntax } from './lexer.ts'

export type BinaryOperator =
  | 'or'
  | 'and'
  | '='
  | '!='
  | '<'
  | '<='
  | '>'
  | '>='
  | '+'
  | '-'
  | '*'
  | 'div'
  | 'mod'
  | '|'

export type Axis =
  | 'ancestor'
  | 'ancestor-or-self'
  | 'attribute'
  | 'child'
  | 'descendant'
  | 'descendant-or-self'
  | 'following'
  | 'following-sibling'
  | 'namespace'
  | 'parent'
  | 'preceding'
  | 'preceding-sibling'
  | 'self'

export type NodeTest =
  | { readonly kind: 'name'; readonly prefix: string | undefined; readonly name: string; readonly at: number }
  /** `*` or `prefix:*`. */
  | { readonly kind: 'any'; readonly prefix: string | undefined; readonly at: number }
  | { readonly kind: 'type'; readonly type: 'node' | 'text' | 'comment' | 'processing-instruction' }

export type Step = { readonly axis: Axis; readonly test: NodeTest; readonly predicates: readonly Expr[] }

export type Expr =
  | { readonly kind: 'number'; readonly value: number }
  | { readonly kind: 'literal'; readonly value: string; readonly at: number }
  | { readonly kind: 'variable'; readonly name: string; readonly at: number }
  | { readonly kind: 'negate'; readonly operand: Expr }
  | { readonly kind: 'binary'; readonly operator: BinaryOperator; readonly left: Expr; readonly right: Expr }
  | {
      readonly kind: 'call'
      readonly prefix: string | undefined
      readonly name: string
      readonly args: readonly Expr[]
      readonly at: number
    }
  /** A primary expression with predicates: `current()[…]`. */
  | { readonly kind: 'filter'; readonly primary: Expr; readonly predicates: readonly Expr[] }
  /** Steps from the root, from the context node, or from the nodes of another expression. */
  | { readonly kind: 'path'; readonly from: 'root' | 'context' | Expr; readonly steps: readonly Step[] }

export type ParsedXPath = { readonly ok: true; readonly expr: Expr } | ({ readonly ok: false } & XPathFault)

/**
 * Longest text in UTF-16 units, most tokens, most binary operators (a chain of them is a deep tree), and
 * deepest nesting of parentheses and predicates.
 */
export const xpathLimits = { length: 65_536, tokens: 10_000, operators: 1_000, depth: 100 } as const

/** Reads an expression whole; the first offence is the refusal. */
export function parseXPath(text: string): ParsedXPath {
  if (text.length > xpathLimits.length)
    return {
      ok: false,
      at: 0,
      found: `an expression of ${text.length} characters`,
      expected: `at most ${xpathLimits.length}`,
    }
  try {
    const parser: Parser = { tokens: tokenize(text, xpathLimits.tokens), next: 0, depth: 0, operators: 0 }
    const expr = parseExpr(parser)
    if (peek(parser).kind !== 'end') refuse(parser, 'an operator or the end')
    return { ok: true, expr }
  } catch (error) {
    if (error instanceof XPathSyntax) return { ok: false, ...error.fault }
    throw error
  }
}

type Parser = { readonly tokens: readonly Token[]; next: number; depth: number; operators: number }

const lastToken: Token = { kind: 'end', text: '', prefix: undefined, at: 0 }

function peek(parser: Parser): Token {
  return parser.tokens[parser.next] ?? lastToken
}

function refuse(parser: Parser, expected: string): never {
  const { kind, text, prefix, at } = peek(parser)
  const found = kind === 'end' ? 'the end' : `"${prefix === undefined ? text : `${prefix}:${text}`}"`
  throw new XPathSyntax({ at, found, expected })
}

function accept(parser: Parser, text: string): boolean {
  const token = peek(parser)
  if ((token.kind !== 'mark' && token.kind !== 'operator') || token.text !== text) return false
  parser.next++
  return true
}

function demand(parser: Parser, text: string): void {
  if (!accept(parser, text)) refuse(parser, `"${text}"`)
}

/** How tightly binary operators bind (XPath 1.0, 3.5); "|" binds tighter than a sign and is read apart. */
const tightness: ReadonlyMap<string, number> = new Map<BinaryOperator, number>([
  ['or', 1],
  ['and', 2],
  ['=', 3],
  ['!=', 3],
  ['<', 4],
  ['<=', 4],
  ['>', 4],
  ['>=', 4],
  ['+', 5],
  ['-', 5],
  ['*', 6],
  ['div', 6],
  ['mod', 6],
])

function isBinary(operator: string): operator is BinaryOperator {
  return tightness.has(operator)
}

function parseExpr(parser: Parser): Expr {
  if (++parser.depth > xpathLimits.depth) refuse(parser, `at most ${xpathLimits.depth} levels of nesting`)
  const expr = parseOperation(parser, 1)
  parser.depth--
  return expr
}

/** Operands joined by operators that bind at least so tightly; equal ones group from the left. */
function parseOperation(parser: Parser, least: number): Expr {
  let left = parseUnary(parser)
  for (;;) {
    const { kind, text } = peek(parser)
    const binds = kind === 'operator' ? (tightness.get(text) ?? 0) : 0
    if (binds < least || !isBinary(text)) return left
    countOperator(parser)
    parser.next++
    left = { kind: 'binary', operator: text, left, right: parseOperation(parser, binds + 1) }
  }
}

function countOperator(parser: Parser): void {
  if (++parser.operators > xpathLimits.operators) refuse(parser, `at most ${xpathLimits.operators} operators`)
}

function parseUnary(parser: Parser): Expr {
  let minuses = 0
  while (accept(parser, '-')) minuses++
  let expr = parsePath(parser)
  while (accept(parser, '|')) {
    countOperator(parser)
    expr = { kind: 'binary', operator: '|', left: expr, right: parsePath(parser) }
  }
  if (minuses === 0) return expr
  // Two signs still make a number of the operand.
  const negated: Expr = { kind: 'negate', operand: expr }
  return minuses % 2 === 1 ? negated : { kind: 'negate', operand: negated }
}

const nodeTypes = ['node', 'text', 'comment', 'processing-instruction'] as const

const axes: ReadonlySet<string> = new Set<Axis>([
  'ancestor',
  'ancestor-or-self',
  'attribute',
  'child',
  'descendant',
  'descendant-or-self',
  'following',
  'following-sibling',
  'namespace',
  'parent',
  'preceding',
  'preceding-sibling',
  'self',
])

function isAxis(name: string): name is Axis {
  return axes.has(name)
}

const anyNode: NodeTest = { kind: 'type', type: 'node' }
const anyDepth: Step = { axis: 'descendant-or-self', test: anyNode, predicates: [] }

function parsePath(parser: Parser): Expr {
  if (accept(parser, '//')) {
    const steps: Step[] = [anyDepth, parseStep(parser)]
    parseMoreSteps(parser, steps)
    return { kind: 'path', from: 'root', steps }
  }
  if (accept(parser, '/')) {
    const steps: Step[] = []
    if (beginsStep(peek(parser))) {
      steps.push(parseStep(parser))
      parseMoreSteps(parser, steps)
    }
    return { kind: 'path', from: 'root', steps }
  }
  const token = peek(parser)
  if (!beginsPrimary(token)) {
    if (!beginsStep(token)) refuse(parser, 'an operand: a path, a function call, a literal or a number')
    const steps: Step[] = [parseStep(parser)]
    parseMoreSteps(parser, steps)
    return { kind: 'path', from: 'context', steps }
  }
  const primary = parsePrimary(parser)
  const predicates = parsePredicates(parser)
  const filtered: Expr = predicates.length === 0 ? primary : { kind: 'filter', primary, predicates }
  const steps: Step[] = []
  parseMoreSteps(parser, steps)
  return steps.length === 0 ? filtered : { kind: 'path', from: filtered, steps }
}

function parseMoreSteps(parser: Parser, steps: Step[]): void {
  for (;;) {
    if (accept(parser, '//')) steps.push(anyDepth)
    else if (!accept(parser, '/')) return
    steps.push(parseStep(parser))
  }
}

function beginsPrimary(token: Token): boolean {
  if (token.kind === 'call') return token.prefix !== undefined || !isNodeType(token.text)
  return (
    token.kind === 'number' ||
    token.kind === 'literal' ||
    token.kind === 'variable' ||
    (token.kind === 'mark' && token.text === '(')
  )
}

function beginsStep(token: Token): boolean {
  if (token.kind === 'mark') return token.text === '.' || token.text === '..' || token.text === '@'
  return (
    token.kind === 'name' ||
    token.kind === 'any' ||
    token.kind === 'axis' ||
    (token.kind === 'call' && token.prefix === undefined && isNodeType(token.text))
  )
}

function isNodeType(name: string): boolean {
  return nodeTypes.some((type) => type === name)
}

function parsePrimary(parser: Parser): Expr {
  const token = peek(parser)
  parser.next++
  switch (token.kind) {
    case 'number':
      return { kind: 'number', value: Number(token.text) }
    case 'literal':
      return { kind: 'literal', value: token.text, at: token.at }
    case 'variable':
      return { kind: 'variable', name: token.text, at: token.at }
    case 'call': {
      demand(parser, '(')
      const args: Expr[] = []
      if (!accept(parser, ')')) {
        do args.push(parseExpr(parser))
        while (accept(parser, ','))
        demand(parser, ')')
      }
      return { kind: 'call', prefix: token.prefix, name: token.text, args, at: token.at }
    }
    default: {
      const inner = parseExpr(parser)
      demand(parser, ')')
      return inner
    }
  }
}

function parseStep(parser: Parser): Step {
  if (accept(parser, '.')) return { axis: 'self', test: anyNode, predicates: [] }
  if (accept(parser, '..')) return { axis: 'parent', test: anyNode, predicates: [] }
  let axis: Axis = 'child'
  const token = peek(parser)
  if (accept(parser, '@')) axis = 'attribute'
  else if (token.kind === 'axis') {
    if (!isAxis(token.text)) return refuse(parser, 'an axis of XPath 1.0')
    axis = token.text
    parser.next++
    demand(parser, '::')
  }
  const test = parseNodeTest(parser)
  return { axis, test, predicates: parsePredicates(parser) }
}

function parseNodeTest(parser: Parser): NodeTest {
  const token = peek(parser)
  const { prefix, text, at } = token
  if (token.kind === 'name') {
    parser.next++
    return { kind: 'name', prefix, name: text, at }
  }
  if (token.kind === 'any') {
    parser.next++
    return { kind: 'any', prefix, at }
  }
  const type =
    token.kind === 'call' && prefix === undefined ? nodeTypes.find((name) => name === text) : undefined
  if (!type) return refuse(parser, 'a name, "*" or a node type')
  parser.next++
  demand(parser, '(')
  if (type === 'processing-instruction' && peek(parser).kind === 'literal') parser.next++
  demand(parser, ')')
  return { kind: 'type', type }
}

function parsePredicates(parser: Parser): Expr[] {
  const predicates: Expr[] = []
  while (accept(parser, '[')) {
    predicates.push(parseExpr(parser))
    demand(parser, ']')
  }
  return predicates
}
