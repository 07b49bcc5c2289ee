import { describe, expect, test } from 'vitest'
import { compile } from '../src/index.ts'

const module_ = (body: string) => `module t { yang-version 1.1; namespace "urn:t"; prefix t;\n${body}\n}`

/** Compiles a module; answers what it was warned of, as `line: found, expected`. */
function warnings(body: string): string[] {
  const compiled = compile([{ file: 't.yang', text: module_(body) }])
  expect(compiled.ok, JSON.stringify(compiled.problems)).toBe(true)
  return compiled.problems.map(
    ({ severity, code, line, found, expected, rfc }) =>
      `${severity} ${code} ${line}: ${found}, ${expected} (${rfc})`,
  )
}

// Where libyang and pyang warn, by what they say of the same text; and where they are silent.
const leading: [string, string, string][] = [
  [
    'a sibling',
    'must "../zzz = 1";',
    '"zzz" at offset 3 of the expression, which is no node below the container "c"',
  ],
  [
    'a child of a leaf',
    'must "x";',
    '"x" at offset 0 of the expression, which is no node below the leaf "y"',
  ],
  ['the top', 'must "/t:cc";', '"cc" at offset 1 of the expression, which is no node at the top level'],
  [
    'a condition',
    'when "../nope";',
    '"nope" at offset 3 of the expression, which is no node below the container "c"',
  ],
  [
    'current()',
    'must "current()/../y2";',
    '"y2" at offset 13 of the expression, which is no node below the container "c"',
  ],
  [
    'a predicate',
    'must "../l[kk = 1]";',
    '"kk" at offset 5 of the expression, which is no node below the list "l"',
  ],
  [
    'an argument',
    'must "count(../xx) > 0";',
    '"xx" at offset 9 of the expression, which is no node below the container "c"',
  ],
]

const silent: [string, string][] = [
  ['names that are there', 'must "../x and /t:c/t:l[t:k = current()/../x]/t:k";'],
  ['nodes within choices', 'must "../inside";'],
  ['what stands behind any depth', 'must "//zzz";'],
  ['what stands behind any name', 'must "../*/zzz";'],
  ['what a function answers', 'must "deref(.)/../zzz";'],
  ['what anydata holds', 'must "../any/zzz";'],
  ['other axes', 'must "following-sibling::zzz";'],
]

const around = (statement: string) => `container c {
  leaf x { type string; } choice ch { leaf inside { type string; } } anydata any;
  list l { key k; leaf k { type string; } }
  leaf y { type string; ${statement} }
}`

describe('[C10] a name in a must or when that is no node of the schema is a warning', () => {
  for (const [what, statement, found] of leading)
    test(`${what} is followed: ${statement}`, () => {
      const [only, ...others] = warnings(around(statement))
      expect(only).toContain(`warning xpath 5: ${found}, a node `)
      expect(only).toContain('(RFC 7950 6.4.1)')
      expect(others).toEqual([])
    })

  for (const [what, statement] of silent)
    test(`nothing is said of ${what}: ${statement}`, () => expect(warnings(around(statement))).toEqual([]))

  test('the nearest name is named', () => {
    expect(warnings('container c { leaf level { type string; } must "levle > 1"; }')).toEqual([
      'warning xpath 2: "levle" at offset 0 of the expression, which is no node below the container "c", a node below the container "c", such as "level" (RFC 7950 6.4.1)',
    ])
  })

  test('inside an operation, names are those of the side it stands in', () => {
    const rpc = (must: string) =>
      `rpc r { input { leaf i { type string; ${must} } } output { leaf o { type string; } } }`
    expect(warnings(rpc('must "../i";'))).toEqual([])
    expect(warnings(rpc('must "../o";'))).toHaveLength(1)
  })

  test('an augment looks from its target', () => {
    const augment = (when: string) =>
      `container c { leaf x { type string; } } augment "/t:c" { ${when} leaf z { type string; } }`
    expect(warnings(augment('when "x";'))).toEqual([])
    expect(warnings(augment('when "nope";'))).toHaveLength(1)
  })

  test('a grouping is looked at where it is used, and a fault in it told once', () => {
    const grouping = 'grouping g { leaf a { type string; must "../b"; } }'
    expect(warnings(`${grouping} container c { uses g; leaf b { type string; } }`)).toEqual([])
    expect(warnings(`${grouping} container c { uses g; } list c2 { config false; uses g; }`)).toHaveLength(2)
    expect(
      warnings(`${grouping} container c { uses g; container d { container c { uses g; } } }`),
    ).toHaveLength(1)
  })

  test('[H3] ten thousand expressions of one grouping that is used everywhere come to an end', () => {
    const long = `must "${'../x or '.repeat(500)}../x";`
    const uses = Array.from({ length: 5000 }, (_, n) => `container c${n} { uses g; }`).join('\n')
    const text = `grouping g { leaf x { type string; ${long.repeat(2)} } } ${uses}`
    expect(warnings(text)).toEqual([])
  })
})
