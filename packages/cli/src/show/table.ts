/** Aligned tables and sheets, printed as they come: the width of a column is that of what was seen so far. */
import type { Io } from '../io.ts'
import { printable } from './words.ts'

export interface Column<R> {
  readonly title: string
  /** The cell's text; foreign text is made printable here, not before. */
  cell(row: R): string
  /** Numbers stand to the right. */
  readonly right?: true
}

/** Lines of a table, without a head when there is nothing to show. `columns`: where lines are cut, on a terminal. */
export function tableLines<R>(
  columns: readonly Column<R>[],
  rows: readonly R[],
  width = Number.POSITIVE_INFINITY,
): string[] {
  if (rows.length === 0) return []
  const table = createTable(columns, width)
  return [...table.take(rows)]
}

/** A table whose rows come in pieces: the head is printed with the first, and columns only grow. */
export function createTable<R>(columns: readonly Column<R>[], width = Number.POSITIVE_INFINITY) {
  const widths = columns.map(({ title }) => lengthOf(title))
  let begun = false
  return {
    *take(rows: readonly R[]): Generator<string> {
      const cells = rows.map((row) => columns.map((column) => printable(column.cell(row))))
      for (const line of cells)
        for (const [i, cell] of line.entries()) widths[i] = Math.max(widths[i] ?? 0, lengthOf(cell))
      if (!begun && rows.length > 0) yield lineOf(columns.map(({ title }) => title))
      begun ||= rows.length > 0
      for (const line of cells) yield lineOf(line)
    },
  }

  function lineOf(cells: readonly string[]): string {
    const padded = cells.map((cell, i) => {
      const space = ' '.repeat(Math.max(0, (widths[i] ?? 0) - lengthOf(cell)))
      return columns[i]?.right ? space + cell : cell + space
    })
    return cut(padded.join('  ').trimEnd(), width)
  }
}

/** Prints a list as it comes: a line of JSON each, or a table, whose columns are measured a hundred rows at a time. */
export async function printList<R>(
  io: Io,
  rows: AsyncIterable<R>,
  how: { json: boolean | undefined; columns: readonly Column<R>[]; width?: number | undefined; none: string },
): Promise<void> {
  const table = createTable(how.columns, how.width)
  let waiting: R[] = []
  let count = 0
  const flush = (): void => {
    for (const line of table.take(waiting)) io.out(line)
    waiting = []
  }
  for await (const row of rows) {
    count += 1
    if (how.json) io.out(JSON.stringify(row))
    else if (waiting.push(row) === 100) flush()
  }
  flush()
  if (count === 0 && !how.json) io.err(how.none)
}

/** Names and what they are, in two columns; what is undefined is left out. */
export function sheetLines(pairs: readonly (readonly [name: string, text: string | undefined])[]): string[] {
  const shown = pairs.filter((pair): pair is readonly [string, string] => pair[1] !== undefined)
  const width = Math.max(0, ...shown.map(([name]) => lengthOf(name)))
  return shown.map(([name, text]) =>
    `${name}${' '.repeat(width - lengthOf(name))}  ${printable(text)}`.trimEnd(),
  )
}

/** Members by name: what order a store keeps them in is its own affair. */
export function sortedEntries<T>(record: Readonly<Record<string, T>>): [string, T][] {
  return Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1))
}

/** The first so many characters, the last of them saying that there was more. */
export function cut(text: string, width: number): string {
  if (lengthOf(text) <= width) return text
  return `${[...text].slice(0, Math.max(0, width - 1)).join('')}…`
}

const lengthOf = (text: string): number => [...text].length
