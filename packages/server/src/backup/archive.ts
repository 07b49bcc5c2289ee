/**
 * A backup's file as it is restored: where each member lies, and every record and entry verified, before anything is
 * written. Objects are left where they are: they are verified while they are copied, so that gigabytes are read once.
 */
import { createHash } from 'node:crypto'
import { open } from 'node:fs/promises'
import { type TarPlace, tarPlaces } from '../tar.ts'
import { BackupFault, isMemberName, type Manifest, type MemberSum, readManifest, wholeMax } from './format.ts'
import { compareMembers } from './verify.ts'

export interface Archive {
  readonly manifest: Manifest
  /** Members of lines, in order. */
  readonly lines: readonly TarPlace[]
  /** The objects; `sha` is what they are called, not yet what they are. */
  readonly objects: readonly { readonly sha: string; readonly size: number; readonly at: number }[]
  /** A member's bytes, at most `wholeMax`. */
  read(member: TarPlace): Promise<Buffer>
  close(): Promise<void>
}

/** Opens a backup. Throws a BackupFault or a TarFault that says what is wrong with it. */
export async function openArchive(path: string): Promise<Archive> {
  const file = await open(path, 'r')
  const read = async (at: number, length: number): Promise<Buffer> => {
    const bytes = Buffer.allocUnsafe(length)
    let got = 0
    while (got < length) {
      const { bytesRead } = await file.read(bytes, got, length - got, at + got)
      if (bytesRead === 0) break
      got += bytesRead
    }
    return bytes.subarray(0, got)
  }
  const whole = ({ name, size, at }: TarPlace) => {
    if (size > wholeMax) throw new BackupFault(`${name}: wanted at most ${wholeMax} bytes, got ${size}`)
    return read(at, size)
  }
  try {
    const sums: MemberSum[] = []
    const lines: TarPlace[] = []
    const objects: Archive['objects'][number][] = []
    let manifest: Manifest | undefined
    for await (const member of tarPlaces(read)) {
      const { name, size, at } = member
      if (!isMemberName(name))
        throw new BackupFault(`${JSON.stringify(name.slice(0, 200))}: wanted the name of a backup’s member`)
      if (manifest) throw new BackupFault(`${name}: wanted nothing behind the manifest`)
      if (name === 'manifest.json') manifest = readManifest((await whole(member)).toString('utf8'))
      else if (name.startsWith('objects/')) {
        const sha = name.slice('objects/'.length)
        objects.push({ sha, size, at })
        sums.push({ name, size, sha256: sha })
      } else {
        const sha256 = createHash('sha256')
          .update(await whole(member))
          .digest('hex')
        sums.push({ name, size, sha256 })
        if (name !== 'about.json') lines.push(member)
      }
    }
    if (!manifest) throw new BackupFault('wanted a manifest.json at its end, got none')
    compareMembers(manifest.members, sums)
    return { manifest, lines, objects, read: whole, close: () => file.close() }
  } catch (error) {
    await file.close()
    throw error
  }
}
