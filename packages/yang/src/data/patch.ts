/**
 * Changes documents by their schema: applies edits, and lays one document over another.
 *
 * Both work on the JSON of what the document says, finding entries by their keys, and have the result
 * validated from the start: a patched document is a document like any other.
 */

import type { Edit } from './diff.ts'
import type { DataFault } from './fault.ts'
import { type PathStep, parseInstancePath } from './instance-path.ts'
import { isJsonObject, type JsonObject, type JsonValue, setMember } from './json.ts'
import { isTypeFault } from './leaf-codec.ts'
import type { CasePlan, LeafListPlan, ListPlan, ParentPlan, Plan } from './plan.ts'
import { DataTreeNode } from './tree.ts'
import type { DataDocument, ValidateOptions, Validation, Validator } from './validator.ts'
import { writeNode } from './write.ts'

/**
 * Applies edits one after the other and validates what comes out. An edit that does not fit (nothing to
 * delete, something in the way, a path that leads nowhere) is a fault, and nothing is changed.
 */
export function patchDocument(
  validator: Validator,
  document: DataDocument,
  edits: readonly Edit[],
  options: ValidateOptions = {},
): Validation {
  const json = document.toJson()
  const faults: DataFault[] = []
  const indexes: Indexes = new WeakMap()
  for (const edit of edits) {
    const problem = applyEdit(document.content.plan, json, edit, indexes)
    if (problem !== undefined) faults.push(patchFault(edit, problem))
  }
  if (faults.length > 0)
    return { ok: false, faults: faults.slice(0, options.maxFaults ?? 100), count: faults.length }
  return validator.validate(json, { type: document.type, ...options })
}

/**
 * Lays `over` on `base`: leafs are replaced, containers and entries with equal keys are merged, new
 * entries and values come last, another case of a choice drives out the old one. The result is validated.
 */
export function mergeDocuments(
  validator: Validator,
  base: DataDocument,
  over: DataDocument,
  options: ValidateOptions = {},
): Validation {
  const json = base.toJson()
  mergeChildren(json, over.content, new WeakMap())
  return validator.validate(json, { type: base.type, ...options })
}

function patchFault(edit: Edit, expected: string): DataFault {
  return {
    code: 'edit',
    path: edit.path,
    schemaPath: '',
    found: `the edit "${edit.op}"`,
    expected,
    rfc: 'RFC 7950 7.5.8',
    errorAppTag: undefined,
    errorMessage: undefined,
  }
}

// Entries by key. ----------------------------------------------------------------------------------

/** For arrays of entries: the entry of each key. Kept up to date by all that changes the array. */
type Indexes = WeakMap<JsonValue[], Map<string, JsonValue>>

function entryKey(plan: ListPlan | LeafListPlan, entry: JsonValue): string | undefined {
  if (plan.kind === 'leaf-list') {
    const result = plan.codec.read(entry, false)
    return isTypeFault(result) ? undefined : result.text
  }
  if (!isJsonObject(entry) || plan.keys.length === 0) return undefined
  const texts: string[] = []
  for (const key of plan.keys) {
    const value = entry[key.jsonName]
    const result = value === undefined ? undefined : key.codec.read(value, false)
    if (!result || isTypeFault(result)) return undefined
    texts.push(result.text)
  }
  return texts.join('\0')
}

function indexOf(
  plan: ListPlan | LeafListPlan,
  array: JsonValue[],
  indexes: Indexes,
): Map<string, JsonValue> {
  let index = indexes.get(array)
  if (!index) {
    index = new Map()
    for (const entry of array) {
      const key = entryKey(plan, entry)
      if (key !== undefined) index.set(key, entry)
    }
    indexes.set(array, index)
  }
  return index
}

