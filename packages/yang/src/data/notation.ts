/**
 * Documents in another notation than JSON: Erlang's terms, MessagePack, a form's fields.
 *
 * Some notations do not say by themselves what a value is. Erlang writes text as a binary or as a list of small
 * integers, and a leaf-list of uint8 looks the same on the wire: only the type of the leaf tells them apart. So the
 * schema walks beside the document here, and asks a `Notation` for the one kind of value that the leaf wants.
 *
 * What is read is a loose document: a validator judges it, fills in its defaults and makes it exact (`loose: true`).
 * What is written is a bare document that a validator has let through (`form: 'bare'`). Knows no notation by itself.
 */
import type { DataDefinition, DataNode, ResolvedType } from '../schema.ts'
import { dataNodes, valueType } from '../views/shape.ts'
import { isJsonObject, type JsonObject, type JsonValue, setMember } from './json.ts'

/** How one notation says what YANG means. Readers answer undefined for a value that is not of the kind asked for. */
export type Notation<T> = {
  readonly write: {
    text(text: string): T
    /** A bigint beyond 2⁵³−1. Decimals are written as text, with all their fraction digits. */
    integer(value: number | bigint): T
    boolean(value: boolean): T
    list(items: readonly T[]): T
    /** Members in the order of the schema. */
    record(members: readonly (readonly [name: string, value: T])[]): T
    /** What the schema does not look into: anydata, anyxml. */
    any(value: JsonValue): T
  }
  readonly read: {
    text(value: T): string | undefined
    /** A number of any kind. */
    number(value: T): JsonValue | undefined
    boolean(value: T): boolean | undefined
    list(value: T): readonly T[] | undefined
    /** Members in the order they came. */
    record(value: T): readonly (readonly [name: string, value: T])[] | undefined
    any(value: T): JsonValue | undefined
  }
}

/** A value that is not of the kind that its node wants. `path` names members from the outside in: `route/2/port`. */
export type NotationRefusal = {
  readonly kind: 'not-in-notation'
  readonly path: string
  readonly expected: string
}

/** Deepest nesting that is read; documents of the JSON reader may be as deep. */
const depthMax = 200

/**
 * Writes a bare document whose members are `children` (of an input, an output, a notification, a module). Members that the
 * schema does not have are left out: a document that was judged has none.
 */
export function toNotation<T>(
  children: readonly DataDefinition[],
  document: JsonObject,
  notation: Notation<T>,
): T {
  const { write } = notation
  const members: [string, T][] = []
  for (const node of dataNodes(children))
    for (const name of [node.name, `${node.module.name}:${node.name}`]) {
      const value = Object.hasOwn(document, name) ? document[name] : undefined
      if (value !== undefined) members.push([name, writeMember(node, value, notation)])
    }
  return write.record(members)
}

function writeMember<T>(node: DataNode, value: JsonValue, notation: Notation<T>): T {
  const { write } = notation
  if (node.kind === 'anydata' || node.kind === 'anyxml') return write.any(value)
  if (Array.isArray(value)) return write.list(value.map((entry) => writeMember(node, entry, notation)))
  if (isJsonObject(value)) return toNotation('children' in node ? node.children : [], value, notation)
  switch (typeof value) {
    case 'number':
    case 'bigint':
      return write.integer(value)
    case 'boolean':
      return write.boolean(value)
    case 'string':
      return write.text(value)
    default:
      return write.any(value)
  }
}

/**
 * Reads a value as the loose document whose members are `children`. Members that the schema does not have are kept, read
 * by `any`, so that the validator can name them; nothing is judged here but the kinds.
 */
export function fromNotation<T>(
  children: readonly DataDefinition[],
  value: T,
  notation: Notation<T>,
):
  | { readonly ok: true; readonly document: JsonObject }
  | { readonly ok: false; readonly refusal: NotationRefusal } {
  try {
    return { ok: true, document: readRecord(children, value, notation, []) }
  } catch (error) {
    if (error instanceof NotInNotation) return { ok: false, refusal: error.refusal }
    throw error
  }
}

class NotInNotation extends Error {
  readonly refusal: NotationRefusal
  constructor(path: readonly string[], expected: string) {
    super(expected)
    this.refusal = { kind: 'not-in-notation', path: path.join('/'), expected }
  }
}

function readRecord<T>(
  children: readonly DataDefinition[],
  value: T,
  notation: Notation<T>,
  path: readonly string[],
): JsonObject {
  if (path.length > depthMax) throw new NotInNotation(path, `at most ${depthMax} levels`)
  const members = notation.read.record(value) ?? wrong(path, 'members')
  const nodes = nodesByName(children)
  const read: JsonObject = {}
  for (const [name, member] of members) {
    const node = nodes.get(name)
    const below = [...path, name]
    if (Object.hasOwn(read, name)) throw new NotInNotation(below, 'each member once')
    const found = node
      ? readMember(node, member, notation, below)
      : (notation.read.any(member) ?? wrong(below, 'a member of the schema'))
    setMember(read, name, found)
  }
  return read
}

const known = new WeakMap<readonly DataDefinition[], ReadonlyMap<string, DataNode>>()

/** Plainly and with its module; a plain name that two modules use means the first. */
function nodesByName(children: readonly DataDefinition[]): ReadonlyMap<string, DataNode> {
  let names = known.get(children)
  if (!names) {
    const made = new Map<string, DataNode>()
    for (const node of dataNodes(children)) {
      made.set(`${node.module.name}:${node.name}`, node)
      if (!made.has(node.name)) made.set(node.name, node)
    }
    names = made
    known.set(children, names)
  }
  return names
}

function readMember<T>(node: DataNode, value: T, notation: Notation<T>, path: readonly string[]): JsonValue {
  const { read } = notation
  const entries = (): readonly T[] => read.list(value) ?? wrong(path, 'a list')
  switch (node.kind) {
    case 'anydata':
    case 'anyxml':
      return read.any(value) ?? wrong(path, 'a value that JSON can hold')
    case 'leaf':
      return readLeaf(node.type, value, notation, path)
    case 'leaf-list':
      return entries().map((entry, at) => readLeaf(node.type, entry, notation, [...path, String(at + 1)]))
    case 'container':
      return readRecord(node.children, value, notation, path)
    case 'list':
      return entries().map((entry, at) =>
        readRecord(node.children, entry, notation, [...path, String(at + 1)]),
      )
  }
}

function readLeaf<T>(
  declared: ResolvedType,
  value: T,
  notation: Notation<T>,
  path: readonly string[],
): JsonValue {
  const found = leafValue(declared, value, notation)
  return found ?? wrong(path, `a value for ${valueType(declared).kind}`)
}

/** The kinds a type may have in loose JSON, the one it is written in first. */
function leafValue<T>(declared: ResolvedType, value: T, notation: Notation<T>): JsonValue | undefined {
  const { read } = notation
  const type = valueType(declared)
  switch (type.kind) {
    case 'integer':
    case 'decimal64':
    case 'enumeration':
      return read.number(value) ?? read.text(value)
    case 'boolean':
      return read.boolean(value) ?? read.number(value) ?? read.text(value)
    case 'union':
      for (const member of type.types) {
        const found = leafValue(member, value, notation)
        // A number that is written as text is tried as each member by the validator.
        if (found !== undefined) return found
      }
      return undefined
    default:
      return read.text(value)
  }
}

function wrong(path: readonly string[], expected: string): never {
  throw new NotInNotation(path, expected)
}
