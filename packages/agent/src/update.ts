/**
 * One update, decided: from a step that the hub offers to its last word.
 *
 *     wait-hub       the step is ours: counted on disk, QUEUED, the hub has said so, and still offers it as it was
 *     prep-download  what is missing, where it lies, whether it fits
 *     download       bytes into the pool, figures reported while they move; then the folder beside the old one
 *     report         INPROGRESS answered, the switch, the trial (`trial.ts`), the last word kept on disk, then sent
 *
 * The last word is on disk before it is sent. A step that is offered although its last word is known is
 * answered with that word and never run again. A step found half-way is concluded by what runs: this
 * revision means it succeeded, any other that it did not.
 */

import { statusPercent } from '@waymark/pantahub'
import { isRemote, lookedOver, quietlyPrepared } from './control/orders.ts'
import type { Failure, Final, Input, Job, Machine, Moment, Needed, Turn } from './model.ts'
import type { RunningRevision } from './ports.ts'
import { revisionOf } from './revision.ts'
import {
  awaitGoals,
  type ConcludeTrial,
  didInTrial,
  failedInTrial,
  markOf,
  refusalOf,
  trialReported,
} from './trial.ts'
import {
  again,
  andThen,
  begin,
  beginReport,
  describeFailure,
  end,
  isFinalRefusal,
  tell,
  tellTrouble,
  turn,
} from './turn.ts'
import type { DownloadTotal, OfferedStep, Progress } from './wire.ts'

/** Goes to rest; the next poll comes after so many milliseconds. */
type EnterIdle = (machine: Machine, pollAfterMs?: number) => Turn

/** So many last words are kept; older steps are never offered again. */
const finalsKept = 32

/** Decides about a step that the hub offers. */
export function offer(machine: Machine, step: OfferedStep, moment: Moment): Turn {
  const read = revisionOf(step.rev, step.state)
  const stateSha = read.ok ? read.revision.stateSha : ''
  const known = machine.finals.find((final) => final.rev === step.rev && final.stateSha === stateSha)
  if (known) return resendFinal(machine, known)
  if (!read.ok) {
    const { thing, wanted, got } = read.refusal
    return conclude(
      machine,
      { rev: step.rev, stateSha },
      'WONTGO',
      `${thing}: wanted ${wanted}, got ${got}`,
      0,
    )
  }
  const { running, attempt, settings } = machine
  if (isSame(running, read.revision)) return concludeRunning(machine, read.revision, ['found running'])
  if (step.status === 'INPROGRESS' || step.status === 'TESTING')
    return conclude(
      machine,
      read.revision,
      'ERROR',
      `Interrupted while switching to revision ${step.rev}; revision ${running?.rev ?? 'none'} runs`,
      attempt?.retries ?? 0,
    )
  const retries = isSame(attempt, read.revision) ? (attempt?.retries ?? 0) + 1 : 0
  if (retries >= settings.revisionRetries)
    return conclude(
      machine,
      read.revision,
      'WONTGO',
      `Retried ${retries} of ${settings.revisionRetries}`,
      retries,
    )
  const job: Job = {
    stage: 'wait-hub',
    revision: read.revision,
    retries,
    needed: undefined,
    startedAt: moment.now,
    moved: { bytes: 0, total: 0, reportedAt: moment.now },
  }
  const next = { rev: step.rev, stateSha, retries }
  return andThen(enterStage(machine, job), (m) =>
    andThen(tell(m, { event: 'step', rev: step.rev, message: step.message, retries }), (n) =>
      begin({ ...n, attempt: next }, { do: 'keep-attempt', attempt: next }),
    ),
  )
}

/**
 * The last word on an update that was carried out but not concluded: the switch was the last thing an earlier run did.
 * Said whether the hub still offers the step or not: its owner may have given it up meanwhile, and should know that it
 * runs. Undefined when there is none.
 */
export function concludeUnsaid(machine: Machine): Turn | undefined {
  const { attempt, running, finals } = machine
  if (!attempt || !isSame(running, attempt)) return undefined
  const said = finals.some((final) => final.rev === attempt.rev && final.stateSha === attempt.stateSha)
  return said ? undefined : concludeRunning(machine, attempt, ['found running'])
}