/** The key that a path step names, in the list's own order. */
function stepKey(plan: ListPlan | LeafListPlan, step: PathStep): string | undefined {
  if (plan.kind === 'leaf-list') {
    const [only] = step.predicates
    return only?.kind === 'self' ? only.value : undefined
  }
  const texts: string[] = []
  for (const key of plan.keys) {
    const found = step.predicates.find((one) => one.kind === 'key' && one.name === key.name)
    if (found?.kind !== 'key') return undefined
    texts.push(found.value)
  }
  return plan.keys.length === 0 ? undefined : texts.join('\0')
}

// Edits. -------------------------------------------------------------------------------------------

/** Applies one edit; answers what was expected when it does not fit. */
function applyEdit(
  plan: DataTreeNode['plan'],
  json: JsonObject,
  edit: Edit,
  indexes: Indexes,
): string | undefined {
  const steps = parseInstancePath(edit.path)
  const last = steps?.pop()
  if (!steps || !last) return 'a path to a node'
  let parent: ParentPlan | undefined = 'children' in plan ? plan : undefined
  let object = json
  for (const step of steps) {
    const child: Plan | undefined = parent && childOf(parent, step)
    if (!parent || !child || !('children' in child))
      return `a node "${step.name}" with children in the schema`
    const below: JsonObject | undefined =
      child.kind === 'list' ? entryAt(child, object, step, indexes) : containerAt(child, object, edit.op)
    if (!below) return `"${step.name}" to be there`
    object = below
    parent = child
  }
  const target = parent && childOf(parent, last)
  if (!target) return `a node "${last.name}" in the schema`
  const isEntry = (target.kind === 'list' || target.kind === 'leaf-list') && last.predicates.length > 0
  return isEntry ? editEntry(target, object, last, edit, indexes) : editMember(target, object, edit)
}

function childOf(parent: ParentPlan, step: PathStep): Plan | undefined {
  return parent.members.get(`${step.prefix ?? parent.module}:${step.name}`)
}

function entryAt(
  plan: ListPlan,
  object: JsonObject,
  step: PathStep,
  indexes: Indexes,
): JsonObject | undefined {
  const array = object[plan.jsonName]
  const key = stepKey(plan, step)
  if (!Array.isArray(array) || key === undefined) return undefined
  const entry = indexOf(plan, array, indexes).get(key)
  return isJsonObject(entry) ? entry : undefined
}

/** A container without presence is there as soon as something is put into it. */
function containerAt(plan: Plan, object: JsonObject, op: Edit['op']): JsonObject | undefined {
  const known = object[plan.jsonName]
  if (isJsonObject(known)) return known
  if (known !== undefined || op === 'delete' || plan.kind !== 'container' || plan.presence) return undefined
  const made: JsonObject = {}
  setMember(object, plan.jsonName, made)
  return made
}

function editMember(plan: Plan, object: JsonObject, edit: Edit): string | undefined {
  const isThere = Object.hasOwn(object, plan.jsonName)
  switch (edit.op) {
    case 'create':
      if (isThere && !isHollow(plan, object[plan.jsonName])) return 'nothing in its place'
      setMember(object, plan.jsonName, edit.value)
      return undefined
    case 'replace':
      // A list without keys is replaced whole, even where it had no entry.
      if (!isThere && plan.kind !== 'list' && plan.kind !== 'leaf-list') return 'something to replace'
      setMember(object, plan.jsonName, edit.value)
      return undefined
    case 'delete':
      if (!isThere) return 'something to delete'
      delete object[plan.jsonName]
      return undefined
    case 'move':
      return 'an entry of a list or leaf-list'
  }
}

function isHollow(plan: Plan, value: JsonValue | undefined): boolean {
  return plan.kind === 'container' && !plan.presence && isJsonObject(value) && Object.keys(value).length === 0
}

