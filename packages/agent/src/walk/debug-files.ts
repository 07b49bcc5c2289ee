/**
 * What a device attaches to an error in the walkthrough's forms: the last output of each container, and core dumps.
 *
 * Texts go into the report; a core dump is uploaded as an object and named there. Whatever cannot be read or uploaded is
 * left out: the report of a failure must not fail with it.
 */
import type { Hub } from '../hub.ts'
import { digest } from '../pool.ts'
import type { Disk } from '../ports.ts'
import { type DebugFiles, uploaded } from './forms.ts'

/** Bounds. Sizes in bytes. */
export const debugLimits = { files: 24, textBytes: 64 * 1024, coreBytes: 16 * 1024 * 1024 }

/** Gathers them for a revision. */
export function createDebugFiles(disk: Disk, hub: Pick<Hub, 'offerObject' | 'putObject'>) {
  return async (rev: number, signal: AbortSignal): Promise<DebugFiles> => {
    const files: Record<string, string | { readonly object: string }> = {}
    const room = (): boolean => Object.keys(files).length < debugLimits.files
    for (const { name } of await disk.list('output').catch(() => [])) {
      const text = room() ? await lastOf(disk, `output/${name}/0.log`) : ''
      if (text !== '') files[`output/${name}.log`] = text
    }
    const folder = `revisions/${rev}`
    for (const container of await disk.list(folder).catch(() => []))
      if (container.kind === 'folder')
        for (const entry of await disk.list(`${folder}/${container.name}`)) {
          if (entry.kind !== 'file' || !/^core(\.\d+)?$/.test(entry.name) || !room()) continue
          const sha = await upload(`${folder}/${container.name}/${entry.name}`, signal)
          if (sha !== undefined) files[`${container.name}/${entry.name}`] = uploaded(sha)
        }
    return files
  }

  async function upload(path: string, signal: AbortSignal): Promise<string | undefined> {
    try {
      const { size: expected = 0 } = (await disk.stat(path)) ?? {}
      if (expected > debugLimits.coreBytes) return undefined
      const { sha, size } = await digest(disk.read(path))
      const offered = await hub.offerObject({ name: path, sha, size }, signal)
      if (!offered.ok) return undefined
      if (offered.value === 'stored') return sha
      return (await hub.putObject(offered.value.putUrl, size, disk.read(path), signal)).ok ? sha : undefined
    } catch {
      return undefined
    }
  }
}

/** The end of a text file; empty when there is none. */
async function lastOf(disk: Disk, path: string): Promise<string> {
  try {
    const size = (await disk.stat(path))?.size ?? 0
    const parts: Uint8Array[] = []
    for await (const part of disk.read(path, Math.max(0, size - debugLimits.textBytes))) parts.push(part)
    return Buffer.concat(parts).toString('utf8')
  } catch {
    return ''
  }
}
