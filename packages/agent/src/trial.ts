/**
 * Trying a revision: it runs, but only what proves itself is kept.
 *
 *     hub       after a restart: INPROGRESS "Trying new revision" must be answered in time
 *     goals     every container reaches its status goal
 *     testing   TESTING for the commit delay; any request without a reply ends it (Pantahub 11.4, point 7)
 *     falling   the reason is on disk, the previous revision comes back
 *
 * The last word on disk is what keeps a revision. Until then a fault, a crash or a power cut means the previous one:
 * a fault by `roll-back` here, the others by what the next start makes of the mark (`try-mark.ts`).
 */
import { checkSignatures, parseState, statusPercent } from '@waymark/pantahub'
import type { Failure, Input, Job, Machine, Trial, Turn } from './model.ts'
import type { Fault, Passage, Revision } from './ports.ts'
import type { TryMark } from './try-mark.ts'
import { andThen, begin, beginReport, describeFailure, end, tell, turn } from './turn.ts'
import type { Progress } from './wire.ts'

const hubWaitMs = 120_000

/** How the last word on a trial is fixed; `update.ts` owns it. */
export type ConcludeTrial = (
  machine: Machine,
  mark: TryMark,
  status: 'DONE' | 'UPDATED' | 'ERROR',
  message: string,
  probes: readonly string[],
  logs: string,
) => Turn

/** The mark of a job whose revision has to prove itself; undefined when a plain switch is kept at once. */
export function markOf(machine: Machine, job: Job): TryMark | undefined {
  const passage: Passage['kind'] = job.passage?.kind ?? 'switch'
  if (passage === 'switch' && !machine.settings.commitDelayMs) return undefined
  return {
    rev: job.revision.rev,
    stateSha: job.revision.stateSha,
    previous: machine.running?.rev,
    retries: job.retries,
    passage,
    stage: passage === 'restart' ? 'once' : 'trying',
    why: '',
    logs: '',
    ...(job.quiet ? { quiet: true } : {}),
  }
}

/** What the state checks say of a revision before anything of it is fetched: the refusal in words, or nothing. */
export function refusalOf(machine: Machine, revision: Revision): { turn: Turn; refusal: string | undefined } {
  const { signatures, judge } = machine.settings
  const told = signatures && signatures.mode !== 'disabled' ? checkSigned(machine, revision) : undefined
  if (told?.refusal !== undefined) return told
  const refused = judge?.(revision)
  return {
    turn: told?.turn ?? turn(machine),
    refusal: refused && `${refused.thing}: wanted ${refused.wanted}, got ${refused.got}`,
  }
}

function checkSigned(machine: Machine, revision: Revision): { turn: Turn; refusal: string | undefined } {
  const { signatures: given } = machine.settings
  const parsed = parseState(JSON.parse(revision.stateText))
  if (!given || !parsed.ok) return { turn: turn(machine), refusal: undefined }
  // `lenient` is Pantavisor's default and lets unsigned parts pass. A device that was given no key can judge no signature:
  // refusing what is signed, while what is not may run, would guard nothing and stop whoever signs. It says what it saw.
  const keyless = given.mode === 'lenient' && given.trusted.length === 0
  const signatures = keyless ? { ...given, mode: 'audit' as const } : given
  const report = checkSignatures({ state: parsed.state, ...signatures })
  const refused = report.verdicts.flatMap((verdict) =>
    verdict.valid
      ? []
      : [
          `${verdict.path}: ${verdict.refusal.thing}: wanted ${verdict.refusal.wanted}, got ${verdict.refusal.got}`,
        ],
  )
  const uncovered = report.uncovered.length
  const shown = tell(machine, {
    event: 'signatures',
    rev: revision.rev,
    mode: signatures.mode,
    valid: report.verdicts.length - refused.length,
    refused,
    uncovered,
  })
  if (report.accepted) return { turn: shown, refusal: undefined }
  const first = refused[0] ?? `${report.uncovered[0]}: wanted a signature that covers it, got none`
  return { turn: shown, refusal: `Signature check (${signatures.mode}): ${first}` }
}

/** The start has found a revision to try: from now on the hub must be reached in time. */
export function beginTrial(machine: Machine, mark: TryMark): Turn {
  const trial: Trial = { mark, step: 'hub', probes: [] }
  const afterMs = machine.settings.hubWaitMs ?? hubWaitMs
  return turn({ ...machine, trial }, { wish: 'wake', timer: 'trial', afterMs })
}

/** The hub is at hand: says that the revision is being tried. */
export function resumeTrial(machine: Machine, trial: Trial): Turn {
  const shown = tell(inUpdate(machine), { event: 'state', state: 'update', stage: 'report' })
  return andThen(shown, (m) => reportTrial(m, trial, 'INPROGRESS', 'Trying new revision'))
}

