/** Modules written in tests, compiled or the test fails. */
import { compile, formatProblem } from '../src/index.ts'
import type { Schema } from '../src/schema.ts'

export function schemaOf(...modules: string[]): Schema {
  const compiled = compile(modules.map((text, index) => ({ file: `test-${index}.yang`, text })))
  if (!compiled.ok) throw new Error(compiled.problems.map(formatProblem).join('\n'))
  return compiled.schema
}
