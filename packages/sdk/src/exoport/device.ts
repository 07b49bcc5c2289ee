/**
 * The device's side of ExoPort: dials, logs in, pings, and then both sides may call.
 *
 * What the device has to say (notifications and RPCs) waits in one queue, in order, and survives lost connections: an
 * entry leaves the queue when the server has answered it, so one whose answer got lost is sent again. What the server
 * asks goes to a table of handlers, one call at a time, as the protocol has it.
 *
 * A lost connection is dialled again, each wait about twice the last, half of it by luck. The waits begin anew only
 * after a connection that lasted: a device that is thrown out right after it got in (because another program uses its
 * name, or because the server refuses it) would otherwise come back at once, for ever.
 */
import {
  type Answer,
  type Configuration,
  DeviceEnd,
  deviceCall,
  type Effect,
  externalName,
  guessedValues,
  type IncomingCall,
  imageAnswer,
  keyOf,
  operationAnswer,
  pairsOf,
  type Result,
  readImageCall,
  readPush,
  textOf,
  type ValueObject,
} from '@waymark/exoport'
import { backoff } from '../retry.ts'
import { ExoPortFault } from './fault.ts'
import { createImageTaker, type PackageHandlers } from './images.ts'
import { type Address, type ExoPortOutside, realExoPortOutside, type Wire } from './wire.ts'

export type { Configuration, Value, ValueObject } from '@waymark/exoport'

export interface ExoPortOptions extends Address {
  readonly account: string
  readonly device: string
  /** As numbers, or as their eight bytes. */
  readonly deviceKey: number | bigint | Uint8Array
  readonly serverKey: number | bigint | Uint8Array
  /** What the server may ask, by `module:operation`. Anything else is answered by `access denied`. */
  readonly operations?: Readonly<Record<string, Operation>>
  /** Takes a configuration that is pushed. Absent: pushes are refused. Throwing refuses this one. */
  readonly configured?: (configuration: Configuration) => void | Promise<void>
  /** Takes packages. Absent: the calls for them are refused. */
  readonly packages?: PackageHandlers
  /** What happens to the connection, for logs. */
  readonly happened?: (event: ExoPortEvent) => void
  readonly patience?: Partial<ExoPortPatience>
  /** Entries that may wait to be sent. 1000. */
  readonly queueMax?: number
  readonly outside?: ExoPortOutside
}

/** Carries out an operation. Nothing: done. Throwing: failed, with the error's message. */
export type Operation = (
  params: ValueObject,
) => OperationOutcome | undefined | Promise<OperationOutcome | undefined>

export type OperationOutcome =
  /** Done; this notification of the same module tells the rest. */
  | { readonly notify: string; readonly params?: ValueObject }
  /** Done; this is the operation's output. */
  | { readonly output: ValueObject }

export type ExoPortEvent =
  | { readonly kind: 'connected' }
  | { readonly kind: 'disconnected'; readonly why: string; readonly retryMs: number | undefined }

/** All in milliseconds. */
export interface ExoPortPatience {
  /** For a connection to be there. */
  readonly connect: number
  /** For an answer of the server. */
  readonly answer: number
  /** Quiet time after which the server is pinged; 0: never. */
  readonly ping: number
  /** The first wait before dialling again, and the longest. */
  readonly firstRetry: number
  readonly lastRetry: number
  /** A connection that lasted so long is a good one: the waits begin anew after it. */
  readonly stable: number
}

const patienceDefault: ExoPortPatience = {
  connect: 10_000,
  answer: 30_000,
  ping: 60_000,
  firstRetry: 500,
  lastRetry: 60_000,
  stable: 30_000,
}

export interface ExoPortDevice {
  /** Dials, and goes on dialling. */
  start(): void
  /** Sends a notification; resolves when the server has taken it. */
  notify(module: string, name: string, params?: ValueObject): Promise<void>
  /** Asks the back end; resolves with the operation's output. */
  rpc(module: string, name: string, params?: ValueObject): Promise<ValueObject>
  /** Logged in and answered. */
  readonly connected: boolean
  /** Entries that wait, the one on the wire included. */
  readonly pending: number
  /** Hangs up for good; what still waits is rejected. */
  stop(): void
}

