/**
 * Reading what Erlang programs mean by terms whose form alone does not say it.
 *
 * Text comes as a binary, as an atom or as a list of characters (and a list of characters looks like any list of small
 * integers): only the reader knows that text was meant, and asks here. Properties come as a map or as a list of pairs,
 * under keys of any of these kinds.
 */
import { Buffer } from 'node:buffer'
import { Atom, isAtom, type Term, Tuple } from './term.ts'
import { utf8Text } from './text.ts'

/**
 * The text a term stands for: a binary of UTF-8, a string, an atom's name, a list of Unicode code points (empty: the
 * empty text), or BERT's `{bert, nil}` (the empty text). Undefined if it stands for none.
 */
export function textOf(term: Term): string | undefined {
  if (typeof term === 'string') return term
  if (term instanceof Atom) return term.name
  if (term instanceof Uint8Array)
    return utf8Text(Buffer.from(term.buffer, term.byteOffset, term.byteLength), 0, term.length)
  if (Array.isArray(term)) return charactersText(term)
  if (term instanceof Tuple && term.length === 2 && isAtom(term.at(0), 'bert') && isAtom(term.at(1), 'nil'))
    return ''
  return undefined
}

/**
 * The value of a property: of a map, or of a list of pairs, the first whose key has this text. A lone atom in a list
 * stands for `{Atom, true}`, as in Erlang's property lists. Undefined if there is none.
 */
export function property(term: Term, key: string): Term | undefined {
  if (term instanceof Map) {
    for (const [candidate, value] of term) if (textOf(candidate) === key) return value
    return undefined
  }
  if (!Array.isArray(term)) return undefined
  for (const item of term) {
    if (item instanceof Tuple && item.length === 2) {
      const [candidate, value] = item.elements as readonly [Term, Term]
      if (textOf(candidate) === key) return value
    } else if (isAtom(item, key)) return true
  }
  return undefined
}

function charactersText(list: readonly Term[]): string | undefined {
  const parts: string[] = []
  for (const code of list) {
    if (typeof code !== 'number' || code < 0 || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
      return undefined
    parts.push(String.fromCodePoint(code))
  }
  return parts.join('')
}
