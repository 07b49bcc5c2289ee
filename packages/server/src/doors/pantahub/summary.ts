/**
 * How far each device is (Pantahub wire facts 5.4), computed when asked. A list in the order of ids is sent as it is read;
 * one in another order has to be held, and is bounded.
 */
import {
  devices,
  headStep,
  Instant,
  invariant,
  lastTouched,
  newestReported,
  ok,
  openTrail,
  type Result,
  type TenantId,
} from '@waymark/domain'
import { canonicalJson, epochTime, isJsonObject, type JsonValue, Prn, parseJson } from '@waymark/pantahub'
import { hex } from '../../access.ts'
import type { House } from '../../house.ts'
import { type Handlers, sayArray, sayText } from './answer.ts'
import { described } from './bodies.ts'
import { type BadValue, badValue } from './errors.ts'
import { pages } from './paging.ts'
import { progressOf } from './steps.ts'
import { type OpenTrail, openTrailOf } from './trails.ts'

/** Summaries held for sorting; a larger fleet is listed in the order of ids. */
const sortedMax = 20_000

const fields = [
  'deviceid',
  'device',
  'device-nick',
  'revision',
  'progress-revision',
  'progress',
  'public',
  'state-sha',
  'status-msg',
  'status',
  'timestamp',
  'step-time',
  'progress-time',
  'trail-touched-time',
  'real-ip',
  'fleet-group',
  'fleet-model',
  'fleet-location',
  'fleet-rev',
] as const
type Field = (typeof fields)[number]
type Summary = Readonly<Record<Field, string | number | boolean>>

export function summaryHandlers(house: House): Pick<Handlers, 'listSummaries' | 'readSummary'> {
  return {
    async listSummaries({ caller, query }) {
      const passes = filterOf(query.filter)
      if (!passes.ok) return passes
      const sort = sortOf(query.sort)
      if (!sort.ok) return sort
      const all = list(caller.tenant, passes.value)
      if (!sort.value) return sayArray(texts(all))
      const { field, down } = sort.value
      const held: Summary[] = []
      for await (const summary of all) {
        if (held.length === sortedMax) return badValue('sort', `at most ${sortedMax} devices to sort`, 'more')
        held.push(summary)
      }
      held.sort((a, b) => compare(a[field], b[field]) * (down ? -1 : 1))
      return sayArray(texts(held))
    },

    async readSummary({ caller, params }) {
      const found = await openTrailOf(house, caller, params.id)
      return found.ok ? sayText(canonicalJson(await summaryOf(found.value))) : found
    },
  }

  async function* list(tenant: TenantId, passes: (summary: Summary) => boolean): AsyncGenerator<Summary> {
    const reader = house.store.read(tenant)
    const find = { where: { garbage: false }, order: ['id'] as const }
    for await (const page of pages(reader, devices, find))
      for (const device of page) {
        const trail = await openTrail(reader, device)
        if (!trail) continue
        const summary = await summaryOf({ opened: { device, tenant, reader, as: 'owner' }, trail })
        if (passes(summary)) yield summary
      }
  }

  async function summaryOf({ opened, trail }: OpenTrail): Promise<Summary> {
    const { device, reader, as } = opened
    const head = await headStep(reader, trail)
    invariant(head, 'a trail begins with its factory state')
    const reported = (await newestReported(reader, trail)) ?? head
    const progress = progressOf(reported)
    const seen = as === 'visitor' ? undefined : await house.presence.lastSeen(device.id)
    const touched = (await lastTouched(reader, trail)) ?? trail.createdAt
    const changed = Math.max(device.modifiedAt, head.modifiedAt, touched, seen?.lastSeenAt ?? 0)
    const message = progress['status-msg']
    const label = (name: string) => (as === 'visitor' ? '' : (device.labels[name] ?? ''))
    return {
      deviceid: device.id,
      device: Prn.device(hex(device.id)),
      'device-nick': device.nick,
      revision: head.rev,
      'progress-revision': reported.rev,
      progress: percentOf(progress.progress),
      public: device.published,
      'state-sha': head.stateSha,
      'status-msg': typeof message === 'string' ? message : '',
      status: reported.status,
      timestamp: Instant.format(Instant.of(changed)),
      'step-time': Instant.format(head.createdAt),
      'progress-time': reported.reportedAt === undefined ? epochTime : Instant.format(reported.reportedAt),
      'trail-touched-time': Instant.format(touched),
      'real-ip': seen?.address ?? '',
      'fleet-group': label('fleet-group'),
      'fleet-model': label('fleet-model'),
      'fleet-location': label('fleet-location'),
      'fleet-rev': label('fleet-rev'),
    }
  }
}

async function* texts(summaries: AsyncIterable<Summary> | Iterable<Summary>): AsyncGenerator<string> {
  for await (const summary of summaries) yield canonicalJson(summary)
}

function percentOf(raw: JsonValue | undefined): number {
  const percent = Number(raw)
  return Number.isFinite(percent) ? percent : 0
}

function isField(name: string): name is Field {
  return fields.some((field) => field === name)
}

function sortOf(text: string | undefined): Result<{ field: Field; down: boolean } | undefined, BadValue> {
  if (text === undefined || text === '') return ok(undefined)
  const down = text.startsWith('-')
  const field = down ? text.slice(1) : text
  return isField(field) ? ok({ field, down }) : badValue('sort', `one of ${fields.join(', ')}`, field)
}

/** `{"status":"DONE","device-nick":{"$in":["a","b"]}}`: fields of a summary, equal to a value, or to one of some. */
function filterOf(text: string | undefined): Result<(summary: Summary) => boolean, BadValue> {
  if (text === undefined || text === '') return ok(() => true)
  const parsed = parseJson(text, { depth: 4, length: 8192 })
  if (!parsed.ok) return badValue(`filter at character ${parsed.at}`, parsed.wanted, parsed.got)
  if (!isJsonObject(parsed.value)) return badValue('filter', 'a JSON object', described(parsed.value))
  const tests: ((summary: Summary) => boolean)[] = []
  for (const [field, wanted] of Object.entries(parsed.value)) {
    if (!isField(field)) return badValue('filter', `some of ${fields.join(', ')}`, field)
    const test = testOf(wanted)
    if (!test) return badValue(`filter ${field}`, 'a value, or $in, $nin, $eq, $ne', described(wanted))
    tests.push((summary) => test(summary[field]))
  }
  return ok((summary) => tests.every((test) => test(summary)))
}

function testOf(wanted: JsonValue): ((value: unknown) => boolean) | undefined {
  if (!isJsonObject(wanted)) return Array.isArray(wanted) ? undefined : (value) => value === wanted
  const tests = Object.entries(wanted).map(([operator, operand]) => operatorTest(operator, operand))
  if (tests.length === 0 || tests.some((test) => test === undefined)) return undefined
  return (value) => tests.every((test) => test?.(value))
}

function operatorTest(operator: string, operand: JsonValue): ((value: unknown) => boolean) | undefined {
  const many: readonly unknown[] | undefined = Array.isArray(operand) ? operand : undefined
  if (operator === '$in' && many) return (value) => many.includes(value)
  if (operator === '$nin' && many) return (value) => !many.includes(value)
  if (many || isJsonObject(operand)) return undefined
  if (operator === '$eq') return (value) => value === operand
  return operator === '$ne' ? (value) => value !== operand : undefined
}

function compare(a: string | number | boolean, b: string | number | boolean): number {
  if (typeof a === 'number' && typeof b === 'number') return a - b
  const [left, right] = [String(a), String(b)]
  return left < right ? -1 : left > right ? 1 : 0
}