/**
 * A device that is not dialling yet. Throws `RangeError` for keys that are none and names that no delimiter splits.
 *
 * ```ts
 * const device = createExoPortDevice({
 *   host: '127.0.0.1', port: 9900,
 *   account: 'fleet', device: 'truck-9', deviceKey: 7001, serverKey: 7002,
 *   operations: {
 *     'fleet:blink': ({ times }) => ({ notify: 'blink-callback', params: { 'rpc-status': 'complete', final: true } }),
 *   },
 * })
 * device.start()
 * await device.notify('fleet', 'alarm', { level: 3 })
 * ```
 */
export function createExoPortDevice(options: ExoPortOptions): ExoPortDevice {
  return new Device(options)
}

interface Entry {
  readonly call: { readonly module: string; readonly function: string; readonly args: IncomingCall['args'] }
  readonly resolve: (output: ValueObject) => void
  readonly reject: (fault: ExoPortFault) => void
}

type Phase = 'stopped' | 'waiting' | 'dialling' | 'greeting' | 'connected'

class Device implements ExoPortDevice {
  readonly #options: ExoPortOptions
  readonly #outside: ExoPortOutside
  readonly #patience: ExoPortPatience
  readonly #keys: { readonly deviceKey: Uint8Array; readonly serverKey: Uint8Array }
  readonly #takeImage: ReturnType<typeof createImageTaker> | undefined
  readonly #queue: Entry[] = []
  #phase: Phase = 'stopped'
  #wire: Wire | undefined
  #end: DeviceEnd | undefined
  /** Tells the connections apart: what a former one still says is not heard. */
  #connection = 0
  #isSending = false
  #attempts = 0
  #connectedAt = 0
  #heardAt = 0
  #cancelTimer: (() => void) | undefined

  constructor(options: ExoPortOptions) {
    this.#options = options
    this.#outside = options.outside ?? realExoPortOutside
    this.#takeImage = options.packages && createImageTaker(options.packages)
    this.#patience = { ...patienceDefault, ...options.patience }
    this.#keys = { deviceKey: bytesOf(options.deviceKey), serverKey: bytesOf(options.serverKey) }
    if (externalName(options) === undefined)
      throw new RangeError('account and device: wanted names that a delimiter can split, got others')
  }

  get connected(): boolean {
    return this.#phase === 'connected'
  }

  get pending(): number {
    return this.#queue.length
  }

