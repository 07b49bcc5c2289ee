/**
 * One pool of kept-alive connections for a whole fleet: a thousand devices that poll every few seconds need a few dozen
 * of them, not a thousand. What a device sends is the same bytes as over a connection of its own; only the log of the
 * server's proxies could tell.
 */
import { Agent as HttpAgent, request as httpRequest } from 'node:http'
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https'
import { Readable } from 'node:stream'
import { finished } from 'node:stream/promises'
import type { Transport, TransportReply } from '@waymark/agent'

export interface PooledTransport {
  readonly transport: Transport
  /** Ends connections; requests that are under way break. */
  close(): void
}

/** Makes a transport that opens at most so many connections; further requests wait for one. */
export function createPooledTransport(connectionsMax = 64): PooledTransport {
  const options = { keepAlive: true, maxSockets: connectionsMax, scheduling: 'fifo' } as const
  const plain = new HttpAgent(options)
  const secure = new HttpsAgent(options)
  const transport: Transport = ({ method, url, headers, body, signal }) =>
    new Promise<TransportReply>((resolve, reject) => {
      const target = new URL(url)
      const https = target.protocol === 'https:'
      if (!https && target.protocol !== 'http:')
        return reject(new Error(`address ${target.protocol}: wanted http or https`))
      const length =
        body === undefined ? undefined : typeof body === 'string' ? Buffer.byteLength(body) : body.length
      const request = (https ? httpsRequest : httpRequest)(target, {
        method,
        agent: https ? secure : plain,
        headers: { ...headers, ...(length === undefined ? {} : { 'content-length': String(length) }) },
        signal,
      })
      request.on('response', (response) => {
        const flat: Record<string, string> = {}
        for (const [name, value] of Object.entries(response.headers))
          if (value !== undefined) flat[name] = Array.isArray(value) ? value.join(', ') : value
        resolve({ status: response.statusCode ?? 0, headers: flat, body: response })
      })
      request.on('error', reject)
      if (body === undefined || typeof body === 'string') request.end(body)
      else void finished(Readable.from(body.bytes, { objectMode: false }).pipe(request)).catch(reject)
    })
  return {
    transport,
    close() {
      plain.destroy()
      secure.destroy()
    },
  }
}
