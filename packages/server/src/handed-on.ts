/**
 * What people hand on to programs and to each other: personal tokens, secrets of apps, and the tokens by which somebody
 * sets a password without knowing the old one. Every door that makes or takes one of them asks here, so that what was
 * made at one door is good at all.
 *
 * Secrets are long and random, kept as keyed hashes under the purposes named here. A password token is signed and kept
 * nowhere; it stands on the version of the account's credential, so that the password it sets makes it, and every other
 * one, worthless.
 */
import { type AccessTokenId, type Env, letters, type Principal } from '@waymark/domain'
import type { UserCaller } from './access.ts'
import type { House } from './house.ts'
import { createTokens, type Tokens } from './tokens.ts'

/** What the secrets of personal tokens are hashed for. */
export const tokenSecretPurpose = 'access-token'
/** What the secrets of apps are hashed for. */
export const appSecretPurpose = 'app-secret'

/** How long a personal token lives when nothing else is said, and at most: one year, ten years. */
export const tokenLifeDefaultMs = 365 * 24 * 3600 * 1000
export const tokenLifeMaxMs = 10 * tokenLifeDefaultMs

/** How long a forgotten password may be replaced by the mail that was sent, and how long an invitation holds. */
export const recoveryLifeMs = 3_600_000
export const invitationLifeMs = 7 * 24 * 3600 * 1000

const secretLetters = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789'
const secretForm = /^[0-9a-f]{24}:[A-Za-z0-9]{40}$/

/** A new secret of a personal token: base64url of `<id>:<random>`. */
export function newTokenSecret(env: Env, id: AccessTokenId): string {
  return Buffer.from(`${id}:${letters(env, secretLetters, 40)}`).toString('base64url')
}

/** Whether a password can be the secret of a personal token. */
export function isTokenSecret(password: string): boolean {
  if (!/^[\w-]{80,100}$/.test(password)) return false
  return secretForm.test(Buffer.from(password, 'base64url').toString('latin1'))
}

/** A new secret of an app: 40 letters and digits. */
export function newAppSecret(env: Env): string {
  return letters(env, secretLetters, 40)
}

/** Where an app may send people back to: `https:` or `http:`, without user, query and fragment. */
export function isRedirect(text: string): boolean {
  if (text.length > 1024 || !/^[\x21-\x7e]+$/.test(text) || !URL.canParse(text)) return false
  const { protocol, username, password, search, hash } = new URL(text)
  const web = protocol === 'https:' || protocol === 'http:'
  return web && username === '' && password === '' && search === '' && hash === ''
}

/**
 * What kind of login the caller has, unless it is their own, with a password: what was handed on makes nothing that
 * would outlive it.
 */
export function notOwnLogin({ claims }: Pick<UserCaller, 'claims'>): string | undefined {
  if (claims['call-as']) return 'a login for somebody else'
  return claims.aud ? 'a token that was handed on' : undefined
}

interface PasswordClaims {
  /** The account's id. */
  readonly sub: string
  /** Credential version. */
  readonly cv: number
  readonly exp: number
}

/** Tokens by which an account's password is set: mailed when it was forgotten, handed over with an invitation. */
export interface PasswordTokens extends Pick<Tokens<PasswordClaims>, 'verify'> {
  /** A token for this account, good for so long. */
  issueFor(principal: Pick<Principal, 'id' | 'credentialVersion'>, lifeMs: number): string
}

export function createPasswordTokens(house: Pick<House, 'clock' | 'keys'>): PasswordTokens {
  const tokens = createTokens<PasswordClaims>({
    clock: house.clock,
    keys: [{ kid: 'recovery', secret: Buffer.from(house.keys.lookup('recovery-key', ''), 'hex') }],
    parse: parseClaims,
    maxRemembered: 100,
  })
  return {
    issueFor: ({ id, credentialVersion }, lifeMs) =>
      tokens.issue({
        sub: id,
        cv: credentialVersion,
        exp: Math.floor((house.clock.now() + lifeMs) / 1000),
      }),
    verify: (token) => tokens.verify(token),
  }
}

function parseClaims(payload: unknown): PasswordClaims | undefined {
  if (typeof payload !== 'object' || payload === null) return undefined
  const { sub, cv, exp } = payload as Partial<PasswordClaims>
  return typeof sub === 'string' && typeof cv === 'number' && typeof exp === 'number'
    ? { sub, cv, exp }
    : undefined
}
