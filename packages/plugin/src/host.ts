/**
 * Holds a plugin in a process of its own: starts it, hears what it asks, and ends it when it breaks the rules.
 *
 * A plugin is a stranger's code. Its crash, its endless loop and its leak are its own: it is killed when it stops answering
 * heartbeats, says what it must not, does not read what it is told, or takes more memory than it may. Questions are
 * bounded by leaving further ones unread. What it was carrying then ends with it, and the house hears of it through
 * `gone`, before the plugin is started again after a pause that doubles.
 */
import type { Doing, FromChild, ToChild } from './messages.ts'
import type { PluginModule, PluginProtocol } from './plugin.ts'
import { type PluginProcess, type PluginWord, startPlugin } from './process.ts'

export { PluginFailure } from './process.ts'

export interface PluginLimits {
  /** From the start of the process until it says what it is, milliseconds. */
  readonly helloMs: number
  readonly beatMs: number
  /** Without an answer to a heartbeat for so long it counts as hanging, milliseconds. */
  readonly silenceMs: number
  /** The heap it may have, MiB. */
  readonly heapMib: number
  /** Memory it may have in all, MiB: looked at with each heartbeat, where the machine tells (Linux). */
  readonly residentMib: number
  /** Questions that may be open at once; further ones are left unread meanwhile. Those that wait for work are not counted. */
  readonly asks: number
  /** Parts of images that are read or on their way at once; further ones wait. */
  readonly images: number
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
  residentMib: 512,
  asks: 1000,
  images: 16,
  restartMs: 500,
  restartMostMs: 60_000,
  stableMs: 60_000,
}

/** Sessions may all wait for work at once, and no more than that is ever sensible. */
const waitsMost = 200_000

/** What a plugin may ask of the house. */
export interface PluginHouse {
  /** Answers a question of the child; a rejection is told to it as an error. `ended` tells it of a session's end. */
  asked(method: string, args: readonly unknown[], ended: (session: number) => void): Promise<unknown>
  /** The process is gone: all it held ends. `again`: it will be started again after so many milliseconds. */
  gone(why: string, againMs: number | undefined): Promise<void>
  /** It has printed something. */
  said?(word: PluginWord): void
}

export interface HostedPlugin {
  readonly name: string
  readonly protocols: readonly PluginProtocol[]
  /** It carries packages. */
  readonly packages: boolean
  /** Its process now; undefined: it has none. */
  readonly pid?: number | undefined
  /** YANG modules that come with it. */
  readonly modules: readonly PluginModule[]
  /** What it can be told to do now; undefined: it is not open (just started, ended, or about to be started again). */
  can(): readonly Doing[] | undefined
  /** Tells it to do something; rejects where it is not open, can not, fails, ends meanwhile, or takes too long. */
  do(what: Doing, value: unknown, withinMs: number): Promise<unknown>
  /** Opens the plugin for this house, and keeps it running until `close`. */
  open(house: PluginHouse): void
  /** Asks it to close, and ends it if it does not. */
  close(): Promise<void>
}

/**
 * Starts the plugin at `path` (an absolute path or a URL of its module) and hears what it is. Rejects with a
 * `PluginFailure` if it does not load, says nothing, is of another version of the interface, or is no plugin.
 */
export async function hostPlugin(path: string, limits: Partial<PluginLimits> = {}): Promise<HostedPlugin> {
  const bounds = { ...defaultLimits, ...limits }
  const first = await startPlugin(path, bounds)
  let current = first
  let isClosing = false
  let pauseMs = bounds.restartMs
  let timer: NodeJS.Timeout | undefined
  let works: Works | undefined

  /** A plugin that ends again and again is started less and less often. */
  function nextPause(): number {
    const now = pauseMs
    pauseMs = Math.min(pauseMs * 2, bounds.restartMostMs)
    return now
  }

  function keep(running: PluginProcess, house: PluginHouse): void {
    current = running
    works = watch(running, house, bounds, {
      lasted() {
        pauseMs = bounds.restartMs
      },
      exited(why) {
        const againMs = isClosing ? undefined : nextPause()
        void house.gone(why, againMs).finally(() => later(house, againMs))
      },
    })
  }

  function later(house: PluginHouse, againMs: number | undefined): void {
    if (againMs !== undefined && !isClosing) timer = setTimeout(() => void restart(house), againMs)
  }

  async function restart(house: PluginHouse): Promise<void> {
    try {
      const next = await startPlugin(path, bounds)
      if (isClosing) next.kill()
      else keep(next, house)
    } catch (error) {
      if (isClosing) return
      const againMs = nextPause()
      await house.gone(error instanceof Error ? error.message : 'it did not start', againMs)
      later(house, againMs)
    }
  }

  return {
    name: first.hello.name,
    protocols: first.hello.protocols,
    packages: first.hello.packages,
    modules: first.hello.modules,
    can: () => works?.can(),
    async do(what, value, withinMs) {
      if (works === undefined) throw new Error('it is not open')
      return works.do(what, value, withinMs)
    },
    get pid() {
      return current.pid
    },
    open: (house) => keep(first, house),
    async close() {
      isClosing = true
      clearTimeout(timer)
      const late = setTimeout(() => current.kill(), 3000)
      current.tell({ kind: 'close' })
      await current.ended
      clearTimeout(late)
    },
  }
}

