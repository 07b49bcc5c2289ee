/** Who may hand on what they have, as this door says it: a person logged in by password, and no scope beyond their own. */
import { type AppScope, ok, type Result, refuse } from '@waymark/domain'
import { Prn, scopeWords } from '@waymark/pantahub'
import { grants, type UserCaller } from '../../access.ts'
import { notOwnLogin } from '../../handed-on.ts'
import type { DoorRefusal } from './refusals.ts'

const baseService = 'prn:pantahub.com:apis:/base'

/** Refused unless the caller logged in themselves. */
export function ownLogin(caller: UserCaller): Result<undefined, DoorRefusal> {
  const got = notOwnLogin(caller)
  return got === undefined
    ? ok(undefined)
    : refuse({ kind: 'no-right', wanted: 'one’s own login, with a password', got })
}

/** Scopes as whole prns, each once; refused when one is not the caller's to give. */
export function handedOn(caller: UserCaller, asked: readonly string[]): Result<string[], DoorRefusal> {
  const known = knownScopes(asked)
  if (!known.ok) return known
  const foreign = known.value.find((scope) => !grants(caller.scopes, scope))
  return foreign === undefined
    ? known
    : refuse({ kind: 'no-right', wanted: `scope ${scopeSaid(foreign)}`, got: caller.scopes.join(' ') })
}

/** Scopes as whole prns, each once; a word that is none of ours is refused. */
export function knownScopes(asked: readonly string[]): Result<string[], DoorRefusal> {
  for (const scope of asked)
    if (!scope.startsWith('prn:') && !scopeWords.some(({ word }) => word === scope))
      return refuse({
        kind: 'bad-value',
        thing: 'scopes',
        wanted: `prns, or some of ${scopeWords.map(({ word }) => word).join(', ')}`,
        got: scope,
      })
  return ok([...new Set(asked.map((scope) => (scope.startsWith('prn:') ? scope : Prn.scope(scope))))])
}

/** A scope as people say it: the word, where it is one of ours. */
export function scopeSaid(prn: string): string {
  return prn.startsWith(`${baseService}/`) ? prn.slice(baseService.length + 1) : prn
}

/** A scope as apps name it: by its service and what it is called there. */
export function appScope(prn: string): AppScope {
  const slash = prn.lastIndexOf('/')
  return { service: prn.slice(0, slash), id: prn.slice(slash + 1), description: '', required: false }
}

/** And back. */
export function prnOfAppScope({ service, id }: AppScope): string {
  return id.startsWith('prn:') ? id : `${service}/${id}`
}
