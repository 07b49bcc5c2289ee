/**
 * What the services of an installation ask each other (Pantahub wire facts 9), known by one shared secret: `Basic
 * saadmin:<secret>`. Without `WAYMARK_SAADMIN_SECRET` nobody gets in.
 *
 * Base's callbacks and cron jobs keep an index of public steps for linking. Here what is public is looked up as it is
 * committed, so there is nothing to bring up to date: a callback tells whether it is about the record as it is now.
 */
import { DeviceId, devices, Instant, ok, type Result, Revision, refuse, steps } from '@waymark/domain'
import type { House } from '../../house.ts'
import { sameSecret } from '../../keys.ts'
import { type Asked, type Handlers, type Said, say } from './answer.ts'
import { badValue, type Refusal } from './errors.ts'

const serviceName = 'saadmin'
/** How long an answer to `/healthz/` stands. */
const healthCachedMs = 30_000

export function serviceHandlers(
  house: House,
): Pick<Handlers, 'readHealth' | 'deviceCallback' | 'stepCallback' | 'cronJob'> {
  let known: { readonly until: number; readonly status: number; readonly value: object } | undefined

  return {
    async readHealth(asked) {
      const stranger = serviceOnly(asked)
      if (stranger) return stranger
      const now = house.clock.now()
      if (known === undefined || known.until <= now)
        known = { until: now + healthCachedMs, ...(await look()) }
      return ok({ status: known.status, value: known.value })
    },

    async deviceCallback(asked) {
      const { params, query } = asked
      const stranger = serviceOnly(asked)
      if (stranger) return stranger
      const id = DeviceId.parse(params.id)
      if (!id) return badValue('device', '24 hex digits', String(params.id))
      const reader = await house.access.houseReader(id)
      const device = reader && (await reader.get(devices, { id }))
      if (!device) return refuse({ kind: 'no-such-device', got: id })
      return answerOf(query, device.modifiedAt)
    },

    async stepCallback(asked) {
      const { params, query } = asked
      const stranger = serviceOnly(asked)
      if (stranger) return stranger
      const [, deviceId, revText] = /^([0-9a-f]{24})-(\d{1,10})$/.exec(params.id ?? '') ?? []
      const id = DeviceId.parse(deviceId)
      const rev = Revision.parse(revText)
      if (!id || rev === undefined)
        return badValue('step', 'a device’s id, a dash and a revision', String(params.id))
      const reader = await house.access.houseReader(id)
      const device = reader && (await reader.get(devices, { id }))
      const step = device && (await reader.get(steps, { device: id, generation: device.generation, rev }))
      if (!step) return refuse({ kind: 'no-such-step', device: id, got: rev })
      return answerOf(query, step.modifiedAt)
    },

    async cronJob(asked) {
      // What is public is looked up, never copied: there is nothing left over to bring up to date.
      return serviceOnly(asked) ?? say({ updated: 0 })
    },
  }

  /** The refusal of whoever is not the installation itself; undefined: let in. */
  function serviceOnly({
    headers,
    peer,
  }: Pick<Asked, 'headers' | 'peer'>): { ok: false; refusal: Refusal } | undefined {
    const secret = house.config.saadminSecret
    if (headers.authorization === undefined) return refuse({ kind: 'not-the-service' })
    const retryAfterMs = house.guesses.waitMs(serviceName, peer)
    if (retryAfterMs > 0) return refuse({ kind: 'too-many-guesses', retryAfterMs })
    const [, encoded = ''] = /^Basic ([A-Za-z0-9+/=]{1,2048})$/.exec(headers.authorization ?? '') ?? []
    const [name, ...password] = Buffer.from(encoded, 'base64').toString('utf8').split(':')
    const same = sameSecret(password.join(':'), secret ?? '')
    if (secret === undefined || name !== serviceName || !same) return refuse({ kind: 'not-the-service' })
    house.guesses.right(serviceName, peer)
    return undefined
  }

  async function look() {
    const began = performance.now()
    const startTime = Instant.format(house.clock.now())
    const answers = await Promise.allSettled([house.store.ping(), house.telemetry.ping()])
    const well = answers.every(({ status }) => status === 'fulfilled')
    const duration = Math.round((performance.now() - began) * 1e6)
    return {
      status: well ? 200 : 503,
      value: { code: well ? 0 : 503, duration, 'start-time': startTime },
    }
  }
}

/** 304 when the caller speaks of an older record than the one that is here. */
function answerOf(query: Asked['query'], modifiedAt: Instant): Said {
  const told = timeOf(query.timemodified)
  if (!told.ok) return told
  if (told.value !== undefined && told.value < modifiedAt) return ok({ status: 304, text: '' })
  return say({ updated: 0 })
}

function timeOf(text: string | undefined): Result<Instant | undefined, Refusal> {
  if (text === undefined || text === '') return ok(undefined)
  const at = Instant.parse(text)
  return at === undefined ? badValue('timemodified', 'a time (RFC 3339)', text.slice(0, 80)) : ok(at)
}
