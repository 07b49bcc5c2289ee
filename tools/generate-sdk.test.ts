import { describe, expect, test } from 'vitest'
import { sourceOf, staleFiles, typeOf, UnknownShape } from './generate-sdk.ts'

const place = { at: 'here', names: new Map<string, string>(), input: false }

/** A document with one operation in it. */
const documentOf = (operation: object, path = '/a/{id}') => ({ paths: { [path]: { get: operation } } })
const good = {
  operationId: 'getThing',
  summary: 'A thing.',
  parameters: [{ in: 'path', name: 'id', required: true, schema: { type: 'string' } }],
  responses: { 200: { content: { 'application/json': { schema: { type: 'object' } } } }, '4XX': {} },
}

describe('the generated files', () => {
  test('[S1] are what the fleet door says today', async () => {
    expect(await staleFiles()).toEqual([])
  })

  const schemas = [
    { schema: { type: 'string', pattern: '^a$', description: 'x' }, is: 'string' },
    { schema: { type: 'integer', minimum: 0 }, is: 'number' },
    { schema: {}, is: 'unknown' },
    { schema: { enum: ['a', 'b', null, 3] }, is: "'a' | 'b' | null | 3" },
    { schema: { anyOf: [{ type: 'string' }, { type: 'null' }] }, is: 'string | null' },
    { schema: { type: 'array', items: { enum: ['a', 'b'] } }, is: "readonly ('a' | 'b')[]" },
    { schema: { type: 'object' }, is: '{ readonly [key: string]: unknown }' },
    {
      schema: { type: 'object', additionalProperties: { type: 'boolean' } },
      is: '{ readonly [key: string]: boolean }',
    },
    {
      schema: {
        type: 'object',
        required: ['a'],
        properties: { a: { type: 'null' }, 'b-c': { type: 'number', description: 'in ms' } },
      },
      is: "{\n  readonly a: null\n  /** in ms */\n  readonly 'b-c'?: number\n}",
    },
  ]
  for (const { schema, is } of schemas)
    test(`[S1] ${JSON.stringify(schema)} is ${JSON.stringify(is)}`, () =>
      expect(typeOf(schema, place)).toBe(is))

  const foreign = [
    {
      of: 'a word that is not known',
      document: documentOf({
        ...good,
        responses: { 200: { content: { 'application/json': { schema: { type: 'string', if: {} } } } } },
      }),
    },
    {
      of: 'a type that is not known',
      document: documentOf({
        ...good,
        responses: { 200: { content: { 'application/json': { schema: { type: 'date' } } } } },
      }),
    },
    {
      of: 'a literal that could break out',
      document: documentOf({
        ...good,
        responses: { 200: { content: { 'application/json': { schema: { enum: ["'"] } } } } },
      }),
    },
    { of: 'no operationId', document: documentOf({ ...good, operationId: undefined }) },
    {
      of: 'a parameter in a cookie',
      document: documentOf({ ...good, parameters: [{ in: 'cookie', name: 'x', schema: {} }] }),
    },
    {
      of: 'a parameter called body',
      document: documentOf({ ...good, parameters: [{ in: 'query', name: 'body', schema: {} }] }),
    },
    {
      of: 'two good answers',
      document: documentOf({ ...good, responses: { ...good.responses, 201: good.responses[200] } }),
    },
    { of: 'no answer', document: documentOf({ ...good, responses: {} }) },
  ]
  for (const { of, document } of foreign)
    test(`[S1] ${of} is refused, not guessed`, () => {
      expect(() => sourceOf(documentOf(good))).not.toThrow()
      expect(() => sourceOf(document)).toThrow(UnknownShape)
    })
})
