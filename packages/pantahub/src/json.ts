/**
 * JSON text in, values out, with every limit said aloud.
 *
 * The trail's formats begin as text that strangers wrote: states, progress bodies, metadata. This file turns such text
 * into values as Pantahub Base (a Go program) would hold them, so that both sides speak of the same document:
 *
 *  - of two equal keys the last one wins;
 *  - numbers are doubles, and a number too large for one is refused rather than becoming infinite;
 *  - half a surrogate pair, which UTF-8 cannot carry, becomes U+FFFD;
 *  - `__proto__` is a key like any other: it becomes a member of its own and touches no prototype.
 *
 * Nesting is bounded before anything is built. What a document means is not decided here.
 */

/** Any JSON value. Objects are plain; a key named `__proto__` is an own member. */
export type JsonValue = null | boolean | number | string | readonly JsonValue[] | JsonObject
export interface JsonObject {
  readonly [key: string]: JsonValue
}

/** Bounds on one text: how deep it may nest (a bare number has depth 0), how many UTF-16 units it may hold. */
export interface JsonLimits {
  readonly depth?: number
  readonly length?: number
}

/** Nesting that Waymark accepts unless told otherwise; a running system's state nests about six levels. */
export const jsonDepthDefault = 64
/** Text length (UTF-16 units) that Waymark accepts unless told otherwise. */
export const jsonLengthDefault = 16 * 1024 * 1024

/** Why a text is not taken: the offset (UTF-16 units) where it went wrong, what was wanted there, what came. */
export interface JsonRefusal {
  readonly ok: false
  readonly at: number
  readonly wanted: string
  readonly got: string
}

export type JsonParsed = { readonly ok: true; readonly value: JsonValue } | JsonRefusal

/**
 * Reads one JSON text (RFC 8259). Answers the value, or where and why it stopped; never throws.
 *
 *     parseJson('{"a":1,"a":2}')  → { ok: true, value: { a: 2 } }
 *     parseJson('[1,')            → { ok: false, at: 3, wanted: 'a value', got: 'the end of the text' }
 */
export function parseJson(text: string, limits: JsonLimits = {}): JsonParsed {
  const length = limits.length ?? jsonLengthDefault
  if (text.length > length) return refuse(length, `at most ${length} characters`, `${text.length}`)
  const tooDeepAt = depthExceededAt(text, limits.depth ?? jsonDepthDefault)
  if (tooDeepAt >= 0) {
    const depth = limits.depth ?? jsonDepthDefault
    return refuse(tooDeepAt, `at most ${depth} levels of nesting`, `level ${depth + 1}`)
  }
  let value: JsonValue
  try {
    value = JSON.parse(text) as JsonValue
  } catch {
    return findFault(text) ?? refuse(0, 'JSON', excerpt(text, 0))
  }
  // Both scans are for rare texts only; a hit inside a string merely costs the walk.
  if (mayOverflow.test(text) && holdsInfinity(value)) {
    return refuse(0, 'numbers that fit a double', 'a larger one')
  }
  if (mayHoldHalfPairs.test(text) || !text.isWellFormed()) value = wellFormed(value)
  return { ok: true, value }
}

/** Whether a value is a JSON object (not an array, not null). */
export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** One value in a few words, for refusals: long texts are cut, containers are only counted. */
export function describe(value: unknown): string {
  if (typeof value === 'string') return value.length > 80 ? `"${value.slice(0, 80)}…"` : `"${value}"`
  if (Array.isArray(value)) return `an array of ${value.length}`
  if (value === null || typeof value === 'boolean' || typeof value === 'number') return String(value)
  if (typeof value === 'object') return `an object of ${Object.keys(value).length} keys`
  return value === undefined ? 'nothing' : `a ${typeof value}`
}

const mayOverflow = /[eE]\+?\d{3}|\d{200}/
const mayHoldHalfPairs = /\\u[dD][89a-fA-F]/

