/**
 * JSON-RPC 2.0 as devices speak it: a body to calls, results to a body. Pure.
 *
 * `jsonrpc` may be missing or be spelt `json-rpc`; an id keeps its type; a call without one is carried out and not
 * answered. Members of an answer stand in the order in which old clients search for them as text: result, id, jsonrpc.
 */
import { JsonDecimal, type JsonObject, type JsonValue, parseJson, printJson } from '@waymark/yang'
import type { UpAnswer } from '../link.ts'

export interface DeviceCall {
  readonly module: string
  readonly method: string
  readonly params: JsonObject
  /** Absent: nobody wants an answer. */
  readonly id?: JsonValue
}

/** What is answered to one call. */
export type Said =
  | { readonly result: JsonValue; readonly id: JsonValue }
  | { readonly error: CallError; readonly id: JsonValue }

export interface CallError {
  readonly code: number
  readonly message: string
  readonly data?: string
}

export type ReadCall = { readonly call: DeviceCall } | { readonly refused: Said }

/** Calls in one body; more are refused whole. */
export const batchMax = 50

const errors = {
  parse: { code: -32700, message: 'parse error' },
  request: { code: -32600, message: 'invalid request' },
  method: { code: -32601, message: 'method not found' },
  params: { code: -32602, message: 'invalid params' },
  internal: { code: -32603, message: 'internal error' },
  busy: { code: -32000, message: 'too many calls' },
} as const satisfies Record<string, CallError>

/** The calls of a body, and whether they came as a batch. */
export function readBody(text: string): { readonly calls: readonly ReadCall[]; readonly isBatch: boolean } {
  const parsed = parseJson(text, { length: text.length, depth: 100 })
  if (!parsed.ok) return { calls: [refused(errors.parse, null)], isBatch: false }
  if (!Array.isArray(parsed.value)) return { calls: [readCall(parsed.value)], isBatch: false }
  if (parsed.value.length === 0 || parsed.value.length > batchMax)
    return { calls: [refused(errors.request, null)], isBatch: false }
  return { calls: parsed.value.map(readCall), isBatch: true }
}

function readCall(value: JsonValue): ReadCall {
  if (!isJsonObject(value)) return refused(errors.request, null)
  const id = value.id
  const known = id ?? null
  if (typeof known === 'object' && known !== null && !(known instanceof JsonDecimal))
    return refused(errors.request, null)
  const version = value.jsonrpc ?? value['json-rpc'] ?? '2.0'
  if (version !== '2.0' || typeof value.method !== 'string') return refused(errors.request, known)
  const params = value.params ?? {}
  if (!isJsonObject(params)) return refused({ ...errors.params, data: 'params: wanted an object' }, known)
  const colon = value.method.indexOf(':')
  if (colon <= 0) return refused({ ...errors.method, data: value.method }, known)
  const module = value.method.slice(0, colon)
  const method = value.method.slice(colon + 1)
  return { call: { module, method, params, ...(id === undefined ? {} : { id }) } }
}

function isJsonObject(value: JsonValue): value is JsonObject {
  return (
    typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof JsonDecimal)
  )
}

function refused(error: CallError, id: JsonValue): ReadCall {
  return { refused: { error, id } }
}

/** What the house answered, as the device hears it. */
export function saidOf(answer: UpAnswer, { module, method, id = null }: DeviceCall): Said {
  switch (answer.kind) {
    case 'taken':
      return { result: 'ok', id }
    case 'output':
      return { result: answer.described.output.length === 0 ? 'ok' : answer.output, id }
    case 'refused': {
      const data = answer.detail
      if (answer.reason === 'not-defined')
        return { error: { ...errors.method, data: `${module}:${method}` }, id }
      if (answer.reason === 'bad-params') return { error: { ...errors.params, data }, id }
      return { error: { ...(answer.reason === 'too-many' ? errors.busy : errors.internal), data }, id }
    }
  }
}

/** A parameter of ours that is no number in its range. */
export function badParameter(name: string, id: JsonValue): Said {
  return { error: { ...errors.params, data: `${name}: wanted a whole number from 0` }, id }
}

/** The body of an answer; undefined where nobody wants one. */
export function writeBody(said: readonly Said[], isBatch: boolean): string | undefined {
  const texts = said.map((one) => printJson(ordered(one)))
  if (isBatch) return texts.length === 0 ? undefined : `[${texts.join(',')}]`
  return texts[0]
}

function ordered(said: Said): JsonObject {
  if ('result' in said) return { result: said.result, id: said.id, jsonrpc: '2.0' }
  const { code, message, data } = said.error
  return { id: said.id, error: { code, message, ...(data === undefined ? {} : { data }) }, jsonrpc: '2.0' }
}
