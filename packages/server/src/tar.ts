/**
 * Archives as `tar` reads them: POSIX ustar, with a pax record where a name is too long or a member too large for it.
 *
 * What is written depends on the members alone (no owner, no clock, one mode), so the same members give the same bytes.
 * Both directions hold one piece at a time, whatever the archive's size. The reader takes what the writer writes, plain
 * files of other ustar and pax archives, and refuses everything else by name: links, devices, folders.
 */

import type { Pieces } from './pour.ts'

export interface TarMember {
  /** Relative, `/` between plain names. */
  readonly name: string
  /** Bytes: exactly so many have to come. */
  readonly size: number
  /** Whole seconds since 1970. */
  readonly mtime: number
  readonly content: Uint8Array | (() => AsyncIterable<Uint8Array> | Promise<AsyncIterable<Uint8Array>>)
}

export const tarBlock = 512
/** An archive ends with two empty blocks. */
export const tarEnd = 2 * tarBlock
const endBlocks = new Uint8Array(tarEnd)
const nameMax = 100
const prefixMax = 155
/** Eleven octal digits. */
const ustarSizeMax = 0o77777777777
/** Longest pax header that is read. */
const paxMax = 64 * 1024

/** What is wrong with an archive, or with what should become one. */
export class TarFault extends Error {
  override readonly name = 'TarFault'
}

/** The archive's bytes, one piece at a time. Throws a TarFault when a member has other bytes than its size. */
export async function* tarOf(
  members: Iterable<TarMember> | AsyncIterable<TarMember>,
): AsyncGenerator<Uint8Array> {
  for await (const member of members) {
    yield headerOf(member)
    let got = 0
    if (member.content instanceof Uint8Array) {
      got = member.content.length
      if (got === member.size) yield member.content
    } else
      for await (const piece of await member.content()) {
        got += piece.length
        if (got > member.size) break
        yield piece
      }
    if (got !== member.size) throw wrongSize(member, got)
    yield endBlocks.subarray(0, padding(member.size))
  }
  yield endBlocks
}

/** A member whose bytes are handed out from buffers that are used again. */
export interface PouredMember extends Omit<TarMember, 'content'> {
  readonly content: Uint8Array | (() => Promise<Pieces>)
}

/** The same archive for `pour`: what is small is gathered before it is handed on. */
export function tarPieces(members: readonly PouredMember[]): Pieces {
  return async (take) => {
    // Headers, padding and texts wait here until something large follows: a write each would cost more than they do.
    let small: Uint8Array[] = []
    const flush = async () => {
      const gathered = small
      small = []
      if (gathered.length > 0)
        await take(gathered.length === 1 && gathered[0] ? gathered[0] : Buffer.concat(gathered))
    }
    let held = 0
    const keep = async (bytes: Uint8Array) => {
      small.push(bytes)
      held += bytes.length
      if (held < gatheredBytes) return
      held = 0
      await flush()
    }
    for (const member of members) {
      await keep(headerOf(member))
      let got = 0
      const add = async (piece: Uint8Array) => {
        got += piece.length
        if (got > member.size) throw wrongSize(member, got)
        // A piece may be overwritten once this resolves: a small one is copied, a large one has been taken by then.
        if (piece.length < gatheredBytes / 4) return keep(Buffer.from(piece))
        held = 0
        await flush()
        await take(piece)
      }
      if (member.content instanceof Uint8Array) await add(member.content)
      else await (await member.content())(add)
      if (got !== member.size) throw wrongSize(member, got)
      await keep(endBlocks.subarray(0, padding(member.size)))
    }
    await keep(endBlocks)
    await flush()
  }
}

/** Small pieces are gathered up to about this size. */
const gatheredBytes = 256 * 1024

function wrongSize({ name, size }: Pick<TarMember, 'name' | 'size'>, got: number): TarFault {
  return new TarFault(`${name}: wanted ${size} bytes, got ${got}${got > size ? ' or more' : ''}`)
}

/** How long `tarOf` these members is, in bytes. */
export function tarLength(members: readonly (TarMember | PouredMember)[]): number {
  return members.reduce(
    (sum, member) => sum + headerOf(member).length + member.size + padding(member.size),
    tarEnd,
  )
}

