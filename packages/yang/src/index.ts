/**
 * YANG 1.0 and 1.1: read modules, compile them to a schema, validate documents by it, look at it.
 */
export { runYangCommand, type YangIo } from './cli.ts'
export {
  type Compiled,
  type CompileOptions,
  compile,
  compileAsync,
  type Resolve,
  type ResolveAsync,
} from './compile/compile.ts'
export * from './data/index.ts'
export { defaultLimits, type Limits } from './limits.ts'
export type { ModuleRequest, ModuleText, ParsedTexts } from './load.ts'
export * from './problem.ts'
export * from './schema.ts'
export * from './views/form.ts'
export { type JsonSchema, type JsonSchemaOptions, jsonSchemaOf, toJsonSchema } from './views/json-schema.ts'
export type { NameStyle } from './views/shape.ts'
export { printTree } from './views/tree.ts'
export { type TypeScriptOptions, toTypeScript } from './views/typescript.ts'
