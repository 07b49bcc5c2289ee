/**
 * Parameters as people type them, read by an operation's schema: `times=3` is a number where the schema says so and a text
 * where it does not. Lists come by repeating a name or with commas, members of members by dots, and `name:=JSON` is taken
 * as it stands. What the schema does not know stays a text: judging is somebody else's, and a name is refused once.
 */
import { ok, type Result, refuse } from '@waymark/domain'
import { type DataDefinition, type JsonObject, type JsonValue, type LeafNode, parseJson } from '@waymark/yang'
import { isJsonObject } from './json-rpc.ts'

export interface ParamRefusal {
  readonly kind: 'bad-param'
  readonly thing: string
  readonly wanted: string
  readonly got: string
}

/** The data nodes below some definitions: those of choices and cases stand beside the others. */
export function dataNodes(
  children: readonly DataDefinition[],
): readonly Exclude<DataDefinition, { readonly kind: 'choice' }>[] {
  return children.flatMap((node) =>
    node.kind === 'choice' ? node.cases.flatMap((each) => dataNodes(each.children)) : [node],
  )
}

/** Reads texts into parameters; `spellings` are other names of what stands at the top. */
export function typedParams(
  texts: readonly string[],
  input: readonly DataDefinition[],
  spellings: Readonly<Record<string, string>> = {},
): Result<JsonObject, ParamRefusal> {
  const params: JsonObject = Object.create(null) as JsonObject
  for (const text of texts) {
    const [, name, sign, value = ''] = /^([^=]*?[^=:])(:?=)(.*)$/s.exec(text) ?? []
    if (name === undefined)
      return refuse({ kind: 'bad-param', thing: 'parameter', wanted: 'name=value', got: text.slice(0, 128) })
    const given = sign === ':=' ? parseJson(value) : undefined
    if (given && !given.ok)
      return refuse({ kind: 'bad-param', thing: name, wanted: 'JSON behind :=', got: value.slice(0, 128) })
    const path = name.split('.')
    const [top = ''] = path
    const known = Object.hasOwn(spellings, top) ? [spellings[top] ?? top, ...path.slice(1)] : path
    put(params, path, dataNodes(input), known, given ? { json: given.value } : { text: value })
  }
  return ok({ ...params })
}

type Given = { readonly json: JsonValue } | { readonly text: string }

function put(
  into: JsonObject,
  path: readonly string[],
  nodes: ReturnType<typeof dataNodes>,
  known: readonly string[],
  given: Given,
): void {
  const [name = '', ...rest] = path
  const node = nodes.find((each) => each.name === known[0])
  const before = Object.hasOwn(into, name) ? into[name] : undefined
  if (rest.length > 0) {
    const below = node && 'children' in node ? dataNodes(node.children) : []
    if (node?.kind === 'list') {
      const entries = Array.isArray(before) ? before : []
      const last = entries.at(-1)
      // A leaf that the last entry has already begins the next one.
      const begins =
        !isJsonObject(last) || (rest.length === 1 && rest[0] !== undefined && Object.hasOwn(last, rest[0]))
      const entry: JsonObject = begins ? (Object.create(null) as JsonObject) : last
      put(entry, rest, below, known.slice(1), given)
      set(into, name, begins ? [...entries, entry] : entries)
      return
    }
    const member: JsonObject = isJsonObject(before) ? before : (Object.create(null) as JsonObject)
    put(member, rest, below, known.slice(1), given)
    set(into, name, member)
    return
  }
  if ('json' in given) {
    set(into, name, given.json)
    return
  }
  if (node?.kind === 'leaf-list') {
    const more = given.text === '' ? [] : given.text.split(',').map((each) => typed(each, node.type.kind))
    set(into, name, [...(Array.isArray(before) ? before : []), ...more])
    return
  }
  set(into, name, node?.kind === 'leaf' ? typed(given.text, node.type.kind) : given.text)
}

function set(into: JsonObject, name: string, value: JsonValue): void {
  Object.defineProperty(into, name, { value, enumerable: true, writable: true, configurable: true })
}

/** A text as a value of a type; one that does not fit stays a text, for its judge to refuse. */
function typed(text: string, kind: LeafNode['type']['kind']): JsonValue {
  if (kind === 'boolean') return text === 'true' ? true : text === 'false' ? false : text
  if (kind === 'empty') return text === '' || text === 'true' ? [null] : text
  if (kind !== 'integer' && kind !== 'decimal64') return text
  const parsed = /^-?\d/.test(text) ? parseJson(text) : undefined
  return parsed?.ok ? parsed.value : text
}
