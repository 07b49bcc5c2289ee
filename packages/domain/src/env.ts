/** What an operation may know of the world outside: handed in with each call, so that a simulated month replays. */
import { Id24, type Instant } from './ids.ts'

export interface Env {
  readonly now: Instant
  /** So many random bytes, from a source fit for secrets. */
  readonly random: (count: number) => Uint8Array
}

/** A new 24-digit id of any brand: `newId(env, DeviceId.parse)`. */
export function newId<T extends string>(env: Env, parse: (raw: unknown) => T | undefined): T {
  const id = parse(Id24.make(env.now, env.random(6)))
  if (id === undefined) throw new Error('a made id always parses')
  return id
}
