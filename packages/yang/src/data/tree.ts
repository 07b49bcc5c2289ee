/**
 * A document as a tree: the nodes that stand in it (and those that defaults add), each with its plan.
 * Expressions are evaluated over it, and documents are compared, merged and written from it.
 */
import type { Identity, IdentityrefType } from '../schema.ts'
import type { QName, XPathBudget, XPathTree } from '../xpath/index.ts'
import { type PathStep, parseInstancePath, quoteText } from './instance-path.ts'
import type { JsonValue } from './json.ts'
import type { LeafCodec } from './leaf-codec.ts'
import type { ListPlan, OperationPlan, Plan, RootPlan } from './plan.ts'
import { referencePath } from './reference.ts'

export type AnyNodePlan = Plan | RootPlan

/** What stands in one place: one node, or the entries of a list or leaf-list in order. */
export type Slot = DataTreeNode | DataTreeNode[] | undefined

/** A leaf's value; without a codec when the document gave none that fits. */
export type NodeValue = { readonly text: string; readonly codec: LeafCodec | undefined }

const noValue: NodeValue = { text: '', codec: undefined }

/** What few nodes have. Kept apart because documents have many nodes. */
type Extra = {
  operation: { readonly plan: OperationPlan; readonly node: DataTreeNode } | undefined
  json: JsonValue | undefined
  indexes: Map<Plan, Map<string, DataTreeNode[]>> | undefined
}

export class DataTreeNode {
  readonly plan: AnyNodePlan
  readonly parent: DataTreeNode | undefined
  value: NodeValue = noValue
  /**
   * By the index of the child's plan; undefined for leafs. A map where the schema gives many children: an entry that
   * names one of a thousand pays for one.
   */
  slots: Slot[] | Map<number, Slot> | undefined
  /**
   * Whether the document said it, a default added it (or it is only structure for one), or it was taken
   * out again because its `when` is false.
   */
  state: 'explicit' | 'default' | 'removed' = 'explicit'
  /** Document order, given when first needed; 0 before. */
  order = 0
  private extra: Extra | undefined = undefined

  constructor(plan: AnyNodePlan, parent: DataTreeNode | undefined) {
    this.plan = plan
    this.parent = parent
    this.slots = 'children' in plan ? untouched : undefined
  }

  /** What stands in the place of the child of that index. */
  slot(index: number): Slot {
    const { slots } = this
    if (slots === undefined || slots === untouched) return undefined
    return Array.isArray(slots) ? slots[index] : slots.get(index)
  }

  /** Leafs have no places, and take none. */
  setSlot(index: number, slot: Slot): void {
    const { slots } = this
    if (slots === undefined) return
    if (Array.isArray(slots)) slots[index] = slot
    else if (slots !== untouched) slots.set(index, slot)
    else this.slots = firstSlots('children' in this.plan ? this.plan.children.length : 0, index, slot)
  }

  /** The places that hold something, by index, in the order of the schema. */
  filledSlots(): [index: number, slot: Exclude<Slot, undefined>][] {
    const filled: [number, Exclude<Slot, undefined>][] = []
    for (const [index, slot] of this.slots?.entries() ?? []) if (slot) filled.push([index, slot])
    return Array.isArray(this.slots) ? filled : filled.sort(([a], [b]) => a - b)
  }

  /** Canonical text of a leaf or leaf-list entry. */
  get text(): string {
    return this.value.text
  }

  get codec(): LeafCodec | undefined {
    return this.value.codec
  }

  get isDefault(): boolean {
    return this.state === 'default'
  }

  /** The operation or notification that stands below this node, if any. */
  get operation(): Extra['operation'] {
    return this.extra?.operation
  }

  set operation(operation: Extra['operation']) {
    this.more().operation = operation
  }

  /** The value of anydata and anyxml; of a leaf whose union may have to be read again. */
  get json(): JsonValue | undefined {
    return this.extra?.json
  }

  set json(json: JsonValue | undefined) {
    this.more().json = json
  }

  private more(): Extra {
    this.extra ??= { operation: undefined, json: undefined, indexes: undefined }
    return this.extra
  }

  /** The nodes in the place of a child plan. */
  at(plan: Plan): readonly DataTreeNode[] {
    const slot = this.slot(plan.index)
    return slot === undefined ? none : Array.isArray(slot) ? slot : [slot]
  }

