/**
 * JSON with exact numbers (RFC 8259, RFC 7493, RFC 7951).
 *
 * `JSON.parse` rounds what does not fit a double and forgets that a member stood twice. Here a number
 * becomes the simplest JavaScript value that still is that number: a number where it is exact, a bigint
 * for larger whole numbers, a `JsonDecimal` with the digits as written for the rest. A member that stands
 * twice is refused, and so is nesting or length beyond the limits.
 */

export type JsonValue = null | boolean | number | bigint | string | JsonDecimal | JsonValue[] | JsonObject

export type JsonObject = { [name: string]: JsonValue }

/** A number that neither a double nor a bigint holds exactly, as it was written. */
export class JsonDecimal {
  readonly text: string
  constructor(text: string) {
    this.text = text
  }
}

export type JsonLimits = {
  /** Longest text in UTF-16 units. */
  readonly length: number
  /** Arrays and objects inside each other. */
  readonly depth: number
  /** Values in all, at every level: what reading costs, whatever the length. Absent: as many as the length allows. */
  readonly values?: number
}

export const defaultJsonLimits: JsonLimits = { length: 64 * 1024 * 1024, depth: 200 }

/** What stood where something else was needed; `at` counts UTF-16 units, line and column from 1. */
export type JsonRefusal = {
  readonly ok: false
  readonly at: number
  readonly line: number
  readonly column: number
  readonly found: string
  readonly expected: string
}

/** Reads one JSON text whole. */
export function parseJson(
  text: string,
  limits: JsonLimits = defaultJsonLimits,
): { readonly ok: true; readonly value: JsonValue } | JsonRefusal {
  if (text.length > limits.length)
    return refusalAt(text, 0, `a text of ${text.length} characters`, `at most ${limits.length}`)
  const reader = new JsonReader(text, limits)
  try {
    return { ok: true, value: reader.readAll() }
  } catch (error) {
    if (error instanceof JsonOffence) return refusalAt(text, error.at, error.found, error.expected)
    throw error
  }
}

/** Writes a value as JSON; `indent` blanks a level, 0 for one line. Exact numbers come out exactly. */
export function printJson(value: JsonValue, indent = 0): string {
  const parts: string[] = []
  print(value, indent, '\n', parts)
  return parts.join('')
}

export function isJsonObject(value: JsonValue | undefined): value is JsonObject {
  return (
    typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof JsonDecimal)
  )
}

/** Sets a member as data, whatever its name is. */
export function setMember(object: JsonObject, name: string, value: JsonValue): void {
  if (name === '__proto__')
    Object.defineProperty(object, name, { value, enumerable: true, configurable: true, writable: true })
  else object[name] = value
}

/** A value named for a message, shortened. */
export function describeJson(value: JsonValue | undefined): string {
  if (value === undefined) return 'nothing'
  if (Array.isArray(value)) return `an array of ${value.length}`
  if (isJsonObject(value)) return 'an object'
  const text = printJson(value)
  return text.length > 80 ? `${text.slice(0, 77)}…` : text
}

function refusalAt(text: string, at: number, found: string, expected: string): JsonRefusal {
  let line = 1
  let start = 0
  for (let i = text.indexOf('\n'); i >= 0 && i < at; i = text.indexOf('\n', i + 1)) {
    line++
    start = i + 1
  }
  return { ok: false, at, line, column: at - start + 1, found, expected }
}

class JsonOffence extends Error {
  readonly at: number
  readonly found: string
  readonly expected: string
  constructor(at: number, found: string, expected: string) {
    super(expected)
    this.at = at
    this.found = found
    this.expected = expected
  }
}

const quote = 0x22
const backslash = 0x5c
const comma = 0x2c
const colon = 0x3a

const hasOwn = Object.prototype.hasOwnProperty

class JsonReader {
  private readonly text: string
  private at = 0
  private depthLeft: number
  private valuesLeft: number
  private readonly limits: JsonLimits

  constructor(text: string, limits: JsonLimits) {
    this.text = text
    this.limits = limits
    this.depthLeft = limits.depth
    this.valuesLeft = limits.values ?? Number.POSITIVE_INFINITY
    if (text.charCodeAt(0) === 0xfeff) this.at = 1
  }

  readAll(): JsonValue {
    const value = this.readValue()
    this.skip()
    if (this.at < this.text.length) this.fail('the end of the text')
    return value
  }

