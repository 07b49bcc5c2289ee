/** Trails and steps at the fleet door. */
import { Type } from '@sinclair/typebox'
import {
  type Actor,
  askAbort,
  cancelStep,
  clearStep,
  type DeviceId,
  type Env,
  headStep,
  indexState,
  type JsonObject,
  lastTouched,
  ok,
  openTrail,
  postStep,
  type Reader,
  type Result,
  Revision,
  refuse,
  type Step,
  stateOf,
  stepOf,
  steps,
  type Trail,
  type Tx,
  transactions,
} from '@waymark/domain'
import { parseState } from '@waymark/pantahub'
import { Named, namedDevice } from './devices.ts'
import { changing, type Operation, reading } from './operation.ts'
import { pageOf, readCursor } from './paging.ts'
import type { FleetRefusal } from './refusals.ts'
import * as wire from './schemas.ts'
import { stepView, stepViews } from './views.ts'

const NamedStep = Type.Object({ ...Named.properties, rev: Type.Integer({ minimum: 0 }) })

export const trailOperations: readonly Operation[] = [
  reading({
    id: 'getTrail',
    method: 'GET',
    path: '/devices/:device/trail',
    tag: 'trails',
    summary: 'Where a device’s trail stands',
    right: 'trails.read',
    params: Named,
    answer: wire.Trail,
    async run({ house, caller, params }) {
      const reader = house.store.read(caller.tenant)
      const found = await namedDevice(reader, params.device)
      if (!found.ok) return found
      const trail = await openTrail(reader, found.value)
      const head = trail && (await headStep(reader, trail))
      if (!trail || !head) return refuse({ kind: 'no-trail', device: found.value.id })
      const [view] = await stepViews(reader, [head])
      const running = await newestDone(reader, trail)
      const touchedAt = await lastTouched(reader, trail)
      return ok({
        device: trail.device,
        generation: trail.generation,
        createdAt: new Date(trail.createdAt).toISOString(),
        head: view,
        ...(running === undefined ? {} : { running }),
        ...(touchedAt === undefined ? {} : { touchedAt: new Date(touchedAt).toISOString() }),
      })
    },
  }),

  reading({
    id: 'listSteps',
    method: 'GET',
    path: '/devices/:device/steps',
    tag: 'trails',
    summary: 'The steps of a trail, newest first',
    right: 'trails.read',
    params: Named,
    query: Type.Object({
      ...wire.Paging,
      open: Type.Optional(Type.Boolean({ description: 'only those that have not ended' })),
    }),
    answer: wire.Page(wire.Step),
    async run({ house, caller, params, query }) {
      const reader = house.store.read(caller.tenant)
      const found = await namedDevice(reader, params.device)
      if (!found.ok) return found
      const after = readCursor(query.cursor, ['number'])
      if (!after.ok) return after
      const below = after.value?.[0]
      const limit = query.limit ?? 50
      const { id, generation } = found.value
      const rows = await reader.find(steps, {
        where: {
          device: id,
          generation,
          ...(query.open === undefined ? {} : { open: query.open }),
          ...(typeof below === 'number' ? { rev: { lt: below as Revision } } : {}),
        },
        order: ['-rev'],
        limit: limit + 1,
      })
      const page = pageOf(rows, limit, (row) => [row.rev])
      return ok({ ...page, items: await stepViews(reader, page.items) })
    },
  }),

  changing({
    id: 'postStep',
    method: 'POST',
    path: '/devices/:device/steps',
    tag: 'trails',
    summary: 'Posts a step behind the newest one',
    right: 'trails.write',
    params: Named,
    body: wire.NewStep,
    answer: wire.Step,
    status: 201,
    async run({ house, caller, params, body }) {
      const parsed = parseState(body.state)
      if (!parsed.ok) return refuse({ kind: 'bad-state', reason: parsed.refusal })
      const { canonical, sha, objects } = parsed.state
      const state = { text: canonical, sha, objects }
      const rev = body.rev === undefined ? 'append' : Revision.parse(body.rev)
      return ok(async (directory, tx) => {
        const found = await namedDevice(tx, params.device)
        if (!found.ok) return found
        const posted = await postStep(tx, house.env(), {
          device: found.value.id,
          rev: rev ?? 'append',
          state,
          commitMsg: body.commitMsg ?? '',
          committer: caller.principal.nick,
          meta: (body.meta ?? {}) as JsonObject,
          by: caller.actor,
        })
        if (!posted.ok) return posted
        await indexState(directory, caller.tenant, found.value.id, state)
        return ok(stepView(posted.value, await tx.get(transactions, { id: posted.value.transaction })))
      })
    },
  }),

  reading({
    id: 'getStep',
    method: 'GET',
    path: '/devices/:device/steps/:rev',
    tag: 'trails',
    summary: 'One step',
    right: 'trails.read',
    params: NamedStep,
    answer: wire.Step,
    async run({ house, caller, params }) {
      const reader = house.store.read(caller.tenant)
      const found = await namedStep(reader, params)
      if (!found.ok) return found
      return ok(stepView(found.value, await reader.get(transactions, { id: found.value.transaction })))
    },
  }),

  reading({
    id: 'getState',
    method: 'GET',
    path: '/devices/:device/steps/:rev/state',
    tag: 'trails',
    summary: 'The state a step asks for',
    right: 'trails.read',
    params: NamedStep,
    answer: wire.Meta,
    async run({ house, caller, params }) {
      const reader = house.store.read(caller.tenant)
      const found = await namedStep(reader, params)
      return found.ok ? ok(JSON.parse(await stateOf(reader, found.value)) as unknown) : found
    },
  }),

  stepChange('cancel', 'Takes back a step that no device has taken yet', cancelStep),
  stepChange('abort', 'Asks the device to give up a step that has not ended', askAbort),
  stepChange('clear', 'Clears a failed step: it no longer holds back what follows', clearStep),
]

