/**
 * What has to be done on a device to install, upgrade or uninstall a package: steps in order, or why not.
 *
 * A plan is made when it is asked for, so that what can not be is refused at once, and again when it is sent, because by
 * then the device may have more, or less, than it had. It looks at records alone and changes nothing.
 */
import type { DeviceId } from './ids.ts'
import {
  type AllowedPackage,
  allowedPackages,
  devicePackages,
  type Package,
  type PackageOperation,
  packages,
} from './package-records.ts'
import type { Reader } from './port.ts'
import { type Device, devices } from './records.ts'
import { ok, type Result, refuse } from './result.ts'

/** What is asked: the payload of a transaction of packages. */
export interface AskedPackage {
  readonly operation: PackageOperation
  readonly package: string
  /** Of an upgrade: what it replaces; absent: whichever installed package it can replace. */
  readonly from?: string
  /** Prerequisites that are missing are installed first. */
  readonly recursive: boolean
  /** What nothing needs any more is uninstalled afterwards. */
  readonly removeUnused: boolean
  /** The configuration it begins with, as JSON text; absent: what its schema says. */
  readonly values?: string
  readonly callId: string
}

export interface PackageStep {
  readonly operation: PackageOperation
  readonly package: Package
  readonly from?: string
  readonly arguments?: string
}

export type PackagePlanRefusal =
  | { readonly kind: 'no-such-package'; readonly got: string }
  | { readonly kind: 'unsupported-package'; readonly type: string; readonly package: string }
  | { readonly kind: 'dependency-failure'; readonly chain: readonly string[] }
  | { readonly kind: 'not-installed'; readonly package: string }
  | { readonly kind: 'device-unknown'; readonly device: DeviceId }

/** Packages looked at for one plan: more is no sane tree. */
const planMax = 1000

/** The steps that bring a device from what it has to what is asked; none if it is so already. */
export async function planFor(
  reader: Reader,
  id: DeviceId,
  asked: AskedPackage,
): Promise<Result<readonly PackageStep[], PackagePlanRefusal>> {
  const device = await reader.get(devices, { id })
  if (!device || device.garbage) return refuse({ kind: 'device-unknown', device: id })
  const wanted = await reader.get(packages, { name: asked.package })
  if (!wanted) return refuse({ kind: 'no-such-package', got: asked.package })
  const installed = new Set<string>()
  for (const row of await reader.find(devicePackages, { where: { device: id } }))
    if (row.installed) installed.add(row.package)
  const plan = new Plan(reader, device, installed)
  switch (asked.operation) {
    case 'transmit':
    case 'install':
      return plan.install(wanted, asked.operation, asked.recursive)
    case 'upgrade':
      return plan.upgrade(wanted, asked)
    case 'uninstall':
      return plan.uninstall(wanted, asked.removeUnused)
  }
}

class Plan {
  readonly #reader: Reader
  readonly #device: Device
  /** What the device has after the steps so far. */
  readonly #has: Set<string>
  readonly #steps: PackageStep[] = []

  constructor(reader: Reader, device: Device, has: Set<string>) {
    this.#reader = reader
    this.#device = device
    this.#has = has
  }

