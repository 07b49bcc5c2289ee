/**
 * What belongs to whoever runs the installation: keys, limits of tenants, and the audit, which owners read of their own
 * tenant too.
 *
 * The audit is the journal, looked at for what people and apps did and for what was done to accounts, tenants and
 * settings; what devices report is left out. Entries of people name the address they acted from.
 */
import { Type } from '@sinclair/typebox'
import {
  actingOn,
  type JournalRow,
  mayDo,
  ok,
  type Result,
  refuse,
  setTenantLimits,
  TenantId,
  tenantByNick,
  tenants,
} from '@waymark/domain'
import { carries, type UserCaller } from '../../access.ts'
import { collectIn } from '../../gc.ts'
import type { House } from '../../house.ts'
import { changing, type Operation, reading } from './operation.ts'
import type { FleetRefusal } from './refusals.ts'
import * as wire from './schemas.ts'
import { journalView } from './views.ts'

/** Entries read for one page of the audit at most: the rest is behind `next`. */
const lookMax = 5000
const pageSize = 500
/** Sections of the journal that are administrative whoever made the entry. */
const administrative: ReadonlySet<string> = new Set([
  'tenant',
  'principal',
  'credential',
  'membership',
  'setting',
  'installation',
])

const Limit = (description: string) =>
  Type.Optional(Type.Union([Type.Integer({ minimum: 0 }), Type.Null()], { description }))
const Limits = {
  objectBytesMax: Limit('bytes of objects it may register'),
  devicesMax: Limit('devices it may have'),
  requestRateMax: Limit('requests a second, on average; 0: any'),
  byteRateMax: Limit('bytes a second, on average; 0: any'),
}

export const installationOperations: readonly Operation[] = [
  reading({
    id: 'readAudit',
    method: 'GET',
    path: '/audit',
    tag: 'journal',
    summary: 'What people did, and from where: of the own tenant, for its owners; of another or of the house',
    right: 'any',
    query: Type.Object({
      tenant: Type.Optional(
        Type.String({
          maxLength: 128,
          description: '`house`, or another tenant’s id or nick: for administrators',
        }),
      ),
      after: Type.Optional(Type.String({ maxLength: 256, description: 'a cursor; absent: the oldest kept' })),
      limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 500, default: 100 })),
    }),
    answer: wire.JournalPage,
    async run({ house, caller, query }) {
      const of = await audited(house, caller, query.tenant)
      if (!of.ok) return of
      const limit = query.limit ?? 100
      const items: JournalRow[] = []
      let after = query.after
      for (let looked = 0; looked < lookMax; ) {
        const read = await house.store.journal.read(of.value, {
          limit: Math.min(pageSize, limit),
          ...(after === undefined ? {} : { after }),
        })
        if (!read.ok) return read
        const { entries, next } = read.value
        looked += entries.length
        after = next
        for (const entry of entries) {
          if (!isAudited(entry)) continue
          items.push(entry)
          if (items.length < limit) continue
          return ok({ items: items.map(journalView), next: entry.cursor })
        }
        if (entries.length === 0) break
      }
      return ok({ items: items.map(journalView), next: after ?? '' })
    },
  }),

  reading({
    id: 'rotateKeys',
    method: 'POST',
    path: '/keys/rotate',
    tag: 'session',
    summary: 'Begins a new key for logins; nobody is logged out. For administrators',
    right: 'any',
    answer: Type.Object({
      signsFrom: Type.String({
        format: 'date-time',
        description: 'from when logins are signed with the new key',
      }),
      olderUntil: Type.String({ format: 'date-time', description: 'until when the one before is believed' }),
    }),
    async run({ house, caller }) {
      const admin = administrator(caller)
      if (!admin.ok) return admin
      const rotated = await house.tokenKeys.rotate(caller.actor)
      if (!rotated.ok) return rotated
      const { signsFrom, olderUntil } = rotated.value
      return ok({
        signsFrom: new Date(signsFrom).toISOString(),
        olderUntil: new Date(olderUntil).toISOString(),
      })
    },
  }),

  reading({
    id: 'collectObjects',
    method: 'POST',
    path: '/objects/collect',
    tag: 'objects',
    summary:
      'Collects what no step refers to and is older than the grace, or tells what it would; for administrators',
    right: 'any',
    body: Type.Object(
      { dryRun: Type.Optional(Type.Boolean({ default: false, description: 'only counts' })) },
      { additionalProperties: false },
    ),
    answer: Type.Object({
      records: Type.Integer({ description: 'objects whose records went' }),
      bytes: Type.Integer({ description: 'what those records stood for' }),
      files: Type.Integer({ description: 'files without a record' }),
    }),
    async run({ house, caller, body }) {
      const admin = administrator(caller)
      if (!admin.ok) return admin
      const { records, bytes, files } = await collectIn(house, body.dryRun === true)
      if (body.dryRun !== true)
        await house.store.transactHouse(async (directory) => {
          actingOn(directory, house.env(), caller.actor).note('installation.collected', {
            records,
            bytes,
            files,
          })
          return ok(undefined)
        })
      return ok({ records, bytes, files })
    },
  }),

  changing({
    id: 'setTenantLimits',
    method: 'PUT',
    path: '/tenants/:tenant/limits',
    tag: 'users',
    summary: 'Sets limits of a tenant; null takes its own away, what is not named stays. For administrators',
    right: 'any',
    params: Type.Object({ tenant: Type.String({ minLength: 1, maxLength: 128, description: 'id or nick' }) }),
    body: Type.Object(Limits, { additionalProperties: false, minProperties: 1 }),
    answer: Type.Object({ tenant: wire.Id, ...Limits }),
    async run({ house, caller, params, body }) {
      const admin = administrator(caller)
      if (!admin.ok) return admin
      const tenant = await named(house, params.tenant)
      if (!tenant.ok) return tenant
      return ok(async (directory) => {
        const set = await setTenantLimits(directory, house.env(), {
          tenant: tenant.value,
          limits: body,
          by: caller.actor,
        })
        if (!set.ok)
          return set.refusal.kind === 'no-such-tenant' ? refuse(set.refusal) : noTenant(params.tenant)
        const { id, objectBytesMax, devicesMax, requestRateMax, byteRateMax } = set.value
        return ok({ tenant: id, ...given({ objectBytesMax, devicesMax, requestRateMax, byteRateMax }) })
      })
    },
  }),
]

