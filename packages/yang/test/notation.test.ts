import { readFile } from 'node:fs/promises'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  compile,
  createValidator,
  fromNotation,
  type JsonValue,
  type Notation,
  toNotation,
} from '../src/index.ts'

/** A notation with Erlang's ambiguity: text comes as characters or bytes, and a list of small numbers looks like it. */
type Term =
  | number
  | bigint
  | Uint8Array
  | { readonly atom: string }
  | Term[]
  | { readonly pair: [string, Term] }

const isPair = (term: Term): term is { pair: [string, Term] } => typeof term === 'object' && 'pair' in term
const isAtom = (term: Term): term is { atom: string } => typeof term === 'object' && 'atom' in term

const terms: Notation<Term> = {
  write: {
    text: (text) => new TextEncoder().encode(text),
    integer: (value) => value,
    boolean: (value) => ({ atom: String(value) }),
    list: (items) => [...items],
    record: (members) => members.map(([name, value]) => ({ pair: [name, value] })),
    any: (value) => new TextEncoder().encode(JSON.stringify(value)),
  },
  read: {
    text: (term) => {
      if (term instanceof Uint8Array) return new TextDecoder().decode(term)
      if (!Array.isArray(term)) return isAtom(term as Term) ? (term as { atom: string }).atom : undefined
      return term.every((code) => typeof code === 'number')
        ? String.fromCodePoint(...term.map(Number))
        : undefined
    },
    number: (term) => (typeof term === 'number' || typeof term === 'bigint' ? term : undefined),
    boolean: (term) => (isAtom(term) && /^(true|false)$/.test(term.atom) ? term.atom === 'true' : undefined),
    list: (term) => (Array.isArray(term) ? term : undefined),
    record: (term) => (Array.isArray(term) && term.every(isPair) ? term.map(({ pair }) => pair) : undefined),
    any: (term): JsonValue | undefined => (typeof term === 'number' ? term : 'opaque'),
  },
}

const text = `module t { yang-version 1.1; namespace "urn:t"; prefix t;
  rpc r { input {
    leaf name { type string; } leaf n { type uint64; } leaf d { type decimal64 { fraction-digits 2; } }
    leaf on { type boolean; } leaf kind { type enumeration { enum red { value 4; } enum green; } }
    leaf either { type union { type uint8; type string; } }
    leaf-list bytes { type uint8; } leaf-list tags { type string; }
    list route { leaf port { type uint16; } leaf via { type string; } }
    container deep { leaf note { type string; } }
    choice how { leaf fast { type empty; } leaf slow { type int8; } }
    anydata other;
  } } }`
const compiled = compile([{ file: 't.yang', text }])
if (!compiled.ok) throw new Error('the schema does not compile')
const input = compiled.schema.modules.get('t')?.rpcs[0]?.input.children ?? []
const validator = createValidator(compiled.schema)
const pair = (name: string, term: Term): Term => ({ pair: [name, term] })
const characters = (written: string): Term[] => [...written].map((c) => c.codePointAt(0) ?? 0)

function judged(document: JsonValue): JsonValue {
  const verdict = validator.validate(document, { type: 'rpc', operation: 't:r', loose: true })
  return verdict.ok ? verdict.document.toJson({ form: 'bare', defaults: 'all' }) : []
}

describe('[NT1] the type of the leaf tells what an ambiguous value is', () => {
  const rows: [what: string, term: Term, means: JsonValue][] = [
    ['characters for a string', pair('name', characters('hé')), { name: 'hé' }],
    ['the same numbers for a leaf-list of uint8', pair('bytes', [104, 233]), { bytes: [104, 233] }],
    ['an empty list for a string', pair('name', []), { name: '' }],
    ['characters for an integer', pair('n', characters('18446744073709551615')), { n: 2n ** 64n - 1n }],
    ['a big integer', pair('n', 2n ** 64n - 1n), { n: 2n ** 64n - 1n }],
    ['an atom for an enumeration', pair('kind', { atom: 'green' }), { kind: 'green' }],
    ['a number for an enumeration', pair('kind', 4), { kind: 'red' }],
    ['a number for a boolean', pair('on', 0), { on: false }],
    ['text for a decimal', pair('d', characters('1.5')), { d: '1.50' }],
    ['a number for a union', pair('either', 7), { either: 7 }],
    ['text for a union', pair('either', characters('seven')), { either: 'seven' }],
    ['lists of text', pair('tags', [characters('a'), new Uint8Array([98])]), { tags: ['a', 'b'] }],
    [
      'entries of a list',
      pair('route', [[pair('port', 80)], [pair('via', characters('x'))]]),
      { route: [{ port: 80 }, { via: 'x' }] },
    ],
    ['a node of a case, with its module', pair('t:slow', 3), { slow: 3 }],
  ]
  for (const [what, term, means] of rows)
    test(what, () => {
      const read = fromNotation(input, [term], terms)
      expect(read.ok && judged(read.document)).toEqual(means)
    })
})

