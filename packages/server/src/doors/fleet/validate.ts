/**
 * Holds requests against the operations' schemas. Bodies are taken as they are: a number is no text, and a member
 * nobody knows is a mistake worth telling. Paths and queries are text by nature and are read as what the schema wants.
 */
import type { TSchema } from '@sinclair/typebox'
import { TypeCompiler } from '@sinclair/typebox/compiler'
import { Value } from '@sinclair/typebox/value'

/** Told at most: the first ones are enough to go by. */
const errorsMax = 16

class NotByTheSchema extends Error {
  readonly statusCode = 400
  readonly code = 'FST_ERR_VALIDATION'
  readonly validation: readonly {
    readonly instancePath: string
    readonly message: string
    readonly keyword: string
  }[]

  constructor(part: string, found: readonly { readonly path: string; readonly message: string }[]) {
    const [first] = found
    super(`${part}${first?.path ?? ''}: ${first?.message ?? 'does not fit'}`)
    this.validation = found.map(({ path, message }) => ({ instancePath: path, message, keyword: 'schema' }))
  }
}

/** Fastify's validator compiler for the fleet door: each schema is compiled with its first request, not at the start. */
export function compileValidator({ schema, httpPart = 'request' }: { schema: TSchema; httpPart?: string }) {
  // Bytes are their handler's own to judge.
  if (schema.format === 'binary') return (data: unknown) => ({ value: data })
  let compiled: ReturnType<typeof TypeCompiler.Compile> | undefined
  const isText = httpPart !== 'body'
  return (data: unknown): { value: unknown } | { error: Error } => {
    compiled ??= TypeCompiler.Compile(schema)
    const value = isText ? Value.Convert(schema, data) : data
    if (compiled.Check(value)) return { value }
    const found: { path: string; message: string }[] = []
    for (const { path, message } of compiled.Errors(value)) {
      found.push({ path, message })
      if (found.length === errorsMax) break
    }
    return { error: new NotByTheSchema(httpPart, found) }
  }
}
