/**
 * Steps, in the walkthrough's forms: what there is to do, what a device says of it, and what its owner wishes.
 *
 * The list says in `X-REST-COUNT` how many steps it holds. What it holds is settled before the first byte goes out, as
 * revisions alone; the steps themselves are read while they are sent, so that nothing is gathered without bound.
 */
import {
  askAbort,
  cancelStep,
  clearStep,
  keepDebugFiles,
  offeredSteps,
  ok,
  type Result,
  type Revision,
  refuse,
  reportInTurn,
  type Step,
  steps,
  type Trail,
  type WalkRefusal,
  type Where,
} from '@waymark/domain'
import type { JsonObject } from '@waymark/pantahub'
import type { DeviceCaller, Opened, UserCaller } from '../../../access.ts'
import type { House } from '../../../house.ts'
import { sayArray, sayText } from '../answer.ts'
import { described, objectOf } from '../bodies.ts'
import { badValue } from '../errors.ts'
import { pages } from '../paging.ts'
import { openStepOf, openTrailOf, revision } from '../trails.ts'
import type { WalkHandlers, WalkSaid } from './answer.ts'
import { stepForm } from './form.ts'
import type { WalkDoorRefusal } from './refusals.ts'
import { readReport, settleFiles } from './report.ts'
import { openOwn } from './trails.ts'

export function walkStepHandlers(house: House): Pick<WalkHandlers, 'listSteps' | 'readStep' | 'putStep'> {
  return {
    async listSteps({ caller, params, query }) {
      const start = query.start === undefined ? undefined : revision(query.start)
      if (start && !start.ok) return badValue('start', 'a revision: digits', described(query.start))
      const found = await openTrailOf(house, caller, params.id)
      if (!found.ok) return found
      const { opened, trail } = found.value
      if (!start) {
        const offered = await offeredSteps(opened.reader, trail)
        return counted(offered.length, these(opened, trail, offered))
      }
      const where = { device: trail.device, generation: trail.generation, rev: { gte: start.value } }
      const count = await opened.reader.count(steps, where)
      return counted(count, everyStep(opened, where, count))
    },

    async readStep({ caller, params }) {
      const found = await openStepOf(house, caller, params)
      if (!found.ok) return found
      const { opened, step } = found.value
      return sayText(await stepForm(opened.reader, opened.tenant, step))
    },

    async putStep({ caller, params, body }) {
      const opened = await openOwn(house, caller, params.id)
      if (!opened.ok) return opened
      const rev = revision(params.rev)
      if (!rev.ok) return rev
      const asked = objectOf(body, 'step')
      if (!asked.ok) return asked
      const { tenant, reader } = opened.value
      const put =
        caller.kind === 'device'
          ? await report(caller, rev.value, asked.value)
          : await wish(caller, opened.value, rev.value, asked.value)
      return put.ok ? sayText(await stepForm(reader, tenant, put.value)) : put
    },
  }

  async function report(caller: DeviceCaller, rev: Revision, asked: JsonObject) {
    for (const wish of wishes)
      if (asked[wish] !== undefined) return notTheirs(wish, 'the owner of the device', 'the device')
    const read = readReport(asked)
    if (!read.ok) return read
    const { device, tenant, actor } = caller
    const files = await settleFiles(house, tenant, actor, read.value.files)
    if (!files.ok) return files
    const { word, deviceAbort, compose } = read.value
    return house.store.transact(tenant, async (tx) => {
      const reported = await reportInTurn(tx, house.env(), {
        device: device.id,
        rev,
        word,
        ...(deviceAbort === undefined ? {} : { deviceAbort }),
        compose: (before) => compose(before, files.value?.shown),
        by: actor,
      })
      if (!reported.ok || !files.value) return reported
      const kept = await keepDebugFiles(tx, reported.value, files.value.objects)
      return kept.ok ? reported : kept
    })
  }

  async function wish(
    caller: UserCaller,
    { device, tenant }: Opened,
    rev: Revision,
    asked: JsonObject,
  ): Promise<Result<Step, WalkDoorRefusal>> {
    const named = wishes.filter((name) => asked[name] !== undefined)
    const [name] = named
    if (name === undefined) {
      if (asked.status !== undefined) return notTheirs('status', 'the device', 'its owner')
      return badValue('step', `one of ${wishes.join(', ')}`, described(asked))
    }
    if (named.length > 1) return badValue('step', `one of ${wishes.join(', ')}`, named.join(' and '))
    if (asked[name] !== true) return badValue(name, 'true', described(asked[name]))
    const wanted = { device: device.id, rev, by: caller.actor }
    return house.store.transact(tenant, (tx): Promise<Result<Step, WalkRefusal>> => {
      const env = house.env()
      if (name === 'abort') return askAbort(tx, env, wanted)
      return name === 'clear' ? clearStep(tx, env, wanted) : cancelStep(tx, env, wanted)
    })
  }
}

/** What an owner may wish of a step. */
const wishes = ['abort', 'clear', 'cancel'] as const

function notTheirs(thing: string, wanted: string, got: string) {
  return refuse({ kind: 'not-allowed' as const, thing, wanted, got })
}

/** A list with its length in front. */
async function counted(count: number, items: AsyncIterable<string>): Promise<WalkSaid> {
  const said = await sayArray(items)
  return ok({ ...said.value, headers: { 'x-rest-count': String(count) } })
}

/** These steps of a trail; steps never vanish, whatever becomes of them meanwhile. */
async function* these(
  { reader, tenant }: Opened,
  { device, generation }: Trail,
  revs: readonly Revision[],
): AsyncGenerator<string> {
  for (const rev of revs) {
    const step = await reader.get(steps, { device, generation, rev })
    if (step) yield await stepForm(reader, tenant, step)
  }
}

/** The first `count` steps from there on; those posted meanwhile are the next list's. */
async function* everyStep(
  { reader, tenant }: Opened,
  where: Where<Step>,
  count: number,
): AsyncGenerator<string> {
  let left = count
  for await (const page of pages(reader, steps, { where, order: ['device', 'generation', 'rev'] }, 50))
    for (const step of page) {
      if (left === 0) return
      left -= 1
      yield await stepForm(reader, tenant, step)
    }
}
