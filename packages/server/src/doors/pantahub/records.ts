/**
 * From the house's records to the wire's: the one place where a device or an object of ours becomes the text that clients
 * read. Order of keys and spelling are `@waymark/pantahub`'s; what may be shown to whom is decided by who calls this.
 */
import {
  type Device,
  deviceMetas,
  globalMeta,
  Instant,
  invariant,
  type JsonObject,
  type ObjectRecord,
  type ObjectSha,
  type Reader,
  type TenantId,
  tenants,
  userMetas,
  withGlobal,
} from '@waymark/domain'
import { deviceText, objectText, Sha256, storageId } from '@waymark/pantahub'
import { hex, ownerPrn } from '../../access.ts'
import { devicePlace, type House } from '../../house.ts'
import type { ObjectUrls } from './object-urls.ts'

/** What of a device the caller gets to see. */
export interface Shown {
  readonly secret?: boolean
  readonly challenge?: boolean
  /** Both metadata maps; without it they are empty. */
  readonly metas?: boolean
}

/** One device as text, read where it lives. */
export async function deviceWire(
  house: House,
  { device, tenant, reader }: { device: Device; tenant: TenantId; reader: Reader },
  shown: Shown,
): Promise<string> {
  const userMeta = shown.metas ? await reader.get(userMetas, { device: device.id }) : undefined
  const deviceMeta = shown.metas ? await reader.get(deviceMetas, { device: device.id }) : undefined
  const nick = await ownerNick(house, tenant)
  return deviceLine(house, device, {
    tenant,
    nick,
    shown,
    userMeta: shown.metas ? withGlobal(await globalMeta(reader), userMeta?.meta) : undefined,
    deviceMeta: deviceMeta?.meta,
  })
}

/** A page of devices of one tenant as texts, their metadata read together. */
export async function deviceLines(
  house: House,
  page: readonly Device[],
  { tenant, nick, reader, shown }: { tenant: TenantId; nick: string; reader: Reader; shown: Shown },
): Promise<string[]> {
  const where = { device: { in: page.map((device) => device.id) } }
  const wanted = shown.metas === true && page.length > 0
  const userMeta = new Map(
    (wanted ? await reader.find(userMetas, { where, limit: page.length }) : []).map((row) => [
      row.device,
      row.meta,
    ]),
  )
  const deviceMeta = new Map(
    (wanted ? await reader.find(deviceMetas, { where, limit: page.length }) : []).map((row) => [
      row.device,
      row.meta,
    ]),
  )
  const global = wanted ? await globalMeta(reader) : undefined
  return page.map((device) =>
    deviceLine(house, device, {
      tenant,
      nick,
      shown,
      userMeta: withGlobal(global, userMeta.get(device.id)),
      deviceMeta: deviceMeta.get(device.id),
    }),
  )
}

/** The nick an owner goes by; empty for the unclaimed. */
export async function ownerNick(house: House, tenant: TenantId): Promise<string> {
  return (await house.store.readHouse().get(tenants, { id: tenant }))?.nick ?? ''
}

function deviceLine(
  house: House,
  device: Device,
  about: {
    tenant: TenantId
    nick: string
    shown: Shown
    userMeta: JsonObject | undefined
    deviceMeta: JsonObject | undefined
  },
): string {
  const { tenant, nick, shown, userMeta, deviceMeta } = about
  return deviceText({
    id: hex(device.id),
    owner: ownerPrn(tenant),
    challenge: shown.challenge ? device.challenge : undefined,
    secret: shown.secret ? unsealed(house, device) : undefined,
    nick: device.nick,
    ownerNick: nick,
    timeCreated: Instant.format(device.createdAt),
    timeModified: Instant.format(device.modifiedAt),
    public: device.published,
    garbage: device.garbage,
    userMeta: userMeta ?? {},
    deviceMeta: deviceMeta ?? {},
  })
}

function unsealed(house: House, device: Device): string {
  const plain = house.keys.unseal(device.sealedSecret, devicePlace(device.id))
  invariant(plain.ok, `the secret of device ${device.id} opens`)
  return plain.value
}

// ── objects ──────────────────────────────────────────────────────────────────────────────────────────────────────

/** Which URLs go with an object: none, the one to get it by, or both. */
export type UrlsShown = 'none' | 'get' | 'both'

/** An object as text. `name` replaces its own (the path a step puts it at). */
export function objectWire(
  urls: ObjectUrls,
  object: ObjectRecord,
  about: { tenant: TenantId; now: Instant; shown: UrlsShown; name?: string },
): string {
  const { tenant, now, shown } = about
  const sha = shaOf(object.sha)
  const owner = ownerPrn(tenant)
  const name = about.name ?? object.name
  const link = object.linkedTo !== undefined
  const signed = { tenant, sha: object.sha, size: object.size, name }
  return objectText({
    sha,
    storageId: storageId(ownerPrn(object.linkedTo ?? tenant), sha),
    owner,
    objectName: name,
    size: object.size,
    mimeType: object.mimeType,
    timeCreated: Instant.format(object.createdAt),
    timeModified: Instant.format(object.modifiedAt),
    putUrl: shown === 'both' ? urls.url('PUT', link ? { ...signed, link } : signed) : '',
    getUrl: shown === 'none' ? '' : urls.url('GET', signed),
    now: Math.floor(now / 1000),
  })
}

/** An object's name in the brand the wire's formats use: the form is the same. */
export function shaOf(sha: ObjectSha): Sha256 {
  const named = Sha256.parse(sha)
  invariant(named, 'every object is named by 64 hex digits')
  return named
}