/** Says a last word again that the hub may not have heard. */
export function resendFinal(machine: Machine, final: Final): Turn {
  const phase = { state: 'update', job: undefined, concluding: final } as const
  return sendFinal({ ...machine, phase }, final)
}

/** A task of the update has succeeded. */
export function didInUpdate(
  machine: Machine,
  input: Extract<Input, { kind: 'did' }>,
  moment: Moment,
  enterIdle: EnterIdle,
): Turn {
  const { phase } = machine
  if (phase.state !== 'update') return turn(machine)
  const { job, concluding } = phase
  if (input.task === 'keep-final') return finalKept(machine, concluding, enterIdle)
  if (input.task === 'report' || input.task === 'note') return reported(machine, moment, enterIdle)
  if (machine.trial) return didInTrial(machine, machine.trial, input, concludeTrial)
  if (!job) return turn(machine)
  switch (input.task) {
    case 'keep-attempt':
      return report(machine, job, 'QUEUED', `Retried ${job.retries} of ${machine.settings.revisionRetries}`)
    case 'confirm':
      return confirmed(machine, job, input.result, enterIdle)
    case 'look-up':
      return lookedUp(machine, { ...job, needed: input.result }, input.result)
    case 'look-over': {
      const next = lookedOver(machine, job, input.result)
      return typeof next === 'string' ? conclude(machine, job.revision, 'ERROR', next, 0) : next
    }
    case 'download':
      return andThen(beginStage(machine, job), (m) => begin(m, { do: 'prepare', revision: job.revision }))
    case 'prepare': {
      const passage =
        input.result && job.rebooting ? ({ kind: 'restart', because: [] } as const) : input.result
      const next: Job = { ...job, stage: 'report', ...(passage ? { passage } : {}) }
      if (job.quiet) return andThen(enterStage(machine, next), (m) => quietlyPrepared(m, next))
      const message =
        input.result?.kind === 'restart' ? 'Rebooting' : 'Transitioning to new revision without rebooting'
      return andThen(enterStage(machine, next), (m) => report(m, next, 'INPROGRESS', message))
    }
    case 'switch': {
      const mark = machine.task?.do === 'switch' ? machine.task.mark : undefined
      if (mark?.passage === 'restart') return end(machine, { kind: 'restart', rev: mark.rev })
      const previous = machine.running?.rev
      const { rev, stateSha } = job.revision
      const switched: Machine = { ...machine, running: { rev, stateSha } }
      return andThen(tell(switched, { event: 'switched', rev, previous }), (m) =>
        mark ? awaitGoals(m, mark) : concludeRunning(m, job.revision, input.result.probes),
      )
    }
    default:
      return turn(machine)
  }
}

/** A task of the update has failed. */
export function failedInUpdate(
  machine: Machine,
  failure: Failure,
  moment: Moment,
  enterIdle: EnterIdle,
): Turn {
  const { phase, task, settings } = machine
  if (phase.state !== 'update' || !task) return again(machine, failure, moment)
  if (task.do === 'report') {
    if (!isFinalRefusal(failure)) return again(machine, failure, moment)
    if (machine.trial && !phase.concluding) return trialReported(machine, machine.trial)
    // The hub has no such step any more. A last word nobody wants is marked as said; a step not yet begun is left.
    return andThen(tellTrouble(machine, failure, settings.pollMs), (m) =>
      phase.concluding && !phase.concluding.sent
        ? markSent(m, phase.concluding)
        : enterIdle(m, settings.pollMs),
    )
  }
  if (task.do === 'keep-final' || task.do === 'note') return again(machine, failure, moment)
  if (task.do === 'switch' && task.mark && !machine.trial) {
    const trial = { mark: task.mark, step: 'goals', probes: [] } as const
    return failedInUpdate({ ...machine, trial }, failure, moment, enterIdle)
  }
  if (machine.trial) {
    const failed = failedInTrial(machine, machine.trial, failure)
    return failed === 'again' ? again(machine, failure, moment) : failed
  }
  const { job } = phase
  if (!job) return again(machine, failure, moment)
  if (task.do === 'confirm')
    return isFinalRefusal(failure)
      ? andThen(tellTrouble(machine, failure, settings.pollMs), (m) => enterIdle(m, settings.pollMs))
      : again(machine, failure, moment)
  if (task.do === 'look-up' && failure.kind !== 'object' && failure.kind !== 'disk') {
    const answered = failure.kind === 'refused' || failure.kind === 'garbled'
    if (!answered || machine.failures + 1 < settings.lookUpTries) return again(machine, failure, moment)
  }
  return conclude(machine, job.revision, 'ERROR', describeFailure(failure), job.retries)
}

