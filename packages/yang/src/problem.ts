/**
 * What can be wrong with a module or a document, as a value.
 *
 * Everything this library finds fault with is a `Problem`: it names the place (file, line, column and the
 * statements around it), what stood there, what was expected and the clause that says so. Problems are
 * gathered rather than thrown, because an author wants to hear of all mistakes at once. An `error` makes the
 * module unusable; a `warning` is something that was let pass (lenient mode) or that is merely unwise.
 */

export type Severity = 'error' | 'warning'

/** Where a statement begins. Lines and columns count from 1; a column counts UTF-16 code units. */
export interface Position {
  readonly file: string
  readonly line: number
  readonly column: number
}

/**
 * One finding. `code` is stable and meant for programs; the other texts are meant for people.
 *
 * `path` is the chain of statements from the module down (`/module:m/container:c/leaf:l/type:int8`), or the
 * data path of a document. `rfc` is a clause such as `RFC 7950 9.2.4`.
 */
export interface Problem extends Position {
  readonly severity: Severity
  readonly code: ProblemCode
  readonly path: string
  readonly found: string
  readonly expected: string
  readonly rfc: string
}

/**
 * The kinds of finding. `syntax` is about characters and braces, `grammar` about which statement may stand
 * where and how often, `argument` about the text after the keyword, `reference` about names that lead nowhere,
 * `cycle` about definitions that lead back to themselves, `duplicate` about names taken twice, `type` about
 * restrictions and values, `tree` about rules among schema nodes, `linkage` about modules that need each
 * other, `limit` about input that is larger or deeper than the caller allows, `lenient` about faults that
 * lenient mode lets pass, and `style` about what is lawful but unwise.
 */
export type ProblemCode =
  | 'syntax'
  | 'grammar'
  | 'argument'
  | 'reference'
  | 'cycle'
  | 'duplicate'
  | 'type'
  | 'xpath'
  | 'tree'
  | 'linkage'
  | 'limit'
  | 'lenient'
  | 'style'

/** One line for people: `file:line:column: error: found X, expected Y (RFC 7950 7.5) at /module:m/…`. */
export function formatProblem(problem: Problem): string {
  const { file, line, column, severity, found, expected, rfc, path } = problem
  const where = path === '' ? '' : ` at ${path}`
  return `${file}:${line}:${column}: ${severity}: found ${found}, expected ${expected} (${rfc})${where}`
}
