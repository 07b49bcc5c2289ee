/**
 * Who runs, who waits, who is started again: the life of containers as a pure function.
 *
 *     INSTALLED ─▶ BLOCKED ─▶ MOUNTED | STARTING ─▶ STARTED ─▶ READY
 *                                          └─ exit ─▶ RECOVERING ─▶ STARTING
 *     STOPPING ─▶ STOPPED, or gone, or INSTALLED as something new
 *
 * Groups start in order; one waits until every member of those before it has reached its goal, has run out of time for
 * it, or is out of the game. While a revision is tried (`trial`) the first crash beyond recovery and the first goal missed
 * is its fault; otherwise a missed goal is only told, and a container that exits without a recovery of its own is
 * started again after growing pauses: the reboot that Pantavisor does for it would come to the same for this container
 * and disturb all others. A container whose fingerprint is the same before and after `apply` is not touched.
 *
 * Each start has a number, so that what comes late from an earlier one changes nothing.
 */
import type { Fault } from '../ports.ts'
import type { Container, StopSignal, System } from './manifest.ts'

export type ContainerStatus =
  | 'INSTALLED'
  | 'BLOCKED'
  | 'MOUNTED'
  | 'STARTING'
  | 'STARTED'
  | 'READY'
  | 'RECOVERING'
  | 'STOPPING'
  | 'STOPPED'

export interface Supervised {
  readonly spec: Container
  readonly status: ContainerStatus
  /** The number of its present start; 0 when it has none. */
  readonly run: number
  readonly retries: number
  /** Has run as long as it must. */
  readonly stable: boolean
  /** Its time for the goal is over. */
  readonly late: boolean
  /** Stopped by an order, and not started again until another. */
  readonly userStopped?: boolean
  /** What it becomes once it has stopped. */
  readonly next?: Container | 'gone'
}

export interface Supervisor {
  readonly groups: readonly string[]
  readonly containers: readonly Supervised[]
  readonly runs: number
  readonly trial: boolean
  readonly fault: Fault | undefined
  readonly stopping: boolean
}

export const idleSupervisor: Supervisor = {
  groups: [],
  containers: [],
  runs: 0,
  trial: false,
  fault: undefined,
  stopping: false,
}

/** What may be asked of a container. */
export const containerActions = ['start', 'stop', 'restart'] as const
export type ContainerAction = (typeof containerActions)[number]

export type TimerWhat = 'goal' | 'recover' | 'kill' | 'stable'

export type Happening =
  | { readonly kind: 'apply'; readonly system: System }
  | { readonly kind: 'trial'; readonly on: boolean }
  | { readonly kind: 'stop' }
  | { readonly kind: 'spawned'; readonly name: string; readonly run: number }
  | {
      readonly kind: 'exited'
      readonly name: string
      readonly run: number
      readonly how: string
      readonly logs: string
    }
  | { readonly kind: 'ready'; readonly name: string }
  /** Somebody on the device wants a container started, stopped, or both. */
  | { readonly kind: 'wanted'; readonly name: string; readonly action: ContainerAction }
  | { readonly kind: 'timer'; readonly name: string; readonly run: number; readonly what: TimerWhat }

export type SupervisorWish =
  | { readonly wish: 'spawn'; readonly container: Container; readonly run: number }
  | {
      readonly wish: 'signal'
      readonly name: string
      readonly run: number
      readonly signal: StopSignal
    }
  | {
      readonly wish: 'wake'
      readonly name: string
      readonly run: number
      readonly what: TimerWhat
      readonly afterMs: number
    }
  | {
      readonly wish: 'tell'
      readonly name: string
      readonly status: ContainerStatus
      readonly detail: string
    }

export interface Supervision {
  readonly supervisor: Supervisor
  readonly wishes: readonly SupervisorWish[]
}

/** Pauses before a container without a recovery of its own is started again. Milliseconds. */
const plainRecovery = { firstMs: 1000, capMs: 60_000 }
/** Having run for so long, a container without a `stable_timeout` has its pauses set back. */
const calmMs = 10_000

/** Whether a container is where it should be. */
export function reached({ spec, status, next, userStopped }: Supervised): boolean {
  // Who was stopped on purpose holds nothing back.
  if (userStopped) return true
  if (next !== undefined) return false
  if (spec.goal === 'MOUNTED') return ['MOUNTED', 'STARTED', 'READY'].includes(status)
  return status === 'READY' || (spec.goal === 'STARTED' && status === 'STARTED')
}

