/**
 * The records of the wire, built as text in the order that Pantavisor needs.
 *
 * Pantavisor reads JSON flat: looking for `owner` it takes whatever follows the *first string equal to* `owner`, at any
 * depth, key or value. So order is part of the format, and a nick or a commit message can lie. Two rules follow:
 *
 *  - what Pantavisor looks for stands before every text that a person may choose;
 *  - what it looks for stands in an order in which no value can pose as a later key.
 *
 * A device record therefore begins `id prn owner challenge secret`: the first four hold nothing chosen by a person, and a
 * device may well be nicknamed `owner`. (Base puts `nick` third, and such a device believes itself claimed.) A step
 * begins `rev progress state`: `rev` is a number, `progress` was written by that same device and so holds no surprise
 * for it, and the state, the commit message and the meta, which an owner fills, come after. Only a commit message is then
 * left to be misread, when the state mentions `commit-msg`; it is for show.
 *
 * Base answers canonical JSON under `/trails/`, where the keys of a step would be sorted. The step here is canonical in
 * all its parts (the state above all, because it is signed) and in its spelling, but not in the order of its own keys;
 * every client of the wire reads those by name, or flat.
 */
import { canonicalJson } from './canonical.ts'
import type { JsonObject, JsonValue } from './json.ts'
import { type ObjectId24, type Rev, type Sha256, stepId } from './names.ts'
import { Prn } from './prn.ts'
import type { State } from './state.ts'

/** Go's zero time: "never" on the wire. */
export const zeroTime = '0001-01-01T00:00:00Z'
/** The progress time of a step that no device has reported on. */
export const epochTime = '1970-01-01T00:00:00Z'

/** What a device record tells. Times are RFC 3339 with fraction; keys left out are not sent. */
export interface DeviceRecord {
  readonly id: ObjectId24
  /** Prn of the owning account; `''` while unclaimed, and sent even then. */
  readonly owner: string
  readonly challenge?: string | undefined
  readonly secret?: string | undefined
  readonly nick: string
  readonly ownerNick?: string | undefined
  readonly timeCreated: string
  readonly timeModified: string
  readonly public: boolean
  readonly garbage: boolean
  readonly userMeta: JsonObject
  readonly deviceMeta: JsonObject
}

/** A device record as text. `challenge`, `secret` and `owner-nick` are left out when empty. */
export function deviceText(device: DeviceRecord): string {
  return members([
    ['id', device.id],
    ['prn', Prn.device(device.id)],
    ['owner', device.owner],
    ['challenge', device.challenge || undefined],
    ['secret', device.secret || undefined],
    ['time-created', device.timeCreated],
    ['time-modified', device.timeModified],
    ['public', device.public],
    ['garbage', device.garbage],
    ['mark_public_processed', false],
    ['nick', device.nick],
    ['owner-nick', device.ownerNick || undefined],
    ['user-meta', device.userMeta],
    ['device-meta', device.deviceMeta],
  ])
}

/** What a step tells. `progress` is the device's last report as it came, or `initialProgress()`. */
export interface StepRecord {
  readonly device: ObjectId24
  readonly rev: Rev
  readonly owner: string
  readonly committer: string
  readonly commitMsg: string
  readonly state: Pick<State, 'canonical' | 'sha'>
  readonly progress: JsonObject
  readonly meta: JsonObject
  readonly usedObjects: readonly string[]
  readonly stepTime: string
  readonly progressTime: string
  readonly timeCreated: string
  readonly timeModified: string
}

/** The keys of a step, in the order in which they are sent. */
export const stepKeys = [
  'rev',
  'progress',
  'state',
  'id',
  'owner',
  'device',
  'trail-id',
  'state-sha',
  'step-time',
  'progress-time',
  'time-created',
  'time-modified',
  'mark_public_processed',
  'garbage',
  'used_objects',
  'committer',
  'commit-msg',
  'meta',
] as const
export type StepKey = (typeof stepKeys)[number]

/**
 * A step as text. `keep` chooses keys (the `fields` of a query); the order stays. The state's canonical text is copied
 * in, never rendered again.
 */
export function stepText(step: StepRecord, keep: (key: StepKey) => boolean = () => true): string {
  const values: Record<Exclude<StepKey, 'state'>, JsonValue> = {
    rev: step.rev,
    progress: step.progress,
    id: stepId(step.device, step.rev),
    owner: step.owner,
    device: Prn.device(step.device),
    'trail-id': step.device,
    'state-sha': step.state.sha,
    'step-time': step.stepTime,
    'progress-time': step.progressTime,
    'time-created': step.timeCreated,
    'time-modified': step.timeModified,
    mark_public_processed: false,
    garbage: false,
    used_objects: step.usedObjects,
    committer: step.committer,
    'commit-msg': step.commitMsg,
    meta: step.meta,
  }
  const parts = stepKeys
    .filter(keep)
    .map((key) => `"${key}":${key === 'state' ? step.state.canonical : canonicalJson(values[key])}`)
  return `{${parts.join(',')}}`
}

