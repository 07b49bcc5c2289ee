/** Codecs of the integer types and decimal64 (RFC 7950 9.2, 9.3; RFC 7951 6.1). */
import type { Decimal64Type, IntegerType } from '../schema.ts'
import { JsonDecimal, type JsonValue } from './json.ts'
import {
  codec,
  describeIntervals,
  fault,
  type LeafCodec,
  type LeafValue,
  type TypeFault,
  wrongKind,
} from './leaf-codec.ts'

export function integerCodec(type: IntegerType): LeafCodec {
  const { range, base } = type
  const isWide = base === 'int64' || base === 'uint64'
  const small = range.intervals.map(({ from, to }): [number, number] => [Number(from), Number(to)])
  const [firstLow, firstHigh] = small[0] ?? [0, 0]
  const isOne = small.length === 1
  const expected = `${base} in ${describeIntervals(range.intervals, String)}`
  const inRange = (number: number): boolean => {
    if (isOne) return number >= firstLow && number <= firstHigh
    for (const [low, high] of small) if (number >= low && number <= high) return true
    return false
  }
  const inWideRange = (whole: bigint): boolean =>
    range.intervals.some(({ from, to }) => whole >= from && whole <= to)
  return codec(type, (value) => {
    const outside = (found: string): TypeFault => fault(found, expected, 'RFC 7950 9.2.4', range)
    const readNumber = (number: number): LeafValue | TypeFault =>
      Number.isSafeInteger(number) && inRange(number)
        ? value(number === 0 ? '0' : String(number))
        : outside(String(number))
    const readWhole = (text: string): LeafValue | TypeFault => {
      if (!/^[+-]?[0-9]{1,40}$/.test(text)) return fault(text, expected, 'RFC 7950 9.2.1')
      if (text.length <= 15) return readNumber(Number(text))
      const whole = BigInt(text.startsWith('+') ? text.slice(1) : text)
      return inWideRange(whole) ? value(whole.toString()) : outside(text)
    }
    const fits = (json: JsonValue): boolean =>
      typeof json === 'number' && Number.isSafeInteger(json) && inRange(json)
    return {
      ...(isWide ? {} : { fits }),
      read: (json, loose) => {
        if (typeof json === 'number' && (!isWide || loose)) return readNumber(json)
        if (typeof json === 'string' && (isWide || loose)) return readWhole(json)
        if (typeof json === 'bigint') {
          if (isWide && !loose) return wrongKind(json, `${base} as a string`, '6.1')
          return inWideRange(json) ? value(json.toString()) : outside(json.toString())
        }
        return wrongKind(json, isWide ? `${base} as a string` : `${base} as a number`, '6.1')
      },
      // Modules may write hexadecimal and octal (RFC 7950 9.2.1).
      readText: (text) => {
        const other = /^([+-]?)(0[xX][0-9a-fA-F]{1,20}|0[0-7]{1,25})$/.exec(text)
        if (!other) return readWhole(text)
        const [, sign = '', digits = ''] = other
        const magnitude = BigInt(/^0[xX]/.test(digits) ? digits : `0o${digits.slice(1)}`)
        return readWhole((sign === '-' ? -magnitude : magnitude).toString())
      },
      write: (text, style) => {
        if (isWide && !style.bare) return text
        const number = Number(text)
        return Number.isSafeInteger(number) ? number : BigInt(text)
      },
    }
  })
}

export function decimalCodec(type: Decimal64Type): LeafCodec {
  const { fractionDigits, range } = type
  const expected = `decimal64 with ${fractionDigits} fraction digits in ${describeIntervals(range.intervals, (units) => decimalText(units, fractionDigits))}`
  return codec(type, (value) => {
    const readText = (text: string): LeafValue | TypeFault => {
      const match = /^([+-]?)([0-9]{1,40})(?:\.([0-9]{1,40}))?$/.exec(text)
      const fraction = match?.[3]?.replace(/0+$/, '') ?? ''
      if (!match || fraction.length > fractionDigits) return fault(text, expected, 'RFC 7950 9.3.1')
      const magnitude = BigInt(`${match[2]}${fraction.padEnd(fractionDigits, '0')}`)
      const units = match[1] === '-' ? -magnitude : magnitude
      for (const { from, to } of range.intervals)
        if (units >= from && units <= to) return value(decimalText(units, fractionDigits))
      return fault(text, expected, 'RFC 7950 9.3.4', range)
    }
    return {
      read: (json, loose) => {
        if (typeof json === 'string') return readText(json)
        if (loose && (typeof json === 'number' || typeof json === 'bigint'))
          return readText(plainNumber(json))
        if (loose && json instanceof JsonDecimal) return readText(json.text)
        return wrongKind(json, 'decimal64 as a string', '6.1')
      },
      readText,
      write: (text, style) => (style.bare ? padFraction(text, fractionDigits) : text),
    }
  })
}

function plainNumber(number: number | bigint): string {
  if (typeof number === 'bigint') return number.toString()
  const text = String(number)
  return text.includes('e') ? number.toFixed(18) : text
}

/** Canonical: one digit at least on either side of the point, no other superfluous zeros (RFC 7950 9.3.2). */
function decimalText(units: bigint, fractionDigits: number): string {
  const digits = (units < 0n ? -units : units).toString().padStart(fractionDigits + 1, '0')
  const whole = digits.slice(0, -fractionDigits)
  const fraction = digits.slice(-fractionDigits).replace(/0+$/, '')
  return `${units < 0n ? '-' : ''}${whole}.${fraction === '' ? '0' : fraction}`
}

function padFraction(text: string, fractionDigits: number): string {
  const point = text.indexOf('.')
  return text.padEnd(point + 1 + fractionDigits, '0')
}
