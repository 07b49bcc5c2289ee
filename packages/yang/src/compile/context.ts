/**
 * What all stages of one compilation share: options, findings, names, the modules being made, and the budget
 * that keeps a small text from growing into a large tree.
 */

import type { Limits } from '../limits.ts'
import type { Finding, Place, Report } from '../report.ts'
import type { DefaultValue, ExtensionSubstatement, ExtensionUse, XPathSource } from '../schema.ts'
import { brief, type Statement } from '../statement.ts'
import { type Definition, type DefinitionKind, type ModuleFile, Names, type Unit } from '../unit.ts'
import { checkXPath, parseXPath } from '../xpath/index.ts'
import { compilePattern, type PatternMeter } from '../xsd-pattern.ts'
import type { DraftModule } from './draft.ts'

/** Decides whether a feature is on. */
export type FeatureChoice = (module: string, feature: string) => boolean

export interface CompileSettings {
  readonly lenient: boolean
  readonly limits: Limits
  readonly features: FeatureChoice
}

/** Thrown to leave a compilation that has met a limit; the finding is in the report already. */
export class LimitReached extends Error {}

export class Context {
  readonly settings: CompileSettings
  readonly report: Report
  readonly names = new Names()
  /** By unit: the module each becomes. */
  readonly modules = new Map<Unit, DraftModule>()
  /** Groupings that some `uses` has read. */
  readonly usedGroupings = new Set<Statement>()
  readonly #implement: (unit: Unit) => void
  /** What the patterns of one compilation may cost on the defaults they are held against. */
  readonly patternMeter: PatternMeter
  readonly #patterns = new Map<string, ReturnType<typeof compilePattern>>()
  readonly #checkedXPaths = new Set<Statement>()
  #nodesLeft: number

  constructor(settings: CompileSettings, report: Report, bytes: number, implement: (unit: Unit) => void) {
    this.settings = settings
    this.report = report
    this.#implement = implement
    this.patternMeter = { left: 100_000 + 0.1 * bytes }
    this.#nodesLeft = settings.limits.freeNodes + settings.limits.nodesPerByte * bytes
  }

  error(place: Place, code: Finding['code'], found: string, expected: string, clause: string): void {
    this.report.error(place, { code, found, expected, rfc: `RFC 7950 ${clause}` })
  }

  warn(place: Place, code: Finding['code'], found: string, expected: string, clause: string): void {
    this.report.warning(place, { code, found, expected, rfc: `RFC 7950 ${clause}` })
  }

  /** Counts nodes, union members and the like; every one of them costs memory. */
  spend(count: number, place: Place): void {
    this.#nodesLeft -= count
    if (this.#nodesLeft < 0)
      this.stop(place, 'more nodes than the text allows for', 'a smaller tree', 'freeNodes, nodesPerByte')
  }

  /** Ends the compilation at a limit. */
  stop(place: Place, found: string, expected: string, limit: string): never {
    this.report.error(place, { code: 'limit', found, expected, rfc: `limit ${limit}` })
    throw new LimitReached(found)
  }

  module(unit: Unit): DraftModule {
    const module = this.modules.get(unit)
    if (!module) throw new Error(`module ${unit.name} was not prepared`)
    return module
  }

  /** Makes a module part of the data tree because something here needs its nodes (RFC 7950 5.6.5). */
  implement(unit: Unit): void {
    this.#implement(unit)
  }

  /** Looks a name up; makes the finding when it leads nowhere. */
  definition(
    kind: DefinitionKind,
    reference: string,
    file: ModuleFile,
    at: Statement,
    clause: string,
  ): Definition | undefined {
    const found = this.names.find(kind, reference, file, at)
    if (found.kind === 'found') return found.definition
    if (found.kind === 'unknown-prefix') {
      this.error(at, 'reference', `the prefix "${brief(found.prefix)}"`, prefixesOf(file), '7.1.4')
      return undefined
    }
    if (this.settings.lenient) {
      const through = this.#throughImports(kind, found.name, found.module, file)
      if (through) {
        const expected = `"${through.file.unit.name}" imported for it; taken from there`
        this.warn(
          at,
          'lenient',
          `${kind} "${brief(reference)}", which "${found.module}" only imports`,
          expected,
          clause,
        )
        return through
      }
    }
    const where = reference.includes(':') ? `module "${found.module}"` : 'reach'
    this.error(at, 'reference', `"${brief(reference)}"`, `a ${kind} of that name in ${where}`, clause)
    return undefined
  }

  /** The published modules reach types of a module through another that imports it. */
  #throughImports(
    kind: DefinitionKind,
    name: string,
    module: string,
    file: ModuleFile,
  ): Definition | undefined {
    for (const unit of file.prefixes.values()) {
      if (unit.name !== module) continue
      for (const inner of unit.files)
        for (const imported of inner.prefixes.values()) {
          const definition = imported.definitions(kind).get(name)
          if (definition) return definition
        }
    }
    return undefined
  }

