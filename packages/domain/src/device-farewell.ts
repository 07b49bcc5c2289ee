/** What goes with a device that is deleted: what was asked of it ends, it leaves its groups, what was known of it is gone. */
import { configurationTargets, deviceConfigurations, deviceFacts } from './back-end-records.ts'
import type { Env } from './env.ts'
import { leaveAllGroups } from './groups.ts'
import type { DeviceId } from './ids.ts'
import { configurationVersions, devicePackages, packageConfigurations, transfers } from './package-records.ts'
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
  await forgetPackages(tx, device)
}

/** What it had of packages holds none of them any longer: they can be removed. */
async function forgetPackages(tx: Tx, device: DeviceId): Promise<void> {
  for (const row of await tx.find(transfers, { where: { device } })) await tx.remove(transfers, row)
  for (const row of await tx.find(devicePackages, { where: { device } })) await tx.remove(devicePackages, row)
  for (const row of await tx.find(packageConfigurations, { where: { subject: device } }))
    await tx.remove(packageConfigurations, row)
  for (const row of await tx.find(configurationVersions, { where: { device } }))
    await tx.remove(configurationVersions, row)
}
