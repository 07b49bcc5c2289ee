import { connect } from 'node:net'
import { createInterface } from 'node:readline'
import { describe, expect, onTestFinished, test } from 'vitest'
import { type Carried, hostPlugin, type PluginHouse } from '../src/index.ts'

const at = (name: string) => new URL(`./plugins/${name}`, import.meta.url).href

/** A house with one device, whose queue holds what is given. */
async function openLines(queue: Pick<Carried, 'kind' | 'method'>[]) {
  const plugin = await hostPlugin(at('lines.ts'), { beatMs: 20, silenceMs: 1500, restartMs: 10 })
  const ports: PromiseWithResolvers<number>[] = [Promise.withResolvers()]
  const gone = Promise.withResolvers<string>()
  const settled: unknown[] = []
  const done = Promise.withResolvers<void>()
  const house: PluginHouse = {
    async asked(method, args) {
      switch (method) {
        case 'open': {
          const [identity] = args as [{ account: string; device: string; password: string }]
          if (identity.account === 'port') {
            ports.at(-1)?.resolve(Number(identity.device))
            return undefined
          }
          return identity.password === 'right' ? 1 : undefined
        }
        case 'next': {
          const next = queue.shift()
          return next ? { key: 1, attempt: 0, callId: 5, ...next } : new Promise(() => {})
        }
        case 'settle':
          settled.push(args)
          return done.resolve()
        default:
          return undefined
      }
    },
    async gone(why) {
      ports.push(Promise.withResolvers())
      gone.resolve(why)
    },
  }
  plugin.open(house)
  onTestFinished(() => plugin.close())
  return { plugin, port: () => ports.at(-1)?.promise, gone: gone.promise, settled, done: done.promise }
}

async function device(port: number | undefined, password: string) {
  const socket = connect(port ?? 0, '127.0.0.1')
  // A killed process resets its connections.
  socket.on('error', () => {})
  onTestFinished(() => void socket.destroy())
  const lines = createInterface({ input: socket })[Symbol.asyncIterator]()
  socket.write(`hello acme d1 ${password}\n`)
  return { socket, line: async () => (await lines.next()).value }
}

describe('a plugin in its process', () => {
  test('[PL1] a device that the plugin listens for is called, and its answer reaches the house', async () => {
    const { plugin, port, settled, done } = await openLines([{ kind: 'rpc', method: 'blink' }])
    expect(plugin.protocols).toEqual([{ name: 'lines_v1', delivery: 'queued' }])
    const { socket, line } = await device(await port(), 'right')
    expect(await line()).toBe('welcome')
    expect(await line()).toBe('do blink')
    socket.write('did blinked\n')
    await done
    expect(settled).toEqual([[1, 1, { kind: 'replied', output: { said: 'blinked' } }]])
  })

  test('[PL1] a device that the house does not let in gets no session', async () => {
    const { port } = await openLines([])
    const { line } = await device(await port(), 'wrong')
    expect(await line()).toBe('no')
  })

  const ends = [
    { rule: 'PL4', method: 'reset', why: 'its process ended (7)' },
    { rule: 'PL5', method: 'hang', why: 'it does not answer' },
  ]
  for (const { rule, method, why } of ends)
    test(`[${rule}] after a ${method} it is started again and lets devices in`, async () => {
      const { port, gone } = await openLines([{ kind: 'rpc', method }])
      const { line } = await device(await port(), 'right')
      expect(await line()).toBe('welcome')
      expect(await gone).toBe(why)
      const again = await device(await port(), 'right')
      expect(await again.line()).toBe('welcome')
    })
})

describe('what it is told to do', () => {
  async function openDoer() {
    const plugin = await hostPlugin(at('does.js'), { restartMs: 60_000 })
    onTestFinished(() => plugin.close())
    expect(plugin.can()).toBe(undefined)
    await expect(plugin.do('dial', 'early', 1000)).rejects.toThrow('it is not open')
    const gone = Promise.withResolvers<string>()
    plugin.open({ asked: async () => undefined, gone: async (why) => gone.resolve(why) })
    return { plugin, gone: gone.promise }
  }

  test('[PL18] it does, and says what came of it', async () => {
    const { plugin } = await openDoer()
    await plugin.do('dial', { deed: 'well' }, 5000)
    expect(plugin.can()).toEqual(['dial'])
  })

  const failures: [string, string][] = [
    ['throws', 'no line'],
    ['never', 'no dial in 200 ms'],
    ['dies', 'its process ended'],
    ['class', 'wanted plain values, got an object of a class'],
  ]
  for (const [deed, says] of failures)
    test(`[PL18] one that ${deed} fails: ${says}`, async () => {
      const { plugin } = await openDoer()
      await expect(plugin.do('dial', { deed }, deed === 'never' ? 200 : 5000)).rejects.toThrow(says)
    })

  test('[PL18] what it has no function for fails, and after its end nothing can be done', async () => {
    const { plugin, gone } = await openDoer()
    await expect(plugin.do('http', {}, 5000)).rejects.toThrow('it has no http')
    await expect(plugin.do('dial', { deed: 'dies' }, 5000)).rejects.toThrow('its process ended')
    await gone
    expect(plugin.can()).toBe(undefined)
    await expect(plugin.do('dial', { deed: 'well' }, 5000)).rejects.toThrow('it is not open')
  })
})

describe('what is refused at the start', () => {
  const refused = [
    { rule: 'PL2', plugin: 'throws.js', says: /does not load: no such luck/ },
    { rule: 'PL2', plugin: 'empty.js', says: /does not load: wanted a default export, got none/ },
    { rule: 'PL2', plugin: 'missing.js', says: /does not load: / },
    { rule: 'PL2', plugin: 'exits.js', says: /its process ended before it said what it is/ },
    { rule: 'PL2', plugin: 'garbage.js', says: /wanted a name and protocols, got something else/ },
    { rule: 'PL2', plugin: 'hangs.js', says: /said nothing in 1000 ms/ },
    { rule: 'PL3', plugin: 'newer.js', says: /wanted apiVersion 1, got 2/ },
  ]
  for (const { rule, plugin, says } of refused)
    test(`[${rule}] ${plugin}: ${says.source}`, async () => {
      const helloMs = plugin === 'hangs.js' ? 1000 : 10_000
      await expect(hostPlugin(at(plugin), { helloMs })).rejects.toThrow(says)
    })
})

test('[PL10] it sees no environment, reads nothing but packages, writes nothing and starts nothing', async () => {
  const plugin = await hostPlugin(at('reads.js'))
  expect(plugin.name).toBe('no-environment')
  plugin.open({ asked: async () => undefined, gone: async () => {} })
  await plugin.close()
})
