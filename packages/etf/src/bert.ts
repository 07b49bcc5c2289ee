/**
 * BERT's own conventions on top of terms (BERT 1.0, "Complex Types"): true, false, nil, dictionaries, times and
 * regular expressions travel as tuples that begin with the atom `bert`.
 *
 * | value                      | term                                                |
 * | -------------------------- | --------------------------------------------------- |
 * | `true`, `false`            | `{bert, true}`, `{bert, false}`                      |
 * | `[]`, `null`               | `{bert, nil}`, see `BertOptions.nil`                 |
 * | `Map`                      | `{bert, dict, [{Key, Value}, …]}`                    |
 * | `BertTime`                 | `{bert, time, Megaseconds, Seconds, Microseconds}`   |
 * | `BertRegex`                | `{bert, regex, Source, Options}`                     |
 *
 * The mapping goes all the way down. Reading takes the plain forms too: the atoms `true` and `false`, an empty list,
 * a native map. Knows terms; knows nothing of bytes.
 */
import { hasEqualKeys } from './identity.ts'
import { defaultLimits, tooDeep } from './limits.ts'
import { refuse } from './refusal.ts'
import { Atom, atom, ImproperList, isAtom, type Term, Tuple, tuple } from './term.ts'

/** A term in which booleans, nil, dictionaries, times and regular expressions are values of JavaScript. */
export type Bert =
  | Exclude<Term, Tuple<Term> | Term[] | ImproperList<Term> | Map<Term, Term>>
  | null
  | BertTime
  | BertRegex
  | Tuple<Bert>
  | Bert[]
  | ImproperList<Bert>
  | Map<Bert, Bert>

export type BertOptions = {
  /**
   * What `{bert, nil}` is. `empty-list` (the default, and what Erlang's own BERT library means): it reads as `[]`, and
   * both `[]` and `null` are written so. `null`: it reads as `null`, and `[]` stays an empty list.
   */
  readonly nil?: 'empty-list' | 'null'
}

/** A moment as Erlang's `now()` splits it: the parts are kept as they came, not brought into range. */
export class BertTime {
  readonly megaseconds: number
  readonly seconds: number
  readonly microseconds: number
  constructor(megaseconds: number, seconds: number, microseconds: number) {
    this.megaseconds = megaseconds
    this.seconds = seconds
    this.microseconds = microseconds
  }
  /** The moment of so many milliseconds since 1970. */
  static fromEpochMs(ms: number): BertTime {
    const micros = Math.round(ms * 1000)
    const seconds = Math.floor(micros / 1e6)
    const megaseconds = Math.floor(seconds / 1e6)
    return new BertTime(megaseconds, seconds - megaseconds * 1e6, micros - seconds * 1e6)
  }
  /** Milliseconds since 1970, with microseconds as its fraction. */
  get epochMs(): number {
    return (this.megaseconds * 1e6 + this.seconds) * 1000 + this.microseconds / 1000
  }
}

/** A regular expression: its source as text, and options such as `caseless` or `{newline, crlf}` as terms. */
export class BertRegex {
  readonly source: string | Uint8Array
  readonly options: readonly Term[]
  constructor(source: string | Uint8Array, options: readonly Term[] = []) {
    this.source = source
    this.options = options
  }
}

/**
 * The term that carries a BERT value. Throws `TermRefused`: `bad-bert` for a tuple that begins with the atom `bert`
 * (it would be read as something else), `too-deep` beyond the depth any message may have.
 */
export function toBert(value: Bert, options?: BertOptions): Term {
  return writeBert(value, options?.nil ?? 'empty-list', defaultDepth)
}

/** The BERT value that a term carries. Throws `TermRefused`: `bad-bert` for a tuple `{bert, …}` that BERT does not define. */
export function fromBert(term: Term, options?: BertOptions): Bert {
  return readBert(term, options?.nil ?? 'empty-list', defaultDepth)
}

/** The deepest any limit allows a message to be. */
const defaultDepth = 2 * defaultLimits.depth