function editEntry(
  plan: ListPlan | LeafListPlan,
  object: JsonObject,
  step: PathStep,
  edit: Edit,
  indexes: Indexes,
): string | undefined {
  const key = stepKey(plan, step)
  if (key === undefined) return plan.kind === 'list' ? 'a value for every key' : 'a value as predicate'
  const known = object[plan.jsonName]
  const array = Array.isArray(known) ? known : []
  const index = indexOf(plan, array, indexes)
  const old = index.get(key)
  if (edit.op === 'create') {
    if (old !== undefined) return 'no entry with these keys'
    if (entryKey(plan, edit.value) !== key) return 'a value with the keys of its path'
    if (known === undefined) setMember(object, plan.jsonName, array)
    const at = edit.after === undefined ? array.length : placeAfter(plan, array, edit.after, index)
    if (at === undefined) return `an entry ${edit.after} to stand behind`
    array.splice(at, 0, edit.value)
    index.set(key, edit.value)
    return undefined
  }
  if (old === undefined) return `an entry to ${edit.op}`
  const from = array.indexOf(old)
  if (edit.op === 'replace') {
    if (entryKey(plan, edit.value) !== key) return 'a value with the keys of its path'
    array[from] = edit.value
    index.set(key, edit.value)
    return undefined
  }
  array.splice(from, 1)
  if (edit.op === 'delete') {
    index.delete(key)
    if (array.length === 0) delete object[plan.jsonName]
    return undefined
  }
  const at = placeAfter(plan, array, edit.after, index)
  if (at === undefined) return `an entry ${edit.after} to stand behind`
  array.splice(at, 0, old)
  return undefined
}

function placeAfter(
  plan: ListPlan | LeafListPlan,
  array: readonly JsonValue[],
  after: string | null,
  index: ReadonlyMap<string, JsonValue>,
): number | undefined {
  if (after === null) return 0
  const step = parseInstancePath(after)?.at(-1)
  const key = step && stepKey(plan, step)
  const entry = key === undefined ? undefined : index.get(key)
  const at = entry === undefined ? -1 : array.indexOf(entry)
  return at < 0 ? undefined : at + 1
}

// Merging. -----------------------------------------------------------------------------------------

function mergeChildren(json: JsonObject, over: DataTreeNode, indexes: Indexes): void {
  const { plan } = over
  if (!('children' in plan)) return
  for (const child of plan.children) {
    const slot = over.slot(child.index)
    if (slot === undefined) continue
    const nodes = (slot instanceof DataTreeNode ? [slot] : slot).filter((node) => !node.isDefault)
    if (nodes.length === 0) continue
    for (const one of child.cases)
      for (const other of one.choice.cases) if (other !== one) dropCase(json, other)
    if (child.kind === 'list' || child.kind === 'leaf-list') mergeEntries(json, child, nodes, indexes)
    else for (const node of nodes) mergeSingle(json, child, node, indexes)
  }
}

function mergeSingle(json: JsonObject, plan: Plan, node: DataTreeNode, indexes: Indexes): void {
  const known = json[plan.jsonName]
  if (plan.kind === 'container' && isJsonObject(known)) mergeChildren(known, node, indexes)
  else setMember(json, plan.jsonName, writeNode(node))
}

function mergeEntries(
  json: JsonObject,
  plan: ListPlan | LeafListPlan,
  nodes: readonly DataTreeNode[],
  indexes: Indexes,
): void {
  const known = json[plan.jsonName]
  // Entries without keys cannot be matched: the later document's stand for all.
  if (!Array.isArray(known) || (plan.kind === 'list' && plan.keys.length === 0)) {
    setMember(
      json,
      plan.jsonName,
      nodes.map((node) => writeNode(node)),
    )
    return
  }
  const index = indexOf(plan, known, indexes)
  for (const node of nodes) {
    const value = writeNode(node)
    const key = entryKey(plan, value)
    const old = key === undefined ? undefined : index.get(key)
    if (old === undefined) {
      known.push(value)
      if (key !== undefined) index.set(key, value)
    } else if (isJsonObject(old)) mergeChildren(old, node, indexes)
  }
}

function dropCase(json: JsonObject, one: CasePlan): void {
  for (const child of one.children) delete json[child.jsonName]
  for (const choice of one.choices) for (const inner of choice.cases) dropCase(json, inner)
}