/** What a trial waits for: the first fault, or every goal. `waiting` while neither is there. */
export function standing(supervisor: Supervisor): Fault | 'settled' | 'waiting' {
  return supervisor.fault ?? (supervisor.containers.every(reached) ? 'settled' : 'waiting')
}

/** One turn: what happened goes in, what to do comes out. */
export function supervise(before: Supervisor, happening: Happening): Supervision {
  const work = createWork(before)
  switch (happening.kind) {
    case 'apply':
      apply(work, happening.system)
      break
    case 'trial':
      work.trial = happening.on
      work.fault = undefined
      break
    case 'stop':
      work.stopping = true
      for (const each of work.all()) stop(work, each, undefined)
      break
    case 'spawned':
      spawned(work, work.running(happening.name, happening.run))
      break
    case 'exited':
      exited(work, work.running(happening.name, happening.run), happening)
      break
    case 'ready': {
      const each = work.get(happening.name)
      if (each?.status === 'STARTED' && each.spec.goal === 'READY') work.put({ ...each, status: 'READY' })
      break
    }
    case 'wanted': {
      const each = work.get(happening.name)
      if (each && !work.stopping) wanted(work, each, happening.action)
      break
    }
    case 'timer':
      timed(work, work.running(happening.name, happening.run), happening.what)
  }
  if (!work.stopping) startDue(work)
  return work.done()
}

/** The supervisor being changed within one turn. */
function createWork(before: Supervisor) {
  const containers = new Map(before.containers.map((each) => [each.spec.name, each]))
  const wishes: SupervisorWish[] = []
  const work = {
    groups: before.groups,
    runs: before.runs,
    trial: before.trial,
    fault: before.fault,
    stopping: before.stopping,
    wishes,
    all: () => [...containers.values()],
    get: (name: string) => containers.get(name),
    running(name: string, run: number) {
      const each = containers.get(name)
      return each?.run === run && run > 0 ? each : undefined
    },
    put(each: Supervised, detail = '') {
      const { name } = each.spec
      if (containers.get(name)?.status !== each.status)
        wishes.push({ wish: 'tell', name, status: each.status, detail })
      containers.set(name, each)
    },
    remove: (name: string) => containers.delete(name),
    blame(why: string, logs: string) {
      if (work.trial) work.fault ??= { why, logs }
    },
    done(): Supervision {
      const { groups, runs, trial, fault, stopping } = work
      return { supervisor: { groups, runs, trial, fault, stopping, containers: work.all() }, wishes }
    },
  }
  return work
}

type Work = ReturnType<typeof createWork>

const fresh = (spec: Container): Supervised => ({
  spec,
  status: 'INSTALLED',
  run: 0,
  retries: 0,
  stable: false,
  late: false,
})

function apply(work: Work, system: System): void {
  work.groups = system.groups
  const wanted = new Map(system.containers.map((spec) => [spec.name, spec]))
  for (const each of work.all()) {
    const spec = wanted.get(each.spec.name)
    if (each.next === undefined && spec?.fingerprint === each.spec.fingerprint) work.put({ ...each, spec })
    else stop(work, each, spec ?? 'gone')
  }
  for (const spec of system.containers) if (!work.get(spec.name)) work.put(fresh(spec))
}

/** A start of what runs, and a stop of what does not, change nothing. */
function wanted(work: Work, each: Supervised, action: ContainerAction): void {
  const { userStopped: _, ...plain } = each
  const asleep = ['STOPPED', 'STOPPING', 'RECOVERING'].includes(each.status)
  if (action === 'stop') {
    if (each.next === undefined) stop(work, { ...each, userStopped: true }, undefined)
  } else if (action === 'restart' || asleep) {
    if (each.next === undefined || each.next === each.spec) stop(work, plain, each.spec)
  }
}

/** Stops a container; what it becomes then is `next`, undefined for just STOPPED. */
function stop(work: Work, each: Supervised, next: Supervised['next']) {
  const { name } = each.spec
  const becomes = next === undefined ? {} : { next }
  if (each.status === 'STOPPING') return work.put({ ...each, ...becomes })
  if (!['STARTING', 'STARTED', 'READY'].includes(each.status))
    return stopped(work, { ...each, ...becomes }, '')
  const { signal, graceMs } = each.spec.stop
  work.wishes.push({ wish: 'signal', name, run: each.run, signal })
  work.wishes.push({ wish: 'wake', name, run: each.run, what: 'kill', afterMs: graceMs })
  work.put({ ...each, ...becomes, status: 'STOPPING' })
}

