/**
 * Human passwords: argon2id (RFC 9106), kept as PHC strings.
 *
 * A check costs tens of milliseconds and megabytes on purpose, so only a few run at once, the queue behind them is
 * bounded, and whoever does not fit is told to come again instead of taking the server down. A name nobody has costs
 * the same as one somebody has. A login that was verified is remembered for a while by a keyed hash over credential,
 * version, stored hash and password: no request pays twice, nothing kept tells the password, and a changed credential
 * forgets at once, because its version and hash are part of the key.
 */
import { argon2, createHmac, timingSafeEqual } from 'node:crypto'
import type { Instant } from '@waymark/domain'
import type { Random } from './keys.ts'
import { createRecent } from './recent.ts'

export interface Passwords {
  /** The PHC string to keep. Rejects with `PasswordsBusy` when too many wait, with `RangeError` over `maxPasswordBytes`. */
  hash(password: string): Promise<string>
  /** Whether the password is the one behind the hash; without a hash it takes as long and answers false. */
  verify(hash: string | undefined, password: string): Promise<boolean>
  /** Like `verify`, and remembers a right one for `rememberMs` under its credential and version. */
  matches(asked: {
    hash: string | undefined
    password: string
    credential: string
    version: number
  }): Promise<boolean>
}

/** How hard a hash is: memory in KiB, passes, lanes. */
export interface Argon2Cost {
  readonly memory: number
  readonly passes: number
  readonly lanes: number
}

export interface PasswordsNeeds {
  readonly clock: { now(): Instant }
  readonly random: Random
  readonly cost?: Argon2Cost
  /** Checks at once and callers waiting behind them. */
  readonly atOnce?: number
  readonly maxWaiting?: number
  readonly rememberMs?: number
  readonly maxRemembered?: number
}

/** Too many passwords are being checked. Answered as 503; the caller may try again. */
export class PasswordsBusy extends Error {
  override readonly name = 'PasswordsBusy'
  readonly statusCode = 503
}

/** Longer ones are never right: hashing megabytes is not what a login is for. */
export const maxPasswordBytes = 1024

/** OWASP's least: 19 MiB, two passes. */
export const defaultCost: Argon2Cost = { memory: 19_456, passes: 2, lanes: 1 }

const saltBytes = 16
const tagBytes = 32
/** No stored hash may ask for more than this, wherever it came from. */
const most: Argon2Cost = { memory: 262_144, passes: 16, lanes: 8 }

export function createPasswords({
  clock,
  random,
  cost = defaultCost,
  atOnce = 2,
  maxWaiting = 64,
  rememberMs = 10 * 60_000,
  maxRemembered = 10_000,
}: PasswordsNeeds): Passwords {
  const inTurn = createTurns(atOnce, maxWaiting)
  const logins = createVerifiedLogins({ clock, random, rememberMs, maxRemembered })
  /** What a name without a hash is compared with; nothing matches it. */
  const nobody: Phc = { cost, salt: random(saltBytes), tag: random(tagBytes) }

  async function verify(hash: string | undefined, password: string): Promise<boolean> {
    if (Buffer.byteLength(password) > maxPasswordBytes) return false
    const stored = hash === undefined ? undefined : parsePhc(hash)
    const { cost: storedCost, salt, tag } = stored ?? nobody
    const got = await inTurn(() => derive(password, salt, storedCost, tag.length))
    return timingSafeEqual(got, tag) && stored !== undefined
  }

  return {
    verify,
    async hash(password) {
      if (Buffer.byteLength(password) > maxPasswordBytes)
        throw new RangeError(`password: wanted at most ${maxPasswordBytes} bytes`)
      const salt = random(saltBytes)
      const tag = await inTurn(() => derive(password, salt, cost, tagBytes))
      return formatPhc({ cost, salt, tag })
    },
    async matches({ hash, password, credential, version }) {
      const login = hash === undefined ? undefined : { hash, password, credential, version }
      if (login && logins.knows(login)) return true
      const right = await verify(hash, password)
      if (right && login) logins.remember(login)
      return right
    },
  }
}

/** A login as it was verified: change any part, and it is another. */
export interface VerifiedLogin {
  readonly hash: string
  readonly password: string
  readonly credential: string
  readonly version: number
}

/** Remembers verified logins for a while, by a hash under a key that lives only in this process. */
export function createVerifiedLogins(needs: {
  clock: { now(): Instant }
  random: Random
  rememberMs: number
  maxRemembered: number
}) {
  const key = needs.random(32)
  const until = createRecent<number>(needs.maxRemembered)
  const nameOf = ({ hash, password, credential, version }: VerifiedLogin): string =>
    createHmac('sha256', key)
      .update(JSON.stringify([credential, version, hash, password]))
      .digest('base64')
  return {
    knows(login: VerifiedLogin): boolean {
      const name = nameOf(login)
      const end = until.get(name)
      if (end === undefined) return false
      if (needs.clock.now() < end) return true
      until.delete(name)
      return false
    },
    remember(login: VerifiedLogin): void {
      until.set(nameOf(login), needs.clock.now() + needs.rememberMs)
    },
  }
}

interface Phc {
  readonly cost: Argon2Cost
  readonly salt: Uint8Array
  readonly tag: Uint8Array
}

const phcForm =
  /^\$argon2id\$v=19\$m=(\d{1,7}),t=(\d{1,3}),p=(\d{1,2})\$([A-Za-z0-9+/]{11,86})\$([A-Za-z0-9+/]{16,86})$/

function parsePhc(text: string): Phc | undefined {
  const [, memory, passes, lanes, salt, tag] = phcForm.exec(text) ?? []
  if (!memory || !passes || !lanes || !salt || !tag) return undefined
  const cost = { memory: Number(memory), passes: Number(passes), lanes: Number(lanes) }
  const least = cost.memory >= 8 * cost.lanes && cost.passes >= 1 && cost.lanes >= 1
  if (!least || cost.memory > most.memory || cost.passes > most.passes || cost.lanes > most.lanes)
    return undefined
  return { cost, salt: Buffer.from(salt, 'base64'), tag: Buffer.from(tag, 'base64') }
}

function formatPhc({ cost, salt, tag }: Phc): string {
  const plain = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64').replace(/=+$/, '')
  return `$argon2id$v=19$m=${cost.memory},t=${cost.passes},p=${cost.lanes}$${plain(salt)}$${plain(tag)}`
}

function derive(password: string, salt: Uint8Array, cost: Argon2Cost, tagLength: number): Promise<Buffer> {
  const { memory, passes, lanes: parallelism } = cost
  return new Promise((resolve, reject) => {
    argon2(
      'argon2id',
      { message: password, nonce: salt, memory, passes, parallelism, tagLength },
      (error, tag) => (error ? reject(error) : resolve(tag)),
    )
  })
}

/** Runs jobs a few at a time, in order, and rejects what would wait behind too many. */
function createTurns(atOnce: number, maxWaiting: number) {
  const waiting: (() => void)[] = []
  let running = 0
  return async function inTurn<T>(job: () => Promise<T>): Promise<T> {
    if (running >= atOnce) {
      if (waiting.length >= maxWaiting) throw new PasswordsBusy('too many passwords are being checked')
      await new Promise<void>((resolve) => waiting.push(resolve))
    } else running++
    try {
      return await job()
    } finally {
      // The turn is handed on, not given back: nobody who comes later slips in between.
      const next = waiting.shift()
      if (next) next()
      else running--
    }
  }
}
