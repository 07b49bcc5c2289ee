/**
 * Turns a parsed expression into a function over a tree of data (XPath 1.0; RFC 7950 6.4).
 *
 * The work of reading names is done once: prefixes become module names, functions become functions, and
 * a predicate that compares a list's key with a value known beforehand becomes a look-up. Evaluation
 * counts the nodes it visits and gives up, saying so, when an expression would visit too many.
 */

import { axisReach } from './axes.ts'
import { type XPathScope, xpathFunctions } from './check.ts'
import { contextByDefault, createLibrary, identityName, type Library } from './functions.ts'
import type { BinaryOperator, Expr, NodeTest, Step } from './parse.ts'
import type { QName, XPathBudget, XPathTree } from './tree.ts'
import { firstNode, isNodes, toBoolean, toNumber, type Value } from './value.ts'

/** Thrown when the budget is used up; whoever owns the budget catches it. */
export class XPathTooCostly extends Error {}

/** An expression ready to be evaluated with `current` as context node and as `current()`. */
export type CompiledXPath<N> = {
  value(current: N, budget: XPathBudget): Value<N>
  boolean(current: N, budget: XPathBudget): boolean
  /** Empty when the expression is not a node-set. */
  nodes(current: N, budget: XPathBudget): readonly N[]
}

/**
 * Compiles an expression that `checkXPath` found no fault with. Unknown prefixes and functions, if any
 * are left, select nothing.
 */
export function compileXPath<N>(expr: Expr, scope: XPathScope, tree: XPathTree<N>): CompiledXPath<N> {
  const compiler: Compiler<N> = { tree, scope, library: createLibrary(tree, scope) }
  const evaluate = compileExpr(compiler, expr)
  const value = (current: N, budget: XPathBudget): Value<N> => evaluate(current, 1, 1, { current, budget })
  return {
    value,
    boolean: (current, budget) => toBoolean(value(current, budget)),
    nodes: (current, budget) => {
      const result = value(current, budget)
      return isNodes(result) ? result : []
    },
  }
}

type Compiler<N> = {
  readonly tree: XPathTree<N>
  readonly scope: XPathScope
  readonly library: Library<N>
}

type Env<N> = { readonly current: N; readonly budget: XPathBudget }

type Evaluate<N> = (node: N, position: number, size: number, env: Env<N>) => Value<N>

function spend<N>(env: Env<N>, visits: number): void {
  env.budget.left -= visits
  if (env.budget.left < 0) throw new XPathTooCostly('the expressions visit more nodes than allowed')
}

function compileExpr<N>(compiler: Compiler<N>, expr: Expr): Evaluate<N> {
  switch (expr.kind) {
    case 'number':
    case 'literal': {
      const { value } = expr
      return () => value
    }
    case 'variable':
      return () => ''
    case 'negate': {
      const operand = compileExpr(compiler, expr.operand)
      const { tree } = compiler
      return (node, position, size, env) => -toNumber(tree, operand(node, position, size, env))
    }
    case 'binary':
      return compileBinary(compiler, expr)
    case 'call':
      return compileCall(compiler, expr)
    case 'filter': {
      const primary = compileExpr(compiler, expr.primary)
      const predicates = expr.predicates.map((predicate) => compileExpr(compiler, predicate))
      const { tree } = compiler
      return (node, position, size, env) => {
        const value = primary(node, position, size, env)
        if (!isNodes(value)) return []
        return filterNodes(ordered(tree, value), predicates, env)
      }
    }
    case 'path':
      return compilePath(compiler, expr)
  }
}

function ordered<N>(tree: XPathTree<N>, nodes: readonly N[]): readonly N[] {
  return nodes.length < 2 ? nodes : [...nodes].sort((a, b) => tree.compare(a, b))
}

function filterNodes<N>(nodes: readonly N[], predicates: readonly Evaluate<N>[], env: Env<N>): readonly N[] {
  let left = nodes
  for (const predicate of predicates) {
    const size = left.length
    spend(env, size)
    const kept: N[] = []
    for (let i = 0; i < size; i++) {
      const node = left[i]
      if (node === undefined) continue
      const value = predicate(node, i + 1, size, env)
      if (typeof value === 'number' ? value === i + 1 : toBoolean(value)) kept.push(node)
    }
    left = kept
  }
  return left
}

// Calls. -------------------------------------------------------------------------------------------

