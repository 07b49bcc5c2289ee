/**
 * How operations on packages end, step by step: what a device has changes, and whoever wants to know is told, in the commit
 * that ends the step.
 */
import { enqueueAbout } from './deliveries.ts'
import type { Env } from './env.ts'
import type { DeviceId } from './ids.ts'
import { actingOn } from './journal.ts'
import type { AskedPackage, PackageStep } from './package-plan.ts'
import { type DevicePackage, devicePackages, packageConfigurations, transfers } from './package-records.ts'
import type { Tx } from './port.ts'
import { type Transaction, transactions } from './records.ts'

/** The state of a package's operation as Exosense tells it. */
export type PackageStatus =
  | 'transmitted'
  | 'transmit-failed'
  | 'installed'
  | 'install-failed'
  | 'upgraded'
  | 'upgrade-failed'
  | 'uninstalled'
  | 'uninstall-failed'
  | 'not-installed'
  | 'unsupported-package'
  | 'dependency-failure'
  | 'timeout'

const words = {
  transmit: { done: 'transmitted', failed: 'transmit-failed' },
  install: { done: 'installed', failed: 'install-failed' },
  upgrade: { done: 'upgraded', failed: 'upgrade-failed' },
  uninstall: { done: 'uninstalled', failed: 'uninstall-failed' },
} as const

/** A step has ended on the device: what it has changes in this commit, and whoever wants to know is told. */
export async function endPackageStep(
  tx: Tx,
  env: Env,
  asked: Transaction,
  step: Pick<PackageStep, 'operation' | 'from'> & { readonly package: { readonly name: string } },
  /** `quiet`: it is true of the device, but nobody waits to be told. */
  how: { readonly done: boolean; readonly last: boolean; readonly quiet?: boolean },
): Promise<void> {
  const { device } = asked
  const { done } = how
  if (device === undefined) return
  const name = step.package.name
  await keepStatus(tx, env, asked, name, {
    operation: step.operation,
    status: done ? 'completed' : 'other-error',
    ...(done && step.operation !== 'transmit' ? { installed: step.operation !== 'uninstall' } : {}),
  })
  if (done && step.from !== undefined) {
    await keepStatus(tx, env, asked, step.from, {
      operation: 'uninstall',
      status: 'completed',
      installed: false,
    })
    await moveConfiguration(tx, device, step.from, name)
  }
  if (done && step.operation === 'uninstall')
    await tx.remove(packageConfigurations, { subject: device, package: name })
  await tx.remove(transfers, { transaction: asked.id, package: name })
  if (!how.quiet)
    await tell(tx, env, asked, name, words[step.operation][done ? 'done' : 'failed'], how.last || !done)
}

/** An upgrade takes the configuration along: the new schema has been seen to fit, or replaces what does not. */
async function moveConfiguration(tx: Tx, device: DeviceId, from: string, to: string): Promise<void> {
  const held = await tx.get(packageConfigurations, { subject: device, package: from })
  const there = await tx.get(packageConfigurations, { subject: device, package: to })
  if (held && !there) await tx.put(packageConfigurations, { ...held, package: to })
  if (held) await tx.remove(packageConfigurations, held)
}

/** What was asked has ended without its steps: told of, once for each package that was on its way. */
export async function endPackage(
  tx: Tx,
  env: Env,
  ended: Transaction,
  payload: Pick<AskedPackage, 'package' | 'operation'>,
): Promise<void> {
  const { device } = ended
  if (device === undefined) return
  const status: DevicePackage['status'] = ended.state === 'timed-out' ? 'timeout' : 'other-error'
  const rows = (await tx.find(devicePackages, { where: { device } })).filter(
    (row) => row.transaction === ended.id,
  )
  for (const row of rows) if (row.status === 'queued') await tx.put(devicePackages, { ...row, status })
  for (const row of await tx.find(transfers, { where: { device } }))
    if (row.transaction === ended.id) await tx.remove(transfers, row)
  if (ended.state === 'done') return
  const word = ended.reason?.split(':')[0] ?? ''
  const known = ['unsupported-package', 'dependency-failure', 'not-installed'].find((each) => each === word)
  const given = ended.state === 'timed-out' ? 'timeout' : (known as PackageStatus | undefined)
  // A step that failed has been told of by itself.
  const wasTold = rows.some((row) => row.status === 'other-error')
  if (given !== undefined || !wasTold)
    await tell(tx, env, ended, payload.package, given ?? words[payload.operation].failed, true)
}

async function tell(
  tx: Tx,
  env: Env,
  asked: Transaction,
  name: string,
  status: PackageStatus,
  final: boolean,
): Promise<void> {
  const about = asked.parent === undefined ? asked : await tx.get(transactions, { id: asked.parent })
  if (!about?.notify || asked.device === undefined) return
  await enqueueAbout(tx, env, about.notify, asked.device, {
    kind: 'package',
    transaction: about.id,
    member: asked.id,
    device: asked.device,
    package: name,
    status,
    final,
  })
}

export async function keepStatus(
  tx: Tx,
  env: Env,
  asked: Transaction,
  name: string,
  now: Pick<DevicePackage, 'operation' | 'status'> & { readonly installed?: boolean },
): Promise<void> {
  const { device } = asked
  if (device === undefined) return
  const held = await tx.get(devicePackages, { device, package: name })
  await tx.put(devicePackages, {
    device,
    package: name,
    installed: held?.installed ?? false,
    transaction: asked.id,
    since: env.now,
    ...now,
  })
  actingOn(tx, env, asked.by, device).note('package.moved', {
    package: name,
    operation: now.operation,
    status: now.status,
    transaction: asked.id,
  })
}
