/**
 * Dash and subscriptions (Pantahub wire facts 7): what an account uses of what it may use, and its most recent devices.
 *
 * The limits of objects and devices are enforced where those are made, that of bandwidth where bytes pass (`traffic.ts`).
 */
import {
  bytesOf,
  devices,
  headStep,
  Instant,
  newestReported,
  openTrail,
  type Reader,
  refuse,
  setPlan,
  type Tenant,
  TenantId,
  tenants,
  usages,
} from '@waymark/domain'
import { Prn, parsePrn } from '@waymark/pantahub'
import { hex, ownerPrn } from '../../access.ts'
import type { House } from '../../house.ts'
import { quotaOf } from '../../object-room.ts'
import { type Handlers, say } from './answer.ts'
import { described, objectAt, objectOf, textAt } from './bodies.ts'
import { badValue } from './errors.ts'
import { progressOf } from './steps.ts'

const topDevices = 5
/** Devices changed last among which the most recent are looked for. */
const recentLook = 50
const gib = 2 ** 30

export function dashHandlers(
  house: House,
): Pick<Handlers, 'readDash' | 'listSubscriptions' | 'setSubscription'> {
  return {
    async readDash({ caller }) {
      const tenant = await tenantOf(caller.tenant)
      const reader = house.store.read(caller.tenant)
      const used = (await reader.get(usages, { what: 'objects' }))?.bytes ?? 0
      const attributes = await limitsOf(tenant)
      const { bytes: moved } = await house.traffic.month(caller.tenant)
      return say({
        prn: ownerPrn(caller.tenant),
        nick: tenant.nick,
        subscription: {
          'plan-id': planOf(tenant),
          billing: { Type: 'Monthly', AmountDue: 0, Currency: 'USD', VatRegion: 'World' },
          'quota-stats': {
            DEVICES: {
              Name: 'DEVICES',
              Actual: await reader.count(devices, { garbage: false }),
              Max: attributes.devices,
              Unit: 'Piece',
            },
            OBJECTS: { Name: 'OBJECTS', Actual: used / gib, Max: attributes.objects / gib, Unit: 'GiB' },
            BANDWIDTH: {
              Name: 'BANDWIDTH',
              Actual: moved / gib,
              Max: attributes.bandwidth / gib,
              Unit: 'GiB',
            },
          },
        },
        'top-devices': await mostRecent(reader),
      })
    },

    async listSubscriptions({ caller }) {
      const subscription = await subscriptionOf(await tenantOf(caller.tenant))
      return say({ Start: 0, Page: -1, Size: 1, Subs: [subscription] })
    },

    async setSubscription({ caller, body }) {
      if (!caller.principal.houseAdmin)
        return refuse({
          kind: 'not-allowed',
          thing: 'subscriptions',
          wanted: 'an administrator',
          got: 'none',
        })
      const asked = objectOf(body, 'subscription')
      if (!asked.ok) return asked
      const subject = parsePrn(asked.value.subject)
      const id = subject?.kind === 'account' ? TenantId.parse(subject.name) : undefined
      if (!id) return badValue('subject', 'the prn of an account', described(asked.value.subject))
      const plan = textAt(asked.value, 'plan', 128)
      if (!plan.ok) return plan
      const attributes = objectAt(asked.value, 'attrs')
      if (!attributes.ok) return attributes
      const named = parsePrn(plan.value)
      const changed = await house.store.transactHouse((directory) =>
        setPlan(directory, house.env(), {
          tenant: id,
          plan: named?.kind === 'plan' ? named.name : (plan.value ?? ''),
          attributes: attributes.value ?? {},
          by: caller.actor,
        }),
      )
      return changed.ok ? say(await subscriptionOf(changed.value)) : changed
    },
  }

  async function tenantOf(id: TenantId): Promise<Tenant> {
    const tenant = await house.store.readHouse().get(tenants, { id })
    return tenant ?? { id, name: '', nick: '', createdAt: Instant.of(0) }
  }

  /** Bytes and pieces; 0 where the installation sets no limit. */
  async function limitsOf(tenant: Tenant) {
    const quota = await quotaOf(house, tenant.id)
    const { deviceQuota } = house.config
    return {
      objects: Number.isFinite(quota) ? quota : 0,
      devices: tenant.devicesMax ?? (deviceQuota === 'off' ? 0 : deviceQuota),
      bandwidth: bytesOf(tenant.plan?.attributes.BANDWIDTH ?? '0') ?? 0,
    }
  }

  async function subscriptionOf(tenant: Tenant) {
    const since = tenant.plan?.since ?? tenant.createdAt
    const limits = await limitsOf(tenant)
    return {
      id: tenant.id,
      prn: `prn::subscriptions:/${tenant.id}`,
      type: `prn::subscriptions:${planOf(tenant)}`,
      subject: ownerPrn(tenant.id),
      issuer: 'prn::subscriptions:',
      service: 'prn::subscriptions:',
      'last-modified': Instant.format(since),
      'time-created': Instant.format(tenant.createdAt),
      history: null,
      attr: tenant.plan?.attributes ?? {
        OBJECTS: `${Math.round(limits.objects / gib)}GiB`,
        BANDWIDTH: '0GiB',
        DEVICES: String(limits.devices),
      },
    }
  }

  async function mostRecent(reader: Reader) {
    const changed = await reader.find(devices, {
      where: { garbage: false },
      order: ['-modifiedAt', '-id'],
      limit: recentLook,
    })
    const told = await Promise.all(
      changed.map(async (device) => {
        const trail = await openTrail(reader, device)
        const step = trail && ((await newestReported(reader, trail)) ?? (await headStep(reader, trail)))
        const seen = await house.presence.lastSeen(device.id)
        const message = step && progressOf(step)['status-msg']
        return {
          at: Math.max(device.modifiedAt, step?.modifiedAt ?? 0, seen?.lastSeenAt ?? 0),
          device,
          message: typeof message === 'string' ? message : '',
          status: step?.status ?? '',
        }
      }),
    )
    told.sort((a, b) => b.at - a.at)
    return told.slice(0, topDevices).map(({ at, device, message, status }) => ({
      'device-id': device.id,
      nick: device.nick,
      prn: Prn.device(hex(device.id)),
      message,
      type: 'INFO',
      status,
      'last-activity': Instant.format(Instant.of(at)),
    }))
  }
}

/** The plan's name; the installation's own limits go by CUSTOM. */
function planOf(tenant: Tenant): string {
  return tenant.plan?.name ?? 'CUSTOM'
}
