/**
 * What a fleet has done and how it stands, as plain figures; whoever shows them takes two and looks at the difference.
 */

/** Counts of one fleet. Sums since its start, unless they say how things stand now. */
export interface Counts {
  /** Now: devices whose agent runs. */
  readonly running: number
  /** Now: devices that have an identity with the server. */
  readonly registered: number
  /** Now: devices that have an owner. */
  readonly owned: number
  /** Now: devices that have announced themselves and poll. */
  readonly polling: number
  /** Now: devices in the middle of an update. */
  readonly updating: number
  readonly polls: number
  /** Polls that began later than one interval after they were due. */
  readonly missed: number
  readonly requests: number
  /** Requests that no reply came for. */
  readonly lost: number
  /** Replies that were no success. */
  readonly refused: number
  readonly stepsDone: number
  readonly stepsFailed: number
  /** Agents that ended by themselves. */
  readonly ended: number
}

export type MutableCounts = { -readonly [K in keyof Counts]: Counts[K] }

/** Nothing has happened yet. */
export const emptyCounts = (): MutableCounts => ({
  running: 0,
  registered: 0,
  owned: 0,
  polling: 0,
  updating: 0,
  polls: 0,
  missed: 0,
  requests: 0,
  lost: 0,
  refused: 0,
  stepsDone: 0,
  stepsFailed: 0,
  ended: 0,
})
