/**
 * Steps, looked at (Pantahub wire facts 5.3). The list with nothing new in it is what devices ask for all day long: it
 * costs one indexed look into the store and writes nothing.
 *
 * What is listed by default depends on who asks: a device gets the oldest step that is NEW, its owner all that are not
 * DONE, everybody else on a public trail what is NEW. A device's list ends before a Pantavisor would stop reading; it
 * takes the first step and comes again.
 */
import {
  Instant,
  ok,
  openTrail,
  type Reader,
  type Result,
  refuse,
  type Scalar,
  type Step,
  stateOf,
  steps,
  stepWords,
  type TenantId,
  type Where,
} from '@waymark/domain'
import {
  canonicalJson,
  epochTime,
  initialProgress,
  type JsonObject,
  Sha256,
  type StepKey,
  stepText,
} from '@waymark/pantahub'
import { type Caller, hex, type Opened, ownerPrn } from '../../access.ts'
import type { House } from '../../house.ts'
import { type Handlers, type Said, sayArray, sayText } from './answer.ts'
import type { Refusal } from './errors.ts'
import type { PollMemo } from './poll-memo.ts'
import { among, except, keptKeys, type Page, pageOf, type StatusFilter, statusFilter } from './step-query.ts'
import { openStepOf, revOf, trailId, usedObjects } from './trails.ts'

/** Characters of a device's list after which no further step is added: half of what a Pantavisor reads. */
const deviceListMax = 1024 * 1024
const pageSize = 50

const isNew = among([stepWords.posted])
const isNotDone = except(['DONE'])
const nothing: Said = sayText('[]')

export function stepReadHandlers(
  house: House,
  memo: PollMemo,
): Pick<Handlers, 'listSteps' | 'readStep' | 'readState' | 'readStepMeta'> {
  return {
    async listSteps({ caller, params, query, raw }) {
      const id = trailId(params.id)
      if (!id.ok) return id
      const asked = readQuery(query)
      if (!asked.ok) return asked
      const opened = await house.access.openDevice(caller, id.value)
      // A private trail of others looks like one that is not there, and both like an empty one.
      if (!opened) return nothing
      const { filter, page, keep } = withDefaults(asked.value, caller, opened)
      const { device } = opened
      const where: Where<Step> = { device: device.id, generation: device.generation }

      if (caller.kind === 'device' && filter.openOnly && page.offset === 0) {
        // Steps that have ended are not offered again, whatever word a device may have added since. A device whose own
        // trail was closed is told so, or it would ask on for ever and never begin the next one.
        const found = await opened.reader.find(steps, {
          where: { ...where, open: true, ...(filter.where === undefined ? {} : { status: filter.where }) },
          order: ['device', 'generation', 'rev'],
          limit: page.size ?? pageSize,
        })
        if (found.length > 0) return sayText(await deviceList(opened, found, keep))
        if (!(await openTrail(opened.reader, device))) return refuse({ kind: 'no-trail', device: device.id })
        memo.remember(raw, caller)
        return nothing
      }
      if (!(await openTrail(opened.reader, device))) return refuse({ kind: 'no-trail', device: device.id })
      return sayArray(list(opened, where, filter, page, keep))
    },

    async readStep({ caller, params, query }) {
      const keep = keptKeys(query.fields)
      if (!keep.ok) return keep
      const found = await openStepOf(house, caller, params)
      if (!found.ok) return found
      const { opened, step } = found.value
      return sayText(await stepWire(opened.reader, opened.tenant, step, keep.value))
    },

    async readState({ caller, params }) {
      const found = await openStepOf(house, caller, params)
      return found.ok ? sayText(await stateOf(found.value.opened.reader, found.value.step)) : found
    },

    async readStepMeta({ caller, params }) {
      const found = await openStepOf(house, caller, params)
      return found.ok ? sayText(canonicalJson(found.value.step.meta)) : found
    },
  }
}

type Keep = ((key: StepKey) => boolean) | undefined

interface StepQuery {
  readonly filter: StatusFilter | undefined
  readonly page: Page
  readonly keep: Keep
}

function readQuery(query: Readonly<Record<string, string | undefined>>): Result<StepQuery, Refusal> {
  const text = query['progress.status']
  const filter = text === undefined || text === '' ? ok(undefined) : statusFilter(text)
  if (!filter.ok) return filter
  const page = pageOf(query)
  if (!page.ok) return page
  const keep = keptKeys(query.fields)
  if (!keep.ok) return keep
  return ok({ filter: filter.value, page: page.value, keep: keep.value })
}

/** A status that is asked for replaces the default filter and its limit. */
function withDefaults(asked: StepQuery, caller: Caller, { device, as }: Opened) {
  const { page, keep } = asked
  if (asked.filter) return { filter: asked.filter, page, keep }
  const owned = as === 'owner' && !device.published
  const one: Page = { size: Math.min(page.size ?? 1, 1), offset: page.offset }
  return { filter: owned ? isNotDone : isNew, page: caller.kind === 'device' ? one : page, keep }
}

/** As many of the steps as a device can read; always the first. */
async function deviceList(opened: Opened, found: readonly Step[], keep: Keep): Promise<string> {
  let text = ''
  for (const step of found) {
    const line = await stepWire(opened.reader, opened.tenant, step, keep)
    if (text !== '' && text.length + line.length > deviceListMax) break
    text += text === '' ? line : `,${line}`
  }
  return `[${text}]`
}

/** Every step that is wanted, oldest first, read page by page. */
async function* list(
  opened: Opened,
  where: Where<Step>,
  filter: StatusFilter,
  page: Page,
  keep: Keep,
): AsyncGenerator<string> {
  let skip = page.offset
  let left = page.size ?? Number.POSITIVE_INFINITY
  let after: readonly Scalar[] | undefined
  while (left > 0) {
    const found: Step[] = await opened.reader.find(steps, {
      where: filter.where === undefined ? where : { ...where, status: filter.where },
      order: ['device', 'generation', 'rev'],
      limit: pageSize,
      ...(after ? { after } : {}),
    })
    for (const step of found) {
      if (left === 0 || !filter.test(step.status)) continue
      if (skip > 0) skip -= 1
      else {
        left -= 1
        yield await stepWire(opened.reader, opened.tenant, step, keep)
      }
    }
    const last = found.at(-1)
    if (!last || found.length < pageSize) return
    after = [last.device, last.generation, last.rev]
  }
}

/** One step as text; its state is read only if it is wanted. */
export async function stepWire(reader: Reader, tenant: TenantId, step: Step, keep: Keep): Promise<string> {
  const wanted = keep === undefined || keep('state') || keep('used_objects')
  const canonical = wanted ? await stateOf(reader, step) : '{}'
  const owner = ownerPrn(tenant)
  return stepText(
    {
      device: hex(step.device),
      rev: revOf(step.rev),
      owner,
      committer: step.committer,
      commitMsg: step.commitMsg,
      state: { canonical, sha: Sha256.parse(step.stateSha) ?? Sha256.of(canonical) },
      progress: progressOf(step),
      meta: step.meta,
      usedObjects: wanted ? usedObjects(owner, canonical) : [],
      stepTime: Instant.format(step.createdAt),
      progressTime: step.reportedAt === undefined ? epochTime : Instant.format(step.reportedAt),
      timeCreated: Instant.format(step.createdAt),
      timeModified: Instant.format(step.modifiedAt),
    },
    keep,
  )
}

/** The device's latest report as it came; before the first one, what Base creates a step with. */
export function progressOf(step: Step): JsonObject {
  return step.reportedAt === undefined ? { ...initialProgress(), ...step.report } : step.report
}