function stopped(work: Work, each: Supervised, how: string) {
  const { next, ...rest } = each
  if (next === 'gone') {
    work.wishes.push({ wish: 'tell', name: each.spec.name, status: 'STOPPED', detail: 'removed' })
    work.remove(each.spec.name)
  } else if (next) work.put(fresh(next))
  else work.put({ ...rest, status: 'STOPPED', run: 0 }, how)
}

function startDue(work: Work): void {
  let free = true
  for (const group of work.groups) {
    const members = work.all().filter((each) => each.spec.group === group)
    for (const each of members)
      if (each.status === 'INSTALLED' || each.status === 'BLOCKED') {
        if (free) start(work, each)
        else work.put({ ...each, status: 'BLOCKED' })
      }
    // Judged as they are now: a member that has only just been started holds the next group back.
    const now = work.all().filter((each) => each.spec.group === group)
    free &&= now.every((each) => reached(each) || each.late || isOut(each))
  }
}

const isOut = ({ status }: Supervised): boolean => status === 'RECOVERING' || status === 'STOPPED'

function start(work: Work, each: Supervised) {
  const { spec } = each
  if (spec.goal === 'MOUNTED') return work.put({ ...each, status: 'MOUNTED', stable: true })
  const run = ++work.runs
  work.put({ ...each, status: 'STARTING', run, stable: false, late: false })
  work.wishes.push({ wish: 'spawn', container: spec, run })
  work.wishes.push({ wish: 'wake', name: spec.name, run, what: 'goal', afterMs: spec.goalMs })
}

function spawned(work: Work, each: Supervised | undefined) {
  if (each?.status !== 'STARTING') return
  const stableMs = each.spec.recovery?.stableMs ?? 0
  work.put({ ...each, status: 'STARTED', stable: stableMs === 0 })
  const { name } = each.spec
  work.wishes.push({ wish: 'wake', name, run: each.run, what: 'stable', afterMs: stableMs || calmMs })
}

function exited(work: Work, each: Supervised | undefined, { how, logs }: { how: string; logs: string }) {
  if (!each) return
  if (each.status === 'STOPPING' || work.stopping) return stopped(work, each, how)
  const { name, recovery } = each.spec
  const retries = each.retries + 1
  const recovers = recovery && (recovery.maxRetries === 0 || retries <= recovery.maxRetries)
  if (recovers) {
    const afterMs = Math.min(3_600_000, recovery.delayMs * recovery.factor ** Math.min(retries - 1, 30))
    return recover(work, each, retries, afterMs, how)
  }
  work.blame(`Container ${name} ${how}${recovery ? ` after ${each.retries} retries` : ''}`, logs)
  if (work.trial || recovery?.exhausted === 'never') return stopped(work, each, how)
  if (typeof recovery?.exhausted === 'number') return recover(work, each, 0, recovery.exhausted, how)
  const { firstMs, capMs } = plainRecovery
  recover(work, each, retries, Math.min(capMs, firstMs * 2 ** Math.min(retries - 1, 30)), how)
}

function recover(work: Work, each: Supervised, retries: number, afterMs: number, how: string) {
  work.put({ ...each, status: 'RECOVERING', retries, stable: false }, how)
  work.wishes.push({ wish: 'wake', name: each.spec.name, run: each.run, what: 'recover', afterMs })
}

function timed(work: Work, each: Supervised | undefined, what: TimerWhat): void {
  if (!each) return
  const { name, goal } = each.spec
  switch (what) {
    case 'goal':
      if (reached(each) || each.status === 'STOPPING') return
      work.blame(`Status goal not reached: container ${name} is ${each.status}, wanted ${goal}`, '')
      work.put({ ...each, late: true })
      work.wishes.push({ wish: 'tell', name, status: each.status, detail: `wanted ${goal} by now` })
      return
    case 'recover':
      if (each.status === 'RECOVERING') start(work, each)
      return
    case 'kill':
      if (each.status === 'STOPPING')
        work.wishes.push({ wish: 'signal', name, run: each.run, signal: 'SIGKILL' })
      return
    case 'stable':
      if (['STARTED', 'READY'].includes(each.status)) work.put({ ...each, stable: true, retries: 0 })
  }
}
