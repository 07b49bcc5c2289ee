/**
 * What a backup is: one tar archive whose members are read without knowing which database they came from.
 *
 *     about.json                    the form's number, when it was begun, by which version, from which kind of database
 *     main/records-000001.jsonl     a line a record: [collection, tenant or null, record]
 *     main/journal-000001.jsonl     a line an entry: [tenant or "house", entry], in the order of commits
 *     telemetry/…                   the same of presence and logs
 *     objects/<sha256>              the bytes, once each
 *     manifest.json                 every member above with its size and sha256
 *
 * The master key, which opens sealed secrets and signs tokens, is not inside; the manifest says where it lay and bears a
 * mark by which the right one is known again. Hashes of passwords and challenges of unclaimed devices are inside: a backup
 * is written for its owner's eyes alone (mode 600).
 */
import { createHash, createHmac } from 'node:crypto'
import { type AnyCollection, leases, mainCollections, telemetryCollections } from '@waymark/domain'
import { type ReadMember, TarFault } from '../tar.ts'

export const backupForm = 1

/** What a backup holds of each store. Who holds which chore is nobody's business after a restore. */
export const parts = {
  main: mainCollections.filter(({ name }) => name !== leases.name),
  telemetry: telemetryCollections,
} as const satisfies Record<string, readonly AnyCollection[]>
export type Part = keyof typeof parts

/** A member of lines is at most about so large: it is held in memory. */
export const linesMax = 4 * 1024 * 1024
/** Longest member that is read as a whole: one line may be as long as the longest record. */
export const wholeMax = 160 * 1024 * 1024

export interface MemberSum {
  readonly name: string
  readonly size: number
  readonly sha256: string
}

export interface Manifest {
  readonly form: number
  readonly begunAt: string
  readonly version: string
  readonly from: 'sqlite' | 'postgresql'
  readonly key: {
    readonly inside: false
    /** Where the master key lay. */
    readonly at: string
    /** Tells whether a key is the one; absent when the key could not be read. */
    readonly mark?: string
  }
  readonly counts: {
    readonly records: number
    readonly entries: number
    readonly objects: number
    readonly objectBytes: number
  }
  readonly members: readonly MemberSum[]
}

/** What is wrong with a backup, or with where it should go; a line for people. */
export class BackupFault extends Error {
  override readonly name = 'BackupFault'
}

/** Whether a member may be called so: names are looked up, never taken for paths, and none leads out of its folder. */
export function isMemberName(name: string): boolean {
  return /^(about\.json|manifest\.json|(main|telemetry)\/(records|journal)-\d{6,}\.jsonl|objects\/[0-9a-f]{64})$/.test(
    name,
  )
}

/** Knows a master key again without telling anything of it. */
export function markOf(key: Uint8Array): string {
  return createHmac('sha256', key).update('waymark backup').digest('hex').slice(0, 16)
}

/** Reads a member whole, at most `wholeMax` bytes. */
export async function wholeOf(member: ReadMember): Promise<Buffer> {
  if (member.size > wholeMax)
    throw new BackupFault(`${member.name}: wanted at most ${wholeMax} bytes, got ${member.size}`)
  const whole = Buffer.allocUnsafe(member.size)
  let at = 0
  for await (const piece of member.bytes) {
    whole.set(piece, at)
    at += piece.length
  }
  return whole
}

/** The sha256 of what passes by, and the bytes themselves. */
export async function* summed(
  bytes: AsyncIterable<Uint8Array>,
  tell: (sha256: string) => void,
): AsyncGenerator<Uint8Array> {
  const hash = createHash('sha256')
  for await (const piece of bytes) {
    hash.update(piece)
    yield piece
  }
  tell(hash.digest('hex'))
}

/** The manifest, if it is one of this form. */
export function readManifest(text: string): Manifest {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw new BackupFault('manifest.json: wanted JSON, got something else')
  }
  const found = value as Partial<Manifest> | null
  if (found?.form !== backupForm)
    throw new BackupFault(`manifest.json: wanted form ${backupForm}, got ${String(found?.form)}`)
  if (!Array.isArray(found.members) || !found.counts || !found.key)
    throw new BackupFault('manifest.json: wanted members, counts and key')
  return found as Manifest
}

/** A fault of the archive in our words. */
export function asFault(file: string, error: unknown): unknown {
  if (error instanceof BackupFault) return new BackupFault(`${file}: ${error.message}`, { cause: error })
  return error instanceof TarFault ? new BackupFault(`${file}: ${error.message}`, { cause: error }) : error
}
