/**
 * Bytes to terms.
 *
 * One pass over the input, by recursion whose depth is limited. The rule against hostile input is the same
 * everywhere: a count or length is first compared with the bytes that are really left (every element takes at
 * least one), and containers grow as elements arrive, so that no allocation follows a number that a peer made up.
 * What the input expands to is bounded by the input: see RULES.md, Hostile input.
 *
 * Where Erlang's own `binary_to_term` refuses, this does too (NaN, a map with a key twice, an atom of 256
 * characters); nothing is guessed, and nothing is kept between calls.
 */
import { Buffer } from 'node:buffer'
import { shortAscii } from './ascii.ts'
import { hasEqualKeys } from './identity.ts'
import { inflate } from './inflate.ts'
import { type Limits, resolveLimits, tooDeep, tooMany } from './limits.ts'
import { type Attempt, attempt, refuse } from './refusal.ts'
import { tag } from './tags.ts'
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
import { characters, latin1Text, utf8Text } from './text.ts'

export type DecodeOptions = {
  readonly limits?: Partial<Limits>
  /**
   * How a binary is given out. `copy` (the default): as bytes of its own. `view`: as a window on the input, which
   * then has to stay unchanged and is kept in memory as long as the term. `text`: as a `string` where it is valid
   * UTF-8, else as a copy; encoding gives the same bytes either way.
   */
  readonly binaries?: 'copy' | 'view' | 'text'
  /** How a float is given out: as a `Float` (`exact`, the default) or a plain `number`, then 2.0 looks like 2. */
  readonly floats?: 'exact' | 'number'
}

/** The options with every default in place, made once by whoever decodes many messages. */
export type DecodeSettings = {
  readonly limits: Limits
  readonly binaries: 'copy' | 'view' | 'text'
  readonly floats: 'exact' | 'number'
}

const defaultSettings = decodeSettings({})

export function decodeSettings(options: DecodeOptions): DecodeSettings {
  return {
    limits: resolveLimits(options.limits),
    binaries: options.binaries ?? 'copy',
    floats: options.floats ?? 'exact',
  }
}

/**
 * The term that the whole of `bytes` spells: version byte 131 first, nothing after the term.
 * Throws `TermRefused`; never changes `bytes`.
 *
 * ```ts
 * decode(Uint8Array.of(131, 104, 2, 97, 1, 97, 2)) // Tuple { elements: [1, 2] }
 * ```
 */
export function decode(bytes: Uint8Array, options?: DecodeOptions): Term {
  return decodeWith(bytes, options === undefined ? defaultSettings : decodeSettings(options))
}

/** As `decode`, with the refusal as a value. */
export function tryDecode(bytes: Uint8Array, options?: DecodeOptions): Attempt<Term> {
  return attempt(() => decode(bytes, options))
}

/** The first term in `bytes` and how many bytes it used (version byte included); what follows is not looked at. */
export function decodeFirst(bytes: Uint8Array, options?: DecodeOptions): { term: Term; used: number } {
  const reader = new TermReader(bytes, options === undefined ? defaultSettings : decodeSettings(options))
  const term = reader.message()
  return { term, used: reader.at }
}

export function decodeWith(bytes: Uint8Array, settings: DecodeSettings): Term {
  const reader = new TermReader(bytes, settings)
  const term = reader.message()
  reader.finish()
  return term
}

/** Deepest nesting of maps within keys of maps: comparing keys then costs at most this many walks over the input. */
const keyDepth = 8

/** Tuples of so many elements are made in one go. */
const fewElements = 4

const noBytes = new Uint8Array(0)

class TermReader {
  at = 0
  private readonly bytes: Uint8Array
  // Two more windows on the same bytes, made when first needed: most messages are short and need neither.
  private buffer: Buffer | undefined
  private view: DataView | undefined
  private readonly end: number
  private readonly limits: Limits
  private readonly binaries: 'copy' | 'view' | 'text'
  private readonly texts: boolean
  private readonly exactFloats: boolean
  private readonly settings: DecodeSettings
  private left: number
  private keys = 0

