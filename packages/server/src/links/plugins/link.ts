/**
 * A plugin as a link: what its process asks becomes calls of the house, and what the house says goes back to it.
 *
 * What arrives here was said by a stranger's code. It names sessions and carried things by number, and only those it was
 * given; values are read before they go further. It never sees keys or a comparison of passwords, only whether a device is
 * let in. When its process ends, its sessions end with it, and what was under way goes back to the queues.
 */
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { type HostedPlugin, hostPlugin } from '@waymark/plugin'
import { StartFailure } from '../../serve.ts'
import type {
  Carried,
  CarriedPackages,
  CarriedSoftware,
  Link,
  LinkHouse,
  OpenLink,
  OpenSession,
} from '../link.ts'
import { readIdentity, readObject, readOutcome } from './read.ts'
import { createTickets } from './tickets.ts'

/** Most sessions of one plugin at once. */
const sessionsLimit = 100_000
/** Longest wait that a plugin may ask for, milliseconds; afterwards it asks again. */
const nextMostMs = 60_000
/** Bytes of an image that a plugin is given at once. */
const partMost = 1024 * 1024
/** What a plugin has to call a device, milliseconds. */
const dialMs = 30_000
/** A plugin that ends so often with the same thing under way does not get it again. */
const crashesMost = 3

/**
 * Starts the plugins of these npm names or paths and hears what they are. A plugin that can not be used, and one that registers a
 * protocol that exists (`taken`, or another plugin's), is a `StartFailure`, and none of them is left running.
 */
export async function loadPlugins(
  paths: readonly string[],
  taken: readonly string[],
  host: (path: string) => Promise<HostedPlugin> = hostFound,
): Promise<readonly PluginLink[]> {
  const hosted: HostedPlugin[] = []
  const names = new Set(taken)
  try {
    for (const path of paths) {
      const plugin = await host(path)
      const isNamed = hosted.some(({ name }) => name === plugin.name)
      hosted.push(plugin)
      if (isNamed)
        throw new Error(
          `plugin ${path}: wanted a name of its own, got ${plugin.name}, which another plugin has`,
        )
      for (const { name } of plugin.protocols) {
        if (names.has(name))
          throw new Error(`plugin ${path}: wanted a protocol of its own, got ${name}, which exists`)
        names.add(name)
      }
    }
  } catch (error) {
    await Promise.all(hosted.map((plugin) => plugin.close()))
    throw new StartFailure(error instanceof Error ? error.message : `plugins: ${String(error)}`)
  }
  return hosted.map(pluginLink)
}

/** Finds a package by its npm name or path, as seen from the folder the server was started in, and starts it. */
async function hostFound(name: string): Promise<HostedPlugin> {
  const found = createRequire(join(process.cwd(), 'plugins')).resolve(name)
  return hostPlugin(pathToFileURL(found).href)
}

export interface PluginLink extends Link {
  readonly plugin: HostedPlugin
  /** Ends its process, also when it was never opened. */
  stop(): Promise<void>
}

/** A plugin that is running, as a link. */
export function pluginLink(plugin: HostedPlugin): PluginLink {
  return {
    name: plugin.name,
    plugin,
    protocols: plugin.protocols,
    open: (house) => openPlugin(house, plugin),
    stop: () => plugin.close(),
  }
}

interface Held {
  readonly opened: OpenSession
  readonly carried: Map<number, Carried | CarriedSoftware>
}

