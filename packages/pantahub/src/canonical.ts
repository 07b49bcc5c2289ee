/**
 * Canonical JSON, as Pantahub Base serves it under `/trails/` and as pvr posts it.
 *
 * One document has one text, so that a state can be named by the hash of its text and signed. Keys stand in order of
 * their code points (not of UTF-16 units: `｡` comes before `😀`); no white space; the fewest escapes; whole numbers as
 * plain digits; all others as `d.dE±n` in their shortest form. Numbers are doubles, as they are in Base: an integer
 * beyond 2^53 comes back rounded.
 *
 * Pantavisor rebuilds the signed text of a state from the bytes it received, without sorting them again. What is sent
 * must therefore be this text and nothing like it.
 */
import { type JsonLimits, type JsonRefusal, type JsonValue, parseJson } from './json.ts'

/** How deep `canonicalJson` follows a value before it takes it for a cycle. */
export const canonicalDepthMax = 512

/** The value handed in is no JSON (a function, NaN, a cycle …): the caller's code is at fault, not its input. */
export class NotJson extends Error {
  override readonly name = 'NotJson'
}

/**
 * The canonical text of a JSON value. Members that are `undefined` are left out, as `JSON.stringify` does. Throws
 * `NotJson` for what JSON cannot say, and for nesting beyond `depth` levels.
 *
 *     canonicalJson({ b: 1.5, a: [100.0, -0] })  → '{"a":[100,0],"b":1.5E0}'
 */
export function canonicalJson(value: unknown, depth: number = canonicalDepthMax): string {
  switch (typeof value) {
    case 'string':
      return quote(value)
    case 'number':
      return canonicalNumber(value)
    case 'boolean':
      return value ? 'true' : 'false'
    case 'object':
      if (value === null) return 'null'
      if (depth <= 0) throw new NotJson('canonical JSON: nesting too deep, or a cycle')
      return Array.isArray(value) ? arrayText(value, depth - 1) : objectText(value, depth - 1)
    default:
      throw new NotJson(`canonical JSON: wanted a JSON value, got ${typeof value}`)
  }
}

/** What `canonicalText` answers: the canonical text and the value it says, or why the text given is no JSON. */
export type Canonicalised =
  | { readonly ok: true; readonly text: string; readonly value: JsonValue }
  | JsonRefusal

/** Brings any JSON text into canonical form; refuses as `parseJson` does. */
export function canonicalText(text: string, limits: JsonLimits = {}): Canonicalised {
  const parsed = parseJson(text, limits)
  if (!parsed.ok) return parsed
  return {
    ok: true,
    text: canonicalJson(parsed.value, limits.depth ?? canonicalDepthMax),
    value: parsed.value,
  }
}

/** Orders two texts by their code points; negative when `a` comes first. */
export function compareCodePoints(a: string, b: string): number {
  const end = Math.min(a.length, b.length)
  for (let i = 0; i < end; i++) {
    const x = a.charCodeAt(i)
    const y = b.charCodeAt(i)
    if (x !== y) return rank(x) - rank(y)
  }
  return a.length - b.length
}

/** A number in canonical form. Throws `NotJson` for NaN and the infinities. */
export function canonicalNumber(value: number): string {
  if (Number.isSafeInteger(value)) return value === 0 ? '0' : String(value)
  if (!Number.isFinite(value)) throw new NotJson(`canonical JSON: wanted a finite number, got ${value}`)
  // The shortest digits that read back as this double, and where the point belongs: d.ddd × 10^exponent.
  const [mantissa = '', power = '0'] = value.toExponential().split('e')
  const exponent = Number(power)
  const sign = mantissa.startsWith('-') ? '-' : ''
  const digits = mantissa.replace('-', '').replace('.', '')
  if (Number.isInteger(value)) return sign + digits.padEnd(exponent + 1, '0')
  return `${sign}${digits[0]}.${digits.slice(1) || '0'}E${exponent}`
}

function arrayText(values: readonly unknown[], depth: number): string {
  let text = '['
  for (let i = 0; i < values.length; i++) {
    if (i > 0) text += ','
    text += canonicalJson(values[i], depth)
  }
  return `${text}]`
}

function objectText(value: object, depth: number): string {
  const entries = value as Record<string, unknown>
  const keys = Object.keys(value)
  if (keys.some((key) => highUnits.test(key))) {
    if (!keys.every((key) => key.isWellFormed())) return objectText(repaired(entries, keys), depth)
    keys.sort(compareCodePoints)
  } else if (!inOrder(keys)) {
    // Below the surrogates both orders agree, and the engine's own is much the faster.
    keys.sort()
  }
  let text = ''
  for (const key of keys) {
    const held = entries[key]
    if (held === undefined) continue
    if (text !== '') text += ','
    text += `${quote(key)}:${canonicalJson(held, depth)}`
  }
  return `{${text}}`
}

/** Half surrogate pairs become U+FFFD, as they do on their way through UTF-8; of keys made equal the last one wins. */
function repaired(entries: Record<string, unknown>, keys: readonly string[]): object {
  return Object.fromEntries(keys.map((key) => [key.toWellFormed(), entries[key]]))
}

function inOrder(keys: readonly string[]): boolean {
  for (let i = 1; i < keys.length; i++) {
    if ((keys[i - 1] ?? '') > (keys[i] ?? '')) return false
  }
  return true
}

const highUnits = /[\ud800-\uffff]/

/** A UTF-16 unit's place in code-point order: surrogates stand for what lies above U+FFFF. */
function rank(unit: number): number {
  return unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit
}

const needsCare = /["\\\p{Cc}\p{Cs}]/u
const hexEscapes = /\\(?:u00([01][0-9a-f])|.)/g

/** The engine escapes just what canonical JSON escapes, but writes the hex digits of controls small. */
function quote(text: string): string {
  if (!needsCare.test(text)) return `"${text}"`
  return JSON.stringify(text.toWellFormed()).replace(hexEscapes, (whole, hex?: string) =>
    hex === undefined ? whole : `\\u00${hex.toUpperCase()}`,
  )
}
