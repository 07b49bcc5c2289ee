/**
 * Objects (Pantahub wire facts 4.1 and 4.2): registering them, looking at them, and the URLs their bytes travel by.
 *
 * 200 means "send the bytes", 409 means "they are here": clients act on nothing else. Devices work in the namespace of
 * their owner. Bytes that a step of somebody else's published device names need not be uploaded again: the object becomes a
 * link to them, unless the client says `autolink=no`.
 */
import {
  type Actor,
  invariant,
  linkObject,
  type ObjectRecord,
  type ObjectRefusal,
  ObjectSha,
  objects,
  ok,
  type Result,
  refuse,
  registerObject,
  removeObject,
  renameObject,
  type TenantId,
  tenants,
  unclaimedTenant,
} from '@waymark/domain'
import type { DeviceCaller, UserCaller } from '../../access.ts'
import { ownerPrn } from '../../access.ts'
import type { House } from '../../house.ts'
import { type Handlers, type Said, sayArray, sayText } from './answer.ts'
import { described, objectOf, textAt } from './bodies.ts'
import { type BadValue, badValue, type DoorRefusal } from './errors.ts'
import type { ObjectUrls } from './object-urls.ts'
import { pages } from './paging.ts'
import { objectWire } from './records.ts'

type Member = UserCaller | DeviceCaller

const nameLengthMax = 1024

export function objectHandlers(
  house: House,
  urls: ObjectUrls,
): Pick<
  Handlers,
  'listObjects' | 'registerObject' | 'readObject' | 'renameObject' | 'removeObject' | 'redirectToObject'
> {
  return {
    async listObjects({ caller }) {
      return sayArray(list(caller.tenant))
    },

    registerObject: ({ caller, body, query }) =>
      register(house, urls, { caller, body, tenant: caller.tenant, autolink: query.autolink !== 'no' }),

    async readObject({ caller, params }) {
      const found = await find(caller, params.sha)
      if (!found.ok) return found
      const about = { tenant: caller.tenant, now: house.clock.now(), shown: 'both' } as const
      return sayText(objectWire(urls, found.value, about))
    },

    async redirectToObject({ caller, params }) {
      const found = await find(caller, params.sha)
      if (!found.ok) return found
      const { sha, size, name } = found.value
      return redirect(urls.url('GET', { tenant: caller.tenant, sha, size, name }))
    },

    async renameObject({ caller, params, body }) {
      const found = await find(caller, params.sha)
      if (!found.ok) return found
      const { sha } = found.value
      const asked = objectOf(body, 'object')
      if (!asked.ok) return asked
      const owner = ownerPrn(caller.tenant)
      if (asked.value.owner !== owner) return badValue('owner', owner, described(asked.value.owner))
      if (asked.value.sha256sum !== sha) return badValue('sha256sum', sha, described(asked.value.sha256sum))
      const name = textAt(asked.value, 'objectname', nameLengthMax)
      if (!name.ok) return name
      const wanted = { sha, name: name.value ?? '', by: caller.actor }
      const renamed = await house.store.transact(caller.tenant, (tx) => renameObject(tx, house.env(), wanted))
      if (!renamed.ok) return renamed
      const about = { tenant: caller.tenant, now: house.clock.now(), shown: 'both' } as const
      return sayText(objectWire(urls, renamed.value, about))
    },

    async removeObject({ caller, params }) {
      const found = await find(caller, params.sha)
      if (!found.ok) return found
      const asked = { tenant: caller.tenant, sha: found.value.sha, by: caller.actor }
      const removed = await house.store.transactHouse((tx) => removeObject(tx, house.env(), asked))
      if (!removed.ok) return removed
      const about = { tenant: caller.tenant, now: house.clock.now(), shown: 'none' } as const
      return sayText(objectWire(urls, removed.value, about))
    },
  }

  /** Unknown and foreign answer alike: an object is looked for in the caller's own namespace only. */
  async function find(caller: Member, raw: string | undefined) {
    const sha = ObjectSha.parse(raw)
    if (!sha) return badValue('object', '64 lower-case hex digits', String(raw))
    const object = await house.store.read(caller.tenant).get(objects, { sha })
    const refusal: DoorRefusal = { kind: 'no-access', thing: `object ${sha}` }
    return object ? ok(object) : refuse(refusal)
  }

  async function* list(tenant: TenantId): AsyncGenerator<string> {
    for await (const page of pages(house.store.read(tenant), objects, { order: ['sha'] }, 500))
      for (const object of page)
        yield objectWire(urls, object, { tenant, now: house.clock.now(), shown: 'none' })
  }
}

