/**
 * Configuration of packages: on each device what it has confirmed, what is edited and not pushed yet, and what it had
 * before; on a group the defaults that its members are sent.
 *
 * Edits are kept at once and send nothing. A push gathers all that is staged for a device, across packages, into one
 * transaction. What a member of a group is sent is its own configuration with the group's edits on top; what is changed at
 * a member never comes back to the group, and whatever is written last stands. When a device has confirmed, that is what it
 * has, and a row of its history; when it has not, its edits are back to be corrected.
 */

import type { Merge } from './configurations.ts'
import type { Env } from './env.ts'
import { leaveToTrail, submitToGroup } from './group-transactions.ts'
import type { DeviceId, GroupId } from './ids.ts'
import { actingOn } from './journal.ts'
import { configurationOf, keepConfiguration } from './package-confirmed.ts'
import {
  type ConfigurationVersion,
  configurationVersions,
  devicePackages,
  type PackageConfiguration,
  packageConfigurations,
  packages,
} from './package-records.ts'
import type { Actor, Reader, Tx } from './port.ts'
import type { Notify, Transaction } from './records.ts'
import { ok, type Result, refuse } from './result.ts'
import { payloadOf, submit, type TransactionRefusal } from './transactions.ts'

export type PackageConfigurationRefusal =
  | { readonly kind: 'no-such-package'; readonly got: string }
  | { readonly kind: 'not-installed'; readonly package: string }
  | { readonly kind: 'no-such-version'; readonly got: number }
  | TransactionRefusal

/** Whose configuration: a device's, or a group's defaults. */
export type Subject =
  | { readonly kind: 'device'; readonly id: DeviceId }
  | { readonly kind: 'group'; readonly id: GroupId }

/** Edits of one package, as JSON text; `whole`: they take the place of what is there. */
export interface PushedPackage {
  readonly package: string
  readonly values: string
  readonly whole?: true
}

/** What a push carries: the edits by package. */
export interface PushedPackages {
  readonly packages: readonly PushedPackage[]
  readonly callId: string
}

/** Edits: merged into what is staged, nothing is sent. A device has configuration of installed packages alone. */
export async function stageConfiguration(
  tx: Tx,
  env: Env,
  asked: {
    readonly subject: Subject
    readonly package: string
    readonly values: string
    readonly merge: Merge
    readonly by: Actor
  },
): Promise<Result<PackageConfiguration, PackageConfigurationRefusal>> {
  const { subject, by } = asked
  if (!(await tx.get(packages, { name: asked.package })))
    return refuse({ kind: 'no-such-package', got: asked.package })
  if (subject.kind === 'device') {
    const row = await tx.get(devicePackages, { device: subject.id, package: asked.package })
    if (!row?.installed) return refuse({ kind: 'not-installed', package: asked.package })
  }
  const held = await configurationOf(tx, subject.id, asked.package)
  const staged = { ...held, staged: asked.merge(held.staged, asked.values) }
  await tx.put(packageConfigurations, staged)
  actingOn(tx, env, by, subject.kind === 'device' ? subject.id : undefined).note('configuration.staged', {
    package: asked.package,
    ...(subject.kind === 'group' ? { group: subject.id } : {}),
  })
  return ok(staged)
}

/**
 * Pushes what is staged for a device or a group, of one package or all, as one transaction; undefined: nothing is staged.
 */
export async function pushPackageConfigurations(
  tx: Tx,
  env: Env,
  asked: {
    readonly subject: Subject
    readonly package?: string
    readonly notify?: Notify
    readonly callId: string
    readonly ttlMs?: number
    readonly merge: Merge
    readonly by: Actor
  },
): Promise<Result<Transaction | undefined, PackageConfigurationRefusal>> {
  const { subject } = asked
  const rows = await tx.find(packageConfigurations, {
    where: { subject: subject.id, ...(asked.package === undefined ? {} : { package: asked.package }) },
    order: ['subject', 'package'],
  })
  const staged = rows.filter((row) => row.staged !== '')
  if (staged.length === 0) return ok(undefined)
  const payload: PushedPackages = {
    packages: staged.map((row) => ({
      package: row.package,
      values: row.staged,
      ...(row.whole === undefined ? {} : { whole: row.whole }),
    })),
    callId: asked.callId,
  }
  for (const { whole: _, ...row } of staged)
    await tx.put(packageConfigurations, {
      ...row,
      staged: '',
      ...(subject.kind === 'group' ? { current: asked.merge(row.current, row.staged) } : {}),
    })
  const submission = {
    kind: 'configuration' as const,
    payload: { ...payload, packages: payload.packages.map((each) => ({ ...each })) },
    by: asked.by,
    ...(asked.notify === undefined ? {} : { notify: asked.notify }),
    ...(asked.ttlMs === undefined ? {} : { ttlMs: asked.ttlMs }),
  }
  if (subject.kind === 'group') return submitToGroup(tx, env, { ...submission, group: subject.id })
  const submitted = await submit(tx, env, { ...submission, device: subject.id })
  if (submitted.ok) await leaveToTrail(tx, env, submitted.value)
  return submitted
}

