/** Packages when somebody changes what they stand on while they are on their way. Rules: RULES.md, HP. */
import { createHash, randomBytes } from 'node:crypto'
import {
  actingOn,
  deviceIdByBackEndName,
  ObjectSha,
  objects,
  ok,
  packages,
  packagesOf,
  registerObject,
  tenants,
} from '@waymark/domain'
import type { JsonObject } from '@waymark/yang'
import { expect, test } from 'vitest'
import type { CarriedPackages, OpenSession } from '../../src/links/link.ts'
import { basic, dialIn, openBack, openSink } from './support.ts'

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

test('[HP4] a device that confirms what it was not sent has failed, is told of, and is sent nothing more', async () => {
  for (const bytes of [401, 1001, -1, Number.NaN, 1.5]) {
    const { back, sink, session, carried, status, installed } = await halfway()
    expect(await session.confirmed(carried, 0, bytes), String(bytes)).toBe(false)
    expect(await sink.until(1)).toMatchObject([
      { params: { 'package-status': 'install-failed', 'rpc-status': 'device-error', final: true } },
    ])
    expect(await status()).toMatchObject([{ 'device-id': 'one', 'operation-status': 'other-error' }])
    expect(await installed()).toEqual([])
    // Even if it claims to be done with it.
    await session.stepped(carried, 0, true)
    await session.settle(carried, { kind: 'done' })
    expect(await installed()).toEqual([])
    await session.close()
    expect(await (await dialIn(back, 'acme', 'one')).nextOfAll(100)).toBeUndefined()
  }
})

test('[HP4] what came on sessions before counts as sent, and nothing beyond it', async () => {
  const { back, session } = await halfway()
  await session.close()
  const next = await dialIn(back, 'acme', 'one')
  const carried = await taken(next)
  expect(carried.steps[0]?.image?.confirmed).toBe(400)
  expect(await next.confirmed(carried, 0, 400)).toBe(true)
  expect(await next.confirmed(carried, 0, 500)).toBe(false)
})

test('[HP5] sending again from the beginning is counted over sessions, until it has ended', async () => {
  const { back, session, carried } = await halfway()
  expect(carried.steps[0]?.image).toMatchObject({ confirmed: 0, restarts: 0 })
  await session.restart(carried, 0)
  await session.close()
  const second = await dialIn(back, 'acme', 'one')
  const again = await taken(second)
  expect(again.steps[0]?.image).toMatchObject({ confirmed: 0, restarts: 1 })
  await second.image(again, 0, 0, 400)
  await second.confirmed(again, 0, 400)
  await second.restart(again, 0)
  await second.close()
  const third = await dialIn(back, 'acme', 'one')
  expect((await taken(third)).steps[0]?.image).toMatchObject({ confirmed: 0, restarts: 2 })
})

test('[HP6] an image that is not what it says it is makes no package and leaves no bytes', async () => {
  const { ask, back } = await halfway()
  const make = (params: JsonObject) => ask('create-package', { 'package-name': 'liar', ...params })
  const bytes = Buffer.from('the image')
  const image = bytes.toString('base64')
  for (const params of [
    { image, 'image-sha256': sum(Buffer.from('another')) },
    { image: `${Buffer.from('abc').toString('base64')}A` },
    { image: 'not base64!' },
  ])
    expect(await make(params), JSON.stringify(params)).toMatchObject({ result: 'validation-failed' })
  expect((await make({ image: 'file:nowhere.img' })).result).not.toBe('ok')
  const asked = { 'package-name': 'liar', 'image-sha256': 'no digest' }
  expect((await back.call('acme-admin', 'exodm:create-package', asked)).error).toMatchObject({ code: -32602 })
  // A digest of bytes that never came.
  expect(await make({ 'image-sha256': sum(bytes) })).toEqual({ result: 'object-not-found' })
  expect((await ask('list-packages', {})).packages).toEqual(['gauge-1.0'])
  const { house } = back.test
  const [acme] = await house.store.readHouse().find(tenants, { where: { name: 'acme' } })
  if (!acme) throw new Error('no acme')
  expect(await house.store.read(acme.id).count(objects, {})).toBe(1)
  expect(await make({ image, 'image-sha256': sum(bytes) })).toEqual({ result: 'ok' })
})

