/**
 * Devices by the names that back ends know them by, in the order of these names. A device that came in by a back end has
 * such a name; one that came in otherwise is known by the name that people gave it. Both are read in order and merged.
 */
import {
  backEndNameOf,
  backEndNames,
  type Device,
  type DeviceId,
  type DeviceName,
  deviceNames,
  devices,
  type Reader,
} from '@waymark/domain'
import type { Page } from '../command.ts'

export interface NamedDevice {
  readonly name: string
  readonly device: Device
}

export async function deviceByName(reader: Reader, name: string): Promise<NamedDevice | undefined> {
  const own = (await reader.get(deviceNames, { door: backEndNames, name }))?.device
  const id = own ?? (await reader.get(deviceNames, { door: 'nick', name }))?.device
  const device = id && (await reader.get(devices, { id }))
  if (!device || device.garbage) return undefined
  return { name: own === undefined ? await backEndNameOf(reader, device) : name, device }
}

/** All of these devices by id, or the name that none has. */
export async function idsOfDevices(
  reader: Reader,
  names: readonly string[],
): Promise<{ readonly ids: readonly DeviceId[] } | { readonly missing: string }> {
  const ids: DeviceId[] = []
  for (const name of names) {
    const found = await deviceByName(reader, name)
    if (!found) return { missing: name }
    ids.push(found.device.id)
  }
  return { ids: [...new Set(ids)] }
}

export async function namesOfDevices(reader: Reader, all: readonly Device[]): Promise<string[]> {
  const names: string[] = []
  for (const device of all) names.push(await backEndNameOf(reader, device))
  return names
}

/** Devices in the order of their names, beyond one of them, as long as `wanted` says so; never more than the page. */
export async function devicesByName(
  reader: Reader,
  page: Page,
  wanted: (named: NamedDevice) => boolean | Promise<boolean> = () => true,
): Promise<readonly NamedDevice[]> {
  const found: NamedDevice[] = []
  if (page.n === 0) return found
  const streams = [namesOf(reader, backEndNames, page), namesOf(reader, 'nick', page)] as const
  let heads = [await streams[0].next(), await streams[1].next()] as const
  let lastOwn: string | undefined
  for (let seen = 0; found.length < page.n; seen++) {
    const [own, nick] = heads
    if (own.done && nick.done) break
    const first = nick.done || (!own.done && precedes(own.value.name, nick.value.name, page)) ? 0 : 1
    const row = heads[first].value as DeviceName
    if (first === 0) lastOwn = row.name
    // Of one name a back end's own comes first, and has just had its turn.
    const twice = first === 1 && lastOwn === row.name
    const device = twice ? undefined : await reader.get(devices, { id: row.device })
    // Known to back ends by another name: it has its turn there.
    const elsewhere = first === 1 && device && (await backEndNameOf(reader, device)) !== row.name
    if (device && !device.garbage && !elsewhere) {
      const named = { name: row.name, device }
      if (await wanted(named)) found.push(named)
    }
    heads = first === 0 ? [await streams[0].next(), heads[1]] : ([heads[0], await streams[1].next()] as const)
    if (seen % 500 === 499) await new Promise((resolve) => setImmediate(resolve))
  }
  return found
}

function precedes(a: string, b: string, page: Page): boolean {
  const order = Buffer.compare(Buffer.from(a), Buffer.from(b))
  return page.descending ? order >= 0 : order <= 0
}

async function* namesOf(reader: Reader, door: string, page: Page): AsyncGenerator<DeviceName, undefined> {
  let beyond = page.previous
  const limit = Math.min(1000, page.n + 1)
  for (;;) {
    const rows: DeviceName[] = await reader.find(deviceNames, {
      where: {
        door,
        ...(beyond === '' ? {} : { name: page.descending ? { lt: beyond } : { gt: beyond } }),
      },
      order: page.descending ? ['-door', '-name'] : ['door', 'name'],
      limit,
    })
    yield* rows
    const last = rows.at(-1)
    if (!last || rows.length < limit) return undefined
    beyond = last.name
  }
}
