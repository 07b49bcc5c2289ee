/** The peer: a bare `node:http` handler that answers every request with the same given head and body. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

const { headers, body } = JSON.parse(process.argv[2] ?? '{}') as {
  headers: Record<string, string>
  body: string
}
const server = createServer((request, response) => {
  request.resume()
  response.writeHead(200, headers)
  response.end(body)
})
server.listen(0, '127.0.0.1', () => process.send?.({ port: (server.address() as AddressInfo).port }))
