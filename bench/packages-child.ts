/** The plain peer of the package bench: the same bytes from memory, written to every socket by `node:net` alone. */
import { randomBytes } from 'node:crypto'
import { createServer, type Socket } from 'node:net'

const piece = 64 * 1024
const { bytes } = JSON.parse(process.argv[2] ?? '{}') as { bytes: number }
const image = randomBytes(bytes)
const sockets = new Set<Socket>()

const server = createServer((socket) => {
  sockets.add(socket)
  socket.on('error', () => {})
  socket.on('close', () => sockets.delete(socket))
})
server.listen(0, '127.0.0.1', () => process.send?.({ port: (server.address() as { port: number }).port }))
/** Begins when so many are connected. */
process.on('message', ({ count }: { count: number }) => {
  process.send?.({})
  const begin = () => {
    if (sockets.size < count) return
    server.off('connection', begin)
    for (const socket of sockets) void serve(socket)
  }
  server.on('connection', begin)
  begin()
})

async function serve(socket: Socket): Promise<void> {
  for (let at = 0; at < bytes; at += piece)
    if (!socket.write(image.subarray(at, at + piece)))
      await new Promise<void>((resolve) => socket.once('drain', resolve))
}
