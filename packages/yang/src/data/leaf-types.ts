/**
 * Values of leafs: from JSON to the canonical text of the type and back (RFC 7950 9, RFC 7951 6).
 *
 * Inside the library a value is its canonical text, so that two values are equal when their texts are.
 * Each type is compiled once into a `LeafCodec`; all restrictions are ready-made tests by then.
 */
import type { EnumerationType, Identity, LeafrefType, Length, ResolvedType, StringType } from '../schema.ts'
import { fullName } from '../xpath/functions.ts'
import { compilePattern, type MatchVerdict, type PatternMeter } from '../xsd-pattern.ts'
import { describeJson, type JsonValue } from './json.ts'
import {
  codec,
  describeIntervals,
  fault,
  type InstancePathReader,
  isTypeFault,
  type LeafCodec,
  type LeafValue,
  sharedValues,
  type TypeFault,
  textCodec,
  type ValueNames,
  wrongKind,
} from './leaf-codec.ts'
import { decimalCodec, integerCodec } from './leaf-numbers.ts'

/** Compiles a type. `module` is the leaf's own, which identities and paths without a prefix mean. */
export type LeafTypeCompiler = (type: ResolvedType, module: string) => LeafCodec

/**
 * A compiler for the types of one schema: leafs that share a type share its codec and its patterns. What matching
 * costs is counted on the meter.
 */
export function createLeafTypeCompiler(readPath: InstancePathReader, meter: PatternMeter): LeafTypeCompiler {
  const known = new WeakMap<ResolvedType, Map<string, LeafCodec>>()
  const patterns = new Map<string, PatternMatch>()
  const matchOf = (source: string): PatternMatch => {
    let match = patterns.get(source)
    if (!match) {
      const compiled = compilePattern(source)
      match = compiled.ok ? (text) => compiled.match(text, meter) : () => 'mismatch'
      patterns.set(source, match)
    }
    return match
  }
  const compile: LeafTypeCompiler = (type, module) => {
    let byModule = known.get(type)
    if (!byModule) {
      byModule = new Map()
      known.set(type, byModule)
    }
    let made = byModule.get(module)
    if (!made) {
      made = compileType(type, module, { compile, readPath, matchOf })
      byModule.set(module, made)
    }
    return made
  }
  return compile
}

type PatternMatch = (text: string) => MatchVerdict

type Tools = {
  readonly compile: LeafTypeCompiler
  readonly readPath: InstancePathReader
  readonly matchOf: (source: string) => PatternMatch
}

function compileType(type: ResolvedType, module: string, tools: Tools): LeafCodec {
  const { compile, readPath } = tools
  switch (type.kind) {
    case 'integer':
      return integerCodec(type)
    case 'decimal64':
      return decimalCodec(type)
    case 'string':
      return stringCodec(type, tools)
    case 'boolean':
      return booleanCodec(type)
    case 'enumeration':
      return enumerationCodec(type)
    case 'bits': {
      const positions = new Map([...type.bits.keys()].map((name, index) => [name, index]))
      const expected = `bits among ${describeNames([...positions.keys()], ' ')}, each once`
      return textCodec(type, (text) => readBits(text, positions, expected))
    }
    case 'binary':
      return textCodec(type, (text) => readBinary(text, type.length))
    case 'identityref':
      return identityCodec(type, type.bases, module)
    case 'empty':
      return emptyCodec(type)
    case 'instance-identifier':
      return textCodec(type, readPath, module)
    case 'leafref':
      return leafrefCodec(type, compile(type.targetType, module))
    case 'union':
      return unionCodec(
        type,
        type.types.map((member) => compile(member, module)),
      )
  }
}

// Texts. -------------------------------------------------------------------------------------------

