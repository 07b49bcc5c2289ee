/**
 * The server's end: who calls, is it really that device, and then the talk.
 *
 * The device speaks first and says its name; whoever runs this finds the keys and admits it, or not. Not found, no keys
 * and a wrong token take the same steps and look alike from outside: the connection is closed without a word. The
 * device's first frame has to come once more after the server's; it proves nothing new and is wanted all the same.
 *
 * ```
 *   device                                server
 *     │  challenge, token, *acme*d1   ──▶   │   named → admit
 *     │  ◀── challenge, token, exodm        │
 *     │  challenge, token, *acme*d1   ──▶   │   ready
 *     │  token, payload             ◀──▶    │
 * ```
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
import { mostNameBytes, parseExternalName } from './identity.ts'
import { challengeBytes, keyBytes, Seal, tokenBytes } from './keys.ts'

/** What the server calls itself in its hello. */
export const serverName = 'exodm'

const headBytes = challengeBytes + tokenBytes
const mostHelloBytes = headBytes + mostNameBytes

/** Bytes that may lie here before the handshake is through: whoever sends more does not wait for answers. */
const mostEarlyBytes = 64 * 1024

/** Both keys of a device, eight bytes each. */
export interface Keys {
  readonly deviceKey: Uint8Array
  readonly serverKey: Uint8Array
}

type Phase = 'hello' | 'asking' | 'confirmation' | 'talk' | 'ended'

const noKeys: Keys = { deviceKey: new Uint8Array(keyBytes), serverKey: new Uint8Array(keyBytes) }

export class ServerEnd {
  readonly #cutter = new FrameCutter()
  readonly #limits: EndLimits
  #phase: Phase = 'hello'
  #hello: Uint8Array | undefined
  #deadline: number
  #talk: Conversation | undefined
  #salt: Uint8Array | undefined

  /** `now` and every later time in milliseconds of one clock that does not jump. */
  constructor(now: number, limits: EndLimits = defaultEndLimits) {
    this.#limits = limits
    this.#deadline = now + limits.handshakeMs
  }

  get phase(): Phase {
    return this.#phase
  }

