/**
 * Trails (Pantahub wire facts 5.1 and 5.2): a device announces its factory state, and from then on has a trail.
 *
 * Everything here is canonical JSON. A state is kept as the canonical text it was hashed as, and that text is copied
 * into replies, never rendered again: a device checks signatures over the bytes it receives.
 */
import {
  announce,
  type Device,
  DeviceId,
  devices,
  headStep,
  Instant,
  lastTouched,
  ok,
  openTrail,
  type PostedState,
  type Reader,
  type Result,
  Revision,
  refuse,
  type Step,
  stateOf,
  steps,
  type TenantId,
  type Trail,
  unclaimedTenant,
} from '@waymark/domain'
import {
  pantavisorReplyBytesMax,
  parseState,
  parseStateText,
  pvrRemote,
  Rev,
  Sha256,
  type State,
  storageId,
  trailText,
  zeroTime,
} from '@waymark/pantahub'
import { type Caller, hex, type Opened, ownerPrn } from '../../access.ts'
import type { House } from '../../house.ts'
import { type Handlers, say, sayArray, sayText } from './answer.ts'
import { badValue, type DoorRefusal, type Refusal } from './errors.ts'
import { transactLinked } from './linking.ts'
import { pages } from './paging.ts'

/** A larger state could be posted and never be taken: Pantavisor reads no reply over 2 MiB, and a step is more than its state. */
export const stateLimits = { bytes: pantavisorReplyBytesMax - 128 * 1024 }

export function trailHandlers(
  house: House,
): Pick<Handlers, 'listTrails' | 'announceTrail' | 'readTrail' | 'trailRemote' | 'stepRemote'> {
  return {
    async listTrails({ caller }) {
      if (caller.kind === 'device') {
        // An empty array tells a Pantavisor that it has to announce itself; it asks every few seconds until it has.
        const reader = house.store.read(caller.tenant)
        const trail = await openTrail(reader, caller.device)
        return sayText(trail ? `[${await trailWire(reader, caller.tenant, trail)}]` : '[]')
      }
      return sayArray(list(caller.tenant))
    },

    async announceTrail({ caller, body }) {
      const { device, tenant } = caller
      if (tenant === unclaimedTenant)
        return refuse({
          kind: 'not-allowed',
          thing: 'trail',
          wanted: 'a claimed device',
          got: 'an unclaimed one',
        })
      const parsed = parseStateText((body ?? Buffer.alloc(0)).toString('utf8'), stateLimits)
      if (!parsed.ok) return parsed
      const wanted = { device: device.id, state: postedState(parsed.state), by: caller.actor }
      const made = await transactLinked(house, { tenant, ...wanted }, (tx) =>
        announce(tx, house.env(), wanted),
      )
      return made.ok ? sayText(await trailWire(house.store.read(tenant), tenant, made.value.trail)) : made
    },

    async readTrail({ caller, params }) {
      const found = await openTrailOf(house, caller, params.id)
      if (!found.ok) return found
      const { opened, trail } = found.value
      return sayText(await trailWire(opened.reader, opened.tenant, trail))
    },

    async trailRemote({ caller, params }) {
      const found = await openTrailOf(house, caller, params.id)
      if (!found.ok) return found
      const { opened, trail } = found.value
      const head = await headStep(opened.reader, trail)
      return say(remote(opened.device, head?.rev ?? Revision.first))
    },

    async stepRemote({ caller, params }) {
      const found = await openStepOf(house, caller, params)
      return found.ok ? say(remote(found.value.opened.device, found.value.step.rev)) : found
    },
  }

  function remote(device: Device, rev: Revision) {
    return pvrRemote({ base: house.publicUrl(), device: hex(device.id), rev: revOf(rev) })
  }

  async function* list(tenant: TenantId): AsyncGenerator<string> {
    const reader = house.store.read(tenant)
    const find = { where: { garbage: false }, order: ['id'] as const }
    for await (const page of pages(reader, devices, find))
      for (const device of page) {
        const trail = await openTrail(reader, device)
        if (trail) yield await trailWire(reader, tenant, trail)
      }
  }
}

/** A state as the domain takes it. Hashes under `.json` paths are not looked for, as in Base. */
export function postedState(state: State): PostedState {
  return { text: state.canonical, sha: state.sha, objects: state.objects }
}

/** A state out of a body that has been read already. */
export function stateIn(value: unknown): Result<PostedState, Refusal> {
  const parsed = parseState(value, stateLimits)
  return parsed.ok ? ok(postedState(parsed.state)) : parsed
}

/** A device that the caller may see, and its open trail. */
export interface OpenTrail {
  readonly opened: Opened
  readonly trail: Trail
}

/** The trail behind a path's id, for whoever may read it. */
export async function openTrailOf(
  house: House,
  caller: Caller,
  raw: string | undefined,
): Promise<Result<OpenTrail, Refusal>> {
  const id = trailId(raw)
  if (!id.ok) return id
  const opened = await house.access.openDevice(caller, id.value)
  if (!opened) return refuse({ kind: 'no-access', thing: `trail ${id.value}` })
  const trail = await openTrail(opened.reader, opened.device)
  return trail ? ok({ opened, trail }) : refuse({ kind: 'no-trail', device: id.value })
}

/** The step behind a path's id and rev, for whoever may read it. */
export async function openStepOf(
  house: House,
  caller: Caller,
  params: Readonly<Record<string, string>>,
): Promise<Result<OpenTrail & { readonly step: Step }, Refusal>> {
  const rev = revision(params.rev)
  if (!rev.ok) return rev
  const found = await openTrailOf(house, caller, params.id)
  if (!found.ok) return found
  const { device, generation } = found.value.trail
  const step = await found.value.opened.reader.get(steps, { device, generation, rev: rev.value })
  return step ? ok({ ...found.value, step }) : refuse({ kind: 'no-such-step', device, got: rev.value })
}

export function trailId(raw: string | undefined): Result<DeviceId, DoorRefusal> {
  const id = DeviceId.parse(raw)
  return id ? ok(id) : badValue('trail', '24 hex digits', String(raw))
}

export function revision(raw: string | undefined): Result<Revision, DoorRefusal> {
  const rev = Revision.parse(raw)
  return rev === undefined ? badValue('step', 'a revision: digits', String(raw)) : ok(rev)
}

/** A revision in the brand that the wire's formats use: the form is the same. */
export function revOf(rev: Revision): Rev {
  return Rev.parse(rev) ?? Rev.factory
}

/** The storage ids of the objects a state needs, each once, in the order of its paths. */
export function usedObjects(owner: string, stateText: string): string[] {
  const ids = new Set<string>()
  for (const [path, value] of Object.entries(JSON.parse(stateText) as Record<string, unknown>)) {
    const sha = path.endsWith('.json') ? undefined : Sha256.parse(value)
    if (sha) ids.add(storageId(owner, sha))
  }
  return [...ids]
}

/** One trail as text: its first state and when it was last touched. */
export async function trailWire(reader: Reader, tenant: TenantId, trail: Trail): Promise<string> {
  const { device, generation } = trail
  const first = await reader.get(steps, { device, generation, rev: Revision.first })
  const canonical = first ? await stateOf(reader, first) : '{}'
  const owner = ownerPrn(tenant)
  return trailText({
    device: hex(device),
    owner,
    lastInsync: zeroTime,
    lastTouched: Instant.format((await lastTouched(reader, trail)) ?? trail.createdAt),
    factoryState: { canonical },
    usedObjects: usedObjects(owner, canonical),
  })
}
