/** A device of frail.js, and what it can be asked: `frail-trial.js?port=PORT`. */
import { createHash } from 'node:crypto'
import { connect, createServer } from 'node:net'
import { createInterface } from 'node:readline'

/** What has come of an image; one device at a time is sent any. */
let parts = []

export default {
  account: 'acme',
  device: 'd1',
  password: 'right',
  address: { host: '127.0.0.1', port: Number(new URL(import.meta.url).searchParams.get('port')) },
  calls: [
    { module: 'm', method: 'double', input: { of: 21 }, output: { is: 42 } },
    { module: 'm', method: 'double', input: { of: 4 }, output: { is: 8 } },
    { module: 'm', method: 'fly', refused: true },
  ],
  configuration: { name: 'main', values: { pace: 3 } },
  http: [
    { method: 'POST', path: '/reading', body: '{"celsius":21}', status: 200 },
    { method: 'GET', path: '/reading', status: 405 },
    { method: 'GET', path: '/none', query: 'a=b', headers: { accept: 'text/plain' }, status: 404 },
  ],
  package: { name: 'app-1.0', size: 100_000 },
  start({ account, device, password, host, port }) {
    let socket
    let isOver = false
    function dial() {
      if (isOver) return
      socket = connect(port, host)
      answerOn(socket)
      socket.once('close', () => setTimeout(dial, 50))
      socket.write(`${JSON.stringify({ hello: [account, device, password] })}\n`)
    }
    dial()
    return {
      stop() {
        isOver = true
        socket.destroy()
      },
    }
  },
  async wait() {
    const sockets = []
    const server = createServer((socket) => {
      sockets.push(socket)
      answerOn(socket)
    })
    await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
    return {
      attributes: { port: server.address().port },
      stop() {
        server.close()
        for (const socket of sockets) socket.destroy()
      },
    }
  },
}

function answerOn(socket) {
  const does = {
    double: ({ of }) => ({ output: { is: of * 2 } }),
    fly: () => ({ failed: 'no wings' }),
    configure: () => ({ did: 'it' }),
    sum({ sha256 }) {
      const sum = createHash('sha256').update(Buffer.concat(parts)).digest('hex')
      return { did: sum === sha256 ? 'right' : 'wrong' }
    },
  }
  socket.on('error', () => {})
  const lines = createInterface({ input: socket })
  lines.on('error', () => {})
  lines.on('line', (line) => {
    const { do: method, input, at, bytes } = JSON.parse(line)
    if (method === undefined) return
    if (method === 'part') {
      if (at === 0) parts = []
      parts.push(Buffer.from(bytes, 'base64'))
    }
    socket.write(`${JSON.stringify(does[method]?.(input) ?? { did: method })}\n`)
  })
}
