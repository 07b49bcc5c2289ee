/**
 * Deviations: what a server does not do as the module says (RFC 7950 7.20.3).
 *
 * Carried out after all augments, on the nodes as they then are. A deviation that does not fit (adding what is
 * there, replacing or deleting what is not) is a fault of the deviating module.
 */

import type { ResolvedType } from '../schema.ts'
import { brief, type Statement } from '../statement.ts'
import { type Builder, comparisonsOfDeletions } from './build.ts'
import { appended, type DraftNode, type Origin } from './draft.ts'
import { countOf, type Scope } from './tree.ts'
import type { Typed } from './types.ts'

/** Applies one `deviate` statement. `types` holds the types that `deviate replace` brings. */
export function deviate(
  target: DraftNode,
  statement: Statement,
  scope: Scope,
  builder: Builder,
  types: ReadonlyMap<Statement, Typed>,
): void {
  if (statement.text === 'not-supported') {
    builder.disabled.add(target)
    return
  }
  const { context } = builder.tools
  const mode = statement.text
  const refuse = (sub: Statement, found: string, expected: string) =>
    context.error(sub, 'tree', found, expected, '7.20.3.2')
  const unfit = (sub: Statement) =>
    refuse(
      sub,
      `"${sub.keyword}" for the ${target.kind} "${target.name}"`,
      `a property that a ${target.kind} can have`,
    )
  /** Adding wants nothing there, replacing wants something. */
  const fits = (sub: Statement, present: boolean): boolean => {
    if (mode === 'add' && present)
      refuse(sub, `"deviate add" of "${sub.keyword}", which "${target.name}" has`, '"deviate replace"')
    else if (mode === 'replace' && !present)
      refuse(
        sub,
        `"deviate replace" of "${sub.keyword}", which "${target.name}" does not have`,
        '"deviate add"',
      )
    else return true
    return false
  }
  const stated = (keyword: string) => keywordsOf(target.origin.statement).has(keyword)
  /** The list without one item; undefined when it is not there. What is too much work is left undone, and a finding. */
  const without = <T>(list: T[], has: (item: T) => boolean): T[] | undefined => {
    builder.comparisonsLeft -= list.length
    if (builder.comparisonsLeft < 0) return list
    const at = list.findIndex(has)
    return at === -1 ? undefined : list.toSpliced(at, 1)
  }

  const defaults: Statement[] = []
  for (const sub of statement.substatements)
    switch (sub.keyword) {
      case 'type': {
        const typed = types.get(sub)
        if (typed && (target.kind === 'leaf' || target.kind === 'leaf-list')) replaceType(target, sub, typed)
        else unfit(sub)
        break
      }
      case 'units':
        if (target.kind !== 'leaf' && target.kind !== 'leaf-list') unfit(sub)
        else if (mode === 'delete') {
          if (target.units !== sub.text)
            refuse(sub, `units "${brief(sub.text)}"`, `units that "${target.name}" has`)
          target.units = undefined
        } else if (fits(sub, target.units !== undefined)) target.units = sub.text
        break
      case 'must':
        if (!('must' in target)) unfit(sub)
        else if (mode === 'delete') {
          const gone = squeeze(sub.text)
          const left = without(target.must, ({ text }) => squeeze(text) === gone)
          if (left) target.must = left
          else refuse(sub, `must "${brief(sub.text)}"`, `a must that "${target.name}" has`)
        }
        break
      case 'unique':
        if (target.kind !== 'list') unfit(sub)
        else if (mode === 'delete') {
          const gone = squeeze(sub.text)
          const left = without(target.origin.uniques, (unique) => squeeze(unique.statement.text) === gone)
          if (left) target.origin.uniques = left
          else refuse(sub, `unique "${brief(sub.text)}"`, `a unique that "${target.name}" has`)
        } else target.origin.uniques = appended(target.origin.uniques, [{ statement: sub, file: scope.file }])
        break
      case 'default':
        defaults.push(sub)
        break
      case 'config':
        // Every node has a config, stated or inherited, so both add and replace find something to do.
        target.origin.config = { value: sub.text !== 'false', place: sub }
        break
      case 'mandatory':
        if (!('mandatory' in target)) unfit(sub)
        else if (fits(sub, stated('mandatory') || target.mandatory)) target.mandatory = sub.text === 'true'
        break
      case 'min-elements':
        if (!('minElements' in target)) unfit(sub)
        else if (fits(sub, stated('min-elements') || target.minElements > 0))
          target.minElements = countOf(sub.text) ?? 0
        break
      case 'max-elements':
        if (!('maxElements' in target)) unfit(sub)
        else if (fits(sub, stated('max-elements') || target.maxElements !== undefined))
          target.maxElements = countOf(sub.text)
        break
    }
  if (mode === 'add' && 'must' in target) target.must = appended(target.must, builder.musts(statement, scope))
  const extensions = context.extensions(statement, scope.file)
  if (extensions.length > 0) target.extensions = appended(target.extensions, extensions)
  if (defaults.length > 0)
    deviateDefaults(target, defaults, mode, scope, builder, { fits, unfit, refuse, without })
  if (builder.comparisonsLeft < 0)
    context.error(
      statement,
      'limit',
      'deviations that delete from long lists',
      `at most ${comparisonsOfDeletions} comparisons`,
      '7.20.3.2',
    )
}

