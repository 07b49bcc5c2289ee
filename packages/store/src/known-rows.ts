/**
 * Rows as the one who writes them last saw them. Two halves take turns: what is kept goes into the young one; when that is
 * full it becomes the old one, and what only the old one held is forgotten. What is asked for goes back into the young
 * one, so that what is in use stays.
 */
import type { Scope } from './body.ts'
import { keyText, type Row, type Table } from './table.ts'

/** Rows in one half at most. */
const halfMax = 4096
/** Characters of bodies and long texts in one half, beyond which it is full as well. */
const halfLengthMax = 2 * 1024 * 1024

type Half = Map<Table, Map<string, Row>>

export class KnownRows {
  #young: Half = new Map()
  #old: Half = new Map()
  #count = 0
  #length = 0

  /** The row of a key (with its scope in front), if it is remembered. */
  get(table: Table, key: string): Row | undefined {
    const young = this.#young.get(table)?.get(key)
    if (young !== undefined) return young
    const old = this.#old.get(table)?.get(key)
    if (old !== undefined) this.#set(table, key, old)
    return old
  }

  /** Remembers a whole row. */
  keep(table: Table, scope: Scope, row: Row): void {
    this.#set(table, scope + keyText(row, table.keyWidth), row)
  }

  #set(table: Table, key: string, row: Row): void {
    if (this.#count >= halfMax || this.#length >= halfLengthMax) {
      this.#old = this.#young
      this.#young = new Map()
      this.#count = 0
      this.#length = 0
    }
    let rows = this.#young.get(table)
    if (rows === undefined) {
      rows = new Map()
      this.#young.set(table, rows)
    }
    rows.set(key, row)
    this.#count += 1
    this.#length += lengthOf(row, table)
  }

  drop(table: Table, key: string): void {
    this.#young.get(table)?.delete(key)
    this.#old.get(table)?.delete(key)
  }

  clear(): void {
    this.#young.clear()
    this.#old.clear()
    this.#count = 0
    this.#length = 0
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
