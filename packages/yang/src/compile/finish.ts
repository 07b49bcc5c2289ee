/**
 * What can only be decided once the tree is complete: inheritance of `config` and status, keys, uniqueness of
 * names, default cases, counts (RFC 7950 6.2.1, 7.8.2, 7.8.3, 7.9.3, 7.21.1).
 *
 * One walk over each finished tree, children after what they inherit. Leafrefs and defaults come in a later
 * walk, because they look across trees.
 */

import { splitName, splitWords } from '../arguments.ts'
import type { Status } from '../schema.ts'
import { brief, type Statement } from '../statement.ts'
import type { Context } from './context.ts'
import {
  childrenOf,
  type DraftChoice,
  type DraftLeaf,
  type DraftList,
  type DraftModule,
  type DraftNode,
} from './draft.ts'
import { follow, pathSteps } from './tree.ts'
import { statusRank } from './types.ts'

interface Inherited {
  readonly config: boolean
  readonly inTree: boolean
  readonly status: Status
  readonly depth: number
  /** A list without keys, an rpc, an action or a notification above: no action may stand below. */
  readonly noActions: DraftNode | undefined
}

const atTop: Inherited = { config: true, inTree: true, status: 'current', depth: 1, noActions: undefined }

/** Finishes all trees of a module. */
export function finishModule(module: DraftModule, context: Context): void {
  const walk = new Finisher(context)
  const all: readonly DraftNode[] = [...module.children, ...module.rpcs, ...module.notifications]
  for (const node of all) walk.finish(node, atTop)
  walk.refuseClashes(all)
}

/** Finishes the nodes of a grouping that nobody uses, to find the faults in it. */
export function finishUnused(nodes: readonly DraftNode[], context: Context): void {
  const walk = new Finisher(context)
  // Whether it will be configuration is for its user to say.
  for (const node of nodes) walk.finish(node, { ...atTop, inTree: false })
  walk.refuseClashes(nodes)
}

class Finisher {
  readonly #context: Context

  constructor(context: Context) {
    this.#context = context
  }

