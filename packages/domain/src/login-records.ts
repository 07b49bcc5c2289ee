/**
 * The records behind logging in by other ways than a password: mail that confirms an address, personal tokens, apps of
 * third parties with their codes, profiles; and the index of published objects. Types and collections alone; what may be
 * done with them is in `mail.ts`, `access-tokens.ts`, `apps.ts`, `profiles.ts` and `links.ts`.
 *
 * No secret is kept as it is: challenges, tokens, app secrets and codes as keyed hashes, the text of a mail sealed,
 * because it holds the challenge that its receiver has to bring back.
 */
import type {
  AccessTokenId,
  AppId,
  DeviceId,
  Instant,
  MailId,
  ObjectSha,
  PrincipalId,
  TenantId,
} from './ids.ts'
import type { JsonObject } from './json.ts'
import { collection } from './port.ts'

/** A mail that has not been taken by the mail server yet. */
export interface OutgoingMail {
  readonly id: MailId
  readonly to: string
  readonly subject: string
  /** Its text, sealed. */
  readonly sealedText: string
  /** How often sending was begun. */
  readonly attempts: number
  /** When it is tried next. */
  readonly dueAt: Instant
  readonly createdAt: Instant
}
export const outgoingMails = collection<OutgoingMail>()({
  name: 'outgoing_mails',
  scope: 'house',
  key: ['id'],
  columns: { id: 'text', dueAt: 'int' },
  indexes: [{ on: ['dueAt', 'id'] }],
  journaled: false,
})

/** What the owner of an e-mail address has to bring back: the newest one counts. */
export interface EmailChallenge {
  readonly principal: PrincipalId
  readonly hash: string
  readonly createdAt: Instant
}
export const emailChallenges = collection<EmailChallenge>()({
  name: 'email_challenges',
  scope: 'house',
  key: ['principal'],
  columns: { principal: 'text' },
  journaled: false,
})

/** A personal token: logs its owner in, with its scopes, by its name and its secret. */
export interface AccessToken {
  readonly id: AccessTokenId
  readonly principal: PrincipalId
  readonly tenant: TenantId
  readonly name: string
  /** A word of the owner's own; means nothing here. */
  readonly type: string
  /** Full prns. */
  readonly scopes: readonly string[]
  readonly hash: string
  readonly expiresAt: Instant
  readonly createdAt: Instant
}
export const accessTokens = collection<AccessToken>()({
  name: 'access_tokens',
  scope: 'house',
  key: ['id'],
  columns: { id: 'text', principal: 'text', hash: 'text' },
  indexes: [{ on: ['hash'], unique: true }, { on: ['principal', 'id'] }],
})

/** A scope, as apps name theirs and others'. */
export interface AppScope {
  readonly id: string
  readonly service: string
  readonly description: string
  readonly required: boolean
}

/** A program of a third party that people may let in. */
export interface App {
  readonly id: AppId
  /** What its prn ends in. */
  readonly nick: string
  readonly name: string
  readonly logo: string
  /** `confidential`: has a secret; `public`: has none; `pkce`: has none and proves itself by code verifiers. */
  readonly type: 'public' | 'confidential' | 'pkce'
  readonly principal: PrincipalId
  readonly tenant: TenantId
  /** Of its secret; absent where it has none. */
  readonly hash?: string
  readonly redirectUris: readonly string[]
  readonly scopes: readonly AppScope[]
  readonly exposedScopes: readonly AppScope[]
  readonly createdAt: Instant
  readonly modifiedAt: Instant
}
export const apps = collection<App>()({
  name: 'apps',
  scope: 'house',
  key: ['id'],
  columns: { id: 'text', nick: 'text', principal: 'text' },
  indexes: [{ on: ['nick'], unique: true }, { on: ['principal', 'id'] }],
})

/**
 * Something short-lived that is good once: an authorization code, or a PKCE request that waits for its consent. Bound
 * to app, redirect and scopes; a code also to the person who gave it.
 */
export interface LoginCode {
  readonly hash: string
  readonly kind: 'code' | 'request'
  readonly app: AppId
  readonly redirectUri: string
  /** Full prns. */
  readonly scopes: readonly string[]
  readonly principal?: PrincipalId
  readonly tenant?: TenantId
  /** The principal's credential version when the code was given: a newer one voids the code. */
  readonly credentialVersion?: number
  /** PKCE: base64url of the sha256 of the verifier. */
  readonly challenge?: string
  readonly expiresAt: Instant
}
export const loginCodes = collection<LoginCode>()({
  name: 'login_codes',
  scope: 'house',
  key: ['hash'],
  columns: { hash: 'text', expiresAt: 'int' },
  indexes: [{ on: ['expiresAt', 'hash'] }],
  journaled: false,
})

/** That somebody known to another provider of logins is one of ours. */
export interface Identity {
  readonly provider: string
  /** What the provider calls them, for good. */
  readonly subject: string
  readonly principal: PrincipalId
  readonly createdAt: Instant
}
export const identities = collection<Identity>()({
  name: 'identities',
  scope: 'house',
  key: ['provider', 'subject'],
  columns: { provider: 'text', subject: 'text', principal: 'text' },
  indexes: [{ on: ['principal'] }],
})

/** What an account tells of itself to others who are logged in. */
export interface Profile {
  readonly tenant: TenantId
  readonly nick: string
  readonly facts: Readonly<Record<string, string>>
  readonly createdAt: Instant
  readonly modifiedAt: Instant
}
export const profiles = collection<Profile>()({
  name: 'profiles',
  scope: 'house',
  key: ['tenant'],
  columns: { tenant: 'text', nick: 'text' },
  indexes: [{ on: ['nick', 'tenant'] }],
})

/** What an owner wants every device to know: stands under each one's own user-meta. One row, or none. */
export interface GlobalMeta {
  readonly what: 'global'
  readonly meta: JsonObject
  readonly modifiedAt: Instant
}
export const globalMetas = collection<GlobalMeta>()({
  name: 'global_metas',
  scope: 'tenant',
  key: ['what'],
  columns: { what: 'text' },
})

/** That a step of a published device names an object: where linking looks first, and what it then makes sure of. */
export interface PublishedObject {
  readonly sha: ObjectSha
  readonly device: DeviceId
  readonly tenant: TenantId
}
export const publishedObjects = collection<PublishedObject>()({
  name: 'published_objects',
  scope: 'house',
  key: ['sha', 'device'],
  columns: { sha: 'text', device: 'text' },
  indexes: [{ on: ['device', 'sha'] }],
  journaled: false,
})