function compileCall<N>(compiler: Compiler<N>, call: Expr & { kind: 'call' }): Evaluate<N> {
  const { name } = call
  if (call.prefix !== undefined || !xpathFunctions.has(name)) return () => []
  if (name === 'current') return (_node, _position, _size, env) => [env.current]
  if (name === 'position') return (_node, position) => position
  if (name === 'last') return (_node, _position, size) => size
  if (name === 'deref') return compileDeref(compiler, call)
  const run = compiler.library.get(name)
  if (!run) return () => []
  const args = call.args.map((arg) => compileExpr(compiler, arg))
  if (args.length === 0 && contextByDefault.has(name)) return (node) => run([[node]])
  const [first, second] = args
  if (args.length === 1 && first)
    return (node, position, size, env) => run([first(node, position, size, env)])
  if (args.length === 2 && first && second)
    return (node, position, size, env) =>
      run([first(node, position, size, env), second(node, position, size, env)])
  return (node, position, size, env) => run(args.map((arg) => arg(node, position, size, env)))
}

/** `deref()` visits nodes itself, so it is handed the budget (RFC 7950 10.3.1). */
function compileDeref<N>(compiler: Compiler<N>, call: Expr & { kind: 'call' }): Evaluate<N> {
  const { tree } = compiler
  const [arg] = call.args.map((one) => compileExpr(compiler, one))
  return (node, position, size, env) => {
    const value = arg?.(node, position, size, env)
    const first = value !== undefined && isNodes(value) ? firstNode(tree, value) : undefined
    return first === undefined ? [] : tree.deref(first, env.budget)
  }
}

// Operators. ---------------------------------------------------------------------------------------

function compileBinary<N>(compiler: Compiler<N>, expr: Expr & { kind: 'binary' }): Evaluate<N> {
  const { tree } = compiler
  const left = compileExpr(compiler, expr.left)
  const right = compileExpr(compiler, expr.right)
  const { operator } = expr
  switch (operator) {
    case 'or':
      return (node, position, size, env) =>
        toBoolean(left(node, position, size, env)) || toBoolean(right(node, position, size, env))
    case 'and':
      return (node, position, size, env) =>
        toBoolean(left(node, position, size, env)) && toBoolean(right(node, position, size, env))
    case '|':
      return (node, position, size, env) => {
        const a = left(node, position, size, env)
        const b = right(node, position, size, env)
        return [...new Set([...(isNodes(a) ? a : []), ...(isNodes(b) ? b : [])])]
      }
    case '=':
    case '!=':
    case '<':
    case '<=':
    case '>':
    case '>=': {
      const compare = compileComparison(compiler, operator, expr)
      return (node, position, size, env) =>
        compare(left(node, position, size, env), right(node, position, size, env), env)
    }
    default: {
      const calculate = arithmetic[operator]
      return (node, position, size, env) =>
        calculate(
          toNumber(tree, left(node, position, size, env)),
          toNumber(tree, right(node, position, size, env)),
        )
    }
  }
}

const arithmetic: Record<'+' | '-' | '*' | 'div' | 'mod', (a: number, b: number) => number> = {
  '+': (a, b) => a + b,
  '-': (a, b) => a - b,
  '*': (a, b) => a * b,
  div: (a, b) => a / b,
  mod: (a, b) => a % b,
}

type Comparison = Extract<BinaryOperator, '=' | '!=' | '<' | '<=' | '>' | '>='>

const order: Record<Exclude<Comparison, '=' | '!='>, (a: number, b: number) => boolean> = {
  '<': (a, b) => a < b,
  '<=': (a, b) => a <= b,
  '>': (a, b) => a > b,
  '>=': (a, b) => a >= b,
}

