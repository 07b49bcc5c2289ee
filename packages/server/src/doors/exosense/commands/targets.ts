/** What a command is addressed to: devices and groups, by the names that back ends know them by. */
import {
  type DeviceId,
  type Group,
  type GroupMember,
  groupByName,
  isHidden,
  membersOf,
  type Reader,
} from '@waymark/domain'
import { deviceByName } from './naming.ts'

export type Target =
  | { readonly kind: 'device'; readonly id: DeviceId }
  | { readonly kind: 'group'; readonly group: Group }

/** Devices and groups by name; undefined when one of them is neither. */
export async function targetsIn(
  reader: Reader,
  names: readonly string[],
): Promise<readonly Target[] | undefined> {
  const found: Target[] = []
  for (const name of new Set(names)) {
    const device = await deviceByName(reader, name)
    const group = device ? undefined : await groupByName(reader, name)
    if (device) found.push({ kind: 'device', id: device.device.id })
    else if (group && !isHidden(group)) found.push({ kind: 'group', group })
    else return undefined
  }
  return found
}

/** The devices behind targets, each once. */
export async function everyDevice(reader: Reader, targets: readonly Target[]): Promise<readonly DeviceId[]> {
  const found = new Set<DeviceId>()
  for (const target of targets) {
    if (target.kind === 'device') {
      found.add(target.id)
      continue
    }
    let after: GroupMember | undefined
    for (;;) {
      const page = await membersOf(reader, target.group.id, {
        limit: 500,
        ...(after === undefined ? {} : { after }),
      })
      for (const { device } of page) found.add(device)
      after = page.at(-1)
      if (page.length < 500) break
    }
  }
  return [...found]
}
