/**
 * Small moves on the tree of drafts: making a bare node, joining children to a parent, walking a path.
 */

import { splitPath } from '../arguments.ts'
import type { ExtensionUse, Status, When } from '../schema.ts'
import { brief, type Statement } from '../statement.ts'
import type { ModuleFile } from '../unit.ts'
import type { Context } from './context.ts'
import {
  appended,
  type DraftAction,
  type DraftCase,
  type DraftDefinition,
  type DraftModule,
  type DraftNode,
  type DraftNotification,
  levelsOf,
  type Origin,
} from './draft.ts'
import { statusOf } from './types.ts'

/** Where a statement is read: whose file it stands in, and whose tree it goes to. */
export interface Scope {
  readonly file: ModuleFile
  /** The module whose namespace the nodes get. */
  readonly home: DraftModule
  /** Groupings being expanded, outermost first. */
  readonly groupings: readonly Statement[]
}

/** What a set of statements amounts to. */
export interface Members {
  readonly definitions: DraftDefinition[]
  readonly actions: DraftAction[]
  readonly notifications: DraftNotification[]
  readonly cases: DraftCase[]
}

interface BareNode {
  name: string
  module: DraftModule
  parent: DraftNode | undefined
  status: Status
  description: string | undefined
  reference: string | undefined
  when: When[]
  extensions: ExtensionUse[]
  ifFeatures: string[]
  position: Statement
  config: boolean
  inTree: boolean
  readonly origin: Origin
}

/** One empty list for all bare nodes; lists are exchanged, never changed. */
const none: never[] = []

/** A node with nothing said about it yet but its name and status. */
export function bareNode(name: string, statement: Statement, scope: Scope): BareNode {
  const status = statement.find('status')
  return {
    name,
    module: scope.home,
    parent: undefined,
    status: status ? statusOf(statement) : 'current',
    description: undefined,
    reference: undefined,
    when: none,
    extensions: none,
    ifFeatures: none,
    position: statement,
    config: true,
    inTree: true,
    origin: {
      statement,
      file: scope.file,
      config: undefined,
      statusStated: status !== undefined,
      defaults: none,
      typeDefault: undefined,
      typePlace: undefined,
      key: undefined,
      uniques: none,
      defaultCase: undefined,
      conditional: false,
    },
  }
}

export const isTrue = (statement: Statement, keyword: string): boolean =>
  statement.argumentOf(keyword) === 'true'

/** How many entries a list or leaf-list may have, and in what order. */
export function countsOf(statement: Statement) {
  const max = statement.argumentOf('max-elements')
  const orderedBy: 'system' | 'user' = statement.argumentOf('ordered-by') === 'user' ? 'user' : 'system'
  return {
    minElements: countOf(statement.argumentOf('min-elements')) ?? 0,
    maxElements: max === 'unbounded' ? undefined : countOf(max),
    orderedBy,
  }
}

/** The number of a `min-elements` or `max-elements`; undefined for "unbounded" and for what is not there. */
export function countOf(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,10}$/.test(text) ? Number(text) : undefined
}

export function adopt(parent: DraftNode, children: readonly DraftNode[]): void {
  for (const child of children) child.parent = parent
}

/** RFC 7950 7.9.2: a data definition right under a choice stands for a case of the same name. */
export function shorthandCase(node: DraftDefinition): DraftCase {
  const { name, module, position, status, config, inTree, origin } = node
  const made: DraftCase = {
    kind: 'case',
    name,
    module,
    parent: undefined,
    status,
    description: undefined,
    reference: undefined,
    when: none,
    extensions: none,
    ifFeatures: none,
    position,
    config,
    inTree,
    origin: {
      ...origin,
      config: undefined,
      defaults: none,
      uniques: none,
      key: undefined,
      statusStated: false,
    },
    children: [node],
  }
  node.parent = made
  return made
}

/** Puts the nodes of an augment below its target; findings for those that cannot stand there. */
export function attach(target: DraftNode, members: Members, place: Statement, context: Context): void {
  const { definitions, actions, notifications, cases } = members
  const refuse = (nodes: readonly DraftNode[]) => {
    for (const { kind, name } of nodes)
      context.error(
        place,
        'tree',
        `the ${kind} "${name}" for the ${target.kind} "${target.name}"`,
        `nodes that a ${target.kind} can have`,
        '7.17',
      )
  }
  switch (target.kind) {
    case 'container':
    case 'list':
      target.children = appended(target.children, definitions)
      target.actions = appended(target.actions, actions)
      target.notifications = appended(target.notifications, notifications)
      for (const nodes of [definitions, actions, notifications]) adopt(target, nodes)
      refuse(cases)
      return
    case 'case':
    case 'input':
    case 'output':
    case 'notification':
      target.children = appended(target.children, definitions)
      adopt(target, definitions)
      for (const nodes of [actions, notifications, cases]) refuse(nodes)
      return
    case 'choice': {
      const added = [...definitions.map(shorthandCase), ...cases]
      target.cases = appended(target.cases, added)
      adopt(target, added)
      for (const nodes of [actions, notifications]) refuse(nodes)
      return
    }
    default: {
      const expected = 'a container, list, choice, case, input, output or notification'
      context.error(place, 'tree', `the ${target.kind} "${target.name}"`, expected, '7.17')
    }
  }
}

