/**
 * One request and its answer, repeated where that is lawful. Here everything about HTTP is decided that all operations
 * share: the token, the time an answer may take, what is an error and what a refusal, and how much of an answer is read.
 * Knows no operation.
 */
import { FleetFault, FleetProblem, reasonOf } from './errors.ts'
import { type Outside, sleep } from './outside.ts'
import { type Miss, type RetryPolicy, retryAfterMs, waitBefore } from './retry.ts'

/** What is sent. `body` is made anew for every attempt, since a stream can be read only once. */
export interface Sending {
  readonly method: string
  /** With its query, below the server's address. */
  readonly path: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: (() => string | Blob | ReadableStream<Uint8Array>) | undefined
  /** Whether asking twice does no harm. */
  readonly mayRepeat: boolean
  readonly signal?: AbortSignal | undefined
  /** How long the head of the answer may take; absent: the client's. Zero: as long as it likes. */
  readonly patienceMs?: number
  /** The most bytes of an answer in JSON that are read; absent: 64 MiB. */
  readonly jsonBytesMax?: number
}

export interface ExchangeNeeds {
  /** The server's address, without a slash at its end. */
  readonly url: string
  readonly token: () => Promise<string | undefined>
  readonly fetch: typeof fetch
  readonly outside: Outside
  readonly retry: RetryPolicy
  readonly patienceMs: number
}

export type Exchange = ReturnType<typeof createExchange>

/** An answer that was good, while its body is still coming. */
export interface Answer {
  readonly status: number
  readonly headers: Headers
  /** The body in pieces; rejects with `Interrupted` when it breaks off or falls silent. */
  pieces(silenceMs?: number): AsyncGenerator<Uint8Array>
}

/** A body that broke off. */
export class Interrupted extends Error {
  override readonly name = 'Interrupted'
}

/** The most that is read of an answer in JSON, and of a refusal. */
const jsonBytesDefault = 64 * 1024 * 1024
const problemBytesMax = 1024 * 1024