describe('[NT2] a value of no fitting kind is refused by its place', () => {
  const rows: [term: Term, path: string, expected: string][] = [
    [7, '', 'members'],
    [[pair('bytes', 7)], 'bytes', 'a list'],
    [
      [pair('route', [[pair('port', 1)], [pair('port', [pair('x', 1)])]])],
      'route/2/port',
      'a value for integer',
    ],
    [[pair('deep', [pair('note', 1)])], 'deep/note', 'a value for string'],
    [[pair('n', 1), pair('n', 2)], 'n', 'each member once'],
  ]
  for (const [term, path, expected] of rows)
    test(`${path || 'the whole'}: ${expected}`, () =>
      expect(fromNotation(input, term, terms)).toEqual({
        ok: false,
        refusal: { kind: 'not-in-notation', path, expected },
      }))
  test('what the schema does not know is left for the validator to name', () => {
    const read = fromNotation(input, [pair('bogus', 1)], terms)
    const verdict =
      read.ok && validator.validate(read.document, { type: 'rpc', operation: 't:r', loose: true })
    expect(verdict && !verdict.ok && verdict.faults.map(({ code, path }) => [code, path])).toEqual([
      ['unknown-member', '/t:r/bogus'],
    ])
  })
})

test('[NT3] what is written and read again is the same document, in the order of the schema', () => {
  const documents = fc.record(
    {
      name: fc.string({ unit: 'grapheme-ascii' }),
      n: fc.bigInt({ min: 2n ** 53n, max: 2n ** 64n - 1n }),
      on: fc.boolean(),
      kind: fc.constantFrom('red', 'green'),
      bytes: fc.array(fc.nat(255)),
      tags: fc.uniqueArray(fc.string({ unit: 'grapheme-ascii' })),
      route: fc.array(fc.record({ port: fc.nat(65535), via: fc.string({ unit: 'grapheme-ascii' }) })),
      slow: fc.integer({ min: -128, max: 127 }),
    },
    { requiredKeys: [] },
  )
  fc.assert(
    fc.property(documents, (document) => {
      const bare: { [name: string]: JsonValue } = { ...document }
      const read = fromNotation(input, toNotation(input, bare, terms), terms)
      expect(read.ok && read.document).toEqual(document)
    }),
  )
  const written = toNotation(input, { on: true, name: 'a' }, terms)
  expect(Array.isArray(written) && written.filter(isPair).map(({ pair: [name] }) => name)).toEqual([
    'name',
    'on',
  ])
})

test('[NT4] the RPC server of the README answers as it says', async () => {
  const readme = await readFile(new URL('../README.md', import.meta.url), 'utf8')
  const section = readme.slice(readme.indexOf('## An RPC server in 40 lines'))
  const code = /```ts\n(.*?)```/s.exec(section)?.[1] ?? ''
  expect(code.split('\n').length).toBeLessThanOrEqual(41)
  const shown: string[] = []
  const { stripTypeScriptTypes } = await import('node:module')
  const library = await import('../src/index.ts')
  const names = /import \{(.*?)\} from '@waymark\/yang'/s.exec(code)?.[1]
  const body = stripTypeScriptTypes(code.replace(/import .*?from '@waymark\/yang'/s, ''))
  new Function('library', 'console', `const {${names}} = library\n${body}`)(library, {
    log: (line: string) => shown.push(line),
  })
  const promised = code.split('\n').filter((line) => line.startsWith('// → '))
  expect(shown).toEqual(promised.map((line) => line.slice(5)))
})
