import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  canonicalJson,
  parseState,
  parseStateText,
  Sha256,
  StatePath,
  stateSha,
  stateSpecs,
} from '../src/index.ts'

const spec = stateSpecs[0]
const sha = (text: string) => Sha256.of(text)
const refusalOf = (value: unknown, limits = {}) => {
  const parsed = parseState(value, limits)
  return parsed.ok ? undefined : parsed.refusal
}

test('[ST1] the empty object is a state without spec or objects', () => {
  expect(parseState({})).toMatchObject({
    ok: true,
    state: { canonical: '{}', spec: undefined, objects: [], looseObjects: [] },
  })
})

for (const known of stateSpecs)
  test(`[ST1] ${known} is a spec`, () => {
    expect(parseState({ '#spec': known })).toMatchObject({ ok: true, state: { spec: known } })
  })

const noStates = [
  { value: null, kind: 'not-an-object', got: 'null' },
  { value: [], kind: 'not-an-object', got: 'an array of 0' },
  { value: 'x', kind: 'not-an-object', got: '"x"' },
  { value: { 'a.json': {} }, kind: 'missing-spec', got: 'nothing' },
  {
    value: { '#spec': 'pantavisor-service-system@2' },
    kind: 'unknown-spec',
    got: '"pantavisor-service-system@2"',
  },
  { value: { '#spec': 1 }, kind: 'unknown-spec', got: '1' },
  { value: { '#spec': spec, kernel: { object: 'x' } }, kind: 'not-a-sha', got: 'an object of 1 keys' },
  { value: { '#spec': spec, kernel: 'A'.repeat(64) }, kind: 'not-a-sha', got: `"${'A'.repeat(64)}"` },
  { value: { '#spec': spec, 'a.JSON': {} }, kind: 'not-a-sha', got: 'an object of 0 keys' },
  { value: { '#spec': spec, a: null }, kind: 'not-a-sha', got: 'null' },
]
for (const { value, kind, got } of noStates)
  test(`[ST1] [ST2] ${JSON.stringify(value).slice(0, 60)} is refused as ${kind}`, () => {
    expect(refusalOf(value)).toMatchObject({ kind, got })
  })

test('[ST2] [ST3] objects are told from documents, and loose ones from required ones', () => {
  const parsed = parseState({
    'app/root.squashfs': sha('root'),
    'app/src.json': sha('loose'),
    '#spec': spec,
    'app/run.json': { '#spec': 'service-manifest-run@1' },
    Zed: sha('zed'),
    'note.json': 'plain text is a document too',
  })
  expect(parsed).toMatchObject({
    ok: true,
    state: {
      objects: [
        { path: 'Zed', sha: sha('zed') },
        { path: 'app/root.squashfs', sha: sha('root') },
      ],
      looseObjects: [{ path: 'app/src.json', sha: sha('loose') }],
    },
  })
})

const tricks = [
  { path: '', wanted: 'a path that is not empty' },
  { path: '/etc/passwd', wanted: 'a relative path' },
  { path: '../x', wanted: 'a path without "." and ".." names' },
  { path: 'a/../../x', wanted: 'a path without "." and ".." names' },
  { path: 'a/..', wanted: 'a path without "." and ".." names' },
  { path: './a', wanted: 'a path without "." and ".." names' },
  { path: '.', wanted: 'a path without "." and ".." names' },
  { path: 'a//b', wanted: 'a path without empty names' },
  { path: 'a/', wanted: 'a path without empty names' },
  { path: 'a\\b', wanted: 'a path without backslashes' },
  { path: '..\\a', wanted: 'a path without backslashes' },
  { path: 'a\u0000b', wanted: 'a path without control characters' },
  { path: 'a\nb', wanted: 'a path without control characters' },
  { path: 'a\u007f', wanted: 'a path without control characters' },
  { path: 'a\ud800', wanted: 'a path in well-formed Unicode' },
  { path: 'a'.repeat(4097), wanted: 'a path of at most 4096 bytes' },
  { path: 'é'.repeat(2049), wanted: 'a path of at most 4096 bytes' },
]
for (const { path, wanted } of tricks)
  for (const [ending, value] of [['', sha('x')] as const, ['.json', {}] as const]) {
    const key = path.endsWith('/') || ['', '.', 'a/..'].includes(path) ? path : path + ending
    test(`[ST4] ${JSON.stringify(key).slice(0, 40)} holding ${typeof value} is no path: wanted ${wanted}`, () => {
      expect(refusalOf({ '#spec': spec, [key]: value })).toMatchObject({ kind: 'bad-path', wanted })
    })
  }

