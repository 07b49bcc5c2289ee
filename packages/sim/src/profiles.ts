/**
 * What a simulated device is like: one table. A profile bends the device's transport and its disk, never the agent, so
 * that whatever it does wrong is what a real agent would do with such a line or such a disk.
 */
import type { Luck } from '@waymark/agent'

export interface Profile {
  readonly about: string
  /** Share of requests that are lost on the way, from 0 to 1. */
  readonly lost: number
  /** A request takes so much longer, at most. Milliseconds. */
  readonly slowMs: number
  /** Share of switches to a new revision that the disk fails. */
  readonly failing: number
}

export const profiles = {
  steady: { about: 'nothing goes wrong', lost: 0, slowMs: 0, failing: 0 },
  flaky: { about: 'one request in twenty is lost', lost: 0.05, slowMs: 0, failing: 0 },
  slow: { about: 'requests take up to two seconds longer', lost: 0, slowMs: 2000, failing: 0 },
  failing: { about: 'one update in four fails on the disk', lost: 0, slowMs: 0, failing: 0.25 },
} as const satisfies Record<string, Profile>

export type ProfileName = keyof typeof profiles

export const profileNames = Object.keys(profiles) as ProfileName[]

export const isProfileName = (name: string): name is ProfileName => Object.hasOwn(profiles, name)

/** The profile of one device: the one that is named, or with `mixed` seven of ten steady and the rest by luck. */
export function drawProfile(named: ProfileName | 'mixed', luck: Luck): Profile {
  if (named !== 'mixed') return profiles[named]
  const draw = luck.next()
  if (draw < 0.7) return profiles.steady
  return profiles[(['flaky', 'slow', 'failing'] as const)[Math.floor(((draw - 0.7) / 0.3) * 3)] ?? 'flaky']
}
