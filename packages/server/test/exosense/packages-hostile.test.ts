/** Packages when somebody changes what they stand on while they are on their way. Rules: RULES.md, HP. */
import { createHash, randomBytes } from 'node:crypto'
import { deviceIdByBackEndName, packagesOf, tenants } from '@waymark/domain'
import type { JsonObject } from '@waymark/yang'
import { expect, test } from 'vitest'
import type { CarriedPackages, OpenSession } from '../../src/links/link.ts'
import { dialIn, openBack, openSink } from './support.ts'

/** One type, one device, and one package that is halfway to it. */
async function halfway() {
  const back = await openBack()
  const sink = await openSink()
  const admin = await back.account('acme')
  const image = randomBytes(1000)
  const ask = (method: string, params: JsonObject) => back.ask(admin, `exodm:${method}`, params)
  const must = async (method: string, params: JsonObject) =>
    expect(await ask(method, params), method).toMatchObject({ result: 'ok' })
  await must('create-device-type', { name: 'station', protocol: 'exodm_bert' })
  await must('create-package', { 'package-name': 'gauge-1.0', image: image.toString('base64') })
  await must('add-package-to-device-type', { 'package-name': 'gauge-1.0', 'device-type': 'station' })
  await must('create-device', {
    'device-id': 'one',
    'device-type': 'station',
    'device-key': 1,
    'server-key': 2,
  })
  await must('install-package', {
    'package-name': 'gauge-1.0',
    targets: 'one',
    'notification-url': sink.url,
  })
  await back.tend()
  const session = await dialIn(back, 'acme', 'one')
  const carried = await taken(session)
  const head = Buffer.from(await session.image(carried, 0, 0, 400))
  await session.confirmed(carried, 0, 400)
  const status = async () => (await ask('get-package-status', { 'package-name': 'gauge-1.0' }))['member-list']
  const { house } = back.test
  const [acme] = await house.store.readHouse().find(tenants, { where: { name: 'acme' } })
  if (!acme) throw new Error('no acme')
  const installed = async () => {
    const reader = house.store.read(acme.id)
    const id = await deviceIdByBackEndName(reader, 'one')
    if (!id) throw new Error('no device')
    return (await packagesOf(reader, id)).filter((row) => row.installed).map((row) => row.package)
  }
  return { back, sink, ask, must, image, session, carried, head, status, installed }
}

async function taken(session: OpenSession): Promise<CarriedPackages> {
  const carried = await session.nextOfAll(5000)
  if (carried?.kind !== 'packages') throw new Error(`no packages but ${carried?.kind}`)
  return carried
}

const sum = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')

test('[HP1] a package on its way to a device can not be removed, and arrives whole', async () => {
  const { sink, ask, must, image, session, carried, head, installed } = await halfway()
  // Neither does a type hold it: that a device is being sent it is enough.
  await must('remove-package-from-device-type', { 'package-name': 'gauge-1.0', 'device-type': 'station' })
  expect(await ask('delete-package', { 'package-name': 'gauge-1.0' })).toMatchObject({
    result: 'object-not-empty',
  })
  const rest = await session.image(carried, 0, 400, 600)
  expect(sum(Buffer.concat([head, rest]))).toBe(sum(image))
  await session.confirmed(carried, 0, 1000)
  await session.stepped(carried, 0, true)
  await session.settle(carried, { kind: 'done' })
  expect((await sink.until(1)).at(-1)).toMatchObject({ params: { 'rpc-status': 'complete', final: true } })
  expect(await installed()).toEqual(['gauge-1.0'])
})

test('[HP2] a type that stops allowing a package ends what is halfway at the next session, and says why', async () => {
  const { back, sink, must, session, status, installed } = await halfway()
  await must('remove-package-from-device-type', { 'package-name': 'gauge-1.0', 'device-type': 'station' })
  await session.close()
  const next = await dialIn(back, 'acme', 'one')
  expect(await next.nextOfAll(200)).toBeUndefined()
  expect(await sink.until(1)).toMatchObject([
    { params: { 'package-status': 'unsupported-package', 'rpc-status': 'device-error', final: true } },
  ])
  expect(await status()).toEqual([
    { 'device-id': 'one', operation: 'install', 'operation-status': 'other-error' },
  ])
  expect(await installed()).toEqual([])
})

test('[HP3] a device that gives up halfway is told of as failed, once, and is not among those that have it', async () => {
  const { sink, session, carried, status, installed } = await halfway()
  await session.stepped(carried, 0, false, 'checksum-failure')
  await session.settle(carried, { kind: 'failed', reason: 'checksum-failure' })
  expect(await sink.until(1)).toMatchObject([{ params: { final: true, 'rpc-status': 'device-error' } }])
  expect(await status()).toMatchObject([{ 'device-id': 'one', operation: 'install' }])
  expect(await installed()).toEqual([])
})
