/**
 * The disk port on a real file system, rooted at one folder that nothing can leave.
 */
import { createReadStream } from 'node:fs'
import * as fs from 'node:fs/promises'
import { join } from 'node:path'
import type { Disk, DiskEntry } from '../ports.ts'

/** Opens the folder `root`, which must exist. */
export function createRealDisk(root: string): Disk {
  const at = (path: string): string => {
    if (path.startsWith('/') || path.split('/').includes('..') || path.includes('\0'))
      throw new Error(`disk path ${JSON.stringify(path)}: wanted a path below the folder`)
    return join(root, path)
  }
  return {
    readText: (path) => absent(fs.readFile(at(path), 'utf8')),
    read: (path, from = 0) => createReadStream(at(path), { start: from, highWaterMark: 256 * 1024 }),
    async open(path, how = {}) {
      const handle = await fs.open(at(path), how.append ? 'a' : 'w', how.secret ? 0o600 : 0o644)
      if (how.secret) await handle.chmod(0o600)
      return {
        async write(bytes) {
          for (let done = 0; done < bytes.length; ) done += (await handle.write(bytes, done)).bytesWritten
        },
        sync: () => handle.sync(),
        close: () => handle.close(),
      }
    },
    async stat(path) {
      const found = await absent(fs.lstat(at(path)))
      return found && { name: path.slice(path.lastIndexOf('/') + 1), kind: kindOf(found), size: found.size }
    },
    async list(path) {
      const names = (await absent(fs.readdir(at(path), { withFileTypes: true }))) ?? []
      const entries: DiskEntry[] = []
      for (const entry of names) {
        const size = entry.isFile() ? (await fs.lstat(join(at(path), entry.name))).size : 0
        entries.push({ name: entry.name, kind: kindOf(entry), size })
      }
      return entries.sort((a, b) => (a.name < b.name ? -1 : 1))
    },
    async makeFolder(path) {
      await fs.mkdir(at(path), { recursive: true })
    },
    remove: (path) => fs.rm(at(path), { recursive: true, force: true }),
    rename: (from, to) => fs.rename(at(from), at(to)),
    async link(from, to) {
      try {
        await fs.link(at(from), at(to))
        return true
      } catch (cause) {
        if (['EPERM', 'ENOTSUP', 'EXDEV', 'EMLINK', 'ENOSYS'].includes(codeOf(cause) ?? '')) return false
        throw cause
      }
    },
    symlink: (target, path) => fs.symlink(target, at(path)),
    readLink: (path) => absent(fs.readlink(at(path)), ['EINVAL']),
    makeReadOnly: (path) => fs.chmod(at(path), 0o444),
    async syncFolder(path) {
      const handle = await fs.open(at(path), 'r')
      try {
        await handle.sync()
      } finally {
        await handle.close()
      }
    },
    async freeBytes() {
      const { bavail, bsize } = await fs.statfs(root)
      return bavail * bsize
    },
  }
}

interface Kinds {
  isDirectory(): boolean
  isSymbolicLink(): boolean
}

const kindOf = (entry: Kinds): DiskEntry['kind'] =>
  entry.isSymbolicLink() ? 'link' : entry.isDirectory() ? 'folder' : 'file'

const codeOf = (cause: unknown): string | undefined =>
  cause instanceof Error && 'code' in cause && typeof cause.code === 'string' ? cause.code : undefined

/** Turns "there is nothing there" into undefined and lets every other error pass. */
async function absent<T>(promise: Promise<T>, codes: readonly string[] = []): Promise<T | undefined> {
  try {
    return await promise
  } catch (cause) {
    if (['ENOENT', 'ENOTDIR', ...codes].includes(codeOf(cause) ?? '')) return undefined
    throw cause
  }
}
