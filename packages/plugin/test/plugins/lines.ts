/** A line-based protocol: `hello ACCOUNT DEVICE PASSWORD`, then `do METHOD` down and `did TEXT` up. */
import { createServer } from 'node:net'
import { createInterface } from 'node:readline'
import type { Plugin } from '../../src/index.ts'

const plugin: Plugin = {
  apiVersion: 1,
  name: 'lines',
  protocols: [{ name: 'lines_v1', delivery: 'queued' }],
  async open(waymark) {
    const server = createServer(async (socket) => {
      const lines = createInterface({ input: socket })[Symbol.asyncIterator]()
      const [, account = '', device = '', password = ''] = String((await lines.next()).value).split(' ')
      const session = await waymark.open({ account, device, password, address: 'here' }, () => socket.end())
      if (session === undefined) {
        socket.end('no\n')
        return
      }
      socket.write('welcome\n')
      socket.once('close', () => void session.close())
      while (!socket.destroyed) {
        const carried = await session.next(60_000)
        if (carried === undefined) continue
        if (carried.method === 'hang') for (;;);
        if (carried.method === 'reset') process.exit(7)
        socket.write(`do ${carried.method}\n`)
        const output = { said: String((await lines.next()).value).slice(4) }
        await session.settle(carried, { kind: 'replied', output })
      }
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const at = server.address()
    // The tests learn the port by the first session that is asked for.
    const port = typeof at === 'object' && at !== null ? at.port : 0
    await waymark.open({ account: 'port', device: String(port), password: '', address: '' }, () => {})
    return {
      async close() {
        server.close()
      },
    }
  },
}

export default plugin
