/**
 * What bad input costs: processor time of the thread that is held up, for each megabyte of text, as a share of the
 * 100 ms that are allowed. A text below a megabyte may take as long as one of a megabyte.
 *
 * Each case is a text that was written to be slow: modules that nest, chain, double and circle, documents that repeat
 * the cheapest thing, patterns with the values that suit them worst. Processor time is used because it hardly grows
 * when somebody else uses the machine, and the least of five runs because what others do to the caches only adds to it.
 */
import { createValidator } from '../src/data/index.ts'
import { compile } from '../src/index.ts'
import { compilePattern } from '../src/xsd-pattern.ts'

/** `ratio` is the time taken over the time allowed. */
export type HostileFigure = {
  readonly name: string
  readonly ratio: number
  readonly goal: number
  readonly detail: string
}

const allowedMs = 100
const megabyte = 1_000_000
const rounds = 5

export function main(told: (figure: HostileFigure) => void = () => {}, only = ''): HostileFigure[] {
  const cases = [...modules(), ...patterns(), ...documents()].filter(({ name }) => name.includes(only))
  return cases.map(({ name, prepare }) => {
    const { size, run } = prepare()
    const spent = Array.from({ length: rounds }, () => threadMs(run))
    const per = Math.min(...spent) / Math.max(1, size / megabyte)
    const detail = `${per.toFixed(0)} ms a megabyte, first run ${(spent[0] ?? 0).toFixed(0)} ms, text ${(size / megabyte).toFixed(2)} MB`
    const figure = { name, ratio: per / allowedMs, goal: 1, detail }
    told(figure)
    return figure
  })
}

/** The text is only written when its turn comes, so that no case pays for the others' memory. */
type Case = { readonly name: string; readonly prepare: () => { size: number; run: () => void } }

/** Processor time of this thread alone: helpers that compile and collect do not hold anybody up. */
function threadMs(run: () => void): number {
  const from = process.threadCpuUsage()
  run()
  const { user, system } = process.threadCpuUsage(from)
  return (user + system) / 1000
}

// Modules. -----------------------------------------------------------------------------------------

const around = (body: string) => `module m { yang-version 1.1; namespace "urn:m"; prefix m; ${body} }`

const many = (count: number, each: (at: number) => string) =>
  Array.from({ length: count }, (_, at) => each(at)).join('\n')

/** As many of them as make about a megabyte. */
const fill = (each: (at: number) => string) => many(Math.ceil(megabyte / (each(10_000).length + 1)), each)

function moduleCase(name: string, body: () => string, whole = false): Case {
  const prepare = () => {
    const text = whole ? body() : around(body())
    return { size: text.length, run: () => void compile([{ file: 'm.yang', text }], () => undefined) }
  }
  return { name: `module: ${name}`, prepare }
}

