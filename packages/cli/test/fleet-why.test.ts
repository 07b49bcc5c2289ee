import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { fakeDevice } from './fake-device.ts'
import { admin, type Person, startServer, type TestServer } from './fleet-support.ts'

let server: TestServer
let me: Person
beforeAll(async () => {
  server = await startServer()
})
beforeEach(async () => {
  me = await admin(server)
})
afterAll(() => server.stop())

test('[CL31] the chain is told effect first, indented, and with its entries when asked', async () => {
  const device = await fakeDevice(server)
  expect((await me.run('why', device.id)).out[0]).toMatch(/^__unregistered__.*: nobody has claimed it since/)
  await me.run('device', 'claim', device.id, device.challenge, '--nick', 'pump')
  await device.announce({ '#spec': 'pantavisor-service-system@1' })
  const ran = await me.run('why', 'pump')
  expect(ran).toMatchObject({
    code: 0,
    err: [],
    out: [
      'pump: step 0 is done, as the device says; it has not been seen to run it yet',
      expect.stringMatching(/^ {2}- the device was heard of \d s ago$/),
    ],
  })
  expect((await me.run('why', 'pump', '0', '--entries')).out[0]).toMatch(/ {2}\[[\d.]+\]$/)
  expect((await me.run('why', 'pump', '--json')).json()).toMatchObject({ nick: 'pump', rev: 0 })
})

test('[CL31] what is not there, and what is no step, is one line', async () => {
  expect(await me.run('why', 'nobody')).toMatchObject({
    code: 1,
    err: ['waymark: there is no device nobody here'],
  })
  expect(await me.run('why', 'pump', 'x')).toMatchObject({
    code: 2,
    err: ['waymark: step: wanted its number, got x'],
  })
  expect((await me.run('why', 'pump', '99')).code).toBe(1)
})