/** A comparison with a node-set holds when it holds for some node (XPath 1.0, 3.4). */
function compileComparison<N>(
  compiler: Compiler<N>,
  operator: Comparison,
  expr: Expr & { kind: 'binary' },
): (a: Value<N>, b: Value<N>, env: Env<N>) => boolean {
  const { tree } = compiler
  if (operator !== '=' && operator !== '!=') {
    const holds = order[operator]
    return (a, b, env) => {
      const lefts = numbersOf(tree, a, b)
      const rights = numbersOf(tree, b, a)
      spend(env, lefts.length + rights.length)
      // Some pair holds exactly when the extremes do.
      const [least, greatest] = operator.startsWith('<') ? [lefts, rights] : [rights, lefts]
      const low = least.reduce((x, y) => (y < x ? y : x), Infinity)
      const high = greatest.reduce((x, y) => (y > x ? y : x), -Infinity)
      if (
        least.length === 0 ||
        greatest.length === 0 ||
        least.every(Number.isNaN) ||
        greatest.every(Number.isNaN)
      )
        return false
      return operator.startsWith('<') ? holds(low, high) : holds(high, low)
    }
  }
  const wanted = operator === '='
  const literal =
    expr.left.kind === 'literal'
      ? expr.left.value
      : expr.right.kind === 'literal'
        ? expr.right.value
        : undefined
  // A literal compared with an identityref means the identity its prefix says (RFC 7950 9.10.3).
  const identity = literal === undefined ? undefined : identityName(literal, compiler.scope)
  const sameText = (node: N, text: string): boolean =>
    tree.text(node) === text ||
    (identity !== undefined && tree.text(node) === identity && tree.identity(node) !== undefined)
  return (a, b, env) => {
    if (isNodes(a) && isNodes(b)) {
      spend(env, a.length + b.length)
      return someEqualTexts(tree, a, b, wanted)
    }
    if (isNodes(a) || isNodes(b)) {
      const nodes = isNodes(a) ? a : isNodes(b) ? b : []
      const other = isNodes(a) ? b : a
      if (typeof other === 'boolean') return (nodes.length > 0 === other) === wanted
      spend(env, nodes.length)
      if (typeof other === 'number')
        return nodes.some((node) => (toNumber(tree, tree.text(node)) === other) === wanted)
      const text = isNodes(other) ? '' : other
      return nodes.some((node) => sameText(node, text) === wanted)
    }
    if (typeof a === 'boolean' || typeof b === 'boolean') return (toBoolean(a) === toBoolean(b)) === wanted
    if (typeof a === 'number' || typeof b === 'number')
      return (toNumber(tree, a) === toNumber(tree, b)) === wanted
    return (a === b) === wanted
  }
}

function someEqualTexts<N>(tree: XPathTree<N>, a: readonly N[], b: readonly N[], wanted: boolean): boolean {
  if (a.length === 0 || b.length === 0) return false
  const texts = new Set(b.map((node) => tree.text(node)))
  if (wanted) return a.some((node) => texts.has(tree.text(node)))
  // Unequal texts exist unless all texts on both sides are one and the same.
  if (texts.size > 1) return true
  return a.some((node) => !texts.has(tree.text(node)))
}

/** The numbers on one side; a node-set against a boolean counts as a boolean. */
function numbersOf<N>(tree: XPathTree<N>, side: Value<N>, other: Value<N>): readonly number[] {
  if (!isNodes(side)) return [toNumber(tree, side)]
  if (typeof other === 'boolean') return [side.length > 0 ? 1 : 0]
  return side.map((node) => toNumber(tree, tree.text(node)))
}

// Paths. -------------------------------------------------------------------------------------------

type Walk<N> = (nodes: readonly N[], env: Env<N>) => readonly N[]

function compilePath<N>(compiler: Compiler<N>, path: Expr & { kind: 'path' }): Evaluate<N> {
  const { tree } = compiler
  const { from } = path
  const steps = shortened(path.steps).map((step) => compileStep(compiler, step))
  const walk = (start: readonly N[], env: Env<N>): readonly N[] => {
    let nodes = start
    for (const step of steps) {
      if (nodes.length === 0) return nodes
      nodes = step(nodes, env)
      spend(env, nodes.length + 1)
    }
    return nodes
  }
  if (from === 'context') return (node, _position, _size, env) => walk([node], env)
  if (from === 'root')
    return (node, _position, _size, env) => {
      let root = node
      for (let up = tree.parent(root); up !== undefined; up = tree.parent(root)) root = up
      return walk([root], env)
    }
  const start = compileExpr(compiler, from)
  return (node, position, size, env) => {
    const value = start(node, position, size, env)
    return isNodes(value) ? walk(value, env) : []
  }
}

/** `//name` without positions is one step down any depth. */
function shortened(steps: readonly Step[]): readonly Step[] {
  const short: Step[] = []
  for (const step of steps) {
    const last = short.at(-1)
    const isAnyDepth =
      last?.axis === 'descendant-or-self' &&
      last.test.kind === 'type' &&
      last.test.type === 'node' &&
      last.predicates.length === 0
    if (isAnyDepth && step.axis === 'child' && step.predicates.length === 0)
      short[short.length - 1] = { ...step, axis: 'descendant' }
    else short.push(step)
  }
  return short
}

