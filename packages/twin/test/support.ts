/**
 * A broker with the service side of a twin behind it, small but strict, and a device with a real agent.
 */
import { createServer as createPlain, type Server, type Socket } from 'node:net'
import { createServer as createSecure, type TlsOptions } from 'node:tls'
import { Aedes, type AedesPublishPacket, type Client } from 'aedes'
import { isObject, type Json, type JsonObject, merge } from '../src/topics.ts'

export interface FakeTwinHub {
  readonly url: string
  readonly port: number
  /** Both halves, with their versions. */
  desired(): JsonObject
  reported(): JsonObject
  /** Every patch of the reported half, in order. */
  readonly reports: JsonObject[]
  readonly logins: { username: string; password: string; clientId: string }[]
  /** Changes the desired half, and tells a device that is there. */
  want(patch: JsonObject): number
  /** Sends a desired patch as it is, whatever its version. */
  tell(patch: JsonObject, version?: number): void
  call(name: string, payload?: Json): Promise<{ status: number; body: Json }>
  /** What the next reports are answered with: a status, and seconds for Retry-After. */
  answerNext(...statuses: (number | [number, number])[]): void
  connected(): number
  /** Cuts all connections. */
  cut(): void
  /** Takes no connections until `open`. */
  close(): Promise<void>
  open(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

export interface FakeHubOptions {
  readonly tls?: TlsOptions
  /** Who may come in; all unless given. */
  readonly admits?: (login: { username: string; password: string; clientId: string }) => boolean
}

export async function startTwinHub({ tls, admits = () => true }: FakeHubOptions = {}): Promise<FakeTwinHub> {
  const broker = await Aedes.createBroker()
  let desired: JsonObject = { $version: 1 }
  let reported: JsonObject = { $version: 1 }
  const reports: JsonObject[] = []
  const logins: FakeTwinHub['logins'] = []
  const forced: (number | [number, number])[] = []
  const calls = new Map<string, (answer: { status: number; body: Json }) => void>()
  const sockets = new Set<Socket>()
  let count = 0

  broker.authenticate = (client: Client, username, password, done) => {
    const login = { username: username ?? '', password: password?.toString() ?? '', clientId: client.id }
    logins.push(login)
    done(null, admits(login))
  }
  const publish = (topic: string, body: Json | undefined): void =>
    broker.publish(
      {
        cmd: 'publish',
        qos: 1,
        dup: false,
        retain: false,
        topic,
        payload: Buffer.from(body === undefined ? '' : JSON.stringify(body)),
      },
      () => undefined,
    )
  const versionOf = (half: JsonObject): number => Number(half.$version)

  function heard(packet: AedesPublishPacket): void {
    const { topic } = packet
    const text = packet.payload.toString()
    const rid = /\$rid=([^&]+)/.exec(topic)?.[1] ?? ''
    if (topic.startsWith('$iothub/twin/GET/'))
      publish(`$iothub/twin/res/200/?$rid=${rid}`, { desired, reported })
    if (topic.startsWith('$iothub/twin/PATCH/properties/reported/')) {
      const next = forced.shift()
      if (next !== undefined) {
        const [status, after] = Array.isArray(next) ? next : [next, undefined]
        publish(
          `$iothub/twin/res/${status}/?$rid=${rid}${after === undefined ? '' : `&Retry-After=${after}`}`,
          undefined,
        )
        return
      }
      const patch: unknown = JSON.parse(text)
      if (!isObject(patch)) throw new Error(`a report that is no object: ${text}`)
      reports.push(patch)
      const version = versionOf(reported) + 1
      const merged = merge(reported, patch)
      reported = { ...(isObject(merged) ? merged : {}), $version: version }
      publish(`$iothub/twin/res/204/?$rid=${rid}&$version=${version}`, undefined)
    }
    const status = /^\$iothub\/methods\/res\/(\d+)\//.exec(topic)?.[1]
    if (status !== undefined)
      calls.get(rid)?.({ status: Number(status), body: text === '' ? null : (JSON.parse(text) as Json) })
  }
  broker.on('publish', (packet, client) => {
    // The broker's own are not the device's.
    if (client) heard(packet)
  })

  const handle = (socket: Socket): void => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    socket.on('error', () => undefined)
    broker.handle(socket)
  }
  let server: Server
  let port = 0
  const open = async (): Promise<void> => {
    server = tls ? createSecure(tls, handle) : createPlain(handle)
    await new Promise<void>((listening) => server.listen(port, '127.0.0.1', listening))
    const address = server.address()
    port = typeof address === 'object' && address ? address.port : 0
  }
  await open()
  const cut = (): void => {
    for (const socket of sockets) socket.destroy()
  }
  const close = async (): Promise<void> => {
    const closed = new Promise<void>((done) => server.close(() => done()))
    cut()
    await closed
  }
  const tell = (patch: JsonObject, version?: number): void => {
    publish(`$iothub/twin/PATCH/properties/desired/?$version=${version ?? patch.$version}`, patch)
  }

  return {
    get url() {
      return `${tls ? 'mqtts' : 'mqtt'}://127.0.0.1:${port}`
    },
    get port() {
      return port
    },
    desired: () => desired,
    reported: () => reported,
    reports,
    logins,
    want(patch) {
      const version = versionOf(desired) + 1
      const merged = merge(desired, patch)
      desired = { ...(isObject(merged) ? merged : {}), $version: version }
      tell({ ...patch, $version: version })
      return version
    },
    tell,
    call(name, payload = {}) {
      const rid = `m${++count}`
      const { promise, resolve } = Promise.withResolvers<{ status: number; body: Json }>()
      calls.set(rid, resolve)
      publish(`$iothub/methods/POST/${name}/?$rid=${rid}`, payload)
      return promise
    },
    answerNext: (...statuses) => forced.push(...statuses),
    connected: () => sockets.size,
    cut,
    close,
    open,
    async [Symbol.asyncDispose]() {
      await close()
      await new Promise<void>((done) => broker.close(() => done()))
    },
  }
}
