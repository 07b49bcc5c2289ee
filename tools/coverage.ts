/**
 * The page `docs/coverage.md`: for each claim of the seed documents the test that shows it, or the word `open`.
 *
 * The page is written by hand; what is derived from it is the line of counts under each heading. This file reads the
 * page, counts, and knows how titles of tests are found in a source. Run it after an edit to write the counts anew:
 *
 *     npx node --conditions=source tools/coverage.ts
 */
import { readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = join(dirname(fileURLToPath(import.meta.url)), '..')
export const pagePath = 'docs/coverage.md'

/** The seed documents by the letters of their claims, and how many claims each has; they are numbered from 1. */
export const seeds: readonly { readonly letters: string; readonly claims: number }[] = [
  { letters: 'PH', claims: 125 },
  { letters: 'PV', claims: 37 },
  { letters: 'IT', claims: 105 },
  { letters: 'CB', claims: 185 },
  { letters: 'EX', claims: 334 },
]

/** A test as a row names it: a file of the project, and its title or a part of it. */
export interface Named {
  readonly file: string
  readonly title: string
}

export interface Row {
  readonly id: string
  /** `part` when the row itself says what is left open. */
  readonly standing: 'shown' | 'part' | 'open'
  readonly tests: readonly Named[]
}

export interface Section {
  /** The letters in the heading, `PH` of `## … (PH)`. */
  readonly letters: string
  /** The line of counts as it stands on the page, empty when there is none. */
  readonly counted: string
  readonly rows: readonly Row[]
}

const left = /; (?:device's half|server's half|the rest) open$/
const half = / \((?:device's half|server's half|a part)\)$/

/** One cell of the right column. What is no test reads as one without a file, which no check lets pass. */
function rowOf(id: string, cell: string): Row {
  if (cell === 'open') return { id, standing: 'open', tests: [] }
  const tests = cell
    .replace(left, '')
    .split('<br>')
    .map((text) => {
      const colon = text.indexOf(': ')
      const title = text.slice(colon + 2).replace(half, '')
      return colon < 0 ? { file: '', title: text } : { file: text.slice(0, colon), title }
    })
  return { id, standing: left.test(cell) ? 'part' : 'shown', tests }
}

/** The sections of the page, in its order. */
export function readPage(text: string): Section[] {
  return text
    .split(/^## /m)
    .slice(1)
    .map((section) => {
      const lines = section.split('\n')
      return {
        letters: /\((\w+)\)$/.exec(lines[0] ?? '')?.[1] ?? '',
        counted: lines.find((line) => /^\d+ claims: /.test(line)) ?? '',
        rows: lines.flatMap((line) => {
          const row = /^\| ([A-Z]+-\d+) \| (.*) \|$/.exec(line)
          return row ? [rowOf(row[1] ?? '', row[2] ?? '')] : []
        }),
      }
    })
}

/** The line under a heading. */
export function countLine(rows: readonly Row[]): string {
  const of = (standing: Row['standing']) => rows.filter((row) => row.standing === standing).length
  return `${rows.length} claims: ${of('shown')} shown, ${of('part')} in part, ${of('open')} open.`
}

/** The page with every line of counts as it should be. */
export function withCounts(text: string): string {
  let page = text
  for (const { counted, rows } of readPage(text))
    if (counted !== '') page = page.replace(`\n${counted}\n`, () => `\n${countLine(rows)}\n`)
  return page
}

/** A title in a source: its text, and its literal parts, which are all of it unless it is a template. */
export interface Title {
  readonly text: string
  readonly parts: readonly string[]
}

const call =
  /\b(?:test|describe|step)(?:\.\w+)*(?:\([^()]*(?:\([^()]*\)[^()]*)*\))?\(\s*(?:'((?:[^'\\\n]|\\.)*)'|"((?:[^"\\\n]|\\.)*)"|`((?:[^`\\]|\\.)*)`)/g
const hole = /\$\{(?:[^{}]|\{[^{}]*\})*\}/

/** The titles of `test`, `describe` and interop's `step` calls in a source, as they are written there. */
export function titlesOf(source: string): Title[] {
  return [...source.matchAll(call)].map(([, single, double, template]) => {
    const text = (single ?? double ?? template ?? '').replace(/\\(.)/g, '$1')
    return { text, parts: template === undefined ? [text] : template.split(hole) }
  })
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const path = join(root, pagePath)
  await writeFile(path, withCounts(await readFile(path, 'utf8')))
}
