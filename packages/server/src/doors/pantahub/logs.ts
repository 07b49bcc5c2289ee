/**
 * Logs (Pantahub wire facts 6): devices send lines in batches, their owner reads them, filtered, in pages or following a
 * cursor. Lines lie in the tenant their device lived in when it sent them; nobody reads another tenant's.
 *
 * A Pantavisor that gets a 4xx for a batch sends it again line by line and drops what is refused, so a batch is taken
 * whole or refused whole, and little is refused.
 */
import {
  type DeviceId,
  deviceByNick,
  Instant,
  type LogEntry,
  logEntries,
  ok,
  type Result,
  refuse,
  type Scalar,
  settled,
  DeviceId as toDeviceId,
} from '@waymark/domain'
import { deviceOfPrn, isJsonObject, type JsonObject, type JsonValue, Prn } from '@waymark/pantahub'
import { hex, ownerPrn, type UserCaller } from '../../access.ts'
import type { House } from '../../house.ts'
import { keepLogs, trimDevice } from '../../log-room.ts'
import { type Handlers, type Said, say, sayText } from './answer.ts'
import { described, jsonOf, objectOrEmpty } from './bodies.ts'
import { type BadValue, badValue } from './errors.ts'
import { createLogIds, timeOfLogId } from './log-ids.ts'
import { commaList, cursorText, type LogQuery, logQuery, readCursor } from './log-query.ts'

/** Lines in one batch; a Pantavisor sends 200. */
const batchMax = 10_000
/** Characters of a source, a level, a platform, a revision. */
const wordMax = 512
const cursorLifeMs = 2 * 60_000

export function logHandlers(house: House): Pick<Handlers, 'listLogs' | 'postLogs' | 'continueLogs'> {
  const nextId = createLogIds({ clock: house.clock, random: (count) => house.env().random(count) })

  return {
    async postLogs({ caller, body }) {
      const json = jsonOf(body, 'logs')
      if (!json.ok) return json
      const given: readonly JsonValue[] = Array.isArray(json.value) ? json.value : [json.value as JsonValue]
      if (given.length > batchMax)
        return badValue('logs', `at most ${batchMax} entries`, String(given.length))
      const lines: Line[] = []
      for (const [at, value] of given.entries()) {
        const line = lineOf(value, `logs entry ${at}`)
        if (!line.ok) return line
        lines.push(line.value)
      }
      // Named in the order of arrival, before anything is waited for.
      const entries = lines.map((line): LogEntry => {
        const { id, at } = nextId()
        return { ...line, id, device: caller.device.id, createdAt: at }
      })
      const kept = await house.telemetry.transact(caller.tenant, async (tx) => {
        return ok(await keepLogs(tx, caller.device.id, entries))
      })
      const volume = settled(kept)
      const { logQuota } = house.config
      if (logQuota !== 'off' && volume > logQuota)
        await trimDevice(house.telemetry, caller.tenant, caller.device.id, logQuota)
      return say({ status: 'ok' })
    },

    async listLogs({ caller, query }) {
      const devices = query.dev === undefined ? undefined : await named(caller, query.dev)
      const asked = logQuery(query, devices)
      return asked.ok ? page(caller, asked.value, query.cursor !== undefined) : asked
    },

    async continueLogs({ caller, query, body }) {
      const token = query['next-cursor'] ?? objectOrEmpty(body)['next-cursor']
      const opened = typeof token === 'string' ? house.keys.unseal(token, cursorPlace(caller)) : undefined
      const asked = opened?.ok ? readCursor(opened.value, house.clock.now()) : undefined
      return asked ? page(caller, asked, true) : refuse({ kind: 'bad-cursor' })
    },
  }

  async function page(caller: UserCaller, asked: LogQuery, withCursor: boolean): Promise<Said> {
    const reader = house.telemetry.read(caller.tenant)
    const { where, order, start } = asked
    let after = asked.after
    if (start > 0) {
      const skipped = await reader.find(logEntries, { where, order, limit: start, without: 'texts' })
      const last = skipped.at(-1)
      if (!last || skipped.length < start) return sayPage(caller, asked, [], undefined)
      after = placeOf(last, order)
    }
    const found = await reader.find(logEntries, {
      where,
      order,
      limit: asked.page,
      ...(after ? { after } : {}),
    })
    const last = found.at(-1)
    const end = last ? placeOf(last, order) : after
    const { after: _, ...query } = asked
    const next = { ...query, ...(end ? { after: end } : {}) }
    return sayPage(caller, asked, found, withCursor ? next : undefined)
  }

  function sayPage(
    caller: UserCaller,
    { start, page }: LogQuery,
    found: readonly LogEntry[],
    next: LogQuery | undefined,
  ): Said {
    const head: Record<string, unknown> = { start, page, count: found.length }
    if (next) {
      const until = Instant.after(house.clock.now(), cursorLifeMs)
      head['next-cursor'] = house.keys.seal(cursorText(next, until), cursorPlace(caller))
    }
    if (found.length > 0) head.entries = found.map((entry) => entryWire(entry, ownerPrn(caller.tenant)))
    return sayText(JSON.stringify(head))
  }

  /** The caller's own devices that a comma list of prns, ids and nicks names; strangers' are as unknown ones. */
  async function named(caller: UserCaller, text: string): Promise<DeviceId[]> {
    const found: DeviceId[] = []
    for (const name of commaList(text)) {
      const id = toDeviceId.parse(name) ?? toDeviceId.parse(deviceOfPrn(name))
      const device = id ?? (await deviceByNick(house.store.read(caller.tenant), name))?.id
      if (device) found.push(device)
    }
    return found
  }
}

