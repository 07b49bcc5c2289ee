/**
 * Terms to bytes.
 *
 * The choices are Erlang's own: the smallest tag that holds the value, a list of bytes as STRING_EXT, floats as
 * NEW_FLOAT_EXT. By default nothing is written that a virtual machine of 2011 could not read (atoms go out in
 * Latin-1 while they fit), which every later one reads as well.
 *
 * Output grows in one working buffer that is used again by the next call; what is handed out is a copy of its own.
 */
import { Buffer } from 'node:buffer'
import { deflate } from './inflate.ts'
import { type Limits, resolveLimits, tooDeep, tooMany } from './limits.ts'
import { printf20e } from './printf.ts'
import { refuse } from './refusal.ts'
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
import { characters, isLatin1 } from './text.ts'

export type EncodeOptions = {
  readonly limits?: Partial<Limits>
  /**
   * The tags of atoms: `latin1` (the default) is ATOM_EXT where every character is below U+0100 and UTF-8 elsewhere,
   * as OTP up to 25 writes; `small-latin1` takes SMALL_ATOM_EXT instead; `utf8` always writes UTF-8, as OTP 26 does.
   */
  readonly atoms?: 'latin1' | 'small-latin1' | 'utf8'
  /** `new` (the default) is eight bytes; `text` is the old FLOAT_EXT, for peers older than R11 or BERT 1.0 to the letter. */
  readonly floats?: 'new' | 'text'
  /** Compress the message at a zlib level from 1 to 9, if that makes it shorter. Not compressed by default. */
  readonly compress?: number
}

/** The options with every default in place, made once by whoever encodes many messages. */
export type EncodeSettings = {
  readonly limits: Limits
  readonly atoms: 'latin1' | 'small-latin1' | 'utf8'
  readonly floats: 'new' | 'text'
  readonly compress: number
}

const defaultSettings = encodeSettings({})

export function encodeSettings(options: EncodeOptions): EncodeSettings {
  const compress = options.compress ?? 0
  if (!Number.isInteger(compress) || compress < 0 || compress > 9)
    throw new RangeError(`compress: wanted a level from 0 to 9, got ${compress}`)
  return {
    limits: resolveLimits(options.limits),
    atoms: options.atoms ?? 'latin1',
    floats: options.floats ?? 'new',
    compress,
  }
}

/**
 * The bytes of a term, version byte first. Besides what `decode` gives out, strings (as binaries), booleans (as
 * atoms) and numbers with a fraction (as floats) are taken. Throws `TermRefused` for what is no term: `null`,
 * `undefined`, plain objects, NaN, numbers beyond 2⁵³−1 (write a `bigint` or a `Float`), lone surrogates.
 *
 * ```ts
 * encode(tuple(atom('reply'), 'done', [1, 2])) // <<131,104,3,100,0,5,"reply",109,0,0,0,4,"done",107,0,2,1,2>>
 * ```
 */
export function encode(term: Term, options?: EncodeOptions): Uint8Array {
  return encodeWith(term, options === undefined ? defaultSettings : encodeSettings(options), 0)
}

/** The bytes of a term after `lead` bytes left free for the caller. */
export function encodeWith(term: Term, settings: EncodeSettings, lead: number): Uint8Array {
  const buffer = idle ?? new WorkingBuffer()
  idle = undefined
  try {
    const bytes = new TermWriter(buffer, settings, lead).message(term)
    return settings.compress === 0 ? bytes : compressed(bytes, settings, lead)
  } finally {
    if (buffer.bytes.length <= keptRoom) idle = buffer
  }
}

/** The tail of the message behind 131, 80 and its size, where that is shorter. */
function compressed(bytes: Uint8Array, settings: EncodeSettings, lead: number): Uint8Array {
  const inner = bytes.subarray(lead + 1)
  if (inner[0] === tag.local) return bytes
  const deflated = deflate(inner, settings.compress)
  if (deflated.length + 5 >= inner.length) return bytes
  const result = new Uint8Array(lead + 6 + deflated.length)
  result[lead] = tag.version
  result[lead + 1] = tag.compressed
  new DataView(result.buffer).setUint32(lead + 2, inner.length)
  result.set(deflated, lead + 6)
  return result
}

const firstBytes = 8 * 1024
const keptRoom = 1024 * 1024

class WorkingBuffer {
  bytes = new Uint8Array(firstBytes)
  buffer = Buffer.from(this.bytes.buffer)
  view = new DataView(this.bytes.buffer)

  /** Room for `wanted` bytes, keeping the first `used`. */
  grow(used: number, wanted: number): void {
    const bytes = new Uint8Array(Math.max(wanted, this.bytes.length * 2))
    bytes.set(this.bytes.subarray(0, used))
    this.bytes = bytes
    this.buffer = Buffer.from(bytes.buffer)
    this.view = new DataView(bytes.buffer)
  }
}

