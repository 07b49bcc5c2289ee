/** Documents in JSON (RFC 7951): read exactly, validated by a schema, completed, compared, written. */
export { diffDocuments, type Edit } from './diff.ts'
export { type DataFault, type DataFaultCode, formatFault } from './fault.ts'
export {
  defaultJsonLimits,
  JsonDecimal,
  type JsonLimits,
  type JsonObject,
  type JsonRefusal,
  type JsonValue,
  parseJson,
  printJson,
} from './json.ts'
export { fromNotation, type Notation, type NotationRefusal, toNotation } from './notation.ts'
export { mergeDocuments, patchDocument } from './patch.ts'
export {
  createValidator,
  type DataDocument,
  type DocumentType,
  type ValidateOptions,
  type Validation,
  type Validator,
} from './validator.ts'
export type { WriteOptions } from './write.ts'
