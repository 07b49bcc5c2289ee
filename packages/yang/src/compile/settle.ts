/**
 * Leafrefs find their targets, and defaults are held against their types (RFC 7950 9.9, 7.6.4, 7.7.4).
 *
 * A leafref's path is walked over the schema tree: up through data nodes, down by name, with choices and cases
 * invisible. Inside an operation the path passes from the operation straight to the input or output it began in.
 */

import type { PrefixedName } from '../arguments.ts'
import { findCycle } from '../load.ts'
import type { DefaultValue } from '../schema.ts'
import { brief, type Statement } from '../statement.ts'
import type { Context } from './context.ts'
import {
  childrenOf,
  type DraftLeaf,
  type DraftLeafList,
  type DraftModule,
  type DraftNode,
  leafrefsOf,
  type PendingLeafref,
} from './draft.ts'
import { type Direction, dataParent, directionOf, type Levels } from './levels.ts'
import { mentionsLeafref, statusRank } from './types.ts'
import { checkValue } from './values.ts'

type Terminal = DraftLeaf | DraftLeafList

export class Settler {
  readonly #context: Context
  readonly #modulesByName: ReadonlyMap<string, DraftModule>
  readonly #levels: Levels
  readonly #targets = new Map<Terminal, Terminal[]>()
  readonly #failed = new Set<Terminal>()

  constructor(context: Context, implemented: ReadonlyMap<string, DraftModule>, levels: Levels) {
    this.#levels = levels
    this.#context = context
    this.#modulesByName = implemented
  }

  /** Settles every leafref of the trees, then checks every default. */
  run(roots: readonly DraftNode[]): void {
    const terminals: Terminal[] = []
    for (const root of roots) collectTerminals(root, terminals)
    for (const terminal of terminals) if (mentionsLeafref(terminal.type)) this.#settle(terminal)
    this.#refuseCycles()
    for (const terminal of terminals) this.#fillDefaults(terminal, true)
  }

  /** The same for a grouping that nobody uses, whose leafrefs may point outside of it: only defaults. */
  runUnused(roots: readonly DraftNode[]): void {
    const terminals: Terminal[] = []
    for (const root of roots) collectTerminals(root, terminals)
    for (const terminal of terminals) this.#fillDefaults(terminal, !mentionsLeafref(terminal.type))
  }

