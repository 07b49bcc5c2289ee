/**
 * Changes (Pantahub wire facts 9): own devices, steps and trails by the time they were last changed, page by page; and
 * the posts that are made of the newest steps.
 *
 * A page goes on behind a time. Several records may have changed in one instant, so the links name the record as well,
 * behind a `~`: going on by them meets every record once. A plain time is taken too.
 */
import {
  type Collection,
  type Device,
  devices,
  Instant,
  ok,
  type Result,
  type Scalar,
  type Step,
  steps,
  type Trail,
  trails,
} from '@waymark/domain'
import type { UserCaller } from '../../access.ts'
import type { House } from '../../house.ts'
import { type Asked, type Handlers, type Said, say, sayText } from './answer.ts'
import { type BadValue, badValue } from './errors.ts'
import { deviceLines, ownerNick } from './records.ts'
import { stepWire } from './steps.ts'
import { trailWire } from './trails.ts'

const sizeMax = 250
const sizeDefault = 50
const postsShown = 20

type Query = Asked['query']

/** What is listed: where from, by which time, and how a page is told. */
interface Listing<R extends object, K extends keyof R & string> {
  readonly path: string
  readonly from: Collection<R, K>
  /** The field with the time, then the key. */
  readonly order: readonly (keyof R & string)[]
  lines(page: readonly R[], caller: UserCaller): Promise<string[]>
}

export function changeHandlers(
  house: House,
): Pick<Handlers, 'changedDevices' | 'changedSteps' | 'changedTrails' | 'listPosts'> {
  const changedDevices: Listing<Device, 'id'> = {
    path: '/changes/devices',
    from: devices,
    order: ['modifiedAt', 'id'],
    async lines(page, { tenant }) {
      const nick = await ownerNick(house, tenant)
      return deviceLines(house, page, {
        tenant,
        nick,
        reader: house.store.read(tenant),
        shown: { metas: true },
      })
    },
  }
  const changedSteps: Listing<Step, 'device' | 'generation' | 'rev'> = {
    path: '/changes/steps',
    from: steps,
    order: ['modifiedAt', 'device', 'generation', 'rev'],
    lines: (page, { tenant }) =>
      Promise.all(page.map((step) => stepWire(house.store.read(tenant), tenant, step, undefined))),
  }
  const changedTrails: Listing<Trail, 'device' | 'generation'> = {
    path: '/changes/trails',
    from: trails,
    order: ['createdAt', 'device', 'generation'],
    lines: (page, { tenant }) =>
      Promise.all(page.map((trail) => trailWire(house.store.read(tenant), tenant, trail))),
  }

  return {
    changedDevices: ({ caller, query }) => answer(changedDevices, caller, query),
    changedSteps: ({ caller, query }) => answer(changedSteps, caller, query),
    changedTrails: ({ caller, query }) => answer(changedTrails, caller, query),

    async listPosts({ caller }) {
      const newest = await house.store.read(caller.tenant).find(steps, {
        order: ['-modifiedAt', '-device', '-generation', '-rev'],
        limit: postsShown,
      })
      const nick = await ownerNick(house, caller.tenant)
      return say(
        newest.map((step) => ({
          id: `${step.device}-${step.rev}`,
          title: step.commitMsg,
          author: step.committer || nick,
          body: `${step.status} ${step.device}-${step.rev}`,
          'time-created': Instant.format(step.createdAt),
          'time-modified': Instant.format(step.modifiedAt),
        })),
      )
    },
  }

  async function answer<R extends object, K extends keyof R & string>(
    listing: Listing<R, K>,
    caller: UserCaller,
    query: Query,
  ): Promise<Said> {
    const page = pageOf(query, listing.order.length)
    if (!page.ok) return page
    const { size, place, back } = page.value
    const rows = await house.store.read(caller.tenant).find(listing.from, {
      order: listing.order.map((field) => (back ? (`-${field}` as const) : field)),
      limit: size,
      ...(place === undefined ? {} : { after: place }),
    })
    if (back) rows.reverse()
    const link = (row: R | undefined, way: 'after' | 'before') =>
      row === undefined
        ? ''
        : `${house.publicUrl()}${listing.path}?page[size]=${size}&page[${way}]=${encodeURIComponent(placeText(row, listing.order))}`
    const links = JSON.stringify({ next: link(rows.at(-1), 'after'), prev: link(rows[0], 'before') })
    const lines = await listing.lines(rows, caller)
    return sayText(`{"links":${links},"data":[${lines.join(',')}]}`)
  }
}

interface PageAsked {
  readonly size: number
  /** The time and key that the page goes on behind; `back`: what comes before it. */
  readonly place?: readonly Scalar[]
  readonly back: boolean
}

function pageOf(query: Query, width: number): Result<PageAsked, BadValue> {
  const size = query['page[size]'] ?? String(sizeDefault)
  if (!/^\d{1,9}$/.test(size) || Number(size) < 1 || Number(size) > sizeMax)
    return badValue('page[size]', `1 to ${sizeMax}`, size.slice(0, 40))
  const [after, before] = [query['page[after]'], query['page[before]']]
  if (after !== undefined && before !== undefined)
    return badValue('page', 'page[after] or page[before]', 'both')
  const text = after ?? before
  const back = before !== undefined
  if (text === undefined || text === '') return ok({ size: Number(size), back: false })
  const place = readPlace(text, width, back)
  return place === undefined
    ? badValue(`page[${back ? 'before' : 'after'}]`, 'a time (RFC 3339)', text.slice(0, 80))
    : ok({ size: Number(size), place, back })
}

/** `2026-01-31T12:00:00.000Z~<key>`: the time that is paged by, then the record's key. */
function placeText<R extends object>(row: R, order: readonly (keyof R & string)[]): string {
  const [time, ...key] = order.map((field) => row[field] as Scalar)
  return `${Instant.format(Instant.of(Number(time)))}~${key.join('~')}`
}

/** The place behind a record, or behind (back: before) all records of a time. */
function readPlace(text: string, width: number, back: boolean): readonly Scalar[] | undefined {
  const [time = '', ...key] = text.split('~')
  const at = Instant.parse(time)
  if (at === undefined) return undefined
  // No id is empty, and none sorts behind a `~`.
  if (key.length === 0) return [at, back ? '' : '~', ...Array(width - 2).fill(0)]
  const [id = '', ...numbers] = key
  const named = /^[0-9a-f]{24}$/.test(id) && numbers.every((part) => /^\d{1,10}$/.test(part))
  return named && key.length === width - 1 ? [at, id, ...numbers.map(Number)] : undefined
}
