/**
 * What `refine` changes on a node that a grouping brought (RFC 7950 7.13.2).
 */

import type { Statement } from '../statement.ts'
import type { Builder } from './build.ts'
import { appended, type DraftNode } from './draft.ts'
import { countOf, type Scope } from './tree.ts'

type Kind = DraftNode['kind']

const mayHave: Readonly<Record<string, readonly Kind[]>> = {
  default: ['leaf', 'leaf-list', 'choice'],
  config: ['leaf', 'leaf-list', 'list', 'container', 'choice', 'anydata', 'anyxml', 'case'],
  mandatory: ['leaf', 'anydata', 'anyxml', 'choice'],
  presence: ['container'],
  must: ['leaf', 'leaf-list', 'list', 'container', 'anydata', 'anyxml'],
  'min-elements': ['leaf-list', 'list'],
  'max-elements': ['leaf-list', 'list'],
  'if-feature': ['leaf', 'leaf-list', 'list', 'container', 'choice', 'case', 'anydata', 'anyxml'],
}

/** Applies the substatements of a `refine` to its target; findings for those that do not suit its kind. */
export function refine(target: DraftNode, statement: Statement, scope: Scope, builder: Builder): void {
  const { context, features } = builder.tools
  const defaults: Statement[] = []
  for (const sub of statement.substatements) {
    const kinds = mayHave[sub.keyword]
    if (kinds && !kinds.includes(target.kind)) {
      context.error(
        sub,
        'tree',
        `"${sub.keyword}" for the ${target.kind} "${target.name}"`,
        `it only for ${kinds.join(', ')}`,
        '7.13.2',
      )
      continue
    }
    switch (sub.keyword) {
      case 'description':
        target.description = sub.text
        break
      case 'reference':
        target.reference = sub.text
        break
      case 'config':
        target.origin.config = { value: sub.text !== 'false', place: sub }
        break
      case 'default':
        defaults.push(sub)
        break
      case 'mandatory':
        if ('mandatory' in target) target.mandatory = sub.text === 'true'
        break
      case 'presence':
        if (target.kind === 'container') target.presence = sub.text
        break
      case 'min-elements':
        if ('minElements' in target) target.minElements = countOf(sub.text) ?? 0
        break
      case 'max-elements':
        if ('maxElements' in target) target.maxElements = countOf(sub.text)
        break
      case 'if-feature':
        target.ifFeatures = appended(target.ifFeatures, [sub.text])
        break
    }
  }
  if ('must' in target) target.must = appended(target.must, builder.musts(statement, scope))
  const extensions = context.extensions(statement, scope.file)
  if (extensions.length > 0) target.extensions = appended(target.extensions, extensions)
  if (statement.find('if-feature') && !features.allow(statement, scope.file)) builder.disabled.add(target)
  const [first] = defaults
  if (!first) return
  if (target.kind === 'choice') target.origin.defaultCase = { name: first.text, place: first }
  else
    target.origin.defaults = defaults.map((place) => ({
      value: context.defaultValue(place, scope.file),
      place,
    }))
}
