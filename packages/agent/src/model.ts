/**
 * The words of the machine: what it knows, what it is told, what it wishes.
 *
 * One *task* is under way at a time, and its result decides what comes next; beside it run three *chores*
 * (both metadata maps, and the figures of a running download) whose results decide nothing. That makes the
 * machine a table by task, and a failure policy something said once.
 */
import type { SignatureMode, TrustedKey } from '@waymark/pantahub'
import type { Order } from './control/orders.ts'
import type { StoredIdentity } from './credentials.ts'
import type { AgentEvent, AgentState, UpdateStage } from './events.ts'
import type { HubFailure } from './hub.ts'
import type { Fault, Passage, Revision, RunningRevision } from './ports.ts'
import type { TryMark } from './try-mark.ts'
import type { DeviceRecord, ObjectRecord, OfferedStep, Progress } from './wire.ts'

/** What bounds and paces the machine. Times in milliseconds. */
export interface MachineSettings {
  /** Must be the owner's id, nick or prn, when given. */
  readonly accountId?: string
  /** Must be the id of this device's trail, when given. */
  readonly trailId?: string
  readonly pollMs: number
  readonly userMetaMs: number
  readonly deviceMetaMs: number
  /** How often the figures of a download are reported. */
  readonly progressMs: number
  /** So often a step is begun before it is given up. */
  readonly revisionRetries: number
  /** So often the hub may fail to describe an object before the step ends in ERROR. */
  readonly lookUpTries: number
  readonly backoffFirstMs: number
  readonly backoffCapMs: number
  /** So many requests without a reply are forgiven before the device calls itself offline. */
  readonly offlineAfter: number
  /** How long a revision is watched before it is kept. 0 (the default) keeps a plain switch at once. */
  readonly commitDelayMs?: number
  /** How long a revision that came with a restart may take to reach the hub; 120 s unless given. */
  readonly hubWaitMs?: number
  /** How signatures of states are taken; `disabled` unless given. */
  readonly signatures?: { readonly mode: SignatureMode; readonly trusted: readonly TrustedKey[] }
  /** What the driver cannot run, judged from the state alone. */
  readonly judge?: (revision: Revision) => Refusal | undefined
  /** Whether the built-in client may work at all; it may unless `false`. */
  readonly remote?: boolean
  /** It works with local revisions too. */
  readonly remoteAlways?: boolean
  /** End when nothing is left to do. */
  readonly untilIdle: boolean
}

/** An update that was begun, kept on disk so that the count of retries survives. */
export interface Attempt {
  readonly rev: number
  readonly stateSha: string
  readonly retries: number
}

/** The last word on a step, kept on disk before it is sent. `stateSha` is empty when the state was unreadable. */
export interface Final {
  readonly rev: number
  readonly stateSha: string
  readonly progress: Progress
  readonly sent: boolean
  /** Of a revision run through the control socket: noted in the book, told to no hub. */
  readonly quiet?: boolean
}

/** What the disk holds at start. */
export interface Found {
  readonly identity: StoredIdentity | undefined
  readonly running: RunningRevision | undefined
  readonly attempt: Attempt | undefined
  readonly finals: readonly Final[]
  /** The revision that this start is to try. */
  readonly trying?: TryMark
  /** There is a factory folder to install revision 0 from. */
  readonly factory: boolean
  /** The built-in client was switched off, and not on again. */
  readonly remoteOff?: boolean
}

/** What an update lacks. `availableBytes` is what the disk can still take. */
export interface Needed {
  readonly missing: readonly ObjectRecord[]
  readonly reused: number
  /** Bytes still to come: sizes less what partial downloads hold. */
  readonly requiredBytes: number
  readonly availableBytes: number
}

/** What is asked of the shell, and what it answers. */
export interface Results {
  load: Found
  'install-factory': RunningRevision
  register: DeviceRecord
  'keep-identity': null
  login: null
  'ask-device': DeviceRecord
  'list-trails': readonly string[]
  'read-factory-step': OfferedStep
  adopt: null
  'return-to-factory': RunningRevision
  announce: null
  poll: OfferedStep | undefined
  confirm: OfferedStep | undefined
  'keep-attempt': null
  report: null
  'look-up': Needed
  download: null
  /** How the revision comes into force; null: a plain switch. */
  prepare: Passage | null
  switch: { readonly probes: readonly string[] }
  settle: Fault | null
  test: { readonly probes: readonly string[] } | Fault
  'ask-hub': null
  /** What runs now; undefined when the agent has to start anew for it. */
  'roll-back': RunningRevision | undefined
  'keep-final': null
  note: null
  /** The objects that are not here, or no longer whole. */
  'look-over': readonly string[]
  obey: null
}

