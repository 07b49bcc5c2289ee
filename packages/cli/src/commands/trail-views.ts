/** How trails and steps look to people. */
import { type Device, type Fleet, FleetProblem, type Step, type Trail } from '@waymark/sdk'
import type { Column } from '../show/table.ts'
import { timeFelt } from '../show/words.ts'

/** A device with where its trail stands, if it has one. */
export interface TrailRow {
  readonly device: Device
  readonly trail?: Trail
}

/** `in-progress 40 %`, `done (seen)`, `failed: bad checksum`. */
export function outcomeSaid({ outcome, percent, proof, reason }: Step): string {
  if (outcome === 'in-progress') return `${outcome} ${percent} %`
  if (outcome === 'done') return proof === undefined ? outcome : `${outcome} (${proof})`
  return reason === undefined ? outcome : `${outcome}: ${reason}`
}

/** Whether nothing more will come of a step. */
export function hasEnded({ outcome }: Step): boolean {
  return outcome === 'done' || outcome === 'failed' || outcome === 'timed-out' || outcome === 'cancelled'
}

export function trailColumns(now: () => number): Column<TrailRow>[] {
  return [
    { title: 'DEVICE', cell: ({ device }) => device.nick },
    { title: 'STEP', right: true, cell: ({ trail }) => (trail ? String(trail.head.rev) : '-') },
    { title: 'OUTCOME', cell: ({ trail }) => (trail ? outcomeSaid(trail.head) : 'no trail yet') },
    { title: 'RUNNING', right: true, cell: ({ trail }) => String(trail?.running ?? '-') },
    { title: 'CHANGED', cell: ({ trail }) => (trail ? timeFelt(trail.head.modifiedAt, now()) : '-') },
    { title: 'MESSAGE', cell: ({ trail }) => trail?.head.commitMsg ?? '' },
  ]
}

export function stepColumns(now: () => number): Column<Step>[] {
  return [
    { title: 'STEP', right: true, cell: ({ rev }) => String(rev) },
    { title: 'OUTCOME', cell: outcomeSaid },
    { title: 'STATUS', cell: ({ status }) => status },
    { title: 'CHANGED', cell: ({ modifiedAt }) => timeFelt(modifiedAt, now()) },
    { title: 'MESSAGE', cell: ({ commitMsg }) => commitMsg },
  ]
}

/** The trail of a device; undefined when it has not announced its factory state yet. */
export async function trailOf(fleet: Fleet, device: string): Promise<Trail | undefined> {
  try {
    return await fleet.getTrail({ device })
  } catch (error) {
    if (error instanceof FleetProblem && error.kind === 'no-trail') return undefined
    throw error
  }
}
