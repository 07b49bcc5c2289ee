export { canonicalJson, canonicalText, compareCodePoints, NotJson } from './canonical.ts'
export { type Change, restartPolicy, type StateDiff, stateDiff, type Transition, transition } from './diff.ts'
export { type ExportMember, type ExportPlan, exportTar, selectParts } from './export.ts'
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
  type DownloadProgress,
  initialProgress,
  type ProgressBody,
  type ProgressParsed,
  type ProgressRefusal,
  parseProgress,
  statusPercent,
} from './progress.ts'
export {
  type DeviceRecord,
  deviceText,
  epochTime,
  flatRead,
  type ObjectRecord,
  objectText,
  pvrRemote,
  type StepKey,
  type StepRecord,
  stepKeys,
  stepText,
  type TrailRecord,
  trailText,
  zeroTime,
} from './records.ts'
export {
  acceptedScopes,
  allows,
  anonymousScopes,
  expandScopes,
  type ScopeFamily,
  type ScopeKind,
  type ScopeWanted,
  scopeWords,
} from './scopes.ts'
export {
  checkSignatures,
  isSignaturePath,
  type SignatureAlgorithm,
  type SignatureMode,
  type SignatureRefusal,
  type SignatureReport,
  type SignatureSelection,
  type SignatureVerdict,
  type Signed,
  signState,
  type TrustedKey,
} from './signature.ts'
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
export {
  isStepStatus,
  polledStatuses,
  type StatusMeaning,
  type StatusOutcome,
  type StatusPhase,
  type StepStatus,
  statusMeaning,
  stepStatuses,
} from './status.ts'
