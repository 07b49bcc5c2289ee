/**
 * Holds a completed tree against every rule that concerns more than one value: mandatory nodes, counts,
 * keys, uniqueness, choices, `must`, and references (RFC 7950 8.1).
 *
 * Like readers, checks are composed once per plan; a subtree without any rule has no check at all and is
 * not visited.
 */
import type { LeafrefType } from '../schema.ts'
import type { XPathBudget } from '../xpath/index.ts'
import { choiceMayExist, isActive, mayExist } from './complete.ts'
import type { FaultList } from './fault-list.ts'
import { isTypeFault, type LeafCodec } from './leaf-codec.ts'
import type { ChoicePlan, LeafListPlan, LeafPlan, ListPlan, MustCondition, ParentPlan, Plan } from './plan.ts'
import { referencePath } from './reference.ts'
import { DataTreeNode, dataTree, resolveInstancePath } from './tree.ts'

export type CheckRun = {
  readonly faults: FaultList
  readonly configOnly: boolean
  readonly loose: boolean
  readonly budget: XPathBudget
  readonly root: DataTreeNode
  /** False when the document is an operation alone, so that what it points at cannot be known. */
  readonly checkReferences: boolean
  /** Values already gathered for references: by reference type, then by the node the search starts from. */
  readonly referenced: Map<LeafrefType, Map<DataTreeNode, ReadonlySet<string>>>
}

/** Checks one node and all below it. */
export type Checker = (node: DataTreeNode, run: CheckRun) => void

/** Composes the checks below a root, container or list entry; undefined when there is nothing to check. */
export function compileChecker(plan: ParentPlan): Checker | undefined {
  const steps: Checker[] = []
  if (plan.musts.length > 0) steps.push((node, run) => checkMusts(plan.musts, node, run))
  if (plan.kind === 'list' && plan.keys.length > 0)
    steps.push((node, run) => checkKeysPresent(plan, node, run.faults))
  for (const child of plan.children) {
    const step = compileChild(child)
    if (step) steps.push(child.config ? step : (node, run) => (run.configOnly ? undefined : step(node, run)))
  }
  for (const choice of plan.choices) steps.push((node, run) => checkChoice(choice, node, run))
  if (steps.length === 0) return undefined
  return (node, run) => {
    for (const step of steps) step(node, run)
  }
}

/** The check of a child's place, there or not. */
function compileChild(plan: Plan): Checker | undefined {
  switch (plan.kind) {
    case 'leaf':
      return compileLeaf(plan)
    case 'any': {
      const { musts, mandatory } = plan
      if (!mandatory && musts.length === 0) return undefined
      return (parent, run) => {
        const [node] = parent.at(plan)
        if (node) checkMusts(musts, node, run)
        else if (mandatory) checkMissing(plan, parent, run)
      }
    }
    case 'container': {
      const inner = compileChecker(plan)
      if (!inner) return undefined
      return (parent, run) => {
        const [node] = parent.at(plan)
        if (node) inner(node, run)
      }
    }
    case 'leaf-list':
      return compileLeafList(plan)
    case 'list':
      return compileList(plan)
  }
}

// Leafs. -------------------------------------------------------------------------------------------

function compileLeaf(plan: LeafPlan): Checker | undefined {
  const { musts, index } = plan
  const refers = referring(plan.codec)
  const mandatory = plan.mandatory && !plan.isKey
  if (!refers && !mandatory && musts.length === 0) return undefined
  return (parent, run) => {
    const node = parent.slot(index)
    if (node instanceof DataTreeNode) {
      if (refers) checkReference(plan.codec, node, run)
      if (musts.length > 0) checkMusts(musts, node, run)
    } else if (mandatory) checkMissing(plan, parent, run)
  }
}

function compileLeafList(plan: LeafListPlan): Checker | undefined {
  const { musts, schema, codec } = plan
  const refers = referring(codec)
  const { minElements, maxElements } = schema
  // Only configuration forbids a value twice (RFC 7950 7.7).
  const unique = schema.config && schema.inTree
  return (parent, run) => {
    const entries = parent.at(plan)
    checkCount(plan, entries.length, minElements, maxElements, parent, run)
    if (unique && entries.length > 1) {
      const seen = new Set<string>()
      for (const node of entries) {
        // What has no value has been found fault with already.
        if (!node.codec) continue
        if (seen.has(node.text))
          run.faults.add('duplicate-entry', node, 'the value again', 'each value once', 'RFC 7950 7.7')
        seen.add(node.text)
      }
    }
    for (const node of entries) {
      if (refers) checkReference(codec, node, run)
      if (musts.length > 0) checkMusts(musts, node, run)
    }
  }
}