export type Task =
  | { readonly do: 'load' }
  | { readonly do: 'install-factory' }
  | { readonly do: 'register' }
  | { readonly do: 'login' }
  | { readonly do: 'list-trails' }
  | { readonly do: 'return-to-factory' }
  | { readonly do: 'keep-identity'; readonly stored: StoredIdentity; readonly challenge: string }
  | { readonly do: 'ask-device'; readonly id: string }
  | { readonly do: 'read-factory-step'; readonly trail: string }
  | { readonly do: 'adopt'; readonly revision: Revision }
  | { readonly do: 'announce'; readonly rev: number }
  | { readonly do: 'poll'; readonly trail: string }
  /** Asks once more what the hub offers, now that the step is ours. */
  | { readonly do: 'confirm'; readonly trail: string }
  | { readonly do: 'keep-attempt'; readonly attempt: Attempt }
  | { readonly do: 'report'; readonly trail: string; readonly rev: number; readonly progress: Progress }
  | { readonly do: 'look-up'; readonly revision: Revision }
  | { readonly do: 'download'; readonly rev: number; readonly objects: readonly ObjectRecord[] }
  | { readonly do: 'prepare'; readonly revision: Revision }
  | {
      readonly do: 'switch'
      readonly rev: number
      readonly previous: number | undefined
      /** Kept on disk before anything moves: the revision is only tried. */
      readonly mark?: TryMark
    }
  /** Waits until what is tried has reached its goals. */
  | { readonly do: 'settle'; readonly rev: number }
  /** Watches what is tried for so long. */
  | { readonly do: 'test'; readonly rev: number; readonly forMs: number }
  /** One last call before a revision is kept: any reply will do. */
  | { readonly do: 'ask-hub' }
  | { readonly do: 'roll-back'; readonly mark: TryMark }
  | { readonly do: 'keep-final'; readonly final: Final }
  /** Notes in the book how far a quiet update has come. */
  | { readonly do: 'note'; readonly rev: number; readonly progress: Progress }
  | { readonly do: 'look-over'; readonly revision: Revision }
  | { readonly do: 'obey'; readonly order: Exclude<Order['kind'], 'run' | 'reboot' | 'poweroff'> }

export type TaskName = Task['do']

/** Work beside the task. */
export type Chore =
  | { readonly chore: 'user-meta'; readonly id: string }
  /** `afresh`: also when it is what was said last. */
  | {
      readonly chore: 'device-meta'
      readonly id: string
      readonly about: AboutDevice
      readonly afresh: boolean
    }
  | { readonly chore: 'figures'; readonly trail: string; readonly rev: number; readonly progress: Progress }

/** What the machine itself contributes to device-meta. */
export interface AboutDevice {
  readonly state: AgentState
  readonly stage: UpdateStage | undefined
  readonly claimed: boolean
  readonly online: boolean
  readonly rev: number | undefined
  readonly stateSha: string | undefined
}

/** Why a task failed: the hub's fault, the disk's, an object's, or a driver's. */
export type Failure =
  | HubFailure
  | { readonly kind: 'disk'; readonly detail: string }
  | { readonly kind: 'object'; readonly sha: string; readonly detail: string }
  | { readonly kind: 'driver'; readonly detail: string }
  | { readonly kind: 'factory'; readonly detail: string }

export type TimerName = 'task' | 'trial' | 'user-meta' | 'device-meta'

type Did = {
  [K in TaskName]: { readonly kind: 'did'; readonly task: K; readonly result: Results[K] }
}[TaskName]

/** What the machine is told. */
export type Input =
  | { readonly kind: 'start' }
  | Did
  | { readonly kind: 'failed'; readonly task: TaskName; readonly failure: Failure }
  | { readonly kind: 'chore-over'; readonly chore: Chore['chore']; readonly failure?: Failure }
  | { readonly kind: 'timer'; readonly timer: TimerName }
  | { readonly kind: 'moved'; readonly bytes: number; readonly total: number }
  | { readonly kind: 'contact'; readonly reached: boolean; readonly detail: string }
  | { readonly kind: 'order'; readonly order: Order }
  /** Some settings are others from now on. */
  | { readonly kind: 'settings'; readonly settings: Partial<MachineSettings> }