function writeBert(value: Bert, nil: 'empty-list' | 'null', depth: number): Term {
  if (depth <= 0) tooDeep(defaultDepth)
  if (value === null) return bert('nil')
  if (typeof value === 'boolean') return bert(value ? 'true' : 'false')
  if (typeof value !== 'object') return value
  const inner = (item: Bert) => writeBert(item, nil, depth - 1)
  if (Array.isArray(value)) return value.length === 0 && nil === 'empty-list' ? bert('nil') : value.map(inner)
  if (value instanceof Tuple) {
    if (isBertTag(value.elements[0]))
      refuse('bad-bert', 'tuple', 'one that does not begin with bert', 'one that does')
    return new Tuple(value.elements.map(inner))
  }
  if (value instanceof Map) {
    const pairs: Term[] = [...value].map(([key, item]) => tuple<Term>(inner(key), inner(item)))
    return bert('dict', pairs)
  }
  if (value instanceof ImproperList)
    return new ImproperList<Term>(value.elements.map(inner), inner(value.tail))
  if (value instanceof BertTime) return bert('time', value.megaseconds, value.seconds, value.microseconds)
  if (value instanceof BertRegex) return bert('regex', value.source, [...value.options])
  return value
}

function readBert(term: Term, nil: 'empty-list' | 'null', depth: number): Bert {
  if (depth <= 0) tooDeep(defaultDepth)
  if (typeof term !== 'object') return term
  const inner = (item: Term) => readBert(item, nil, depth - 1)
  if (term instanceof Atom) return term.name === 'true' ? true : term.name === 'false' ? false : term
  if (Array.isArray(term)) return term.map(inner)
  if (term instanceof Tuple)
    return isBertTag(term.elements[0])
      ? complex(term.elements, nil, inner)
      : new Tuple(term.elements.map(inner))
  if (term instanceof Map) return dictionary([...term], inner)
  if (term instanceof ImproperList) return new ImproperList<Bert>(term.elements.map(inner), inner(term.tail))
  return term
}

function complex(elements: readonly Term[], nil: 'empty-list' | 'null', inner: (item: Term) => Bert): Bert {
  const [, kind, ...rest] = elements
  const form = `${isAtom(kind) ? kind.name : 'no atom'}/${rest.length}`
  switch (form) {
    case 'true/0':
      return true
    case 'false/0':
      return false
    case 'nil/0':
      return nil === 'null' ? null : []
    case 'dict/1':
      return dictionary(pairs(rest[0]), inner)
    case 'time/3':
      return time(rest)
    case 'regex/2':
      return regex(rest)
    default:
      return refuse('bad-bert', 'tuple {bert, …}', 'true, false, nil, dict/1, time/3 or regex/2', form)
  }
}

/** An encoder that maps everything may have written an empty dictionary's list as `{bert, nil}`. */
function pairs(list: Term | undefined): [Term, Term][] {
  if (list instanceof Tuple && list.length === 2 && isBertTag(list.at(0)) && isAtom(list.at(1), 'nil'))
    return []
  if (!Array.isArray(list)) return refuse('bad-bert', 'dictionary', 'a list of pairs', 'another term')
  return list.map((pair) => {
    if (!(pair instanceof Tuple) || pair.length !== 2)
      return refuse('bad-bert', 'dictionary', 'a list of pairs', 'an element that is no pair')
    const [key, value] = pair.elements as readonly [Term, Term]
    return [key, value]
  })
}

function dictionary(entries: readonly [Term, Term][], inner: (item: Term) => Bert): Map<Bert, Bert> {
  const unread = new Map<Term, Term>(entries)
  if (unread.size < entries.length || hasEqualKeys(unread))
    refuse('duplicate-key', 'dictionary', 'each key once', 'a key twice')
  const read = new Map<Bert, Bert>(entries.map(([key, value]) => [inner(key), inner(value)]))
  // `true` and `{bert, true}` are two terms but one value.
  if (read.size < entries.length) refuse('duplicate-key', 'dictionary', 'each key once', 'a key twice')
  return read
}

function time(parts: readonly Term[]): BertTime {
  const [megaseconds, seconds, microseconds] = parts
  if (typeof megaseconds !== 'number' || typeof seconds !== 'number' || typeof microseconds !== 'number')
    return refuse('bad-bert', 'time', 'three integers', 'another term')
  return new BertTime(megaseconds, seconds, microseconds)
}

function regex([source, options]: readonly Term[]): BertRegex {
  if (typeof source !== 'string' && !(source instanceof Uint8Array))
    return refuse('bad-bert', 'regex', 'a binary as its source', 'another term')
  const none = options instanceof Tuple && isBertTag(options.at(0)) && isAtom(options.at(1), 'nil')
  if (!Array.isArray(options) && !none)
    return refuse('bad-bert', 'regex', 'a list of options', 'another term')
  return new BertRegex(source, Array.isArray(options) ? options : [])
}

function isBertTag(term: unknown): boolean {
  return isAtom(term, 'bert')
}

function bert(kind: string, ...rest: Term[]): Tuple<Term> {
  return new Tuple<Term>([atom('bert'), atom(kind), ...rest])
}