/** A mandatory node that is not there: a fault unless its case is not chosen or its condition is false. */
function checkMissing(plan: Plan, parent: DataTreeNode, run: CheckRun): void {
  if (!isAskedFor(plan, parent, run)) return
  run.faults.add(
    'missing-mandatory',
    { parent, plan },
    'nothing',
    `the mandatory ${plan.schema.kind}`,
    'RFC 7950 7.6.5',
  )
}

function isAskedFor(plan: Plan, parent: DataTreeNode, run: CheckRun): boolean {
  const innermost = plan.cases.at(-1)
  if (innermost && !isActive(innermost, parent)) return false
  return mayExist(parent, plan, run.budget)
}

function checkCount(
  plan: LeafListPlan | ListPlan,
  count: number,
  least: number,
  most: number | undefined,
  parent: DataTreeNode,
  run: CheckRun,
): void {
  if (count < least && isAskedFor(plan, parent, run))
    run.faults.add('too-few', { parent, plan }, `${count} entries`, `at least ${least}`, 'RFC 7950 7.7.5', {
      errorAppTag: 'too-few-elements',
    })
  if (most !== undefined && count > most)
    run.faults.add('too-many', { parent, plan }, `${count} entries`, `at most ${most}`, 'RFC 7950 7.7.6', {
      errorAppTag: 'too-many-elements',
    })
}

function checkMusts(musts: readonly MustCondition[], node: DataTreeNode, run: CheckRun): void {
  for (const { source, test } of musts) {
    if (test.boolean(node, run.budget)) continue
    run.faults.add(
      'must',
      node,
      'a node that breaks the condition',
      `must "${source.text}"`,
      'RFC 7950 7.5.3',
      {
        errorMessage: source.errorMessage,
        errorAppTag: source.errorAppTag ?? 'must-violation',
      },
    )
  }
}

// Lists. -------------------------------------------------------------------------------------------

function compileList(plan: ListPlan): Checker {
  const inner = compileChecker(plan)
  const { minElements, maxElements } = plan.schema
  return (parent, run) => {
    const entries = parent.at(plan)
    checkCount(plan, entries.length, minElements, maxElements, parent, run)
    if (entries.length === 0) return
    if (plan.keys.length > 0 && entries.length > 1) checkKeysDiffer(plan, entries, run)
    for (const leafs of plan.uniques) checkUnique(leafs, entries, run)
    if (inner) for (const entry of entries) inner(entry, run)
  }
}

/** Every entry has all its keys. */
export function checkKeysPresent(plan: ListPlan, entry: DataTreeNode, faults: FaultList): void {
  for (const key of plan.keys)
    if (entry.slot(key.index) !== undefined) continue
    else if (faults.isFull) faults.count++
    else
      faults.add(
        'missing-key',
        { parent: entry, plan: key },
        'nothing',
        `the key "${key.name}"`,
        'RFC 7950 7.8.2',
      )
}

/** The keys of an entry as one text; undefined when one is missing or has no lawful value. No YANG string holds a NUL. */
export function keyText(plan: ListPlan, entry: DataTreeNode): string | undefined {
  let text = ''
  for (const key of plan.keys) {
    const node = entry.slot(key.index)
    if (!(node instanceof DataTreeNode) || !node.codec) return undefined
    text = text === '' ? node.text : `${text}\0${node.text}`
  }
  return text
}

function checkKeysDiffer(plan: ListPlan, entries: readonly DataTreeNode[], run: CheckRun): void {
  const seen = new Set<string>()
  for (const entry of entries) {
    const text = keyText(plan, entry)
    if (text === undefined) continue
    if (seen.has(text))
      run.faults.add(
        'duplicate-entry',
        entry,
        'an entry with the same keys',
        'different keys',
        'RFC 7950 7.8.2',
      )
    seen.add(text)
  }
}

/** Entries that have all the leafs may not agree in all of them (RFC 7950 7.8.3). */
function checkUnique(
  leafs: readonly (readonly Plan[])[],
  entries: readonly DataTreeNode[],
  run: CheckRun,
): void {
  const seen = new Set<string>()
  for (const entry of entries) {
    const text = textOf(leafs, entry)
    if (text === undefined) continue
    if (seen.has(text)) {
      const names = leafs.map((path) => path.map(({ name }) => name).join('/')).join(' ')
      run.faults.add(
        'unique',
        entry,
        'an entry with the same values',
        `unique "${names}"`,
        'RFC 7950 7.8.3',
        {
          errorAppTag: 'data-not-unique',
        },
      )
    }
    seen.add(text)
  }
}

