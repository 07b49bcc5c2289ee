/**
 * Checks on a file's definitions that nobody need use: names taken twice, typedefs and groupings that hide
 * others, typedefs and features that are wrong in themselves, extension uses that lead nowhere.
 */

import { checkExtensionForm } from '../check-form.ts'
import { extensionGrammar } from '../grammar.ts'
import { brief, type Statement } from '../statement.ts'
import type { DefinitionKind, ModuleFile, Unit } from '../unit.ts'
import type { Tools } from './build.ts'
import { builtins } from './types.ts'

/** A grouping, or an extension use with data definitions in it: what is built only to see that it can be. */
export interface Unplaced {
  readonly statement: Statement
  readonly file: ModuleFile
}

/** Reports the faults of a unit's definitions; returns its groupings and the like, outer ones first. */
export function checkDefinitions(unit: Unit, tools: Tools): Unplaced[] {
  const groupings: Unplaced[] = []
  refuseDuplicates(unit, tools)
  for (const file of unit.files) new Walk(file, tools, groupings).below(file.root)
  for (const { statement, file } of unit.definitions('feature').values())
    tools.features.isOn({ statement, file })
  return groupings
}

const kinds: ReadonlySet<string> = new Set(['typedef', 'grouping', 'identity', 'feature', 'extension'])

/** RFC 7950 6.2.1: each kind of definition has one name space for a module with all its submodules. */
function refuseDuplicates(unit: Unit, { context }: Tools): void {
  for (const file of unit.files)
    for (const statement of file.root.substatements) {
      if (!kinds.has(statement.keyword) || statement.argument === undefined) continue
      const first = unit.definitions(statement.keyword as DefinitionKind).get(statement.argument)?.statement
      if (first && first !== statement)
        context.error(
          statement,
          'duplicate',
          `a second ${statement.keyword} "${brief(statement.argument)}"; the first is at ${first.file}:${first.line}`,
          'a name of its own',
          '6.2.1',
        )
    }
}

class Walk {
  readonly #file: ModuleFile
  readonly #tools: Tools
  readonly #groupings: Unplaced[]

  constructor(file: ModuleFile, tools: Tools, groupings: Unplaced[]) {
    this.#file = file
    this.#tools = tools
    this.#groupings = groupings
  }

  below(statement: Statement): void {
    let names: Set<string> | undefined
    for (const sub of statement.substatements) {
      const { keyword } = sub
      if (keyword.includes(':')) {
        this.#extensionUse(sub)
        continue
      }
      if (keyword === 'typedef' || keyword === 'grouping') {
        if (statement.parent) {
          names ??= new Set()
          this.#refuseHiding(sub, keyword, names)
        }
        if (keyword === 'typedef') {
          this.#refuseBuiltin(sub)
          this.#tools.types.checkTypedef(sub, this.#file)
        }
        if (keyword === 'grouping') this.#groupings.push({ statement: sub, file: this.#file })
      }
      if (sub.substatements.length > 0) this.below(sub)
    }
  }

  #refuseBuiltin(typedef: Statement): void {
    if (builtins.has(typedef.text))
      this.#tools.context.error(
        typedef,
        'duplicate',
        `a typedef "${typedef.text}"`,
        'another name than that of a built-in type',
        '7.3',
      )
  }

  /** RFC 7950 5.5: a definition inside a statement may not have the name of one that is in scope there. */
  #refuseHiding(statement: Statement, kind: 'typedef' | 'grouping', names: Set<string>): void {
    const { context } = this.#tools
    const name = statement.text
    const key = `${kind} ${name}`
    let hidden = names.has(key) || this.#file.unit.definitions(kind).has(name)
    names.add(key)
    for (let scope = statement.parent?.parent; scope?.parent && !hidden; scope = scope.parent)
      hidden = context.names.scope(scope)?.[kind].has(name) ?? false
    if (hidden)
      context.error(
        statement,
        'duplicate',
        `a second ${kind} "${brief(name)}" in scope`,
        'a name that is free in every scope around it',
        '5.5',
      )
  }

  /** Some extensions hold YANG statements; those are held against their own rules. */
  #inside(statement: Statement, module: string): void {
    const { context, types } = this.#tools
    const { lenient } = context.settings
    const name = `${module}:${statement.keyword.slice(statement.keyword.indexOf(':') + 1)}`
    const rule = extensionGrammar.get(name)
    if (!rule) return
    const before = context.report.errors
    checkExtensionForm(statement, rule, context.report, { lenient, is11: this.#file.is11 })
    if (context.report.errors > before) return
    if (name === 'ietf-yang-metadata:annotation') {
      const type = statement.find('type')
      if (type) types.ofNode(type, this.#file, context.module(this.#file.unit))
      return
    }
    const twice = this.#groupings.some(
      (other) => other.statement.text === statement.text && other.statement.keyword === statement.keyword,
    )
    if (twice)
      context.error(
        statement,
        'duplicate',
        `a second "${statement.keyword}" "${brief(statement.text)}"`,
        'a name of its own',
        '7.19',
      )
    this.#groupings.push({ statement, file: this.#file })
  }

  /** RFC 7950 6.3.1, 7.19: the extension must exist, and have an argument exactly when its use has one. */
  #extensionUse(statement: Statement): void {
    const { context } = this.#tools
    const { keyword } = statement
    const found = context.names.find('extension', keyword, this.#file, statement)
    if (found.kind === 'found') {
      const wants = found.definition.statement.find('argument') !== undefined
      if (wants !== (statement.argument !== undefined))
        context.error(
          statement,
          'argument',
          `"${keyword}" ${wants ? 'without' : 'with'} an argument`,
          wants ? 'an argument' : 'no argument',
          '7.19.2',
        )
      this.#inside(statement, found.definition.file.unit.name)
      return
    }
    const what =
      found.kind === 'unknown-prefix'
        ? `the unknown prefix of "${keyword}"`
        : `the unknown extension "${keyword}"`
    const expected =
      found.kind === 'unknown-prefix'
        ? 'a prefix that is imported'
        : `an extension that "${found.module}" defines`
    if (context.settings.lenient)
      context.warn(statement, 'lenient', what, `${expected}; it is kept as written`, '6.3.1')
    else context.error(statement, 'reference', what, expected, '6.3.1')
  }
}
