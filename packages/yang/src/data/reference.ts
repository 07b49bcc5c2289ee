/** The paths of leafrefs, made ready to be followed (RFC 7950 9.9.2). */
import type { LeafrefType, XPathSource } from '../schema.ts'
import { type CompiledXPath, compileXPath, type Expr, parseXPath } from '../xpath/index.ts'
import { type DataTreeNode, dataTree } from './tree.ts'

/**
 * A path ready to follow. Most go some levels up (or to the root) and down again by names alone; for
 * those, all values below one starting point are gathered once and looked up after that.
 */
export type ReferencePath = {
  readonly plain:
    | { readonly up: number | 'root'; readonly down: readonly { module: string; name: string }[] }
    | undefined
  readonly path: CompiledXPath<DataTreeNode>
}

const referencePaths = new WeakMap<LeafrefType, ReferencePath>()

/** The path of a leafref, compiled on first use. */
export function referencePath(type: LeafrefType): ReferencePath | undefined {
  const known = referencePaths.get(type)
  if (known) return known
  const parsed = parseXPath(type.path.text)
  if (!parsed.ok) return undefined
  const made = {
    plain: plainPath(parsed.expr, type.path),
    path: compileXPath(parsed.expr, type.path, dataTree),
  }
  referencePaths.set(type, made)
  return made
}

function plainPath(expr: Expr, source: XPathSource): ReferencePath['plain'] {
  if (expr.kind !== 'path' || typeof expr.from === 'object') return undefined
  let up = 0
  const down: { module: string; name: string }[] = []
  for (const { axis, test, predicates } of expr.steps) {
    if (predicates.length > 0) return undefined
    if (axis === 'parent' && down.length === 0) up++
    else if (axis === 'child' && test.kind === 'name') {
      const module = test.prefix === undefined ? source.moduleName : source.prefixes.get(test.prefix)
      if (module === undefined) return undefined
      down.push({ module, name: test.name })
    } else return undefined
  }
  return { up: expr.from === 'root' ? 'root' : up, down }
}
