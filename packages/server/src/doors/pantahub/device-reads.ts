/**
 * Looking at devices (Pantahub wire facts 3.4 and the first row of 13): own ones whole, public ones of others without
 * secret, challenge and metadata, all others not at all. A device that is not there and one that is not yours answer
 * alike.
 *
 * A secret is shown in one place only, the list of one's own devices, and only to whom could set it anyway.
 */
import {
  type Condition,
  type Device,
  DeviceId,
  deviceByNick,
  devices,
  type Result,
  refuse,
  TenantId,
  tenantByNick,
  type Where,
} from '@waymark/domain'
import { deviceOfPrn, parsePrn } from '@waymark/pantahub'
import { type Caller, carries, type Opened } from '../../access.ts'
import type { House } from '../../house.ts'
import { type Asked, type Handlers, sayArray, sayText } from './answer.ts'
import { badValue, type DoorRefusal } from './errors.ts'
import { pages } from './paging.ts'
import { deviceLines, deviceWire, ownerNick, type Shown } from './records.ts'

type Query = Asked['query']

export function deviceReadHandlers(
  house: House,
): Pick<Handlers, 'listDevices' | 'readDevice' | 'readDeviceByNicks'> {
  return {
    async listDevices({ caller, query }) {
      const where = filterOf(query)
      if (!where.ok) return where
      const named = await namedOwner(house, query)
      if (!named.ok) return named
      if (caller.kind === 'device' && named.value === undefined) return sayArray(itself(caller, where.value))
      const tenant = named.value ?? caller.tenant
      if (caller.kind === 'user' && tenant === caller.tenant)
        return sayArray(
          list(tenant, where.value, {
            metas: true,
            // Whoever may only read gets no secret: with it, it could write.
            secret: carries(caller, 'devices.write'),
          }),
        )
      return sayArray(list(tenant, { ...where.value, published: true }, {}))
    },

    async readDevice({ caller, params, query }) {
      const named = await namedOwner(house, query)
      if (!named.ok) return named
      const opened = await openNamed(house, caller, params.id ?? '', named.value)
      return opened.ok ? sayText(await deviceWire(house, opened.value, shownTo(opened.value))) : opened
    },

    async readDeviceByNicks({ caller, params }) {
      const owner = await tenantByNick(house.store.readHouse(), params.usernick ?? '')
      if (!owner) return refuse({ kind: 'no-access', thing: `owner ${params.usernick}` })
      const opened = await openByNick(house, caller, params.devicenick ?? '', owner.id)
      return opened ? sayText(await deviceWire(house, opened, shownTo(opened))) : noDevice(params.devicenick)
    },
  }

  async function* list(tenant: TenantId, where: Where<Device>, shown: Shown): AsyncGenerator<string> {
    const reader = house.store.read(tenant)
    const nick = await ownerNick(house, tenant)
    // By nick the index serves prefixes as well; ids stand in the order of registration.
    const order = where.nick === undefined ? (['id'] as const) : (['nick', 'id'] as const)
    for await (const page of pages(reader, devices, { where: { ...where, garbage: false }, order }))
      yield* await deviceLines(house, page, { tenant, nick, reader, shown })
  }

  /** A device's own list: itself, if it passes the filter. */
  async function* itself(
    caller: Extract<Caller, { kind: 'device' }>,
    where: Where<Device>,
  ): AsyncGenerator<string> {
    const reader = house.store.read(caller.tenant)
    const nick = await ownerNick(house, caller.tenant)
    const page = await reader.find(devices, { where: { ...where, id: caller.device.id }, limit: 1 })
    yield* await deviceLines(house, page, {
      tenant: caller.tenant,
      nick,
      reader,
      shown: { metas: true, challenge: true },
    })
  }
}

/** What of a single device is shown to whom; the secret never. */
export function shownTo({ as }: Opened): Shown {
  return as === 'visitor' ? {} : { metas: true, challenge: as === 'self' }
}

export function noDevice(name: string | undefined): { readonly ok: false; readonly refusal: DoorRefusal } {
  return refuse({ kind: 'no-access', thing: `device ${name}` })
}

/**
 * A device by what a path calls it: an id, a prn, or a nick under the caller's own account or the owner that is named.
 */
export async function openNamed(
  house: House,
  caller: Caller,
  name: string,
  owner?: TenantId,
): Promise<Result<Opened, DoorRefusal>> {
  const id = DeviceId.parse(name) ?? DeviceId.parse(deviceOfPrn(name))
  if (id) {
    const opened = await house.access.openDevice(caller, id)
    return opened ? { ok: true, value: opened } : noDevice(name)
  }
  const tenant = owner ?? ('tenant' in caller ? caller.tenant : undefined)
  if (!tenant) return badValue('device', '24 hex digits, or a nick and ?owner-nick=', name)
  const opened = await openByNick(house, caller, name, tenant)
  if (opened) return { ok: true, value: opened }
  // Among one's own nothing is given away by saying what is wrong.
  const own = caller.kind === 'user' && caller.tenant === tenant
  return own ? badValue('device', '24 hex digits, or the nick of a device', name) : noDevice(name)
}

async function openByNick(
  house: House,
  caller: Caller,
  nick: string,
  tenant: TenantId,
): Promise<Opened | undefined> {
  const device = await deviceByNick(house.store.read(tenant), nick)
  return device && house.access.openDevice(caller, device.id)
}

/** The owner that `?owner=` (a prn) or `?owner-nick=` names; undefined when none is named. */
export async function namedOwner(
  house: House,
  query: Query,
): Promise<Result<TenantId | undefined, DoorRefusal>> {
  const prn = query.owner
  if (prn !== undefined) {
    const parsed = parsePrn(prn)
    const tenant = parsed?.kind === 'account' ? TenantId.parse(parsed.name) : undefined
    return tenant ? { ok: true, value: tenant } : badValue('owner', 'the prn of an account', prn)
  }
  const nick = query['owner-nick']
  if (nick === undefined) return { ok: true, value: undefined }
  const tenant = await tenantByNick(house.store.readHouse(), nick)
  return tenant ? { ok: true, value: tenant.id } : badValue('owner-nick', 'the nick of an account', nick)
}

/** What may be filtered by, and how a value is read. Nothing else of a query reaches the store. */
const filters: Readonly<Record<string, (value: string) => Where<Device> | undefined>> = {
  nick: (value) => ({ nick: textCondition(value) }),
  id: (value) => asId(DeviceId.parse(value)),
  prn: (value) => asId(DeviceId.parse(deviceOfPrn(value))),
  public: (value) =>
    value === 'true' ? { published: true } : value === 'false' ? { published: false } : undefined,
}

const notFilters = new Set(['owner', 'owner-nick'])

function filterOf(query: Query): Result<Where<Device>, DoorRefusal> {
  let where: Where<Device> = {}
  for (const [key, value = ''] of Object.entries(query)) {
    if (notFilters.has(key)) continue
    const filter = Object.hasOwn(filters, key) ? filters[key] : undefined
    if (!filter) return badValue('filter', `one of ${Object.keys(filters).join(', ')}`, key)
    const condition = filter(value)
    if (!condition) return badValue(key, 'a value of its kind', value)
    where = { ...where, ...condition }
  }
  return { ok: true, value: where }
}

/** `x`, `!x` (not x), `^x` (begins so, in any case). */
function textCondition(value: string): Condition<string> {
  if (value.startsWith('!')) return { not: value.slice(1) }
  if (value.startsWith('^')) return { prefix: value.slice(1) }
  return value
}

function asId(id: DeviceId | undefined): Where<Device> | undefined {
  return id && { id }
}
