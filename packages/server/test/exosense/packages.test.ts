/** Packages, their transfer and their configuration, on the manual's own example. Rules: RULES.md, PK, TF, PC. */
import { createHash, randomBytes } from 'node:crypto'
import { configurationVersions, packagesOf, tenants, transactions } from '@waymark/domain'
import type { JsonObject } from '@waymark/yang'
import { describe, expect, test } from 'vitest'
import type { CarriedPackageConfiguration, CarriedPackages, OpenSession } from '../../src/links/link.ts'
import { type Back, dialIn, openBack, openSink } from './support.ts'

const exodev = `module exodev-1_0 {
  namespace "urn:exodev"; prefix e;
  container exodev { leaf ip_addr { type string; default "192.168.0.1"; } }
  rpc transfer-init { input { leaf device-id { type string; } } }
}`
const weather = (version: string, more = '') => `module weather-${version} {
  namespace "urn:weather:${version}"; prefix w;
  container weather_app { leaf sample_rate { type uint16 { range "1..1000"; } default 128; } leaf location { type string; } ${more} }
  rpc get-scan { input { leaf device-id { type string; } } output { leaf scan { type string; } } }
}`
const attributes = (more = '') => `module weather_r${more === '' ? '1' : '2'}_attributes {
  namespace "urn:attributes${more === '' ? '1' : '2'}"; prefix a;
  container attributes { leaf msisdn { type string; } leaf location { type string; } ${more} }
}`

/** The manual's figures 6 to 8: two types, three packages, three devices. The first two are of type weather_r1. */
async function world(back: Back, more: { images?: Record<string, Buffer> } = {}) {
  const admin = await back.account('acme')
  const ask = (method: string, params: JsonObject) => back.ask(admin, `exodm:${method}`, params)
  const must = async (method: string, params: JsonObject) => {
    const answer = await ask(method, params)
    if (answer.result !== 'ok') throw new Error(`${method}: ${JSON.stringify(answer)}`)
    return answer
  }
  for (const [name, text] of Object.entries({
    'exodev-1_0': exodev,
    'weather-1_1': weather('1_1'),
    'weather-2_0': weather('2_0', 'leaf unit { type string; default "K"; }'),
    weather_r1_attributes: attributes(),
    weather_r2_attributes: attributes('leaf altitude { type int16; }'),
  }))
    await must('create-yang-module', { repository: 'user', name: `${name}.yang`, 'yang-module': text })
  for (const type of ['weather_r1', 'weather_r2'])
    await must('create-device-type', {
      name: type,
      protocol: 'exodm_bert',
      'yang-specification': `${type}_attributes.yang`,
      'attribute-container': 'attributes',
    })
  const images: Record<string, Buffer> = {
    'exodev-1.0': Buffer.from('exodev'),
    'weather_app-1.1': Buffer.from('weather 1.1'),
    'weather_app-2.0': Buffer.from('weather 2.0'),
    ...more.images,
  }
  const make = (name: string, file: string, container: string, rest: JsonObject = {}) =>
    must('create-package', {
      'package-name': name,
      'yang-specification': file,
      'configuration-container': container,
      image: images[name]?.toString('base64') ?? '',
      ...rest,
    })
  await make('exodev-1.0', 'exodev-1_0.yang', 'exodev')
  await make('weather_app-1.1', 'weather-1_1.yang', 'weather_app', {
    'prerequisite-packages': ['exodev-1.0'],
  })
  await make('weather_app-2.0', 'weather-2_0.yang', 'weather_app', {
    'prerequisite-packages': ['exodev-1.0'],
    'upgrade-from-packages': ['weather_app-1.1'],
  })
  await must('add-package-to-device-type', {
    'package-name': ['exodev-1.0', 'weather_app-1.1'],
    'device-type': 'weather_r1',
    'install-arguments': '--quiet',
  })
  await must('add-package-to-device-type', {
    'package-name': ['exodev-1.0', 'weather_app-2.0'],
    'device-type': 'weather_r2',
  })
  for (const [name, type] of [
    ['device1', 'weather_r1'],
    ['device2', 'weather_r1'],
    ['device3', 'weather_r2'],
  ] as const)
    await must('create-device', {
      'device-id': name,
      'device-type': type,
      'device-key': 1,
      'server-key': 2,
      attributes: { msisdn: '+1', location: 'here' },
    })
  const { house } = back.test
  const [acme] = await house.store.readHouse().find(tenants, { where: { name: 'acme' } })
  if (!acme) throw new Error('no acme')
  await back.tend()
  return { admin, ask, must, images, tenant: acme.id }
}

