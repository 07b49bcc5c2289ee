/**
 * Until when something is wanted, as Exosense's callers write it: a number of milliseconds from now, `in 1 hr, 20 min`, or
 * `at` a time in UTC; all of them perhaps in braces and with `; once`.
 */
import { ok, type Result, refuse } from '@waymark/domain'

export interface TimerRefusal {
  readonly kind: 'bad-timer'
  readonly wanted: string
  readonly got: string
}

const second = 1000
const minute = 60 * second
const hour = 60 * minute
const day = 24 * hour

/** Words for lengths of time, in milliseconds; months and years are calendar ones and counted apart. */
const units: Readonly<Record<string, number>> = {
  ms: 1,
  sec: second,
  secs: second,
  second,
  seconds: second,
  min: minute,
  mins: minute,
  minute,
  minutes: minute,
  hr: hour,
  hrs: hour,
  hour,
  hours: hour,
  day,
  days: day,
}
const monthsOf: Readonly<Record<string, number>> = {
  mo: 1,
  month: 1,
  months: 1,
  y: 12,
  yr: 12,
  year: 12,
  years: 12,
}

/** Longest time anything is kept waiting for: a hundred years. */
const longestMs = 100 * 366 * day

/** Milliseconds from `now` (milliseconds since 1970); what lies in the past is 0. */
export function parseTimer(text: string, now: number): Result<number, TimerRefusal> {
  const plain = text
    .trim()
    .replace(/^\{(.*)\}$/s, '$1')
    .replace(/;\s*once\s*$/, '')
    .trim()
  const ms = /^\d{1,15}$/.test(plain) ? Number(plain) : (lengthOf(plain, now) ?? timeOf(plain, now))
  if (ms === undefined || ms > longestMs)
    return refuse({
      kind: 'bad-timer',
      wanted: 'milliseconds, "in 20 min" or "at 2027-01-31, 12:00:00"',
      got: text,
    })
  return ok(Math.max(0, ms))
}

function lengthOf(text: string, now: number): number | undefined {
  const parts = /^in\s+(.+)$/.exec(text)?.[1]?.split(/\s*,\s*|\s+and\s+/)
  if (!parts) return undefined
  let ms = 0
  let months = 0
  for (const part of parts) {
    const [, digits, word = ''] = /^(\d{1,9})\s*([a-z]+)$/.exec(part) ?? []
    if (digits === undefined) return undefined
    const unit = units[word]
    if (unit !== undefined) ms += Number(digits) * unit
    else if (monthsOf[word] !== undefined) months += Number(digits) * monthsOf[word]
    else return undefined
  }
  return months === 0 ? ms : ms + monthsLater(now, months) - now
}

function monthsLater(now: number, months: number): number {
  const date = new Date(now)
  const wanted = date.getUTCDate()
  date.setUTCDate(1)
  date.setUTCMonth(date.getUTCMonth() + Math.min(months, 2400))
  const last = new Date(Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 0)).getUTCDate()
  date.setUTCDate(Math.min(wanted, last))
  return date.getTime()
}

/** `12:00:00`, the next time it is so; `2027-01-31, 12:00:00`; `31/1/2027` and with a time. */
function timeOf(text: string, now: number): number | undefined {
  const at = /^at\s+(.+)$/.exec(text)?.[1]
  if (at === undefined) return undefined
  const [first = '', then] = at.split(/\s*,\s*|\s+/)
  const clock = clockOf(then ?? (first.includes(':') ? first : '00:00:00'))
  if (clock === undefined) return undefined
  if (then === undefined && first.includes(':')) {
    const midnight = Math.floor(now / day) * day
    const today = midnight + clock
    return (today >= now ? today : today + day) - now
  }
  const [, y1, m1, d1] = /^(\d{4})-(\d{1,2})-(\d{1,2})$/.exec(first) ?? []
  const [, d2, m2, y2] = /^(\d{1,2})\/(\d{1,2})\/(\d{4})$/.exec(first) ?? []
  const [y, m, d] = [Number(y1 ?? y2), Number(m1 ?? m2), Number(d1 ?? d2)]
  const start = Date.UTC(y, m - 1, d)
  // A date that does not exist (31 April) would quietly be another one.
  if (Number.isNaN(start) || new Date(start).getUTCDate() !== d || new Date(start).getUTCMonth() !== m - 1)
    return undefined
  return start + clock - now
}

function clockOf(text: string): number | undefined {
  const [, h, m, s] = /^(\d{1,2}):(\d{2})(?::(\d{2}))?$/.exec(text) ?? []
  const [hours, minutes, seconds] = [Number(h), Number(m), Number(s ?? 0)]
  if (h === undefined || hours > 23 || minutes > 59 || seconds > 59) return undefined
  return hours * hour + minutes * minute + seconds * second
}