/** A setting that the hub contradicts. */
export interface Refusal {
  readonly thing: string
  readonly wanted: string
  readonly got: string
}

/** How a run ends. */
export type Outcome =
  | { readonly kind: 'stopped' }
  | { readonly kind: 'idle'; readonly rev: number | undefined }
  /** The agent has to start anew, with this revision. */
  | { readonly kind: 'restart'; readonly rev: number }
  | { readonly kind: 'refused'; readonly refusal: Refusal }

/** What the machine wants done. A timer replaces an earlier one of its name. */
export type Wish =
  | { readonly wish: 'do'; readonly task: Task }
  | { readonly wish: 'chore'; readonly chore: Chore }
  | { readonly wish: 'wake'; readonly timer: TimerName; readonly afterMs: number }
  | { readonly wish: 'tell'; readonly event: AgentEvent }
  | { readonly wish: 'end'; readonly outcome: Outcome }

/** The update under way. */
export interface Job {
  readonly stage: UpdateStage
  readonly revision: Revision
  readonly retries: number
  readonly needed: Needed | undefined
  readonly passage?: Passage
  readonly startedAt: number
  readonly moved: { readonly bytes: number; readonly total: number; readonly reportedAt: number }
  /** Run through the control socket: no hub hears of it. */
  readonly quiet?: boolean
  /** A quiet one that is to be tried by a fresh start, whatever it changes. */
  readonly rebooting?: boolean
}

/** The facts that are true in each state. */
export type Phase =
  | { readonly state: 'init' }
  | { readonly state: 'register' }
  | { readonly state: 'claim'; readonly challenge: string }
  /** `failures`: how often in a row the announce has failed, though the hub answered in between. */
  | { readonly state: 'sync'; readonly announced: boolean; readonly failures: number }
  | { readonly state: 'idle' }
  | { readonly state: 'update'; readonly job: Job | undefined; readonly concluding: Final | undefined }

/** A revision being tried: `hub` until the hub has heard of it, then its goals, then the commit delay. */
export interface Trial {
  readonly mark: TryMark
  readonly step: 'hub' | 'goals' | 'testing' | 'falling'
  readonly probes: readonly string[]
}

/** Everything the machine knows. */
export interface Machine {
  readonly settings: MachineSettings
  readonly startId: string
  readonly phase: Phase
  readonly task: Task | undefined
  /** How often in a row the task has failed. */
  readonly failures: number
  /** The task has not begun yet: a timer will begin it. */
  readonly waiting: boolean
  /** The task waits until the figures on their way have been answered: reports never overtake each other. */
  readonly behindFigures: boolean
  readonly figuresOut: boolean
  readonly me: StoredIdentity | undefined
  readonly trail: string | undefined
  readonly running: RunningRevision | undefined
  readonly attempt: Attempt | undefined
  readonly trial: Trial | undefined
  readonly finals: readonly Final[]
  readonly hasFactory: boolean
  readonly registrations: number
  readonly unanswered: number
  readonly online: boolean
  readonly choresStarted: boolean
  /** The revision that the hub has heard of by device-meta; a poll waits for that, and so does a run until idle. */
  readonly shown: RunningRevision | undefined
  /** The device-meta on its way, and the revision it names. */
  readonly metaOut: { readonly running: RunningRevision | undefined } | undefined
  /** The poll waits until the device-meta on its way has been answered. */
  readonly behindMeta: boolean
  /** Whether user-meta was asked for: a run until idle waits for it. */
  readonly askedUserMeta: boolean
  /** The order in the slot. */
  readonly order: Order | undefined
  /** The built-in client works. */
  readonly remote: boolean
  /** It was switched off, and not on again. */
  readonly remoteOff: boolean
}

/** The moment of a turn, and a number in [0, 1) for whatever wants luck. */
export interface Moment {
  readonly now: number
  readonly luck: number
}

/** A new machine and what it wants done. */
export interface Turn {
  readonly machine: Machine
  readonly wishes: readonly Wish[]
}