/** A device that takes images in chunks and does every step. */
async function takeAll(
  session: OpenSession,
  chunk = 4,
  after: (step: number, bytes: number) => void = () => {},
): Promise<{ carried: CarriedPackages; got: Map<string, Buffer> }> {
  const carried = await session.nextOfAll(5000)
  if (carried?.kind !== 'packages') throw new Error(`no packages but ${carried?.kind}`)
  const got = new Map<string, Buffer>()
  for (const [index, step] of carried.steps.entries()) {
    if (step.image) {
      const parts: Buffer[] = []
      for (let at = step.image.confirmed; at < step.image.size; ) {
        const part = await session.image(carried, index, at, chunk)
        parts.push(Buffer.from(part))
        at += part.length
        await session.confirmed(carried, index, at)
        after(index, at)
      }
      got.set(step.package, Buffer.concat(parts))
    }
    await session.stepped(carried, index, true)
  }
  await session.settle(carried, { kind: 'done' })
  return { carried, got }
}

describe('packages', () => {
  test('[PK1] a cycle, a missing module, prerequisite or image, a name twice: refused', async () => {
    const back = await openBack()
    const { ask } = await world(back)
    const make = (params: JsonObject) => ask('create-package', { image: 'AAAA', ...params })
    expect(await make({ 'package-name': 'exodev-1.0' })).toEqual({ result: 'object-exists' })
    expect(await make({ 'package-name': 'x', 'yang-specification': 'none.yang' })).toEqual({
      result: 'object-not-found',
    })
    expect(await make({ 'package-name': 'x', 'prerequisite-packages': ['none'] })).toEqual({
      result: 'object-not-found',
    })
    expect(await make({ 'package-name': 'x', 'prerequisite-packages': ['x'] })).toMatchObject({
      result: 'validation-failed',
    })
    expect(
      await make({
        'package-name': 'x',
        'yang-specification': 'exodev-1_0.yang',
        'configuration-container': 'no',
      }),
    ).toMatchObject({
      result: 'validation-failed',
    })
    expect(await make({ 'package-name': 'x', image: 'no base64!' })).toMatchObject({
      result: 'validation-failed',
    })
    expect(await ask('create-package', { 'package-name': 'x' })).toEqual({ result: 'missing-option' })
    expect(await ask('create-package', { 'package-name': 'x', 'image-sha256': 'a'.repeat(64) })).toEqual({
      result: 'object-not-found',
    })
    expect((await ask('list-packages', {})).packages).toEqual([
      'exodev-1.0',
      'weather_app-1.1',
      'weather_app-2.0',
    ])
  })

  test('[PK2] prerequisites come first, in one transaction; without being asked for they are missing, and named', async () => {
    const back = await openBack()
    const sink = await openSink()
    const { must, tenant, images } = await world(back)
    const asked = {
      'package-name': 'weather_app-1.1',
      targets: 'device1',
      'notification-url': sink.url,
      'transaction-id': 7,
    }
    await must('install-package', asked)
    await back.tend()
    expect((await sink.until(1))[0]).toMatchObject({
      method: 'exodm:package-operation-notification',
      params: {
        'device-id': 'device1',
        'package-name': 'weather_app-1.1',
        'package-status': 'dependency-failure',
        final: true,
        'transaction-id': 7,
      },
    })
    const reader = back.test.house.store.read(tenant)
    const [failed] = await reader.find(transactions, {})
    expect(failed?.reason).toBe('dependency-failure: weather_app-1.1 needs exodev-1.0')
    await must('install-package', {
      ...asked,
      'recursive-dependency-resolve': true,
      values: { sample_rate: 64 },
    })
    const { carried, got } = await takeAll(await dialIn(back, 'acme', 'device1'))
    expect(carried.steps.map((step) => [step.operation, step.package, step.arguments])).toEqual([
      ['install', 'exodev-1.0', '--quiet'],
      ['install', 'weather_app-1.1', '--quiet'],
    ])
    expect(carried.steps.map(({ values }) => values)).toEqual([
      { ip_addr: '192.168.0.1' },
      { sample_rate: 64 },
    ])
    expect(got.get('weather_app-1.1')).toEqual(images['weather_app-1.1'])
    expect((await sink.until(3)).slice(1).map(({ params }) => params)).toMatchObject([
      { 'package-name': 'exodev-1.0', 'package-status': 'installed', final: false },
      { 'package-name': 'weather_app-1.1', 'package-status': 'installed', final: true },
    ])
    const [device1] = carried.steps
    expect(device1?.image?.sha256).toBe(
      createHash('sha256')
        .update(images['exodev-1.0'] ?? '')
        .digest('hex'),
    )
  })

  test('[PK3] a type takes what it was allowed and nothing else; the operations of what is installed can be called', async () => {
    const back = await openBack()
    const sink = await openSink()
    const { must, admin } = await world(back)
    await must('install-package', {
      'package-name': 'weather_app-1.1',
      targets: 'device3',
      'recursive-dependency-resolve': true,
      'notification-url': sink.url,
    })
    await back.tend()
    expect((await sink.until(1))[0]).toMatchObject({
      params: { 'package-status': 'unsupported-package', final: true },
    })
    const scan = () => back.call(admin, 'weather-2_0:get-scan', { 'device-id': 'device3' })
    expect((await scan()).error).toMatchObject({ code: -32601 })
    await must('install-package', {
      'package-name': 'weather_app-2.0',
      targets: 'device3',
      'recursive-dependency-resolve': true,
    })
    const session = await dialIn(back, 'acme', 'device3')
    await takeAll(session)
    expect((await scan()).result).toMatchObject({ 'rpc-status': 'accepted' })
    expect((await back.call(admin, 'exodev-1_0:transfer-init', { 'device-id': 'device3' })).result).toBe('ok')
    const carried = await session.nextOfAll(1000)
    expect(carried).toMatchObject({ kind: 'rpc', module: 'weather-2_0', method: 'get-scan' })
  })

  test('[PK4] a group’s members get it each for themselves; one reached twice gets one operation', async () => {
    const back = await openBack()
    const { must, ask, tenant } = await world(back)
    await must('create-device-group', { name: 'g' })
    await must('add-device-group-members', { 'group-id': 'g', 'device-id': ['device1', 'device2'] })
    await must('install-package', { 'package-name': 'exodev-1.0', targets: ['g', 'device1'] })
    const reader = back.test.house.store.read(tenant)
    expect((await reader.find(transactions, {})).filter(({ device }) => device !== undefined)).toHaveLength(2)
    expect((await ask('list-devices-with-package', { 'package-name': 'exodev-1.0' })).devices).toEqual([
      { 'device-id': 'device1', 'package-status': 'pending-install' },
      { 'device-id': 'device2', 'package-status': 'pending-install' },
    ])
    await takeAll(await dialIn(back, 'acme', 'device2'))
    expect((await ask('get-package-status', { 'package-name': 'exodev-1.0' }))['member-list']).toEqual([
      { 'device-id': 'device1', operation: 'install', 'operation-status': 'queued' },
      { 'device-id': 'device2', operation: 'install', 'operation-status': 'completed' },
    ])
    expect(await ask('install-package', { 'package-name': 'exodev-1.0', targets: ['nobody'] })).toEqual({
      result: 'object-not-found',
    })
  })

  test('[PK4] an upgrade, and a removal, of a group reach every member', async () => {
    const back = await openBack()
    const { must, tenant } = await world(back)
    const both = ['device1', 'device2']
    await must('create-device-group', { name: 'g' })
    await must('add-device-group-members', { 'group-id': 'g', 'device-id': both })
    await must('add-package-to-device-type', {
      'package-name': 'weather_app-2.0',
      'device-type': 'weather_r1',
    })
    const sessions = await Promise.all(both.map((name) => dialIn(back, 'acme', name)))
    const expectOnAll = async (names: readonly string[]) => {
      for (const session of sessions) await takeAll(session)
      for (const name of both) expect(await installedOn(back, tenant, name)).toEqual(names)
    }
    await must('install-package', {
      'package-name': 'weather_app-1.1',
      targets: 'g',
      'recursive-dependency-resolve': true,
    })
    await expectOnAll(['exodev-1.0', 'weather_app-1.1'])
    await must('upgrade-package', {
      'from-package-name': 'weather_app-1.1',
      'to-package-name': 'weather_app-2.0',
      targets: 'g',
    })
    await expectOnAll(['exodev-1.0', 'weather_app-2.0'])
    await must('uninstall-package', {
      'package-name': 'weather_app-2.0',
      targets: 'g',
      'remove-unused': false,
    })
    await expectOnAll(['exodev-1.0'])
  })

  test('[PK5] an upgrade replaces what it may replace, keeps its configuration, and nothing else is touched', async () => {
    const back = await openBack()
    const { must, tenant } = await world(back)
    await must('add-package-to-device-type', {
      'package-name': 'weather_app-2.0',
      'device-type': 'weather_r1',
    })
    await must('install-package', {
      'package-name': 'weather_app-1.1',
      targets: 'device1',
      'recursive-dependency-resolve': true,
    })
    const session = await dialIn(back, 'acme', 'device1')
    await takeAll(session)
    await must('update-package-config', {
      'package-name': 'weather_app-1.1',
      targets: 'device1',
      values: { location: 'roof' },
    })
    await takeConfiguration(session)
    await must('upgrade-package', {
      'from-package-name': 'weather_app-1.1',
      'to-package-name': 'weather_app-2.0',
      targets: 'device1',
    })
    const { carried } = await takeAll(session)
    expect(carried.steps).toMatchObject([
      { operation: 'upgrade', package: 'weather_app-2.0', from: 'weather_app-1.1' },
    ])
    expect(await installedOn(back, tenant, 'device1')).toEqual(['exodev-1.0', 'weather_app-2.0'])
    const read = (name: string) =>
      back.ask('acme-admin', 'exodm:read-package-config', { target: 'device1', 'package-name': name })
    expect(await read('weather_app-2.0')).toMatchObject({
      values: { sample_rate: 128, location: 'roof', unit: 'K' },
    })
    expect((await read('weather_app-1.1')).values).toBeUndefined()
  })

  test('[PK6] uninstalling takes along what nothing else needs, unless it is to stay; what is needed stays', async () => {
    const back = await openBack()
    const sink = await openSink()
    const { must, tenant } = await world(back)
    const install = () =>
      must('install-package', {
        'package-name': 'weather_app-1.1',
        targets: 'device1',
        'recursive-dependency-resolve': true,
      })
    const session = await dialIn(back, 'acme', 'device1')
    await install()
    await takeAll(session)
    await must('uninstall-package', {
      'package-name': 'exodev-1.0',
      targets: 'device1',
      'notification-url': sink.url,
    })
    expect((await sink.until(1))[0]).toMatchObject({ params: { 'package-status': 'dependency-failure' } })
    await must('uninstall-package', {
      'package-name': 'weather_app-1.1',
      targets: 'device1',
      'remove-unused': false,
    })
    await takeAll(session)
    expect(await installedOn(back, tenant, 'device1')).toEqual(['exodev-1.0'])
    await install()
    await takeAll(session)
    await must('uninstall-package', { 'package-name': 'weather_app-1.1', targets: 'device1' })
    const { carried } = await takeAll(session)
    expect(carried.steps.map((step) => [step.operation, step.package])).toEqual([
      ['uninstall', 'weather_app-1.1'],
      ['uninstall', 'exodev-1.0'],
    ])
    expect(await installedOn(back, tenant, 'device1')).toEqual([])
    await must('uninstall-package', {
      'package-name': 'exodev-1.0',
      targets: 'device1',
      'notification-url': sink.url,
    })
    expect((await sink.until(2))[1]).toMatchObject({
      params: { 'package-status': 'not-installed', final: true },
    })
  })

  test('[PK7] a step that fails ends the whole: what came before stays, what was to come is not begun', async () => {
    const back = await openBack()
    const sink = await openSink()
    const { must, tenant } = await world(back)
    await must('install-package', {
      'package-name': 'weather_app-1.1',
      targets: 'device1',
      'recursive-dependency-resolve': true,
      'notification-url': sink.url,
    })
    const session = await dialIn(back, 'acme', 'device1')
    const carried = await session.nextOfAll(1000)
    if (carried?.kind !== 'packages') throw new Error('no packages')
    await session.stepped(carried, 0, true)
    await session.stepped(carried, 1, false, 'no room')
    await session.settle(carried, { kind: 'done' })
    expect((await sink.until(2)).map(({ params }) => params)).toMatchObject([
      { 'package-name': 'exodev-1.0', 'package-status': 'installed', final: false },
      {
        'package-name': 'weather_app-1.1',
        'package-status': 'install-failed',
        final: true,
        'rpc-status': 'device-error',
      },
    ])
    expect(await installedOn(back, tenant, 'device1')).toEqual(['exodev-1.0'])
    expect(sink.came).toHaveLength(2)
  })

  test('[PK8] what is in use can not be removed; what a type no longer allows stays where it is', async () => {
    const back = await openBack()
    const { must, ask, tenant } = await world(back)
    expect(await ask('delete-package', { 'package-name': 'exodev-1.0' })).toMatchObject({
      result: 'object-not-empty',
    })
    await must('install-package', { 'package-name': 'exodev-1.0', targets: 'device1' })
    await takeAll(await dialIn(back, 'acme', 'device1'))
    for (const type of ['weather_r1', 'weather_r2'])
      await must('remove-package-from-device-type', { 'package-name': 'exodev-1.0', 'device-type': type })
    expect(await installedOn(back, tenant, 'device1')).toEqual(['exodev-1.0'])
    expect(await ask('delete-package', { 'package-name': 'exodev-1.0' })).toMatchObject({
      result: 'object-not-empty',
    })
    await must('remove-package-from-device-type', {
      'package-name': 'weather_app-2.0',
      'device-type': 'weather_r2',
    })
    expect(await ask('delete-package', { 'package-name': 'weather_app-2.0' })).toEqual({ result: 'ok' })
  })

  test('[PK9] push-package works on the devices that were selected, in all its operations', async () => {
    const back = await openBack()
    const sink = await openSink()
    const { must, ask, tenant } = await world(back)
    await must('add-package-members', { 'package-name': 'exodev-1.0', 'device-id': ['device1'] })
    const push = (operation: string, more: JsonObject = {}) =>
      must('push-package', { 'package-name': 'exodev-1.0', operation, 'notification-url': sink.url, ...more })
    const session = await dialIn(back, 'acme', 'device1')
    await push('transmit')
    const { carried } = await takeAll(session)
    expect(carried.steps).toMatchObject([{ operation: 'transmit' }])
    await push('install')
    await takeAll(session)
    expect(await installedOn(back, tenant, 'device1')).toEqual(['exodev-1.0'])
    await push('remove')
    await takeAll(session)
    expect(
      (await sink.until(3)).map(({ method, params }) => [method, (params as JsonObject)['package-status']]),
    ).toEqual([
      ['exodm:push-package-notification', 'transmitted'],
      ['exodm:push-package-notification', 'installed'],
      ['exodm:push-package-notification', 'uninstalled'],
    ])
    await session.close()
    await push('install')
    await push('install', { 'replace-queue': true, 'remove-after-operation': true })
    const reader = back.test.house.store.read(tenant)
    const children = (await reader.find(transactions, {})).filter(
      ({ device, open }) => device !== undefined && open,
    )
    expect(children).toHaveLength(1)
    expect((await ask('list-package-members', { 'package-name': 'exodev-1.0' }))['package-members']).toEqual(
      [],
    )
  })

  test('[PK10] what times out is told of, and the device’s record says so', async () => {
    const back = await openBack()
    const sink = await openSink()
    const { must, ask } = await world(back)
    await must('install-package', {
      'package-name': 'exodev-1.0',
      targets: 'device1',
      timeout: 1,
      'notification-url': sink.url,
    })
    back.test.pass(1001)
    const { expireDue, ok } = await import('@waymark/domain')
    const { house } = back.test
    for (const { id } of await house.store.readHouse().find(tenants, {}))
      await house.store.transact(id, async (tx) => ok(await expireDue(tx, house.env(), 10)))
    expect((await sink.until(1))[0]).toMatchObject({
      params: { 'package-status': 'timeout', 'rpc-status': 'time-out', final: true },
    })
    expect((await ask('get-package-status', { 'package-name': 'exodev-1.0' }))['member-list']).toEqual([
      { 'device-id': 'device1', operation: 'install', 'operation-status': 'timeout' },
    ])
  })
})

