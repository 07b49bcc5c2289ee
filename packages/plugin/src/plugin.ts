/**
 * What a plugin is: a protocol that the server does not know, written by somebody else.
 *
 * A plugin is an npm package (or a file) whose default export is a `Plugin`. It runs in a process of its own, opens its
 * own listener, finds out which device has called, and opens a session for it. From then on it takes what is next in the
 * device's queue, carries it over its wire, and says what came of it. Queues, schemas, time-outs and rights stay with
 * the server: what a plugin took and did not settle is taken again by the device's next session.
 *
 * ```ts
 * const plugin: Plugin = {
 *   apiVersion: 1,
 *   name: 'lines',
 *   protocols: [{ name: 'lines_v1', delivery: 'queued' }],
 *   open: async (waymark) => { … return { close: async () => server.close() } },
 * }
 * export default plugin
 * ```
 */

/** JSON with exact numbers: 64-bit integers may be bigints. */
export type Value =
  | null
  | boolean
  | number
  | bigint
  | string
  | readonly Value[]
  | { readonly [name: string]: Value }

export interface Plugin {
  /** The version of this interface that the plugin was written for. */
  readonly apiVersion: 1
  /** For logs: 1 to 64 letters, digits, `-`, `_`. */
  readonly name: string
  /** The words by which device types name it: at least one. */
  readonly protocols: readonly PluginProtocol[]
  /** It carries packages and their configuration. Without it, they are answered as unsupported for it. */
  readonly packages?: true
  /** YANG modules that come with it: attributes of its device types, operations of its devices. Every account sees them. */
  readonly modules?: readonly PluginModule[]
  /** Opens what it listens on. A rejection ends the process; the server starts it again after a pause. */
  open(waymark: Waymark): Promise<OpenPlugin>
}

/** A YANG module. Its name is no module's of the system, and no other plugin's. */
export interface PluginModule {
  readonly name: string
  readonly source: string
}

export interface PluginProtocol {
  readonly name: string
  /** How calls reach its devices: kept in the queue, or made at once and refused while the device is away. */
  readonly delivery: 'queued' | 'immediate'
  /** Its devices can be called, or woken: `dial` is asked for one that something waits for and that is not there. */
  readonly dials?: true
}

export interface OpenPlugin {
  /**
   * Something waits for a device of a protocol that `dials`, and no session of it is open. The plugin calls the device and
   * opens a session with the ticket (`waymark.open`), or makes the device call in (a message to its phone number); or it
   * rejects. While something waits and no session has opened it is asked again, after a second, two, four, up to five
   * minutes. Half a minute is all that it has.
   */
  dial?(device: Dialled): Promise<void>
  /**
   * Answers what comes to `/plugins/NAME/…` of the server's own HTTP listener, `NAME` being the plugin's; half a minute is
   * all that it has. Who asks is for the plugin to find out: nobody has been let in.
   */
  http?(request: HttpRequest): Promise<HttpAnswer>
  /** Closes listeners and connections. The process ends soon afterwards, whether this resolves or not. */
  close(): Promise<void>
}

/** What a plugin finds of the server. Every method rejects once the server is gone. */
export interface Waymark {
  /**
   * Opens a session for a device that has proved itself by its password. Undefined: unknown account, unknown device, a
   * device of another protocol, a wrong password, or too many failed attempts of late. All of them look alike on purpose.
   * `ended` is called when the server wants the session ended; nothing is carried afterwards.
   */
  open(identity: Identity, ended: () => void): Promise<Session | undefined>
}

export type Identity = {
  readonly account: string
  readonly device: string
  /** Where it called from, or was called at, as it shall be shown: `10.0.0.7:4711`. */
  readonly address: string
  /** The wire was encrypted: an account that lets its devices in by TLS alone takes the plugin's word for it. */
  readonly secure?: boolean
} & (
  | { readonly password: string }
  /** The ticket of a dial: the server had this device called. Good once, for a minute. */
  | { readonly dialled: string }
)

/** What somebody asks over HTTP. */
export interface HttpRequest {
  readonly method: string
  /** What follows the plugin's name, as it was sent: `/readings/d1`, never empty. */
  readonly path: string
  /** Without its question mark; empty where there is none. */
  readonly query: string
  /** By lower-case names, without cookies. `authorization` is there: devices may prove themselves by it. */
  readonly headers: { readonly [name: string]: string }
  /** At most 1 MiB. */
  readonly body: Uint8Array
  /** Who asks: an address, as seen through trusted proxies. */
  readonly address: string
  /** It came over TLS. */
  readonly secure: boolean
}

