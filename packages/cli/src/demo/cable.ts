/**
 * A cable between the devices and the server: forwards TCP as it is, until it is told to snap. It reads the requests
 * that pass just far enough to know which object a connection is fetching, so that one chosen download is cut in the
 * middle, for real.
 */
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

export interface Cable {
  readonly url: string
  /** Where everything is forwarded to. */
  plugInto(port: number): void
  /** Cuts the first connection that has carried so many bytes of this object; calls back when it has. */
  snapOnce(sha: string, afterBytes: number, snapped: (bytes: number) => void): void
  /** Cuts the first connection that has carried so many bytes to a device, whatever they are. */
  snapAfter(bytes: number, snapped: (bytes: number) => void): void
  close(): void
}

export async function layCable(): Promise<Cable> {
  let target = 0
  let trap: { sha?: string; afterBytes: number; snapped: (bytes: number) => void } | undefined
  const sockets = new Set<Socket>()

  const server = createServer((near) => {
    const far = connect(target, '127.0.0.1')
    let fetching: string | undefined
    let carried = 0
    for (const socket of [near, far]) {
      sockets.add(socket)
      socket.on('close', () => {
        sockets.delete(socket)
        near.destroy()
        far.destroy()
      })
      socket.on('error', () => {
        // The other end is gone; 'close' follows and takes both down.
      })
    }
    near.on('data', (bytes) => {
      const asked = objectAsked(bytes)
      if (asked !== undefined) {
        fetching = asked
        carried = 0
      }
      far.write(bytes)
    })
    far.on('data', (bytes) => {
      carried += bytes.length
      if (trap && (trap.sha === undefined || fetching === trap.sha) && carried >= trap.afterBytes) {
        trap.snapped(carried)
        trap = undefined
        near.destroy()
        far.destroy()
        return
      }
      if (!near.write(bytes)) {
        far.pause()
        near.once('drain', () => far.resume())
      }
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo

  return {
    url: `http://127.0.0.1:${port}`,
    plugInto(other) {
      target = other
    },
    snapOnce(sha, afterBytes, snapped) {
      trap = { sha, afterBytes, snapped }
    },
    snapAfter(afterBytes, snapped) {
      trap = { afterBytes, snapped }
    },
    close() {
      server.close()
      for (const socket of sockets) socket.destroy()
    },
  }
}

/** The sha256 of the object a request asks for: signed URLs carry it in the readable part of their token. */
function objectAsked(bytes: Buffer): string | undefined {
  const payload = /^GET [^ ]*\/local-s3\/[\w-]+\.([\w-]+)\./.exec(bytes.toString('latin1', 0, 4096))?.[1]
  if (payload === undefined) return undefined
  return /"Sha":"([0-9a-f]{64})"/.exec(Buffer.from(payload, 'base64url').toString())?.[1]
}