/** The values of an entry's leafs as one text; undefined when one of them is not there. */
function textOf(leafs: readonly (readonly Plan[])[], entry: DataTreeNode): string | undefined {
  let text: string | undefined
  for (const path of leafs) {
    let node: DataTreeNode | undefined = entry
    for (const step of path) node = node?.at(step)[0]
    if (!node) return undefined
    text = text === undefined ? node.text : `${text}\0${node.text}`
  }
  return text
}

// Choices. -----------------------------------------------------------------------------------------

function checkChoice(choice: ChoicePlan, node: DataTreeNode, run: CheckRun): void {
  if (run.configOnly && !choice.config) return
  const active = choice.cases.filter((one) => isActive(one, node))
  if (active.length > 1) {
    const names = active.map(({ name }) => `"${name}"`).join(' and ')
    run.faults.add(
      'several-cases',
      { parent: node, choice },
      `cases ${names}`,
      'nodes of one case',
      'RFC 7950 7.9',
    )
  }
  const [chosen] = active
  if (chosen) for (const inner of chosen.choices) checkChoice(inner, node, run)
  else if (
    choice.mandatory &&
    (!choice.within || isActive(choice.within, node)) &&
    choiceMayExist(node, choice, run.budget)
  )
    run.faults.add(
      'missing-choice',
      { parent: node, choice },
      'nothing',
      `a case of "${choice.schema.name}"`,
      'RFC 7950 7.9.4',
      {
        errorAppTag: 'missing-choice',
      },
    )
}

// References. --------------------------------------------------------------------------------------

function referring(codec: LeafCodec): boolean {
  return codec.members.some(
    ({ reference, type }) => reference || (type.kind === 'instance-identifier' && type.requireInstance),
  )
}

function checkReference(declared: LeafCodec, node: DataTreeNode, run: CheckRun): void {
  if (!run.checkReferences || !node.codec || leadsSomewhere(node.codec, node, run)) return
  // A union goes on to its next member when a reference leads nowhere (RFC 7950 9.12).
  if (node.json !== undefined)
    for (const member of declared.members.slice(memberIndex(declared, node.codec) + 1)) {
      const result = member.read(node.json, run.loose)
      if (isTypeFault(result)) continue
      node.value = result
      if (leadsSomewhere(result.codec, node, run)) return
    }
  const { reference } = node.codec
  const path = reference
    ? `an instance of "${reference.path.text}" with this value`
    : 'an instance in the document'
  const rfc = reference ? 'RFC 7950 9.9' : 'RFC 7950 9.13'
  run.faults.add('no-instance', node, JSON.stringify(node.text), path, rfc, {
    errorAppTag: 'instance-required',
  })
}

function memberIndex(declared: LeafCodec, codec: LeafCodec): number {
  return declared.members.findIndex(
    ({ type, reference }) => codec.type === type || (reference && codec.reference === reference),
  )
}

function leadsSomewhere(codec: LeafCodec, node: DataTreeNode, run: CheckRun): boolean {
  const { reference, type } = codec
  if (type.kind === 'instance-identifier' && type.requireInstance && !reference)
    return resolveInstancePath(run.root, node.text, run.budget).length > 0
  if (!reference) return true
  const path = referencePath(reference)
  if (!path) return true
  if (!path.plain) return path.path.nodes(node, run.budget).some((target) => target.text === node.text)
  let start: DataTreeNode = node
  if (path.plain.up === 'root') start = run.root
  else for (let i = 0; i < path.plain.up; i++) start = start.parent ?? run.root
  return valuesBelow(reference, start, path.plain.down, run).has(node.text)
}

/** All values a plain path leads to from one node; gathered once a document. */
function valuesBelow(
  reference: LeafrefType,
  start: DataTreeNode,
  down: readonly { readonly module: string; readonly name: string }[],
  run: CheckRun,
): ReadonlySet<string> {
  let byStart = run.referenced.get(reference)
  if (!byStart) {
    byStart = new Map()
    run.referenced.set(reference, byStart)
  }
  let values = byStart.get(start)
  if (!values) {
    let nodes: readonly DataTreeNode[] = [start]
    for (const { module, name } of down) {
      nodes = nodes.flatMap((node) => dataTree.childrenNamed(node, module, name))
      run.budget.left -= nodes.length
    }
    values = new Set(nodes.map(({ text }) => text))
    byStart.set(start, values)
  }
  return values
}
