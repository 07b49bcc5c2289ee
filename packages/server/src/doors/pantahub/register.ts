/**
 * How devices come in (Pantahub wire facts 3.2, 3.7): registered by their owner, by themselves with a join token, or by
 * themselves alone, unclaimed and with a challenge. The reply is the one place where a device learns its secret.
 *
 * Registering needs no credentials, so it is slowed by the address it comes from.
 */
import {
  createJoinToken,
  type Device,
  type DeviceRefusal,
  devices,
  disableJoinToken,
  type HouseTx,
  Instant,
  invariant,
  type JoinToken,
  JoinTokenId,
  type JsonObject,
  joinTokenByHash,
  joinTokens,
  ok,
  type Register,
  type Result,
  refuse,
  registerDevice,
  type TenantId,
  tenants,
  unclaimedTenant,
} from '@waymark/domain'
import { ObjectId24, Prn } from '@waymark/pantahub'
import { type LoginRefusal, ownerPrn, type UserCaller } from '../../access.ts'
import { devicePlace, type House } from '../../house.ts'
import { networkOf } from '../../throttle.ts'
import { type Handlers, say, sayArray, sayText } from './answer.ts'
import { objectAt, objectOrEmpty, textAt } from './bodies.ts'
import { badValue, type DoorRefusal } from './errors.ts'
import { pages } from './paging.ts'
import { deviceWire } from './records.ts'

type Registered = { readonly device: Device; readonly secret: string }

const joinTokenHeader = 'pantahub-devices-auto-token-v1'
/** Under this name join tokens are hashed for looking them up. */
export const joinTokenPurpose = 'join-token'

export function registerHandlers(
  house: House,
): Pick<Handlers, 'registerDevice' | 'createJoinToken' | 'listJoinTokens' | 'disableJoinToken'> {
  return {
    async registerDevice({ caller, headers, body, peer }) {
      if (!headers['user-agent']) return refuse({ kind: 'incompatible-client' })
      const asked = objectOrEmpty(body)
      const nick = textAt(asked, 'nick')
      if (!nick.ok) return nick
      const secret = textAt(asked, 'secret', 256)
      if (!secret.ok) return secret
      const userMeta = objectAt(asked, 'user-meta')
      if (!userMeta.ok) return userMeta
      const deviceMeta = objectAt(asked, 'device-meta')
      if (!deviceMeta.ok) return deviceMeta

      const retryAfterMs = house.registrations.take(networkOf(peer))
      if (retryAfterMs > 0) return refuse({ kind: 'too-many-registrations', retryAfterMs })
      const joining = caller ? undefined : await joinTokenOf(headers[joinTokenHeader], peer)
      if (joining && !joining.ok) return joining

      const tenant = caller?.tenant ?? joining?.value.tenant ?? unclaimedTenant
      const wanted: Register = {
        tenant,
        ...(nick.value === undefined ? {} : { nick: nick.value }),
        ...(secret.value === undefined ? {} : { secret: secret.value }),
        ...metasOf(caller, joining?.value, userMeta.value, deviceMeta.value),
        ...(caller ? { by: caller.actor } : {}),
        seal: (plain, device) => house.keys.seal(plain, devicePlace(device)),
      }
      const made = await house.store.transactHouse(
        async (tx): Promise<Result<Registered, DeviceRefusal | DoorRefusal>> => {
          const tooMany = await overQuota(house, tx, tenant)
          return tooMany ? refuse(tooMany) : registerDevice(tx, house.env(), wanted)
        },
      )
      if (!made.ok) return made
      const { device } = made.value
      return sayText(
        await deviceWire(
          house,
          { device, tenant, reader: house.store.read(tenant) },
          { secret: true, challenge: true, metas: true },
        ),
      )
    },

    async createJoinToken({ caller, body }) {
      const asked = objectOrEmpty(body)
      const nick = textAt(asked, 'nick', 128)
      if (!nick.ok) return nick
      const meta = objectAt(asked, 'default-user-meta')
      if (!meta.ok) return meta
      const token = Buffer.from(house.env().random(24)).toString('base64')
      const made = await house.store.transactHouse((tx) =>
        createJoinToken(tx, house.env(), {
          tenant: caller.tenant,
          nick: nick.value ?? '',
          hash: house.keys.lookup(joinTokenPurpose, token),
          defaultUserMeta: meta.value ?? {},
          by: caller.actor,
        }),
      )
      return made.ok ? say({ ...joinTokenWire(made.value), token }) : made
    },

    async listJoinTokens({ caller }) {
      return sayArray(ownJoinTokens(caller))
    },

    async disableJoinToken({ caller, params }) {
      const id = JoinTokenId.parse(params.id)
      if (!id) return badValue('join token', '24 hex digits', String(params.id))
      const disabled = await house.store.transactHouse((tx) =>
        disableJoinToken(tx, house.env(), { id, tenant: caller.tenant, by: caller.actor }),
      )
      return disabled.ok ? say({ status: 'OK' }) : disabled
    },
  }

  /** The join token a device shows; undefined when it shows none, refused when it is not good (Base: 400). */
  async function joinTokenOf(
    header: string | string[] | undefined,
    peer: string,
  ): Promise<Result<JoinToken, DoorRefusal | LoginRefusal> | undefined> {
    if (header === undefined) return undefined
    const shown = String(header).trim()
    const hash = house.keys.lookup(joinTokenPurpose, shown)
    // By the token: a whole line of devices that come in by a good one do not stand in each other's way.
    const guess = `${joinTokenPurpose} ${hash}`
    const retryAfterMs = house.guesses.waitMs(guess, peer)
    if (retryAfterMs > 0) return refuse({ kind: 'too-many-guesses', retryAfterMs })
    const token = /^[A-Za-z0-9+/]{32}$/.test(shown)
      ? await joinTokenByHash(house.store.readHouse(), hash)
      : undefined
    if (!token) return badValue('join token', 'one that is known and enabled', 'another')
    house.guesses.right(guess, peer)
    return ok(token)
  }

  async function* ownJoinTokens(caller: UserCaller): AsyncGenerator<string> {
    const find = { where: { tenant: caller.tenant }, order: ['tenant', 'id'] as const }
    for await (const page of pages(house.store.readHouse(), joinTokens, find))
      for (const token of page) yield JSON.stringify(joinTokenWire(token))
  }
}

