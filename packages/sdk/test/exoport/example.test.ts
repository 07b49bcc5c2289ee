/** The first example of the documentation, against the server's own link over a real connection. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createExoPortDevice, type ValueObject } from '@waymark/sdk/exoport'
import { expect, onTestFinished, test } from 'vitest'
import { exoportLink } from '../../../server/src/links/exoport/link.ts'
import { createMemoryHouse } from '../../../server/test/links/memory-house.ts'

async function openHouse(flags: string[] = []) {
  const house = createMemoryHouse(flags)
  house.add({ name: { account: 'fleet', device: 'truck-9' }, deviceKey: 7001n, serverKey: 7002n })
  const open = exoportLink().open(house)
  onTestFinished(() => open.close())
  const listening = await open.listeners[0]?.listen({ host: '127.0.0.1', port: 0 })
  return { house, port: Number(new URL(listening?.url ?? '').port) }
}

test('[S30][S34] a truck blinks when it is asked, and raises an alarm by itself', async () => {
  const { house, port } = await openHouse()
  const asked: ValueObject[] = []
  const configurations: unknown[] = []

  const device = createExoPortDevice({
    host: '127.0.0.1',
    port,
    account: 'fleet',
    device: 'truck-9',
    deviceKey: 7001,
    serverKey: 7002,
    operations: {
      'fleet:blink'(params) {
        asked.push(params)
        return { notify: 'blink-callback', params: { 'rpc-status': 'complete', final: true } }
      },
      'fleet:report': () => ({ output: { thanks: 'you too' } }),
    },
    configured: (configuration) => void configurations.push(configuration),
  })
  onTestFinished(() => device.stop())
  device.start()

  await device.notify('fleet', 'alarm', { level: 3, note: 'tyre' })
  expect(house.ups).toEqual([{ module: 'fleet', method: 'alarm', params: { level: 3, note: 'tyre' } }])

  const settled = () => house.settled.map(({ outcome }) => outcome)
  const wait = async (count: number) => {
    while (house.settled.length < count) await new Promise((resolve) => setImmediate(resolve))
  }
  house.queueRpc('truck-9', 'blink', { times: 3, 'transaction-id': 18446744073709551615n })
  house.queueRpc('truck-9', 'report', { level: 1 })
  house.queueConfiguration('truck-9', 'net', { dns: ['1.1.1.1', '9.9.9.9'] })
  house.queueRpc('truck-9', 'reset', {})
  await wait(4)
  expect(asked).toEqual([{ times: 3, 'transaction-id': 18446744073709551615n }])
  expect(configurations).toEqual([{ name: 'net', values: { dns: ['1.1.1.1', '9.9.9.9'] } }])
  expect(settled()).toEqual([
    { kind: 'done', notify: { method: 'blink-callback', params: { 'rpc-status': 'complete', final: true } } },
    { kind: 'replied', output: { thanks: 'you too' } },
    { kind: 'done' },
    { kind: 'failed', reason: 'server error 2: access denied' },
  ])
})

test('[S32] thrown out by the server it comes back, and what waited arrives', async () => {
  const { house, port } = await openHouse()
  const device = createExoPortDevice({
    ...{ host: '127.0.0.1', port, account: 'fleet', device: 'truck-9', deviceKey: 7001, serverKey: 7002 },
    patience: { firstRetry: 1 },
  })
  onTestFinished(() => device.stop())
  device.start()
  await device.notify('fleet', 'alarm', { level: 1 })
  house.end('truck-9', 'changed')
  await device.notify('fleet', 'alarm', { level: 2 })
  await expect(device.rpc('fleet', 'nothing')).rejects.toMatchObject({
    kind: 'refused',
    got: 'function not defined',
  })
  expect(house.ups.slice(0, 2).map(({ params }) => params.level)).toEqual([1, 2])
  expect(house.opened()).toBe(2)
})

test('[S30] over TLS it checks whom it speaks to: with the right authority it is in, without it never says its name', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'waymark-sdk-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const [cert, key] = [join(folder, 'cert.pem'), join(folder, 'key.pem')]
  const kind = ['-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2']
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1']
  execFileSync('openssl', ['req', ...kind, ...subject, '-out', cert, '-keyout', key], { stdio: 'ignore' })
  const { house, port } = await openHouse(['--tls-cert', cert, '--tls-key', key])
  const login = {
    host: '127.0.0.1',
    port,
    account: 'fleet',
    device: 'truck-9',
    deviceKey: 7001,
    serverKey: 7002,
  }

  const trusting = createExoPortDevice({ ...login, tls: { ca: readFileSync(cert) } })
  onTestFinished(() => trusting.stop())
  trusting.start()
  await trusting.notify('fleet', 'alarm', { level: 1 })
  trusting.stop()

  const why = await new Promise<string>((resolve) => {
    const careful = createExoPortDevice({
      ...login,
      tls: true,
      happened: (event) => resolve(event.kind === 'disconnected' ? event.why : event.kind),
    })
    onTestFinished(() => careful.stop())
    careful.start()
  })
  expect(why).toMatch(/self-signed certificate/)
  expect(house.attempts).toHaveLength(1)
})
