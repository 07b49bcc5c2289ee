import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  createValidator,
  type DataDocument,
  diffDocuments,
  type JsonValue,
  mergeDocuments,
  parseJson,
  patchDocument,
  printJson,
  type Validator,
} from '../src/data/index.ts'
import { dataSuites } from './data-cases.ts'
import { schemaOf } from './data-schema.ts'
import { generateMembers } from './generate-data.ts'
import { createRandom } from './mutate.ts'

/** Everything that the short way takes, and lists in each order, for documents that are compared. */
const plain = `module p {
  yang-version 1.1; namespace urn:p; prefix p;
  container c {
    leaf name { type string { length 1..64; } mandatory true; } leaf n { type uint16; default 3; }
    leaf-list order { type string; ordered-by user; } leaf-list set { type uint8; } leaf any { type union { type uint8; type string; } }
    list people { key "a b"; ordered-by user; leaf a { type uint8; } leaf b { type boolean; } leaf v { type string; }
      container deep { leaf x { type empty; } list inner { key k; leaf k { type string; } leaf w { type int8; } } } }
    list sys { key k; leaf k { type string; } leaf v { type enumeration { enum a; enum b; } } }
    choice way { case one { leaf p { type int8; } leaf q { type int8; } } case two { container r { leaf s { type string; } } leaf t { type empty; } } }
    list nokey { config false; leaf a { type uint8; } } leaf-list seen { config false; type uint8; }
    container on { presence "on"; leaf z { type string; } } anydata stuff;
  }
}`

const modules = [plain, ...new Set(dataSuites.map(({ module }) => module))]
const validators = modules.map((module) => createValidator(schemaOf(module)))
const nameOf = (module: string): string => /module (\S+)/.exec(module)?.[1] ?? ''

function generated(validator: Validator, seed: number, faulty: number): JsonValue {
  const text = JSON.stringify(
    generateMembers(validator.plan.root, createRandom(seed), { faulty, configOnly: false }),
  )
  const parsed = parseJson(text)
  if (!parsed.ok) throw new Error(parsed.found)
  return parsed.value
}

/** The first documents made up from a seed that the schema takes. */
function valid(validator: Validator, seed: number): DataDocument | undefined {
  for (let more = 0; more < 40; more++) {
    const validation = validator.validate(generated(validator, seed + more * 7919, 0))
    if (validation.ok) return validation.document
  }
  return undefined
}

const text = (document: DataDocument): string => printJson(document.toJson())

describe.each(modules.map((module, index) => [nameOf(module), index] as const))(
  'documents made up for %s',
  (_name, index) => {
    const validator = validators[index] as Validator

    test('[ID80] what the short way accepts, the long way does too, and what was written is valid and the same', () => {
      let accepted = 0
      for (let seed = 0; seed < 400; seed++) {
        const json = generated(validator, seed, seed % 2 === 0 ? 0 : 0.2)
        const validation = validator.validate(json)
        // A document is asked for: it throws when the long way finds a fault.
        if (!validation.ok) continue
        accepted++
        const canonical = validation.document.toJson()
        const again = validator.validateText(printJson(canonical))
        expect(again.ok && printJson(again.document.toJson())).toBe(printJson(canonical))
        const complete = validator.validate(validation.document.toJson({ defaults: 'all' }))
        expect(complete.ok).toBe(true)
      }
      expect(accepted).toBeGreaterThan(0)
    })

    test('[ID90] a patch by the difference makes the one of the other', () => {
      for (let seed = 1; seed <= 60; seed++) {
        const [from, to] = [valid(validator, seed), valid(validator, seed + 5000)]
        if (!from || !to) continue
        const edits = diffDocuments(from, to)
        const patched = patchDocument(validator, from, edits)
        expect(patched.ok ? unordered(patched.document) : patched.faults).toEqual(unordered(to))
        expect(diffDocuments(to, to)).toEqual([])
        if (patched.ok) expect(diffDocuments(patched.document, to)).toEqual([])
        // Edits survive JSON.
        expect(JSON.parse(JSON.stringify(edits))).toEqual(edits)
      }
    })

    test('[ID91] merging a document with itself, or onto nothing more, changes nothing', () => {
      for (let seed = 1; seed <= 40; seed++) {
        const document = valid(validator, seed)
        if (!document) continue
        const merged = mergeDocuments(validator, document, document)
        expect(merged.ok && text(merged.document)).toBe(text(document))
      }
    })

    test('[ID81] no JSON makes the validator throw', () => {
      const names = validator.plan.root.children.map((child) => child.jsonName)
      const inner = validator.plan.root.children.flatMap((child) =>
        'children' in child ? child.children.map(({ jsonName }) => jsonName) : [],
      )
      const key = fc.oneof(fc.constantFrom(...names, ...inner, '@', '@x'), fc.string())
      const value = fc.letrec<{ value: JsonValue }>((tie) => ({
        value: fc.oneof(
          { maxDepth: 5 },
          fc.constantFrom<JsonValue>(null, true, 0, -1, 1.5, '', 'x', [null], 2n ** 64n),
          fc.array(tie('value'), { maxLength: 3 }),
          fc.dictionary(key, tie('value'), { maxKeys: 4 }),
        ),
      })).value
      fc.assert(
        fc.property(
          value,
          fc.boolean(),
          fc.constantFrom('data', 'config', 'rpc', 'reply', 'notification'),
          (json, loose, type) => {
            const validation = validator.validate(json, { loose, type })
            if (validation.ok) validation.document.toJson({ form: 'bare', defaults: 'all' })
            else expect(validation.count).toBeGreaterThan(0)
          },
        ),
        { numRuns: 500 },
      )
    })
  },
)

/** Order counts only where the user gave it: entries of other lists are compared sorted. */
function unordered(document: DataDocument): unknown {
  const sort = (value: unknown, name = ''): unknown => {
    if (Array.isArray(value)) {
      const items = value.map((item) => sort(item))
      return ['order', 'people', 'nokey', 'seen', 'log'].includes(name)
        ? items
        : items.toSorted((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1))
    }
    if (typeof value !== 'object' || value === null) return value
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, sort(item, key)]))
  }
  return sort(document.toJson())
}
