/**
 * Instance-identifiers (RFC 7950 9.13, RFC 7951 6.11): read, checked against the schema, and brought to
 * the one form in which equal paths are equal texts: a module name where it changes, keys in the order
 * of the list, single quotes where they fit.
 */
import type { InstancePathReader, TypeFault, ValueNames } from './leaf-codec.ts'
import type { Plan, RootPlan } from './plan.ts'

export type PathPredicate =
  | {
      readonly kind: 'key'
      readonly prefix: string | undefined
      readonly name: string
      readonly value: string
    }
  /** `[.='value']`, for leaf-lists. */
  | { readonly kind: 'self'; readonly value: string }
  /** `[3]`, for lists without keys; from 1. */
  | { readonly kind: 'position'; readonly position: number }

export type PathStep = {
  readonly prefix: string | undefined
  readonly name: string
  readonly predicates: readonly PathPredicate[]
}

const identifier = '[A-Za-z_][A-Za-z0-9_.-]*'
const stepStart = new RegExp(`/(?:(${identifier}):)?(${identifier})`, 'y')
const predicate = new RegExp(
  `\\[[ \\t]*(?:([1-9][0-9]{0,9})|(?:(\\.)|(?:(${identifier}):)?(${identifier}))[ \\t]*=[ \\t]*(?:'([^']*)'|"((?:[^"\\\\]|\\\\.)*)"))[ \\t]*\\]`,
  'y',
)

/** Longest path in UTF-16 units. */
const longestPath = 65_536

/** The steps of a path; undefined when the text is none. */
export function parseInstancePath(text: string): PathStep[] | undefined {
  if (text.length > longestPath) return undefined
  const steps: PathStep[] = []
  let at = 0
  while (at < text.length) {
    stepStart.lastIndex = at
    const step = stepStart.exec(text)
    if (!step) return undefined
    at = stepStart.lastIndex
    const predicates: PathPredicate[] = []
    for (;;) {
      predicate.lastIndex = at
      const match = predicate.exec(text)
      if (!match) break
      at = predicate.lastIndex
      const [, position, self, prefix, name, single, double] = match
      const value = single ?? (double ?? '').replace(/\\(["\\])/g, '$1')
      if (position !== undefined) predicates.push({ kind: 'position', position: Number(position) })
      else if (self !== undefined) predicates.push({ kind: 'self', value })
      else predicates.push({ kind: 'key', prefix, name: name ?? '', value })
    }
    steps.push({ prefix: step[1], name: step[2] ?? '', predicates })
  }
  return steps.length === 0 ? undefined : steps
}

/** A reader that holds paths against the schema below `root` (asked for late, because plans are cyclic). */
export function createInstancePathReader(root: () => RootPlan | undefined): InstancePathReader {
  return (text, names) => {
    const steps = parseInstancePath(text)
    if (!steps) return refusal(text, 'an absolute path with predicates')
    let plan: Plan | RootPlan | undefined = root()
    let module = ''
    let canonical = ''
    for (const step of steps) {
      const owner: string | undefined =
        step.prefix === undefined ? (module === '' ? names.moduleName : module) : names.moduleOf(step.prefix)
      if (owner === undefined) return refusal(text, `a module for prefix "${step.prefix}"`)
      const child: Plan | undefined =
        plan && 'members' in plan ? plan.members.get(`${owner}:${step.name}`) : undefined
      if (!child)
        return refusal(text, `a path that the schema knows; it has no "${owner}:${step.name}" there`)
      const written = writePredicates(child, step.predicates, names, owner)
      if (written === undefined)
        return refusal(text, `predicates that fit the ${child.schema.kind} "${step.name}"`)
      canonical += `/${owner === module ? '' : `${owner}:`}${step.name}${written}`
      module = owner
      plan = child
    }
    return canonical
  }
}

function refusal(text: string, expected: string): TypeFault {
  const shown = text.length > 80 ? `${text.slice(0, 77)}…` : text
  return { found: JSON.stringify(shown), expected, rfc: 'RFC 7950 9.13' }
}

function writePredicates(
  plan: Plan,
  predicates: readonly PathPredicate[],
  names: ValueNames,
  module: string,
): string | undefined {
  const [first] = predicates
  if (!first) return ''
  if (plan.kind === 'leaf-list') {
    if (predicates.length > 1 || first.kind === 'key') return undefined
    return first.kind === 'self' ? `[.=${quoteText(first.value)}]` : `[${first.position}]`
  }
  if (plan.kind !== 'list') return undefined
  if (plan.keys.length === 0)
    return predicates.length === 1 && first.kind === 'position' ? `[${first.position}]` : undefined
  if (predicates.length !== plan.keys.length) return undefined
  const written: string[] = []
  for (const key of plan.keys) {
    const found = predicates.find((one) => {
      if (one.kind !== 'key' || one.name !== key.name) return false
      return (one.prefix === undefined ? module : names.moduleOf(one.prefix)) === key.module
    })
    if (found?.kind !== 'key') return undefined
    written.push(`[${key.jsonName}=${quoteText(found.value)}]`)
  }
  return written.join('')
}

/** A text in the quotes it does not contain; with both kinds inside, the double ones are escaped. */
export function quoteText(text: string): string {
  if (!text.includes("'")) return `'${text}'`
  return text.includes('"') ? `"${text.replace(/[\\"]/g, '\\$&')}"` : `"${text}"`
}
