/**
 * What the device says back: the reported half of the twin, made from what its control socket shows.
 *
 * Pure. `revision` carries the acknowledgement of a wish as Azure's plug-and-play has it (`ac`, `ad`, `av`), so that a
 * service can tell an answer to its newest wish from one to an older.
 */
import type { Attempt } from './memory.ts'
import { isObject, type Json, type JsonObject } from './topics.ts'

/** What was read at the socket; undefined where it did not answer. */
export interface Seen {
  readonly containers: unknown
  readonly deviceMeta: unknown
  readonly progress: unknown
}

/** A wish that could not be read, or a device that could not be held or handed back. */
export interface Complaint {
  readonly version: number
  readonly why: string
}

/** Facts that tick: reporting them would be a report a second. */
const restless: readonly string[] = ['time', 'sysinfo', 'storage', 'interfaces']

export function reportedOf(
  seen: Seen,
  attempt: Attempt | undefined,
  complaint: Complaint | undefined,
  held: boolean | undefined,
): JsonObject {
  const meta = isObject(seen.deviceMeta) ? seen.deviceMeta : {}
  const containers = Array.isArray(seen.containers) ? seen.containers.filter(isObject) : []
  return {
    ...(held === undefined ? {} : { hold: held }),
    running: String(meta['pantavisor.revision'] ?? ''),
    mode: String(meta['pantavisor.mode'] ?? ''),
    containers: Object.fromEntries(
      containers.map(({ name, status, status_goal: goal }) => [
        keyOf(String(name)),
        { status: String(status), goal: String(goal) },
      ]),
    ),
    device: Object.fromEntries(
      Object.entries(meta)
        .filter(([key]) => !restless.includes(key))
        .map(([key, value]) => [keyOf(key), value]),
    ),
    ...(attempt ? { revision: revisionOf(attempt, seen.progress) } : {}),
    ...(complaint ? { complaint: { ac: 400, ad: complaint.why, av: complaint.version } } : {}),
  }
}

function revisionOf(attempt: Attempt, progress: unknown): Json {
  const percent = isObject(progress) && typeof progress.progress === 'number' ? progress.progress : 0
  const { name, status, message, version, stage } = attempt
  return {
    name,
    status,
    message,
    progress: stage === 'ended' ? 100 : percent,
    ac: stage !== 'ended' ? 202 : status === 'DONE' || status === 'UPDATED' ? 200 : 500,
    ad: message,
    av: version,
  }
}

/** A twin's keys hold no dot, no dollar and no space. */
const keyOf = (key: string): string => key.replace(/[.$ ]/g, '_')
