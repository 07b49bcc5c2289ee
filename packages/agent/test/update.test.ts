import { mkdir, readFile, readlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { createRealDisk } from '../src/real/disk.ts'
import { owner, spec, startFakeHub } from './support/fake-hub.ts'
import { quick, realPorts, runUntilIdle, temporaryFolder } from './support/rig.ts'

test('[AG1] a device registers, is claimed, announces its factory state and walks a step to DONE', async () => {
  await using hub = await startFakeHub()
  await using folder = await temporaryFolder()
  await using factory = await temporaryFolder()
  await mkdir(join(factory.path, 'bsp'))
  await writeFile(join(factory.path, 'bsp', 'run.json'), '{ "kernel": "kernel.img" }')
  await writeFile(join(factory.path, 'bsp', 'kernel.img'), 'the first kernel')
  hub.onRequest(({ path, method }) => {
    const [device] = hub.devices.values()
    if (method === 'GET' && device && path === `/devices/${device.id}` && hub.seen.length > 6)
      hub.claim(device)
    return undefined
  })
  const ports = { ...realPorts(folder.path), factory: createRealDisk(factory.path) }
  const config = { ...quick, hub: hub.base }
  expect(await runUntilIdle(config, ports)).toEqual({ kind: 'idle', rev: 0 })
  const [device] = hub.devices.values()
  if (!device) throw new Error('no device')
  expect(device.owner).toBe(owner)

  const kernel = hub.putObject(Buffer.alloc(300_000, 'k'))
  const step = hub.addStep(device, {
    '#spec': spec,
    'bsp/kernel.img': kernel,
    'bsp/run.json': { kernel: 'kernel.img' },
  })
  expect(await runUntilIdle(config, ports)).toEqual({ kind: 'idle', rev: 1 })
  expect(step.history.map((each) => each.status).filter((word, i, all) => word !== all[i - 1])).toEqual([
    'QUEUED',
    'DOWNLOADING',
    'INPROGRESS',
    'DONE',
  ])
  expect(await readlink(join(folder.path, 'current'))).toBe('revisions/1')
  expect(await readlink(join(folder.path, 'previous'))).toBe('revisions/0')
  expect(await readFile(join(folder.path, 'current/bsp/kernel.img'), 'utf8')).toBe('k'.repeat(300_000))
  expect(device.deviceMeta['pantavisor.revision']).toBe('1')
  expect(hub.logs.length).toBeGreaterThan(0)
})
