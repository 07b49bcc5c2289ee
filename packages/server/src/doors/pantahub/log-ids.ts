/**
 * Names and times of log lines. Lines are read in the order of their arrival, and readers go on behind the time of the
 * last line they have: so no two lines of one process bear the same time, and a line's name sorts as its time does.
 *
 * A name is 24 hex digits: seconds (8), milliseconds (4), the place within that millisecond (4), random (8). Its time
 * on the wire has nanoseconds: the place counts as nanoseconds within the millisecond.
 */
import type { Instant } from '@waymark/domain'

const placesPerMs = 0x10000

/** The next line's time and name; never the same twice, never going back, whatever the clock does. */
export function createLogIds(needs: {
  clock: { now(): Instant }
  random: (count: number) => Uint8Array
}): () => { id: string; at: Instant } {
  let lastMs = 0
  let place = 0
  return () => {
    const now = needs.clock.now()
    if (now > lastMs) {
      lastMs = now
      place = 0
    } else if (++place === placesPerMs) {
      lastMs += 1
      place = 0
    }
    return {
      id: prefixOf(lastMs, place) + Buffer.from(needs.random(4)).toString('hex'),
      at: lastMs as Instant,
    }
  }
}

/** The time a line bears on the wire. */
export function timeOfLogId(id: string): string {
  const ms = msOfLogId(id)
  const place = Number.parseInt(id.slice(12, 16), 16)
  return `${new Date(ms).toISOString().slice(0, -1)}${String(place).padStart(6, '0')}Z`
}

/** A time as clients send it: milliseconds, and what is beyond them. */
export interface LogTime {
  readonly ms: number
  readonly nanoseconds: number
}

/** Reads RFC 3339 with any fraction; a `+` that a query turned into a space is taken for one. */
export function parseLogTime(text: string): LogTime | undefined {
  const [, day, clock, fraction = '', zone] =
    /^(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.(\d{1,12}))?([Zz]|[+ -]\d\d:\d\d)$/.exec(text) ?? []
  if (day === undefined || clock === undefined || zone === undefined) return undefined
  const seconds = Date.parse(`${day}T${clock}${zone.toUpperCase().replace(' ', '+')}`)
  if (Number.isNaN(seconds)) return undefined
  const digits = fraction.padEnd(9, '0')
  return { ms: seconds + Number(digits.slice(0, 3)), nanoseconds: Number(digits.slice(3, 9)) }
}

/** The names that bound a time: every line before it sorts below `first`, every line after it above `last`. */
export function boundsOf({ ms, nanoseconds }: LogTime): { first: string; last: string } {
  const prefix = prefixOf(Math.max(0, ms), Math.min(nanoseconds, placesPerMs - 1))
  return { first: `${prefix}00000000`, last: `${prefix}ffffffff` }
}

function msOfLogId(id: string): number {
  return Number.parseInt(id.slice(0, 8), 16) * 1000 + Number.parseInt(id.slice(8, 12), 16)
}

function prefixOf(ms: number, place: number): string {
  const hex = (value: number, digits: number) => value.toString(16).padStart(digits, '0')
  return hex(Math.floor(ms / 1000) >>> 0, 8) + hex(ms % 1000, 4) + hex(place, 4)
}
