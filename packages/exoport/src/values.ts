/**
 * Values between JSON and terms, both ways, as a schema says.
 *
 * | JSON                        | sent as                     | taken besides                                     |
 * | --------------------------- | --------------------------- | ------------------------------------------------- |
 * | text                        | binary                      | list of characters, atom, `{bert,nil}` (empty)     |
 * | integer, up to 64 bits      | integer                     | its digits as text, for a leaf of integers         |
 * | number with a fraction      | float                       | integer, text                                     |
 * | `true`, `false`             | `{bert,true}`, `{bert,false}` | the plain atoms                                   |
 * | `null`                      | the atom `null`             | `undefined`                                       |
 * | array                       | list                        | `[2,4,6]` looks like a text: the schema decides    |
 * | object                      | list of `{name, value}`     | keys as atoms, binaries, characters; dictionaries  |
 *
 * A list of small integers may be a text or a leaf-list; no tag tells them apart, so the *node* decides, never the tag.
 * Where there is no node (anyxml, a name the schema does not have) the guess is marked as one: see `guessed`.
 * Whether a value is allowed is not decided here: what is well-formed is handed on, and the validator behind says no.
 */
import { Atom, atom, type Bert, Float, Tuple, tuple } from '@waymark/etf'
import { textOf } from './messages.ts'

/** JSON with exact whole numbers. */
export type Value = null | boolean | number | bigint | string | Value[] | ValueObject
export type ValueObject = { [name: string]: Value }

/** As much of a schema as is needed. Compiled YANG (`DataDefinition`) has this shape as it is. */
export type ValueNode =
  | { readonly kind: 'leaf' | 'leaf-list'; readonly name: string; readonly type: ValueType }
  | { readonly kind: 'container' | 'list'; readonly name: string; readonly children: readonly ValueNode[] }
  | {
      readonly kind: 'choice'
      readonly name: string
      readonly cases: readonly { readonly children: readonly ValueNode[] }[]
    }
  | { readonly kind: 'anydata' | 'anyxml'; readonly name: string }

export type ValueType =
  | { readonly kind: 'integer' | 'boolean' | 'empty' }
  | { readonly kind: 'decimal64'; readonly fractionDigits: number }
  | { readonly kind: 'enumeration' }
  | { readonly kind: 'string' | 'bits' | 'binary' | 'identityref' | 'instance-identifier' }
  | { readonly kind: 'leafref'; readonly targetType: ValueType }
  | { readonly kind: 'union'; readonly types: readonly ValueType[] }

/** Why a term is no value of its node. `thing` is the path to it. */
export interface ValueRefusal {
  readonly kind: 'bad-value' | 'duplicate-name' | 'too-deep'
  readonly thing: string
  readonly wanted: string
  readonly got: string
}

export type ValueResult<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly refusal: ValueRefusal }

/** Levels of objects and arrays: as many as a message may nest, and few enough for the stack. */
const mostLevels = 128

/** Parameters as a list of `{name, value}`, in the order of the object. Throws `RangeError` beyond 128 levels. */
export function pairsOf(object: ValueObject, nodes: readonly ValueNode[] = []): Bert[] {
  return writeObject(object, indexOf(nodes), mostLevels)
}

/**
 * The object that a list of `{name, value}` says, by the nodes of its schema. `guessed` names nothing else: a name that
 * no node has is read by what it looks like and left to the validator.
 *
 * ```ts
 * valuesOf([tuple(atom('note'), [104, 105])], [{ kind: 'leaf', name: 'note', type: { kind: 'string' } }]) // { note: 'hi' }
 * ```
 */
export function valuesOf(pairs: Bert, nodes: readonly ValueNode[]): ValueResult<ValueObject> {
  return attempt(() => readObject(pairs, indexOf(nodes), '', mostLevels))
}

/** The same without a schema: for a device whose program knows what it asked for. Texts have to come as binaries. */
export function guessedValues(pairs: Bert): ValueResult<ValueObject> {
  return attempt(() => readObject(pairs, undefined, '', mostLevels))
}

type Index = ReadonlyMap<string, ValueNode>

const indexes = new WeakMap<readonly ValueNode[], Index>()

/** Names of nodes, choices and cases looked through: they do not exist in data. */
function indexOf(nodes: readonly ValueNode[]): Index {
  const known = indexes.get(nodes)
  if (known !== undefined) return known
  const index = new Map<string, ValueNode>()
  const add = (list: readonly ValueNode[]) => {
    for (const node of list)
      if (node.kind === 'choice') for (const { children } of node.cases) add(children)
      else index.set(node.name, node)
  }
  add(nodes)
  indexes.set(nodes, index)
  return index
}

