/**
 * What the control socket shows, in Pantavisor's shapes: containers, groups, metadata, dates.
 *
 * Pure. Sizes and booleans are text on this wire, where Pantavisor has them so.
 */
import { isJsonObject, type JsonObject } from '@waymark/pantahub'
import type { Meta } from '../meta.ts'
import type { Json } from '../ports.ts'
import type { Recovery } from '../process/manifest.ts'
import { reached, type Supervised } from '../process/supervisor.ts'

/** The groups that there are without `device.json`. */
const builtInGroups: readonly JsonObject[] = [
  { name: 'data', status_goal: 'MOUNTED', restart_policy: 'system' },
  { name: 'root', restart_policy: 'system' },
  { name: 'platform', restart_policy: 'system' },
  { name: 'app' },
]

/** From the least to the most. */
const order: readonly string[] = [
  'INSTALLED',
  'BLOCKED',
  'MOUNTED',
  'STARTING',
  'STOPPING',
  'STARTED',
  'READY',
]

/** A container's roles: a manifest without `roles` has mgmt, one with them has those it lists. */
export function rolesOf(state: JsonObject, container: string): readonly string[] | undefined {
  const run = state[`${container}/run.json`]
  if (!isJsonObject(run)) return undefined
  if (run.roles === undefined) return ['mgmt']
  return Array.isArray(run.roles) ? run.roles.filter((role) => typeof role === 'string') : []
}

export function containersView(state: JsonObject, containers: readonly Supervised[]): Json {
  return containers.map((each) => {
    const { spec, status } = each
    return {
      name: spec.name,
      group: spec.group,
      status,
      status_goal: spec.goal,
      restart_policy: spec.restartPolicy,
      roles: [...(rolesOf(state, spec.name) ?? [])],
      ...(spec.recovery ? { auto_recovery: recoveryView(spec.recovery, each) } : {}),
      ...(spec.restartPolicy === 'container' ? { user_stopped: String(each.userStopped === true) } : {}),
    }
  })
}

function recoveryView(recovery: Recovery, { retries, stable }: Supervised): Json {
  const { maxRetries, stableMs, exhausted } = recovery
  return {
    policy: 'on-failure',
    max_retries: maxRetries,
    current_retries: retries,
    stable_timeout: Math.round(stableMs / 1000),
    is_stable: String(stable),
    backoff_policy: typeof exhausted === 'number' ? `${Math.round(exhausted / 1000)}s` : exhausted,
  }
}

/** A group is READY unless a member is short of its goal: then it is where the lowest of those is. */
export function groupsView(state: JsonObject, containers: readonly Supervised[]): Json {
  const device = state['device.json']
  const listed = isJsonObject(device) && Array.isArray(device.groups) ? device.groups : builtInGroups
  return listed.filter(isJsonObject).map((group) => {
    const short = containers.filter(
      (each) =>
        each.spec.group === group.name && !reached(each) && !['RECOVERING', 'STOPPED'].includes(each.status),
    )
    const lowest = Math.min(...short.map((each) => order.indexOf(each.status)))
    return {
      name: String(group.name),
      status_goal: String(group.status_goal ?? 'STARTED'),
      restart_policy: String(group.restart_policy ?? 'container'),
      status: order[lowest] ?? 'READY',
    }
  })
}

/** Objects and lists as they are, all else as text; what is null is not there. */
export function metaView(meta: Meta): Json {
  return Object.fromEntries(
    Object.entries(meta).flatMap(([key, value]) =>
      value === null ? [] : [[key, typeof value === 'object' ? value : String(value)]],
    ),
  )
}

/** A value as it was sent: a JSON object or list is kept as that, all else as text. */
export function metaValue(text: string): Json {
  try {
    // What JSON.parse gave is JSON all the way down.
    const value = JSON.parse(text) as Json
    return typeof value === 'object' && value !== null ? value : text
  } catch {
    return text
  }
}

/** A date as Pantavisor writes it, and in truth UTC. */
export const dateView = (atMs: number): string => new Date(atMs).toISOString().replace(/\.\d+Z$/, 'Z')