/** What is tried runs: waits for its goals. */
export function awaitGoals(machine: Machine, mark: TryMark): Turn {
  const trial: Trial = { mark, step: 'goals', probes: [] }
  return begin({ ...machine, trial }, { do: 'settle', rev: mark.rev })
}

/** A report on the trial was answered, or refused: a reply is a reply. */
export function trialReported(machine: Machine, trial: Trial): Turn {
  if (trial.step === 'hub') return awaitGoals(machine, trial.mark)
  const forMs = machine.settings.commitDelayMs ?? 0
  return begin(machine, { do: 'test', rev: trial.mark.rev, forMs })
}

/** A task of the trial has brought its result. */
export function didInTrial(
  machine: Machine,
  trial: Trial,
  input: Extract<Input, { kind: 'did' }>,
  conclude: ConcludeTrial,
): Turn {
  const { mark } = trial
  switch (input.task) {
    case 'settle': {
      if (input.result) return failTrial(machine, input.result)
      const testing: Trial = { ...trial, step: 'testing' }
      return reportTrial({ ...machine, trial: testing }, testing, 'TESTING', 'Testing revision')
    }
    case 'test': {
      if ('why' in input.result) return failTrial(machine, input.result)
      const probed: Trial = { ...trial, probes: input.result.probes }
      if (mark.quiet) return kept({ ...machine, trial: undefined }, probed, conclude)
      return begin({ ...machine, trial: probed }, { do: 'ask-hub' })
    }
    case 'ask-hub':
      return kept({ ...machine, trial: undefined }, trial, conclude)
    case 'roll-back': {
      const back = input.result
      if (!back && mark.previous !== undefined) return end(machine, { kind: 'restart', rev: mark.previous })
      const fallen = inUpdate({ ...machine, running: back, trial: undefined })
      return conclude(fallen, mark, 'ERROR', mark.why, [], mark.logs)
    }
    default:
      return turn(machine)
  }
}

function kept(machine: Machine, { mark, probes }: Trial, conclude: ConcludeTrial): Turn {
  const word = mark.passage === 'live' ? 'UPDATED' : 'DONE'
  return conclude(machine, mark, word, 'Update finished', probes, '')
}

/** A task of the trial has failed. */
export function failedInTrial(machine: Machine, trial: Trial, failure: Failure): Turn | 'again' {
  if (trial.step === 'falling') return 'again'
  switch (machine.task?.do) {
    case 'settle':
    case 'test':
    case 'switch':
      return failTrial(machine, { why: describeFailure(failure), logs: '' })
    case 'ask-hub':
      return failure.kind === 'unreachable' ? failTrial(machine, hubLost(failure.detail)) : 'again'
    default:
      return 'again'
  }
}

/** The hub has not heard of the trial in time. */
export function trialDue(machine: Machine): Turn {
  return machine.trial?.step === 'hub' && !machine.trial.mark.quiet
    ? failTrial(machine, { why: 'Hub not reachable', logs: '' })
    : turn(machine)
}

/** A request went without a reply. While a revision is tested that is the end of it. */
export function lostContact(machine: Machine, detail: string): Turn {
  return machine.trial?.step === 'testing' && !machine.trial.mark.quiet
    ? failTrial(machine, hubLost(detail))
    : turn(machine)
}

const hubLost = (detail: string): Fault => ({ why: `Hub communication not stable: ${detail}`, logs: '' })

/** Gives the trial up: the reason goes to disk with the mark, then the previous revision comes back. */
function failTrial(machine: Machine, { why, logs }: Fault): Turn {
  const { trial } = machine
  if (!trial || trial.step === 'falling') return turn(machine)
  const mark: TryMark = { ...trial.mark, stage: 'failed', why, logs }
  const falling: Machine = inUpdate({ ...machine, trial: { ...trial, mark, step: 'falling' } })
  return andThen(tell(falling, { event: 'rolling-back', rev: mark.rev, to: mark.previous, why }), (m) =>
    begin(m, { do: 'roll-back', mark }),
  )
}

function reportTrial(
  machine: Machine,
  trial: Trial,
  status: 'INPROGRESS' | 'TESTING',
  message: string,
): Turn {
  const { trail } = machine
  const { rev, retries } = trial.mark
  const progress: Progress = { status, 'status-msg': message, progress: statusPercent[status], retries }
  if (trial.mark.quiet) return begin(machine, { do: 'note', rev, progress })
  if (trail === undefined) return turn(machine)
  return beginReport(machine, { do: 'report', trail, rev, progress })
}

function inUpdate(machine: Machine): Machine {
  const { phase } = machine
  return phase.state === 'update'
    ? machine
    : { ...machine, phase: { state: 'update', job: undefined, concluding: undefined } }
}
