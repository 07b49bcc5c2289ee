/**
 * Ranges and lengths: reading them and narrowing one by another (RFC 7950 9.2.4, 9.3.4, 9.4.4).
 *
 * Numbers are kept as `bigint`, decimals in units of their last digit, so that nothing is rounded. A restriction
 * may only take away: each of its intervals must lie within one interval of the type it restricts.
 */

import { parseRange } from '../arguments.ts'
import type {
  Decimal64Type,
  ErrorTexts,
  IntegerBase,
  IntegerType,
  Interval,
  Length,
  Range,
} from '../schema.ts'
import { brief, type Statement } from '../statement.ts'
import type { Context } from './context.ts'

const noTexts: ErrorTexts = { errorMessage: undefined, errorAppTag: undefined }

export function errorTexts(statement: Statement): ErrorTexts {
  if (statement.substatements.length === 0) return noTexts
  return {
    errorMessage: statement.argumentOf('error-message'),
    errorAppTag: statement.argumentOf('error-app-tag'),
  }
}

const whole = (from: bigint, to: bigint): Range => ({ intervals: [{ from, to }], ...noTexts })
const signed = (bits: bigint) => whole(-(2n ** (bits - 1n)), 2n ** (bits - 1n) - 1n)
const unsigned = (bits: bigint) => whole(0n, 2n ** bits - 1n)

const integerRanges: Readonly<Record<IntegerBase, Range>> = {
  int8: signed(8n),
  int16: signed(16n),
  int32: signed(32n),
  int64: signed(64n),
  uint8: unsigned(8n),
  uint16: unsigned(16n),
  uint32: unsigned(32n),
  uint64: unsigned(64n),
}

/** All values of a built-in integer type. */
export const integerRange = (base: IntegerBase): Range => integerRanges[base]

/** All values of decimal64, in units of the last digit: those of a signed 64-bit integer. */
export const wholeDecimalRange: Range = signed(64n)

export function narrowRange(
  type: IntegerType | Decimal64Type,
  statement: Statement,
  context: Context,
): Range {
  const fractionDigits = type.kind === 'decimal64' ? type.fractionDigits : 0
  const read = (text: string) => scaled(text, fractionDigits)
  const intervals = narrow(type.range.intervals, read, statement, context, '9.2.4')
  return intervals ? { intervals, ...errorTexts(statement) } : type.range
}

const anyLength: readonly Interval<bigint>[] = [{ from: 0n, to: 18446744073709551615n }]

export function narrowLength(
  length: Length | undefined,
  statement: Statement,
  context: Context,
): Length | undefined {
  const base =
    length?.intervals.map(({ from, to }) => ({ from: lengthEnd(from), to: lengthEnd(to) })) ?? anyLength
  const read = (text: string) => (text.startsWith('-') ? undefined : scaled(text, 0))
  const intervals = narrow(base, read, statement, context, '9.4.4')
  if (!intervals) return length
  const numbers = intervals.map(({ from, to }) => ({ from: Number(from), to: Number(to) }))
  return { intervals: numbers, ...errorTexts(statement) }
}

/** Lengths beyond 2^53 were rounded when they became numbers; the last of them means "no end". */
const lengthEnd = (length: number) => (length >= 2 ** 64 ? 18446744073709551615n : BigInt(length))

/** `1.5` with two fraction digits is 150; undefined when it is no number, or has more digits than allowed. */
export function scaled(text: string, fractionDigits: number): bigint | undefined {
  const match = /^([+-]?)(\d+)(?:\.(\d+))?$/.exec(text)
  if (!match) return undefined
  const [, sign, integral = '', fraction = ''] = match
  if (fraction.length > fractionDigits || text.length > 60) return undefined
  const digits = BigInt(integral + fraction.padEnd(fractionDigits, '0'))
  return sign === '-' ? -digits : digits
}

function narrow(
  base: readonly Interval<bigint>[],
  read: (text: string) => bigint | undefined,
  statement: Statement,
  context: Context,
  clause: string,
): Interval<bigint>[] | undefined {
  const text = brief(statement.text)
  const refuse = (found: string, expected: string) => {
    context.error(statement, 'type', found, expected, clause)
    return undefined
  }
  const parts = parseRange(statement.text)
  if (!parts) return refuse(`"${text}"`, `a ${statement.keyword} such as "1..4 | 10..max"`)
  const least = base[0]?.from ?? 0n
  const most = base.at(-1)?.to ?? 0n
  const end = (word: string) => (word === 'min' ? least : word === 'max' ? most : read(word))
  const intervals: Interval<bigint>[] = []
  for (const part of parts) {
    const from = end(part.from)
    const to = end(part.to)
    if (from === undefined || to === undefined) {
      const bad = from === undefined ? part.from : part.to
      return refuse(`"${brief(bad)}" in the ${statement.keyword} "${text}"`, 'a value of the type')
    }
    if (from > to) return refuse(`${part.from}..${part.to}`, 'the lower end first')
    const last = intervals.at(-1)
    if (last && from <= last.to)
      return refuse(
        `${brief(part.from)} after ${last.to} in "${text}"`,
        'ascending parts that do not overlap',
      )
    intervals.push({ from, to })
  }
  // Both lists ascend, so one pass over each is enough.
  let at = 0
  const wide = intervals.find(({ from, to }) => {
    while (at < base.length && (base[at]?.to ?? 0n) < from) at++
    const outer = base[at]
    return !outer || from < outer.from || outer.to < to
  })
  if (wide) return refuse(`${wide.from}..${wide.to} in "${text}"`, `a part of ${describe(base)}`)
  return intervals
}

function describe(intervals: readonly Interval<bigint>[]): string {
  return brief(intervals.map(({ from, to }) => (from === to ? `${from}` : `${from}..${to}`)).join(' | '), 120)
}
