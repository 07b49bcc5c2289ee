/**
 * Rows as the file has them, remembered by the one who writes it. Two halves take turns: what is kept goes into the young
 * one; when that is full it becomes the old one, and what only the old one held is forgotten. What is asked for goes back
 * into the young one, so that what is in use stays.
 */
import type { Scope } from './body.ts'
import { ByScope } from './changes.ts'
import type { Row, Table } from './table.ts'

/** Rows in one half at most. */
const halfMax = 4096
/** Characters of bodies and long texts in one half, beyond which it is full as well. */
const halfLengthMax = 2 * 1024 * 1024

type Half = ByScope<Map<string, Row>>

export class KnownRows {
  #young: Half = new ByScope()
  #old: Half = new ByScope()
  #count = 0
  #length = 0

  /** The row of a key, if it is remembered. */
  get(table: Table, scope: Scope, key: string): Row | undefined {
    const young = this.#young.get(table, scope)?.get(key)
    if (young !== undefined) return young
    const old = this.#old.get(table, scope)?.get(key)
    if (old !== undefined) this.keep(table, scope, key, old)
    return old
  }

  /** Remembers a whole row. */
  keep(table: Table, scope: Scope, key: string, row: Row): void {
    if (this.#count >= halfMax || this.#length >= halfLengthMax) {
      this.#old = this.#young
      this.#young = new ByScope()
      this.#count = 0
      this.#length = 0
    }
    this.#young.made(table, scope, () => new Map()).set(key, row)
    this.#count += 1
    this.#length += lengthOf(row, table)
  }

  drop(table: Table, scope: Scope, key: string): void {
    this.#young.get(table, scope)?.delete(key)
    this.#old.get(table, scope)?.delete(key)
  }
}

/** How much of a row is its body and its long texts. */
function lengthOf(row: Row, table: Table): number {
  let length = 0
  for (let at = table.bodyAt; at < table.width; at++) {
    const value = row[at]
    if (typeof value === 'string') length += value.length
  }
  return length
}