/** What a trail tells. Its id is its device's. */
export interface TrailRecord {
  readonly device: ObjectId24
  readonly owner: string
  readonly lastInsync: string
  readonly lastTouched: string
  readonly factoryState: Pick<State, 'canonical'>
  readonly usedObjects: readonly string[]
}

/** A trail as canonical text, as Base answers it; Pantavisor looks only whether there is one. */
export function trailText(trail: TrailRecord): string {
  const parts = [
    ['device', canonicalJson(Prn.device(trail.device))],
    ['factory-state', trail.factoryState.canonical],
    ['id', canonicalJson(trail.device)],
    ['last-insync', canonicalJson(trail.lastInsync)],
    ['last-touched', canonicalJson(trail.lastTouched)],
    ['owner', canonicalJson(trail.owner)],
    ['used_objects', canonicalJson(trail.usedObjects)],
  ]
  return `{${parts.map(([key, text]) => `"${key}":${text}`).join(',')}}`
}

/** What an object record tells. The URLs are empty where the caller may not have them. */
export interface ObjectRecord {
  readonly sha: Sha256
  readonly storageId: Sha256
  readonly owner: string
  readonly objectName: string
  /** Bytes. */
  readonly size: number
  readonly mimeType: string
  readonly timeCreated: string
  readonly timeModified: string
  readonly putUrl: string
  readonly getUrl: string
  /** Whole seconds since 1970. */
  readonly now: number
}

/** An object record as text. `size`, `now` and `expire-time` are strings: pvr fails to read a number there. */
export function objectText(object: ObjectRecord): string {
  return members([
    ['id', object.sha],
    ['sha256sum', object.sha],
    ['size', String(object.size)],
    ['sizeint', object.size],
    ['signed-puturl', object.putUrl],
    ['signed-geturl', object.getUrl],
    ['storage-id', object.storageId],
    ['owner', object.owner],
    ['objectname', object.objectName],
    ['mime-type', object.mimeType],
    ['time-created', object.timeCreated],
    ['time-modified', object.timeModified],
    ['now', String(object.now)],
    ['expire-time', '15'],
  ])
}

/** What pvr needs to know before it clones from or posts to a trail. `base` is the public address, without a slash. */
export function pvrRemote({ base, device, rev }: { base: string; device: ObjectId24; rev: Rev }): JsonObject {
  const steps = `${base}/trails/${device}/steps`
  return {
    'pvr-spec': 'pvr-pantahub-1',
    'json-get-url': `${steps}/${rev}/state`,
    'json-key': 'state',
    'objects-endpoint': `${steps}/${rev}/objects`,
    'post-url': steps,
    'post-fields': ['commit-msg'],
    'post-fields-opt': ['rev'],
    'step-get-url': `${steps}/${rev}`,
  }
}

/**
 * Reads a reply as Pantavisor does: the raw token that follows the first string equal to `name`, wherever it stands and
 * whatever it is; undefined when there is none. Strings come without their quotes, other values as their text. For
 * simulated devices, and for tests of the order above.
 */
export function flatRead(text: string, name: string): string | undefined {
  const tokens = text.matchAll(flatTokens)
  for (const token of tokens) {
    if (token[1] !== name) continue
    const next = tokens.next().value
    if (next === undefined) return undefined
    const [word, string] = next
    return string ?? (word === '{' || word === '[' ? balanced(text, next.index) : word)
  }
  return undefined
}

/** A string (its inside captured), an opening bracket, or a bare word. */
const flatTokens = /"([^"\\]*(?:\\.[^"\\]*)*)"|[{[]|[^\s"{}[\],:]+/g

/** The text of the object or array that opens at `from`. */
function balanced(text: string, from: number): string {
  let level = 0
  for (const { 0: sign, index } of text.slice(from).matchAll(/"[^"\\]*(?:\\.[^"\\]*)*"|[{}[\]]/g)) {
    if (sign === '{' || sign === '[') level++
    else if (sign === '}' || sign === ']') level--
    if (level === 0) return text.slice(from, from + index + 1)
  }
  return text.slice(from)
}

/** An object's text in the order given, its values canonical; members that are undefined are left out. */
function members(entries: readonly (readonly [string, JsonValue | undefined])[]): string {
  const parts = entries.flatMap(([key, value]) =>
    value === undefined ? [] : [`"${key}":${canonicalJson(value)}`],
  )
  return `{${parts.join(',')}}`
}
