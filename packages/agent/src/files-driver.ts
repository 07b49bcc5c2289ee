/**
 * The driver `files`: a revision is a folder, and the one that runs is where the link `current` points.
 *
 *     revisions/3/app/root.squashfs    hard links into the pool (copies where links are impossible)
 *     revisions/3/app/etc/app.conf     that of `_config/app/etc/app.conf`, when the state has one
 *     states/3.json                    the canonical state of that folder
 *     current  -> revisions/3          switched by one rename
 *     previous -> revisions/2          kept until the next switch
 *
 * A folder takes its name only when it is whole and synced, and a link is replaced by a rename, so that a
 * crash at any point leaves the old revision or the new one. A number that is taken by another state (a
 * trail that began anew) gets a suffix: `3.1`.
 */
import { parseStateText, stateSha } from '@waymark/pantahub'
import { isLocal } from './control/book.ts'
import { folderOf, makeFolderDurably, writeDurably } from './durable.ts'
import { objectPath } from './pool.ts'
import type { Disk, Revision, RevisionDriver, RevisionFile } from './ports.ts'

const revisionsFolder = 'revisions'
const statePath = (folder: string): string => `states/${folder}.json`

/** The folder that `current` names, below `revisions`. */
export async function revisionFolderOf(disk: Disk): Promise<string | undefined> {
  const target = await disk.readLink('current')
  return target?.startsWith(`${revisionsFolder}/`) ? target.slice(revisionsFolder.length + 1) : undefined
}

/**
 * Makes the driver on a disk whose pool already holds the objects of what it is given. `inUse` names further folders
 * that must stay: something still runs from them.
 */
export function createFilesDriver(disk: Disk, inUse: () => Iterable<string> = () => []): RevisionDriver {
  /** Folders made ready in this run, by revision. */
  const prepared = new Map<number, string>()

  async function linked(name: 'current' | 'previous'): Promise<string | undefined> {
    const target = await disk.readLink(name)
    return target?.startsWith(`${revisionsFolder}/`) ? target.slice(revisionsFolder.length + 1) : undefined
  }

  /** A folder name for the revision that is not one of those to be kept. */
  function freeFolder(revision: Revision, taken: readonly (string | undefined)[]): string {
    for (let n = 0; ; n++) {
      const folder = n === 0 ? String(revision.rev) : `${revision.rev}.${n}`
      if (!taken.includes(folder)) return folder
    }
  }

  async function layDown(revision: Revision, root: string): Promise<void> {
    await disk.remove(root)
    await makeFolderDurably(disk, root)
    const folders = new Set([root])
    for (const file of overlaid(revision.files)) {
      const path = `${root}/${file.path}`
      for (let folder = folderOf(path); !folders.has(folder); folder = folderOf(folder)) folders.add(folder)
      await disk.makeFolder(folderOf(path))
      if (file.kind === 'document') await writeSynced(disk, path, file.text)
      else if (!(await disk.link(objectPath(file.sha), path)))
        await copySynced(disk, objectPath(file.sha), path)
    }
    // Deepest first: a folder is safe once all that is in it is.
    for (const folder of [...folders].sort((a, b) => b.length - a.length)) await disk.syncFolder(folder)
  }

  async function point(name: 'current' | 'previous', folder: string): Promise<void> {
    await disk.remove(`${name}.new`)
    await disk.symlink(`${revisionsFolder}/${folder}`, `${name}.new`)
    await disk.rename(`${name}.new`, name)
    await disk.syncFolder('.')
  }

  return {
    async prepare(revision) {
      const current = await linked('current')
      const folder = freeFolder(revision, [current, await linked('previous'), ...inUse()])
      const path = `${revisionsFolder}/${folder}`
      const making = `${revisionsFolder}/making`
      try {
        await layDown(revision, making)
      } catch (cause) {
        await disk.remove(making).catch(() => undefined)
        throw cause
      }
      await disk.remove(path)
      await writeDurably(disk, statePath(folder), revision.stateText)
      await disk.rename(making, path)
      await disk.syncFolder(revisionsFolder)
      prepared.set(revision.rev, folder)
    },
    async switchTo(rev) {
      const current = await linked('current')
      const before = await linked('previous')
      const folder =
        prepared.get(rev) ??
        (before !== undefined && revOf(before) === rev ? before : await knownFolder(disk, rev))
      if (folder === undefined) throw new Error(`revision ${rev}: wanted a prepared folder, got none`)
      if (folder === current) return
      if (current !== undefined) await point('previous', current)
      await point('current', folder)
    },
    async current() {
      const folder = await linked('current')
      const rev = folder === undefined ? undefined : revOf(folder)
      const text = folder === undefined ? undefined : await disk.readText(statePath(folder))
      if (rev === undefined || text === undefined) return undefined
      return { rev, stateSha: stateSha(text), stateText: text }
    },
    async health() {
      const folder = await linked('current')
      if (folder === undefined) return { kind: 'ill', why: 'no revision is current' }
      const there = await disk.stat(`${revisionsFolder}/${folder}`)
      return there?.kind === 'folder'
        ? { kind: 'healthy', probes: ['files in place'] }
        : { kind: 'ill', why: `revisions/${folder}: wanted a folder, got ${there?.kind ?? 'nothing'}` }
    },
    async forgetOld() {
      // The factory's newest: a revision made the factory's lies beside the one it replaced.
      const factory = await knownFolder(disk, 0)
      const kept = new Set([await linked('current'), await linked('previous'), factory, ...inUse()])
      for (const { name } of await disk.list(revisionsFolder)) {
        if (kept.has(name)) continue
        await disk.remove(`${revisionsFolder}/${name}`)
        // A local revision can be run again as long as its state is here; the control socket forgets it.
        if (!/^\d+$/.test(name) || !isLocal(Number(name))) await disk.remove(statePath(name))
      }
      await forgetObjects(disk)
    },
  }
}

