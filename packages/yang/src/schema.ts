/**
 * The compiled schema: what is left of YANG once every name has been resolved.
 *
 * The compiler produces these types and everything else reads them: validators, encoders, diff, the views.
 * A reader never meets a typedef, a grouping, a `uses`, an `augment`, a `deviation` or an `if-feature` here;
 * they have been carried out. What stays is a tree of nodes, each knowing the module whose namespace its name
 * belongs to (the augmenting module for augmented nodes, the using module for nodes of a grouping), with its
 * type reduced to a built-in type and its restrictions.
 *
 * The tree is immutable for its readers. It is cyclic (children know their parents, leafrefs their targets),
 * so print it through a view and not with `JSON.stringify`.
 */

import type { Position, Problem } from './problem.ts'

export type { Position } from './problem.ts'

/** A set of modules compiled together; one process may hold many. */
export interface Schema {
  /**
   * Modules whose nodes exist in the data tree, by module name: those asked for, and those whose nodes are
   * augmented, deviated or pointed at by them (RFC 7950 5.6.5).
   */
  readonly modules: ReadonlyMap<string, SchemaModule>
  /** Every module that took part, imported-only ones and all revisions included. */
  readonly allModules: readonly SchemaModule[]
  /** Every identity of every module that took part, by `module:name`. */
  readonly identities: ReadonlyMap<string, Identity>
  /** Findings that did not stop the compilation. */
  readonly warnings: readonly Problem[]
}

export interface SchemaModule {
  readonly name: string
  /** The newest revision the module states, `YYYY-MM-DD`. */
  readonly revision: string | undefined
  readonly namespace: string
  readonly prefix: string
  readonly yangVersion: '1' | '1.1'
  readonly organization: string | undefined
  readonly contact: string | undefined
  readonly description: string | undefined
  readonly reference: string | undefined
  /** True when the module's nodes are part of the data tree; otherwise it only lent definitions. */
  readonly implemented: boolean
  /** Prefixes of the module's own file: prefix → module name, its own prefix included. */
  readonly prefixes: ReadonlyMap<string, string>
  /** Features by name, and whether each is enabled. */
  readonly features: ReadonlyMap<string, boolean>
  /** Identities this module defines, by local name. */
  readonly identities: ReadonlyMap<string, Identity>
  /** Top-level data nodes, choices included, in schema order. Empty unless implemented. */
  readonly children: readonly DataDefinition[]
  readonly rpcs: readonly RpcNode[]
  readonly notifications: readonly NotificationNode[]
  /** Uses of extensions directly under the module statement. */
  readonly extensions: readonly ExtensionUse[]
  /** Names of the submodules that were included. */
  readonly submodules: readonly string[]
  readonly position: Position
}

export type Status = 'current' | 'deprecated' | 'obsolete'

/** Nodes that may stand among the children of a container, list, case, input, output or notification. */
export type DataDefinition =
  | ContainerNode
  | ListNode
  | LeafNode
  | LeafListNode
  | ChoiceNode
  | AnydataNode
  | AnyxmlNode

/** Nodes that exist in instance documents; choices and cases do not (RFC 7950 3, "data node"). */
export type DataNode = Exclude<DataDefinition, ChoiceNode>

/** Everything in the tree. `kind` tells which. */
export type SchemaNode =
  | DataDefinition
  | CaseNode
  | RpcNode
  | ActionNode
  | InputNode
  | OutputNode
  | NotificationNode

/** Nodes with data definitions below them. */
export type ParentNode = Extract<SchemaNode, { readonly children: readonly SchemaNode[] }>

interface NodeBase {
  readonly name: string
  /** The module whose namespace the name belongs to. */
  readonly module: SchemaModule
  /** The node directly above, choices, cases, inputs and outputs included; undefined at the top level. */
  readonly parent: SchemaNode | undefined
  readonly status: Status
  readonly description: string | undefined
  readonly reference: string | undefined
  /** All conditions; each must hold for the node to exist. */
  readonly when: readonly When[]
  /** Extension uses on the statement; those inside a grouping travel with its uses. */
  readonly extensions: readonly ExtensionUse[]
  /** The `if-feature` expressions the node stood under, for the tree diagram. All were true. */
  readonly ifFeatures: readonly string[]
  readonly position: Position
}

interface DataBase extends NodeBase {
  /** True for configuration, false for state. Always false-like in rpcs and notifications: see `inTree`. */
  readonly config: boolean
  /** True in the datastore tree; false below an rpc, an action or a notification, where `config` says nothing. */
  readonly inTree: boolean
}

export interface ContainerNode extends DataBase {
  readonly kind: 'container'
  /** The argument of `presence`; undefined for a container that only gives structure. */
  readonly presence: string | undefined
  readonly must: readonly Must[]
  readonly children: readonly DataDefinition[]
  readonly actions: readonly ActionNode[]
  readonly notifications: readonly NotificationNode[]
}