  constructor(input: Uint8Array, settings: DecodeSettings) {
    // The bytes handed out are to be plain, which a Buffer's slices are not.
    this.bytes = input.constructor === Uint8Array ? input : plainBytes(input)
    this.end = this.bytes.length
    this.settings = settings
    this.limits = settings.limits
    this.binaries = settings.binaries
    this.texts = settings.binaries === 'text'
    this.exactFloats = settings.floats === 'exact'
    this.left = settings.limits.terms
    if (this.end > this.limits.bytes)
      refuse('too-large', 'message', `at most ${this.limits.bytes} bytes`, `${this.end}`)
  }

  /** Version byte and one term. */
  message(): Term {
    const version = this.u8('version')
    if (version !== tag.version) refuse('bad-version', 'version', `${tag.version}`, `${version}`, 0)
    switch (this.bytes[this.at]) {
      case tag.compressed:
        return this.compressed()
      case tag.local: {
        // Only its writer knows where it ends, so it is the whole rest (OTP: LOCAL_EXT).
        const from = this.at
        this.at = this.end
        return new LocalTerm(this.bytes.slice(from, this.end))
      }
      case tag.distributionHeader:
      case tag.distributionFragment:
        return refuse('atom-cache', 'distribution header', 'a term', `${this.bytes[this.at]}`, this.at)
      default:
        return this.term(this.limits.depth)
    }
  }

  /** A term without a version byte, for the inside of a compressed message. */
  bare(): Term {
    const term = this.term(this.limits.depth)
    this.finish()
    return term
  }

  finish(): void {
    if (this.at < this.end)
      refuse('trailing-bytes', 'message', 'nothing after the term', `${this.end - this.at} bytes`, this.at)
  }

  private term(depth: number): Term {
    const at = this.at
    const bytes = this.bytes
    if (at >= this.end) this.truncated('term', 1)
    if (depth <= 0) tooDeep(this.limits.depth, at)
    if (--this.left < 0) tooMany(this.limits.terms, at)
    this.at = at + 1
    // Numbers instead of names, here only: literals make a jump table, names a chain of comparisons that was
    // measured to take twice as long.
    switch (bytes[at]) {
      case 97: // SMALL_INTEGER_EXT
        return this.u8('SMALL_INTEGER_EXT')
      case 98: // INTEGER_EXT
        return this.u32('INTEGER_EXT') | 0
      case 109: // BINARY_EXT
        return this.binary()
      case 100: // ATOM_EXT
        return this.latin1Atom(this.u16('ATOM_EXT'))
      case 119: // SMALL_ATOM_UTF8_EXT
        return this.utf8Atom(this.u8('SMALL_ATOM_UTF8_EXT'))
      case 104: // SMALL_TUPLE_EXT
        return new Tuple(this.elements(this.u8('SMALL_TUPLE_EXT'), depth))
      case 106: // NIL_EXT
        return []
      case 108: // LIST_EXT
        return this.list(depth)
      case 107: // STRING_EXT
        return this.string([])
      case 116: // MAP_EXT
        return this.map(depth)
      case 70: // NEW_FLOAT_EXT
        return this.newFloat()
      case 110: // SMALL_BIG_EXT
        return this.big(this.u8('SMALL_BIG_EXT'))
      default:
        return this.seldom(bytes[at] as number, at, depth)
    }
  }

