import { connect } from 'node:net'
import { createInterface } from 'node:readline'
import { type HostedPlugin, hostPlugin, type PluginHouse } from '@waymark/plugin'
import { describe, expect, onTestFinished, test } from 'vitest'
import { loadPlugins, pluginLink } from '../../../src/links/plugins/link.ts'
import { createMemoryHouse } from '../memory-house.ts'

const turn = () => new Promise((resolve) => setTimeout(resolve, 5))
async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await turn()
}

const lines = new URL('../../../../plugin/test/plugins/lines.ts', import.meta.url).href

async function openLines() {
  const house = createMemoryHouse()
  house.add({ name: { account: 'acme', device: 'w1' }, password: 'right', protocol: 'lines_v1' })
  house.add({ name: { account: 'acme', device: 'x1' }, password: 'right', protocol: 'exoport' })
  const open = pluginLink(await hostPlugin(lines, { restartMs: 10 })).open(house)
  onTestFinished(async () => {
    await open.close()
    house.stop()
  })
  // The plugin tells its port by asking for a device of that name.
  const ports = () => house.attempts.filter(({ name }) => name.account === 'port')
  const call = async (device: string, password: string) => {
    await until(() => ports().length > 0)
    const socket = connect(Number(ports().at(-1)?.name.device), '127.0.0.1')
    // A process that ends resets its connections.
    socket.on('error', () => {})
    onTestFinished(() => void socket.destroy())
    const read = createInterface({ input: socket })[Symbol.asyncIterator]()
    socket.write(`hello acme ${device} ${password}\n`)
    return { socket, line: async () => (await read.next()).value }
  }
  return { house, call, ports }
}

describe('a plugin as a link', () => {
  test('[PL1] what waits for a device goes over the plugin, and its answer settles it', async () => {
    const { house, call } = await openLines()
    house.queueRpc('w1', 'blink', { times: 2 })
    const { socket, line } = await call('w1', 'right')
    expect([await line(), await line()]).toEqual(['welcome', 'do blink'])
    socket.write('did it\n')
    await until(() => house.settled.length > 0)
    expect(house.settled[0]?.outcome).toEqual({ kind: 'replied', output: { said: 'it' } })
  })

  for (const [who, device, password] of [
    ['a wrong password', 'w1', 'wrong'],
    ['an unknown device', 'w9', 'right'],
    ['a device of another protocol', 'x1', 'right'],
  ] as const)
    test(`[PL6] ${who} gets no session`, async () => {
      const { house, call } = await openLines()
      const { line } = await call(device, password)
      expect(await line()).toBe('no')
      expect(house.opened()).toBe(0)
    })

  test('[PL4] when its process ends its sessions end, and unsettled work goes back to the queue', async () => {
    const { house, call, ports } = await openLines()
    house.queueRpc('w1', 'reset', {})
    const { line } = await call('w1', 'right')
    expect(await line()).toBe('welcome')
    await until(() => house.waiting('w1') === 1 && !house.isThere('w1'))
    expect(house.settled).toEqual([])
    await until(() => ports().length > 1)
  })
})

describe('a device that was called', () => {
  /** A plugin whose process is played here: it keeps the tickets that it is given. */
  async function openDialler() {
    let inner: PluginHouse | undefined
    const tickets: string[] = []
    const plugin: HostedPlugin = {
      name: 'fake',
      protocols: [
        { name: 'lines_v1', delivery: 'queued', dials: true },
        { name: 'other_v1', delivery: 'queued' },
      ],
      packages: false,
      modules: [],
      can: () => ['dial'],
      async do(_what, value) {
        if (typeof value === 'object' && value !== null && 'ticket' in value)
          tickets.push(String(value.ticket))
      },
      open: (to) => {
        inner = to
      },
      close: async () => {},
    }
    const house = createMemoryHouse()
    for (const device of ['w1', 'w2'])
      house.add({ name: { account: 'acme', device }, password: 'right', protocol: 'lines_v1' })
    house.add({
      name: { account: 'acme', device: 's1' },
      password: 'right',
      protocol: 'lines_v1',
      tlsOnly: true,
    })
    const { dials } = pluginLink(plugin).open(house)
    const dial = async (device: string) => {
      const name = { account: 'acme', device }
      const id = (await house.identify(name, ['lines_v1']))?.device
      if (id) await dials?.dial({ name, device: id, protocol: 'lines_v1', attributes: {} })
      return tickets.at(-1)
    }
    const open = (identity: object) =>
      inner?.asked('open', [{ account: 'acme', address: 'here', ...identity }], () => {})
    return { house, dials, dial, open }
  }

  test('[PL19] is let in by its ticket, once; another device is not, and neither is a ticket that nobody gave', async () => {
    const { dials, dial, open } = await openDialler()
    expect(dials?.protocols).toEqual(['lines_v1'])
    const dialled = await dial('w1')
    expect(await open({ device: 'w2', dialled })).toBe(undefined)
    expect(await open({ device: 'w1', dialled: 'guessed' })).toBe(undefined)
    expect(await open({ device: 'w1', dialled })).toBeTypeOf('number')
    expect(await open({ device: 'w1', dialled })).toBe(undefined)
  })

  test('[PL19] wrong tickets do not keep the device itself out', async () => {
    const { house, dial, open } = await openDialler()
    await dial('w1')
    for (let each = 0; each < 20; each += 1) await open({ device: 'w1', dialled: `guess ${each}` })
    expect(house.attempts).toEqual([])
    expect(await open({ device: 'w1', password: 'right' })).toBeTypeOf('number')
  })

  test('[PL6] an account that wants TLS lets a device in where the plugin says that its wire was safe', async () => {
    const { house, dial, open } = await openDialler()
    expect(await open({ device: 's1', password: 'right' })).toBe(undefined)
    expect(await open({ device: 's1', password: 'right', secure: 'yes' })).toBe(undefined)
    expect(await open({ device: 's1', password: 'wrong', secure: true })).toBe(undefined)
    expect(await open({ device: 's1', password: 'right', secure: true })).toBeTypeOf('number')
    expect(await open({ device: 's1', dialled: await dial('s1') })).toBe(undefined)
    expect(await open({ device: 's1', dialled: await dial('s1'), secure: true })).toBeTypeOf('number')
    expect(house.attempts.map(({ right }) => right)).toEqual([false, false, false, true])
  })

  test('[PL7] both a password and a ticket, or neither, is no identity', async () => {
    const { open } = await openDialler()
    for (const identity of [{}, { password: 'right', dialled: 'x' }, { dialled: 7 }])
      await expect(open({ device: 'w1', ...identity })).rejects.toThrow(/wanted account, device/)
  })
})

