/** Plugins in the real house: packages, and a process that ends again and again. Rules: RULES.md of packages/plugin. */
import { packagesOf, tenants, transactions } from '@waymark/domain'
import type { HostedPlugin, PluginHouse } from '@waymark/plugin'
import { expect, onTestFinished, test } from 'vitest'
import { createLinkHouse } from '../../../src/links/link-house.ts'
import { pluginLink } from '../../../src/links/plugins/link.ts'
import { type Back, openBack } from '../../exosense/support.ts'

const image = Buffer.from('the bytes of an image')

/** A house with a device, and a plugin whose process is played here. */
async function withPlugin(back: Back, packages: boolean) {
  const admin = await back.account('acme')
  const must = async (method: string, params: Parameters<Back['ask']>[2]) => {
    const answer = await back.ask(admin, `exodm:${method}`, params)
    if (answer.result !== 'ok') throw new Error(`${method}: ${JSON.stringify(answer)}`)
  }
  await must('create-device-type', { name: 't', protocol: 'exodm_bert' })
  await must('create-device', { 'device-id': 'd1', 'device-type': 't', password: 'right' })
  for (const [name, needs] of [
    ['base', []],
    ['app', ['base']],
  ] as const)
    await must('create-package', {
      'package-name': name,
      image: image.toString('base64'),
      'prerequisite-packages': [...needs],
    })
  await must('add-package-to-device-type', { 'package-name': ['base', 'app'], 'device-type': 't' })
  let inner: PluginHouse | undefined
  const plugin: HostedPlugin = {
    name: 'played',
    protocols: [{ name: 'exodm_bert', delivery: 'queued' }],
    packages,
    modules: [],
    can: () => [],
    do: async () => undefined,
    open: (to) => {
      inner = to
    },
    close: async () => {},
  }
  const { house } = back.test
  const open = pluginLink(plugin).open(createLinkHouse({ ...house, sessions: house.exchange.sessions }))
  onTestFinished(() => open.close())
  const ask = (method: string, ...args: unknown[]) => inner?.asked(method, args, () => {})
  const session = () => ask('open', { account: 'acme', device: 'd1', password: 'right', address: 'here' })
  const [tenant] = await house.store.readHouse().find(tenants, { where: { name: 'acme' } })
  if (!tenant) throw new Error('there is no acme')
  return {
    must,
    ask,
    session,
    gone: () => inner?.gone('it crashed', 10),
    reader: house.store.read(tenant.id),
  }
}

interface Shown {
  readonly key: number
  readonly kind: string
  readonly attempt: number
  readonly steps: {
    readonly package: string
    readonly image: { readonly size: number; readonly confirmed: number }
  }[]
}

test('[PL12] packages are carried step by step, and go on behind what was confirmed when the process ends', async () => {
  const back = await openBack()
  const { must, ask, session, gone, reader } = await withPlugin(back, true)
  await must('install-package', {
    'package-name': 'app',
    targets: ['d1'],
    'recursive-dependency-resolve': true,
  })
  const first = await session()
  const carried = (await ask('next', first, 1000)) as Shown
  expect([carried.kind, carried.steps.map((step) => step.package)]).toEqual(['packages', ['base', 'app']])
  const part = (await ask('image', first, carried.key, 0, 0, 10)) as Uint8Array
  expect(Buffer.from(part)).toEqual(image.subarray(0, 10))
  expect(await ask('confirmed', first, carried.key, 0, 10)).toBe(true)
  await expect(ask('image', first, carried.key, 9, 0, 10)).rejects.toThrow('one of their steps')
  await expect(ask('image', first, carried.key, 0, 0, 2 ** 30)).rejects.toThrow('at most')
  await gone()
  const second = await session()
  const again = (await ask('next', second, 1000)) as Shown
  expect([again.attempt, again.steps[0]?.image.confirmed]).toEqual([1, 10])
  for (const [index, { image: of }] of again.steps.entries()) {
    for (let at = of.confirmed; at < of.size; at += 10) {
      const bytes = (await ask('image', second, again.key, index, at, 10)) as Uint8Array
      expect(Buffer.from(bytes)).toEqual(image.subarray(at, at + 10))
      expect(await ask('confirmed', second, again.key, index, at + bytes.length)).toBe(true)
    }
    await ask('stepped', second, again.key, index, true)
  }
  await ask('settle', second, again.key, { kind: 'done' })
  const [asked] = await reader.find(transactions, {})
  expect(asked?.state).toBe('done')
  const rows = asked?.device ? await packagesOf(reader, asked.device) : []
  expect(rows.filter(({ installed }) => installed).map((row) => row.package)).toEqual(['app', 'base'])
})

test('[PL12] a plugin that does not carry packages is not shown them: they have failed as unsupported', async () => {
  const back = await openBack()
  const { must, ask, session, reader } = await withPlugin(back, false)
  await must('install-package', { 'package-name': 'base', targets: ['d1'] })
  expect(await ask('next', await session(), 20)).toBeUndefined()
  const [asked] = await reader.find(transactions, {})
  expect([asked?.state, asked?.reason]).toEqual(['failed', expect.stringContaining('carries no packages')])
})

test('[PL11] what its process has ended under three times has failed', async () => {
  const back = await openBack()
  const { must, ask, session, gone, reader } = await withPlugin(back, true)
  await must('install-package', { 'package-name': 'base', targets: ['d1'] })
  for (const attempt of [0, 1, 2]) {
    expect(await ask('next', await session(), 1000)).toMatchObject({ attempt })
    await gone()
  }
  const [asked] = await reader.find(transactions, {})
  expect([asked?.state, asked?.reason]).toEqual(['failed', expect.stringContaining('again and again')])
  expect(await ask('next', await session(), 20)).toBeUndefined()
})
