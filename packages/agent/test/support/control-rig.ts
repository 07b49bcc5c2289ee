/**
 * A real agent program with containers that really run, and a client of its control socket.
 */
import { mkdir, writeFile } from 'node:fs/promises'
import { type IncomingHttpHeaders, request } from 'node:http'
import { dirname, join } from 'node:path'
import { type AgentEvent, runAgentCommand } from '../../src/index.ts'
import { sha256, startFakeHub } from './fake-hub.ts'
import { temporaryFolder } from './rig.ts'

export interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly text: string
  // biome-ignore lint/suspicious/noExplicitAny: a test looks into whatever came.
  readonly json: any
}

/** One request over a Unix socket, on a connection of its own. */
export function ask(
  socketPath: string,
  method: string,
  path: string,
  body?: string | Uint8Array,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = request(
      { socketPath, method, path, agent: false, headers: { host: 'localhost' } },
      (reply) => {
        const parts: Buffer[] = []
        reply.on('data', (part: Buffer) => parts.push(part))
        reply.on('error', reject)
        reply.on('end', () => {
          const text = Buffer.concat(parts).toString('utf8')
          let json: unknown
          try {
            json = JSON.parse(text)
          } catch {
            json = undefined
          }
          resolve({ status: reply.statusCode ?? 0, headers: reply.headers, text, json })
        })
      },
    )
    sent.on('error', reject)
    sent.end(body)
  })
}

/** Waits until something holds, without caring how long. */
export async function until<T>(look: () => T | Promise<T>, limitMs = 8000): Promise<NonNullable<T>> {
  const end = Date.now() + limitMs
  for (;;) {
    const found = await look()
    if (found) return found
    if (Date.now() > end) throw new Error(`waited in vain for ${look}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

/** A container that runs until it is told to stop; `script` is what it does at first. */
export const sleeper = (script = '', more: Readonly<Record<string, unknown>> = {}) => ({
  '#spec': 'service-manifest-run@1',
  type: 'process',
  command: process.execPath,
  args: ['-e', `${script};setInterval(() => {}, 1000)`],
  group: 'app',
  ...more,
})

export const groups = {
  groups: [
    { name: 'base', restart_policy: 'system', timeout: 10 },
    { name: 'app', timeout: 10 },
  ],
}

const settings = ['metadata.usrmeta.interval', 'metadata.devmeta.interval'].map((key) => `${key}=100ms`)

export interface ControlRigOptions {
  /** The factory's entries: documents, by their paths. */
  readonly factory?: Readonly<Record<string, unknown>>
  readonly flags?: Readonly<Record<string, string | boolean>>
  /** Lines of the configuration file. */
  readonly config?: readonly string[]
  readonly claimed?: boolean
}

export async function startControlRig({
  factory = {},
  flags = {},
  config = [],
  claimed = true,
}: ControlRigOptions = {}) {
  const stack = new AsyncDisposableStack()
  const hub = stack.use(await startFakeHub())
  const folder = stack.use(await temporaryFolder())
  hub.joinTokens.add('token')
  const factoryFolder = join(folder.path, 'factory')
  await mkdir(factoryFolder)
  for (const [path, document] of Object.entries(factory)) {
    await mkdir(dirname(join(factoryFolder, path)), { recursive: true })
    await writeFile(join(factoryFolder, path), JSON.stringify(document))
  }
  const configFile = join(folder.path, 'agent.config')
  await writeFile(
    configFile,
    [...settings, 'updater.commit.delay=50ms', 'updater.goals.timeout=10', ...config].join('\n'),
  )
  const data = join(folder.path, 'data')
  const events: AgentEvent[] = []
  const complaints: string[] = []
  let stop = new AbortController()
  let running: Promise<number> = Promise.resolve(0)

  const rig = {
    hub,
    folder: folder.path,
    data,
    events,
    complaints,
    socket: join(data, 'control/pv-ctrl'),
    socketOf: (name: string) => join(data, 'control/containers', name, 'pv-ctrl'),
    ask: (method: string, path: string, body?: string | Uint8Array) => ask(rig.socket, method, path, body),
    command: (op: string, payload: unknown = '') =>
      ask(rig.socket, 'POST', '/commands', JSON.stringify({ op, payload })),
    start() {
      stop = new AbortController()
      running = runAgentCommand(
        {
          flags: {
            hub: hub.base,
            data,
            driver: 'process',
            interval: '50ms',
            factory: factoryFolder,
            ...(claimed ? { token: 'token' } : {}),
            ...flags,
          },
          configFile,
        },
        {
          line: () => undefined,
          complain: (text) => complaints.push(text),
          signal: stop.signal,
          onEvent: (event) => events.push(event),
        },
      )
    },
    async stop(): Promise<number> {
      stop.abort()
      return running
    },
    /** Until the socket answers. */
    up: () => until(async () => (await rig.ask('GET', '/buildinfo').catch(() => undefined))?.status === 200),
    /** Until the device is synced with its hub. */
    synced: () => until(() => events.some((event) => event.event === 'synced')),
    /** Until every container is where it should be. */
    settled: () =>
      until(async () => {
        const { json } = await rig.ask('GET', '/containers')
        return (
          Array.isArray(json) && json.length > 0 && json.every((each) => each.status === each.status_goal)
        )
      }),
    async putObject(bytes: Uint8Array): Promise<string> {
      const sha = sha256(Buffer.from(bytes))
      const { status, text } = await rig.ask('PUT', `/objects/${sha}`, bytes)
      if (status !== 200) throw new Error(text)
      return sha
    },
    /** Puts a state, runs it, and waits for its last word. */
    async run(name: string, state: unknown, op = 'LOCAL_RUN') {
      const put = await rig.ask('PUT', `/steps/${name}`, JSON.stringify(state))
      if (put.status !== 200) throw new Error(put.text)
      const taken = await rig.command(op, name)
      if (taken.status !== 200) throw new Error(taken.text)
      return rig.ended(name)
    },
    ended: (name: string) =>
      until(async () => {
        const { json } = await rig.ask('GET', `/steps/${name}/progress`).catch(() => ({ json: undefined }))
        return ['DONE', 'UPDATED', 'ERROR', 'WONTGO'].includes(json?.status) ? json : undefined
      }),
    async [Symbol.asyncDispose]() {
      await rig.stop()
      await stack.disposeAsync()
    },
  }
  rig.start()
  await rig.up()
  return rig
}
