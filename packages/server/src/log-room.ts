/**
 * Where devices' log lines are kept, and when they go: after so many days, and a device's oldest first when they add up
 * to more than its quota. What a device has is counted in the same commit that keeps or drops its lines.
 */
import {
  type DeviceId,
  type Instant,
  type LogEntry,
  logEntries,
  logVolumes,
  ok,
  type Store,
  settled,
  type TenantId,
  type Tx,
} from '@waymark/domain'

/** Lines dropped in one commit. */
const pageSize = 500
/** What a line costs beside its own words. */
const lineOverhead = 64
/** A device over its quota is brought down to this part of it, so that not every line that comes drops one. */
const trimmedTo = 0.9

/** What a line counts, in bytes. */
export function logBytes({ message, source, level, platform, revision }: Omit<LogEntry, 'bytes'>): number {
  return (
    Buffer.byteLength(message) +
    source.length +
    level.length +
    platform.length +
    revision.length +
    lineOverhead
  )
}

/** Keeps the lines of one device, in their order; answers what it has now, in bytes. */
export async function keepLogs(tx: Tx, device: DeviceId, entries: readonly LogEntry[]): Promise<number> {
  let bytes = 0
  for (const entry of entries) {
    const counted = logBytes(entry)
    bytes += counted
    await tx.put(logEntries, { ...entry, bytes: counted })
  }
  return addVolume(tx, device, bytes)
}

/** Drops every line of a tenant that is older; answers how many. */
export async function dropLogs(telemetry: Store, tenant: TenantId, before: Instant): Promise<number> {
  let dropped = 0
  for (;;) {
    const old = await telemetry.read(tenant).find(logEntries, {
      where: { createdAt: { lt: before } },
      order: ['createdAt', 'id'],
      limit: pageSize,
      without: 'texts',
    })
    if (old.length === 0) return dropped
    await drop(telemetry, tenant, old)
    dropped += old.length
  }
}

/** Trims every device of a tenant that has more than the quota; answers how many lines went. */
export async function trimLogs(telemetry: Store, tenant: TenantId, quotaBytes: number): Promise<number> {
  const over = { where: { bytes: { gt: quotaBytes } }, order: ['bytes', 'device'], limit: pageSize } as const
  let dropped = 0
  for (;;) {
    const volumes = await telemetry.read(tenant).find(logVolumes, over)
    for (const { device } of volumes) dropped += await trimDevice(telemetry, tenant, device, quotaBytes)
    if (volumes.length < pageSize) return dropped
  }
}

/** Drops a device's oldest lines until it has less than the quota; answers how many went. */
export async function trimDevice(
  telemetry: Store,
  tenant: TenantId,
  device: DeviceId,
  quotaBytes: number,
): Promise<number> {
  const reader = telemetry.read(tenant)
  let left = (await reader.get(logVolumes, { device }))?.bytes ?? 0
  let dropped = 0
  while (left > quotaBytes * trimmedTo) {
    const oldest = await reader.find(logEntries, {
      where: { device },
      order: ['device', 'createdAt', 'id'],
      limit: pageSize,
      without: 'texts',
    })
    const going: LogEntry[] = []
    for (const entry of oldest) {
      if (left <= quotaBytes * trimmedTo) break
      left -= entry.bytes ?? 0
      going.push(entry)
    }
    if (going.length === 0) {
      // Nothing is left that could go: the count was wrong, and begins anew.
      settled(await telemetry.transact(tenant, async (tx) => ok(await tx.remove(logVolumes, { device }))))
      break
    }
    await drop(telemetry, tenant, going)
    dropped += going.length
  }
  return dropped
}

async function drop(telemetry: Store, tenant: TenantId, entries: readonly LogEntry[]): Promise<void> {
  const bytes = new Map<DeviceId, number>()
  settled(
    await telemetry.transact(tenant, async (tx) => {
      bytes.clear()
      for (const entry of entries)
        if (await tx.remove(logEntries, { id: entry.id }))
          bytes.set(entry.device, (bytes.get(entry.device) ?? 0) + (entry.bytes ?? 0))
      for (const [device, gone] of bytes) await addVolume(tx, device, -gone)
      return ok(undefined)
    }),
  )
}

async function addVolume(tx: Tx, device: DeviceId, bytes: number): Promise<number> {
  const now = Math.max(0, ((await tx.get(logVolumes, { device }))?.bytes ?? 0) + bytes)
  if (now === 0) await tx.remove(logVolumes, { device })
  else await tx.put(logVolumes, { device, bytes: now })
  return now
}
