/** Why a device or a step stands where it stands, at the fleet door. */
import { Type } from '@sinclair/typebox'
import { type Download, factsFor, ok, Revision, type Step, unclaimedTenant, why } from '@waymark/domain'
import { isJsonObject } from '@waymark/pantahub'
import { Named, namedDevice } from './devices.ts'
import { type Operation, reading } from './operation.ts'
import * as wire from './schemas.ts'

const Why = Type.Object({
  device: wire.Id,
  nick: Type.String(),
  rev: Type.Optional(Type.Integer({ description: 'the step that is explained' })),
  chain: Type.Array(
    Type.Object({
      kind: Type.String({ description: 'names the cause: `waits`, `waits-behind`, `silent`, …' }),
      says: Type.String({ description: 'a sentence for people' }),
      rev: Type.Optional(Type.Integer()),
      cursors: Type.Array(Type.String(), { description: 'of the journal’s entries that show it' }),
    }),
    { description: 'the effect first, then what causes it' },
  ),
})

export const whyOperations: readonly Operation[] = [
  reading({
    id: 'explainDevice',
    method: 'GET',
    path: '/devices/:device/why',
    tag: 'trails',
    summary: 'Why a device or one of its steps stands where it stands',
    right: 'trails.read',
    params: Named,
    query: Type.Object({
      rev: Type.Optional(
        Type.Integer({ minimum: 0, description: 'the step; absent: the oldest that has not ended' }),
      ),
    }),
    answer: Why,
    async run({ house, caller, params, query }) {
      const { store, clock, presence } = house
      let { tenant } = caller
      let found = await namedDevice(store.read(tenant), params.device)
      if (!found.ok && caller.principal.houseAdmin) {
        // Who runs the installation may ask about devices that nobody has claimed.
        const unclaimed = await namedDevice(store.read(unclaimedTenant), params.device)
        if (unclaimed.ok) [tenant, found] = [unclaimedTenant, unclaimed]
      }
      if (!found.ok) return found
      const device = found.value
      const rev = Revision.parse(query.rev)
      const [facts, seen] = await Promise.all([
        factsFor(store, { tenant, device, ...(rev === undefined ? {} : { rev }) }),
        presence.lastSeen(device.id),
      ])
      if (!facts.ok) return facts
      const { subject } = facts.value
      const connected = house.exchange.sessions.isConnected(device.id)
      const chain = why(facts.value, { now: clock.now(), presence: seen, connected, downloadOf })
      return ok({
        device: device.id,
        nick: device.nick,
        ...(subject === undefined ? {} : { rev: subject.step.rev }),
        chain: chain.map((cause) => ({ ...cause, cursors: [...cause.cursors] })),
      })
    },
  }),
]

/** What Pantavisor reports of its downloads: `downloads.total`, sizes in bytes, times in seconds since 1970. */
export function downloadOf({ report }: Pick<Step, 'report'>): Download | undefined {
  const downloads = report.downloads
  const total = isJsonObject(downloads) ? downloads.total : undefined
  if (!isJsonObject(total)) return undefined
  const [size, got, began, now] = ['total_size', 'total_downloaded', 'start_time', 'current_time'].map(
    (key) => countOf(total[key]),
  )
  if (!size || got === undefined) return undefined
  return { total: size, got, seconds: Math.max(0, (now ?? 0) - (began ?? 0)) }
}

function countOf(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0 ? value : undefined
}