function modules(): Case[] {
  return [
    moduleCase('statements nested without end', () => 'container a {'.repeat(80_000)),
    moduleCase('containers 90 deep, again and again', () =>
      fill(() => `${'container a {'.repeat(90)}${'}'.repeat(90)}`),
    ),
    moduleCase('braces that close nothing', () => '}'.repeat(megabyte)),
    moduleCase('quotes', () => '"'.repeat(megabyte + 1), true),
    moduleCase('NUL', () => '\0'.repeat(megabyte)),
    moduleCase('a comment without end', () => `/*${'* '.repeat(megabyte / 2)}`),
    moduleCase('joined strings', () => `description ${'"a"+'.repeat(megabyte / 4)}"b";`),
    moduleCase('lines of one string', () => `description "${'\n\t\t'.repeat(megabyte / 3)}";`),
    moduleCase('unknown statements', () => fill((at) => `colour${at} red;`)),
    moduleCase('unknown extensions', () => fill((at) => `x:y${at} z;`)),
    moduleCase('extension uses', () => `extension e; ${fill(() => 'm:e;')}`),
    moduleCase('imports that are not found', () => fill((at) => `import x${at} { prefix x${at}; }`)),
    moduleCase('names taken twice', () => fill(() => 'leaf a { type string; }')),
    moduleCase('leafs', () => fill((at) => `leaf a${at} { type string; }`)),
    moduleCase('leafs of unknown types', () => fill((at) => `leaf a${at} { type t${at}; }`)),
    moduleCase('empty containers', () => fill((at) => `container a${at};`)),
    moduleCase('choices', () => fill((at) => `choice a${at} { leaf b${at} { type empty; } }`)),
    moduleCase(
      'keys',
      () =>
        `list l { key "${many(20_000, (at) => `k${at}`)}"; ${many(20_000, (at) => `leaf k${at} { type string; }`)} }`,
    ),
    moduleCase(
      'keys named twice',
      () => `list l { key "${'k '.repeat(megabyte / 2)}"; leaf k { type string; } }`,
    ),
    moduleCase('unique', () => `list l { config false; leaf k { type string; } ${fill(() => 'unique k;')} }`),
    moduleCase('enums', () => `leaf a { type enumeration { ${fill((at) => `enum e${at};`)} } }`),
    moduleCase('enums taken twice', () => `leaf a { type enumeration { ${fill(() => 'enum e;')} } }`),
    moduleCase('bits', () => `leaf a { type bits { ${fill((at) => `bit b${at};`)} } }`),
    moduleCase(
      'a range of many parts',
      () =>
        `leaf a { type int64 { range "${many(140_000, (at) => String(at * 2)).replaceAll('\n', '|')}"; } }`,
    ),
    moduleCase('typedefs', () => fill((at) => `typedef t${at} { type int8; }`)),
    moduleCase('a chain of typedefs', () => fill((at) => `typedef t${at} { type t${at + 1}; }`)),
    moduleCase(
      'a circle of typedefs',
      () => `${fill((at) => `typedef t${at} { type t${at + 1}; }`)} typedef t0 { type t1; }`,
    ),
    moduleCase(
      'typedefs of one typedef',
      () =>
        `typedef t { type enumeration { ${many(2000, (at) => `enum e${at};`)} } } ${fill((at) => `typedef t${at} { type t; }`)}`,
    ),
    moduleCase(
      'unions that double',
      () =>
        `typedef u0 { type int8; } ${many(60, (at) => `typedef u${at + 1} { type union { type u${at}; type u${at}; } }`)}`,
    ),
    moduleCase(
      'unions of one large union',
      () =>
        `typedef u { type union { ${'type string; '.repeat(1900)} } } ${fill((at) => `leaf l${at} { type u; }`)}`,
    ),
    moduleCase(
      'leafrefs to unions of one large union',
      () =>
        `typedef u { type union { ${'type string; '.repeat(1000)} } } ${fill((at) => `leaf l${at} { type union { type u; } }`)}`,
    ),
    moduleCase(
      'groupings that double',
      () =>
        `${many(60, (at) => `grouping g${at} { container a { uses g${at + 1}; } container b { uses g${at + 1}; } }`)} grouping g60 { leaf x { type string; } } uses g0;`,
    ),
    moduleCase(
      'empty groupings that double',
      () =>
        `${many(60, (at) => `grouping g${at} { uses g${at + 1}; uses g${at + 1}; }`)} grouping g60; uses g0;`,
    ),
    moduleCase(
      'a wide grouping used everywhere',
      () =>
        `grouping g { ${many(300, (at) => `leaf l${at} { type string; }`)} } ${fill((at) => `container c${at} { uses g; }`)}`,
    ),
    moduleCase('groupings', () => fill((at) => `grouping g${at} { leaf a { type string; } }`)),
    moduleCase('a chain of groupings', () => fill((at) => `grouping g${at} { uses g${at + 1}; }`)),
    moduleCase(
      'refines',
      () => `grouping g { leaf a { type string; } } uses g { ${fill(() => 'refine a { description x; }')} }`,
    ),
    moduleCase('a chain of features', () => fill((at) => `feature f${at} { if-feature f${at + 1}; }`)),
    moduleCase(
      'a feature expression',
      () => `feature a; leaf l { if-feature "${'a or '.repeat(200_000)}a"; type string; }`,
    ),
    moduleCase('a chain of identities', () => fill((at) => `identity i${at} { base i${at + 1}; }`)),
    moduleCase(
      'identities derived from everything',
      () =>
        `${many(2000, (at) => `identity a${at};`)} identity h { ${many(2000, (at) => `base a${at};`)} } ${fill((at) => `identity b${at} { base h; }`)}`,
    ),
    moduleCase(
      'identityrefs to many identities',
      () =>
        `identity a; ${many(2000, (at) => `identity b${at} { base a; }`)} ${fill((at) => `leaf l${at} { type identityref { base a; } default b7; }`)}`,
    ),
    moduleCase(
      'leafrefs to one leaf',
      () => `leaf a { type string; } ${fill((at) => `leaf l${at} { type leafref { path "../a"; } }`)}`,
    ),
    moduleCase(
      'a chain of leafrefs',
      () => `${fill((at) => `leaf l${at} { type leafref { path "../l${at + 1}"; } }`)}`,
    ),
    moduleCase('a circle of leafrefs', () =>
      many(18_000, (at) => `leaf l${at} { type leafref { path "../l${(at + 1) % 18_000}"; } }`),
    ),
    moduleCase('a path upwards', () => `leaf l { type leafref { path "${'../'.repeat(330_000)}a"; } }`),
    moduleCase(
      'long paths',
      () =>
        `leaf a { type string; } ${fill(() => `leaf-list b { type leafref { path "/m:a${'/../m:a'.repeat(90)}"; } }`)}`,
    ),
    moduleCase(
      'augments',
      () => `container c; ${fill((at) => `augment "/c" { leaf a${at} { type string; } }`)}`,
    ),
    moduleCase(
      'augments of augments',
      () =>
        `container c; ${fill((at) => `augment "/c${at === 0 ? '' : `/d${at - 1}`}" { container d${at}; }`)}`,
    ),
    moduleCase(
      'augments that wait for one another',
      () =>
        `container c; ${many(15_000, (at) => `augment "/c/d${15_000 - at}" { container e; } augment "/c" { container d${15_000 - at}; }`)}`,
    ),
    moduleCase('augments of nothing', () => fill((at) => `augment "/c${at}" { leaf a { type string; } }`)),
    moduleCase(
      'deviations',
      () => `leaf a { type string; } ${fill((at) => `deviation "/a" { deviate add { must "${at}"; } }`)}`,
    ),
    moduleCase('musts', () => `container c { ${fill((at) => `must "../a${at} = 1";`)} }`),
    moduleCase('one long must', () => `leaf l { type string; must "${'1+'.repeat(400_000)}1"; }`),
    moduleCase('patterns', () => fill((at) => `leaf p${at} { type string { pattern "[a-z]{${at}}x*"; } }`)),
    moduleCase('patterns of categories', () =>
      fill(() => 'leaf-list p { type string { pattern "[\\p{L}-[\\p{Lu}]]"; } }'),
    ),
    moduleCase('long patterns', () =>
      fill((at) => `leaf p${at} { type string { pattern "${'(a|b)*'.repeat(1300)}"; } }`),
    ),
    moduleCase('long patterns held against defaults', () =>
      fill(
        (at) =>
          `leaf p${at} { type string { pattern "${'(a*)*'.repeat(150)}b"; } default "${'a'.repeat(300)}"; }`,
      ),
    ),
    moduleCase(
      'a default that costs',
      () =>
        `leaf p { type string { pattern "((a|b|aa|bb){1,1000}(a|ab){1,1000}){1,1000}c"; } default "${'ab'.repeat(megabyte / 2)}"; }`,
    ),
    moduleCase(
      'many defaults that cost',
      () =>
        `typedef t { type string { pattern "((a|b|aa|bb){1,1000}(a|ab){1,1000}){1,1000}c"; } } ${fill((at) => `leaf p${at} { type t; default "${'ab'.repeat(100)}"; }`)}`,
    ),
    moduleCase('rpcs', () => fill((at) => `rpc r${at};`)),
    moduleCase('actions', () => `container c { ${fill((at) => `action r${at};`)} }`),
    moduleCase(
      'uniques of many leafs',
      () =>
        `list l { config false; ${many(18_000, (at) => `leaf k${at} { type string; }`)} ${many(18_000, (at) => `unique k${at};`)} }`,
    ),
    moduleCase(
      'refines that add musts',
      () => `grouping g { leaf a { type string; } } uses g { ${fill(() => 'refine a { must "1"; }')} }`,
    ),
    moduleCase(
      'refines that add conditions',
      () =>
        `feature f; grouping g { leaf a { type string; } } uses g { ${fill(() => 'refine a { if-feature f; }')} }`,
    ),
    moduleCase(
      'refines that use extensions',
      () =>
        `extension e; grouping g { leaf a { type string; } } uses g { ${fill(() => 'refine a { m:e; }')} }`,
    ),
    moduleCase(
      'augments of a uses',
      () =>
        `grouping g { container a; } uses g { ${fill((at) => `augment a { leaf b${at} { type string; } }`)} }`,
    ),
    moduleCase(
      'deviations that add uniques',
      () =>
        `list l { config false; leaf a { type string; } } ${fill(() => 'deviation "/l" { deviate add { unique "a"; } }')}`,
    ),
    moduleCase(
      'deviations that delete',
      () =>
        `leaf a { type string; ${many(30_000, () => 'must "1";')} } ${many(16_000, () => 'deviation "/a" { deviate delete { must "1"; } }')}`,
    ),
    moduleCase(
      'one deviation that deletes',
      () =>
        `leaf a { type string; ${many(45_000, () => 'must "1";')} } deviation "/a" { deviate delete { ${many(45_000, () => 'must "2";')} } }`,
    ),
    moduleCase(
      'deviations that replace',
      () =>
        `leaf a { type string; ${many(30_000, () => 'must "1";')} } ${many(10_000, () => 'deviation "/a" { deviate replace { mandatory true; } }')}`,
    ),
    moduleCase(
      'augments beside an rpc',
      () => `rpc r; container c; ${fill((at) => `augment "/c" { leaf a${at} { type string; } }`)}`,
    ),
    moduleCase(
      'augments beside an action',
      () => `container c { action r; } ${fill((at) => `augment "/c" { container a${at}; }`)}`,
    ),
    moduleCase(
      'augments of everything there is',
      () =>
        `${many(10_000, (at) => `container c${at};`)} ${many(15_000, (at) => `augment "/c${at % 10_000}" { leaf a${at} { type string; } }`)}`,
    ),
    moduleCase(
      'defaults of a leaf-list',
      () => `leaf-list a { type string; ${fill((at) => `default "${at}";`)} }`,
    ),
    moduleCase(
      'patterns of one type',
      () => `leaf a { type string { ${fill(() => 'pattern "a";')} } default "a"; }`,
    ),
    moduleCase(
      'members of a union',
      () => `leaf a { type union { ${fill(() => 'type int8;')} } default "1"; }`,
    ),
    moduleCase(
      'bases of one identityref',
      () => `identity a; leaf l { type identityref { ${fill(() => 'base a;')} } }`,
    ),
    moduleCase('bases of one identity', () => `identity a; identity b { ${fill(() => 'base a;')} }`),
    moduleCase(
      'conditions of one leaf',
      () => `feature f; leaf l { type string; ${fill(() => 'if-feature f;')} }`,
    ),
    moduleCase('revisions', () => fill(() => 'revision 2020-01-01;')),
    moduleCase('includes', () => fill((at) => `include s${at};`)),
    moduleCase('cases', () => `choice c { ${fill((at) => `case a${at} { leaf b${at} { type empty; } }`)} }`),
    moduleCase(
      'enums that are restricted',
      () =>
        `typedef t { type enumeration { ${many(20_000, (at) => `enum e${at};`)} } } leaf l { type t { ${many(20_000, (at) => `enum e${at};`)} } }`,
    ),
    moduleCase('lists with keys', () => fill((at) => `list l${at} { key k; leaf k { type string; } }`)),
    moduleCase(
      'uses of one small grouping',
      () => `grouping g { leaf a { type string; } } ${fill((at) => `container c${at} { uses g; }`)}`,
    ),
  ]
}