function openPlugin(house: LinkHouse, plugin: HostedPlugin): OpenLink {
  const protocols = plugin.protocols.map(({ name }) => name)
  const held = new Map<number, Held>()
  const tickets = createTickets(house)
  let last = 0
  let life = 0

  async function open(raw: unknown, ended: (session: number) => void): Promise<number | undefined> {
    const identity = readIdentity(raw)
    if (identity === undefined) throw new Error('open: wanted account, device, password, address')
    if (held.size >= sessionsLimit) throw new Error(`open: wanted at most ${sessionsLimit} sessions`)
    const { name, address } = identity
    const isDialled = 'dialled' in identity
    if (!isDialled && house.waitMs(name, address) > 0) return undefined
    const mine = life
    const known = await house.identify(name, protocols)
    const isProved = isDialled
      ? known !== undefined && tickets.isGood(identity.dialled, known.device)
      : known?.passwordIs(identity.password) === true
    // A plugin's wire is its own: an account that wants TLS lets its devices in where the plugin says that it is safe.
    const isRight = isProved && (known?.tlsOnly !== true || identity.secure)
    if (!isDialled) house.attempted(name, address, isRight)
    if (known === undefined || !isRight) return undefined
    if (known.tlsOnly)
      house.log.info({ plugin: plugin.name, device: known.device }, 'let in over TLS, as the plugin says')
    last += 1
    const number = last
    const opened = await house.open(known, {
      address,
      end() {
        held.delete(number)
        ended(number)
      },
    })
    // Its process ended while the house was opening: nobody would ever close this one.
    if (mine !== life) {
      await opened.close()
      return undefined
    }
    if (opened.open) held.set(number, { opened, carried: new Map() })
    return number
  }

  async function asked(
    method: string,
    args: readonly unknown[],
    ended: (session: number) => void,
  ): Promise<unknown> {
    if (method === 'open') return open(args[0], ended)
    const [number, ...rest] = args
    const session = typeof number === 'number' ? held.get(number) : undefined
    // It may have ended while the question was on its way.
    if (session === undefined || typeof number !== 'number') return ofNoSession(method)
    const { opened, carried } = session
    switch (method) {
      case 'next': {
        const waitMs = typeof rest[0] === 'number' && rest[0] >= 0 ? Math.min(rest[0], nextMostMs) : 0
        const next = await (plugin.packages ? opened.nextOfAll(waitMs) : opened.next(waitMs))
        if (next === undefined) return undefined
        last += 1
        carried.set(last, next)
        return shown(next, last)
      }
      case 'settle': {
        const one = taken(carried, rest[0])
        const outcome = readOutcome(rest[1])
        if (outcome === undefined) {
          await opened.settle(one, { kind: 'failed', reason: 'the plugin gave no outcome that can be read' })
          throw new Error('settle: wanted done, replied, failed or unsupported')
        }
        return opened.settle(one, outcome)
      }
      case 'call': {
        const [module, name, raw] = rest
        const params = readObject(raw)
        if (typeof module !== 'string' || typeof name !== 'string' || params === undefined)
          throw new Error('call: wanted a module, a method and params')
        const answer = await opened.call({ module, method: name, params })
        return answer.kind === 'output' ? { kind: 'output', output: answer.output } : answer
      }
      case 'image': {
        const [one, step] = stepOf(carried, rest)
        const [, , offset, length] = rest
        if (!isCount(offset) || !isCount(length) || length > partMost)
          throw new Error(`image: wanted an offset, and at most ${partMost} bytes`)
        return opened.image(one, step, offset, length)
      }
      case 'confirmed': {
        const [one, step] = stepOf(carried, rest)
        const bytes = rest[2]
        if (!isCount(bytes)) throw new Error('confirmed: wanted a count of bytes')
        return opened.confirmed(one, step, bytes)
      }
      case 'restart': {
        const [one, step] = stepOf(carried, rest)
        return opened.restart(one, step)
      }
      case 'stepped': {
        const [one, step] = stepOf(carried, rest)
        const [, , done, reason] = rest
        const said = typeof reason === 'string' ? reason.slice(0, 1000) : undefined
        return opened.stepped(one, step, done === true, said)
      }
      case 'progressed': {
        const one = carried.get(typeof rest[0] === 'number' ? rest[0] : -1)
        const percent = rest[1]
        if (one === undefined || typeof percent !== 'number' || !(percent >= 0 && percent <= 100))
          throw new Error('progressed: wanted something carried, and 0 to 100')
        return opened.progressed(one, percent)
      }
      case 'heard':
        return opened.heard()
      case 'close':
        held.delete(number)
        return opened.close()
      default:
        throw new Error(`${method.slice(0, 40)}: there is no such question`)
    }
  }

  /** What its process held goes back to the queues; what it has ended under again and again has failed. */
  async function endAll(hasCrashed: boolean): Promise<void> {
    life += 1
    const sessions = [...held.values()]
    held.clear()
    await Promise.all(
      sessions.map(async ({ opened, carried }) => {
        for (const one of hasCrashed ? carried.values() : [])
          if (one.attempt + 1 >= crashesMost)
            await opened.settle(one, {
              kind: 'failed',
              reason: 'the plugin ended while it carried this, again and again',
            })
        await opened.close()
      }),
    )
  }

  plugin.open({
    asked,
    async gone(why, againMs) {
      if (againMs !== undefined) house.log.warn({ plugin: plugin.name, why, againMs }, 'plugin ended')
      await endAll(againMs !== undefined)
    },
    said({ stream, line, dropped }) {
      const fields = { plugin: plugin.name, ...(dropped === 0 ? {} : { dropped }) }
      if (stream === 'stderr') house.log.warn(fields, line)
      else house.log.info(fields, line)
    },
  })
  return {
    listeners: [],
    dials: {
      protocols: plugin.protocols.filter(({ dials }) => dials).map(({ name }) => name),
      async dial({ name, device, protocol, attributes }) {
        const ticket = tickets.give(device)
        await plugin.do('dial', { ...name, protocol, ticket, attributes }, dialMs)
      },
    },
    async close() {
      await plugin.close()
      await endAll(false)
    },
  }
}

function ofNoSession(method: string): undefined {
  if (method === 'call') throw new Error('call: the session has ended')
  return undefined
}

function taken(carried: Held['carried'], key: unknown): Carried | CarriedSoftware {
  const one = typeof key === 'number' ? carried.get(key) : undefined
  if (one === undefined || typeof key !== 'number') throw new Error('settle: nothing of that key is carried')
  carried.delete(key)
  return one
}

/** The packages and the step of them that a question is about. */
function stepOf(carried: Held['carried'], [key, step]: readonly unknown[]): [CarriedPackages, number] {
  const one = typeof key === 'number' ? carried.get(key) : undefined
  if (one?.kind !== 'packages') throw new Error('wanted packages that are carried')
  if (!isCount(step) || step >= one.steps.length) throw new Error('wanted one of their steps')
  return [one, step]
}

function isCount(raw: unknown): raw is number {
  return typeof raw === 'number' && Number.isSafeInteger(raw) && raw >= 0
}

/** What a plugin is shown of something carried: no more than it needs. */
function shown(carried: Carried | CarriedSoftware, key: number): object {
  const { attempt, callId } = carried
  if (carried.kind === 'packages') return { key, kind: carried.kind, attempt, callId, steps: carried.steps }
  if (carried.kind === 'package-configuration')
    return { key, kind: carried.kind, attempt, callId, packages: carried.packages }
  return carried.kind === 'rpc'
    ? {
        key,
        kind: 'rpc',
        attempt,
        callId,
        module: carried.module,
        method: carried.method,
        input: carried.input,
      }
    : { key, kind: 'configuration', attempt, callId, name: carried.name, values: carried.values }
}
