/** A proxy before PostgreSQL that can cut a connection around its COMMIT, on either side of it. */
import { connect, createServer, type Socket } from 'node:net'

export type Cut = 'before' | 'after'

export interface CuttingProxy {
  readonly url: string
  /** The next COMMIT is forwarded and its answer swallowed (`after`), or swallowed itself (`before`). */
  cutNextCommit(where: Cut): void
  /** How many COMMITs were cut. */
  readonly cuts: number
  close(): Promise<void>
}

export function cuttingProxy(target: string): Promise<CuttingProxy> {
  const { hostname, port } = new URL(target)
  const sockets = new Set<Socket>()
  let next: Cut | undefined
  let cuts = 0
  const server = createServer((client) => {
    const upstream = connect(Number(port), hostname)
    let deaf = false
    for (const socket of [client, upstream]) {
      sockets.add(socket)
      socket.on('error', () => {})
      socket.on('close', () => {
        sockets.delete(socket)
        if (!deaf) for (const other of [client, upstream]) other.destroy()
      })
    }
    upstream.on('data', (bytes) => {
      if (!deaf) return void client.write(bytes)
      // The answer to the COMMIT came, so it is done; nobody shall know.
      upstream.destroy()
      client.destroy()
    })
    client.on('data', (bytes) => {
      if (next !== undefined && bytes.toString('latin1').includes('COMMIT')) {
        const where = next
        next = undefined
        cuts++
        if (where === 'before') return void client.destroy()
        deaf = true
      }
      upstream.write(bytes)
    })
  })
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      const own = new URL(target)
      own.port = String(typeof address === 'object' && address !== null ? address.port : 0)
      resolve({
        url: own.href,
        cutNextCommit: (where) => {
          next = where
        },
        get cuts() {
          return cuts
        },
        close: () =>
          new Promise((done) => {
            for (const socket of sockets) socket.destroy()
            server.close(() => done())
          }),
      })
    })
  })
}
