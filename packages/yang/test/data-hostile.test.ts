import { describe, expect, test } from 'vitest'
import { createValidator, type JsonValue } from '../src/data/index.ts'
import { schemaOf } from './data-schema.ts'

/** Visits that the expressions of a document made, by the largest budget that is still too small. */
function withinVisits(module: string, document: JsonValue, maxVisits: number): boolean {
  const validation = createValidator(schemaOf(module)).validate(document, { maxVisits })
  return validation.ok || validation.faults.every(({ code }) => code !== 'limit')
}

const entries = (count: number, more: (index: number) => object = () => ({})): JsonValue[] =>
  Array.from({ length: count }, (_, index) => ({ id: `e${index}`, ...more(index) }))

describe('[ID82] references and keys cost a look-up each, not a search', () => {
  const references = `module h { namespace urn:h; prefix h; container c { list e { key id; leaf id { type string; }
    leaf next { type leafref { path "../../e/id"; } } leaf value { type uint8; }
    leaf nvalue { type leafref { path "/c/e[id = current()/../next]/value"; } }
    leaf point { type instance-identifier; } } } }`
  const count = 2000

  test('leafrefs within a list', () => {
    const e = entries(count, (index) => ({ next: `e${(index * 7) % count}` }))
    expect(withinVisits(references, { 'h:c': { e } }, 10 * count)).toBe(true)
  })
  test('leafrefs with a predicate on the key', () => {
    const e = entries(count, (index) => ({ next: `e${(index * 7) % count}`, value: 1, nvalue: 1 }))
    expect(withinVisits(references, { 'h:c': { e } }, 30 * count)).toBe(true)
  })
  test('instance-identifiers', () => {
    const e = entries(count, (index) => ({ point: `/h:c/e[id='e${(index * 7) % count}']` }))
    expect(withinVisits(references, { 'h:c': { e } }, 30 * count)).toBe(true)
  })
})

describe('[ID83] expressions may visit so many nodes and no more', () => {
  const costly = `module h { namespace urn:h; prefix h; container c { list e { key id; leaf id { type string; }
    must "count(//e[id != current()/id]) >= 0"; } } }`

  test('a must that looks at everything from everywhere is given up on, and said so', () => {
    const validation = createValidator(schemaOf(costly)).validate(
      { 'h:c': { e: entries(3000) } },
      { maxVisits: 1_000_000 },
    )
    expect(validation).toMatchObject({
      ok: false,
      faults: [{ code: 'limit', found: 'expressions that visit more nodes' }],
    })
  })
  test('the same on few entries is judged', () =>
    expect(createValidator(schemaOf(costly)).validate({ 'h:c': { e: entries(30) } }).ok).toBe(true))
})

test('[ID84] a value too costly for its pattern is a fault, not a stall', () => {
  const validator = createValidator(
    schemaOf(
      `module h { namespace urn:h; prefix h; leaf p { type string { pattern '((a|b|aa|bb){1,1000}(a|ab){1,1000}){1,1000}c'; } } }`,
    ),
  )
  const validation = validator.validate({ 'h:p': 'ab'.repeat(5000) })
  expect(validation).toMatchObject({ ok: false, faults: [{ code: 'type', rfc: 'RFC 7950 9.4.5' }] })
  expect(!validation.ok && validation.faults[0]?.found.length).toBeLessThan(100)
})

describe('[ID85] faults stay small whatever is sent', () => {
  const validator = createValidator(
    schemaOf(
      'module h { namespace urn:h; prefix h; leaf-list n { type uint8; } list k { config false; leaf a { type string; } } }',
    ),
  )
  test('a hundred are listed of a hundred thousand', () => {
    const validation = validator.validate({ 'h:n': Array.from({ length: 100_000 }, () => 'x'.repeat(10)) })
    expect(!validation.ok && [validation.faults.length, validation.count]).toEqual([100, 100_000])
  })
  test('a long value is cut short in the message', () => {
    const validation = validator.validate({ 'h:n': ['x'.repeat(1_000_000)], 'h:k': [{ b: 1 }] })
    expect(!validation.ok && JSON.stringify(validation.faults).length).toBeLessThan(1500)
  })
  test('nesting that the schema does not know is not walked', () => {
    let deep: JsonValue = 1
    for (let i = 0; i < 100_000; i++) deep = [deep]
    expect(validator.validate({ 'h:n': deep, 'h:k': deep }).ok).toBe(false)
    expect(validator.validate({ 'h:n': [deep], 'h:k': [{ a: deep }] }).ok).toBe(false)
  })
})

test('[ID86] conditions that depend on each other in a circle come to an end', () => {
  const validator = createValidator(
    schemaOf(`module h { namespace urn:h; prefix h; container c {
      leaf a { when "not(../b)"; type string; default x; } leaf b { when "not(../a)"; type string; default y; }
      leaf p { when "not(../p2)"; type string; default x; } leaf p2 { when "../p"; type string; default y; } } }`),
  )
  const validation = validator.validate({})
  expect(validation.ok).toBe(true)
})

test('[ID87] a chain of conditions is followed to its end, whatever the order of the nodes', () => {
  const leafs = Array.from(
    { length: 60 },
    (_, i) => `leaf l${i} { when "../l${i + 1}"; type string; default d; }`,
  )
  const validator = createValidator(
    schemaOf(
      `module h { namespace urn:h; prefix h; container c { ${leafs.join(' ')} leaf l60 { type string; } } }`,
    ),
  )
  const validation = validator.validate({ 'h:c': { l60: 'go' } })
  expect(
    validation.ok && Object.keys((validation.document.toJson({ defaults: 'all' })['h:c'] ?? {}) as object),
  ).toHaveLength(61)
  const without = validator.validate({})
  expect(without.ok && without.document.toJson({ defaults: 'all' })).toEqual({})
})

test('[ID88] defaults may add so many nodes and no more', () => {
  const leafs = Array.from({ length: 100 }, (_, i) => `leaf l${i} { type uint8; default 1; }`).join(' ')
  const validator = createValidator(
    schemaOf(`module h { namespace urn:h; prefix h; list e { config false; ${leafs} } }`),
  )
  const document = { 'h:e': Array.from({ length: 1000 }, () => ({ l0: 1 })) }
  expect(validator.validate(document, { maxDefaults: 99_000 }).ok).toBe(true)
  expect(validator.validate(document, { maxDefaults: 98_999 })).toMatchObject({
    ok: false,
    faults: [{ code: 'limit' }],
  })
  const entries = Array.from({ length: 30_000 }, () => ({}))
  expect(validator.validate({ 'h:e': entries })).toMatchObject({ ok: false, faults: [{ code: 'limit' }] })
})
