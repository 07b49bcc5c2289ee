/**
 * Questions: what `find` and `count` are asked, as a *shape* and the values that fill it.
 *
 * The shape is a short text such as `status=,due[|+due,+id||l`: fields with operators, the order, whether and how it
 * goes on after a row. Whatever has the same shape has the same SQL, so a store keeps its prepared statements by it,
 * and the way from a question to a statement is one pass over the conditions and one look into a map.
 *
 *   `=` equal  `!` not (or lacking)  `0` lacking  `1` having  `<` `[` `>` `]` ranges  `^` prefix  `@` one of
 */
import { Defect } from '@waymark/domain'
import { compareText, type Kept, keepText, type Row, type Table } from './table.ts'

export type Operator = '=' | '!' | '0' | '1' | '<' | '[' | '>' | ']' | '^' | '@'

/** A question ready to be put: its shape, and its values in the order in which the shape needs them. */
export interface Ask {
  readonly shape: string
  /** One per operator that takes a value (`@`: a list), then those of `after`. */
  readonly values: (Kept | Kept[])[]
  readonly limit: number
  readonly texts: boolean
}

export const limitDefault = 1000
const limitMax = 100_000
const inMax = 20_000

interface AnyFind {
  readonly where?: object
  readonly order?: readonly string[]
  readonly after?: readonly unknown[]
  readonly limit?: number
  readonly without?: 'texts'
}

/** Reads a `find`: checks it against the table and splits it into shape and values. What does not fit is a defect. */
export function askOf(table: Table, find: AnyFind): Ask {
  const values: (Kept | Kept[])[] = []
  let shape = find.where === undefined ? '' : whereOf(table, find.where, values)
  const limit = find.limit ?? limitDefault
  if (!Number.isSafeInteger(limit) || limit < 0 || limit > limitMax)
    throw new Defect(`${table.name}: a limit of ${limit}, wanted 0 to ${limitMax}`)
  shape += '|'
  if (find.order !== undefined) shape += orderOf(table, find.order)
  shape += '|'
  if (find.after !== undefined) shape += afterOf(table, find.order, find.after, values)
  const texts = table.texts.length > 0 && find.without !== 'texts'
  shape += texts ? '|t' : '|'
  return { shape, values, limit, texts }
}

/** Reads the conditions of a `count`. */
export function countOf(table: Table, where: object): Ask {
  const values: (Kept | Kept[])[] = []
  return { shape: whereOf(table, where, values), values, limit: 0, texts: false }
}

function whereOf(table: Table, where: object, values: (Kept | Kept[])[]): string {
  let shape = ''
  const term = (field: string, operator: Operator) => {
    shape += shape === '' ? field + operator : `,${field}${operator}`
  }
  for (const field in where) {
    const at = table.columnAt(field)
    const condition: unknown = where[field as keyof typeof where]
    if (condition === null) term(field, '0')
    else if (typeof condition !== 'object') {
      term(field, '=')
      values.push(table.keep(at, condition))
    } else {
      let some = false
      for (const [word, value] of Object.entries(condition)) {
        some = true
        if (word === 'not' && value === null) term(field, '1')
        else if (word === 'prefix' && typeof value === 'string' && table.columns[at]?.type === 'text') {
          term(field, '^')
          values.push(keepText(value))
        } else if (word === 'in' && Array.isArray(value)) {
          if (value.length > inMax)
            throw new Defect(`${table.name}.${field}: one of ${value.length}, at most ${inMax}`)
          term(field, '@')
          values.push(value.map((one) => table.keep(at, one)))
        } else {
          const operator = comparisons.get(word)
          if (operator === undefined)
            throw new Defect(`${table.name}.${field}: no condition is called ${JSON.stringify(word)}`)
          term(field, operator)
          values.push(table.keep(at, value))
        }
      }
      if (!some) throw new Defect(`${table.name}.${field}: a condition without content`)
    }
  }
  return shape
}

const comparisons = new Map<string, Operator>([
  ['not', '!'],
  ['gt', '>'],
  ['gte', ']'],
  ['lt', '<'],
  ['lte', '['],
])

/** `+due,-id`: the order asked for, made total by what is missing of the key in the direction of the last field. */
function orderOf(table: Table, order: readonly string[]): string {
  let shape = ''
  let direction = '+'
  const seen = new Set<string>()
  for (const one of order) {
    direction = one.startsWith('-') ? '-' : '+'
    const field = direction === '-' ? one.slice(1) : one
    table.columnAt(field)
    seen.add(field)
    shape += `${shape === '' ? '' : ','}${direction}${field}`
  }
  for (let at = 0; at < table.keyWidth; at++) {
    const field = table.columns[at]?.field as string
    if (!seen.has(field)) shape += `${shape === '' ? '' : ','}${direction}${field}`
  }
  return shape
}

