/** Packages on devices that follow a trail: each operation is a step of it. Rules: RULES.md, OF6 to OF11. */
import { createHash } from 'node:crypto'
import {
  configurationOf,
  configurationVersions,
  devicePackages,
  packageConfigurations,
  packagesOf,
  trailWorks,
  transactions,
  transfers,
  versionsOf,
} from '@waymark/domain'
import type { JsonObject } from '@waymark/yang'
import { expect, test } from 'vitest'
import { type Back, dialIn, openBack, openSink } from './support.ts'
import { factory, trailDevice } from './trail-support.ts'

const module_ = (name: string, more = '') =>
  `module ${name} { namespace "urn:${name}"; prefix m; container app { leaf rate { type uint16 { range "1..1000"; } default 128; } leaf big { type uint64; } ${more} } }`

const images = { base: 'the base', 'app 1': 'the first app', 'app 2': 'the second app' } as const
const sha = (text: string) => createHash('sha256').update(text).digest('hex')

/** A device with a trail and three packages that it may have: `base`, `app 1` on it, and `app 2` in its place. */
async function world(back: Back) {
  const admin = await back.account('acme')
  const must = async (method: string, params: JsonObject) => {
    const answer = await back.ask(admin, `exodm:${method}`, params)
    if (answer.result !== 'ok') throw new Error(`${method}: ${JSON.stringify(answer)}`)
    return answer
  }
  for (const [name, text] of [
    ['app1', module_('app1')],
    ['app2', module_('app2', 'leaf unit { type string; default "K"; }')],
  ] as const)
    await must('create-yang-module', { repository: 'user', name: `${name}.yang`, 'yang-module': text })
  const image = (name: keyof typeof images) => Buffer.from(images[name]).toString('base64')
  await must('create-package', { 'package-name': 'base', image: image('base') })
  await must('create-package', {
    'package-name': 'app 1',
    'prerequisite-packages': ['base'],
    'yang-specification': 'app1.yang',
    'configuration-container': 'app',
    image: image('app 1'),
  })
  await must('create-package', {
    'package-name': 'app 2',
    'prerequisite-packages': ['base'],
    'upgrade-from-packages': ['app 1'],
    'yang-specification': 'app2.yang',
    'configuration-container': 'app',
    image: image('app 2'),
  })
  await must('add-package-to-device-type', {
    'package-name': ['base', 'app 1', 'app 2'],
    'device-type': 'pantahub',
  })
  const trailer = await trailDevice(back, 'trailer')
  return {
    admin,
    must,
    ...trailer,
    async has(device = trailer.id) {
      const rows = await packagesOf(trailer.reader, device)
      return rows.filter((row) => row.installed).map((row) => row.package)
    },
    install: (name: string, more: JsonObject = {}) =>
      must('install-package', {
        'package-name': name,
        targets: 'trailer',
        'recursive-dependency-resolve': true,
        ...more,
      }),
  }
}

/** A world whose device has `app 1`, and its base. */
async function withApp(back: Back) {
  const held = await world(back)
  await held.install('app 1')
  await back.tend()
  await held.report(1, 'DONE')
  expect(await held.has()).toEqual(['app 1', 'base'])
  return held
}

test('[OF6] an installation is one step: prerequisites with it, images under their names, configuration under _config', async () => {
  const back = await openBack()
  const sink = await openSink()
  const { install, head, state, report, has, reader, id } = await world(back)
  await install('app 1', {
    values: { big: 18446744073709551615n },
    'notification-url': sink.url,
    'transaction-id': 7,
  })
  await back.tend()
  expect(await head()).toMatchObject({ rev: 1, about: 'install base, install app 1' })
  expect(await state()).toEqual({
    ...(JSON.parse(factory) as object),
    'base/image': sha(images.base),
    'app%201/image': sha(images['app 1']),
    '_config/app%201/config.json': { big: '18446744073709551615', rate: 128 },
  })
  expect(await has()).toEqual([])
  await report(1, 'INPROGRESS')
  expect(await has()).toEqual([])
  expect(sink.came).toHaveLength(0)
  await report(1, 'DONE')
  expect(await has()).toEqual(['app 1', 'base'])
  expect((await sink.until(2)).map(({ params }) => params)).toMatchObject([
    { 'device-id': 'trailer', 'package-name': 'base', 'package-status': 'installed', final: false },
    { 'package-name': 'app 1', 'package-status': 'installed', final: true, 'transaction-id': 7 },
  ])
  expect((await configurationOf(reader, id, 'app 1')).current).toBe('{"rate":128,"big":18446744073709551615}')
  expect(await reader.count(transactions, { open: true })).toBe(0)
  expect(await reader.count(trailWorks, {})).toBe(0)
})

