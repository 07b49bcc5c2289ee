/**
 * Login tokens: JSON Web Tokens signed with HS256 and a key whose name stands in the header.
 *
 * The header is not interpreted. A token of ours begins with one of the few headers we write, byte for byte; whatever
 * else it says (`alg: none`, another algorithm, a key named by the caller) is foreign before any key is touched.
 * Expiry is judged by the clock that was handed in, on every use; what is remembered of a verified token is only that
 * its signature was right. What claims mean is the caller's: it hands in the parser.
 */
import { type Instant, ok, type Result, refuse } from '@waymark/domain'
import { createSigner, createVerifier } from 'fast-jwt'
import type { TokenKey } from './keys.ts'
import { createRecent } from './recent.ts'

export interface Tokens<C> {
  issue(claims: C): string
  verify(token: string): Result<C, TokenRefusal>
}

/** Why a token is not taken. None of them says anything about the key. */
export type TokenRefusal =
  | { readonly kind: 'malformed'; readonly wanted: string }
  /** Its header is none of ours: another algorithm, another house, an epoch that is over. */
  | { readonly kind: 'foreign-token' }
  | { readonly kind: 'bad-signature' }
  | { readonly kind: 'unexpected-claims' }
  | { readonly kind: 'expired'; readonly expired: Instant; readonly now: Instant }

export interface TokensNeeds<C> {
  readonly clock: { now(): Instant }
  /** The first one signs; all are believed. Asked on every use: another array means other keys from now on. */
  readonly keys: readonly [TokenKey, ...TokenKey[]] | (() => readonly [TokenKey, ...TokenKey[]])
  /** The claims as the caller knows them, or undefined when the payload is none of its. */
  readonly parse: (payload: unknown) => C | undefined
  /** Verified tokens remembered. */
  readonly maxRemembered?: number
}

/** Longer texts are no tokens of ours. (Pantavisor's buffer ends at 1016 bytes; we stay far below.) */
export const maxTokenBytes = 4096

const algorithm = 'HS256'

/** Claims need `exp`, in seconds. */
export function createTokens<C extends { readonly exp: number }>({
  clock,
  keys,
  parse,
  maxRemembered = 10_000,
}: TokensNeeds<C>): Tokens<C> {
  const keysNow = typeof keys === 'function' ? keys : () => keys
  let held = keysNow()
  let sign = signerOf(held[0])
  let verifiers = verifiersOf(held)
  let verified = createRecent<C>(maxRemembered)

  function follow(): void {
    const now = keysNow()
    if (now === held) return
    // What is remembered of a key that is gone would go on being believed.
    if (held.some((key) => !now.some(({ kid }) => kid === key.kid))) verified = createRecent<C>(maxRemembered)
    held = now
    sign = signerOf(held[0])
    verifiers = verifiersOf(held)
  }

  function read(token: string): Result<C, TokenRefusal> {
    if (token.length > maxTokenBytes)
      return refuse({ kind: 'malformed', wanted: `at most ${maxTokenBytes} bytes` })
    if (!/^[\w-]+\.[\w-]+\.[\w-]*$/.test(token)) return refuse({ kind: 'malformed', wanted: 'three parts' })
    const verify = verifiers.get(token.slice(0, token.indexOf('.')))
    if (verify === undefined) return refuse({ kind: 'foreign-token' })
    let payload: unknown
    try {
      payload = verify(token)
    } catch {
      return refuse({ kind: 'bad-signature' })
    }
    const claims = parse(payload)
    if (claims === undefined || !Number.isSafeInteger(claims.exp))
      return refuse({ kind: 'unexpected-claims' })
    return ok(claims)
  }

  return {
    issue(claims) {
      follow()
      return sign({ ...claims })
    },
    verify(token) {
      follow()
      let claims = verified.get(token)
      if (claims === undefined) {
        const fresh = read(token)
        if (!fresh.ok) return fresh
        claims = fresh.value
        verified.set(token, claims)
      }
      const now = clock.now()
      const expires = claims.exp * 1000
      if (expires <= now) {
        verified.delete(token)
        return refuse({ kind: 'expired', expired: expires as Instant, now })
      }
      return ok(claims)
    },
  }
}

function signerOf({ kid, secret }: TokenKey): (payload: object) => string {
  return createSigner({ algorithm, key: Buffer.from(secret), kid, noTimestamp: true })
}

function verifiersOf(keys: readonly TokenKey[]): ReadonlyMap<string, (token: string) => unknown> {
  return new Map(keys.map((key) => [headerOf(key), verifierOf(key)]))
}

function headerOf(key: TokenKey): string {
  const token = signerOf(key)({})
  return token.slice(0, token.indexOf('.'))
}

function verifierOf({ secret }: TokenKey): (token: string) => unknown {
  // Expiry is ours to judge: the library would ask the machine's clock.
  const options = {
    algorithms: [algorithm] as [typeof algorithm],
    cache: false,
    ignoreExpiration: true,
    ignoreNotBefore: true,
  }
  return createVerifier({ ...options, key: Buffer.from(secret) })
}
