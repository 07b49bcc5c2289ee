/**
 * From JSON to a tree (RFC 7951): names are found, shapes and values judged, and every fault noted.
 *
 * For each plan a reader function is composed once; reading a document is then nothing but looking up a
 * member's function and calling it. What depends on several nodes (keys, counts, conditions) is not
 * judged here.
 */
import type { FaultList } from './fault-list.ts'
import { describeJson, isJsonObject, type JsonObject, type JsonValue } from './json.ts'
import { isTypeFault, type LeafCodec, type LeafValue, type TypeFault } from './leaf-codec.ts'
import type {
  AnyPlan,
  ContainerPlan,
  LeafListPlan,
  LeafPlan,
  ListPlan,
  OperationPlan,
  ParentPlan,
  Plan,
  SchemaPlan,
} from './plan.ts'
import { DataTreeNode } from './tree.ts'

/** What one reading carries along. */
export type ReadRun = {
  readonly faults: FaultList
  /** Take the wider forms of values and names. */
  readonly loose: boolean
  /** Refuse state. */
  readonly configOnly: boolean
  /** Which operation may stand in the document, and which of its directions is read. */
  readonly operation: 'rpc' | 'reply' | 'notification' | undefined
  /** Operations met. */
  readonly operations: { plan: OperationPlan; node: DataTreeNode }[]
}

export type Reader = (parent: DataTreeNode, json: JsonValue, run: ReadRun) => void

/** Reads the members of an object into a node that exists. */
export type MembersReader = (node: DataTreeNode, json: JsonObject, run: ReadRun) => void

/** Composes the reader of a whole document. */
export function compileReader(plan: SchemaPlan): MembersReader {
  const operations = new Map<string, OperationPlan>([...plan.rpcs, ...plan.notifications])
  return compileMembers(plan.root, operations)
}

const membersReaders = new WeakMap<ContainerPlan, MembersReader>()

/** The reader of the parameters of an operation, or of what a container holds; composed on first use. */
export function contentReader(plan: ContainerPlan): MembersReader {
  let reader = membersReaders.get(plan)
  if (!reader) {
    reader = compileMembers(plan, plan.operations)
    membersReaders.set(plan, reader)
  }
  return reader
}

function compileMembers(plan: ParentPlan, operations: ReadonlyMap<string, OperationPlan>): MembersReader {
  const readers = new Map<Plan, Reader>(plan.children.map((child) => [child, compilePlan(child)]))
  const strict = new Map<string, Reader>()
  for (const [name, child] of plan.members) strict.set(name, readers.get(child) ?? ignore)
  const loose = new Map<string, Reader>(strict)
  for (const [name, child] of plan.bareMembers)
    if (!loose.has(name)) loose.set(name, readers.get(child) ?? ignore)
  return (node, json, run) => {
    const known = run.loose ? loose : strict
    for (const name of Object.keys(json)) {
      const value = json[name]
      if (value === undefined) continue
      const reader = known.get(name)
      if (reader) reader(node, value, run)
      else if (!readOperation(operations, node, name, value, run)) readOther(plan, node, name, value, run)
    }
  }
}

function ignore(): void {}

/** Annotations (RFC 7952 5.2) are held against the names and then left alone; all else is unknown. */
function readOther(plan: ParentPlan, node: DataTreeNode, name: string, value: JsonValue, run: ReadRun): void {
  const place = { parent: node, member: name }
  if (name.startsWith('@')) {
    const target = name.slice(1)
    const known = run.loose
      ? plan.bareMembers.has(target) || plan.members.has(target)
      : plan.members.has(target)
    const fits = isJsonObject(value) || (target !== '' && Array.isArray(value))
    if ((target === '' || known) && fits) return
    run.faults.add(
      'unknown-member',
      place,
      `annotation "${name}"`,
      'an annotation object of a member',
      'RFC 7952 5.2',
    )
    return
  }
  const inModule = plan.bareMembers.get(name)
  const expected = inModule
    ? `"${inModule.module}:${name}": the name needs its module here`
    : 'a member that the schema defines here'
  run.faults.add('unknown-member', place, `"${name}"`, expected, inModule ? 'RFC 7951 4' : 'RFC 7950 8.3.1')
}

function readOperation(
  operations: ReadonlyMap<string, OperationPlan>,
  node: DataTreeNode,
  name: string,
  value: JsonValue,
  run: ReadRun,
): boolean {
  if (!run.operation || operations.size === 0) return false
  const plan = operations.get(name) ?? (run.loose ? bareOperation(operations, name) : undefined)
  if (!plan || (plan.kind === 'notification') !== (run.operation === 'notification')) return false
  const content = run.operation === 'reply' ? plan.output : plan.input
  if (!content) return false
  const made = new DataTreeNode(content, node)
  if (node.operation || run.operations.length > 0)
    run.faults.add('operation', made, 'a second operation', 'one operation in a document', 'RFC 7950 7.14')
  node.operation = { plan, node: made }
  run.operations.push({ plan, node: made })
  // An operation without parameters may be written as [null], as an empty leaf is.
  if (isJsonObject(value)) contentReader(content)(made, value, run)
  else if (!isNothing(value)) run.faults.add('shape', made, describeJson(value), 'an object', 'RFC 7951 5.1')
  return true
}