/** Registers an object for a tenant: of the caller, or of the step it posts for. */
export async function register(
  house: House,
  urls: ObjectUrls,
  asked: {
    caller: { readonly actor: Actor }
    body: Buffer | undefined
    tenant: TenantId
    /** Default true. */
    autolink?: boolean
  },
): Promise<Said> {
  const { caller, tenant } = asked
  if (tenant === unclaimedTenant)
    return refuse({
      kind: 'not-allowed',
      thing: 'object',
      wanted: 'a claimed device',
      got: 'an unclaimed one',
    })
  const wanted = newObject(asked.body, house.config.objectLimit)
  if (!wanted.ok) return wanted
  const quota = (await house.store.readHouse().get(tenants, { id: tenant }))?.objectBytesMax
  const { objectQuota } = house.config
  const quotaBytes = quota ?? (objectQuota === 'off' ? Number.MAX_SAFE_INTEGER : objectQuota)
  const made = await house.store.transactHouse<ObjectRecord, ObjectRefusal>(async (all) => {
    const tx = all.tenant(tenant)
    const { sha, name } = wanted.value
    const held = await tx.get(objects, { sha })
    if (asked.autolink !== false && !held?.stored) {
      const about = { tenant, sha, quotaBytes, by: caller.actor, ...(name === '' ? {} : { name }) }
      const linked = await linkObject(all, house.env(), about)
      if (linked.ok) return linked
      if (linked.refusal.kind === 'quota-exceeded') return refuse(linked.refusal)
    }
    return registerObject(tx, house.env(), { ...wanted.value, quotaBytes, by: caller.actor })
  })
  const stored = made.ok ? undefined : storedAlready(made.refusal)
  if (!made.ok && !stored) return made
  const object = made.ok ? made.value : stored
  invariant(object, 'an object is registered now, or was stored before')
  return ok({
    status: object.stored ? 409 : 200,
    headers: { 'pantahub-object-type': object.linkedTo === undefined ? 'object' : 'link' },
    text: objectWire(urls, object, { tenant, now: house.clock.now(), shown: 'both' }),
  })
}

function storedAlready(refusal: ObjectRefusal): ObjectRecord | undefined {
  return refusal.kind === 'already-stored' ? refusal.object : undefined
}

/** 302 to the bytes. */
export function redirect(location: string): Said {
  return ok({ status: 302, headers: { location }, text: '' })
}

interface NewObject {
  readonly sha: ObjectSha
  readonly size: number
  readonly name: string
  readonly mimeType: string
}

/** Reads what a client registers; pvr sends every key of a record, those it does not know as `""`. */
function newObject(body: Buffer | undefined, sizeMax: number): Result<NewObject, BadValue> {
  const asked = objectOf(body, 'object')
  if (!asked.ok) return asked
  const given = asked.value
  const sha = ObjectSha.parse(given.sha256sum)
  if (!sha) return badValue('sha256sum', '64 lower-case hex digits', described(given.sha256sum))
  const id = textAt(given, 'id')
  if (!id.ok) return id
  if (id.value !== undefined && id.value !== sha) return badValue('id', `${sha} or none`, described(id.value))
  const name = textAt(given, 'objectname', nameLengthMax)
  if (!name.ok) return name
  const mimeType = textAt(given, 'mime-type', 128)
  if (!mimeType.ok) return mimeType
  const raw = given.size
  const size = typeof raw === 'string' && /^\d{1,16}$/.test(raw) ? Number(raw) : raw
  if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0)
    return badValue('size', 'a decimal count of bytes, as a text', described(raw))
  if (size > sizeMax) return badValue('size', `at most ${sizeMax} bytes`, String(size))
  return ok({ sha, size, name: name.value ?? '', mimeType: mimeType.value ?? '' })
}
