/**
 * A collection as a table: which fields have columns and in what order, and how a record becomes a row and back.
 *
 * A row is an array: the key's values, the other columns, the body (JSON of every field without a column), then the
 * long texts. The tenant is no part of it; each store puts it in front. Memory, SQLite and PostgreSQL keep the same
 * rows, so what comes back of a record is decided here once:
 *
 *  - a field that is absent or `undefined` stays absent; one that is `null` comes back as `null` (its column is empty
 *    either way, and the body remembers which);
 *  - booleans are kept as 0 and 1;
 *  - texts that no database keeps faithfully (with NUL characters or half surrogate pairs) are kept as JSON behind
 *    U+FFFF, and so is any text that itself begins with U+FFFF: every JavaScript string survives, and two different
 *    ones stay different. They sort last.
 */
import { type AnyCollection, type ColumnType, Defect } from '@waymark/domain'
import { StoreError } from './errors.ts'

export type Kept = string | number | null
export type Row = Kept[]

export interface Column {
  readonly field: string
  readonly type: ColumnType
}

/** Records larger than this, as JSON or as one text, are refused: `too-large`. In UTF-16 units. */
export const recordMax = 64 * 1024 * 1024

export class Table {
  readonly name: string
  readonly scope: 'house' | 'tenant'
  readonly journaled: boolean
  /** The key's columns first, in key order, then the others as declared. */
  readonly columns: readonly Column[]
  readonly keyWidth: number
  readonly bodyAt: number
  readonly texts: readonly string[]
  readonly width: number
  /** The columns of each unique index. */
  readonly uniques: readonly (readonly number[])[]
  readonly declared: AnyCollection
  readonly #at = new Map<string, number>()

  constructor(declared: AnyCollection) {
    checkDeclaration(declared)
    this.declared = declared
    this.name = declared.name
    this.scope = declared.scope
    this.journaled = declared.journaled
    const columns: Column[] = []
    for (const field of declared.key) columns.push({ field, type: declared.columns[field] ?? 'text' })
    for (const [field, type] of Object.entries(declared.columns))
      if (type !== undefined && !declared.key.includes(field)) columns.push({ field, type })
    this.columns = columns
    this.keyWidth = declared.key.length
    this.bodyAt = columns.length
    this.texts = declared.texts
    this.width = columns.length + 1 + declared.texts.length
    columns.forEach((column, at) => {
      this.#at.set(column.field, at)
    })
    declared.texts.forEach((field, i) => {
      this.#at.set(field, columns.length + 1 + i)
    })
    const uniques = declared.indexes.filter((index) => index.unique === true)
    this.uniques = uniques.map((index) => index.on.map((field) => this.columnAt(field)))
  }

  /** Where a field's column stands in a row; a field without one is a defect. */
  columnAt(field: string): number {
    const at = this.#at.get(field)
    if (at === undefined || at >= this.bodyAt)
      throw new Defect(`${this.name}.${field} has no column to search by`)
    return at
  }

  /** The record as a row. Values that their column cannot hold are defects; what is too large is a StoreError. */
  encode(record: object): Row {
    const row: Row = new Array<Kept>(this.width).fill(null)
    let rest: Record<string, unknown> | undefined
    for (const field in record) {
      const value: unknown = record[field as keyof typeof record]
      const at = this.#at.get(field)
      if (at === undefined || value === null) {
        rest ??= {}
        rest[field] = value
      } else if (value !== undefined) row[at] = this.keep(at, value)
    }
    for (let at = 0; at < this.keyWidth; at++)
      if (row[at] === null)
        throw new Defect(`${this.name}: the key field ${this.columns[at]?.field} is missing`)
    const body = rest === undefined ? '{}' : JSON.stringify(rest)
    if (body.length > recordMax)
      throw new StoreError(
        'too-large',
        `${this.name}: a record of ${body.length} characters, at most ${recordMax}`,
      )
    row[this.bodyAt] = body
    return row
  }

  /** A key's values as they are kept, in key order. */
  encodeKey(key: object): Row {
    const row: Row = []
    for (let at = 0; at < this.keyWidth; at++) {
      const field = this.columns[at]?.field as keyof typeof key
      const value: unknown = key[field]
      if (value === undefined || value === null)
        throw new Defect(`${this.name}: the key field ${field} is missing`)
      row.push(this.keep(at, value))
    }
    return row
  }

