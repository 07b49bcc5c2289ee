/**
 * The log socket: a container's own lines, in any of the forms that Pantavisor takes.
 *
 * One message per connection: the server reads once, spools the line and closes. The forms are told apart by what they
 * hold: syslog (RFC 3164 and 5424), JSON and `key=value` with `level`, `src` and `message`, and the old binary form (two
 * native 32-bit integers, code 0 and a length, then `level\0platform\0source\0text`). What is none of these is dropped.
 * The platform is the container whose socket it is, whatever the message says.
 */
import { chmod, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import type { LogLevel } from '../ports.ts'
import { asObject, type LogEntry } from '../wire.ts'
import { type ControlSocket, pathLimit } from './server.ts'

/** The longest message, in bytes; connections at once; how long one may take, in milliseconds. */
const limits = { bytes: 16 * 1024, connections: 32, ms: 5000 }

export interface LogMessage {
  readonly level: LogLevel
  readonly source: string
  readonly text: string
}

const levels: readonly LogLevel[] = ['ERROR', 'ERROR', 'WARN', 'INFO', 'DEBUG', 'DEBUG']

/** Reads one message; undefined when it is in no known form. */
export function parseLogMessage(bytes: Uint8Array): LogMessage | undefined {
  const binary = parseBinary(bytes)
  if (binary) return binary
  const text = Buffer.from(bytes)
    .toString('utf8')
    .replace(/[\n\0]+$/, '')
  if (text.startsWith('<')) return parseSyslog(text)
  if (text.startsWith('{')) return parseJsonLine(text)
  return parsePairs(text)
}

function parseBinary(bytes: Uint8Array): LogMessage | undefined {
  if (bytes.length < 8) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset)
  const length = view.getInt32(4, true)
  if (view.getInt32(0, true) !== 0 || length < 1 || length > bytes.length - 8) return undefined
  const [level, , source, ...text] = Buffer.from(bytes.subarray(8, 8 + length))
    .toString('utf8')
    .split('\0')
  const known = levels[Number(level)]
  if (known === undefined || source === undefined || text.length === 0) return undefined
  return { level: known, source, text: text[0] ?? '' }
}

/** `<14>1 …` is RFC 5424, else 3164. The priority's last three bits are the severity. */
function parseSyslog(text: string): LogMessage | undefined {
  const [, priority, rest = ''] = /^<(\d{1,3})>([\s\S]*)$/.exec(text) ?? []
  if (priority === undefined || Number(priority) > 191) return undefined
  const severity = Number(priority) % 8
  const level: LogLevel = severity <= 3 ? 'ERROR' : severity === 4 ? 'WARN' : severity <= 6 ? 'INFO' : 'DEBUG'
  const newer = /^1 \S+ \S+ (\S+) \S+ \S+ (?:-|\[[\s\S]*?\])(?: ([\s\S]*))?$/.exec(rest)
  if (newer) return { level, source: newer[1] ?? 'syslog', text: (newer[2] ?? '').replace(/^\uFEFF/, '') }
  const older = /^(?:[A-Z][a-z]{2} [ \d]\d [\d:]{8} )?(?:\S+ )?([^\s:[\]]+)(?:\[\d+\])?: ([\s\S]*)$/.exec(
    rest,
  )
  return older
    ? { level, source: older[1] ?? 'syslog', text: older[2] ?? '' }
    : { level, source: 'syslog', text: rest }
}

function parseJsonLine(text: string): LogMessage | undefined {
  try {
    const { level, src, message } = asObject(JSON.parse(text)) ?? {}
    return messageOf(level, src, message)
  } catch {
    return undefined
  }
}

function parsePairs(text: string): LogMessage | undefined {
  const found = new Map<string, string>()
  for (const [, key = '', quoted, plain] of text.matchAll(/(\w+)=(?:"((?:[^"\\]|\\.)*)"|(\S*))/g))
    found.set(key, quoted === undefined ? (plain ?? '') : quoted.replace(/\\(.)/g, '$1'))
  return messageOf(found.get('level'), found.get('src'), found.get('message'))
}

function messageOf(level: unknown, source: unknown, text: unknown): LogMessage | undefined {
  if (typeof level !== 'string' || typeof text !== 'string') return undefined
  const known: LogLevel | undefined = {
    FATAL: 'ERROR',
    ERROR: 'ERROR',
    WARN: 'WARN',
    INFO: 'INFO',
    DEBUG: 'DEBUG',
    TRACE: 'DEBUG',
  }[level.toUpperCase()] as LogLevel | undefined
  return known && { level: known, source: typeof source === 'string' ? source : 'app', text }
}

/** Listens at `folder/pv-ctrl-log`; the folder is there and closed to others. */
export async function openLogSocket(
  folder: string,
  of: { readonly name: string; readonly rev: () => string; readonly log: (entry: LogEntry) => Promise<void> },
): Promise<ControlSocket> {
  const path = join(folder, 'pv-ctrl-log')
  if (Buffer.byteLength(path) > pathLimit) throw new Error(`${path}: wanted at most ${pathLimit} bytes`)
  await rm(path, { force: true })
  const server = createServer((socket) => {
    socket.setTimeout(limits.ms, () => socket.destroy())
    socket.on('error', () => undefined)
    socket.once('data', (bytes) => {
      const message = bytes.length > limits.bytes ? undefined : parseLogMessage(bytes)
      socket.destroy()
      if (!message) return
      const { level: lvl, source: src, text: msg } = message
      void of.log({ src, msg, lvl, tsec: 0, tnano: 0, rev: of.rev(), plat: of.name })
    })
  })
  server.maxConnections = limits.connections
  await new Promise<void>((listening, failed) => {
    server.once('error', failed)
    server.listen(path, listening)
  })
  server.on('error', () => undefined)
  await chmod(path, 0o600)
  return {
    path,
    async close() {
      await new Promise<void>((done) => server.close(() => done()))
      await rm(path, { force: true })
    },
  }
}
