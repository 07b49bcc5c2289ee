/** Addresses of messages that do what no receiver should. Rules: RULES.md, DL. */
import { createServer, type Server as HttpServer, type RequestListener } from 'node:http'
import { type AddressInfo, createServer as createTcp, type Server, type Socket } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { createPost } from '../../src/deliveries/post.ts'

/** A server on a free port; gone at the end of the test, with all that is connected to it. */
async function listening(server: HttpServer | Server): Promise<string> {
  const sockets = new Set<Socket>()
  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => sockets.delete(socket))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(async () => {
    for (const socket of sockets) socket.destroy()
    await new Promise((resolve) => server.close(resolve))
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
}
const http = (answer: RequestListener) => listening(createServer(answer))
const tcp = (answer: (socket: Socket) => void) => listening(createTcp(answer))

/** Posts a message to an address, patient for a moment. */
function postTo(url: string) {
  const post = createPost({ allowPrivate: true, timeoutMs: 300, now: () => 0 })
  onTestFinished(() => post.close())
  return post.post({ url: new URL(url) }, '{}', 'key')
}

const refusals: readonly { does: string; address: () => Promise<string>; reason: string }[] = [
  {
    does: 'takes the connection and says nothing',
    address: () => tcp(() => {}),
    reason: 'no answer in time',
  },
  {
    does: 'drips an answer that never ends',
    address: () =>
      http((_, reply) => {
        reply.writeHead(200)
        const drip = setInterval(() => reply.write(' '), 20)
        reply.on('close', () => clearInterval(drip))
      }),
    reason: 'no answer in time',
  },
  {
    does: 'drips its headers',
    address: () =>
      tcp((socket) => {
        socket.write('HTTP/1.1 200 OK\r\n')
        const drip = setInterval(() => socket.write('x: y\r\n'), 20)
        socket.on('close', () => clearInterval(drip))
      }),
    reason: 'no answer in time',
  },
  {
    does: 'answers more than a mebibyte',
    address: () => http((_, reply) => reply.end(Buffer.alloc(2 * 1024 * 1024, ' '))),
    reason: 'connection failed',
  },
  { does: 'hangs up', address: () => tcp((socket) => socket.destroy()), reason: 'ECONNRESET' },
  {
    does: 'speaks something else',
    address: () => tcp((socket) => socket.end('220 mail ready\r\n')),
    reason: 'HPE_INVALID_CONSTANT',
  },
]
for (const { does, address, reason } of refusals)
  test(`[DL7] an address that ${does} is a failed try: ${reason}`, async () => {
    expect(await postTo(await address())).toEqual({
      ok: false,
      refusal: { kind: 'not-posted', reason, forGood: false },
    })
  })

for (const status of [301, 302, 303, 307, 308])
  test(`[DL7] a redirect is not followed: ${status} is the answer, and nothing goes where it points`, async () => {
    let led = 0
    const elsewhere = await http((_, reply) => {
      led += 1
      reply.end()
    })
    const url = await http((_, reply) => reply.writeHead(status, { location: elsewhere }).end('no'))
    expect(await postTo(url)).toEqual({ ok: true, value: { status, body: 'no' } })
    expect(led).toBe(0)
  })