  /** The tags that few messages hold; apart from the others only to keep the frequent path short. */
  private seldom(found: number, at: number, depth: number): Term {
    switch (found) {
      case tag.smallAtom:
        return this.latin1Atom(this.u8('SMALL_ATOM_EXT'))
      case tag.atomUtf8:
        return this.utf8Atom(this.u16('ATOM_UTF8_EXT'))
      case tag.largeTuple:
        return new Tuple(this.elements(this.u32('LARGE_TUPLE_EXT'), depth))
      case tag.largeBig:
        return this.big(this.u32('LARGE_BIG_EXT'))
      case tag.float:
        return this.textFloat()
      case tag.bitBinary:
        return this.bitBinary()
      case tag.export:
        return this.export(depth)
      case tag.pid:
      case tag.newPid: {
        const node = this.atomName('node of a pid')
        const id = this.u32('pid')
        const serial = this.u32('pid')
        const creation = found === tag.pid ? this.u8('pid') : this.u32('pid')
        return new Pid(node, id, serial, creation, this.bytes.slice(at, this.at))
      }
      case tag.port:
      case tag.newPort:
      case tag.v4Port: {
        const node = this.atomName('node of a port')
        const high = found === tag.v4Port ? this.u32('port') : 0
        const id = (BigInt(high) << 32n) | BigInt(this.u32('port'))
        const creation = found === tag.port ? this.u8('port') : this.u32('port')
        return new Port(node, id, creation, this.bytes.slice(at, this.at))
      }
      case tag.reference: {
        const node = this.atomName('node of a reference')
        const word = this.u32('reference')
        return new Reference(node, this.u8('reference'), [word], this.bytes.slice(at, this.at))
      }
      case tag.newReference:
      case tag.newerReference: {
        const count = this.u16('reference')
        // OTP's ERTS_MAX_REF_NUMBERS.
        if (count < 1 || count > 5) refuse('malformed', 'reference', '1 to 5 words', `${count}`, at)
        const node = this.atomName('node of a reference')
        const creation = found === tag.newReference ? this.u8('reference') : this.u32('reference')
        const words: number[] = []
        for (let i = 0; i < count; i++) words.push(this.u32('reference'))
        return new Reference(node, creation, words, this.bytes.slice(at, this.at))
      }
      case tag.newFun:
        return this.newFun(at, depth)
      case tag.fun:
        return this.oldFun(at, depth)
      case tag.atomCacheRef:
        return refuse('atom-cache', 'ATOM_CACHE_REF', 'an atom by its name', 'a place in a cache', at)
      default:
        return refuse('unknown-tag', 'tag', 'a tag of the external term format', `${found}`, at)
    }
  }

  private elements(count: number, depth: number): Term[] {
    this.promised('elements', count)
    // A list that grows from nothing makes room for seventeen at once: too much where tuples are short and many.
    if (count <= fewElements) return this.fewElements(count, depth)
    const elements: Term[] = []
    for (let i = 0; i < count; i++) elements.push(this.term(depth - 1))
    return elements
  }

  private fewElements(count: number, depth: number): Term[] {
    if (count === 0) return []
    const first = this.term(depth - 1)
    if (count === 1) return [first]
    const second = this.term(depth - 1)
    if (count === 2) return [first, second]
    const third = this.term(depth - 1)
    if (count === 3) return [first, second, third]
    return [first, second, third, this.term(depth - 1)]
  }

  /** A list's tail may itself be a list; OTP reads `[1 | [2, 3]]` as `[1, 2, 3]`, and without elements as its tail. */
  private list(depth: number): Term {
    let elements: Term[] = []
    for (;;) {
      const count = this.u32('LIST_EXT')
      this.promised('elements', count)
      if (elements.length === 0 && this.onlyFloats(count, depth)) elements = this.floats(count)
      else {
        const integers = this.leadingIntegers(elements, count, depth)
        for (let i = integers; i < count; i++) elements.push(this.term(depth - 1))
      }
      switch (this.bytes[this.at]) {
        case tag.nil:
          this.at++
          return elements
        case tag.list:
          this.at++
          break
        case tag.string:
          this.at++
          return this.string(elements)
        default: {
          const tail = this.term(depth - 1)
          return elements.length === 0 ? tail : new ImproperList(elements, tail)
        }
      }
    }
  }

  /** The integers that a list begins with, added in one go; answers how many. Most lists of numbers are nothing else. */
  private leadingIntegers(elements: Term[], count: number, depth: number): number {
    const { bytes, end } = this
    const most = depth < 2 ? 0 : Math.min(count, this.left)
    let at = this.at
    let read = 0
    for (; read < most; read++)
      if (bytes[at] === tag.integer && at + 5 <= end) {
        const high = ((bytes[at + 1] as number) << 24) | ((bytes[at + 2] as number) << 16)
        elements.push(high | ((bytes[at + 3] as number) << 8) | (bytes[at + 4] as number))
        at += 5
      } else if (bytes[at] === tag.smallInteger && at + 2 <= end) {
        elements.push(bytes[at + 1] as number)
        at += 2
      } else break
    this.at = at
    this.left -= read
    return read
  }