  finish(node: DraftNode, above: Inherited): void {
    const { maxDepth } = this.#context.settings.limits
    if (above.depth > maxDepth)
      this.#context.stop(
        node.position,
        `nodes nested ${above.depth} deep`,
        `no more than ${maxDepth} levels`,
        'maxDepth',
      )
    this.#inheritStatus(node, above.status)
    const here = this.#inherit(node, above)
    for (const child of childrenOf(node)) this.finish(child, here)
    switch (node.kind) {
      case 'list':
        this.#finishList(node)
        this.refuseClashes(childrenOf(node))
        break
      case 'container':
      case 'input':
      case 'output':
      case 'notification':
        this.refuseClashes(childrenOf(node))
        break
      case 'choice':
        this.#finishChoice(node)
        break
      case 'leaf-list':
        this.#checkCounts(node)
        break
    }
  }

  #inheritStatus(node: DraftNode, above: Status): void {
    if (statusRank[node.status] >= statusRank[above]) return
    if (node.origin.statusStated)
      this.#error(
        node,
        `the status "${node.status}" below one that is ${above}`,
        `"${above}" or worse`,
        '7.21.2',
      )
    node.status = above
  }

  #inherit(node: DraftNode, above: Inherited): Inherited {
    const depth = above.depth + 1
    const { status } = node
    switch (node.kind) {
      case 'rpc':
      case 'action':
      case 'notification':
        if (node.parent && above.noActions) {
          const found = `the ${node.kind} "${node.name}" below the ${above.noActions.kind} "${above.noActions.name}"`
          const expected = 'it neither in an operation or notification nor in a list without keys'
          this.#error(node, found, expected, node.kind === 'notification' ? '7.16' : '7.15')
        }
        return { config: false, inTree: false, status, depth, noActions: node }
      case 'input':
      case 'output':
        return { ...above, status, depth }
    }
    const stated = node.origin.config
    node.inTree = above.inTree
    node.config = above.inTree ? (stated?.value ?? above.config) : false
    if (above.inTree && stated?.value && !above.config) {
      this.#context.error(
        stated.place,
        'tree',
        `"config true" for "${node.name}"`,
        'no configuration below state',
        '7.21.1',
      )
      node.config = false
    }
    const keyless = node.kind === 'list' && !node.origin.key ? node : undefined
    return { config: node.config, inTree: node.inTree, status, depth, noActions: above.noActions ?? keyless }
  }

  /** RFC 7950 6.2.1: names below a parent are unique, those inside choices and cases included. */
  refuseClashes(nodes: readonly DraftNode[]): void {
    const seen = new Map<string, DraftNode>()
    const visit = (node: DraftNode) => {
      const key = `${node.module.name}:${node.name}`
      const other = seen.get(key)
      if (other)
        this.#context.error(
          node.position,
          'duplicate',
          `a second node "${node.name}"; the first is at ${other.position.file}:${other.position.line}`,
          'a name of its own for every node below the same parent',
          '6.2.1',
        )
      else seen.set(key, node)
      if (node.kind === 'choice') for (const made of node.cases) made.children.forEach(visit)
    }
    nodes.forEach(visit)
  }

  #finishList(list: DraftList): void {
    this.#checkCounts(list)
    const { key } = list.origin
    if (key) list.keys = this.#keysOf(list, key)
    else if (list.config && list.inTree)
      this.#error(
        list,
        `the list "${list.name}" without "key"`,
        'a "key", which configuration needs',
        '7.8.2',
      )
    list.unique = []
    for (const { statement, file } of list.origin.uniques) {
      const leafs = this.#uniqueLeafs(list, statement, { file, home: list.module, groupings: [] })
      if (leafs.length > 0) list.unique.push({ leafs, position: statement })
    }
  }

  #keysOf(list: DraftList, key: Statement): DraftLeaf[] {
    const keys = new Set<DraftLeaf>()
    const children = new Map<string, DraftNode>()
    for (const child of list.children)
      if (child.module.name === list.module.name) children.set(child.name, child)
    for (const word of splitWords(key.text)) {
      const { prefix, name } = splitName(word)
      const module = prefix === undefined ? list.module.name : list.origin.file.prefixNames.get(prefix)
      // Inside a grouping the own prefix means the grouping's module, whose names have moved to the user's.
      const isOwn = module === list.module.name || prefix === list.origin.file.ownPrefix
      const leaf = isOwn ? children.get(name) : undefined
      const refuse = (found: string, expected: string) =>
        this.#context.error(key, 'tree', found, expected, '7.8.2')
      if (leaf?.kind !== 'leaf') {
        refuse(
          `the key "${brief(word)}", which is ${leaf ? `a ${leaf.kind}` : 'no child'} of "${list.name}"`,
          'a leaf right below the list',
        )
        continue
      }
      if (keys.has(leaf)) {
        refuse(`the key "${name}" twice`, 'each key once')
        continue
      }
      if (list.inTree && leaf.config !== list.config)
        refuse(`the key "${name}" with another config`, 'the config of the list')
      const { is11 } = leaf.origin.file
      if (leaf.type.kind === 'empty' && !is11)
        refuse(`the key "${name}" of type "empty"`, 'another type in YANG 1.0')
      if ((is11 && leaf.when.length > 0) || leaf.ifFeatures.length > 0)
        refuse(`a condition on the key "${name}"`, 'neither "when" nor "if-feature" on a key')
      this.#checkLean(list, leaf, key)
      leaf.isKey = true
      keys.add(leaf)
    }
    return [...keys]
  }

  #uniqueLeafs(list: DraftList, statement: Statement, scope: Parameters<typeof pathSteps>[1]): DraftLeaf[] {
    const leafs: DraftLeaf[] = []
    const refuse = (found: string, expected: string) =>
      this.#context.error(statement, 'tree', found, expected, '7.8.3')
    for (const word of splitWords(statement.text)) {
      const steps = pathSteps(statement, scope, this.#context, word)
      if (!steps) continue
      const target = follow(steps, list.children)
      if (typeof target === 'string' || target.kind !== 'leaf') {
        refuse(
          `"${brief(word)}", which is ${typeof target === 'string' ? 'not there' : `a ${target.kind}`}`,
          'a leaf below the list',
        )
        continue
      }
      for (let at = target.parent; at && at !== list; at = at.parent)
        if (at.kind === 'list')
          refuse(`"${brief(word)}" inside the list "${at.name}"`, 'a leaf that each entry has once')
      if (leafs[0] && leafs[0].config !== target.config)
        refuse(`"${brief(word)}" with another config`, 'leafs that are all configuration or all state')
      this.#checkLean(list, target, statement)
      leafs.push(target)
    }
    return leafs
  }

  /** RFC 7950 7.21.2: a list leans on its keys and unique leafs. */
  #checkLean(list: DraftList, leaf: DraftLeaf, place: Statement): void {
    if (leaf.module === list.module && statusRank[leaf.status] > statusRank[list.status])
      this.#context.error(
        place,
        'tree',
        `"${leaf.name}", which is ${leaf.status}`,
        `a leaf that is ${list.status}, as the list`,
        '7.21.2',
      )
  }

  #finishChoice(choice: DraftChoice): void {
    const names = new Set<string>()
    for (const made of choice.cases) {
      const key = `${made.module.name}:${made.name}`
      if (names.has(key))
        this.#context.error(
          made.position,
          'duplicate',
          `a second case "${made.name}"`,
          'a name of its own for every case',
          '7.9.2',
        )
      names.add(key)
    }
    const stated = choice.origin.defaultCase
    if (!stated) return
    const { name } = splitName(stated.name)
    choice.defaultCase = choice.cases.find((made) => made.name === name)
    if (!choice.defaultCase)
      this.#context.error(
        stated.place,
        'reference',
        `the default case "${brief(stated.name)}"`,
        `a case of "${choice.name}"`,
        '7.9.3',
      )
    if (choice.mandatory)
      this.#context.error(
        stated.place,
        'tree',
        `a default for the mandatory choice "${choice.name}"`,
        'one or the other',
        '7.9.3',
      )
    const mandatory = choice.defaultCase?.children.find(isMandatory)
    if (mandatory)
      this.#context.error(
        stated.place,
        'tree',
        `the default case "${brief(stated.name)}", whose "${mandatory.name}" is mandatory`,
        'a default case without mandatory nodes',
        '7.9.3',
      )
  }

  #checkCounts(node: {
    minElements: number
    maxElements: number | undefined
    name: string
    position: Statement
  }): void {
    const { minElements, maxElements } = node
    if (maxElements !== undefined && minElements > maxElements)
      this.#context.error(
        node.position,
        'tree',
        `at least ${minElements} and at most ${maxElements} of "${node.name}"`,
        'min-elements no larger than max-elements',
        '7.7.5',
      )
  }

  #error(node: DraftNode, found: string, expected: string, clause: string): void {
    this.#context.error(node.position, 'tree', found, expected, clause)
  }
}

/** RFC 7950 3, "mandatory node". */
export function isMandatory(node: DraftNode): boolean {
  switch (node.kind) {
    case 'leaf':
    case 'choice':
    case 'anydata':
    case 'anyxml':
      return node.mandatory
    case 'list':
    case 'leaf-list':
      return node.minElements > 0
    case 'container':
      return node.presence === undefined && node.children.some(isMandatory)
    default:
      return false
  }
}