/** The working buffer between calls; a call takes it away, so a call within a call makes its own. */
let idle: WorkingBuffer | undefined

/** Up to this many UTF-16 units a string is written by a loop here, above by the runtime. */
const shortText = 32

/** Up to this many bytes a message is copied quicker by a loop than by `slice`. */
const shortMessage = 64

class TermWriter {
  private readonly buffer: WorkingBuffer
  private bytes: Uint8Array
  private at: number
  private readonly lead: number
  private readonly settings: EncodeSettings
  private readonly limits: Limits
  private left: number

  constructor(buffer: WorkingBuffer, settings: EncodeSettings, lead: number) {
    this.buffer = buffer
    this.bytes = buffer.bytes
    this.at = lead
    this.lead = lead
    this.settings = settings
    this.limits = settings.limits
    this.left = settings.limits.terms
  }

  message(term: Term): Uint8Array {
    this.u8(tag.version)
    if (term instanceof LocalTerm) this.raw(term.encoded)
    else this.term(term, this.limits.depth)
    this.bounded(this.at)
    return this.at <= shortMessage ? this.shortCopy() : this.bytes.slice(0, this.at)
  }

  private shortCopy(): Uint8Array {
    const copy = new Uint8Array(this.at)
    for (let i = 0; i < copy.length; i++) copy[i] = this.bytes[i] as number
    return copy
  }

  private term(term: Term, depth: number): void {
    if (depth <= 0) tooDeep(this.limits.depth)
    if (--this.left < 0) tooMany(this.limits.terms)
    switch (typeof term) {
      case 'number':
        this.number(term)
        break
      case 'string':
        this.text(term)
        break
      case 'object':
        this.object(term, depth)
        break
      case 'boolean':
        this.atom(term ? 'true' : 'false')
        break
      case 'bigint':
        this.bigint(term)
        break
      default:
        notATerm(term)
    }
  }

  private object(term: Exclude<Term, number | string | boolean | bigint>, depth: number): void {
    if (Array.isArray(term)) this.list(term, depth)
    else if (term instanceof Tuple) this.tuple(term.elements, depth)
    else if (term instanceof Atom) this.atom(term.name)
    else if (term instanceof Map) this.map(term, depth)
    else if (term instanceof Uint8Array) this.binary(term)
    else if (term instanceof Float) this.float(term.value)
    else this.seldom(term, depth)
  }

  private seldom(
    term: BitBinary | ImproperList<Term> | Export | Fun | Pid | Port | Reference | LocalTerm,
    depth: number,
  ): void {
    const kept = keptBytes(term)
    if (kept !== undefined) this.raw(kept)
    else if (term instanceof ImproperList) this.improperList(term, depth)
    else if (term instanceof BitBinary) this.bitBinary(term)
    else if (term instanceof Export) this.export(term)
    else if (term instanceof Pid) this.pid(term)
    else if (term instanceof Port) this.port(term)
    else if (term instanceof Reference) this.reference(term)
    else if (term instanceof LocalTerm)
      refuse('not-a-term', 'local term', 'to be the whole message', 'a part of another term')
    else notATerm(term)
  }

  private number(value: number): void {
    if ((value | 0) === value) this.int32(value)
    else if (Number.isSafeInteger(value)) this.bigint(BigInt(value))
    else if (Number.isInteger(value))
      refuse('not-a-term', 'number', 'a bigint or a Float beyond 2^53-1', `${value}`)
    else this.float(value)
  }

  private int32(value: number): void {
    this.room(5)
    const bytes = this.bytes
    const at = this.at
    if (value >= 0 && value <= 255) {
      bytes[at] = tag.smallInteger
      bytes[at + 1] = value
      this.at = at + 2
    } else {
      bytes[at] = tag.integer
      bytes[at + 1] = value >> 24
      bytes[at + 2] = value >> 16
      bytes[at + 3] = value >> 8
      bytes[at + 4] = value
      this.at = at + 5
    }
  }

  private bigint(value: bigint): void {
    if (value >= -2147483648n && value <= 2147483647n) this.int32(Number(value))
    else this.big(value)
  }

  private big(value: bigint): void {
    const hex = (value < 0n ? -value : value).toString(16)
    const length = (hex.length + 1) >> 1
    if (length > this.limits.integerBytes)
      refuse('too-large', 'integer', `at most ${this.limits.integerBytes} bytes`, `${length}`)
    this.room(6 + length)
    if (length <= 255) {
      this.u8(tag.smallBig)
      this.u8(length)
    } else {
      this.u8(tag.largeBig)
      this.u32(length)
    }
    this.u8(value < 0n ? 1 : 0)
    this.buffer.buffer.write(hex.padStart(2 * length, '0'), this.at, length, 'hex')
    this.bytes.subarray(this.at, this.at + length).reverse()
    this.at += length
  }

