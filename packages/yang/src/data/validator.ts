/**
 * The front door of documents: read, complete, check, in this order.
 *
 * A validator is made once for a schema. It prepares plans, readers, completers and checks; a document
 * then runs through ready-made functions only. The order matters: names and values first, because
 * conditions look at values; defaults next, because conditions see them (RFC 7950 6.4.1); rules last.
 */
import type { Schema } from '../schema.ts'
import { type XPathBudget, XPathTooCostly } from '../xpath/index.ts'
import { compileAcceptor } from './accept.ts'
import { type Checker, type CheckRun, checkKeysPresent, compileChecker, keyText } from './check.ts'
import {
  type CompleteRun,
  type Completer,
  compileCompleter,
  settleConditions,
  TooManyDefaults,
} from './complete.ts'
import type { DataFault } from './fault.ts'
import { FaultList } from './fault-list.ts'
import {
  describeJson,
  isJsonObject,
  type JsonLimits,
  type JsonObject,
  type JsonValue,
  parseJson,
} from './json.ts'
import {
  type ContainerPlan,
  createPlan,
  type OperationPlan,
  type ParentPlan,
  type SchemaPlan,
} from './plan.ts'
import { compileReader, contentReader, type ReadRun } from './read.ts'
import { DataTreeNode } from './tree.ts'
import { type WriteOptions, writeChildren } from './write.ts'

/**
 * What a document is: all data of a datastore (`data`), configuration only (`config`), an rpc or action
 * with its input (`rpc`) or output (`reply`), or a notification.
 */
export type DocumentType = 'data' | 'config' | 'rpc' | 'reply' | 'notification'

export type ValidateOptions = {
  /** `data` unless given. */
  readonly type?: DocumentType
  /**
   * For `rpc`, `reply` and `notification`: `module:name` of the rpc or notification, when the document is
   * its parameters alone. Without it the document names the operation itself: `{"m:reset": {…}}`.
   */
  readonly operation?: string
  /** Take names without modules, numbers and booleans as strings, enumerations by number. */
  readonly loose?: boolean
  /** What operations and notifications may point at: the datastore's document. Not validated itself. */
  readonly datastore?: DataDocument
  /** Faults that are listed; 100 unless given. */
  readonly maxFaults?: number
  /** Nodes that all expressions together may visit; a million, a tenth of a second, unless given. */
  readonly maxVisits?: number
  /** Nodes that defaults may add to a document; two million unless given. */
  readonly maxDefaults?: number
  readonly json?: JsonLimits
}

export type Validation =
  | { readonly ok: true; readonly document: DataDocument }
  /** `count` tells all faults found, `faults` lists the first of them. */
  | { readonly ok: false; readonly faults: readonly DataFault[]; readonly count: number }

/** A document that fits its schema, defaults included. */
export class DataDocument {
  /** For the functions of this folder. */
  readonly root: DataTreeNode
  readonly type: DocumentType
  /** The node that holds the parameters, for operations. */
  readonly content: DataTreeNode

  constructor(root: DataTreeNode, type: DocumentType, content: DataTreeNode) {
    this.root = root
    this.type = type
    this.content = content
  }

  /** The document as JSON; the parameters alone when they came alone. */
  toJson(options: WriteOptions = {}): JsonObject {
    return writeChildren(this.content, options)
  }
}

export type Validator = {
  readonly plan: SchemaPlan
  /** Judges a document that has been read already. */
  validate(document: JsonValue, options?: ValidateOptions): Validation
  /** Reads JSON text with exact numbers, then judges it. */
  validateText(text: string, options?: ValidateOptions): Validation
}

export const defaultMaxFaults = 100
export const defaultMaxVisits = 1_000_000
export const defaultMaxDefaults = 2_000_000

/**
 * Steps that patterns may take in one document to find what they do not remember yet; it is a tenth of a second. What is
 * remembered costs none, so only values made to be costly get there.
 */
const maxPatternSteps = 400_000

