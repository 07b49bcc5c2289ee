/**
 * The schema tree as paths walk it: data nodes only, with choices and cases invisible (RFC 7950 3, 9.9.2).
 *
 * Inside an operation a path passes from the operation straight to the input or output it began in.
 */

import { childrenOf, type DraftModule, type DraftNode } from './draft.ts'

export type Direction = 'input' | 'output'

/** Remembers what is below each node that was asked for. The tree must be complete. */
export class Levels {
  readonly #known = new Map<DraftNode | DraftModule, ReadonlyMap<string, DraftNode>>()

  /** The data nodes below a node or at the top of a module, by `module:name`. */
  below(node: DraftNode | DraftModule, direction: Direction): ReadonlyMap<string, DraftNode> {
    const start = 'kind' in node && (node.kind === 'rpc' || node.kind === 'action') ? node[direction] : node
    const known = this.#known.get(start)
    if (known) return known
    const level = new Map<string, DraftNode>()
    const add = (child: DraftNode) => {
      if (child.kind === 'choice' || child.kind === 'case') childrenOf(child).forEach(add)
      else if (!level.has(`${child.module.name}:${child.name}`))
        level.set(`${child.module.name}:${child.name}`, child)
    }
    const children =
      'kind' in start ? childrenOf(start) : [...start.children, ...start.rpcs, ...start.notifications]
    children.forEach(add)
    this.#known.set(start, level)
    return level
  }
}

/** The next data node upwards; operations and notifications count, their inputs and outputs do not. */
export function dataParent(node: DraftNode): DraftNode | undefined {
  let at = node.parent
  while (at && (at.kind === 'choice' || at.kind === 'case' || at.kind === 'input' || at.kind === 'output'))
    at = at.parent
  return at
}

/** Which side of an operation a node stands in; `input` outside of operations. */
export function directionOf(node: DraftNode): Direction {
  for (let at: DraftNode | undefined = node; at; at = at.parent) if (at.kind === 'output') return 'output'
  return 'input'
}