  #settle(terminal: Terminal): void {
    for (const leafref of leafrefsOf(terminal.type)) {
      const target = this.#targetOf(terminal, leafref)
      if (!target) {
        this.#failed.add(terminal)
        continue
      }
      leafref.settle(target)
      this.#checkStatus(terminal, target)
      const others = this.#targets.get(terminal)
      if (others) others.push(target)
      else this.#targets.set(terminal, [target])
      if (terminal.inTree && terminal.config && leafref.requireInstance && target.inTree && !target.config) {
        const found = `the leafref "${terminal.name}", which is configuration, to "${target.name}", which is state`
        this.#context.error(
          terminal.position,
          'tree',
          found,
          'a target that is configuration, or "require-instance false"',
          '9.9.3',
        )
      }
    }
  }

  /** RFC 7950 7.21.2: a leafref leans on its target. */
  #checkStatus(terminal: Terminal, target: Terminal): void {
    if (target.module !== terminal.module || statusRank[target.status] <= statusRank[terminal.status]) return
    const found = `the leafref "${terminal.name}" to "${target.name}", which is ${target.status}`
    this.#context.error(
      terminal.position,
      'tree',
      found,
      `a target that is ${terminal.status}, as the leafref`,
      '7.21.2',
    )
  }

  #targetOf(terminal: Terminal, leafref: PendingLeafref): Terminal | undefined {
    const { text } = leafref.path
    const path = leafref.parsed
    const refuse = (found: string) => {
      this.#context.error(
        terminal.origin.typePlace ?? terminal.position,
        'reference',
        found,
        'a path to a leaf or leaf-list',
        '9.9.2',
      )
      return undefined
    }
    const direction = directionOf(terminal)
    let at: DraftNode | undefined
    if (!path.absolute) {
      at = terminal
      for (let up = 0; up < path.up; up++) {
        if (!at) return refuse(`the path "${brief(text)}", which leaves the tree`)
        at = dataParent(at)
      }
    }
    for (const step of path.steps) {
      const next = this.#step(at, step, leafref, direction)
      if (!next) return refuse(`no "${brief(step.name)}" on the path "${brief(text)}"`)
      for (const predicate of step.predicates) {
        if (next.kind !== 'list' || !next.keys.some(({ name }) => name === predicate.key.name))
          return refuse(`the condition on "${brief(predicate.key.name)}", which is no key of "${next.name}"`)
        if (!this.#reaches(terminal, predicate.up, predicate.steps, leafref, direction))
          return refuse(`the condition on "${brief(predicate.key.name)}", whose own path leads nowhere`)
      }
      at = next
    }
    if (at?.kind !== 'leaf' && at?.kind !== 'leaf-list')
      return refuse(`the path "${brief(text)}" to a ${at?.kind ?? 'module'}`)
    return at
  }

  #reaches(
    from: Terminal,
    up: number,
    steps: readonly PrefixedName[],
    leafref: PendingLeafref,
    direction: Direction,
  ): boolean {
    let at: DraftNode | undefined = from
    for (let i = 0; i < up && at; i++) at = dataParent(at)
    for (const step of steps) {
      at = this.#step(at, step, leafref, direction)
      if (!at) return false
    }
    return at?.kind === 'leaf'
  }

  #step(
    from: DraftNode | undefined,
    step: PrefixedName,
    leafref: PendingLeafref,
    direction: Direction,
  ): DraftNode | undefined {
    const { path } = leafref
    const module = step.prefix === undefined ? path.moduleName : path.prefixes.get(step.prefix)
    if (module === undefined) return undefined
    if (from) return this.#levels.below(from, direction).get(`${module}:${step.name}`)
    const root = this.#modulesByName.get(module)
    return root && this.#levels.below(root, direction).get(`${module}:${step.name}`)
  }

  #refuseCycles(): void {
    const circular = new Set<Terminal>()
    const { maxChain } = this.#context.settings.limits
    const order = findCycle(
      this.#targets.keys(),
      (terminal) => this.#targets.get(terminal) ?? [],
      (terminal, chain) => {
        for (const member of chain) circular.add(member)
        const names = brief(chain.map(({ name }) => name).join(' → '), 200)
        this.#context.error(
          terminal.position,
          'cycle',
          `a circle of leafrefs: ${names}`,
          'leafrefs that lead to a value',
          '9.9',
        )
      },
    )
    const depths = new Map<Terminal, number>()
    for (const terminal of order) {
      const depth =
        1 + Math.max(0, ...(this.#targets.get(terminal) ?? []).map((target) => depths.get(target) ?? 0))
      if (depth > maxChain + 1)
        this.#context.stop(
          terminal.position,
          `leafrefs that lead to each other ${depth} deep`,
          `no more than ${maxChain}`,
          'maxChain',
        )
      depths.set(terminal, depth)
    }
    for (const terminal of circular) this.#failed.add(terminal)
    // Whoever leads to a failed leafref has no type either.
    for (const terminal of order)
      if ((this.#targets.get(terminal) ?? []).some((target) => this.#failed.has(target)))
        this.#failed.add(terminal)
  }

  #fillDefaults(terminal: Terminal, check: boolean): void {
    const { origin } = terminal
    const [own] = origin.defaults
    if (own && terminal.kind === 'leaf' && terminal.mandatory)
      this.#context.error(
        own.place,
        'tree',
        `a default for the mandatory leaf "${terminal.name}"`,
        'one or the other',
        '7.6.4',
      )
    if (own && terminal.kind === 'leaf-list' && terminal.minElements > 0)
      this.#context.error(
        own.place,
        'tree',
        `a default for the leaf-list "${terminal.name}", of which there must be some`,
        'one or the other',
        '7.7.4',
      )
    if (check && !this.#failed.has(terminal)) {
      for (const { value, place } of origin.defaults) this.#checkDefault(terminal, value, place)
      if (!own && origin.typeDefault && mayDefault(terminal))
        this.#checkDefault(terminal, origin.typeDefault, origin.typePlace ?? terminal.position)
    }
    if (terminal.kind === 'leaf') {
      if (!terminal.mandatory && !terminal.isKey) terminal.default = own?.value ?? origin.typeDefault
      return
    }
    const values = origin.defaults.map(({ value }) => value)
    if (values.length > 0) this.#refuseRepeats(terminal)
    terminal.defaults =
      values.length === 0 && origin.typeDefault && mayDefault(terminal) ? [origin.typeDefault] : values
  }

  #checkDefault(terminal: Terminal, value: DefaultValue, place: Statement): void {
    const wrong = checkValue(terminal.type, value, this.#context)
    if (wrong)
      this.#context.error(
        place,
        'type',
        `the default ${wrong.found} of "${terminal.name}"`,
        wrong.expected,
        '7.6.4',
      )
  }

  #refuseRepeats(list: DraftLeafList): void {
    const seen = new Set<string>()
    for (const { value, place } of list.origin.defaults) {
      if (seen.has(value.text) && list.config && list.inTree)
        this.#context.error(
          place,
          'duplicate',
          `a second default "${brief(value.text)}"`,
          'each value once in configuration',
          '7.7.4',
        )
      seen.add(value.text)
    }
  }
}

/** Whether a typedef's default counts (RFC 7950 7.6.1, 7.7.2). */
function mayDefault(terminal: Terminal): boolean {
  return terminal.kind === 'leaf'
    ? !terminal.mandatory && !terminal.isKey
    : terminal.minElements === 0 && terminal.origin.file.is11
}

function collectTerminals(node: DraftNode, into: Terminal[]): void {
  if (node.kind === 'leaf' || node.kind === 'leaf-list') into.push(node)
  else for (const child of childrenOf(node)) collectTerminals(child, into)
}