function replaceType(
  target: { type: ResolvedType; origin: Origin },
  statement: Statement,
  typed: Typed,
): void {
  target.type = typed.type
  target.origin.typePlace = statement
  target.origin.typeDefault = typed.default
}

function deviateDefaults(
  target: DraftNode,
  places: readonly Statement[],
  mode: string,
  scope: Scope,
  builder: Builder,
  { fits, unfit, refuse, without }: DeviateTools,
): void {
  const { context } = builder.tools
  const { origin } = target
  const [first] = places
  if (!first) return
  if (target.kind === 'choice') {
    if (mode === 'delete') {
      if (origin.defaultCase?.name !== first.text)
        refuse(first, `default "${brief(first.text)}"`, `the default of "${target.name}"`)
      origin.defaultCase = undefined
    } else if (fits(first, origin.defaultCase !== undefined))
      origin.defaultCase = { name: first.text, place: first }
    return
  }
  if (target.kind !== 'leaf' && target.kind !== 'leaf-list') {
    unfit(first)
    return
  }
  if (mode === 'delete') {
    for (const place of places) {
      const left = without(origin.defaults, ({ value }) => value.text === place.text)
      if (left) origin.defaults = left
      else refuse(place, `default "${brief(place.text)}"`, `a default that "${target.name}" has`)
    }
    return
  }
  const added = places.map((place) => ({ value: context.defaultValue(place, scope.file), place }))
  // A leaf-list may have several defaults, so adding one to others is lawful there.
  const present = origin.defaults.length > 0 && (mode === 'replace' || target.kind === 'leaf')
  if (fits(first, present || (mode === 'replace' && origin.typeDefault !== undefined)))
    origin.defaults = mode === 'add' ? appended(origin.defaults, added) : added
}

interface DeviateTools {
  fits(sub: Statement, present: boolean): boolean
  unfit(sub: Statement): void
  refuse(sub: Statement, found: string, expected: string): void
  without<T>(list: T[], has: (item: T) => boolean): T[] | undefined
}

const keywords = new WeakMap<Statement, ReadonlySet<string>>()

/** The keywords of the substatements. */
function keywordsOf(statement: Statement): ReadonlySet<string> {
  let known = keywords.get(statement)
  if (!known) {
    known = new Set(statement.substatements.map(({ keyword }) => keyword))
    keywords.set(statement, known)
  }
  return known
}

const squeeze = (text: string) => text.trim().replace(/\s+/g, ' ')