/** `v` for each value to go on after, `n` where the row lacks it. */
function afterOf(
  table: Table,
  order: readonly string[] | undefined,
  after: readonly unknown[],
  values: (Kept | Kept[])[],
): string {
  const fields = order ?? table.columns.slice(0, table.keyWidth).map((column) => column.field)
  const wrong = (what: string) => new Defect(`${table.name}: \`after\` ${what}`)
  if (after.length !== fields.length)
    throw wrong(`has ${after.length} values for ${fields.length} fields of the order`)
  const descending = fields.filter((field) => field.startsWith('-')).length
  if (descending !== 0 && descending !== fields.length) throw wrong('needs an order of one direction')
  const plain = fields.map((field) => (field.startsWith('-') ? field.slice(1) : field))
  for (let at = 0; at < table.keyWidth; at++)
    if (!plain.includes(table.columns[at]?.field as string))
      throw wrong('needs an order that ends in the whole key')
  let shape = ''
  plain.forEach((field, i) => {
    const value = after[i]
    if (value === null || value === undefined) shape += 'n'
    else {
      shape += 'v'
      values.push(table.keep(table.columnAt(field), value))
    }
  })
  return shape
}

export interface Term {
  readonly at: number
  readonly operator: Operator
}

export interface Order {
  readonly at: number
  readonly descending: boolean
}

/** A shape taken apart again: what SQL is made from, and what memory follows. */
export interface Shape {
  readonly terms: readonly Term[]
  readonly order: readonly Order[]
  /** For each field of the order whether `after` has a value for it; empty without `after`. */
  readonly after: readonly boolean[]
  readonly texts: boolean
}

export function parseShape(table: Table, shape: string): Shape {
  const [where = '', order = '', after = '', texts = ''] = shape.split('|')
  return {
    terms: split(where).map((term) => ({
      at: table.columnAt(term.slice(0, -1)),
      operator: term.slice(-1) as Operator,
    })),
    order:
      order === ''
        ? table.columns.slice(0, table.keyWidth).map((_, at) => ({ at, descending: false }))
        : split(order).map((one) => ({ at: table.columnAt(one.slice(1)), descending: one[0] === '-' })),
    after: [...after].map((one) => one === 'v'),
    texts: texts === 't',
  }
}

function split(list: string): string[] {
  return list === '' ? [] : list.split(',')
}

/** Whether an operator takes a value. */
export function takesValue(operator: Operator): boolean {
  return operator !== '0' && operator !== '1'
}

/** Compares two kept values of one column; what is lacking comes first. */
export function compareKept(a: Kept, b: Kept): number {
  if (a === null || b === null) return a === b ? 0 : a === null ? -1 : 1
  return typeof a === 'string' ? compareText(a, b as string) : a - (b as number)
}

/** Whether a row answers the question's conditions (memory's WHERE). */
export function matches(shape: Shape, values: readonly (Kept | Kept[])[], row: Row): boolean {
  let next = 0
  for (const term of shape.terms) {
    const value = takesValue(term.operator) ? (values[next++] as Kept) : null
    if (!holds(term.operator, row[term.at] as Kept, value)) return false
  }
  if (shape.after.length === 0) return true
  for (let i = 0; i < shape.after.length; i++) {
    const { at, descending } = shape.order[i] as Order
    const from = shape.after[i] ? (values[next++] as Kept) : null
    const way = compareKept(row[at] as Kept, from)
    if (way !== 0) return descending ? way < 0 : way > 0
  }
  return false
}

function holds(operator: Operator, kept: Kept, value: Kept | Kept[]): boolean {
  if (operator === '0') return kept === null
  if (operator === '!') return kept !== value
  if (kept === null) return false
  switch (operator) {
    case '1':
      return true
    case '=':
      return kept === value
    case '@':
      return (value as Kept[]).includes(kept)
    case '^':
      return asciiLower(kept as string).startsWith(asciiLower(value as string))
    case '<':
      return compareKept(kept, value as Kept) < 0
    case '[':
      return compareKept(kept, value as Kept) <= 0
    case '>':
      return compareKept(kept, value as Kept) > 0
    case ']':
      return compareKept(kept, value as Kept) >= 0
  }
}

function asciiLower(text: string): string {
  return text.replace(/[A-Z]+/g, (upper) => upper.toLowerCase())
}

/** Memory's ORDER BY. */
export function byOrder(shape: Shape): (a: Row, b: Row) => number {
  return (a, b) => {
    for (const { at, descending } of shape.order) {
      const way = compareKept(a[at] as Kept, b[at] as Kept)
      if (way !== 0) return descending ? -way : way
    }
    return 0
  }
}