/** What a device is to have of a package when a push has reached it: what it has, with the push's edits on top. */
export async function effectiveConfiguration(
  reader: Reader,
  device: DeviceId,
  edit: PushedPackage,
  merge: Merge,
): Promise<string> {
  if (edit.whole) return edit.values
  return merge((await configurationOf(reader, device, edit.package)).current, edit.values)
}

/** The edits of a push, if a transaction is one of packages' configuration. */
export async function pushedPackages(
  reader: Reader,
  asked: Transaction,
): Promise<PushedPackages | undefined> {
  if (asked.kind !== 'configuration') return undefined
  const payload = await payloadOf(reader, asked)
  return typeof payload === 'object' && payload !== null && 'packages' in payload
    ? (payload as unknown as PushedPackages)
    : undefined
}

/**
 * A device's push has ended. Done: what it was sent is what it has, and history. Otherwise a device's own edits are staged
 * again beneath what was edited since; a group's edits stay the group's.
 */
export async function settlePackageConfigurations(
  tx: Tx,
  env: Env,
  ended: Transaction,
  merge: Merge,
): Promise<void> {
  const pushed = await pushedPackages(tx, ended)
  const { device } = ended
  if (!pushed || device === undefined || ended.open) return
  for (const edit of pushed.packages) {
    const held = await configurationOf(tx, device, edit.package)
    const has = await tx.get(devicePackages, { device, package: edit.package })
    // A member that does not have the package has no configuration of it.
    if (!has?.installed) continue
    if (ended.state !== 'done') {
      if (ended.parent !== undefined) continue
      // What was staged whole since stands for itself.
      if (!held.whole)
        await tx.put(packageConfigurations, {
          ...held,
          staged: merge(edit.values, held.staged),
          ...(edit.whole === undefined ? {} : { whole: edit.whole }),
        })
      actingOn(tx, env, ended.by, device).note('configuration.staged', { package: edit.package })
      continue
    }
    await keepConfiguration(tx, env, {
      device,
      package: edit.package,
      values: edit.whole ? edit.values : merge(held.current, edit.values),
      transaction: ended.id,
    })
  }
}

/** What a device had before is staged again, whole: a push of it also takes away what was added since. */
export async function stageVersion(
  tx: Tx,
  env: Env,
  asked: {
    readonly device: DeviceId
    readonly package: string
    readonly version: number
    readonly by: Actor
  },
): Promise<Result<ConfigurationVersion, PackageConfigurationRefusal>> {
  const { device, version } = asked
  const row = await tx.get(configurationVersions, { device, package: asked.package, version })
  if (!row) return refuse({ kind: 'no-such-version', got: version })
  const held = await configurationOf(tx, device, asked.package)
  await tx.put(packageConfigurations, { ...held, staged: row.values, whole: true })
  actingOn(tx, env, asked.by, device).note('configuration.staged', { package: asked.package, version })
  return ok(row)
}

/** Everything staged or confirmed for a device or a group. */
export async function configurationsOf(
  reader: Reader,
  subject: DeviceId | GroupId,
): Promise<readonly PackageConfiguration[]> {
  return reader.find(packageConfigurations, { where: { subject }, order: ['subject', 'package'] })
}

/** What a device has confirmed of a package, newest first. */
export async function versionsOf(
  reader: Reader,
  device: DeviceId,
  name: string,
  limit: number,
): Promise<readonly ConfigurationVersion[]> {
  return reader.find(configurationVersions, {
    where: { device, package: name },
    order: ['-device', '-package', '-version'],
    limit,
  })
}
