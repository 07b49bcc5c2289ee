/**
 * Features and `if-feature` (RFC 7950 7.20).
 *
 * Which features are on is the caller's choice; a feature that itself depends on one that is off is off as well.
 */

import { type FeatureExpression, parseFeatureExpression } from '../arguments.ts'
import { brief, type Statement } from '../statement.ts'
import type { Definition, ModuleFile } from '../unit.ts'
import type { Context } from './context.ts'
import { checkStatus, statusOf } from './types.ts'

export class Features {
  readonly #context: Context
  readonly #states = new Map<Statement, boolean | 'open'>()
  #depth = 0

  constructor(context: Context) {
    this.#context = context
  }

  /** Whether every `if-feature` directly under the statement holds. */
  readonly allow = (statement: Statement, file: ModuleFile): boolean => {
    let all = true
    for (const sub of statement.substatements)
      if (sub.keyword === 'if-feature' && !this.#holds(sub, file)) all = false
    return all
  }

  /** Whether a feature is on. */
  isOn(definition: Definition): boolean {
    const { statement, file } = definition
    const known = this.#states.get(statement)
    if (known === 'open') {
      const found = `the feature "${statement.text}", which depends on itself`
      this.#context.error(statement, 'cycle', found, 'features without a circle', '7.20.1')
      return false
    }
    if (known !== undefined) return known
    const { maxChain } = this.#context.settings.limits
    if (++this.#depth > maxChain)
      this.#context.stop(
        statement,
        `features that depend on each other ${this.#depth} deep`,
        `no more than ${maxChain}`,
        'maxChain',
      )
    this.#states.set(statement, 'open')
    const on = this.allow(statement, file) && this.#context.settings.features(file.unit.name, statement.text)
    this.#depth--
    this.#states.set(statement, on)
    return on
  }

  #holds(statement: Statement, file: ModuleFile): boolean {
    const expression = parseFeatureExpression(statement.text)
    if (!expression || (!file.is11 && expression.kind !== 'feature')) {
      const expected = file.is11
        ? 'an expression of features, "and", "or", "not" and parentheses'
        : 'the name of a feature'
      this.#context.error(statement, 'argument', `"${brief(statement.text)}"`, expected, '7.20.2')
      return true
    }
    return this.#evaluate(expression, statement, file)
  }

  #evaluate(expression: FeatureExpression, at: Statement, file: ModuleFile): boolean {
    switch (expression.kind) {
      case 'not':
        return !this.#evaluate(expression.of, at, file)
      // Both sides are looked at even when one decides, so that unknown names are found.
      case 'and':
      case 'or': {
        const left = this.#evaluate(expression.left, at, file)
        const right = this.#evaluate(expression.right, at, file)
        return expression.kind === 'and' ? left && right : left || right
      }
      case 'feature': {
        const { prefix, name } = expression.name
        const reference = prefix === undefined ? name : `${prefix}:${name}`
        const definition = this.#context.definition('feature', reference, file, at, '7.20.2')
        if (!definition) return true
        checkStatus(this.#context, at, file, statusOf(definition.statement), definition, `feature "${name}"`)
        return this.isOn(definition)
      }
    }
  }
}
