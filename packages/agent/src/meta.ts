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
import { asObject } from './wire.ts'

export type Meta = Readonly<Record<string, Json>>

/** Keys whose values change all the time and are no reason to send. */
const restless = ['time', 'sysinfo', 'storage']

/** What the device adds that neither the machine nor the trail tells. */
export interface MoreMeta {
  /** How the running revision is called; its number unless given. */
  readonly revision?: string | undefined
  readonly mode?: 'remote' | 'local'
  /** What programs on the device have put there. */
  readonly own?: Meta
}

/** The whole of device-meta: facts of the machine and of its programs, overlaid by what the agent knows of its own work. */
export function deviceMeta(
  facts: Meta,
  about: AboutDevice,
  { revision, mode = 'remote', own = {} }: MoreMeta = {},
): Meta {
  const flag = (on: boolean): string => (on ? '1' : '0')
  return {
    ...facts,
    ...own,
    ...(mode === 'remote' ? { 'pantahub.state': about.state } : {}),
    'pantahub.claimed': flag(about.claimed),
    'pantahub.online': flag(about.online),
    'pantavisor.claimed': flag(about.claimed),
    'pantavisor.mode': mode,
    'pantavisor.status': about.stage ?? about.state,
    ...(about.rev === undefined ? {} : { 'pantavisor.revision': revision ?? String(about.rev) }),
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

export const ownMetaPath = 'device-meta.json'

/** What programs on the device have put into device-meta. A file that cannot be read counts as empty. */
export async function readOwnMeta(disk: Disk, path = ownMetaPath): Promise<Meta> {
  try {
    // What JSON.parse gave is JSON all the way down.
    return (asObject(JSON.parse((await disk.readText(path)) ?? '{}')) ?? {}) as Meta
  } catch {
    return {}
  }
}

/** Replaces one of the maps kept on the device. */
export async function keepOwnMeta(disk: Disk, meta: Meta, path = ownMetaPath): Promise<void> {
  await writeDurably(disk, path, `${canonicalJson(meta)}\n`)
}