class Offence extends Error {
  readonly refusal: ValueRefusal
  constructor(refusal: ValueRefusal) {
    super(refusal.kind)
    this.refusal = refusal
  }
}

function attempt<T>(work: () => T): ValueResult<T> {
  try {
    return { ok: true, value: work() }
  } catch (error) {
    if (error instanceof Offence) return { ok: false, refusal: error.refusal }
    throw error
  }
}

function refuse(kind: ValueRefusal['kind'], thing: string, wanted: string, got: string): never {
  throw new Offence({ kind, thing: thing || 'parameters', wanted, got })
}

// Writing. --------------------------------------------------------------------------------------------------

function writeObject(object: ValueObject, index: Index | undefined, levels: number): Bert[] {
  return Object.entries(object).map(([name, value]) =>
    tuple<Bert>(atom(name), writeNode(value, index?.get(name), levels)),
  )
}

function writeNode(value: Value, node: ValueNode | undefined, levels: number): Bert {
  if (levels <= 0) throw new RangeError(`value: wanted at most ${mostLevels} levels, got more`)
  if (Array.isArray(value)) {
    if (node?.kind === 'leaf' && value.length === 1 && value[0] === null) return []
    return value.map((item) =>
      writeNode(item, node?.kind === 'leaf-list' ? { ...node, kind: 'leaf' } : node, levels - 1),
    )
  }
  if (typeof value === 'object' && value !== null)
    return writeObject(value, node && 'children' in node ? indexOf(node.children) : undefined, levels - 1)
  return writeScalar(value, node !== undefined && 'type' in node ? node.type : undefined)
}

function writeScalar(value: null | boolean | number | bigint | string, type: ValueType | undefined): Bert {
  if (value === null) return atom('null')
  if (typeof value === 'number') return Number.isSafeInteger(value) ? value : new Float(value)
  if (typeof value === 'string') {
    const target = type?.kind === 'leafref' ? type.targetType : type
    if (target?.kind === 'empty') return []
    if (target?.kind === 'decimal64') return decimalTerm(value)
  }
  return value
}

/** A decimal goes as a float where a float says all of its digits, else as text. */
function decimalTerm(text: string): Bert {
  const value = Number(text)
  const digits = text.replace(/^[+-]?0*|\.|0+$/g, '').length
  return text !== '' && Number.isFinite(value) && digits <= 15 ? new Float(value) : text
}

// Reading. --------------------------------------------------------------------------------------------------

function readObject(term: Bert, index: Index | undefined, path: string, levels: number): ValueObject {
  if (levels <= 0) refuse('too-deep', path, `at most ${mostLevels} levels`, 'more')
  const object: ValueObject = {}
  for (const [name, value] of pairsIn(term, path)) {
    const place = path === '' ? name : `${path}/${name}`
    if (Object.hasOwn(object, name)) refuse('duplicate-name', place, 'each name once', 'it twice')
    setOwn(object, name, readNode(value, index?.get(name), place, levels - 1))
  }
  return object
}

function readNode(term: Bert, node: ValueNode | undefined, path: string, levels: number): Value {
  switch (node?.kind) {
    case 'leaf':
      return readLeaf(term, node.type, path)
    case 'leaf-list':
      return itemsOf(term, path).map((item) => readLeaf(item, node.type, path))
    case 'container':
      return readObject(term, indexOf(node.children), path, levels)
    case 'list':
      return itemsOf(term, path).map((item) => readObject(item, indexOf(node.children), path, levels))
    default:
      return guessed(term, path, levels)
  }
}

function readLeaf(term: Bert, type: ValueType, path: string): Value {
  if (term instanceof Atom && (term.name === 'null' || term.name === 'undefined') && type.kind !== 'string')
    return null
  switch (type.kind) {
    case 'integer':
      return whole(term) ?? wholeText(textOf(term)) ?? fits(textOf(term), path, 'an integer')
    case 'boolean':
      return typeof term === 'boolean' ? term : (whole(term) ?? fits(textOf(term), path, 'a boolean'))
    case 'decimal64':
      return term instanceof Float
        ? fixed(term.value, type.fractionDigits)
        : (whole(term) ?? fits(textOf(term), path, 'a number'))
    case 'enumeration':
      // By name or by number: the validator knows which number is which.
      return whole(term) ?? fits(textOf(term), path, 'a name of the enumeration')
    case 'empty':
      return [null]
    case 'leafref':
      return readLeaf(term, type.targetType, path)
    case 'union':
      return readUnion(term, type.types, path)
    default:
      return textOf(term) ?? whole(term) ?? fits(undefined, path, 'a text')
  }
}

