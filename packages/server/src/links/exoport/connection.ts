/**
 * One device's connection: carries out what the protocol's machine decides, and brings it together with the house's
 * session.
 *
 * Ten thousand of these stand idle most of the time, so there is little to each: the machine, the session, a few
 * numbers; no timer of its own (the port looks at all of them once a second) and no buffer unless a frame is unfinished.
 *
 * Reading stops while something else has to come first: while the house looks for the keys, while the device sends more
 * frames a second than it may, while it does not read what it is told.
 */
import type { Socket } from 'node:net'
import { type SecureContext, TLSSocket } from 'node:tls'
import {
  type Answer,
  type Effect,
  type ExternalName,
  guessedValues,
  type IncomingCall,
  type OutgoingCall,
  type Result,
  readAnswer,
  readDeviceCall,
  ServerEnd,
  serverAnswer,
  valuesOf,
} from '@waymark/exoport'
import type { Known, LinkHouse, OpenSession } from '../link.ts'
import { answerOf, type createCalls, outcomeOf } from './carry.ts'
import type { PortLimits } from './limits.ts'
import { carrySoftware } from './packages.ts'
import { type Sealer, sealedAside } from './sealer.ts'

/** What connections share. */
export interface Port {
  readonly house: LinkHouse
  readonly limits: PortLimits
  readonly protocols: readonly string[]
  /** There when the port speaks TLS as well. */
  readonly secure: SecureContext | undefined
  readonly sealer: Sealer
  readonly callOf: ReturnType<typeof createCalls>
  /** Milliseconds that only go forward. */
  now(): number
  /** Whether this device said this challenge before; from now on it has. Told to the operator, if so. */
  isReplayed(device: string, challenge: Uint8Array): boolean
  /** Unfinished frames of all connections have grown by so many bytes; false: there is no room for them. */
  hold(bytes: number): boolean
  /** The handshake of one is through. */
  admitted(): void
  /** Something of ours did not work. */
  failed(error: unknown): void
  /** It is over; `why` for the counters. */
  left(connection: Connection, why: string): void
}

/** The first byte of a TLS handshake. No frame begins with it: that would be one of 368 MB. */
const tlsHandshake = 0x16

export class Connection {
  readonly #port: Port
  readonly #end: ServerEnd
  #socket: Socket
  readonly #address: string
  #isTls = false
  #isFirst = true
  #known: Known | undefined
  #session: OpenSession | undefined
  #opening: Promise<void> | undefined
  /** Settles with the answer of the call under way; with undefined when the connection ends first. */
  #awaiting: ((answer: Answer | undefined) => void) | undefined
  /** What is being written down of the last answer: the session is not closed before. */
  #settling: Promise<void> = nothing
  #held = 0
  #heardAt: number
  #toldAt = 0
  /** Frames that may still come at once. */
  #frames: number
  #framesAt: number
  /** Reading goes on at this time. */
  #resumeAt = 0
  /** Since when the device has not read what it was told; 0: it has. */
  #clogged = 0
  #isLeaving = false
  #isOver = false

  constructor(port: Port, socket: Socket) {
    const now = port.now()
    this.#port = port
    this.#socket = socket
    // IPv4 within IPv6 is told as IPv4, as everywhere else in the house.
    this.#address = (socket.remoteAddress ?? '').replace(/^::ffff:(?=\d+\.)/i, '')
    this.#end = new ServerEnd(now, port.limits)
    this.#heardAt = this.#framesAt = now
    this.#frames = port.limits.frameBurst
    socket.setNoDelay(true)
    socket.setKeepAlive(true, port.limits.keepAliveMs)
    this.#listen(socket)
  }

  /** True once the handshake is through. */
  get isOpened(): boolean {
    return this.#opening !== undefined
  }

