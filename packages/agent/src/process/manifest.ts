/**
 * What a state wants run: its groups in order, and each container as a process.
 *
 * A container is a top-level folder with a `run.json` (`#spec` `service-manifest-run@1`). Pantavisor's members keep
 * their meaning and defaults (`group`, `runlevel`, `status_goal`, `restart_policy`, `auto_recovery`, and the groups of
 * `device.json`); `type` is `process`, and what an LXC configuration would say stands in `run.json` itself:
 *
 *     command, args    a path with `/` is taken from the container's folder, an absolute one from the machine
 *     env              all the environment there is, beside PATH and WAYMARK_CONTAINER
 *     stop             { signal: 'SIGTERM', grace: 5 }   seconds until SIGKILL
 *     limits           { data_bytes, file_bytes, open_files, processes, cpu_seconds }
 *     probes           [{ http }, { tcp }, { command, args }], each with `timeout` seconds
 *
 * With `type` `oci`, for the driver of that name, a container is made from an image and `command` may be left out:
 *
 *     image            a reference the engine knows, or `./root.tar`: a root file system, or a saved image, among the
 *                      container's files
 *     network          host (the default, as for a process), none or bridge
 *
 * Files of a revision are read-only and not executable: `command` is an interpreter, `args` names the file. An unknown
 * group, goal or policy spoils the whole state, as it does for Pantavisor.
 */
import {
  canonicalJson,
  isJsonObject,
  type JsonObject,
  type JsonValue,
  restartPolicy,
} from '@waymark/pantahub'
import type { Refusal } from '../model.ts'

export type Goal = 'MOUNTED' | 'STARTED' | 'READY'
export const stopSignals = [
  'SIGTERM',
  'SIGINT',
  'SIGHUP',
  'SIGQUIT',
  'SIGUSR1',
  'SIGUSR2',
  'SIGKILL',
] as const
export type StopSignal = (typeof stopSignals)[number]

/** Limits of one process, in bytes, counts and seconds. */
export const limitNames = ['data_bytes', 'file_bytes', 'open_files', 'processes', 'cpu_seconds'] as const
export type Limits = Readonly<Partial<Record<(typeof limitNames)[number], number>>>

/** How a container is looked at. Times in milliseconds. */
export type Probe =
  | { readonly kind: 'http'; readonly url: string; readonly timeoutMs: number }
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number; readonly timeoutMs: number }
  | {
      readonly kind: 'command'
      readonly command: string
      readonly args: readonly string[]
      readonly timeoutMs: number
    }

/** What follows an exit. `maxRetries` 0 is endless; `exhausted` in milliseconds is a pause before it all begins anew. */
export interface Recovery {
  readonly maxRetries: number
  readonly delayMs: number
  readonly factor: number
  readonly stableMs: number
  readonly exhausted: 'reboot' | 'never' | number
}

/** What runs the containers of a device; a manifest of another type cannot be run. */
export const containerTypes = ['process', 'oci'] as const
export type ContainerType = (typeof containerTypes)[number]

/** What an `oci` container is made from. */
export interface Image {
  readonly from: string
  readonly network: 'host' | 'none' | 'bridge'
}

export interface Container {
  readonly name: string
  readonly group: string
  readonly goal: Goal
  readonly restartPolicy: 'system' | 'container'
  readonly goalMs: number
  /** Empty: what the image says. */
  readonly command: string
  readonly image?: Image
  readonly args: readonly string[]
  readonly env: Readonly<Record<string, string>>
  readonly stop: { readonly signal: StopSignal; readonly graceMs: number }
  readonly limits: Limits
  readonly probes: readonly Probe[]
  readonly recovery: Recovery | undefined
  /** Its files under `_config`, as paths within its folder. */
  readonly overlay: readonly string[]
  /** Differs when anything of the container differs: its files, its overlay, what its group gives it. */
  readonly fingerprint: string
}

/** What is to run: group names in start order, containers in the order of their groups. */
export interface System {
  readonly groups: readonly string[]
  readonly containers: readonly Container[]
}

export const emptySystem: System = { groups: [], containers: [] }

export type SystemRead =
  | { readonly ok: true; readonly system: System }
  | { readonly ok: false; readonly refusal: Refusal }

interface Group {
  readonly name: string
  readonly goal: Goal
  readonly goalMs: number
  readonly recovery: Recovery | undefined
}

/** Bounds on what a state may ask for. */
const limitsOfState = { containers: 128, words: 256, textLength: 4096, probes: 16 }

