/**
 * A mixed fleet for tests: an agent that follows its trail and a station that dials in over ExoPort, both real, against a
 * server that is a process of its own.
 *
 * The agent runs one program, `core`, which runs the image of every package that lies beside it, and reads every configuration:
 * what a broken image or a value it does not bear does to it is what broken software does to a device.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { createExoPortDevice, memoryImages, PackageFault } from '@waymark/sdk/exoport'
import { onTestFinished } from 'vitest'
import { type Started, startWaymark } from '../../server/test/processes/server.ts'
import { admin, password, temporaryFolder } from './fleet-support.ts'

const agentProgram = fileURLToPath(new URL('../../agent/test/support/agent-program.ts', import.meta.url))

/** What `core` runs: each package's image in turn, then nothing. A package that fails takes it down, and so does level 66. */
const core = [
  'for f in ../*/image; do [ -e "$f" ] || continue; sh "$f" || exit 9; done',
  `grep -qs '"level":66' ../_config/*/config.json && exit 9`,
  'exec sleep 3600',
].join('; ')

type Values = Readonly<Record<string, unknown>>

/**
 * A way to the server that can be shut in the middle of an answer: the device is given the first half of what it asked for,
 * and the rest when `open` is called.
 */
async function openGate() {
  let server = ''
  let shut: RegExp | undefined
  let opened = Promise.withResolvers<void>()
  let halves = Promise.withResolvers<void>()
  const gate = createServer((asked, answer) => {
    const halved = asked.method === 'GET' && shut?.test(asked.url ?? '') === true
    const on = request(
      new URL(asked.url ?? '/', server),
      { method: asked.method, headers: asked.headers },
      async (came) => {
        answer.writeHead(came.statusCode ?? 500, came.headers)
        if (!halved) return void came.pipe(answer)
        const parts: Buffer[] = []
        for await (const part of came) parts.push(part as Buffer)
        const body = Buffer.concat(parts)
        answer.write(body.subarray(0, body.length >> 1))
        halves.resolve()
        await opened.promise
        answer.end(body.subarray(body.length >> 1))
      },
    )
    on.on('error', () => answer.destroy())
    asked.pipe(on)
  })
  await new Promise<void>((listening) => gate.listen(0, '127.0.0.1', listening))
  onTestFinished(() => {
    gate.closeAllConnections()
    gate.close()
  })
  return {
    url: `http://127.0.0.1:${(gate.address() as AddressInfo).port}`,
    leadTo(url: string) {
      server = url
    },
    /** From now on what is asked for by such a path stops halfway; resolves when something has. */
    async halve(path: RegExp): Promise<void> {
      shut = path
      await halves.promise
    },
    open() {
      shut = undefined
      opened.resolve()
      opened = Promise.withResolvers()
      halves = Promise.withResolvers()
    },
    /** Whoever is connected is cut off, as by the end of the server. */
    cut() {
      shut = undefined
      gate.closeAllConnections()
    },
  }
}

/** A server that may be killed and comes back at the same addresses. */
async function startHouse() {
  const data = join(temporaryFolder(), 'data')
  const gate = await openGate()
  const all: Started[] = []
  onTestFinished(async () => void (await Promise.all(all.map((each) => each.kill()))))
  async function start(http: string, exoport: string) {
    const flags = ['--http', http, '--exoport', exoport, '--data', data, '--public-url', gate.url]
    const server = startWaymark(
      ['up', '--registration-rate', 'off', '--allow-private-targets', '--log-level', 'error', ...flags],
      { WAYMARK_ADMIN_PASSWORD: password },
    )
    all.push(server)
    const url = await server.ready
    const dial = /^listening exoport \S+:(\d+)$/m.exec(server.out())?.[1] ?? ''
    return { server, url, exoport: dial }
  }
  let { server, url, exoport } = await start('0', '0')
  gate.leadTo(url)
  const at = { url, exoport: Number(exoport) }
  return {
    ...at,
    gate,
    async kill(): Promise<void> {
      await server.kill()
      gate.cut()
    },
    /** It comes back where it was. */
    async restart(): Promise<void> {
      ;({ server, url, exoport } = await start(new URL(at.url).port, `${at.exoport}`))
    },
  }
}

type House = Awaited<ReturnType<typeof startHouse>>

/** Calls the Exosense door as a back end does. */
function backEnd(house: House) {
  async function ask(method: string, params: Values): Promise<Values> {
    const answer = await fetch(`${house.url}/exodm/rpc`, {
      method: 'POST',
      headers: { authorization: `Basic ${Buffer.from(`admin:${password}`).toString('base64')}` },
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: `exodm:${method}`, params }),
    })
    const { result, error } = (await answer.json()) as { result?: Values; error?: unknown }
    if (!result) throw new Error(`${method}: ${JSON.stringify(error)}`)
    return result
  }
  return {
    ask,
    async must(method: string, params: Values): Promise<Values> {
      const result = await ask(method, params)
      if (result.result !== 'ok') throw new Error(`${method}: ${JSON.stringify(result)}`)
      return result
    },
  }
}

