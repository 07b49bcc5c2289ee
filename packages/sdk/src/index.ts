/** The menu of the SDK. */
export { type FaultKind, FleetFault, FleetProblem, reasonOf } from './errors.ts'
export { type Answer, createExchange, type Exchange, Interrupted, type Sending } from './exchange.ts'
export {
  type Answered,
  type Asked,
  type Call,
  type CallId,
  type CallOptions,
  createFleet,
  type Fleet,
  type FleetOptions,
  type Item,
  type ListId,
  type OperationId,
} from './fleet.ts'
export type { Following, FollowOptions } from './follow.ts'
export type {
  AccessToken,
  App,
  Device,
  JoinToken,
  JournalEntry,
  LogLine,
  Me,
  ObjectUsage,
  Operations,
  Step,
  StoredObject,
  Token,
  Trail,
  Transaction,
  User,
  Why,
} from './generated/operations.ts'
export { operations } from './generated/operations.ts'
export type { GetOptions, PutOptions, TransferProgress } from './objects.ts'
export { type Outside, realOutside, sleep } from './outside.ts'
export { type RetryPolicy, retryDefault } from './retry.ts'
export { createSha256, type Hash } from './sha256.ts'
