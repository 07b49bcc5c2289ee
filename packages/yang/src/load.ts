/**
 * Brings together the files that a set of modules needs (RFC 7950 5.1, 7.1.5, 7.1.6).
 *
 * Reading files is somebody else's work: loading is a generator that asks for a module by name and revision and
 * is handed a text or nothing. So the same code serves a command that reads a folder, a server that awaits a
 * database and a test that has a table. Nothing here recurses: imports are followed from a list of work, and
 * cycles are found once everything is there.
 */

import { checkForm } from './check-form.ts'
import type { Limits } from './limits.ts'
import { parseText } from './parse.ts'
import { Report } from './report.ts'
import { brief, type Statement } from './statement.ts'
import { ModuleFile, newestRevision, Unit } from './unit.ts'

/** A module's or submodule's text, and the name that findings should show for it. */
export interface ModuleText {
  readonly file: string
  readonly text: string | Uint8Array
}

/** What loading asks for. Without a revision the newest one known is meant. */
export interface ModuleRequest {
  readonly name: string
  readonly revision: string | undefined
}

/** Statements by file, so that a process that compiles many modules reads each text once. */
export type ParsedTexts = Map<string, ParsedText>

interface ParsedText {
  readonly text: string | Uint8Array
  readonly lenient: boolean
  readonly root: Statement | undefined
  readonly report: Report
}

export interface LoadOptions {
  readonly lenient: boolean
  readonly limits: Limits
  readonly report: Report
  readonly parsed: ParsedTexts | undefined
}

export interface Loaded {
  /** The modules that were given, without those that could not be read. */
  readonly asked: readonly Unit[]
  /** Every module, each after those it imports. */
  readonly units: readonly Unit[]
  /** Bytes of text that were read for all of them. */
  readonly bytes: number
}

type Loading<T> = Generator<ModuleRequest, T, ModuleText | undefined>

/** Loads the given modules and all they need. Findings go to the report. */
export function load(texts: readonly ModuleText[], options: LoadOptions): Loading<Loaded> {
  return new Loader(options).run(texts)
}

class Loader {
  readonly #options: LoadOptions
  readonly #report: Report
  /** By `name@revision`, and by `name` for whatever an import without a revision gets. */
  readonly #units = new Map<string, Unit>()
  /** Texts that were given and are not yet somebody's: submodules, mostly. */
  readonly #given = new Map<string, Statement>()
  readonly #all: Unit[] = []
  #files = 0
  #bytes = 0

  constructor(options: LoadOptions) {
    this.#options = options
    this.#report = options.report
  }

  *run(texts: readonly ModuleText[]): Loading<Loaded> {
    const asked: Unit[] = []
    const submodules: Statement[] = []
    for (const text of texts) {
      const root = this.#parse(text)
      if (!root) continue
      if (root.keyword === 'submodule') {
        submodules.push(root)
        this.#given.set(root.text, root)
        continue
      }
      const unit = this.#adopt(root, true)
      if (unit) asked.push(unit)
    }
    // A submodule by itself is checked as part of the module it belongs to.
    for (const root of submodules) {
      const unit = yield* this.#ownerOf(root)
      if (unit && !asked.includes(unit)) asked.push(unit)
    }
    for (let at = 0; at < this.#all.length; at++) {
      const unit = this.#all[at]
      if (unit) yield* this.#link(unit)
    }
    return { asked, units: this.#inOrder(), bytes: this.#bytes }
  }

  *#ownerOf(root: Statement): Loading<Unit | undefined> {
    const belongs = root.find('belongs-to')
    if (!belongs) return undefined
    return yield* this.#unit({ name: belongs.text, revision: undefined }, belongs, '7.2.2')
  }

