/**
 * A load generator that costs little: prebuilt requests over raw sockets, replies counted by their Content-Length.
 * It checks every status and length; a wrong one ends the run.
 */
import { connect, type Socket } from 'node:net'

export interface Load {
  readonly port: number
  /** Connections, each with one request in flight. */
  readonly connections: number
  readonly durationMs: number
  /** The next request, whole: head and body. */
  next(): string | Buffer
  /** Opens a new connection for every request. */
  readonly closing?: boolean
  readonly status?: number
}

/** Runs the load; answers requests a second. */
export async function requestsPerSecond(load: Load): Promise<number> {
  const started = performance.now()
  const deadline = started + load.durationMs
  let done = 0
  await Promise.all(
    Array.from({ length: load.connections }, async () => {
      if (!load.closing) {
        const asked = await keepAsking(load, deadline)
        done += asked
        return
      }
      while (performance.now() < deadline) {
        const asked = await keepAsking(load, 0)
        done += asked
      }
    }),
  )
  return (done * 1000) / (performance.now() - started)
}

/** Asks over one connection until the deadline, at least once; answers how often. */
function keepAsking(load: Load, deadline: number): Promise<number> {
  const wanted = `HTTP/1.1 ${load.status ?? 200}`
  return new Promise((resolve, reject) => {
    const socket: Socket = connect({ port: load.port, host: '127.0.0.1', noDelay: true })
    let done = 0
    let head = ''
    let missing = -1
    socket.on('connect', () => socket.write(load.next()))
    socket.on('error', reject)
    socket.on('data', (bytes) => {
      if (missing < 0) {
        head += bytes.toString('latin1')
        const end = head.indexOf('\r\n\r\n')
        if (end < 0) return
        if (!head.startsWith(wanted)) {
          socket.destroy()
          reject(new Error(`wanted ${wanted}, got ${head.slice(0, 200)}`))
          return
        }
        const length = /content-length: (\d+)/i.exec(head)?.[1]
        if (length === undefined) {
          socket.destroy()
          reject(new Error(`no Content-Length in ${head}`))
          return
        }
        missing = Number(length) - (head.length - end - 4)
        head = ''
      } else missing -= bytes.length
      if (missing > 0) return
      missing = -1
      done += 1
      if (performance.now() < deadline) socket.write(load.next())
      else {
        socket.destroy()
        resolve(done)
      }
    })
  })
}
