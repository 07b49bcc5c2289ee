/**
 * Orders from the control socket, as the machine takes them.
 *
 * There is one slot. An order waits in it until the machine is at rest, or is only asking the hub for something that it
 * can as well ask later; it never breaks off a write, a registration or an update. What is run by an order is *quiet*:
 * it goes through the same trial as a step of the trail (mark, goals, probes, rollback), but its progress is noted in the
 * book and no hub hears of it, nor does a hub that is lost bring it down.
 *
 * Whether the built-in client works is decided whenever a revision starts (`isRemote`): not while it is switched off, nor
 * with a local revision unless the settings say always. `go-local` is kept on disk and holds until `go-remote`.
 */
import { statusPercent } from '@waymark/pantahub'
import type { Job, Machine, MachineSettings, Moment, TaskName, Trial, Turn } from '../model.ts'
import type { Revision } from '../ports.ts'
import { markOf, refusalOf, resumeTrial } from '../trial.ts'
import type { TryMark } from '../try-mark.ts'
import { andThen, begin, end, tell, turn } from '../turn.ts'
import { isLocal } from './book.ts'

/** `rebooting`: the revision is tried by a fresh start whatever it changes, so that it can end DONE. */
export type Order =
  | { readonly kind: 'run'; readonly revision: Revision; readonly rebooting: boolean }
  | { readonly kind: 'reboot' | 'poweroff'; readonly message: string }
  | { readonly kind: 'collect' | 'go-remote' | 'go-local' | 'unclaim' }

/** Where a machine goes that has nothing quiet to do any more. */
export interface Ways {
  readonly register: (machine: Machine) => Turn
  readonly idle: (machine: Machine) => Turn
  readonly conclude: (
    machine: Machine,
    revision: Revision,
    status: 'DONE' | 'WONTGO',
    message: string,
  ) => Turn
}

/** Tasks that may be given up for an order: nothing is lost but a question. */
const interruptible: ReadonlySet<TaskName> = new Set(['poll', 'list-trails', 'ask-device', 'login'])

/** Whether the built-in client is to work. `off`: it was switched off, and not on again. */
export function isRemote(settings: MachineSettings, off: boolean, rev: number | undefined): boolean {
  if (settings.remote === false || off) return false
  return rev === undefined || !isLocal(rev) || settings.remoteAlways === true
}

/** Puts an order into the slot. The door has seen to it that the slot was free. */
export function ordered(machine: Machine, order: Order): Turn {
  return turn({ ...machine, order: machine.order ?? order })
}

/**
 * Whether an update is under way that an order must not break off. One that only waits for a hub it has lost is none: its
 * step stays what it is and is begun again, or its last word said again, when the hub is back.
 */
export function isUpdating({ phase, task, trial, waiting }: Machine): boolean {
  if (phase.state !== 'update') return false
  return trial !== undefined || !waiting || !['report', 'confirm', 'look-up'].includes(task?.do ?? '')
}

/** Takes the order that waits, if this is a moment for it. */
export function takeOrder(machine: Machine, moment: Moment, ways: Ways): Turn {
  const { order, task, waiting, phase } = machine
  if (!order || phase.state === 'init') return turn(machine)
  // A download goes on where it was left; whoever takes the device from the hub need not wait for it.
  const leaves = order.kind === 'go-local' && task?.do === 'download'
  if (isUpdating(machine) && !leaves) return turn(machine)
  if (task && !waiting && !leaves && !interruptible.has(task.do)) return turn(machine)
  const free: Machine = { ...machine, order: undefined }
  const told = tell(free, { event: 'order', order: order.kind, stage: 'taken' })
  return andThen(told, (m) => obey(m, order, moment, ways))
}

function obey(machine: Machine, order: Order, moment: Moment, ways: Ways): Turn {
  switch (order.kind) {
    case 'run':
      return run(machine, order.revision, order.rebooting, moment, ways)
    case 'reboot':
      return end(machine, { kind: 'restart', rev: machine.running?.rev ?? 0 })
    case 'poweroff':
      return end(machine, { kind: 'stopped' })
    default:
      return begin(machine, { do: 'obey', order: order.kind })
  }
}

