/**
 * Holds a tree of statements against the grammar.
 *
 * Finds statements that stand where they may not, that are missing, that occur too often or out of order, and
 * arguments of the wrong form. Faults that the published Exosense modules are known to have are let pass in
 * lenient mode, with a warning; what was let pass is ignored by everything further down.
 */

import { argumentForms } from './arguments.ts'
import { deviateSubstatements, grammar, type StatementRule, sectionNames, sectionOf } from './grammar.ts'
import type { Report } from './report.ts'
import { brief, type Statement } from './statement.ts'

export interface FormOptions {
  readonly lenient: boolean
}

/** Reports every fault of form below and including the module or submodule. */
export function checkForm(root: Statement, report: Report, options: FormOptions): void {
  const rule = grammar.get(root.keyword)
  if (!rule || (root.keyword !== 'module' && root.keyword !== 'submodule')) {
    const found = `"${brief(root.keyword)}"`
    report.error(root, { code: 'grammar', found, expected: '"module" or "submodule"', rfc: 'RFC 7950 6' })
    return
  }
  const check = new FormCheck(report, options, root.argumentOf('yang-version') === '1.1')
  check.checkArgument(root, rule)
  check.checkSections(root)
  check.checkBelow(root, rule)
}

/** The same for the inside of an extension use whose substatements are YANG. */
export function checkExtensionForm(
  statement: Statement,
  rule: StatementRule,
  report: Report,
  options: FormOptions & { readonly is11: boolean },
): void {
  new FormCheck(report, options, options.is11).checkBelow(statement, rule)
}

// Statements that the published modules carry where they may not.
const toleratedInLenientMode: ReadonlySet<string> = new Set([
  'leaf-list mandatory',
  'input description',
  'output description',
  'input reference',
  'output reference',
])

class FormCheck {
  readonly #report: Report
  readonly #lenient: boolean
  readonly #is11: boolean
  readonly #rfc: string

  constructor(report: Report, options: FormOptions, is11: boolean) {
    this.#report = report
    this.#lenient = options.lenient
    this.#is11 = is11
    this.#rfc = is11 ? 'RFC 7950' : 'RFC 6020'
  }

  checkBelow(statement: Statement, rule: StatementRule): void {
    const seen = statement.substatements.length > 1 ? new Map<string, number>() : undefined
    for (const sub of statement.substatements) {
      const { keyword } = sub
      if (keyword.includes(':')) continue
      const cardinality = rule.substatements.get(keyword)
      const subRule = grammar.get(keyword)
      if (!cardinality || !subRule) {
        this.#misplaced(statement, sub, subRule !== undefined)
        continue
      }
      if (cardinality.since11 && !this.#is11) this.#tooNew(statement, sub)
      if (seen && cardinality.max === 1) this.#count(statement, sub, seen)
      this.checkArgument(sub, subRule)
      if (keyword === 'deviate') this.#checkDeviate(sub)
      if (sub.substatements.length > 0 || subRule.required.length > 0 || isSide(keyword))
        this.checkBelow(sub, subRule)
    }
    for (const keyword of rule.required)
      if (!statement.substatements.some((sub) => sub.keyword === keyword))
        this.#error(
          statement,
          `no "${keyword}" in "${statement.keyword}"`,
          `a "${keyword}" statement`,
          rule.clause,
        )
    this.#checkSpecialCases(statement)
  }

