/**
 * Fills in what a document leaves unsaid (RFC 7950 7.5.1, 7.6.1, 7.7.2, 7.9.3) and decides which
 * conditions hold.
 *
 * Defaults and `when` depend on each other: a default may make a condition true, and a condition decides
 * whether a default is there at all. Unconditional defaults therefore come first; conditional nodes are
 * then looked at in rounds until nothing changes any more.
 */
import type { XPathBudget } from '../xpath/index.ts'
import type { FaultList } from './fault-list.ts'
import type { LeafValue } from './leaf-codec.ts'
import type { CasePlan, ChoicePlan, ParentPlan, Plan, WhenCondition } from './plan.ts'
import { DataTreeNode, isSaid } from './tree.ts'

export type CompleteRun = {
  /** State is left as it is found. */
  readonly configOnly: boolean
  readonly budget: XPathBudget
  readonly conditional: Conditional[]
  /** Nodes that may still be added. */
  defaultsLeft: number
}

/** Thrown when defaults would add more nodes than allowed; whoever set the limit catches it. */
export class TooManyDefaults extends Error {}

/** Adds defaults below a node and notes what has conditions. */
export type Completer = (node: DataTreeNode, run: CompleteRun) => void

/** A child that has conditions, below a node that exists. */
type Conditional = {
  readonly parent: DataTreeNode
  readonly plan: Plan
  readonly inner: Completer | undefined
  holds: boolean
}

/** Composes the completer of a node's children; undefined where nothing can ever be added or decided. */
export function compileCompleter(plan: ParentPlan): Completer | undefined {
  const steps: Completer[] = []
  for (const child of plan.children) {
    const inner = 'children' in child ? compileCompleter(child) : undefined
    const isConditional = child.whens.length > 0
    const canFill = isFillable(child)
    if (!inner && !isConditional && !canFill) continue
    const { index } = child
    steps.push((node, run) => {
      if (run.configOnly && !child.config) return
      if (isConditional) run.conditional.push({ parent: node, plan: child, inner, holds: true })
      const slot = node.slot(index)
      if (slot === undefined) {
        if (canFill && !isConditional && caseAllows(child, node)) fill(node, child, inner, run)
      } else if (inner) {
        if (slot instanceof DataTreeNode) inner(slot, run)
        else for (const entry of slot) inner(entry, run)
      }
    })
  }
  if (steps.length === 0) return undefined
  return (node, run) => {
    for (const step of steps) step(node, run)
  }
}

/**
 * Rounds that a chain of conditions may need: one for each link, and links are nodes of the schema. Conditions
 * that contradict each other in a circle never come to rest; they are left as the last round found them.
 */
function enoughRounds(conditional: readonly Conditional[]): number {
  return 2 + new Set(conditional.map(({ plan }) => plan)).size
}

/** Decides all conditions met so far; explicit nodes whose condition is false are faults. */
export function settleConditions(run: CompleteRun, faults: FaultList): void {
  const { conditional } = run
  let changed = conditional.length > 0
  for (let round = 0; changed && round < enoughRounds(conditional); round++) {
    changed = false
    // Filling in may add more to the list while it is walked.
    for (let i = 0; i < conditional.length; i++) {
      const one = conditional[i]
      if (one && !isDetached(one.parent) && settleOne(one, run)) changed = true
    }
  }
  for (const { parent, plan, holds } of conditional) {
    if (holds || isDetached(parent)) continue
    for (const node of parent.at(plan)) {
      const failed = plan.whens.find((when) => !test(when, parent, node, run.budget))
      if (!failed) continue
      const found = 'a node whose condition is false'
      faults.add('when', node, found, `when "${failed.source.text}"`, 'RFC 7950 7.21.5')
    }
  }
}

/** Whether the conditions of a child that is not there would let it be. */
export function mayExist(parent: DataTreeNode, plan: Plan, budget: XPathBudget): boolean {
  if (plan.whens.length === 0) return true
  const stand = new DataTreeNode(plan, parent)
  stand.order = orderBelow(parent)
  return plan.whens.every((when) => test(when, parent, stand, budget))
}