/** Bytes have moved: tell, and report when it is time and no report is on its way. */
export function figuresMoved(
  machine: Machine,
  input: Extract<Input, { kind: 'moved' }>,
  moment: Moment,
): Turn {
  const { phase, trail } = machine
  if (phase.state !== 'update' || !phase.job || machine.task?.do !== 'download' || trail === undefined)
    return turn(machine)
  const { job } = phase
  const due = !machine.figuresOut && moment.now - job.moved.reportedAt >= machine.settings.progressMs
  const moved = { ...input, reportedAt: due ? moment.now : job.moved.reportedAt }
  const next: Job = { ...job, moved }
  const seconds = Math.max(0.001, (moment.now - job.startedAt) / 1000)
  const told = tell(
    { ...machine, phase: { ...phase, job: next }, figuresOut: machine.figuresOut || due },
    {
      event: 'downloading',
      rev: job.revision.rev,
      bytes: input.bytes,
      total: input.total,
      percent: input.total === 0 ? 100 : Math.floor((100 * input.bytes) / input.total),
      bytesPerSecond: Math.round(input.bytes / seconds),
    },
  )
  if (!due) return told
  const progress = downloadingProgress(next, moment)
  return andThen(told, (m) =>
    turn(m, { wish: 'chore', chore: { chore: 'figures', trail, rev: job.revision.rev, progress } }),
  )
}

/**
 * An owner may cancel a step, or put another state in its place, as long as no device has taken it: also in the
 * moment between our reading it and the hub's hearing QUEUED. Since then it stands, so one more look tells for good
 * whether it is still the step we read. What it became is read with the next poll.
 */
function confirmed(machine: Machine, job: Job, step: OfferedStep | undefined, enterIdle: EnterIdle): Turn {
  const read = step && revisionOf(step.rev, step.state)
  if (!read?.ok || !isSame(job.revision, read.revision)) return enterIdle(machine, machine.settings.pollMs)
  const judged = refusalOf(machine, job.revision)
  const { refusal } = judged
  if (refusal !== undefined)
    return andThen(judged.turn, (m) => conclude(m, job.revision, 'WONTGO', refusal, job.retries))
  return andThen(
    andThen(judged.turn, (m) => enterStage(m, { ...job, stage: 'prep-download' })),
    (m) => begin(m, { do: 'look-up', revision: job.revision }),
  )
}

function lookedUp(machine: Machine, job: Job, needed: Needed): Turn {
  const { requiredBytes, availableBytes, missing, reused } = needed
  if (requiredBytes > availableBytes)
    return conclude(
      machine,
      job.revision,
      'WONTGO',
      `Space required ${requiredBytes} B, available ${availableBytes} B`,
      job.retries,
    )
  const total = missing.reduce((sum, object) => sum + object.size, 0)
  const next: Job = {
    ...job,
    stage: 'download',
    moved: { ...job.moved, bytes: Math.max(0, total - requiredBytes), total },
  }
  const told = tell(machine, {
    event: 'needed',
    rev: job.revision.rev,
    objects: missing.length,
    bytes: total,
    reused,
  })
  return andThen(
    andThen(told, (m) => enterStage(m, next)),
    (m) => report(m, next, 'DOWNLOADING', 'Downloading objects'),
  )
}

