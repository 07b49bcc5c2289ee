/**
 * What a leaf's type is to the rest of the library: a way from JSON to the canonical text of a value and
 * back, and the tools with which such codecs are made.
 */
import type { ErrorTexts, Interval, LeafrefType, ResolvedType } from '../schema.ts'
import { describeJson, type JsonValue } from './json.ts'

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

export type Parts = Pick<LeafCodec, 'read' | 'readText' | 'write'> & Partial<Pick<LeafCodec, 'fits'>>

export function codec(type: ResolvedType, build: (value: (text: string) => LeafValue) => Parts): LeafCodec {
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
export function sharedValues(value: (text: string) => LeafValue): (text: string) => LeafValue {
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
export function textCodec(
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

export function wrongKind(json: JsonValue, expected: string, section: string): TypeFault {
  return { found: describeJson(json), expected, rfc: `RFC 7951 ${section}` }
}

export function fault(found: string, expected: string, rfc: string, texts?: ErrorTexts): TypeFault {
  const shown = found.length > 80 ? `${found.slice(0, 77)}…` : found
  return {
    found: JSON.stringify(shown),
    expected,
    rfc,
    errorMessage: texts?.errorMessage,
    errorAppTag: texts?.errorAppTag,
  }
}

export function describeIntervals<T>(intervals: readonly Interval<T>[], show: (end: T) => string): string {
  return intervals
    .map(({ from, to }) => (from === to ? show(from) : `${show(from)}..${show(to)}`))
    .join(' | ')
}
