import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { fakeDevice } from './fake-device.ts'
import { admin, startServer, temporaryFolder } from './fleet-support.ts'

test('[CL33] a step is asked to be given up, cleared once it failed, and refused when it is neither', async () => {
  const server = await startServer()
  onTestFinished(() => server.stop())
  const me = await admin(server)
  const device = await fakeDevice(server)
  await me.run('device', 'claim', device.id, device.challenge, '--nick', 'pump')
  await device.announce({ '#spec': 'pantavisor-service-system@1' })
  const file = join(temporaryFolder(), 'state.json')
  writeFileSync(file, '{"#spec":"pantavisor-service-system@1"}')
  await me.run('trail', 'post', 'pump', file)

  expect((await me.run('trail', 'clear', 'pump', '1')).err).toEqual([
    `waymark: step 1 of ${device.id} is NEW, not one that failed`,
  ])
  await device.report(1, 'QUEUED')
  expect(await me.run('trail', 'abort', 'pump', '1')).toMatchObject({
    code: 0,
    out: ['asked pump to give up step 1'],
  })
  await device.report(1, 'ERROR')
  expect(await me.run('trail', 'clear', 'pump', '1')).toMatchObject({
    code: 0,
    out: ['cleared step 1 of pump'],
  })
  expect(await me.run('trail', 'abort', 'pump', 'one')).toMatchObject({ code: 2 })
  expect((await me.run('trail', 'abort', 'pump', '0')).err).toEqual([
    `waymark: step 0 of ${device.id} is DONE, not one that has not ended`,
  ])
  const { step } = (await me.run('trail', 'show', 'pump', '1', '--json')).json() as { step: object }
  expect(step).toMatchObject({
    outcome: 'failed',
    abortAskedAt: expect.any(String),
    clearedAt: expect.any(String),
  })
})
