/**
 * States: what a device is wanted to be, as one flat JSON object.
 *
 * Keys are paths below the device's revision folder, values are either an inline document (keys that end in `.json`) or
 * the SHA-256 of an object. `#spec` says how the whole is to be read. This file decides whether a value is a state at
 * all; whether its objects exist is the store's affair, and whether its signatures hold is decided in `signature.ts`.
 *
 * A path becomes a file name on a device, so the tricks that paths can play are refused here, once, for the server, the
 * agent and the export alike (Base refuses none of them). The rest is Base's own rule set (Pantahub Base, `POST
 * /trails/` and `POST …/steps`): `{}` is a state; any other needs a known `#spec`; values of other keys must be hashes.
 */
import { canonicalJson, compareCodePoints, NotJson } from './canonical.ts'
import {
  describe,
  isJsonObject,
  type JsonLimits,
  type JsonObject,
  jsonDepthDefault,
  parseJson,
} from './json.ts'
import { Sha256, stateSha } from './names.ts'

/** A path that may safely be joined below a folder: relative, `/` between plain names, no `.` or `..` among them. */
export type StatePath = string & { readonly __brand: 'StatePath' }
export const StatePath = {
  /** The path, or what is wrong with it. */
  parse(
    raw: string,
  ): { readonly ok: true; readonly path: StatePath } | { readonly ok: false; readonly wanted: string } {
    const wanted = pathFault(raw)
    return wanted === undefined ? { ok: true, path: raw as StatePath } : { ok: false, wanted }
  },
} as const

/** The three specs a state may have. Pantavisor of today runs the first; the others are older. */
export const stateSpecs = [
  'pantavisor-service-system@1',
  'pantavisor-service-embed@1',
  'pantavisor-multi-platform@1',
] as const
export type StateSpec = (typeof stateSpecs)[number]

/** One object of a state: where it goes, and the bytes it is. */
export interface StateObject {
  readonly path: StatePath
  readonly sha: Sha256
}

/** A value that is a state. Only `parseState` makes one, so `canonical` and `sha` always belong to `json`. */
export interface State {
  readonly json: JsonObject
  /** The canonical text: the only form in which a state is sent, stored and signed. */
  readonly canonical: string
  readonly sha: Sha256
  /** `undefined` for the empty state alone. */
  readonly spec: StateSpec | undefined
  /** Objects under paths that do not end in `.json`, in code-point order of their paths: these must exist. */
  readonly objects: readonly StateObject[]
  /** Hashes under `.json` paths: pvr treats them as objects, Base never looks whether they exist. */
  readonly looseObjects: readonly StateObject[]
  readonly __brand: 'State'
}

export type StateRefusal = { readonly thing: string; readonly wanted: string; readonly got: string } & {
  readonly kind:
    | 'not-json'
    | 'not-an-object'
    | 'too-large'
    | 'too-many-paths'
    | 'missing-spec'
    | 'unknown-spec'
    | 'bad-path'
    | 'file-and-folder'
    | 'not-a-sha'
}

export type StateParsed =
  | { readonly ok: true; readonly state: State }
  | { readonly ok: false; readonly refusal: StateRefusal }

export interface StateLimits {
  /** UTF-8 bytes of the canonical text. */
  readonly bytes?: number
  readonly paths?: number
  /** Levels of nesting, the state itself being the first. */
  readonly depth?: number
}

/** Longest path, in UTF-8 bytes: what Linux takes. */
export const statePathBytesMax = 4096
/** A reply larger than this counts as no reply in Pantavisor, so a larger state cannot be run by one. */
export const pantavisorReplyBytesMax = 2 * 1024 * 1024
const stateBytesDefault = 8 * 1024 * 1024
const statePathsDefault = 65_536

/**
 * Decides whether a JSON value is a state. Answers it with its canonical text, hash and objects, or the first thing
 * that is wrong, by name.
 *
 *     parseState({ '#spec': 'pantavisor-service-system@1', 'app/root.squashfs': '9f86d0…' })
 *     parseState({ app: 1 })  → { ok: false, refusal: { kind: 'missing-spec', … } }
 */