describe('transfer', () => {
  test('[TF1] what a device has confirmed is not sent again, after a cut as after a restart of the session', async () => {
    const back = await openBack()
    const big = randomBytes(1000)
    const { must } = await world(back, { images: { 'exodev-1.0': big } })
    await must('install-package', { 'package-name': 'exodev-1.0', targets: 'device1' })
    const first = await dialIn(back, 'acme', 'device1')
    const carried = await first.nextOfAll(1000)
    if (carried?.kind !== 'packages') throw new Error('no packages')
    const head = await first.image(carried, 0, 0, 400)
    await first.confirmed(carried, 0, 400)
    await first.image(carried, 0, 400, 400)
    await first.close()
    const { got, carried: again } = await takeAll(await dialIn(back, 'acme', 'device1'), 256)
    expect(again.steps[0]?.image?.confirmed).toBe(400)
    expect(again.attempt).toBe(1)
    expect(Buffer.concat([Buffer.from(head), got.get('exodev-1.0') ?? Buffer.alloc(0)])).toEqual(big)
  })

  test('[TF2] what is confirmed is remembered; confirming less than before takes nothing back', async () => {
    const back = await openBack()
    const { must } = await world(back, { images: { 'exodev-1.0': randomBytes(100) } })
    await must('install-package', { 'package-name': 'exodev-1.0', targets: 'device1' })
    const session = await dialIn(back, 'acme', 'device1')
    const carried = await session.nextOfAll(1000)
    if (carried?.kind !== 'packages') throw new Error('no packages')
    await session.image(carried, 0, 0, 60)
    expect(await session.confirmed(carried, 0, 60)).toBe(true)
    expect(await session.confirmed(carried, 0, 30)).toBe(true)
    await session.close()
    const again = await (await dialIn(back, 'acme', 'device1')).nextOfAll(1000)
    expect(again?.kind === 'packages' && again.steps[0]?.image?.confirmed).toBe(60)
  })

  test('[TF3] any part can be had, and no more than there is', async () => {
    const back = await openBack()
    const big = randomBytes(300_000)
    const { must } = await world(back, { images: { 'exodev-1.0': big } })
    await must('install-package', { 'package-name': 'exodev-1.0', targets: 'device1' })
    const session = await dialIn(back, 'acme', 'device1')
    const carried = await session.nextOfAll(1000)
    if (carried?.kind !== 'packages') throw new Error('no packages')
    const part = async (offset: number, length: number) =>
      Buffer.from(await session.image(carried, 0, offset, length))
    expect(await part(299_990, 100)).toEqual(big.subarray(299_990))
    expect(await part(100_000, 65_536)).toEqual(big.subarray(100_000, 165_536))
    for (const [offset, length] of [
      [300_000, 1],
      [-1, 5],
      [0, 0],
    ] as const)
      expect(await part(offset, length)).toHaveLength(0)
  })

  test('[TF4] a checksum that is not right sends the image again from its beginning', async () => {
    const back = await openBack()
    const { must } = await world(back, { images: { 'exodev-1.0': randomBytes(100) } })
    await must('install-package', { 'package-name': 'exodev-1.0', targets: 'device1' })
    const session = await dialIn(back, 'acme', 'device1')
    const carried = await session.nextOfAll(1000)
    if (carried?.kind !== 'packages') throw new Error('no packages')
    await session.image(carried, 0, 0, 100)
    await session.confirmed(carried, 0, 100)
    await session.restart(carried, 0)
    await session.close()
    const again = await (await dialIn(back, 'acme', 'device1')).nextOfAll(1000)
    expect(again?.kind === 'packages' && again.steps[0]?.image?.confirmed).toBe(0)
  })
})