describe('what a plugin may not say', () => {
  async function asks(method: string, ...args: unknown[]) {
    let inner: PluginHouse | undefined
    const plugin: HostedPlugin = {
      name: 'fake',
      protocols: [{ name: 'lines_v1', delivery: 'queued' }],
      packages: false,
      modules: [],
      can: () => [],
      do: async () => undefined,
      open: (to) => {
        inner = to
      },
      close: async () => {},
    }
    const house = createMemoryHouse()
    house.add({ name: { account: 'acme', device: 'w1' }, password: 'right', protocol: 'lines_v1' })
    house.queueRpc('w1', 'blink', {})
    pluginLink(plugin).open(house)
    const identity = { account: 'acme', device: 'w1', password: 'right', address: 'here' }
    const session = await inner?.asked('open', [identity], () => {})
    const carried = await inner?.asked('next', [session, 0], () => {})
    const key = typeof carried === 'object' && carried !== null && 'key' in carried ? carried.key : undefined
    const told = args.map((each) => (each === 'SESSION' ? session : each === 'KEY' ? key : each))
    return { house, said: inner?.asked(method, told, () => {}) }
  }

  const refused: [string, unknown[], RegExp][] = [
    ['open', [{ account: 7 }], /wanted account, device/],
    ['settle', ['SESSION', 999, { kind: 'done' }], /nothing of that key/],
    ['settle', ['SESSION', 'KEY', { kind: 'maybe' }], /wanted done, replied/],
    ['settle', ['SESSION', 'KEY', { kind: 'replied', output: { at: new Map() } }], /wanted done, replied/],
    ['call', ['SESSION', 'fleet', 'alarm', [1]], /wanted a module/],
    ['call', [77, 'fleet', 'alarm', {}], /session has ended/],
    ['progressed', ['SESSION', 'KEY', 101], /0 to 100/],
    ['format-disk', ['SESSION'], /no such question/],
  ]
  for (const [method, args, says] of refused)
    test(`[PL7] ${method} ${says.source}`, async () => {
      const { said } = await asks(method, ...args)
      await expect(said).rejects.toThrow(says)
    })

  test('[PL7] an outcome that can not be read fails the work with a reason', async () => {
    const { house, said } = await asks('settle', 'SESSION', 'KEY', { kind: 'maybe' })
    await expect(said).rejects.toThrow()
    expect(house.settled[0]?.outcome).toEqual({
      kind: 'failed',
      reason: 'the plugin gave no outcome that can be read',
    })
  })

  test('[PL8] a protocol name that exists is refused at the start, and nothing is left running', async () => {
    let closed = 0
    const host = async (): Promise<HostedPlugin> => ({
      name: 'thief',
      protocols: [{ name: 'exoport', delivery: 'queued' }],
      packages: false,
      modules: [],
      can: () => [],
      do: async () => undefined,
      open: () => {},
      close: async () => {
        closed += 1
      },
    })
    await expect(loadPlugins(['thief'], ['exoport'], host)).rejects.toThrow(
      'plugin thief: wanted a protocol of its own, got exoport, which exists',
    )
    expect(closed).toBe(1)
  })
})