/** The order's work is done. */
export function obeyed(machine: Machine, ways: Ways): Turn {
  const { task } = machine
  if (task?.do !== 'obey') return turn(machine)
  const told = tell(machine, { event: 'order', order: task.order, stage: 'done' })
  switch (task.order) {
    case 'collect':
      return andThen(told, (m) => rest(m, ways))
    case 'go-remote':
      return andThen(told, (m) => rest({ ...m, remoteOff: false, remote: m.settings.remote !== false }, ways))
    case 'go-local':
      return andThen(told, (m) => rest({ ...m, remoteOff: true, remote: false }, ways))
    case 'unclaim':
      return andThen(told, (m) =>
        rest({ ...m, me: undefined, trail: undefined, attempt: undefined, finals: [] }, ways),
      )
  }
}

/** On with the trail, or still, as the mode has it. */
export function rest(machine: Machine, ways: Ways): Turn {
  if (!machine.remote) return restLocally(machine)
  if (machine.me && machine.trail !== undefined) return ways.idle(machine)
  return ways.register(machine)
}

/** The built-in client is still: no request, no timer of it. */
export function restLocally(machine: Machine): Turn {
  const still: Machine = {
    ...machine,
    phase: { state: 'idle' },
    task: undefined,
    waiting: false,
    choresStarted: false,
    online: false,
  }
  const told = machine.phase.state === 'idle' ? turn(still) : tell(still, { event: 'state', state: 'idle' })
  if (!machine.settings.untilIdle) return told
  return andThen(told, (m) => end(m, { kind: 'idle', rev: m.running?.rev }))
}

/** A start has found a quiet revision to try: no hub is waited for. */
export function resumeQuietTrial(machine: Machine, mark: TryMark): Turn {
  const trial: Trial = { mark, step: 'hub', probes: [] }
  return resumeTrial({ ...machine, trial }, trial)
}

function run(machine: Machine, revision: Revision, rebooting: boolean, moment: Moment, ways: Ways): Turn {
  const job: Job = {
    stage: 'report',
    revision,
    retries: 0,
    needed: undefined,
    startedAt: moment.now,
    moved: { bytes: 0, total: 0, reportedAt: moment.now },
    quiet: true,
    rebooting,
  }
  const entered: Machine = { ...machine, phase: { state: 'update', job, concluding: undefined } }
  const { running } = machine
  const { refusal, turn: judged } = refusalOf(entered, revision)
  return andThen(
    andThen(tell(entered, { event: 'state', state: 'update', stage: 'report' }), () => judged),
    (m) => {
      if (refusal !== undefined) return ways.conclude(m, revision, 'WONTGO', refusal)
      if (running?.rev === revision.rev && running.stateSha === revision.stateSha)
        return ways.conclude(m, revision, 'DONE', 'Update finished')
      return begin(m, { do: 'note', rev: revision.rev, progress: inProgress })
    },
  )
}

const inProgress = {
  status: 'INPROGRESS',
  'status-msg': 'Validating objects',
  progress: statusPercent.INPROGRESS,
  retries: 0,
} as const

/** The objects have been looked over: what misses one, or holds a rotten one, is not begun. */
export function lookedOver(machine: Machine, job: Job, missing: readonly string[]): Turn | string {
  if (missing.length === 0) return begin(machine, { do: 'prepare', revision: job.revision })
  return `Object validation went wrong: ${missing[0]} is not here${missing.length > 1 ? `, nor are ${missing.length - 1} more` : ''}`
}

/** A quiet update laid down goes straight on to the switch. */
export function quietlyPrepared(machine: Machine, job: Job): Turn {
  const { rev } = job.revision
  const mark = markOf(machine, job)
  return begin(machine, { do: 'switch', rev, previous: machine.running?.rev, ...(mark ? { mark } : {}) })
}
