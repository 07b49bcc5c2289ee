/**
 * Data definitions become nodes (RFC 7950 7.5–7.16).
 *
 * Each statement becomes one node; `uses` becomes the nodes of its grouping, refined and augmented. What is
 * decided here depends only on the statement and its scope. What depends on the finished tree (inheritance,
 * keys, leafrefs, clashes of names) waits until augments and deviations have been carried out.
 */

import type { Must, When } from '../schema.ts'
import { brief, type Statement } from '../statement.ts'
import type { Context } from './context.ts'
import {
  appended,
  type DraftAction,
  type DraftCase,
  type DraftChoice,
  type DraftDefinition,
  type DraftInput,
  type DraftLeaf,
  type DraftLeafList,
  type DraftMember,
  type DraftNode,
  type DraftNotification,
  type DraftOutput,
  type DraftRpc,
  type Origin,
} from './draft.ts'
import type { Features } from './features.ts'
import { errorTexts } from './ranges.ts'
import { refine } from './refine.ts'
import {
  adopt,
  attach,
  bareNode,
  countsOf,
  follow,
  isTrue,
  type Members,
  pathSteps,
  type Scope,
  shorthandCase,
} from './tree.ts'
import { checkStatus, statusOf, type Types } from './types.ts'

/** All that building needs beside the statement. */
export interface Tools {
  readonly context: Context
  readonly types: Types
  readonly features: Features
}

/** One empty list for all that have nothing of a kind; lists are exchanged, never changed. */
const none: never[] = []

/** So many conditions, defaults or extension uses of a node weigh as much as one more node. */
const keptByNode = 8

/** Deviations look through lists to delete from them; together they may look at so many items. */
export const comparisonsOfDeletions = 100_000

/** Turns statements into nodes. */
export class Builder {
  readonly tools: Tools
  /** Nodes that a refine made depend on a feature that is off; they go once the tree is complete. */
  readonly disabled = new Set<DraftNode>()
  /** What deviations may still look at in the lists they delete from. */
  comparisonsLeft = comparisonsOfDeletions
  readonly #context: Context

  constructor(tools: Tools) {
    this.tools = tools
    this.#context = tools.context
  }

  /** The nodes that the substatements of `statement` define. Their parent is for the caller to set. */
  membersOf(statement: Statement, scope: Scope): Members {
    const members: Members = { definitions: [], actions: [], notifications: [], cases: [] }
    for (const sub of statement.substatements) this.#addMember(sub, scope, members)
    return members
  }

