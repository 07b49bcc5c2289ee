/**
 * Real child processes: each leads a process group of its own, so that what it starts is stopped with it.
 *
 * Limits are set by `prlimit` (util-linux) around the program, where there is one; without it a container with limits is
 * not started, rather than started without them. A mark is the process id with its start time and the machine's boot id
 * as `/proc` tells them: an id that was given to somebody else since is never signalled. A container that an agent had
 * started but not marked when it was killed is known by where it stands and what it is called.
 */
import { spawn } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { readdir, readFile, readlink, realpath } from 'node:fs/promises'
import { connect } from 'node:net'
import { join, resolve } from 'node:path'
import type { Limits } from '../process/manifest.ts'
import type { Doors, Launched, Processes } from '../process/ports.ts'

const prlimitFlags: Readonly<Record<keyof Limits, string>> = {
  data_bytes: '--data',
  file_bytes: '--fsize',
  open_files: '--nofile',
  processes: '--nproc',
  cpu_seconds: '--cpu',
}

/** Processes below a data folder. */
export function createRealProcesses(dataFolder: string): Processes {
  return {
    async launch({ command, args, env, cwd, limits }) {
      const folder = resolve(dataFolder, cwd)
      const program = command.includes('/') ? resolve(folder, command) : command
      const flags = limitFlags(limits)
      const prlimit = flags.length > 0 ? findPrlimit() : undefined
      if (flags.length > 0 && prlimit === undefined)
        throw new Error(`limits: wanted prlimit on this machine, got none`)
      const [first, rest] = prlimit ? [prlimit, [...flags, '--', program, ...args]] : [program, [...args]]
      const child = spawn(first, rest, {
        cwd: folder,
        env,
        detached: true,
        stdio: ['ignore', 'pipe', 'pipe'],
      })
      const output = merge(child.stdout, child.stderr)
      const exited = new Promise<string>((done) => {
        child.once('exit', (code, signal) => {
          // What it started goes with it.
          if (child.pid !== undefined) signalGroup(child.pid, 'SIGKILL')
          done(signal ? `was ended by ${signal}` : `exited with code ${code}`)
        })
      })
      await new Promise<void>((started, failed) => {
        child.once('spawn', started)
        child.once('error', failed)
      })
      const pid = child.pid ?? 0
      const launched: Launched = {
        mark: JSON.stringify({ pid, born: await birthOf(pid) }),
        output,
        exited,
        signal: (signal) => {
          if (child.exitCode === null && child.signalCode === null) signalGroup(pid, signal)
        },
      }
      return launched
    },
    async endLeftover(mark) {
      const found = parseMark(mark)
      if (found && (await birthOf(found.pid)) === found.born) await endGroup(found.pid, found.born)
    },
    async endStrays() {
      const root = join(await realpath(dataFolder).catch(() => dataFolder), 'revisions', '/')
      for (const name of await readdir('/proc').catch(() => [])) {
        const pid = Number(name)
        if (!Number.isInteger(pid) || pid === process.pid) continue
        const cwd = await readlink(`/proc/${pid}/cwd`).catch(() => '')
        if (!cwd.startsWith(root)) continue
        // Somebody who merely looks around there is no container.
        const environment = await readFile(`/proc/${pid}/environ`, 'utf8').catch(() => '')
        const born = await birthOf(pid)
        if (/(^|\0)WAYMARK_CONTAINER=/.test(environment) && born !== undefined) await endGroup(pid, born)
      }
    },
  }
}

/** Doors of this machine. */
export const realDoors: Doors = {
  async http(url, timeoutMs) {
    const reply = await fetch(url, { redirect: 'manual', signal: AbortSignal.timeout(timeoutMs) })
    await reply.body?.cancel()
    return reply.status
  },
  tcp: (host, port, timeoutMs) =>
    new Promise((done, failed) => {
      const socket = connect({ host, port, timeout: timeoutMs })
      const end = (cause?: Error): void => {
        socket.destroy()
        if (cause) failed(cause)
        else done()
      }
      socket.once('connect', () => end())
      socket.once('timeout', () => end(new Error(`no answer within ${timeoutMs} ms`)))
      socket.once('error', end)
    }),
}

/** Asks a process and its group to end, and after two seconds makes them. */
async function endGroup(pid: number, born: string): Promise<void> {
  signalGroup(pid, 'SIGTERM')
  for (let left = 20; left > 0; left--) {
    await new Promise((wait) => setTimeout(wait, 100))
    if ((await birthOf(pid)) !== born) return
  }
  signalGroup(pid, 'SIGKILL')
}

function signalGroup(pid: number, signal: NodeJS.Signals): void {
  // Group 0 and 1 are ours and everybody's.
  if (pid <= 1) return
  try {
    process.kill(-pid, signal)
  } catch {
    // It is gone.
  }
}

/** When and in which run of the machine a process began; undefined when there is no such process. */
async function birthOf(pid: number): Promise<string | undefined> {
  if (pid <= 1) return undefined
  try {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8')
    // The name in brackets may hold anything; what follows its end is plain. Field 22 is the start, 3 the state.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    if (fields[0] === 'Z') return undefined
    const boot = await readFile('/proc/sys/kernel/random/boot_id', 'utf8')
    return `${fields[19]}@${boot.trim()}`
  } catch {
    return undefined
  }
}

function parseMark(mark: string): { pid: number; born: string } | undefined {
  try {
    const raw: unknown = JSON.parse(mark)
    if (typeof raw !== 'object' || raw === null || !('pid' in raw) || !('born' in raw)) return undefined
    return typeof raw.pid === 'number' && Number.isSafeInteger(raw.pid) && typeof raw.born === 'string'
      ? { pid: raw.pid, born: raw.born }
      : undefined
  } catch {
    return undefined
  }
}

function limitFlags(limits: Limits): string[] {
  return Object.entries(limits).map(([name, value]) => `${prlimitFlags[name as keyof Limits]}=${value}`)
}

function findPrlimit(): string | undefined {
  return ['/usr/bin', '/bin', '/usr/local/bin', '/sbin']
    .map((folder) => join(folder, 'prlimit'))
    .find((path) => {
      try {
        accessSync(path, constants.X_OK)
        return true
      } catch {
        return false
      }
    })
}

type Piece = { readonly from: 'out' | 'err'; readonly bytes: Uint8Array }

type Asked = Promise<{ from: 'out' | 'err'; next: IteratorResult<Uint8Array> }>

/**
 * Both ends of a program as one, each read only when the last piece was taken. The first pieces are asked for at once:
 * what a program that ends quickly has written would be thrown away with its pipes if nobody had asked by then.
 */
export function merge(out: AsyncIterable<Uint8Array>, err: AsyncIterable<Uint8Array>): AsyncIterable<Piece> {
  const pending = new Map<'out' | 'err', Asked>()
  const ends = { out: out[Symbol.asyncIterator](), err: err[Symbol.asyncIterator]() }
  const ask = (from: 'out' | 'err'): void => {
    const asked = ends[from].next().then((next) => ({ from, next }))
    // A pipe that breaks before anybody reads is heard of by whoever reads.
    asked.catch(() => undefined)
    pending.set(from, asked)
  }
  ask('out')
  ask('err')
  async function* pieces(): AsyncGenerator<Piece> {
    while (pending.size > 0) {
      const { from, next } = await Promise.race(pending.values())
      if (next.done) {
        pending.delete(from)
        continue
      }
      ask(from)
      yield { from, bytes: next.value }
    }
  }
  return pieces()
}