  #parse(given: ModuleText): Statement | undefined {
    const { lenient, limits, parsed } = this.#options
    this.#bytes += given.text.length
    if (++this.#files > limits.maxFiles) {
      if (this.#files === limits.maxFiles + 1)
        this.#report.error(
          { file: given.file, line: 1, column: 1, path: '' },
          {
            code: 'limit',
            found: `${this.#files} files`,
            expected: `no more than ${limits.maxFiles}`,
            rfc: 'limit maxFiles',
          },
        )
      return undefined
    }
    let known = parsed?.get(given.file)
    if (!known || known.text !== given.text || known.lenient !== lenient) {
      const report = new Report(limits.maxProblems)
      const root = parseText(given.file, given.text, report, { limits, lenient })
      if (root) checkForm(root, report, { lenient })
      known = { text: given.text, lenient, root, report }
      parsed?.set(given.file, known)
    }
    this.#report.include(known.report)
    const { root } = known
    return root && (root.keyword === 'module' || root.keyword === 'submodule') && root.argument
      ? root
      : undefined
  }

  /** `newest` when an import without a revision may get it. */
  #adopt(root: Statement, newest: boolean): Unit | undefined {
    const unit = new Unit(root)
    const key = `${unit.name}@${unit.revision ?? ''}`
    const other = this.#units.get(key)
    if (other) {
      if (other.main.root.source.text !== root.source.text)
        this.#report.error(root, {
          code: 'linkage',
          found: `a second module "${unit.name}" of the same revision`,
          expected: `only that of ${other.main.root.file}`,
          rfc: 'RFC 7950 7.1',
        })
      if (newest && !this.#units.has(unit.name)) this.#units.set(unit.name, other)
      return other
    }
    this.#units.set(key, unit)
    const rival = this.#units.get(unit.name)
    if (newest && (unit.revision ?? '') >= (rival?.revision ?? '')) this.#units.set(unit.name, unit)
    this.#all.push(unit)
    return unit
  }

  /** The module asked for, loaded if need be; a finding at `place` when it cannot be had. */
  *#unit(request: ModuleRequest, place: Statement, clause: string): Loading<Unit | undefined> {
    const { name, revision } = request
    const known = this.#units.get(revision === undefined ? name : `${name}@${revision}`)
    if (known) return known
    const text = yield request
    const root = text && this.#parse(text)
    const wanted = revision === undefined ? `module "${name}"` : `module "${name}" of revision ${revision}`
    if (!root) {
      const found = text ? `no usable module in ${text.file}` : `no ${wanted}`
      this.#report.error(place, {
        code: 'linkage',
        found,
        expected: `a way to find ${wanted}`,
        rfc: `RFC 7950 ${clause}`,
      })
      return undefined
    }
    if (root.keyword !== 'module' || root.text !== name) {
      const found = `${root.keyword} "${root.text}" in ${root.file}`
      this.#report.error(place, { code: 'linkage', found, expected: wanted, rfc: `RFC 7950 ${clause}` })
      return undefined
    }
    if (revision !== undefined && !hasRevision(root, revision)) {
      const found = `revision ${newestRevision(root) ?? '(none)'} in ${root.file}`
      this.#report.error(place, { code: 'linkage', found, expected: wanted, rfc: `RFC 7950 ${clause}` })
      return undefined
    }
    const unit = this.#adopt(root, revision === undefined)
    if (unit && revision !== undefined) this.#units.set(`${name}@${revision}`, unit)
    return unit
  }

  /** Finds everything a unit's files import and include. */
  *#link(unit: Unit): Loading<void> {
    for (let at = 0; at < unit.files.length; at++) {
      const file = unit.files[at]
      if (!file) continue
      for (const statement of file.root.substatements) {
        if (statement.argument === undefined) continue
        if (statement.keyword === 'import') yield* this.#import(statement, file)
        else if (statement.keyword === 'include') yield* this.#include(statement, file, unit)
      }
    }
    this.#refuseIncludeCycles(unit)
    // RFC 7950 5.1: a module includes all its submodules itself. RFC 6020 is silent, the tools are not.
    for (const file of unit.files.slice(1))
      if (!unit.main.includes.includes(file))
        this.#report.error(file.root, {
          code: 'linkage',
          found: `the submodule "${file.root.text}", which only submodules include`,
          expected: `"${unit.name}" to include it`,
          rfc: 'RFC 7950 5.1',
        })
  }

  *#import(statement: Statement, file: ModuleFile): Loading<void> {
    const prefix = statement.argumentOf('prefix')
    const revision = statement.argumentOf('revision-date')
    if (prefix === undefined) return
    if (file.prefixes.has(prefix)) {
      this.#report.error(statement, {
        code: 'duplicate',
        found: `the prefix "${prefix}", which stands for "${file.prefixNames.get(prefix)}" already`,
        expected: 'a prefix of its own for every import',
        rfc: 'RFC 7950 7.1.4',
      })
      return
    }
    if (statement.text === file.unit.name) {
      const found = `an import of "${statement.text}" by itself`
      this.#report.error(statement, {
        code: 'cycle',
        found,
        expected: 'another module',
        rfc: 'RFC 7950 7.1.5',
      })
      return
    }
    const unit = yield* this.#unit({ name: statement.text, revision }, statement, '7.1.5')
    if (!unit) return
    file.bind(prefix, unit)
  }

  *#include(statement: Statement, file: ModuleFile, unit: Unit): Loading<void> {
    const name = statement.text
    const revision = statement.argumentOf('revision-date')
    const wanted = `submodule "${name}"${revision === undefined ? '' : ` of revision ${revision}`}`
    const refuse = (found: string, expected = wanted, rfc = 'RFC 7950 7.1.6') =>
      this.#report.error(statement, { code: 'linkage', found, expected, rfc })

    const known = unit.files.find((other) => other.root.keyword === 'submodule' && other.root.text === name)
    if (known) {
      if (revision !== undefined && !hasRevision(known.root, revision))
        refuse(`revision ${newestRevision(known.root) ?? '(none)'}, included before`)
      file.includes.push(known)
      return
    }
    let root = this.#given.get(name)
    if (!root || (revision !== undefined && !hasRevision(root, revision))) {
      const text = yield { name, revision }
      if (!text) return refuse(`no ${wanted}`, `a way to find ${wanted}`)
      root = this.#parse(text)
      if (!root) return refuse(`no usable submodule in ${text.file}`)
    }
    if (root.keyword !== 'submodule' || root.text !== name)
      return refuse(`${root.keyword} "${root.text}" in ${root.file}`)
    if (revision !== undefined && !hasRevision(root, revision))
      return refuse(`revision ${newestRevision(root) ?? '(none)'} in ${root.file}`)
    const owner = root.argumentOf('belongs-to')
    if (owner !== unit.name)
      return refuse(
        `"${name}", which belongs to "${owner}"`,
        `a submodule of "${unit.name}"`,
        'RFC 7950 7.2.2',
      )
    const added = new ModuleFile(root, unit)
    if (added.is11 !== unit.main.is11)
      refuse(
        `"${name}" of YANG version ${added.is11 ? '1.1' : '1'}`,
        `the version of "${unit.name}"`,
        'RFC 7950 12',
      )
    unit.files.push(added)
    file.includes.push(added)
  }

  #refuseIncludeCycles(unit: Unit): void {
    findCycle(
      unit.files,
      (file) => file.includes,
      (file) => {
        const found = `"${file.root.text}", which includes itself through others`
        this.#report.error(file.root, {
          code: 'cycle',
          found,
          expected: 'includes without a cycle',
          rfc: 'RFC 7950 7.1.6',
        })
      },
    )
  }

  /** Imported modules first. A cycle is reported and cut where it was found. */
  #inOrder(): Unit[] {
    return findCycle(
      this.#all,
      (unit) => unit.files.flatMap((file) => [...file.prefixes.values()].filter((other) => other !== unit)),
      (unit, chain) => {
        const found = `a circle of imports: ${brief(chain.map(({ name }) => name).join(' → '), 200)}`
        this.#report.error(unit.main.root, {
          code: 'cycle',
          found,
          expected: 'imports without a circle',
          rfc: 'RFC 7950 5.1',
        })
      },
    )
  }
}

function hasRevision(root: Statement, revision: string): boolean {
  return newestRevision(root) === revision
}

/**
 * Walks a graph depth first without recursion. Returns every node after those it leads to, and calls `onCycle`
 * with the nodes of each circle it meets.
 */
export function findCycle<T>(
  nodes: Iterable<T>,
  next: (node: T) => readonly T[],
  onCycle: (node: T, chain: readonly T[]) => void,
): T[] {
  const done = new Set<T>()
  const open = new Set<T>()
  const order: T[] = []
  for (const start of nodes) {
    if (done.has(start)) continue
    const stack: { node: T; rest: readonly T[]; at: number }[] = [{ node: start, rest: next(start), at: 0 }]
    open.add(start)
    for (let top = stack.at(-1); top; top = stack.at(-1)) {
      const child = top.rest[top.at++]
      if (child === undefined) {
        stack.pop()
        open.delete(top.node)
        done.add(top.node)
        order.push(top.node)
      } else if (open.has(child)) {
        const chain = stack.map(({ node }) => node)
        onCycle(child, [...chain.slice(chain.indexOf(child)), child])
      } else if (!done.has(child)) {
        open.add(child)
        stack.push({ node: child, rest: next(child), at: 0 })
      }
    }
  }
  return order
}
