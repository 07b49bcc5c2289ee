/** The four types of XPath values and the conversions among them (XPath 1.0, 3.4 and 4). */
import type { XPathTree } from './tree.ts'

export type Value<N> = string | number | boolean | readonly N[]

export function isNodes<N>(value: Value<N>): value is readonly N[] {
  return typeof value === 'object'
}

/** The first in document order. */
export function firstNode<N>(tree: XPathTree<N>, nodes: readonly N[]): N | undefined {
  let first = nodes[0]
  for (let i = 1; i < nodes.length; i++) {
    const node = nodes[i]
    if (first !== undefined && node !== undefined && tree.compare(node, first) < 0) first = node
  }
  return first
}

export function toText<N>(tree: XPathTree<N>, value: Value<N>): string {
  if (typeof value === 'string') return value
  if (typeof value === 'number') return numberText(value)
  if (typeof value === 'boolean') return value ? 'true' : 'false'
  const first = firstNode(tree, value)
  return first === undefined ? '' : tree.text(first)
}

export function toNumber<N>(tree: XPathTree<N>, value: Value<N>): number {
  if (typeof value === 'number') return value
  if (typeof value === 'boolean') return value ? 1 : 0
  return textNumber(toText(tree, value))
}

export function toBoolean<N>(value: Value<N>): boolean {
  if (typeof value === 'boolean') return value
  if (typeof value === 'number') return value !== 0 && !Number.isNaN(value)
  return value.length > 0
}

/** Whole numbers without a point, others without an exponent (XPath 1.0, 4.2). */
export function numberText(value: number): string {
  if (Number.isNaN(value)) return 'NaN'
  if (!Number.isFinite(value)) return value > 0 ? 'Infinity' : '-Infinity'
  if (value === 0) return '0'
  const text = String(value)
  const [mantissa = '', exponentText] = text.split('e')
  if (exponentText === undefined) return text
  const exponent = Number(exponentText)
  const sign = mantissa.startsWith('-') ? '-' : ''
  const [whole = '', fraction = ''] = mantissa.replace('-', '').split('.')
  if (exponent < 0) return `${sign}0.${'0'.repeat(-exponent - 1)}${whole}${fraction}`
  return `${sign}${whole}${fraction.padEnd(exponent, '0')}`
}

/** A number without exponent or plus sign, blanks around it allowed; else NaN (XPath 1.0, 4.4). */
export function textNumber(text: string): number {
  return /^[ \t\r\n]*-?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)[ \t\r\n]*$/.test(text) ? Number(text) : Number.NaN
}