// Patterns. ----------------------------------------------------------------------------------------

function patternCase(name: string, source: string, value: () => string): Case {
  const prepare = () => {
    const compiled = compilePattern(source)
    if (!compiled.ok) throw new Error(`the pattern ${name} is none`)
    const text = value()
    return { size: text.length, run: () => void compiled.match(text) }
  }
  return { name: `pattern: ${name}`, prepare }
}

/** Many short values against one pattern, on the meter that the values of a document share. */
function shortCase(name: string, source: string, each: (at: number) => string): Case {
  const prepare = () => {
    const compiled = compilePattern(source)
    if (!compiled.ok) throw new Error(`the pattern ${name} is none`)
    const texts = fill(each).split('\n')
    const run = () => {
      const meter = { left: 400_000 }
      for (const text of texts) compiled.match(text, meter)
    }
    return { size: texts.reduce((sum, text) => sum + text.length + 1, 0), run }
  }
  return { name: `pattern: ${name}`, prepare }
}

const counts = '((a|b|aa|bb){1,1000}(a|ab){1,1000}){1,1000}c'

/** Letters that no rhythm foretells, the same in every run. */
function scrambled(count: number, seed = 1): string {
  let state = seed
  let text = ''
  for (let i = 0; i < count; i++) {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648
    text += state & 65_536 ? 'a' : 'b'
  }
  return text
}

