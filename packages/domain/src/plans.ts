/**
 * What a tenant may use: the plan it is on, and the limits that follow from it. A tenant that was never put on a plan has
 * the installation's own limits; setting a plan replaces them for that tenant alone.
 */
import type { Env } from './env.ts'
import type { TenantId } from './ids.ts'
import { actingOn } from './journal.ts'
import type { Actor, HouseTx } from './port.ts'
import { type Plan, type Tenant, tenants } from './records.ts'
import { ok, type Result, refuse } from './result.ts'

/** The limits of each plan, as they are told: sizes and counts as texts. */
export const planAttributes = {
  FREE: { OBJECTS: '2GiB', BANDWIDTH: '2GiB', DEVICES: '25' },
  VIP: { OBJECTS: '20GiB', BANDWIDTH: '10GiB', DEVICES: '100' },
  CUSTOM: { OBJECTS: '0GiB', BANDWIDTH: '0GiB', DEVICES: '0' },
} as const satisfies Record<string, Plan['attributes']>

export type PlanName = keyof typeof planAttributes

export type PlanRefusal =
  | { readonly kind: 'no-such-tenant'; readonly got: string }
  | { readonly kind: 'no-such-plan'; readonly wanted: string; readonly got: string }
  | { readonly kind: 'bad-attribute'; readonly thing: string; readonly wanted: string; readonly got: string }

/** Puts a tenant on a plan; `attributes` overrule the plan's own. What is used already stays, even beyond the limits. */
export async function setPlan(
  house: HouseTx,
  env: Env,
  asked: {
    tenant: TenantId
    plan: string
    attributes: Readonly<Record<string, unknown>>
    by: Actor
  },
): Promise<Result<Tenant, PlanRefusal>> {
  const tenant = await house.get(tenants, { id: asked.tenant })
  if (!tenant) return refuse({ kind: 'no-such-tenant', got: asked.tenant })
  const names = Object.keys(planAttributes)
  if (!isPlan(asked.plan)) return refuse({ kind: 'no-such-plan', wanted: names.join(', '), got: asked.plan })
  const attributes = { ...planAttributes[asked.plan] } as Record<keyof Plan['attributes'], string>
  for (const [name, value] of Object.entries(asked.attributes)) {
    const known = Object.keys(attributes)
    if (!isAttribute(name))
      return refuse({
        kind: 'bad-attribute',
        thing: 'attrs',
        wanted: `some of ${known.join(', ')}`,
        got: name,
      })
    const wanted = name === 'DEVICES' ? 'a count, as a text' : 'a size such as 2GiB'
    const read = name === 'DEVICES' ? countOf : bytesOf
    if (typeof value !== 'string' || read(value) === undefined)
      return refuse({ kind: 'bad-attribute', thing: name, wanted, got: String(value).slice(0, 80) })
    attributes[name] = value
  }
  const changed: Tenant = {
    ...tenant,
    plan: { name: asked.plan, attributes, since: env.now },
    objectBytesMax: bytesOf(attributes.OBJECTS) ?? 0,
    devicesMax: countOf(attributes.DEVICES) ?? 0,
  }
  await house.put(tenants, changed)
  // In both journals: whoever is limited can read by whom.
  for (const at of [house, house.tenant(tenant.id)])
    actingOn(at, env, asked.by).note('tenant.changed', { tenant: tenant.id, plan: asked.plan, attributes })
  return ok(changed)
}

/** What an administrator may set of a tenant, whatever its plan; null takes a limit of its own away. */
export type TenantLimits = {
  readonly [L in (typeof limitNames)[number]]?: number | null
}
const limitNames = ['objectBytesMax', 'devicesMax', 'requestRateMax', 'byteRateMax'] as const

/** Sets limits of a tenant; those not named stay. */
export async function setTenantLimits(
  house: HouseTx,
  env: Env,
  asked: { tenant: TenantId; limits: TenantLimits; by: Actor },
): Promise<Result<Tenant, PlanRefusal>> {
  const tenant = await house.get(tenants, { id: asked.tenant })
  if (!tenant) return refuse({ kind: 'no-such-tenant', got: asked.tenant })
  let changed: Tenant = tenant
  const limits: Record<string, number | null> = {}
  for (const name of limitNames) {
    const value = asked.limits[name]
    if (value === undefined) continue
    limits[name] = value
    const { [name]: _, ...others } = changed
    changed = value === null ? others : { ...others, [name]: value }
  }
  await house.put(tenants, changed)
  // In both journals: whoever is limited can read by whom.
  for (const at of [house, house.tenant(tenant.id)])
    actingOn(at, env, asked.by).note('tenant.changed', { tenant: tenant.id, limits })
  return ok(changed)
}

const units: Readonly<Record<string, number>> = {
  '': 1,
  B: 1,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  TiB: 2 ** 40,
}

/** Bytes of `2GiB`; undefined when it is no size. */
export function bytesOf(text: string): number | undefined {
  const [, count = '', unit = ''] = /^(\d{1,12}) ?([KMGT]iB|B|)$/.exec(text) ?? []
  const bytes = Number(count) * (units[unit] ?? Number.NaN)
  return count !== '' && Number.isSafeInteger(bytes) ? bytes : undefined
}

function countOf(text: string): number | undefined {
  return /^\d{1,9}$/.test(text) ? Number(text) : undefined
}

function isPlan(name: string): name is PlanName {
  return Object.hasOwn(planAttributes, name)
}

function isAttribute(name: string): name is keyof Plan['attributes'] {
  return Object.hasOwn(planAttributes.FREE, name)
}
