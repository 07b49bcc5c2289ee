/**
 * What changed between two documents of one schema, as a list of edits that `patchDocument` carries out.
 *
 * Entries are matched by their keys, values of a leaf-list by themselves; order counts only where the
 * schema says `ordered-by user` (RFC 7950 7.7.7). Defaults that nobody wrote are no difference. Lists
 * without keys have no entries to name, so they are replaced whole.
 */
import { keyText } from './check.ts'
import { JsonDecimal, type JsonValue, printJson } from './json.ts'
import type { LeafListPlan, ListPlan, Plan } from './plan.ts'
import { DataTreeNode, instancePath, isSaid } from './tree.ts'
import type { DataDocument } from './validator.ts'
import { writeNode } from './write.ts'

/**
 * One change; applied in order. `path` is an instance-identifier (RFC 7951 6.11). `after` stands only in
 * lists that are ordered by the user: the entry to stand behind, null for the first place.
 */
export type Edit =
  | {
      readonly op: 'create'
      readonly path: string
      readonly value: JsonValue
      readonly after?: string | null
    }
  | { readonly op: 'replace'; readonly path: string; readonly value: JsonValue }
  | { readonly op: 'delete'; readonly path: string }
  | { readonly op: 'move'; readonly path: string; readonly after: string | null }

/** The edits that make `to` of `from`. Empty when both say the same. */
export function diffDocuments(from: DataDocument, to: DataDocument): Edit[] {
  const edits: Edit[] = []
  diffChildren(from.content, to.content, edits)
  return edits
}

function diffChildren(from: DataTreeNode, to: DataTreeNode, edits: Edit[]): void {
  const { plan } = to
  if (!('children' in plan)) return
  // What goes makes room for what comes: another case of a choice, another holder of a unique value.
  const later: Edit[] = []
  for (const child of plan.children) {
    if (child.kind === 'list' || child.kind === 'leaf-list') diffEntries(from, to, child, edits, later)
    else diffSingle(from, to, child, edits, later)
  }
  for (const edit of later) edits.push(edit)
}

/** The child if the document said it. */
function said(parent: DataTreeNode, plan: Plan): DataTreeNode | undefined {
  const slot = parent.slot(plan.index)
  return slot instanceof DataTreeNode && isSaid(slot) ? slot : undefined
}

function diffSingle(from: DataTreeNode, to: DataTreeNode, plan: Plan, edits: Edit[], later: Edit[]): void {
  const before = said(from, plan)
  const after = said(to, plan)
  if (before && !after) edits.push({ op: 'delete', path: instancePath(before) })
  else if (after && !before) later.push({ op: 'create', path: instancePath(after), value: writeNode(after) })
  else if (before && after) {
    if (plan.kind === 'container') diffChildren(before, after, later)
    else if (!sameValue(before, after))
      later.push({ op: 'replace', path: instancePath(after), value: writeNode(after) })
  }
}

function sameValue(a: DataTreeNode, b: DataTreeNode): boolean {
  return a.plan.kind === 'any'
    ? canonicalJson(a.json) === canonicalJson(b.json)
    : a.text === b.text && a.codec?.type === b.codec?.type
}

/** Members sorted, so that their order makes no difference. */
function canonicalJson(value: JsonValue | undefined): string {
  return value === undefined ? '' : printJson(sorted(value))
}

function sorted(value: JsonValue): JsonValue {
  if (Array.isArray(value)) return value.map(sorted)
  if (typeof value !== 'object' || value === null || value instanceof JsonDecimal) return value
  const names = Object.keys(value).sort()
  return Object.fromEntries(names.map((name) => [name, sorted(value[name] ?? null)]))
}

function diffEntries(
  from: DataTreeNode,
  to: DataTreeNode,
  plan: ListPlan | LeafListPlan,
  edits: Edit[],
  later: Edit[],
): void {
  const before = from.at(plan).filter((node) => !node.isDefault)
  const after = to.at(plan).filter((node) => !node.isDefault)
  const beforeByKey = byKey(plan, before)
  const afterByKey = byKey(plan, after)
  if (!beforeByKey || !afterByKey) {
    const was = canonicalJson(before.map((node) => writeNode(node)))
    const is = after.map((node) => writeNode(node))
    const path = pathOfAll(to, plan)
    if (is.length === 0 && before.length > 0) edits.push({ op: 'delete', path })
    else if (was !== canonicalJson(is)) later.push({ op: 'replace', path, value: is })
    return
  }
  for (const [key, node] of beforeByKey)
    if (!afterByKey.has(key)) edits.push({ op: 'delete', path: instancePath(node) })
  const inPlace = plan.schema.orderedBy === 'user' ? unmoved(beforeByKey, afterByKey) : undefined
  let previous: string | null = null
  for (const [key, node] of afterByKey) {
    const known = beforeByKey.get(key)
    const path = instancePath(node)
    if (!known)
      later.push({ op: 'create', path, value: writeNode(node), ...(inPlace ? { after: previous } : {}) })
    else {
      if (inPlace && !inPlace.has(key)) later.push({ op: 'move', path, after: previous })
      if (plan.kind === 'list') diffChildren(known, node, later)
    }
    previous = path
  }
}

function pathOfAll(parent: DataTreeNode, plan: Plan): string {
  const above = parent.parent ? instancePath(parent) : ''
  return `${above}/${plan.jsonName}`
}

/** Entries by key in order; undefined when they cannot be told apart by it. */
function byKey(
  plan: ListPlan | LeafListPlan,
  nodes: readonly DataTreeNode[],
): Map<string, DataTreeNode> | undefined {
  if (plan.kind === 'list' && plan.keys.length === 0) return undefined
  const map = new Map<string, DataTreeNode>()
  for (const node of nodes) {
    const key = plan.kind === 'list' ? keyText(plan, node) : node.text
    if (key === undefined || map.has(key)) return undefined
    map.set(key, node)
  }
  return map
}

/** The most entries that can stay where they are: a longest ascending run of old positions. */
function unmoved(before: ReadonlyMap<string, unknown>, after: ReadonlyMap<string, unknown>): Set<string> {
  const positions = new Map([...before.keys()].map((key, index) => [key, index]))
  const kept = [...after.keys()].flatMap((key) => {
    const position = positions.get(key)
    return position === undefined ? [] : [{ key, position }]
  })
  // Patience sorting: `ends[n]` is the entry that ends the best run of length n + 1 so far.
  const ends: number[] = []
  const previous: (number | undefined)[] = []
  kept.forEach(({ position }, index) => {
    let low = 0
    let high = ends.length
    while (low < high) {
      const middle = (low + high) >> 1
      if ((kept[ends[middle] ?? 0]?.position ?? 0) < position) low = middle + 1
      else high = middle
    }
    previous[index] = low > 0 ? ends[low - 1] : undefined
    ends[low] = index
  })
  const stay = new Set<string>()
  for (let at = ends.at(-1); at !== undefined; at = previous[at]) {
    const key = kept[at]?.key
    if (key !== undefined) stay.add(key)
  }
  return stay
}
