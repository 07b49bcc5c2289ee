/**
 * One Fastify instance behind the HTTP and the HTTPS listener: every door registers its routes here once.
 *
 * This file owns the sockets. It knows what a connection may cost (headers, time, rate, count), how old clients speak
 * (absolute-form request targets, HTTP/1.0), and how to stop without dropping anybody mid-answer. It knows no route
 * and no door: answers, statuses and bodies are theirs; where they say nothing, problem+json answers.
 */
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { readFileSync } from 'node:fs'
import type { Server as HttpServer, IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { type AddressInfo, isIPv6, type Socket } from 'node:net'
import { networkInterfaces } from 'node:os'
import type { Duplex } from 'node:stream'
import fastify, { type FastifyInstance, type FastifyRequest } from 'fastify'
import type { Config } from './config-table.ts'
import { type Log, requestSampler } from './log.ts'
import type { Metrics } from './metrics.ts'
import { createServer, ServerResponse as HttpResponse } from './node-http.ts'
import { createPeers } from './peers.ts'
import { createErrorHandler, notFound, problemBody, sendProblem } from './problem.ts'
import { createRedirects, type Redirects } from './redirects.ts'

export type HttpLimits = Pick<
  Config,
  | 'bodyLimit'
  | 'headerLimit'
  | 'headerTimeout'
  | 'bodyRate'
  | 'idleTimeout'
  | 'keepAlive'
  | 'maxConnections'
  | 'trustedProxies'
  | 'logRequests'
  | 'logSample'
>

export interface HttpApp {
  /** Doors register here, each in its own encapsulated plugin, before the first `listen`. */
  readonly app: FastifyInstance
  readonly redirects: Redirects
  /** Lets a door answer what it recognises before any routing: for the one request that a fleet makes all day long. */
  answerFirst(answer: FirstAnswer): void
  /** The address that asked, seen through trusted proxies. */
  peerAddress(request: FastifyRequest): string
  /** How the caller reached us, seen through trusted proxies. */
  peerScheme(request: FastifyRequest): 'http' | 'https'
  /** Aborted when the server begins to stop: streams end themselves then. */
  readonly draining: AbortSignal
  /** Opens a listener for all routes; rejects with the socket's error (EADDRINUSE, EACCES …). */
  listen(at: ListenAt): Promise<Listening>
  /**
   * Accepts no more, tells streams to end, lets requests in flight finish with `Connection: close`, and cuts what is
   * left after the timeout. Answers how many connections were cut.
   */
  drain(timeoutMs: number): Promise<{ cut: number }>
}

/** Answers the request and says so, or touches nothing and answers false. */
export type FirstAnswer = (request: IncomingMessage, response: ServerResponse, peer: () => string) => boolean

export interface ListenAt {
  readonly host: string
  readonly port: number
  readonly tls?: {
    readonly cert: string | Buffer
    readonly key: string | Buffer
    /** Whose client certificates are asked for. One need not be shown; what it is good for is judged where it is used. */
    readonly ca?: string | Buffer
  }
}

export interface Listening {
  readonly url: string
  readonly host: string
  readonly port: number
}

export interface HttpDeps {
  readonly config: HttpLimits
  readonly log: Log
  readonly metrics: Metrics
  /** What the metrics of this instance's connections are labelled with. Default `http`. */
  readonly listener?: string
  /** How often connections are looked at for slow senders. Default 5 s; tests are less patient. */
  readonly sweepMs?: number
}

export function createHttpApp({
  config,
  log,
  metrics,
  listener = 'http',
  sweepMs = 5000,
}: HttpDeps): HttpApp {
  const draining = new AbortController()
  const connections = new Map<Duplex, Connection>()
  const servers: Server[] = []
  const redirects = createRedirects()
  const peers = createPeers(config.trustedProxies)
  const countRefused = metrics.counter(
    'waymark_http_connections_refused_total',
    'connections over max-connections',
    { listener },
  )
  const countSlow = metrics.counter(
    'waymark_http_slow_senders_total',
    'requests cut off because their body came too slowly',
    { listener },
  )
  metrics.add({
    name: 'waymark_http_connections',
    help: 'open HTTP connections',
    type: 'gauge',
    read: () => [{ labels: { listener }, value: connections.size }],
  })
  let route: RequestListener = () => {}
  const first: FirstAnswer[] = []

  const server = (tls?: ListenAt['tls']): Server => {
    const options = {
      maxHeaderSize: config.headerLimit,
      headersTimeout: config.headerTimeout * 1000,
      // Bodies are judged by their rate (see `sweep`): an upload of gigabytes over a slow line is no attack.
      requestTimeout: 0,
      keepAliveTimeout: config.keepAlive * 1000,
      connectionsCheckingInterval: sweepMs,
      noDelay: true,
      ServerResponse: Answer,
    }
    const made: Server = tls
      ? createTlsServer(
          // Who offers HTTP/1.0 alone is turned away before the first byte, unless it is named.
          {
            ...options,
            ...tls,
            handshakeTimeout: config.headerTimeout * 1000,
            ALPNProtocols: ['http/1.1', 'http/1.0'],
            ...(tls.ca === undefined ? {} : { requestCert: true, rejectUnauthorized: false }),
          },
          receive,
        )
      : createServer(options, receive)
    made.maxConnections = config.maxConnections
    made.on(tls ? 'secureConnection' : 'connection', (socket: Socket) => {
      connections.set(socket, {})
      socket.once('close', () => connections.delete(socket))
    })
    made.on('drop', () => countRefused())
    servers.push(made)
    return made
  }

  function receive(request: IncomingMessage, response: Answer): void {
    response.owner = app
    response.beganMs = performance.now()
    const connection = connections.get(request.socket)
    if (connection) {
      connection.request = request
      connection.response = response
    }
    if (request.httpVersionMajor === 1 && request.httpVersionMinor === 0) {
      response.useChunkedEncodingByDefault = false
      response.shouldKeepAlive = false
    } else if (draining.signal.aborted) response.shouldKeepAlive = false
    if (request.url?.[0] !== '/') routeByPath(request)
    for (const answer of first) if (answer(request, response, () => peers.address(request))) return
    route(request, response)
  }

  function onClientError(error: NodeJS.ErrnoException, socket: Duplex): void {
    const { response } = connections.get(socket) ?? {}
    const midAnswer = response !== undefined && !response.writableFinished
    if (error.code === 'ECONNRESET' || !socket.writable || midAnswer) {
      socket.destroy()
      return
    }
    const status = statusOfClientError(error.code)
    const body = JSON.stringify(problemBody({ status, kind: 'not-http' }))
    socket.end(
      `HTTP/1.1 ${status} ${reasons[status] ?? 'Bad Request'}\r\nContent-Type: application/problem+json\r\n` +
        `Content-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
    )
  }

  const app = fastify({
    logger: false,
    bodyLimit: config.bodyLimit,
    // Signed object URLs carry their whole secret in one path segment.
    routerOptions: { maxParamLength: 4096 },
    return503OnClosing: false,
    clientErrorHandler: onClientError,
    frameworkErrors: (error, _request, reply) =>
      sendProblem(reply, { status: error.statusCode ?? 400, kind: 'bad-url', detail: error.message }),
    serverFactory: (handler) => {
      route = handler
      return server()
    },
  })
  const plain = app.server
  app.setErrorHandler(createErrorHandler(log))
  app.setNotFoundHandler(notFound)
  app.addHook('onRequest', (request, reply, done) => {
    if (reply.raw instanceof Answer) reply.raw.route = request.routeOptions.url
    const target = redirects.target(request.raw.url ?? '/')
    if (target === undefined) done()
    else reply.code(301).header('location', target).send()
  })

  const logged = requestSampler(config)
  // Node's own channel: the framework's hook would add and remove listeners on every answer.
  const onFinish = (message: unknown): void => {
    const answer = answerOf(message)
    if (answer?.owner !== app) return
    const { req, route: pattern, statusCode: status, beganMs } = answer
    const ms = performance.now() - beganMs
    const method = req.method ?? ''
    metrics.countRequest(pattern, method, status, ms)
    if (!logged(status)) return
    const peer = peers.address(req)
    log.info({ method, url: req.url, route: pattern, status, ms: Math.round(ms * 10) / 10, peer }, 'request')
  }
  subscribe(finishChannel, onFinish)

  const sweeper = setInterval(() => {
    for (const [socket, connection] of connections) {
      const { slow, silentMs } = sweep(connection, (config.bodyRate * sweepMs) / 1000, sweepMs)
      if (slow) countSlow()
      if (slow || silentMs >= config.idleTimeout * 1000) socket.destroy()
    }
  }, sweepMs)
  sweeper.unref()

  async function listen({ host, port, tls }: ListenAt): Promise<Listening> {
    await app.ready()
    let opened: Server = plain
    if (tls) {
      opened = server(tls)
      opened.on('clientError', onClientError)
    }
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    opened.once('error', reject)
    opened.listen({ host, port }, resolve)
    await promise
    opened.off('error', reject)
    const address = opened.address() as AddressInfo
    const reachable = reachableHost(address)
    const shown = isIPv6(reachable) ? `[${reachable}]` : reachable
    return { url: `http${tls ? 's' : ''}://${shown}:${address.port}`, host: reachable, port: address.port }
  }

  async function drain(timeoutMs: number): Promise<{ cut: number }> {
    for (const open of servers) open.close()
    draining.abort()
    for (const { response } of connections.values())
      if (response && !response.headersSent) response.shouldKeepAlive = false
    const deadline = performance.now() + timeoutMs
    for (;;) {
      for (const [socket, { response }] of connections)
        if (response === undefined || response.writableFinished) socket.destroy()
      if (connections.size === 0 || performance.now() >= deadline) break
      await new Promise((resolve) => setTimeout(resolve, Math.min(25, timeoutMs)))
    }
    const cut = connections.size
    for (const socket of connections.keys()) socket.destroy()
    clearInterval(sweeper)
    unsubscribe(finishChannel, onFinish)
    await app.close()
    return { cut }
  }

  return {
    app,
    redirects,
    answerFirst: (answer) => {
      first.push(answer)
    },
    peerAddress: (request) => peers.address(request.raw),
    peerScheme: (request) => peers.scheme(request.raw),
    draining: draining.signal,
    listen,
    drain,
  }
}

/** Reads certificate and key for `listen`; throws the file system's error. */
export function readTls(files: { cert: string; key: string }): { cert: Buffer; key: Buffer } {
  return { cert: readFileSync(files.cert), key: readFileSync(files.key) }
}

type Server = HttpServer<typeof IncomingMessage, typeof Answer>

/** A response that knows when its request came, which app it belongs to, and which route answers. */
class Answer<Request extends IncomingMessage = IncomingMessage> extends HttpResponse<Request> {
  owner: FastifyInstance | undefined
  route: string | undefined
  beganMs = 0
}

/** Published by Node after each response that was written to its end (not by `inject`, which has no server). */
const finishChannel = 'http.server.response.finish'

function answerOf(message: unknown): Answer | undefined {
  if (typeof message !== 'object' || message === null || !('response' in message)) return undefined
  return message.response instanceof Answer ? message.response : undefined
}

/** The newest exchange on a connection, and what the last sweep saw of it. */
interface Connection {
  request?: IncomingMessage
  response?: Answer
  swept?: Swept
}

interface Swept {
  readonly request: IncomingMessage
  readonly read: number
  readonly written: number
  /** All that came was taken: what is missing has not been sent. */
  readonly waiting: boolean
  /** How long nothing moved within this request. */
  readonly silentMs: number
}

/**
 * Looks at a connection once per interval. `slow`: the peer has been sending a body more slowly than allowed. While
 * there is something that it sent and we have not taken, at either end of the interval, the slowness may be ours and
 * nobody is blamed. `silentMs`: how long no byte moved while an answer was owed.
 */
function sweep(
  connection: Connection,
  leastBytes: number,
  intervalMs: number,
): { slow: boolean; silentMs: number } {
  const { request, response, swept } = connection
  if (request === undefined || response === undefined || response.writableFinished)
    return { slow: false, silentMs: 0 }
  const { bytesRead: read, bytesWritten: written } = request.socket
  const waiting = request.readableLength === 0
  const before = swept?.request === request ? swept : undefined
  const moved = before === undefined || before.read !== read || before.written !== written
  const silentMs = moved ? 0 : before.silentMs + intervalMs
  connection.swept = { request, read, written, waiting, silentMs }
  const sending = !request.complete && !request.destroyed
  const slow = before?.waiting === true && waiting && sending && read - before.read < leastBytes
  return { slow, silentMs }
}

/** `https://host:443/devices/?a=1` → `/devices/?a=1`, and the target's authority replaces Host (RFC 9112 3.2.2). */
function routeByPath(request: IncomingMessage): void {
  const [, authority, rest] = /^https?:\/\/([^/?#]*)([^#]*)/i.exec(request.url ?? '') ?? []
  if (authority === undefined || rest === undefined) return
  request.url = rest.startsWith('/') ? rest : `/${rest}`
  request.headers.host = authority
}

const reasons: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  408: 'Request Timeout',
  431: 'Request Header Fields Too Large',
}

function statusOfClientError(code: string | undefined): number {
  if (code === 'HPE_HEADER_OVERFLOW') return 431
  return code === 'ERR_HTTP_REQUEST_TIMEOUT' ? 408 : 400
}

/** Where a listener can be reached: a wildcard is told as the first outward address of its family, else loopback. */
function reachableHost({ address }: AddressInfo): string {
  if (address !== '0.0.0.0' && address !== '::') return address
  for (const addresses of Object.values(networkInterfaces()))
    for (const { family, internal, address: own } of addresses ?? [])
      if (family === 'IPv4' && !internal) return own
  return '127.0.0.1'
}
