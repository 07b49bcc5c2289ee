/**
 * Scopes: what a token may be used for.
 *
 * A scope word names a family (`devices`) and perhaps a kind of access (`.readonly`, `.write`, `.change`). A route asks
 * for one family and kind and accepts a fixed set of words; one match is enough. Which route asks for what belongs to
 * the routes: creating a join token, say, asks only for `devices.readonly` in Pantahub Base.
 */
import { Prn } from './prn.ts'

export type ScopeFamily = 'profile' | 'user' | 'devices' | 'objects' | 'trails' | 'metrics'
export type ScopeKind = 'readonly' | 'write' | 'change'
/** What a route asks for; a bare family asks for all of it. */
export type ScopeWanted = 'all' | ScopeFamily | `${ScopeFamily}.${ScopeKind}`

/** Pantahub's scope words, with the family each belongs to and the kind of access it is limited to, if any. */
export const scopeWords = [
  { word: 'all', family: undefined, kind: undefined },
  { word: 'profile', family: 'profile', kind: undefined },
  { word: 'profile.readonly', family: 'profile', kind: 'readonly' },
  { word: 'user.readonly', family: 'user', kind: 'readonly' },
  { word: 'user.write', family: 'user', kind: 'write' },
  { word: 'devices', family: 'devices', kind: undefined },
  { word: 'devices.readonly', family: 'devices', kind: 'readonly' },
  { word: 'devices.write', family: 'devices', kind: 'write' },
  { word: 'devices.change', family: 'devices', kind: 'change' },
  { word: 'objects', family: 'objects', kind: undefined },
  { word: 'objects.readonly', family: 'objects', kind: 'readonly' },
  { word: 'objects.write', family: 'objects', kind: 'write' },
  { word: 'objects.change', family: 'objects', kind: 'change' },
  { word: 'trails', family: 'trails', kind: undefined },
  { word: 'trails.readonly', family: 'trails', kind: 'readonly' },
  { word: 'trails.write', family: 'trails', kind: 'write' },
  { word: 'trails.change', family: 'trails', kind: 'change' },
  { word: 'metrics', family: 'metrics', kind: undefined },
  { word: 'metrics.readonly', family: 'metrics', kind: 'readonly' },
  { word: 'metrics.write', family: 'metrics', kind: 'write' },
  { word: 'metrics.change', family: 'metrics', kind: 'change' },
] as const satisfies readonly { word: string; family: ScopeFamily | undefined; kind: ScopeKind | undefined }[]

/** Families whose routes also accept another family's bare word: whoever has devices may move their objects. */
const alsoAccepts: Partial<Record<ScopeFamily, string>> = { objects: 'devices' }

/**
 * The scopes a login asked for, as full prns, each once. Words that are no prn get Base's prefix, known or not; no word
 * at all means everything.
 *
 *     expandScopes('devices trails.readonly')
 *       → ['prn:pantahub.com:apis:/base/devices', 'prn:pantahub.com:apis:/base/trails.readonly']
 */
export function expandScopes(text: string | undefined): readonly string[] {
  const words = (text ?? '').split(/\s+/).filter((word) => word !== '')
  if (words.length === 0) return [Prn.scope('all')]
  return [...new Set(words.map((word) => (word.startsWith('prn:') ? word : Prn.scope(word))))]
}

/** What an anonymous login keeps of the scopes it asked for: those that contain `.readonly`. */
export function anonymousScopes(scopes: readonly string[]): readonly string[] {
  return scopes.filter((scope) => scope.includes('.readonly'))
}

/** The words that a route accepts, widest first. */
export function acceptedScopes(wanted: ScopeWanted): readonly string[] {
  if (wanted === 'all') return ['all']
  const family = wanted.split('.')[0] as ScopeFamily
  const also = alsoAccepts[family]
  return [...new Set(['all', family, wanted, ...(also === undefined ? [] : [also])])]
}

/**
 * Whether one of the granted scopes (full prns, or Base's bare words) is enough for what is wanted. Scopes of other apps
 * never are, whatever they are called.
 *
 *     allows(['prn:pantahub.com:apis:/base/devices'], 'devices.write')  → true
 *     allows(['devices.readonly'], 'devices.write')                     → false
 */
export function allows(granted: readonly string[], wanted: ScopeWanted): boolean {
  return acceptedScopes(wanted).some((word) => granted.includes(word) || granted.includes(Prn.scope(word)))
}
