/**
 * When each device was last heard of. A poll writes nothing: it is noted in memory, and what changed is written in
 * slices every few seconds, so that a million polls cost a few thousand rows. A crash forgets at most those seconds.
 */
import {
  type DeviceId,
  type Instant,
  ok,
  type Presence as PresenceRecord,
  presences,
  type Store,
} from '@waymark/domain'

/** Devices remembered at most; beyond, those heard of longest ago and already written are forgotten first. */
const rememberedMax = 1_000_000
/** Rows written in one commit. */
const sliceSize = 2000
/** What comes sooner belongs to the same visit: a device asks several things in one breath. */
const visitMs = 1000
/** One visit moves what is usual by an eighth of the difference; a long absence counts as four times the usual at most. */
const learning = 8
const absenceTimes = 4

export interface Presence {
  /** A device was heard of just now, from this address. */
  heard(device: DeviceId, address: string): void
  /** The latest that is known, also by other processes that have written it. */
  lastSeen(device: DeviceId): Promise<PresenceRecord | undefined>
  /** Writes what has changed since the last call; answers how many devices that were. */
  flush(): Promise<number>
}

export function createPresence(telemetry: Store, clock: { now(): Instant }): Presence {
  const known = new Map<DeviceId, { lastSeenAt: Instant; address: string; usualMs: number }>()
  let changed = new Set<DeviceId>()

  function heard(device: DeviceId, address: string): void {
    const entry = known.get(device)
    if (entry) {
      const now = clock.now()
      entry.usualMs = usualAfter(entry.usualMs, now - entry.lastSeenAt)
      entry.lastSeenAt = now
      entry.address = address
    } else {
      known.set(device, { lastSeenAt: clock.now(), address, usualMs: 0 })
      if (known.size > rememberedMax) forgetOldest()
    }
    changed.add(device)
  }

  function forgetOldest(): void {
    for (const device of known.keys()) {
      if (changed.has(device)) continue
      known.delete(device)
      return
    }
  }

  async function lastSeen(device: DeviceId): Promise<PresenceRecord | undefined> {
    const written = await telemetry.readHouse().get(presences, { device })
    const entry = known.get(device)
    if (!entry || (written && written.lastSeenAt > entry.lastSeenAt)) return written
    return recordOf(device, entry)
  }

  async function flush(): Promise<number> {
    const devices = [...changed]
    changed = new Set()
    for (let from = 0; from < devices.length; from += sliceSize) {
      const slice = devices.slice(from, from + sliceSize)
      try {
        await telemetry.transactHouse(async (house) => {
          for (const device of slice) {
            const entry = known.get(device)
            if (entry) await house.put(presences, recordOf(device, entry))
          }
          return ok(undefined)
        })
      } catch (error) {
        for (const device of devices.slice(from)) changed.add(device)
        throw error
      }
    }
    return devices.length
  }

  return { heard, lastSeen, flush }
}

/** Milliseconds that usually lie between visits, given what was usual (0: not known) and the gap before this one. */
export function usualAfter(usualMs: number, gapMs: number): number {
  if (gapMs < visitMs) return usualMs
  if (usualMs === 0) return gapMs
  return usualMs + (Math.min(gapMs, absenceTimes * usualMs) - usualMs) / learning
}

function recordOf(
  device: DeviceId,
  { lastSeenAt, address, usualMs }: { lastSeenAt: Instant; address: string; usualMs: number },
): PresenceRecord {
  return { device, lastSeenAt, address, ...(usualMs === 0 ? {} : { usualMs: Math.round(usualMs) }) }
}