/** What a process can be told to do. */
type Works = Pick<HostedPlugin, 'can' | 'do'>

/** Hears one process from its opening to its end. */
function watch(
  running: PluginProcess,
  house: PluginHouse,
  bounds: PluginLimits,
  heard: { lasted(): void; exited(why: string): void },
): Works {
  let why = ''
  let asks = 0
  let waits = 0
  let isPaused = false
  let isOver = false
  let can: readonly Doing[] | undefined
  const doing = new Map<number, PromiseWithResolvers<unknown>>()
  let lastDoing = 0
  const images: (() => void)[] = []
  let imagesOpen = 0
  const beganAt = performance.now()
  let heardAt = beganAt
  let readAt = beganAt

  function kill(reason: string): void {
    why ||= reason
    running.kill()
  }

  function tell(message: ToChild, flushed?: () => void): void {
    if (running.waiting() === 0) readAt = performance.now()
    running.tell(message, () => {
      readAt = performance.now()
      flushed?.()
    })
  }

  async function look(): Promise<void> {
    const now = performance.now()
    if (running.waiting() > 0 && now - readAt > bounds.silenceMs) kill('it does not read what it is told')
    // While what it has said lies unread, its silence is ours.
    if (!isPaused && now - heardAt > bounds.silenceMs) kill('it does not answer')
    tell({ kind: 'beat' })
    const resident = await running.resident()
    if (resident !== undefined && resident > bounds.residentMib * 1024 * 1024)
      kill(`it has taken ${Math.ceil(resident / 1024 / 1024)} MiB, over ${bounds.residentMib}`)
  }

  function answer(message: Extract<FromChild, { kind: 'ask' }>, flushed: () => void): void {
    const { id, method, args } = message
    const ended = (session: number) => tell({ kind: 'ended', session })
    const failed = (error: unknown) => (error instanceof Error ? error.message : 'failed').slice(0, 1000)
    house
      .asked(method, args, ended)
      .then((value) => tell({ kind: 'answer', id, value }, flushed))
      .catch((error: unknown) => tell({ kind: 'answer', id, error: failed(error) }, flushed))
  }

  /** An answer that comes too late finds nobody. */
  function did({ id, value, error }: Extract<FromChild, { kind: 'did' }>): void {
    const done = doing.get(id)
    if (error === undefined) done?.resolve(value)
    else done?.reject(new Error(error))
  }

  function imageEnded(): void {
    imagesOpen -= 1
    images.shift()?.()
  }

  function ask(message: Extract<FromChild, { kind: 'ask' }>): void {
    if (message.method === 'next') wait(message)
    else question(message)
  }

  function wait(message: Extract<FromChild, { kind: 'ask' }>): void {
    waits += 1
    if (waits > waitsMost) kill(`it waits for more than ${waitsMost} things at once`)
    else
      answer(message, () => {
        waits -= 1
      })
  }

  function question(message: Extract<FromChild, { kind: 'ask' }>): void {
    asks += 1
    if (asks >= bounds.asks) {
      isPaused = true
      running.pause()
    }
    const isImage = message.method === 'image'
    const flushed = () => {
      if (isImage) imageEnded()
      asks -= 1
      if (!isPaused || asks >= bounds.asks) return
      isPaused = false
      heardAt = performance.now()
      running.resume()
    }
    const begin = () => {
      if (isImage) imagesOpen += 1
      answer(message, flushed)
    }
    if (isImage && imagesOpen >= bounds.images) images.push(begin)
    else begin()
  }

  const beat = setInterval(() => void look(), bounds.beatMs)
  running.hear({
    message(message) {
      heardAt = performance.now()
      if (message.kind === 'ask') ask(message)
      else if (message.kind === 'opened') can = message.can
      else if (message.kind === 'did') did(message)
      else if (message.kind !== 'alive') kill(`it said ${message.kind} once more`)
      else if (heardAt - beganAt >= bounds.stableMs) heard.lasted()
    },
    said: (word) => house.said?.(word),
    broken: kill,
    exited(how) {
      clearInterval(beat)
      can = undefined
      isOver = true
      for (const id of doing.keys()) did({ kind: 'did', id, error: 'its process ended' })
      heard.exited(why || how)
    },
  })
  tell({ kind: 'open' })

  return {
    can: () => can,
    async do(what, value, withinMs) {
      if (isOver) throw new Error('it is not open')
      const done = Promise.withResolvers<unknown>()
      lastDoing += 1
      const id = lastDoing
      tell({ kind: 'do', id, what, value })
      doing.set(id, done)
      const late = setTimeout(() => done.reject(new Error(`no ${what} in ${withinMs} ms`)), withinMs)
      try {
        return await done.promise
      } finally {
        clearTimeout(late)
        doing.delete(id)
      }
    },
  }
}