function reported(machine: Machine, moment: Moment, enterIdle: EnterIdle): Turn {
  const { phase, task } = machine
  if (phase.state !== 'update') return turn(machine)
  if (task?.do === 'note') return noted(machine)
  if (task?.do !== 'report') return turn(machine)
  const { rev, progress } = task
  const told = tell(machine, { event: 'reported', rev, status: progress.status, percent: progress.progress })
  if (phase.concluding) {
    const final = phase.concluding
    return andThen(told, (m) => (final.sent ? enterIdle(m, m.settings.pollMs) : markSent(m, final)))
  }
  const { trial } = machine
  if (trial) return andThen(told, (m) => trialReported(m, trial))
  const { job } = phase
  if (!job) return told
  switch (progress.status) {
    case 'QUEUED':
      return andThen(told, (m) => begin(m, { do: 'confirm', trail: task.trail }))
    case 'DOWNLOADING': {
      const started = { ...job, startedAt: moment.now, moved: { ...job.moved, reportedAt: moment.now } }
      return andThen(
        andThen(told, (m) => enterStage(m, started)),
        (m) => begin(m, { do: 'download', rev, objects: job.needed?.missing ?? [] }),
      )
    }
    case 'INPROGRESS': {
      const mark = markOf(machine, job)
      const previous = machine.running?.rev
      return andThen(told, (m) => begin(m, { do: 'switch', rev, previous, ...(mark ? { mark } : {}) }))
    }
    default:
      return told
  }
}

/** How far a quiet update has come stands in the book: on with it. */
function noted(machine: Machine): Turn {
  const { phase, trial } = machine
  if (trial) return trialReported(machine, trial)
  const job = phase.state === 'update' ? phase.job : undefined
  return job ? begin(machine, { do: 'look-over', revision: job.revision }) : turn(machine)
}

// ── last words ──────────────────────────────────────────────────────────────────────────────────────────────

function concludeRunning(machine: Machine, revision: RunningRevision, probes: readonly string[]): Turn {
  const { job } = machine.phase.state === 'update' ? machine.phase : { job: undefined }
  return conclude(
    machine,
    revision,
    'DONE',
    'Update finished',
    job?.retries ?? machine.attempt?.retries ?? 0,
    probes,
  )
}

/** The last word on a quiet revision that is not even begun, or runs already. */
export function concludeQuietly(
  machine: Machine,
  revision: RunningRevision,
  status: 'DONE' | 'WONTGO',
  message: string,
): Turn {
  return conclude(machine, { ...revision, quiet: true }, status, message, 0)
}

/** The last word on a trial. */
const concludeTrial: ConcludeTrial = (machine, mark, status, message, probes, logs) =>
  conclude(machine, mark, status, message, mark.retries, probes, logs)

/**
 * A last word as it will be sent, with its evidence: what runs now, and the start that found it so. The id of a start is
 * that of the agent's run with the revision it started, so that each revision that comes into force has one of its own.
 */
export function finalOf(
  about: RunningRevision,
  status: 'DONE' | 'UPDATED' | 'ERROR' | 'WONTGO',
  message: string,
  evidence: {
    readonly running: RunningRevision | undefined
    readonly startId: string
    readonly retries: number
    readonly probes: readonly string[]
    readonly logs: string
  },
): Final {
  const { running, startId, retries, probes, logs } = evidence
  const data = {
    'state-sha': running?.stateSha ?? '',
    'start-id': running ? `${startId}/${running.rev}` : startId,
    revision: running?.rev ?? -1,
    health: [...probes],
  }
  const progress: Progress = { status, 'status-msg': message, progress: 100, retries, data }
  return {
    rev: about.rev,
    stateSha: about.stateSha,
    sent: false,
    progress: logs === '' ? progress : { ...progress, logs },
  }
}

/** Fixes the last word on a step and has it kept; it is sent only after that. */
function conclude(
  machine: Machine,
  about: RunningRevision & { readonly quiet?: boolean },
  status: 'DONE' | 'UPDATED' | 'ERROR' | 'WONTGO',
  message: string,
  retries: number,
  probes: readonly string[] = [],
  logs = '',
): Turn {
  const { running, startId } = machine
  const job = machine.phase.state === 'update' ? machine.phase.job : undefined
  const told = finalOf(about, status, message, { running, startId, retries, probes, logs })
  const final: Final = about.quiet || job?.quiet ? { ...told, quiet: true } : told
  const reporting = job && { ...job, stage: 'report' as const }
  const shown = reporting ? enterStage(machine, reporting) : turn(machine)
  return andThen(shown, (m) =>
    begin(
      { ...m, phase: { state: 'update', job: reporting, concluding: final } },
      { do: 'keep-final', final },
    ),
  )
}

