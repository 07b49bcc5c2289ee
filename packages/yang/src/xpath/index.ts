/** XPath 1.0 with YANG's functions: read, judge, evaluate. */
export { checkXPath, type XPathCheckFault, type XPathScope, xpathFunctions } from './check.ts'
export { type CompiledXPath, compileXPath, XPathTooCostly } from './evaluate.ts'
export type { XPathFault } from './lexer.ts'
export {
  type Axis,
  type BinaryOperator,
  type Expr,
  type NodeTest,
  type ParsedXPath,
  parseXPath,
  type Step,
  xpathLimits,
} from './parse.ts'
export type { QName, XPathBudget, XPathTree } from './tree.ts'
export type { Value } from './value.ts'