test('[OF6] an upgrade replaces image and configuration, a removal takes them out; what is others’ stays', async () => {
  const back = await openBack()
  const { must, state, report, has } = await withApp(back)
  await must('upgrade-package', {
    'from-package-name': 'app 1',
    'to-package-name': 'app 2',
    targets: 'trailer',
  })
  await back.tend()
  expect(await state()).toEqual({
    ...(JSON.parse(factory) as object),
    'base/image': sha(images.base),
    'app%202/image': sha(images['app 2']),
    '_config/app%202/config.json': { rate: 128, unit: 'K' },
  })
  await report(2, 'DONE')
  expect(await has()).toEqual(['app 2', 'base'])
  await must('uninstall-package', { 'package-name': 'app 2', targets: 'trailer' })
  await back.tend()
  expect(await state()).toEqual(JSON.parse(factory))
  await report(3, 'DONE')
  expect(await has()).toEqual([])
})

test('[OF7] a step that fails installs nothing: no package of it, and whoever asked is told once', async () => {
  const back = await openBack()
  const sink = await openSink()
  const { install, report, has, must, reader, id } = await world(back)
  await install('app 1', { 'notification-url': sink.url })
  await back.tend()
  await report(1, 'ERROR')
  expect(await has()).toEqual([])
  expect((await sink.until(1)).map(({ params }) => params)).toMatchObject([
    { 'package-name': 'app 1', 'package-status': 'install-failed', final: true },
  ])
  expect((await must('get-package-status', { 'package-name': 'base' }))['member-list']).toEqual([
    { 'device-id': 'trailer', operation: 'install', 'operation-status': 'other-error' },
  ])
  expect((await configurationOf(reader, id, 'app 1')).current).toBe('')
  expect(sink.came).toHaveLength(1)
})

test('[OF8] one after the other: what is asked next is made of what the device has by then', async () => {
  const back = await openBack()
  const { install, must, head, report, has, reader } = await withApp(back)
  await must('uninstall-package', { 'package-name': 'app 1', targets: 'trailer', 'remove-unused': false })
  await install('app 2')
  await back.tend()
  expect((await head()).rev).toBe(2)
  await report(2, 'DONE')
  expect(await head()).toMatchObject({ rev: 3, about: 'install app 2' })
  await report(3, 'DONE')
  expect(await has()).toEqual(['app 2', 'base'])
  expect(await reader.count(trailWorks, {})).toBe(0)
})

test('[OF8] what failed, or was taken back, does not come back with what is asked next', async () => {
  const back = await openBack()
  const { install, must, state, report, has } = await withApp(back)
  await must('upgrade-package', {
    'from-package-name': 'app 1',
    'to-package-name': 'app 2',
    targets: 'trailer',
  })
  await back.tend()
  expect(await state()).toHaveProperty(['app%202/image'])
  await report(2, 'ERROR')
  expect(await has()).toEqual(['app 1', 'base'])
  await must('create-package', { 'package-name': 'tool', image: 'AAAA' })
  await must('add-package-to-device-type', { 'package-name': 'tool', 'device-type': 'pantahub' })
  await install('tool')
  await back.tend()
  expect(Object.keys(await state()).filter((path) => path.endsWith('/image'))).toEqual([
    'app%201/image',
    'base/image',
    'tool/image',
  ])
  // A long row of failures is looked back over.
  for (let rev = 3; rev < 30; rev++) {
    await report(rev, 'ERROR')
    await install('tool')
    await back.tend()
  }
  await report(30, 'DONE')
  expect(await has()).toEqual(['app 1', 'base', 'tool'])
})

test('[OF12] with a device goes what it had of packages, and what was under way: they can be removed, and nothing waits for it', async () => {
  const back = await openBack()
  const sink = await openSink()
  const { install, must, id, reader } = await withApp(back)
  await must('update-config', { targets: 'trailer', 'package-name': 'app 1', values: { rate: 5 } })
  await install('app 2', { 'notification-url': sink.url })
  await must('uninstall-package', { 'package-name': 'app 1', targets: 'trailer' })
  await back.tend()
  await must('delete-devices', { 'device-id': ['trailer'] })
  await back.tend()
  expect((await sink.until(1)).map(({ params }) => params)).toMatchObject([
    { 'package-name': 'app 2', 'package-status': 'install-failed', final: true },
  ])
  expect(await reader.find(transactions, { where: { open: true, device: id } })).toEqual([])
  expect(await reader.count(trailWorks, {})).toBe(0)
  expect(await reader.count(devicePackages, { device: id })).toBe(0)
  expect(await reader.count(configurationVersions, { device: id })).toBe(0)
  expect(await reader.count(transfers, { device: id })).toBe(0)
  expect(await reader.count(packageConfigurations, { subject: id })).toBe(0)
  for (const name of ['app 2', 'app 1', 'base']) {
    await must('remove-package-from-device-type', { 'package-name': name, 'device-type': 'pantahub' })
    await must('delete-package', { 'package-name': name })
  }
})

