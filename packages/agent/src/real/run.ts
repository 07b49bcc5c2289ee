/**
 * The agent as a program: the one place where settings meet real sockets, a real disk and a real clock.
 */
import { createPublicKey, randomUUID } from 'node:crypto'
import { mkdir, readdir, readFile, stat } from 'node:fs/promises'
import { basename, join, resolve } from 'node:path'
import type { TrustedKey } from '@waymark/pantahub'
import { type AgentConfig, type AgentPorts, createAgent } from '../agent.ts'
import { type ConfigSources, parseAgentConfig } from '../config.ts'
import { createControl } from '../control/control.ts'
import { type AgentEvent, describeEvent } from '../events.ts'
import type { Outcome } from '../model.ts'
import { createProcessDriver } from '../process/driver.ts'
import { realClock, realLuck } from './clock.ts'
import { createRealDisk } from './disk.ts'
import { createSystemFacts } from './facts.ts'
import { createHelper } from './helper.ts'
import { lockFolder } from './lock.ts'
import { createOciProcesses, engines, findEngine } from './oci.ts'
import { createRealProcesses, realDoors } from './processes.ts'
import { createRealTransport } from './transport.ts'

/** What the command line hands over. */
export interface AgentCommand {
  readonly flags: ConfigSources['flags']
  readonly env?: ConfigSources['env']
  /** A `KEY=value` file to read settings from. */
  readonly configFile?: string
  /** Print one JSON object per event instead of lines for people. */
  readonly json?: boolean
}

/** Where the program's words go, and what may end it. */
export interface AgentIo {
  /** One line for people, or one JSON object, without its line end. */
  line(text: string): void
  /** A line about what went wrong. */
  complain(text: string): void
  /** Ends the agent; a signal handler aborts it. */
  readonly signal: AbortSignal
  readonly onEvent?: (event: AgentEvent) => void
  /**
   * Puts a fresh copy of this program in the place of this one, and does not return: see `startProgramAnew`. Without it
   * a revision that wants a restart is tried by a fresh agent within the same program.
   */
  readonly startAnew?: () => void
}

const version = 'waymark-agent 0.1.0'

/**
 * Runs the agent until it is asked to stop. Resolves with the exit code: 0 stopped or idle, 1 refused by what
 * the hub says, 2 wrong settings.
 */
export async function runAgentCommand(command: AgentCommand, io: AgentIo): Promise<number> {
  let file = ''
  if (command.configFile !== undefined)
    try {
      file = await readFile(command.configFile, 'utf8')
    } catch (cause) {
      io.complain(`config file ${command.configFile}: ${messageOf(cause)}`)
      return 2
    }
  const parsed = parseAgentConfig({ file, env: command.env ?? {}, flags: command.flags ?? {} })
  if (!parsed.ok) {
    for (const { thing, wanted, got } of parsed.refusals)
      io.complain(`${thing}: wanted ${wanted}, got ${got}`)
    return 2
  }
  for (const warning of parsed.warnings) io.complain(warning)
  const { config, factoryFolder } = parsed
  const dataFolder = resolve(parsed.dataFolder)
  if (factoryFolder !== undefined && !(await isFolder(factoryFolder))) {
    io.complain(`factory ${factoryFolder}: wanted a folder, got none`)
    return 2
  }
  try {
    await mkdir(dataFolder, { recursive: true, mode: 0o700 })
  } catch (cause) {
    io.complain(`data ${dataFolder}: wanted a folder that can be written, got ${messageOf(cause)}`)
    return 2
  }

  let signatures: AgentConfig['signatures']
  try {
    signatures = { mode: parsed.signatureMode, trusted: await readKeys(parsed.keys) }
  } catch (cause) {
    io.complain(`secureboot.keys ${parsed.keys}: wanted public keys as PEM, got ${messageOf(cause)}`)
    return 2
  }

  const engine = parsed.driver === 'oci' ? await findEngine() : undefined
  if (parsed.driver === 'oci' && engine === undefined) {
    io.complain(`driver oci: wanted ${engines.join(' or ')} that answers, got none`)
    return 2
  }
  const own = createRealProcesses(dataFolder)
  const processes = engine === undefined ? own : createOciProcesses(engine, dataFolder, own)

  const lock = await lockFolder(dataFolder)
  if (!lock) {
    io.complain(`data ${dataFolder}: wanted a folder that no other agent works in, got one that is in use`)
    return 1
  }
  const { transport, close } = createRealTransport(parsed.proxy)
  const ports: AgentPorts = {
    transport,
    ...(parsed.helper
      ? { helper: createHelper({ ...parsed.helper, hub: config.hub, timeoutMs: config.patienceMs }) }
      : {}),
    disk: createRealDisk(dataFolder),
    ...(factoryFolder === undefined ? {} : { factory: createRealDisk(resolve(factoryFolder)) }),
    clock: realClock,
    luck: realLuck,
    newId: randomUUID,
    facts: createSystemFacts(dataFolder, version),
    ...(parsed.driver !== 'files'
      ? {
          driver: (house) =>
            createProcessDriver(
              { ...house, processes, doors: realDoors },
              {
                goalsMs: parsed.goalsMs,
                readyMs: 1000,
                type: parsed.driver === 'oci' ? 'oci' : 'process',
              },
            ),
        }
      : {}),
    ...(parsed.control === 'off'
      ? {}
      : {
          control: createControl({
            folder: resolve(parsed.control ?? join(dataFolder, 'control')),
            buildInfo: `${version}\nnode ${process.version}\nplatform ${process.platform}/${process.arch}\n`,
            settings: parsed.shown,
            fixedIdentity: config.identity !== undefined,
            spareBytes: config.spareBytes,
            bodyMs: 10_000,
          }),
        }),
    onEvent(event) {
      io.onEvent?.(event)
      const line = command.json ? JSON.stringify(event) : describeEvent(event)
      if (line !== undefined) io.line(line)
    },
  }
  try {
    for (;;) {
      const outcome = await createAgent({ ...config, signatures }, ports).run(io.signal)
      if (outcome.kind !== 'restart') return exitCode(outcome, io)
      // A new program in place of this one; where that is not to be had, a new agent in this one.
      io.startAnew?.()
    }
  } finally {
    close()
    await lock.release()
  }
}

function exitCode(outcome: Outcome, io: AgentIo): number {
  if (outcome.kind !== 'refused') return 0
  const { thing, wanted, got } = outcome.refusal
  io.complain(`${thing}: wanted ${wanted}, got ${got}`)
  return 1
}

/** Public keys from a PEM file, or from all `*.pem` of a folder; each goes by its file's name. */
async function readKeys(path: string | undefined): Promise<readonly TrustedKey[]> {
  if (path === undefined) return []
  const names = (await isFolder(path))
    ? (await readdir(path)).filter((name) => name.endsWith('.pem')).sort()
    : ['']
  return Promise.all(
    names.map(async (name) => {
      const file = join(path, name)
      return { name: basename(file), key: createPublicKey(await readFile(file)) }
    }),
  )
}

const isFolder = async (path: string): Promise<boolean> =>
  (await stat(path).catch(() => undefined))?.isDirectory() === true

const messageOf = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause))
