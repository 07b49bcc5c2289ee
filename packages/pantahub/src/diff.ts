/**
 * What changes between two states, and what a device has to do about it.
 *
 * Two states are compared path by path; paths are then gathered into the parts a device knows: the board support package
 * (`bsp`), containers with the overlays that `_config/<container>/` lays over them, signatures, and files at the root. A
 * change of bsp, of root files or of a container whose restart policy is `system` needs a reboot; a change of other
 * containers only restarts those (Pantavisor, applying an update). Nothing here knows what is running.
 */
import { canonicalJson, compareCodePoints } from './canonical.ts'
import { isJsonObject, type JsonObject, type JsonValue } from './json.ts'
import type { Sha256 } from './names.ts'
import { isSignaturePath } from './signature.ts'
import type { State, StateObject, StatePath } from './state.ts'

export type Change = 'added' | 'removed' | 'changed'

export interface StateDiff {
  readonly added: readonly StatePath[]
  readonly removed: readonly StatePath[]
  readonly changed: readonly StatePath[]
  /** Objects of the new state whose bytes the old one does not name anywhere, each sha once. */
  readonly objectsNeeded: readonly StateObject[]
  /** Objects that only the old state names: bytes that may be dropped once it is no rollback point any more. */
  readonly objectsLeft: readonly Sha256[]
  readonly specChanged: boolean
  /** Whether the bsp or its overlay changed. */
  readonly bsp: boolean
  /** Containers touched by a path of their own or of their overlay, by name in code-point order. */
  readonly containers: readonly { readonly name: string; readonly change: Change }[]
  /** Touched paths under `_config/`. */
  readonly config: readonly StatePath[]
  /** Touched paths that belong to no folder, and overlays of nothing. */
  readonly root: readonly StatePath[]
  /** Touched paths under `_sigs/`; they alone change nothing that runs. */
  readonly signatures: readonly StatePath[]
}

/** How a device gets from one state to the other. */
export type Transition =
  | { readonly kind: 'none' }
  /** The named containers are stopped, replaced and started; all else runs on. */
  | { readonly kind: 'live'; readonly containers: readonly string[] }
  | { readonly kind: 'reboot'; readonly because: readonly string[] }

type Comparable = Pick<State, 'json' | 'objects' | 'looseObjects' | 'spec'>

/** Compares two states. `from` may be a device's running state, or the empty one. */
export function stateDiff({ from, to }: { from: Comparable; to: Comparable }): StateDiff {
  const added = pathsOf(to.json).filter((path) => !Object.hasOwn(from.json, path))
  const removed = pathsOf(from.json).filter((path) => !Object.hasOwn(to.json, path))
  const changed = pathsOf(to.json).filter(
    (path) => Object.hasOwn(from.json, path) && !sameValue(from.json[path], to.json[path]),
  )
  const touched = [...added, ...removed, ...changed].sort(compareCodePoints)
  const had = shasOf(from)
  const has = shasOf(to)
  const needed = new Map<Sha256, StateObject>()
  for (const object of objectsOf(to)) {
    if (!had.has(object.sha) && !needed.has(object.sha)) needed.set(object.sha, object)
  }
  const folders = { from: foldersOf(from.json), to: foldersOf(to.json) }
  const owners = touched.map((path) => ownerOf(path, folders))
  const names = new Set(owners.flatMap((owner) => (owner.kind === 'container' ? [owner.name] : [])))
  return {
    added,
    removed,
    changed,
    objectsNeeded: [...needed.values()],
    objectsLeft: [...had].filter((sha) => !has.has(sha)),
    specChanged: from.spec !== to.spec,
    bsp: owners.some(({ kind }) => kind === 'bsp'),
    containers: [...names]
      .sort(compareCodePoints)
      .map((name) => ({ name, change: changeOf(folders.from.has(name), folders.to.has(name)) })),
    config: touched.filter((path) => path.startsWith('_config/')),
    root: touched.filter((_, i) => owners[i]?.kind === 'root'),
    signatures: touched.filter((_, i) => owners[i]?.kind === 'signature'),
  }
}

/**
 * Decides whether the way from one state to another needs a reboot, and says why. A container's policy is looked up in
 * the state that has it, in both if both do; `system` in either is enough.
 */