  /** The entries of a list by the value of one key. */
  entriesByKey(list: ListPlan, key: Plan, value: string): readonly DataTreeNode[] {
    const extra = this.more()
    extra.indexes ??= new Map()
    let index = extra.indexes.get(key)
    if (!index) {
      index = new Map()
      for (const entry of this.at(list)) {
        const slot = entry.slot(key.index)
        if (!(slot instanceof DataTreeNode)) continue
        const same = index.get(slot.text)
        if (same) same.push(entry)
        else index.set(slot.text, [entry])
      }
      extra.indexes.set(key, index)
    }
    return index.get(value) ?? none
  }
}

/** Nodes of wide schemas mostly have few children: places are made as they are taken there. */
const widestPrepared = 16

/** The places of a node in which nothing stands yet: one for all, never written to. */
const untouched: Map<number, Slot> = new Map()

function firstSlots(count: number, index: number, slot: Slot): Slot[] | Map<number, Slot> {
  if (count > widestPrepared) return new Map([[index, slot]])
  const slots: Slot[] = new Array(count)
  slots.fill(undefined)
  slots[index] = slot
  return slots
}

const none: readonly DataTreeNode[] = []

function childPlan(node: DataTreeNode, module: string, name: string): Plan | undefined {
  const { plan } = node
  return 'members' in plan ? plan.members.get(`${module}:${name}`) : undefined
}

/** The instance-identifier of a node (RFC 7951 6.11), by position where there is no key. */
export function instancePath(node: DataTreeNode): string {
  const { plan, parent } = node
  if (!parent) return plan.kind === 'root' ? '/' : ''
  const above = parent.parent ? instancePath(parent) : ''
  const name = parent.plan.module === plan.module ? plan.name : `${plan.module}:${plan.name}`
  return `${above}/${name}${predicates(node)}`
}

function predicates(node: DataTreeNode): string {
  const { plan } = node
  if (plan.kind === 'leaf-list') return `[.=${quoteText(node.text)}]`
  if (plan.kind !== 'list') return ''
  const parts: string[] = []
  for (const key of plan.keys) {
    const slot = node.slot(key.index)
    if (!(slot instanceof DataTreeNode)) return `[${positionOf(node)}]`
    parts.push(`[${key.jsonName}=${quoteText(slot.text)}]`)
  }
  return parts.length === 0 ? `[${positionOf(node)}]` : parts.join('')
}

/** From 1, among the entries of its list. */
function positionOf(node: DataTreeNode): number {
  const slot = node.parent?.slot(node.plan.index)
  return Array.isArray(slot) ? slot.indexOf(node) + 1 : 1
}

export function childrenOf(node: DataTreeNode): readonly DataTreeNode[] {
  if (node.slots === undefined || node.slots === untouched)
    return node.operation ? [node.operation.node] : none
  const all: DataTreeNode[] = []
  const gather = (slot: Slot): void => {
    if (slot instanceof DataTreeNode) all.push(slot)
    else if (slot) for (const entry of slot) all.push(entry)
  }
  // Arrays are walked as they are: this is where expressions spend their time.
  if (Array.isArray(node.slots)) for (const slot of node.slots) gather(slot)
  else for (const [, slot] of node.filledSlots()) gather(slot)
  if (node.operation) all.push(node.operation.node)
  return all
}

/**
 * Whether the document says the node. A container without presence says nothing itself, written or not
 * (RFC 7950 7.5.1): it counts by its content.
 */
export function isSaid(node: DataTreeNode): boolean {
  const { plan } = node
  if (plan.kind !== 'container' || plan.presence) return !node.isDefault
  if (node.operation) return true
  return node
    .filledSlots()
    .some(([, slot]) =>
      slot instanceof DataTreeNode ? isSaid(slot) : slot.some((entry) => !entry.isDefault),
    )
}

function rootOf(node: DataTreeNode): DataTreeNode {
  let root = node
  while (root.parent) root = root.parent
  return root
}

/** Numbers all nodes in document order; answers the highest number. */
function numberNodes(node: DataTreeNode, from = 1): number {
  node.order = from
  let next = from
  for (const child of childrenOf(node)) next = numberNodes(child, next + 1)
  return next
}

function compare(a: DataTreeNode, b: DataTreeNode): number {
  if (a.order === 0 || b.order === 0) numberNodes(rootOf(a))
  return a.order - b.order
}