  start(): void {
    if (this.#phase === 'stopped') this.#dial()
  }

  stop(): void {
    if (this.#phase === 'stopped') return
    this.#phase = 'stopped'
    this.#attempts = 0
    this.#wire?.end()
    this.#wire = undefined
    this.#hangUp()
    for (const { reject } of this.#queue.splice(0))
      reject(new ExoPortFault('stopped', 'a connection to send it over', 'the end of the device'))
  }

  async notify(module: string, name: string, params: ValueObject = {}): Promise<void> {
    await this.#enqueue(deviceCall.notification(module, name, pairsOf(params)))
  }

  rpc(module: string, name: string, params: ValueObject = {}): Promise<ValueObject> {
    return this.#enqueue(deviceCall.rpc(module, name, pairsOf(params)))
  }

  #enqueue(call: Entry['call']): Promise<ValueObject> {
    const most = this.#options.queueMax ?? 1000
    if (this.#queue.length >= most)
      return Promise.reject(new ExoPortFault('queue-full', `at most ${most} entries waiting`, 'one more'))
    return new Promise((resolve, reject) => {
      this.#queue.push({ call, resolve, reject })
      this.#sendNext()
    })
  }

  #dial(): void {
    const { host, port, tls = false } = this.#options
    const connection = ++this.#connection
    this.#phase = 'dialling'
    this.#attempts += 1
    this.#timer(this.#patience.connect, () => this.#lost('no connection in time'))
    this.#wire = this.#outside.connect(
      { host, port, tls },
      {
        opened: () => this.#whileOn(connection, () => this.#greet()),
        read: (chunk) => this.#whileOn(connection, () => this.#read(chunk)),
        closed: (why) => this.#whileOn(connection, () => this.#lost(why)),
      },
    )
  }

  #whileOn(connection: number, act: () => void): void {
    if (connection === this.#connection && this.#phase !== 'stopped' && this.#phase !== 'waiting') act()
  }

  #greet(): void {
    const { account, device } = this.#options
    this.#phase = 'greeting'
    const end = new DeviceEnd({ name: { account, device }, ...this.#keys }, this.#outside.challenge())
    this.#end = end
    this.#carryOut(end.start(this.#outside.now()))
    this.#watch()
  }

  #read(chunk: Uint8Array): void {
    const now = this.#outside.now()
    this.#heardAt = now
    if (this.#end) this.#carryOut(this.#end.receive(chunk, now))
    this.#watch()
  }

  #carryOut(effects: readonly Effect[]): void {
    const connection = this.#connection
    for (const effect of effects) {
      if (connection !== this.#connection) return
      switch (effect.kind) {
        case 'send':
          this.#wire?.write(effect.bytes)
          break
        case 'ready':
          this.#call(pingId, deviceCall.ping())
          break
        case 'called':
          void this.#serve(effect.call).then((result) =>
            this.#whileOn(connection, () => {
              if (this.#end) this.#carryOut(this.#end.answer(result))
            }),
          )
          break
        case 'cast':
          void this.#serve(effect.call)
          break
        case 'answered':
          this.#answered(effect.id, effect.answer)
          break
        case 'ended':
          this.#lost(`${effect.why.kind}: wanted ${effect.why.wanted}, got ${effect.why.got}`)
          break
        default:
      }
    }
  }

  #call(id: number, call: Entry['call']): void {
    const timeoutMs = this.#patience.answer
    if (this.#end) this.#carryOut(this.#end.call({ id, ...call, timeoutMs }, this.#outside.now()))
    this.#watch()
  }