export function transition({ from, to }: { from: Comparable; to: Comparable }): Transition {
  const diff = stateDiff({ from, to })
  const because = [
    ...(diff.specChanged ? ['#spec changed'] : []),
    ...(diff.bsp ? ['bsp changed'] : []),
    ...diff.root.map((path) => `root file ${path} changed`),
  ]
  for (const { name, change } of diff.containers) {
    const policies = [from, to].map(({ json }) => restartPolicy(json, name))
    if (policies.includes('system')) because.push(`container ${name} (restart policy system) ${change}`)
  }
  if (because.length > 0) return { kind: 'reboot', because }
  if (diff.containers.length === 0) return { kind: 'none' }
  return { kind: 'live', containers: diff.containers.map(({ name }) => name) }
}

/**
 * The restart policy of a container in a state: its own (`restart_policy` in `run.json`), else its group's in
 * `device.json` (an unnamed group is the last one), whose default is `container`. Without `device.json` Pantavisor's
 * built-in groups hold: `app` restarts by container, all others, and containers that name none, with the system.
 * Undefined when the state has no such container.
 */
export function restartPolicy(state: JsonObject, container: string): 'system' | 'container' | undefined {
  const run = own(state, `${container}/run.json`)
  if (!isJsonObject(run)) return foldersOf(state).has(container) ? 'system' : undefined
  if (run.restart_policy !== undefined) return policyOf(run.restart_policy)
  const group = run.group ?? run.runlevel
  const device = own(state, 'device.json')
  if (device === undefined) return group === 'app' ? 'container' : 'system'
  const groups =
    isJsonObject(device) && Array.isArray(device.groups) ? device.groups.filter(isJsonObject) : []
  const found = group === undefined ? groups.at(-1) : groups.find(({ name }) => name === group)
  if (found === undefined) return 'system'
  return found.restart_policy === undefined ? 'container' : policyOf(found.restart_policy)
}

type Owner =
  | { readonly kind: 'bsp' | 'root' | 'signature' }
  | { readonly kind: 'container'; readonly name: string }

const reserved = new Set(['bsp', '_config', '_sigs'])

function ownerOf(path: string, folders: { from: ReadonlySet<string>; to: ReadonlySet<string> }): Owner {
  if (isSignaturePath(path)) return { kind: 'signature' }
  const [first = '', second = ''] = path.split('/', 2)
  const name = first === '_config' && path !== first ? second : first
  if (name === 'bsp' && path.includes('/')) return { kind: 'bsp' }
  const isContainer = folders.from.has(name) || folders.to.has(name)
  return isContainer && path.includes('/') ? { kind: 'container', name } : { kind: 'root' }
}

/** The top-level folders that are containers. */
function foldersOf(state: JsonObject): ReadonlySet<string> {
  const folders = Object.keys(state).flatMap((path) =>
    path.includes('/') ? [path.slice(0, path.indexOf('/'))] : [],
  )
  return new Set(folders.filter((name) => !reserved.has(name)))
}

function pathsOf(state: JsonObject): StatePath[] {
  // The keys of a state are paths, all but `#spec`: `parseState` saw to it.
  return Object.keys(state)
    .filter((key) => key !== '#spec')
    .sort(compareCodePoints) as StatePath[]
}

function objectsOf(state: Comparable): readonly StateObject[] {
  return [...state.objects, ...state.looseObjects]
}

function shasOf(state: Comparable): ReadonlySet<Sha256> {
  return new Set(objectsOf(state).map(({ sha }) => sha))
}

function sameValue(a: JsonValue | undefined, b: JsonValue | undefined): boolean {
  return a === b || canonicalJson(a ?? null) === canonicalJson(b ?? null)
}

function changeOf(before: boolean, after: boolean): Change {
  return before && after ? 'changed' : after ? 'added' : 'removed'
}

/** Anything but `container` is taken for the careful one. */
function policyOf(raw: unknown): 'system' | 'container' {
  return raw === 'container' ? 'container' : 'system'
}

/** A state may hold any key, so inherited members must not be mistaken for its own. */
function own(state: JsonObject, key: string): JsonValue | undefined {
  return Object.hasOwn(state, key) ? state[key] : undefined
}
