/**
 * Schema nodes while they are being made.
 *
 * A draft has all that the finished node has, still open to refine, augment and deviation, and under `origin`
 * what only the compiler needs: the statement, its file, and what was said outright rather than inherited. A
 * finished draft is handed out as the schema's node without being copied.
 */

import type { LeafrefPath } from '../arguments.ts'
import type {
  ActionNode,
  AnydataNode,
  AnyxmlNode,
  CaseNode,
  ChoiceNode,
  ContainerNode,
  DefaultValue,
  InputNode,
  LeafListNode,
  LeafNode,
  LeafrefType,
  ListNode,
  Must,
  NotificationNode,
  OutputNode,
  ResolvedType,
  RpcNode,
  SchemaModule,
  Unique,
  When,
  XPathSource,
} from '../schema.ts'
import type { Statement } from '../statement.ts'
import type { ModuleFile, Unit } from '../unit.ts'

type Writable<T> = { -readonly [K in keyof T]: T[K] extends readonly (infer E)[] ? E[] : T[K] }
/** Fields that refer to other nodes are restated by each draft. */
type Open<T, K extends PropertyKey = never> = Omit<Writable<T>, 'parent' | 'module' | 'position' | K>

/** What the compiler remembers about a node beside the node. */
export interface Origin {
  readonly statement: Statement
  readonly file: ModuleFile
  /** The statement that decided `config`, when one did. */
  config: { readonly value: boolean; readonly place: Statement } | undefined
  statusStated: boolean
  /** Defaults stated on the node, by refine or by deviation, with the statement that did it. */
  defaults: { readonly value: DefaultValue; readonly place: Statement }[]
  /** The default of the node's typedef chain. */
  typeDefault: DefaultValue | undefined
  typePlace: Statement | undefined
  /** `key` and `unique` arguments, read once all children are there. */
  key: Statement | undefined
  uniques: { readonly statement: Statement; readonly file: ModuleFile }[]
  defaultCase: { readonly name: string; readonly place: Statement } | undefined
  /** Mandatory nodes that came by an augment from another module may need a condition. */
  conditional: boolean
}

interface DraftLinks {
  module: DraftModule
  parent: DraftNode | undefined
  position: Statement
  readonly origin: Origin
}

export interface DraftModule
  extends Writable<Omit<SchemaModule, 'children' | 'rpcs' | 'notifications' | 'identities'>> {
  readonly unit: Unit
  children: DraftDefinition[]
  rpcs: DraftRpc[]
  notifications: DraftNotification[]
  identities: Map<string, DraftIdentity>
}

export interface DraftIdentity {
  name: string
  module: DraftModule
  status: 'current' | 'deprecated' | 'obsolete'
  description: string | undefined
  reference: string | undefined
  bases: DraftIdentity[]
  derived: Set<DraftIdentity>
  position: Statement
}

export type DraftContainer = Open<ContainerNode, 'children' | 'actions' | 'notifications'> &
  DraftLinks &
  Holder
export type DraftList = Open<ListNode, 'children' | 'actions' | 'notifications' | 'keys' | 'unique'> &
  DraftLinks &
  Holder & { keys: DraftLeaf[]; unique: Unique[] }
export type DraftLeaf = Open<LeafNode> & DraftLinks
export type DraftLeafList = Open<LeafListNode> & DraftLinks
export type DraftChoice = Open<ChoiceNode, 'cases' | 'defaultCase'> &
  DraftLinks & { cases: DraftCase[]; defaultCase: DraftCase | undefined }
export type DraftCase = Open<CaseNode, 'children'> & DraftLinks & { children: DraftDefinition[] }
export type DraftAnydata = Open<AnydataNode> & DraftLinks
export type DraftAnyxml = Open<AnyxmlNode> & DraftLinks
export type DraftRpc = Open<RpcNode, 'input' | 'output'> &
  DraftLinks & { input: DraftInput; output: DraftOutput }
