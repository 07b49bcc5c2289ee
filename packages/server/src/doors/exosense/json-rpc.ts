/**
 * JSON-RPC 2.0 as Exosense's clients speak it: texts in, texts out, no command known here.
 *
 * Tolerances that clients rely on: `jsonrpc` may be missing or spelt `json-rpc`; an id may be null, and is answered; numbers
 * of any size come back as they were. Unlike 1.x, a request without an id is a notification and is not answered, and
 * parameters in an array are refused as such.
 */
import {
  defaultJsonLimits,
  JsonDecimal,
  type JsonObject,
  type JsonValue,
  parseJson,
  printJson,
} from '@waymark/yang'

/** One request of a body, in its place. */
export interface RpcRequest {
  readonly method: string
  readonly params: JsonObject
  /** Absent: a notification, which is not answered. */
  readonly id?: JsonValue
}

export interface RpcError {
  readonly code: number
  readonly message: string
  readonly data?: JsonValue
}

/** A result, in the order in which its members are written; or an error. */
export type RpcOutcome = { readonly result: JsonValue } | { readonly error: RpcError }

export const rpcErrors = {
  parse: { code: -32700, message: 'parse error' },
  invalidRequest: { code: -32600, message: 'invalid request' },
  methodNotFound: { code: -32601, message: 'method not found' },
  invalidParams: { code: -32602, message: 'invalid params' },
  internal: { code: -32603, message: 'internal error' },
  permissionDenied: { code: -32000, message: 'permission denied' },
  unsupported: { code: -32001, message: 'unsupported' },
} as const

/** An error of the table, with what it is about. */
export function rpcError(of: keyof typeof rpcErrors, data?: string): { readonly error: RpcError } {
  return { error: { ...rpcErrors[of], ...(data === undefined ? {} : { data }) } }
}

/** The answer to a body that no request could be read from. */
export function parseErrorBody(data: string): string {
  return write(null, rpcError('parse', data))
}

/** Most requests in one body. */
export const batchMax = 10_000
/** Values in one body, at every level: ten for each request of the longest batch. Reading more would hold up others. */
export const valuesMax = 100_000
const limits = { ...defaultJsonLimits, values: valuesMax }

/**
 * Answers a whole body: one request or a batch, in order. Undefined when there is nothing to answer. `run` is asked one
 * request at a time and never throws for a caller's mistake; what it throws is answered as an internal error by `failed`.
 */
export async function answerBody(
  text: string,
  run: (request: RpcRequest) => Promise<RpcOutcome>,
  failed: (error: unknown, request: RpcRequest) => void,
): Promise<string | undefined> {
  const parsed = parseJson(text, limits)
  if (!parsed.ok) {
    const { line, column, expected, found } = parsed
    return write(null, rpcError('parse', `line ${line}, column ${column}: wanted ${expected}, got ${found}`))
  }
  const { value } = parsed
  if (!Array.isArray(value)) return answerOne(value, run, failed)
  if (value.length === 0) return write(null, rpcError('invalidRequest', 'an empty batch'))
  if (value.length > batchMax)
    return write(null, rpcError('invalidRequest', `at most ${batchMax} requests at once`))
  const answers: string[] = []
  for (const element of value) {
    const answer = await answerOne(element, run, failed)
    if (answer !== undefined) answers.push(answer)
    // Others have their turn after each, answered or not: what is asked may be quick, or a list of a thousand devices.
    await new Promise((resolve) => setImmediate(resolve))
  }
  return answers.length === 0 ? undefined : `[${answers.join(',')}]`
}

async function answerOne(
  value: JsonValue,
  run: (request: RpcRequest) => Promise<RpcOutcome>,
  failed: (error: unknown, request: RpcRequest) => void,
): Promise<string | undefined> {
  const request = requestOf(value)
  if ('error' in request) return write(request.id, request)
  let outcome: RpcOutcome
  try {
    outcome = await run(request)
  } catch (error) {
    failed(error, request)
    outcome = rpcError('internal')
  }
  return request.id === undefined ? undefined : write(request.id, outcome)
}

function requestOf(value: JsonValue): RpcRequest | { readonly error: RpcError; readonly id: JsonValue } {
  if (!isJsonObject(value)) return { ...rpcError('invalidRequest', 'wanted an object'), id: null }
  const { id, method, params } = value
  const version = value.jsonrpc ?? value['json-rpc']
  const invalid = (why: string) => ({ ...rpcError('invalidRequest', why), id: isId(id) ? id : null })
  if (id !== undefined && !isId(id)) return invalid('id: wanted a text, a number or null')
  if (version !== undefined && version !== '2.0') return invalid('jsonrpc: wanted "2.0"')
  if (typeof method !== 'string') return invalid('method: wanted a text')
  if (params !== undefined && params !== null && !isJsonObject(params))
    return { ...rpcError('invalidParams', 'params: wanted an object'), id: id ?? null }
  return { method, params: isJsonObject(params) ? params : {}, ...(id === undefined ? {} : { id }) }
}

/** Replies have `result`, `id`, `jsonrpc` in this order; errors `id`, `error`, `jsonrpc`: some clients match them as texts. */
function write(id: JsonValue, outcome: RpcOutcome): string {
  if ('result' in outcome)
    return `{"result":${printJson(outcome.result)},"id":${printJson(id)},"jsonrpc":"2.0"}`
  const { code, message, data } = outcome.error
  const error: JsonObject = data === undefined ? { code, message } : { code, message, data }
  return `{"id":${printJson(id)},"error":${printJson(error)},"jsonrpc":"2.0"}`
}

function isId(value: JsonValue | undefined): value is JsonValue {
  return (
    value === null ||
    typeof value === 'string' ||
    typeof value === 'number' ||
    typeof value === 'bigint' ||
    value instanceof JsonDecimal
  )
}

export function isJsonObject(value: JsonValue | undefined): value is JsonObject {
  return (
    typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof JsonDecimal)
  )
}