  /** The module a prefix stands for; a finding when it stands for none. */
  unitOf(prefix: string | undefined, file: ModuleFile, at: Statement): Unit | undefined {
    const unit = prefix === undefined ? file.unit : file.prefixes.get(prefix)
    if (!unit) this.error(at, 'reference', `the prefix "${brief(prefix ?? '')}"`, prefixesOf(file), '7.1.4')
    return unit
  }

  /** An expression as its file means it; findings when it is not XPath or its names lead nowhere. */
  xpath(statement: Statement, file: ModuleFile, home: DraftModule): XPathSource {
    const source = {
      text: statement.text,
      prefixes: file.prefixNames,
      moduleName: home.name,
      position: statement,
    }
    if (!this.#checkedXPaths.has(statement)) {
      this.#checkedXPaths.add(statement)
      this.#checkXPath(statement, source)
    }
    for (const prefix of prefixesIn(statement.text)) {
      const unit = file.prefixes.get(prefix)
      if (unit) this.implement(unit)
    }
    return source
  }

  #checkXPath(statement: Statement, source: XPathSource): void {
    const parsed = parseXPath(statement.text)
    if (!parsed.ok) {
      const found = `${parsed.found} at offset ${parsed.at} of the expression`
      this.error(statement, 'xpath', found, parsed.expected, '6.4')
      return
    }
    // A pattern inside an expression is text until it is used, and the tools leave it alone until then.
    for (const { at, found, expected, rfc } of checkXPath(parsed.expr, source))
      this.report.add(rfc === 'RFC 7950 10.2.1' ? 'warning' : 'error', statement, {
        code: 'xpath',
        found: `${found} at offset ${at} of the expression`,
        expected,
        rfc,
      })
  }

  defaultValue(statement: Statement, file: ModuleFile): DefaultValue {
    return { text: statement.text, prefixes: file.prefixNames, moduleName: file.unit.name }
  }

  pattern(source: string): ReturnType<typeof compilePattern> {
    let known = this.#patterns.get(source)
    if (!known) {
      known = compilePattern(source)
      this.#patterns.set(source, known)
    }
    return known
  }

  /** The extension uses among a statement's substatements. */
  extensions(statement: Statement, file: ModuleFile): ExtensionUse[] {
    let uses: ExtensionUse[] | undefined
    for (const sub of statement.substatements) {
      if (!sub.keyword.includes(':')) continue
      uses ??= []
      uses.push(this.#extensionUse(sub, file))
    }
    return uses ?? none
  }

  #extensionUse(statement: Statement, file: ModuleFile): ExtensionUse {
    const colon = statement.keyword.indexOf(':')
    const prefix = statement.keyword.slice(0, colon)
    const name = statement.keyword.slice(colon + 1)
    return {
      module: file.prefixNames.get(prefix),
      prefix,
      name,
      argument: statement.argument,
      substatements: statement.substatements.map(keep),
      position: statement,
    }
  }
}

function keep(statement: Statement): ExtensionSubstatement {
  const { keyword, argument, substatements } = statement
  return { keyword, argument, substatements: substatements.map(keep) }
}

function prefixesOf(file: ModuleFile): string {
  return `one of the prefixes ${brief([...file.prefixNames.keys()].join(', '), 200)}`
}

/** One empty list for all nodes without extension uses; the list is exchanged, never changed. */
const none: never[] = []

const literal = /"[^"]*"|'[^']*'/g
const prefixInXPath = /([A-Za-z_][\w.-]*)\s*:(?!:)(?=\s*[A-Za-z_*])/g

/** The prefixes an expression uses outside its literals. */
export function prefixesIn(text: string): Set<string> {
  const prefixes = new Set<string>()
  if (!text.includes(':')) return prefixes
  for (const [, prefix] of text.replace(literal, "''").matchAll(prefixInXPath))
    if (prefix) prefixes.add(prefix)
  return prefixes
}