async function installedOn(
  back: Back,
  tenant: Parameters<Back['test']['house']['store']['read']>[0],
  name: string,
) {
  const { deviceIdByBackEndName } = await import('@waymark/domain')
  const reader = back.test.house.store.read(tenant)
  const id = await deviceIdByBackEndName(reader, name)
  return id
    ? (await packagesOf(reader, id)).filter(({ installed }) => installed).map((row) => row.package)
    : []
}

/** A device that takes configuration. */
async function takeConfiguration(
  session: OpenSession,
  outcome: Parameters<OpenSession['settle']>[1] = { kind: 'done' },
): Promise<CarriedPackageConfiguration> {
  const carried = await session.nextOfAll(5000)
  if (carried?.kind !== 'package-configuration') throw new Error(`no configuration but ${carried?.kind}`)
  await session.settle(carried, outcome)
  return carried
}

/** The world with both packages on its first two devices, and what they are configured to. */
async function configured() {
  const back = await openBack()
  const sink = await openSink()
  const here = await world(back)
  const { must, ask } = here
  for (const name of ['device1', 'device2']) {
    await must('install-package', {
      'package-name': 'weather_app-1.1',
      targets: name,
      'recursive-dependency-resolve': true,
    })
    const session = await dialIn(back, 'acme', name)
    await takeAll(session)
    await session.close()
  }
  const read = async (target: string, name: string) => {
    const { staged, values, version } = await ask('read-package-config', { target, 'package-name': name })
    return { staged, values, version }
  }
  return { back, sink, read, ...here }
}