  private fail(expected: string): never {
    const codePoint = this.text.codePointAt(this.at)
    const found =
      codePoint === undefined ? 'the end of the text' : JSON.stringify(String.fromCodePoint(codePoint))
    throw new JsonOffence(this.at, found, expected)
  }

  /** Skips blanks and answers the code of what follows; NaN at the end. */
  private skip(): number {
    const { text } = this
    let code = text.charCodeAt(this.at)
    while (code === 32 || code === 10 || code === 13 || code === 9) code = text.charCodeAt(++this.at)
    return code
  }

  private readValue(): JsonValue {
    const code = this.skip()
    if (--this.valuesLeft < 0)
      throw new JsonOffence(this.at, 'another value', `at most ${this.limits.values}`)
    switch (code) {
      case quote:
        return this.readString()
      case 0x7b:
        return this.readObject()
      case 0x5b:
        return this.readArray()
      case 0x74:
        return this.readWord('true', true)
      case 0x66:
        return this.readWord('false', false)
      case 0x6e:
        return this.readWord('null', null)
      default:
        return this.readNumber()
    }
  }

  private readWord<T>(word: string, value: T): T {
    if (!this.text.startsWith(word, this.at)) this.fail('a JSON value')
    this.at += word.length
    return value
  }

  private enter(): void {
    if (--this.depthLeft < 0) throw new JsonOffence(this.at, 'a deeper level', 'fewer levels of nesting')
    this.at++
  }

  private readObject(): JsonObject {
    this.enter()
    const object: JsonObject = {}
    if (this.skip() !== 0x7d)
      for (;;) {
        if (this.skip() !== quote) this.fail('a member name in double quotes')
        const nameAt = this.at
        const name = this.readString()
        if (hasOwn.call(object, name))
          throw new JsonOffence(
            nameAt,
            `member ${JSON.stringify(name)} again`,
            'each member once (RFC 7493 2.3)',
          )
        if (this.skip() !== colon) this.fail('":"')
        this.at++
        const value = this.readValue()
        if (name === '__proto__') setMember(object, name, value)
        else object[name] = value
        const code = this.skip()
        if (code === comma) this.at++
        else if (code === 0x7d) break
        else this.fail('"," or "}"')
      }
    this.at++
    this.depthLeft++
    return object
  }

  private readArray(): JsonValue[] {
    this.enter()
    const array: JsonValue[] = []
    if (this.skip() !== 0x5d)
      for (;;) {
        array.push(this.readValue())
        const code = this.skip()
        if (code === comma) this.at++
        else if (code === 0x5d) break
        else this.fail('"," or "]"')
      }
    this.at++
    this.depthLeft++
    return array
  }

  private readString(): string {
    const { text } = this
    const from = ++this.at
    let at = from
    for (;;) {
      const code = text.charCodeAt(at)
      if (code === quote) {
        this.at = at + 1
        return text.slice(from, at)
      }
      if (code === backslash || code < 32 || Number.isNaN(code)) break
      at++
    }
    this.at = at
    return this.readEscapes(text.slice(from, at))
  }

  private readEscapes(start: string): string {
    const { text } = this
    const parts = [start]
    for (;;) {
      const from = this.at
      let code = text.charCodeAt(this.at)
      while (code !== quote && code !== backslash && code >= 32) code = text.charCodeAt(++this.at)
      parts.push(text.slice(from, this.at))
      if (code === quote) break
      if (code !== backslash) this.fail('the closing quote or an escaped control character')
      const escaped = text[this.at + 1] ?? ''
      if (escaped === 'u') {
        const hex = text.slice(this.at + 2, this.at + 6)
        if (!/^[0-9a-fA-F]{4}$/.test(hex)) this.fail('four hexadecimal digits after "\\u"')
        parts.push(String.fromCharCode(Number.parseInt(hex, 16)))
        this.at += 6
      } else {
        const plain = simpleEscapes.get(escaped)
        if (plain === undefined) this.fail('an escape of JSON')
        parts.push(plain)
        this.at += 2
      }
    }
    this.at++
    return parts.join('')
  }

