/**
 * The small moves that every state of the machine is told in: begin a task, wait, tell, end.
 */
import type { AgentEvent } from './events.ts'
import type { Failure, Machine, Moment, Outcome, Task, Turn, Wish } from './model.ts'

/** A turn that changes nothing but what is given. */
export function turn(machine: Machine, ...wishes: readonly Wish[]): Turn {
  return { machine, wishes }
}

/** Does `next` on what `first` made, with the wishes of both in order. */
export function andThen(first: Turn, next: (machine: Machine) => Turn): Turn {
  const second = next(first.machine)
  return { machine: second.machine, wishes: [...first.wishes, ...second.wishes] }
}

const notHeldBack = { behindFigures: false, behindMeta: false } as const

/** Begins a task; the machine waits for its result. */
export function begin(machine: Machine, task: Task): Turn {
  return turn({ ...machine, ...notHeldBack, task, failures: 0, waiting: false }, { wish: 'do', task })
}

/** Begins a report; waits first for figures that are on their way, so that reports arrive in order. */
export function beginReport(machine: Machine, task: Task): Turn {
  if (!machine.figuresOut) return begin(machine, task)
  return turn({ ...machine, ...notHeldBack, task, failures: 0, behindFigures: true, waiting: false })
}

/** Begins a task after a while. */
export function beginLater(machine: Machine, task: Task, afterMs: number): Turn {
  return turn(
    { ...machine, ...notHeldBack, task, failures: 0, waiting: true },
    { wish: 'wake', timer: 'task', afterMs },
  )
}

/** Tells whoever watches. */
export function tell(machine: Machine, event: AgentEvent): Turn {
  return turn(machine, { wish: 'tell', event })
}

/** Ends the run. */
export function end(machine: Machine, outcome: Outcome): Turn {
  return turn({ ...machine, task: undefined, waiting: false }, { wish: 'end', outcome })
}

/** Tells of a failure and what it means for the waiting. */
export function tellTrouble(machine: Machine, failure: Failure, againInMs: number): Turn {
  const during = machine.task?.do ?? 'nothing'
  return tell(machine, { event: 'trouble', during, detail: describeFailure(failure), againInMs })
}

/** Tells of a failure and does a task (the same one unless named) after a pause that doubles, up to the cap. */
export function again(machine: Machine, failure: Failure, moment: Moment, task = machine.task): Turn {
  if (!task) return turn(machine)
  const afterMs = backoffMs(machine, machine.failures, moment.luck)
  const failures = machine.failures + 1
  return andThen(tellTrouble(machine, failure, afterMs), (m) =>
    andThen(beginLater(m, task, afterMs), (n) => turn({ ...n, failures })),
  )
}

/**
 * The pause after so many failures: doubling from the first to the cap, then between half and all of it, so
 * that a fleet that lost its hub does not come back in one step.
 */
export function backoffMs(machine: Machine, failures: number, luck: number): number {
  const { backoffFirstMs, backoffCapMs } = machine.settings
  const whole = Math.min(backoffCapMs, backoffFirstMs * 2 ** Math.min(failures, 30))
  return Math.round(whole / 2 + (whole / 2) * luck)
}

/** A failure in words: thing, wanted, got. */
export function describeFailure(failure: Failure): string {
  switch (failure.kind) {
    case 'unreachable':
      return `no reply from the hub: ${failure.detail}`
    case 'login-refused':
      return `the hub refuses this device's login (${failure.status}): ${failure.detail}`
    case 'refused':
      return `${failure.call}: wanted status 200, got ${failure.status} ${failure.detail}`.trimEnd()
    case 'garbled':
      return `${failure.call}: the reply cannot be read: ${failure.detail}`
    case 'object':
      return `object ${failure.sha}: ${failure.detail}`
    case 'disk':
      return `disk: ${failure.detail}`
    case 'driver':
      return failure.detail
    case 'factory':
      return `factory: ${failure.detail}`
  }
}

/** The hub has said no, and asking again will not change it. */
export function isFinalRefusal(failure: Failure): boolean {
  return (
    failure.kind === 'refused' &&
    failure.status >= 400 &&
    failure.status < 500 &&
    ![401, 408, 425, 429].includes(failure.status)
  )
}