  checkArgument(statement: Statement, rule: StatementRule): void {
    const { argument, keyword } = statement
    if (rule.argument === undefined) {
      if (argument !== undefined)
        this.#error(
          statement,
          `"${keyword}" with the argument "${brief(argument)}"`,
          'no argument',
          rule.clause,
        )
    } else if (argument === undefined)
      this.#error(
        statement,
        `"${keyword}" without an argument`,
        argumentForms[rule.argument].expected,
        rule.clause,
      )
    else if (!argumentForms[rule.argument].fits(argument))
      this.#report.error(statement, {
        code: 'argument',
        found: `"${brief(argument)}"`,
        expected: `${argumentForms[rule.argument].expected} after "${keyword}"`,
        rfc: `${this.#rfc} ${rule.clause}`,
      })
    else if (!this.#is11 && rule.argument === 'identifier' && /^xml/i.test(argument))
      this.#error(
        statement,
        `"${brief(argument)}" in a YANG 1.0 module`,
        'a name that does not begin with "xml"',
        '6.2',
      )
  }

  /** RFC 7950 7.1: header, linkage, meta, revision, body. */
  checkSections(root: Statement): void {
    let section = 0
    for (const sub of root.substatements) {
      if (sub.keyword.includes(':')) continue
      const own = sectionOf.get(sub.keyword) ?? 4
      if (own < section)
        this.#error(
          sub,
          `"${sub.keyword}" after the ${sectionNames[section]} statements`,
          `it among the ${sectionNames[own]} statements, before them`,
          root.keyword === 'module' ? '7.1' : '7.2',
        )
      section = Math.max(section, own)
    }
  }

  #count(statement: Statement, sub: Statement, seen: Map<string, number>): void {
    const count = (seen.get(sub.keyword) ?? 0) + 1
    seen.set(sub.keyword, count)
    if (count === 2)
      this.#error(
        sub,
        `a second "${sub.keyword}" in "${statement.keyword}"`,
        'at most one',
        grammar.get(statement.keyword)?.clause ?? '',
      )
  }

  #misplaced(statement: Statement, sub: Statement, known: boolean): void {
    const found = known
      ? `"${sub.keyword}" in "${statement.keyword}"`
      : `the unknown statement "${brief(sub.keyword)}"`
    const rule = grammar.get(statement.keyword)
    const rfc = `${this.#rfc} ${rule?.clause ?? ''}`
    if (this.#lenient && toleratedInLenientMode.has(`${statement.keyword} ${sub.keyword}`)) {
      this.#report.warning(sub, {
        code: 'lenient',
        found,
        expected: `no "${sub.keyword}" there; it is ignored`,
        rfc,
      })
      return
    }
    this.#report.error(sub, { code: 'grammar', found, expected: substatementsOf(statement.keyword), rfc })
  }

  #tooNew(statement: Statement, sub: Statement): void {
    const found = `"${sub.keyword}" in "${statement.keyword}" of a YANG 1.0 module`
    this.#error(sub, found, '"yang-version 1.1" for it', grammar.get(sub.keyword)?.clause ?? '')
  }

  #checkDeviate(statement: Statement): void {
    const allowed = deviateSubstatements.get(statement.text)
    if (!allowed) return
    for (const sub of statement.substatements) {
      if (sub.keyword.includes(':') || allowed.has(sub.keyword) || !grammar.has(sub.keyword)) continue
      const found = `"${sub.keyword}" in "deviate ${statement.text}"`
      this.#error(sub, found, `one of ${[...allowed].join(', ') || 'nothing'}`, '7.20.3.2')
    }
  }

  /** Where a rule depends on the version, the place or another statement. */
  #checkSpecialCases(statement: Statement): void {
    const { keyword, substatements } = statement
    if (keyword === 'identity' || keyword === 'type') {
      const bases = statement.all('base')
      // RFC 6020 7.16: an identity has one base; 9.10.2: so has an identityref.
      if (!this.#is11 && bases[1])
        this.#error(bases[1], `a second "base" in "${keyword}" of a YANG 1.0 module`, 'at most one', '7.18.2')
    } else if (keyword === 'refine' || keyword === 'deviate') {
      const defaults = statement.all('default')
      if (!this.#is11 && defaults[1])
        this.#error(
          defaults[1],
          `a second "default" in "${keyword}" of a YANG 1.0 module`,
          'at most one',
          '7.13.2',
        )
    } else if (isSide(keyword)) {
      const holds = substatements.some((sub) => definitionKeywords.has(sub.keyword))
      if (!holds && !(this.#lenient && substatements.length > 0))
        this.#error(statement, `"${keyword}" without a data definition`, 'at least one', '7.14.2')
    }
  }

  #error(statement: Statement, found: string, expected: string, clause: string): void {
    this.#report.error(statement, { code: 'grammar', found, expected, rfc: `${this.#rfc} ${clause}` })
  }
}

const spelledOut = new Map<string, string>()

/** Which substatements a statement may have, in words. */
function substatementsOf(keyword: string): string {
  let words = spelledOut.get(keyword)
  if (words === undefined) {
    const names = [...(grammar.get(keyword)?.substatements.keys() ?? [])]
    words = names.length === 0 ? `no substatement of "${keyword}"` : `one of ${brief(names.join(', '), 240)}`
    // Only keywords of the grammar come here with names, so there are as few as those.
    if (names.length > 0) spelledOut.set(keyword, words)
  }
  return words
}

const isSide = (keyword: string) => keyword === 'input' || keyword === 'output'

/** Statements that define data nodes or stand for some. */
export const definitionKeywords: ReadonlySet<string> = new Set([
  'container',
  'leaf',
  'leaf-list',
  'list',
  'choice',
  'anydata',
  'anyxml',
  'uses',
])
