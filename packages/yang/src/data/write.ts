/** From a tree back to JSON, in the order of the schema (RFC 7951 4 to 6). */
import { type JsonObject, type JsonValue, setMember } from './json.ts'
import type { Plan } from './plan.ts'
import type { DataTreeNode } from './tree.ts'

export type WriteOptions = {
  /**
   * `explicit` (the default) writes what the document said, `all` the defaults too, `trim` leaves out
   * even explicit values that equal the default (RFC 6243 3).
   */
  readonly defaults?: 'explicit' | 'all' | 'trim'
  /**
   * `rfc7951` (the default), or `bare`: names without modules wherever that is unambiguous, whole numbers
   * of all sizes as JSON numbers, decimal64 with all its fraction digits, `""` for empty.
   */
  readonly form?: 'rfc7951' | 'bare'
  /** With `bare`: write lists and leaf-lists that have no entry as `[]`. */
  readonly emptyLists?: boolean
}

/** The members of a root, container or list entry. */
export function writeChildren(node: DataTreeNode, options: WriteOptions = {}): JsonObject {
  const object: JsonObject = {}
  const { plan } = node
  if (!('children' in plan)) return object
  for (const child of plan.children) {
    const value = writeSlot(node, child, options)
    if (value !== undefined) setMember(object, memberName(child, node, options), value)
  }
  if (node.operation) {
    const { plan: operation, node: content } = node.operation
    const name = options.form === 'bare' ? operation.name : operation.jsonName
    setMember(object, name, writeChildren(content, options))
  }
  return object
}

/** The value of one entry or leaf. */
export function writeNode(node: DataTreeNode, options: WriteOptions = {}): JsonValue {
  const { plan, codec } = node
  if (plan.kind === 'any') return node.json ?? null
  if (node.slots) return writeChildren(node, options)
  return codec ? codec.write(node.text, { bare: options.form === 'bare', module: plan.module }) : node.text
}

function memberName(plan: Plan, parent: DataTreeNode, options: WriteOptions): string {
  if (options.form !== 'bare') return plan.jsonName
  const above = parent.plan
  return 'bareMembers' in above && above.bareMembers.get(plan.name) === plan ? plan.name : plan.jsonName
}

function writeSlot(node: DataTreeNode, plan: Plan, options: WriteOptions): JsonValue | undefined {
  const slot = node.slot(plan.index)
  const isMany = plan.kind === 'list' || plan.kind === 'leaf-list'
  if (slot === undefined || (Array.isArray(slot) && slot.length === 0))
    return isMany && options.form === 'bare' && options.emptyLists ? [] : undefined
  if (Array.isArray(slot)) {
    if (plan.kind === 'leaf-list' && options.defaults === 'trim' && equalsDefaults(plan.defaults, slot))
      return undefined
    const entries = slot.filter((entry) => isWritten(entry, options))
    return entries.length === 0 ? undefined : entries.map((entry) => writeNode(entry, options))
  }
  if (!isWritten(slot, options)) return undefined
  const value = writeNode(slot, options)
  // A container that is only structure says nothing when it is empty.
  const isHollow = plan.kind === 'container' && !plan.presence && !slot.operation && isEmptyObject(value)
  return isHollow ? undefined : value
}

function isEmptyObject(value: JsonValue): boolean {
  return typeof value === 'object' && value !== null && Object.keys(value).length === 0
}

function isWritten(node: DataTreeNode, options: WriteOptions): boolean {
  const { plan } = node
  if (options.defaults === 'all' || plan.kind === 'container' || plan.kind === 'list') return true
  if (options.defaults === 'trim' && plan.kind === 'leaf' && !plan.isKey && node.text === plan.default?.text)
    return false
  return !node.isDefault
}

function equalsDefaults(
  defaults: readonly { readonly text: string }[],
  entries: readonly DataTreeNode[],
): boolean {
  return (
    defaults.length > 0 &&
    defaults.length === entries.length &&
    defaults.every(({ text }, i) => text === entries[i]?.text)
  )
}
