/**
 * The talk after the handshake, the same for both ends.
 *
 * Every frame is a token and a payload. Answers carry no number: they belong to calls by their order, and so each side
 * has at most one unanswered call, in either direction for itself. Calls of our own wait here until the line is free;
 * calls of the peer are handed out one by one. A payload that is no message is answered with a protocol error and
 * skipped over; a token that does not vouch for its payload ends the connection.
 */
import { TermRefused } from '@waymark/etf'
import type { Effect, Ending, EndLimits, IncomingCall, OutgoingCall, Result } from './effects.ts'
import { longPayload, type Seal, tokenBytes } from './keys.ts'
import {
  type Bert,
  decodeMessage,
  encodeMessage,
  type Message,
  type NameForm,
  type RpcError,
} from './messages.ts'

/** What is answered to a payload that is no message (1.x: class `BERTError`, nothing of the payload in it). */
const unableToDecode: RpcError = {
  type: 'protocol',
  code: 0,
  class: 'BERTError',
  detail: 'unable to decode',
  trace: [],
}

/** `reuse%port:9999`, perhaps with options: what a device says first. It is no term, and wants no answer. */
const reuse = [...'reuse%'].map((letter) => letter.charCodeAt(0))

interface Incoming extends IncomingCall {
  readonly isCast: boolean
}

export class Conversation {
  readonly #ours: Seal
  readonly #theirs: Seal
  readonly #limits: EndLimits
  /** Own calls; the first is on the wire when `#onWire`. */
  readonly #calls: OutgoingCall[] = []
  /** Calls of the peer; the first is being served. */
  readonly #incoming: Incoming[] = []
  #onWire = false
  /** The call on the wire was given up by its caller; its answer is still owed. */
  #owed = false
  #deadline = Number.POSITIVE_INFINITY
  #isFirst = true

  constructor(ours: Seal, theirs: Seal, limits: EndLimits) {
    this.#ours = ours
    this.#theirs = theirs
    this.#limits = limits
  }

  /** When `tick` wants to be called, in the milliseconds of the caller's clock; infinity when there is nothing to wait for. */
  get deadline(): number {
    return this.#deadline
  }

  /** Whether anything is under way in either direction. */
  get busy(): boolean {
    return this.#onWire || this.#incoming.length > 0
  }

