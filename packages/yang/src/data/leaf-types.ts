/**
 * Values of leafs: from JSON to the canonical text of the type and back (RFC 7950 9, RFC 7951 6).
 *
 * Inside the library a value is its canonical text, so that two values are equal when their texts are.
 * Each type is compiled once into a `LeafCodec`; all restrictions are ready-made tests by then.
 */
import type {
  Decimal64Type,
  EnumerationType,
  ErrorTexts,
  Identity,
  IntegerType,
  Interval,
  LeafrefType,
  Length,
  ResolvedType,
  StringType,
} from '../schema.ts'
import { fullName } from '../xpath/functions.ts'
import { compilePattern } from '../xsd-pattern.ts'
import { describeJson, JsonDecimal, type JsonValue } from './json.ts'

/** Why a value does not fit. */
export type TypeFault = {
  readonly found: string
  readonly expected: string
  readonly rfc: string
  readonly errorMessage?: string | undefined
  readonly errorAppTag?: string | undefined
}

/** What a value is: the canonical text, and the codec of the type that took it (a union's member). */
export type LeafValue = { readonly text: string; readonly codec: LeafCodec }

/** How names in values are read: the modules that prefixes stand for, and the one of names without. */
export type ValueNames = {
  readonly moduleOf: (prefix: string) => string | undefined
  readonly moduleName: string
}

export type LeafCodec = {
  readonly type: ResolvedType
  /** The value of a JSON value, or why there is none. With `loose`, the wider forms are taken too. */
  read(json: JsonValue, loose: boolean): LeafValue | TypeFault
  /** Whether `read` (not loose) would find a value; quicker where that is simple. */
  fits(this: void, json: JsonValue): boolean
  /** The value of a text as a module writes it (defaults). */
  readText(text: string, names: ValueNames): LeafValue | TypeFault
  /** Canonical text to JSON (RFC 7951 6). With `bare`, whole numbers of all sizes are JSON numbers. */
  write(text: string, style: WriteStyle): JsonValue
  /** The leafref whose target this value must be among, when it must. */
  readonly reference: LeafrefType | undefined
  /** For a union, the members in order, unions inside unions opened; else itself alone. */
  readonly members: readonly LeafCodec[]
}

export type WriteStyle = {
  readonly bare: boolean
  /** The module of the leaf, whose name identities may leave out. */
  readonly module: string
}

export function isTypeFault(result: LeafValue | TypeFault): result is TypeFault {
  return 'found' in result
}

/** What instance identifiers need from outside: the schema tree. Answers the canonical text. */
export type InstancePathReader = (text: string, names: ValueNames) => string | TypeFault

