/**
 * YANG 1.0 and 1.1: read modules, compile them to a schema, look at it.
 */
export {
  type Compiled,
  type CompileOptions,
  compile,
  compileAsync,
  type Resolve,
  type ResolveAsync,
} from './compile/compile.ts'
export { defaultLimits, type Limits } from './limits.ts'
export type { ModuleRequest, ModuleText, ParsedTexts } from './load.ts'
export * from './problem.ts'
export * from './schema.ts'