describe('configuration of packages', () => {
  test('[PC1] is there when a package is, with the schema’s defaults, and not before', async () => {
    const { read, ask } = await configured()
    expect(await read('device1', 'weather_app-1.1')).toEqual({ values: { sample_rate: 128 }, version: 1 })
    expect(
      await ask('update-config', { 'device-id': 'device3', 'package-name': 'exodev-1.0', values: {} }),
    ).toEqual({ result: 'object-not-found' })
    expect(
      await ask('update-config', {
        'device-id': 'device1',
        'package-name': 'weather_app-1.1',
        values: { sample_rate: 0 },
      }),
    ).toMatchObject({
      result: 'validation-failed',
    })
    expect(
      await ask('update-config', {
        'device-id': 'device1',
        'package-name': 'weather_app-1.1',
        values: { lid: 0 },
      }),
    ).toMatchObject({
      result: 'validation-failed',
    })
  })

  test('[PC2] a group’s edits go to its members, a member’s own never come back, and what is written last stands', async () => {
    const { back, must, read } = await configured()
    await must('create-device-group', { name: 'g' })
    await must('add-device-group-members', { 'group-id': 'g', 'device-id': ['device1', 'device2'] })
    const app = { 'package-name': 'weather_app-1.1' }
    await must('update-package-config', {
      ...app,
      targets: 'g',
      values: { location: 'all', sample_rate: 10 },
    })
    const [one, two] = [await dialIn(back, 'acme', 'device1'), await dialIn(back, 'acme', 'device2')]
    await takeConfiguration(one)
    await takeConfiguration(two)
    await must('update-package-config', { ...app, targets: 'device1', values: { location: 'own' } })
    expect((await takeConfiguration(one)).packages).toEqual([
      {
        package: 'weather_app-1.1',
        values: { location: 'own', sample_rate: 10 },
        edits: { location: 'own' },
      },
    ])
    expect((await read('g', 'weather_app-1.1')).values).toEqual({ location: 'all', sample_rate: 10 })
    await must('update-package-config', { ...app, targets: 'g', values: { sample_rate: 11 } })
    await takeConfiguration(one)
    expect((await read('device1', 'weather_app-1.1')).values).toEqual({ location: 'own', sample_rate: 11 })
    await must('update-package-config', { ...app, targets: 'g', values: { location: 'all again' } })
    await takeConfiguration(one)
    expect((await read('device1', 'weather_app-1.1')).values).toEqual({
      location: 'all again',
      sample_rate: 11,
    })
  })

  test('[PC3] a push that fails changes nothing on record, and its edits can be corrected and pushed again', async () => {
    const { back, must, read, sink } = await configured()
    const app = { 'package-name': 'weather_app-1.1' }
    await must('update-config', { ...app, 'device-id': 'device1', values: { location: 'x', sample_rate: 5 } })
    await must('push-config-data', { 'device-id': 'device1', 'notification-url': sink.url })
    await must('update-config', { ...app, 'device-id': 'device1', values: { sample_rate: 6 } })
    const session = await dialIn(back, 'acme', 'device1')
    await takeConfiguration(session, { kind: 'failed', reason: 'no' })
    expect((await sink.until(1))[0]).toMatchObject({ params: { 'rpc-status': 'device-error', final: true } })
    expect(await read('device1', 'weather_app-1.1')).toEqual({
      staged: { location: 'x', sample_rate: 6 },
      values: { sample_rate: 128 },
      version: 1,
    })
    await must('push-config-data', { 'device-id': 'device1' })
    await takeConfiguration(session)
    expect((await read('device1', 'weather_app-1.1')).values).toEqual({ location: 'x', sample_rate: 6 })
  })

  test('[PC4] has a history, and what was before can be had again', async () => {
    const { back, must, ask, read, tenant } = await configured()
    const session = await dialIn(back, 'acme', 'device1')
    const app = { 'package-name': 'weather_app-1.1' }
    for (const sample_rate of [1, 2]) {
      await must('update-package-config', { ...app, targets: 'device1', values: { sample_rate } })
      await takeConfiguration(session)
    }
    const { history } = await ask('read-package-config', { target: 'device1', ...app, versions: 10 })
    expect(history).toMatchObject([
      { version: 3, values: { sample_rate: 2 } },
      { version: 2, values: { sample_rate: 1 } },
      { version: 1, values: { sample_rate: 128 } },
    ])
    await must('rollback-package-config', { 'device-id': 'device1', ...app, version: 1 })
    await must('push-config-data', { 'device-id': 'device1' })
    await takeConfiguration(session)
    expect((await read('device1', 'weather_app-1.1')).values).toEqual({ sample_rate: 128 })
    expect(await ask('rollback-package-config', { 'device-id': 'device1', ...app, version: 99 })).toEqual({
      result: 'object-not-found',
    })
    const reader = back.test.house.store.read(tenant)
    expect(await reader.count(configurationVersions, { package: 'weather_app-1.1' })).toBe(5)
  })

  test('[PC4] going back takes away what was added since; edits on top of it go with it, also when a push has failed', async () => {
    const { back, must, read } = await configured()
    const session = await dialIn(back, 'acme', 'device1')
    const app = { 'package-name': 'weather_app-1.1' }
    await must('update-package-config', { ...app, targets: 'device1', values: { location: 'roof' } })
    await takeConfiguration(session)
    await must('rollback-package-config', { 'device-id': 'device1', ...app, version: 1 })
    await must('push-config-data', { 'device-id': 'device1' })
    await takeConfiguration(session, { kind: 'failed', reason: 'no room' })
    expect((await read('device1', 'weather_app-1.1')).values).toMatchObject({ location: 'roof' })
    await must('update-config', { 'device-id': 'device1', ...app, values: { sample_rate: 3 } })
    await must('push-config-data', { 'device-id': 'device1' })
    expect((await takeConfiguration(session)).packages).toMatchObject([{ values: { sample_rate: 3 } }])
    expect((await read('device1', 'weather_app-1.1')).values).toEqual({ sample_rate: 3 })
    // What is edited afterwards is merged again.
    await must('update-package-config', { ...app, targets: 'device1', values: { location: 'yard' } })
    await takeConfiguration(session)
    expect((await read('device1', 'weather_app-1.1')).values).toEqual({ sample_rate: 3, location: 'yard' })
  })
})

