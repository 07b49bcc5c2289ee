/**
 * What a link is: a protocol's way to devices. It knows bytes and presence and decides nothing.
 *
 * A link opens a listener (or answers on one of ours), finds out who has called, and opens a *session* for that device.
 * From then on it takes what is next in the device's queue, carries it over its wire, and says what came of it; and it
 * hands up what the device says by itself. Queue, order, time-outs, schemas and permissions are behind the session: a
 * link that stops half-way loses nothing, for what it took and did not settle is taken again by the next session.
 *
 * ```
 *            identify ─▶ open ─▶ next ─▶ (carry over the wire) ─▶ settle ─▶ next …
 *   device ─ wire ─ link ─┤                                                      ├─ house
 *            a device's own call ─▶ call ─▶ answer                     … ─▶ close
 * ```
 *
 * Values are JSON with exact numbers (`JsonValue` of `@waymark/yang`): names without prefix, 64-bit numbers as numbers or
 * bigints, texts as strings. A link whose wire cannot tell a text from a list of small numbers asks the schema.
 */
import type { DeviceId, TransactionId } from '@waymark/domain'
import type { DataDefinition, JsonObject, JsonValue } from '@waymark/yang'
import type { Config } from '../config.ts'
import type { Log } from '../log.ts'
import type { Metrics } from '../metrics.ts'
import type { Listener } from '../serve.ts'

/** A protocol: made once, opened with the server, closed with it. */
export interface Link {
  /** For logs and metrics: `exoport`. */
  readonly name: string
  /** The words by which a device type names it. */
  readonly protocols: readonly Protocol[]
  /** Gets ready; devices that call its listeners are let in once those listen. */
  open(house: LinkHouse): OpenLink
}

export interface Protocol {
  readonly name: string
  /** How calls reach its devices: kept in the queue, or made at once and refused while the device is away. */
  readonly delivery: 'queued' | 'immediate'
}

export interface OpenLink {
  /** The ports it wants, by the names of their flags; the server opens them, says so, and drains them at the end. */
  readonly listeners: readonly Listener[]
  /** How devices of these of its protocols are called: asked when something waits for one that is not there. */
  readonly dials?: { readonly protocols: readonly string[]; readonly dial: Dial }
  /** Closes what is left of its sessions, and resolves when all is quiet. */
  close(): Promise<void>
}

/** Calls a device, or wakes it; whether it comes shows by its session. Rejects with the reason where it can not. */
export type Dial = (device: ToDial) => Promise<void>

/** A device that something waits for. */
export interface ToDial {
  readonly name: ExternalName
  readonly device: DeviceId
  readonly protocol: string
  /** What back ends told of it, where it can be reached among it. */
  readonly attributes: JsonObject
}

/** What a link finds in the house. */
export interface LinkHouse {
  readonly config: Config
  readonly log: Log
  readonly metrics: Metrics
  readonly clock: { now(): number }
  readonly random: (count: number) => Uint8Array
  readonly draining: AbortSignal
  /**
   * The device that an account-wide name means, with what it proves itself by. Unknown account, unknown device and a
   * device of another protocol answer alike: undefined.
   */
  identify(name: ExternalName, protocols: readonly string[]): Promise<Known | undefined>
  /** How long this name or this address has to wait after failed attempts, in milliseconds; 0: it may try. */
  waitMs(name: ExternalName, address: string): number
  /** Counts an attempt that failed, or forgives those before one that succeeded. */
  attempted(name: ExternalName, address: string, right: boolean): void
  /**
   * The device is there. An older session of the same device is closed (`replaced`) and its unsettled work goes back to
   * the queue before the new one gets any.
   */
  open(known: Known, session: Session): Promise<OpenSession>
}

/** Two names with a delimiter before each: `*acme*d1`. */
export interface ExternalName {
  readonly account: string
  readonly device: string
}

export interface Known {
  readonly name: ExternalName
  readonly device: DeviceId
  readonly protocol: string
  /** Eight bytes each; absent where none was given: such a device cannot prove itself by keys. */
  readonly deviceKey?: Uint8Array
  readonly serverKey?: Uint8Array
  /** Compares in constant time; false where the device has no password. */
  passwordIs(password: string): boolean
  /** Milliseconds without a sign of life after which a session ends; 0: never. */
  readonly idleMs: number
  /** The account lets its devices in by TLS alone. */
  readonly tlsOnly: boolean
}

/** What a link says of its end of a session. */
export interface Session {
  readonly address: string
  /** The house wants it ended. Called at most once; nothing is carried afterwards. */
  end(why: 'replaced' | 'deleted' | 'changed' | 'draining'): void
}

