/**
 * The hub's replies, parsed once: what the agent needs of a device record, a trail, a step, an object record.
 *
 * Each parser takes `unknown` and gives the typed thing or undefined; members that the agent does not use
 * are not looked at, so a hub may send more. Shapes as Pantahub Base serves them.
 */
import type { Json } from './ports.ts'

/** A device record, as far as the agent cares. `owner` is empty until the device is claimed. */
export interface DeviceRecord {
  readonly id: string
  readonly prn: string
  readonly owner: string
  readonly nick: string
  readonly challenge: string
  /** Only the registering reply has it. */
  readonly secret: string
}

/** A step that the hub offers. The state is still unjudged. */
export interface OfferedStep {
  readonly rev: number
  readonly status: string
  readonly message: string
  readonly state: unknown
}

/** Where an object's bytes are and how many there are. */
export interface ObjectRecord {
  readonly sha: string
  readonly size: number
  readonly getUrl: string
}

/** A progress as the agent sends it; it replaces whatever the hub had. */
export interface Progress {
  readonly status:
    | 'QUEUED'
    | 'DOWNLOADING'
    | 'INPROGRESS'
    | 'TESTING'
    | 'DONE'
    | 'UPDATED'
    | 'WONTGO'
    | 'ERROR'
  readonly 'status-msg': string
  readonly progress: number
  readonly retries: number
  readonly downloads?: { readonly total: DownloadTotal }
  readonly data?: Json
  /** The last lines of what failed. */
  readonly logs?: string
}

/** Figures of a download; times are whole seconds since 1970, sizes bytes. */
export interface DownloadTotal {
  readonly object_name: string
  readonly object_id: string
  readonly total_size: number
  readonly start_time: number
  readonly current_time: number
  readonly total_downloaded: number
}

/** One line of a log as the hub takes it. */
export interface LogEntry {
  readonly src: string
  readonly msg: string
  readonly lvl: string
  readonly tsec: number
  readonly tnano: number
  readonly rev: string
  readonly plat: string
}

export type JsonObject = { readonly [key: string]: unknown }

/** Narrows to a JSON object (not an array, not null). */
export function asObject(raw: unknown): JsonObject | undefined {
  return typeof raw === 'object' && raw !== null && !Array.isArray(raw) ? (raw as JsonObject) : undefined
}

const text = (raw: unknown): string => (typeof raw === 'string' ? raw : '')

/** 64 lower-case hex digits. */
export const isSha = (raw: unknown): raw is string => typeof raw === 'string' && /^[0-9a-f]{64}$/.test(raw)

/** An id that may stand in a path of a request: nothing that could lead elsewhere. */
const isPlainId = (raw: string): boolean => /^[A-Za-z0-9_-]{1,128}$/.test(raw)

/** Refuses a record without a usable `id` and `prn`. */
export function parseDeviceRecord(raw: unknown): DeviceRecord | undefined {
  const record = asObject(raw)
  if (!record) return undefined
  const id = text(record.id)
  const prn = text(record.prn)
  if (!isPlainId(id) || !prn.startsWith('prn:')) return undefined
  return {
    id,
    prn,
    owner: text(record.owner),
    nick: text(record.nick),
    challenge: text(record.challenge),
    secret: text(record.secret),
  }
}

/** The ids of a list of trails. */
export function parseTrails(raw: unknown): readonly string[] | undefined {
  if (!Array.isArray(raw)) return undefined
  const ids = raw.map((trail: unknown) => text(asObject(trail)?.id))
  return ids.includes('') ? undefined : ids
}

/** Refuses a step without a whole, non-negative `rev`. */
export function parseStep(raw: unknown): OfferedStep | undefined {
  const step = asObject(raw)
  if (!step || typeof step.rev !== 'number' || !Number.isSafeInteger(step.rev) || step.rev < 0)
    return undefined
  return {
    rev: step.rev,
    status: text(asObject(step.progress)?.status),
    message: text(step['commit-msg']),
    state: step.state,
  }
}

/** A list of steps; one unreadable step spoils the list. */
export function parseSteps(raw: unknown): readonly OfferedStep[] | undefined {
  if (!Array.isArray(raw)) return undefined
  const steps: OfferedStep[] = []
  for (const each of raw) {
    const step = parseStep(each)
    if (!step) return undefined
    steps.push(step)
  }
  return steps
}

/** `size` is a decimal text on the wire; a number is taken as well. */
export function parseObjectRecord(raw: unknown): ObjectRecord | undefined {
  const record = asObject(raw)
  if (!record || !isSha(record.sha256sum)) return undefined
  const size = typeof record.size === 'string' && record.size !== '' ? Number(record.size) : record.size
  if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0) return undefined
  const getUrl = text(record['signed-geturl'])
  return getUrl === '' ? undefined : { sha: record.sha256sum, size, getUrl }
}

/** The token of a login reply. */
export function parseToken(raw: unknown): string | undefined {
  const token = text(asObject(raw)?.token)
  return token === '' ? undefined : token
}
