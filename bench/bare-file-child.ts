/** The peers of transfers: `node:http` piping a file, hashing a body, and writing a body to a synced file. */
import { createHash } from 'node:crypto'
import { createReadStream, createWriteStream, fsyncSync, openSync, statSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { pipeline } from 'node:stream/promises'

const { file, target } = JSON.parse(process.argv[2] ?? '{}') as { file: string; target: string }

let written = 0
const server = createServer((request, response) => {
  void answer().catch((error: Error) => {
    response.destroy(error)
  })
  async function answer(): Promise<void> {
    if (request.method === 'GET') {
      response.writeHead(200, { 'content-length': statSync(file).size })
      await pipeline(createReadStream(file), response)
      return
    }
    if (request.url === '/hash') {
      const hash = createHash('sha256')
      for await (const bytes of request) hash.update(bytes as Uint8Array)
      response.end(hash.digest('hex'))
      return
    }
    // A new file each time, as for every new object: writing over an old one is another thing to a file system.
    const name = `${target}-${written++}`
    const fd = openSync(name, 'wx')
    await pipeline(request, createWriteStream(name, { fd, autoClose: false }))
    fsyncSync(fd)
    response.end('written')
  }
})
server.requestTimeout = 0
server.listen(0, '127.0.0.1', () => process.send?.({ port: (server.address() as AddressInfo).port }))