/** Prepares a schema for documents. */
export function createValidator(schema: Schema): Validator {
  const plan = createPlan(schema)
  const machinery = createMachinery(plan)
  const validate = (document: JsonValue, options: ValidateOptions = {}): Validation =>
    run(machinery, document, options)
  return {
    plan,
    validate,
    validateText: (text, options = {}) => {
      const parsed = parseJson(text, options.json)
      if (parsed.ok) return validate(parsed.value, options)
      const { found, expected, line, column } = parsed
      const fault: DataFault = {
        code: 'json',
        path: '/',
        schemaPath: '',
        found: `${found} at line ${line}, column ${column}`,
        expected,
        rfc: 'RFC 8259 2',
        errorAppTag: undefined,
        errorMessage: undefined,
      }
      return { ok: false, faults: [fault], count: 1 }
    },
  }
}

/** Composed functions by plan, made when first asked for. */
type Machinery = {
  readonly plan: SchemaPlan
  readonly readRoot: ReturnType<typeof compileReader>
  readonly accept: ((json: JsonValue) => boolean) | undefined
  completer(plan: ParentPlan): Completer | undefined
  checker(plan: ParentPlan): Checker | undefined
}

function createMachinery(plan: SchemaPlan): Machinery {
  const completers = new Map<ParentPlan, { readonly value: Completer | undefined }>()
  const checkers = new Map<ParentPlan, { readonly value: Checker | undefined }>()
  const remember =
    <T>(made: Map<ParentPlan, { readonly value: T }>, make: (of: ParentPlan) => T) =>
    (of: ParentPlan): T => {
      const known = made.get(of) ?? { value: make(of) }
      made.set(of, known)
      return known.value
    }
  return {
    plan,
    readRoot: compileReader(plan),
    accept: compileAcceptor(plan.root, defaultMaxDefaults / 2),
    completer: remember(completers, compileCompleter),
    checker: remember(checkers, compileChecker),
  }
}

function run(machinery: Machinery, json: JsonValue, options: ValidateOptions): Validation {
  machinery.plan.patternMeter.left = maxPatternSteps
  const type = options.type ?? 'data'
  // Documents that are plainly right need no tree until somebody asks for it.
  const isPlain = type === 'data' && options.loose !== true && options.maxDefaults === undefined
  if (isPlain && machinery.accept?.(json)) return new Accepted(machinery, json, options)
  return judgeWhole(machinery, json, options, type)
}

/** A verdict known before the document is: the tree is made when it is asked for. */
class Accepted {
  readonly ok = true
  private readonly machinery: Machinery
  private readonly json: JsonValue
  private readonly options: ValidateOptions
  private known: DataDocument | undefined = undefined

  constructor(machinery: Machinery, json: JsonValue, options: ValidateOptions) {
    this.machinery = machinery
    this.json = json
    this.options = options
  }

  get document(): DataDocument {
    if (!this.known) {
      const validation = judgeWhole(this.machinery, this.json, this.options, 'data')
      if (!validation.ok) throw new Error('a document was accepted that is not valid')
      this.known = validation.document
    }
    return this.known
  }
}

function judgeWhole(
  machinery: Machinery,
  json: JsonValue,
  options: ValidateOptions,
  type: DocumentType,
): Validation {
  const { plan } = machinery
  const faults = new FaultList(options.maxFaults ?? defaultMaxFaults)
  const root = new DataTreeNode(plan.root, undefined)
  const isOperation = type === 'rpc' || type === 'reply' || type === 'notification'
  const reading: ReadRun = {
    faults,
    loose: options.loose === true,
    configOnly: type === 'config',
    operation: isOperation ? type : undefined,
    operations: [],
  }
  const content = readDocument(machinery, root, json, reading, options.operation)
  const { maxVisits = defaultMaxVisits, maxDefaults = defaultMaxDefaults } = options
  const limits: Limits = { budget: { left: maxVisits }, maxDefaults }
  try {
    const [top] = reading.operations
    if (!isOperation) judgeTree(machinery, root, plan.root, reading, limits, true)
    else if (top) {
      for (let up = top.node.parent; up; up = up.parent)
        if (up.plan.kind === 'list') checkKeysPresent(up.plan, up, faults)
      const { datastore } = options
      if (datastore) surround(top.node, datastore.root)
      const { plan: container } = top.node
      if (container.kind === 'container')
        judgeTree(machinery, top.node, container, reading, limits, datastore !== undefined, root)
    }
  } catch (error) {
    if (error instanceof XPathTooCostly)
      faults.add(
        'limit',
        root,
        'expressions that visit more nodes',
        `at most ${maxVisits} visits`,
        'RFC 7950 8.1',
      )
    else if (error instanceof TooManyDefaults)
      faults.add(
        'limit',
        root,
        'defaults that add more nodes',
        `at most ${maxDefaults} nodes`,
        'RFC 7950 7.6.1',
      )
    else throw error
  }
  if (faults.count > 0) return { ok: false, faults: faults.list(), count: faults.count }
  return { ok: true, document: new DataDocument(root, type, content) }
}

