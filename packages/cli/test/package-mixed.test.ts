/** One command for a mixed group: packages on an agent and on a station, both real (`mixed-fleet.ts`). Rules: ../RULES.md, CL86 to CL89. */
import { expect, test } from 'vitest'
import { lying, type World, world } from './mixed-fleet.ts'

/** Both have `app 1` and its base. */
async function withApp({ both, told }: World): Promise<void> {
  await both('install-package', { 'package-name': 'app 1', 'recursive-dependency-resolve': true })
  expect(await told()).toEqual([
    'agent app 1 installed final',
    'agent base installed',
    'station app 1 installed final',
    'station base installed',
  ])
}

const objects = /^\/local-s3\//

test('[CL86] one command serves a mixed group: what is installed, upgraded and removed is so on either device', async () => {
  const held = await world()
  const { agent, station, both, told, having } = held
  await withApp(held)
  await agent.says('1 DONE')
  expect(agent.packages()).toEqual(lying('base', 'app 1'))
  expect([...station.has].sort()).toEqual(['app 1', 'base'])
  expect(await having('app 1')).toEqual(['agent', 'station'])

  await both('upgrade-package', { 'from-package-name': 'app 1', 'to-package-name': 'app 2' })
  expect(await told()).toEqual(['agent app 2 upgraded final', 'station app 2 upgraded final'])
  expect(agent.packages()).toEqual(lying('base', 'app 2'))
  expect(await having('app 1')).toEqual([])
  expect(await having('app 2')).toEqual(['agent', 'station'])

  await both('uninstall-package', { 'package-name': 'app 2', 'remove-unused': true })
  expect(await told()).toContain('agent app 2 uninstalled')
  expect(agent.packages()).toEqual({})
  expect([...station.has]).toEqual([])
  expect(await having('base')).toEqual([])
}, 90_000)

test('[CL87] a package that breaks the device is rolled back there: told of as failed, and the device keeps what it had', async () => {
  const held = await world()
  const { agent, both, told, having, must } = held
  await withApp(held)
  await both('upgrade-package', { 'from-package-name': 'app 1', 'to-package-name': 'app 2' })
  await told()
  await both('upgrade-package', { 'from-package-name': 'app 2', 'to-package-name': 'app 3' })
  expect(await told()).toEqual(['agent app 3 upgrade-failed final', 'station app 3 upgraded final'])
  await agent.says('3 ERROR')
  expect(agent.packages()).toEqual(lying('base', 'app 2'))
  expect(await having('app 2')).toEqual(['agent'])
  expect(await having('app 3')).toEqual(['station'])
  expect((await must('get-package-status', { 'package-name': 'app 3' }))['member-list']).toContainEqual(
    expect.objectContaining({ operation: 'upgrade', 'operation-status': 'other-error' }),
  )
  // What is asked next finds the device as it is, not as the broken package would have left it.
  await both('install-package', { 'package-name': 'tool' })
  expect(await told()).toEqual(['agent tool installed final', 'station tool installed final'])
  expect(agent.packages()).toEqual(lying('base', 'app 2', 'tool'))
}, 90_000)

test('[CL88] what is changed under a package on its way leaves no half of it: it can not be deleted, and a type that stops allowing it keeps it from who has not begun', async () => {
  const { house, agent, station, both, told, having, ask, must } = await world()
  const halfway = house.gate.halve(objects)
  const parts = Promise.withResolvers<void>()
  const go = Promise.withResolvers<void>()
  station.holdAt(() => {
    parts.resolve()
    return go.promise
  })
  await both('install-package', { 'package-name': 'base' })
  await both('install-package', { 'package-name': 'tool' })
  await Promise.all([halfway, parts.promise])
  for (const name of ['base', 'tool'])
    for (const type of ['pantahub', 'mast'])
      await must('remove-package-from-device-type', { 'package-name': name, 'device-type': type })
  expect(await ask('delete-package', { 'package-name': 'base' })).toMatchObject({
    result: 'object-not-empty',
  })
  station.holdAt(() => undefined)
  go.resolve()
  house.gate.open()
  expect(await told(2)).toEqual([
    'agent base installed final',
    'agent tool unsupported-package final',
    'station base installed final',
    'station tool unsupported-package final',
  ])
  expect(await ask('delete-package', { 'package-name': 'tool' })).toEqual({ result: 'ok' })
  expect(agent.packages()).toEqual(lying('base'))
  expect([...station.has]).toEqual(['base'])
  expect(await having('base')).toEqual(['agent', 'station'])
}, 90_000)

test('[CL89] the server is killed while either device has half of it: after the restart both end with the whole', async () => {
  const { house, agent, station, both, told, having } = await world()
  const halfway = house.gate.halve(objects)
  const parts = Promise.withResolvers<void>()
  const go = Promise.withResolvers<void>()
  let written = 0
  station.holdAt(() => {
    if (written++ !== 1) return
    parts.resolve()
    return go.promise
  })
  await both('install-package', { 'package-name': 'app 1', 'recursive-dependency-resolve': true })
  await Promise.all([halfway, parts.promise])
  await house.kill()
  go.resolve()
  await house.restart()
  expect(await told()).toEqual([
    'agent app 1 installed final',
    'agent base installed',
    'station app 1 installed final',
    'station base installed',
  ])
  expect(agent.packages()).toEqual(lying('base', 'app 1'))
  expect([...station.has].sort()).toEqual(['app 1', 'base'])
  expect(await having('app 1')).toEqual(['agent', 'station'])
}, 90_000)