/** The first member of the form the term has: numbers to numbers, booleans to booleans, everything else is text. */
function readUnion(term: Bert, types: readonly ValueType[], path: string): Value {
  const flat = types.flatMap((type): readonly ValueType[] => (type.kind === 'union' ? type.types : [type]))
  const kinds = flat.map((type) => (type.kind === 'leafref' ? type.targetType : type))
  const numeric = kinds.find(({ kind }) => kind === 'integer' || kind === 'decimal64')
  if ((whole(term) !== undefined || term instanceof Float) && numeric !== undefined)
    return readLeaf(term, numeric, path)
  if (typeof term === 'boolean' && kinds.some(({ kind }) => kind === 'boolean')) return term
  return textOf(term) ?? whole(term) ?? fits(undefined, path, 'a value of one of the types')
}

/**
 * Without a schema: binaries and atoms are texts, lists of pairs are objects, other lists are arrays, and a list of
 * printable characters a text, for that is what devices mean by it most of the time.
 */
function guessed(term: Bert, path: string, levels: number): Value {
  if (levels <= 0) refuse('too-deep', path, `at most ${mostLevels} levels`, 'more')
  if (term === null || (term instanceof Atom && (term.name === 'null' || term.name === 'undefined')))
    return null
  if (term instanceof Float) return term.value
  const plain = typeof term === 'boolean' ? term : whole(term)
  if (plain !== undefined) return plain
  if (term instanceof Map) return readObject(term, undefined, path, levels)
  if (Array.isArray(term)) {
    if (term.length > 0 && term.every(isPair)) return readObject(term, undefined, path, levels)
    if (term.length > 0 && term.every(isPrintable)) return textOf(term) ?? null
    return term.map((item) => guessed(item, path, levels - 1))
  }
  return textOf(term) ?? fits(undefined, path, 'a value')
}

function isPair(term: Bert): boolean {
  return term instanceof Tuple && term.length === 2 && textOf(term.at(0)) !== undefined
}

function isPrintable(term: Bert): boolean {
  return (
    typeof term === 'number' && (term >= 0x20 || term === 9 || term === 10 || term === 13) && term !== 0x7f
  )
}

function pairsIn(term: Bert, path: string): [string, Bert][] {
  const entries: (readonly [Bert, Bert])[] = []
  if (term instanceof Map) entries.push(...term)
  else if (Array.isArray(term))
    for (const item of term) {
      // A lone atom stands for {Atom, true}, as in Erlang's property lists.
      if (item instanceof Atom) entries.push([item, true])
      else if (item instanceof Tuple && item.length === 2)
        entries.push(item.elements as readonly [Bert, Bert])
      else refuse('bad-value', path, 'a list of pairs', 'an element that is no pair')
    }
  else refuse('bad-value', path, 'a list of pairs', 'another term')
  return entries.map(([key, value]) => {
    const name = textOf(key)
    return name === undefined ? refuse('bad-value', path, 'names as texts', 'another key') : [name, value]
  })
}

function itemsOf(term: Bert, path: string): readonly Bert[] {
  return Array.isArray(term) ? term : refuse('bad-value', path, 'a list', 'another term')
}

function whole(term: Bert): number | bigint | undefined {
  return typeof term === 'bigint' || (typeof term === 'number' && Number.isInteger(term)) ? term : undefined
}

function wholeText(text: string | undefined): number | bigint | undefined {
  if (text === undefined || text.length > 40 || !/^[+-]?\d+$/.test(text)) return undefined
  const value = BigInt(text)
  return value >= -maxExact && value <= maxExact ? Number(value) : value
}

const maxExact = BigInt(Number.MAX_SAFE_INTEGER)

/** The decimal of a float: so many digits behind the point, never an exponent. */
function fixed(value: number, fractionDigits: number): string {
  const text = value.toFixed(Math.min(fractionDigits, 18))
  return text.includes('e') ? String(BigInt(Math.trunc(value))) : text
}

function fits(text: string | undefined, path: string, wanted: string): string {
  return text ?? refuse('bad-value', path, wanted, 'another term')
}

/** Sets a member as data, whatever its name is. */
export function setOwn(object: ValueObject, name: string, value: Value): void {
  if (name === '__proto__')
    Object.defineProperty(object, name, { value, enumerable: true, configurable: true, writable: true })
  else object[name] = value
}
