/**
 * From module texts to a schema: the order in which everything happens.
 *
 * 1. Load: read the texts, follow imports and includes.
 * 2. Define: identities, then typedefs, features and groupings of the modules asked for.
 * 3. Build: each implemented module's own tree; a module becomes implemented by being asked for, or because a
 *    node of it is augmented, deviated, pointed at by a leafref or named in an XPath expression.
 * 4. Join: augments, shortest target first (what a longer path needs, a shorter one has put there), then
 *    deviations.
 * 5. Finish: inheritance, keys, names; then leafrefs and defaults.
 *
 * A fault in one stage does not keep the next from looking, except where it could only see ghosts: without
 * sound statements and imports there is nothing to compile.
 */

import { defaultLimits, type Limits } from '../limits.ts'
import { type Loaded, load, type ModuleRequest, type ModuleText, type ParsedTexts } from '../load.ts'
import type { Problem } from '../problem.ts'
import { Report } from '../report.ts'
import type { Identity, Schema, SchemaModule } from '../schema.ts'
import { brief, type Statement } from '../statement.ts'
import type { ModuleFile, Unit } from '../unit.ts'
import { Builder, type Tools } from './build.ts'
import { Context, type FeatureChoice, LimitReached } from './context.ts'
import { checkDefinitions, type Unplaced } from './definitions.ts'
import { deviate } from './deviate.ts'
import type { DraftModule, DraftNode } from './draft.ts'
import { checkExpressionNames } from './expression-names.ts'
import { Features } from './features.ts'
import { finishModule, finishUnused, isMandatory } from './finish.ts'
import { Identities } from './identities.ts'
import { Levels } from './levels.ts'
import { Settler } from './settle.ts'
import { attach, follow, type Members, type PathStep, pathSteps, removeNodes, type Scope } from './tree.ts'
import { type Typed, Types } from './types.ts'

export interface CompileOptions {
  /** Lets pass what the published Exosense modules get wrong, with warnings. False. */
  readonly lenient?: boolean
  readonly limits?: Partial<Limits>
  /** Which features are on. All of them. */
  readonly features?: FeatureChoice
  /** Texts parsed before, so that modules that many others import are read once. */
  readonly parsed?: ParsedTexts
}

/** Finds a module's or submodule's text by name, and by revision when one is asked for. */
export type Resolve = (request: ModuleRequest) => ModuleText | undefined
export type ResolveAsync = (
  request: ModuleRequest,
) => ModuleText | undefined | Promise<ModuleText | undefined>

export type Compiled =
  | { readonly ok: true; readonly schema: Schema; readonly problems: readonly Problem[] }
  | { readonly ok: false; readonly problems: readonly Problem[] }

/**
 * Compiles modules into one schema. The given texts are implemented; what they import is asked of `resolve`.
 * Never throws on bad modules: findings are in `problems`, errors and warnings in the order they were found.
 */
export function compile(
  texts: readonly ModuleText[],
  resolve: Resolve = () => undefined,
  options: CompileOptions = {},
): Compiled {
  const run = new Run(options)
  const loading = load(texts, run.loadOptions)
  let step = loading.next()
  while (!step.done) step = loading.next(resolve(step.value))
  return run.compile(step.value)
}

/** The same with a `resolve` that may wait, such as one that asks a database. */
export async function compileAsync(
  texts: readonly ModuleText[],
  resolve: ResolveAsync,
  options: CompileOptions = {},
): Promise<Compiled> {
  const run = new Run(options)
  const loading = load(texts, run.loadOptions)
  let step = loading.next()
  while (!step.done) step = loading.next(await resolve(step.value))
  return run.compile(step.value)
}

interface Augment {
  readonly statement: Statement
  readonly scope: Scope
  readonly members: Members
  readonly steps: readonly PathStep[]
}

interface Deviation {
  readonly statement: Statement
  readonly scope: Scope
  readonly steps: readonly PathStep[]
  readonly types: ReadonlyMap<Statement, Typed>
}

class Run {
  readonly #report: Report
  readonly #lenient: boolean
  readonly #limits: Limits
  readonly #features: FeatureChoice
  readonly #parsed: ParsedTexts | undefined
  readonly #implemented = new Map<string, DraftModule>()
  readonly #queue: Unit[] = []
  readonly #augments: Augment[] = []
  readonly #deviations: Deviation[] = []

  constructor(options: CompileOptions) {
    this.#limits = { ...defaultLimits, ...options.limits }
    this.#report = new Report(this.#limits.maxProblems)
    this.#lenient = options.lenient ?? false
    this.#features = options.features ?? (() => true)
    this.#parsed = options.parsed
  }

