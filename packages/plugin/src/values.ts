/**
 * Values as bytes, for the channel between the server and a plugin's process: JSON with bigints, bytes and `undefined`.
 *
 * V8's own serializer is not used, because the bytes come from a stranger: a hundred of them can name arrays with holes
 * that take gigabytes to build, and objects that hold each other many times over. Here everything that is built was
 * paid for in bytes, nothing is built but plain data, each thing stands in one place, and depth is bounded.
 *
 * ```
 * value = tag …    0 undefined  1 null  2 false  3 true
 *   4 number: 8 bytes, IEEE 754, big-endian        5 bigint: like 6, its decimal digits
 *   6 text: length (4 bytes), UTF-8                7 bytes: length, bytes
 *   8 list: count (4 bytes), values                9 object: count, pairs of text (length, UTF-8) and value
 * ```
 */

/** Depth of lists and objects within each other. */
const depthMost = 96
/** Characters of a bigint: more than any 64-bit number has, and few enough to be read at once. */
const digitsMost = 80

/** Why bytes are no value, or a value has no bytes. */
export class NotAValue extends Error {
  override readonly name = 'NotAValue'
}

/** The bytes of a value, at most `most` of them; throws `NotAValue` for what is no plain data, is too deep, or is too much. */
export function writeValue(value: unknown, most: number): Buffer {
  let bytes = Buffer.allocUnsafe(256)
  let at = 0

  function room(count: number): void {
    if (at + count > most) throw new NotAValue(`wanted at most ${most} bytes, got more`)
    if (at + count <= bytes.length) return
    const grown = Buffer.allocUnsafe(Math.max(bytes.length * 2, at + count))
    bytes.copy(grown, 0, 0, at)
    bytes = grown
  }
  function tag(byte: number): void {
    room(1)
    at = bytes.writeUInt8(byte, at)
  }
  function count(number: number): void {
    room(4)
    at = bytes.writeUInt32BE(number, at)
  }
  function text(written: string): void {
    const length = Buffer.byteLength(written)
    count(length)
    room(length)
    at += bytes.write(written, at, length, 'utf8')
  }
  function put(each: unknown, depth: number): void {
    if (each === undefined) tag(0)
    else if (each === null) tag(1)
    else if (typeof each === 'boolean') tag(each ? 3 : 2)
    else if (typeof each === 'number') putNumber(each)
    else if (typeof each === 'bigint') putDigits(String(each))
    else if (typeof each === 'string') {
      tag(6)
      text(each)
    } else if (typeof each !== 'object') throw new NotAValue(`wanted plain values, got a ${typeof each}`)
    else if (depth >= depthMost)
      throw new NotAValue(`wanted at most ${depthMost} levels, got more, or a ring`)
    else putHeld(each, depth + 1)
  }
  function putNumber(each: number): void {
    tag(4)
    room(8)
    at = bytes.writeDoubleBE(each, at)
  }
  function putDigits(digits: string): void {
    if (digits.length > digitsMost) throw new NotAValue(`wanted at most ${digitsMost} digits, got more`)
    tag(5)
    text(digits)
  }
  function putHeld(each: object, depth: number): void {
    if (each instanceof Uint8Array) {
      tag(7)
      count(each.length)
      room(each.length)
      bytes.set(each, at)
      at += each.length
      return
    }
    if (Array.isArray(each)) {
      if (each.length > most) throw new NotAValue(`wanted at most ${most} bytes, got more`)
      tag(8)
      count(each.length)
      for (const one of each) put(one, depth)
      return
    }
    const prototype: unknown = Object.getPrototypeOf(each)
    if (prototype !== null && prototype !== Object.prototype)
      throw new NotAValue('wanted plain values, got an object of a class')
    const entries = Object.entries(each)
    tag(9)
    count(entries.length)
    for (const [name, one] of entries) {
      text(name)
      put(one, depth)
    }
  }

  put(value, 0)
  return bytes.subarray(0, at)
}

/** The value of all of these bytes; throws `NotAValue`. What it takes to build grows with the bytes, whatever they say. */
export function readValue(bytes: Buffer): unknown {
  let at = 0

  /** Goes on by so many bytes, and says where they begin. */
  function past(count: number): number {
    if (count > bytes.length - at) throw new NotAValue(`wanted ${count} bytes more, got ${bytes.length - at}`)
    at += count
    return at - count
  }
  const length = () => bytes.readUInt32BE(past(4))
  function text(): string {
    const size = length()
    const from = past(size)
    return bytes.toString('utf8', from, from + size)
  }
  /** A count of things that take at least so many bytes each. */
  function counted(leastBytes: number): number {
    const count = length()
    if (count * leastBytes > bytes.length - at)
      throw new NotAValue(`wanted ${count} values, got ${bytes.length - at} bytes`)
    return count
  }
  function take(depth: number): unknown {
    const tag = bytes.readUInt8(past(1))
    if (tag >= 8 && depth >= depthMost) throw new NotAValue(`wanted at most ${depthMost} levels, got more`)
    switch (tag) {
      case 0:
        return undefined
      case 1:
        return null
      case 2:
        return false
      case 3:
        return true
      case 4:
        return bytes.readDoubleBE(past(8))
      case 5: {
        const digits = text()
        if (digits.length > digitsMost || !/^-?\d+$/.test(digits))
          throw new NotAValue('wanted digits, got none')
        return BigInt(digits)
      }
      case 6:
        return text()
      case 7: {
        const size = length()
        const from = past(size)
        return new Uint8Array(bytes.subarray(from, from + size))
      }
      case 8: {
        const list: unknown[] = []
        for (let left = counted(1); left > 0; left -= 1) list.push(take(depth + 1))
        return list
      }
      case 9: {
        const held: Record<string, unknown> = {}
        for (let left = counted(5); left > 0; left -= 1) {
          const name = text()
          // Assigned, it would be the object's prototype and not one of its names.
          if (name === '__proto__') throw new NotAValue('wanted a name, got __proto__')
          held[name] = take(depth + 1)
        }
        return held
      }
      default:
        throw new NotAValue(`wanted a tag, got ${tag}`)
    }
  }

  const value = take(0)
  if (at !== bytes.length) throw new NotAValue(`wanted one value, got ${bytes.length - at} bytes more`)
  return value
}
