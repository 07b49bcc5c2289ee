/**
 * Who may hand on what they have: a person that logged in itself. What stands on a personal token, was given to an app,
 * or acts for somebody else makes nothing that would outlive it; and nobody hands on scopes beyond the own.
 */
import { ok, type Result, refuse } from '@waymark/domain'
import { Prn } from '@waymark/pantahub'
import { grants, type UserCaller } from '../../access.ts'
import { badValue, type DoorRefusal } from './errors.ts'

/** Refused unless the caller logged in itself. */
export function ownLogin(caller: UserCaller): Result<undefined, DoorRefusal> {
  const { claims } = caller
  const got = claims['call-as']
    ? 'a login for somebody else'
    : claims.aud
      ? 'a token that was handed on'
      : undefined
  if (got === undefined) return ok(undefined)
  return refuse({ kind: 'not-allowed', thing: 'login', wanted: 'one’s own, with a password', got })
}

/** Scopes that are handed on, as prns, each once; refused when one is no text, or not the caller's to give. */
export function handedOn(
  caller: UserCaller,
  raw: readonly unknown[],
): Result<readonly string[], DoorRefusal> {
  const scopes = new Set<string>()
  for (const word of raw) {
    if (typeof word !== 'string' || !/^[\x21-\x7e]{1,200}$/.test(word))
      return badValue('scopes', 'words without spaces, of at most 200 characters', String(word).slice(0, 80))
    const scope = word.startsWith('prn:') ? word : Prn.scope(word)
    if (!grants(caller.scopes, scope))
      return refuse({ kind: 'not-allowed', thing: 'scope', wanted: 'one that the own token has', got: scope })
    scopes.add(scope)
  }
  return scopes.size <= scopesMax
    ? ok([...scopes])
    : badValue('scopes', `at most ${scopesMax}`, String(scopes.size))
}

/** Scopes of one token: more do not fit what clients can read. */
const scopesMax = 12