  private float(value: number): void {
    if (!Number.isFinite(value)) refuse('not-a-term', 'float', 'a finite number', `${value}`)
    if (this.settings.floats === 'text') this.textFloat(value)
    else this.newFloat(value)
  }

  private newFloat(value: number): void {
    this.room(9)
    const bytes = this.bytes
    const at = this.at
    bytes[at] = tag.newFloat
    this.buffer.view.setFloat64(at + 1, value)
    this.at = at + 9
  }

  private textFloat(value: number): void {
    this.room(32)
    this.u8(tag.float)
    this.bytes.fill(0, this.at, this.at + 31)
    this.buffer.buffer.write(printf20e(value), this.at, 31, 'latin1')
    this.at += 31
  }

  private text(text: string): void {
    const length = text.length
    this.room(5 + 3 * length)
    const header = this.at
    const written = length <= shortText ? this.shortText(text, header + 5) : this.longText(text, header + 5)
    this.bytes[header] = tag.binary
    this.at = header + 1
    this.u32(written)
    this.at = header + 5 + written
  }

  /** Writes ASCII by a loop; gives anything else to the runtime. */
  private shortText(text: string, at: number): number {
    const bytes = this.bytes
    const length = text.length
    for (let i = 0; i < length; i++) {
      const unit = text.charCodeAt(i)
      if (unit > 127) return this.longText(text, at)
      bytes[at + i] = unit
    }
    return length
  }

  private longText(text: string, at: number): number {
    if (!text.isWellFormed()) refuse('bad-utf8', 'string', 'well-formed Unicode', 'a lone surrogate')
    return this.buffer.buffer.write(text, at, 'utf8')
  }

  private atom(name: string): void {
    const length = name.length
    this.room(3 + 3 * length)
    const header = this.at
    if (this.settings.atoms !== 'utf8' && length <= 255 && isLatin1(name)) {
      const small = this.settings.atoms === 'small-latin1'
      this.u8(small ? tag.smallAtom : tag.atom)
      if (!small) this.u8(0)
      this.u8(length)
      for (let i = 0; i < length; i++) this.bytes[this.at + i] = name.charCodeAt(i)
      this.at += length
      return
    }
    if (characters(name) > 255) refuse('not-a-term', 'atom', 'at most 255 characters', `${characters(name)}`)
    if (!name.isWellFormed()) refuse('bad-utf8', 'atom', 'well-formed Unicode', 'a lone surrogate')
    const written = this.buffer.buffer.write(name, header + 3, 'utf8')
    if (written <= 255) {
      this.bytes.copyWithin(header + 2, header + 3, header + 3 + written)
      this.bytes[header] = tag.smallAtomUtf8
      this.bytes[header + 1] = written
      this.at = header + 2 + written
    } else {
      this.u8(tag.atomUtf8)
      this.u8(written >> 8)
      this.u8(written)
      this.at = header + 3 + written
    }
  }

  private binary(bytes: Uint8Array): void {
    this.room(5 + bytes.length)
    this.u8(tag.binary)
    this.u32(bytes.length)
    this.bytes.set(bytes, this.at)
    this.at += bytes.length
  }

  private bitBinary({ bytes, bits }: BitBinary): void {
    if (bytes.length === 0 || !Number.isInteger(bits) || bits < 1 || bits > 7)
      refuse('not-a-term', 'bit binary', '1 to 7 bits in its last byte', `${bits} of ${bytes.length} bytes`)
    this.room(6 + bytes.length)
    this.u8(tag.bitBinary)
    this.u32(bytes.length)
    this.u8(bits)
    this.bytes.set(bytes, this.at)
    this.at += bytes.length
    this.bytes[this.at - 1] = (this.bytes[this.at - 1] as number) & (0xff << (8 - bits))
  }

  private list(list: Term[], depth: number): void {
    const count = list.length
    if (count === 0) {
      this.room(1)
      this.u8(tag.nil)
    } else if (count <= 65535 && allBytes(list)) {
      this.string(list)
    } else {
      this.listHead(count)
      for (let i = 0; i < count; i++) this.term(list[i] as Term, depth - 1)
      this.room(1)
      this.u8(tag.nil)
    }
  }

  private string(list: Term[]): void {
    const count = list.length
    this.left -= count
    if (this.left < 0) tooMany(this.limits.terms)
    this.room(3 + count)
    this.u8(tag.string)
    this.u8(count >> 8)
    this.u8(count)
    for (let i = 0; i < count; i++) this.bytes[this.at + i] = list[i] as number
    this.at += count
  }

