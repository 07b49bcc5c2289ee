/**
 * What the device remembers about its updates: the one it began, and the last words it has said.
 *
 * Two small JSON files, each replaced as a whole. A file that cannot be read counts as absent: the worst that
 * follows is that a step is judged afresh by what runs.
 */
import { writeDurably } from './durable.ts'
import type { Attempt, Final } from './model.ts'
import type { Disk, Json } from './ports.ts'
import { asObject, type Progress } from './wire.ts'

const attemptPath = 'update/attempt.json'
const finalsPath = 'update/finals.json'

/** The update that was begun last. */
export async function readAttempt(disk: Disk): Promise<Attempt | undefined> {
  const raw = asObject(parse(await disk.readText(attemptPath)))
  return raw &&
    typeof raw.rev === 'number' &&
    typeof raw.stateSha === 'string' &&
    typeof raw.retries === 'number'
    ? { rev: raw.rev, stateSha: raw.stateSha, retries: raw.retries }
    : undefined
}

export async function keepAttempt(disk: Disk, attempt: Attempt): Promise<void> {
  await writeDurably(disk, attemptPath, `${JSON.stringify(attempt)}\n`)
}

/** The last words, oldest first. */
export async function readFinals(disk: Disk): Promise<readonly Final[]> {
  const raw = parse(await disk.readText(finalsPath))
  if (!Array.isArray(raw)) return []
  return raw.flatMap((each: unknown) => {
    const final = asObject(each)
    const progress = final && parseProgress(final.progress)
    return final &&
      progress &&
      typeof final.rev === 'number' &&
      typeof final.stateSha === 'string' &&
      typeof final.sent === 'boolean'
      ? [{ rev: final.rev, stateSha: final.stateSha, sent: final.sent, progress }]
      : []
  })
}

export async function keepFinals(disk: Disk, finals: readonly Final[]): Promise<void> {
  await writeDurably(disk, finalsPath, `${JSON.stringify(finals)}\n`)
}

const finalWords = ['DONE', 'UPDATED', 'WONTGO', 'ERROR'] as const

function parseProgress(raw: unknown): Progress | undefined {
  const { status, 'status-msg': message, progress, retries, data, logs } = asObject(raw) ?? {}
  const word = finalWords.find((each) => each === status)
  if (word === undefined || typeof message !== 'string') return undefined
  if (typeof progress !== 'number' || typeof retries !== 'number') return undefined
  // The evidence was written as JSON and has just been read as JSON.
  const kept = { status: word, 'status-msg': message, progress, retries, data: data as Json }
  return typeof logs === 'string' ? { ...kept, logs } : kept
}

function parse(text: string | undefined): unknown {
  try {
    return text === undefined ? undefined : JSON.parse(text)
  } catch {
    return undefined
  }
}
