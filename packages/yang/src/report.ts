/**
 * The place where findings are gathered while a module is read.
 *
 * It keeps them in the order they were found, keeps no more than the limit allows, and lets each stage ask
 * whether anything has gone wrong so far.
 */

import type { Position, Problem, ProblemCode, Severity } from './problem.ts'

/** What a finding says, beside where. */
export interface Finding {
  readonly code: ProblemCode
  readonly found: string
  readonly expected: string
  readonly rfc: string
}

/** A place that knows the statements around it; every `Statement` is one. */
export interface Place extends Position {
  readonly path: string
}

export class Report {
  readonly #most: number
  readonly #seen = new Set<string>()
  readonly problems: Problem[] = []
  /** Findings that were dropped because there were more than the limit. */
  dropped = 0
  errors = 0

  constructor(most: number) {
    this.#most = most
  }

  /** True once no more findings are kept: there are enough of them, or the same ones come again and again. */
  get isFull(): boolean {
    return this.problems.length >= this.#most || this.errors > 10 * this.#most
  }

  error(place: Place, finding: Finding): void {
    this.add('error', place, finding)
  }

  warning(place: Place, finding: Finding): void {
    this.add('warning', place, finding)
  }

  /** Groupings are read once per use; a fault inside one is still reported once. */
  add(severity: Severity, place: Place, finding: Finding): void {
    if (severity === 'error') this.errors++
    if (this.isFull) {
      this.dropped++
      return
    }
    const { file, line, column, path } = place
    const key = `${file}:${line}:${column}:${finding.code}:${finding.found}:${finding.expected}`
    if (this.#seen.has(key)) return
    this.#seen.add(key)
    this.problems.push({ severity, file, line, column, path, ...finding })
  }

  /** Takes over what another report holds. */
  include(other: Report): void {
    for (const { severity, code, found, expected, rfc, ...place } of other.problems)
      this.add(severity, place, { code, found, expected, rfc })
    this.errors += other.dropped
    this.dropped += other.dropped
  }
}
