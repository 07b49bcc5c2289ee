/**
 * The house: everything that is shared by the doors, composed once. A door gets this and its routes' app; it finds here
 * who is calling, what is kept, and what time it is, and nothing else.
 */
import type { DeviceId, Env, Instant, Store } from '@waymark/domain'
import type { ObjectBytes } from '@waymark/store'
import type { FastifyRequest } from 'fastify'
import type { Access } from './access.ts'
import type { BackEndCalls } from './back-end-calls.ts'
import type { Config } from './config.ts'
import type { HttpApp } from './http.ts'
import type { Keys } from './keys.ts'
import type { Exchange } from './links/exchange.ts'
import type { Log } from './log.ts'
import type { Metrics } from './metrics.ts'
import type { ObjectRoom } from './object-room.ts'
import type { Passwords } from './passwords.ts'
import type { Presence } from './presence.ts'
import type { Guesses, Throttle } from './throttle.ts'
import type { TokenKeys } from './token-keys.ts'
import type { Traffic } from './traffic.ts'

export interface House {
  readonly config: Config
  readonly log: Log
  readonly metrics: Metrics
  /** Everything but telemetry: transacted, journaled. */
  readonly store: Store
  /** Logs and presence: durable where acknowledged, never journaled. */
  readonly telemetry: Store
  readonly bytes: ObjectBytes
  readonly objects: ObjectRoom
  readonly access: Access
  readonly presence: Presence
  /** Devices that are spoken to, and back ends that are told. */
  readonly exchange: Exchange
  /** What back ends call, where the door that owns it is open. */
  readonly backEnd: { calls?: BackEndCalls }
  readonly keys: Keys
  /** Which keys sign and open logins, now. */
  readonly tokenKeys: TokenKeys
  readonly passwords: Passwords
  /** Registrations of devices and accounts, by the address they come from. */
  readonly registrations: Throttle
  /** Guesses at secrets of every kind, by name and address. */
  readonly guesses: Guesses
  /** What tenants ask for and move, and what is let through. */
  readonly traffic: Traffic
  /** Live event streams, counted so that there is a most. */
  readonly streams: { open: number }
  readonly clock: { now(): Instant }
  /** What a domain operation is told of the outside, at this moment. */
  env(): Env
  /** The address that asked, seen through trusted proxies. */
  peerAddress(request: FastifyRequest): string
  /** The address others reach us by, without a slash at the end. */
  publicUrl(): string
  /** Aborted when the server begins to stop. */
  readonly draining: AbortSignal
}

/** A door: registers its routes on the HTTP app, and finds everything else in the house. */
export type Door = (http: HttpApp, house: House) => Promise<void>

/** Where a device's sealed secret belongs: it opens nowhere else. */
export function devicePlace(device: DeviceId): string {
  return `device/${device}`
}
