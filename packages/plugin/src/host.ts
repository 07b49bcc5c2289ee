/**
 * Holds a plugin in a process of its own: starts it, hears what it asks, and ends it when it breaks the rules.
 *
 * A plugin is a stranger's code. Its crash, its endless loop and its leak are its own: the process has an empty
 * environment, may neither write files nor start processes, reads its own package and no more, has a bounded heap, and is killed when it stops answering
 * heartbeats, says what it must not, or asks too much at once. What it was carrying then ends with it, and the house
 * hears of it through `gone`, before the plugin is started again after a pause that doubles.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type FromChild, readFromChild, type ToChild } from './messages.ts'
import type { PluginProtocol } from './plugin.ts'

/** The version of the interface that this host speaks. */
const apiVersion = 1

export interface PluginLimits {
  /** From the start of the process until it says what it is, milliseconds. */
  readonly helloMs: number
  readonly beatMs: number
  /** Without an answer to a heartbeat for so long it counts as hanging, milliseconds. */
  readonly silenceMs: number
  /** The heap it may have, MiB. */
  readonly heapMib: number
  /** Questions that may be open at once. */
  readonly asks: number
  /** The first pause before it is started again, milliseconds; it doubles up to `restartMostMs`. */
  readonly restartMs: number
  readonly restartMostMs: number
  /** A process that has lasted so long is a good one: the pauses begin anew after it, milliseconds. */
  readonly stableMs: number
}

const defaultLimits: PluginLimits = {
  helloMs: 10_000,
  beatMs: 2000,
  silenceMs: 10_000,
  heapMib: 256,
  asks: 10_000,
  restartMs: 500,
  restartMostMs: 60_000,
  stableMs: 60_000,
}

/** What a plugin may ask of the house. */
export interface PluginHouse {
  /** Answers a question of the child; a rejection is told to it as an error. `ended` tells it of a session's end. */
  asked(method: string, args: readonly unknown[], ended: (session: number) => void): Promise<unknown>
  /** The process is gone: all it held ends. `again`: it will be started again after so many milliseconds. */
  gone(why: string, againMs: number | undefined): Promise<void>
}

export interface HostedPlugin {
  readonly name: string
  readonly protocols: readonly PluginProtocol[]
  /** It carries packages. */
  readonly packages: boolean
  /** Its process now; undefined: it has none. */
  readonly pid?: number | undefined
  /** Opens the plugin for this house, and keeps it running until `close`. */
  open(house: PluginHouse): void
  /** Asks it to close, and ends it if it does not. */
  close(): Promise<void>
}

/** Why a plugin can not be used, in one line for people. */
export class PluginFailure extends Error {
  override readonly name = 'PluginFailure'
}

/**
 * Starts the plugin at `path` (an absolute path or a URL of its module) and hears what it is. Rejects with a
 * `PluginFailure` if it does not load, says nothing, is of another version of the interface, or is no plugin.
 */