test('[HP6] a registered object whose bytes do not agree, or have not come, is no image', async () => {
  const { ask, back, tenant } = await withTenant()
  const bytes = Buffer.from('the image')
  const sha = ObjectSha.parse(sum(bytes))
  if (!sha) throw new Error('a digest')
  const { house } = back.test
  const done = await house.store.transact(tenant, (tx) =>
    registerObject(tx, house.env(), {
      sha,
      size: 5,
      name: 'an image',
      mimeType: 'application/octet-stream',
      by: { kind: 'system', id: 'test' },
      quotaBytes: 1e6,
    }),
  )
  expect(done.ok).toBe(true)
  expect(await ask('create-package', { 'package-name': 'liar', 'image-sha256': sha })).toEqual({
    result: 'object-not-found',
  })
})

test('[HP7] prerequisites that came to lead in a circle end an installation by name, and can not be added to', async () => {
  const { back, ask, must, sink, tenant, session } = await withTenant()
  await session.close()
  const { house } = back.test
  await must('create-package', {
    'package-name': 'scale-1.0',
    image: 'AAAA',
    'prerequisite-packages': ['gauge-1.0'],
  })
  await must('add-package-to-device-type', { 'package-name': 'scale-1.0', 'device-type': 'station' })
  // By no command: a record that was restored or edited underneath.
  await house.store.transact(tenant, async (tx) => {
    const held = await tx.get(packages, { name: 'gauge-1.0' })
    if (held) await tx.put(packages, { ...held, prerequisites: ['scale-1.0'] })
    actingOn(tx, house.env(), { kind: 'system', id: 'test' }).note('package.allowed', {
      package: 'gauge-1.0',
      type: 'station',
      allowed: true,
    })
    return ok(undefined)
  })
  await must('install-package', {
    'package-name': 'scale-1.0',
    targets: 'one',
    'recursive-dependency-resolve': true,
    'notification-url': sink.url,
  })
  expect(await sink.until(1)).toMatchObject([
    { params: { 'package-name': 'scale-1.0', 'package-status': 'dependency-failure', final: true } },
  ])
  expect(
    await ask('create-package', {
      'package-name': 'x',
      image: 'AAAA',
      'prerequisite-packages': ['scale-1.0'],
    }),
  ).toMatchObject({ result: 'validation-failed', reason: expect.stringContaining('cycle') })
})

test('[HP7] prerequisites that lead to one package by very many ways are looked at once each', async () => {
  const { must } = await halfway()
  let below: string[] = []
  for (let layer = 0; layer < 40; layer++) {
    const names = [`l${layer}a`, `l${layer}b`]
    for (const name of names)
      await must('create-package', { 'package-name': name, image: 'AAAA', 'prerequisite-packages': below })
    below = names
  }
  await must('create-package', { 'package-name': 'top', image: 'AAAA', 'prerequisite-packages': below })
})

async function withTenant() {
  const held = await halfway()
  const { house } = held.back.test
  const [acme] = await house.store.readHouse().find(tenants, { where: { name: 'acme' } })
  if (!acme) throw new Error('no acme')
  return { ...held, tenant: acme.id }
}

test('[HP6] an image that comes as a part of a multipart body is its bytes; one that is cut off makes nothing', async () => {
  const { back, ask, must, tenant } = await withTenant()
  const bytes = Buffer.concat([Buffer.from([0xef, 0xbb, 0xbf, 0, 255, 13, 10]), randomBytes(5000)])
  const send = async (name: string, cut: (body: Buffer) => Buffer) => {
    const form = new FormData()
    const params = { 'package-name': name, image: 'file:it.img' }
    const call = { jsonrpc: '2.0', id: 1, method: 'exodm:create-package', params }
    form.set('jsonrpc', JSON.stringify(call))
    form.set('file', new File([new Uint8Array(bytes)], 'it.img', { type: 'application/octet-stream' }))
    const made = new Response(form)
    const body = cut(Buffer.from(await made.arrayBuffer()))
    return fetch(`${back.test.url}/exodm/rpc`, {
      method: 'POST',
      headers: {
        'content-type': made.headers.get('content-type') ?? '',
        authorization: basic('acme-admin'),
      },
      body: new Uint8Array(body),
    })
  }
  const whole = await send('whole', (body) => body)
  expect(await whole.json()).toMatchObject({ result: { result: 'ok' } })
  const held = await back.test.house.store.read(tenant).get(packages, { name: 'whole' })
  expect(held).toMatchObject({ image: sum(bytes), size: bytes.length })
  const cut = await send('cut', (body) => body.subarray(0, 3000))
  expect(JSON.stringify(await cut.json())).toContain('error')
  expect((await ask('list-packages', {})).packages).toEqual(['gauge-1.0', 'whole'])
  await must('delete-package', { 'package-name': 'whole' })
})