function finalKept(machine: Machine, concluding: Final | undefined, enterIdle: EnterIdle): Turn {
  const { task } = machine
  if (task?.do !== 'keep-final') return turn(machine)
  const { final } = task
  if (final.quiet) {
    // Another revision may have started, and with it another mode.
    const { settings, remoteOff, running } = machine
    const remote = isRemote(settings, remoteOff, running?.rev)
    return andThen(tellFinal({ ...machine, remote }, final), enterIdle)
  }
  const others = machine.finals.filter((each) => each.rev !== final.rev)
  const known: Machine = { ...machine, finals: [...others, final].slice(-finalsKept) }
  // After a fresh conclusion the next step may be taken at once; a step that was answered again must not be
  // answered in a tight circle.
  const fresh = machine.phase.state === 'update' && machine.phase.job !== undefined
  if (final.sent || concluding === undefined) return enterIdle(known, fresh ? 0 : machine.settings.pollMs)
  return andThen(tellFinal(known, final), (m) => sendFinal(m, final))
}

function tellFinal(machine: Machine, { rev, stateSha, progress }: Final): Turn {
  const { status, 'status-msg': message } = progress
  return tell(
    machine,
    status === 'DONE' || status === 'UPDATED'
      ? { event: 'done', rev, stateSha }
      : { event: 'error', rev, status, message, running: machine.running?.rev },
  )
}

function sendFinal(machine: Machine, final: Final): Turn {
  const { trail } = machine
  if (trail === undefined) return turn(machine)
  return beginReport(machine, { do: 'report', trail, rev: final.rev, progress: final.progress })
}

/** Notes on disk that the hub has heard a last word. */
function markSent(machine: Machine, final: Final): Turn {
  const sent = { ...final, sent: true }
  return begin(machine, { do: 'keep-final', final: sent })
}

// ── helpers ─────────────────────────────────────────────────────────────────────────────────────────────────

function report(
  machine: Machine,
  job: Job,
  status: 'QUEUED' | 'DOWNLOADING' | 'INPROGRESS',
  message: string,
): Turn {
  const { trail } = machine
  if (trail === undefined) return turn(machine)
  const progress: Progress = {
    status,
    'status-msg': message,
    progress: statusPercent[status],
    retries: job.retries,
    ...(status === 'QUEUED' ? {} : { downloads: { total: totalOf(job, job.startedAt) } }),
  }
  return beginReport(machine, { do: 'report', trail, rev: job.revision.rev, progress })
}

function downloadingProgress(job: Job, moment: Moment): Progress {
  return {
    status: 'DOWNLOADING',
    'status-msg': 'Downloading objects',
    progress: statusPercent.DOWNLOADING,
    retries: job.retries,
    downloads: { total: totalOf(job, moment.now) },
  }
}

function totalOf(job: Job, nowMs: number): DownloadTotal {
  return {
    object_name: 'total',
    object_id: 'none',
    total_size: job.moved.total,
    start_time: Math.floor(job.startedAt / 1000),
    current_time: Math.floor(nowMs / 1000),
    total_downloaded: job.moved.bytes,
  }
}

function enterStage(machine: Machine, job: Job): Turn {
  const { phase } = machine
  const before = phase.state === 'update' ? phase.job?.stage : undefined
  const next: Machine = { ...machine, phase: { state: 'update', job, concluding: undefined } }
  return before === job.stage ? turn(next) : tell(next, { event: 'state', state: 'update', stage: job.stage })
}

function beginStage(machine: Machine, job: Job): Turn {
  const done: Job = { ...job, moved: { ...job.moved, bytes: job.moved.total } }
  return enterStage(machine, done)
}

function isSame(one: RunningRevision | undefined, other: RunningRevision): boolean {
  return one !== undefined && one.rev === other.rev && one.stateSha === other.stateSha
}
