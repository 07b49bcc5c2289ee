/**
 * What an expression needs to know of the tree it is evaluated over, and nothing more. The node type
 * `N` is the owner's; the evaluator never looks inside it.
 */
import type { Identity } from '../schema.ts'

/** How many node visits are left; shared by all expressions of one validation. */
export type XPathBudget = { left: number }

export type XPathTree<N> = {
  /** Undefined for the root. */
  parent(node: N): N | undefined
  /** In document order. */
  children(node: N): readonly N[]
  /** The children of that name in that module, in document order. */
  childrenNamed(node: N, module: string, name: string): readonly N[]
  /**
   * The entries of a list whose key leaf has the value, found without looking at every entry; undefined
   * when there is no such index (then the evaluator looks itself). Optional.
   */
  keyed?(node: N, list: QName, key: QName, value: string): readonly N[] | undefined
  /** Module and local name; undefined for the root. */
  name(node: N): QName | undefined
  /** The namespace URI; empty for the root. */
  namespace(node: N): string
  /** True for nodes that have a value and hence a text. */
  hasText(node: N): boolean
  /** The string-value: the canonical value of a leaf, all texts below of an inner node. */
  text(node: N): string
  /** The identity that is the node's value, when its type is identityref. */
  identity(node: N): Identity | undefined
  /** The number assigned to the node's value, when its type is enumeration. */
  enumValue(node: N): number | undefined
  /** The bits set, when its type is bits. */
  bits(node: N): readonly string[] | undefined
  /** The nodes that a leafref or instance-identifier refers to; what it visits is taken off the budget. */
  deref(node: N, budget: XPathBudget): readonly N[]
  /** Below zero when `a` comes before `b` in the document. */
  compare(a: N, b: N): number
}

export type QName = { readonly module: string; readonly name: string }