  /** Are the next so many terms floats that are wanted as numbers? Looks at every tag, so a yes is no mere claim. */
  private onlyFloats(count: number, depth: number): boolean {
    if (this.exactFloats || count < 2 || depth < 2 || count > this.left) return false
    const bytes = this.bytes
    const to = this.at + 9 * count
    if (to > this.end) return false
    for (let at = this.at; at < to; at += 9) if (bytes[at] !== tag.newFloat) return false
    return true
  }

  /** Floats that are known to be there, such as a series of samples: an array of the right size at once. */
  private floats(count: number): number[] {
    const values: number[] = new Array(count)
    const view = new DataView(this.bytes.buffer, this.bytes.byteOffset, this.bytes.byteLength)
    this.left -= count
    for (let i = 0; i < count; i++) {
      const value = view.getFloat64(this.at + 1)
      if (!Number.isFinite(value)) this.float(value, this.at + 1)
      values[i] = value
      this.at += 9
    }
    return values
  }

  private string(elements: Term[]): Term[] {
    const length = this.u16('STRING_EXT')
    const from = this.take('STRING_EXT', length)
    this.left -= length
    if (this.left < 0) tooMany(this.limits.terms, from)
    for (let at = from; at < from + length; at++) elements.push(this.bytes[at] as number)
    return elements
  }

  private map(depth: number): Map<Term, Term> {
    const from = this.at - 1
    const count = this.u32('MAP_EXT')
    this.promised('keys and values', 2 * count)
    if (this.keys > keyDepth)
      refuse('too-deep', 'map', `at most ${keyDepth} maps within keys of maps`, 'one more', from)
    const map = new Map<Term, Term>()
    let objects = 0
    for (let i = 0; i < count; i++) {
      this.keys++
      const key = this.term(depth - 1)
      this.keys--
      if (typeof key === 'object') objects++
      map.set(key, this.term(depth - 1))
    }
    if (map.size < count || (objects > 1 && hasEqualKeys(map)))
      refuse('duplicate-key', 'map', 'each key once', 'a key twice', from)
    return map
  }

  private binary(): Uint8Array | string {
    const length = this.u32('BINARY_EXT')
    const from = this.take('BINARY_EXT', length)
    if (this.texts) {
      const short = shortAscii(this.bytes, from, from + length)
      const text = short ?? this.utf8(from, from + length)
      if (text !== undefined) return text
    }
    if (this.binaries === 'view') return this.bytes.subarray(from, from + length)
    return this.copy(from, length)
  }

  /** Few bytes are copied quicker by a loop than by `slice`; no bytes are always the same array. */
  private copy(from: number, length: number): Uint8Array {
    if (length > 48) return this.bytes.slice(from, from + length)
    if (length === 0) return noBytes
    const copy = new Uint8Array(length)
    for (let i = 0; i < length; i++) copy[i] = this.bytes[from + i] as number
    return copy
  }

  private bitBinary(): BitBinary | Uint8Array {
    const length = this.u32('BIT_BINARY_EXT')
    const bits = this.u8('BIT_BINARY_EXT')
    const from = this.take('BIT_BINARY_EXT', length)
    if (bits > 8 || (bits === 0) !== (length === 0))
      refuse(
        'malformed',
        'BIT_BINARY_EXT',
        '1 to 8 bits in the last byte',
        `${bits} of ${length} bytes`,
        from,
      )
    const bytes = this.copy(from, length)
    if (bits === 8 || length === 0) return bytes
    bytes[length - 1] = (bytes[length - 1] as number) & (0xff << (8 - bits))
    return new BitBinary(bytes, bits)
  }

