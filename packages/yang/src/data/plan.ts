/**
 * The schema prepared for documents: for each data node its place among its siblings, its names in JSON,
 * its codec, its conditions as compiled expressions, and the choices it takes part in.
 *
 * A plan is made once per schema. Everything that reads, completes, checks, compares or writes documents
 * works from plans, so none of them resolves a name or walks the schema while a document is at hand.
 */
import type {
  ActionNode,
  CaseNode,
  ChoiceNode,
  DataDefinition,
  DataNode as DataSchema,
  DefaultValue,
  LeafListNode,
  LeafNode,
  ListNode,
  Must,
  NotificationNode,
  RpcNode,
  Schema,
  SchemaModule,
  SchemaNode,
  When,
  XPathSource,
} from '../schema.ts'
import { type CompiledXPath, compileXPath, parseXPath } from '../xpath/index.ts'
import type { PatternMeter } from '../xsd-pattern.ts'
import { createInstancePathReader } from './instance-path.ts'
import { isTypeFault, type LeafCodec, type LeafValue } from './leaf-codec.ts'
import { createLeafTypeCompiler, type LeafTypeCompiler } from './leaf-types.ts'
import { type DataTreeNode, dataTree } from './tree.ts'

/** A condition with the words for its failure. */
export type Condition = { readonly source: XPathSource; readonly test: CompiledXPath<DataTreeNode> }
export type WhenCondition = Condition & { readonly context: 'self' | 'parent' }
export type MustCondition = Condition & { readonly source: Must }

type PlanBase = {
  readonly name: string
  readonly module: string
  readonly namespace: string
  /** The name in canonical RFC 7951 JSON: with the module where it differs from the parent's. */
  readonly jsonName: string
  /** Place among the parent's children. */
  readonly index: number
  readonly parent: ParentPlan | undefined
  readonly schemaPath: string
  /** False for state, true for configuration and for everything in operations. */
  readonly config: boolean
  /** The cases the node stands in, outermost first. */
  readonly cases: readonly CasePlan[]
  /** The node's own conditions and those of the choices and cases around it. */
  readonly whens: readonly WhenCondition[]
  readonly musts: readonly MustCondition[]
}

export type LeafPlan = PlanBase & {
  readonly kind: 'leaf'
  readonly schema: LeafNode
  readonly codec: LeafCodec
  readonly default: LeafValue | undefined
  readonly isKey: boolean
  readonly mandatory: boolean
}

export type LeafListPlan = PlanBase & {
  readonly kind: 'leaf-list'
  readonly schema: LeafListNode
  readonly codec: LeafCodec
  readonly defaults: readonly LeafValue[]
}

export type AnyPlan = PlanBase & {
  readonly kind: 'any'
  readonly schema: DataSchema & { kind: 'anydata' | 'anyxml' }
  readonly mandatory: boolean
}

/** Nodes with children: also the root of a tree, an operation with its parameters, a notification. */
export type ParentPlan = ContainerPlan | ListPlan | RootPlan

type Inner = {
  readonly children: readonly Plan[]
  readonly choices: readonly ChoicePlan[]
  /** Every lawful member name → child. */
  readonly members: ReadonlyMap<string, Plan>
  /** Names without a module that mean one child only, for the loose forms. */
  readonly bareMembers: ReadonlyMap<string, Plan>
  /** Actions and notifications below, by member name. */
  readonly operations: ReadonlyMap<string, OperationPlan>
  /** True when the absence of the whole node may break a rule or hide a default. */
  readonly weighty: boolean
}

export type ContainerPlan = PlanBase &
  Inner & { readonly kind: 'container'; readonly schema: SchemaNode; readonly presence: boolean }

export type ListPlan = PlanBase &
  Inner & {
    readonly kind: 'list'
    readonly schema: ListNode
    readonly keys: readonly LeafPlan[]
    /** For each `unique`, the leafs as paths of child plans. */
    readonly uniques: readonly (readonly (readonly Plan[])[])[]
  }

export type RootPlan = PlanBase & Inner & { readonly kind: 'root' }

export type Plan = ContainerPlan | ListPlan | LeafPlan | LeafListPlan | AnyPlan

