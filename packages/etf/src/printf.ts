import { refuse } from './refusal.ts'

/**
 * C's `%.20e`: 21 digits, and an exponent of at least two. JavaScript rounds an exact half up and C to the even
 * digit, so that one case (a float of exactly 22 digits) is decided here.
 */
export function printf20e(value: number): string {
  const exact = /^(-?)(\d\.\d{20})(\d+)e([+-])(\d+)$/.exec(value.toExponential(100))
  if (exact === null) return refuse('not-a-term', 'float', 'a finite number', `${value}`)
  const [, sign = '', digits = '', rest = '', exponentSign = '+', exponent = '0'] = exact
  const tied = /^50*$/.test(rest) && Number(digits.at(-1)) % 2 === 0
  const minus = sign === '-' || Object.is(value, -0) ? '-' : ''
  if (tied) return `${minus}${digits}e${exponentSign}${exponent.padStart(2, '0')}`
  const [mantissa = '', power = '+0'] = Math.abs(value).toExponential(20).split('e')
  return `${minus}${mantissa}e${power[0]}${power.slice(1).padStart(2, '0')}`
}
