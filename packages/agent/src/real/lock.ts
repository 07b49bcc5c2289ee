/**
 * One agent a data folder: the second is told, instead of writing over the first one's files.
 *
 * On Linux the lock is an abstract socket named after the folder's device and inode. The kernel gives it to one program,
 * and takes it back when that one ends, however it ends, or is replaced by another: there is no leftover to judge.
 * Elsewhere it is a socket beside the files; one that nobody answers is a leftover, and is taken over.
 */
import { stat, unlink } from 'node:fs/promises'
import { connect, createServer, type Server } from 'node:net'
import { join } from 'node:path'

/** Locks a folder, which must exist. Undefined: another agent has it. The lock is let go by `release`, or with the program. */
export async function lockFolder(folder: string): Promise<{ release: () => Promise<void> } | undefined> {
  const { dev, ino } = await stat(folder)
  const abstract = process.platform === 'linux'
  const address = abstract ? `\0waymark-agent-${dev}-${ino}` : join(folder, 'agent.lock')
  const server = await listen(address)
  if (server) return { release: () => closed(server) }
  if (abstract || (await answers(address))) return undefined
  await unlink(address).catch(() => undefined)
  const again = await listen(address)
  return again && { release: () => closed(again) }
}

function listen(address: string): Promise<Server | undefined> {
  return new Promise((done, failed) => {
    const server = createServer((socket) => socket.destroy())
    server.once('error', (cause: NodeJS.ErrnoException) =>
      cause.code === 'EADDRINUSE' ? done(undefined) : failed(cause),
    )
    server.listen(address, () => {
      // Having the lock is no reason to stay.
      server.unref()
      done(server)
    })
  })
}

function answers(address: string): Promise<boolean> {
  return new Promise((done) => {
    const socket = connect(address)
    socket.once('connect', () => {
      socket.destroy()
      done(true)
    })
    socket.once('error', () => done(false))
  })
}

const closed = (server: Server): Promise<void> => new Promise((done) => server.close(() => done()))
