/**
 * What a plugin's author brings to a trial: a program that plays a device of the protocol, and samples of what it can be
 * asked. The kit brings the rest: a server in memory, a wire that it can cut, and hostile callers.
 *
 * ```js
 * // trial.js, beside the plugin
 * export default {
 *   account: 'acme', device: 'mast', password: 'right',
 *   address: { host: '127.0.0.1', port: 9911 },
 *   calls: [{ module: 'm', method: 'wave', output: { said: 'waved' } }, { module: 'm', method: 'fly', refused: true }],
 *   async start({ account, device, password, host, port }) { … return { stop() { … } } },
 * }
 * ```
 */
import { isRecord } from '../messages.ts'
import type { Value } from '../plugin.ts'

export type Values = { readonly [name: string]: Value }

/** The default export of a trial's file. */
export interface Trial extends Omit<TrialSamples, 'waits' | 'http'>, Partial<Pick<TrialSamples, 'http'>> {
  /**
   * Starts a device that dials `host` and `port` (a wire of the kit's, which leads to `address`), and dials again by itself,
   * soon, whenever its line ends. What it was sent before it was cut it still has then.
   */
  start(identity: TrialIdentity): TrialDevice | Promise<TrialDevice>
  /** Starts a device that waits to be called, where the protocol dials. */
  wait?(identity: Omit<TrialIdentity, 'host' | 'port'>): TrialWaiting | Promise<TrialWaiting>
}

/** A device that waits to be called. */
export interface TrialWaiting extends TrialDevice {
  /** What a back end would have told of it, so that the plugin can find it. */
  readonly attributes: Values
}

export interface TrialIdentity {
  readonly account: string
  readonly device: string
  readonly password: string
  readonly host: string
  readonly port: number
}

export interface TrialDevice {
  /** Hangs up, and dials no more. */
  stop(): void | Promise<void>
}

/** What a trial says of itself, without the program. */
export interface TrialSamples {
  readonly account: string
  readonly device: string
  readonly password: string
  /** Where the plugin listens, over TCP. */
  readonly address: { readonly host: string; readonly port: number }
  /** What the plugin says to a device it does not let in differs from time to time: then only its length is compared. */
  readonly varies?: boolean
  /** What the device can be asked: at least one. */
  readonly calls: readonly TrialCall[]
  /** A configuration that it takes. */
  readonly configuration?: { readonly name: string; readonly values: Values }
  /** A package that it installs and removes. `size` of its image, bytes; 300,000 where it does not matter. */
  readonly package?: { readonly name: string; readonly values?: Values; readonly size?: number }
  /** What the plugin answers on the server's own HTTP, and with which status. */
  readonly http: readonly TrialRequest[]
  /** It has devices that wait to be called. */
  readonly waits: boolean
}

export interface TrialRequest {
  readonly method: string
  /** What follows the plugin's name: `/readings/d1`. */
  readonly path: string
  readonly query?: string
  readonly headers?: { readonly [name: string]: string }
  readonly body?: string
  readonly status: number
}

export interface TrialCall {
  readonly module: string
  readonly method: string
  readonly input?: Values
  /** What it answers; absent: that it did it, or anything. */
  readonly output?: Values
  /** The device refuses it. */
  readonly refused?: boolean
}

/** A trial that can not be held, in one line for people. */
export class TrialFailure extends Error {
  override readonly name = 'TrialFailure'
}

const callsMost = 100
const imageMost = 64 * 1024 * 1024

/** Reads what a trial says of itself. `TrialFailure` names what is missing. */
export function readSamples(raw: unknown): TrialSamples {
  if (!isRecord(raw)) throw wanted('a default export', raw)
  const address = isRecord(raw.address) ? raw.address : {}
  const { host, port } = address
  if (typeof host !== 'string' || !isCount(port, 65_535) || port === 0)
    throw wanted('address: { host, port } of the plugin’s listener', raw.address)
  if (!Array.isArray(raw.calls) || raw.calls.length === 0 || raw.calls.length > callsMost)
    throw wanted(`calls: 1 to ${callsMost} of them`, raw.calls)
  return {
    account: word('account', raw.account),
    device: word('device', raw.device),
    password: word('password', raw.password),
    address: { host, port },
    varies: raw.varies === true,
    waits: raw.waits === true,
    http: readRequests(raw.http),
    calls: raw.calls.map(readCall),
    ...(raw.configuration === undefined ? {} : { configuration: readConfiguration(raw.configuration) }),
    ...(raw.package === undefined ? {} : { package: readPackage(raw.package) }),
  }
}

function readCall(raw: unknown): TrialCall {
  if (!isRecord(raw)) throw wanted('calls: { module, method } each', raw)
  return {
    module: word('calls: module', raw.module),
    method: word('calls: method', raw.method),
    ...(raw.input === undefined ? {} : { input: values('calls: input', raw.input) }),
    ...(raw.output === undefined ? {} : { output: values('calls: output', raw.output) }),
    refused: raw.refused === true,
  }
}

function readRequests(raw: unknown = []): readonly TrialRequest[] {
  if (!Array.isArray(raw) || raw.length > callsMost) throw wanted(`http: at most ${callsMost} requests`, raw)
  return raw.map((each: unknown) => {
    if (!isRecord(each) || !isCount(each.status, 599))
      throw wanted('http: { method, path, status } each', each)
    const { status, query, headers, body } = each
    return {
      status,
      method: word('http: method', each.method),
      path: word('http: path', each.path),
      ...(query === undefined ? {} : { query: word('http: query', query) }),
      ...(headers === undefined ? {} : { headers: texts('http: headers', headers) }),
      ...(body === undefined ? {} : { body: word('http: body', body) }),
    }
  })
}

function texts(what: string, raw: unknown): { readonly [name: string]: string } {
  const read: Record<string, string> = {}
  for (const [name, value] of Object.entries(values(what, raw))) read[name] = word(`${what}: ${name}`, value)
  return read
}

function readConfiguration(raw: unknown): { name: string; values: Values } {
  if (!isRecord(raw)) throw wanted('configuration: { name, values }', raw)
  return { name: word('configuration: name', raw.name), values: values('configuration: values', raw.values) }
}

function readPackage(raw: unknown): NonNullable<TrialSamples['package']> {
  if (!isRecord(raw)) throw wanted('package: { name }', raw)
  const { size = 300_000 } = raw
  if (!isCount(size, imageMost) || size < 2) throw wanted(`package: size of 2 to ${imageMost} bytes`, size)
  return {
    name: word('package: name', raw.name),
    size,
    ...(raw.values === undefined ? {} : { values: values('package: values', raw.values) }),
  }
}

function word(what: string, raw: unknown): string {
  if (typeof raw !== 'string' || raw === '') throw wanted(`${what}: a text`, raw)
  return raw
}

/** An object of values, such as a trial's own literals. */
export function values(what: string, raw: unknown): Values {
  // They came as structured clones of an author's own literals; what a plugin can not carry shows in its verdict.
  if (!isRecord(raw)) throw wanted(`${what}: an object`, raw)
  return raw as Values
}

function isCount(raw: unknown, most: number): raw is number {
  return typeof raw === 'number' && Number.isSafeInteger(raw) && raw >= 0 && raw <= most
}

function wanted(what: string, raw: unknown): TrialFailure {
  const got = raw === undefined ? 'none' : raw === null ? 'null' : Array.isArray(raw) ? 'a list' : typeof raw
  return new TrialFailure(`trial: wanted ${what}, got ${got}`)
}
