/** One fleet: configuration for a device that follows a trail becomes a step of it. Rules: RULES.md, OF. */
import {
  announce,
  configurationSets,
  type Device,
  devices,
  headStep,
  openTrail,
  Revision,
  registerDevice,
  reportStep,
  stateOf,
  type TenantId,
  tenants,
  transactions,
} from '@waymark/domain'
import { parseStateText } from '@waymark/pantahub'
import { expect, test } from 'vitest'
import { type Back, openBack, openSink } from './support.ts'

const module_ = `module cfg { namespace "urn:cfg"; prefix c; leaf rate { type uint16; } leaf big { type uint64; } rpc go { output { leaf at { type uint8; } } } }`
const factory = '{"#spec":"pantavisor-service-system@1","bsp/run.json":{"linux":"kernel.img"}}'

/** An account with one device that follows a trail, a member of a set; announced or not. */
async function withTrail(back: Back, announced = true) {
  const admin = await back.account('acme')
  const { house } = back.test
  const [acme] = await house.store.readHouse().find(tenants, { where: { name: 'acme' } })
  if (!acme) throw new Error('no acme')
  const made = await house.store.transactHouse((tx) =>
    registerDevice(tx, house.env(), { tenant: acme.id, nick: 'trailer', seal: (secret) => secret }),
  )
  if (!made.ok) throw new Error(made.refusal.kind)
  const { device } = made.value
  if (announced) await begin(back, acme.id, device)
  await back.ask(admin, 'exodm:create-yang-module', {
    repository: 'user',
    name: 'cfg.yang',
    'yang-module': module_,
  })
  await back.ask(admin, 'exodm:create-config-set', { name: 'A set', yang: 'cfg.yang' })
  expect(
    await back.ask(admin, 'exodm:add-config-set-members', { name: 'A set', 'device-id': 'trailer' }),
  ).toEqual({ result: 'ok' })
  const reader = house.store.read(acme.id)
  return {
    admin,
    tenant: acme.id,
    device,
    reader,
    update: (values: Record<string, number | bigint>) =>
      back.ask(admin, 'exodm:update-config-set', { name: 'A set', values }),
    push: (more: Record<string, string> = {}) =>
      back.ask(admin, 'exodm:push-config-set', { name: 'A set', ...more }),
    async head() {
      const held = await reader.get(devices, { id: device.id })
      const trail = held && (await openTrail(reader, held))
      const step = trail && (await headStep(reader, trail))
      if (!step) throw new Error('no trail')
      return { step, state: await stateOf(reader, step) }
    },
    async report(rev: number, word: string) {
      const end = word === 'DONE' ? 'done' : 'failed'
      const done = await house.store.transact(acme.id, (tx) =>
        reportStep(tx, house.env(), {
          device: device.id,
          rev: Revision.parse(rev) ?? Revision.first,
          report: { status: word },
          reading: { word, meaning: { end }, percent: 100, message: word },
          by: { kind: 'device', id: device.id },
        }),
      )
      if (!done.ok) throw new Error(done.refusal.kind)
      await back.tend()
    },
  }
}

async function begin(back: Back, tenant: TenantId, device: Device): Promise<void> {
  const { house } = back.test
  const state = parseStateText(factory)
  if (!state.ok) throw new Error('the factory state parses')
  const posted = { text: state.state.canonical, sha: state.state.sha, objects: state.state.objects }
  const begun = await house.store.transact(tenant, (tx) =>
    announce(tx, house.env(), { device: device.id, state: posted, by: { kind: 'device', id: device.id } }),
  )
  if (!begun.ok) throw new Error(begun.refusal.kind)
}

test('[OF1] a push becomes a step that changes _config/NAME/config.json and nothing else; done with it, told of, installed', async () => {
  const back = await openBack()
  const sink = await openSink()
  const { update, push, head, report, reader } = await withTrail(back)
  await update({ rate: 5, big: 18446744073709551615n })
  await push({ 'notification-url': sink.url })
  await back.tend()
  const { step, state } = await head()
  expect(step.rev).toBe(1)
  expect(step.commitMsg).toBe('configuration A set')
  expect(state).toBe(
    '{"#spec":"pantavisor-service-system@1","_config/A%20set/config.json":{"big":"18446744073709551615","rate":5},"bsp/run.json":{"linux":"kernel.img"}}',
  )
  expect(sink.came).toHaveLength(0)
  await report(1, 'DONE')
  expect(await sink.until(1)).toMatchObject([
    {
      method: 'exodm:push-config-set-callback',
      params: { 'device-id': 'trailer', 'rpc-status': 'complete', final: true },
    },
  ])
  const set = await reader.get(configurationSets, { name: 'A set' })
  expect(set).toMatchObject({ installed: '{"rate":5,"big":18446744073709551615}', pending: '', staged: '' })
})

test('[OF2] a later push is merged into what is there; one whose step fails has failed, and can be corrected', async () => {
  const back = await openBack()
  const { update, push, head, report, reader } = await withTrail(back)
  await update({ rate: 5 })
  await push()
  await back.tend()
  await report(1, 'DONE')
  await update({ big: 7 })
  await push()
  await back.tend()
  expect((await head()).state).toContain('"_config/A%20set/config.json":{"big":7,"rate":5}')
  await report(2, 'ERROR')
  const set = await reader.get(configurationSets, { name: 'A set' })
  expect(set).toMatchObject({ installed: '{"rate":5}', staged: '{"big":7}' })
})

test('[OF3] a device that has announced nothing yet is waited for', async () => {
  const back = await openBack()
  const { update, push, head, tenant, device, reader } = await withTrail(back, false)
  await update({ rate: 5 })
  await push()
  await back.tend()
  expect(await reader.count(transactions, { open: true })).toBe(2)
  await begin(back, tenant, device)
  back.test.pass(31_000)
  await back.tend()
  expect((await head()).step.rev).toBe(1)
})

test('[OF4] its operations can not be called: unsupported, and nothing is queued', async () => {
  const back = await openBack()
  const { admin, reader } = await withTrail(back)
  const before = await reader.count(transactions, {})
  expect((await back.call(admin, 'cfg:go', { 'device-id': 'trailer' })).error).toMatchObject({
    code: -32001,
    message: 'unsupported',
  })
  expect(await reader.count(transactions, {})).toBe(before)
})

test('[OF5] it is listed and looked up beside the others, and joins no group of another type', async () => {
  const back = await openBack()
  const { admin } = await withTrail(back)
  await back.ask(admin, 'exodm:create-device-type', { name: 't', protocol: 'exodm_bert' })
  await back.ask(admin, 'exodm:create-device', { 'device-id': 'a truck', 'device-type': 't' })
  const { devices: listed } = await back.ask(admin, 'exodm:list-devices', { n: 9, previous: '' })
  expect(listed).toMatchObject([
    { 'device-id': 'a truck', 'device-type': 't' },
    { 'device-id': 'trailer', 'device-type': 'pantahub' },
  ])
  await back.ask(admin, 'exodm:create-device-group', { name: 'g' })
  const join = (name: string) =>
    back.ask(admin, 'exodm:add-device-group-members', { 'group-id': 'g', 'device-id': name })
  expect(await join('trailer')).toEqual({ result: 'ok' })
  expect(await join('a truck')).toEqual({ result: 'validation-failed' })
})
