import { describe, expect, test } from 'vitest'
import {
  createValidator,
  formatFault,
  printJson,
  type ValidateOptions,
  type WriteOptions,
} from '../src/data/index.ts'
import { schemaOf } from './data-schema.ts'

const module = `module f {
  yang-version 1.1; namespace urn:f; prefix f;
  identity base; identity one { base base; }
  container c {
    leaf small { type uint8 { range "1..9" { error-message "from one to nine"; error-app-tag "digit"; } } default 5; }
    leaf big { type uint64; } leaf dec { type decimal64 { fraction-digits 3; } }
    leaf flag { type boolean; } leaf kind { type enumeration { enum red { value 4; } enum green; } }
    leaf none { type empty; } leaf bits { type bits { bit a; bit b; } default "b a"; }
    leaf id { type identityref { base base; } default f:one; }
    leaf-list tags { type string; default x; default y; }
    container deep { leaf level { type int8; default 0x10; } }
    container on { presence "on"; leaf level { type int8; default -1; } }
    list item { key k; leaf k { type uint8; } leaf v { type string; default v; } }
    choice how { default auto; case auto { leaf speed { type uint8; default 7; } } case manual { leaf gear { type uint8; } leaf clutch { type boolean; default true; } } }
    leaf lucky { when "../small = 7"; type string; default yes; }
    leaf chained { when "../lucky = 'yes'"; type string; default also; }
    must "not(flag) or small > 1" { error-message "too small for a flag"; error-app-tag "flagged"; }
  }
}`
const other = `module g { namespace urn:g; prefix g; import f { prefix f; } augment /f:c { leaf extra { type int8; } leaf flag { type string; } } container top { leaf a { type string; } } }`
const validator = createValidator(schemaOf(module, other))

function written(doc: string, options: ValidateOptions = {}, write: WriteOptions = {}): string {
  const validation = validator.validateText(doc, options)
  return validation.ok
    ? printJson(validation.document.toJson(write))
    : validation.faults.map(formatFault).join('\n')
}

const defaults = '"bits":"a b","id":"one","tags":["x","y"],"deep":{"level":16}'

describe('[ID50] defaults are filled in where nothing was said', () => {
  const rows: [doc: string, all: string][] = [
    ['{}', `{"f:c":{"small":5,${defaults},"speed":7}}`],
    ['{"f:c":{"small":7}}', `{"f:c":{"small":7,${defaults},"speed":7,"lucky":"yes","chained":"also"}}`],
    ['{"f:c":{"small":7,"lucky":"no"}}', `{"f:c":{"small":7,${defaults},"speed":7,"lucky":"no"}}`],
    ['{"f:c":{"gear":2}}', `{"f:c":{"small":5,${defaults},"gear":2,"clutch":true}}`],
    [
      '{"f:c":{"tags":["z"],"on":{}}}',
      `{"f:c":{"small":5,"bits":"a b","id":"one","tags":["z"],"deep":{"level":16},"on":{"level":-1},"speed":7}}`,
    ],
    [
      '{"f:c":{"item":[{"k":1},{"k":2,"v":"w"}]}}',
      `{"f:c":{"small":5,${defaults},"item":[{"k":1,"v":"v"},{"k":2,"v":"w"}],"speed":7}}`,
    ],
  ]
  for (const [doc, all] of rows) test(doc, () => expect(written(doc, {}, { defaults: 'all' })).toBe(all))

  test('what was said alone is written unless more is asked for', () =>
    expect(written('{"f:c":{"small":5,"tags":["x","y"]}}')).toBe('{"f:c":{"small":5,"tags":["x","y"]}}'))
  test('trimmed, even said defaults are left out', () =>
    expect(
      written('{"f:c":{"small":5,"tags":["x","y"],"bits":"a b","flag":true}}', {}, { defaults: 'trim' }),
    ).toBe('{"f:c":{"flag":true}}'))
})

