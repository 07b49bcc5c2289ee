/**
 * The coverage page says of each claim which test shows it. Whether a test does show its claim is for readers to judge;
 * that the page is whole, and that what it names is there, is checked here.
 *
 * How a name is matched: the file has to exist, and the quoted text has to stand in the title of exactly one `test`,
 * `describe` or interop `step` call of it. A title that is a template counts by its literal parts: the quoted text lies
 * within one of them, never across a `${…}`. A text shorter than twelve characters names nothing, unless it is the
 * whole title. A title that quotes ids itself, as in `[PH-12]`, is named among that document's rows by those ids alone.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { countLine, pagePath, type Row, readPage, root, seeds, titlesOf, withCounts } from './coverage.ts'

const page = readFileSync(join(root, pagePath), 'utf8')
const sections = readPage(page)
const rows = sections.flatMap((section) => section.rows)

/** The ids that a title quotes. */
const quoted = (title: string) =>
  [...title.matchAll(/\[((?:PH|PV|IT|CB|EX)-\d+)\]/g)].map(([, id]) => id ?? '')

const sources = new Map<string, string | undefined>()
function sourceOf(file: string): string | undefined {
  if (!sources.has(file)) {
    const inside = /^(?:packages|world|tools|interop)\/[\w./-]+\.ts$/.test(file) && !file.includes('..')
    const path = join(root, file)
    sources.set(file, inside && existsSync(path) ? readFileSync(path, 'utf8') : undefined)
  }
  return sources.get(file)
}

/** What is wrong with a row's names, in words; nothing when all of them lead to a test. */
function faultsOf({ id, tests }: Row, read = sourceOf): string[] {
  return tests.flatMap(({ file, title }) => {
    const source = read(file)
    if (source === undefined) return [`${id}: there is no file "${file}"`]
    const found = titlesOf(source).filter(({ parts }) => parts.some((part) => part.includes(title)))
    const [only] = found
    if (found.length !== 1 || !only) return [`${id}: ${found.length} titles of ${file} have "${title}"`]
    if (title.length < 12 && title !== only.text) return [`${id}: "${title}" is too short a name`]
    const ids = quoted(only.text).filter((other) => other.slice(0, 2) === id.slice(0, 2))
    return ids.length > 0 && !ids.includes(id) ? [`${id}: "${only.text}" is about ${ids.join(', ')}`] : []
  })
}

describe('the page', () => {
  test('[CV1] has one row for each id, in order, under the heading of its letters', () => {
    expect(sections.map(({ letters, rows }) => [letters, rows.map(({ id }) => id)])).toEqual(
      seeds.map(({ letters, claims }) => [
        letters,
        Array.from({ length: claims }, (_, i) => `${letters}-${String(i + 1).padStart(2, '0')}`),
      ]),
    )
    // A row that could not be read would be missing above; one that stands twice would be counted here.
    expect(page.match(/^\| [A-Z]+-/gm)).toHaveLength(seeds.reduce((sum, { claims }) => sum + claims, 0))
  })

  test('[CV2] names tests that are there', () => {
    expect(rows.flatMap((row) => faultsOf(row))).toEqual([])
  })

  test('[CV3] calls nothing open whose id a test quotes in its title', () => {
    const open = new Set(rows.flatMap(({ id, standing }) => (standing === 'open' ? [id] : [])))
    const files = readdirSync(join(root, 'packages')).flatMap((name) => {
      const folder = join(root, 'packages', name, 'test')
      if (!existsSync(folder)) return []
      const names = readdirSync(folder, { recursive: true, encoding: 'utf8' })
      return names.filter((path) => path.endsWith('.test.ts')).map((path) => join(folder, path))
    })
    const quotes = files.flatMap((file) =>
      titlesOf(readFileSync(file, 'utf8')).flatMap(({ text }) => quoted(text)),
    )
    expect(quotes.length).toBeGreaterThan(100)
    expect(quotes.filter((id) => open.has(id))).toEqual([])
  })

  test('[CV4] counts what it holds', () => {
    expect(sections.map(({ counted }) => counted)).toEqual(sections.map(({ rows }) => countLine(rows)))
    expect(withCounts(page)).toBe(page)
  })
})

describe('reading', () => {
  const source = [
    `test('[AB1] a thing is as it should be', () => {})`,
    `describe.each(things)(\`[AB2] \${what({ a: 1 })} ends well, with \${n} left\`, () => {})`,
    `test.skipIf(\n  none(),\n)("it's told by name", () => {})`,
    `test('[PH-01][PH-02] quotes what it shows', () => {})`,
  ].join('\n')

  test('[CV5] titles are found in every form, templates by their literal parts', () => {
    expect(titlesOf(source).map(({ parts }) => parts)).toEqual([
      ['[AB1] a thing is as it should be'],
      ['[AB2] ', ' ends well, with ', ' left'],
      ["it's told by name"],
      ['[PH-01][PH-02] quotes what it shows'],
    ])
  })

  const cells = [
    { cell: 'open', standing: 'open', faults: 0 },
    { cell: 'a.ts: [AB1] a thing is as it should be', standing: 'shown', faults: 0 },
    { cell: "a.ts: a thing is as it (server's half); device's half open", standing: 'part', faults: 0 },
    {
      cell: "a.ts: ends well, with (server's half)<br>a.ts: it's told by name",
      standing: 'shown',
      faults: 0,
    },
    { cell: 'a.ts: quotes what it shows (a part); the rest open', standing: 'part', faults: 0 },
    { cell: 'b.ts: [AB1] a thing is as it should be', standing: 'shown', faults: 1 },
    { cell: 'a.ts: [AB1] a thing is as it should not be', standing: 'shown', faults: 1 },
    { cell: 'a.ts: ends well, with 3 left', standing: 'shown', faults: 1 },
    { cell: 'a.ts: a thing', standing: 'shown', faults: 1 },
    { cell: 'a.ts:  ', standing: 'shown', faults: 1 },
    { cell: 'opened', standing: 'shown', faults: 1 },
  ]
  for (const { cell, standing, faults } of cells)
    test(`[CV6] "${cell}" is ${standing}, with ${faults} faults`, () => {
      const [row] = readPage(`## X (PH)\n| PH-02 | ${cell} |\n`)[0]?.rows ?? []
      expect(row?.standing).toBe(standing)
      const read = (file: string) => (file === 'a.ts' ? source : undefined)
      expect(row && faultsOf(row, read)).toHaveLength(faults)
    })

  test('[CV6] a title that quotes other ids is no name for this one', () => {
    const tests = [{ file: 'a.ts', title: 'quotes what it shows' }]
    expect(faultsOf({ id: 'PV-03', standing: 'shown', tests }, () => source)).toEqual([])
    expect(faultsOf({ id: 'PH-03', standing: 'shown', tests }, () => source)).toEqual([
      'PH-03: "[PH-01][PH-02] quotes what it shows" is about PH-01, PH-02',
    ])
  })
})
