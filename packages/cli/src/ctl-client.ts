/**
 * A client of a device's control socket: one request, one connection, as Pantavisor's own client has it.
 *
 * Knows HTTP over a Unix socket and where the socket may be; what the requests mean is for `commands/ctl.ts`.
 */
import { createReadStream, existsSync } from 'node:fs'
import { stat } from 'node:fs/promises'
import { type IncomingMessage, request } from 'node:http'
import { Failure } from './io.ts'

/** Where a socket is looked for when nothing says otherwise: beside an agent started here, then Pantavisor's places. */
export const socketPlaces = [
  './agent/control/pv-ctrl',
  '/run/pantavisor/pv/pv-ctrl',
  '/pv/pv-ctrl',
  '/pantavisor/pv-ctrl',
] as const

/** How long the socket may be silent. Milliseconds; a collection may take its time. */
const patienceMs = 120_000
/** The longest reply that is held in memory. */
const replyLimit = 64 * 1024 * 1024

export interface CtlReply {
  readonly status: number
  readonly text: string
}

/** What is sent: text, or a file by its path. */
export type CtlBody = string | { readonly file: string }

export interface CtlClient {
  readonly socket: string
  /** Rejects with a `Failure` when nobody answers. Any status is an answer. */
  ask(method: string, path: string, body?: CtlBody): Promise<CtlReply>
  /** The bytes of a reply that is 200; else a `Failure` with the refusal. */
  bytes(path: string): Promise<AsyncIterable<Uint8Array>>
}

/** The socket that is meant: the flag, WAYMARK_CONTROL, or the first of the places that is there. */
export function socketOf(
  flag: string | undefined,
  env: Readonly<Record<string, string | undefined>>,
): string {
  const given = flag ?? env.WAYMARK_CONTROL ?? socketPlaces.find((path) => existsSync(path))
  if (given === undefined || given === '')
    throw new Failure(
      2,
      `ctl: wanted --socket PATH or WAYMARK_CONTROL, found none at ${socketPlaces.join(', ')}`,
    )
  return given
}

export function createCtlClient(socket: string): CtlClient {
  async function send(method: string, path: string, body: CtlBody | undefined): Promise<IncomingMessage> {
    const size = typeof body === 'object' ? (await stat(body.file)).size : Buffer.byteLength(body ?? '')
    return new Promise((answered, failed) => {
      const sent = request({
        socketPath: socket,
        method,
        path,
        agent: false,
        timeout: patienceMs,
        headers: { host: 'localhost', ...(body === undefined ? {} : { 'content-length': String(size) }) },
      })
      const fail = (cause: Error): void => failed(new Failure(1, `${socket}: ${cause.message}`, { cause }))
      sent.on('response', answered)
      sent.on('timeout', () => sent.destroy(new Error(`no answer within ${patienceMs / 1000} s`)))
      sent.on('error', fail)
      if (typeof body === 'object') createReadStream(body.file).on('error', fail).pipe(sent)
      else sent.end(body)
    })
  }

  async function read(reply: IncomingMessage): Promise<CtlReply> {
    const parts: Buffer[] = []
    let size = 0
    for await (const part of reply as AsyncIterable<Buffer>) {
      size += part.length
      if (size > replyLimit) throw new Failure(1, `${socket}: wanted at most ${replyLimit} bytes, got more`)
      parts.push(part)
    }
    return { status: reply.statusCode ?? 0, text: Buffer.concat(parts).toString('utf8') }
  }

  return {
    socket,
    ask: async (method, path, body) => read(await send(method, path, body)),
    async bytes(path) {
      const reply = await send('GET', path, undefined)
      if (reply.statusCode !== 200) throw refusalOf(path, await read(reply))
      return reply as AsyncIterable<Buffer>
    },
  }
}

/** A refusal in one line. */
export function refusalOf(thing: string, { status, text }: CtlReply): Failure {
  let said = text.slice(0, 200)
  try {
    const raw: unknown = JSON.parse(text)
    if (typeof raw === 'object' && raw !== null && 'Error' in raw) said = String(raw.Error)
  } catch {
    // Not ours to read then: as it came.
  }
  return new Failure(1, `${thing}: ${said === '' ? 'refused' : said} (${status})`)
}