export async function hostPlugin(path: string, limits: Partial<PluginLimits> = {}): Promise<HostedPlugin> {
  const bounds = { ...defaultLimits, ...limits }
  const first = await start(path, bounds)
  let child = first.child
  let house: PluginHouse | undefined
  let isClosing = false
  let pauseMs = bounds.restartMs
  let timer: NodeJS.Timeout | undefined

  function keep(running: ChildProcess, to: PluginHouse): void {
    child = running
    let why = ''
    let asks = 0
    const beganAt = performance.now()
    let heardAt = beganAt
    const kill = (reason: string) => {
      why ||= reason
      running.kill('SIGKILL')
    }
    const beat = setInterval(() => {
      if (performance.now() - heardAt > bounds.silenceMs) kill('it does not answer')
      else tell(running, { kind: 'beat' })
    }, bounds.beatMs)
    running.on('message', (raw) => {
      const message = readFromChild(raw)
      heardAt = performance.now()
      if (message === undefined) return kill('it said what is no message')
      if (message.kind === 'alive') {
        if (heardAt - beganAt >= bounds.stableMs) pauseMs = bounds.restartMs
        return
      }
      if (message.kind !== 'ask') return kill(`it said ${message.kind} once more`)
      if (asks >= bounds.asks) return kill(`it asked more than ${bounds.asks} things at once`)
      asks += 1
      const { id, method, args } = message
      void to
        .asked(method, args, (session) => tell(running, { kind: 'ended', session }))
        .then(
          (value) => tell(running, { kind: 'answer', id, value }),
          (error: unknown) =>
            tell(running, { kind: 'answer', id, error: error instanceof Error ? error.message : 'failed' }),
        )
        .finally(() => {
          asks -= 1
        })
    })
    running.once('exit', (code, signal) => {
      clearInterval(beat)
      const reason = why || `its process ended (${signal ?? code})`
      const againMs = isClosing ? undefined : pauseMs
      pauseMs = Math.min(pauseMs * 2, bounds.restartMostMs)
      void to.gone(reason, againMs).finally(() => {
        if (againMs !== undefined && !isClosing) timer = setTimeout(() => void restart(to), againMs)
      })
    })
    if (running.exitCode !== null || running.signalCode !== null) running.emit('exit', running.exitCode, null)
    else tell(running, { kind: 'open' })
  }

  async function restart(to: PluginHouse): Promise<void> {
    try {
      const next = await start(path, bounds)
      if (isClosing) next.child.kill('SIGKILL')
      else keep(next.child, to)
    } catch (error) {
      if (isClosing) return
      const againMs = pauseMs
      pauseMs = Math.min(pauseMs * 2, bounds.restartMostMs)
      await to.gone(error instanceof Error ? error.message : 'it did not start', againMs)
      if (!isClosing) timer = setTimeout(() => void restart(to), againMs)
    }
  }

  return {
    name: first.hello.name,
    protocols: first.hello.protocols,
    packages: first.hello.packages,
    get pid() {
      return child.pid
    },
    open(to) {
      house = to
      keep(child, house)
    },
    async close() {
      isClosing = true
      clearTimeout(timer)
      if (child.exitCode !== null || child.signalCode !== null) return
      const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()))
      const late = setTimeout(() => child.kill('SIGKILL'), 3000)
      tell(child, { kind: 'close' })
      await exited
      clearTimeout(late)
    },
  }
}

/**
 * What its process may read: its own package, the packages beside and above it, and the program that loads it. Neither the
 * server's data nor its keys are there.
 */
function readable(path: string, entry: URL): readonly string[] {
  const file = path.startsWith('file:') ? fileURLToPath(path) : path
  const own = packageOf(dirname(file))
  const folders = new Set([join(own, '*'), join(dirname(fileURLToPath(entry)), '*')])
  for (let at = own; ; at = dirname(at)) {
    folders.add(join(at, 'node_modules', '*'))
    folders.add(join(at, 'package.json'))
    if (at === dirname(at)) return [...folders]
  }
}

/** The folder of the package that a folder is in; itself, where it is in none. */
function packageOf(folder: string): string {
  for (let at = folder; ; at = dirname(at)) {
    if (existsSync(join(at, 'package.json'))) return at
    if (at === dirname(at)) return folder
  }
}

type Hello = Extract<FromChild, { kind: 'hello' }>

async function start(path: string, bounds: PluginLimits): Promise<{ child: ChildProcess; hello: Hello }> {
  const entry = new URL(import.meta.url.endsWith('.ts') ? './child.ts' : './child.js', import.meta.url)
  const child = fork(entry, [path], {
    env: {},
    execArgv: [
      '--permission',
      ...readable(path, entry).map((folder) => `--allow-fs-read=${folder}`),
      `--max-old-space-size=${bounds.heapMib}`,
    ],
    serialization: 'advanced',
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
  })
  const failed = (got: string) => new PluginFailure(`plugin ${path}: ${got}`)
  try {
    const hello = await new Promise<Hello>((resolve, reject) => {
      const late = setTimeout(() => reject(failed(`said nothing in ${bounds.helloMs} ms`)), bounds.helloMs)
      child.once('message', (raw) => {
        clearTimeout(late)
        const message = readFromChild(raw)
        if (message?.kind === 'refused') return reject(failed(`does not load: ${message.reason}`))
        if (message?.kind !== 'hello')
          return reject(failed('wanted a name and protocols, got something else'))
        if (message.apiVersion !== apiVersion)
          return reject(
            failed(`wanted apiVersion ${apiVersion}, got ${String(message.apiVersion).slice(0, 20)}`),
          )
        resolve(message)
      })
      child.once('exit', () => {
        clearTimeout(late)
        reject(failed('its process ended before it said what it is'))
      })
    })
    return { child, hello }
  } catch (error) {
    child.kill('SIGKILL')
    throw error
  }
}

function tell(child: ChildProcess, message: ToChild): void {
  // A child that has just died hears nothing more; its end is told elsewhere.
  if (child.connected) child.send(message, () => {})
}