/** Cursors open for the one they were made for, and for nobody else. */
function cursorPlace(caller: UserCaller): string {
  return `log-cursor/${caller.tenant}/${caller.principal.id}`
}

function placeOf(entry: LogEntry, order: LogQuery['order']): Scalar[] {
  return order.map((field) => entry[field.replace(/^-/, '') as keyof Omit<LogEntry, 'bytes'>])
}

type Line = Omit<LogEntry, 'id' | 'device' | 'createdAt'>

function lineOf(value: JsonValue, thing: string): Result<Line, BadValue> {
  if (!isJsonObject(value)) return badValue(thing, 'a JSON object', described(value))
  const words = { src: '', lvl: 'INFO', plat: '', rev: '', msg: '' }
  for (const key of ['src', 'lvl', 'plat', 'rev', 'msg'] as const) {
    const word = wordAt(value, key)
    if (word === undefined) return badValue(`${thing} ${key}`, 'a text', described(value[key]))
    if (key !== 'msg' && word.length > wordMax)
      return badValue(`${thing} ${key}`, `at most ${wordMax} characters`, `${word.length}`)
    if (word !== '') words[key] = word
  }
  const seconds = wholeAt(value, 'tsec')
  if (seconds === undefined) return badValue(`${thing} tsec`, 'a whole number', described(value.tsec))
  const nanoseconds = wholeAt(value, 'tnano')
  if (nanoseconds === undefined) return badValue(`${thing} tnano`, 'a whole number', described(value.tnano))
  const { src, lvl, plat, rev, msg } = words
  return ok({ source: src, level: lvl, platform: plat, revision: rev, message: msg, seconds, nanoseconds })
}

/** A text; numbers are taken for one (a revision sent as 3), nothing for the empty one. */
function wordAt(from: JsonObject, key: string): string | undefined {
  const value = from[key]
  if (value === undefined || value === null) return ''
  if (typeof value === 'number') return String(value)
  return typeof value === 'string' ? value : undefined
}

function wholeAt(from: JsonObject, key: string): number | undefined {
  const value = from[key]
  if (value === undefined || value === null) return 0
  const number = typeof value === 'string' && /^\d{1,15}$/.test(value) ? Number(value) : value
  return typeof number === 'number' && Number.isSafeInteger(number) && number >= 0 ? number : undefined
}

function entryWire(entry: LogEntry, owner: string): Record<string, unknown> {
  return {
    id: entry.id,
    dev: Prn.device(hex(entry.device)),
    own: owner,
    'time-created': timeOfLogId(entry.id),
    tsec: entry.seconds,
    tnano: entry.nanoseconds,
    src: entry.source,
    lvl: entry.level,
    plat: entry.platform,
    rev: entry.revision,
    msg: entry.message,
  }
}