/** What an owner does to one step: `POST …/steps/:rev/<verb>`. */
function stepChange(
  verb: 'cancel' | 'abort' | 'clear',
  summary: string,
  change: (
    tx: Tx,
    env: Env,
    asked: { device: DeviceId; rev: Revision; by: Actor },
  ) => Promise<Result<Step, FleetRefusal>>,
): Operation {
  return changing({
    id: `${verb}Step`,
    method: 'POST',
    path: `/devices/:device/steps/:rev/${verb}`,
    tag: 'trails',
    summary,
    right: 'trails.write',
    params: NamedStep,
    answer: wire.Step,
    async run({ house, caller, params }) {
      return ok(async (_directory, tx) => {
        const found = await namedStep(tx, params)
        if (!found.ok) return found
        const { device, rev } = found.value
        const changed = await change(tx, house.env(), { device, rev, by: caller.actor })
        if (!changed.ok) return changed
        return ok(stepView(changed.value, await tx.get(transactions, { id: changed.value.transaction })))
      })
    },
  })
}

async function namedStep(reader: Reader, params: { device: string; rev: number }) {
  const found = await namedDevice(reader, params.device)
  if (!found.ok) return found
  const rev = Revision.parse(params.rev)
  if (rev === undefined) return refuse({ kind: 'no-such-step', device: found.value.id, got: params.rev })
  return stepOf(reader, found.value.id, rev)
}

/** The newest revision whose transaction ended done: what the device runs, as far as it has told. */
async function newestDone(reader: Reader, trail: Trail): Promise<number | undefined> {
  let below: Revision | undefined
  for (;;) {
    const page = await reader.find(steps, {
      where: {
        device: trail.device,
        generation: trail.generation,
        open: false,
        ...(below === undefined ? {} : { rev: { lt: below } }),
      },
      order: ['-rev'],
      limit: 20,
    })
    for (const step of page) {
      const ended = await reader.get(transactions, { id: step.transaction })
      if (ended?.state === 'done') return step.rev
    }
    below = page.at(-1)?.rev
    if (page.length < 20) return undefined
  }
}