/** Characters that YANG strings cannot hold (RFC 7950 14, yang-char), but for surrogates and planes' ends. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
const unlawful = /[\0-\x08\x0b\x0c\x0e-\x1f\ufdd0-\ufdef\ufffe\uffff]/

function stringCodec(type: StringType, { matchOf }: Tools): LeafCodec {
  const lengthTest = compileLength(type.length)
  const least = type.length?.intervals[0]?.from ?? 0
  const most = type.length?.intervals.at(-1)?.to ?? Infinity
  const isGapped = (type.length?.intervals.length ?? 0) > 1
  const patterns = type.patterns.map((pattern) => ({ pattern, match: matchOf(pattern.source) }))
  return codec(type, (value) => {
    const check = (text: string): LeafValue | TypeFault => {
      const count = lawfulCount(text)
      if (count < 0) return fault(text, 'characters that YANG allows', 'RFC 7950 9.4')
      if (lengthTest && !lengthTest(count))
        return fault(text, describeLength(type.length, 'characters'), 'RFC 7950 9.4.4', type.length)
      for (const { pattern, match } of patterns) {
        const verdict = match(text)
        if (verdict === 'costly')
          return fault(text, `a value that /${pattern.source}/ can be decided for`, 'RFC 7950 9.4.5')
        if ((verdict === 'match') !== pattern.invert) continue
        const expected = `${pattern.invert ? 'no match' : 'a match'} of /${pattern.source}/`
        return fault(text, expected, pattern.invert ? 'RFC 7950 9.4.6' : 'RFC 7950 9.4.5', pattern)
      }
      return value(text)
    }
    return {
      fits: (json) => {
        if (typeof json !== 'string') return false
        const count = lawfulCount(json)
        if (count < least || count > most || (isGapped && !lengthTest?.(count))) return false
        for (let i = 0; i < patterns.length; i++) {
          const verdict = patterns[i]?.match(json)
          if (verdict === 'costly' || (verdict === 'match') === patterns[i]?.pattern.invert) return false
        }
        return true
      },
      read: (json) => (typeof json === 'string' ? check(json) : wrongKind(json, 'a string', '6.2')),
      readText: check,
      write: (text) => text,
    }
  })
}

/** The number of characters; -1 when one is among them that YANG strings cannot hold. */
function lawfulCount(text: string): number {
  const { length } = text
  for (let i = 0; i < length; i++) {
    const unit = text.charCodeAt(i)
    if (unit < 32 ? unit !== 9 && unit !== 10 && unit !== 13 : unit >= 0xd800) return carefulCount(text)
  }
  return length
}

function carefulCount(text: string): number {
  if (unlawful.test(text) || !text.isWellFormed()) return -1
  let count = text.length
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i)
    if (unit >= 0xd800 && unit <= 0xdbff) count--
  }
  return count
}

function compileLength(length: Length | undefined): ((count: number) => boolean) | undefined {
  if (!length) return undefined
  const { intervals } = length
  return (count) => intervals.some(({ from, to }) => count >= from && count <= to)
}

function describeLength(length: Length | undefined, unit: string): string {
  return length ? `${describeIntervals(length.intervals, String)} ${unit}` : unit
}

function readBits(
  text: string,
  positions: ReadonlyMap<string, number>,
  expected: string,
): string | TypeFault {
  if (isCanonicalBits(text, positions)) return text
  const names = text.split(/[ \t\r\n]+/).filter((name) => name !== '')
  const seen = new Set(names)
  if (seen.size < names.length || names.some((name) => !positions.has(name)))
    return fault(text, expected, 'RFC 7950 9.7.4')
  return names.sort((a, b) => (positions.get(a) ?? 0) - (positions.get(b) ?? 0)).join(' ')
}

/** Most values come as they are kept: ascending names, one blank between them. */
function isCanonicalBits(text: string, positions: ReadonlyMap<string, number>): boolean {
  let last = -1
  for (const name of text.split(' ')) {
    const position = positions.get(name) ?? -1
    if (position <= last) return false
    last = position
  }
  return true
}

function readBinary(text: string, length: Length | undefined): string | TypeFault {
  if (text.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(text))
    return fault(text, 'base64', 'RFC 7950 9.8.2')
  const padding = text.endsWith('==') ? 2 : text.endsWith('=') ? 1 : 0
  const octets = (text.length / 4) * 3 - padding
  if (length && !compileLength(length)?.(octets))
    return fault(text, describeLength(length, 'octets'), 'RFC 7950 9.8.1', length)
  return text
}

// Choices among names. -----------------------------------------------------------------------------

function booleanCodec(type: ResolvedType): LeafCodec {
  const looseForms = new Map<JsonValue, string>([
    ['true', 'true'],
    ['1', 'true'],
    [1, 'true'],
    ['false', 'false'],
    ['0', 'false'],
    [0, 'false'],
  ])
  return codec(type, (value) => {
    const shared = sharedValues(value)
    return {
      fits: (json) => typeof json === 'boolean',
      read: (json, loose) => {
        if (typeof json === 'boolean') return shared(json ? 'true' : 'false')
        const form = loose ? looseForms.get(json) : undefined
        return form === undefined ? wrongKind(json, 'true or false', '6.3') : value(form)
      },
      readText: (text) =>
        text === 'true' || text === 'false' ? shared(text) : fault(text, 'true or false', 'RFC 7950 9.5.1'),
      write: (text) => text === 'true',
    }
  })
}

/** The first dozen, and how many there are. */
function describeNames(names: readonly string[], between: string): string {
  const shown = names.length > 12 ? [...names.slice(0, 12), `… (${names.length} names)`] : names
  return shown.join(between)
}

function enumerationCodec(type: EnumerationType): LeafCodec {
  const names = [...type.enums.keys()]
  const expected = `one of ${describeNames(names, ', ')}`
  const byNumber = new Map([...type.enums.values()].map(({ name, value }) => [String(value), name]))
  return codec(type, (fresh) => {
    const value = sharedValues(fresh)
    const readText = (text: string): LeafValue | TypeFault =>
      type.enums.has(text) ? value(text) : fault(text, expected, 'RFC 7950 9.6')
    return {
      fits: (json) => typeof json === 'string' && type.enums.has(json),
      read: (json, loose) => {
        if (typeof json === 'string' && (!loose || type.enums.has(json))) return readText(json)
        const named =
          loose && (typeof json === 'number' || typeof json === 'string')
            ? byNumber.get(String(json))
            : undefined
        return named === undefined ? wrongKind(json, expected, '6.4') : value(named)
      },
      readText,
      write: (text) => text,
    }
  })
}