  #answered(id: number, answer: Answer): void {
    if (answer.kind === 'timed-out') {
      this.#lost(`no answer within ${this.#patience.answer} ms`)
      return
    }
    if (id === pingId) {
      this.#ponged(answer)
      return
    }
    this.#isSending = false
    const entry = this.#queue.shift()
    if (entry) settle(entry, answer)
    this.#sendNext()
  }

  /** A server whose answer to the ping is another is none of ours (a stock device gives it up as well). */
  #ponged(answer: Answer): void {
    if (answer.kind !== 'reply' || textOf(answer.result) !== 'pong') {
      this.#lost('the server does not answer a ping by pong')
      return
    }
    if (this.#phase !== 'greeting') return
    this.#phase = 'connected'
    this.#connectedAt = this.#outside.now()
    this.#options.happened?.({ kind: 'connected' })
    this.#sendNext()
  }

  #sendNext(): void {
    const [entry] = this.#queue
    if (this.#phase !== 'connected' || this.#isSending || entry === undefined) return
    this.#isSending = true
    this.#call(entryId, entry.call)
  }

  async #serve(call: IncomingCall): Promise<Result> {
    try {
      const configuration = readPush(call)
      if (configuration) return await this.#configure(configuration)
      const image = this.#takeImage && readImageCall(call)
      if (this.#takeImage && image)
        return imageAnswer('refused' in image ? image.refused : await this.#takeImage(image))
      const operation = ownOperation(this.#options.operations, `${call.module}:${call.function}`)
      const params = guessedValues(call.args[0] ?? [])
      if (operation === undefined || call.args.length !== 1) return operationAnswer.accessDenied
      if (!params.ok) return operationAnswer.failed(`parameters: wanted ${params.refusal.wanted}`)
      const outcome = await operation(params.value)
      if (outcome === undefined) return operationAnswer.ok
      return 'output' in outcome
        ? operationAnswer.output(pairsOf(outcome.output))
        : operationAnswer.notify(outcome.notify, pairsOf(outcome.params ?? {}))
    } catch (error) {
      return operationAnswer.failed(error instanceof Error ? error.message : String(error))
    }
  }

  async #configure(configuration: Configuration): Promise<Result> {
    if (this.#options.configured === undefined) return operationAnswer.accessDenied
    await this.#options.configured(configuration)
    return operationAnswer.notify(
      'push-config-set-callback',
      pairsOf({ 'rpc-status': 'complete', final: true }),
    )
  }

  /** Sets the one timer to whatever is due first: a time-out of the protocol, or a ping. */
  #watch(): void {
    const end = this.#end
    if (end === undefined || this.#phase === 'stopped' || this.#phase === 'waiting') return
    const pingAt =
      this.#phase === 'connected' && this.#patience.ping > 0
        ? this.#heardAt + this.#patience.ping
        : Number.POSITIVE_INFINITY
    const due = Math.min(end.deadline, pingAt)
    if (due === Number.POSITIVE_INFINITY) this.#cancelTimer?.()
    else this.#timer(Math.max(0, due - this.#outside.now()), () => this.#due(end))
  }

  #due(end: DeviceEnd): void {
    const now = this.#outside.now()
    this.#carryOut(end.tick(now))
    if (end !== this.#end || this.#phase !== 'connected') {
      this.#watch()
      return
    }
    if (this.#patience.ping > 0 && now - this.#heardAt >= this.#patience.ping) {
      this.#heardAt = now
      if (!end.busy) this.#call(pingId, deviceCall.ping())
    }
    this.#watch()
  }

  #lost(why: string): void {
    if (this.#phase === 'stopped' || this.#phase === 'waiting') return
    const { firstRetry, lastRetry, stable } = this.#patience
    if (this.#phase === 'connected' && this.#outside.now() - this.#connectedAt >= stable) this.#attempts = 1
    this.#phase = 'waiting'
    this.#hangUp()
    const retryMs = backoff(this.#attempts, this.#outside.random, { firstMs: firstRetry, capMs: lastRetry })
    this.#timer(retryMs, () => this.#dial())
    this.#options.happened?.({ kind: 'disconnected', why, retryMs })
  }

  #hangUp(): void {
    this.#cancelTimer?.()
    this.#cancelTimer = undefined
    this.#connection += 1
    this.#end?.close()
    this.#end = undefined
    this.#isSending = false
    this.#wire?.destroy()
    this.#wire = undefined
  }

  #timer(ms: number, then: () => void): void {
    this.#cancelTimer?.()
    this.#cancelTimer = this.#outside.after(ms, then)
  }
}

const pingId = 0
const entryId = 1

function settle({ resolve, reject }: Entry, answer: Answer): void {
  if (answer.kind === 'reply') {
    const { result } = answer
    if (textOf(result) === 'ok' && !Array.isArray(result)) {
      resolve({})
      return
    }
    const output = guessedValues(result)
    if (output.ok) resolve(output.value)
    else reject(new ExoPortFault('bad-answer', 'ok or a list of pairs', output.refusal.got))
  } else if (answer.kind === 'error')
    reject(new ExoPortFault('refused', 'to be taken', answer.error.detail || `error ${answer.error.code}`))
  else reject(new ExoPortFault('bad-answer', 'a reply', answer.kind))
}

/** Names of the table itself, and none that every object has. */
function ownOperation(operations: ExoPortOptions['operations'], name: string): Operation | undefined {
  return operations !== undefined && Object.hasOwn(operations, name) ? operations[name] : undefined
}

function bytesOf(key: number | bigint | Uint8Array): Uint8Array {
  if (!(key instanceof Uint8Array)) return keyOf(key)
  if (key.length !== 8) throw new RangeError(`key: wanted 8 bytes, got ${key.length}`)
  return key
}
