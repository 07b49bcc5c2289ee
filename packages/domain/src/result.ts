/**
 * Refusals are values. An operation answers `ok(value)` or `refuse({ kind, … })`; a refusal names the thing, what
 * was wanted and what came, so that every door can tell the same story. Throwing is for defects alone.
 */

/** What came of an operation: its value, or the refusal that says whose move comes next. */
export type Result<T, R = never> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly refusal: R }

export function ok<T>(value: T): { readonly ok: true; readonly value: T } {
  return { ok: true, value }
}

export function refuse<const R>(refusal: R): { readonly ok: false; readonly refusal: R } {
  return { ok: false, refusal }
}

/** The value of what cannot be refused. */
export function settled<T>(result: Result<T, never>): T {
  invariant(result.ok, 'what cannot be refused is not refused')
  return result.value
}

/** A fact that has to hold; when it does not, the fault is ours and the nearest owner of a request answers 500. */
export function invariant(condition: unknown, fact: string): asserts condition {
  if (!condition) throw new Defect(fact)
}

/** For the end of an exhaustive `switch`: a new case does not compile until somebody decides what it means. */
export function unreachable(value: never): never {
  throw new Defect(`unreachable: ${JSON.stringify(value)}`)
}

/** The impossible happened: ours to mend, never the caller's. */
export class Defect extends Error {
  override readonly name = 'Defect'
}
