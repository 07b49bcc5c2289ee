/**
 * What can be known to be wrong with an expression before any document is there: prefixes that name no
 * module, functions that do not exist, wrong counts of arguments, variables (YANG binds none), and
 * patterns and identities named in literals (RFC 7950 6.4.1, 10).
 */
import { compilePattern } from '../xsd-pattern.ts'
import type { XPathFault } from './lexer.ts'
import type { Expr, NodeTest } from './parse.ts'

/** What the names of an expression mean: the schema's own `XPathSource` fits. */
export type XPathScope = {
  /** prefix → module name. */
  readonly prefixes: ReadonlyMap<string, string>
  /** The module of names without a prefix. */
  readonly moduleName: string
}

/** A fault with the clause that says so. */
export type XPathCheckFault = XPathFault & { readonly rfc: string }

/** Function name → least and most arguments: XPath 1.0's core library, and YANG's own (RFC 7950 10). */
export const xpathFunctions: ReadonlyMap<string, readonly [least: number, most: number]> = new Map([
  ['last', [0, 0]],
  ['position', [0, 0]],
  ['count', [1, 1]],
  ['id', [1, 1]],
  ['local-name', [0, 1]],
  ['namespace-uri', [0, 1]],
  ['name', [0, 1]],
  ['string', [0, 1]],
  ['concat', [2, Infinity]],
  ['starts-with', [2, 2]],
  ['contains', [2, 2]],
  ['substring-before', [2, 2]],
  ['substring-after', [2, 2]],
  ['substring', [2, 3]],
  ['string-length', [0, 1]],
  ['normalize-space', [0, 1]],
  ['translate', [3, 3]],
  ['boolean', [1, 1]],
  ['not', [1, 1]],
  ['true', [0, 0]],
  ['false', [0, 0]],
  ['lang', [1, 1]],
  ['number', [0, 1]],
  ['sum', [1, 1]],
  ['floor', [1, 1]],
  ['ceiling', [1, 1]],
  ['round', [1, 1]],
  ['current', [0, 0]],
  ['re-match', [2, 2]],
  ['deref', [1, 1]],
  ['derived-from', [2, 2]],
  ['derived-from-or-self', [2, 2]],
  ['enum-value', [1, 1]],
  ['bit-is-set', [2, 2]],
])

/** All faults of a parsed expression in its scope, in the order of the text as far as it is known. */
export function checkXPath(expr: Expr, scope: XPathScope): XPathCheckFault[] {
  const faults: XPathCheckFault[] = []
  checkExpr(expr, scope, faults)
  return faults
}

function checkExpr(expr: Expr, scope: XPathScope, faults: XPathCheckFault[]): void {
  switch (expr.kind) {
    case 'number':
    case 'literal':
      return
    case 'variable':
      faults.push({
        at: expr.at,
        found: `"$${expr.name}"`,
        expected: 'no variable: YANG binds none',
        rfc: 'RFC 7950 6.4.1',
      })
      return
    case 'negate':
      checkExpr(expr.operand, scope, faults)
      return
    case 'binary':
      checkExpr(expr.left, scope, faults)
      checkExpr(expr.right, scope, faults)
      return
    case 'call':
      checkCall(expr, scope, faults)
      return
    case 'filter':
      checkExpr(expr.primary, scope, faults)
      for (const predicate of expr.predicates) checkExpr(predicate, scope, faults)
      return
    case 'path':
      if (typeof expr.from === 'object') checkExpr(expr.from, scope, faults)
      for (const { test, predicates } of expr.steps) {
        checkTest(test, scope, faults)
        for (const predicate of predicates) checkExpr(predicate, scope, faults)
      }
      return
  }
}

function checkTest(test: NodeTest, scope: XPathScope, faults: XPathCheckFault[]): void {
  if (test.kind === 'type' || test.prefix === undefined || scope.prefixes.has(test.prefix)) return
  faults.push({
    at: test.at,
    found: `prefix "${test.prefix}"`,
    expected: 'the prefix of an imported module',
    rfc: 'RFC 7950 6.4.1',
  })
}

function checkCall(call: Expr & { kind: 'call' }, scope: XPathScope, faults: XPathCheckFault[]): void {
  const { name, prefix, args, at } = call
  for (const arg of args) checkExpr(arg, scope, faults)
  const arity = prefix === undefined ? xpathFunctions.get(name) : undefined
  if (!arity) {
    const found = `function "${prefix === undefined ? name : `${prefix}:${name}`}"`
    faults.push({ at, found, expected: 'a function of XPath 1.0 or of YANG', rfc: 'RFC 7950 10' })
    return
  }
  const [least, most] = arity
  if (args.length < least || args.length > most) {
    const count =
      least === most ? `${least}` : most === Infinity ? `at least ${least}` : `${least} to ${most}`
    faults.push({
      at,
      found: `${args.length} arguments of ${name}()`,
      expected: count,
      rfc: yangSections.get(name) ?? 'XPath 1.0, 4',
    })
    return
  }
  checkLiteral(call, scope, faults)
}

const yangSections: ReadonlyMap<string, string> = new Map([
  ['current', 'RFC 7950 10.1.1'],
  ['re-match', 'RFC 7950 10.2.1'],
  ['deref', 'RFC 7950 10.3.1'],
  ['derived-from', 'RFC 7950 10.4.1'],
  ['derived-from-or-self', 'RFC 7950 10.4.2'],
  ['enum-value', 'RFC 7950 10.5.1'],
  ['bit-is-set', 'RFC 7950 10.6.1'],
])

/** A second argument that is a literal can be judged now. */
function checkLiteral(call: Expr & { kind: 'call' }, scope: XPathScope, faults: XPathCheckFault[]): void {
  const second = call.args[1]
  if (second?.kind !== 'literal') return
  if (call.name === 're-match') {
    const pattern = compilePattern(second.value)
    if (!pattern.ok)
      faults.push({
        at: second.at,
        found: `${pattern.found} at ${pattern.at} of the pattern`,
        expected: pattern.expected,
        rfc: 'RFC 7950 10.2.1',
      })
  } else if (call.name === 'derived-from' || call.name === 'derived-from-or-self') {
    const colon = second.value.indexOf(':')
    if (colon < 0 || scope.prefixes.has(second.value.slice(0, colon))) return
    faults.push({
      at: second.at,
      found: `prefix "${second.value.slice(0, colon)}"`,
      expected: 'the prefix of an imported module',
      rfc: 'RFC 7950 10.4',
    })
  }
}
