/**
 * When two terms are one and the same, as Erlang's `=:=` sees it.
 *
 * JavaScript's `Map` and `===` compare objects by identity, and atoms, tuples and binaries are objects; so equality
 * of terms is asked here. It rests on one function that spells a term as a string, equal for equal terms.
 */
import {
  Atom,
  BitBinary,
  Export,
  Float,
  Fun,
  ImproperList,
  LocalTerm,
  Pid,
  Port,
  Reference,
  type Term,
  Tuple,
} from './term.ts'
import { latin1Text } from './text.ts'

/**
 * Are two terms equal as Erlang's `=:=` has it? 1 and 1.0 differ; the entries of maps have no order; a `string` equals
 * the binary of its UTF-8, a `boolean` its atom. Pids, ports and references compare by what they name, funs by bytes.
 */
export function equalTerms(a: Term, b: Term): boolean {
  return a === b || identity(a) === identity(b)
}

/** The value under a key that equals `key`, or undefined. Constant for numbers and strings, else linear in the map. */
export function mapGet(map: ReadonlyMap<Term, Term>, key: Term): Term | undefined {
  if (map.has(key)) return map.get(key)
  const wanted = identity(key)
  for (const [candidate, value] of map) if (identity(candidate) === wanted) return value
  return undefined
}

/** Does a map hold two keys that are equal but not the same object? */
export function hasEqualKeys(map: ReadonlyMap<Term, unknown>): boolean {
  return map.size <= 8 && allSimple(map) ? hasEqualSimpleKeys(map) : hasEqualIdentities(map)
}

function allSimple(map: ReadonlyMap<Term, unknown>): boolean {
  for (const key of map.keys())
    if (typeof key === 'object' && !(key instanceof Atom) && !(key instanceof Uint8Array)) return false
  return true
}

/** Few atoms and binaries are compared pairwise: cheaper than any table. */
function hasEqualSimpleKeys(map: ReadonlyMap<Term, unknown>): boolean {
  const seen: (Atom | Uint8Array)[] = []
  for (const key of map.keys()) {
    if (key instanceof Atom) {
      for (const other of seen) if (other instanceof Atom && other.name === key.name) return true
      seen.push(key)
    } else if (key instanceof Uint8Array) {
      for (const other of seen) if (other instanceof Uint8Array && sameBytes(other, key)) return true
      seen.push(key)
    }
  }
  return false
}

function hasEqualIdentities(map: ReadonlyMap<Term, unknown>): boolean {
  const seen = new Set<string>()
  for (const key of map.keys()) seen.add(identity(key))
  return seen.size < map.size
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false
  return true
}

function identity(term: Term): string {
  return spelled('', term)
}

/**
 * A text with a term's spelling behind it. Each kind begins with a letter of its own and says its length, so that no two
 * different terms are spelled alike. Texts are handed on and added to: joining those of the parts would copy them at
 * every level.
 */
function spelled(text: string, term: Term): string {
  switch (typeof term) {
    case 'number':
    case 'bigint':
      return `${text}i${term};`
    case 'string':
      return withBytes(text, 'b', new TextEncoder().encode(term))
    case 'boolean':
      return text + (term ? 'a4:true' : 'a5:false')
    default:
      return objectSpelled(text, term)
  }
}

function objectSpelled(text: string, term: Exclude<Term, number | bigint | string | boolean>): string {
  if (term instanceof Atom) return withName(text, 'a', term.name)
  if (term instanceof Tuple) return sequence(text, 't', term.elements)
  if (Array.isArray(term)) return sequence(text, 'l', term)
  if (term instanceof Uint8Array) return withBytes(text, 'b', term)
  if (term instanceof Map) return text + mapIdentity(term)
  if (term instanceof Float) return `${text}f${Object.is(term.value, -0) ? '-0' : term.value};`
  if (term instanceof ImproperList) return spelled(sequence(text, 'L', term.elements), term.tail)
  if (term instanceof BitBinary) return withBytes(text + term.bits, 'B', term.bytes)
  if (term instanceof Export)
    return `${withName(withName(text, 'x', term.module), 'x', term.name)}${term.arity};`
  if (term instanceof Pid)
    return `${withName(text, 'p', term.node)}${term.id},${term.serial},${term.creation};`
  if (term instanceof Port) return `${withName(text, 'o', term.node)}${term.id},${term.creation};`
  // OTP fills references up with zero words: [5] names what [5, 0, 0] names.
  if (term instanceof Reference)
    return `${withName(text, 'r', term.node)}${term.creation},${term.words.join().replace(/(?:,0)+$/, '')};`
  if (term instanceof Fun) return withBytes(text, 'F', term.encoded)
  if (term instanceof LocalTerm) return withBytes(text, 'M', term.encoded)
  return unreachable(term)
}

function sequence(text: string, letter: string, terms: readonly Term[]): string {
  let all = `${text}${letter}${terms.length}:`
  for (const term of terms) all = spelled(all, term)
  return all
}

function mapIdentity(map: ReadonlyMap<Term, Term>): string {
  const entries: [string, string][] = []
  for (const [key, value] of map) entries.push([identity(key), identity(value)])
  entries.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
  return `m${map.size}(${entries.map(([key, value]) => key + value).join('')})`
}

function withName(text: string, letter: string, name: string): string {
  return `${text}${letter}${name.length}:${name}`
}

function withBytes(text: string, letter: string, bytes: Uint8Array): string {
  return `${text}${letter}${bytes.length}:${latin1Text(bytes, 0, bytes.length)}`
}

function unreachable(term: never): never {
  throw new TypeError(`not a term: ${String(term)}`)
}
