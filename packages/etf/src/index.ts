export { type BerpEvent, type BerpReader, createBerpReader, encodeBerp } from './berp.ts'
export { type Bert, type BertOptions, BertRegex, BertTime, fromBert, toBert } from './bert.ts'
export { type DecodeOptions, decode, decodeFirst, tryDecode } from './decode.ts'
export { type EncodeOptions, encode } from './encode.ts'
export { createFrameReader, type FrameReader, type Frames, frame } from './frames.ts'
export { equalTerms, mapGet } from './identity.ts'
export { defaultLimits, type Limits } from './limits.ts'
export { property, textOf } from './reading.ts'
export { type Attempt, type Refusal, type RefusalKind, TermRefused } from './refusal.ts'
export { parseRpc, type RpcError, type RpcMessage, rpcTerm } from './rpc.ts'
export {
  Atom,
  atom,
  BitBinary,
  Export,
  Float,
  Fun,
  ImproperList,
  isAtom,
  LocalTerm,
  Pid,
  Port,
  Reference,
  type Term,
  Tuple,
  tuple,
} from './term.ts'