describe('[ID60] the loose forms of values and names', () => {
  const rows: [doc: string, strict: string][] = [
    [
      '{"c":{"small":"3","big":18446744073709551615,"dec":1.5}}',
      '{"f:c":{"small":3,"big":"18446744073709551615","dec":"1.5"}}',
    ],
    ['{"c":{"big":7,"dec":12}}', '{"f:c":{"big":"7","dec":"12.0"}}'],
    ['{"c":{"flag":"true"}}', '{"f:c":{"flag":true}}'],
    ['{"c":{"flag":"0"}}', '{"f:c":{"flag":false}}'],
    ['{"c":{"flag":1}}', '{"f:c":{"flag":true}}'],
    ['{"c":{"kind":4}}', '{"f:c":{"kind":"red"}}'],
    ['{"c":{"kind":"5"}}', '{"f:c":{"kind":"green"}}'],
    ['{"c":{"none":""}}', '{"f:c":{"none":[null]}}'],
    ['{"c":{"extra":1,"g:flag":"x","flag":false}}', '{"f:c":{"flag":false,"g:extra":1,"g:flag":"x"}}'],
    ['{"f:c":{"small":3},"g:top":{"a":"b"}}', '{"f:c":{"small":3},"g:top":{"a":"b"}}'],
    ['{"top":{"a":"b"}}', '{"g:top":{"a":"b"}}'],
  ]
  for (const [doc, strict] of rows) {
    test(`${doc} loosely`, () => expect(written(doc, { loose: true })).toBe(strict))
  }
  for (const doc of [
    '{"c":{}}',
    '{"f:c":{"small":"3"}}',
    '{"f:c":{"big":7}}',
    '{"f:c":{"dec":1.5}}',
    '{"f:c":{"kind":4}}',
    '{"f:c":{"flag":1}}',
    '{"f:c":{"extra":1}}',
  ])
    test(`${doc} is refused strictly`, () => expect(validator.validateText(doc).ok).toBe(false))
  for (const doc of [
    '{"c":{"small":"x"}}',
    '{"c":{"small":10}}',
    '{"c":{"kind":9}}',
    '{"c":{"flag":"yes"}}',
    '{"c":{"flag":2}}',
    '{"c":{"none":0}}',
    '{"d":{}}',
  ])
    test(`${doc} is refused loosely too`, () =>
      expect(validator.validateText(doc, { loose: true }).ok).toBe(false))
})

test('[ID61] the bare form has no module names, plain numbers and all fraction digits', () => {
  const doc =
    '{"f:c":{"big":"18446744073709551615","dec":"1.5","none":[null],"g:extra":1,"g:flag":"x","flag":true}}'
  expect(written(doc, {}, { form: 'bare' })).toBe(
    '{"c":{"big":18446744073709551615,"dec":"1.500","flag":true,"none":"","extra":1,"g:flag":"x"}}',
  )
  // A leaf-list that has defaults is not empty when nothing was said, so it is not written as if it were.
  expect(written('{"f:c":{}}', {}, { form: 'bare', emptyLists: true })).toBe('{"c":{"item":[]}}')
})

describe('[ID70] a fault says where, what, why, and the module says it in its own words', () => {
  test('a range', () => {
    const validation = validator.validateText('{"f:c":{"small":12}}')
    expect(!validation.ok && validation.faults).toEqual([
      {
        code: 'type',
        path: '/f:c/small',
        schemaPath: '/f:c/small',
        found: '"12"',
        expected: 'uint8 in 1..9',
        rfc: 'RFC 7950 9.2.4',
        errorAppTag: 'digit',
        errorMessage: 'from one to nine',
      },
    ])
  })
  test('a must', () => {
    const validation = validator.validateText('{"f:c":{"small":1,"flag":true}}')
    expect(!validation.ok && validation.faults).toMatchObject([
      {
        code: 'must',
        path: '/f:c',
        errorAppTag: 'flagged',
        errorMessage: 'too small for a flag',
        rfc: 'RFC 7950 7.5.3',
      },
    ])
  })
  test('all faults are told, up to the limit, and counted beyond it', () => {
    const items = Array.from({ length: 300 }, (_, k) => ({ k: 256 + k }))
    const validation = validator.validate({ 'f:c': { item: items, small: 0 } }, { maxFaults: 10 })
    expect(!validation.ok && [validation.faults.length, validation.count]).toEqual([10, 301])
  })
})