class Wrong extends Error {
  readonly refusal: Refusal
  constructor(thing: string, wanted: string, got: unknown) {
    super(thing)
    this.refusal = { thing, wanted, got: got === undefined ? 'nothing' : JSON.stringify(got).slice(0, 80) }
  }
}

/** Reads what a state wants run, or names the first thing that cannot be. `goalsMs` is the time a goal has by default. */
export function readSystem(state: JsonObject, goalsMs: number, type: ContainerType = 'process'): SystemRead {
  try {
    const groups = groupsOf(state, goalsMs)
    const names = Object.keys(state).flatMap((path) => /^([^/]+)\/run\.json$/.exec(path)?.[1] ?? [])
    if (names.length > limitsOfState.containers)
      throw new Wrong('containers', `at most ${limitsOfState.containers}`, names.length)
    const containers = names
      .filter((name) => !['bsp', '_config', '_sigs'].includes(name))
      .sort()
      .map((name) => containerOf(state, name, groups, type))
    const order = groups.map((group) => group.name)
    containers.sort((a, b) => order.indexOf(a.group) - order.indexOf(b.group))
    return { ok: true, system: { groups: order, containers } }
  } catch (cause) {
    if (cause instanceof Wrong) return { ok: false, refusal: cause.refusal }
    throw cause
  }
}

/** Without `device.json`, the four groups that Pantavisor has built in, with its 30 s. */
function groupsOf(state: JsonObject, goalsMs: number): readonly Group[] {
  const device = state['device.json']
  if (device === undefined) {
    const app = recoveryOf(
      { policy: 'on-failure', max_retries: 5, retry_delay: 5, backoff_factor: 2, stable_timeout: 30 },
      'app',
    )
    return [
      { name: 'data', goal: 'MOUNTED', goalMs: 30_000, recovery: undefined },
      { name: 'root', goal: 'STARTED', goalMs: 30_000, recovery: undefined },
      { name: 'platform', goal: 'STARTED', goalMs: 30_000, recovery: undefined },
      { name: 'app', goal: 'STARTED', goalMs: 30_000, recovery: app },
    ]
  }
  const listed = isJsonObject(device) ? device.groups : undefined
  if (!Array.isArray(listed) || listed.length === 0)
    throw new Wrong('device.json groups', 'a list of groups', listed)
  return listed.map((raw, i) => {
    const thing = `device.json group ${i}`
    if (!isJsonObject(raw) || typeof raw.name !== 'string')
      throw new Wrong(thing, 'an object with a name', raw)
    policyOf(raw.restart_policy, thing)
    return {
      name: raw.name,
      goal: goalOf(raw.status_goal, thing) ?? 'STARTED',
      goalMs: secondsOf(raw.timeout, `${thing} timeout`) ?? goalsMs,
      recovery: recoveryOf(raw.auto_recovery, thing),
    }
  })
}

function containerOf(
  state: JsonObject,
  name: string,
  groups: readonly Group[],
  type: ContainerType,
): Container {
  const at = `${name}/run.json`
  const run = state[at]
  if (!/^[A-Za-z0-9_][A-Za-z0-9._-]{0,63}$/.test(name)) throw new Wrong('container', 'a plain name', name)
  if (!isJsonObject(run)) throw new Wrong(at, 'a document', run)
  if (run['#spec'] !== 'service-manifest-run@1')
    throw new Wrong(`${at} #spec`, 'service-manifest-run@1', run['#spec'])
  if (run.type !== type) throw new Wrong(`${at} type`, type, run.type)
  const wanted = run.group ?? run.runlevel
  // Who names no group belongs to the last of device.json; of the built-in ones, to `platform`.
  const unnamed = state['device.json'] === undefined ? 'platform' : groups.at(-1)?.name
  const group = groups.find((each) => each.name === (wanted ?? unnamed))
  if (!group) throw new Wrong(`${at} group`, `one of ${groups.map((g) => g.name).join(', ')}`, wanted)
  policyOf(run.restart_policy, at)
  const recovery =
    run.auto_recovery === undefined ? group.recovery : recoveryOf(run.auto_recovery, at, group.recovery)
  const spec = {
    name,
    group: group.name,
    goal: goalOf(run.status_goal, at) ?? group.goal,
    restartPolicy: restartPolicy(state, name) ?? ('system' as const),
    goalMs: group.goalMs,
    command: type === 'oci' && run.command === undefined ? '' : textOf(run.command, `${at} command`),
    ...(type === 'oci' ? { image: imageOf(state, name, run) } : {}),
    args: wordsOf(run.args, `${at} args`),
    env: envOf(run.env, `${at} env`),
    stop: stopOf(run.stop, `${at} stop`),
    limits: limitsOf(run.limits, `${at} limits`),
    probes: probesOf(run.probes, `${at} probes`),
    recovery,
    overlay: overlayOf(state, name),
  }
  const own = Object.entries(state).filter(
    ([path]) => path.startsWith(`${name}/`) || path.startsWith(`_config/${name}/`),
  )
  const about = {
    ...spec,
    image: spec.image ? { ...spec.image } : null,
    recovery: recovery ? { ...recovery } : null,
    files: Object.fromEntries(own),
  }
  return { ...spec, fingerprint: canonicalJson(about) }
}

