/**
 * A module as a whole: its own file, the submodules it includes, and what each file's prefixes stand for.
 *
 * Prefixes belong to a file, names belong to the module (RFC 7950 5.1, 6.4.1). Definitions at the top level of
 * any file of a unit are found in one place, and definitions inside statements are found by walking outwards
 * from where they are used.
 */

import { splitName } from './arguments.ts'
import type { Statement } from './statement.ts'

/** One file: a module's own, or one of its submodules'. */
export class ModuleFile {
  readonly root: Statement
  readonly unit: Unit
  readonly is11: boolean
  readonly ownPrefix: string
  /** prefix → module, the file's own prefix included. Filled while linking. */
  readonly prefixes = new Map<string, Unit>()
  /** prefix → module name, for those who read names later. */
  readonly prefixNames = new Map<string, string>()
  /** Submodules this file includes. */
  readonly includes: ModuleFile[] = []

  constructor(root: Statement, unit: Unit) {
    this.root = root
    this.unit = unit
    this.is11 = root.argumentOf('yang-version') === '1.1'
    const owner = root.keyword === 'submodule' ? root.find('belongs-to') : root
    this.ownPrefix = owner?.argumentOf('prefix') ?? ''
    this.bind(this.ownPrefix, unit)
  }

  bind(prefix: string, unit: Unit): void {
    this.prefixes.set(prefix, unit)
    this.prefixNames.set(prefix, unit.name)
  }
}

export type DefinitionKind = 'typedef' | 'grouping' | 'identity' | 'feature' | 'extension'

export interface Definition {
  readonly statement: Statement
  readonly file: ModuleFile
}

/** A module with its submodules. */
export class Unit {
  readonly name: string
  readonly revision: string | undefined
  /** The module's own file first, then its submodules in the order they were included. */
  readonly files: ModuleFile[] = []
  #definitions: Record<DefinitionKind, Map<string, Definition>> | undefined

  constructor(root: Statement) {
    this.name = root.text
    this.revision = newestRevision(root)
    this.files.push(new ModuleFile(root, this))
  }

  get main(): ModuleFile {
    const [main] = this.files
    if (!main) throw new Error('a unit has a file from its birth')
    return main
  }

  /** Definitions at the top level of all files. Ask only once the unit is linked. */
  definitions(kind: DefinitionKind): ReadonlyMap<string, Definition> {
    this.#definitions ??= this.#collect()
    return this.#definitions[kind]
  }

  #collect(): Record<DefinitionKind, Map<string, Definition>> {
    const found: Record<DefinitionKind, Map<string, Definition>> = {
      typedef: new Map(),
      grouping: new Map(),
      identity: new Map(),
      feature: new Map(),
      extension: new Map(),
    }
    for (const file of this.files)
      for (const statement of file.root.substatements) {
        const { keyword, argument } = statement
        if (argument === undefined || !isDefinitionKind(keyword)) continue
        if (!found[keyword].has(argument)) found[keyword].set(argument, { statement, file })
      }
    return found
  }
}

const definitionKinds = new Set(['typedef', 'grouping', 'identity', 'feature', 'extension'])

function isDefinitionKind(keyword: string): keyword is DefinitionKind {
  return definitionKinds.has(keyword)
}

/** The newest date among the `revision` statements. */
export function newestRevision(root: Statement): string | undefined {
  let newest: string | undefined
  for (const { keyword, argument } of root.substatements)
    if (keyword === 'revision' && argument !== undefined && (newest === undefined || argument > newest))
      newest = argument
  return newest
}

/** The outcome of looking a name up. */
export type Lookup =
  | { readonly kind: 'found'; readonly definition: Definition }
  | { readonly kind: 'unknown-prefix'; readonly prefix: string }
  | { readonly kind: 'unknown-name'; readonly module: string; readonly name: string }

/**
 * Finds typedefs and groupings by their scopes, and everything else by module. One per compilation, because it
 * remembers the scopes it has read.
 */
export class Names {
  readonly #scopes = new Map<Statement, Scope>()

  /** Looks `reference` (`p:name` or `name`) up as seen from the statement `at` in `file`. */
  find(kind: DefinitionKind, reference: string, file: ModuleFile, at: Statement): Lookup {
    const { prefix, name } = splitName(reference)
    const unit = prefix === undefined ? file.unit : file.prefixes.get(prefix)
    if (!unit) return { kind: 'unknown-prefix', prefix: prefix ?? '' }
    if (unit === file.unit && (kind === 'typedef' || kind === 'grouping'))
      for (let scope = at.parent; scope?.parent; scope = scope.parent) {
        const statement = this.scope(scope)?.[kind].get(name)
        if (statement) return { kind: 'found', definition: { statement, file } }
      }
    const definition = unit.definitions(kind).get(name)
    return definition ? { kind: 'found', definition } : { kind: 'unknown-name', module: unit.name, name }
  }

  /** The typedefs and groupings defined directly in a statement; undefined where there can be none. */
  scope(statement: Statement): Scope | undefined {
    if (!maySpanScope.has(statement.keyword)) return undefined
    let scope = this.#scopes.get(statement)
    if (!scope) {
      scope = { typedef: new Map(), grouping: new Map() }
      for (const sub of statement.substatements)
        if (sub.keyword === 'typedef' || sub.keyword === 'grouping') scope[sub.keyword].set(sub.text, sub)
      this.#scopes.set(statement, scope)
    }
    return scope
  }
}

/** Definitions inside one statement, by name. */
export interface Scope {
  readonly typedef: Map<string, Statement>
  readonly grouping: Map<string, Statement>
}

const maySpanScope: ReadonlySet<string> = new Set(
  'container list grouping rpc action input output notification'.split(' '),
)