  private improperList({ elements, tail }: ImproperList<Term>, depth: number): void {
    if (elements.length === 0) refuse('not-a-term', 'improper list', 'an element before its tail', 'none')
    if (Array.isArray(tail) || tail instanceof ImproperList)
      refuse('not-a-term', 'improper list', 'a tail that is no list', 'a list')
    this.listHead(elements.length)
    for (const element of elements) this.term(element, depth - 1)
    this.term(tail, depth - 1)
  }

  private listHead(count: number): void {
    this.room(5)
    this.u8(tag.list)
    this.u32(count)
  }

  private tuple(elements: readonly Term[], depth: number): void {
    const count = elements.length
    this.room(5)
    if (count <= 255) {
      this.u8(tag.smallTuple)
      this.u8(count)
    } else {
      this.u8(tag.largeTuple)
      this.u32(count)
    }
    for (let i = 0; i < count; i++) this.term(elements[i] as Term, depth - 1)
  }

  private map(map: Map<Term, Term>, depth: number): void {
    this.room(5)
    this.u8(tag.map)
    this.u32(map.size)
    for (const [key, value] of map) {
      this.term(key, depth - 1)
      this.term(value, depth - 1)
    }
  }

  private export({ module, name, arity }: Export): void {
    if (!Number.isInteger(arity) || arity < 0 || arity > 255)
      refuse('not-a-term', 'arity of an export', '0 to 255', `${arity}`)
    this.room(1)
    this.u8(tag.export)
    this.atom(module)
    this.atom(name)
    this.int32(arity)
  }

  private pid({ node, id, serial, creation }: Pid): void {
    this.room(1)
    this.u8(tag.newPid)
    this.atom(node)
    for (const word of [id, serial, creation]) this.word('pid', word)
  }

  private port({ node, id, creation }: Port): void {
    if (id < 0n || id >= 1n << 64n) refuse('not-a-term', 'port', 'a 64-bit id', `${id}`)
    const wide = id >= 1n << 32n
    this.room(1)
    this.u8(wide ? tag.v4Port : tag.newPort)
    this.atom(node)
    if (wide) this.word('port', Number(id >> 32n))
    this.word('port', Number(id & 0xffffffffn))
    this.word('port', creation)
  }

  private reference({ node, creation, words }: Reference): void {
    if (words.length < 1 || words.length > 5)
      refuse('not-a-term', 'reference', '1 to 5 words', `${words.length}`)
    this.room(3)
    this.u8(tag.newerReference)
    this.u8(0)
    this.u8(words.length)
    this.atom(node)
    this.word('reference', creation)
    for (const word of words) this.word('reference', word)
  }

  private word(thing: string, value: number): void {
    if (value >>> 0 !== value) refuse('not-a-term', thing, 'words of 32 bits', `${value}`)
    this.room(4)
    this.u32(value)
  }

  private raw(encoded: Uint8Array): void {
    this.room(encoded.length)
    this.bytes.set(encoded, this.at)
    this.at += encoded.length
  }

  /** Makes room; the limit is asked only when the buffer has to grow and at the end. */
  private room(wanted: number): void {
    if (this.at + wanted <= this.bytes.length) return
    this.bounded(this.at)
    this.buffer.grow(this.at, this.at + wanted)
    this.bytes = this.buffer.bytes
  }

  private bounded(at: number): void {
    if (at - this.lead > this.limits.bytes)
      refuse('too-large', 'message', `at most ${this.limits.bytes} bytes`, `${at - this.lead} or more`)
  }

  private u8(value: number): void {
    this.bytes[this.at++] = value
  }

  private u32(value: number): void {
    const at = this.at
    const bytes = this.bytes
    bytes[at] = value >>> 24
    bytes[at + 1] = value >>> 16
    bytes[at + 2] = value >>> 8
    bytes[at + 3] = value
    this.at = at + 4
  }
}

/** The bytes that an opaque term came in, if it came in any. */
function keptBytes(term: unknown): Uint8Array | undefined {
  if (term instanceof Fun || term instanceof Pid || term instanceof Port || term instanceof Reference)
    return term.encoded
  return undefined
}

function allBytes(list: Term[]): boolean {
  for (let i = 0; i < list.length; i++) {
    const item = list[i]
    if (typeof item !== 'number' || (item & 0xff) !== item) return false
  }
  return true
}

function notATerm(value: unknown): never {
  const got =
    typeof value === 'object' && value !== null
      ? `an object (${value.constructor?.name ?? 'no class'})`
      : String(value)
  return refuse('not-a-term', 'value', 'an Erlang term (a Map for a map, an Atom for null)', got)
}
