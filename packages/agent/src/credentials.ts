/**
 * Who this device is, as kept on its disk: `KEY=value` lines, in one file before the claim and another after.
 *
 * Two files rather than a flag, as Pantavisor has it: an unclaimed identity may be thrown away and registered
 * anew, a claimed one never is.
 */
import { removeDurably, writeDurably } from './durable.ts'
import type { Identity } from './hub.ts'
import type { Disk } from './ports.ts'

export const claimedPath = 'phconfig/pantahub.config'
export const unclaimedPath = 'phconfig/unclaimed.config'

/** An identity and whether somebody owns it. */
export interface StoredIdentity {
  readonly identity: Identity
  readonly claimed: boolean
}

/** Reads `KEY=value` lines; `#` starts a comment line, blank lines count for nothing. */
export function parseKeyValues(text: string): ReadonlyMap<string, string> {
  const pairs = new Map<string, string>()
  for (const raw of text.split('\n')) {
    const line = raw.trim()
    const at = line.indexOf('=')
    if (line === '' || line.startsWith('#') || at < 0) continue
    pairs.set(line.slice(0, at).trim(), line.slice(at + 1).trim())
  }
  return pairs
}

/** The lines of a credentials file. */
export function printCredentials(identity: Identity, hub: string): string {
  return [
    `PH_CREDS_HOST=${hub}`,
    `PH_CREDS_ID=${identity.id}`,
    `PH_CREDS_PRN=${identity.prn}`,
    `PH_CREDS_SECRET=${identity.secret}`,
    '',
  ].join('\n')
}

/** The identity in such a file; undefined when a part is missing. */
export function parseCredentials(text: string): Identity | undefined {
  const pairs = parseKeyValues(text)
  const id = pairs.get('PH_CREDS_ID') ?? ''
  const prn = pairs.get('PH_CREDS_PRN') ?? ''
  const secret = pairs.get('PH_CREDS_SECRET') ?? ''
  return id === '' || prn === '' || secret === '' ? undefined : { id, prn, secret }
}

/** The claimed identity if there is one, else the unclaimed one. */
export async function readIdentity(disk: Disk): Promise<StoredIdentity | undefined> {
  for (const claimed of [true, false]) {
    const text = await disk.readText(claimed ? claimedPath : unclaimedPath)
    const identity = text === undefined ? undefined : parseCredentials(text)
    if (identity) return { identity, claimed }
  }
  return undefined
}

/**
 * Keeps an identity. The claimed file is safe before the unclaimed one goes; a crash in between leaves both,
 * and the claimed one counts. `device-id`, `challenge` and `pantahub-host` are for programs on the device.
 */
export async function keepIdentity(
  disk: Disk,
  stored: StoredIdentity,
  about: { readonly hub: string; readonly challenge: string },
): Promise<void> {
  const text = printCredentials(stored.identity, about.hub)
  await writeDurably(disk, stored.claimed ? claimedPath : unclaimedPath, text, { secret: true })
  if (stored.claimed) await removeDurably(disk, unclaimedPath)
  await writeDurably(disk, 'device-id', `${stored.identity.id}\n`)
  await writeDurably(disk, 'pantahub-host', `${about.hub}\n`)
  await writeDurably(disk, 'challenge', about.challenge === '' ? '' : `${about.challenge}\n`)
}

/** Forgets both identities: the next start, or the next login, is that of a new device. */
export async function forgetIdentity(disk: Disk): Promise<void> {
  await removeDurably(disk, claimedPath)
  await removeDurably(disk, unclaimedPath)
  for (const path of ['device-id', 'challenge']) await removeDurably(disk, path)
}
