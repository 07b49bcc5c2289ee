import { describe, expect, test } from 'vitest'
import { createValidator, type Validation } from '../src/data/index.ts'
import { dataSuites } from './data-cases.ts'
import { schemaOf } from './data-schema.ts'

/** A verdict in the words of the table. */
export function verdictOf(validation: Validation): 'ok' | string[] {
  return validation.ok ? 'ok' : validation.faults.map(({ code, path }) => `${code} ${path}`)
}

for (const { rule, module, type = 'data', cases } of dataSuites)
  describe(rule, () => {
    const validator = createValidator(schemaOf(module))
    for (const { doc, verdict } of cases)
      test(`${type} ${doc}`, () => {
        const found = verdictOf(validator.validateText(doc, { type }))
        expect(Array.isArray(found) ? found.toSorted() : found).toEqual(
          Array.isArray(verdict) ? verdict.toSorted() : verdict,
        )
      })
  })