  private latin1Atom(length: number): Atom {
    const from = this.take('atom', length)
    const short = shortAscii(this.bytes, from, from + length)
    if (short !== undefined) return new Atom(short)
    if (length > 255) refuse('malformed', 'atom', 'at most 255 characters', `${length}`, from)
    return new Atom(latin1Text(this.bytes, from, from + length))
  }

  private utf8Atom(length: number): Atom {
    const from = this.take('atom', length)
    const name = shortAscii(this.bytes, from, from + length) ?? this.utf8(from, from + length)
    if (name === undefined) return refuse('bad-utf8', 'atom', 'UTF-8', 'other bytes', from)
    if (characters(name) > 255)
      refuse('malformed', 'atom', 'at most 255 characters', `${characters(name)}`, from)
    return new Atom(name)
  }

  private newFloat(): Float | number {
    const from = this.at
    if (this.end - from < 8) this.truncated('NEW_FLOAT_EXT', 8)
    this.at = from + 8
    this.view ??= new DataView(this.bytes.buffer, this.bytes.byteOffset, this.bytes.byteLength)
    const value = this.view.getFloat64(from)
    // NaN and the infinities are the values whose difference with themselves is not 0.
    if (value - value !== 0) return this.float(value, from)
    return this.exactFloats ? new Float(value) : value
  }

  /** FLOAT_EXT: 31 bytes, C's `%.20e` and then NULs. OTP wants a sign at most, digits, a point and digits. */
  private textFloat(): Float | number {
    const from = this.take('FLOAT_EXT', 31)
    const text = latin1Text(this.bytes, from, from + 31).split('\0', 1)[0] ?? ''
    if (!/^[+-]?\d+\.\d+(?:[eE][+-]?\d+)?$/.test(text))
      refuse('malformed', 'FLOAT_EXT', 'a float such as 1.5e+00', JSON.stringify(text), from)
    return this.float(Number(text), from)
  }

  private float(value: number, at: number): Float | number {
    if (!Number.isFinite(value)) refuse('malformed', 'float', 'a finite number', `${value}`, at)
    return this.exactFloats ? new Float(value) : value
  }

  private big(length: number): number | bigint {
    const negative = this.u8('big integer') !== 0
    const from = this.take('big integer', length)
    if (length > this.limits.integerBytes)
      refuse('too-large', 'big integer', `at most ${this.limits.integerBytes} bytes`, `${length}`, from)
    if (length <= 6) {
      let value = 0
      for (let at = from + length - 1; at >= from; at--) value = value * 256 + (this.bytes[at] as number)
      return negative && value !== 0 ? -value : value
    }
    const digits = Buffer.from(this.bytes.subarray(from, from + length))
      .reverse()
      .toString('hex')
    const magnitude = BigInt(`0x${digits}`)
    if (magnitude <= 9007199254740991n)
      return negative && magnitude !== 0n ? -Number(magnitude) : Number(magnitude)
    return negative ? -magnitude : magnitude
  }

  private export(depth: number): Export {
    const module = this.atomName('module of an export')
    const name = this.atomName('function of an export')
    const from = this.at
    const arity = this.term(depth - 1)
    if (typeof arity !== 'number' || arity < 0 || arity > 255)
      return refuse('malformed', 'arity of an export', '0 to 255', describe(arity), from)
    return new Export(module, name, arity)
  }

  private newFun(at: number, depth: number): Fun {
    // The size counts itself but not the tag.
    const size = this.u32('NEW_FUN_EXT')
    if (size < 4 || size > this.end - at - 1) this.truncated('NEW_FUN_EXT', size)
    const arity = this.u8('NEW_FUN_EXT')
    this.take('NEW_FUN_EXT', 20)
    const free = this.u32('NEW_FUN_EXT')
    const module = this.atomName('module of a fun')
    this.integer('old index of a fun', depth)
    this.integer('old uniq of a fun', depth)
    this.pid('creator of a fun', depth)
    this.elements(free, depth)
    if (this.at !== at + 1 + size)
      refuse('malformed', 'NEW_FUN_EXT', `${size} bytes as its size says`, `${this.at - at - 1}`, at)
    return new Fun(module, arity, this.bytes.slice(at, this.at))
  }