/** Compiles a type. `module` is the leaf's own, which identities and paths without a prefix mean. */
export function compileLeafType(type: ResolvedType, module: string, readPath: InstancePathReader): LeafCodec {
  switch (type.kind) {
    case 'integer':
      return integerCodec(type)
    case 'decimal64':
      return decimalCodec(type)
    case 'string':
      return stringCodec(type)
    case 'boolean':
      return booleanCodec(type)
    case 'enumeration':
      return enumerationCodec(type)
    case 'bits': {
      const positions = new Map([...type.bits.keys()].map((name, index) => [name, index]))
      return textCodec(type, (text) => readBits(text, positions))
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
      return leafrefCodec(type, module, readPath)
    case 'union':
      return unionCodec(type, module, readPath)
  }
}

// Building. ----------------------------------------------------------------------------------------

type Parts = Pick<LeafCodec, 'read' | 'readText' | 'write'> & Partial<Pick<LeafCodec, 'fits'>>

function codec(type: ResolvedType, build: (value: (text: string) => LeafValue) => Parts): LeafCodec {
  const value = (text: string): LeafValue => ({ text, codec: made })
  const parts = build(value)
  const fits = parts.fits ?? ((json) => !isTypeFault(parts.read(json, false)))
  const made: LeafCodec & { members: LeafCodec[] } = {
    type,
    ...parts,
    fits,
    reference: undefined,
    members: [],
  }
  made.members.push(made)
  return made
}

/** For types with few values: each is made once. */
function sharedValues(value: (text: string) => LeafValue): (text: string) => LeafValue {
  const made = new Map<string, LeafValue>()
  return (text) => {
    let one = made.get(text)
    if (!one) {
      one = value(text)
      made.set(text, one)
    }
    return one
  }
}

/** A type whose JSON form is a string that is read like its text. */
function textCodec(
  type: ResolvedType,
  parse: (text: string, names: ValueNames) => string | TypeFault,
  module = '',
): LeafCodec {
  const jsonNames: ValueNames = { moduleOf: (prefix) => prefix, moduleName: module }
  return codec(type, (value) => {
    const readText = (text: string, names: ValueNames): LeafValue | TypeFault => {
      const parsed = parse(text, names)
      return typeof parsed === 'string' ? value(parsed) : parsed
    }
    return {
      read: (json) =>
        typeof json === 'string' ? readText(json, jsonNames) : wrongKind(json, 'a string', '6'),
      readText,
      write: (text) => text,
    }
  })
}

function wrongKind(json: JsonValue, expected: string, section: string): TypeFault {
  return { found: describeJson(json), expected, rfc: `RFC 7951 ${section}` }
}

function fault(found: string, expected: string, rfc: string, texts?: ErrorTexts): TypeFault {
  const shown = found.length > 80 ? `${found.slice(0, 77)}…` : found
  return {
    found: JSON.stringify(shown),
    expected,
    rfc,
    errorMessage: texts?.errorMessage,
    errorAppTag: texts?.errorAppTag,
  }
}

function describeIntervals<T>(intervals: readonly Interval<T>[], show: (end: T) => string): string {
  return intervals
    .map(({ from, to }) => (from === to ? show(from) : `${show(from)}..${show(to)}`))
    .join(' | ')
}

// Numbers. -----------------------------------------------------------------------------------------

function integerCodec(type: IntegerType): LeafCodec {
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

function decimalCodec(type: Decimal64Type): LeafCodec {
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

// Texts. -------------------------------------------------------------------------------------------

/** Characters that YANG strings cannot hold (RFC 7950 14, yang-char), but for surrogates and planes' ends. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
const unlawful = /[\0-\x08\x0b\x0c\x0e-\x1f\ufdd0-\ufdef\ufffe\uffff]/

function stringCodec(type: StringType): LeafCodec {
  const lengthTest = compileLength(type.length)
  const least = type.length?.intervals[0]?.from ?? 0
  const most = type.length?.intervals.at(-1)?.to ?? Infinity
  const isGapped = (type.length?.intervals.length ?? 0) > 1
  const patterns = type.patterns.map((pattern) => {
    const compiled = compilePattern(pattern.source, { looseEscapes: true })
    return { pattern, match: compiled.ok ? compiled.match : () => 'mismatch' as const }
  })
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

function readBits(text: string, positions: ReadonlyMap<string, number>): string | TypeFault {
  const names = text.split(/[ \t\r\n]+/).filter((name) => name !== '')
  const seen = new Set(names)
  const expected = `bits among ${[...positions.keys()].join(' ')}, each once`
  if (seen.size < names.length || names.some((name) => !positions.has(name)))
    return fault(text, expected, 'RFC 7950 9.7.4')
  return names.sort((a, b) => (positions.get(a) ?? 0) - (positions.get(b) ?? 0)).join(' ')
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

function enumerationCodec(type: EnumerationType): LeafCodec {
  const names = [...type.enums.keys()]
  const shown = names.length > 12 ? [...names.slice(0, 12), `… (${names.length} names)`] : names
  const expected = `one of ${shown.join(', ')}`
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
function leafrefCodec(type: LeafrefType, module: string, readPath: InstancePathReader): LeafCodec {
  const target = compileLeafType(type.targetType, module, readPath)
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
function unionCodec(
  type: ResolvedType & { kind: 'union' },
  module: string,
  readPath: InstancePathReader,
): LeafCodec {
  const members = type.types.flatMap((member) => compileLeafType(member, module, readPath).members)
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