  /** Takes the body of one frame. */
  take(body: Uint8Array, now: number, out: Effect[]): Ending | undefined {
    if (!this.#theirs.vouchesFor(body))
      return { kind: 'wrong-token', wanted: 'a token that vouches for its payload', got: 'another' }
    const payload = body.subarray(tokenBytes)
    const isFirst = this.#isFirst
    this.#isFirst = false
    if (isFirst && reuse.every((letter, at) => payload[at] === letter)) return undefined
    const message = decodeMessage(payload, this.#limits)
    if ('unreadable' in message) {
      out.push({ kind: 'skipped', what: { kind: 'undecodable', detail: message.unreadable } })
      this.#send({ kind: 'error', error: unableToDecode }, out)
      return undefined
    }
    switch (message.kind) {
      case 'call':
      case 'cast':
        return this.#takeCall(message, out)
      case 'info':
        out.push({ kind: 'skipped', what: { kind: 'info', command: message.command } })
        return undefined
      default:
        this.#takeAnswer(message, now, out)
        return undefined
    }
  }

  /** Makes a call, or lets it wait for the one before. */
  call(call: OutgoingCall, now: number, out: Effect[]): void {
    if (this.#calls.length > this.#limits.queuedCalls) {
      out.push({ kind: 'answered', id: call.id, answer: { kind: 'unsent', reason: 'queue-full' } })
      return
    }
    this.#calls.push(call)
    this.#sendNext(now, out)
  }

  /** Answers the call that was handed out last. Without one it is a defect of the caller's. */
  answer(result: Result, out: Effect[]): void {
    const served = this.#incoming.shift()
    if (served === undefined || served.isCast) throw new TypeError('answer: no call is being served')
    if (!this.#send(result, out)) this.#send({ kind: 'error', error: unsendable }, out)
    this.#serve(out)
  }

  /** Tells the time. */
  tick(now: number, out: Effect[]): Ending | undefined {
    if (now < this.#deadline) return undefined
    if (this.#owed)
      return {
        kind: 'silent',
        wanted: `an answer within ${this.#limits.lateAnswerMs} ms of its time-out`,
        got: 'none',
      }
    const [call] = this.#calls
    this.#owed = true
    this.#deadline = now + this.#limits.lateAnswerMs
    if (call !== undefined) out.push({ kind: 'answered', id: call.id, answer: { kind: 'timed-out' } })
    return undefined
  }

  #takeCall(message: Message & { kind: 'call' | 'cast' }, out: Effect[]): Ending | undefined {
    const most = this.#limits.waitingCalls
    if (this.#incoming.length > most)
      return {
        kind: 'too-many-calls',
        wanted: `at most ${most} calls behind the one being served`,
        got: 'more',
      }
    const { module, function: name, args } = message
    this.#incoming.push({ module, function: name, args, isCast: message.kind === 'cast' })
    if (this.#incoming.length === 1) this.#serve(out)
    return undefined
  }

  /** Hands out what is first in line. Receipts of casts keep their place among the answers to calls. */
  #serve(out: Effect[]): void {
    for (;;) {
      const [next] = this.#incoming
      if (next === undefined) return
      const { isCast, ...call } = next
      if (!isCast) {
        out.push({ kind: 'called', call })
        return
      }
      this.#send({ kind: 'noreply' }, out)
      out.push({ kind: 'cast', call })
      this.#incoming.shift()
    }
  }

  #takeAnswer(message: Message & { kind: 'reply' | 'noreply' | 'error' }, now: number, out: Effect[]): void {
    const [call] = this.#calls
    if (!this.#onWire || call === undefined) {
      out.push({ kind: 'skipped', what: { kind: 'stray-answer' } })
      return
    }
    const wasOwed = this.#owed
    this.#calls.shift()
    this.#onWire = this.#owed = false
    this.#deadline = Number.POSITIVE_INFINITY
    if (wasOwed) out.push({ kind: 'skipped', what: { kind: 'stray-answer' } })
    else out.push({ kind: 'answered', id: call.id, answer: message })
    this.#sendNext(now, out)
  }

  #sendNext(now: number, out: Effect[]): void {
    while (!this.#onWire) {
      const [call] = this.#calls
      if (call === undefined) return
      const { module, function: name, args, payload, token } = call
      if (payload !== undefined && payload.length + tokenBytes <= this.#limits.frameBytes) {
        this.#onWire = true
        this.#deadline = now + (call.timeoutMs ?? Number.POSITIVE_INFINITY)
        // A short one is copied into its frame; a long one leaves as it lies, behind its head.
        if (token === undefined && payload.length <= longPayload)
          out.push({ kind: 'send', bytes: this.#ours.frame(payload) })
        else
          out.push({ kind: 'send', bytes: this.#ours.head(payload, token) }, { kind: 'send', bytes: payload })
        return
      }
      const frame = this.#frame({ kind: 'call', module, function: name, args }, call.names)
      if (typeof frame === 'string') {
        this.#calls.shift()
        out.push({ kind: 'answered', id: call.id, answer: { kind: 'unsent', reason: frame } })
        continue
      }
      this.#onWire = true
      this.#deadline = now + (call.timeoutMs ?? Number.POSITIVE_INFINITY)
      out.push({ kind: 'send', bytes: frame })
    }
  }

  #send(message: Message, out: Effect[]): boolean {
    const frame = this.#frame(message)
    if (typeof frame === 'string') return false
    out.push({ kind: 'send', bytes: frame })
    return true
  }

  #frame(message: Message, names?: NameForm): Uint8Array | 'too-large' | 'not-a-term' {
    try {
      const payload = encodeMessage(message, names)
      return payload.length + tokenBytes > this.#limits.frameBytes ? 'too-large' : this.#ours.frame(payload)
    } catch (error) {
      if (error instanceof TermRefused) return error.refusal.kind === 'too-large' ? 'too-large' : 'not-a-term'
      throw error
    }
  }
}

/** The answer in place of one that no term, or no frame, can carry. */
const unsendable: RpcError = {
  type: 'server',
  code: 0,
  class: 'BERTError',
  detail: 'the result cannot be sent',
  trace: [],
}

/** `{reply, ok}` and its like. */
export function reply(result: Bert): Result {
  return { kind: 'reply', result }
}
