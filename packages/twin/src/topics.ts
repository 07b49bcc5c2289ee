/**
 * The topics of a device twin, in the conventions of Azure IoT Hub over MQTT 3.1.1, and its payloads.
 *
 * Pure. `?$rid=R` is text of the topic, not a query: it is written and read here and nowhere else. A hub that is none of
 * Azure's answers in the same topics, or it is not understood.
 */

/** JSON as it comes off the wire. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json }
export type JsonObject = { readonly [key: string]: Json }

export const subscriptions = [
  '$iothub/twin/res/#',
  '$iothub/twin/PATCH/properties/desired/#',
  '$iothub/methods/POST/#',
] as const

export const getTopic = (rid: string): string => `$iothub/twin/GET/?$rid=${rid}`
export const reportTopic = (rid: string): string => `$iothub/twin/PATCH/properties/reported/?$rid=${rid}`
export const methodAnswerTopic = (status: number, rid: string): string =>
  `$iothub/methods/res/${status}/?$rid=${rid}`

/** What a topic says. `version` is that of the half it speaks of; `retryAfterMs` only with 429. */
export type FromHub =
  | {
      readonly kind: 'answer'
      readonly status: number
      readonly rid: string
      readonly version: number | undefined
      readonly retryAfterMs: number | undefined
    }
  | { readonly kind: 'desired'; readonly version: number | undefined }
  | { readonly kind: 'method'; readonly name: string; readonly rid: string }

/** Reads a topic; undefined when it is none of a twin's. */
export function parseTopic(topic: string): FromHub | undefined {
  const [path = '', ...rest] = topic.split('?')
  const properties = new Map(
    rest
      .join('?')
      .split('&')
      .map((pair) => {
        const at = pair.indexOf('=')
        return at < 0 ? [pair, ''] : [pair.slice(0, at), pair.slice(at + 1)]
      }),
  )
  const number = (name: string): number | undefined => {
    const text = properties.get(name)
    return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : undefined
  }
  const rid = properties.get('$rid')
  const [, status] = /^\$iothub\/twin\/res\/(\d{3})\/$/.exec(path) ?? []
  if (status !== undefined && rid !== undefined) {
    const seconds = number('Retry-After') ?? number('retry-after')
    return {
      kind: 'answer',
      status: Number(status),
      rid,
      version: number('$version'),
      retryAfterMs: seconds === undefined ? undefined : Math.min(seconds, 3600) * 1000,
    }
  }
  if (path === '$iothub/twin/PATCH/properties/desired/')
    return { kind: 'desired', version: number('$version') }
  const [, name] = /^\$iothub\/methods\/POST\/([^/]{1,100})\/$/.exec(path) ?? []
  return name !== undefined && rid !== undefined ? { kind: 'method', name, rid } : undefined
}

export const isObject = (raw: unknown): raw is JsonObject =>
  typeof raw === 'object' && raw !== null && !Array.isArray(raw)

/** Reads a payload that has to be a JSON object; an empty one is an empty object. */
export function parseObject(bytes: Uint8Array): JsonObject | undefined {
  const text = Buffer.from(bytes).toString('utf8')
  if (text === '') return {}
  try {
    const raw: unknown = JSON.parse(text)
    return isObject(raw) ? raw : undefined
  } catch {
    return undefined
  }
}

/** Lays a merge patch over a document: `null` deletes, objects merge, all else replaces (RFC 7396). */
export function merge(document: Json | undefined, patch: Json): Json {
  if (!isObject(patch)) return patch
  const merged = new Map<string, Json>(Object.entries(isObject(document) ? document : {}))
  for (const [key, value] of Object.entries(patch)) {
    if (key === '__proto__') continue
    if (value === null) merged.delete(key)
    else merged.set(key, merge(merged.get(key), value))
  }
  return Object.fromEntries(merged)
}

/** The merge patch that leads from one document to another; undefined when they are the same. */
export function patchFrom(before: JsonObject, after: JsonObject): JsonObject | undefined {
  const patch: Record<string, Json> = {}
  for (const key of Object.keys(before)) if (!(key in after) && !key.startsWith('$')) patch[key] = null
  for (const [key, value] of Object.entries(after)) {
    const old = before[key]
    if (isObject(value) && isObject(old)) {
      const inner = patchFrom(old, value)
      if (inner) patch[key] = inner
    } else if (JSON.stringify(old) !== JSON.stringify(value)) patch[key] = value
  }
  return Object.keys(patch).length === 0 ? undefined : patch
}