/** The canonical text is `module:name` (RFC 7951 6.8 lets the module out when it is the leaf's). */
function identityCodec(type: ResolvedType, bases: readonly Identity[], module: string): LeafCodec {
  const [first, ...others] = bases
  const allowed = new Set<string>()
  // Identities of modules that only lend definitions are no values (RFC 7950 9.10.2, last paragraph).
  for (const identity of first?.derived ?? [])
    if (identity.module.implemented && others.every((base) => base.derived.has(identity)))
      allowed.add(fullName(identity))
  const expected = `an identity derived from ${bases.map(fullName).join(' and ')}`
  const byName = new Map<string, string>()
  for (const name of allowed) byName.set(name.slice(name.indexOf(':') + 1), name)
  return codec(type, (fresh) => {
    const value = sharedValues(fresh)
    const readText = (text: string, names: ValueNames): LeafValue | TypeFault => {
      const colon = text.indexOf(':')
      const owner = colon < 0 ? names.moduleName : names.moduleOf(text.slice(0, colon))
      const name = `${owner}:${text.slice(colon + 1)}`
      return allowed.has(name) ? value(name) : fault(text, expected, 'RFC 7950 9.10.2')
    }
    const jsonNames: ValueNames = { moduleOf: (prefix) => prefix, moduleName: module }
    return {
      read: (json, loose) => {
        if (typeof json !== 'string') return wrongKind(json, expected, '6.8')
        const result = readText(json, jsonNames)
        const bare = loose && isTypeFault(result) ? byName.get(json) : undefined
        return bare === undefined ? result : value(bare)
      },
      readText,
      write: (text, style) =>
        text.startsWith(`${style.module}:`) ? text.slice(style.module.length + 1) : text,
    }
  })
}

function emptyCodec(type: ResolvedType): LeafCodec {
  return codec(type, (value) => ({
    read: (json, loose) => {
      const isEmpty = Array.isArray(json)
        ? json.length === 1 && json[0] === null
        : loose && (json === '' || json === null)
      return isEmpty ? value('') : wrongKind(json, '[null]', '6.9')
    },
    readText: (text) => (text === '' ? value('') : fault(text, 'nothing', 'RFC 7950 9.11.1')),
    write: (_text, style) => (style.bare ? '' : [null]),
  }))
}

// Types made of types. -----------------------------------------------------------------------------

/** The target's type, with a note on every value that it must be found among the target's. */
function leafrefCodec(type: LeafrefType, target: LeafCodec): LeafCodec {
  if (!type.requireInstance) return target
  const referring = new Map(target.members.map((member) => [member, { ...member, reference: type }]))
  const refer = (result: LeafValue | TypeFault): LeafValue | TypeFault =>
    isTypeFault(result) ? result : { text: result.text, codec: referring.get(result.codec) ?? result.codec }
  const made: LeafCodec & { members: LeafCodec[] } = {
    ...target,
    read: (json, loose) => refer(target.read(json, loose)),
    readText: (text, names) => refer(target.readText(text, names)),
    reference: type,
    members: [],
  }
  made.members.push(made)
  return made
}

/** The first member that takes the value wins; the JSON kind takes part in the choice (RFC 7951 6.10). */
function unionCodec(type: ResolvedType & { kind: 'union' }, types: readonly LeafCodec[]): LeafCodec {
  const members = types.flatMap((member) => member.members)
  const expected = `a value of one of the ${members.length} types of the union`
  const firstOf = (
    found: string,
    read: (member: LeafCodec) => LeafValue | TypeFault,
  ): LeafValue | TypeFault => {
    const reasons: TypeFault[] = []
    for (const member of members) {
      const result = read(member)
      if (!isTypeFault(result)) return result
      reasons.push(result)
    }
    const details = reasons.slice(0, 4).map((reason) => reason.expected)
    return { found, expected: `${expected}: ${details.join('; or ')}`, rfc: 'RFC 7950 9.12' }
  }
  return {
    type,
    fits: (json) => members.some((member) => member.fits(json)),
    read: (json, loose) => {
      // Strict forms first: in a union of a number and a string, "10" is the string.
      for (const member of members) if (member.fits(json)) return member.read(json, false)
      const strict = firstOf(describeJson(json), (member) => member.read(json, false))
      return loose && isTypeFault(strict)
        ? firstOf(describeJson(json), (member) => member.read(json, true))
        : strict
    },
    readText: (text, names) => firstOf(JSON.stringify(text), (member) => member.readText(text, names)),
    write: (text, style) => members[0]?.write(text, style) ?? text,
    reference: undefined,
    members,
  }
}
