/** Packages over real ExoPort connections, in a whole house. Rules: packages/server/src/links/exoport/RULES.md. */
import { createHash } from 'node:crypto'
import { devicePackages, finish, tenants, transactions } from '@waymark/domain'
import {
  createExoPortDevice,
  ExoPortFault,
  type ExoPortOptions,
  memoryImages,
  PackageFault,
} from '@waymark/sdk/exoport'
import type { JsonObject } from '@waymark/yang'
import { describe, expect, onTestFinished, test } from 'vitest'
import { partBytes } from '../../../src/links/exoport/packages.ts'
import { dialIn, openBack, openSink } from '../../exosense/support.ts'

const app = `module app {
  namespace "urn:app"; prefix a;
  container app { leaf rate { type uint16 { range "1..1000"; } default 128; } leaf place { type string; } }
  rpc scan { input { leaf device-id { type string; } } }
  notification alarm { leaf device-id { type string; } leaf level { type uint8; } }
}`
const part = 64 * 1024

/** Two packages, one of which needs the other, and a device that may have both. */
async function openFleet(size = 3 * part + 5) {
  const back = await openBack()
  const sink = await openSink()
  const admin = await back.account('acme')
  const must = async (method: string, params: JsonObject) => {
    const answer = await back.ask(admin, `exodm:${method}`, params)
    if (answer.result !== 'ok') throw new Error(`${method}: ${JSON.stringify(answer)}`)
  }
  const image = Buffer.alloc(size, 'an image of no meaning, with a mark \uFEFF in it. ')
  await must('create-yang-module', { repository: 'user', name: 'app.yang', 'yang-module': app })
  await must('create-device-type', { name: 't', protocol: 'exodm_bert', 'yang-specification': 'app.yang' })
  // A text with a byte order mark in front stays the bytes that it is.
  const base = Buffer.from('\uFEFFbase')
  await must('create-package', { 'package-name': 'base-1', image: base.toString('base64') })
  await must('create-package', {
    'package-name': 'app-1',
    'yang-specification': 'app.yang',
    'configuration-container': 'app',
    'prerequisite-packages': ['base-1'],
    image: image.toString('base64'),
  })
  await must('add-package-to-device-type', { 'package-name': ['base-1', 'app-1'], 'device-type': 't' })
  await must('create-device', { 'device-id': 'd1', 'device-type': 't', 'device-key': 1, 'server-key': 2 })
  const [acme] = await back.test.house.store.readHouse().find(tenants, { where: { name: 'acme' } })
  if (!acme) throw new Error('no acme')
  const reader = back.test.house.store.read(acme.id)
  await back.tend()
  const port = await back.test.listenFor('exoport')
  const device = (options: Partial<ExoPortOptions> = {}) => {
    const made = createExoPortDevice({
      ...{ host: '127.0.0.1', port, account: 'acme', device: 'd1', deviceKey: 1, serverKey: 2 },
      ...options,
      patience: { firstRetry: 5, lastRetry: 20 },
    })
    onTestFinished(() => made.stop())
    made.start()
    return made
  }
  const install = (more: JsonObject = {}) =>
    must('install-package', {
      'package-name': 'app-1',
      targets: 'd1',
      'recursive-dependency-resolve': true,
      'notification-url': sink.url,
      values: { rate: 64 },
      ...more,
    })
  const told = async (count: number) =>
    (await sink.until(count)).map(({ params }) => {
      const { 'package-name': name, 'package-status': status, final } = params as JsonObject
      return [name, status, final]
    })
  return {
    ...{ back, sink, admin, must, device, install, told, base, image, reader, tenant: acme.id },
    installed: async () =>
      (await reader.find(devicePackages, {})).filter((row) => row.installed).map((row) => row.package),
    ended: async () => (await reader.find(transactions, {})).filter((row) => row.device && !row.open),
  }
}

