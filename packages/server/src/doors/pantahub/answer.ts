/**
 * What a handler is asked and what it answers. Handlers know no sockets: they get a caller who has been let in, the parts
 * of a request, and say what is to be sent. The door (`dispatch.ts`) does the rest.
 */
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import { Readable } from 'node:stream'
import type { Result } from '@waymark/domain'
import type { AnonymousCaller, DeviceCaller, ServiceCaller, UserCaller } from '../../access.ts'
import type { Pieces } from '../../pour.ts'
import type { Refusal } from './errors.ts'
import type { HandlerName, Route, Who } from './routes.ts'

/** Who calls, by the words of the route table. */
export interface CallerOf {
  readonly user: UserCaller
  readonly session: UserCaller
  readonly device: DeviceCaller
  readonly service: ServiceCaller
  readonly anonymous: AnonymousCaller
  readonly none: undefined
}

export interface Asked<C = CallerOf[Who]> {
  readonly caller: C
  /** The token the caller showed; empty without one. */
  readonly bearer: string
  readonly params: Readonly<Record<string, string>>
  /** Of a key given twice, the first value. */
  readonly query: Readonly<Record<string, string | undefined>>
  /** The body's bytes; undefined when there was none, and under mounts whose bodies are streamed. */
  readonly body: Buffer | undefined
  readonly headers: IncomingHttpHeaders
  /** The address that asked. */
  readonly peer: string
  /** The request itself, for those who stream. */
  readonly raw: IncomingMessage
}

export interface Answer {
  /** Default 200. */
  readonly status?: number
  readonly headers?: Readonly<Record<string, string | string[]>>
  /** A value, written in the mount's own way. */
  readonly value?: unknown
  /** JSON that is ready as it is. */
  readonly text?: string
  /** Bytes or pieces of JSON text, sent as they come. */
  readonly stream?: Readable
  /** Bytes by the piece, from buffers that are used again; their length is in the headers. */
  readonly pieces?: Pieces
}

export type Said = Result<Answer, Refusal>
export type Handler<C> = (asked: Asked<C>) => Promise<Said>

/** The handlers the table wants, each with the callers its routes let in. */
export type Handlers = {
  readonly [N in HandlerName]: Handler<CallerOf[Extract<Route, { handler: N }>['who'][number]]>
}

export function say(value: unknown): { readonly ok: true; readonly value: Answer } {
  return { ok: true, value: { value } }
}

export function sayText(text: string): { readonly ok: true; readonly value: Answer } {
  return { ok: true, value: { text } }
}

/** Characters of an array that are gathered before its sending begins. */
const gatheredMax = 256 * 1024

/**
 * A JSON array of ready texts. A short one is sent whole, with its length; a long one as it is read, so that nothing is
 * gathered without bound.
 */
export async function sayArray(
  items: AsyncIterable<string>,
): Promise<{ readonly ok: true; readonly value: Answer }> {
  const iterator = items[Symbol.asyncIterator]()
  let text = '['
  while (text.length < gatheredMax) {
    const next = await iterator.next()
    if (next.done) return sayText(`${text}]`)
    text += text === '[' ? next.value : `,${next.value}`
  }
  const begun = text
  async function* rest() {
    yield begun
    let piece = ''
    for (;;) {
      const next = await iterator.next()
      if (next.done) break
      piece += `,${next.value}`
      if (piece.length < gatheredMax / 4) continue
      yield piece
      piece = ''
    }
    yield `${piece}]`
  }
  return { ok: true, value: { stream: Readable.from(rest(), { objectMode: false }) } }
}