/** The house's end of a session. */
export interface OpenSession {
  /**
   * The next thing to carry, marked as sent on disk; waits for one up to `waitMs` (no limit without it). Undefined:
   * nothing came, or the session has ended. One at a time in each lane: asking again before the last one is settled
   * only gives what another lane holds, so several calls may wait at once.
   */
  next(waitMs?: number): Promise<Carried | undefined>
  /** The same for links that carry packages too; `next` answers for those that do not, by saying so. */
  nextOfAll(waitMs?: number): Promise<Carried | CarriedSoftware | undefined>
  /** What came of it, on disk when this resolves. One that ended meanwhile (timed out, cancelled) is ignored. */
  settle(carried: Carried | CarriedSoftware, outcome: Outcome): Promise<void>
  /** How far the device is, in percent. */
  progressed(carried: Carried | CarriedSoftware, percent: number): Promise<void>
  /** Part of the image of a step: at most `length` bytes from `offset` on, fewer at its end. */
  image(carried: CarriedPackages, step: number, offset: number, length: number): Promise<Uint8Array>
  /**
   * The device has stored a step's image up to so many bytes: they are not asked for again, also after a cut or a restart.
   * False: nothing more is to be sent, because what was asked has ended: meanwhile, or by this, for a device that says it has
   * what it was not sent can not be believed.
   */
  confirmed(carried: CarriedPackages, step: number, bytes: number): Promise<boolean>
  /** The image is to be sent again from its beginning: its checksum was not right. */
  restart(carried: CarriedPackages, step: number): Promise<void>
  /** A step has ended on the device; a failed one ends the whole. */
  stepped(carried: CarriedPackages, step: number, done: boolean, reason?: string): Promise<void>
  /** The parameters of an operation or notification that the device's modules define; undefined: none of them does. */
  describe(module: string, name: string): Promise<Described | undefined>
  /** What the device says by itself. */
  call(up: UpCall): Promise<UpAnswer>
  /** A sign of life: keeps `last seen` true. */
  heard(): void
  /** True until the session has ended, from either side. */
  readonly open: boolean
  /** The wire is gone: what was under way goes back to the queue. Safe to call twice. */
  close(): Promise<void>
}

export interface Described {
  readonly kind: 'rpc' | 'notification'
  readonly input: readonly DataDefinition[]
  readonly output: readonly DataDefinition[]
}

/** Something to carry to the device. */
export type Carried = CarriedRpc | CarriedConfiguration

interface CarriedBase {
  readonly transaction: TransactionId
  /** How often it was handed out before: above 0 the device may have seen it. */
  readonly attempt: number
  /** What the caller calls it, as the device shall see it: a number if the caller gave one, else digits. */
  readonly callId: JsonValue
  /** Milliseconds since 1970 after which nobody waits for it any more. */
  readonly expiresAt?: number
}

export interface CarriedRpc extends CarriedBase {
  readonly kind: 'rpc'
  readonly module: string
  readonly method: string
  /** In the order of the schema, defaults filled in. */
  readonly input: JsonObject
  readonly described: Described
}

/** A whole configuration to take instead of, or merged into, what the device has under that name. */
export interface CarriedConfiguration extends CarriedBase {
  readonly kind: 'configuration'
  readonly name: string
  readonly values: JsonObject
}

/** Packages, and configuration of packages: for links that know them. */
export type CarriedSoftware = CarriedPackages | CarriedPackageConfiguration

/** Steps to take in order: prerequisites first, what is no longer needed last. */
export interface CarriedPackages extends CarriedBase {
  readonly kind: 'packages'
  readonly steps: readonly CarriedStep[]
}

export interface CarriedStep {
  readonly operation: 'transmit' | 'install' | 'upgrade' | 'uninstall'
  readonly package: string
  /** What an upgrade replaces. */
  readonly from?: string
  /** What the device's installer is told. */
  readonly arguments?: string
  /** What is transferred; an uninstall has none. */
  readonly image?: {
    readonly size: number
    readonly sha256: string
    /** Bytes that the device has confirmed before: begin behind them. */
    readonly confirmed: number
    /** How often it was begun again before, also on other sessions, because its checksum was not right. */
    readonly restarts?: number
  }
  /** The configuration that the package begins with; absent where it has none. */
  readonly values?: JsonObject
}

/** Configuration of one or more packages, to be taken as a whole or not at all. */
export interface CarriedPackageConfiguration extends CarriedBase {
  readonly kind: 'package-configuration'
  readonly packages: readonly {
    readonly package: string
    /** All of it, as it is to be. */
    readonly values: JsonObject
    /** Only what was edited, for devices that merge by themselves. */
    readonly edits: JsonObject
  }[]
}

/** What came of something carried. */
export type Outcome =
  /** The device took it. `notify`: it names a notification of the module to send on, with its parameters. */
  | { readonly kind: 'done'; readonly notify?: { readonly method: string; readonly params: JsonObject } }
  /** The device answered with the operation's output. */
  | { readonly kind: 'replied'; readonly output: JsonObject }
  /** The device refused or broke it: it is not tried again. */
  | { readonly kind: 'failed'; readonly reason: string }
  /** The wire cannot do that at all (a device that follows a trail has no RPCs). */
  | { readonly kind: 'unsupported'; readonly reason: string }

/** What a device says by itself: a notification, or an operation that wants an answer. */
export interface UpCall {
  readonly module: string
  readonly method: string
  readonly params: JsonObject
}

export type UpAnswer =
  /** Taken: what was a notification is kept for delivery. */
  | { readonly kind: 'taken' }
  | { readonly kind: 'output'; readonly output: JsonObject; readonly described: Described }
  | { readonly kind: 'refused'; readonly reason: UpRefusal; readonly detail: string }

export type UpRefusal =
  /** None of the device's modules defines it. */
  | 'not-defined'
  /** It does not fit its schema. */
  | 'bad-params'
  /** Nobody to ask, no answer in time, or an answer that does not fit. */
  | 'no-answer'
  /** More at once than a device may have. */
  | 'too-many'