  get loadOptions() {
    return { lenient: this.#lenient, limits: this.#limits, report: this.#report, parsed: this.#parsed }
  }

  compile(loaded: Loaded): Compiled {
    const hopeless = new Set(['syntax', 'linkage', 'cycle', 'limit'])
    const { problems } = this.#report
    if (problems.some(({ severity, code }) => severity === 'error' && hopeless.has(code)))
      return { ok: false, problems }
    const settings = { lenient: this.#lenient, limits: this.#limits, features: this.#features }
    const context = new Context(settings, this.#report, loaded.bytes, (unit) =>
      this.#implement(unit, context),
    )
    try {
      this.#compile(loaded, context)
    } catch (error) {
      if (!(error instanceof LimitReached)) throw error
    }
    if (this.#report.errors > 0) return { ok: false, problems }
    return { ok: true, schema: this.#schema(loaded, context), problems }
  }

  #compile({ asked, units, bytes }: Loaded, context: Context): void {
    for (const unit of units) context.modules.set(unit, draftModule(unit))
    const features = new Features(context)
    const identities = new Identities(units, context, features.allow)
    const types = new Types(context, identities.of, features.allow)
    const tools: Tools = { context, types, features }
    const builder = new Builder(tools)
    const unplaced: Unplaced[] = asked.flatMap((unit) => checkDefinitions(unit, tools))
    for (const unit of asked) this.#implement(unit, context)
    for (let at = 0; at < this.#queue.length; at++) {
      const unit = this.#queue[at]
      if (unit) this.#build(unit, builder)
    }
    this.#applyAugments(builder)
    this.#applyDeviations(builder)
    removeNodes(builder.disabled)
    const modules = [...this.#implemented.values()]
    for (const module of modules) finishModule(module, context)
    this.#checkMandatoryAugments(context)
    const levels = new Levels()
    const settler = new Settler(context, this.#implemented, levels)
    settler.run(modules.flatMap((module) => [...module.children, ...module.rpcs, ...module.notifications]))
    for (const place of unplaced) this.#checkUnused(place, builder, settler)
    for (const unit of units) this.#fillModule(context.module(unit), tools)
    // Last, so that no warning takes the room of an error; and a tree with errors in it would only lack names.
    if (this.#report.errors === 0) checkExpressionNames(this.#implemented, levels, bytes, context)
  }

  #implement(unit: Unit, context: Context): void {
    const known = this.#implemented.get(unit.name)
    if (known) {
      if (known.unit !== unit && !this.#complained.has(unit)) {
        this.#complained.add(unit)
        context.error(
          unit.main.root,
          'linkage',
          `revision ${unit.revision ?? '(none)'} of "${unit.name}" beside ${known.revision ?? '(none)'}`,
          'one revision of each implemented module',
          '5.6.5',
        )
      }
      return
    }
    const module = context.module(unit)
    module.implemented = true
    this.#implemented.set(unit.name, module)
    this.#queue.push(unit)
  }

  readonly #complained = new Set<Unit>()

  #build(unit: Unit, builder: Builder): void {
    const { context } = builder.tools
    const home = context.module(unit)
    for (const file of unit.files) {
      const scope: Scope = { file, home, groupings: [] }
      const { definitions, actions, notifications } = builder.membersOf(file.root, scope)
      for (const { name } of actions)
        context.error(
          file.root,
          'tree',
          `the action "${name}" at the top level`,
          'it in a container or list',
          '7.15',
        )
      for (const definition of definitions) home.children.push(definition)
      for (const notification of notifications) home.notifications.push(notification)
      for (const statement of file.root.substatements)
        if (statement.keyword === 'rpc') {
          const rpc = builder.operation('rpc', statement, scope)
          if (rpc?.kind === 'rpc') home.rpcs.push(rpc)
        } else if (statement.keyword === 'augment') this.#collectAugment(statement, scope, builder)
        else if (statement.keyword === 'deviation') this.#collectDeviation(statement, scope, builder)
    }
  }

  #collectAugment(statement: Statement, scope: Scope, builder: Builder): void {
    const { context } = builder.tools
    if (!statement.text.startsWith('/')) {
      context.error(statement, 'argument', `"${brief(statement.text)}"`, 'an absolute path', '7.17')
      return
    }
    const steps = pathSteps(statement, scope, context)
    if (!steps) return
    this.#implementAll(statement, scope.file, context)
    const members = builder.augmentation(statement, scope)
    if (members) this.#augments.push({ statement, scope, members, steps })
  }

  #collectDeviation(statement: Statement, scope: Scope, builder: Builder): void {
    const { context, types } = builder.tools
    const steps = pathSteps(statement, scope, context)
    if (!steps) return
    this.#implementAll(statement, scope.file, context)
    const read = new Map<Statement, Typed>()
    for (const change of statement.all('deviate'))
      for (const type of change.all('type')) read.set(type, types.ofNode(type, scope.file, scope.home))
    this.#deviations.push({ statement, scope, steps, types: read })
  }

  /** The modules of all steps of a path have nodes in the tree. */
  #implementAll(statement: Statement, file: ModuleFile, context: Context): void {
    if (!statement.text.includes(':')) return
    for (const [, prefix = ''] of statement.text.matchAll(/\/([\w.-]+):/g)) {
      const unit = file.prefixes.get(prefix)
      if (unit) this.#implement(unit, context)
    }
  }

  #target(
    statement: Statement,
    steps: readonly PathStep[],
    context: Context,
    clause: string,
  ): DraftNode | undefined {
    const [first] = steps
    if (!first) return undefined
    const module = this.#implemented.get(first.module)
    const target = module ? follow(steps, module.children, module.rpcs, module.notifications) : first.name
    if (typeof target !== 'string') return target
    const found = `no node "${brief(target)}" on the path "${brief(statement.text)}"`
    context.error(statement, 'reference', found, 'the path of a schema node', clause)
    return undefined
  }