function patterns(): Case[] {
  return [
    patternCase('that would back-track for ever', '(a*)*b', () => 'a'.repeat(megabyte)),
    patternCase('counts within counts', counts, () => 'ab'.repeat(megabyte / 2)),
    patternCase('counts within counts, no rhythm', counts, () => scrambled(megabyte)),
    patternCase('a window of a thousand', '(a|b)*a(a|b){1000}', () => scrambled(megabyte)),
    patternCase('a window of twelve', '(a|b)*a(a|b){12}', () => scrambled(megabyte)),
    patternCase('a window of twenty', '(a|b)*a(a|b){20}', () => scrambled(megabyte)),
    patternCase('many branches', `(${many(800, (at) => `${scrambled(6, at)}`).replaceAll('\n', '|')})*`, () =>
      scrambled(megabyte),
    ),
    patternCase('every plane', '(\\p{L}|\\p{N}|\\c)*', () =>
      Array.from({ length: megabyte / 2 }, (_, at) => String.fromCodePoint(0x10000 + at)).join(''),
    ),
    shortCase('short values, counts within counts', counts, (at) => scrambled(20, at)),
    shortCase('values of 200 characters, counts within counts', counts, (at) => scrambled(200, at)),
    shortCase('values of 2000 characters, counts within counts', counts, (at) => scrambled(2000, at)),
    shortCase('short values, a window of a thousand', '(a|b)*a(a|b){1000}', (at) => scrambled(20, at)),
  ]
}