export type ChoicePlan = {
  readonly schema: ChoiceNode
  readonly schemaPath: string
  readonly config: boolean
  readonly mandatory: boolean
  readonly cases: readonly CasePlan[]
  readonly defaultCase: CasePlan | undefined
  readonly whens: readonly WhenCondition[]
  /** The case this choice stands in. */
  readonly within: CasePlan | undefined
}

export type CasePlan = {
  readonly name: string
  readonly choice: ChoicePlan
  readonly children: readonly Plan[]
  readonly choices: readonly ChoicePlan[]
}

/** An rpc, action or notification, with one tree for each direction. */
export type OperationPlan = {
  readonly kind: 'rpc' | 'action' | 'notification'
  readonly name: string
  readonly module: string
  readonly jsonName: string
  /** A notification's content is its input. */
  readonly input: ContainerPlan
  readonly output: ContainerPlan | undefined
}

export type SchemaPlan = {
  readonly schema: Schema
  readonly root: RootPlan
  /** By `module:name`. */
  readonly rpcs: ReadonlyMap<string, OperationPlan>
  readonly notifications: ReadonlyMap<string, OperationPlan>
  /** Steps that patterns may still take; set anew for each document. */
  readonly patternMeter: PatternMeter
}

/** Prepares a schema. What the compiler let pass but cannot be evaluated is treated as absent. */
export function createPlan(schema: Schema): SchemaPlan {
  const planner = new Planner(schema)
  return planner.plan()
}

type Draft<T> = { -readonly [K in keyof T]: T[K] }

class Planner {
  private readonly schema: Schema
  private root: RootPlan | undefined
  private readonly compileType: LeafTypeCompiler
  private readonly patternMeter: PatternMeter = { left: Infinity }

  constructor(schema: Schema) {
    this.schema = schema
    this.compileType = createLeafTypeCompiler(
      createInstancePathReader(() => this.root),
      this.patternMeter,
    )
  }

  plan(): SchemaPlan {
    const modules = [...this.schema.modules.values()].filter((module) => module.implemented)
    const root: Draft<RootPlan> = { ...rootBase(), kind: 'root', ...emptyInner() }
    this.root = root
    const definitions = modules.flatMap((module) => module.children)
    Object.assign(root, this.inner(root, definitions, [], []))
    const rpcs = new Map<string, OperationPlan>()
    const notifications = new Map<string, OperationPlan>()
    for (const module of modules) {
      for (const rpc of module.rpcs) rpcs.set(`${module.name}:${rpc.name}`, this.operation(root, rpc, module))
      for (const notification of module.notifications)
        notifications.set(`${module.name}:${notification.name}`, this.operation(root, notification, module))
    }
    return { schema: this.schema, root, rpcs, notifications, patternMeter: this.patternMeter }
  }

  private operation(
    parent: ParentPlan,
    node: RpcNode | ActionNode | NotificationNode,
    module: SchemaModule,
  ): OperationPlan {
    const jsonName = parent.module === node.module.name ? node.name : `${node.module.name}:${node.name}`
    const wrap = (content: SchemaNode & { children: readonly DataDefinition[]; must: readonly Must[] }) => {
      const plan: Draft<ContainerPlan> = {
        kind: 'container',
        schema: content,
        name: node.name,
        module: node.module.name,
        namespace: module.namespace,
        jsonName,
        index: -1,
        parent,
        schemaPath: `${schemaPathOf(parent, node)}${content === node ? '' : `/${content.kind}`}`,
        config: true,
        cases: [],
        whens: [],
        musts: compileMusts(content.must),
        presence: true,
        ...emptyInner(),
      }
      Object.assign(plan, this.inner(plan, content.children, [], []))
      return plan
    }
    const { name } = node
    const base = { name, module: node.module.name, jsonName }
    if (node.kind === 'notification')
      return { kind: 'notification', ...base, input: wrap(node), output: undefined }
    return { kind: node.kind, ...base, input: wrap(node.input), output: wrap(node.output) }
  }