export function parseState(value: unknown, limits: StateLimits = {}): StateParsed {
  if (!isJsonObject(value)) return refuse('not-an-object', 'state', 'a JSON object', describe(value))
  const keys = Object.keys(value)
  const pathsMax = limits.paths ?? statePathsDefault
  if (keys.length > pathsMax) {
    return refuse('too-many-paths', 'state', `at most ${pathsMax} keys`, String(keys.length))
  }
  const spec = value['#spec']
  if (keys.length > 0 && spec === undefined)
    return refuse('missing-spec', 'state #spec', specWanted, 'nothing')
  if (keys.length > 0 && !isStateSpec(spec))
    return refuse('unknown-spec', 'state #spec', specWanted, describe(spec))

  const paths = keys.filter((key) => key !== '#spec')
  const objects: StateObject[] = []
  const looseObjects: StateObject[] = []
  for (const key of paths) {
    const parsed = StatePath.parse(key)
    if (!parsed.ok) return refuse('bad-path', `state path ${describe(key)}`, parsed.wanted, describe(key))
    const sha = Sha256.parse(value[key])
    if (key.endsWith('.json')) {
      if (sha !== undefined) looseObjects.push({ path: parsed.path, sha })
    } else if (sha !== undefined) objects.push({ path: parsed.path, sha })
    else
      return refuse(
        'not-a-sha',
        `state path ${describe(key)}`,
        '64 lower-case hex digits',
        describe(value[key]),
      )
  }
  const folder = fileThatIsFolder(paths)
  if (folder) {
    return refuse(
      'file-and-folder',
      `state path ${describe(folder.file)}`,
      'a file',
      `a folder holding ${folder.inside}`,
    )
  }

  const canonical = canonicalOf(value, limits.depth ?? jsonDepthDefault)
  if (canonical === undefined) {
    return refuse(
      'not-json',
      'state',
      `JSON of at most ${limits.depth ?? jsonDepthDefault} levels`,
      'something else',
    )
  }
  const bytes = Buffer.byteLength(canonical)
  const bytesMax = limits.bytes ?? stateBytesDefault
  if (bytes > bytesMax) return refuse('too-large', 'state', `at most ${bytesMax} bytes`, String(bytes))

  const parts = {
    json: value,
    canonical,
    sha: stateSha(canonical),
    spec: isStateSpec(spec) ? spec : undefined,
  }
  const sorted = { objects: byPath(objects), looseObjects: byPath(looseObjects) }
  return { ok: true, state: { ...parts, ...sorted } as State }
}

/** Reads a state from JSON text, in any order and spacing; the rules are those of `parseState`. */
export function parseStateText(text: string, limits: StateLimits & JsonLimits = {}): StateParsed {
  const parsed = parseJson(text, limits)
  if (parsed.ok) return parseState(parsed.value, limits)
  return refuse('not-json', `state at character ${parsed.at}`, parsed.wanted, parsed.got)
}

/** Orders by path as canonical JSON does. */
function byPath(objects: readonly StateObject[]): readonly StateObject[] {
  return objects.toSorted((a, b) => compareCodePoints(a.path, b.path))
}

const specWanted = `one of ${stateSpecs.join(', ')}`

function isStateSpec(value: unknown): value is StateSpec {
  return stateSpecs.some((spec) => spec === value)
}

function refuse(kind: StateRefusal['kind'], thing: string, wanted: string, got: string): StateParsed {
  return { ok: false, refusal: { kind, thing, wanted, got } }
}

function canonicalOf(value: JsonObject, depth: number): string | undefined {
  try {
    return canonicalJson(value, depth)
  } catch (cause) {
    if (cause instanceof NotJson) return undefined
    throw cause
  }
}

/** What a path would have to be, when it is not. Most paths are short and plain: one look is enough for those. */
function pathFault(path: string): string | undefined {
  if (path.length <= statePathBytesMax / 3 && !suspicious.test(path)) return undefined
  if (path === '') return 'a path that is not empty'
  if (!path.isWellFormed()) return 'a path in well-formed Unicode'
  if (path.length > statePathBytesMax || Buffer.byteLength(path) > statePathBytesMax) {
    return `a path of at most ${statePathBytesMax} bytes`
  }
  if (/\p{Cc}/u.test(path)) return 'a path without control characters'
  if (path.includes('\\')) return 'a path without backslashes'
  if (path.startsWith('/')) return 'a relative path'
  for (const name of path.split('/')) {
    if (name === '') return 'a path without empty names'
    if (name === '.' || name === '..') return 'a path without "." and ".." names'
  }
  return undefined
}

/** Backslash, control character or half pair anywhere; or a name that is empty, `.` or `..`. */
const suspicious = /[\\\p{Cc}\p{Cs}]|(?:^|\/)\.{0,2}(?:\/|$)/u

/**
 * Finds a path that would have to be a file and a folder at once. With `/` moved below every other character, all
 * that lies in a folder follows straight after the path of that name, so one pass over neighbours is enough.
 */
function fileThatIsFolder(paths: readonly string[]): { file: string; inside: string } | undefined {
  const sorted = paths.map((path) => path.replaceAll('/', '\u0000')).sort()
  for (let i = 1; i < sorted.length; i++) {
    const file = sorted[i - 1] ?? ''
    const inside = sorted[i] ?? ''
    if (inside.startsWith(`${file}\u0000`)) return { file: slashed(file), inside: describe(slashed(inside)) }
  }
  return undefined
}

function slashed(path: string): string {
  return path.replaceAll('\u0000', '/')
}
