/**
 * The members of enumerations and bits (RFC 7950 9.6.4, 9.7.4).
 *
 * A member without a number gets one more than the highest so far. A type derived from another (YANG 1.1) may
 * keep some of the members and may not renumber them.
 */

import type { BitValue, EnumValue } from '../schema.ts'
import { brief, type Statement } from '../statement.ts'
import type { ModuleFile } from '../unit.ts'
import type { Context } from './context.ts'
import { statusOf } from './types.ts'

/** Whether every `if-feature` directly under a statement holds. */
export type FeatureTest = (statement: Statement, file: ModuleFile) => boolean

interface Family {
  readonly keyword: 'enum' | 'bit'
  readonly numberKeyword: 'value' | 'position'
  readonly most: number
  readonly clause: string
}

const enumFamily: Family = { keyword: 'enum', numberKeyword: 'value', most: 2147483647, clause: '9.6.4' }
const bitFamily: Family = { keyword: 'bit', numberKeyword: 'position', most: 4294967295, clause: '9.7.4' }

export function enumsFrom(
  statement: Statement,
  file: ModuleFile,
  base: ReadonlyMap<string, EnumValue> | undefined,
  context: Context,
  feature: FeatureTest,
): ReadonlyMap<string, EnumValue> {
  const enums = new Map<string, EnumValue>()
  const numberIn = (name: string) => base?.get(name)?.value
  for (const { name, number, member } of numbered(statement, enumFamily, base && numberIn, context)) {
    if (name === '' || name.trim() !== name)
      context.error(
        member,
        'argument',
        `the enum name "${brief(name)}"`,
        'a name that is not empty and has no white space around it',
        '9.6.4',
      )
    if (!feature(member, file)) continue
    const description = member.argumentOf('description')
    enums.set(name, {
      name,
      value: number,
      conditional: isConditional(member),
      status: statusOf(member),
      description,
    })
  }
  return enums
}

export function bitsFrom(
  statement: Statement,
  file: ModuleFile,
  base: ReadonlyMap<string, BitValue> | undefined,
  context: Context,
  feature: FeatureTest,
): ReadonlyMap<string, BitValue> {
  const bits: BitValue[] = []
  const numberIn = (name: string) => base?.get(name)?.position
  for (const { name, number, member } of numbered(statement, bitFamily, base && numberIn, context)) {
    if (!feature(member, file)) continue
    const description = member.argumentOf('description')
    bits.push({
      name,
      position: number,
      conditional: isConditional(member),
      status: statusOf(member),
      description,
    })
  }
  bits.sort((one, other) => one.position - other.position)
  return new Map(bits.map((bit) => [bit.name, bit]))
}

const isConditional = (member: Statement) => member.find('if-feature') !== undefined

function* numbered(
  statement: Statement,
  family: Family,
  numberInBase: ((name: string) => number | undefined) | undefined,
  context: Context,
): Generator<{ name: string; number: number; member: Statement }> {
  const { keyword, numberKeyword, most, clause } = family
  const names = new Set<string>()
  const numbers = new Map<number, string>()
  let next = 0
  for (const member of statement.substatements) {
    if (member.keyword !== keyword) continue
    const name = member.text
    if (names.has(name)) {
      context.error(
        member,
        'duplicate',
        `a second ${keyword} "${brief(name)}"`,
        `a name of its own for every ${keyword}`,
        clause,
      )
      continue
    }
    names.add(name)
    const inBase = numberInBase?.(name)
    if (numberInBase && inBase === undefined) {
      context.error(
        member,
        'type',
        `the new ${keyword} "${brief(name)}"`,
        `one that the type has already`,
        clause,
      )
      continue
    }
    const stated = member.argumentOf(numberKeyword)
    const number = stated === undefined ? (inBase ?? next) : Number(stated)
    if (!Number.isInteger(number) || number > most) {
      if (stated === undefined)
        context.error(
          member,
          'type',
          `no number left for the ${keyword} "${brief(name)}"`,
          `a "${numberKeyword}" of at most ${most}`,
          clause,
        )
      continue
    }
    if (inBase !== undefined && number !== inBase)
      context.error(
        member,
        'type',
        `${numberKeyword} ${number} for "${brief(name)}"`,
        `${inBase}, as in the type`,
        clause,
      )
    const holder = numbers.get(number)
    if (holder !== undefined)
      context.error(
        member,
        'duplicate',
        `${numberKeyword} ${number}, which "${brief(holder)}" has`,
        `a ${numberKeyword} of its own`,
        clause,
      )
    numbers.set(number, name)
    next = Math.max(next, number + 1)
    yield { name, number, member }
  }
}