export interface ListNode extends DataBase {
  readonly kind: 'list'
  /** In the order of the `key` statement, which is also their order in instance identifiers. */
  readonly keys: readonly LeafNode[]
  /** One entry per `unique` statement. */
  readonly unique: readonly Unique[]
  readonly minElements: number
  /** Undefined for `unbounded`. */
  readonly maxElements: number | undefined
  readonly orderedBy: 'system' | 'user'
  readonly must: readonly Must[]
  readonly children: readonly DataDefinition[]
  readonly actions: readonly ActionNode[]
  readonly notifications: readonly NotificationNode[]
}

/** The leafs whose values together may not repeat among the entries of a list (RFC 7950 7.8.3). */
export interface Unique {
  readonly leafs: readonly LeafNode[]
  readonly position: Position
}

export interface LeafNode extends DataBase {
  readonly kind: 'leaf'
  readonly type: ResolvedType
  readonly mandatory: boolean
  /** True for a key of the list above. */
  readonly isKey: boolean
  readonly units: string | undefined
  /** The default in its lexical form, the leaf's own or its typedef's. Known to fit the type. */
  readonly default: DefaultValue | undefined
  readonly must: readonly Must[]
}

export interface LeafListNode extends DataBase {
  readonly kind: 'leaf-list'
  readonly type: ResolvedType
  readonly units: string | undefined
  /** YANG 1.1 only; its typedef's default counts when there is none of its own and min-elements is 0. */
  readonly defaults: readonly DefaultValue[]
  readonly minElements: number
  readonly maxElements: number | undefined
  readonly orderedBy: 'system' | 'user'
  readonly must: readonly Must[]
}

/**
 * A default as the module wrote it. Values with prefixes in them (identityref, instance-identifier) mean the
 * prefixes of the file that wrote it.
 */
export interface DefaultValue {
  readonly text: string
  /** prefix → module name. */
  readonly prefixes: ReadonlyMap<string, string>
  /** The module that names without a prefix belong to. */
  readonly moduleName: string
}

export interface ChoiceNode extends DataBase {
  readonly kind: 'choice'
  readonly mandatory: boolean
  /** Short-hand cases have been written out: every child is a case. */
  readonly cases: readonly CaseNode[]
  readonly defaultCase: CaseNode | undefined
}

export interface CaseNode extends DataBase {
  readonly kind: 'case'
  readonly children: readonly DataDefinition[]
}

export interface AnydataNode extends DataBase {
  readonly kind: 'anydata'
  readonly mandatory: boolean
  readonly must: readonly Must[]
}

export interface AnyxmlNode extends DataBase {
  readonly kind: 'anyxml'
  readonly mandatory: boolean
  readonly must: readonly Must[]
}

export interface RpcNode extends NodeBase {
  readonly kind: 'rpc'
  /** Present even when the module left it out (RFC 7950 7.14). */
  readonly input: InputNode
  readonly output: OutputNode
}

export interface ActionNode extends NodeBase {
  readonly kind: 'action'
  readonly input: InputNode
  readonly output: OutputNode
}

export interface InputNode extends NodeBase {
  readonly kind: 'input'
  readonly must: readonly Must[]
  readonly children: readonly DataDefinition[]
}

export interface OutputNode extends NodeBase {
  readonly kind: 'output'
  readonly must: readonly Must[]
  readonly children: readonly DataDefinition[]
}

export interface NotificationNode extends NodeBase {
  readonly kind: 'notification'
  readonly must: readonly Must[]
  readonly children: readonly DataDefinition[]
}

/** An XPath expression with all that is needed to read its names (RFC 7950 6.4.1). */
export interface XPathSource {
  readonly text: string
  /** prefix → module name, as in the file that wrote the expression. */
  readonly prefixes: ReadonlyMap<string, string>
  /** The module that names without a prefix belong to: that of the node the expression ended up on. */
  readonly moduleName: string
  readonly position: Position
}

export interface Must extends XPathSource {
  readonly errorMessage: string | undefined
  readonly errorAppTag: string | undefined
}

export interface When extends XPathSource {
  /**
   * The context node (RFC 7950 7.21.5). `self`: the node that carries the `when`. `parent`: the closest data
   * node above it (an input, output or notification counts), which is so for choices, cases and for conditions
   * that came from a `uses` or an `augment`.
   */
  readonly context: 'self' | 'parent'
}

/** The use of an extension: `exo:semantics timeout`. */
export interface ExtensionUse {
  /** The module that defines the extension; undefined when lenient mode let an unknown one pass. */
  readonly module: string | undefined
  readonly prefix: string
  readonly name: string
  readonly argument: string | undefined
  readonly substatements: readonly ExtensionSubstatement[]
  readonly position: Position
}

