/**
 * Whether the names in `must` and `when` are nodes of the schema (RFC 7950 6.4.1, 7.5.3, 7.21.5).
 *
 * A name that is none is lawful - XPath says that it selects nothing - and most likely a slip of the pen; so it is
 * a warning, as it is with libyang and pyang. Steps are followed as far as it is certain where they lead: along
 * children, parents and the node itself. Behind `//`, `*`, the other axes and functions that answer nodes nothing is
 * said. Expressions that many nodes share are followed for each of them, up to a budget of steps; what lies beyond is
 * not looked at, which can only cost warnings.
 */

import { nearest } from '../nearest.ts'
import type { XPathSource } from '../schema.ts'
import { brief } from '../statement.ts'
import { type Expr, parseXPath, type Step } from '../xpath/index.ts'
import type { Context } from './context.ts'
import { childrenOf, type DraftModule, type DraftNode } from './draft.ts'
import { type Direction, dataParent, directionOf, type Levels } from './levels.ts'

/** Where a path has led: a node, the root, or somewhere that cannot be known. */
type Place = DraftNode | 'root' | undefined

/** Steps and operands that all expressions of a compilation may visit: so many, and one for every eight bytes. */
const freeVisits = 100_000
const bytesPerVisit = 8
/** Beyond so many names below a node, the nearest is not looked for. */
const mostCandidates = 100

/** Warns of names that lead nowhere. The trees must be complete, deviations carried out. */
export function checkExpressionNames(
  modules: ReadonlyMap<string, DraftModule>,
  levels: Levels,
  bytes: number,
  context: Context,
): void {
  const walk = new NameCheck(modules, levels, freeVisits + bytes / bytesPerVisit, context)
  for (const module of modules.values())
    for (const node of [...module.children, ...module.rpcs, ...module.notifications]) walk.visit(node)
}

interface Frame {
  readonly source: XPathSource
  readonly current: Place
  readonly direction: Direction
}

class NameCheck {
  readonly #modules: ReadonlyMap<string, DraftModule>
  readonly #levels: Levels
  readonly #context: Context
  readonly #parsed = new Map<XPathSource['position'], Expr | undefined>()
  #visitsLeft: number

  constructor(modules: ReadonlyMap<string, DraftModule>, levels: Levels, visits: number, context: Context) {
    this.#modules = modules
    this.#levels = levels
    this.#context = context
    this.#visitsLeft = visits
  }

  visit(node: DraftNode): void {
    if (this.#isDone) return
    for (const when of node.when) {
      const above = dataParent(node) ?? 'root'
      this.#check(when, when.context === 'self' ? node : above, node)
    }
    if ('must' in node) for (const must of node.must) this.#check(must, node, node)
    for (const child of childrenOf(node)) this.visit(child)
  }

  get #isDone(): boolean {
    return this.#visitsLeft <= 0 || this.#context.report.isFull
  }

  #check(source: XPathSource, current: Place, owner: DraftNode): void {
    if (this.#isDone) return
    const expr = this.#parse(source)
    if (expr) this.#walk(expr, current, { source, current, direction: directionOf(owner) })
  }

  #parse(source: XPathSource): Expr | undefined {
    const known = this.#parsed.get(source.position)
    if (known || this.#parsed.has(source.position)) return known
    this.#visitsLeft -= source.text.length / 8
    const parsed = parseXPath(source.text)
    const expr = parsed.ok ? parsed.expr : undefined
    this.#parsed.set(source.position, expr)
    return expr
  }

  /** Looks at all names of an expression; answers where it leads when it is a path. */
  #walk(expr: Expr, from: Place, frame: Frame): Place {
    if (--this.#visitsLeft <= 0) return undefined
    switch (expr.kind) {
      case 'number':
      case 'literal':
      case 'variable':
        return undefined
      case 'negate':
        this.#walk(expr.operand, from, frame)
        return undefined
      case 'binary':
        this.#walk(expr.left, from, frame)
        this.#walk(expr.right, from, frame)
        return undefined
      case 'call':
        for (const arg of expr.args) this.#walk(arg, from, frame)
        return expr.name === 'current' ? frame.current : undefined
      case 'filter': {
        const reached = this.#walk(expr.primary, from, frame)
        for (const predicate of expr.predicates) this.#walk(predicate, reached, frame)
        return reached
      }
      case 'path': {
        let at: Place = from
        if (expr.from === 'root') at = 'root'
        else if (expr.from !== 'context') at = this.#walk(expr.from, from, frame)
        for (const step of expr.steps) {
          at = this.#step(step, at, frame)
          for (const predicate of step.predicates) this.#walk(predicate, at, frame)
        }
        return at
      }
    }
  }

  #step({ axis, test }: Step, from: Place, frame: Frame): Place {
    if (--this.#visitsLeft <= 0 || from === undefined) return undefined
    const isAnyNode = test.kind === 'type' && test.type === 'node'
    if (axis === 'self' && isAnyNode) return from
    if (axis === 'parent' && isAnyNode) return from === 'root' ? undefined : (dataParent(from) ?? 'root')
    if (axis !== 'child' || test.kind !== 'name') return undefined
    const { source, direction } = frame
    const module = test.prefix === undefined ? source.moduleName : source.prefixes.get(test.prefix)
    if (module === undefined) return undefined
    // What anydata holds is not in the schema.
    if (from !== 'root' && (from.kind === 'anydata' || from.kind === 'anyxml')) return undefined
    const start = from === 'root' ? this.#modules.get(module) : from
    if (!start) return undefined
    const level = this.#levels.below(start, direction)
    const found = level.get(`${module}:${test.name}`)
    if (!found) this.#warn(source, test.name, test.at, from, level)
    return found
  }

  #warn(
    source: XPathSource,
    name: string,
    at: number,
    from: DraftNode | 'root',
    level: ReadonlyMap<string, DraftNode>,
  ): void {
    const { file, line, column } = source.position
    const where = from === 'root' ? 'at the top level' : `below the ${from.kind} "${from.name}"`
    const names = level.size <= mostCandidates ? [...level.values()].map((node) => node.name) : []
    const meant = nearest(name, names)
    this.#context.report.warning(
      { file, line, column, path: this.#pathOf(source) },
      {
        code: 'xpath',
        found: `"${brief(name)}" at offset ${at} of the expression, which is no node ${where}`,
        expected: meant === undefined ? `a node ${where}` : `a node ${where}, such as "${brief(meant)}"`,
        rfc: 'RFC 7950 6.4.1',
      },
    )
  }

  #pathOf({ position }: XPathSource): string {
    return 'path' in position && typeof position.path === 'string' ? position.path : ''
  }
}