describe('figure 9: several updates of one device, pushed as one transaction', () => {
  test('[SD1] steps 1 to 18', async () => {
    const { back, must, sink, tenant, read } = await configured()
    const reader = back.test.house.store.read(tenant)
    const before = await reader.count(transactions, {})
    // 1–3: the back end sets ip_addr of one package; it is a prepared change of the device; acknowledged.
    expect(
      await must('update-config', {
        'device-id': 'device1',
        'package-name': 'exodev-1.0',
        values: { ip_addr: '10.0.0.1' },
      }),
    ).toEqual({ result: 'ok' })
    // 4–6: and location of another one.
    expect(
      await must('update-config', {
        'device-id': 'device1',
        'package-name': 'weather_app-1.1',
        values: { location: 'Bro' },
      }),
    ).toEqual({ result: 'ok' })
    expect(await reader.count(transactions, {})).toBe(before)
    expect((await read('device1', 'exodev-1.0')).staged).toEqual({ ip_addr: '10.0.0.1' })
    // 7–10: push; both become one transaction, under an id; confirmed.
    expect(
      await must('push-config', {
        'device-id': 'device1',
        'transaction-id': 123,
        'notification-url': sink.url,
      }),
    ).toEqual({
      result: 'ok',
      'transaction-id': '123',
    })
    expect(await reader.count(transactions, {})).toBe(before + 1)
    await back.tend()
    expect(sink.came).toHaveLength(0)
    // 11–13: the device connects by itself; its link asks for what there is and is given it.
    const session = await dialIn(back, 'acme', 'device1')
    const carried = await session.nextOfAll(1000)
    expect(carried).toMatchObject({
      kind: 'package-configuration',
      callId: 123,
      packages: [
        { package: 'exodev-1.0', values: { ip_addr: '10.0.0.1' }, edits: { ip_addr: '10.0.0.1' } },
        {
          package: 'weather_app-1.1',
          values: { sample_rate: 128, location: 'Bro' },
          edits: { location: 'Bro' },
        },
      ],
    })
    // 14–16: sent, acknowledged, and complete.
    if (carried) await session.settle(carried, { kind: 'done' })
    expect((await read('device1', 'exodev-1.0')).values).toEqual({ ip_addr: '10.0.0.1' })
    expect(await session.nextOfAll(20)).toBeUndefined()
    // 17–18: the back end is told.
    expect(await sink.until(1)).toMatchObject([
      {
        method: 'exodm:push-config-data-notification',
        params: { 'transaction-id': 123, 'device-id': 'device1', 'rpc-status': 'complete', final: true },
      },
    ])
  })
})

