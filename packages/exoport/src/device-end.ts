/**
 * The device's end: says its name, checks that the server is the right one, and then the talk.
 *
 * It dials, so it speaks first. The server proves itself by a token made with the server key; a wrong one ends the
 * connection before anything is said. What a stock device says next, `reuse%port:9999`, is said here too.
 */
import { Conversation } from './conversation.ts'
import {
  defaultEndLimits,
  type Effect,
  type Ending,
  type EndLimits,
  type OutgoingCall,
  type Result,
} from './effects.ts'
import { FrameCutter } from './frames.ts'
import { type ExternalName, externalName } from './identity.ts'
import { challengeBytes, Seal, tokenBytes } from './keys.ts'
import type { Keys } from './server-end.ts'

const headBytes = challengeBytes + tokenBytes
const mostHelloBytes = 1024

type Phase = 'new' | 'hello' | 'talk' | 'ended'

export interface DeviceIdentity extends Keys {
  readonly name: ExternalName
}

export class DeviceEnd {
  readonly #cutter = new FrameCutter()
  readonly #limits: EndLimits
  readonly #identity: DeviceIdentity
  readonly #ours: Seal
  #phase: Phase = 'new'
  #deadline = Number.POSITIVE_INFINITY
  #talk: Conversation | undefined

  /** `challenge`: four fresh random bytes. `RangeError` for a name that no delimiter splits, and for keys that are not 8 bytes. */
  constructor(identity: DeviceIdentity, challenge: Uint8Array, limits: EndLimits = defaultEndLimits) {
    if (externalName(identity.name) === undefined)
      throw new RangeError('name: wanted an account and a device that a delimiter can split, got another')
    this.#identity = identity
    this.#limits = limits
    this.#ours = new Seal(identity.deviceKey, challenge)
  }

  get phase(): Phase {
    return this.#phase
  }

  /** When `tick` wants to be called; infinity: not before something else happens. */
  get deadline(): number {
    return Math.min(this.#deadline, this.#talk?.deadline ?? Number.POSITIVE_INFINITY)
  }

  /** Whether a call is under way in either direction. */
  get busy(): boolean {
    return this.#talk?.busy ?? false
  }

  /** The connection is there: says hello. */
  start(now: number): Effect[] {
    if (this.#phase !== 'new') return []
    this.#phase = 'hello'
    this.#deadline = now + this.#limits.handshakeMs
    return [{ kind: 'send', bytes: this.#hello() }]
  }

  /** What was read from the connection, in pieces of any size. */
  receive(chunk: Uint8Array, now: number): Effect[] {
    const out: Effect[] = []
    if (this.#phase === 'ended') return out
    this.#cutter.add(chunk)
    for (;;) {
      const most = this.#talk === undefined ? mostHelloBytes : this.#limits.frameBytes
      const body = this.#cutter.next(most)
      if (body === undefined) return out
      if ('tooLong' in body)
        return this.#end(
          { kind: 'frame-too-long', wanted: `at most ${most} bytes`, got: `${body.tooLong}` },
          out,
        )
      const ending = this.#talk === undefined ? this.#takeHello(body, out) : this.#talk.take(body, now, out)
      if (ending !== undefined) return this.#end(ending, out)
    }
  }

  /** Makes a call once the line is free. */
  call(call: OutgoingCall, now: number): Effect[] {
    const out: Effect[] = []
    if (this.#talk !== undefined) this.#talk.call(call, now, out)
    else out.push({ kind: 'answered', id: call.id, answer: { kind: 'unsent', reason: 'ended' } })
    return out
  }

  /** Answers the call that was handed out last; after the end it says nothing to nobody. */
  answer(result: Result): Effect[] {
    const out: Effect[] = []
    this.#talk?.answer(result, out)
    return out
  }

  /** Tells the time. */
  tick(now: number): Effect[] {
    const out: Effect[] = []
    if (this.#phase === 'ended' || now < this.deadline) return out
    const ending: Ending | undefined =
      this.#talk === undefined
        ? { kind: 'too-slow', wanted: `a hello within ${this.#limits.handshakeMs} ms`, got: 'none' }
        : this.#talk.tick(now, out)
    return ending === undefined ? out : this.#end(ending, out)
  }

  /** Nothing is taken or given any more, and nothing is kept. */
  close(): void {
    this.#phase = 'ended'
    this.#talk = undefined
    this.#deadline = Number.POSITIVE_INFINITY
    this.#cutter.clear()
  }

  #end(why: Ending, out: Effect[]): Effect[] {
    this.close()
    out.push({ kind: 'ended', why })
    return out
  }

  #takeHello(body: Uint8Array, out: Effect[]): Ending | undefined {
    if (body.length <= headBytes)
      return { kind: 'bad-hello', wanted: 'challenge, token and a name', got: `${body.length} bytes` }
    const theirs = new Seal(this.#identity.serverKey, body.slice(0, challengeBytes))
    if (!theirs.vouchesFor(body.subarray(challengeBytes)))
      return { kind: 'wrong-token', wanted: 'a hello sealed with the server key', got: 'another' }
    this.#talk = new Conversation(this.#ours, theirs, this.#limits)
    this.#phase = 'talk'
    this.#deadline = Number.POSITIVE_INFINITY
    out.push({ kind: 'send', bytes: this.#hello() })
    out.push({ kind: 'send', bytes: this.#ours.frame(utf8.encode('reuse%port:9999')) })
    out.push({ kind: 'ready' })
    return undefined
  }

  #hello(): Uint8Array {
    return this.#ours.hello(utf8.encode(externalName(this.#identity.name) ?? ''))
  }
}

const utf8 = new TextEncoder()