export type DraftAction = Open<ActionNode, 'input' | 'output'> &
  DraftLinks & { input: DraftInput; output: DraftOutput }
export type DraftInput = Open<InputNode, 'children'> & DraftLinks & { children: DraftDefinition[] }
export type DraftOutput = Open<OutputNode, 'children'> & DraftLinks & { children: DraftDefinition[] }
export type DraftNotification = Open<NotificationNode, 'children'> &
  DraftLinks & { children: DraftDefinition[] }

interface Holder {
  children: DraftDefinition[]
  actions: DraftAction[]
  notifications: DraftNotification[]
}

export type DraftDefinition =
  | DraftContainer
  | DraftList
  | DraftLeaf
  | DraftLeafList
  | DraftChoice
  | DraftAnydata
  | DraftAnyxml
export type DraftNode =
  | DraftDefinition
  | DraftCase
  | DraftRpc
  | DraftAction
  | DraftInput
  | DraftOutput
  | DraftNotification

/** What one data definition statement can stand for, where actions and notifications may stand too. */
export type DraftMember = DraftDefinition | DraftAction | DraftNotification

/** The nodes directly below, of every kind. */
export function childrenOf(node: DraftNode): readonly DraftNode[] {
  switch (node.kind) {
    case 'container':
    case 'list':
      return node.actions.length + node.notifications.length === 0
        ? node.children
        : [...node.children, ...node.actions, ...node.notifications]
    case 'choice':
      return node.cases
    case 'case':
    case 'input':
    case 'output':
    case 'notification':
      return node.children
    case 'rpc':
    case 'action':
      return [node.input, node.output]
    default:
      return []
  }
}

/** The same, list by list as the node keeps them: joining long lists for every step of a path costs too much. */
export function levelsOf(node: DraftNode): readonly (readonly DraftNode[])[] {
  return node.kind === 'container' || node.kind === 'list'
    ? [node.children, node.actions, node.notifications]
    : [childrenOf(node)]
}

const grown = new WeakSet<object>()

/**
 * The list with more at its end. Lists may be shared, so it is copied the first time; from then on it is the node's
 * own and grows where it is, because ten thousand refines of one node would copy it ten thousand times.
 */
export function appended<T>(list: readonly T[], more: readonly T[]): T[] {
  if (more.length === 0) return list as T[]
  // Most lists are added to once: an empty one is cheap to copy, and needs no mark.
  if (list.length === 0) return [...more]
  const own: T[] = grown.has(list) ? (list as T[]) : [...list]
  grown.add(own)
  for (const item of more) own.push(item)
  return own
}

/** A leafref whose target is found after the tree is complete. */
export class PendingLeafref implements LeafrefType {
  readonly kind = 'leafref'
  readonly typedefs: readonly string[]
  readonly path: XPathSource
  readonly parsed: LeafrefPath
  readonly requireInstance: boolean
  #target: LeafNode | LeafListNode | undefined

  constructor(path: XPathSource, parsed: LeafrefPath, requireInstance: boolean, typedefs: readonly string[]) {
    this.path = path
    this.parsed = parsed
    this.requireInstance = requireInstance
    this.typedefs = typedefs
  }

  get target(): LeafNode | LeafListNode {
    if (!this.#target)
      throw new Error(`the leafref ${this.path.text} was read before its schema was complete`)
    return this.#target
  }

  get targetType(): Exclude<ResolvedType, LeafrefType> {
    let type = this.target.type
    while (type.kind === 'leafref') type = type.target.type
    return type
  }

  get isSettled(): boolean {
    return this.#target !== undefined
  }

  settle(target: LeafNode | LeafListNode): void {
    this.#target = target
  }
}

/** Every leafref in a type, members of unions included. */
export function* leafrefsOf(type: ResolvedType): Generator<PendingLeafref> {
  if (type instanceof PendingLeafref) yield type
  else if (type.kind === 'union') for (const member of type.types) yield* leafrefsOf(member)
}

export type { Must, When }