  private oldFun(at: number, depth: number): Fun {
    const free = this.u32('FUN_EXT')
    this.pid('creator of a fun', depth)
    const module = this.atomName('module of a fun')
    this.integer('index of a fun', depth)
    this.integer('uniq of a fun', depth)
    this.elements(free, depth)
    return new Fun(module, undefined, this.bytes.slice(at, this.at))
  }

  private integer(thing: string, depth: number): void {
    const from = this.at
    const term = this.term(depth - 1)
    if (typeof term !== 'number' && typeof term !== 'bigint')
      refuse('malformed', thing, 'an integer', describe(term), from)
  }

  private pid(thing: string, depth: number): void {
    const from = this.at
    const term = this.term(depth - 1)
    if (!(term instanceof Pid)) refuse('malformed', thing, 'a pid', describe(term), from)
  }

  private atomName(thing: string): string {
    const at = this.at
    switch (this.u8(thing)) {
      case tag.atom:
        return this.latin1Atom(this.u16(thing)).name
      case tag.smallAtom:
        return this.latin1Atom(this.u8(thing)).name
      case tag.atomUtf8:
        return this.utf8Atom(this.u16(thing)).name
      case tag.smallAtomUtf8:
        return this.utf8Atom(this.u8(thing)).name
      case tag.atomCacheRef:
        return refuse('atom-cache', 'ATOM_CACHE_REF', 'an atom by its name', 'a place in a cache', at)
      default:
        return refuse('malformed', thing, 'an atom', `tag ${this.bytes[at]}`, at)
    }
  }

  /** Tag 80: the size it inflates to, then a zlib stream; allowed only around a whole message. */
  private compressed(): Term {
    const at = this.at++
    const claimed = this.u32('compressed term')
    const { bytes, used } = inflate(this.bytes.subarray(this.at), claimed, this.limits, at)
    this.at += used
    const limits = { ...this.limits, bytes: this.limits.inflatedBytes }
    return new TermReader(bytes, { ...this.settings, limits }).bare()
  }

  private u8(thing: string): number {
    const at = this.at
    if (at >= this.end) this.truncated(thing, 1)
    this.at = at + 1
    return this.bytes[at] as number
  }

  private u16(thing: string): number {
    const at = this.at
    if (this.end - at < 2) this.truncated(thing, 2)
    this.at = at + 2
    return ((this.bytes[at] as number) << 8) | (this.bytes[at + 1] as number)
  }

  private u32(thing: string): number {
    const at = this.at
    const bytes = this.bytes
    if (this.end - at < 4) this.truncated(thing, 4)
    this.at = at + 4
    return (
      (((bytes[at] as number) << 24) |
        ((bytes[at + 1] as number) << 16) |
        ((bytes[at + 2] as number) << 8) |
        (bytes[at + 3] as number)) >>>
      0
    )
  }

  private utf8(start: number, end: number): string | undefined {
    this.buffer ??= asBuffer(this.bytes)
    return utf8Text(this.buffer, start, end)
  }

  /** Steps over `length` bytes that must be there and says where they begin. */
  private take(thing: string, length: number): number {
    const from = this.at
    if (length > this.end - from) this.truncated(thing, length)
    this.at = from + length
    return from
  }

  /** Every element takes at least a byte, so a count beyond the bytes that are left is a lie already. */
  private promised(thing: string, count: number): void {
    if (count > this.end - this.at) this.truncated(thing, count)
    if (count > this.left) tooMany(this.limits.terms, this.at)
  }

  private truncated(thing: string, wanted: number): never {
    return refuse('truncated', thing, `${wanted} bytes or more`, `${this.end - this.at}`, this.at)
  }
}

function plainBytes({ buffer, byteOffset, byteLength }: Uint8Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength)
}

function asBuffer({ buffer, byteOffset, byteLength }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength)
}

function describe(term: Term): string {
  return typeof term === 'object' ? term.constructor.name : `${term}`
}