function compileStep<N>(compiler: Compiler<N>, step: Step): Walk<N> {
  const { tree } = compiler
  const predicates = step.predicates.map((predicate) => compileExpr(compiler, predicate))
  const select = compileAxis(compiler, step)
  const keyed = compileKeyed(compiler, step, predicates.slice(1))
  const one = (node: N, env: Env<N>): readonly N[] => {
    const quick = keyed?.(node, env)
    if (quick) return quick
    const nodes = select(node, env)
    return predicates.length === 0 ? nodes : filterNodes(nodes, predicates, env)
  }
  // From distinct nodes, these axes never reach a node twice.
  const distinct = step.axis === 'child' || step.axis === 'self'
  return (nodes, env) => {
    const [only] = nodes
    if (nodes.length === 1 && only !== undefined) return one(only, env)
    if (distinct) {
      const all: N[] = []
      for (const node of nodes) for (const found of one(node, env)) all.push(found)
      return all
    }
    const all = new Set<N>()
    for (const node of nodes) for (const found of one(node, env)) all.add(found)
    return ordered(tree, [...all])
  }
}

/** `list[key = value]` where the value does not depend on the entry: one look-up instead of a search. */
function compileKeyed<N>(
  compiler: Compiler<N>,
  step: Step,
  rest: readonly Evaluate<N>[],
): ((node: N, env: Env<N>) => readonly N[] | undefined) | undefined {
  const { tree, scope } = compiler
  const list = step.axis === 'child' ? qnameOf(step.test, scope) : undefined
  const [first] = step.predicates
  if (!tree.keyed || !list || first?.kind !== 'binary' || first.operator !== '=') return undefined
  for (const [side, other] of [
    [first.left, first.right],
    [first.right, first.left],
  ] as const) {
    const leaf =
      side.kind === 'path' && side.from === 'context' && side.steps.length === 1 ? side.steps[0] : undefined
    const key = leaf?.axis === 'child' && leaf.predicates.length === 0 ? qnameOf(leaf.test, scope) : undefined
    if (!key || readsContext(other)) continue
    const wanted = compileExpr(compiler, other)
    return (node, env) => {
      const value = wanted(node, 1, 1, env)
      const texts =
        typeof value === 'string' ? [value] : isNodes(value) ? value.map((n) => tree.text(n)) : undefined
      if (texts?.length !== 1) return undefined
      const found = tree.keyed?.(node, list, key, texts[0] ?? '')
      // A position in a further predicate counts the entries that the first one kept.
      return found && filterNodes(found, rest, env)
    }
  }
  return undefined
}

/** Whether the value depends on the context node, its position or the size of the context. */
function readsContext(expr: Expr): boolean {
  switch (expr.kind) {
    case 'number':
    case 'literal':
      return false
    case 'call':
      if (expr.name === 'current' && expr.prefix === undefined) return false
      return expr.args.length === 0 || expr.args.some(readsContext)
    case 'path':
      return expr.from === 'context' || (typeof expr.from === 'object' && readsContext(expr.from))
    case 'filter':
      return readsContext(expr.primary)
    default:
      return true
  }
}

function qnameOf(test: NodeTest, scope: XPathScope): QName | undefined {
  if (test.kind !== 'name') return undefined
  const module = test.prefix === undefined ? scope.moduleName : scope.prefixes.get(test.prefix)
  return module === undefined ? undefined : { module, name: test.name }
}

function compileAxis<N>(compiler: Compiler<N>, step: Step): (node: N, env: Env<N>) => readonly N[] {
  const { tree, scope } = compiler
  const name = qnameOf(step.test, scope)
  if (step.axis === 'child' && name) return (node) => tree.childrenNamed(node, name.module, name.name)
  const fits = compileTest(compiler, step.test)
  // A leaf's text is told apart from the leaf by no expression that YANG needs, so it stands for it.
  if (step.axis === 'child' && step.test.kind === 'type' && step.test.type === 'text')
    return (node) => (tree.hasText(node) ? [node] : [])
  const reach = axisReach(tree, step.axis)
  return (node, env) => {
    const all = reach(node)
    spend(env, all.length)
    return all.filter(fits)
  }
}

function compileTest<N>(compiler: Compiler<N>, test: NodeTest): (node: N) => boolean {
  const { tree, scope } = compiler
  switch (test.kind) {
    case 'type':
      return test.type === 'node' ? () => true : () => false
    case 'any': {
      if (test.prefix === undefined) return (node) => tree.name(node) !== undefined
      const module = scope.prefixes.get(test.prefix)
      return (node) => module !== undefined && tree.name(node)?.module === module
    }
    case 'name': {
      const wanted = qnameOf(test, scope)
      return (node) => {
        const name = tree.name(node)
        return name !== undefined && name.name === wanted?.name && name.module === wanted.module
      }
    }
  }
}