/** A device that keeps what it was told, in order. */
function recorder(store = memoryImages()) {
  const did: unknown[] = []
  const offsets: number[] = []
  const begun: string[] = []
  return {
    did,
    offsets,
    begun,
    packages: {
      store: {
        ...store,
        begin(image) {
          begun.push(image.id)
          return store.begin(image)
        },
        write(id, offset, data) {
          if (id === 'app-1') offsets.push(offset)
          return store.write(id, offset, data)
        },
      },
      install: (names) => void did.push(['install', ...names]),
      upgrade: (names) => void did.push(['upgrade', ...names]),
      uninstall: (names) => void did.push(['uninstall', ...names]),
      activate: (values) => void did.push(values),
      rollback: () => void did.push('rollback'),
    } satisfies NonNullable<ExoPortOptions['packages']>,
    bytes: async (id: string) => Buffer.concat([...(store.bytes(id) as Iterable<Uint8Array>)]),
    ids: () => store.ids,
  }
}

describe('packages over ExoPort', () => {
  test('[XL15] images go part by part, byte for byte; prerequisites are installed before, the configuration after', async () => {
    const { device, install, told, base, image, installed } = await openFleet()
    const seen = recorder()
    device({ packages: seen.packages })
    await install()
    expect(await told(2)).toEqual([
      ['base-1', 'installed', false],
      ['app-1', 'installed', true],
    ])
    expect(seen.did).toEqual([['install', 'base-1'], ['install', 'app-1'], { 'app-1': { rate: 64 } }])
    expect(seen.offsets).toEqual([0, part, 2 * part, 3 * part])
    expect(await seen.bytes('base-1')).toEqual(base)
    expect((await seen.bytes('app-1')).equals(image)).toBe(true)
    expect(await installed()).toEqual(['app-1', 'base-1'])
  })

  test('[XL16] after a cut a transfer goes on behind the last confirmed part; nothing confirmed comes again', async () => {
    const { device, install, told, image, installed } = await openFleet()
    const seen = recorder()
    const { store } = seen.packages
    let cuts = 2
    const dial = () => {
      const made = device({
        packages: {
          ...seen.packages,
          store: {
            ...store,
            write(id, offset, data) {
              // The line breaks before the part is taken: it alone is sent again.
              if (id === 'app-1' && offset === cuts * part && cuts-- > 0) {
                made.stop()
                setTimeout(dial, 1)
                throw new Error('cut')
              }
              return store.write(id, offset, data)
            },
          },
        },
      })
    }
    dial()
    await install()
    expect((await told(2)).at(-1)).toEqual(['app-1', 'installed', true])
    expect(seen.begun.filter((id) => id === 'app-1')).toHaveLength(1)
    expect(seen.offsets).toEqual([0, part, 2 * part, 3 * part])
    expect((await seen.bytes('app-1')).equals(image)).toBe(true)
    expect(await installed()).toEqual(['app-1', 'base-1'])
  })

  test('[XL16] a device that has lost what it confirmed gets it again from the beginning', async () => {
    const { device, install, told, image } = await openFleet()
    const first = recorder()
    const second = recorder()
    const { store } = first.packages
    const cut = device({
      packages: {
        ...first.packages,
        store: {
          ...store,
          write(id, offset, data) {
            if (id !== 'app-1' || offset < 2 * part) return store.write(id, offset, data)
            cut.stop()
            setTimeout(() => device({ packages: second.packages }), 1)
            throw new Error('cut')
          },
        },
      },
    })
    await install()
    expect((await told(2)).at(-1)).toEqual(['app-1', 'installed', true])
    expect(second.offsets).toEqual([0, part, 2 * part, 3 * part])
    expect((await second.bytes('app-1')).equals(image)).toBe(true)
  })

  test('[XL17] a checksum that never matches ends it after three transfers; nothing of the image stays', async () => {
    const { device, install, told, installed, ended } = await openFleet()
    const seen = recorder()
    const { store } = seen.packages
    device({
      packages: {
        ...seen.packages,
        store: {
          ...store,
          // A bad spot in the memory.
          write: (id, offset, data) =>
            store.write(id, offset, id === 'app-1' && offset === 0 ? data.map((byte) => byte ^ 1) : data),
        },
      },
    })
    await install()
    expect(await told(2)).toEqual([
      ['base-1', 'installed', false],
      ['app-1', 'install-failed', true],
    ])
    expect(seen.begun.filter((id) => id === 'app-1')).toHaveLength(3)
    expect(seen.ids()).not.toContain('app-1')
    expect(await installed()).toEqual(['base-1'])
    expect((await ended()).map(({ state, reason }) => [state, reason])).toEqual([
      ['failed', 'device-error: install of app-1: checksum-failure, 3 times'],
    ])
  })

  test('[XL17] the transfers are counted over connections: a device that hangs up at every wrong checksum gets three', async () => {
    const { device, install, told, installed, ended } = await openFleet()
    const seen = recorder()
    const { store } = seen.packages
    let begun = 0
    const dial = (): void => {
      const made = device({
        packages: {
          ...seen.packages,
          store: {
            ...store,
            begin(image) {
              // It goes away as it is asked to begin again, and comes back.
              if (image.id === 'app-1' && ++begun % 2 === 0) {
                made.stop()
                setTimeout(dial, 1)
              }
              return store.begin(image)
            },
            write: (id, offset, data) =>
              store.write(id, offset, id === 'app-1' && offset === 0 ? data.map((byte) => byte ^ 1) : data),
          },
        },
      })
    }
    dial()
    await install()
    expect((await told(2)).at(-1)).toEqual(['app-1', 'install-failed', true])
    expect(await installed()).toEqual(['base-1'])
    expect((await ended())[0]?.reason).toBe('device-error: install of app-1: checksum-failure, 3 times')
    expect(begun).toBe(5)
  })

  test('[XL18] a device without these calls is told of as one that packages are not for', async () => {
    const { device, install, told, installed, ended } = await openFleet()
    device()
    await install()
    expect(await told(1)).toEqual([['app-1', 'unsupported-package', true]])
    expect(await installed()).toEqual([])
    expect((await ended())[0]?.reason).toBe('unsupported-package: the device knows no packages')
  })

  test.each([
    'illegal-size',
    'permission-denied',
    'unsupported',
    'format-error',
    'value-error',
    'dependency-failure',
  ] as const)('[XL19] what the installer refuses is told by its code, and ends it: %s', async (result) => {
    const { device, install, told, installed, ended } = await openFleet(10)
    const seen = recorder()
    device({
      packages: {
        ...seen.packages,
        install(names) {
          if (names.includes('app-1')) throw new PackageFault(result)
        },
      },
    })
    await install()
    expect((await told(2)).at(-1)).toEqual(['app-1', 'install-failed', true])
    expect((await ended())[0]?.reason).toBe(`device-error: install of app-1: ${result}`)
    expect(await installed()).toEqual(['base-1'])
  })

  test('[XL20] a configuration the device does not take: it goes back, and a package that began with it is removed', async () => {
    const { device, install, told, installed } = await openFleet(10)
    const seen = recorder()
    device({
      packages: {
        ...seen.packages,
        activate() {
          throw new PackageFault('value-error')
        },
      },
    })
    await install()
    expect((await told(2)).at(-1)).toEqual(['app-1', 'install-failed', true])
    expect(seen.did).toEqual([
      ['install', 'base-1'],
      ['install', 'app-1'],
      'rollback',
      ['uninstall', 'app-1'],
    ])
    expect(await installed()).toEqual(['base-1'])
  })

  test('[XL20] configuration of packages comes as one image, whole, and is switched to', async () => {
    const { device, install, told, must, sink, back, admin } = await openFleet(10)
    const seen = recorder()
    device({ packages: seen.packages })
    await install()
    await told(2)
    await must('update-config', { 'device-id': 'd1', 'package-name': 'app-1', values: { place: 'Ytterån' } })
    const pushed = await back.ask(admin, 'exodm:push-config-data', {
      'device-id': 'd1',
      'package-name': 'app-1',
      'notification-url': sink.url,
    })
    expect(pushed.result).toBe('ok')
    await sink.until(3)
    expect(seen.did.at(-1)).toEqual({ 'app-1': { rate: 64, place: 'Ytterån' } })
  })

  test('[XL14] the device’s own calls are answered between the parts', async () => {
    const { device, install, told } = await openFleet()
    const seen = recorder()
    const { store } = seen.packages
    const answered: [string, number][] = []
    const made = device({
      packages: {
        ...seen.packages,
        store: {
          ...store,
          async write(id, offset, data) {
            // What is not installed defines nothing yet: the server answers so, while its own call is under way.
            const said = await made.notify('app', 'alarm', { level: 1 }).then(
              () => 'taken',
              (fault: unknown) => (fault instanceof ExoPortFault ? fault.kind : String(fault)),
            )
            answered.push([said, offset])
            await store.write(id, offset, data)
          },
        },
      },
    })
    await install()
    await told(2)
    expect(answered).toEqual([0, 0, part, 2 * part, 3 * part, 0].map((offset) => ['refused', offset]))
  })

  test('[XL15] the checksum is SHA-256 in hex of what was uploaded', async () => {
    const { device, install, told, image, reader } = await openFleet()
    const seen = recorder()
    device({ packages: seen.packages })
    await install()
    await told(2)
    const { packages } = await import('@waymark/domain')
    const held = (await reader.find(packages, {})).find(({ name }) => name === 'app-1')
    expect(held?.image).toBe(createHash('sha256').update(image).digest('hex'))
    expect(held?.size).toBe(image.length)
  })

  test('[XL21] an image that is not all there ends it by name, and nothing of it stays on the device', async () => {
    const { device, install, told, image, back, installed, ended } = await openFleet()
    const seen = recorder()
    const { store } = seen.packages
    device({
      packages: {
        ...seen.packages,
        store: {
          ...store,
          async write(id, offset, data) {
            // The bytes go under the hands of the transfer.
            if (id === 'app-1' && offset === 0)
              await back.test.house.bytes.toTrash(createHash('sha256').update(image).digest('hex'))
            await store.write(id, offset, data)
          },
        },
      },
    })
    await install()
    expect((await told(2)).at(-1)).toEqual(['app-1', 'install-failed', true])
    expect((await ended())[0]?.reason).toBe(
      `device-error: install of app-1: the image has not the ${image.length} bytes that it is said to have`,
    )
    expect(seen.ids()).not.toContain('app-1')
    expect(await installed()).toEqual(['base-1'])
  })

  test('[XL22] a transfer whose request is called off stops, and the device drops what it has of it', async () => {
    const { device, install, told, back, tenant, reader, installed } = await openFleet()
    const seen = recorder()
    const { store } = seen.packages
    let dropped = () => {}
    const isDropped = new Promise<void>((resolve) => {
      dropped = resolve
    })
    device({
      packages: {
        ...seen.packages,
        store: {
          ...store,
          async write(id, offset, data) {
            await store.write(id, offset, data)
            if (id !== 'app-1') return
            seen.offsets.push(offset)
            const open = (await reader.find(transactions, {})).find((row) => row.device && row.open)
            const by = { kind: 'system', id: 'test' } as const
            if (open)
              await back.test.house.store.transact(tenant, (tx) =>
                finish(tx, back.test.house.env(), open.id, { state: 'timed-out', reason: 'time-out' }, by),
              )
          },
          async remove(id) {
            await store.remove(id)
            if (id === 'app-1') dropped()
          },
        },
      },
    })
    await install()
    expect((await told(2)).at(-1)).toEqual(['app-1', 'timeout', true])
    await isDropped
    expect(Math.max(...seen.offsets)).toBeLessThan(3 * part)
    expect(seen.ids()).not.toContain('app-1')
    expect(await installed()).toEqual(['base-1'])
  })

  test('[XH10] a link whose messages have no place for images says so for its devices', async () => {
    const { back, install, told, installed } = await openFleet(10)
    const session = await dialIn(back, 'acme', 'd1')
    await install()
    expect(await session.next(1)).toBeUndefined()
    expect(await told(1)).toEqual([['app-1', 'unsupported-package', true]])
    expect(await installed()).toEqual([])
    await session.close()
  })
})

test.each([
  [1, 65_536],
  [8 * 2 ** 20, 65_536],
  [8 * 2 ** 20 + 1, 131_072],
  [32 * 2 ** 20, 262_144],
  [100 * 2 ** 20, 983_040],
  [2 ** 31 - 1, 983_040],
])('[XL15] an image of %d bytes goes in parts of %d', (size, bytes) => {
  expect(partBytes(size, 983_040)).toBe(bytes)
})
