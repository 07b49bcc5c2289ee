/**
 * Local control, put together: the door, its sockets, and the log sockets beside them.
 *
 *     FOLDER/pv-ctrl                     the host's programs, privileged
 *     FOLDER/containers/NAME/pv-ctrl     the container NAME
 *     FOLDER/containers/NAME/pv-ctrl-log its log socket
 *
 * Beside them lie the files of `shelf.ts`. A container is told its socket's path in `WAYMARK_CONTROL`, and its log socket's in `WAYMARK_CONTROL_LOG`.
 */
import { join } from 'node:path'
import type { ControlEnd, ControlHouse } from '../agent.ts'
import { createDoor, type DoorSettings } from './door.ts'
import { openLogSocket } from './log-socket.ts'
import { type ControlSocket, openControlSocket, type SocketLimits, socketLimits } from './server.ts'
import { createShelf } from './shelf.ts'
import { createUploads, uploadLimits } from './uploads.ts'

export interface ControlSettings extends DoorSettings {
  /** Where the sockets are; the folder is closed to all but the agent's user. */
  readonly folder: string
  /** Bytes to be left free. */
  readonly spareBytes: number
  readonly limits?: SocketLimits
}

/** Makes the port that opens local control around an agent. Rejects when the host's socket cannot be opened. */
export function createControl(settings: ControlSettings): (house: ControlHouse) => Promise<ControlEnd> {
  return async (house) => {
    const { disk, pool, clock } = house
    const uploads = createUploads(disk, pool, clock, settings.spareBytes)
    const door = createDoor(house, uploads, settings)
    await uploads.open()
    await uploads.release(uploadLimits.pinMs)
    await door.steps.open()
    const limits = settings.limits ?? socketLimits
    const host = await openControlSocket(settings.folder, { kind: 'host' }, door.answer, limits)
    const shelf = createShelf(house, door.steps.runningState)
    const open = new Map<string, Promise<readonly ControlSocket[]>>()
    let closed = false

    async function openFor(name: string): Promise<readonly ControlSocket[]> {
      const folder = folderOf(name)
      const control = await openControlSocket(folder, { kind: 'container', name }, door.answer, limits)
      const rev = (): string => {
        const { running } = house.machine()
        return running ? house.book.nameOf(running.rev) : ''
      }
      return [control, await openLogSocket(folder, { name, rev, log: house.log })]
    }

    /** What changes one of the files. */
    const telling = ['user-meta', 'registered', 'claimed', 'challenge', 'switched', 'done', 'synced']
    const deaf = house.hear(({ event }) => {
      if (telling.includes(event)) layAll()
    })
    door.onMeta(layAll)

    function folderOf(name: string): string {
      return join(settings.folder, 'containers', name)
    }

    function layAll(): void {
      for (const name of open.keys()) void shelf.lay(name, folderOf(name))
    }

    return {
      async environment(name) {
        if (closed) return {}
        const opening = open.get(name) ?? openFor(name)
        open.set(name, opening)
        try {
          const [control, log] = await opening
          await shelf.lay(name, folderOf(name))
          return { WAYMARK_CONTROL: control?.path ?? '', WAYMARK_CONTROL_LOG: log?.path ?? '' }
        } catch {
          // Without its door it runs all the same; the next start tries again.
          open.delete(name)
          return {}
        }
      },
      async close() {
        closed = true
        deaf()
        door.onMeta(() => undefined)
        const sockets = await Promise.allSettled(open.values())
        const all = sockets.flatMap((each) => (each.status === 'fulfilled' ? each.value : []))
        await Promise.all([host, ...all].map((socket) => socket.close()))
        await shelf.settled()
      },
    }
  }
}
