/**
 * From shapes to SQL. What SQLite and PostgreSQL say differently is a `Dialect`; the rest of a statement is the same.
 *
 * Every collection is one table: `_tenant` first (tenant scope), a column per key field and per declared column, the
 * remaining fields as JSON in `_body`. Names of ours begin with an underscore, which no field can.
 */

import { createHash } from 'node:crypto'
import type { AnyCollection } from '@waymark/domain'
import { type Ask, type Order, parseShape, type Shape, type Term, takesValue } from './ask.ts'
import type { Scope } from './body.ts'
import type { Column, Kept, Table } from './table.ts'

export interface Dialect {
  /** The nth value of a statement, from 1. */
  place(n: number): string
  /** The tables to read from: `r` is the collection's. With texts where they are asked for. */
  from(table: Table, shape: Shape): string
  /** The long texts in the list of what is read. */
  textColumn(field: string): string
  notSame(column: string, place: string): string
  begins(column: string, place: string): string
  limit(place: string): string
  oneOf(column: string, place: string, type: Column['type']): string
  /** `ASC` or `DESC` such that what is lacking comes first ascending and last descending. */
  direction(descending: boolean, nullable: boolean): string
}

export function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

/** A statement and which values fill it: an index into the question's values, or the scope, or the limit. */
export interface Plan {
  readonly text: string
  readonly fill: readonly number[]
}

const scopeFill = -1
const limitFill = -2

/** The values of a question in the order in which its statement wants them. */
export function filled(plan: Plan, scope: Scope, ask: Ask): (Kept | Kept[])[] {
  const values: (Kept | Kept[])[] = []
  for (const from of plan.fill)
    values.push(
      from === scopeFill ? scope : from === limitFill ? ask.limit : (ask.values[from] as Kept | Kept[]),
    )
  return values
}

/** `SELECT …` for a shape of `find`. */
export function findPlan(table: Table, dialect: Dialect, text: string): Plan {
  const shape = parseShape(table, text)
  const fill: number[] = []
  const place = (from: number) => dialect.place(fill.push(from))
  const where = whereSql(table, dialect, shape, place)
  const order = shape.order
    .map(
      ({ at, descending }) => `${column(table, at)} ${dialect.direction(descending, at >= table.keyWidth)}`,
    )
    .join(', ')
  return {
    text: `SELECT ${selected(table, dialect, shape.texts)} FROM ${dialect.from(table, shape)}${where} ORDER BY ${order} LIMIT ${dialect.limit(place(limitFill))}`,
    fill,
  }
}

/** `SELECT count(*) …` for a shape of `count`. */
export function countPlan(table: Table, dialect: Dialect, text: string): Plan {
  const shape = parseShape(table, text)
  const fill: number[] = []
  const where = whereSql(table, dialect, shape, (from) => dialect.place(fill.push(from)))
  return { text: `SELECT count(*) FROM ${dialect.from(table, shape)}${where}`, fill }
}

/** `SELECT …` of one row by its key: values are the scope (tenant scope only) and the key's. */
export function getText(table: Table, dialect: Dialect, texts: boolean): string {
  const shape: Shape = { terms: [], order: [], after: [], texts }
  const conditions = keyColumns(table).map((name, i) => `r.${name} = ${dialect.place(i + 1)}`)
  return `SELECT ${selected(table, dialect, texts)} FROM ${dialect.from(table, shape)} WHERE ${conditions.join(' AND ')}`
}

/** The columns that name a row: `_tenant` (tenant scope) and the key's, quoted. */
export function keyColumns(table: Table): string[] {
  const own = table.columns.slice(0, table.keyWidth).map(({ field }) => quoted(field))
  return table.scope === 'tenant' ? ['"_tenant"', ...own] : own
}

/** What is read of a row, in its order. */
export function selected(table: Table, dialect: Dialect, texts: boolean): string {
  const names = table.columns.map(({ field }) => `r.${quoted(field)}`)
  names.push('r."_body"')
  if (texts) for (const field of table.texts) names.push(dialect.textColumn(field))
  return names.join(', ')
}

function column(table: Table, at: number): string {
  return `r.${quoted((table.columns[at] as Column).field)}`
}

function whereSql(table: Table, dialect: Dialect, shape: Shape, place: (from: number) => string): string {
  const conditions: string[] = []
  if (table.scope === 'tenant') conditions.push(`r."_tenant" = ${place(scopeFill)}`)
  let next = 0
  for (const term of shape.terms) {
    const value = takesValue(term.operator) ? place(next++) : ''
    conditions.push(termSql(table, dialect, term, value))
  }
  if (shape.after.length > 0) conditions.push(afterSql(table, shape, next, place))
  return conditions.length === 0 ? '' : ` WHERE ${conditions.join(' AND ')}`
}