/**
 * All files to be laid down: what `_config/<container>/…` holds stands in the container's own folder too, in place of
 * what the container brought. Its manifest stays the state's.
 */
function overlaid(files: readonly RevisionFile[]): readonly RevisionFile[] {
  const over = new Map<string, RevisionFile>()
  for (const file of files) {
    const [, name, rest] = /^_config\/([^/]+)\/(.+)$/.exec(file.path) ?? []
    if (name === undefined || rest === undefined || rest === 'run.json') continue
    if (files.some(({ path }) => path === `${name}/run.json`))
      over.set(`${name}/${rest}`, { ...file, path: `${name}/${rest}` })
  }
  return [...files.filter(({ path }) => !over.has(path)), ...over.values()]
}

/** Removes objects that no kept state names, and what broken downloads left. */
async function forgetObjects(disk: Disk): Promise<void> {
  // Listed first, judged afterwards: what comes in meanwhile is named before it is here.
  const here: string[] = []
  for (const folder of await disk.list('objects'))
    for (const { name } of await disk.list(`objects/${folder.name}`)) here.push(`${folder.name}/${name}`)
  const named = new Set<string>()
  for (const { name } of await disk.list('states')) {
    const read = parseStateText((await disk.readText(`states/${name}`)) ?? '')
    // An unreadable state might name anything: then nothing is removed.
    if (!read.ok) return
    for (const { sha } of [...read.state.objects, ...read.state.looseObjects]) named.add(sha)
  }
  for (const path of here)
    if (!named.has(path.slice(path.indexOf('/') + 1))) await disk.remove(`objects/${path}`)
}

/** The revision that a folder holds: `3` and `3.1` are both revision 3. */
function revOf(folder: string): number | undefined {
  const rev = Number.parseInt(folder, 10)
  return Number.isSafeInteger(rev) && rev >= 0 ? rev : undefined
}

/** A folder that an earlier run laid down for this revision. */
async function knownFolder(disk: Disk, rev: number): Promise<string | undefined> {
  const names = (await disk.list(revisionsFolder)).map((entry) => entry.name)
  return names.filter((name) => name === String(rev) || name.startsWith(`${rev}.`)).at(-1)
}

async function writeSynced(disk: Disk, path: string, text: string): Promise<void> {
  const file = await disk.open(path)
  try {
    await file.write(new TextEncoder().encode(text))
    await file.sync()
  } finally {
    await file.close()
  }
}

async function copySynced(disk: Disk, from: string, to: string): Promise<void> {
  const file = await disk.open(to)
  try {
    for await (const part of disk.read(from)) await file.write(part)
    await file.sync()
  } finally {
    await file.close()
  }
}
