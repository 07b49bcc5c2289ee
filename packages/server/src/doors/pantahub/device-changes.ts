/**
 * Changing devices: claim, overlay, rename, publish, delete (Pantahub wire facts 3.3 and 3.5).
 *
 * Guessing a challenge is slowed per account, so that nobody can keep an owner from claiming by guessing for the same
 * device.
 */
import {
  changeDeviceSecret,
  claimDevice,
  type Device,
  type DeviceId,
  type DeviceRefusal,
  deleteDevice,
  devices,
  type HouseTx,
  Instant,
  isJsonObject,
  type JsonObject,
  ok,
  publishDevice,
  type Result,
  refuse,
  renameDevice,
  setDeviceMeta,
  setUserMeta,
  type TenantId,
  DeviceId as toDeviceId,
  unclaimedTenant,
} from '@waymark/domain'
import { Prn } from '@waymark/pantahub'
import { type DeviceCaller, hex, ownerPrn, type UserCaller } from '../../access.ts'
import { devicePlace, type House } from '../../house.ts'
import { sameSecret } from '../../keys.ts'
import { createThrottle } from '../../throttle.ts'
import { type Asked, type Handlers, type Said, sayText } from './answer.ts'
import { described, objectOrEmpty, textAt } from './bodies.ts'
import { noDevice } from './device-reads.ts'
import { badValue, type DoorRefusal } from './errors.ts'
import { deviceWire, type Shown } from './records.ts'
import { overQuota } from './register.ts'

type Member = UserCaller | DeviceCaller

