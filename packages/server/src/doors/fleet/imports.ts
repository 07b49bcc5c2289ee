/**
 * Devices and steps that come in from another server (`waymark import`): put under the names they have, so that asking
 * again changes nothing and says so. Objects come in as any object does, before the steps that name them.
 */
import { Type } from '@sinclair/typebox'
import {
  type Device,
  DeviceId,
  devices,
  type HouseTx,
  Instant,
  importDevice,
  importStep,
  indexState,
  type JsonObject,
  ok,
  publishDevice,
  type Reading,
  type Result,
  Revision,
  refuse,
  setDeviceMeta,
  type TenantId,
  tenants,
  transactions,
} from '@waymark/domain'
import { parseProgress, parseState, type StatusMeaning, statusMeaning } from '@waymark/pantahub'
import { devicePlace, type House } from '../../house.ts'
import * as wire from './account-schemas.ts'
import { changing, type Operation } from './operation.ts'
import type { FleetRefusal } from './refusals.ts'
import { Id } from './schemas.ts'
import { deviceView, stepView } from './views.ts'

const NamedStep = Type.Object({ device: Id, rev: Type.Integer({ minimum: 0 }) })

export const importOperations: readonly Operation[] = [
  changing({
    id: 'importDevice',
    method: 'PUT',
    path: '/imports/:device',
    tag: 'imports',
    summary: 'Takes in a device of another server, with its id, its secret and what is known of it',
    right: 'devices.write',
    params: Type.Object({ device: Id }),
    body: wire.DeviceImport,
    answer: wire.DeviceImported,
    async run({ house, caller, params, body }) {
      const id = DeviceId.parse(params.device)
      const createdAt = Instant.parse(body.createdAt)
      if (!id) return refuse({ kind: 'no-such-device', got: params.device })
      if (createdAt === undefined) return noTime('createdAt', body.createdAt)
      return ok(async (directory) => {
        const env = house.env()
        const { tenant, actor: by } = caller
        const taken = await importDevice(directory, env, {
          tenant,
          id,
          nick: body.nick,
          ...(body.secret === undefined ? {} : { secret: body.secret }),
          ...(body.userMeta === undefined ? {} : { userMeta: body.userMeta as JsonObject }),
          createdAt,
          by,
          seal: (secret, device) => house.keys.seal(secret, devicePlace(device)),
        })
        if (!taken.ok) return taken
        const { device, secret } = taken.value
        if (secret === undefined) return ok({ device: deviceView(device, undefined), existed: true })
        const tooMany = await overQuota(house, directory, tenant)
        if (!tooMany.ok) return tooMany
        if (body.deviceMeta !== undefined) {
          const meta = body.deviceMeta as JsonObject
          const told = await setDeviceMeta(directory.tenant(tenant), env, { device: id, meta })
          if (!told.ok) return told
        }
        let now: Result<Device, FleetRefusal> = ok(device)
        if (body.public)
          now = await publishDevice(directory, env, { device: id, tenant, published: true, by })
        if (!now.ok) return now
        return ok({
          device: deviceView(now.value, undefined),
          existed: false,
          ...(body.secret === undefined ? { secret } : {}),
        })
      })
    },
  }),

  changing({
    id: 'importStep',
    method: 'PUT',
    path: '/imports/:device/steps/:rev',
    tag: 'imports',
    summary: 'Takes in a step of another server as it stands there, behind the newest one here',
    right: 'trails.write',
    also: 'devices.write',
    params: NamedStep,
    body: wire.StepImport,
    answer: wire.StepImported,
    async run({ house, caller, params, body }) {
      const device = DeviceId.parse(params.device)
      const rev = Revision.parse(params.rev)
      if (!device || rev === undefined) return refuse({ kind: 'no-such-device', got: params.device })
      const parsed = parseState(body.state)
      if (!parsed.ok) return refuse({ kind: 'bad-state', reason: parsed.refusal })
      const { canonical, sha, objects } = parsed.state
      const state = { text: canonical, sha, objects }
      const createdAt = Instant.parse(body.createdAt)
      if (createdAt === undefined) return noTime('createdAt', body.createdAt)
      const meta = (body.meta ?? {}) as JsonObject
      const metaBytes = Buffer.byteLength(JSON.stringify(meta))
      if (metaBytes > metaBytesMax)
        return refuse({ kind: 'too-large', what: 'meta', wanted: metaBytesMax, got: metaBytes })
      const reported = reportedIn(body)
      if (!reported.ok) return reported
      return ok(async (directory, tx) => {
        const taken = await importStep(tx, house.env(), {
          device,
          rev,
          state,
          commitMsg: body.commitMsg ?? '',
          committer: body.committer ?? '',
          meta,
          createdAt,
          ...(reported.value === undefined ? {} : { reported: reported.value }),
          by: caller.actor,
        })
        if (!taken.ok) return taken
        const { step, existed } = taken.value
        if (!existed) await indexState(directory, caller.tenant, device, state)
        return ok({ step: stepView(step, await tx.get(transactions, { id: step.transaction })), existed })
      })
    },
  }),
]

/** Bytes of a step's meta: with its state it has to fit what a device can read. */
const metaBytesMax = 64 * 1024

/** What the device said of the step there; undefined when it has not spoken. */
function reportedIn(body: {
  readonly report?: Record<string, unknown>
  readonly reportedAt?: string
}): Result<{ report: JsonObject; reading: Reading; at?: Instant } | undefined, FleetRefusal> {
  if (body.report === undefined) return ok(undefined)
  const told = parseProgress(body.report)
  if (!told.ok) {
    const { thing, wanted, got } = told.refusal
    return refuse({ kind: 'bad-value', thing, wanted, got })
  }
  const at = body.reportedAt === undefined ? undefined : Instant.parse(body.reportedAt)
  if (body.reportedAt !== undefined && at === undefined) return noTime('reportedAt', body.reportedAt)
  const { report, status, percent, statusMsg } = told
  const reading = { word: status, meaning: meaningOf(statusMeaning(status)), percent, message: statusMsg }
  return ok({ report, reading, ...(at === undefined ? {} : { at }) })
}

/** What a word means, as the domain reads it: an ABORTED step was given up as its owner asked. */
function meaningOf(meaning: StatusMeaning): Reading['meaning'] {
  if (meaning.phase !== 'final') return meaning.known ? meaning.phase : 'unknown'
  return { end: meaning.outcome === 'passed' ? 'cancelled' : meaning.outcome }
}

/** Refused when the tenant has more devices than it may have. */
async function overQuota(
  house: House,
  directory: HouseTx,
  tenant: TenantId,
): Promise<Result<undefined, FleetRefusal>> {
  const wanted = (await directory.get(tenants, { id: tenant }))?.devicesMax ?? house.config.deviceQuota
  if (wanted === 'off') return ok(undefined)
  const got = await directory.tenant(tenant).count(devices, { garbage: false })
  return got > wanted ? refuse({ kind: 'too-many-devices', wanted, got }) : ok(undefined)
}

function noTime(thing: string, got: string) {
  return refuse({ kind: 'bad-value' as const, thing, wanted: 'a time (RFC 3339)', got: got.slice(0, 64) })
}