  private readNumber(): number | bigint | JsonDecimal {
    const { text } = this
    const from = this.at
    let at = from
    let code = text.charCodeAt(at)
    if (code === 0x2d) code = text.charCodeAt(++at)
    const digitsFrom = at
    while (code >= 48 && code <= 57) code = text.charCodeAt(++at)
    const digits = at - digitsFrom
    if (digits === 0) this.fail('a JSON value')
    if (digits > 1 && text.charCodeAt(digitsFrom) === 48) this.fail('a number without leading zeros')
    const isWhole = code !== 0x2e && code !== 0x65 && code !== 0x45
    if (isWhole) {
      this.at = at
      if (digits <= 15) return Number(text.slice(from, at))
      if (digits > maximumDigits) throw new JsonOffence(from, `${digits} digits`, `at most ${maximumDigits}`)
      const whole = BigInt(text.slice(from, at))
      return whole >= minimumSafe && whole <= maximumSafe ? Number(whole) : whole
    }
    if (code === 0x2e) {
      code = text.charCodeAt(++at)
      const fractionFrom = at
      while (code >= 48 && code <= 57) code = text.charCodeAt(++at)
      this.at = at
      if (at === fractionFrom) this.fail('a digit after the point')
    }
    if (code === 0x65 || code === 0x45) {
      code = text.charCodeAt(++at)
      if (code === 0x2b || code === 0x2d) code = text.charCodeAt(++at)
      const exponentFrom = at
      while (code >= 48 && code <= 57) code = text.charCodeAt(++at)
      this.at = at
      if (at === exponentFrom) this.fail('a digit in the exponent')
    }
    this.at = at
    const written = text.slice(from, at)
    if (written.length > maximumDigits)
      throw new JsonOffence(from, `a number of ${written.length} characters`, `at most ${maximumDigits}`)
    const value = Number(written)
    return sameDecimal(written, value) ? value : new JsonDecimal(written)
  }
}

/** Longest number; anything that a YANG type holds fits in forty digits. */
const maximumDigits = 1000
const minimumSafe = BigInt(Number.MIN_SAFE_INTEGER)
const maximumSafe = BigInt(Number.MAX_SAFE_INTEGER)

const simpleEscapes = new Map([
  ['"', '"'],
  ['\\', '\\'],
  ['/', '/'],
  ['b', '\b'],
  ['f', '\f'],
  ['n', '\n'],
  ['r', '\r'],
  ['t', '\t'],
])

function sameDecimal(written: string, value: number): boolean {
  if (!Number.isFinite(value)) return false
  const [a, b] = [normalDecimal(written), normalDecimal(String(value))]
  return a === b
}

/** Digits and power of ten without superfluous zeros: `1.50` is `15e-1`. Exponents stay numbers. */
function normalDecimal(text: string): string {
  const match = /^(-?)([0-9]+)(?:\.([0-9]+))?(?:[eE]([+-]?[0-9]+))?$/.exec(text)
  if (!match) return text
  const [, sign = '', whole = '', fraction = '', exponent = '0'] = match
  const digits = (whole + fraction).replace(/^0+/, '')
  const significant = digits.replace(/0+$/, '')
  if (significant === '') return '0'
  return `${sign}${significant}e${Number(exponent) - fraction.length + digits.length - significant.length}`
}

function print(value: JsonValue, indent: number, newline: string, parts: string[]): void {
  if (Array.isArray(value)) {
    if (value.length === 0) {
      parts.push('[]')
      return
    }
    const inner = newline + ' '.repeat(indent)
    value.forEach((item, index) => {
      parts.push(index === 0 ? '[' : ',')
      if (indent > 0) parts.push(inner)
      print(item, indent, inner, parts)
    })
    if (indent > 0) parts.push(newline)
    parts.push(']')
  } else if (isJsonObject(value)) {
    const names = Object.keys(value)
    if (names.length === 0) {
      parts.push('{}')
      return
    }
    const inner = newline + ' '.repeat(indent)
    names.forEach((name, index) => {
      parts.push(index === 0 ? '{' : ',')
      if (indent > 0) parts.push(inner)
      parts.push(JSON.stringify(name), indent > 0 ? ': ' : ':')
      print(value[name] ?? null, indent, inner, parts)
    })
    if (indent > 0) parts.push(newline)
    parts.push('}')
  } else if (value instanceof JsonDecimal) parts.push(value.text)
  else if (typeof value === 'bigint') parts.push(value.toString())
  else parts.push(JSON.stringify(value))
}
