/**
 * The mark of a revision that is only tried: written and synced before anything moves, gone when its last word is kept.
 *
 * It does for a process what a boot loader's try flag does for a machine. `once` says: the next start may run this
 * revision, one time. That start turns it into `trying` before anything runs, so that a start which finds `trying`
 * knows that the one before it died. `failed` carries the reason across the restart that rolls back.
 *
 *     once ──start──▶ trying ──last word kept──▶ (gone)
 *                       └──fault──▶ failed ──rolled back, ERROR kept──▶ (gone)
 *
 * What commits a revision is its last word on disk: a mark beside a DONE or UPDATED of the same state is a leftover.
 *
 * An agent that is asked to end while it tries puts `once` back: nothing is wrong with the revision, and the next start
 * goes on with its trial. Pantavisor need not tell the two apart, since its end is the machine's; ours may be an upgrade
 * of the agent.
 */
import { removeDurably, writeDurably } from './durable.ts'
import type { Final } from './model.ts'
import type { Disk, RunningRevision } from './ports.ts'
import { asObject } from './wire.ts'

/** `previous` is what to go back to; `retries` goes into the last word. */
export interface TryMark extends RunningRevision {
  readonly previous: number | undefined
  readonly retries: number
  readonly passage: 'switch' | 'live' | 'restart'
  readonly stage: 'once' | 'trying' | 'failed'
  /** Only of a failed one. */
  readonly why: string
  readonly logs: string
  /** Run through the control socket: what keeps it is that the mark is gone, since no last word of it is. */
  readonly quiet?: boolean
}

/** What a start does about the mark it finds. */
export type MarkVerdict =
  | { readonly kind: 'none' }
  /** Run it, as the one try it has. */
  | { readonly kind: 'try'; readonly mark: TryMark }
  /** It was kept; only the mark is still there. */
  | { readonly kind: 'kept' }
  | { readonly kind: 'roll-back'; readonly mark: TryMark; readonly why: string; readonly logs: string }

const path = 'update/try.json'

/** Judges the mark by what the links say runs and by what was said last. */
export function judgeMark(
  mark: TryMark | undefined,
  current: RunningRevision | undefined,
  finals: readonly Final[],
): MarkVerdict {
  if (!mark) return { kind: 'none' }
  const said = mark.quiet
    ? undefined
    : finals.find((final) => final.rev === mark.rev && final.stateSha === mark.stateSha)
  if (said?.progress.status === 'DONE' || said?.progress.status === 'UPDATED') return { kind: 'kept' }
  if (mark.stage === 'failed') return { kind: 'roll-back', mark, why: mark.why, logs: mark.logs }
  const inForce = current?.rev === mark.rev && current.stateSha === mark.stateSha
  if (mark.stage === 'once' && inForce) return { kind: 'try', mark }
  const why = inForce
    ? `Unexpected rollback: the agent ended while revision ${mark.rev} was tried`
    : `Unexpected rollback: interrupted while switching to revision ${mark.rev}`
  return { kind: 'roll-back', mark, why, logs: mark.logs }
}

/** Reads the mark; one that cannot be read counts as absent, since it is replaced as a whole. */
export async function readMark(disk: Disk): Promise<TryMark | undefined> {
  const text = await disk.readText(path)
  try {
    return text === undefined ? undefined : parseMark(JSON.parse(text))
  } catch {
    return undefined
  }
}

export async function keepMark(disk: Disk, mark: TryMark): Promise<void> {
  await writeDurably(disk, path, `${JSON.stringify(mark)}\n`)
}

/** The agent ends as it was asked to, in the midst of a trial: the next start may go on with it. */
export async function suspendMark(disk: Disk): Promise<void> {
  const mark = await readMark(disk)
  if (mark?.stage === 'trying') await keepMark(disk, { ...mark, stage: 'once' })
}

export async function forgetMark(disk: Disk): Promise<void> {
  await removeDurably(disk, path)
}

function parseMark(raw: unknown): TryMark | undefined {
  const { rev, stateSha, previous, retries, passage, stage, why, logs, quiet } = asObject(raw) ?? {}
  const how = (['switch', 'live', 'restart'] as const).find((each) => each === passage)
  const at = (['once', 'trying', 'failed'] as const).find((each) => each === stage)
  if (typeof rev !== 'number' || typeof stateSha !== 'string' || typeof retries !== 'number') return undefined
  if (!how || !at) return undefined
  return {
    rev,
    stateSha,
    previous: typeof previous === 'number' ? previous : undefined,
    retries,
    passage: how,
    stage: at,
    why: typeof why === 'string' ? why : '',
    logs: typeof logs === 'string' ? logs : '',
    ...(quiet === true ? { quiet } : {}),
  }
}