export interface HttpAnswer {
  /** 200 to 599. */
  readonly status: number
  /** Those of the connection and of the house (cookies, security policies, CORS) are dropped. */
  readonly headers?: { readonly [name: string]: string }
  /** At most 1 MiB. A text is UTF-8. */
  readonly body?: Uint8Array | string
}

/** A device to call. */
export interface Dialled {
  readonly account: string
  readonly device: string
  readonly protocol: string
  readonly ticket: string
  /** What back ends told of it: `msisdn`, `latitude` and so on, and what its type's attribute module describes. */
  readonly attributes: { readonly [name: string]: Value }
}

export interface Session {
  /** The next thing to carry; waits for one up to `waitMs`, milliseconds. Undefined: nothing came, or the session ended. */
  next(waitMs: number): Promise<Carried | undefined>
  /** What came of it; on the server's disk when this resolves. */
  settle(carried: Carried, outcome: Outcome): Promise<void>
  /** Bytes of the image of a step of `packages`: `length` of them from `offset` on, or as many as there are. */
  image(carried: Carried, step: number, offset: number, length: number): Promise<Uint8Array>
  /**
   * The device has confirmed so many bytes of a step's image, counted from its start; on disk when this resolves, and a later
   * session goes on behind them. False: what was asked has ended meanwhile, or that many were never had.
   */
  confirmed(carried: Carried, step: number, bytes: number): Promise<boolean>
  /** A checksum was wrong: the image is sent again from its start. */
  restart(carried: Carried, step: number): Promise<void>
  /** A step of `packages` has ended; one that failed ends all of them. `settle` comes after the last. */
  stepped(carried: Carried, step: number, done: boolean, reason?: string): Promise<void>
  /** How far the device is, in percent. */
  progressed(carried: Carried, percent: number): Promise<void>
  /** What the device says by itself. */
  call(module: string, method: string, params: { readonly [name: string]: Value }): Promise<UpAnswer>
  /** A sign of life. */
  heard(): void
  /** The wire is gone: what was under way goes back to the queue. Safe to call twice. */
  close(): Promise<void>
}

/** Something to carry. A kind that a plugin does not know is answered with the outcome `unsupported`. */
export interface Carried {
  /** Names it towards the server, within its session. */
  readonly key: number
  /** `rpc`, `configuration`, `packages`, `package-configuration`; later versions of the server may carry others. */
  readonly kind: string
  /** How often it was handed out before: above 0 the device may have seen it. */
  readonly attempt: number
  readonly callId: Value
  /** Of an rpc. */
  readonly module?: string
  readonly method?: string
  readonly input?: { readonly [name: string]: Value }
  /** Of a configuration. */
  readonly name?: string
  readonly values?: { readonly [name: string]: Value }
  /** Of packages: what is to be done, in this order. */
  readonly steps?: readonly Step[]
  /** Of a configuration of packages: what each is to have, and what of it is new. */
  readonly packages?: readonly {
    readonly package: string
    readonly values: { readonly [name: string]: Value }
    readonly edits: { readonly [name: string]: Value }
  }[]
}

export interface Step {
  readonly operation: 'install' | 'upgrade' | 'uninstall' | 'transmit'
  readonly package: string
  /** Of an upgrade: what it replaces. */
  readonly from?: string
  readonly arguments?: string
  /** The image, where one is to be brought; what the device has confirmed of it is not sent again. */
  readonly image?: { readonly size: number; readonly sha256: string; readonly confirmed: number }
  /** The configuration it begins with. */
  readonly values?: { readonly [name: string]: Value }
}

export type Outcome =
  | { readonly kind: 'done' }
  | { readonly kind: 'replied'; readonly output: { readonly [name: string]: Value } }
  | { readonly kind: 'failed'; readonly reason: string }
  | { readonly kind: 'unsupported'; readonly reason: string }

export type UpAnswer =
  | { readonly kind: 'taken' }
  | { readonly kind: 'output'; readonly output: { readonly [name: string]: Value } }
  | { readonly kind: 'refused'; readonly reason: string; readonly detail: string }
