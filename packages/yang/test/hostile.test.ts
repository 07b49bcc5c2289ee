import { describe, expect, test } from 'vitest'
import { compile, type Limits } from '../src/index.ts'

const module_ = (body: string, version = '1.1') =>
  `module m { yang-version ${version}; namespace "urn:m"; prefix m; ${body} }`
const many = (count: number, each: (at: number) => string) =>
  Array.from({ length: count }, (_, at) => each(at)).join('\n')

function judge(text: string, limits: Partial<Limits> = {}) {
  return compile([{ file: 'm.yang', text }], () => undefined, { limits })
}

/** The codes of all errors, each once. */
const codes = (text: string, limits?: Partial<Limits>) => {
  const { problems } = judge(text, limits)
  return [...new Set(problems.filter(({ severity }) => severity === 'error').map(({ code }) => code))]
}

describe('hostile modules', () => {
  const bombs: [string, string][] = [
    ['statements nested without end', module_('container a {'.repeat(50_000))],
    [
      'groupings that double',
      module_(
        `${many(60, (at) => `grouping g${at} { container a { uses g${at + 1}; } container b { uses g${at + 1}; } }`)} grouping g60 { leaf x { type string; } } uses g0;`,
      ),
    ],
    [
      'empty groupings that double',
      module_(
        `${many(60, (at) => `grouping g${at} { uses g${at + 1}; uses g${at + 1}; }`)} grouping g60; uses g0;`,
      ),
    ],
    [
      'unions that double',
      module_(
        `typedef u0 { type int8; } ${many(60, (at) => `typedef u${at + 1} { type union { type u${at}; type u${at}; } }`)}`,
      ),
    ],
    [
      'a chain of typedefs',
      module_(many(5000, (at) => `typedef t${at} { type ${at === 0 ? 'string' : `t${at - 1}`}; }`)),
    ],
    [
      'a chain of typedefs, backwards',
      module_(many(5000, (at) => `typedef t${at} { type ${at === 4999 ? 'string' : `t${at + 1}`}; }`)),
    ],
    [
      'a chain of groupings',
      module_(`${many(5000, (at) => `grouping g${at} { uses g${at + 1}; }`)} grouping g5000;`),
    ],
    [
      'a chain of leafrefs',
      module_(
        many(
          5000,
          (at) => `leaf l${at} { type ${at === 0 ? 'string;' : `leafref { path "../l${at - 1}"; }`} }`,
        ),
      ),
    ],
    [
      'a chain of features',
      module_(`${many(5000, (at) => `feature f${at} { if-feature f${at + 1}; }`)} feature f5000;`),
    ],
    [
      'a chain of identities',
      module_(many(5000, (at) => `identity i${at} { ${at === 0 ? '' : `base i${at - 1};`} }`)),
    ],
    [
      'identities derived from everything',
      module_(
        `${many(2000, (at) => `identity a${at};`)} identity h { ${many(2000, (at) => `base a${at};`)} } ${many(2000, (at) => `identity b${at} { base h; }`)}`,
      ),
    ],
    [
      'deviations that delete from a long list',
      module_(
        `leaf a { type string; ${many(1000, () => 'must "1";')} } ${many(500, () => 'deviation "/a" { deviate delete { must "1"; } }')}`,
      ),
    ],
    [
      'a tree that groupings make deep',
      module_(
        `${many(99, (at) => `grouping g${at} { container c { container d { uses g${at + 1}; } } }`)} grouping g99; uses g0;`,
      ),
    ],
  ]
  const multiplied: [string, string][] = [
    ['musts', 'leaf a { type string; MANY }', 'must "1";'],
    ['defaults', 'leaf-list a { type string; MANY }', 'default x;'],
    ['uniques', 'list a { config false; leaf b { type string; } MANY }', 'unique b;'],
    ['conditions', 'leaf a { type string; MANY }', 'if-feature f;'],
    ['extension uses', 'leaf a { type string; MANY }', 'm:e x;'],
    ['refines', 'uses h { MANY }', 'refine z { description x; }'],
  ].map(([what = '', body = '', one = '']) => [
    `${what} that a grouping multiplies`,
    module_(
      `feature f; extension e { argument a; } grouping h { leaf z { type string; } } grouping g { ${body.replace('MANY', one.repeat(3000))} } ${many(3000, (at) => `container c${at} { uses g; }`)}`,
    ),
  ])
  for (const [what, text] of [...bombs, ...multiplied])
    test(`[H1] ${what} meet a limit`, () => expect(codes(text)).toEqual(['limit']))

  test('[H1] limits can be set', () => {
    expect(codes(module_('leaf a { type string; }'), { maxTextBytes: 50 })).toEqual(['limit'])
    expect(codes(module_('container a { container b; }'), { maxDepth: 1 })).toEqual(['limit'])
    expect(
      codes(module_(many(20, (at) => `leaf a${at} { type string; }`)), { freeNodes: 5, nodesPerByte: 0 }),
    ).toEqual(['limit'])
  })

  test('[H1] imports without end meet a limit', () => {
    const next = (at: number) => ({
      file: `m${at}.yang`,
      text: `module m${at} { namespace "urn:m${at}"; prefix p; import m${at + 1} { prefix q; } }`,
    })
    const { ok, problems } = compile([next(0)], ({ name }) => next(Number(name.slice(1))), {
      limits: { maxFiles: 50 },
    })
    expect(ok).toBe(false)
    expect(problems.map(({ code }) => code)).toContain('limit')
  })

  const circles: [string, string][] = [
    ['typedefs', 'typedef a { type b; } typedef b { type c; } typedef c { type a; }'],
    ['typedefs through a union', 'typedef a { type union { type int8; type a; } }'],
    ['groupings', 'grouping a { container x { uses b; } } grouping b { uses a; } uses a;'],
    ['groupings that nobody uses', 'grouping a { container x { uses a; } }'],
    ['identities', 'identity a { base b; } identity b { base a; }'],
    ['features', 'feature a { if-feature "not b"; } feature b { if-feature a; }'],
    [
      'leafrefs',
      'leaf a { type leafref { path "../b"; } } leaf b { type leafref { path "../c"; } } leaf c { type leafref { path "../a"; } }',
    ],
    [
      'leafrefs through a union',
      'leaf a { type leafref { path "../b"; } } leaf b { type union { type string; type leafref { path "../a"; } } }',
    ],
    ['a leafref to itself', 'leaf a { type leafref { path "../a"; } default x; }'],
  ]
  for (const [what, body] of circles)
    test(`[H2] a circle of ${what} is a finding`, () => expect(codes(module_(body))).toEqual(['cycle']))

  test('[H2] a circle of imports is a finding', () => {
    const text = (name: string, other: string) => ({
      file: `${name}.yang`,
      text: `module ${name} { namespace "urn:${name}"; prefix p; import ${other} { prefix q; } }`,
    })
    const { problems } = compile([text('a', 'b')], ({ name }) =>
      text(name, name === 'b' ? 'c' : name === 'c' ? 'a' : 'b'),
    )
    expect(problems).toMatchObject([{ code: 'cycle', found: 'a circle of imports: a → b → c → a' }])
  })

  test('[H2] a circle of submodules is a finding', () => {
    const part = (name: string, other: string) =>
      `submodule ${name} { belongs-to m { prefix m; } include ${other}; }`
    const parts: Record<string, string> = { s: part('s', 'r'), r: part('r', 's') }
    const main = { file: 'm.yang', text: 'module m { namespace "urn:m"; prefix m; include s; include r; }' }
    const { problems } = compile([main], ({ name }) => ({ file: `${name}.yang`, text: parts[name] ?? '' }))
    expect(problems.map(({ code }) => code)).toEqual(['cycle'])
  })

  const floods: [string, string][] = [
    ['braces that close nothing', '}'.repeat(300_000)],
    ['quotes', '"'.repeat(300_001)],
    ['unknown statements', module_(many(20_000, (at) => `colour${at} red;`))],
    ['unknown extensions', module_(many(20_000, (at) => `x:y${at} z;`))],
    ['names taken twice', module_(many(20_000, () => 'leaf a { type string; }'))],
    ['enums taken twice', module_(`leaf a { type enumeration { ${many(20_000, () => 'enum e;')} } }`)],
    ['keys named twice', module_(`list l { key "${many(50_000, () => 'k')}"; leaf k { type string; } }`)],
    ['imports that cannot be found', module_(many(5000, (at) => `import x${at} { prefix x${at}; }`))],
  ]
  for (const [what, text] of floods)
    test(`[H3] a flood of ${what} makes no flood of findings`, () => {
      const { ok, problems } = judge(text)
      expect(ok).toBe(false)
      expect(problems.length).toBeGreaterThan(0)
      expect(problems.length).toBeLessThanOrEqual(200)
    })

  const large: [string, string][] = [
    ['40 000 enums', module_(`leaf a { type enumeration { ${many(40_000, (at) => `enum e${at};`)} } }`)],
    ['40 000 bits', module_(`leaf a { type bits { ${many(40_000, (at) => `bit b${at};`)} } }`)],
    ['20 000 leafs', module_(many(20_000, (at) => `leaf a${at} { type string; }`))],
    [
      '20 000 keys',
      module_(
        `list l { key "${many(20_000, (at) => `k${at}`)}"; ${many(20_000, (at) => `leaf k${at} { type string; }`)} }`,
      ),
    ],
    [
      '20 000 range parts, twice',
      module_(
        `typedef t { type int64 { range "${many(20_000, (at) => `${at * 2}`).replaceAll('\n', '|')}"; } } leaf a { type t { range "${many(20_000, (at) => `${at * 2}`).replaceAll('\n', '|')}"; } }`,
      ),
    ],
    [
      '10 000 augments',
      module_(`container c; ${many(10_000, (at) => `augment "/c" { leaf a${at} { type string; } }`)}`),
    ],
    [
      '10 000 leafrefs to siblings',
      module_(
        `leaf a { type string; } ${many(10_000, (at) => `leaf l${at} { type leafref { path "../a"; } }`)}`,
      ),
    ],
    [
      '60 000 uniques',
      module_(`list l { config false; leaf k { type string; } ${many(60_000, () => 'unique k;')} }`),
    ],
    [
      '10 000 refines of one node',
      module_(
        `grouping g { leaf a { type string; } } uses g { ${many(10_000, () => 'refine a { must "1"; }')} }`,
      ),
    ],
    [
      '10 000 augments beside an action',
      module_(
        `container c { action r; } ${many(10_000, (at) => `augment "/c" { leaf a${at} { type string; } }`)}`,
      ),
    ],
    [
      'an augment of 130 000 leafs',
      module_(`container c; augment "/c" { ${many(130_000, (at) => `leaf a${at} { type string; }`)} }`),
    ],
    ['200 000 lines in one string', module_(`description "${'\n\t\t'.repeat(200_000)}";`)],
    ['100 000 joined strings', module_(`description ${'"a" + '.repeat(100_000)} "b";`)],
  ]
  for (const [what, text] of large)
    test(`[H3] ${what} are only large`, () => expect(judge(text).ok).toBe(true))

  const deep: [string, string][] = [
    [
      'a feature expression',
      `feature a; leaf l { if-feature "${'('.repeat(50_000)}a${')'.repeat(50_000)}"; type string; }`,
    ],
    ['a chain of not', `feature a; leaf l { if-feature "${'not '.repeat(50_000)}a"; type string; }`],
    ['a path upwards', `leaf l { type leafref { path "${'../'.repeat(100_000)}a"; } }`],
    ['a path downwards', `leaf l { type leafref { path "/${'a/'.repeat(100_000)}a"; } }`],
    ['an XPath expression', `leaf l { type string; must "${'('.repeat(50_000)}"; }`],
    ['a pattern', `leaf l { type string { pattern "${'('.repeat(50_000)}"; } }`],
  ]
  for (const [what, body] of deep)
    test(`[H1] ${what} as deep as the text is refused`, () => expect(judge(module_(body)).ok).toBe(false))

  test('[H1] a pattern that would back-track for ever does not', () => {
    const compiled = judge(
      module_(`leaf l { type string { pattern "(a*)*b"; } default "${'a'.repeat(20_000)}"; }`),
    )
    expect(compiled.problems).toMatchObject([{ code: 'type' }])
  })
})