function termSql(table: Table, dialect: Dialect, { at, operator }: Term, value: string): string {
  const name = column(table, at)
  switch (operator) {
    case '0':
      return `${name} IS NULL`
    case '1':
      return `${name} IS NOT NULL`
    case '!':
      return dialect.notSame(name, value)
    case '^':
      return dialect.begins(name, value)
    case '@':
      return dialect.oneOf(name, value, (table.columns[at] as Column).type)
    case '[':
      return `${name} <= ${value}`
    case ']':
      return `${name} >= ${value}`
    default:
      return `${name} ${operator} ${value}`
  }
}

/**
 * "Comes after this row in the order." One comparison of row values where no lacking value can spoil it (an index
 * then leads there directly); else written out, field by field.
 */
function afterSql(table: Table, shape: Shape, first: number, place: (from: number) => string): string {
  const fields = shape.order.slice(0, shape.after.length)
  const valued = shape.after.every((has) => has)
  const descending = fields[0]?.descending === true
  if (valued && (!descending || fields.every(({ at }) => at < table.keyWidth))) {
    const names = fields.map(({ at }) => column(table, at)).join(', ')
    const values = fields.map((_, i) => place(first + i)).join(', ')
    return `(${names}) ${descending ? '<' : '>'} (${values})`
  }
  const from: number[] = []
  let next = first
  for (const has of shape.after) from.push(has ? next++ : -1)
  const past = ({ at }: Order, i: number): string => {
    const name = column(table, at)
    const value = from[i] as number
    if (!descending) return value < 0 ? `${name} IS NOT NULL` : `${name} > ${place(value)}`
    return value < 0 ? '1 = 0' : `(${name} < ${place(value)} OR ${name} IS NULL)`
  }
  const level = ({ at }: Order, i: number): string => {
    const value = from[i] as number
    return value < 0 ? `${column(table, at)} IS NULL` : `${column(table, at)} = ${place(value)}`
  }
  const after = (i: number): string => {
    const field = fields[i] as Order
    const ahead = past(field, i)
    return i === fields.length - 1 ? ahead : `(${ahead} OR (${level(field, i)} AND ${after(i + 1)}))`
  }
  return after(0)
}

/** An index's name says what it is on, so that a changed declaration is another name. */
export function indexName(table: AnyCollection, index: AnyCollection['indexes'][number]): string {
  const on = createHash('sha256')
    .update(JSON.stringify([index.on, index.unique === true, ...(index.sparse ? ['sparse'] : [])]))
    .digest('hex')
  return `_ix_${table.name.slice(0, 40)}_${on.slice(0, 12)}`
}

/** `CREATE INDEX …`; ordinary indexes end in the key, so that an order by the index and the key needs no sorting. */
export function createIndex(
  table: Table,
  index: AnyCollection['indexes'][number],
  named: { table: string; nulls: string },
): string {
  const keyed = new Set(table.declared.key)
  const fields = index.unique === true ? index.on : [...new Set([...index.on, ...table.declared.key])]
  const columns = fields.map((field) => quoted(field) + (keyed.has(field) ? '' : named.nulls))
  if (table.scope === 'tenant') columns.unshift('"_tenant"')
  const unique = index.unique === true ? 'UNIQUE ' : ''
  const only = index.sparse ? ` WHERE ${quoted(index.on.at(-1) ?? '')} IS NOT NULL` : ''
  const name = quoted(indexName(table.declared, index))
  return `CREATE ${unique}INDEX ${name} ON ${named.table} (${columns.join(', ')})${only}`
}

/**
 * The declared index that answers the most conditions of a shape from its front, if any does better than the key.
 * A sparse one is none for finds that ask nothing of its last field. SQLite is told to use it: without statistics its planner would rather read a whole tenant in key order than look
 * a few rows up and sort them.
 */
export function bestIndex(table: Table, shape: Shape): string | undefined {
  const fixed = new Set<number>()
  const ranged = new Set<number>()
  // Conditions that no lacking value meets.
  const asked = new Set(shape.terms.filter(({ operator }) => '=<[>]'.includes(operator)).map(({ at }) => at))
  for (const { at, operator } of shape.terms) {
    if (operator === '=' || operator === '0' || operator === '@') fixed.add(at)
    else if (operator === '<' || operator === '[' || operator === '>' || operator === ']') ranged.add(at)
  }
  const score = (fields: readonly string[]): number => {
    let points = 0
    for (const field of fields) {
      const at = table.columnAt(field)
      if (fixed.has(at)) points += 2
      else return ranged.has(at) ? points + 1 : points
    }
    return points
  }
  let best: string | undefined
  let most = score(table.declared.key)
  for (const index of table.declared.indexes) {
    const last = table.columnAt(index.on.at(-1) ?? '')
    if (index.sparse && !asked.has(last)) continue
    const points = score(index.on)
    if (points > most) {
      most = points
      best = indexName(table.declared, index)
    }
  }
  return best
}
