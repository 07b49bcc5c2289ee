/**
 * A client of the device's control socket, as a controller in a container uses it: one connection per request.
 *
 * Any status is an answer. No answer at all (`Away`) means that the device is starting anew: whoever asks waits.
 */
import { request } from 'node:http'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'

export interface ControlAnswer {
  readonly status: number
  readonly text: string
  /** Undefined for what is no JSON. */
  readonly json: unknown
  readonly retryAfterMs: number | undefined
}

/** Nobody answered at the socket. */
export class Away extends Error {
  override readonly name = 'Away'
}

export interface ControlClient {
  ask(method: string, path: string, body?: string): Promise<ControlAnswer>
  /** Sends a stream; `length` when it is known. Rejects with the source's error when that breaks. */
  send(path: string, bytes: AsyncIterable<Uint8Array>, length: number | undefined): Promise<ControlAnswer>
}

/** The longest reply that is taken, in bytes. */
const replyLimit = 16 * 1024 * 1024

export function createControlClient(socketPath: string, patienceMs = 60_000): ControlClient {
  function exchange(
    method: string,
    path: string,
    headers: Readonly<Record<string, string>>,
    body: string | AsyncIterable<Uint8Array> | undefined,
  ): Promise<ControlAnswer> {
    return new Promise((answered, failed) => {
      const sent = request({
        socketPath,
        method,
        path,
        agent: false,
        timeout: patienceMs,
        headers: { host: 'localhost', ...headers },
      })
      sent.on('timeout', () => sent.destroy(new Error(`no answer within ${patienceMs} ms`)))
      sent.on('error', (cause) => failed(new Away(`${socketPath}: ${cause.message}`, { cause })))
      sent.on('response', (reply) => {
        const parts: Buffer[] = []
        let size = 0
        reply.on('data', (part: Buffer) => {
          size += part.length
          if (size > replyLimit) reply.destroy(new Error(`a reply over ${replyLimit} bytes`))
          else parts.push(part)
        })
        reply.on('error', (cause) => failed(new Away(`${socketPath}: ${cause.message}`, { cause })))
        reply.on('end', () => {
          const text = Buffer.concat(parts).toString('utf8')
          const seconds = Number(reply.headers['retry-after'] ?? Number.NaN)
          answered({
            status: reply.statusCode ?? 0,
            text,
            json: parsed(text),
            retryAfterMs: Number.isFinite(seconds) ? Math.min(Math.max(seconds, 0), 3600) * 1000 : undefined,
          })
        })
      })
      if (typeof body !== 'object') {
        sent.end(body)
        return
      }
      // An answer before the end (no space, a wrong name) breaks the stream off, and is the one that counts.
      pipeline(Readable.from(body), sent).catch((cause: unknown) => {
        if (!(cause instanceof Error && 'code' in cause && cause.code === 'ERR_STREAM_PREMATURE_CLOSE'))
          failed(cause)
        else setTimeout(() => failed(new Away(`${socketPath}: broke off`)), 1000).unref()
      })
    })
  }

  return {
    ask: (method, path, body) =>
      exchange(
        method,
        path,
        body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) },
        body,
      ),
    send: (path, bytes, length) =>
      exchange('PUT', path, length === undefined ? {} : { 'content-length': String(length) }, bytes),
  }
}

/** The refusal of an answer in words. */
export function refusalOf({ status, text, json }: ControlAnswer): string {
  const said =
    typeof json === 'object' && json !== null && 'Error' in json ? String(json.Error) : text.slice(0, 200)
  return `${said} (${status})`
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