export function createExchange(needs: ExchangeNeeds) {
  const { outside, retry, url } = needs

  /** Answers what came, if it was good; rejects with `FleetProblem` or `FleetFault`, or with the signal's reason. */
  async function send(sending: Sending): Promise<Answer> {
    for (let attempt = 1; ; attempt++) {
      const outcome = await once(sending)
      if (outcome.ok) return outcome.answer
      const waitMs = waitBefore(outcome.miss, {
        attempt,
        mayRepeat: sending.mayRepeat,
        random: () => outside.random(),
        policy: retry,
      })
      if (waitMs === undefined) throw outcome.error
      await sleep(outside, waitMs, sending.signal)
    }
  }

  /** The same for answers in JSON; a body that breaks off counts as no answer. */
  async function json(sending: Sending): Promise<unknown> {
    for (let attempt = 1; ; attempt++) {
      const answer = await send(sending)
      try {
        return parsed(await textOf(answer.pieces(), sending.jsonBytesMax ?? jsonBytesDefault), answer)
      } catch (error) {
        if (!(error instanceof Interrupted)) throw error
        const waitMs = waitBefore(
          { kind: 'no-answer' },
          { attempt, mayRepeat: sending.mayRepeat, random: () => outside.random(), policy: retry },
        )
        if (waitMs === undefined) throw unreachable(sending, error)
        await sleep(outside, waitMs, sending.signal)
      }
    }
  }

  type Outcome =
    | { readonly ok: true; readonly answer: Answer }
    | { readonly ok: false; readonly miss: Miss; readonly error: Error }

  async function once(sending: Sending): Promise<Outcome> {
    const { signal } = sending
    signal?.throwIfAborted()
    const token = await needs.token()
    const ending = new AbortController()
    const stop = (): void => ending.abort(signal?.reason)
    signal?.addEventListener('abort', stop, { once: true })
    const patienceMs = sending.patienceMs ?? needs.patienceMs
    const cancel =
      patienceMs === 0
        ? () => {}
        : outside.after(patienceMs, () => ending.abort(new Interrupted(`no answer within ${patienceMs} ms`)))
    const letGo = (): void => signal?.removeEventListener('abort', stop)
    try {
      const response = await needs.fetch(`${url}${sending.path}`, {
        method: sending.method,
        headers: {
          accept: 'application/json, application/problem+json, */*',
          ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
          ...sending.headers,
        },
        redirect: 'error',
        signal: ending.signal,
        ...(sending.body === undefined ? {} : { body: sending.body(), duplex: 'half' as const }),
      })
      const answer = answerOf(response, ending, letGo)
      if (response.ok) return { ok: true, answer }
      const error = await problemOf(sending, answer)
      return {
        ok: false,
        miss: { kind: 'status', status: error.status, retryAfterMs: error.retryAfterMs },
        error,
      }
    } catch (error) {
      letGo()
      signal?.throwIfAborted()
      if (error instanceof FleetFault) throw error
      const reason: unknown = ending.signal.aborted ? ending.signal.reason : error
      return { ok: false, miss: { kind: 'no-answer' }, error: unreachable(sending, reason) }
    } finally {
      cancel()
    }
  }

  function answerOf(response: Response, ending: AbortController, letGo: () => void): Answer {
    return {
      status: response.status,
      headers: response.headers,
      async *pieces(silenceMs = needs.patienceMs) {
        const reader: ReadableStreamDefaultReader<Uint8Array> | undefined = response.body?.getReader()
        if (reader === undefined) return
        let ended = false
        try {
          for (;;) {
            const cancel = outside.after(silenceMs, () =>
              ending.abort(new Interrupted(`silence for ${silenceMs} ms`)),
            )
            const { done, value } = await reader.read().finally(cancel)
            if (done) break
            yield value
          }
          ended = true
        } catch (error) {
          // Aborted by the caller: its own reason. Aborted by silence, or broken off: an interruption.
          const reason: unknown = ending.signal.aborted ? ending.signal.reason : error
          if (ending.signal.aborted && !(reason instanceof Interrupted)) throw reason
          throw reason instanceof Interrupted ? reason : new Interrupted(reasonOf(reason), { cause: reason })
        } finally {
          letGo()
          // Whoever stops reading early lets go of the connection too.
          if (!ended) ending.abort(new Interrupted('not read to its end'))
        }
      },
    }
  }

  const requestOf = ({ method, path }: Sending): string => `${method} ${url}${path}`

  function unreachable(sending: Sending, reason: unknown): FleetFault {
    return new FleetFault(
      'unreachable',
      { thing: requestOf(sending), wanted: 'an answer', got: reasonOf(reason) },
      { cause: reason },
    )
  }

  async function problemOf(sending: Sending, answer: Answer): Promise<FleetProblem> {
    const { status } = answer
    const waitMs = retryAfterMs(answer.headers.get('retry-after'), outside.now())
    const text = await textOf(answer.pieces(), problemBytesMax).catch(() => '')
    return problemFrom(status, readJson(text), { request: requestOf(sending), retryAfterMs: waitMs })
  }

  function parsed(text: string, answer: Answer): unknown {
    const value = readJson(text)
    if (value !== undefined) return value
    const type = answer.headers.get('content-type') ?? 'something without a type'
    throw new FleetFault('unexpected-answer', {
      thing: url,
      wanted: 'an answer in JSON from a fleet door',
      got: `${type} (status ${answer.status})`,
    })
  }

  return { send, json }
}

/** Problem details as an error, whatever was left out of them. */
export function problemFrom(
  status: number,
  body: unknown,
  known: { request?: string; retryAfterMs?: number | undefined } = {},
): FleetProblem {
  const given: Readonly<Record<string, unknown>> =
    typeof body === 'object' && body !== null ? { ...body } : {}
  const { type, title, status: _status, detail, ...facts } = given
  const kind = typeof type === 'string' ? type.replace(/^urn:waymark:/, '') : 'about:blank'
  const said = typeof detail === 'string' ? detail : typeof title === 'string' ? title : `status ${status}`
  return new FleetProblem({ kind, status, detail: said, facts, ...known })
}

async function textOf(pieces: AsyncIterable<Uint8Array>, bytesMax: number): Promise<string> {
  const decoder = new TextDecoder()
  let text = ''
  let bytes = 0
  for await (const piece of pieces) {
    bytes += piece.byteLength
    if (bytes > bytesMax)
      throw new FleetFault('unexpected-answer', {
        thing: 'an answer',
        wanted: `at most ${bytesMax} bytes`,
        got: 'more',
      })
    text += decoder.decode(piece, { stream: true })
  }
  return text + decoder.decode()
}

/** The value, or undefined when the text is no JSON. */
function readJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch {
    return undefined
  }
}
