import { describe, expect, test } from 'vitest'
import { createAgent } from '../src/index.ts'
import { runLevelKeys, runLevelOf } from '../src/run-level.ts'
import { owner, spec, startFakeHub } from './support/fake-hub.ts'
import { quick, realPorts, temporaryFolder } from './support/rig.ts'

describe('[AG55] what user-meta may override', () => {
  test('settings go by their own name, or with pantahub. before it, as text, number or switch', () => {
    expect(
      runLevelOf({
        'pantahub.log.push': '0',
        'updater.interval': '2m',
        'updater.commit.delay': 0,
        'pantahub.revision.retries': 3,
        'metadata.devmeta.interval': null,
        'creds.host': 'elsewhere.example',
        'secureboot.mode': 'disabled',
        color: 'red',
      }),
    ).toEqual({
      machine: { pollMs: 120_000, commitDelayMs: 0, revisionRetries: 3 },
      logPush: false,
      refused: [],
    })
  })

  test('a value the setting would refuse changes nothing, and is told', () => {
    expect(runLevelOf({ 'updater.interval': 'soon', 'log.push': { on: true } })).toEqual({
      machine: {},
      refused: [
        'user-meta log.push: wanted on or off, got {"on":true}',
        'user-meta updater.interval: wanted a time above zero, such as 5, 500ms or 2m, got soon',
      ],
    })
  })

  test('nothing that says who is talked to, where things lie or what is trusted', () => {
    for (const key of runLevelKeys)
      expect(key).not.toMatch(/^(hub|creds|data|factory|driver|secureboot|control|account|trail)/)
  })
})

test('[AG55] an override holds over a restart, and until it is removed', async () => {
  await using hub = await startFakeHub()
  await using folder = await temporaryFolder()
  const device = hub.register(owner)
  const { id, prn, secret } = device
  const config = { ...quick, hub: hub.base, identity: { id, prn, secret } }
  const life = async () => {
    hub.logs.length = 0
    await createAgent(config, realPorts(folder.path)).run(AbortSignal.timeout(20_000))
    return hub.logs.length
  }
  expect(await life()).toBeGreaterThan(0)
  device.userMeta = { 'pantahub.log.push': '0', 'revision.retries': '0' }
  await life()
  expect(await life()).toBe(0)
  const step = hub.addStep(device, { '#spec': spec, 'a.json': 1 })
  await life()
  expect(step.progress).toMatchObject({ status: 'WONTGO', 'status-msg': 'Retried 0 of 0' })
  device.userMeta = {}
  await life()
  expect(await life()).toBeGreaterThan(0)
  const next = hub.addStep(device, { '#spec': spec, 'a.json': 2 })
  await life()
  expect(next.progress.status).toBe('DONE')
})