/** Conditions of a choice look at the node around it. */
export function choiceMayExist(parent: DataTreeNode, choice: ChoicePlan, budget: XPathBudget): boolean {
  return choice.whens.every((when) => when.test.boolean(parent, budget))
}

function test(when: WhenCondition, parent: DataTreeNode, node: DataTreeNode, budget: XPathBudget): boolean {
  return when.test.boolean(when.context === 'self' ? node : parent, budget)
}

function settleOne(one: Conditional, run: CompleteRun): boolean {
  const { parent, plan, inner } = one
  const present = parent.at(plan)
  const [first] = present
  one.holds = first
    ? present.every((node) => plan.whens.every((when) => test(when, parent, node, run.budget)))
    : mayExist(parent, plan, run.budget)
  if (first?.isDefault && !one.holds) {
    for (const node of present) node.state = 'removed'
    parent.setSlot(plan.index, undefined)
    return true
  }
  if (!first && one.holds && isFillable(plan) && caseAllows(plan, parent)) {
    fill(parent, plan, inner, run)
    return true
  }
  return false
}

function isDetached(node: DataTreeNode): boolean {
  for (let up: DataTreeNode | undefined = node; up; up = up.parent) if (up.state === 'removed') return true
  return false
}

function isFillable(plan: Plan): boolean {
  switch (plan.kind) {
    case 'leaf':
      return plan.default !== undefined && !plan.isKey
    case 'leaf-list':
      return plan.defaults.length > 0
    case 'container':
      return !plan.presence && (plan.weighty || plan.musts.length > 0)
    default:
      return false
  }
}

function fill(parent: DataTreeNode, plan: Plan, inner: Completer | undefined, run: CompleteRun): void {
  if (!parent.slots) return
  run.defaultsLeft -= plan.kind === 'leaf-list' ? plan.defaults.length : 1
  if (run.defaultsLeft < 0) throw new TooManyDefaults('defaults add more nodes than allowed')
  if (plan.kind === 'leaf' && plan.default)
    parent.setSlot(plan.index, defaultNode(parent, plan, plan.default))
  else if (plan.kind === 'leaf-list')
    parent.setSlot(
      plan.index,
      plan.defaults.map((value) => defaultNode(parent, plan, value)),
    )
  else if (plan.kind === 'container') {
    const node = new DataTreeNode(plan, parent)
    node.state = 'default'
    node.order = orderBelow(parent)
    parent.setSlot(plan.index, node)
    inner?.(node, run)
  }
}

/**
 * Where the document has its order already, a node that joins it comes right behind its parent. Among
 * siblings of different names any order is lawful, so nothing needs to be numbered anew.
 */
function orderBelow(parent: DataTreeNode): number {
  return parent.order === 0 ? 0 : parent.order + 0.5
}

function defaultNode(parent: DataTreeNode, plan: Plan, value: LeafValue): DataTreeNode {
  const node = new DataTreeNode(plan, parent)
  node.state = 'default'
  node.order = orderBelow(parent)
  node.value = value
  return node
}

// Choices. -----------------------------------------------------------------------------------------

/** Whether defaults of a node may appear, given the cases around it (RFC 7950 7.9.3). */
function caseAllows(plan: Plan, parent: DataTreeNode): boolean {
  for (const one of plan.cases) {
    const active = activeCase(one.choice, parent)
    if (active ? active !== one : one.choice.defaultCase !== one) return false
  }
  return true
}

/** The first case of which an explicit node is there. */
export function activeCase(choice: ChoicePlan, parent: DataTreeNode): CasePlan | undefined {
  return choice.cases.find((one) => isActive(one, parent))
}

export function isActive(one: CasePlan, parent: DataTreeNode): boolean {
  return (
    one.children.some((child) => hasExplicit(parent, child)) ||
    one.choices.some((choice) => activeCase(choice, parent) !== undefined)
  )
}

function hasExplicit(parent: DataTreeNode, plan: Plan): boolean {
  const slot = parent.slot(plan.index)
  if (slot === undefined) return false
  return slot instanceof DataTreeNode ? isSaid(slot) : slot.some((node) => !node.isDefault)
}