function isNothing(value: JsonValue): boolean {
  return Array.isArray(value) && value.length === 1 && value[0] === null
}

function bareOperation(
  operations: ReadonlyMap<string, OperationPlan>,
  name: string,
): OperationPlan | undefined {
  const found = [...operations.values()].filter((plan) => plan.name === name)
  return found.length > 0 && found.every((plan) => plan === found[0]) ? found[0] : undefined
}

function compilePlan(plan: Plan): Reader {
  const read = compileKind(plan)
  const { index, config } = plan
  return (parent, json, run) => {
    if (!config && run.configOnly) {
      run.faults.add('not-config', { parent, plan }, 'state', 'configuration only', 'RFC 7950 7.21.1')
      return
    }
    if (parent.slot(index) !== undefined) {
      const expected = 'each member once, with or without its module'
      run.faults.add('duplicate-member', { parent, plan }, 'the member again', expected, 'RFC 7951 4')
      return
    }
    read(parent, json, run)
  }
}

function compileKind(plan: Plan): Reader {
  switch (plan.kind) {
    case 'leaf':
      return leafReader(plan)
    case 'leaf-list':
      return leafListReader(plan)
    case 'any':
      return anyReader(plan)
    case 'container':
      return containerReader(plan)
    case 'list':
      return listReader(plan)
  }
}

function place(parent: DataTreeNode, plan: Plan, node: DataTreeNode | DataTreeNode[]): void {
  parent.setSlot(plan.index, node)
}

/** A union that holds a reference may have to be read again once the whole document is known. */
function mayReadAgain(codec: LeafCodec): boolean {
  return (
    codec.members.length > 1 &&
    codec.members.some(({ reference, type }) => reference || type.kind === 'instance-identifier')
  )
}

/** Stands for the words of faults that are counted and not told. */
const untold: TypeFault = { found: '', expected: '', rfc: '' }

/** Finding the words costs more than the verdict, so a list that is full is not given any. */
function readValue(codec: LeafCodec, json: JsonValue, run: ReadRun): LeafValue | TypeFault {
  if (run.faults.isFull && !run.loose && !codec.fits(json)) return untold
  return codec.read(json, run.loose)
}

function leafReader(plan: LeafPlan): Reader {
  const { codec } = plan
  const keepsJson = mayReadAgain(codec)
  return (parent, json, run) => {
    const node = new DataTreeNode(plan, parent)
    place(parent, plan, node)
    const result = readValue(codec, json, run)
    if (isTypeFault(result)) {
      run.faults.addType(node, result)
      node.value = { text: describeJson(json), codec: undefined }
      return
    }
    node.value = result
    if (keepsJson) node.json = json
  }
}

function leafListReader(plan: LeafListPlan): Reader {
  const { codec } = plan
  const keepsJson = mayReadAgain(codec)
  return (parent, json, run) => {
    if (!Array.isArray(json)) {
      place(parent, plan, [])
      run.faults.add('shape', { parent, plan }, describeJson(json), 'an array', 'RFC 7951 5.3')
      return
    }
    const entries: DataTreeNode[] = []
    for (const item of json) {
      const node = new DataTreeNode(plan, parent)
      const result = readValue(codec, item, run)
      entries.push(node)
      if (isTypeFault(result)) {
        run.faults.addType(node, result)
        node.value = { text: describeJson(item), codec: undefined }
        continue
      }
      node.value = result
      if (keepsJson) node.json = item
    }
    place(parent, plan, entries)
  }
}

function anyReader(plan: AnyPlan): Reader {
  const isData = plan.schema.kind === 'anydata'
  return (parent, json, run) => {
    const node = new DataTreeNode(plan, parent)
    node.json = json
    place(parent, plan, node)
    if (isData && !isJsonObject(json))
      run.faults.add('shape', node, describeJson(json), 'an object', 'RFC 7951 5.5')
  }
}

function containerReader(plan: ContainerPlan): Reader {
  const members = compileMembers(plan, plan.operations)
  return (parent, json, run) => {
    const node = new DataTreeNode(plan, parent)
    place(parent, plan, node)
    if (isJsonObject(json)) members(node, json, run)
    else run.faults.add('shape', node, describeJson(json), 'an object', 'RFC 7951 5.2')
  }
}

function listReader(plan: ListPlan): Reader {
  const members = compileMembers(plan, plan.operations)
  return (parent, json, run) => {
    const entries: DataTreeNode[] = []
    place(parent, plan, entries)
    if (!Array.isArray(json)) {
      run.faults.add('shape', { parent, plan }, describeJson(json), 'an array of objects', 'RFC 7951 5.4')
      return
    }
    for (const item of json) {
      const node = new DataTreeNode(plan, parent)
      entries.push(node)
      if (isJsonObject(item)) members(node, item, run)
      else run.faults.add('shape', node, describeJson(item), 'an object', 'RFC 7951 5.4')
    }
  }
}
