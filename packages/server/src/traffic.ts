/**
 * What each tenant asks for and moves, and how much of it is let through.
 *
 * Two buckets a tenant: requests and bytes, refilled by the second. A request takes one and is let in while neither
 * bucket is overdrawn; bytes are charged as they pass, so that a large object overdraws the second bucket and what is
 * asked next waits. What a month's objects and exports add up to is kept in the telemetry store, where several processes
 * add to the same row every few seconds, and is held against the plan's BANDWIDTH before bytes are given out.
 *
 * All of it is in memory and bounded. A tenant's own limits are read again every few seconds while it asks.
 */
import {
  bytesOf,
  Instant,
  ok,
  type Store,
  type Tenant,
  type TenantId,
  tenants,
  traffics,
} from '@waymark/domain'
import type { Config } from './config.ts'
import type { Metrics } from './metrics.ts'
import { createRecent } from './recent.ts'

export interface Traffic {
  /**
   * Lets one request of a tenant in: 0; or how many milliseconds it has to wait. `bytes`: what its body will be, as
   * announced.
   */
  take(tenant: TenantId, bytes?: number): number
  /** Bytes of an object or export that passed. */
  moved(tenant: TenantId, bytes: number): void
  /** What the tenant has moved this month and may move; undefined where it may move what it likes. */
  month(tenant: TenantId): Promise<{ readonly bytes: number; readonly max: number | undefined }>
  /** The refusal of whoever has moved what a month allows; undefined: go on. */
  exhausted(tenant: TenantId): Promise<BandwidthRefusal | undefined>
  /** Adds what this process has counted to what is kept. */
  flush(): Promise<void>
}

export interface BandwidthRefusal {
  readonly kind: 'bandwidth-exceeded'
  readonly wanted: number
  readonly got: number
  readonly retryAfterMs: number
}

export interface TrafficNeeds {
  readonly store: Store
  readonly telemetry: Store
  readonly clock: { now(): Instant }
  readonly config: Pick<Config, 'tenantRate' | 'tenantBandwidth'>
  readonly metrics: Pick<Metrics, 'counter'>
}

/** What may come at once after a pause, in seconds' worth. */
const burstSeconds = 10
/** How long a tenant's own limits are believed. */
const limitsLifeMs = 5000
/** Tenants remembered: a forgotten one begins with full buckets. */
const tenantsMax = 20_000

interface Account {
  /** A second's worth; Infinity: no limit. */
  requestRate: number
  byteRate: number
  requests: number
  bytes: number
  at: number
  readAt: number
}

interface Month {
  name: string
  /** Kept, as of the last look or flush. */
  kept: number
  /** Counted here since. */
  pending: number
  /** Whether what is kept has been looked up. */
  read: boolean
}

