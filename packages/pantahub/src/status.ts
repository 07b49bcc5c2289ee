/**
 * The words a step's progress may bear, and what each means for the step.
 *
 * A device may report any word in any order: the wire keeps what it said, and only this table says what follows from it.
 * Words that are not here are opaque: the device is doing something that we have no name for. What a *second* final word
 * is worth, and whether a move is lawful, is decided where steps are kept.
 */

/** How far along a step is; `final` words end it. */
export type StatusPhase = 'waiting' | 'working' | 'final'
/** How a step ended. `passed`: it was given up on request and the next step may follow it (the walkthrough's abort). */
export type StatusOutcome = 'done' | 'failed' | 'cancelled' | 'passed'

export type StatusMeaning =
  | { readonly phase: 'waiting' | 'working'; readonly known: boolean; readonly outcome?: never }
  | { readonly phase: 'final'; readonly known: true; readonly outcome: StatusOutcome }

/** Every status in use: Pantahub Base, Pantavisor old and new, and the 2016 walkthrough. */
export const stepStatuses = {
  /** Posted; the device has not said anything yet. The only status in which an owner may cancel or replace. */
  NEW: { phase: 'waiting', known: true },
  /** The device has taken it and will try, or try again. */
  QUEUED: { phase: 'waiting', known: true },
  /** Documented by Pantavisor; older ones wrote these three into their own copy of revision 0. */
  SYNCING: { phase: 'waiting', known: true },
  UNREGISTERED: { phase: 'waiting', known: true },
  UNCLAIMED: { phase: 'waiting', known: true },
  DOWNLOADING: { phase: 'working', known: true },
  INPROGRESS: { phase: 'working', known: true },
  TESTING: { phase: 'working', known: true },
  /** Runs, without a reboot: the rollback point is still the revision before. */
  UPDATED: { phase: 'final', known: true, outcome: 'done' },
  /** Runs, and is the new rollback point. */
  DONE: { phase: 'final', known: true, outcome: 'done' },
  /** The device will not try it (again): bad signature, no space, too many retries. */
  WONTGO: { phase: 'final', known: true, outcome: 'failed' },
  /** It was tried, and the device went back to the revision before. */
  ERROR: { phase: 'final', known: true, outcome: 'failed' },
  /** Base's word, and Pantavisor's, for a step its owner took back. */
  CANCEL: { phase: 'final', known: true, outcome: 'cancelled' },
  CANCELLED: { phase: 'final', known: true, outcome: 'cancelled' },
  /** The walkthrough's word for a step its device gave up because its owner asked. */
  ABORTED: { phase: 'final', known: true, outcome: 'passed' },
} as const satisfies Record<string, StatusMeaning>

export type StepStatus = keyof typeof stepStatuses

/** The statuses for which Pantavisor polls, in the order of its query: steps that are neither ended nor cancelled. */
export const polledStatuses = ['NEW', 'DOWNLOADING', 'INPROGRESS', 'TESTING', 'QUEUED'] as const

const opaque: StatusMeaning = { phase: 'working', known: false }

/** What a status word means. Words compare exactly (capitals count); unknown ones say only that something goes on. */
export function statusMeaning(word: string): StatusMeaning {
  return isStepStatus(word) ? stepStatuses[word] : opaque
}

/** Whether the word is one of the table's. */
export function isStepStatus(word: string): word is StepStatus {
  return Object.hasOwn(stepStatuses, word)
}
