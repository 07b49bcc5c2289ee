/** ExoPort: BERT-RPC with a handshake and tokens, both ends, without sockets. */
export { type Configuration, confTree, pushCall, readConfTree, readPush } from './conf-tree.ts'
export { DeviceEnd, type DeviceIdentity } from './device-end.ts'
export {
  type Answer,
  defaultEndLimits,
  type Effect,
  type Ending,
  type EndingKind,
  type EndLimits,
  type IncomingCall,
  type OutgoingCall,
  type Result,
  type Skipped,
} from './effects.ts'
export { FrameCutter, type TooLong } from './frames.ts'
export { delimiters, type ExternalName, externalName, parseExternalName } from './identity.ts'
export {
  encodedCall,
  type ImageCall,
  type ImageResult,
  type ImageStart,
  type ImageType,
  imageAnswer,
  imageCall,
  imageResults,
  imageTypes,
  mostImageBytes,
  readImageAnswer,
  readImageCall,
} from './images.ts'
export { challengeBytes, keyBytes, keyOf, Seal, tokenBytes } from './keys.ts'
export { type Bert, decodeMessage, encodeMessage, type Message, textOf } from './messages.ts'
export { type Keys, ServerEnd, serverName } from './server-end.ts'
export {
  guessedValues,
  pairsOf,
  type Value,
  type ValueNode,
  type ValueObject,
  type ValueRefusal,
  type ValueResult,
  type ValueType,
  valuesOf,
} from './values.ts'
export {
  type DeviceAnswer,
  type DeviceCall,
  deviceCall,
  operationAnswer,
  operationCall,
  readAnswer,
  readDeviceCall,
  serverAnswer,
} from './vocabulary.ts'
