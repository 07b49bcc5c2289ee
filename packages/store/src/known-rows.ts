/**
 * Rows as the file has them, remembered by the one who writes it. When there are too many, of each collection those that
 * have been known longest are forgotten: what is in use is read once more then, and known again.
 */
import type { Scope } from './body.ts'
import { ByScope } from './changes.ts'
import type { Row, Table } from './table.ts'

const rowsMax = 32_768
/** Characters of bodies and long texts. */
const lengthMax = 4 * 1024 * 1024

export class KnownRows {
  #all = new ByScope<Map<string, Row>>()
  #count = 0
  /** At least as much as there is: what takes the place of another is added. */
  #length = 0

  /** The row of a key, if it is remembered. */
  get(table: Table, scope: Scope, key: string): Row | undefined {
    return this.#all.get(table, scope)?.get(key)
  }

  /** Remembers a whole row. */
  keep(table: Table, scope: Scope, key: string, row: Row): void {
    const own = this.#all.made(table, scope, newMap)
    const size = own.size
    own.set(key, row)
    this.#count += own.size - size
    this.#length += lengthOf(row, table)
    if (this.#count > rowsMax || this.#length > lengthMax) this.#makeRoom()
  }

  drop(table: Table, scope: Scope, key: string): void {
    if (this.#all.get(table, scope)?.delete(key)) this.#count -= 1
  }

  #makeRoom(): void {
    const isFull = this.#count > rowsMax || this.#measured() > lengthMax / 2
    const left = new ByScope<Map<string, Row>>()
    this.#count = 0
    this.#length = 0
    this.#all.each((own, table, scope) => {
      let older = isFull ? Math.ceil(own.size / 2) : 0
      for (const [key, row] of own)
        if (older-- > 0) own.delete(key)
        else this.#length += lengthOf(row, table)
      this.#count += own.size
      if (own.size > 0) left.made(table, scope, () => own)
    })
    this.#all = left
  }

  #measured(): number {
    let length = 0
    this.#all.each((own, table) => {
      for (const row of own.values()) length += lengthOf(row, table)
    })
    return length
  }
}

function newMap(): Map<string, Row> {
  return new Map()
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