  /** All that depends on the children of a node. */
  private inner(
    parent: ParentPlan,
    definitions: readonly DataDefinition[],
    actions: readonly ActionNode[],
    notifications: readonly NotificationNode[],
  ): Inner {
    const children: Plan[] = []
    const choices = this.level(parent, definitions, undefined, [], [], children).choices
    const members = new Map<string, Plan>()
    const bareMembers = new Map<string, Plan>()
    const ambiguous = new Set<string>()
    for (const child of children) {
      members.set(`${child.module}:${child.name}`, child)
      if (child.module === parent.module) members.set(child.name, child)
      if (bareMembers.has(child.name)) ambiguous.add(child.name)
      bareMembers.set(child.name, child)
    }
    for (const name of ambiguous) {
      const own = children.find((child) => child.name === name && child.module === parent.module)
      if (own) bareMembers.set(name, own)
      else bareMembers.delete(name)
    }
    const operations = new Map<string, OperationPlan>()
    for (const node of [...actions, ...notifications]) {
      const operation = this.operation(parent, node, node.module)
      operations.set(`${operation.module}:${operation.name}`, operation)
      if (operation.module === parent.module) operations.set(operation.name, operation)
    }
    const weighty = choices.some((choice) => choice.mandatory) || children.some(isWeighty)
    return { children, choices, members, bareMembers, operations, weighty }
  }

  /** One level of definitions; the nodes of choices and cases join the data children of the parent. */
  private level(
    parent: ParentPlan,
    definitions: readonly DataDefinition[],
    within: CasePlan | undefined,
    cases: readonly CasePlan[],
    whens: readonly WhenCondition[],
    all: Plan[],
  ): { children: Plan[]; choices: ChoicePlan[] } {
    const children: Plan[] = []
    const choices: ChoicePlan[] = []
    for (const definition of definitions) {
      if (definition.kind === 'choice')
        choices.push(this.choice(parent, definition, within, cases, whens, all))
      else {
        const child = this.data(parent, definition, cases, whens, all.length)
        all.push(child)
        children.push(child)
      }
    }
    return { children, choices }
  }

  private choice(
    parent: ParentPlan,
    schema: ChoiceNode,
    within: CasePlan | undefined,
    outer: readonly CasePlan[],
    outerWhens: readonly WhenCondition[],
    all: Plan[],
  ): ChoicePlan {
    const whens = [...outerWhens, ...compileWhens(schema.when, 'parent')]
    const cases: CasePlan[] = []
    const choice: Draft<ChoicePlan> = {
      schema,
      schemaPath: schemaPathOf(parent, schema),
      config: schema.config || !schema.inTree,
      mandatory: schema.mandatory,
      cases,
      defaultCase: undefined,
      whens,
      within,
    }
    for (const node of schema.cases) {
      const made: Draft<CasePlan> = { name: node.name, choice, children: [], choices: [] }
      const caseWhens = [...whens, ...compileWhens(node.when, 'parent')]
      Object.assign(made, this.level(parent, node.children, made, [...outer, made], caseWhens, all))
      cases.push(made)
      if (isSame(node, schema.defaultCase)) choice.defaultCase = made
    }
    return choice
  }

