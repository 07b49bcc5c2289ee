/**
 * Providers of logins: who they are, where they are asked, and what of their answer is what. Four are known by name and
 * need only a client id and secret; any other is described in full.
 *
 *     [{ "service": "github", "clientId": "…", "clientSecret": "…" },
 *      { "service": "ours", "clientId": "…", "clientSecret": "…", "authorizeUrl": "https://…",
 *        "tokenUrl": "https://…", "userUrl": "https://…" }]
 */
import { readFileSync } from 'node:fs'
import { isJsonObject, ok, type Result, refuse } from '@waymark/domain'

export interface OpenidProvider {
  /** What it is called in paths. */
  readonly service: string
  readonly clientId: string
  readonly clientSecret: string
  readonly authorizeUrl: string
  readonly tokenUrl: string
  /** Answers who holds an access token. */
  readonly userUrl: string
  readonly scope: string
  /** Keys of that answer: the lasting name, a nick, an address, and whether the address was confirmed. */
  readonly subjectKey: string
  readonly nickKey: string
  readonly emailKey: string
  readonly verifiedKey: string
}

export type ProvidersRefusal = {
  readonly kind: 'bad-providers'
  readonly thing: string
  readonly wanted: string
  readonly got: string
}

const standard = {
  scope: 'openid email profile',
  subjectKey: 'sub',
  nickKey: 'preferred_username',
  emailKey: 'email',
  verifiedKey: 'email_verified',
} as const

/** Providers known by name. GitHub tells no address that it says it has confirmed: accounts from there have none. */
const known: Readonly<Record<string, Partial<OpenidProvider>>> = {
  google: {
    authorizeUrl: 'https://accounts.google.com/o/oauth2/v2/auth',
    tokenUrl: 'https://oauth2.googleapis.com/token',
    userUrl: 'https://openidconnect.googleapis.com/v1/userinfo',
    nickKey: 'given_name',
  },
  github: {
    authorizeUrl: 'https://github.com/login/oauth/authorize',
    tokenUrl: 'https://github.com/login/oauth/access_token',
    userUrl: 'https://api.github.com/user',
    scope: 'read:user',
    subjectKey: 'id',
    nickKey: 'login',
  },
  gitlab: {
    authorizeUrl: 'https://gitlab.com/oauth/authorize',
    tokenUrl: 'https://gitlab.com/oauth/token',
    userUrl: 'https://gitlab.com/oauth/userinfo',
    nickKey: 'nickname',
  },
  entraid: {
    authorizeUrl: 'https://login.microsoftonline.com/common/oauth2/v2.0/authorize',
    tokenUrl: 'https://login.microsoftonline.com/common/oauth2/v2.0/token',
    userUrl: 'https://graph.microsoft.com/oidc/userinfo',
    nickKey: 'given_name',
  },
}

const keys = [
  'service',
  'clientId',
  'clientSecret',
  'authorizeUrl',
  'tokenUrl',
  'userUrl',
  'scope',
  'subjectKey',
  'nickKey',
  'emailKey',
  'verifiedKey',
] as const satisfies readonly (keyof OpenidProvider)[]

/** The providers a file names. */
export function readProviders(file: string): Result<readonly OpenidProvider[], ProvidersRefusal> {
  let content: unknown
  try {
    content = JSON.parse(readFileSync(file, 'utf8'))
  } catch (error) {
    const got = error instanceof Error ? error.message : String(error)
    return refuse({ kind: 'bad-providers', thing: file, wanted: 'a readable file of JSON', got })
  }
  return parseProviders(content)
}

/** The providers a list describes, or the first thing that is wrong with it. */
export function parseProviders(content: unknown): Result<readonly OpenidProvider[], ProvidersRefusal> {
  if (!Array.isArray(content)) return bad('providers', 'an array', typeof content)
  const providers: OpenidProvider[] = []
  for (const [at, raw] of content.entries()) {
    if (!isJsonObject(raw)) return bad(`provider ${at}`, 'an object', typeof raw)
    const service = typeof raw.service === 'string' ? raw.service : ''
    if (!/^[a-z0-9][a-z0-9-]{0,31}$/.test(service))
      return bad(`provider ${at}`, 'a service of small letters, digits and -', service)
    if (providers.some((other) => other.service === service)) return bad(service, 'to be named once', 'twice')
    const unknown = Object.keys(raw).find((key) => !keys.some((one) => one === key))
    if (unknown !== undefined) return bad(`${service}: ${unknown}`, keys.join(', '), 'another key')
    const all: Record<string, unknown> = {
      ...standard,
      ...(Object.hasOwn(known, service) ? known[service] : {}),
      ...raw,
    }
    const told: Partial<Record<(typeof keys)[number], string>> = {}
    for (const key of keys) {
      const value = all[key]
      if (typeof value !== 'string' || value === '') return bad(`${service}: ${key}`, 'a text', typeof value)
      if (key.endsWith('Url') && !isSafe(value))
        return bad(`${service}: ${key}`, 'https, or http on this machine', value)
      told[key] = value
    }
    // Every key was read just above.
    providers.push(told as OpenidProvider)
  }
  return ok(providers)
}

function bad(thing: string, wanted: string, got: string) {
  return refuse({ kind: 'bad-providers', thing, wanted, got: got.slice(0, 80) })
}

function isSafe(text: string): boolean {
  if (!URL.canParse(text)) return false
  const { protocol, hostname } = new URL(text)
  const local = hostname === 'localhost' || hostname === '127.0.0.1' || hostname === '[::1]'
  return protocol === 'https:' || (protocol === 'http:' && local)
}