/** A step of a path: a name in the namespace of a module. */
export interface PathStep {
  readonly module: string
  readonly name: string
}

/** The argument of `refine`, `augment`, `deviation` or `unique` as steps; undefined after a finding. */
export function pathSteps(
  statement: Statement,
  scope: Scope,
  context: Context,
  text = statement.text,
): PathStep[] | undefined {
  const steps: PathStep[] = []
  for (const { prefix, name } of splitPath(text)) {
    // RFC 7950 6.5: names without a prefix are in the namespace of the module the path stands in; inside a
    // grouping that is the module that uses it (6.4.1).
    const module =
      prefix === undefined ? scope.home.name : context.unitOf(prefix, scope.file, statement)?.name
    if (module === undefined) return undefined
    steps.push({ module: prefix === scope.file.ownPrefix ? ownModule(scope) : module, name })
  }
  return steps
}

/** The own prefix inside a grouping's file still means that file's module. */
const ownModule = (scope: Scope) => scope.file.unit.name

export function isNamed(node: DraftNode, step: PathStep): boolean {
  return node.name === step.name && node.module.name === step.module
}

/** The node a path leads to from the given roots, or the name that led nowhere. */
export function follow(
  steps: readonly PathStep[],
  ...roots: readonly (readonly DraftNode[])[]
): DraftNode | string {
  let levels = roots
  let reached: DraftNode | undefined
  for (const step of steps) {
    reached = undefined
    for (const level of levels) reached ??= findNamed(level, step)
    if (!reached) return brief(step.name)
    levels = levelsOf(reached)
  }
  return reached ?? ''
}

function findNamed(level: readonly DraftNode[], step: PathStep): DraftNode | undefined {
  return level.length < 16
    ? level.find((node) => isNamed(node, step))
    : indexOf(level).get(`${step.module}:${step.name}`)
}

interface LevelIndex {
  readonly byName: Map<string, DraftNode>
  /** How many of the level's nodes it holds; levels only grow while augments are carried out. */
  size: number
}

const levelIndexes = new WeakMap<readonly DraftNode[], LevelIndex>()

function indexOf(level: readonly DraftNode[]): ReadonlyMap<string, DraftNode> {
  let index = levelIndexes.get(level)
  if (!index || index.size > level.length) {
    index = { byName: new Map(), size: 0 }
    levelIndexes.set(level, index)
  }
  for (; index.size < level.length; index.size++) {
    const node = level[index.size]
    const key = node && `${node.module.name}:${node.name}`
    if (node && key && !index.byName.has(key)) index.byName.set(key, node)
  }
  return index.byName
}

/** Takes nodes out of the tree, and cases that only stood for one of them. */
export function removeNodes(nodes: ReadonlySet<DraftNode>): void {
  const parents = new Set<DraftNode>()
  const modules = new Set<DraftModule>()
  const keep = (node: DraftNode) => !nodes.has(node)
  for (const node of nodes) {
    if (node.parent) parents.add(node.parent)
    else modules.add(node.module)
  }
  for (const module of modules) {
    module.children = module.children.filter(keep)
    module.rpcs = module.rpcs.filter(keep)
    module.notifications = module.notifications.filter(keep)
  }
  const emptied = new Set<DraftNode>()
  for (const parent of parents)
    switch (parent.kind) {
      case 'container':
      case 'list':
        parent.children = parent.children.filter(keep)
        parent.actions = parent.actions.filter(keep)
        parent.notifications = parent.notifications.filter(keep)
        break
      case 'choice':
        parent.cases = parent.cases.filter(keep)
        break
      case 'rpc':
      case 'action':
        // An input or output cannot be missing; it is emptied.
        for (const side of [parent.input, parent.output]) if (!keep(side)) side.children = []
        break
      case 'case':
      case 'input':
      case 'output':
      case 'notification': {
        const [first] = parent.children
        parent.children = parent.children.filter(keep)
        const wasShorthand = first?.origin.statement === parent.origin.statement
        if (parent.kind === 'case' && wasShorthand && parent.children.length === 0) emptied.add(parent)
      }
    }
  if (emptied.size > 0) removeNodes(emptied)
}
