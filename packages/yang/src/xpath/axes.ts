/** The axes of XPath 1.0 (2.2) over any tree. */
import type { Step } from './parse.ts'
import type { XPathTree } from './tree.ts'

/** All nodes on an axis, nearest first (XPath 1.0, 2.2). */
export function axisReach<N>(tree: XPathTree<N>, axis: Step['axis']): (node: N) => readonly N[] {
  const parents = (node: N): N[] => {
    const up = tree.parent(node)
    return up === undefined ? [] : [up]
  }
  const ancestors = (node: N): N[] => {
    const all: N[] = []
    for (let up = tree.parent(node); up !== undefined; up = tree.parent(up)) all.push(up)
    return all
  }
  /** In document order, the node itself first if it is asked for. */
  const below = (top: N, withTop: boolean): N[] => {
    const all: N[] = []
    const waiting = [top]
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
      if (withTop || next !== top) all.push(next)
      const children = tree.children(next)
      for (let i = children.length - 1; i >= 0; i--) {
        const child = children[i]
        if (child !== undefined) waiting.push(child)
      }
    }
    return all
  }
  const descendants = (node: N): N[] => below(node, false)
  const siblings = (node: N, after: boolean): N[] => {
    const up = tree.parent(node)
    if (up === undefined) return []
    const all = tree.children(up)
    const at = all.indexOf(node)
    return after ? all.slice(at + 1) : all.slice(0, at).reverse()
  }
  const beyond = (node: N, after: boolean): N[] => {
    const all = [node, ...ancestors(node)].flatMap((up) => siblings(up, after))
    const whole = all.flatMap((sibling) =>
      after ? [sibling, ...descendants(sibling)] : [...descendants(sibling).reverse(), sibling],
    )
    return whole
  }
  const reaches: Record<Step['axis'], (node: N) => readonly N[]> = {
    child: (node) => tree.children(node),
    parent: parents,
    self: (node) => [node],
    ancestor: ancestors,
    'ancestor-or-self': (node) => [node, ...ancestors(node)],
    descendant: descendants,
    'descendant-or-self': (node) => below(node, true),
    'following-sibling': (node) => siblings(node, true),
    'preceding-sibling': (node) => siblings(node, false),
    following: (node) => beyond(node, true),
    preceding: (node) => beyond(node, false),
    // Data trees have neither attributes nor namespace nodes.
    attribute: () => [],
    namespace: () => [],
  }
  return reaches[axis]
}
