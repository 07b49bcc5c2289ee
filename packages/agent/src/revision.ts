/**
 * From a state on the wire to a revision that a driver can lay down.
 *
 * The state's own rules (known `#spec`, hashes, paths without tricks) are judged by `parseState`; here its
 * entries become files: an object of the pool under its path, or a document written out in canonical form.
 */
import { canonicalJson, parseState, type StateRefusal } from '@waymark/pantahub'
import type { Revision, RevisionFile } from './ports.ts'

export type RevisionRead =
  | { readonly ok: true; readonly revision: Revision }
  | { readonly ok: false; readonly refusal: StateRefusal }

/** Judges a state and turns it into revision `rev`, or names the first thing that is wrong with it. */
export function revisionOf(rev: number, state: unknown): RevisionRead {
  const parsed = parseState(state)
  if (!parsed.ok) return parsed
  const { canonical, sha, json, objects, looseObjects } = parsed.state
  const shas = new Map([...objects, ...looseObjects].map((object) => [String(object.path), object.sha]))
  const files: RevisionFile[] = []
  for (const [path, value] of Object.entries(json)) {
    if (path === '#spec') continue
    const object = shas.get(path)
    files.push(
      object === undefined
        ? { kind: 'document', path, text: canonicalJson(value) }
        : { kind: 'object', path, sha: object },
    )
  }
  return { ok: true, revision: { rev, stateSha: sha, stateText: canonical, files } }
}

/** The distinct objects of a revision, in the order of its paths. */
export function objectsOf(revision: Revision): readonly string[] {
  return [...new Set(revision.files.flatMap((file) => (file.kind === 'object' ? [file.sha] : [])))]
}