describe('[ID71] annotations are held against the names and left alone', () => {
  for (const [doc, ok] of [
    ['{"@":{"x:y":1},"f:c":{"@":{"x:y":1},"small":1,"@small":{"x:y":1},"tags":["a"],"@tags":[null]}}', true],
    ['{"f:c":{"@unknown":{"x:y":1}}}', false],
    ['{"f:c":{"@small":1}}', false],
  ] as const)
    test(doc, () => expect(validator.validateText(doc).ok).toBe(ok))
})

describe('[ID43] parameters alone, and references out of an operation', () => {
  const operations = createValidator(
    schemaOf(`module r { yang-version 1.1; namespace urn:r; prefix r;
      list port { key id; leaf id { type string; } leaf up { type boolean; } }
      rpc probe { input { leaf port { type leafref { path "/r:port/r:id"; } must "/r:port[r:id = current()]/r:up = 'true'"; } leaf n { type uint8; default 3; } }
        output { leaf ms { type uint64; } leaf-list hop { type string; } } } }`),
  )
  const datastore = operations.validate({
    'r:port': [
      { id: 'a', up: true },
      { id: 'b', up: false },
    ],
  })
  if (!datastore.ok) throw new Error('the datastore is valid')
  const ask = (doc: object, more: ValidateOptions = {}) =>
    operations.validate(doc as never, {
      type: 'rpc',
      operation: 'r:probe',
      datastore: datastore.document,
      ...more,
    })

  test('a reference is found in the datastore', () => expect(ask({ port: 'a' }).ok).toBe(true))
  test('a reference that leads nowhere is a fault', () =>
    expect(ask({ port: 'z' })).toMatchObject({
      ok: false,
      faults: [{ code: 'no-instance' }, { code: 'must' }],
    }))
  test('conditions see the datastore', () =>
    expect(ask({ port: 'b' })).toMatchObject({
      ok: false,
      faults: [{ code: 'must', path: '/r:probe/port' }],
    }))
  test('without a datastore, references are not judged', () =>
    expect(operations.validate({ n: 1 }, { type: 'rpc', operation: 'r:probe' }).ok).toBe(true))
  test('defaults of parameters are filled in', () => {
    const validation = ask({ port: 'a' })
    expect(validation.ok && validation.document.toJson({ defaults: 'all' })).toEqual({ port: 'a', n: 3 })
  })
  test('a reply in the bare form has its empty lists', () => {
    const validation = operations.validate({ ms: '12' }, { type: 'reply', operation: 'r:probe' })
    expect(validation.ok && validation.document.toJson({ form: 'bare', emptyLists: true })).toEqual({
      ms: 12,
      hop: [],
    })
  })
  test('an operation that is not there is a fault', () =>
    expect(operations.validate({}, { type: 'rpc', operation: 'r:nothing' })).toMatchObject({
      ok: false,
      faults: [{ code: 'operation' }],
    }))
})

test('[ID43] an action sees the entry it stands in, and what the datastore has around it', () => {
  const actions = createValidator(
    schemaOf(`module act { yang-version 1.1; namespace urn:act; prefix act;
      container top { leaf limit { type uint8; } list port { key id; leaf id { type string; } leaf up { type boolean; }
        action swap { input { leaf with { type leafref { path "../../../port/id"; } must ". != ../../id" { error-message "itself"; } must "../../../limit > 1"; must "../../up = 'true'"; } } } } } }`),
  )
  const datastore = actions.validate({ 'act:top': { limit: 5, port: [{ id: 'a', up: true }, { id: 'b' }] } })
  if (!datastore.ok) throw new Error('the datastore is valid')
  const ask = (id: string, other: string) =>
    actions.validate(
      { 'act:top': { port: [{ id, swap: { with: other } }] } },
      { type: 'rpc', datastore: datastore.document },
    )
  expect(ask('a', 'b').ok).toBe(true)
  expect(ask('a', 'a')).toMatchObject({
    ok: false,
    count: 1,
    faults: [{ code: 'must', errorMessage: 'itself' }],
  })
  expect(ask('a', 'z')).toMatchObject({ ok: false, count: 1, faults: [{ code: 'no-instance' }] })
  expect(ask('b', 'a')).toMatchObject({ ok: false, count: 1, faults: [{ code: 'must' }] })
})
