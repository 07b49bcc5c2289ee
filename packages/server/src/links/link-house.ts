/**
 * What links find in the house: who a device is by the name that it calls in with, and a session for it.
 *
 * A device that calls in names its account and itself; the account's tenant, the device in it, its type and the type's
 * protocol lead to what it has to prove itself by. What is unknown at any of these places looks the same from outside.
 */
import {
  deviceIdByBackEndName,
  devices,
  deviceTypes,
  type Env,
  factsOf,
  type Instant,
  type Store,
  type Tenant,
  tenants,
} from '@waymark/domain'
import type { Config } from '../config.ts'
import { type Keys, sameSecret } from '../keys.ts'
import type { Log } from '../log.ts'
import type { Metrics } from '../metrics.ts'
import { createGuesses } from '../throttle.ts'
import type { KnownDevice } from './carrying.ts'
import type { ExternalName, Known, LinkHouse } from './link.ts'
import type { Sessions } from './sessions.ts'

/** Where a device's keys and password are sealed to: they open nowhere else. */
export const keyPlace = (tenant: string, name: string, what: 'device-key' | 'server-key' | 'password') =>
  `exchange/${tenant}/${what}/${name}`

export interface LinkHouseNeeds {
  readonly config: Config
  readonly log: Log
  readonly metrics: Metrics
  readonly store: Store
  readonly keys: Keys
  readonly clock: { now(): Instant }
  env(): Env
  readonly draining: AbortSignal
  readonly sessions: Sessions
}

export function createLinkHouse(house: LinkHouseNeeds): LinkHouse {
  const { store, sessions } = house
  const guesses = createGuesses({ clock: house.clock, perMinute: house.config.guessLimit })
  // What a link has been told is not what it may make up: a session opens only for what was identified here.
  const identified = new WeakMap<Known, KnownDevice>()

  async function identify(
    name: ExternalName,
    protocols: readonly string[],
  ): Promise<KnownDevice | undefined> {
    const [tenant]: Tenant[] = await store
      .readHouse()
      .find(tenants, { where: { name: name.account }, limit: 1 })
    if (!tenant) return undefined
    const reader = store.read(tenant.id)
    const id = await deviceIdByBackEndName(reader, name.device)
    const device = id && (await reader.get(devices, { id }))
    if (!device || device.garbage) return undefined
    const type = await reader.get(deviceTypes, { name: device.type })
    if (!type || !protocols.includes(type.protocol)) return undefined
    const facts = await factsOf(reader, device.id)
    const unseal = (sealed: string | undefined, what: 'device-key' | 'server-key' | 'password') => {
      if (sealed === undefined) return undefined
      const plain = house.keys.unseal(sealed, keyPlace(tenant.id, device.id, what))
      return plain.ok ? plain.value : undefined
    }
    const deviceKey = keyBytes(unseal(facts.sealedDeviceKey, 'device-key'))
    const serverKey = keyBytes(unseal(facts.sealedServerKey, 'server-key'))
    const known: KnownDevice = {
      name,
      device: device.id,
      tenant: tenant.id,
      protocol: type.protocol,
      ...(deviceKey === undefined ? {} : { deviceKey }),
      ...(serverKey === undefined ? {} : { serverKey }),
      passwordIs(password) {
        const held = unseal(facts.sealedPassword, 'password')
        return held !== undefined && sameSecret(held, password)
      },
      idleMs: facts.sessionTimeout * 1000,
      tlsOnly: tenant.exchange?.tlsOnly ?? false,
    }
    identified.set(known, known)
    return known
  }

  return {
    config: house.config,
    log: house.log,
    metrics: house.metrics,
    clock: house.clock,
    random: (count) => house.env().random(count),
    draining: house.draining,
    identify,
    waitMs: (name, address) => guesses.waitMs(guessName(name), address),
    attempted(name, address, right) {
      if (right) guesses.right(guessName(name), address)
      else guesses.wrong(guessName(name), address)
    },
    open(known, session) {
      const device = identified.get(known)
      if (!device) throw new Error('a session opens only for a device that was identified here')
      return sessions.open(device, session)
    },
  }
}

const guessName = ({ account, device }: ExternalName) => `device ${account.length} ${account} ${device}`

/** Sixteen hex digits as eight bytes. */
function keyBytes(hex: string | undefined): Uint8Array | undefined {
  return hex === undefined ? undefined : Uint8Array.from(Buffer.from(hex, 'hex'))
}
