/**
 * The transport over real sockets: HTTP and HTTPS with kept-alive connections, bodies streamed both ways.
 *
 * Follows no redirect, since a device talks to the hub it was given and to the stores that hub names, no other. With a
 * proxy, HTTP is asked of it by whole addresses, and HTTPS goes through a tunnel (CONNECT), so that the proxy sees nothing
 * of it; `creds.proxy.noproxyconnect` leaves the tunnel to a proxy that speaks TLS to the hub itself.
 */
import type { Agent } from 'node:http'
import { urlToHttpOptions } from 'node:url'
import type { Transport, TransportReply } from '../ports.ts'
import { plainHttp } from './plain-http.ts'

const { Agent: HttpAgent, request: httpRequest } = plainHttp

/** Connections that are kept, and the request that uses them. */
interface Way {
  readonly agent: Agent
  readonly ask: typeof httpRequest
}

/** A way out through somebody else. */
export interface Proxy {
  readonly host: string
  readonly port: number
  /** Ask it for whole addresses under https too, without a tunnel. */
  readonly noConnect: boolean
  /** Hosts that are reached directly, as NO_PROXY lists them. */
  readonly except: string
}

/** Makes a transport with connections of its own; `close` ends those that are idle. */
export function createRealTransport(proxy?: Proxy): { transport: Transport; close: () => void } {
  const proxyUrl = proxy && `http://${proxy.host}:${proxy.port}`
  const way = proxyUrl
    ? { proxyEnv: { HTTP_PROXY: proxyUrl, HTTPS_PROXY: proxyUrl, NO_PROXY: proxy.except } }
    : {}
  const plain = new HttpAgent({ keepAlive: true, maxSockets: 16, ...way })
  // TLS takes some megabytes of memory, which a device whose hub is near (or behind a terminating proxy) keeps.
  let secure: Promise<Way> | undefined
  const secureWay = (): Promise<Way> => {
    secure ??= import('node:https').then(({ Agent, request: ask }) => {
      const agent = new Agent({ keepAlive: true, maxSockets: 16, ...way })
      return { agent, ask }
    })
    return secure
  }
  const direct = new HttpAgent({ keepAlive: true, maxSockets: 16 })
  const transport: Transport = async ({ method, url, headers, body, signal }) => {
    const target = new URL(url)
    const https = target.protocol === 'https:'
    if (!https && target.protocol !== 'http:')
      throw new Error(`address ${target.protocol}: wanted http or https`)
    const length =
      body === undefined ? undefined : typeof body === 'string' ? Buffer.byteLength(body) : body.length
    const entrusted = proxy?.noConnect && https && !isExcepted(target.hostname, proxy.except)
    const { agent, ask } = https && !entrusted ? await secureWay() : { agent: plain, ask: httpRequest }
    if (signal.aborted) throw new Error('aborted')
    const where = entrusted
      ? { host: proxy.host, port: proxy.port, path: target.href, agent: direct, setHost: false }
      : { ...urlToHttpOptions(target), agent }
    return new Promise<TransportReply>((resolve, reject) => {
      const request = ask({
        ...where,
        method,
        headers: {
          ...(entrusted ? { host: target.host } : {}),
          ...headers,
          ...(length === undefined ? {} : { 'content-length': String(length) }),
        },
        signal,
      })
      request.on('response', (response) => {
        const flat: Record<string, string> = {}
        for (const [name, value] of Object.entries(response.headers))
          if (value !== undefined) flat[name] = Array.isArray(value) ? value.join(', ') : value
        resolve({ status: response.statusCode ?? 0, headers: flat, body: response })
      })
      request.on('error', reject)
      if (body === undefined) request.end()
      else if (typeof body === 'string') request.end(body)
      else void sendBody(request, body.bytes).catch((cause: unknown) => request.destroy(asError(cause)))
    })
  }
  return {
    transport,
    close() {
      plain.destroy()
      void secure?.then(({ agent }) => agent.destroy())
      direct.destroy()
    },
  }
}

/** Whether NO_PROXY means this host: by its name, by the end of it after a dot, or by `*`. */
export function isExcepted(host: string, except: string): boolean {
  return except
    .split(',')
    .map((each) =>
      each
        .trim()
        .toLowerCase()
        .replace(/^\*?\./, ''),
    )
    .some((each) => each === '*' || each === host || (each !== '' && host.endsWith(`.${each}`)))
}

async function sendBody(
  request: ReturnType<typeof httpRequest>,
  bytes: AsyncIterable<Uint8Array>,
): Promise<void> {
  for await (const part of bytes) {
    if (request.destroyed) return
    if (!request.write(part))
      await new Promise<void>((resolve) => {
        const go = () => {
          request.off('drain', go)
          request.off('close', go)
          resolve()
        }
        request.on('drain', go)
        request.on('close', go)
      })
  }
  request.end()
}

const asError = (cause: unknown): Error => (cause instanceof Error ? cause : new Error(String(cause)))