/** What `_config/<container>/…` lays over a container's files; the manifest is the state's, and nothing goes over it. */
export function overlayOf(state: JsonObject, name: string): readonly string[] {
  const root = `_config/${name}/`
  return Object.keys(state)
    .filter((path) => path.startsWith(root))
    .map((path) => path.slice(root.length))
    .filter((path) => path !== 'run.json')
    .sort()
}

function imageOf(state: JsonObject, name: string, run: JsonObject): Image {
  const from = textOf(run.image, `${name}/run.json image`)
  if (
    from.startsWith('./')
      ? state[`${name}/${from.slice(2)}`] === undefined
      : !/^[a-z0-9][a-z0-9._/:@-]*$/.test(from)
  )
    throw new Wrong(`${name}/run.json image`, 'a reference, or ./ and a file of this container', from)
  const network = (['host', 'none', 'bridge'] as const).find((each) => each === (run.network ?? 'host'))
  if (!network) throw new Wrong(`${name}/run.json network`, 'host, none or bridge', run.network)
  return { from, network }
}

function goalOf(raw: JsonValue | undefined, thing: string): Goal | undefined {
  if (raw === undefined) return undefined
  const goal = (['MOUNTED', 'STARTED', 'READY'] as const).find((each) => each === raw)
  if (!goal) throw new Wrong(`${thing} status_goal`, 'MOUNTED, STARTED or READY', raw)
  return goal
}

function policyOf(raw: JsonValue | undefined, thing: string): void {
  if (raw !== undefined && raw !== 'system' && raw !== 'container')
    throw new Wrong(`${thing} restart_policy`, 'system or container', raw)
}

/** Taken whole from the group when absent, and an explicit `no` counts as absent (Pantavisor control 11). */
function recoveryOf(raw: JsonValue | undefined, thing: string, group?: Recovery): Recovery | undefined {
  if (raw === undefined) return group
  const at = `${thing} auto_recovery`
  if (!isJsonObject(raw)) throw new Wrong(at, 'an object', raw)
  if (raw.policy === 'no') return group
  if (!['always', 'on-failure', 'unless-stopped'].includes(String(raw.policy)))
    throw new Wrong(`${at} policy`, 'no, always, on-failure or unless-stopped', raw.policy)
  return {
    maxRetries: numberOf(raw.max_retries, `${at} max_retries`) ?? 0,
    delayMs: secondsOf(raw.retry_delay, `${at} retry_delay`) ?? 1000,
    factor: Math.max(1, numberOf(raw.backoff_factor, `${at} backoff_factor`) ?? 1),
    stableMs: secondsOf(raw.stable_timeout, `${at} stable_timeout`) ?? 0,
    exhausted: exhaustedOf(raw.backoff_policy, at),
  }
}

function exhaustedOf(raw: JsonValue | undefined, at: string): Recovery['exhausted'] {
  if (raw === undefined || raw === 'reboot') return 'reboot'
  if (raw === 'never') return 'never'
  const [, digits, unit] = /^(\d{1,6})(s|min|h)$/.exec(String(raw)) ?? []
  if (digits === undefined)
    throw new Wrong(`${at} backoff_policy`, 'reboot, never or a time such as 30s, 10min, 1h', raw)
  return Number(digits) * (unit === 'h' ? 3_600_000 : unit === 'min' ? 60_000 : 1000)
}