/** Reads the members; answers the node whose members they are. */
function readDocument(
  machinery: Machinery,
  root: DataTreeNode,
  json: JsonValue,
  reading: ReadRun,
  name: string | undefined,
): DataTreeNode {
  const { faults } = reading
  if (!isJsonObject(json)) {
    faults.add('shape', root, describeJson(json), 'an object', 'RFC 7951 5')
    return root
  }
  if (reading.operation === undefined || name === undefined) {
    machinery.readRoot(root, json, reading)
    if (reading.operation && reading.operations.length === 0)
      faults.add(
        'operation',
        root,
        `no ${reading.operation} of the schema`,
        'one operation in the document',
        'RFC 7950 7.14',
      )
    return root
  }
  const plan = findOperation(machinery.plan, name, reading.operation)
  const container: ContainerPlan | undefined = reading.operation === 'reply' ? plan?.output : plan?.input
  if (!plan || !container) {
    faults.add(
      'operation',
      root,
      `"${name}"`,
      `the name of a ${reading.operation} of the schema`,
      'RFC 7950 7.14',
    )
    return root
  }
  const node = new DataTreeNode(container, root)
  root.operation = { plan, node }
  reading.operations.push({ plan, node })
  contentReader(container)(node, json, reading)
  return node
}

/**
 * Lets an operation see the datastore around it (RFC 7950 6.4.1): wherever the document says nothing beside
 * the way down to the operation, the datastore's nodes stand.
 */
function surround(operation: DataTreeNode, datastore: DataTreeNode): void {
  const way: DataTreeNode[] = []
  for (let up = operation.parent; up; up = up.parent) way.unshift(up)
  let stored: DataTreeNode | undefined = datastore
  for (const [depth, node] of way.entries()) {
    if (!stored || !node.slots) return
    const next = way[depth + 1]
    const below: readonly DataTreeNode[] =
      next && 'index' in next.plan && next.plan.kind !== 'root' ? stored.at(next.plan) : []
    const same: DataTreeNode | undefined = next && below.find((entry) => isSameEntry(entry, next))
    for (const [index, slot] of stored?.filledSlots() ?? []) {
      if (next && index === next.plan.index) {
        if (next.plan.kind === 'list') node.setSlot(index, [next, ...below.filter((entry) => entry !== same)])
      } else if (node.slot(index) === undefined) node.setSlot(index, slot)
    }
    stored = same
  }
}

function isSameEntry(entry: DataTreeNode, other: DataTreeNode): boolean {
  return other.plan.kind !== 'list' || keyText(other.plan, entry) === keyText(other.plan, other)
}

function findOperation(plan: SchemaPlan, name: string, type: DocumentType): OperationPlan | undefined {
  return type === 'notification' ? plan.notifications.get(name) : plan.rpcs.get(name)
}

type Limits = { readonly budget: XPathBudget; readonly maxDefaults: number }

function judgeTree(
  machinery: Machinery,
  node: DataTreeNode,
  plan: ParentPlan,
  reading: ReadRun,
  { budget, maxDefaults }: Limits,
  checkReferences: boolean,
  root: DataTreeNode = node,
): void {
  const { faults, configOnly, loose } = reading
  const completing: CompleteRun = { configOnly, budget, conditional: [], defaultsLeft: maxDefaults }
  machinery.completer(plan)?.(node, completing)
  settleConditions(completing, faults)
  const checking: CheckRun = {
    faults,
    configOnly,
    loose,
    budget,
    root,
    checkReferences,
    referenced: new Map(),
  }
  machinery.checker(plan)?.(node, checking)
}
