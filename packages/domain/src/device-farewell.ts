/** What goes with a device that is deleted: what was asked of it ends, it leaves its groups, what was known of it is gone. */
import { configurationTargets, deviceConfigurations, deviceFacts } from './back-end-records.ts'
import type { Env } from './env.ts'
import { leaveAllGroups } from './groups.ts'
import type { DeviceId } from './ids.ts'
import type { Actor, Tx } from './port.ts'
import { endAllOf } from './transactions.ts'

/** A queue longer than this ends by itself, entry by entry, as their times run out. */
const endedAtOnce = 1000

export async function forgetDevice(tx: Tx, env: Env, device: DeviceId, by: Actor): Promise<void> {
  await endAllOf(tx, env, device, endedAtOnce)
  await leaveAllGroups(tx, env, device, by)
  await tx.remove(deviceFacts, { device })
  for (const row of await tx.find(configurationTargets, { where: { device } }))
    await tx.remove(configurationTargets, row)
  for (const row of await tx.find(deviceConfigurations, { where: { device } }))
    await tx.remove(deviceConfigurations, row)
}