test('[OF9] configuration of a package is a step; done it is history, failed its edits are staged again', async () => {
  const back = await openBack()
  const { must, state, report, reader, id, head } = await withApp(back)
  const push = async (rate: number) => {
    await must('update-config', { targets: 'trailer', 'package-name': 'app 1', values: { rate } })
    await must('push-config-data', { targets: 'trailer' })
    await back.tend()
  }
  await push(5)
  expect(await head()).toMatchObject({ rev: 2, about: 'configuration app 1' })
  expect((await state())['_config/app%201/config.json']).toEqual({ rate: 5 })
  await report(2, 'DONE')
  expect(await configurationOf(reader, id, 'app 1')).toMatchObject({ current: '{"rate":5}', staged: '' })
  await push(6)
  await report(3, 'ERROR')
  expect(await configurationOf(reader, id, 'app 1')).toMatchObject({
    current: '{"rate":5}',
    staged: '{"rate":6}',
  })
  expect((await versionsOf(reader, id, 'app 1', 9)).map(({ values }) => values)).toEqual([
    '{"rate":5}',
    '{"rate":128}',
  ])
})

test('[OF10] what is called off, or times out, before the device took its step takes the step back', async () => {
  const back = await openBack()
  const { install, head, report, has, reader } = await world(back)
  await install('base', { timeout: 60 })
  await back.tend()
  expect((await head()).status).toBe('NEW')
  back.test.pass(61_000)
  await back.test.house.store.transact((await tenantOf(back)).id, async (tx) => {
    const { expireDue, ok } = await import('@waymark/domain')
    return ok(await expireDue(tx, back.test.house.env(), 10))
  })
  await back.tend()
  expect((await head()).status).toBe('CANCEL')
  expect(await has()).toEqual([])
  expect(await reader.count(trailWorks, {})).toBe(0)
  // Too late: the device is at it, and has what it then says it has.
  await install('base', { timeout: 60 })
  await back.tend()
  await report(2, 'INPROGRESS')
  back.test.pass(61_000)
  await back.test.house.store.transact((await tenantOf(back)).id, async (tx) => {
    const { expireDue, ok } = await import('@waymark/domain')
    return ok(await expireDue(tx, back.test.house.env(), 10))
  })
  await back.tend()
  expect((await head()).status).toBe('INPROGRESS')
  await report(2, 'DONE')
  expect(await has()).toEqual(['base'])
  expect(await reader.count(trailWorks, {})).toBe(0)
})

test('[OF11] one command serves devices of every link: each target gets it its own way', async () => {
  const back = await openBack()
  const sink = await openSink()
  const { must, id, head, report, has } = await world(back)
  await must('create-device-type', { name: 'truck', protocol: 'exodm_bert' })
  await must('create-device', {
    'device-id': 'a truck',
    'device-type': 'truck',
    'device-key': 1,
    'server-key': 2,
  })
  await must('add-package-to-device-type', { 'package-name': 'base', 'device-type': 'truck' })
  for (const [group, device] of [
    ['trucks', 'a truck'],
    ['trailers', 'trailer'],
  ] as const) {
    await must('create-device-group', { name: group })
    await must('add-device-group-members', { 'group-id': group, 'device-id': device })
  }
  await must('install-package', {
    'package-name': 'base',
    targets: ['trucks', 'trailers'],
    'notification-url': sink.url,
    'transaction-id': 9,
  })
  await back.tend()
  expect(await head()).toMatchObject({ rev: 1, about: 'install base' })
  await report(1, 'DONE')
  const session = await dialIn(back, 'acme', 'a truck')
  const carried = await session.nextOfAll(5000)
  if (carried?.kind !== 'packages') throw new Error(`no packages but ${carried?.kind}`)
  await session.stepped(carried, 0, true)
  await session.settle(carried, { kind: 'done' })
  expect(await has(id)).toEqual(['base'])
  expect((await must('list-devices-with-package', { 'package-name': 'base' })).devices).toEqual([
    { 'device-id': 'a truck', 'package-status': 'installed' },
    { 'device-id': 'trailer', 'package-status': 'installed' },
  ])
  const told = (await sink.until(2)).map(({ params }) => params as JsonObject)
  expect(told.map((each) => each['device-id']).sort()).toEqual(['a truck', 'trailer'])
  expect(told).toMatchObject([{ 'transaction-id': 9 }, { 'transaction-id': 9 }])
})

test('[OF6] a name under which the state holds what is not the package is refused, and nothing is touched', async () => {
  const back = await openBack()
  const sink = await openSink()
  const { must, install, head, has } = await world(back)
  for (const name of ['bsp', '_config', '..']) {
    await must('create-package', { 'package-name': name, image: 'AAAA' })
    await must('add-package-to-device-type', { 'package-name': name, 'device-type': 'pantahub' })
    await install(name, { 'notification-url': sink.url })
    await back.tend()
  }
  expect((await head()).rev).toBe(0)
  expect(await has()).toEqual([])
  expect((await sink.until(3)).map(({ params }) => (params as JsonObject)['package-status'])).toEqual(
    Array(3).fill('install-failed'),
  )
})

async function tenantOf(back: Back) {
  const { tenants } = await import('@waymark/domain')
  const [acme] = await back.test.house.store.readHouse().find(tenants, { where: { name: 'acme' } })
  if (!acme) throw new Error('no acme')
  return acme
}