function refuse(at: number, wanted: string, got: string): JsonRefusal {
  return { ok: false, at, wanted, got }
}

/** Where the text first nests deeper than `depth`, or -1. Reads quotes and brackets alone; faults are found later. */
function depthExceededAt(text: string, depth: number): number {
  let level = 0
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code === 0x22) i = endOfString(text, i)
    else if (code === 0x7b || code === 0x5b) {
      if (++level > depth) return i
    } else if (code === 0x7d || code === 0x5d) level--
  }
  return -1
}

/** The offset of the quote that closes the string opened at `from` (the text's end when none does). */
function endOfString(text: string, from: number): number {
  for (let end = text.indexOf('"', from + 1); end >= 0; end = text.indexOf('"', end + 1)) {
    let slashes = 0
    while (text.charCodeAt(end - 1 - slashes) === 0x5c) slashes++
    if (slashes % 2 === 0) return end
  }
  return text.length
}

function holdsInfinity(value: JsonValue): boolean {
  if (typeof value === 'number') return !Number.isFinite(value)
  if (typeof value !== 'object' || value === null) return false
  return (Array.isArray(value) ? value : Object.values(value)).some(holdsInfinity)
}

/** The value with every half surrogate pair replaced by U+FFFD, in keys too (equal keys: the last one wins). */
function wellFormed(value: JsonValue): JsonValue {
  if (typeof value === 'string') return value.toWellFormed()
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map(wellFormed)
  // fromEntries defines own members, so `__proto__` stays a key.
  return Object.fromEntries(
    Object.entries(value).map(([key, held]) => [key.toWellFormed(), wellFormed(held)]),
  )
}

function excerpt(text: string, at: number): string {
  return at >= text.length ? 'the end of the text' : JSON.stringify(text.slice(at, at + 12))
}

const spaces = /[ \t\n\r]*/y
const numbers = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y
const words = /true|false|null/y

/**
 * Says where a text that the engine refused goes wrong. Only refused texts come here, so it may be slow. It recurses no
 * deeper than the depth scan allowed, because both read a text alike up to its first fault.
 */
function findFault(text: string): JsonRefusal | undefined {
  let at = 0
  const skip = (pattern: RegExp): boolean => {
    pattern.lastIndex = at
    const found = pattern.exec(text)
    if (!found) return false
    at += found[0].length
    return true
  }
  const take = (sign: string): boolean => {
    skip(spaces)
    if (text[at] !== sign) return false
    at++
    return true
  }
  const wanted = (what: string): JsonRefusal => refuse(at, what, excerpt(text, at))
  const string = (): JsonRefusal | undefined => {
    for (at++; at < text.length; at++) {
      const code = text.charCodeAt(at)
      if (code === 0x22) {
        at++
        return undefined
      }
      if (code < 0x20) return wanted('an escaped control character')
      if (code !== 0x5c) continue
      if (!/^(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/.test(text.slice(at + 1, at + 6))) return wanted('an escape')
      at++
    }
    return wanted('a closing quote')
  }
  const members = (close: string, member: () => JsonRefusal | undefined): JsonRefusal | undefined => {
    at++
    if (take(close)) return undefined
    do {
      const fault = member()
      if (fault) return fault
    } while (take(','))
    return take(close) ? undefined : wanted(`"," or "${close}"`)
  }
  const member = (): JsonRefusal | undefined => {
    skip(spaces)
    if (text[at] !== '"') return wanted('a key in quotes')
    return string() ?? (take(':') ? value() : wanted('":"'))
  }
  const value = (): JsonRefusal | undefined => {
    skip(spaces)
    if (text[at] === '{') return members('}', member)
    if (text[at] === '[') return members(']', value)
    if (text[at] === '"') return string()
    return skip(words) || skip(numbers) ? undefined : wanted('a value')
  }
  const fault = value()
  if (fault) return fault
  skip(spaces)
  return at < text.length ? wanted('the end of the text') : undefined
}
