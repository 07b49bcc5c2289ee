export { canonicalJson, canonicalText, compareCodePoints, NotJson } from './canonical.ts'
export {
  isJsonObject,
  type JsonLimits,
  type JsonObject,
  type JsonParsed,
  type JsonRefusal,
  type JsonValue,
  parseJson,
} from './json.ts'
export { ObjectId24, parseStepId, Rev, Sha256, stateSha, stepId, storageId } from './names.ts'
export { deviceOfPrn, type ParsedPrn, Prn, type PrnKind, parsePrn } from './prn.ts'
export {
  pantavisorReplyBytesMax,
  parseState,
  parseStateText,
  type State,
  type StateLimits,
  type StateObject,
  type StateParsed,
  StatePath,
  type StateRefusal,
  type StateSpec,
  stateSpecs,
} from './state.ts'
