/**
 * A module's text and its tree of statements, as written and not yet understood.
 *
 * YANG has one syntax for everything: `keyword argument { substatements }` (RFC 7950 6.3). A `Statement` keeps
 * the keyword, the argument with quotes and escapes carried out, and the offset it began at. Lines and columns
 * are worked out from the offset only when somebody asks, which is seldom, so parsing does not pay for them.
 */

import type { Position } from './problem.ts'

/** One file's text under the name that findings should show. */
export class Source {
  readonly file: string
  readonly text: string
  #lineStarts: number[] | undefined

  constructor(file: string, text: string) {
    this.file = file
    this.text = text
  }

  /** Line and column, both from 1, of an offset into the text. Lines end at LF; a CR belongs to its line. */
  locate(offset: number): { line: number; column: number } {
    this.#lineStarts ??= findLineStarts(this.text)
    const starts = this.#lineStarts
    let low = 0
    let high = starts.length - 1
    while (low < high) {
      const middle = (low + high + 1) >> 1
      if ((starts[middle] ?? 0) <= offset) low = middle
      else high = middle - 1
    }
    return { line: low + 1, column: offset - (starts[low] ?? 0) + 1 }
  }
}

/** Never written to. */
const none: Statement[] = []

export class Statement implements Position {
  readonly source: Source
  readonly offset: number
  /** As written: `leaf`, or `exo:semantics` for the use of an extension. */
  readonly keyword: string
  readonly argument: string | undefined
  /** Undefined for the outermost statement. */
  readonly parent: Statement | undefined
  #substatements: Statement[] = none

  constructor(
    source: Source,
    offset: number,
    keyword: string,
    argument: string | undefined,
    parent: Statement | undefined,
  ) {
    this.source = source
    this.offset = offset
    this.keyword = keyword
    this.argument = argument
    this.parent = parent
  }

  /** In order. Most statements have none, and share one empty list. */
  get substatements(): readonly Statement[] {
    return this.#substatements
  }

  append(statement: Statement): void {
    if (this.#substatements === none) this.#substatements = [statement]
    else this.#substatements.push(statement)
  }

  get file(): string {
    return this.source.file
  }

  get line(): number {
    return this.source.locate(this.offset).line
  }

  get column(): number {
    return this.source.locate(this.offset).column
  }

  /** The argument, or an empty text where the grammar has already complained that there is none. */
  get text(): string {
    return this.argument ?? ''
  }

  /** `/module:m/container:c/leaf:l`; long arguments are cut so that a path stays one line. */
  get path(): string {
    const steps: string[] = []
    for (let at: Statement | undefined = this; at; at = at.parent)
      steps.push(at.argument === undefined ? at.keyword : `${at.keyword}:${brief(at.argument)}`)
    return `/${steps.reverse().join('/')}`
  }

  /** The first substatement with this keyword. */
  find(keyword: string): Statement | undefined {
    for (const sub of this.#substatements) if (sub.keyword === keyword) return sub
    return undefined
  }

  /** All substatements with this keyword, in order. */
  all(keyword: string): Statement[] {
    return this.#substatements.filter((sub) => sub.keyword === keyword)
  }

  /** The argument of the first substatement with this keyword. */
  argumentOf(keyword: string): string | undefined {
    return this.find(keyword)?.argument
  }
}

/** A text cut to what a message can carry, on one line. */
export function brief(text: string, most = 60): string {
  const line = text.slice(0, 4 * most).replace(/\s+/g, ' ')
  return line.length <= most && text.length <= 4 * most ? line : `${line.slice(0, most - 1)}…`
}

function findLineStarts(text: string): number[] {
  const starts = [0]
  for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', at + 1)) starts.push(at + 1)
  return starts
}