// Documents. ---------------------------------------------------------------------------------------

const schemaText = around(`
  identity base; identity derived { base base; }
  container c {
    leaf-list numbers { type uint8; }
    leaf-list names { type string; }
    leaf-list flags { type bits { ${many(500, (at) => `bit b${at};`)} } }
    leaf-list sums { type union { type uint8; type boolean; type enumeration { enum x; } type string { length "1..4"; } } }
    leaf-list points { type instance-identifier; }
    anydata any;
    list plain { config false; leaf a { type string; } leaf d { type string; default x; } }
    list entry { key id; unique tag; leaf id { type string; } leaf tag { type string; } must "id != '-'"; }
    list next { key id; leaf id { type string; } leaf to { type leafref { path "../../next/id"; } } leaf w { when "../to"; type string; default y; } }
    list wide { config false; ${many(300, (at) => `leaf l${at} { type string; }`)} }
    list far { key id; leaf id { type string; } must "count(//m:entry[id != current()/id]) >= 0"; must "count(../far[id != current()/id]) >= 0"; }
  }
`)

function documents(): Case[] {
  const compiled = compile([{ file: 'm.yang', text: schemaText }])
  if (!compiled.ok) throw new Error('the module of the bench does not compile')
  const validator = createValidator(compiled.schema)
  const documentCase = (name: string, written: () => string): Case => {
    const prepare = () => {
      const text = written()
      const run = () => {
        const validation = validator.validateText(text)
        if (validation.ok) void validation.document
      }
      return { size: text.length, run }
    }
    return { name: `document: ${name}`, prepare }
  }
  const list =
    (name: string, each: (at: number) => string, count = Math.ceil(megabyte / (each(10_000).length + 1))) =>
    () =>
      `{"m:c":{"${name}":[${Array.from({ length: count }, (_, at) => each(at)).join(',')}]}}`
  return [
    documentCase('brackets without end', () => '['.repeat(megabyte)),
    documentCase('one long number', () => '9'.repeat(megabyte)),
    documentCase('one long string', () => `{"m:c":{"names":["${'x'.repeat(megabyte)}"]}}`),
    documentCase('escapes', () => `{"m:c":{"names":["${'\\u0041'.repeat(megabyte / 6)}"]}}`),
    documentCase(
      'unknown members',
      () => `{${Array.from({ length: 80_000 }, (_, at) => `"m:x${at}":1`).join(',')}}`,
    ),
    documentCase(
      'numbers that do not fit',
      list('numbers', () => '999'),
    ),
    documentCase(
      'numbers that are the same',
      list('numbers', () => '1'),
    ),
    documentCase(
      'strings',
      list('names', (at) => `"${at}"`),
    ),
    documentCase(
      'bits',
      list('flags', (at) => `"b${at % 500} b${(at + 1) % 500}"`),
    ),
    documentCase(
      'bits that are none',
      list('flags', (at) => `"x${at}"`),
    ),
    documentCase(
      'values for a union',
      list('sums', (at) => `"${at % 10_000}"`),
    ),
    documentCase(
      'values for no member of a union',
      list('sums', (at) => `"${at + 100_000}"`),
    ),
    documentCase(
      'instance-identifiers',
      list('points', (at) => `"/m:c/next[id='${at}']"`),
    ),
    documentCase('anydata of empty arrays', () => `{"m:c":{"any":{"x":[${'[],'.repeat(megabyte / 3)}[]]}}}`),
    documentCase(
      'empty entries',
      list('plain', () => '{}'),
    ),
    documentCase(
      'entries of one member',
      list('plain', () => '{"a":""}'),
    ),
    documentCase(
      'empty entries of a wide list',
      list('wide', () => '{}'),
    ),
    documentCase(
      'last members of a wide list',
      list('wide', () => '{"l299":""}'),
    ),
    documentCase(
      'entries without keys',
      list('entry', () => '{}'),
    ),
    documentCase(
      'entries with keys and a must',
      list('entry', (at) => `{"id":"${at}","tag":"${at}"}`),
    ),
    documentCase(
      'entries with one key',
      list('entry', () => '{"id":"x"}'),
    ),
    documentCase(
      'references and conditions',
      list('next', (at) => `{"id":"${at}","to":"${at + 1}"}`),
    ),
    documentCase(
      'a must that looks at everything',
      list('far', (at) => `{"id":"${at}"}`),
    ),
  ]
}

if (process.argv[1] === import.meta.filename)
  main(
    ({ name, ratio, goal, detail }) =>
      console.log(`${ratio.toFixed(2).padStart(6)} ${ratio <= goal ? 'ok  ' : 'HIGH'} ${name} (${detail})`),
    process.argv[2],
  )