  /** One value as its column (or long text) keeps it. */
  keep(at: number, value: unknown): Kept {
    const type = at < this.bodyAt ? this.columns[at]?.type : 'text'
    if (type === 'text' && typeof value === 'string') {
      if (value.length > recordMax)
        throw new StoreError(
          'too-large',
          `${this.name}: a text of ${value.length} characters, at most ${recordMax}`,
        )
      return keepText(value)
    }
    if (type === 'int' && Number.isSafeInteger(value)) return (value as number) + 0
    if (type === 'bool' && typeof value === 'boolean') return value ? 1 : 0
    const field = at < this.bodyAt ? this.columns[at]?.field : this.texts[at - this.bodyAt - 1]
    throw new Defect(`${this.name}.${field}: a column of type ${type} cannot keep ${describe(value)}`)
  }

  /** A row as the record it was; a row read without its long texts has empty ones. */
  decode(row: Row): Record<string, unknown> {
    const body = row[this.bodyAt] as string
    const record: Record<string, unknown> = body === '{}' ? {} : JSON.parse(body)
    const columns = this.columns
    for (let at = 0; at < columns.length; at++) {
      const value = row[at]
      if (value === null || value === undefined) continue
      const column = columns[at] as Column
      record[column.field] =
        column.type === 'bool' ? value === 1 : typeof value === 'string' ? unkeepText(value) : value
    }
    for (let i = 0; i < this.texts.length; i++) {
      const value = row[this.bodyAt + 1 + i]
      if (value === undefined) record[this.texts[i] as string] = ''
      else if (value !== null) record[this.texts[i] as string] = unkeepText(value as string)
    }
    return record
  }
}

/** The row's key as one string, for maps. */
export function keyText(row: readonly Kept[], width: number): string {
  if (width === 1) return String(row[0])
  let text = ''
  for (let at = 0; at < width; at++) {
    const part = String(row[at])
    text += `${part.length}:${part}`
  }
  return text
}

/** The declared collections as tables, by name. */
export function tablesOf(collections: readonly AnyCollection[]): Map<string, Table> {
  const tables = new Map<string, Table>()
  for (const declared of collections) {
    if (tables.has(declared.name)) throw new Defect(`the collection ${declared.name} is declared twice`)
    tables.set(declared.name, new Table(declared))
  }
  return tables
}

export function keepText(text: string): string {
  return text.charCodeAt(0) === 0xffff || !text.isWellFormed() || text.includes('\0')
    ? `\uffff${JSON.stringify(text)}`
    : text
}

export function unkeepText(kept: string): string {
  return kept.charCodeAt(0) === 0xffff ? (JSON.parse(kept.slice(1)) as string) : kept
}

/** Compares texts as databases do: by code point, not by UTF-16 unit. */
export function compareText(a: string, b: string): number {
  if (a === b) return 0
  const length = Math.min(a.length, b.length)
  for (let i = 0; i < length; i++) {
    const x = a.charCodeAt(i)
    const y = b.charCodeAt(i)
    if (x !== y) {
      const xPair = x >= 0xd800 && x <= 0xdfff
      const yPair = y >= 0xd800 && y <= 0xdfff
      return xPair === yPair ? x - y : xPair ? 1 : -1
    }
  }
  return a.length - b.length
}

/** Sets of them are kept as the bits of one number. */
const columnsMax = 50

const nameForm = /^[A-Za-z][A-Za-z0-9_-]{0,62}$/

function checkDeclaration(declared: AnyCollection): void {
  const { name, key, columns, texts, indexes } = declared
  const wrong = (what: string) => new Defect(`the collection ${JSON.stringify(name)} ${what}`)
  if (!nameForm.test(name) || name.length > 48)
    throw wrong('has a name that is no plain word of at most 48 characters')
  if (key.length === 0) throw wrong('has no key')
  if (Object.keys(columns).length > columnsMax) throw wrong(`has more than ${columnsMax} columns`)
  for (const field of [...Object.keys(columns), ...key, ...texts])
    if (!nameForm.test(field)) throw wrong(`has a field named ${JSON.stringify(field)}`)
  for (const field of texts)
    if (columns[field] !== undefined || key.includes(field))
      throw wrong(`has ${field} both as column and as text`)
  for (const index of indexes)
    for (const field of index.on)
      if (columns[field] === undefined && !key.includes(field))
        throw wrong(`is indexed by ${field}, which has no column`)
}

function describe(value: unknown): string {
  return typeof value === 'string'
    ? `a text of ${value.length} characters`
    : `${typeof value} ${String(value)}`
}