  private data(
    parent: ParentPlan,
    schema: DataSchema,
    cases: readonly CasePlan[],
    outerWhens: readonly WhenCondition[],
    index: number,
  ): Plan {
    const module = schema.module.name
    const base: PlanBase = {
      name: schema.name,
      module,
      namespace: schema.module.namespace,
      jsonName: parent.module === module ? schema.name : `${module}:${schema.name}`,
      index,
      parent,
      schemaPath: schemaPathOf(parent, schema),
      config: schema.config || !schema.inTree,
      cases,
      whens: [...outerWhens, ...compileWhens(schema.when, 'self')],
      musts: compileMusts(schema.must),
    }
    switch (schema.kind) {
      case 'leaf': {
        const codec = this.compileType(schema.type, module)
        const { mandatory, isKey } = schema
        return {
          ...base,
          kind: 'leaf',
          schema,
          codec,
          isKey,
          mandatory,
          default: readDefault(codec, schema.default),
        }
      }
      case 'leaf-list': {
        const codec = this.compileType(schema.type, module)
        const defaults = schema.defaults.map((value) => readDefault(codec, value))
        return {
          ...base,
          kind: 'leaf-list',
          schema,
          codec,
          defaults: defaults.filter((value) => value !== undefined),
        }
      }
      case 'anydata':
      case 'anyxml':
        return { ...base, kind: 'any', schema, mandatory: schema.mandatory }
      case 'container': {
        const plan: Draft<ContainerPlan> = {
          ...base,
          kind: 'container',
          schema,
          presence: schema.presence !== undefined,
          ...emptyInner(),
        }
        Object.assign(plan, this.inner(plan, schema.children, schema.actions, schema.notifications))
        return plan
      }
      case 'list': {
        const plan: Draft<ListPlan> = {
          ...base,
          kind: 'list',
          schema,
          keys: [],
          uniques: [],
          ...emptyInner(),
        }
        Object.assign(plan, this.inner(plan, schema.children, schema.actions, schema.notifications))
        plan.keys = schema.keys
          .flatMap(
            (key) => plan.children.find((child) => child.kind === 'leaf' && child.schema === key) ?? [],
          )
          .filter((child) => child.kind === 'leaf')
        plan.uniques = schema.unique.map((unique) => unique.leafs.map((leaf) => pathBelow(plan, leaf)))
        return plan
      }
    }
  }
}

function isSame(node: CaseNode, other: CaseNode | undefined): boolean {
  return node === other
}

function rootBase(): PlanBase {
  return {
    name: '',
    module: '',
    namespace: '',
    jsonName: '',
    index: -1,
    parent: undefined,
    schemaPath: '',
    config: true,
    cases: [],
    whens: [],
    musts: [],
  }
}

function emptyInner(): Inner {
  return {
    children: [],
    choices: [],
    members: new Map(),
    bareMembers: new Map(),
    operations: new Map(),
    weighty: false,
  }
}

function isWeighty(plan: Plan): boolean {
  switch (plan.kind) {
    case 'leaf':
      return plan.mandatory || plan.default !== undefined
    case 'leaf-list':
      return plan.defaults.length > 0 || plan.schema.minElements > 0
    case 'any':
      return plan.mandatory
    case 'list':
      return plan.schema.minElements > 0
    case 'container':
      return !plan.presence && (plan.weighty || plan.musts.length > 0)
  }
}

function schemaPathOf(parent: ParentPlan, node: SchemaNode): string {
  const name = parent.module === node.module.name ? node.name : `${node.module.name}:${node.name}`
  return `${parent.schemaPath}/${name}`
}

/** The plans from below `top` down to a leaf. */
function pathBelow(top: ListPlan, leaf: LeafNode): Plan[] {
  const names: SchemaNode[] = []
  for (let node: SchemaNode | undefined = leaf; node && node !== top.schema; node = node.parent)
    if (node.kind !== 'choice' && node.kind !== 'case') names.unshift(node)
  const path: Plan[] = []
  let at: Plan | undefined = top
  for (const name of names) {
    at = at && 'children' in at ? at.children.find((child: Plan) => child.schema === name) : undefined
    if (at) path.push(at)
  }
  return path
}

function readDefault(codec: LeafCodec, value: DefaultValue | undefined): LeafValue | undefined {
  if (!value) return undefined
  const result = codec.readText(value.text, {
    moduleOf: (prefix) => value.prefixes.get(prefix),
    moduleName: value.moduleName,
  })
  return isTypeFault(result) ? undefined : result
}

function compileSource(source: XPathSource): CompiledXPath<DataTreeNode> | undefined {
  const parsed = parseXPath(source.text)
  return parsed.ok ? compileXPath(parsed.expr, source, dataTree) : undefined
}

function compileMusts(musts: readonly Must[]): MustCondition[] {
  return musts.flatMap((source) => {
    const test = compileSource(source)
    return test ? [{ source, test }] : []
  })
}

function compileWhens(whens: readonly When[], context: 'self' | 'parent'): WhenCondition[] {
  return whens.flatMap((source) => {
    const test = compileSource(source)
    return test ? [{ source, test, context: context === 'parent' ? context : source.context }] : []
  })
}
