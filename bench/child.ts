/** Programs under measurement run in processes of their own, so that the load generator does not slow them. */
import { type ChildProcess, fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

export interface Child {
  readonly process: ChildProcess
  /** Sends a message and waits for the one that answers it. */
  ask<T>(message: object): Promise<T>
  /** Largest resident memory so far, bytes. */
  stop(): Promise<void>
}

/** Starts `bench/<script>`; resolves once it has sent its first message, which is answered as `first`. */
export async function startChild<T>(script: string, args: readonly string[]): Promise<Child & { first: T }> {
  const child = fork(fileURLToPath(new URL(script, import.meta.url)), args, {
    execArgv: ['--conditions=source', '--max-semi-space-size=32'],
  })
  const first = await heard<T>(child)
  return {
    first,
    process: child,
    async ask<A>(message: object) {
      child.send(message)
      return heard<A>(child)
    },
    async stop() {
      if (child.exitCode !== null) return
      child.kill('SIGKILL')
      await once(child, 'exit')
    },
  }
}

/**
 * `waymark up` as `npm start` and the systemd unit start it: the built program, a small young generation, two malloc
 * arenas, on a free port.
 */
export async function startWaymark(
  data: string,
  flags: readonly string[] = [],
): Promise<{
  port: number
  /** Where ExoPort devices dial in. */
  exoport: number
  pid: number
  /** Resident memory now, bytes; undefined where the system does not tell. */
  memory(): number | undefined
  /** The same without what is mapped from files. */
  ownMemory(): number | undefined
  /** Largest resident memory so far, bytes; undefined where the system does not tell. */
  peakMemory(): number | undefined
  stop(): Promise<void>
}> {
  const program = fileURLToPath(new URL('../packages/cli/bin/waymark.mjs', import.meta.url))
  const args = [
    '--max-semi-space-size=4',
    '--no-parallel-scavenge',
    program,
    'up',
    '--data',
    data,
    '--http',
    '0',
    '--exoport',
    '0',
    '--log-level',
    'warn',
    ...flags,
  ]
  const child = spawn(process.execPath, args, {
    stdio: ['ignore', 'pipe', 'inherit'],
    // As npm start and the unit have it.
    env: {
      MALLOC_ARENA_MAX: '2',
      MALLOC_MMAP_THRESHOLD_: '1048576',
      ...process.env,
      WAYMARK_ADMIN_PASSWORD: 'bench',
    },
  })
  let port = 0
  let exoport = 0
  for await (const line of createInterface({ input: child.stdout })) {
    port = Number(/^listening http \S+:(\d+)$/.exec(line)?.[1] ?? port)
    exoport = Number(/^listening exoport \S+:(\d+)$/.exec(line)?.[1] ?? exoport)
    if (line === 'ready') break
  }
  const told = (name: string): number | undefined => {
    if (!existsSync(`/proc/${child.pid}/status`)) return undefined
    const found = new RegExp(`${name}:\\s+(\\d+) kB`).exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))
    return found ? Number(found[1]) * 1024 : undefined
  }
  return {
    port,
    exoport,
    pid: child.pid ?? 0,
    memory: () => told('VmRSS'),
    ownMemory: () => told('RssAnon'),
    peakMemory: () => told('VmHWM'),
    async stop() {
      child.kill('SIGKILL')
      await once(child, 'exit')
    },
  }
}

function heard<T>(child: ChildProcess): Promise<T> {
  return new Promise((resolve, reject) => {
    const gone = (code: number | null) => reject(new Error(`the measured process ended with ${code}`))
    child.once('exit', gone)
    child.once('message', (message) => {
      child.off('exit', gone)
      resolve(message as T)
    })
  })
}