for (const path of [
  '...',
  '.hidden',
  'a..b',
  '..a',
  'a b',
  'ä/😀',
  '#note',
  '__proto__',
  'é'.repeat(2048),
  '-',
  '~',
])
  test(`[ST4] ${path.slice(0, 12)} is an ordinary path`, () => {
    const state = { '#spec': spec, ...Object.fromEntries([[path, sha('x')]]) }
    expect(parseState(JSON.parse(JSON.stringify(state)))).toMatchObject({
      ok: true,
      state: { objects: [{ path }] },
    })
  })

const clashes = [
  { paths: ['a', 'a/b'], file: 'a' },
  { paths: ['a/b/c', 'z', 'a'], file: 'a' },
  { paths: ['a-b', 'a', 'a.c', 'a/x'], file: 'a' },
  { paths: ['a.json', 'a.json/b'], file: 'a.json' },
  { paths: ['a', 'ab', 'a-/b', 'b/a'], file: undefined },
  { paths: ['a/b', 'a/c', 'a-b', 'a.b/c'], file: undefined },
]
for (const { paths, file } of clashes)
  test(`[ST5] ${paths.join(' ')}: ${file === undefined ? 'no clash' : `${file} is file and folder`}`, () => {
    const state = Object.fromEntries(paths.map((path) => [path, sha(path)]))
    const refusal = refusalOf({ '#spec': spec, ...state })
    expect(refusal?.kind).toBe(file === undefined ? undefined : 'file-and-folder')
    expect(refusal?.thing).toBe(file === undefined ? undefined : `state path "${file}"`)
  })

test('[ST5] clashes are found exactly when some path is a folder of another', () => {
  const path = fc
    .array(fc.constantFrom('a', 'b', 'a-', 'a.'), { minLength: 1, maxLength: 3 })
    .map((p) => p.join('/'))
  fc.assert(
    fc.property(fc.uniqueArray(path, { maxLength: 8 }), (paths) => {
      const clash = paths.some((a) => paths.some((b) => b.startsWith(`${a}/`)))
      const refusal = refusalOf({ '#spec': spec, ...Object.fromEntries(paths.map((p) => [p, sha(p)])) })
      expect(refusal?.kind).toBe(clash ? 'file-and-folder' : undefined)
    }),
  )
})

test('[ST6] a state is named by its canonical text, however it was spelt', () => {
  const text = `{ "b.json": {"y":1.50,"x":[1e2]}, "#spec":"${spec}" }`
  const canonical = `{"#spec":"${spec}","b.json":{"x":[100],"y":1.5E0}}`
  const parsed = parseStateText(text)
  expect(parsed).toMatchObject({ ok: true, state: { canonical, sha: stateSha(canonical) } })
  expect(parseStateText(canonical)).toEqual(parsed)
})

test('[ST6] any document survives the trip through a state', () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 4 }), (document) => {
      const parsed = parseState({ '#spec': spec, 'a.json': document })
      expect(parsed).toMatchObject({ ok: true })
      if (parsed.ok)
        expect(parsed.state.canonical).toBe(`{"#spec":"${spec}","a.json":${canonicalJson(document)}}`)
    }),
  )
})

test('[ST7] size, paths and nesting are bounded, exactly', () => {
  const state = { '#spec': spec, 'a.json': [[1]] }
  const bytes = Buffer.byteLength(canonicalJson(state))
  expect(refusalOf(state, { bytes, paths: 2, depth: 3 })).toBeUndefined()
  expect(refusalOf(state, { bytes: bytes - 1 })).toMatchObject({ kind: 'too-large', got: String(bytes) })
  expect(refusalOf(state, { paths: 1 })).toMatchObject({ kind: 'too-many-paths', got: '2' })
  expect(refusalOf(state, { depth: 2 })).toMatchObject({ kind: 'not-json' })
})

test('[ST7] hostile text is refused as text', () => {
  expect(parseStateText('{"#spec":')).toMatchObject({
    ok: false,
    refusal: { kind: 'not-json', wanted: 'a value' },
  })
  expect(parseStateText('['.repeat(100_000))).toMatchObject({ ok: false, refusal: { kind: 'not-json' } })
})

test('[ST4] many long paths of many names are judged without delay', () => {
  const long = Array.from({ length: 400 }, (_, i) => `${'d/'.repeat(2000)}${i}`)
  expect(
    refusalOf({ '#spec': spec, ...Object.fromEntries(long.map((path) => [path, sha('x')])) }),
  ).toBeUndefined()
  expect(StatePath.parse(long[0] ?? '')).toMatchObject({ ok: true })
})

test('[ST4] the quick look at a path agrees with the long one', () => {
  const path = fc.string({ unit: fc.constantFrom('a', '.', '/', '\\', '\n', 'é'), maxLength: 8 })
  fc.assert(
    fc.property(path, (text) => {
      const plain =
        /^[^\\\n]+$/.test(text) && text.split('/').every((name) => !['', '.', '..'].includes(name))
      expect(StatePath.parse(text).ok).toBe(plain)
    }),
    { numRuns: 1000 },
  )
})
