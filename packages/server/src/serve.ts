/**
 * The life of a server process: open, listen, say so, wait, drain, close.
 *
 * The order is the promise. The house (store, domain, doors) is opened before any port; ports are announced on stdout
 * one line each, `listening <name> <url>`, and `ready` comes last, when /readyz says so too. On the first signal
 * readiness goes first, then the listeners, then what is in flight, then the house; all within the 30 seconds that
 * the outside contract gives. What is composed is not known here: `open` is handed in.
 */
import { accessSync, constants, existsSync, mkdirSync, readFileSync, statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { ok, type Result, refuse } from '@waymark/domain'
import { StoreError } from '@waymark/store'
import type { Config, SettingName } from './config-table.ts'
import { registerHealth } from './health.ts'
import { createHttpApp, type HttpApp, type Listening, readTls } from './http.ts'
import { createLog, type Log } from './log.ts'
import { createMetrics, type Metrics } from './metrics.ts'
import { readVersion, type Version } from './version.ts'

/** What the composition gets from its surroundings. */
export interface Services {
  readonly log: Log
  readonly metrics: Metrics
  /** The app behind `http` and `https`; doors register their routes on `http.app` before `open` resolves. */
  readonly http: HttpApp
  readonly version: Version
  /** Aborted when the server begins to stop. */
  readonly draining: AbortSignal
  /**
   * The address others reach us by, without a slash at the end: `public-url`, or the HTTP (else HTTPS) listener's own.
   * Known only while listening; asking earlier is a defect.
   */
  publicUrl(): string
  /** The own addresses of the listeners that are open, by name. */
  urls(): ReadonlyMap<string, string>
  /** Says something to the person who started the server, once, before the `listening` lines (a generated password). */
  announce(line: string): void
}

/** What `open` answers: the house, ready to be listened for. */
export interface Opened {
  /** For /readyz: resolves when the store answers. */
  ping(): Promise<void>
  /** Listeners of doors that do not speak HTTP on the common port; their names are those of the flags. */
  readonly listeners?: readonly Listener[]
  /** Called when all listeners are open, before `ready`. */
  started?(): Promise<void>
  /** Finishes what has begun and lets go of everything. Called once, after the last answer. */
  close(): Promise<void>
}

/** A listener a door brings along. */
export interface Listener {
  readonly name: SettingName & keyof typeof doorListeners
  listen(at: { host: string; port: number }): Promise<{ readonly url: string }>
  /** Accepts no more and lets what is in flight end, for at most so many milliseconds. */
  drain(timeoutMs: number): Promise<void>
}

export type Open = (config: Config, services: Services) => Promise<Opened>

/** Why a server did not start, in one line for people. */
export interface StartRefusal {
  readonly kind: 'port-in-use' | 'port-denied' | 'no-such-address' | 'unusable-file' | 'not-opened'
  readonly thing: string
  readonly wanted: string
  readonly got: string
}

/** What `open` throws when the reason is the operator's to mend (a key file open to others, a database not there). */
export class StartFailure extends Error {
  override readonly name = 'StartFailure'
}

export interface ServeOptions {
  readonly config: Config
  readonly open: Open
  /** Takes the lines for stdout, without their ends. */
  readonly out: (line: string) => void
  /** Default: the one the configuration describes, on stderr. */
  readonly log?: Log
  /** Aborted by the first SIGTERM or SIGINT. */
  readonly signal: AbortSignal
}

/** Runs a server until the signal; answers when all is closed, or why it could not start. Never throws for the latter. */
export async function serve({
  config,
  open,
  out,
  signal,
  log = createLog(config),
}: ServeOptions): Promise<Result<void, StartRefusal>> {
  const folder = makeDataFolder(config.data)
  if (!folder.ok) return folder
  const tls = readTlsFiles(config)
  if (!tls.ok) return tls

  const metrics = createMetrics()
  const http = createHttpApp({ config, log, metrics })
  const version = readVersion()
  const urls = new Map<string, string>()
  let phase: 'starting' | 'ready' | 'draining' = 'starting'
  let opened: Opened | undefined
  registerHealth(http.app, {
    phase: () => phase,
    ping: () => opened?.ping() ?? Promise.reject(new Error('not open')),
    version,
    metrics,
  })
  const services: Services = {
    log,
    metrics,
    http,
    version,
    draining: http.draining,
    urls: () => urls,
    announce: out,
    publicUrl() {
      const url = config.publicUrl ?? urls.get('http') ?? urls.get('https')
      if (url === undefined) throw new Error('the public URL is known only while listening')
      return url
    },
  }
  const stop = async (timeoutMs: number): Promise<void> => {
    const listeners = opened?.listeners ?? []
    const [{ cut }] = await Promise.all([
      http.drain(timeoutMs),
      ...listeners.map(async (listener) => listener.drain(timeoutMs)),
    ])
    if (cut > 0) log.warn({ cut }, 'connections were cut at the end of the drain')
    await opened?.close()
  }

  try {
    opened = await open(config, services)
  } catch (error) {
    await stop(0)
    return refuse(openRefusal(error, log))
  }
  for (const listener of listenersOf(config, http, opened, tls.value)) {
    const at = { host: config.host, port: listener.port }
    try {
      const { url } = await listener.listen(at)
      urls.set(listener.name, url)
    } catch (error) {
      await stop(0)
      return refuse(listenRefusal(error, listener.name, at))
    }
  }
  try {
    await opened.started?.()
  } catch (error) {
    await stop(0)
    return refuse(openRefusal(error, log))
  }
  phase = 'ready'
  for (const [name, url] of urls) out(`listening ${name} ${url}`)
  out('ready')
  log.info({ urls: Object.fromEntries(urls), version: version.version, commit: version.commit }, 'ready')

  await aborted(signal)
  phase = 'draining'
  log.info({ timeout: config.drainTimeout }, 'draining')
  if (config.drainDelay > 0) await new Promise((resolve) => setTimeout(resolve, config.drainDelay * 1000))
  await stop(config.drainTimeout * 1000)
  log.info('closed')
  return ok(undefined)
}

/** One line for people. */
export function describeStartRefusal({ kind, thing, wanted, got }: StartRefusal): string {
  return kind === 'not-opened' ? got : `${thing}: wanted ${wanted}, got ${got}`
}

/** The listeners that are not `http` or `https`: opened when a door brings them, absent otherwise. */
const doorListeners = {
  'iottalk-http': 'iottalkHttp',
  'iottalk-v1': 'iottalkV1',
  ccm: 'ccm',
  mqtt: 'mqtt',
  'mqtt-ws': 'mqttWs',
  exoport: 'exoport',
  'exoport-http': 'exoportHttp',
  'wamp-raw': 'wampRaw',
} as const satisfies Partial<Record<SettingName, keyof Config>>

interface ToOpen {
  readonly name: string
  readonly port: number
  listen(at: { host: string; port: number }): Promise<{ readonly url: string }>
}

function listenersOf(config: Config, http: HttpApp, opened: Opened, tls: TlsFiles | undefined): ToOpen[] {
  const found: ToOpen[] = []
  const add = (name: string, port: number | 'off', listen: ToOpen['listen']) => {
    if (port !== 'off') found.push({ name, port, listen })
  }
  add('http', config.http, (at): Promise<Listening> => http.listen(at))
  if (tls) add('https', config.https, (at) => http.listen({ ...at, tls }))
  for (const listener of opened.listeners ?? [])
    add(listener.name, config[doorListeners[listener.name]], (at) => listener.listen(at))
  return found
}

interface TlsFiles {
  readonly cert: Buffer
  readonly key: Buffer
  readonly ca?: Buffer
}

function readTlsFiles(config: Config): Result<TlsFiles | undefined, StartRefusal> {
  const { https, tlsCert, tlsKey, clientCa } = config
  if (https === 'off' || tlsCert === undefined || tlsKey === undefined) return ok(undefined)
  try {
    const own = readTls({ cert: tlsCert, key: tlsKey })
    return ok(clientCa === undefined ? own : { ...own, ca: readFileSync(clientCa) })
  } catch (error) {
    const wanted = 'readable files'
    return refuse({ kind: 'unusable-file', thing: 'tls-cert and tls-key', wanted, got: messageOf(error) })
  }
}

/** The data folder is ours alone: it holds keys and everybody's records. One that exists keeps its mode. */
function makeDataFolder(path: string): Result<void, StartRefusal> {
  try {
    makeFolder(resolve(path))
    accessSync(path, constants.W_OK | constants.X_OK)
    return ok(undefined)
  } catch (error) {
    const wanted = 'a folder that can be written to'
    return refuse({ kind: 'unusable-file', thing: `data ${path}`, wanted, got: messageOf(error) })
  }
}

/** As `mkdir -p`. Node's own never ends where a file system denies that a folder can be made (`/proc/x`). */
function makeFolder(path: string): void {
  const above = dirname(path)
  if (!existsSync(above)) makeFolder(above)
  try {
    mkdirSync(path, { mode: 0o700 })
  } catch (error) {
    if (!statSync(path, { throwIfNoEntry: false })?.isDirectory()) throw error
  }
}

/** What the operator can mend is told; anything else is a defect of ours and its stack goes to the log as well. */
function openRefusal(error: unknown, log: Log): StartRefusal {
  if (!(error instanceof StartFailure || error instanceof StoreError))
    log.error({ err: error }, 'the house could not be opened')
  return { kind: 'not-opened', thing: 'start', wanted: 'an open house', got: messageOf(error) }
}

function listenRefusal(
  error: unknown,
  name: string,
  { host, port }: { host: string; port: number },
): StartRefusal {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  const thing = `${name} on ${host}:${port}`
  if (code === 'EADDRINUSE')
    return {
      kind: 'port-in-use',
      thing,
      wanted: `a free port (choose one with --${name}; 0 picks any)`,
      got: 'one in use',
    }
  if (typeof code === 'string' && code.startsWith('ERR_OSSL'))
    return {
      kind: 'unusable-file',
      thing: 'tls-cert and tls-key',
      wanted: 'a certificate and its key (PEM)',
      got: messageOf(error),
    }
  if (code === 'EACCES')
    return { kind: 'port-denied', thing, wanted: 'a port we may open', got: 'permission denied' }
  return { kind: 'no-such-address', thing, wanted: 'an address of this machine', got: messageOf(error) }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve()
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
}
