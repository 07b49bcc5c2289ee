/**
 * Room for what has to be written when nothing else fits any more: a disk that keeps the last bytes for that.
 *
 * Two kinds of writers share a device's disk. Objects, revisions, logs and output can do without: a download ends with
 * an error, a line is dropped and counted. Last words, marks, identities and links cannot: an agent that has no room to
 * note what it is about to do stands still, and nothing on the device will ever make room for it. So a file of so many
 * bytes, `reserve`, stands on the disk; the first kind never gets it, and for the second it is given up. It is made anew
 * once there is room for it.
 *
 * It is a file and no mere figure because others write on the disk too: containers into their volumes, the system into
 * its own logs.
 */
import type { Disk, DiskFile } from './ports.ts'

export const reservePath = 'reserve'

/** What can do without. */
const payload = /^(logs|output|objects|revisions|states)\//

/** Less than this free, and a small file may not fit with its folder's entry. Bytes. */
const smallFileBytes = 8192
const pieceBytes = 16 * 1024

/** A disk with a reserve. */
export interface RoomyDisk extends Disk {
  /** Makes the reserve if it is not there and leaves as much again; otherwise, and whatever fails, does nothing. */
  refill(): Promise<void>
}

/** True for the errors of a disk without room, by its size or by a quota. */
export const isNoSpace = (cause: unknown): boolean =>
  cause instanceof Error && 'code' in cause && (cause.code === 'ENOSPC' || cause.code === 'EDQUOT')

/**
 * Puts a reserve of so many bytes on a disk; with 0 there is none. What is left free, as `freeBytes` tells it, counts the
 * reserve in: it is the room that an update has to leave.
 */
export function createRoomyDisk(disk: Disk, spareBytes: number): RoomyDisk {
  if (spareBytes <= 0) return { ...disk, refill: async () => {} }

  const held = async (): Promise<number> => (await disk.stat(reservePath))?.size ?? 0

  /** Does what has to be done; when there is no room for it the reserve is given up, and it is done once more. */
  async function forced<T>(path: string, act: () => Promise<T>): Promise<T> {
    try {
      return await act()
    } catch (cause) {
      if (payload.test(path) || !isNoSpace(cause) || (await held()) === 0) throw cause
      await disk.remove(reservePath)
      return act()
    }
  }

  const fileOf = (file: DiskFile, path: string): DiskFile => ({
    ...file,
    async write(bytes) {
      const isPayload = payload.test(path)
      // While the reserve is there it guards itself. Half a small file cannot be written again, so room is made before.
      if (!isPayload || (await held()) === 0) {
        const free = await disk.freeBytes()
        if (isPayload && free - bytes.length < spareBytes)
          throw Object.assign(new Error(`ENOSPC: ${path}: wanted ${spareBytes} B left, got ${free}`), {
            code: 'ENOSPC',
          })
        if (!isPayload && free < bytes.length + smallFileBytes) await disk.remove(reservePath)
      }
      await file.write(bytes)
    },
  })

  return {
    ...disk,
    async open(path, how) {
      return fileOf(await forced(path, () => disk.open(path, how)), path)
    },
    makeFolder: (path) => forced(path, () => disk.makeFolder(path)),
    rename: (from, to) => forced(to, () => disk.rename(from, to)),
    symlink: (target, path) => forced(path, () => disk.symlink(target, path)),
    freeBytes: async () => (await disk.freeBytes()) + (await held()),
    async refill() {
      try {
        if ((await held()) === spareBytes || (await disk.freeBytes()) < 2 * spareBytes) return
        const file = await disk.open(`${reservePath}.new`)
        try {
          for (let left = spareBytes; left > 0; left -= pieceBytes)
            await file.write(noise(Math.min(left, pieceBytes)))
          await file.sync()
        } finally {
          await file.close()
        }
        await disk.rename(`${reservePath}.new`, reservePath)
        await disk.syncFolder('.')
      } catch {
        await disk.remove(`${reservePath}.new`).catch(() => undefined)
      }
    },
  }
}

/** Bytes that no file system stores smaller than they are. */
function noise(count: number): Uint8Array {
  const bytes = new Uint8Array(count)
  let state = 0x9e3779b9
  for (let i = 0; i < count; i++) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    bytes[i] = state & 0xff
  }
  return bytes
}
