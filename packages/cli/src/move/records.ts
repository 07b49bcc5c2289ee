/**
 * What is moved, and how it is read out of a Pantahub server's answers. Pure: a record in, ours out, or a few words on
 * why it cannot be. Times are RFC 3339 in UTC; the zero times of both ages mean that something has not happened.
 */
import { isJsonObject, parseProgress, parseState } from '@waymark/pantahub'

/** A device, as far as it is moved. */
export interface MovedDevice {
  readonly id: string
  readonly nick: string
  /** Absent where the source does not show it. */
  readonly secret?: string
  readonly public: boolean
  readonly userMeta: JsonRecord
  readonly deviceMeta: JsonRecord
  readonly createdAt: string
}

export interface MovedStep {
  readonly rev: number
  readonly commitMsg: string
  readonly committer: string
  readonly status: string
  /** The progress as the device told it; absent: it has not spoken. */
  readonly report?: JsonRecord
  readonly reportedAt?: string
  readonly createdAt: string
  readonly meta: JsonRecord
  /** As the source counts it. */
  readonly stateSha: string
  readonly state: JsonRecord
}

export interface MovedObject {
  readonly sha256: string
  readonly size: number
  readonly name: string
  readonly mimeType: string
  readonly getUrl: string
}

export type JsonRecord = Readonly<Record<string, unknown>>

const idForm = /^[0-9a-f]{24}$/
const shaForm = /^[0-9a-f]{64}$/

/** Whether a step in this status may still change at the source. */
export function mayChange(status: string): boolean {
  return !['DONE', 'UPDATED', 'WONTGO', 'ERROR', 'CANCEL', 'CANCELLED', 'ABORTED'].includes(status)
}

/** A device record; undefined for one that was deleted, a text for what is none. */
export function deviceOf(row: unknown): MovedDevice | string | undefined {
  if (!isRecord(row)) return `wanted a device, got ${describeJson(row)}`
  if (row.garbage === true) return undefined
  const { id, nick, secret } = row
  if (typeof id !== 'string' || !idForm.test(id))
    return `wanted a device with an id of 24 hex digits, got ${describeJson(id)}`
  if (typeof nick !== 'string' || nick === '' || nick.length > 128)
    return `device ${id}: wanted a nick of at most 128 characters, got ${describeJson(nick)}`
  return {
    id,
    nick,
    ...(typeof secret === 'string' && secret !== '' && secret.length <= 256 ? { secret } : {}),
    public: row.public === true,
    userMeta: isRecord(row['user-meta']) ? row['user-meta'] : {},
    deviceMeta: isRecord(row['device-meta']) ? row['device-meta'] : {},
    createdAt: timeOf(row['time-created']) ?? timeOf(row['time-modified']) ?? beginning,
  }
}

/** A step record, which has to be the one that was asked for; a text for what is none. */
export function stepOf(row: unknown, rev: number): MovedStep | string {
  if (!isRecord(row)) return `wanted a step, got ${describeJson(row)}`
  if (row.rev !== rev) return `wanted rev ${rev}, got ${describeJson(row.rev)}`
  const { state, progress } = row
  if (!isRecord(state)) return `wanted a state, got ${describeJson(state)}`
  const told = parseProgress(progress)
  const status = told.ok && told.status !== '' ? told.status : 'NEW'
  const reportedAt = timeOf(row['progress-time'])
  const createdAt = timeOf(row['step-time']) ?? timeOf(row['time-created']) ?? beginning
  return {
    rev,
    commitMsg: textOf(row['commit-msg'], 16_384),
    committer: textOf(row.committer, 512),
    status,
    ...(told.ok && status !== 'NEW'
      ? { report: told.report, ...(reportedAt === undefined ? {} : { reportedAt }) }
      : {}),
    createdAt,
    meta: isRecord(row.meta) ? row.meta : {},
    stateSha: textOf(row['state-sha'], 64),
    state,
  }
}

/** An object record, which has to be the one that was asked for; a text for what is none. */
export function objectOf(row: unknown, sha256: string): MovedObject | string {
  if (!isRecord(row)) return `wanted an object, got ${describeJson(row)}`
  if (row.sha256sum !== sha256) return `wanted the object itself, got ${describeJson(row.sha256sum)}`
  const size = Number(row.sizeint ?? row.size ?? Number.NaN)
  if (!Number.isSafeInteger(size) || size < 0) return `wanted a size, got ${describeJson(row.size)}`
  const getUrl = row['signed-geturl']
  if (typeof getUrl !== 'string' || getUrl.length > 8192)
    return `wanted a signed-geturl, got ${describeJson(getUrl)}`
  return {
    sha256,
    size,
    name: textOf(row.objectname, 1024),
    mimeType: textOf(row['mime-type'], 128),
    getUrl,
  }
}

/** The objects of a state: those it needs, and those that `.json` paths may mean; or why it is no state. */
export function objectsIn(
  state: JsonRecord,
): { readonly needed: readonly string[]; readonly perhaps: readonly string[] } | string {
  if (!isJsonObject(state)) return 'wanted a state, got something else'
  const parsed = parseState(state)
  if (!parsed.ok) return `${parsed.refusal.thing}: wanted ${parsed.refusal.wanted}, got ${parsed.refusal.got}`
  const { objects, looseObjects } = parsed.state
  const needed = new Set<string>(objects.map(({ sha }) => sha))
  const perhaps = new Set<string>(looseObjects.map(({ sha }) => sha))
  return { needed: [...needed], perhaps: [...perhaps].filter((sha) => !needed.has(sha)) }
}

export function isRecord(value: unknown): value is JsonRecord {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

export const isId = (text: string): boolean => idForm.test(text)
export const isSha = (text: string): boolean => shaForm.test(text)

/** A value in a few words, whatever its size. */
export function describeJson(value: unknown): string {
  if (value === undefined) return 'nothing'
  if (Array.isArray(value)) return `an array of ${value.length}`
  if (isRecord(value)) return `an object of ${Object.keys(value).length} members`
  return JSON.stringify(value).slice(0, 80)
}

const beginning = '1970-01-01T00:00:00.000Z'

/** A time with thousandths, as all of ours; undefined for what is none, and for the zero times. */
function timeOf(raw: unknown): string | undefined {
  if (typeof raw !== 'string' || raw.length > 64) return undefined
  if (!/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/.test(raw)) return undefined
  const at = Date.parse(raw)
  return Number.isNaN(at) || at <= 0 ? undefined : new Date(at).toISOString()
}

function textOf(raw: unknown, lengthMax: number): string {
  return typeof raw === 'string' ? raw.slice(0, lengthMax) : ''
}
