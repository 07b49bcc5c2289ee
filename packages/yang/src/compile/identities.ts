/**
 * Identities and what is derived from them (RFC 7950 7.18).
 *
 * Derivation is a graph without circles. Who is derived from whom is worked out once, before any type is read,
 * by handing each identity's followers up to its bases in an order that needs no recursion.
 */

import { findCycle } from '../load.ts'
import type { Statement } from '../statement.ts'
import type { Definition, Unit } from '../unit.ts'
import type { Context } from './context.ts'
import type { DraftIdentity } from './draft.ts'
import type { FeatureTest } from './enums.ts'
import { statusOf } from './types.ts'

export class Identities {
  readonly #byStatement = new Map<Statement, DraftIdentity>()

  constructor(units: readonly Unit[], context: Context, feature: FeatureTest) {
    for (const unit of units) this.#define(unit, context)
    const all: DraftIdentity[] = []
    for (const unit of units)
      for (const { statement, file } of unit.definitions('identity').values()) {
        const identity = this.of({ statement, file })
        all.push(identity)
        const enabled = feature(statement, file)
        for (const base of statement.substatements) {
          if (base.keyword !== 'base') continue
          const definition = context.definition('identity', base.text, file, base, '7.18.2')
          if (!definition) continue
          identity.bases.push(this.of(definition))
        }
        if (!enabled) this.#disabled.add(identity)
      }
    this.#derive(all, context)
  }

  readonly #disabled = new Set<DraftIdentity>()

  readonly of = (definition: Definition): DraftIdentity => {
    const identity = this.#byStatement.get(definition.statement)
    if (!identity) throw new Error(`identity ${definition.statement.text} was not prepared`)
    return identity
  }

  #define(unit: Unit, context: Context): void {
    const module = context.module(unit)
    for (const [name, { statement }] of unit.definitions('identity')) {
      const identity: DraftIdentity = {
        name,
        module,
        status: statusOf(statement),
        description: statement.argumentOf('description'),
        reference: statement.argumentOf('reference'),
        bases: [],
        derived: new Set(),
        position: statement,
      }
      module.identities.set(name, identity)
      this.#byStatement.set(statement, identity)
    }
  }

  #derive(all: readonly DraftIdentity[], context: Context): void {
    const basesFirst = findCycle(
      all,
      (identity) => identity.bases,
      (identity) => {
        const found = `the identity "${identity.name}", which is derived from itself`
        context.error(identity.position, 'cycle', found, 'bases without a circle', '7.18.2')
      },
    )
    let pairs = 0
    const { maxDerivations } = context.settings.limits
    for (const identity of basesFirst.toReversed())
      for (const base of identity.bases) {
        const before = base.derived.size
        if (!this.#disabled.has(identity)) base.derived.add(identity)
        for (const follower of identity.derived) base.derived.add(follower)
        pairs += base.derived.size - before
        if (pairs > maxDerivations)
          context.stop(
            identity.position,
            `more than ${maxDerivations} derivations of identities`,
            'fewer identities, or shorter chains of them',
            'maxDerivations',
          )
      }
  }
}
