/**
 * The control socket itself: HTTP over Unix sockets, one for the host and one for each container.
 *
 * A runner of plain processes has no control group to ask who calls, so the socket that was called tells it: each
 * container gets one of its own, and the host's programs another. The folder is open to the agent's user alone, and so is
 * each socket. Processes of that same user are not kept from each other by that; a driver that runs containers apart gives
 * each no more than its own folder.
 *
 * Every bound here is so that a caller can only spoil its own connection: headers, idle time, connections per socket. What
 * is broken is answered in the same words as everything else, then closed.
 */
import { chmod, mkdir, rm } from 'node:fs/promises'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { finished, pipeline } from 'node:stream/promises'
import { plainHttp } from '../real/plain-http.ts'
import type { Caller, ControlReply, ControlRequest } from './door.ts'

/** Times in milliseconds, sizes in bytes. `connections` are those of one socket that are served at once. */
export interface SocketLimits {
  readonly connections: number
  readonly headerBytes: number
  readonly headerMs: number
  /** How long a connection may go without a byte. */
  readonly idleMs: number
  /** How long answers under way have when the socket closes. */
  readonly closeMs: number
}

export const socketLimits: SocketLimits = {
  connections: 32,
  headerBytes: 8192,
  headerMs: 10_000,
  idleMs: 30_000,
  closeMs: 1000,
}

/** The longest path a Unix socket can have on Linux, in bytes. */
export const pathLimit = 107

export interface ControlSocket {
  readonly path: string
  close(): Promise<void>
}

/**
 * Listens at `folder/pv-ctrl` for one caller. Rejects when the path is too long or cannot be listened at; what an earlier
 * run left there is replaced.
 */
export async function openControlSocket(
  folder: string,
  caller: Caller,
  answer: (request: ControlRequest) => Promise<ControlReply>,
  limits: SocketLimits = socketLimits,
): Promise<ControlSocket> {
  const path = join(folder, 'pv-ctrl')
  const length = Buffer.byteLength(path)
  if (length > pathLimit)
    throw new Error(`${path}: wanted a path of at most ${pathLimit} bytes, got ${length}`)
  // Closed to all others before there is anything in it.
  await mkdir(folder, { recursive: true, mode: 0o700 })
  await chmod(folder, 0o700)
  await rm(path, { force: true })
  const server = plainHttp.createServer({
    requireHostHeader: false,
    maxHeaderSize: limits.headerBytes,
    headersTimeout: limits.headerMs,
    connectionsCheckingInterval: Math.min(1000, limits.headerMs),
    // Bodies are bounded by the door, and uploads by their idle time.
    requestTimeout: 0,
    keepAliveTimeout: 5000,
  })
  const surplus = boundConnections(server, limits)
  server.on('clientError', (cause, socket) => refuseRaw(socket, cause))
  server.on('request', (request, response) => {
    if (surplus.has(request.socket)) return
    void serve(caller, answer, request, response)
  })
  await new Promise<void>((listening, failed) => {
    server.once('error', failed)
    server.listen(path, () => {
      server.off('error', failed)
      listening()
    })
  })
  // A connection that cannot be accepted (no more descriptors) must not end the agent.
  server.on('error', () => undefined)
  await chmod(path, 0o600)
  return {
    path,
    async close() {
      const closed = new Promise<void>((done) => server.close(() => done()))
      server.closeIdleConnections()
      const late = setTimeout(() => server.closeAllConnections(), limits.closeMs)
      await closed
      clearTimeout(late)
      await rm(path, { force: true })
    },
  }
}

/** Serves so many at once; whoever comes then is told so at once, and only some more are even told. */
function boundConnections(server: Server, limits: SocketLimits): WeakSet<Socket> {
  const surplus = new WeakSet<Socket>()
  let open = 0
  server.maxConnections = limits.connections * 4
  server.setTimeout(limits.idleMs, (socket) => socket.destroy())
  server.on('connection', (socket: Socket) => {
    // Whoever goes away without a word is no fault of ours.
    socket.on('error', () => undefined)
    if (open >= limits.connections) {
      surplus.add(socket)
      endRaw(socket, 503, 'Too many connections', '\r\nRetry-After: 1')
      return
    }
    open++
    socket.once('close', () => {
      open--
    })
  })
  return surplus
}

async function serve(
  caller: Caller,
  answer: (request: ControlRequest) => Promise<ControlReply>,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  try {
    const { method = '', url = '', headers } = request
    if (!/^(localhost(:\d*)?)?$/.test(headers.host ?? '')) {
      request.socket.destroy()
      return
    }
    const [path = ''] = url.split('?')
    const announced = Number(headers['content-length'] ?? Number.NaN)
    const reply: ControlReply = ['GET', 'PUT', 'POST', 'DELETE'].includes(method)
      ? await answer({
          caller,
          method,
          path,
          length: Number.isSafeInteger(announced) ? announced : undefined,
          body: request,
        })
      : { status: 501, error: 'Unsupported protocol' }
    await send(reply, request, response)
  } catch (cause) {
    if (response.headersSent || response.destroyed) response.destroy()
    else {
      const error = cause instanceof Error && request.complete ? 'Internal error' : 'Request broke off'
      await send({ status: 500, error }, request, response).catch(() => response.destroy())
    }
  }
}

async function send(reply: ControlReply, request: IncomingMessage, response: ServerResponse): Promise<void> {
  response.statusCode = reply.status
  // What was not read would be taken for the next request.
  if (!request.complete) response.setHeader('Connection', 'close')
  if ('bytes' in reply) {
    response.setHeader('Content-Type', 'application/octet-stream')
    await pipeline(Readable.from(reply.bytes), response)
    return
  }
  if ('retryAfter' in reply) response.setHeader('Retry-After', String(reply.retryAfter))
  const body =
    'json' in reply
      ? JSON.stringify(reply.json)
      : 'error' in reply
        ? JSON.stringify({ Error: reply.error })
        : 'text' in reply
          ? reply.text
          : ''
  if (body !== '') response.setHeader('Content-Type', 'text' in reply ? 'text/plain' : 'application/json')
  if (reply.status !== 204) response.setHeader('Content-Length', Buffer.byteLength(body))
  response.end(body)
  await finished(response)
  // A body that still comes is not waited for.
  if (!request.complete) request.destroy()
}

function refuseRaw(
  socket: { writable: boolean; end(text: string): unknown; destroy(): unknown },
  cause: Error,
): void {
  if (!socket.writable || ('code' in cause && cause.code === 'ECONNRESET')) {
    socket.destroy()
    return
  }
  const code = 'code' in cause ? cause.code : ''
  if (code === 'HPE_HEADER_OVERFLOW') endRaw(socket, 431, 'Request has too long a head')
  else if (code === 'ERR_HTTP_REQUEST_TIMEOUT') endRaw(socket, 408, 'Request was not sent in time')
  else endRaw(socket, 400, 'Unsupported protocol')
}

const reasons: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  408: 'Request Timeout',
  431: 'Request Header Fields Too Large',
  503: 'Service Unavailable',
}

function endRaw(
  socket: { end(text: string): unknown; destroySoon?: () => void },
  status: number,
  error: string,
  more = '',
): void {
  const body = JSON.stringify({ Error: error })
  socket.end(
    `HTTP/1.1 ${status} ${reasons[status]}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\nConnection: close${more}\r\n\r\n${body}`,
  )
  socket.destroySoon?.()
}
