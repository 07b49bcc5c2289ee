/**
 * Whether the text of a `default` is a value of its type (RFC 7950 9).
 *
 * Works on the lexical forms a module uses, which are those of XML: numbers in decimal, octal or hexadecimal,
 * bits separated by spaces, identities with the prefixes of the file. It judges a handful of texts per module
 * and is written to be read; documents are checked by generated validators elsewhere.
 */

import { splitName } from '../arguments.ts'
import type { DefaultValue, Identity, Interval, ResolvedType } from '../schema.ts'
import { brief } from '../statement.ts'
import type { CompiledPattern, PatternMeter, PatternRefusal } from '../xsd-pattern.ts'
import { scaled } from './ranges.ts'

export interface WrongValue {
  readonly found: string
  readonly expected: string
}

/** What values are checked with: compiled patterns, and what all of them together may cost. */
export interface ValueTools {
  pattern(source: string): CompiledPattern | PatternRefusal
  readonly patternMeter: PatternMeter
}

/** Undefined when the value fits. */
export function checkValue(
  type: ResolvedType,
  value: DefaultValue,
  tools: ValueTools,
): WrongValue | undefined {
  const { text } = value
  const wrong = (expected: string): WrongValue => ({ found: `"${brief(text)}"`, expected })
  switch (type.kind) {
    case 'integer': {
      const number = integerIn(text)
      if (number === undefined) return wrong(`an integer (${type.base})`)
      return within(number, type.range.intervals)
        ? undefined
        : wrong(`a value in ${show(type.range.intervals)}`)
    }
    case 'decimal64': {
      const number = scaled(text.trim().replace(/^\+/, ''), type.fractionDigits)
      if (number === undefined) return wrong(`a decimal with at most ${type.fractionDigits} fraction digits`)
      return within(number, type.range.intervals) ? undefined : wrong('a value in the range of the type')
    }
    case 'string': {
      const size = [...text].length
      if (type.length && !within(size, type.length.intervals))
        return wrong(`a length in ${show(type.length.intervals)}`)
      for (const { source, invert } of type.patterns) {
        const pattern = tools.pattern(source)
        if (!pattern.ok) continue
        const verdict = pattern.match(text, tools.patternMeter)
        if (verdict === 'costly') return wrong(`a text that ${brief(source)} can be decided for`)
        if ((verdict === 'match') === invert)
          return wrong(`a text that ${invert ? 'does not match' : 'matches'} ${brief(source)}`)
      }
      return undefined
    }
    case 'boolean':
      return text === 'true' || text === 'false' ? undefined : wrong('"true" or "false"')
    case 'enumeration':
      if (type.enums.get(text)?.conditional) return wrong('an enum without "if-feature"')
      return type.enums.has(text)
        ? undefined
        : wrong(`one of ${brief([...type.enums.keys()].join(', '), 200)}`)
    case 'bits': {
      const names = text.split(/\s+/).filter((name) => name !== '')
      if (names.some((name) => type.bits.get(name)?.conditional)) return wrong('bits without "if-feature"')
      const known = names.every((name) => type.bits.has(name)) && new Set(names).size === names.length
      return known ? undefined : wrong(`bits among ${brief([...type.bits.keys()].join(', '), 200)}`)
    }
    case 'binary': {
      const packed = text.replace(/\s+/g, '')
      if (!/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(packed))
        return wrong('base64')
      const octets = (packed.length / 4) * 3 - (packed.endsWith('==') ? 2 : packed.endsWith('=') ? 1 : 0)
      return !type.length || within(octets, type.length.intervals)
        ? undefined
        : wrong(`a length in ${show(type.length.intervals)}`)
    }
    case 'identityref':
      return isDerivedFromAll(value, type.bases)
        ? undefined
        : wrong(`an identity derived from ${type.bases.map(({ name }) => name).join(' and ')}`)
    case 'empty':
      return wrong('no default, which the type "empty" cannot have')
    case 'union':
      return type.types.some((member) => !checkValue(member, value, tools))
        ? undefined
        : wrong('a value of some member of the union')
    case 'leafref':
      return checkValue(type.targetType, value, tools)
    case 'instance-identifier':
      return /^\/\s*[A-Za-z_]/.test(text) ? undefined : wrong('an instance identifier')
  }
}

function integerIn(text: string): bigint | undefined {
  const match = /^\s*([+-]?)(0x[0-9a-fA-F]+|0[0-7]+|0|[1-9]\d*)\s*$/.exec(text)
  if (!match || text.length > 60) return undefined
  const [, sign, digits = ''] = match
  const magnitude = BigInt(/^0[0-7]+$/.test(digits) ? `0o${digits.slice(1)}` : digits)
  return sign === '-' ? -magnitude : magnitude
}

function within<T extends bigint | number>(value: T, intervals: readonly Interval<T>[]): boolean {
  return intervals.some(({ from, to }) => from <= value && value <= to)
}

function show(intervals: readonly Interval<bigint | number>[]): string {
  return brief(intervals.map(({ from, to }) => (from === to ? `${from}` : `${from}..${to}`)).join(' | '), 120)
}

function isDerivedFromAll(value: DefaultValue, bases: readonly Identity[]): boolean {
  const { prefix, name } = splitName(value.text.trim())
  const module = prefix === undefined ? value.moduleName : value.prefixes.get(prefix)
  return bases.every((base) => {
    let names = derivedNames.get(base)
    if (!names) {
      names = new Set([...base.derived].map((identity) => `${identity.module.name}:${identity.name}`))
      derivedNames.set(base, names)
    }
    return names.has(`${module}:${name}`)
  })
}

/** By identity, the names of those derived from it: many defaults may ask. */
const derivedNames = new WeakMap<Identity, ReadonlySet<string>>()