function stopOf(raw: JsonValue | undefined, thing: string): Container['stop'] {
  if (raw === undefined) return { signal: 'SIGTERM', graceMs: 5000 }
  if (!isJsonObject(raw)) throw new Wrong(thing, 'an object', raw)
  const signal = stopSignals.find((each) => each === (raw.signal ?? 'SIGTERM'))
  if (!signal) throw new Wrong(`${thing} signal`, stopSignals.join(', '), raw.signal)
  return { signal, graceMs: secondsOf(raw.grace, `${thing} grace`) ?? 5000 }
}

function limitsOf(raw: JsonValue | undefined, thing: string): Limits {
  if (raw === undefined) return {}
  if (!isJsonObject(raw)) throw new Wrong(thing, 'an object', raw)
  const limits: Partial<Record<(typeof limitNames)[number], number>> = {}
  for (const [key, value] of Object.entries(raw)) {
    const name = limitNames.find((each) => each === key)
    if (!name) throw new Wrong(`${thing} ${key}`, `one of ${limitNames.join(', ')}`, key)
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 1)
      throw new Wrong(`${thing} ${key}`, 'a whole number above zero', value)
    limits[name] = value
  }
  return limits
}

function probesOf(raw: JsonValue | undefined, thing: string): readonly Probe[] {
  if (raw === undefined) return []
  if (!Array.isArray(raw) || raw.length > limitsOfState.probes)
    throw new Wrong(thing, `a list of at most ${limitsOfState.probes}`, raw)
  return raw.map((each, i) => {
    const at = `${thing} ${i}`
    if (!isJsonObject(each)) throw new Wrong(at, 'an object', each)
    const timeoutMs = secondsOf(each.timeout, `${at} timeout`) ?? 5000
    if (each.http !== undefined) {
      const url = URL.parse(textOf(each.http, `${at} http`))
      if (url?.protocol !== 'http:') throw new Wrong(`${at} http`, 'an http:// address', each.http)
      return { kind: 'http', url: url.href, timeoutMs }
    }
    if (each.tcp !== undefined) {
      const [, host, port] = /^(.+):(\d{1,5})$/.exec(textOf(each.tcp, `${at} tcp`)) ?? []
      if (host === undefined || Number(port) < 1 || Number(port) > 65_535)
        throw new Wrong(`${at} tcp`, 'host:port', each.tcp)
      return { kind: 'tcp', host, port: Number(port), timeoutMs }
    }
    if (each.command === undefined) throw new Wrong(at, 'http, tcp or command', each)
    const command = textOf(each.command, `${at} command`)
    return { kind: 'command', command, args: wordsOf(each.args, `${at} args`), timeoutMs }
  })
}

function textOf(raw: JsonValue | undefined, thing: string): string {
  if (
    typeof raw !== 'string' ||
    raw === '' ||
    raw.length > limitsOfState.textLength ||
    raw.includes('\0') ||
    raw.split('/').includes('..')
  )
    throw new Wrong(thing, 'text, without .. and not too long', raw)
  return raw
}

function wordsOf(raw: JsonValue | undefined, thing: string): readonly string[] {
  if (raw === undefined) return []
  const fits = (word: unknown): word is string =>
    typeof word === 'string' && word.length <= limitsOfState.textLength && !word.includes('\0')
  if (!Array.isArray(raw) || raw.length > limitsOfState.words || !raw.every(fits))
    throw new Wrong(thing, `a list of at most ${limitsOfState.words} texts`, raw)
  return raw.map(String)
}

function envOf(raw: JsonValue | undefined, thing: string): Readonly<Record<string, string>> {
  if (raw === undefined) return {}
  if (!isJsonObject(raw) || Object.keys(raw).length > limitsOfState.words)
    throw new Wrong(thing, 'an object of texts', raw)
  for (const [key, value] of Object.entries(raw))
    if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(key) || typeof value !== 'string' || value.includes('\0'))
      throw new Wrong(`${thing} ${key}`, 'a name and a text', value)
  return Object.fromEntries(Object.entries(raw).map(([key, value]) => [key, String(value)]))
}

/** Seconds on the wire, milliseconds here; at most a day. */
function secondsOf(raw: JsonValue | undefined, thing: string): number | undefined {
  const seconds = numberOf(raw, thing)
  return seconds === undefined ? undefined : Math.round(Math.min(seconds, 86_400) * 1000)
}

function numberOf(raw: JsonValue | undefined, thing: string): number | undefined {
  if (raw === undefined) return undefined
  if (typeof raw !== 'number' || !Number.isFinite(raw) || raw < 0)
    throw new Wrong(thing, 'a number, zero or more', raw)
  return raw
}