  /** Looks after time-outs; called every so often. */
  tick(now: number): void {
    if (this.#isOver) return
    if (now >= this.#end.deadline) this.#carryOut(this.#end.tick(now))
    const { limits } = this.#port
    const idleMs = this.#known?.idleMs ?? 0
    if (idleMs > 0 && now - this.#heardAt >= idleMs && !this.#end.busy) this.#leave('idle')
    else if (this.#clogged > 0 && now - this.#clogged >= limits.cloggedMs) this.#leave('not-reading')
    else if (this.#resumeAt > 0 && now >= this.#resumeAt) {
      this.#resumeAt = 0
      this.#resume()
    }
  }

  /** Ends when nothing is under way any more. */
  drain(): void {
    this.#isLeaving = true
    this.#leaveIfQuiet()
  }

  /** Ends now. */
  cut(): void {
    this.#leave('cut')
  }

  #listen(socket: Socket): void {
    this.#socket = socket
    socket.on('data', (chunk) => this.#read(chunk))
    socket.on('close', () => this.#leave('hung-up'))
    // A broken connection is closed by Node right afterwards.
    socket.on('error', () => {})
    socket.on('drain', () => {
      this.#clogged = 0
      this.#resume()
    })
  }

  #read(chunk: Uint8Array): void {
    if (this.#isOver) return
    if (this.#isFirst) {
      this.#isFirst = false
      if (chunk[0] === tlsHandshake && this.#port.secure !== undefined) {
        this.#wrap(this.#port.secure, chunk)
        return
      }
    }
    const now = this.#port.now()
    this.#heardAt = now
    if (this.#session !== undefined && now - this.#toldAt >= 1000) {
      this.#toldAt = now
      this.#session.heard()
    }
    this.#carryOut(this.#end.receive(chunk, now))
    const held = this.#end.heldBytes
    if (held === this.#held) return
    const hasRoom = this.#port.hold(held - this.#held)
    this.#held = held
    if (!hasRoom && held > 0) this.#leave('no-room')
  }

  #wrap(secureContext: SecureContext, chunk: Uint8Array): void {
    const raw = this.#socket
    raw.removeAllListeners('data')
    raw.removeAllListeners('drain')
    raw.pause()
    raw.unshift(chunk)
    this.#isTls = true
    this.#listen(new TLSSocket(raw, { isServer: true, secureContext }))
  }

  #carryOut(effects: readonly Effect[]): void {
    if (effects.length < 2) {
      this.#carryOutEach(effects)
      return
    }
    // What is sent in pieces leaves in one.
    const socket = this.#socket
    socket.cork()
    this.#carryOutEach(effects)
    socket.uncork()
  }

  #carryOutEach(effects: readonly Effect[]): void {
    for (const effect of effects) {
      if (this.#isOver) return
      switch (effect.kind) {
        case 'send':
          this.#write(effect.bytes)
          break
        case 'named':
          this.#socket.pause()
          this.#started(this.#admit(effect.name, effect.challenge))
          break
        case 'ready':
          this.#port.admitted()
          this.#opening = this.#open()
          this.#started(this.#opening)
          break
        case 'called':
          this.#count()
          this.#started(this.#serve(effect.call).then((result) => this.#answer(result)))
          break
        case 'cast':
          this.#count()
          this.#started(this.#serve(effect.call))
          break
        case 'answered':
          this.#count()
          this.#answered(effect.answer)
          break
        case 'skipped':
          this.#count()
          break
        case 'ended':
          this.#leave(effect.why.kind)
      }
    }
  }

  #answered(answer: Answer | undefined): void {
    const awaiting = this.#awaiting
    this.#awaiting = undefined
    awaiting?.(answer)
  }

  #write(bytes: Uint8Array): void {
    this.#socket.write(bytes)
    if (this.#socket.writableLength <= this.#port.limits.unwrittenBytes || this.#clogged > 0) return
    this.#clogged = this.#port.now()
    this.#socket.pause()
  }

  #resume(): void {
    if (!this.#isOver && this.#clogged === 0 && this.#resumeAt === 0 && this.#end.phase !== 'asking')
      this.#socket.resume()
  }

  /** One more frame: those beyond the rate are read later, which the device feels as a slow line. */
  #count(): void {
    const { framesPerSecond, frameBurst } = this.#port.limits
    const now = this.#port.now()
    this.#frames = Math.min(frameBurst, this.#frames + ((now - this.#framesAt) * framesPerSecond) / 1000) - 1
    this.#framesAt = now
    if (this.#frames >= 0 || this.#resumeAt > 0) return
    this.#resumeAt = now + this.#port.limits.tickMs
    this.#socket.pause()
  }

  /** Finds out who it is. Whatever is missing or wrong looks alike from outside, and takes the same steps. */
  async #admit(name: ExternalName, challenge: Uint8Array): Promise<void> {
    const { house, protocols } = this.#port
    if (house.waitMs(name, this.#address) > 0) {
      this.#leave('throttled')
      return
    }
    const known = await house.identify(name, protocols)
    if (this.#isOver) return
    const { deviceKey, serverKey } = known ?? {}
    const mayCome =
      known !== undefined &&
      (this.#isTls || !known.tlsOnly) &&
      deviceKey !== undefined &&
      serverKey !== undefined &&
      !house.draining.aborted
    const effects = this.#end.admit(
      mayCome ? { deviceKey, serverKey } : undefined,
      house.random(4),
      this.#port.now(),
    )
    const hasKeys = this.#end.phase !== 'ended' && known !== undefined
    const isReplayed = hasKeys && this.#port.isReplayed(known.device, challenge)
    house.attempted(name, this.#address, hasKeys && !isReplayed)
    if (isReplayed) {
      this.#leave('replayed')
      return
    }
    if (hasKeys) this.#known = known
    this.#carryOut(effects)
    this.#resume()
  }

  async #open(): Promise<void> {
    const known = this.#known
    if (known === undefined) return
    const session = await this.#port.house.open(known, {
      address: this.#address,
      end: (why) => this.#leave(why),
    })
    if (this.#isOver) {
      await session.close()
      return
    }
    this.#session = session
    this.#started(this.#carry(session))
  }

  /** Takes what is next, carries it, says what came of it; one at a time, for the wire knows no more. */
  async #carry(session: OpenSession): Promise<void> {
    for (;;) {
      const carried = await session.nextOfAll()
      if (carried === undefined || this.#isOver || this.#isLeaving) {
        this.#leaveIfQuiet()
        return
      }
      if (carried.kind === 'packages' || carried.kind === 'package-configuration') {
        // At the end of the server a transfer stops between two parts: what is confirmed is not sent again.
        const ask = (call: Omit<OutgoingCall, 'id'>) =>
          this.#isLeaving ? Promise.resolve(undefined) : this.#ask(call, carried.expiresAt)
        const carriage = carrySoftware(session, carried, ask, this.#port.limits)
        // Whatever is being written down of it comes before the end of the session.
        this.#settling = carriage.then(() => {})
        const { kind } = await carriage
        this.#leaveIfQuiet()
        if (kind === 'ended') return
        continue
      }
      const call = this.#port.callOf(carried)
      if ('unsendable' in call) {
        await session.settle(carried, { kind: 'failed', reason: call.unsendable })
        continue
      }
      const answer = await this.#ask(call, carried.expiresAt)
      if (answer === undefined) return
      const outcome = outcomeOf(carried, readAnswer(answer), (module, name) => session.describe(module, name))
      this.#settling =
        outcome instanceof Promise
          ? outcome.then((outcome) => session.settle(carried, outcome))
          : session.settle(carried, outcome)
      await this.#settling
      this.#leaveIfQuiet()
    }
  }

  /** Makes a call; undefined: the connection has ended, or ends because nothing was answered. */
  #ask(call: Omit<OutgoingCall, 'id'>, expiresAt: number | undefined): Promise<Answer | undefined> {
    const { payload } = call
    const { salt } = this.#end
    if (payload === undefined || payload.length < sealedAside || salt === undefined)
      return this.#askSealed(call, expiresAt)
    const sealed = this.#port.sealer.token(salt, payload)
    return sealed.then((token) => this.#askSealed({ ...call, ...(token && { token }) }, expiresAt))
  }

  #askSealed(call: Omit<OutgoingCall, 'id'>, expiresAt: number | undefined): Promise<Answer | undefined> {
    return new Promise((resolve) => {
      if (this.#isOver) return resolve(undefined)
      const { limits, house } = this.#port
      const leftMs = expiresAt === undefined ? Number.POSITIVE_INFINITY : expiresAt - house.clock.now()
      // A long one takes its time on a slow line: a kilobyte a second.
      const answerMs = limits.answerMs + (call.payload?.length ?? 0)
      const timeoutMs = Math.max(0, Math.min(answerMs, leftMs))
      this.#awaiting = (answer) => {
        if (answer?.kind !== 'timed-out' || timeoutMs < answerMs) return resolve(answer)
        resolve(undefined)
        // It may have been heard or not. A new connection is the way to find out: it is carried again there.
        this.#leave('no-answer')
      }
      this.#carryOut(this.#end.call({ id: 0, ...call, timeoutMs }, this.#port.now()))
    })
  }

  /** What a device's call is answered: of all that it might call, three functions exist. */
  async #serve(call: IncomingCall): Promise<Result> {
    const asked = readDeviceCall(call)
    if (asked.kind === 'ping') return serverAnswer.pong
    if (asked.kind === 'other') return serverAnswer.notDefined
    await this.#opening
    const session = this.#session
    if (session === undefined) return serverAnswer.notDefined
    const { module, method, elements } = asked
    const described = await session.describe(module, method)
    const params = described ? valuesOf(elements, described.input) : guessedValues(elements)
    if (!params.ok) {
      const { thing, wanted, got } = params.refusal
      return serverAnswer.failed(`bad-params: ${thing}: wanted ${wanted}, got ${got}`)
    }
    return answerOf(await session.call({ module, method, params: params.value }))
  }

