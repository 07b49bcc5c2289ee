/** Reading a backup through: every member there, whole, and what the manifest says. */
import { createReadStream } from 'node:fs'
import { type ReadMember, tarMembers } from '../tar.ts'
import {
  asFault,
  BackupFault,
  isMemberName,
  type Manifest,
  type MemberSum,
  readManifest,
  summed,
  wholeOf,
} from './format.ts'

/** The manifest of a backup that is whole. Throws a BackupFault that names the file and what is wrong with it. */
export async function verifyBackup(file: string): Promise<Manifest> {
  const found: MemberSum[] = []
  let manifest: Manifest | undefined
  try {
    for await (const member of membersOf(file)) {
      if (!isMemberName(member.name))
        throw new BackupFault(
          `${JSON.stringify(member.name.slice(0, 200))}: wanted the name of a backup’s member`,
        )
      if (manifest) throw new BackupFault(`${member.name}: wanted nothing behind the manifest`)
      if (member.name === 'manifest.json') manifest = readManifest((await wholeOf(member)).toString('utf8'))
      else found.push(await sumOf(member))
    }
    if (!manifest) throw new BackupFault('wanted a manifest.json at its end, got none')
    compareMembers(manifest.members, found)
    return manifest
  } catch (error) {
    throw asFault(file, error)
  }
}

/** The members of a backup's file. */
export function membersOf(file: string): AsyncGenerator<ReadMember> {
  return tarMembers(createReadStream(file, { highWaterMark: 1024 * 1024 }) as AsyncIterable<Uint8Array>)
}

async function sumOf({ name, size, bytes }: ReadMember): Promise<MemberSum> {
  let sha256 = ''
  const passing = summed(bytes, (sum) => {
    sha256 = sum
  })
  for await (const _piece of passing) {
    // Only its sum is wanted.
  }
  return { name, size, sha256 }
}

/** Throws a BackupFault at the first member that is not what the manifest says, or is not there. */
export function compareMembers(wanted: readonly MemberSum[], found: readonly MemberSum[]): void {
  for (const [at, member] of found.entries()) {
    const said = wanted[at]
    if (said?.name !== member.name)
      throw new BackupFault(`${member.name}: wanted ${said?.name ?? 'nothing more'} in its place`)
    if (said.size !== member.size || said.sha256 !== member.sha256)
      throw new BackupFault(
        `${member.name}: wanted ${said.size} bytes with sha256 ${said.sha256}, got ${member.size} with ${member.sha256}`,
      )
  }
  const missing = wanted[found.length]
  if (missing) throw new BackupFault(`${missing.name}: wanted it, got the end`)
}
