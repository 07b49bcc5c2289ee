/**
 * What an Erlang term is in JavaScript.
 *
 * Each type of Erlang has exactly one home here, so that a term which is read and written again comes out
 * as it came in, and a program can tell by `typeof`, `Array.isArray` or `instanceof` what it holds:
 *
 * | Erlang               | JavaScript                                                              |
 * | -------------------- | ----------------------------------------------------------------------- |
 * | integer              | `number` where |n| ≤ 2⁵³−1, `bigint` beyond, always by value             |
 * | float                | `Float`, always: otherwise 2.0 could not be told from 2                  |
 * | atom                 | `Atom`; `true` and `false` too (a `boolean` is taken when encoding)      |
 * | binary               | `Uint8Array`; a `string` is taken when encoding, as its UTF-8            |
 * | bit string           | `BitBinary`                                                             |
 * | tuple                | `Tuple`                                                                 |
 * | list, STRING_EXT     | `Array`                                                                 |
 * | improper list        | `ImproperList`                                                          |
 * | map                  | `Map`                                                                   |
 * | pid, port, reference | `Pid`, `Port`, `Reference`: readable, and keep the bytes they came in    |
 * | fun                  | `Fun`: opaque, keeps the bytes it came in; `fun m:f/a` is an `Export`    |
 * | local term           | `LocalTerm`: opaque bytes                                               |
 *
 * An `Atom` is an ordinary object that the garbage collector takes away: no table of atoms exists anywhere, so
 * a peer that sends a million different atoms costs no more than a million strings. The price is that `===`
 * compares identity; use `isAtom`, `equalTerms` and `mapGet`.
 */
export type Term =
  | number
  | bigint
  | string
  | boolean
  | Float
  | Atom
  | Uint8Array
  | BitBinary
  | Tuple<Term>
  | Term[]
  | ImproperList<Term>
  | Map<Term, Term>
  | Pid
  | Port
  | Reference
  | Fun
  | Export
  | LocalTerm

/** An atom: a name of at most 255 characters. Two atoms of one name are equal terms, though not the same object. */
export class Atom {
  readonly name: string
  constructor(name: string) {
    this.name = name
  }
  toString(): string {
    return this.name
  }
}

/** `atom('ok')` is `new Atom('ok')`. */
export function atom(name: string): Atom {
  return new Atom(name)
}

/** Is this term an atom, and if a name is given, the atom of that name? */
export function isAtom(term: unknown, name?: string): term is Atom {
  return term instanceof Atom && (name === undefined || term.name === name)
}

/** A float. `Number(float)` and arithmetic read its value. */
export class Float {
  readonly value: number
  constructor(value: number) {
    this.value = value
  }
  valueOf(): number {
    return this.value
  }
}

/** A tuple. The type parameter serves layers that keep values of their own in it, as BERT's does. */
export class Tuple<E = Term> {
  readonly elements: readonly E[]
  constructor(elements: readonly E[]) {
    this.elements = elements
  }
  get length(): number {
    return this.elements.length
  }
  /** The element at an index from 0, or undefined past the end. */
  at(index: number): E | undefined {
    return this.elements[index]
  }
  [Symbol.iterator](): IterableIterator<E> {
    return this.elements[Symbol.iterator]()
  }
}

/** `tuple(atom('reply'), 42)` is the Erlang tuple `{reply, 42}`. */
export function tuple<E = Term>(...elements: E[]): Tuple<E>
export function tuple<E extends readonly unknown[]>(...elements: E): Tuple<E[number]>
export function tuple(...elements: unknown[]): Tuple<unknown> {
  return new Tuple(elements)
}

/**
 * A list whose tail is not a list, such as `[1, 2 | 3]`: elements 1 and 2, tail 3. It has at least one element, and
 * its tail is no list of either kind: `[1 | [2 | 3]]` is `[1, 2 | 3]`.
 */
export class ImproperList<E = Term> {
  readonly elements: readonly E[]
  readonly tail: E
  constructor(elements: readonly E[], tail: E) {
    this.elements = elements
    this.tail = tail
  }
}

/**
 * A bit string that does not end on a byte: `bits` (1 to 7) says how many bits, from the highest down, count in
 * the last byte. Its other bits are zero. A bit string that does end on a byte is an ordinary `Uint8Array`.
 */
export class BitBinary {
  readonly bytes: Uint8Array
  readonly bits: number
  constructor(bytes: Uint8Array, bits: number) {
    this.bytes = bytes
    this.bits = bits
  }
}

/** `fun module:name/arity`. */
export class Export {
  readonly module: string
  readonly name: string
  readonly arity: number
  constructor(module: string, name: string, arity: number) {
    this.module = module
    this.name = name
    this.arity = arity
  }
}

/**
 * A process identifier. One that was decoded keeps its bytes (`encoded`, from the tag on) and is written again
 * exactly as it came; one made from its parts is written as NEW_PID_EXT.
 */
export class Pid {
  readonly node: string
  readonly id: number
  readonly serial: number
  readonly creation: number
  readonly encoded: Uint8Array | undefined
  constructor(node: string, id: number, serial: number, creation: number, encoded?: Uint8Array) {
    this.node = node
    this.id = id
    this.serial = serial
    this.creation = creation
    this.encoded = encoded
  }
}

/** A port identifier, kept like a `Pid`; one made from its parts is written as V4_PORT_EXT or NEW_PORT_EXT. */
export class Port {
  readonly node: string
  readonly id: bigint
  readonly creation: number
  readonly encoded: Uint8Array | undefined
  constructor(node: string, id: bigint, creation: number, encoded?: Uint8Array) {
    this.node = node
    this.id = id
    this.creation = creation
    this.encoded = encoded
  }
}

/** A reference, kept like a `Pid`: one to five 32-bit words; one made from its parts is written as NEWER_REFERENCE_EXT. */
export class Reference {
  readonly node: string
  readonly creation: number
  readonly words: readonly number[]
  readonly encoded: Uint8Array | undefined
  constructor(node: string, creation: number, words: readonly number[], encoded?: Uint8Array) {
    this.node = node
    this.creation = creation
    this.words = words
    this.encoded = encoded
  }
}

/**
 * A closure of somebody else's virtual machine: nothing here can run it, so it is carried as its bytes
 * (`encoded`, from the tag on). `arity` is unknown (undefined) in the form used before R5.
 */
export class Fun {
  readonly module: string
  readonly arity: number | undefined
  readonly encoded: Uint8Array
  constructor(module: string, arity: number | undefined, encoded: Uint8Array) {
    this.module = module
    this.arity = arity
    this.encoded = encoded
  }
}

/**
 * A whole term in a virtual machine's private form (`term_to_binary(T, [local])`, OTP 26): only the machine that
 * wrote it can read it, so its bytes (from the tag on) are kept and given back.
 */
export class LocalTerm {
  readonly encoded: Uint8Array
  constructor(encoded: Uint8Array) {
    this.encoded = encoded
  }
}
