/**
 * What an end of a connection wants done, and how a connection comes to an end.
 *
 * Both ends are machines without sockets and clocks: bytes, decisions and the time go in, effects come out, in the order
 * in which they are to be carried out. `ended` comes once and last; whatever is fed afterwards brings nothing.
 */
import type { ExternalName } from './identity.ts'
import type { Bert, NameForm, RpcError } from './messages.ts'

export type Effect =
  /** Write these bytes. */
  | { readonly kind: 'send'; readonly bytes: Uint8Array }
  /**
   * A server's end: somebody says this name. Find the keys and answer by `admit`. An honest device draws a challenge for
   * each connection: whoever remembers those of a device can tell a hello that is played again.
   */
  | { readonly kind: 'named'; readonly name: ExternalName; readonly challenge: Uint8Array }
  /** The handshake is through: calls may be made. */
  | { readonly kind: 'ready' }
  /** The peer calls. One at a time: the next comes after `answer`. */
  | { readonly kind: 'called'; readonly call: IncomingCall }
  /** The peer casts: the receipt is sent, the outcome interests nobody. */
  | { readonly kind: 'cast'; readonly call: IncomingCall }
  /** What came of an own call, by the id it was given. Each call is answered once, unless the connection ends first. */
  | { readonly kind: 'answered'; readonly id: number; readonly answer: Answer }
  /** Something was skipped over: a payload that is no message, an answer that nobody waits for. The session goes on. */
  | { readonly kind: 'skipped'; readonly what: Skipped }
  /** Close the connection. Own calls that were not answered stay so. */
  | { readonly kind: 'ended'; readonly why: Ending }

export interface IncomingCall {
  readonly module: string
  readonly function: string
  readonly args: readonly Bert[]
}

/** An own call, to be made when the line is free. */
export interface OutgoingCall extends IncomingCall {
  /** Chosen by the caller: the answer carries it. */
  readonly id: number
  readonly names?: NameForm
  /** The payload, written out before by `encodedCall`: for a call that many connections make. It is sent as it is. */
  readonly payload?: Uint8Array
  /** The payload's token under the salt of this connection (`ServerEnd.salt`), where it was made elsewhere. */
  readonly token?: Uint8Array
  /** From when it is sent; without it, it waits as long as the connection lives. */
  readonly timeoutMs?: number
}

export type Answer =
  | { readonly kind: 'reply'; readonly result: Bert }
  | { readonly kind: 'noreply' }
  | { readonly kind: 'error'; readonly error: RpcError }
  /** Not in time. The line stays busy until the late answer has come, for answers are told apart by their order alone. */
  | { readonly kind: 'timed-out' }
  /** Never sent: too many wait already, or it does not fit into a frame. */
  | { readonly kind: 'unsent'; readonly reason: 'queue-full' | 'too-large' | 'not-a-term' | 'ended' }

/** What is answered to a call. */
export type Result =
  | { readonly kind: 'reply'; readonly result: Bert }
  | { readonly kind: 'error'; readonly error: RpcError }

export type Skipped =
  | { readonly kind: 'undecodable'; readonly detail: string }
  | { readonly kind: 'stray-answer' }
  | { readonly kind: 'info'; readonly command: string }

/** Why a connection ended, for logs and counters: the peer is told nothing. */
export interface Ending {
  readonly kind: EndingKind
  readonly wanted: string
  readonly got: string
}

export type EndingKind =
  /** A frame longer than allowed at that point. */
  | 'frame-too-long'
  /** The first frame is no hello, or its name cannot be split in two. */
  | 'bad-hello'
  /** Nobody of that name may come in. The peer sees what it would see of a wrong token. */
  | 'unknown'
  /** A token does not vouch for its payload. */
  | 'wrong-token'
  /** The third frame is not the first one again. */
  | 'bad-confirmation'
  /** A frame of the handshake did not come in time. */
  | 'too-slow'
  /** More went on before the handshake was through than it consists of. */
  | 'too-eager'
  /** More unanswered calls than the peer may have. */
  | 'too-many-calls'
  /** The peer owes an answer for too long. */
  | 'silent'

/** The settings of an end; every one has a default. */
export interface EndLimits {
  /** Longest frame after the handshake, in bytes. */
  readonly frameBytes: number
  /** Time for each frame of the handshake, in milliseconds. */
  readonly handshakeMs: number
  /** Own calls that may wait for the line. */
  readonly queuedCalls: number
  /** Calls of the peer that may wait behind the one being served. The protocol allows none; old stacks slip. */
  readonly waitingCalls: number
  /** How long after a time-out the late answer is waited for before the connection is given up. */
  readonly lateAnswerMs: number
  readonly depth: number
  readonly terms: number
}

export const defaultEndLimits: EndLimits = {
  frameBytes: 16 * 1024 * 1024,
  handshakeMs: 10_000,
  queuedCalls: 64,
  waitingCalls: 8,
  lateAnswerMs: 60_000,
  depth: 256,
  terms: 262_144,
}
