/**
 * The process a plugin runs in: loads it, says what it is, and opens it when told to.
 *
 * It knows the channel to the server and the plugin's interface, and nothing of devices. Whatever goes wrong here ends
 * this process and no other; when the channel closes, the server is gone and so is this.
 */
import { Socket } from 'node:net'
import { frameMostDown, frameMostUp, openChannel } from './channel.ts'
import { doings, type FromChild, type ToChild } from './messages.ts'
import type { OpenPlugin, Plugin, Session, Waymark } from './plugin.ts'

/** How long a plugin may take to close, milliseconds. */
const closeMs = 2000

const waiting = new Map<number, PromiseWithResolvers<unknown>>()
const ended = new Map<number, () => void>()
let lastId = 0
let opened: Promise<OpenPlugin> | undefined

/** What the server says; set once the plugin is loaded. */
let told: ((message: ToChild) => void) | undefined

// The pipe that the server keeps for this beside the three that every process has.
const pipe = new Socket({ fd: 3, readable: true, writable: true })
const channel = openChannel(
  pipe,
  { inMost: frameMostDown, outMost: frameMostUp, waitingMost: Number.POSITIVE_INFINITY },
  {
    // It is the server that speaks: this side trusts it.
    value: (value) => told?.(value as ToChild),
    broken: () => process.exit(1),
    ended: () => process.exit(0),
  },
)

function send(message: FromChild, flushed?: () => void): void {
  channel.send(message, flushed)
}

async function ask(method: string, ...args: readonly unknown[]): Promise<unknown> {
  const answer = Promise.withResolvers<unknown>()
  lastId += 1
  // What is no plain data throws here: it is the asker's own mistake, and the asker is told.
  send({ kind: 'ask', id: lastId, method, args })
  waiting.set(lastId, answer)
  return answer.promise
}

const waymark: Waymark = {
  async open(identity, whenEnded) {
    const session = await ask('open', identity)
    if (typeof session !== 'number') return undefined
    ended.set(session, whenEnded)
    return sessionOf(session)
  },
}

function sessionOf(session: number): Session {
  // The server answers with the shapes that the interface names: this side trusts it.
  const answered = <T>(method: string, ...args: readonly unknown[]) =>
    ask(method, session, ...args) as Promise<T>
  return {
    next: (waitMs) => answered('next', waitMs),
    settle: (carried, outcome) => answered('settle', carried.key, outcome),
    image: (carried, step, offset, length) => answered('image', carried.key, step, offset, length),
    confirmed: (carried, step, bytes) => answered('confirmed', carried.key, step, bytes),
    restart: (carried, step) => answered('restart', carried.key, step),
    stepped: (carried, step, done, reason) => answered('stepped', carried.key, step, done, reason),
    progressed: (carried, percent) => answered('progressed', carried.key, percent),
    call: (module, method, params) => answered('call', module, method, params),
    heard: () => void answered('heard').catch(() => {}),
    close: async () => {
      ended.delete(session)
      await answered('close')
    },
  }
}

async function carryOut({ id, what, value }: Extract<ToChild, { kind: 'do' }>): Promise<void> {
  try {
    const open = await opened
    // The server gives each what the interface says: this side trusts it.
    const done = open?.[what]?.bind(open)
    if (done === undefined) throw new Error(`it has no ${what}`)
    send({ kind: 'did', id, value: await (done as (given: unknown) => Promise<unknown>)(value) })
  } catch (error) {
    send({ kind: 'did', id, error: error instanceof Error ? error.message : String(error) })
  }
}

async function load(path: string): Promise<Plugin> {
  const loaded: { readonly default?: Plugin } = await import(path)
  if (loaded.default === undefined) throw new Error('wanted a default export, got none')
  return loaded.default
}

async function close(plugin: Promise<OpenPlugin> | undefined): Promise<void> {
  setTimeout(() => process.exit(0), closeMs).unref()
  await (await plugin)?.close()
}

try {
  const plugin = await load(process.argv[2] ?? '')
  told = (message) => {
    switch (message.kind) {
      case 'open':
        opened = plugin.open(waymark)
        // A rejection ends this process: that is what is promised.
        return void opened.then((open) =>
          send({ kind: 'opened', can: doings.filter((doing) => open[doing] !== undefined) }),
        )
      case 'do':
        return void carryOut(message)
      case 'beat':
        return send({ kind: 'alive' })
      case 'answer': {
        const answer = waiting.get(message.id)
        waiting.delete(message.id)
        return message.error === undefined
          ? answer?.resolve(message.value)
          : answer?.reject(new Error(message.error))
      }
      case 'ended': {
        const tell = ended.get(message.session)
        ended.delete(message.session)
        return tell?.()
      }
      case 'close':
        return void close(opened).finally(() => process.exit(0))
    }
  }
  const { apiVersion, name, protocols, packages = false, modules = [] } = plugin
  send({ kind: 'hello', apiVersion, name, protocols, packages, modules })
} catch (error) {
  const refused: FromChild = {
    kind: 'refused',
    reason: error instanceof Error ? error.message : String(error),
  }
  send(refused, () => process.exit(1))
}
