/**
 * The process that a plugin runs in: started with as little as it can do with, until it has said what it is.
 *
 * It knows how to start one, what to take from it, and how to end it. What is asked over the channel, and when it is
 * started again, is the host's affair. A process has no environment, reads its own package and those about it, writes no files,
 * starts nothing, and has a bounded heap; its words (stdout and stderr) are heard as lines.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { Socket } from 'node:net'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Channel, frameMostDown, frameMostUp, openChannel } from './channel.ts'
import { type FromChild, readFromChild, type ToChild } from './messages.ts'
import { createWords } from './words.ts'

/** The version of the interface that this host speaks. */
const apiVersion = 1
/** Bytes of answers that may wait for the process to read them. */
const waitingMost = 32 * 1024 * 1024
/** Lines it has printed before anybody listened. */
const earlyMost = 100
/** How long its streams may take to end after it, milliseconds. */
const lastWordsMs = 500

/** Why a plugin can not be used, in one line for people. */
export class PluginFailure extends Error {
  override readonly name = 'PluginFailure'
}

/** A line that a plugin printed. */
export interface PluginWord {
  readonly stream: 'stdout' | 'stderr'
  readonly line: string
  /** Lines before it that were too many to be kept. */
  readonly dropped: number
}

export type Hello = Extract<FromChild, { kind: 'hello' }>

export interface ProcessHeard {
  message(message: FromChild): void
  said(word: PluginWord): void
  /** It has broken the rules of the channel. */
  broken(why: string): void
  /** It has ended; all it said has been heard. */
  exited(how: string): void
}

export interface PluginProcess {
  readonly hello: Hello
  readonly pid: number | undefined
  /** What it says from now on, and what it has said since its hello, goes here. Once. */
  hear(heard: ProcessHeard): void
  /** Tells it something; `flushed` is called when it has been written, or never will be. Throws for what can not be said. */
  tell(message: ToChild, flushed?: () => void): void
  /** Bytes it was told and has not read. */
  waiting(): number
  /** Leaves what it says unread, until `resume`. */
  pause(): void
  resume(): void
  kill(): void
  /** Memory that it has of the machine, bytes; undefined where the machine does not tell (it is Linux that does). */
  resident(): Promise<number | undefined>
  /** Resolves when it has ended. */
  readonly ended: Promise<void>
}

export interface ProcessLimits {
  /** From its start until it says what it is, milliseconds. */
  readonly helloMs: number
  /** The heap it may have, MiB. */
  readonly heapMib: number
}