  async install(
    wanted: Package,
    operation: 'transmit' | 'install',
    recursive: boolean,
  ): Promise<Result<readonly PackageStep[], PackagePlanRefusal>> {
    if (operation === 'install' && this.#has.has(wanted.name)) return ok([])
    const refused =
      operation === 'install' ? await this.#prerequisites(wanted, recursive, [wanted.name]) : undefined
    if (refused) return refuse(refused)
    return this.#add(wanted, operation)
  }

  async upgrade(
    wanted: Package,
    asked: AskedPackage,
  ): Promise<Result<readonly PackageStep[], PackagePlanRefusal>> {
    if (this.#has.has(wanted.name)) return ok([])
    const from = asked.from ?? wanted.upgradeFrom.find((name) => this.#has.has(name))
    if (from === undefined || !this.#has.has(from))
      return refuse({ kind: 'not-installed', package: from ?? wanted.name })
    if (!wanted.upgradeFrom.includes(from))
      return refuse({ kind: 'dependency-failure', chain: [wanted.name, from] })
    const refused = await this.#prerequisites(wanted, asked.recursive, [wanted.name])
    if (refused) return refuse(refused)
    const dependents = await this.#dependents(from, [from])
    if (dependents.length > 0) return refuse({ kind: 'dependency-failure', chain: [from, ...dependents] })
    const before = await this.#reader.get(packages, { name: from })
    this.#has.delete(from)
    const added = await this.#add(wanted, 'upgrade', from)
    if (added.ok && asked.removeUnused && before) await this.#removeUnused(before)
    return added.ok ? ok(this.#steps) : added
  }

  async uninstall(
    wanted: Package,
    removeUnused: boolean,
  ): Promise<Result<readonly PackageStep[], PackagePlanRefusal>> {
    if (!this.#has.has(wanted.name)) return refuse({ kind: 'not-installed', package: wanted.name })
    const dependents = await this.#dependents(wanted.name, [wanted.name])
    if (dependents.length > 0)
      return refuse({ kind: 'dependency-failure', chain: [wanted.name, ...dependents] })
    await this.#take(wanted)
    if (removeUnused) await this.#removeUnused(wanted)
    return ok(this.#steps)
  }

  /** Puts what is missing first; the refusal names the chain that leads to it. */
  async #prerequisites(
    of: Package,
    recursive: boolean,
    chain: readonly string[],
  ): Promise<PackagePlanRefusal | undefined> {
    for (const name of of.prerequisites) {
      if (this.#has.has(name)) continue
      const way = [...chain, name]
      if (!recursive || chain.includes(name) || this.#steps.length >= planMax)
        return { kind: 'dependency-failure', chain: way }
      const needed = await this.#reader.get(packages, { name })
      if (!needed) return { kind: 'dependency-failure', chain: way }
      const refused = await this.#prerequisites(needed, recursive, way)
      if (refused) return refused
      const added = await this.#add(needed, 'install')
      if (!added.ok) return added.refusal
    }
    return undefined
  }

  async #add(
    wanted: Package,
    operation: Exclude<PackageOperation, 'uninstall'>,
    from?: string,
  ): Promise<Result<readonly PackageStep[], PackagePlanRefusal>> {
    const allowed = await this.#allowed(wanted.name)
    if (!allowed)
      return refuse({ kind: 'unsupported-package', type: this.#device.type, package: wanted.name })
    const told = operation === 'upgrade' ? allowed.upgradeArguments : allowed.installArguments
    this.#steps.push({
      operation,
      package: wanted,
      ...(from === undefined ? {} : { from }),
      ...(told === undefined ? {} : { arguments: told }),
    })
    this.#has.add(wanted.name)
    return ok(this.#steps)
  }

  async #take(gone: Package): Promise<void> {
    const told = (await this.#allowed(gone.name))?.uninstallArguments
    this.#steps.push({
      operation: 'uninstall',
      package: gone,
      ...(told === undefined ? {} : { arguments: told }),
    })
    this.#has.delete(gone.name)
  }

  #allowed(name: string): Promise<AllowedPackage | undefined> {
    return this.#reader.get(allowedPackages, { type: this.#device.type, package: name })
  }

  /** Installed packages that need this one, apart from those named. */
  async #dependents(name: string, apart: readonly string[]): Promise<readonly string[]> {
    const found: string[] = []
    for (const other of this.#has) {
      if (apart.includes(other)) continue
      const held = await this.#reader.get(packages, { name: other })
      if (held?.prerequisites.includes(name)) found.push(other)
    }
    return found
  }

  /** Uninstalls the prerequisites of what is gone that nothing else needs, and theirs. */
  async #removeUnused(gone: Package): Promise<void> {
    for (const name of gone.prerequisites) {
      if (!this.#has.has(name) || this.#steps.length >= planMax) continue
      const held = await this.#reader.get(packages, { name })
      if (!held || (await this.#dependents(name, [name])).length > 0) continue
      await this.#take(held)
      await this.#removeUnused(held)
    }
  }
}

/** A refusal in Exosense's word for it, and in words for people. */
export function describePlanRefusal(refusal: PackagePlanRefusal): string {
  switch (refusal.kind) {
    case 'no-such-package':
      return `unsupported-package: there is no package ${refusal.got}`
    case 'unsupported-package':
      return `unsupported-package: devices of type ${refusal.type} do not take ${refusal.package}`
    case 'dependency-failure':
      return `dependency-failure: ${refusal.chain.join(' needs ')}`
    case 'not-installed':
      return `not-installed: ${refusal.package} is not installed`
    case 'device-unknown':
      return `device-unknown: there is no device ${refusal.device}`
  }
}