export function createTraffic({ store, telemetry, clock, config, metrics }: TrafficNeeds): Traffic {
  const byDefault = { requestRate: rateOf(config.tenantRate), byteRate: rateOf(config.tenantBandwidth) }
  const accounts = createRecent<Account>(tenantsMax)
  const months = new Map<TenantId, Month>()
  const name = 'waymark_tenant_throttled_total'
  const help = 'requests of tenants told to come again later, by what they had too much of'
  const count = {
    requests: metrics.counter(name, help, { what: 'requests' }),
    bytes: metrics.counter(name, help, { what: 'bytes' }),
    bandwidth: metrics.counter(name, help, { what: 'bandwidth' }),
  }
  const countBytes = metrics.counter('waymark_object_bytes_total', 'bytes of objects and exports that passed')

  function accountOf(tenant: TenantId, now: number): Account {
    let account = accounts.get(tenant)
    if (account === undefined) {
      account = { ...byDefault, requests: 0, bytes: 0, at: now, readAt: 0 }
      account.requests = account.requestRate * burstSeconds
      account.bytes = account.byteRate * burstSeconds
      accounts.set(tenant, account)
    }
    if (now - account.readAt > limitsLifeMs || now < account.readAt) {
      account.readAt = now
      void readLimits(tenant, account)
    }
    return account
  }

  /** Its own limits; when they cannot be read, those known stay. */
  async function readLimits(tenant: TenantId, account: Account): Promise<void> {
    const record = await store
      .readHouse()
      .get(tenants, { id: tenant })
      .catch(() => undefined)
    const requestRate = ownRate(record?.requestRateMax, byDefault.requestRate)
    const byteRate = ownRate(record?.byteRateMax, byDefault.byteRate)
    if (requestRate !== account.requestRate) account.requests = requestRate * burstSeconds
    if (byteRate !== account.byteRate) account.bytes = byteRate * burstSeconds
    account.requestRate = requestRate
    account.byteRate = byteRate
  }

  function refill(account: Account, now: number): void {
    const seconds = Math.max(0, now - account.at) / 1000
    account.at = now
    const { requestRate, byteRate } = account
    if (requestRate !== Infinity)
      account.requests = Math.min(requestRate * burstSeconds, account.requests + seconds * requestRate)
    if (byteRate !== Infinity)
      account.bytes = Math.min(byteRate * burstSeconds, account.bytes + seconds * byteRate)
  }

  function monthNow(): string {
    return Instant.format(clock.now()).slice(0, 7)
  }

  async function monthOf(tenant: TenantId): Promise<Month> {
    const name = monthNow()
    const held = months.get(tenant)
    if (held?.name === name && held.read) return held
    const kept = (await telemetry.read(tenant).get(traffics, { month: name }))?.bytes ?? 0
    const now = months.get(tenant)
    const month = now?.name === name ? now : { name, kept, pending: 0, read: true }
    // A flush may have come between: what it found is newer.
    if (!month.read) Object.assign(month, { kept, read: true })
    months.set(tenant, month)
    return month
  }

  async function monthAndMax(tenant: TenantId) {
    const record: Tenant | undefined = await store.readHouse().get(tenants, { id: tenant })
    const { kept, pending } = await monthOf(tenant)
    const plan = record?.plan?.attributes.BANDWIDTH
    const max = plan === undefined ? undefined : bytesOf(plan)
    return { bytes: kept + pending, max }
  }

  return {
    take(tenant, bytes = 0) {
      const now = clock.now()
      const account = accountOf(tenant, now)
      if (account.requestRate === Infinity && account.byteRate === Infinity) return 0
      refill(account, now)
      if (account.requests < 1) {
        count.requests()
        return Math.ceil(((1 - account.requests) / account.requestRate) * 1000)
      }
      if (account.bytes < 0) {
        count.bytes()
        return Math.ceil((-account.bytes / account.byteRate) * 1000)
      }
      account.requests -= 1
      account.bytes -= bytes
      return 0
    },

    moved(tenant, bytes) {
      countBytes(bytes)
      const account = accounts.get(tenant)
      if (account && account.byteRate !== Infinity) account.bytes -= bytes
      const name = monthNow()
      const held = months.get(tenant)
      if (held?.name === name) held.pending += bytes
      // A month that is over while bytes pass: what is not kept yet of it is a few seconds' worth, and counts for the next.
      else months.set(tenant, { name, kept: 0, pending: bytes + (held?.pending ?? 0), read: false })
    },

    month: monthAndMax,

    async exhausted(tenant) {
      const { bytes, max } = await monthAndMax(tenant)
      if (max === undefined || bytes < max) return undefined
      count.bandwidth()
      const now = clock.now()
      const [year = 0, month = 0] = monthNow().split('-').map(Number)
      return {
        kind: 'bandwidth-exceeded',
        wanted: max,
        got: bytes,
        retryAfterMs: Date.UTC(year, month, 1) - now,
      }
    },

    async flush() {
      for (const [tenant, month] of months) {
        const { name, pending } = month
        if (pending === 0) {
          // Nothing new: forgotten until it asks again, when what other processes counted is read too.
          months.delete(tenant)
          continue
        }
        month.pending -= pending
        month.kept += pending
        const kept = await telemetry
          .transact<number>(tenant, async (tx) => {
            const bytes = ((await tx.get(traffics, { month: name }))?.bytes ?? 0) + pending
            await tx.put(traffics, { month: name, bytes })
            return ok(bytes)
          })
          .catch((error: unknown) => {
            month.pending += pending
            month.kept -= pending
            throw error
          })
        if (kept.ok) Object.assign(month, { kept: kept.value, read: true })
      }
    },
  }
}

function rateOf(setting: number | 'off'): number {
  return setting === 'off' ? Infinity : setting
}

/** A tenant's own rate; 0 is no limit. */
function ownRate(own: number | undefined, byDefault: number): number {
  if (own === undefined) return byDefault
  return own === 0 ? Infinity : own
}