  #answer(result: Result): void {
    if (this.#isOver) return
    this.#carryOut(this.#end.answer(result))
    this.#leaveIfQuiet()
  }

  #leaveIfQuiet(): void {
    if (!this.#isLeaving || this.#isOver || this.#end.busy) return
    const leave = () => this.#leave('draining')
    void this.#settling.then(leave, leave)
  }

  /** Work that nobody waits for: a defect in it ends the connection and is told. */
  #started(work: Promise<unknown>): void {
    work.catch((error: unknown) => {
      if (!this.#isOver) this.#port.failed(error)
      this.#leave('failed')
    })
  }

  #leave(why: string): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#end.close()
    const socket = this.#socket
    if (why === 'draining') {
      // What was said last is to arrive; a peer that does not read gets no more than a moment for it.
      socket.destroySoon()
      setTimeout(() => socket.destroy(), farewellMs).unref()
    } else socket.destroy()
    this.#port.hold(-this.#held)
    this.#held = 0
    this.#answered(undefined)
    const session = this.#session
    const close = async () => {
      await this.#settling.catch(() => {})
      await session?.close()
    }
    close()
      .catch((error: unknown) => this.#port.failed(error))
      .finally(() => this.#port.left(this, why))
  }
}

const nothing = Promise.resolve()
const farewellMs = 2000
