/**
 * What the views have in common: how nodes are called in JSON, and which members an object must have.
 */

import type { DataDefinition, DataNode, ResolvedType, SchemaNode } from '../schema.ts'

/** `qualified` is RFC 7951's form: `module:name` where the module changes. `plain` never names modules. */
export type NameStyle = 'qualified' | 'plain'

/** The closest node above that exists in data; inputs, outputs and notifications count as the top. */
function dataParentModule(node: SchemaNode): string | undefined {
  let at = node.parent
  while (at && (at.kind === 'choice' || at.kind === 'case')) at = at.parent
  if (!at || at.kind === 'input' || at.kind === 'output') return undefined
  return at.kind === 'notification' ? undefined : at.module.name
}

/** A member's name in a JSON object (RFC 7951 4). */
export function memberName(node: SchemaNode, style: NameStyle): string {
  if (style === 'plain' || dataParentModule(node) === node.module.name) return node.name
  return `${node.module.name}:${node.name}`
}

/** Data nodes below a parent, with choices and cases opened. */
export function dataNodes(children: readonly DataDefinition[]): DataNode[] {
  return children.flatMap((child) =>
    child.kind === 'choice' ? child.cases.flatMap((one) => dataNodes(one.children)) : [child],
  )
}

/** Whether a valid document always has this member. Nodes under a `when` may be absent. */
export function isRequired(node: DataNode): boolean {
  if (node.when.length > 0) return false
  switch (node.kind) {
    case 'leaf':
      return node.mandatory || node.isKey
    case 'anydata':
    case 'anyxml':
      return node.mandatory
    case 'list':
    case 'leaf-list':
      return node.minElements > 0
    case 'container':
      return (
        node.presence === undefined &&
        node.children.some((child) => child.kind !== 'choice' && isRequired(child))
      )
  }
}

/** The type a value really has: leafrefs stand for their target's. */
export function valueType(type: ResolvedType): Exclude<ResolvedType, { kind: 'leafref' }> {
  return type.kind === 'leafref' ? type.targetType : type
}

/** The names an identityref's value may have, as seen from a module. */
export function identityNames(
  type: Extract<ResolvedType, { kind: 'identityref' }>,
  module: string,
): string[] {
  const [first, ...others] = type.bases
  if (!first) return []
  const names: string[] = []
  for (const identity of first.derived) {
    if (!others.every((base) => base.derived.has(identity))) continue
    names.push(`${identity.module.name}:${identity.name}`)
    if (identity.module.name === module) names.push(identity.name)
  }
  return names
}
