import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { realOutside } from '@waymark/sdk'
import { createLog, openHouse, parseConfig, serve } from '@waymark/server'
import { onTestFinished } from 'vitest'
import { type Io, run as runMain } from '../src/index.ts'
import type { Outside } from '../src/outside.ts'

export const password = 'a password for tests'

export interface TestServer {
  /** The port where ExoPort devices dial in; 0: nowhere. */
  readonly exoport: number
  readonly url: string
  stop(): Promise<void>
}

/** A whole server on a free port, its data in memory. */
export async function startServer(...flags: string[]): Promise<TestServer> {
  const data = mkdtempSync(join(tmpdir(), 'waymark-cli-'))
  const parsed = parseConfig({
    flags: [
      '--http',
      '0',
      '--data',
      data,
      '--database',
      'memory:',
      '--log-level',
      'silent',
      '--exoport',
      'off',
      ...flags,
    ],
    env: { WAYMARK_ADMIN_PASSWORD: password },
  })
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.refusal))
  const stopping = new AbortController()
  const ready = Promise.withResolvers<string>()
  let url = ''
  let exoport = 0
  const served = serve({
    config: parsed.value,
    open: openHouse,
    log: createLog({ logLevel: 'silent' }),
    signal: stopping.signal,
    out(line) {
      const [, name, at] = line.split(' ')
      if (name === 'http' && at !== undefined) url = at
      if (name === 'exoport') exoport = Number(at?.split(':').at(-1))
      if (line === 'ready') ready.resolve(url)
    },
  })
  served.then((ended) => {
    if (!ended.ok) ready.reject(new Error(JSON.stringify(ended.refusal)))
  }, ready.reject)
  return {
    url: await ready.promise,
    exoport,
    async stop() {
      stopping.abort()
      await served
      rmSync(data, { recursive: true, force: true })
    },
  }
}

export function temporaryFolder(): string {
  const path = mkdtempSync(join(tmpdir(), 'waymark-cli-'))
  onTestFinished(() => rmSync(path, { recursive: true, force: true }))
  return path
}

export interface Ran {
  readonly code: number
  readonly out: string[]
  readonly err: string[]
  readonly bytes: Buffer
  /** What was written to the terminals. */
  readonly drawn: string
  /** The one document on stdout. */
  json(): unknown
}

export interface Running {
  readonly out: string[]
  readonly err: string[]
  readonly ended: Promise<Ran>
  stop(): void
  /** Resolves once a line of stdout, or what is drawn, matches. */
  shows(pattern: RegExp): Promise<string>
}

export interface Person {
  readonly home: string
  /** Runs a command to its end. */
  run(...args: string[]): Promise<Ran>
  /** Begins a command that goes on until it is stopped. */
  begin(...args: string[]): Running
}

export interface PersonOptions {
  readonly env?: Readonly<Record<string, string>>
  /** Answers to questions, in order; makes standard input a terminal. */
  readonly answers?: string[]
  readonly input?: string
  /** Makes standard output and error terminals of this width. */
  readonly columns?: number
  readonly now?: () => number
}

/** Somebody with a home of their own, who types commands. They run in this process, against a table of our own. */
export function person(options: PersonOptions = {}): Person {
  const home = temporaryFolder()
  return {
    home,
    run: (...args) => begin(home, options, args).ended,
    begin: (...args) => begin(home, options, args),
  }
}

