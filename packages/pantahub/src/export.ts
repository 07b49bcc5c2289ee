/**
 * The layout of an exported state: what stands in the archive, in which order, so that two exports of one step are equal
 * byte for byte.
 *
 * First a member `json`, the canonical state; then `objects/<sha>`, once each, in the order in which the state's paths
 * name them. All bear the step's time. `pvr get` reads such a file, and `pvcontrol steps install` installs it. Nothing
 * is read or written here: the plan says where each member's bytes come from.
 */

import { compareCodePoints } from './canonical.ts'
import type { Sha256 } from './names.ts'
import { parseState, type State } from './state.ts'

export interface ExportMember {
  readonly name: string
  /** Bytes. */
  readonly size: number
  /** Whole seconds since 1970. */
  readonly mtime: number
  readonly content:
    | { readonly kind: 'text'; readonly text: string }
    | { readonly kind: 'object'; readonly sha: Sha256 }
}

export type ExportPlan =
  | { readonly ok: true; readonly members: readonly ExportMember[] }
  | {
      readonly ok: false
      readonly refusal: { readonly kind: 'missing-object'; thing: string; wanted: string; got: string }
    }

/**
 * Plans the archive of a state. `objects` tells the size in bytes of each object at hand; `mtime` is the step's time in
 * seconds since 1970. Refuses when an object under a plain path is not at hand; hashes under `.json` paths, which need
 * not be objects, are taken along when they are.
 */
export function exportTar({
  state,
  objects,
  mtime,
}: {
  state: Pick<State, 'canonical' | 'objects' | 'looseObjects'>
  objects: ReadonlyMap<Sha256, number>
  mtime: number
}): ExportPlan {
  const time = Math.max(0, Math.floor(mtime))
  const text = state.canonical
  const json: ExportMember = {
    name: 'json',
    size: Buffer.byteLength(text),
    mtime: time,
    content: { kind: 'text', text },
  }
  const missing = state.objects.find(({ sha }) => !objects.has(sha))
  if (missing) {
    const refusal = {
      kind: 'missing-object',
      thing: `object of ${missing.path}`,
      wanted: missing.sha,
      got: 'nothing',
    } as const
    return { ok: false, refusal }
  }
  const named = [...state.objects, ...state.looseObjects].sort((a, b) => compareCodePoints(a.path, b.path))
  const members = [...new Set(named.map(({ sha }) => sha))].flatMap((sha): ExportMember[] => {
    const size = objects.get(sha)
    return size === undefined
      ? []
      : [{ name: `objects/${sha}`, size, mtime: time, content: { kind: 'object', sha } }]
  })
  return { ok: true, members: [json, ...members] }
}

/**
 * The part of a state that an export's `parts` ask for (`a,b,-c`): paths that are one of the named ones or lie in it,
 * all when none is named without `-`, less those named with `-`. `#spec` always stays. What is left of a state is a state.
 */
export function selectParts(state: State, parts: string | undefined): State {
  const words = (parts ?? '').split(',').filter((word) => word !== '' && word !== '-')
  if (words.length === 0) return state
  const wanted = words.filter((word) => !word.startsWith('-')).map(bare)
  const dropped = words.filter((word) => word.startsWith('-')).map((word) => bare(word.slice(1)))
  const within = (path: string) => (part: string) => path === part || path.startsWith(`${part}/`)
  const kept = Object.entries(state.json).filter(
    ([path]) =>
      path === '#spec' || ((wanted.length === 0 || wanted.some(within(path))) && !dropped.some(within(path))),
  )
  const parsed = parseState(Object.fromEntries(kept), { bytes: Infinity, paths: Infinity, depth: Infinity })
  // Leaving members out cannot break a rule that the whole obeyed.
  if (!parsed.ok) throw new Error(`part of a state is no state: ${parsed.refusal.thing}`)
  return parsed.state
}

function bare(part: string): string {
  return part.replace(/\/+$/, '')
}
