/**
 * Small files that survive a power cut: old text or new text, never half of either.
 *
 * The order is the whole idea: write a neighbour, sync its bytes, rename it over the old name, sync the
 * folder. A leftover neighbour from an earlier crash is overwritten.
 */
import type { Disk, DiskOpen } from './ports.ts'

/** The folder part of a path; `.` at the top. */
export function folderOf(path: string): string {
  const slash = path.lastIndexOf('/')
  return slash < 0 ? '.' : path.slice(0, slash)
}

/** Makes a folder and every folder above it, each name synced into its parent. */
export async function makeFolderDurably(disk: Disk, path: string): Promise<void> {
  if (path === '.' || (await disk.stat(path))?.kind === 'folder') return
  const parent = folderOf(path)
  await makeFolderDurably(disk, parent)
  await disk.makeFolder(path)
  await disk.syncFolder(parent)
}

/** Replaces the text of a file; resolves once both bytes and name are safe. */
export async function writeDurably(
  disk: Disk,
  path: string,
  text: string,
  how: Pick<DiskOpen, 'secret'> = {},
): Promise<void> {
  const folder = folderOf(path)
  await makeFolderDurably(disk, folder)
  const neighbour = `${path}.new`
  const file = await disk.open(neighbour, how)
  try {
    await file.write(new TextEncoder().encode(text))
    await file.sync()
  } finally {
    await file.close()
  }
  await disk.rename(neighbour, path)
  await disk.syncFolder(folder)
}

/** Removes a file for good; resolves once its absence is safe. */
export async function removeDurably(disk: Disk, path: string): Promise<void> {
  if ((await disk.stat(path)) === undefined) return
  await disk.remove(path)
  await disk.syncFolder(folderOf(path))
}
