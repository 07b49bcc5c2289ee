/**
 * Short ASCII texts (names, keys, most values) straight from bytes to a string.
 *
 * One call that takes all characters at once, for each length up to 16: measured against a loop that adds one character
 * or eight at a time, this takes half to two thirds of the time, and calling into the runtime's converter takes three
 * times as long. Long and dull, and the one place where that is the point.
 */

/** The longest text that `shortAscii` reads. */
export const shortAsciiBytes = 16

/** The text of at most 16 bytes, all below 128; undefined for longer ones or others. */
export function shortAscii(bytes: Uint8Array, start: number, end: number): string | undefined {
  const length = end - start
  if (length > shortAsciiBytes) return undefined
  if (length === 0) return ''
  const a = bytes[start] as number
  if (length === 1) return a > 127 ? undefined : String.fromCharCode(a)
  const b = bytes[start + 1] as number
  if (length === 2) return (a | b) > 127 ? undefined : String.fromCharCode(a, b)
  const c = bytes[start + 2] as number
  if (length === 3) return (a | b | c) > 127 ? undefined : String.fromCharCode(a, b, c)
  const d = bytes[start + 3] as number
  if (length === 4) return (a | b | c | d) > 127 ? undefined : String.fromCharCode(a, b, c, d)
  if ((a | b | c | d) > 127) return undefined
  const e = bytes[start + 4] as number
  if (length === 5) return e > 127 ? undefined : String.fromCharCode(a, b, c, d, e)
  const f = bytes[start + 5] as number
  if (length === 6) return (e | f) > 127 ? undefined : String.fromCharCode(a, b, c, d, e, f)
  const g = bytes[start + 6] as number
  if (length === 7) return (e | f | g) > 127 ? undefined : String.fromCharCode(a, b, c, d, e, f, g)
  const h = bytes[start + 7] as number
  if (length === 8) return (e | f | g | h) > 127 ? undefined : String.fromCharCode(a, b, c, d, e, f, g, h)
  if ((e | f | g | h) > 127) return undefined
  const i = bytes[start + 8] as number
  if (length === 9) return i > 127 ? undefined : String.fromCharCode(a, b, c, d, e, f, g, h, i)
  const j = bytes[start + 9] as number
  if (length === 10) return (i | j) > 127 ? undefined : String.fromCharCode(a, b, c, d, e, f, g, h, i, j)
  const k = bytes[start + 10] as number
  if (length === 11)
    return (i | j | k) > 127 ? undefined : String.fromCharCode(a, b, c, d, e, f, g, h, i, j, k)
  const l = bytes[start + 11] as number
  if (length === 12)
    return (i | j | k | l) > 127 ? undefined : String.fromCharCode(a, b, c, d, e, f, g, h, i, j, k, l)
  if ((i | j | k | l) > 127) return undefined
  const m = bytes[start + 12] as number
  if (length === 13) return m > 127 ? undefined : String.fromCharCode(a, b, c, d, e, f, g, h, i, j, k, l, m)
  const n = bytes[start + 13] as number
  if (length === 14)
    return (m | n) > 127 ? undefined : String.fromCharCode(a, b, c, d, e, f, g, h, i, j, k, l, m, n)
  const o = bytes[start + 14] as number
  if (length === 15)
    return (m | n | o) > 127 ? undefined : String.fromCharCode(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o)
  const p = bytes[start + 15] as number
  return (m | n | o | p) > 127
    ? undefined
    : String.fromCharCode(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p)
}