function padding(size: number): number {
  return (tarBlock - (size % tarBlock)) % tarBlock
}

/** The member's header, behind a pax header where ustar cannot say it. */
function headerOf({ name, size, mtime }: Omit<TarMember, 'content'>): Buffer {
  const fitting = splitName(name)
  const records = [
    ...(fitting === undefined ? [paxRecord('path', name)] : []),
    ...(size > ustarSizeMax ? [paxRecord('size', String(size))] : []),
  ]
  const short = fitting ?? { prefix: '', name: Buffer.from(name).subarray(0, nameMax).toString('latin1') }
  const header = ustar({ ...short, size: size > ustarSizeMax ? 0 : size, mtime, type: '0' })
  if (records.length === 0) return header
  const pax = Buffer.concat(records)
  return Buffer.concat([
    ustar({ prefix: '', name: 'pax_header', size: pax.length, mtime, type: 'x' }),
    pax,
    Buffer.alloc(padding(pax.length)),
    header,
  ])
}

/** A name cut for the two fields of ustar; undefined when it does not fit, or is not plain ASCII. */
function splitName(name: string): { readonly prefix: string; readonly name: string } | undefined {
  if (!/^[\x20-\x7e]+$/.test(name)) return undefined
  if (name.length <= nameMax) return { prefix: '', name }
  const at = name.indexOf('/', name.length - nameMax - 1)
  return at > 0 && at <= prefixMax && at < name.length - 1
    ? { prefix: name.slice(0, at), name: name.slice(at + 1) }
    : undefined
}

function ustar(of: {
  readonly prefix: string
  readonly name: string
  readonly size: number
  readonly mtime: number
  readonly type: '0' | 'x'
}): Buffer {
  const header = Buffer.alloc(tarBlock)
  const octal = (value: number, digits: number, at: number) =>
    header.write(`${value.toString(8).padStart(digits, '0')}\0`, at, 'latin1')
  header.write(of.name, 0, 'latin1')
  octal(0o644, 7, 100)
  octal(0, 7, 108)
  octal(0, 7, 116)
  octal(of.size, 11, 124)
  octal(Math.max(0, Math.floor(of.mtime)), 11, 136)
  header.fill(' ', 148, 156)
  header.write(of.type, 156, 'latin1')
  header.write('ustar\x0000', 257, 'latin1')
  header.write(of.prefix, 345, 'latin1')
  header.write(`${sumOf(header).toString(8).padStart(6, '0')}\0 `, 148, 'latin1')
  return header
}

/** `<length> <key>=<value>\n`, where the length counts itself. */
function paxRecord(key: string, value: string): Buffer {
  const rest = Buffer.from(` ${key}=${value}\n`)
  let length = rest.length + 1
  while (String(length).length + rest.length !== length) length = String(length).length + rest.length
  return Buffer.concat([Buffer.from(String(length)), rest])
}

function sumOf(header: Uint8Array): number {
  let sum = 0
  for (let i = 0; i < tarBlock; i++) sum += i >= 148 && i < 156 ? 0x20 : (header[i] ?? 0)
  return sum
}

/** A member as it is read: `bytes` has to be read to its end (or not at all) before the next one is asked for. */
export interface ReadMember {
  readonly name: string
  readonly size: number
  readonly bytes: AsyncIterable<Uint8Array>
}

/** The members of an archive, in order. Throws a TarFault where it is cut off, damaged, or holds what is no file. */
export async function* tarMembers(source: AsyncIterable<Uint8Array>): AsyncGenerator<ReadMember> {
  const input = new Recut(source)
  try {
    for (;;) {
      const found = await nextHeader(input)
      if (found === undefined) return
      let left = found.size
      async function* bytes() {
        while (left > 0) {
          const piece = await input.some(left)
          left -= piece.length
          yield piece
        }
      }
      yield { name: found.name, size: found.size, bytes: bytes() }
      while (left > 0) left -= (await input.some(left)).length
      await input.exactly(padding(found.size))
    }
  } finally {
    await input.close()
  }
}

/** Where a member's bytes lie in its archive. */
export interface TarPlace {
  readonly name: string
  readonly size: number
  /** Of its first byte, from the archive's start. */
  readonly at: number
}

