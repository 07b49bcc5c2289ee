import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { compile, formatProblem } from '../src/index.ts'
import { parseText } from '../src/parse.ts'
import { Report } from '../src/report.ts'
import type { Statement } from '../src/statement.ts'

function parse(input: string | Uint8Array) {
  const report = new Report(50)
  const root = parseText('m.yang', input, report)
  return { root, problems: report.problems }
}

/** The argument of the description in a 1.0 module. */
const described = (argument: string) =>
  parse(`module m {\n  description ${argument};\n}`).root?.argumentOf('description')

describe('text', () => {
  const strings = [
    ['plain words', 'word', 'word'],
    ['[P3] double quotes with escapes', String.raw`"a\n\t\"\\b"`, 'a\n\t"\\b'],
    ['[P3] single quotes without', String.raw`'a\n'`, String.raw`a\n`],
    ['[P3] concatenation', `"a" + 'b'\n + "c"`, 'abc'],
    ['[P3] comments between the parts', `"a" /* x */ + // y\n "b"`, 'ab'],
    ['[P3] unknown escapes are kept in 1.0', String.raw`"\d"`, String.raw`\d`],
    [
      '[P2] indentation goes up to the column of the text',
      '"one\n               two\n                three"',
      'one\ntwo\n three',
    ],
    ['[P2] less indentation is less to take', '"one\n  two"', 'one\ntwo'],
    ['[P2] white space before a break goes', '"one  \t\n               two"', 'one\ntwo'],
    ['[P2] a tab counts eight columns', '"one\n\t\ttwo"', 'one\n two'],
    ['[P2] escaped white space stays', '"one\\t\n two"', 'one\t\ntwo'],
    ['[P2] CRLF stays CRLF', '"one \r\n               two"', 'one\r\ntwo'],
    ['[P2] a last line of blanks only', '"one\n   "', 'one\n'],
    ['slashes inside words', 'a/b', 'a/b'],
    ['comment signs inside quotes', '"a // b /* c */"', 'a // b /* c */'],
  ] as const
  for (const [what, written, meant] of strings)
    test(`${what}: ${JSON.stringify(written)}`, () => expect(described(written)).toBe(meant))

  test('[P1] a byte order mark is skipped, columns begin after it', () => {
    const { root, problems } = parse(new TextEncoder().encode('\ufeffmodule m;'))
    expect(problems).toEqual([])
    expect([root?.line, root?.column, root?.argument]).toEqual([1, 1, 'm'])
  })

  const broken = [
    ['a NUL', 'module m {\n description "\0"; }', 2, 15],
    ['a lone surrogate', 'module m { description "\ud800"; }', 1, 25],
    ['a noncharacter', 'module m { description "\uffff"; }', 1, 25],
    ['a broken octet', Uint8Array.from([...new TextEncoder().encode('module m {\n '), 0xff, 0x7d]), 2, 1],
    ['a cut character', Uint8Array.from([...new TextEncoder().encode('module m; '), 0xe2, 0x82]), 1, 1],
  ] as const
  for (const [what, input, line, column] of broken)
    test(`[P1] ${what} is refused at its place`, () => {
      const { root, problems } = parse(input)
      expect(root).toBeUndefined()
      expect(problems).toMatchObject([{ severity: 'error', code: 'syntax', line, column }])
    })

  test('[P4] a finding says where, what, what instead and who says so', () => {
    const { problems } = compile([
      {
        file: 'm.yang',
        text: 'module m {\n  namespace urn:m;\n  prefix m;\n  leaf a {\n    type int9;\n  }\n}',
      },
    ])
    expect(problems).toEqual([
      {
        severity: 'error',
        code: 'reference',
        file: 'm.yang',
        line: 5,
        column: 5,
        path: '/module:m/leaf:a/type:int9',
        found: '"int9"',
        expected: 'a typedef of that name in reach',
        rfc: 'RFC 7950 7.3',
      },
    ])
    expect(problems.map(formatProblem)).toEqual([
      'm.yang:5:5: error: found "int9", expected a typedef of that name in reach (RFC 7950 7.3) at /module:m/leaf:a/type:int9',
    ])
  })

  test('[P5] several mistakes are reported, in the order of the text', () => {
    const text = `module m {
  namespace urn:m
  prefix m;
  leaf a { type string; colour red; }
  leaf 9 { type string; }
  container b { config perhaps; leaf c; }
}`
    const { root, problems } = parse(text)
    expect(problems.map(({ line }) => line)).toEqual([3])
    expect(root?.substatements.map(({ keyword }) => keyword)).toEqual([
      'namespace',
      'prefix',
      'leaf',
      'leaf',
      'container',
    ])
    const all = compile([{ file: 'm.yang', text }]).problems.map(({ line, code }) => [line, code])
    expect(all).toEqual([
      [3, 'syntax'],
      [4, 'grammar'],
      [5, 'argument'],
      [6, 'argument'],
      [6, 'grammar'],
    ])
  })

  test('[P5] a file that ends too early is told so', () => {
    expect(parse('module m { container a {').problems).toMatchObject([{ found: 'the end of the file' }])
    expect(parse('module m { description "abc').problems[0]).toMatchObject({
      found: 'a quoted string without end',
      column: 24,
    })
    expect(parse('module m { /* abc').problems[0]).toMatchObject({ found: 'a comment without end' })
    expect(parse('').problems).toMatchObject([{ found: 'no statement' }])
  })

  test('[P6] whatever the text, reading it ends with a tree or with findings', () => {
    const pieces = fc.constantFrom(
      'module',
      'm',
      'leaf',
      '{',
      '}',
      ';',
      '"',
      "'",
      '+',
      '//',
      '/*',
      '*/',
      '\n',
      ' ',
      '\\',
      'a:b',
      '\t',
      '1.1',
      'yang-version',
    )
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 60 }), (words) => {
        const { root, problems } = parse(words.join(''))
        return root !== undefined || problems.length > 0
      }),
    )
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) =>
        parse(bytes).problems.every(({ line }) => line > 0),
      ),
    )
  })

  test('[P3] what is printed with escapes is read back', () => {
    const print = ({ keyword, argument, below }: Tree): string => {
      const quoted = argument
        .replaceAll('\\', '\\\\')
        .replaceAll('"', '\\"')
        .replaceAll('\n', '\\n')
        .replaceAll('\t', '\\t')
      return `${keyword} "${quoted}" ${below.length === 0 ? ';' : `{ ${below.map(print).join(' ')} }`}`
    }
    fc.assert(
      fc.property(tree, (written) => {
        const { root, problems } = parse(print(written))
        expect(problems).toEqual([])
        expect(root && shape(root)).toEqual(written)
      }),
      { numRuns: 200 },
    )
  })
})

interface Tree {
  keyword: string
  argument: string
  below: Tree[]
}

const words = fc.string({ unit: fc.constantFrom(...'ab {};+"\'\\/*\n\té😀'.split(/(?:)/u)), maxLength: 12 })
const { tree } = fc.letrec<{ tree: Tree }>((tie) => ({
  tree: fc.record({
    keyword: fc.constantFrom('container', 'x:y', 'leaf'),
    argument: words,
    below: fc.oneof({ maxDepth: 3 }, fc.constant<Tree[]>([]), fc.array(tie('tree'), { maxLength: 3 })),
  }),
}))

function shape({ keyword, argument, substatements }: Statement): Tree {
  return { keyword, argument: argument ?? '', below: substatements.map(shape) }
}
