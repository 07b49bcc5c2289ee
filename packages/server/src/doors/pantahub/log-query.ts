/**
 * What may be asked of the logs, as a query says it, and how a page is gone on from. A cursor is the query and the place
 * where its last page ended, sealed for the one who asked.
 */
import {
  type DeviceId,
  type Find,
  type Instant,
  type LogEntry,
  ok,
  type Result,
  type Scalar,
  type Where,
} from '@waymark/domain'
import { isJsonObject, type JsonValue } from '@waymark/pantahub'
import type { Asked } from './answer.ts'
import { type BadValue, badValue } from './errors.ts'
import { boundsOf, type LogTime, parseLogTime } from './log-ids.ts'

/** A page and everything behind it. */
export interface LogQuery {
  readonly start: number
  readonly page: number
  readonly where: Where<LogEntry>
  readonly order: NonNullable<Find<LogEntry>['order']>
  /** Behind the row with these values of `order`. */
  readonly after?: readonly Scalar[]
}

const pageDefault = 50
const pageMax = 5000
const startMax = 100_000
const listMax = 100
const valueMax = 512

type Field = keyof LogEntry & string

/** The wire's names of what can be sorted by. */
const sortable: Readonly<Record<string, Field>> = {
  dev: 'device',
  rev: 'revision',
  plat: 'platform',
  lvl: 'level',
  tsec: 'seconds',
  tnano: 'nanoseconds',
  'time-created': 'createdAt',
  src: 'source',
}

/** Reads a query; `devices` are those that `dev` named, undefined when it named none. */
export function logQuery(
  query: Asked['query'],
  devices: readonly DeviceId[] | undefined,
): Result<LogQuery, BadValue> {
  const start = count(query.start, { fallback: 0, max: startMax })
  if (start === undefined) return badValue('start', `0 to ${startMax}`, String(query.start))
  const page = count(query.page, { fallback: pageDefault, max: pageMax })
  if (page === undefined) return badValue('page', `1 to ${pageMax}`, String(query.page))
  const order = orderOf(query.sort)
  if (!order.ok) return order
  const times = timesOf(query)
  if (!times.ok) return times
  const where: Where<LogEntry> = {
    ...(devices === undefined ? {} : { device: oneOf(devices) }),
    ...listed('source', query.src),
    ...listed('level', query.lvl),
    ...listed('platform', query.plat),
    ...listed('revision', query.rev),
    ...times.value,
  }
  if (query.cursor !== undefined && new Set(order.value.map((field) => field.startsWith('-'))).size > 1)
    return badValue('sort', 'one direction, where a cursor is asked for', String(query.sort))
  return ok({ start, page: page || pageDefault, where, order: order.value })
}

/** The parts of a comma list. */
export function commaList(text: string | undefined): string[] {
  return (text ?? '')
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '')
    .slice(0, listMax)
}

/** What a cursor holds, as text. */
export function cursorText(query: LogQuery, until: Instant): string {
  return JSON.stringify({
    until,
    page: query.page,
    where: query.where,
    order: query.order,
    after: query.after,
  })
}

/** A cursor's text, read back: we wrote and sealed it ourselves, so only its age is in question. */
export function readCursor(text: string, now: Instant): LogQuery | undefined {
  const held: JsonValue = JSON.parse(text)
  if (!isJsonObject(held) || typeof held.until !== 'number' || held.until <= now) return undefined
  return { ...(held as unknown as Omit<LogQuery, 'start'>), start: 0 }
}

function oneOf<V>(values: readonly V[]) {
  const [only] = values
  return values.length === 1 && only !== undefined ? only : { in: values }
}

function listed(
  field: 'source' | 'level' | 'platform' | 'revision',
  text: string | undefined,
): Where<LogEntry> {
  const values = commaList(text).map((value) => value.slice(0, valueMax))
  return values.length === 0 ? {} : { [field]: oneOf(values) }
}

function timesOf(query: Asked['query']): Result<Where<LogEntry>, BadValue> {
  const wanted = 'a time such as 2026-01-31T12:00:00.123Z'
  const read = (name: 'after' | 'before'): Result<LogTime | undefined, BadValue> => {
    const text = query[name]
    if (text === undefined || text === '') return ok(undefined)
    const time = parseLogTime(text)
    return time ? ok(time) : badValue(name, wanted, text)
  }
  const after = read('after')
  if (!after.ok) return after
  const before = read('before')
  if (!before.ok) return before
  if (!after.value && !before.value) return ok({})
  // Names are exact to the line; the times beside them are what the indexes know.
  return ok({
    id: {
      ...(after.value ? { gt: boundsOf(after.value).last } : {}),
      ...(before.value ? { lt: boundsOf(before.value).first } : {}),
    },
    createdAt: {
      ...(after.value ? { gte: after.value.ms as Instant } : {}),
      ...(before.value ? { lte: before.value.ms as Instant } : {}),
    },
  })
}

/** The order asked for, ending in the name, so that it is whole; by default that of arrival. */
function orderOf(text: string | undefined): Result<NonNullable<Find<LogEntry>['order']>, BadValue> {
  const order: (Field | `-${Field}`)[] = []
  let down = false
  for (const part of commaList(text)) {
    down = part.startsWith('-')
    const name = down ? part.slice(1) : part
    const field = Object.hasOwn(sortable, name) ? sortable[name] : undefined
    if (!field) return badValue('sort', `some of ${Object.keys(sortable).join(', ')}`, name)
    order.push(down ? `-${field}` : field)
  }
  if (order.length === 0) order.push('createdAt')
  order.push(down ? '-id' : 'id')
  return ok(order)
}

function count(
  text: string | undefined,
  { fallback, max }: { fallback: number; max: number },
): number | undefined {
  if (text === undefined || text === '') return fallback
  const value = /^\d{1,9}$/.test(text) ? Number(text) : undefined
  return value === undefined || value > max ? undefined : value
}