/** A statement below an extension use, kept as written. */
export interface ExtensionSubstatement {
  readonly keyword: string
  readonly argument: string | undefined
  readonly substatements: readonly ExtensionSubstatement[]
}

export interface Identity {
  readonly name: string
  readonly module: SchemaModule
  readonly status: Status
  readonly description: string | undefined
  readonly reference: string | undefined
  /** The identities this one is derived from directly. */
  readonly bases: readonly Identity[]
  /** Every identity derived from this one, at any distance, itself excluded. Disabled ones are left out. */
  readonly derived: ReadonlySet<Identity>
  readonly position: Position
}

// Types. ---------------------------------------------------------------------------------------------------

export type ResolvedType =
  | IntegerType
  | Decimal64Type
  | StringType
  | BooleanType
  | EnumerationType
  | BitsType
  | BinaryType
  | LeafrefType
  | IdentityrefType
  | EmptyType
  | UnionType
  | InstanceIdentifierType

interface TypeBase {
  /** The typedefs passed through, nearest first, as `module:name`; empty for a built-in type. */
  readonly typedefs: readonly string[]
}

export type IntegerBase = 'int8' | 'int16' | 'int32' | 'int64' | 'uint8' | 'uint16' | 'uint32' | 'uint64'

/** Both ends belong to it. */
export interface Interval<T> {
  readonly from: T
  readonly to: T
}

/** A restriction's own words for a value that breaks it. */
export interface ErrorTexts {
  readonly errorMessage: string | undefined
  readonly errorAppTag: string | undefined
}

/** Ascending, disjoint intervals; never empty. */
export interface Range extends ErrorTexts {
  readonly intervals: readonly Interval<bigint>[]
}

/** Ascending, disjoint intervals of characters (strings) or octets (binary). */
export interface Length extends ErrorTexts {
  readonly intervals: readonly Interval<number>[]
}

export interface IntegerType extends TypeBase {
  readonly kind: 'integer'
  readonly base: IntegerBase
  /** Always there; the whole of the base type when nothing narrows it. */
  readonly range: Range
}

export interface Decimal64Type extends TypeBase {
  readonly kind: 'decimal64'
  /** 1…18. */
  readonly fractionDigits: number
  /** In units of the last digit: with two fraction digits, 1.5 is 150n. */
  readonly range: Range
}

export interface StringType extends TypeBase {
  readonly kind: 'string'
  /** In Unicode characters, not UTF-16 units. Undefined when unrestricted. */
  readonly length: Length | undefined
  /** All must hold: the typedef chain's and the type's own. */
  readonly patterns: readonly Pattern[]
}

export interface Pattern extends ErrorTexts {
  /** An XML Schema regular expression; known to compile. */
  readonly source: string
  /** `modifier invert-match`: the value must not match. */
  readonly invert: boolean
  readonly position: Position
}

export interface BooleanType extends TypeBase {
  readonly kind: 'boolean'
}

export interface EnumerationType extends TypeBase {
  readonly kind: 'enumeration'
  /** By name, in the order of definition. Disabled ones are left out. */
  readonly enums: ReadonlyMap<string, EnumValue>
}

export interface EnumValue {
  readonly name: string
  readonly value: number
  /** It stood under an `if-feature`, which held. */
  readonly conditional: boolean
  readonly status: Status
  readonly description: string | undefined
}

export interface BitsType extends TypeBase {
  readonly kind: 'bits'
  /** By name, ascending by position (the canonical order, RFC 7950 9.7.2). */
  readonly bits: ReadonlyMap<string, BitValue>
}

export interface BitValue {
  readonly name: string
  readonly position: number
  /** It stood under an `if-feature`, which held. */
  readonly conditional: boolean
  readonly status: Status
  readonly description: string | undefined
}

export interface BinaryType extends TypeBase {
  readonly kind: 'binary'
  /** In octets. */
  readonly length: Length | undefined
}

export interface LeafrefType extends TypeBase {
  readonly kind: 'leafref'
  readonly path: XPathSource
  readonly requireInstance: boolean
  /** The leaf or leaf-list the path leads to. */
  readonly target: LeafNode | LeafListNode
  /** The target's type, through any further leafrefs: never a leafref itself. */
  readonly targetType: Exclude<ResolvedType, LeafrefType>
}

export interface IdentityrefType extends TypeBase {
  readonly kind: 'identityref'
  /** A value must be derived from every one of them. */
  readonly bases: readonly Identity[]
}

export interface EmptyType extends TypeBase {
  readonly kind: 'empty'
}

export interface UnionType extends TypeBase {
  readonly kind: 'union'
  /** In order; the first that fits wins. */
  readonly types: readonly ResolvedType[]
}

export interface InstanceIdentifierType extends TypeBase {
  readonly kind: 'instance-identifier'
  readonly requireInstance: boolean
}
