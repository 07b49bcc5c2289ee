/**
 * Servers as processes of their own: started as an operator starts them, on free ports and temporary folders, and ended
 * the way each test wants. Only what was started here is ever signalled.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const adminPassword = 'correct horse battery'

const program = fileURLToPath(new URL('./waymark.ts', import.meta.url))

export interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly out: string
  readonly err: string
}

export interface Started {
  readonly child: ChildProcess
  readonly ended: Promise<Ended>
  /** Resolves with the HTTP listener's URL at `ready`; rejects when the process ends before that. */
  readonly ready: Promise<string>
  out(): string
  err(): string
  /** SIGKILL, and until the system has let go of it. */
  kill(): Promise<Ended>
  /** SIGTERM, and until it has ended by itself. */
  stop(): Promise<Ended>
}

/** The flags every server of a test has: one port, picked freely, and no limit on how fast devices register. */
export const quiet = [
  '--http',
  '0',
  '--exoport',
  'off',
  '--registration-rate',
  'off',
  '--log-level',
  'warn',
] as const

/**
 * Starts `waymark` with these arguments, and an environment of nothing but `PATH` and what is given. `within` goes
 * before the command and has to become it (`nsenter`, not a shell that waits).
 */
export function startWaymark(
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
  within: readonly string[] = [],
  run = program,
): Started {
  const [command = '', ...rest] = [...within, process.execPath, '--conditions=source', run, ...args]
  const child = spawn(command, rest, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env.PATH, ...env },
  })
  let out = ''
  let err = ''
  const { promise: ready, resolve, reject } = Promise.withResolvers<string>()
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    out += text
    if (/^ready$/m.test(out)) resolve(/^listening http (\S+)$/m.exec(out)?.[1] ?? '')
  })
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    err += text
  })
  const ended = new Promise<Ended>((end) => {
    child.on('close', (code, signal) => {
      reject(
        new Error(`waymark ${args.join(' ')} ended (${code ?? signal}) before it was ready: ${out}${err}`),
      )
      end({ code, signal, out, err })
    })
  })
  // A start that is meant to fail is looked at through `ended`.
  ready.catch(() => {})
  const end = (signal: NodeJS.Signals) => {
    child.kill(signal)
    return ended
  }
  return {
    child,
    ended,
    ready,
    out: () => out,
    err: () => err,
    kill: () => end('SIGKILL'),
    stop: () => end('SIGTERM'),
  }
}

/** `waymark up` with the password of `admin` given. */
export function startServer(flags: readonly string[], within: readonly string[] = []): Started {
  return startWaymark(['up', ...quiet, ...flags], { WAYMARK_ADMIN_PASSWORD: adminPassword }, within)
}

/** A server of an older version, as `older.ts` makes one: it keeps less than today's. */
export function startOlder(flags: readonly string[]): Started {
  const older = fileURLToPath(new URL('./older.ts', import.meta.url))
  return startWaymark([...quiet, ...flags], { WAYMARK_ADMIN_PASSWORD: adminPassword }, [], older)
}

/** Folders and processes of one test, all gone at its end whatever became of it. */
export function createYard() {
  const servers: Started[] = []
  const folders: string[] = []
  return {
    folder(): string {
      const folder = mkdtempSync(join(tmpdir(), 'waymark-processes-'))
      folders.push(folder)
      return folder
    },
    start(flags: readonly string[], within?: readonly string[]): Started {
      const server = startServer(flags, within)
      servers.push(server)
      return server
    },
    keep(server: Started): Started {
      servers.push(server)
      return server
    },
    async clear(): Promise<void> {
      await Promise.all(servers.map((server) => server.kill()))
      for (const folder of folders) rmSync(folder, { recursive: true, force: true })
    },
  }
}

export type Yard = ReturnType<typeof createYard>
