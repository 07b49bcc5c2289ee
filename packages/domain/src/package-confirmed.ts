/** What a device has confirmed of a package's configuration: the one place where it is read and moved on. */
import type { Env } from './env.ts'
import type { DeviceId, GroupId, TransactionId } from './ids.ts'
import { actingOn } from './journal.ts'
import { configurationVersions, type PackageConfiguration, packageConfigurations } from './package-records.ts'
import type { Reader, Tx } from './port.ts'

/** A device has a configuration now: the newest row of its history. */
export async function keepConfiguration(
  tx: Tx,
  env: Env,
  now: {
    readonly device: DeviceId
    readonly package: string
    readonly values: string
    readonly transaction: TransactionId
  },
): Promise<void> {
  const held = await configurationOf(tx, now.device, now.package)
  const version = held.version + 1
  await tx.put(packageConfigurations, { ...held, current: now.values, version })
  await tx.put(configurationVersions, { ...now, version, at: env.now })
  actingOn(tx, env, { kind: 'device', id: now.device }, now.device).note('configuration.confirmed', {
    name: now.package,
    push: now.transaction,
  })
}

/** The configuration of a package on a device or a group; of one that has none: empty. */
export async function configurationOf(
  reader: Reader,
  subject: DeviceId | GroupId,
  name: string,
): Promise<PackageConfiguration> {
  const held = await reader.get(packageConfigurations, { subject, package: name })
  return held ?? { subject, package: name, staged: '', current: '', version: 0 }
}
