/**
 * What the agent tells whoever watches: one typed event per thing that happened, and a line for people.
 *
 * Programs read the event, people the line; both come from the same value. No event holds a secret: the
 * challenge is shown on purpose, since reading it out is how an owner claims a device.
 */

/** The states of the device, in the order it first passes them. */
export const agentStates = ['init', 'register', 'claim', 'sync', 'idle', 'update'] as const
export type AgentState = (typeof agentStates)[number]

/** Where an update stands, in order. */
export const updateStages = ['wait-hub', 'prep-download', 'download', 'report'] as const
export type UpdateStage = (typeof updateStages)[number]

/** Sizes are bytes, times milliseconds, percentages whole numbers. */
export type AgentEvent =
  | { readonly event: 'state'; readonly state: AgentState; readonly stage?: UpdateStage }
  | { readonly event: 'registered'; readonly id: string; readonly prn: string }
  | { readonly event: 'challenge'; readonly id: string; readonly challenge: string }
  | { readonly event: 'claimed'; readonly id: string; readonly owner: string }
  | { readonly event: 'announcing'; readonly stateSha: string }
  | {
      readonly event: 'uploaded'
      readonly name: string
      readonly sha: string
      readonly size: number
      readonly sent: boolean
    }
  | { readonly event: 'synced'; readonly id: string; readonly rev: number }
  | { readonly event: 'step'; readonly rev: number; readonly message: string; readonly retries: number }
  | {
      readonly event: 'needed'
      readonly rev: number
      readonly objects: number
      readonly bytes: number
      readonly reused: number
    }
  | {
      readonly event: 'downloading'
      readonly rev: number
      readonly bytes: number
      readonly total: number
      readonly percent: number
      readonly bytesPerSecond: number
    }
  | { readonly event: 'resumed'; readonly sha: string; readonly from: number; readonly size: number }
  | { readonly event: 'corrupt'; readonly sha: string; readonly got: string; readonly attempt: number }
  | { readonly event: 'reported'; readonly rev: number; readonly status: string; readonly percent: number }
  | { readonly event: 'switched'; readonly rev: number; readonly previous: number | undefined }
  | { readonly event: 'done'; readonly rev: number; readonly stateSha: string }
  | {
      readonly event: 'error'
      readonly rev: number
      readonly status: string
      readonly message: string
      readonly running: number | undefined
    }
  | {
      readonly event: 'signatures'
      readonly rev: number
      readonly mode: string
      readonly valid: number
      /** What is wrong with the others, each by its path. */
      readonly refused: readonly string[]
      /** So many paths no valid signature covers. */
      readonly uncovered: number
    }
  | {
      readonly event: 'rolling-back'
      readonly rev: number
      readonly to: number | undefined
      readonly why: string
    }
  | { readonly event: 'container'; readonly name: string; readonly status: string; readonly detail: string }
  /** An order of the control socket: taken from its slot, or carried out. */
  | { readonly event: 'order'; readonly order: string; readonly stage: 'taken' | 'done' }
  | { readonly event: 'user-meta'; readonly keys: readonly string[] }
  | { readonly event: 'online' }
  | { readonly event: 'offline'; readonly detail: string }
  | {
      readonly event: 'trouble'
      readonly during: string
      readonly detail: string
      readonly againInMs: number
    }
  | { readonly event: 'stopped'; readonly why: string }

/** The line for people. Undefined for what only programs care about. */
export function describeEvent(event: AgentEvent): string | undefined {
  switch (event.event) {
    case 'state':
      return undefined
    case 'registered':
      return `registered as ${event.id}`
    case 'challenge':
      return `challenge ${event.challenge}  (claim device ${event.id} with it)`
    case 'claimed':
      return `claimed by ${event.owner}`
    case 'announcing':
      return 'announcing the factory state'
    case 'uploaded':
      return event.sent
        ? `uploaded ${event.name} (${showBytes(event.size)})`
        : `hub has ${event.name} (${showBytes(event.size)}) already`
    case 'synced':
      return `synced, running revision ${event.rev}`
    case 'step':
      return `step ${event.rev} found${event.message === '' ? '' : `: ${event.message}`}${
        event.retries > 0 ? ` (retry ${event.retries})` : ''
      }`
    case 'needed':
      return `step ${event.rev} needs ${event.objects} objects, ${showBytes(event.bytes)}; ${event.reused} are here already`
    case 'downloading':
      return `step ${event.rev} downloading ${event.percent} % at ${showBytes(event.bytesPerSecond)}/s`
    case 'resumed':
      return `object ${event.sha.slice(0, 12)} resumed at ${showBytes(event.from)} of ${showBytes(event.size)}`
    case 'corrupt':
      return `object ${event.sha.slice(0, 12)} discarded: its bytes hash to ${event.got.slice(0, 12)} (attempt ${event.attempt})`
    case 'reported':
      return undefined
    case 'switched':
      return `switched to revision ${event.rev}`
    case 'done':
      return `step ${event.rev} done`
    case 'error':
      return `step ${event.rev} ${event.status}: ${event.message}; still running revision ${event.running ?? 'none'}`
    case 'signatures':
      return event.refused.length === 0
        ? undefined
        : `step ${event.rev}: ${event.refused.length} signatures are not valid (${event.mode}): ${event.refused[0]}`
    case 'rolling-back':
      return `revision ${event.rev} is given up, back to ${event.to ?? 'nothing'}: ${event.why}`
    case 'container':
      return `container ${event.name} ${event.status}${event.detail === '' ? '' : `: ${event.detail}`}`
    case 'order':
      return `order ${event.order} ${event.stage}`
    case 'user-meta':
      return `user-meta: ${event.keys.length} keys`
    case 'online':
      return 'hub reached'
    case 'offline':
      return `hub not reached: ${event.detail}`
    case 'trouble':
      return `${event.during}: ${event.detail}; again in ${(event.againInMs / 1000).toFixed(1)} s`
    case 'stopped':
      return `stopped: ${event.why}`
    default:
      return unreachable(event)
  }
}

/** Bytes for people: `512 B`, `3.4 kB`, `20.0 MB`. */
export function showBytes(bytes: number): string {
  if (bytes < 1000) return `${Math.round(bytes)} B`
  const units = ['kB', 'MB', 'GB', 'TB']
  let value = bytes
  let unit = 'B'
  for (const next of units) {
    if (value < 1000) break
    value /= 1000
    unit = next
  }
  return `${value.toFixed(1)} ${unit}`
}

/** Ends a switch that has decided every case; does not compile while one is missing. */
export function unreachable(left: never): never {
  throw new Error(`unreachable: ${JSON.stringify(left)}`)
}
