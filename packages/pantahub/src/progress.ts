/**
 * Progress: what a device says about a step.
 *
 * Each `PUT …/progress` replaces the whole document. Base knows five keys and drops the rest; Pantavisor sends others
 * (`retries`, `logs`) and reads `retries` back, so here the report is kept and answered as it came, and only what the
 * house needs is read out of it. Reading is lenient, because refusing a report would leave the device retrying for ever.
 */
import { describe, isJsonObject, type JsonObject } from './json.ts'
import type { StepStatus } from './status.ts'

/** Bytes on their way, as Pantavisor counts them; times are seconds since 1970. */
export interface DownloadProgress {
  readonly object_name: string
  readonly object_id: string
  readonly total_size: number
  readonly start_time: number
  readonly current_time: number
  readonly total_downloaded: number
}

/** The keys that clients of today send; others are kept too. */
export interface ProgressBody {
  readonly status: string
  readonly 'status-msg': string
  /** Percent, 0 to 100; Pantavisor's is fixed per status. */
  readonly progress: number
  readonly log?: string
  readonly downloads?: {
    readonly total: DownloadProgress
    readonly objects?: readonly DownloadProgress[] | null
  }
  /** Any JSON, kept as sent. Older Pantavisor: the retry count as a string. */
  readonly data?: unknown
  /** Pantavisor of today: how often this step was taken up; it reads the number back. */
  readonly retries?: number
  readonly logs?: unknown
}

export type ProgressParsed =
  | {
      readonly ok: true
      /** The body as it came: what later reads answer. */
      readonly report: JsonObject
      readonly status: string
      /** 0 to 100. */
      readonly percent: number
      readonly statusMsg: string
    }
  | { readonly ok: false; readonly refusal: ProgressRefusal }

export interface ProgressRefusal {
  readonly kind: 'not-an-object' | 'bad-status'
  readonly thing: string
  readonly wanted: string
  readonly got: string
}

/** Longest status word kept; those in use have at most twelve letters. */
export const statusLengthMax = 64

/** The percent that Pantavisor reports with each status, and our agent after it. */
export const statusPercent = {
  NEW: 0,
  QUEUED: 5,
  DOWNLOADING: 25,
  INPROGRESS: 50,
  TESTING: 75,
  UPDATED: 100,
  DONE: 100,
  CANCEL: 100,
} as const satisfies Partial<Record<StepStatus, number>>

/**
 * Reads a progress body. The report is the body itself, unknown keys and all; percent and message are read from the keys
 * of today or of the walkthrough (`message`), and fall back to 0 and `''`. A missing status is the empty word, as in
 * Base. Refuses only what is no object, and a status that is no word.
 */
export function parseProgress(value: unknown): ProgressParsed {
  if (!isJsonObject(value)) return refuse('not-an-object', 'progress', 'a JSON object', describe(value))
  const status = value.status ?? ''
  if (typeof status !== 'string' || status.length > statusLengthMax) {
    const wanted = `a word of at most ${statusLengthMax} characters`
    return refuse('bad-status', 'progress status', wanted, describe(status))
  }
  const message = value['status-msg'] ?? value.message
  const statusMsg = typeof message === 'string' ? message : ''
  return { ok: true, report: value, status, percent: percentOf(value.progress), statusMsg }
}

/** The progress of a step that no device has reported on yet, key for key as Base creates it. */
export function initialProgress(status: 'NEW' | 'DONE' = 'NEW'): JsonObject {
  const total = {
    object_name: '',
    object_id: '',
    total_size: 0,
    start_time: 0,
    current_time: 0,
    total_downloaded: 0,
  } satisfies DownloadProgress
  return {
    progress: statusPercent[status],
    downloads: { total, objects: null },
    'status-msg': '',
    status,
    log: '',
  }
}

function percentOf(raw: unknown): number {
  const percent = typeof raw === 'string' && raw.trim() !== '' ? Number(raw) : raw
  return typeof percent === 'number' && percent >= 0 ? Math.min(percent, 100) : 0
}

function refuse(kind: ProgressRefusal['kind'], thing: string, wanted: string, got: string): ProgressParsed {
  return { ok: false, refusal: { kind, thing, wanted, got } }
}