export function deviceChangeHandlers(
  house: House,
): Pick<Handlers, 'putDevice' | 'patchDevice' | 'deleteDevice' | 'publishDevice' | 'unpublishDevice'> {
  const challenges = createThrottle({ clock: house.clock, perMinute: house.config.guessLimit })

  return {
    async putDevice({ caller, params, query, body }) {
      const id = idOf(params.id)
      if (!id.ok) return id
      const wanted = objectOrEmpty(body)
      if (await house.access.awaitsClaim(id.value))
        return caller.kind === 'user'
          ? claim(caller, id.value, query.challenge, wanted)
          : refuse({ kind: 'wrong-challenge', device: id.value })
      const opened = await house.access.openDevice(caller, id.value)
      if (!opened || opened.as === 'visitor') return noDevice(id.value)
      const put = await house.store.transactHouse((tx) =>
        overlay(tx, caller, { device: id.value, tenant: opened.tenant, wanted }),
      )
      return put.ok ? show(put.value, opened.tenant, { secret: true, metas: true }) : put
    },

    async patchDevice({ caller, params, body }) {
      const opened = await openOwned(caller, params.id)
      if (!opened.ok) return opened
      const { device, tenant } = opened.value
      const nick = textAt(objectOrEmpty(body), 'nick')
      if (!nick.ok) return nick
      if (nick.value === undefined) return badValue('nick', 'a name for the device', 'none')
      const wanted = { device: device.id, nick: nick.value, by: caller.actor }
      const renamed = await house.store.transact(tenant, (tx) => renameDevice(tx, house.env(), wanted))
      return renamed.ok ? show(renamed.value, tenant, { metas: true }) : renamed
    },

    async deleteDevice({ caller, params }) {
      const opened = await openOwned(caller, params.id)
      if (!opened.ok) return opened
      const { device, tenant } = opened.value
      const gone = await house.store.transactHouse((tx) =>
        deleteDevice(tx, house.env(), { device: device.id, tenant, by: caller.actor }),
      )
      return gone.ok ? show(gone.value, tenant, { metas: true }) : gone
    },

    publishDevice: (asked) => publish(asked, true),
    unpublishDevice: (asked) => publish(asked, false),
  }

  async function publish({ caller, params }: Asked<UserCaller>, published: boolean): Promise<Said> {
    const opened = await openOwned(caller, params.id)
    if (!opened.ok) return opened
    const { device, tenant } = opened.value
    const changed = await house.store.transactHouse((tx) =>
      publishDevice(tx, house.env(), { device: device.id, tenant, published, by: caller.actor }),
    )
    return changed.ok ? show(changed.value, tenant, { metas: true }) : changed
  }

  /** Whoever knows the challenge becomes the owner; what else the body holds is laid over in the same commit. */
  async function claim(
    caller: UserCaller,
    device: DeviceId,
    challenge: string | undefined,
    wanted: JsonObject,
  ): Promise<Said> {
    const key = caller.principal.id
    const retryAfterMs = challenges.take(key)
    if (retryAfterMs > 0) return refuse({ kind: 'too-many-guesses', retryAfterMs })
    const asked = { device, challenge: challenge ?? '', tenant: caller.tenant, by: caller.actor }
    const claimed = await house.store.transactHouse(
      async (tx): Promise<Result<Device, DeviceRefusal | DoorRefusal>> => {
        const moved = await claimDevice(tx, house.env(), asked)
        if (!moved.ok) return moved
        const tooMany = await overQuota(house, tx, caller.tenant, 0)
        if (tooMany) return refuse(tooMany)
        return overlay(tx, caller, { device, tenant: caller.tenant, wanted })
      },
    )
    if (!claimed.ok) return claimed
    challenges.giveBack(key)
    return show(claimed.value, caller.tenant, { secret: true, metas: true })
  }

  async function show(device: Device, tenant: TenantId, shown: Shown): Promise<Said> {
    return sayText(await deviceWire(house, { device, tenant, reader: house.store.read(tenant) }, shown))
  }

  async function openOwned(caller: Member, name: string | undefined) {
    const id = idOf(name)
    if (!id.ok) return id
    const opened = await house.access.openDevice(caller, id.value)
    if (!opened || opened.as === 'visitor' || opened.tenant === unclaimedTenant) return noDevice(id.value)
    return ok(opened)
  }

  /** Lays a body's keys over a record. What names the device or its owner cannot be changed; strangers' keys are ignored. */
  async function overlay(
    tx: HouseTx,
    caller: Member,
    asked: { device: DeviceId; tenant: TenantId; wanted: JsonObject },
  ): Promise<Result<Device, DeviceRefusal | DoorRefusal>> {
    const { device: id, tenant, wanted } = asked
    const own = tx.tenant(tenant)
    const env = house.env()
    const by = caller.actor
    const held = await own.get(devices, { id })
    if (!held || held.garbage) return noDevice(id)
    const forbidden = changedForGood(held, tenant, wanted)
    if (forbidden) return refuse(forbidden)

    const nick = textAt(wanted, 'nick')
    if (!nick.ok) return nick
    if (nick.value !== undefined) {
      const renamed = await renameDevice(own, env, { device: id, nick: nick.value, by })
      if (!renamed.ok) return renamed
    }
    if (wanted.secret !== undefined) {
      const secret = textAt(wanted, 'secret', 256)
      if (!secret.ok) return secret
      if (secret.value === undefined)
        return refuse({ kind: 'not-allowed', thing: 'secret', wanted: 'one that is not empty', got: 'none' })
      const present = house.keys.unseal(held.sealedSecret, devicePlace(id))
      if (!present.ok || !sameSecret(present.value, secret.value)) {
        const sealedSecret = house.keys.seal(secret.value, devicePlace(id))
        await changeDeviceSecret(own, env, { device: id, sealedSecret, by })
      }
    }
    if (wanted.public !== undefined && wanted.public !== held.published) {
      if (typeof wanted.public !== 'boolean')
        return badValue('public', 'true or false', described(wanted.public))
      if (caller.kind === 'device')
        return refuse({ kind: 'not-allowed', thing: 'public', wanted: 'the owner', got: 'the device' })
      await publishDevice(tx, env, { device: id, tenant, published: wanted.public, by })
    }
    const device = (await own.get(devices, { id })) ?? held
    const key = caller.kind === 'device' ? 'device-meta' : 'user-meta'
    const meta = wanted[key]
    if (meta !== undefined) {
      if (!isJsonObject(meta)) return badValue(key, 'a JSON object', described(meta))
      const set =
        caller.kind === 'device'
          ? await setDeviceMeta(own, env, { device: id, meta })
          : await setUserMeta(own, env, { device, meta, by })
      if (!set.ok) return set
    }
    return ok(device)
  }
}

/** The keys that name a device and its owner, when a body would change them. Times are compared as times. */
function changedForGood(held: Device, tenant: TenantId, wanted: JsonObject): DoorRefusal | undefined {
  const fixed: readonly (readonly [string, string])[] = [
    ['id', held.id],
    ['prn', Prn.device(hex(held.id))],
    ['owner', ownerPrn(tenant)],
  ]
  for (const [thing, is] of fixed) {
    const given = wanted[thing]
    if (given !== undefined && given !== is)
      return { kind: 'not-allowed', thing, wanted: `${is}, which stays`, got: described(given) }
  }
  const given = wanted['time-created']
  if (given === undefined) return undefined
  const created = typeof given === 'string' ? Instant.parse(given) : undefined
  if (created === held.createdAt) return undefined
  const is = Instant.format(held.createdAt)
  return { kind: 'not-allowed', thing: 'time-created', wanted: `${is}, which stays`, got: described(given) }
}

function idOf(raw: string | undefined): Result<DeviceId, DoorRefusal> {
  const id = toDeviceId.parse(raw)
  return id ? ok(id) : badValue('device', '24 hex digits', String(raw))
}
