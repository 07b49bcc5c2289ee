/** One configuration for a mixed fleet: sets and packages, on an agent and on a station, both real (`mixed-fleet.ts`). Rules: ../RULES.md, CL91, CL92. */
import { expect, test } from 'vitest'
import { world } from './mixed-fleet.ts'

const lamp = `module lamp { namespace "urn:lamp"; prefix l;
  container lamp { leaf level { type uint8; default 3; } leaf colour { type string; } } }`

test('[CL91] a set is pushed to both: a step for the agent, a call for the station; what breaks the agent is rolled back there', async () => {
  const { agent, agentName, station, must, ear, told } = await world()
  await must('create-yang-module', { repository: 'user', name: 'lamp.yang', 'yang-module': lamp })
  await must('create-config-set', { name: 'night', yang: 'lamp.yang', 'notification-url': ear.url })
  await must('add-config-set-members', { name: 'night', 'device-id': ['station', agentName] })
  const push = async (values: Record<string, unknown>) => {
    await must('update-config-set', { name: 'night', values: { lamp: values } })
    await must('push-config-set', { name: 'night' })
    return told()
  }
  expect(await push({ level: 5 })).toEqual(['agent complete final', 'station complete final'])
  expect(agent.configuration('night')).toEqual({ lamp: { level: 5 } })
  expect(station.configured.get('night')).toEqual({ lamp: { level: 5 } })
  expect(await push({ colour: 'red' })).toEqual(['agent complete final', 'station complete final'])
  expect(agent.configuration('night')).toEqual({ lamp: { level: 5, colour: 'red' } })

  expect(await push({ level: 66 })).toEqual(['agent device-error final', 'station complete final'])
  expect(agent.configuration('night')).toEqual({ lamp: { level: 5, colour: 'red' } })
  expect(await push({ level: 7 })).toEqual(['agent complete final', 'station complete final'])
  expect(agent.configuration('night')).toEqual({ lamp: { level: 7, colour: 'red' } })
}, 90_000)

test('[CL92] configuration of a package goes to both, one by one and in one go, and back to what it was', async () => {
  const { agent, agentName, station, both, must, told, toldOfBoth } = await world()
  await must('create-yang-module', { repository: 'user', name: 'lamp.yang', 'yang-module': lamp })
  await must('create-package', {
    'package-name': 'lamp',
    'yang-specification': 'lamp.yang',
    'configuration-container': 'lamp',
    image: Buffer.from('true').toString('base64'),
  })
  for (const type of ['pantahub', 'mast'])
    await must('add-package-to-device-type', { 'package-name': 'lamp', 'device-type': type })
  await both('install-package', { 'package-name': 'lamp', values: { colour: 'red' } })
  await told()
  expect(agent.configuration('lamp')).toEqual({ level: 3, colour: 'red' })

  await must('update-config', { targets: ['masts', 'trails'], 'package-name': 'lamp', values: { level: 8 } })
  await both('push-config-data', {})
  const wanted = ['agent complete', 'all complete final', 'all complete final', 'station complete']
  expect(await toldOfBoth()).toEqual(wanted)
  expect(agent.configuration('lamp')).toEqual({ level: 8, colour: 'red' })
  expect(station.configured.get('lamp')).toEqual({ level: 8, colour: 'red' })

  await both('update-package-config', { 'package-name': 'lamp', values: { level: 66 } })
  expect(await toldOfBoth()).toEqual([
    'agent device-error',
    'all complete final',
    'all device-error final',
    'station complete',
  ])
  expect(agent.configuration('lamp')).toEqual({ level: 8, colour: 'red' })
  expect(station.configured.get('lamp')).toEqual({ level: 66, colour: 'red' })

  for (const device of ['station', agentName])
    await must('rollback-package-config', { 'device-id': device, 'package-name': 'lamp', version: 1 })
  await both('push-config-data', { targets: ['station', agentName] })
  // What is pushed to one device names it.
  expect(await told()).toEqual(['agent complete final', 'station complete final'])
  expect(agent.configuration('lamp')).toEqual({ level: 3, colour: 'red' })
  expect(station.configured.get('lamp')).toEqual({ level: 3, colour: 'red' })
}, 90_000)