/** Whose journal is asked for, if the caller may read its audit. */
async function audited(
  house: House,
  caller: UserCaller,
  of: string | undefined,
): Promise<Result<TenantId | 'house', FleetRefusal>> {
  if (of === undefined) {
    if (!mayDo(caller.roles, 'members.write') || !carries(caller, 'all'))
      return refuse({ kind: 'no-right', wanted: 'members.write', got: caller.roles.join(' ') || 'no role' })
    return ok(caller.tenant)
  }
  const admin = administrator(caller)
  if (!admin.ok) return admin
  return of === 'house' ? ok(of) : named(house, of)
}

/** Refuses everybody but who runs the installation, with the whole of their rights. */
function administrator(caller: UserCaller): Result<void, FleetRefusal> {
  return caller.principal.houseAdmin && carries(caller, 'all')
    ? ok(undefined)
    : refuse({ kind: 'no-right', wanted: 'an administrator', got: 'none' })
}

async function named(house: House, name: string): Promise<Result<TenantId, FleetRefusal>> {
  const directory = house.store.readHouse()
  const id = TenantId.parse(name)
  const tenant = (id && (await directory.get(tenants, { id }))) ?? (await tenantByNick(directory, name))
  return tenant ? ok(tenant.id) : noTenant(name)
}

function noTenant(got: string): Result<never, FleetRefusal> {
  return refuse({ kind: 'no-such-tenant', got })
}

function isAudited({ kind, by }: JournalRow): boolean {
  return by.kind === 'user' || by.kind === 'service' || administrative.has(kind.slice(0, kind.indexOf('.')))
}

/** An object without the members that have no value. */
function given<T extends object>(value: T): Partial<T> {
  return Object.fromEntries(Object.entries(value).filter(([, held]) => held !== undefined)) as Partial<T>
}