/** Starts the plugin at `path` (an absolute path or a URL of its module). Rejects with a `PluginFailure`; then nothing is left running. */
export async function startPlugin(path: string, limits: ProcessLimits): Promise<PluginProcess> {
  const entry = new URL(import.meta.url.endsWith('.ts') ? './child.ts' : './child.js', import.meta.url)
  const child = spawn(
    process.execPath,
    [
      '--permission',
      ...readable(path, entry).map((folder) => `--allow-fs-read=${folder}`),
      `--max-old-space-size=${limits.heapMib}`,
      fileURLToPath(entry),
      path,
    ],
    { env: {}, stdio: ['ignore', 'pipe', 'pipe', 'pipe'] },
  )
  const failed = (got: string) => new PluginFailure(`plugin ${path}: ${got}`)
  const hello = Promise.withResolvers<Hello>()
  const ended = Promise.withResolvers<void>()
  const early: PluginWord[] = []
  let last: string | undefined
  let how: string | undefined
  let heard: ProcessHeard = {
    message(message) {
      if (message.kind === 'refused') return hello.reject(failed(`does not load: ${message.reason}`))
      if (message.kind !== 'hello')
        return hello.reject(failed('wanted a name and protocols, got something else'))
      if (message.apiVersion !== apiVersion)
        return hello.reject(
          failed(`wanted apiVersion ${apiVersion}, got ${String(message.apiVersion).slice(0, 20)}`),
        )
      // What it says further waits for the one who is to hear it.
      channel.pause()
      hello.resolve(message)
    },
    said(word) {
      if (word.stream === 'stderr') last = word.line
      if (early.length < earlyMost) early.push(word)
    },
    broken: () => hello.reject(failed('wanted a name and protocols, got something else')),
    exited: () =>
      hello.reject(
        failed(
          `its process ended before it said what it is${last === undefined ? '' : ` (${last.slice(0, 200)})`}`,
        ),
      ),
  }

  const channel = channelOf(child, {
    message: (message) => heard.message(message),
    broken: (why) => {
      heard.broken(why)
      child.kill('SIGKILL')
    },
  })
  const silent = hearWords(child, (word) => heard.said(word))
  child.on('error', (error) => hello.reject(failed(`does not start: ${error.message}`)))
  child.once('exit', (code, signal) => {
    // Its last words are the ones that tell why; they are here in a moment, or somebody else holds the stream.
    const late = new Promise((resolve) => setTimeout(resolve, lastWordsMs).unref())
    void Promise.race([silent, late]).then(() => {
      how = `its process ended (${signal ?? code})`
      heard.exited(how)
      ended.resolve()
    })
  })

  const late = setTimeout(() => hello.reject(failed(`said nothing in ${limits.helloMs} ms`)), limits.helloMs)
  try {
    const said = await hello.promise
    return {
      hello: said,
      pid: child.pid,
      hear(by) {
        heard = by
        for (const word of early.splice(0)) by.said(word)
        if (how === undefined) channel.resume()
        else by.exited(how)
      },
      tell: (message, flushed) => channel.send(message, flushed),
      waiting: () => channel.waiting(),
      pause: () => channel.pause(),
      resume: () => channel.resume(),
      kill: () => void child.kill('SIGKILL'),
      resident: () => residentOf(child.pid),
      ended: ended.promise,
    }
  } catch (error) {
    child.kill('SIGKILL')
    // Whoever hears of the failure finds no process left; one that did not even start has none to end.
    if (child.pid !== undefined) await ended.promise
    throw error
  } finally {
    clearTimeout(late)
  }
}

function channelOf(
  child: ChildProcess,
  heard: { message(message: FromChild): void; broken(why: string): void },
): Channel {
  const pipe = child.stdio[3]
  if (!(pipe instanceof Socket)) throw new PluginFailure('plugins: wanted a pipe to the process, got none')
  const limits = { inMost: frameMostUp, outMost: frameMostDown, waitingMost }
  return openChannel(pipe, limits, {
    value(value) {
      const message = readFromChild(value)
      if (message === undefined) heard.broken('it said what is no message')
      else heard.message(message)
    },
    broken: heard.broken,
    // A process that lives on without its channel is told so by its heartbeat, which it can not answer.
    ended() {},
  })
}

/** Hears its streams; resolves when both are at their end. */
async function hearWords(child: ChildProcess, said: (word: PluginWord) => void): Promise<void> {
  const heard = async (stream: 'stdout' | 'stderr') => {
    const words = createWords((line, dropped) => said({ stream, line, dropped }))
    child[stream]?.on('data', (bytes: Buffer) => words.printed(bytes, performance.now()))
    await new Promise<void>((resolve) => {
      child[stream]?.once('end', resolve)
      child[stream]?.once('error', () => resolve())
    })
    words.ended(performance.now())
  }
  await Promise.all([heard('stdout'), heard('stderr')])
}

/** Memory of a process, bytes, as Linux tells it. */
async function residentOf(pid: number | undefined): Promise<number | undefined> {
  if (process.platform !== 'linux' || pid === undefined) return undefined
  // A process that has just ended has no such file any more.
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '')
  const kib = /^VmRSS:\s*(\d+) kB$/m.exec(status)?.[1]
  return kib === undefined ? undefined : Number(kib) * 1024
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
