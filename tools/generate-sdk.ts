/**
 * From the fleet door's own OpenAPI document to what the SDK knows of it: `docs/openapi.json` and
 * `packages/sdk/src/generated/operations.ts`.
 *
 * The document is asked of the door in memory; nothing listens. What the door's schemas say becomes types and one
 * table; nothing is guessed: a construct that is not in `typeOf` below is refused with its place, so that a new kind
 * of schema is a decision and not an `unknown`. Run it to write the files, `--check` to hear whether they are stale.
 *
 *     npx node --conditions=source tools/generate-sdk.ts [--check]
 */
import { readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')

/** The files that are written, with what they hold. */
export async function generate(): Promise<ReadonlyMap<string, string>> {
  // The door is paid for by those who generate, not by those who only import this file.
  const { fleetOpenapi } = await import('../packages/server/src/doors/fleet/door.ts')
  const document: unknown = await fleetOpenapi()
  return new Map([
    ['docs/openapi.json', `${JSON.stringify(document, undefined, 2)}\n`],
    ['packages/sdk/src/generated/operations.ts', sourceOf(document)],
  ])
}

/** Those of the files that are not what `generate` would write. */
export async function staleFiles(): Promise<string[]> {
  const stale: string[] = []
  for (const [path, text] of await generate())
    if ((await readFile(join(root, path), 'utf8').catch(() => '')) !== text) stale.push(path)
  return stale
}

/** What a path of the document cannot be made into, with its place. */
export class UnknownShape extends Error {
  override readonly name = 'UnknownShape'
  constructor(at: string, wanted: string, got: unknown) {
    super(`${at}: wanted ${wanted}, got ${JSON.stringify(got)?.slice(0, 200) ?? 'nothing'}`)
  }
}

/**
 * Shapes that get a name of their own: the name, and the operation that shows the shape, as its answer, or as an item
 * of its list. Equal shapes elsewhere are called by the same name.
 */
const named: Readonly<Record<string, { of: string; item?: true }>> = {
  Token: { of: 'login' },
  Me: { of: 'whoAmI' },
  JoinToken: { of: 'listJoinTokens', item: true },
  AccessToken: { of: 'listAccessTokens', item: true },
  App: { of: 'listApps', item: true },
  User: { of: 'getUser' },
  Device: { of: 'getDevice' },
  LogLine: { of: 'listLogs', item: true },
  Step: { of: 'getStep' },
  Trail: { of: 'getTrail' },
  StoredObject: { of: 'getObjectInfo' },
  ObjectUsage: { of: 'getObjectUsage' },
  JournalEntry: { of: 'readJournal', item: true },
  Transaction: { of: 'getTransaction' },
  Why: { of: 'explainDevice' },
}

type Schema = Readonly<Record<string, unknown>>

interface Operation {
  readonly id: string
  readonly summary: string
  readonly method: string
  readonly path: string
  readonly params: readonly Parameter[]
  readonly query: readonly Parameter[]
  readonly key: boolean
  readonly open: boolean
  readonly body: Schema | 'bytes' | undefined
  readonly answer: Schema | 'bytes' | 'events'
}

interface Parameter {
  readonly name: string
  readonly schema: Schema
  readonly required: boolean
  readonly about: string | undefined
}

/** The text of `operations.ts` for a document. */
export function sourceOf(document: unknown): string {
  const operations = operationsOf(document)
  const names = new Map<string, string>()
  const declared: string[] = []
  for (const [name, { of, item }] of Object.entries(named)) {
    const operation = operations.find(({ id }) => id === of)
    if (!operation) continue
    const answer = objectAt(`${of} answer`, operation.answer)
    const schema = item
      ? objectAt(`${of} items`, objectAt(of, objectAt(of, answer.properties).items).items)
      : answer
    declared.push(`export type ${name} = ${typeOf(schema, { at: name, names, input: false })}\n`)
    names.set(keyOf(schema), name)
  }
  const types = operations.map((operation) => declarationOf(operation, names))
  const rows = operations.map(rowOf)
  return [
    '// Generated from docs/openapi.json by tools/generate-sdk.ts: change the schemas of the fleet door instead.\n',
    declared.join('\n'),
    '/** What each operation is asked, and what it answers. Members of paths and queries stand side by side. */',
    `export interface Operations {\n${types.join('\n')}\n}\n`,
    '/** How each operation goes over the wire. */',
    `export const operations = {\n${rows.join('\n')}\n} as const\n`,
  ].join('\n')
}

const methods = ['get', 'post', 'put', 'patch', 'delete']

function operationsOf(document: unknown): Operation[] {
  const found: Operation[] = []
  for (const [path, routes] of Object.entries(objectAt('paths', objectAt('document', document).paths)))
    for (const [method, raw] of Object.entries(objectAt(path, routes))) {
      if (!methods.includes(method)) throw new UnknownShape(path, `one of ${methods.join(', ')}`, method)
      found.push(operationOf(path, method, objectAt(`${method} ${path}`, raw)))
    }
  return found
}

function operationOf(path: string, method: string, raw: Schema): Operation {
  const id = raw.operationId
  if (typeof id !== 'string' || !/^[a-z][A-Za-z]*$/.test(id))
    throw new UnknownShape(`${method} ${path}`, 'an operationId', id)
  const parameters = { path: [] as Parameter[], query: [] as Parameter[], header: [] as Parameter[] }
  for (const each of arrayAt(id, raw.parameters ?? [])) {
    const { in: place, name, schema, required, description } = objectAt(id, each)
    if (typeof name !== 'string' || (place !== 'path' && place !== 'query' && place !== 'header'))
      throw new UnknownShape(id, 'a parameter in path, query or header', each)
    const about = typeof description === 'string' ? description : undefined
    parameters[place].push({ name, schema: objectAt(name, schema), required: required === true, about })
  }
  const asked = [...parameters.path, ...parameters.query].map(({ name }) => name)
  if (new Set([...asked, 'body']).size <= asked.length)
    throw new UnknownShape(id, 'parameters with names of their own, none of them body', asked)
  const foreign = parameters.header.filter(({ name }) => name !== 'idempotency-key')
  if (foreign.length > 0) throw new UnknownShape(id, 'no header but idempotency-key', foreign)
  return {
    id,
    method: method.toUpperCase(),
    path,
    summary: typeof raw.summary === 'string' ? raw.summary : id,
    params: parameters.path,
    query: parameters.query,
    key: parameters.header.length > 0,
    open: arrayAt(id, raw.security ?? []).length === 0,
    body: bodyOf(id, raw.requestBody),
    answer: answerOf(id, objectAt(id, raw.responses)),
  }
}

function bodyOf(id: string, raw: unknown): Operation['body'] {
  if (raw === undefined) return undefined
  const content = objectAt(`${id} body`, objectAt(`${id} body`, raw).content)
  return content['application/octet-stream'] ? 'bytes' : jsonOf(`${id} body`, raw)
}

/** The one answer from 200 to 299. */
function answerOf(id: string, responses: Schema): Operation['answer'] {
  const good = Object.keys(responses).filter((status) => /^2\d\d$/.test(status))
  const [status] = good
  if (status === undefined || good.length !== 1)
    throw new UnknownShape(id, 'one answer from 200 to 299', Object.keys(responses))
  const content = objectAt(id, objectAt(id, responses[status]).content)
  if (content['application/octet-stream']) return 'bytes'
  if (content['text/event-stream']) return 'events'
  return jsonOf(`${id} answer`, responses[status])
}

function jsonOf(at: string, raw: unknown): Schema {
  return objectAt(at, objectAt(at, objectAt(at, objectAt(at, raw).content)['application/json']).schema)
}

function declarationOf(operation: Operation, names: ReadonlyMap<string, string>): string {
  const { id, summary, params, query, body, answer } = operation
  const members = [...params, ...query].map(({ name, schema, required, about }) =>
    member(name, typeOf(schema, { at: `${id} ${name}`, names, input: true }), {
      optional: !required,
      input: true,
      about,
    }),
  )
  if (body !== undefined)
    members.push(
      member('body', body === 'bytes' ? 'Blob' : typeOf(body, { at: `${id} body`, names, input: true }), {
        optional: false,
        input: true,
      }),
    )
  const answers =
    answer === 'bytes'
      ? 'Uint8Array'
      : answer === 'events'
        ? 'JournalEntry'
        : typeOf(answer, { at: `${id} answer`, names, input: false })
  const asked = members.length === 0 ? 'Record<string, never>' : `{\n${indent(members.join('\n'))}\n}`
  const both = `readonly asked: ${asked}\nreadonly answer: ${answers}`
  return indent(`/** ${summary.replace(/\.$/, '')}. */\nreadonly ${id}: {\n${indent(both)}\n}`)
}

function rowOf(operation: Operation): string {
  const { id, method, path, params, query, body, key, open, answer } = operation
  const list = (parameters: readonly Parameter[]) =>
    `[${parameters.map(({ name }) => `'${name}'`).join(', ')}]`
  const paged =
    query.some(({ name }) => name === 'cursor') &&
    typeof answer === 'object' &&
    'next' in objectAt(id, answer.properties)
  const facts = [
    `method: '${method}'`,
    `path: '${path}'`,
    `params: ${list(params)}`,
    `query: ${list(query)}`,
    `body: '${body === undefined ? 'none' : body === 'bytes' ? 'bytes' : 'json'}'`,
    `answer: '${typeof answer === 'string' ? answer : 'json'}'`,
    `paged: ${paged}`,
    `key: ${key}`,
    `open: ${open}`,
  ]
  return `  ${id}: { ${facts.join(', ')} },`
}

interface Place {
  readonly at: string
  readonly names: ReadonlyMap<string, string>
  /** What callers hand in may also be undefined where it is optional. */
  readonly input: boolean
}

/** Words of JSON Schema that narrow a type without changing it. */
const narrowing = [
  ...['description', 'title', 'pattern', 'format', 'default', 'examples', 'minLength', 'maxLength'],
  ...['minimum', 'maximum', 'minItems', 'maxItems', 'minProperties', 'maxProperties'],
]

/** A schema as a TypeScript type. Refuses what it does not know. */
export function typeOf(schema: Schema, place: Place): string {
  const { at, names } = place
  const name = names.get(keyOf(schema))
  if (name !== undefined && !place.input) return name
  const known = ['type', 'enum', 'const', 'anyOf', 'items', 'properties', 'required', 'additionalProperties']
  const foreign = Object.keys(schema).filter((word) => !known.includes(word) && !narrowing.includes(word))
  if (foreign.length > 0) throw new UnknownShape(at, 'a schema of known words', foreign)
  if (schema.const !== undefined) return literal(at, schema.const)
  if (schema.enum !== undefined) return union(arrayAt(at, schema.enum).map((value) => literal(at, value)))
  if (schema.anyOf !== undefined)
    return union(arrayAt(at, schema.anyOf).map((each) => typeOf(objectAt(at, each), place)))
  switch (schema.type) {
    case undefined:
      return 'unknown'
    case 'string':
      return 'string'
    case 'integer':
    case 'number':
      return 'number'
    case 'boolean':
      return 'boolean'
    case 'null':
      return 'null'
    case 'array':
      return `readonly ${bracketed(typeOf(objectAt(at, schema.items), { ...place, at: `${at}[]` }))}[]`
    case 'object':
      return objectType(schema, place)
    default:
      throw new UnknownShape(at, 'a JSON type', schema.type)
  }
}

function objectType(schema: Schema, place: Place): string {
  const { at, input } = place
  const rest = schema.additionalProperties
  if (schema.properties === undefined) {
    const values = rest === undefined || rest === true ? {} : objectAt(at, rest)
    return `{ readonly [key: string]: ${typeOf(values, { ...place, at: `${at}.*` })} }`
  }
  const required = arrayAt(at, schema.required ?? [])
  const members = Object.entries(objectAt(at, schema.properties)).map(([name, raw]) => {
    const each = objectAt(`${at}.${name}`, raw)
    return member(name, typeOf(each, { ...place, at: `${at}.${name}` }), {
      optional: !required.includes(name),
      input,
      about: typeof each.description === 'string' ? each.description : undefined,
    })
  })
  return `{\n${indent(members.join('\n'))}\n}`
}

function member(
  name: string,
  type: string,
  { optional, input, about }: { optional: boolean; input: boolean; about?: string | undefined },
): string {
  const key = /^[A-Za-z_]\w*$/.test(name) ? name : `'${name}'`
  const comment = about === undefined ? '' : `/** ${about.replaceAll('*/', '* /')} */\n`
  return `${comment}readonly ${key}${optional ? '?' : ''}: ${type}${optional && input ? ' | undefined' : ''}`
}

/** What makes two schemas the same: everything but the order of their members. */
function keyOf(schema: unknown): string {
  return JSON.stringify(schema, (_key, value: unknown) =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
      : value,
  )
}

function literal(at: string, value: unknown): string {
  if (typeof value === 'string' && !/['\\\n]/.test(value)) return `'${value}'`
  if (typeof value === 'number' || typeof value === 'boolean' || value === null) return String(value)
  throw new UnknownShape(at, 'a plain value', value)
}

const union = (types: readonly string[]): string => [...new Set(types)].join(' | ')
const bracketed = (type: string): string => (type.includes(' | ') ? `(${type})` : type)
const indent = (text: string): string => text.replace(/^(?=.)/gm, '  ')

function objectAt(at: string, value: unknown): Schema {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new UnknownShape(at, 'an object', value)
  return value as Schema
}

function arrayAt(at: string, value: unknown): readonly unknown[] {
  if (!Array.isArray(value)) throw new UnknownShape(at, 'an array', value)
  return value
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  if (process.argv.includes('--check')) {
    const stale = await staleFiles()
    for (const path of stale) console.error(`${path} is stale: run tools/generate-sdk.ts`)
    process.exitCode = stale.length === 0 ? 0 : 1
  } else
    for (const [path, text] of await generate()) {
      await writeFile(join(root, path), text)
      console.log(path)
    }
}
