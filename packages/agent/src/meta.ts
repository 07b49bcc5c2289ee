/**
 * Both metadata maps of a device: what it says about itself, and what its owner says to it.
 *
 * Device-meta goes up whole, and only when something changed that is worth a request or when the last one is
 * old; a clock that ticks and counters that count are not such a change. User-meta comes down whole: a key
 * that is gone is removed, and `null` counts as absent.
 */
import { canonicalJson } from '@waymark/pantahub'
import { writeDurably } from './durable.ts'
import type { AboutDevice } from './model.ts'
import type { Disk, Json } from './ports.ts'

export type Meta = Readonly<Record<string, Json>>

/** Keys whose values change all the time and are no reason to send. */
const restless = ['time', 'sysinfo', 'storage']

/** The whole of device-meta: the machine's facts overlaid by what the agent knows about its own work. */
export function deviceMeta(facts: Meta, about: AboutDevice): Meta {
  const flag = (on: boolean): string => (on ? '1' : '0')
  return {
    ...facts,
    'pantahub.state': about.state,
    'pantahub.claimed': flag(about.claimed),
    'pantahub.online': flag(about.online),
    'pantavisor.claimed': flag(about.claimed),
    'pantavisor.mode': 'remote',
    'pantavisor.status': about.stage ?? about.state,
    ...(about.rev === undefined ? {} : { 'pantavisor.revision': String(about.rev) }),
    ...(about.stateSha === undefined ? {} : { 'waymark.state-sha': about.stateSha }),
  }
}

/** What counts as a change, as one text. */
export function metaFingerprint(meta: Meta): string {
  return canonicalJson(Object.fromEntries(Object.entries(meta).filter(([key]) => !restless.includes(key))))
}

/** User-meta as a device keeps it: without the keys whose value is null. */
export function presentKeys(meta: Meta): Meta {
  return Object.fromEntries(Object.entries(meta).filter(([, value]) => value !== null))
}

export const userMetaPath = 'user-meta.json'

/** Keeps user-meta when it differs from what is kept. True when it did. */
export async function keepUserMeta(disk: Disk, meta: Meta): Promise<boolean> {
  const text = `${canonicalJson(presentKeys(meta))}\n`
  // No file and an empty map are the same.
  if (((await disk.readText(userMetaPath)) ?? '{}\n') === text) return false
  await writeDurably(disk, userMetaPath, text)
  return true
}
