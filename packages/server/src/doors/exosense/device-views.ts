/**
 * What back ends are shown of a device, remembered until a commit names it. Back ends look devices up far more often than
 * anybody changes them, and the journal names the device of every change: a renaming, a deletion, another attribute.
 */
import type { DeviceId, Store, TenantId } from '@waymark/domain'
import type { JsonObject } from '@waymark/yang'

/** Devices remembered; beyond, all are forgotten and come back as they are asked for. */
const mostRemembered = 50_000

export type DeviceViews = ReturnType<typeof createDeviceViews>

export function createDeviceViews(store: Store) {
  const byName = new Map<string, { readonly device: DeviceId; readonly view: JsonObject }>()
  const namesOf = new Map<DeviceId, string[]>()
  let commits = 0

  function forgetAll(): void {
    byName.clear()
    namesOf.clear()
  }
  store.onCommit(({ devices }) => {
    commits += 1
    if (devices === 'any') return forgetAll()
    for (const device of devices) {
      for (const key of namesOf.get(device) ?? []) byName.delete(key)
      namesOf.delete(device)
    }
  })

  /** The view of a device by its name, made by `make` when it is not at hand; undefined: there is no such device. */
  async function view(
    tenant: TenantId,
    name: string,
    make: () => Promise<{ readonly device: DeviceId; readonly view: JsonObject } | undefined>,
  ): Promise<JsonObject | undefined> {
    const key = `${tenant} ${name}`
    const held = byName.get(key)
    if (held) return held.view
    const asOf = commits
    const made = await make()
    // What was read while something was committed may be older than that.
    if (made && asOf === commits) {
      if (byName.size >= mostRemembered) forgetAll()
      byName.set(key, made)
      namesOf.set(made.device, [...(namesOf.get(made.device) ?? []), key])
    }
    return made?.view
  }

  return { view }
}