/** Whose word about a new device counts: its owner's user-meta, or its own device-meta. */
function metasOf(
  caller: UserCaller | undefined,
  token: JoinToken | undefined,
  userMeta: JsonObject | undefined,
  deviceMeta: JsonObject | undefined,
): Pick<Register, 'userMeta' | 'deviceMeta'> {
  if (caller) return userMeta ? { userMeta } : {}
  return {
    ...(deviceMeta ? { deviceMeta } : {}),
    ...(token && Object.keys(token.defaultUserMeta).length > 0 ? { userMeta: token.defaultUserMeta } : {}),
  }
}

/** Whether a tenant has, with `more`, more devices than it may have; the unclaimed are nobody's and count for nobody. */
export async function overQuota(
  house: House,
  tx: HouseTx,
  tenant: TenantId,
  more = 1,
): Promise<DoorRefusal | undefined> {
  const wanted = (await tx.get(tenants, { id: tenant }))?.devicesMax ?? house.config.deviceQuota
  if (wanted === 'off' || tenant === unclaimedTenant) return undefined
  const got = (await tx.tenant(tenant).count(devices, { garbage: false })) + more
  return got > wanted ? { kind: 'too-many-devices', wanted, got } : undefined
}

/** A join token as it is told: neither itself nor its hash. */
function joinTokenWire(token: JoinToken): Record<string, unknown> {
  const id = ObjectId24.parse(token.id)
  invariant(id, 'every id is 24 hex digits')
  return {
    id,
    prn: Prn.joinToken(id),
    nick: token.nick,
    owner: ownerPrn(token.tenant),
    'default-user-meta': token.defaultUserMeta,
    disabled: token.disabled,
    'time-created': Instant.format(token.createdAt),
    'time-modified': Instant.format(token.modifiedAt),
  }
}
