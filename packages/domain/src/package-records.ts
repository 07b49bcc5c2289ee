/**
 * The records of software packages: what there is, which types of devices may have it, what each device has, and the
 * configuration that goes with it. Types and collections alone; `packages.ts`, `package-plan.ts` and
 * `package-configurations.ts` say what may be done with them.
 */
import type { DeviceId, GroupId, Instant, ObjectSha, TransactionId } from './ids.ts'
import { collection } from './port.ts'

/** Software for devices: an image of any form, with what it needs and what it understands. */
export interface Package {
  readonly name: string
  /** The image's bytes, and how many. */
  readonly image: ObjectSha
  readonly size: number
  /** The module that specifies its operations and configuration, as it was named; and the container in it. */
  readonly file?: string
  readonly container?: string
  /** Packages that must be installed first. */
  readonly prerequisites: readonly string[]
  /** Packages that can be upgraded to this one. */
  readonly upgradeFrom: readonly string[]
  /** The devices that `push-package` works on. */
  readonly members: GroupId
  readonly createdAt: Instant
}
export const packages = collection<Package>()({
  name: 'packages',
  scope: 'tenant',
  key: ['name'],
  columns: { name: 'text', image: 'text', members: 'text' },
  indexes: [{ on: ['image', 'name'] }],
})

/** That devices of a type may have a package, and what its installer is told there. */
export interface AllowedPackage {
  readonly type: string
  readonly package: string
  readonly installArguments?: string
  readonly upgradeArguments?: string
  readonly uninstallArguments?: string
}
export const allowedPackages = collection<AllowedPackage>()({
  name: 'allowed_packages',
  scope: 'tenant',
  key: ['type', 'package'],
  columns: { type: 'text', package: 'text' },
  indexes: [{ on: ['package', 'type'] }],
})

/** What is done with packages on a device. */
export type PackageOperation = 'transmit' | 'install' | 'upgrade' | 'uninstall'

/** A package on a device: there, on its way, or on its way out. */
export interface DevicePackage {
  readonly device: DeviceId
  readonly package: string
  /** The device has it. */
  readonly installed: boolean
  /** What is under way with it, or was last. */
  readonly operation: PackageOperation
  readonly status: 'queued' | 'completed' | 'timeout' | 'dependency-failure' | 'other-error'
  readonly transaction: TransactionId
  readonly since: Instant
}
export const devicePackages = collection<DevicePackage>()({
  name: 'device_packages',
  scope: 'tenant',
  key: ['device', 'package'],
  columns: { device: 'text', package: 'text', installed: 'bool' },
  indexes: [{ on: ['package', 'device'] }],
})

/** How far an image has come to a device: what it has confirmed and need not be sent again. */
export interface Transfer {
  readonly transaction: TransactionId
  readonly package: string
  readonly device: DeviceId
  readonly confirmed: number
  /** How often it was begun again, because its checksum was not right. */
  readonly restarts?: number
}
export const transfers = collection<Transfer>()({
  name: 'transfers',
  scope: 'tenant',
  key: ['transaction', 'package'],
  columns: { transaction: 'text', package: 'text', device: 'text' },
  indexes: [{ on: ['device', 'transaction', 'package'] }],
  journaled: false,
})

/** Configuration of a package on one device, or the defaults of a group. JSON texts, empty where there is nothing. */
export interface PackageConfiguration {
  readonly subject: DeviceId | GroupId
  readonly package: string
  /** Edited, and not pushed yet. */
  readonly staged: string
  /** What is staged is all of it, and takes the place of what is there instead of being merged into it. */
  readonly whole?: true
  /** Of a device: what it has confirmed. Of a group: what was pushed to its members last. */
  readonly current: string
  readonly version: number
}
export const packageConfigurations = collection<PackageConfiguration>()({
  name: 'package_configurations',
  scope: 'tenant',
  key: ['subject', 'package'],
  columns: { subject: 'text', package: 'text' },
  texts: ['staged', 'current'],
})

/** A configuration that a device has confirmed: one row each time, so that it can be had again. */
export interface ConfigurationVersion {
  readonly device: DeviceId
  readonly package: string
  readonly version: number
  readonly values: string
  readonly transaction: TransactionId
  readonly at: Instant
}
export const configurationVersions = collection<ConfigurationVersion>()({
  name: 'configuration_versions',
  scope: 'tenant',
  key: ['device', 'package', 'version'],
  columns: { device: 'text', package: 'text', version: 'int' },
  texts: ['values'],
})
