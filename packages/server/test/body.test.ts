import { once } from 'node:events'
import { createServer } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { Readable } from 'node:stream'
import { expect, onTestFinished, test } from 'vitest'
import { bodyOf } from '../src/body.ts'

/** Sends a request with so many bytes of body to a server that reads one piece and answers; what comes back. */
async function refusedAfterOnePiece(size: number, most?: number): Promise<string> {
  const server = createServer(async (request, response) => {
    for await (const _ of bodyOf(request, most)) break
    response.writeHead(507).end('no room')
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  onTestFinished(() => void server.close())
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
  let got = ''
  socket.setEncoding('latin1').on('data', (text: string) => {
    got += text
  })
  socket.on('error', () => {})
  socket.write(`PUT / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: ${size}\r\n\r\n`)
  // The whole body before the first byte of the answer is looked at, as simple clients do.
  for (let sent = 0; sent < size && !socket.destroyed; sent += 65_536)
    if (!socket.write(Buffer.alloc(Math.min(65_536, size - sent))))
      await Promise.race([once(socket, 'drain'), once(socket, 'close')]).catch(() => {})
  if (!socket.destroyed) await once(socket, 'close')
  return got
}

test('[HT13] who is refused in the middle of a body can read why', async () => {
  expect(await refusedAfterOnePiece(8 * 2 ** 20)).toMatch(/^HTTP\/1\.1 507 [\s\S]*no room/)
})

test('[HT13] a body that does not end is not read for ever', async () => {
  const stream = Readable.from(endless(), { objectMode: false })
  for await (const _ of bodyOf(stream, 1_000_000)) break
  await once(stream, 'close')
  expect(stream.destroyed).toBe(true)
})

test('[HT13] a body that is read to its end comes whole', async () => {
  const pieces: Uint8Array[] = []
  const stream = Readable.from([Buffer.from('one '), Buffer.from('two')], { objectMode: false })
  for await (const piece of bodyOf(stream)) pieces.push(piece)
  expect(Buffer.concat(pieces).toString()).toBe('one two')
})

async function* endless() {
  for (;;) yield Buffer.alloc(65_536)
}