  /** The same where neither actions nor (in the tree) notifications may stand; a grouping may bring some. */
  plainMembersOf(statement: Statement, scope: Scope): Members {
    const members = this.membersOf(statement, scope)
    for (const { kind, name } of [...members.actions, ...members.notifications])
      this.#context.error(
        statement,
        'tree',
        `the ${kind} "${name}" in "${statement.keyword}"`,
        'it in a container or list',
        kind === 'action' ? '7.15' : '7.16',
      )
    return members
  }

  #addMember(statement: Statement, scope: Scope, members: Members): void {
    switch (statement.keyword) {
      case 'uses': {
        const used = this.#uses(statement, scope)
        for (const node of used.definitions) members.definitions.push(node)
        for (const node of used.actions) members.actions.push(node)
        for (const node of used.notifications) members.notifications.push(node)
        return
      }
      case 'action': {
        const action = this.operation('action', statement, scope)
        if (action?.kind === 'action') members.actions.push(action)
        return
      }
      case 'notification': {
        const notification = this.notification(statement, scope)
        if (notification) members.notifications.push(notification)
        return
      }
      case 'case': {
        const made = this.#case(statement, scope)
        if (made) members.cases.push(made)
        return
      }
      default: {
        const node = this.definition(statement, scope)
        if (node) members.definitions.push(node)
      }
    }
  }

  /** The node of one data definition statement; undefined for other statements and when a feature is off. */
  definition(statement: Statement, scope: Scope): DraftDefinition | undefined {
    switch (statement.keyword) {
      case 'container':
      case 'list':
        return this.#holder(statement.keyword, statement, scope)
      case 'leaf':
      case 'leaf-list':
        return this.#terminal(statement.keyword, statement, scope)
      case 'choice':
        return this.#choice(statement, scope)
      case 'anydata':
      case 'anyxml': {
        const base = this.#base(statement, scope)
        return (
          base && {
            ...base,
            kind: statement.keyword,
            mandatory: isTrue(statement, 'mandatory'),
            must: this.musts(statement, scope),
          }
        )
      }
      default:
        return undefined
    }
  }

  #holder(kind: 'container' | 'list', statement: Statement, scope: Scope): DraftDefinition | undefined {
    const base = this.#base(statement, scope)
    if (!base) return undefined
    const { definitions, actions, notifications } = this.membersOf(statement, scope)
    // One copy and no more: small nodes in great numbers are what hostile modules are made of.
    const must = this.musts(statement, scope)
    const children = orNone(definitions)
    const node: DraftDefinition =
      kind === 'container'
        ? {
            ...base,
            must,
            children,
            actions: orNone(actions),
            notifications: orNone(notifications),
            kind,
            presence: statement.argumentOf('presence'),
          }
        : {
            ...base,
            must,
            children,
            actions: orNone(actions),
            notifications: orNone(notifications),
            kind,
            keys: [],
            unique: [],
            ...countsOf(statement),
          }
    adopt(node, definitions)
    adopt(node, actions)
    adopt(node, notifications)
    node.origin.key = statement.find('key')
    const uniques = statement.all('unique')
    if (uniques.length > 0)
      node.origin.uniques = uniques.map((unique) => ({ statement: unique, file: scope.file }))
    this.#liftExtensions(node, statement, scope)
    return node
  }

  #terminal(kind: 'leaf' | 'leaf-list', statement: Statement, scope: Scope): DraftDefinition | undefined {
    const base = this.#base(statement, scope)
    const typeStatement = statement.find('type')
    if (!base || !typeStatement) return undefined
    const { origin } = base
    const typed = this.tools.types.ofNode(typeStatement, scope.file, scope.home)
    origin.typePlace = typeStatement
    origin.typeDefault = typed.default
    const defaults = statement.all('default')
    if (defaults.length > 0)
      origin.defaults = defaults.map((place) => ({
        value: this.#context.defaultValue(place, scope.file),
        place,
      }))
    const units = statement.argumentOf('units') ?? typed.units
    const shared = { ...base, type: typed.type, units, must: this.musts(statement, scope) }
    if (kind === 'leaf') {
      const mandatory = isTrue(statement, 'mandatory')
      const leaf: DraftLeaf = { ...shared, kind, mandatory, isKey: false, default: undefined }
      return leaf
    }
    const list: DraftLeafList = { ...shared, kind, defaults: [], ...countsOf(statement) }
    return list
  }

  #choice(statement: Statement, scope: Scope): DraftChoice | undefined {
    const base = this.#base(statement, scope)
    if (!base) return undefined
    const cases: DraftCase[] = []
    for (const sub of statement.substatements) {
      if (sub.keyword === 'case') {
        const made = this.#case(sub, scope)
        if (made) cases.push(made)
      } else {
        const node = this.definition(sub, scope)
        if (node) cases.push(shorthandCase(node))
      }
    }
    const mandatory = isTrue(statement, 'mandatory')
    const choice: DraftChoice = { ...base, kind: 'choice', mandatory, cases, defaultCase: undefined }
    adopt(choice, cases)
    const place = statement.find('default')
    if (place) choice.origin.defaultCase = { name: place.text, place }
    return choice
  }

  #case(statement: Statement, scope: Scope): DraftCase | undefined {
    const base = this.#base(statement, scope)
    if (!base) return undefined
    const { definitions } = this.plainMembersOf(statement, scope)
    const made: DraftCase = { ...base, kind: 'case', children: definitions }
    adopt(made, definitions)
    return made
  }

  /** An rpc or an action; undefined when a feature is off. */
  operation(kind: 'rpc' | 'action', statement: Statement, scope: Scope): DraftRpc | DraftAction | undefined {
    const base = this.#base(statement, scope)
    if (!base) return undefined
    // Its input and output are nodes as well, written or not.
    this.#context.spend(2, statement)
    const input: DraftInput = { ...this.#side('input', statement, scope), kind: 'input' }
    const output: DraftOutput = { ...this.#side('output', statement, scope), kind: 'output' }
    const node: DraftRpc | DraftAction = { ...base, kind, input, output }
    for (const side of [input, output]) {
      side.parent = node
      adopt(side, side.children)
      const written = statement.find(side.kind)
      if (written) this.#liftExtensions(side, written, scope)
    }
    return node
  }

  /** Both sides exist even when the module leaves them out, so that they can be augmented (RFC 7950 7.14). */
  #side(kind: 'input' | 'output', operation: Statement, scope: Scope) {
    const statement = operation.find(kind)
    const children = statement ? this.plainMembersOf(statement, scope).definitions : []
    const must = statement ? this.musts(statement, scope) : []
    const extensions = statement ? this.#context.extensions(statement, scope.file) : []
    return { ...bareNode(kind, statement ?? operation, scope), must, children, extensions }
  }

  notification(statement: Statement, scope: Scope): DraftNotification | undefined {
    const base = this.#base(statement, scope)
    if (!base) return undefined
    const { definitions } = this.plainMembersOf(statement, scope)
    const node: DraftNotification = {
      ...base,
      kind: 'notification',
      must: this.musts(statement, scope),
      children: definitions,
    }
    adopt(node, definitions)
    this.#liftExtensions(node, statement, scope)
    return node
  }

  /** What every node has; undefined when a feature it needs is off. */
  #base(statement: Statement, scope: Scope) {
    this.#context.spend(1, statement)
    if (statement.argument === undefined) return undefined
    let when: When[] | undefined
    let ifFeatures: string[] | undefined
    let description: string | undefined
    let reference: string | undefined
    let config: Origin['config']
    let enabled = true
    // What a node keeps beside itself; a grouping multiplies it.
    let kept = 0
    for (const sub of statement.substatements)
      switch (sub.keyword) {
        case 'when': {
          const isVirtual = statement.keyword === 'choice' || statement.keyword === 'case'
          when = [
            { ...this.#context.xpath(sub, scope.file, scope.home), context: isVirtual ? 'parent' : 'self' },
          ]
          break
        }
        case 'if-feature':
          ifFeatures ??= []
          ifFeatures.push(sub.text)
          kept++
          break
        case 'description':
          description = sub.argument
          break
        case 'reference':
          reference = sub.argument
          break
        case 'config':
          config = { value: sub.text !== 'false', place: sub }
          break
        case 'must':
        case 'unique':
        case 'default':
          kept++
          break
        default:
          if (sub.keyword.includes(':')) kept++
      }
    if (kept >= keptByNode) this.#context.spend(Math.floor(kept / keptByNode), statement)
    if (ifFeatures) enabled = this.tools.features.allow(statement, scope.file)
    if (!enabled) return undefined
    const bare = bareNode(statement.text, statement, scope)
    bare.origin.config = config
    if (when) bare.when = when
    if (ifFeatures) bare.ifFeatures = ifFeatures
    bare.description = description
    bare.reference = reference
    bare.extensions = this.#context.extensions(statement, scope.file)
    return bare
  }

  musts(statement: Statement, scope: Scope): Must[] {
    let musts: Must[] | undefined
    for (const sub of statement.substatements) {
      if (sub.keyword !== 'must') continue
      musts ??= []
      musts.push({ ...this.#context.xpath(sub, scope.file, scope.home), ...errorTexts(sub) })
    }
    return musts ?? none
  }

  #uses(statement: Statement, scope: Scope): Members {
    const { context } = this.tools
    const nothing: Members = { definitions: [], actions: [], notifications: [], cases: [] }
    const definition = context.definition('grouping', statement.text, scope.file, statement, '7.13')
    const enabled = this.tools.features.allow(statement, scope.file)
    if (!definition) return nothing
    const grouping = definition.statement
    context.usedGroupings.add(grouping)
    // Refines and augments cost something each time, too.
    context.spend(Math.floor(statement.substatements.length / keptByNode), statement)
    checkStatus(
      context,
      statement,
      scope.file,
      statusOf(grouping),
      definition,
      `grouping "${statement.text}"`,
    )
    if (scope.groupings.includes(grouping)) {
      const found = `the grouping "${grouping.text}", which uses itself`
      context.error(statement, 'cycle', found, 'groupings without a circle', '7.12')
      return nothing
    }
    const { maxChain } = context.settings.limits
    if (scope.groupings.length >= maxChain)
      context.stop(
        statement,
        `groupings that use each other ${maxChain} deep`,
        `no more than ${maxChain}`,
        'maxChain',
      )
    if (!enabled) return nothing
    context.spend(1, statement)
    const inner: Scope = {
      file: definition.file,
      home: scope.home,
      groupings: [...scope.groupings, grouping],
    }
    const members = this.membersOf(grouping, inner)
    this.#applyUses(statement, scope, members)
    return members
  }

  /** Carries out what `uses` says about the nodes it brought. */
  #applyUses(statement: Statement, scope: Scope, members: Members): void {
    const { context } = this.tools
    const roots: DraftMember[] = [...members.definitions, ...members.actions, ...members.notifications]
    const status = statement.find('status')
    let when: When | undefined
    const features: string[] = []
    for (const sub of statement.substatements)
      switch (sub.keyword) {
        case 'when':
          when = { ...context.xpath(sub, scope.file, scope.home), context: 'parent' }
          break
        case 'if-feature':
          features.push(sub.text)
          break
        case 'refine': {
          const target = this.#descend(sub, scope, roots, '7.13.2')
          if (target) refine(target, sub, scope, this)
          break
        }
        case 'augment':
          this.#augmentUses(sub, scope, roots)
          break
      }
    for (const node of roots) {
      if (when) node.when = [when, ...node.when]
      if (features.length > 0) node.ifFeatures = [...features, ...node.ifFeatures]
      if (status && !node.origin.statusStated) {
        node.status = statusOf(statement)
        node.origin.statusStated = true
      }
    }
  }

  #augmentUses(statement: Statement, scope: Scope, roots: readonly DraftMember[]): void {
    const target = this.#descend(statement, scope, roots, '7.17')
    if (!target) return
    const members = this.augmentation(statement, scope)
    if (members) attach(target, members, statement, this.#context)
  }

  /** The nodes of an `augment`, with its condition on each; undefined when a feature is off. */
  augmentation(statement: Statement, scope: Scope): Members | undefined {
    const enabled = this.tools.features.allow(statement, scope.file)
    const members = this.membersOf(statement, scope)
    const condition = statement.find('when')
    const when: When[] = condition
      ? [{ ...this.#context.xpath(condition, scope.file, scope.home), context: 'parent' }]
      : []
    const features = statement.all('if-feature').map(({ text }) => text)
    const status = statement.find('status')
    for (const node of [
      ...members.definitions,
      ...members.actions,
      ...members.notifications,
      ...members.cases,
    ]) {
      if (when.length > 0) node.when = [...when, ...node.when]
      if (features.length > 0) node.ifFeatures = [...features, ...node.ifFeatures]
      node.origin.conditional = when.length > 0
      if (status && !node.origin.statusStated) node.status = statusOf(statement)
    }
    return enabled ? members : undefined
  }

  /** Follows a descendant schema node path from the nodes a `uses` brought. */
  #descend(
    statement: Statement,
    scope: Scope,
    roots: readonly DraftMember[],
    clause: string,
  ): DraftNode | undefined {
    const steps = pathSteps(statement, scope, this.#context)
    if (!steps) return undefined
    const target = follow(steps, roots)
    if (typeof target === 'string')
      this.#context.error(
        statement,
        'reference',
        `no node "${brief(target)}" in "${brief(statement.text)}"`,
        'a node of the grouping',
        clause,
      )
    return typeof target === 'string' ? undefined : target
  }

  /** Extension uses right under a grouping travel to the node that uses it. */
  #liftExtensions(node: DraftNode, statement: Statement, scope: Scope): void {
    for (const sub of statement.substatements) {
      if (sub.keyword !== 'uses') continue
      const found = this.#context.names.find('grouping', sub.text, scope.file, sub)
      if (found.kind !== 'found') continue
      const lifted = this.#context.extensions(found.definition.statement, found.definition.file)
      if (lifted.length > 0) node.extensions = appended(node.extensions, lifted)
    }
  }
}

/** Empty lists are one and the same: lists of nodes are exchanged or grown by `appended`, never changed. */
function orNone<T>(list: T[]): T[] {
  return list.length === 0 ? none : list
}
