/**
 * Trails, in the walkthrough's forms: the first announce, by the device or on its behalf, and the factory reset.
 *
 * An announce for a trail that is there means an error or a factory reset, and is refused; for a reset the owner deletes
 * the trail first. What it held becomes history, and the device's next announce begins a new generation.
 */
import {
  announce,
  closeTrail,
  type Device,
  devices,
  headStep,
  Instant,
  lastTouched,
  ok,
  openTrail,
  type PostStep,
  postStep,
  type Reader,
  type Result,
  Revision,
  refuse,
  stateOf,
  steps,
  type TenantId,
  type Trail,
  unclaimedTenant,
} from '@waymark/domain'
import { canonicalJson, deviceOfPrn, type JsonObject, Prn, Rev } from '@waymark/pantahub'
import { type DeviceCaller, hex, type Opened, ownerPrn, type UserCaller } from '../../../access.ts'
import type { House } from '../../../house.ts'
import { sayArray, sayText } from '../answer.ts'
import { described, objectOf, textAt } from '../bodies.ts'
import { badValue, type Refusal } from '../errors.ts'
import { transactLinked } from '../linking.ts'
import { pages } from '../paging.ts'
import { openTrailOf, trailId } from '../trails.ts'
import type { WalkHandlers } from './answer.ts'
import { partsOf, stateFromParts, stepForm } from './form.ts'

const commitMsgMax = 16 * 1024

export function walkTrailHandlers(
  house: House,
): Pick<WalkHandlers, 'listTrails' | 'announce' | 'readTrail' | 'resetTrail' | 'postStep'> {
  return {
    async listTrails({ caller }) {
      if (caller.kind !== 'device') return sayArray(list(caller.tenant))
      const reader = house.store.read(caller.tenant)
      const trail = await openTrail(reader, caller.device)
      return sayText(trail ? `[${await trailForm(reader, caller.tenant, trail)}]` : '[]')
    },

    async announce({ caller, body }) {
      const asked = objectOf(body, 'trail')
      if (!asked.ok) return asked
      const meant = await deviceMeant(caller, asked.value)
      if (!meant.ok) return meant
      const { tenant, device, reader } = meant.value
      if (tenant === unclaimedTenant)
        return refuse({
          kind: 'not-allowed',
          thing: 'trail',
          wanted: 'a claimed device',
          got: 'an unclaimed one',
        })
      if (revIn(asked.value) !== 0) return badValue('rev', '0, the factory state', described(asked.value.rev))
      const state = await stateFromParts(reader, asked.value)
      if (!state.ok) return state
      const wanted = { device: device.id, state: state.value, by: caller.actor }
      const posting = { tenant, device: device.id, state: state.value, by: caller.actor }
      const made = await transactLinked(house, posting, (tx) => announce(tx, house.env(), wanted))
      return made.ok ? sayText(await trailForm(reader, tenant, made.value.trail)) : made
    },

    async readTrail({ caller, params }) {
      const found = await openTrailOf(house, caller, params.id)
      if (!found.ok) return found
      const { opened, trail } = found.value
      return sayText(await trailForm(opened.reader, opened.tenant, trail))
    },

    async resetTrail({ caller, params }) {
      const opened = await openOwn(house, caller, params.id)
      if (!opened.ok) return opened
      const { tenant, device } = opened.value
      const asked = { device: device.id, by: caller.actor }
      const closed = await house.store.transact(tenant, (tx) => closeTrail(tx, house.env(), asked))
      if (!closed.ok) return closed
      return ok({ value: { status: 200, text: 'Trail deleted: the device may post a new factory state.' } })
    },

    async postStep({ caller, params, body }) {
      const opened = await openOwn(house, caller, params.id)
      if (!opened.ok) return opened
      const { tenant, device, reader } = opened.value
      const asked = objectOf(body, 'step')
      if (!asked.ok) return asked
      const rev = asked.value.rev === undefined || asked.value.rev === -1 ? 'append' : revIn(asked.value)
      if (rev === undefined) return badValue('rev', 'the next revision, or none', described(asked.value.rev))
      const commitMsg = textAt(asked.value, 'commit-msg', commitMsgMax)
      if (!commitMsg.ok) return commitMsg
      const state = await stateFromParts(reader, asked.value)
      if (!state.ok) return state
      const wanted: PostStep = {
        device: device.id,
        rev,
        state: state.value,
        commitMsg: commitMsg.value ?? '',
        committer: '',
        meta: {},
        by: caller.actor,
      }
      const posting = { tenant, device: device.id, state: state.value, by: caller.actor }
      const posted = await transactLinked(house, posting, (tx) => postStep(tx, house.env(), wanted))
      return posted.ok ? sayText(await stepForm(reader, tenant, posted.value)) : posted
    },
  }

  /** Whose trail is announced: a device's own, or that of a device which the person names and owns. */
  async function deviceMeant(
    caller: UserCaller | DeviceCaller,
    asked: JsonObject,
  ): Promise<Result<Opened, Refusal>> {
    const named = asked.device
    const id = deviceOfPrn(named) ?? (typeof named === 'string' ? named : undefined)
    if (caller.kind === 'user') {
      if (named === undefined) return badValue('device', 'the id or prn of a device of yours', 'nothing')
      return openOwn(house, caller, id ?? described(named))
    }
    if (named !== undefined && id !== caller.device.id)
      return badValue('device', `${caller.device.id}, or none`, described(named))
    return openOwn(house, caller, caller.device.id)
  }

  async function* list(tenant: TenantId): AsyncGenerator<string> {
    const reader = house.store.read(tenant)
    const find = { where: { garbage: false }, order: ['id'] as const }
    for await (const page of pages(reader, devices, find))
      for (const device of page) {
        const trail = await openTrail(reader, device)
        if (trail) yield await trailForm(reader, tenant, trail)
      }
  }
}

/** The device behind a path, if it is the caller's own or the caller itself. */
export async function openOwn(
  house: House,
  caller: UserCaller | DeviceCaller,
  raw: string | undefined,
): Promise<Result<Opened & { readonly device: Device }, Refusal>> {
  const id = trailId(raw)
  if (!id.ok) return id
  const opened = await house.access.openDevice(caller, id.value)
  if (!opened || opened.as === 'visitor') return refuse({ kind: 'no-access', thing: `trail ${id.value}` })
  return ok(opened)
}

/** `rev` as a number or a numeric text; undefined when it is none. */
function revIn(asked: JsonObject): Revision | undefined {
  const rev = Rev.parse(asked.rev)
  return rev === undefined ? undefined : Revision.parse(rev)
}

/** A trail as text: who walks it, how far it is drawn, and where it began. */
async function trailForm(reader: Reader, tenant: TenantId, trail: Trail): Promise<string> {
  const { device, generation } = trail
  const head = await headStep(reader, trail)
  const first = await reader.get(steps, { device, generation, rev: Revision.first })
  return canonicalJson({
    id: device,
    device: Prn.device(hex(device)),
    owner: ownerPrn(tenant),
    rev: head?.rev ?? Revision.first,
    generation,
    'factory-state': first ? partsOf(await stateOf(reader, first)) : {},
    'last-touched': Instant.format((await lastTouched(reader, trail)) ?? trail.createdAt),
  })
}
