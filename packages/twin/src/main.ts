/**
 * The program: the one place where settings meet a real broker, a real socket and a real clock.
 */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import type { Access, BrokerSettings } from './broker.ts'
import { createControlClient } from './control.ts'
import type { FollowPorts } from './follow.ts'
import { openMemory } from './memory.ts'
import { helpText, readSettings, type Values } from './settings.ts'
import { runTwin } from './twin.ts'

/** How long a server of objects may be silent before its first byte. Milliseconds. */
const fetchMs = 60_000

/** Runs until SIGTERM or SIGINT. Sets the exit code: 0 stopped, 1 failed, 2 wrong usage. */
export async function main(
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): Promise<void> {
  const stop = new AbortController()
  process.on('SIGTERM', () => stop.abort())
  process.on('SIGINT', () => stop.abort())
  process.exitCode = await runTwinCommand(args, env, {
    line: (text) => process.stdout.write(`${text}\n`),
    complain: (text) => process.stderr.write(`waymark-twin: ${text}\n`),
    signal: stop.signal,
  })
}

export interface TwinIo {
  line(text: string): void
  complain(text: string): void
  readonly signal: AbortSignal
}

/** The same without a process around it. Resolves with the exit code. */
export async function runTwinCommand(
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
  io: TwinIo,
): Promise<number> {
  if (args.includes('--help')) {
    io.line(helpText().trimEnd())
    return 0
  }
  const read = readSettings(args, env)
  if (!read.ok) {
    for (const refusal of read.refusals) io.complain(refusal)
    return 2
  }
  const { values } = read
  try {
    const broker = await brokerOf(values)
    const seconds = (name: string): number => Number(values.get(name)) * 1000
    const socket = values.get('socket') ?? env.WAYMARK_CONTROL ?? '/pantavisor/pv-ctrl'
    await runTwin(
      broker,
      {
        self: env.WAYMARK_CONTAINER,
        reportMs: seconds('interval'),
        pollMs: seconds('poll'),
        answerMs: 30_000,
        firstPauseMs: 1000,
        pauseCapMs: 60_000,
        fetchTries: 5,
      },
      {
        control: createControlClient(socket),
        memory: await openMemory(join(values.get('data') ?? './twin', 'attempt.json')),
        fetch: fetchObject,
        now: () => Date.now(),
        luck: () => Math.random(),
        sleep: async (ms, signal) => {
          await wait(ms, undefined, { signal }).catch(() => undefined)
        },
        log: (line) => io.line(line),
      },
      io.signal,
    )
    return 0
  } catch (cause) {
    io.complain(cause instanceof Error ? cause.message : String(cause))
    return 1
  }
}

async function brokerOf(values: Values): Promise<BrokerSettings> {
  const url = values.get('broker') ?? ''
  const file = async (name: string): Promise<string | undefined> => {
    const path = values.get(name)
    return path === undefined ? undefined : readFile(path, 'utf8')
  }
  const key = values.get('key') ?? (await file('key-file'))?.trim()
  const cert = await file('cert')
  const access: Access =
    key !== undefined
      ? { kind: 'sas', key }
      : cert !== undefined
        ? { kind: 'x509', cert, key: (await file('cert-key')) ?? '' }
        : { kind: 'plain', username: values.get('username') ?? '', password: values.get('password') ?? '' }
  return {
    url,
    hub: values.get('hub') ?? new URL(url).hostname,
    device: values.get('device') ?? '',
    access,
    ca: await file('ca'),
    keepAliveSeconds: 60,
    connectMs: 30_000,
    sasSeconds: 3600,
  }
}

/** Bytes of an object over HTTP. Redirects are followed, as stores of objects use them; the bytes are held against their hash. */
const fetchObject: FollowPorts['fetch'] = async (url, signal) => {
  const late = new AbortController()
  const timer = setTimeout(() => late.abort(new Error(`no answer within ${fetchMs} ms`)), fetchMs)
  const reply = await fetch(url, { signal: AbortSignal.any([signal, late.signal]) }).finally(() =>
    clearTimeout(timer),
  )
  if (!reply.ok || !reply.body) {
    await reply.body?.cancel()
    throw new Error(`wanted status 200, got ${reply.status}`)
  }
  const length = Number(reply.headers.get('content-length') ?? Number.NaN)
  // A length of packed bytes is not that of the bytes.
  const known = Number.isSafeInteger(length) && reply.headers.get('content-encoding') === null
  return { bytes: reply.body, length: known ? length : undefined }
}
