/**
 * Bodies, as strangers send them. Pantahub Base treats a body that is no JSON as if it were empty wherever nothing
 * depends on it, and clients rely on that (a claim has no body, pvr says `application/json` all the same). Where
 * something does depend on it, the sender is told what was wanted.
 */
import { ok, type Result } from '@waymark/domain'
import { isJsonObject, type JsonObject, type JsonValue, parseJson } from '@waymark/pantahub'
import { type BadValue, badValue } from './errors.ts'

/** Any JSON; a missing body is refused like a malformed one. */
export function jsonOf(body: Buffer | undefined, thing: string): Result<JsonValue, BadValue> {
  if (body === undefined || body.length === 0) return badValue(thing, 'JSON', 'no body')
  const parsed = parseJson(body.toString('utf8'))
  if (parsed.ok) return ok(parsed.value)
  return badValue(`${thing} at character ${parsed.at}`, parsed.wanted, parsed.got)
}

/** A JSON object, or why it is none. */
export function objectOf(body: Buffer | undefined, thing: string): Result<JsonObject, BadValue> {
  const json = jsonOf(body, thing)
  if (!json.ok) return json
  return isJsonObject(json.value) ? ok(json.value) : badValue(thing, 'a JSON object', described(json.value))
}

/** A JSON object if it is one, else an empty one. */
export function objectOrEmpty(body: Buffer | undefined): JsonObject {
  const json = objectOf(body, 'body')
  return json.ok ? json.value : {}
}

/** A text under a key: undefined when absent, null or empty; refused when it is something else or too long. */
export function textAt(
  from: JsonObject,
  key: string,
  lengthMax = 4096,
): Result<string | undefined, BadValue> {
  const value = from[key]
  if (value === undefined || value === null || value === '') return ok(undefined)
  if (typeof value !== 'string') return badValue(key, 'a text', described(value))
  if (value.length > lengthMax)
    return badValue(key, `at most ${lengthMax} characters`, `${value.length} characters`)
  return ok(value)
}

/** An object under a key: undefined when absent or null; refused when it is something else. */
export function objectAt(from: JsonObject, key: string): Result<JsonObject | undefined, BadValue> {
  const value = from[key]
  if (value === undefined || value === null) return ok(undefined)
  return isJsonObject(value) ? ok(value) : badValue(key, 'a JSON object', described(value))
}

/** A value in a few words. */
export function described(value: unknown): string {
  if (typeof value === 'string') return value.length > 80 ? `"${value.slice(0, 80)}…"` : `"${value}"`
  if (Array.isArray(value)) return `an array of ${value.length}`
  if (typeof value === 'object' && value !== null) return `an object of ${Object.keys(value).length} keys`
  return value === undefined ? 'nothing' : String(value)
}
