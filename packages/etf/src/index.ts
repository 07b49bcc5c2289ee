export { type DecodeOptions, decode, decodeFirst, tryDecode } from './decode.ts'
export { type EncodeOptions, encode } from './encode.ts'
export { equalTerms, mapGet } from './identity.ts'
export { defaultLimits, type Limits } from './limits.ts'
export { type Attempt, type Refusal, type RefusalKind, TermRefused } from './refusal.ts'
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