function begin(home: string, options: PersonOptions, args: readonly string[]): Running {
  const out: string[] = []
  const err: string[] = []
  const bytes: Uint8Array[] = []
  const stopping = new AbortController()
  let drawn = ''
  let look: () => void = () => {}
  const told = (): void => look()
  const io: Io = {
    out: (line) => {
      out.push(line)
      told()
    },
    err: (line) => {
      err.push(line)
      told()
    },
    env: { HOME: home, ...options.env },
    terminal: options.columns !== undefined,
    stopSignal: () => stopping.signal,
  }
  const screen =
    options.columns === undefined
      ? undefined
      : {
          columns: options.columns,
          rows: 24,
          write(text: string) {
            drawn += text
            told()
          },
        }
  const outside: Outside = {
    ...realOutside,
    ...(options.now === undefined ? {} : { now: options.now }),
    fetch,
    home,
    interactive: options.answers !== undefined,
    async ask(question, { hidden }) {
      err.push(`${question}${hidden ? '(hidden)' : ''}`)
      return options.answers?.shift() ?? ''
    },
    readInput: async () => options.input ?? '',
    async writeBytes(piece) {
      bytes.push(Uint8Array.from(piece))
    },
    bars: screen,
    screen,
  }
  const ended = runMain(args, io, tableWith(outside)).then((code): Ran => {
    told()
    return {
      code,
      out,
      err,
      bytes: Buffer.concat(bytes),
      get drawn() {
        return drawn
      },
      json: () => JSON.parse(out.join('\n')) as unknown,
    }
  })
  return {
    out,
    err,
    ended,
    stop: () => stopping.abort(),
    shows: (pattern) =>
      new Promise((resolve) => {
        look = () => {
          const found = [...out, ...err, drawn].find((text) => pattern.test(text))
          if (found !== undefined) resolve(found)
        }
        look()
      }),
  }
}

/** The commands of the real table, with an outside of ours handed in. */
function tableWith(outside: Outside) {
  type Command = {
    run(args: readonly string[], context: { io: Io }, outside?: Outside): Promise<number | undefined>
  }
  const load = (module: Promise<Command>) => async () => {
    const command = await module
    return { run: (args: readonly string[], context: { io: Io }) => command.run(args, context, outside) }
  }
  return [
    { name: 'login', summary: '', load: () => load(import('../src/commands/login.ts'))() },
    { name: 'whoami', summary: '', load: () => load(import('../src/commands/whoami.ts'))() },
    { name: 'device', summary: '', load: () => load(import('../src/commands/device.ts'))() },
    { name: 'trail', summary: '', load: () => load(import('../src/commands/trail.ts'))() },
    { name: 'why', summary: '', load: () => load(import('../src/commands/why.ts'))() },
    { name: 'object', summary: '', load: () => load(import('../src/commands/object.ts'))() },
    { name: 'export', summary: '', load: () => load(import('../src/commands/export.ts'))() },
    { name: 'import', summary: '', load: () => load(import('../src/commands/import.ts'))() },
    { name: 'token', summary: '', load: () => load(import('../src/commands/token.ts'))() },
    { name: 'join-token', summary: '', load: () => load(import('../src/commands/join-token.ts'))() },
    { name: 'app', summary: '', load: () => load(import('../src/commands/app.ts'))() },
    { name: 'audit', summary: '', load: () => load(import('../src/commands/audit.ts'))() },
    { name: 'keys', summary: '', load: () => load(import('../src/commands/keys.ts'))() },
    { name: 'gc', summary: '', load: () => load(import('../src/commands/gc.ts'))() },
    { name: 'user', summary: '', load: () => load(import('../src/commands/user.ts'))() },
    { name: 'rpc', summary: '', load: () => load(import('../src/commands/rpc.ts'))() },
    { name: 'group', summary: '', load: () => load(import('../src/commands/group.ts'))() },
    { name: 'device-type', summary: '', load: () => load(import('../src/commands/device-type.ts'))() },
    { name: 'tx', summary: '', load: () => load(import('../src/commands/tx.ts'))() },
    { name: 'dead-letter', summary: '', load: () => load(import('../src/commands/dead-letter.ts'))() },
    { name: 'package', summary: '', load: () => load(import('../src/commands/package.ts'))() },
    { name: 'config', summary: '', load: () => load(import('../src/commands/config.ts'))() },
    { name: 'sim', summary: '', load: () => load(import('../src/commands/sim.ts'))() },
  ]
}

/** Somebody who is logged in as the administrator. */
export async function admin(server: TestServer, options: PersonOptions = {}): Promise<Person> {
  const someone = person({ ...options, input: password })
  const login = await someone.run('login', '--server', server.url, '--name', 'admin', '--password-stdin')
  if (login.code !== 0) throw new Error(login.err.join('\n'))
  return someone
}
