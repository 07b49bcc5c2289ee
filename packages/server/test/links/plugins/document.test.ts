/** The example of docs/plugins.md, word for word, as a plugin of the real house. Rules: RULES.md of packages/plugin. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'
import { createLinkHouse } from '../../../src/links/link-house.ts'
import { loadPlugins } from '../../../src/links/plugins/link.ts'
import { openBack, openSink } from '../../exosense/support.ts'

const written = readFileSync(
  fileURLToPath(new URL('../../../../../docs/plugins.md', import.meta.url)),
  'utf8',
)

test('[PL1] the example of the document carries a call to a device and its answer back', async () => {
  const code = /```js\n([\s\S]*?)```/.exec(written)?.[1] ?? ''
  const folder = mkdtempSync(join(tmpdir(), 'waymark-plugin-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const port = await freePort()
  // Alone a port of its own is put in, and a protocol whose type this house already has.
  writeFileSync(
    join(folder, 'lines.mjs'),
    code.replace('9911', String(port)).replace('lines_v1', 'exodm_bert'),
  )
  const back = await openBack()
  const sink = await openSink()
  const admin = await back.account('acme')
  const must = async (method: string, params: Parameters<typeof back.ask>[2]) =>
    expect(await back.ask(admin, `exodm:${method}`, params)).toMatchObject({ result: 'ok' })
  await must('create-device-type', { name: 'station', protocol: 'exodm_bert' })
  await must('create-device', { 'device-id': 'mast', 'device-type': 'station', password: 'right' })
  await must('create-yang-module', {
    repository: 'user',
    name: 'm.yang',
    'yang-module': `module m { namespace "urn:m"; prefix m; import exosense { prefix exo; }
      rpc wave { input { uses exo:std-request; } output { leaf said { type string; } } } }`,
  })
  await must('create-config-set', { name: 's', yang: 'm.yang' })
  await must('add-config-set-members', { name: ['s'], 'device-id': ['mast'] })
  const [link] = await loadPlugins([join(folder, 'lines.mjs')], [])
  const { house } = back.test
  const open = link?.open(createLinkHouse({ ...house, sessions: house.exchange.sessions }))
  onTestFinished(() => open?.close())
  await back.ask(admin, 'm:wave', { 'device-id': 'mast', 'notification-url': sink.url })
  const socket = await dialled(port)
  onTestFinished(() => void socket.destroy())
  const lines = createInterface({ input: socket })[Symbol.asyncIterator]()
  socket.write('hello acme mast right\n')
  expect((await lines.next()).value).toBe('do wave')
  socket.write('did wave back\n')
  await back.tend()
  expect((await sink.until(1))[0]?.params).toMatchObject({ said: 'wave back' })
})

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

/** A connection, once the plugin's process listens. */
async function dialled(port: number): Promise<Socket> {
  for (;;) {
    const socket = connect(port, '127.0.0.1')
    const isThere = await new Promise<boolean>((resolve) => {
      socket.once('connect', () => resolve(true))
      socket.once('error', () => resolve(false))
    })
    if (isThere) return socket
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}