/** Where the server tells of what it does: `came` is each message's device, package, status and whether it is the last. */
async function openEar() {
  const came: string[] = []
  const server = createServer(async (request, reply) => {
    const parts: Buffer[] = []
    for await (const part of request) parts.push(part as Buffer)
    const { params } = JSON.parse(Buffer.concat(parts).toString()) as { params: Values }
    const told = [
      params['device-id'] ?? 'all',
      params['package-name'],
      params['package-status'] ?? params['rpc-status'],
    ]
    const words = told.filter((word) => word !== undefined).join(' ')
    came.push(`${words}${params.final === true ? ' final' : ''}`)
    reply.writeHead(200, { 'content-type': 'application/json' }).end('{}')
  })
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`, came }
}

/** An agent as a process; killed at the end of the test. */
async function startAgent(house: House, token: string) {
  const home = temporaryFolder()
  const factory = join(home, 'factory')
  mkdirSync(join(factory, 'core'), { recursive: true })
  writeFileSync(join(factory, 'device.json'), JSON.stringify({ groups: [{ name: 'app', timeout: 20 }] }))
  const run = { '#spec': 'service-manifest-run@1', type: 'process', command: 'sh', args: ['-c', core] }
  writeFileSync(join(factory, 'core', 'run.json'), JSON.stringify({ ...run, stop: { grace: 1 } }))
  const data = join(home, 'data')
  const settings = {
    'updater.interval': '100ms',
    'metadata.usrmeta.interval': '100ms',
    'metadata.devmeta.interval': '100ms',
    'updater.commit.delay': '200ms',
    hub: house.gate.url,
    data,
    factory,
    driver: 'process',
    'factory.autotok': token,
  }
  const config = join(home, 'agent.config')
  writeFileSync(
    config,
    Object.entries(settings)
      .map((pair) => `${pair.join('=')}\n`)
      .join(''),
  )
  const child: ChildProcess = spawn(process.execPath, ['--conditions=source', agentProgram, config], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const ended = new Promise<void>((end) => child.once('close', () => end()))
  onTestFinished(async () => {
    child.kill('SIGTERM')
    await ended
  })
  /** Words on steps that the server has taken, in order: `1 DONE`. */
  const said: string[] = []
  await new Promise<void>((resolve) => {
    if (!child.stdout) throw new Error('the agent has an output')
    createInterface({ input: child.stdout }).on('line', (line) => {
      const told = JSON.parse(line) as { event: string; rev?: number; status?: string }
      if (told.event === 'synced') resolve()
      if (told.event === 'reported') said.push(`${told.rev} ${told.status}`)
    })
  })
  const current = join(data, 'current')
  return {
    /** Until that has been its last word on a step. */
    says: (word: string) => eventually(word, () => (said.at(-1) === word ? true : undefined)),
    /** The configuration of a set or a package that lies on the device. */
    configuration(name: string): unknown {
      const path = join(current, '_config', encodeURIComponent(name), 'config.json')
      return existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : undefined
    },
    /** The packages that lie on the device: each name with what its image holds. */
    packages: (): Record<string, string> =>
      Object.fromEntries(
        readdirSync(current)
          .filter((name) => existsSync(join(current, name, 'image')))
          .map((name) => [decodeURIComponent(name), readFileSync(join(current, name, 'image'), 'utf8')]),
      ),
  }
}

/** A station that dials in, with what it has installed. `hold` keeps it from answering a part. */
function startStation(house: House) {
  const images = memoryImages()
  const has = new Set<string>()
  /** Values of sets and of packages, by name. */
  const configured = new Map<string, unknown>()
  let hold: () => Promise<void> | void = () => undefined
  const device = createExoPortDevice({
    host: '127.0.0.1',
    port: house.exoport,
    account: 'main',
    device: 'station',
    deviceKey: 11,
    serverKey: 12,
    patience: { firstRetry: 50, lastRetry: 200 },
    configured: ({ name, values }) => void configured.set(name, values),
    packages: {
      store: {
        ...images,
        async write(id, offset, data) {
          await hold()
          images.write(id, offset, data)
        },
      },
      install(names) {
        for (const name of names) has.add(name)
      },
      // What replaces what is the device's own knowledge: here, one app another.
      upgrade(names) {
        for (const name of has) if (name.startsWith('app ')) has.delete(name)
        for (const name of names) has.add(name)
      },
      uninstall(names) {
        for (const name of names) if (!has.delete(name)) throw new PackageFault('object-not-found')
      },
      activate(values) {
        for (const [name, each] of Object.entries(values)) configured.set(name, each)
      },
    },
  })
  device.start()
  onTestFinished(() => device.stop())
  return {
    has,
    configured,
    holdAt(next: typeof hold) {
      hold = next
    },
  }
}

export async function eventually<T>(
  what: string | (() => string),
  look: () => T | undefined | Promise<T | undefined>,
): Promise<T> {
  const until = Date.now() + 30_000
  for (;;) {
    const found = await look()
    if (found !== undefined) return found
    if (Date.now() > until) throw new Error(`${typeof what === 'string' ? what : what()}: not within 30 s`)
    await new Promise((wait) => setTimeout(wait, 50))
  }
}

/** An image of some hundred kilobytes, which is several parts. It is a program all the same. */
const image = (command: string): string => `${command}\n${'#'.repeat(400_000)}\n`
const images = {
  base: image('true'),
  'app 1': image('true 1'),
  'app 2': image('true 2'),
  'app 3': image('echo I break; exit 1'),
  tool: image('true 4'),
} as const
type Name = keyof typeof images

/** What lies on a device, by the names of packages. */
export const lying = (...names: Name[]) => Object.fromEntries(names.map((name) => [name, images[name]]))

/**
 * A server; one group of a station and another of an agent; and packages: `base`, `app 1` on it, `app 2` and `app 3` each in
 * place of the one before, of which `app 3` breaks who runs it, and `tool`.
 */
export async function world() {
  const house = await startHouse()
  const me = await admin({ url: house.url, exoport: house.exoport, stop: async () => {} })
  const { token } = (await me.run('join-token', 'create', '--json')).json() as { token: string }
  const agent = await startAgent(house, token)
  const { ask, must } = backEnd(house)
  const ear = await openEar()
  await must('create-device-type', { name: 'mast', protocol: 'exodm_bert' })
  const keys = { 'device-key': 11, 'server-key': 12 }
  await must('create-device', { 'device-id': 'station', 'device-type': 'mast', ...keys })
  const listed = (await must('list-devices', { n: 10, previous: '' })).devices as { 'device-id': string }[]
  const agentName = listed.map((each) => each['device-id']).find((each) => each !== 'station') ?? ''
  const needs: Partial<Record<Name, Values>> = {
    'app 1': { 'prerequisite-packages': ['base'] },
    'app 2': { 'prerequisite-packages': ['base'], 'upgrade-from-packages': ['app 1'] },
    'app 3': { 'prerequisite-packages': ['base'], 'upgrade-from-packages': ['app 2'] },
  }
  for (const [name, text] of Object.entries(images)) {
    const bytes = Buffer.from(text).toString('base64')
    await must('create-package', { 'package-name': name, image: bytes, ...needs[name as Name] })
    for (const type of ['pantahub', 'mast'])
      await must('add-package-to-device-type', { 'package-name': name, 'device-type': type })
  }
  for (const [group, device] of [
    ['masts', 'station'],
    ['trails', agentName],
  ] as const) {
    await must('create-device-group', { name: group })
    await must('add-device-group-members', { 'group-id': group, 'device-id': device })
  }
  const station = startStation(house)
  return {
    ...{ house, agent, agentName, station, ask, must, ear },
    /** Asks something of both groups; what is told of it comes to the ear. */
    both: (method: string, params: Values) =>
      must(method, {
        targets: ['masts', 'trails'],
        'notification-url': ear.url,
        ...params,
      }),
    /** Waits for the last words on the station and on the agent, and answers all there were since the page was turned. */
    async told(each = 1): Promise<readonly string[]> {
      const last = (device: string) => (line: string) =>
        line.startsWith(`${device} `) && line.endsWith(' final')
      await eventually(
        () => `last words, after ${ear.came.join(', ')}`,
        () =>
          ['station', agentName].every((device) => new Set(ear.came.filter(last(device))).size >= each)
            ? true
            : undefined,
      )
      // Said twice is allowed, and is no news.
      return [...new Set(ear.came.splice(0))].map((line) => line.replace(agentName, 'agent')).sort()
    },
    /** The same where each of the two targets is told of as a whole, once all of it has ended. */
    async toldOfBoth(): Promise<readonly string[]> {
      const lasts = () => ear.came.filter((line) => /^all .* final$/.test(line)).length
      await eventually(
        () => `last words of both, after ${ear.came.join(', ')}`,
        () => (lasts() === 2 ? true : undefined),
      )
      return ear.came
        .splice(0)
        .map((line) => line.replace(agentName, 'agent'))
        .sort()
    },
    /** What the server says who has. */
    async having(name: Name): Promise<readonly string[]> {
      const { devices } = await must('list-devices-with-package', { 'package-name': name })
      const rows = devices as { 'device-id': string; 'package-status': string }[]
      return rows
        .filter((row) => row['package-status'] === 'installed')
        .map((row) => row['device-id'].replace(agentName, 'agent'))
        .sort()
    },
  }
}

export type World = Awaited<ReturnType<typeof world>>