/** The tree as expressions see it. */
export const dataTree: XPathTree<DataTreeNode> = {
  parent: (node) => node.parent,
  children: childrenOf,
  childrenNamed: (node, module, name) => {
    const plan = childPlan(node, module, name)
    if (plan) return node.at(plan)
    const operation = node.operation?.node
    return operation?.plan.name === name && operation.plan.module === module ? [operation] : none
  },
  keyed: (node, list: QName, key: QName, value) => {
    const plan = childPlan(node, list.module, list.name)
    if (plan?.kind !== 'list') return undefined
    const leaf = plan.keys.find(({ name, module }) => name === key.name && module === key.module)
    // Identities are compared by more than their text.
    if (!leaf || leaf.codec.members.some(({ type }) => type.kind === 'identityref')) return undefined
    return node.entriesByKey(plan, leaf, value)
  },
  name: (node) => (node.plan.kind === 'root' ? undefined : node.plan),
  namespace: (node) => node.plan.namespace,
  hasText: (node) => node.slots === undefined,
  text: (node) => (node.slots ? allText(node) : node.text),
  identity: (node) => identityOf(node),
  enumValue: (node) => {
    const type = node.codec?.type
    return type?.kind === 'enumeration' ? type.enums.get(node.text)?.value : undefined
  },
  bits: (node) => (node.codec?.type.kind === 'bits' ? node.text.split(' ') : undefined),
  deref: dereference,
  compare,
}

function allText(node: DataTreeNode): string {
  return childrenOf(node)
    .map((child) => (child.slots ? allText(child) : child.text))
    .join('')
}

function identityOf(node: DataTreeNode): Identity | undefined {
  const type = node.codec?.type
  if (type?.kind !== 'identityref') return undefined
  let byName = identitiesOf.get(type)
  if (!byName) {
    const all = type.bases.flatMap((base) => [...base.derived])
    byName = new Map(all.map((identity) => [`${identity.module.name}:${identity.name}`, identity]))
    identitiesOf.set(type, byName)
  }
  return byName.get(node.text)
}

/** For each type, the identities that may be its values, by `module:name`. */
const identitiesOf = new WeakMap<IdentityrefType, Map<string, Identity>>()

/** The nodes a leafref or instance-identifier leads to in its own tree (RFC 7950 10.3.1). */
export function dereference(node: DataTreeNode, budget: XPathBudget): readonly DataTreeNode[] {
  const { plan, codec } = node
  if (codec?.type.kind === 'instance-identifier') return resolveInstancePath(rootOf(node), node.text, budget)
  const declared = plan.kind === 'leaf' || plan.kind === 'leaf-list' ? plan.schema.type : undefined
  const type = codec?.reference ?? (declared?.kind === 'leafref' ? declared : undefined)
  const path = type && referencePath(type)?.path
  return path ? path.nodes(node, budget).filter((target) => target.text === node.text) : none
}

/** The nodes that a canonical instance-identifier names below a root. */
export function resolveInstancePath(
  root: DataTreeNode,
  text: string,
  budget: XPathBudget,
): readonly DataTreeNode[] {
  const steps = parseInstancePath(text)
  if (!steps) return none
  let nodes: readonly DataTreeNode[] = [root]
  let module = ''
  for (const step of steps) {
    module = step.prefix ?? module
    nodes = nodes.flatMap((node) => stepDown(node, module, step))
    budget.left -= nodes.length + 1
  }
  return nodes
}

/** The first key finds its entries by look-up, the others among those. */
function stepDown(node: DataTreeNode, module: string, step: PathStep): readonly DataTreeNode[] {
  const plan = childPlan(node, module, step.name)
  const [first] = step.predicates
  const key =
    plan?.kind === 'list' && first?.kind === 'key'
      ? plan.keys.find(({ name }) => name === first.name)
      : undefined
  let nodes =
    plan?.kind === 'list' && key && first?.kind === 'key'
      ? node.entriesByKey(plan, key, first.value)
      : dataTree.childrenNamed(node, module, step.name)
  for (const predicate of step.predicates) {
    const { kind } = predicate
    if (kind === 'position') nodes = nodes.filter((_, index) => index + 1 === predicate.position)
    else if (kind === 'self') nodes = nodes.filter((entry) => entry.text === predicate.value)
    else {
      const owner = predicate.prefix ?? module
      nodes = nodes.filter((entry) =>
        dataTree.childrenNamed(entry, owner, predicate.name).some((leaf) => leaf.text === predicate.value),
      )
    }
  }
  return nodes
}