  /** When `tick` wants to be called; infinity: not before something else happens. */
  get deadline(): number {
    return Math.min(this.#deadline, this.#talk?.deadline ?? Number.POSITIVE_INFINITY)
  }

  /** Bytes of unfinished frames. */
  get heldBytes(): number {
    return this.#cutter.held
  }

  /** What payloads to the device are sealed with; undefined before the handshake is through. As secret as the keys. */
  get salt(): Uint8Array | undefined {
    return this.#salt
  }

  /** Whether a call is under way in either direction. */
  get busy(): boolean {
    return this.#talk?.busy ?? false
  }

  /** What was read from the connection, in pieces of any size. */
  receive(chunk: Uint8Array, now: number): Effect[] {
    const out: Effect[] = []
    if (this.#phase === 'ended') return out
    this.#cutter.add(chunk)
    this.#read(now, out)
    return out
  }

  /**
   * The keys of the device that was named, or that there are none; `challenge` is four fresh random bytes. Asked for
   * once, by `named`.
   */
  admit(keys: Keys | undefined, challenge: Uint8Array, now: number): Effect[] {
    const out: Effect[] = []
    const hello = this.#hello
    if (this.#phase !== 'asking' || hello === undefined) return out
    const { deviceKey, serverKey } = keys ?? noKeys
    const theirs = new Seal(deviceKey, hello.slice(0, challengeBytes))
    const ours = new Seal(serverKey, challenge)
    const isRight = theirs.vouchesFor(hello.subarray(challengeBytes))
    if (keys === undefined)
      return this.#end({ kind: 'unknown', wanted: 'a device with keys', got: 'none' }, out)
    if (!isRight)
      return this.#end(
        { kind: 'wrong-token', wanted: 'a hello sealed with the device key', got: 'another' },
        out,
      )
    out.push({ kind: 'send', bytes: ours.hello(ascii(serverName)) })
    this.#salt = ours.salt
    this.#talk = new Conversation(ours, theirs, this.#limits)
    this.#phase = 'confirmation'
    this.#deadline = now + this.#limits.handshakeMs
    this.#read(now, out)
    return out
  }

  /** Makes a call once the line is free. */
  call(call: OutgoingCall, now: number): Effect[] {
    const out: Effect[] = []
    if (this.#phase === 'talk') this.#talk?.call(call, now, out)
    else out.push({ kind: 'answered', id: call.id, answer: { kind: 'unsent', reason: 'ended' } })
    return out
  }

  /** Answers the call that was handed out last; after the end it says nothing to nobody. */
  answer(result: Result): Effect[] {
    const out: Effect[] = []
    if (this.#phase === 'talk') this.#talk?.answer(result, out)
    return out
  }

  /** Tells the time. */
  tick(now: number): Effect[] {
    const out: Effect[] = []
    if (this.#phase === 'ended' || now < this.deadline) return out
    if (this.#phase === 'talk') {
      const ending = this.#talk?.tick(now, out)
      return ending === undefined ? out : this.#end(ending, out)
    }
    const wanted = `a frame of the handshake within ${this.#limits.handshakeMs} ms`
    return this.#end({ kind: 'too-slow', wanted, got: `${this.#cutter.held} bytes of it` }, out)
  }

  /** Nothing is taken or given any more, and nothing is kept. */
  close(): void {
    this.#phase = 'ended'
    this.#talk = undefined
    this.#hello = undefined
    this.#deadline = Number.POSITIVE_INFINITY
    this.#cutter.clear()
  }

  #end(why: Ending, out: Effect[]): Effect[] {
    this.close()
    out.push({ kind: 'ended', why })
    return out
  }

  #read(now: number, out: Effect[]): void {
    for (;;) {
      if (this.#phase === 'ended') return
      if (this.#phase === 'asking') {
        if (this.#cutter.held > mostEarlyBytes)
          this.#end({ kind: 'too-eager', wanted: 'to wait for the server’s hello', got: 'more frames' }, out)
        else this.#cutter.keep()
        return
      }
      const most = this.#phase === 'talk' ? this.#limits.frameBytes : mostHelloBytes
      const body = this.#cutter.next(most)
      if (body === undefined) return
      if ('tooLong' in body) {
        this.#end({ kind: 'frame-too-long', wanted: `at most ${most} bytes`, got: `${body.tooLong}` }, out)
        return
      }
      const ending = this.#take(body, now, out)
      if (ending !== undefined) this.#end(ending, out)
    }
  }

  #take(body: Uint8Array, now: number, out: Effect[]): Ending | undefined {
    switch (this.#phase) {
      case 'hello':
        return this.#takeHello(body, out)
      case 'confirmation':
        return this.#takeConfirmation(body, out)
      default:
        return this.#talk?.take(body, now, out)
    }
  }

  #takeHello(body: Uint8Array, out: Effect[]): Ending | undefined {
    const name = body.length <= headBytes ? undefined : parseExternalName(utf8(body.subarray(headBytes)))
    if (name === undefined)
      return {
        kind: 'bad-hello',
        wanted: 'challenge, token and a name such as *acme*d1',
        got: `${body.length} bytes`,
      }
    this.#hello = body.slice()
    this.#phase = 'asking'
    this.#deadline = Number.POSITIVE_INFINITY
    out.push({ kind: 'named', name, challenge: this.#hello.subarray(0, challengeBytes) })
    return undefined
  }

  #takeConfirmation(body: Uint8Array, out: Effect[]): Ending | undefined {
    const hello = this.#hello ?? new Uint8Array(0)
    let differs = body.length ^ hello.length
    for (let i = 0; i < hello.length; i++) differs |= (hello[i] ?? 0) ^ (body[i] ?? 0)
    if (differs !== 0)
      return { kind: 'bad-confirmation', wanted: 'the first frame once more', got: 'another' }
    this.#hello = undefined
    this.#phase = 'talk'
    this.#deadline = Number.POSITIVE_INFINITY
    out.push({ kind: 'ready' })
    return undefined
  }
}

const toUtf8 = new TextEncoder()
const fromUtf8 = new TextDecoder()

function ascii(text: string): Uint8Array {
  return toUtf8.encode(text)
}

function utf8(bytes: Uint8Array): string {
  return fromUtf8.decode(bytes)
}
