import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { progressLine } from '../src/show/progress.ts'
import { createTable, cut, sheetLines, tableLines } from '../src/show/table.ts'
import { printable, sizeSaid, timeFelt, timeWhole } from '../src/show/words.ts'

const now = Date.parse('2026-11-21T12:00:00Z')
const ago = (ms: number): string => new Date(now - ms).toISOString()

describe('words', () => {
  const texts = [
    { text: 'plain – größe 漢字 🙂', shows: 'plain – größe 漢字 🙂' },
    { text: '\u001b[31mred\u001b[0m', shows: '\\x1b[31mred\\x1b[0m' },
    { text: 'a\nb\r\tc', shows: 'a\\nb\\x0d c' },
    { text: '\u009b2J \u0007 \u007f', shows: '\\x9b2J \\x07 \\x7f' },
    { text: 'abc\u202egpj.exe', shows: 'abc\\u202egpj.exe' },
    { text: 'a\u2028b\ud800', shows: 'a\\u2028b\\ud800' },
  ]
  for (const { text, shows } of texts)
    test(`[CL11] ${JSON.stringify(text)} is shown as ${shows}`, () => expect(printable(text)).toBe(shows))

  test('[CL11] whatever comes, nothing is left that steers', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(printable(text)).not.toMatch(/[\p{Cc}\p{Cs}\u2028\u2029\u202A-\u202E\u2066-\u2069]/u)
      }),
    )
  })

  const times = [
    { at: undefined, felt: 'never' },
    { at: ago(0), felt: 'now' },
    { at: ago(1999), felt: 'now' },
    { at: ago(2000), felt: '2 s ago' },
    { at: ago(59_999), felt: '59 s ago' },
    { at: ago(60_000), felt: '1 min ago' },
    { at: ago(3_599_999), felt: '59 min ago' },
    { at: ago(3_600_000), felt: '1 h ago' },
    { at: ago(47 * 3_600_000), felt: '47 h ago' },
    { at: ago(48 * 3_600_000), felt: '2 d ago' },
    { at: ago(30 * 86_400_000), felt: '2026-10-22' },
    { at: ago(-90_000), felt: 'in 1 min' },
    { at: 'no time', felt: 'no time' },
  ]
  for (const { at, felt } of times)
    test(`[CL12] ${at} is felt as ${felt}`, () => expect(timeFelt(at, now)).toBe(felt))

  test('[CL12] a whole time says both', () => {
    expect(timeWhole(ago(5000), now)).toBe('2026-11-21 11:59:55 (5 s ago)')
    expect(timeWhole(undefined, now)).toBe('never')
  })

  const sizes = [
    { bytes: 0, said: '0 B' },
    { bytes: 999, said: '999 B' },
    { bytes: 1000, said: '1.00 kB' },
    { bytes: 999_499, said: '999 kB' },
    { bytes: 999_500, said: '1.00 MB' },
    { bytes: 27_100_000, said: '27.1 MB' },
    { bytes: 4 * 2 ** 30, said: '4.29 GB' },
    { bytes: 5e15, said: '5000 TB' },
  ]
  for (const { bytes, said } of sizes)
    test(`[CL12] ${bytes} bytes are ${said}`, () => expect(sizeSaid(bytes)).toBe(said))
})

describe('tables', () => {
  const columns = [
    { title: 'NAME', cell: (row: { name: string; size: number }) => row.name },
    { title: 'N', right: true as const, cell: (row: { name: string; size: number }) => String(row.size) },
  ]

  test('[CL12] columns are as wide as what is in them, numbers to the right', () => {
    const rows = [
      { name: 'a', size: 5 },
      { name: 'größer', size: 12_345 },
    ]
    expect(tableLines(columns, rows)).toEqual(['NAME        N', 'a           5', 'größer  12345'])
    expect(tableLines(columns, [])).toEqual([])
    expect(tableLines(columns, rows, 9)).toEqual(['NAME    …', 'a       …', 'größer  …'])
  })

  test('[CL12] in pieces there is one head, and columns only grow', () => {
    const table = createTable(columns)
    expect([...table.take([])]).toEqual([])
    expect([...table.take([{ name: 'a', size: 1 }])]).toEqual(['NAME  N', 'a     1'])
    expect([...table.take([{ name: 'longer', size: 1 }])]).toEqual(['longer  1'])
    expect([...table.take([{ name: 'b', size: 1 }])]).toEqual(['b       1'])
  })

  test('[CL12] a sheet leaves out what is not there', () => {
    expect(
      sheetLines([
        ['a', '1'],
        ['long', undefined],
        ['bc', ''],
      ]),
    ).toEqual(['a   1', 'bc'])
  })

  test('[CL12] what is cut says so', () => {
    expect(cut('abcdef', 6)).toBe('abcdef')
    expect(cut('abcdef', 5)).toBe('abcd…')
    expect(cut('🙂🙂🙂', 2)).toBe('🙂…')
  })
})

describe('progress', () => {
  test('[CL15] a line says what, how far and how fast', () => {
    const begun = { at: 0, bytes: 0, now: 2000 }
    expect(progressLine('root.img', { stage: 'sending', bytes: 2_500_000, total: 10_000_000 }, begun)).toBe(
      'sending    root.img  [######..................]   25 %  2.50 MB of 10.0 MB  1.25 MB/s',
    )
    expect(progressLine('x', { stage: 'receiving', bytes: 0, total: 0 }, { at: 0, bytes: 0, now: 0 })).toBe(
      'receiving  x  [########################]  100 %  0 B of 0 B',
    )
  })

  test('[CL15] what was there before is not counted into the speed', () => {
    const line = progressLine(
      'x',
      { stage: 'receiving', bytes: 3_000_000, total: 4_000_000 },
      { at: 0, bytes: 2_000_000, now: 1000 },
    )
    expect(line).toMatch(/ {2}1\.00 MB\/s$/)
  })
})