describe('figure 10: one push to a group', () => {
  test('[SD2] steps 1 to 20', async () => {
    const { back, must, sink, tenant } = await configured()
    await must('create-device-group', { name: 'group1' })
    await must('add-device-group-members', { 'group-id': 'group1', 'device-id': ['device1', 'device2'] })
    const reader = back.test.house.store.read(tenant)
    const before = new Set((await reader.find(transactions, {})).map(({ id }) => id))
    await must('update-config', {
      targets: 'group1',
      'package-name': 'exodev-1.0',
      values: { ip_addr: '10.0.0.2' },
    })
    await must('update-config', {
      targets: 'group1',
      'package-name': 'weather_app-1.1',
      values: { location: 'Bro' },
    })
    // 1, 2: pushed to the group; all prepared updates are one transaction. 10, 11: the caller sees its id.
    expect(
      await must('push-config-data', {
        targets: 'group1',
        'transaction-id': 111,
        'notification-url': sink.url,
      }),
    ).toEqual({
      result: 'ok',
      'transaction-id': '111',
    })
    // 3–9: one for each device in its own queue, hidden, and one for the group that waits for both.
    const made = (await reader.find(transactions, {})).filter(({ id }) => !before.has(id))
    const parent = made.find(({ device }) => device === undefined)
    expect(made).toHaveLength(3)
    expect(made.filter((each) => each.parent === parent?.id)).toHaveLength(2)
    // 12–14: the first device connects, executes and confirms; the group’s is not complete.
    const first = await takeConfiguration(await dialIn(back, 'acme', 'device1'))
    expect(first.packages.map((each) => each.package)).toEqual(['exodev-1.0', 'weather_app-1.1'])
    expect(parent && (await reader.get(transactions, { id: parent.id }))?.open).toBe(true)
    // 15–18: so does the second; nothing is left, and the group’s is complete.
    await takeConfiguration(await dialIn(back, 'acme', 'device2'))
    expect(parent && (await reader.get(transactions, { id: parent.id }))?.state).toBe('done')
    // 19, 20: the back end is told of each device, and of the whole last.
    const told = (await sink.until(3)).map(({ params }) => params as JsonObject)
    expect(told.map((params) => params['transaction-id'])).toEqual([111, 111, 111])
    expect(told.slice(0, 2).map((params) => [params['device-id'], params.final])).toEqual([
      ['device1', false],
      ['device2', false],
    ])
    expect(told[2]).toMatchObject({ 'rpc-status': 'complete', final: true })
    expect(told[2]?.['device-id']).toBeUndefined()
  })
})