/**
 * Where the members of an archive lie, in order, from their headers alone: what is between them is passed over. `read`
 * answers the bytes from there on, fewer only where the archive ends. Throws the same faults as `tarMembers`.
 */
export async function* tarPlaces(
  read: (at: number, length: number) => Promise<Uint8Array>,
): AsyncGenerator<TarPlace> {
  let at = 0
  const input = {
    async exactly(count: number) {
      const bytes = await read(at, count)
      if (bytes.length < count) throw new TarFault('archive: it ends too early')
      at += count
      return bytes
    },
  }
  for (;;) {
    const found = await nextHeader(input)
    if (found === undefined) return
    yield { ...found, at }
    at += found.size + padding(found.size)
  }
}

async function nextHeader(input: {
  exactly(count: number): Promise<Uint8Array>
}): Promise<{ name: string; size: number } | undefined> {
  let pax: ReadonlyMap<string, string> = new Map()
  for (;;) {
    const header = await input.exactly(tarBlock)
    if (header.every((byte) => byte === 0)) {
      await input.exactly(tarBlock)
      return undefined
    }
    if (octalAt(header, 148, 8) !== sumOf(header))
      throw new TarFault('header: wanted its checksum, got another')
    const type = String.fromCharCode(header[156] ?? 0)
    const size = octalAt(header, 124, 12)
    if (type === 'x') {
      if (size > paxMax) throw new TarFault(`pax header: wanted at most ${paxMax} bytes, got ${size}`)
      const body = Buffer.from(await input.exactly(size))
      await input.exactly(padding(size))
      pax = paxRecords(body)
      continue
    }
    const prefix = textAt(header, 345, prefixMax)
    const short = textAt(header, 0, nameMax)
    const name = pax.get('path') ?? (prefix === '' ? short : `${prefix}/${short}`)
    if (type !== '0' && type !== '\0') throw new TarFault(`${name}: wanted a file, got type ${type}`)
    const told = pax.get('size')
    const whole = told === undefined ? size : Number(told)
    if (!Number.isSafeInteger(whole) || whole < 0) throw new TarFault(`${name}: wanted a size, got ${told}`)
    return { name, size: whole }
  }
}

function octalAt(header: Uint8Array, at: number, length: number): number {
  const text = textAt(header, at, length).trim()
  if (!/^[0-7]{1,12}$/.test(text))
    throw new TarFault(`header: wanted octal digits, got ${JSON.stringify(text)}`)
  return Number.parseInt(text, 8)
}

function textAt(header: Uint8Array, at: number, length: number): string {
  const field = Buffer.from(header.buffer, header.byteOffset + at, length)
  const end = field.indexOf(0)
  return field.toString('utf8', 0, end < 0 ? length : end)
}

function paxRecords(body: Buffer): ReadonlyMap<string, string> {
  const records = new Map<string, string>()
  for (let at = 0; at < body.length; ) {
    const space = body.indexOf(0x20, at)
    const length = space < 0 ? Number.NaN : Number(body.toString('latin1', at, space))
    const record = body.toString('utf8', space + 1, at + length - 1)
    const equals = record.indexOf('=')
    if (!Number.isSafeInteger(length) || length < 5 || at + length > body.length || equals < 1)
      throw new TarFault('pax header: wanted records, got something else')
    records.set(record.slice(0, equals), record.slice(equals + 1))
    at += length
  }
  return records
}

/** Reads a source in other pieces than it comes in. */
class Recut {
  readonly #iterator: AsyncIterator<Uint8Array>
  #held: Uint8Array = new Uint8Array()

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#iterator = source[Symbol.asyncIterator]()
  }

  /** What is at hand, at least one byte and at most `max`. */
  async some(max: number): Promise<Uint8Array> {
    while (this.#held.length === 0) {
      const next = await this.#iterator.next()
      if (next.done) throw new TarFault('archive: it ends too early')
      this.#held = next.value
    }
    const piece = this.#held.subarray(0, max)
    this.#held = this.#held.subarray(piece.length)
    return piece
  }

  async exactly(count: number): Promise<Uint8Array> {
    const whole = new Uint8Array(count)
    for (let got = 0; got < count; ) {
      const piece = await this.some(count - got)
      whole.set(piece, got)
      got += piece.length
    }
    return whole
  }

  async close(): Promise<void> {
    await this.#iterator.return?.()
  }
}
