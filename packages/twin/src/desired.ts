/**
 * What the service wants of the device: the desired half of the twin, read into something that can be done.
 *
 *     hold       false hands the device back to its built-in client; anything else holds it
 *     revision   { state, objects: { sha256: url }, message, commit, attempt }: the whole state of a local revision
 *     userMeta   { key: value }: put into user-meta; `null` removes
 *
 * A twin merges what it is sent, so a state given as an object keeps what an earlier one had until that is set to `null`;
 * given as text (one JSON document in a string) it is replaced as a whole.
 *
 * A revision is named by the hash of its state, so the same is never run twice by accident. One that failed is not tried
 * again until its section changes; `attempt` is there to be counted up for that. Pure.
 */
import { createHash } from 'node:crypto'
import { isObject, type Json, type JsonObject } from './topics.ts'

export const desiredLimits = { objects: 1024, urlLength: 4096, keys: 256 }

export interface Wanted {
  readonly hold: boolean
  readonly revision: WantedRevision | undefined
  readonly userMeta: JsonObject
}

export interface WantedRevision {
  /** `locals/<sha256 of the state>`. */
  readonly name: string
  readonly stateText: string
  /** Where the bytes of objects are, by sha256. */
  readonly objects: ReadonlyMap<string, string>
  readonly message: string
  /** Run it by a fresh start of the device, so that it ends DONE. */
  readonly commit: boolean
  /** The same for the same wish: state and attempt. */
  readonly key: string
}

export type WantedRead =
  | { readonly ok: true; readonly wanted: Wanted }
  | { readonly ok: false; readonly why: string }

/**
 * Reads the desired half. `self` is the container this program runs as: a revision without it would be the last one that
 * the twin ever saw, and is refused.
 */
export function readWanted(desired: JsonObject, self: string | undefined): WantedRead {
  const userMeta = desired.userMeta ?? {}
  if (!isObject(userMeta) || Object.keys(userMeta).length > desiredLimits.keys)
    return { ok: false, why: `userMeta: wanted an object of at most ${desiredLimits.keys} keys` }
  const read = readRevision(desired.revision, self)
  if (typeof read === 'string') return { ok: false, why: read }
  return { ok: true, wanted: { hold: desired.hold !== false, revision: read, userMeta } }
}

function readRevision(raw: Json | undefined, self: string | undefined): WantedRevision | undefined | string {
  if (raw === undefined) return undefined
  if (!isObject(raw)) return 'revision: wanted an object'
  const { objects = {}, message = '', commit = false, attempt = 0 } = raw
  const state = stateOf(raw.state)
  if (!isObject(state)) return 'revision.state: wanted an object, or one as text'
  if (self !== undefined && !isObject(state[`${self}/run.json`]))
    return `revision.state: wanted ${self}/run.json, without which the twin would lose the device`
  if (!isObject(objects) || Object.keys(objects).length > desiredLimits.objects)
    return `revision.objects: wanted an object of at most ${desiredLimits.objects} addresses`
  const addresses = new Map<string, string>()
  for (const [sha, address] of Object.entries(objects)) {
    const url =
      typeof address === 'string' && address.length <= desiredLimits.urlLength ? URL.parse(address) : null
    if (!/^[0-9a-f]{64}$/.test(sha)) return `revision.objects ${sha.slice(0, 70)}: wanted a sha256`
    if (!url || !/^https?:$/.test(url.protocol))
      return `revision.objects ${sha}: wanted an http or https address`
    addresses.set(sha, url.href)
  }
  if (typeof message !== 'string' || Buffer.byteLength(message) > 256)
    return 'revision.message: wanted a text of at most 256 bytes'
  if (typeof commit !== 'boolean') return 'revision.commit: wanted true or false'
  const stateText = JSON.stringify(sorted(state))
  const hash = createHash('sha256').update(stateText).digest('hex')
  return {
    name: `locals/${hash}`,
    stateText,
    objects: addresses,
    message,
    commit,
    key: `${hash} ${JSON.stringify(attempt)}`,
  }
}

function stateOf(raw: Json | undefined): unknown {
  if (typeof raw !== 'string') return raw
  try {
    return JSON.parse(raw)
  } catch {
    return undefined
  }
}

/** Members in one order, whatever order a hub keeps them in: the hash is of the content. */
function sorted(value: Json): Json {
  if (Array.isArray(value)) return value.map(sorted)
  if (!isObject(value)) return value
  return Object.fromEntries(
    Object.keys(value)
      .sort()
      .map((key) => [key, sorted(value[key] ?? null)]),
  )
}

/** The objects that a state names: values that are a sha256, by the form Pantavisor's states have. */
export function objectsOf(stateText: string): readonly string[] {
  const state: unknown = JSON.parse(stateText)
  const values = isObject(state) ? Object.values(state) : []
  return [
    ...new Set(
      values.filter((value): value is string => typeof value === 'string' && /^[0-9a-f]{64}$/.test(value)),
    ),
  ]
}