  #applyAugments(builder: Builder): void {
    const { context } = builder.tools
    for (const { statement, members, steps } of this.#augments.toSorted(
      (one, other) => one.steps.length - other.steps.length,
    )) {
      const target = this.#target(statement, steps, context, '7.17')
      if (target) attach(target, members, statement, context)
    }
  }

  /** RFC 7950 7.17: what another module adds to configuration may not suddenly be required. */
  #checkMandatoryAugments(context: Context): void {
    for (const { statement, scope, members } of this.#augments)
      for (const node of [...members.definitions, ...members.cases]) {
        const target =
          node.parent?.origin.statement === node.origin.statement ? node.parent.parent : node.parent
        if (!target || target.module === scope.home) continue
        if (scope.file.is11 && node.origin.conditional) continue
        if (!('config' in node) || !node.inTree || !node.config || !isMandatory(node)) continue
        const found = `the mandatory node "${node.name}" for module "${target.module.name}"`
        context.error(
          statement,
          'tree',
          found,
          'no mandatory nodes, or (YANG 1.1) a "when" on the augment',
          '7.17',
        )
      }
  }

  #applyDeviations(builder: Builder): void {
    const { context } = builder.tools
    for (const { statement, scope, steps, types } of this.#deviations) {
      const target = this.#target(statement, steps, context, '7.20.3')
      if (!target) continue
      for (const change of statement.all('deviate')) deviate(target, change, scope, builder, types)
    }
  }

  /** A grouping that nobody uses is built once, so that its faults are found. */
  #checkUnused({ statement, file }: Unplaced, builder: Builder, settler: Settler): void {
    const { context } = builder.tools
    if (context.usedGroupings.has(statement)) return
    context.usedGroupings.add(statement)
    const scope: Scope = { file, home: context.module(file.unit), groupings: [statement] }
    const members = builder.membersOf(statement, scope)
    const nodes = [...members.definitions, ...members.actions, ...members.notifications]
    if (statement.keyword.endsWith(':yang-data')) refuseUnlessContainer(statement, nodes, context)
    finishUnused(nodes, context)
    settler.runUnused(nodes)
  }

  #fillModule(module: DraftModule, { context, features }: Tools): void {
    const states = new Map<string, boolean>()
    for (const [name, definition] of module.unit.definitions('feature'))
      states.set(name, features.isOn(definition))
    module.features = states
    module.extensions = module.unit.files.flatMap((file) => context.extensions(file.root, file))
  }

  #schema({ units }: Loaded, context: Context): Schema {
    const allModules: SchemaModule[] = units.map((unit) => context.module(unit))
    const identities = new Map<string, Identity>()
    for (const module of allModules)
      for (const [name, identity] of module.identities) identities.set(`${module.name}:${name}`, identity)
    const warnings = this.#report.problems
    return { modules: new Map(this.#implemented), allModules, identities, warnings }
  }
}

/** RFC 8040 8: the body of `yang-data` is one container, or a choice with one container in every case. */
function refuseUnlessContainer(statement: Statement, nodes: readonly DraftNode[], context: Context): void {
  const isContainer = (node: DraftNode): boolean =>
    node.kind === 'container' ||
    (node.kind === 'choice' &&
      node.cases.every(({ children }) => children.length === 1 && children.every(isContainer)))
  if (nodes.length === 1 && nodes.every(isContainer)) return
  const found = `"${statement.keyword}" with ${nodes.map(({ kind, name }) => `${kind} "${name}"`).join(', ') || 'nothing'} in it`
  context.report.error(statement, {
    code: 'tree',
    found,
    expected: 'exactly one container',
    rfc: 'RFC 8040 8',
  })
}

function draftModule(unit: Unit): DraftModule {
  const { root } = unit.main
  return {
    unit,
    name: unit.name,
    revision: unit.revision,
    namespace: root.argumentOf('namespace') ?? '',
    prefix: unit.main.ownPrefix,
    yangVersion: unit.main.is11 ? '1.1' : '1',
    organization: root.argumentOf('organization'),
    contact: root.argumentOf('contact'),
    description: root.argumentOf('description'),
    reference: root.argumentOf('reference'),
    implemented: false,
    prefixes: unit.main.prefixNames,
    features: new Map(),
    identities: new Map(),
    children: [],
    rpcs: [],
    notifications: [],
    extensions: [],
    submodules: unit.files.slice(1).map(({ root }) => root.text),
    position: root,
  }
}
