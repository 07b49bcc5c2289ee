/**
 * Following the journal: every entry after a cursor, then every entry as it is committed, none twice and none skipped,
 * over as many connections as it takes. The cursor of the last entry handed on decides where the next connection
 * begins; the server's heartbeat tells a silent stream from a dead one.
 */
import { FleetFault, FleetProblem } from './errors.ts'
import { createEventReader, type ServerEvent } from './events.ts'
import { type Answer, type Exchange, Interrupted, problemFrom } from './exchange.ts'
import type { JournalEntry } from './generated/operations.ts'
import { type Outside, sleep } from './outside.ts'
import { backoff } from './retry.ts'

export interface FollowOptions {
  /** A cursor: what came after it. Absent: from now on. */
  readonly after?: string | undefined
  /** Id or nick: only what concerns this device. */
  readonly device?: string | undefined
  /** Ends the following; the iteration then ends too, without an error. */
  readonly signal?: AbortSignal | undefined
  /** A connection is made anew after this long, so that it never outlives its token. Default: 15 minutes; at least a second. */
  readonly renewMs?: number | undefined
  /** Told when a connection was lost and another one is tried. */
  readonly onLost?: ((error: Error) => void) | undefined
}

/** Iterate over it once. Refusals (no right, a cursor that is too old) end it with a `FleetProblem`. */
export interface Following extends AsyncIterable<JournalEntry> {
  /**
   * Connects, and answers the cursor from which on nothing will be missed: read lists after this, and then iterate.
   * Unlike later connections the first one is given up when nobody answers.
   */
  open(): Promise<string>
  /** Behind the last entry that was handed on. */
  readonly cursor: string | undefined
}

/** Three heartbeats of the server. */
const silenceMs = 45_000
const renewMsDefault = 15 * 60_000
const renewMsMin = 1000
const waits = { firstMs: 500, capMs: 15_000 }

export function followJournal(
  needs: {
    exchange: Exchange
    outside: Outside
    path: (query: Record<string, string | undefined>) => string
  },
  options: FollowOptions,
): Following {
  const { exchange, outside, path } = needs
  const { device, signal, onLost, renewMs = renewMsDefault } = options
  let cursor = options.after
  let ready: Connection | undefined

  return {
    get cursor() {
      return cursor
    },
    async open() {
      ready ??= await connected()
      return cursor ?? ''
    },
    async *[Symbol.asyncIterator]() {
      // The first connection is asked for by its caller, who wants to hear that nobody is there.
      let connection: Connection | undefined = ready ?? (await quietly(connected()))
      for (let failures = 0; !signal?.aborted; ) {
        try {
          connection ??= await connected()
          for await (const event of connection.events) {
            failures = 0
            const entry = entryOf(event)
            cursor = event.id
            yield entry
          }
          if (connection.renewed()) {
            connection = undefined
            continue
          }
          throw new Interrupted('the stream ended')
        } catch (error) {
          if (signal?.aborted) return
          if (!isPassing(error)) throw error
          onLost?.(error)
          connection = undefined
          failures += 1
          await quietly(
            sleep(
              outside,
              backoff(failures, () => outside.random(), waits),
              signal,
            ),
          )
        }
      }
    },
  }

  /** What the caller's own signal ends is no error. */
  async function quietly<T>(work: Promise<T>): Promise<T | undefined> {
    try {
      return await work
    } catch (error) {
      if (signal?.aborted) return undefined
      throw error
    }
  }

  /** Connects behind the cursor, and reads until the server has said where it begins. */
  async function connected(): Promise<Connection> {
    const answer = await exchange.send({
      method: 'GET',
      path: path({ after: cursor, device }),
      headers: { accept: 'text/event-stream' },
      mayRepeat: true,
      signal,
    })
    const connection = connectionOf(answer, outside, outside.now() + Math.max(renewMs, renewMsMin))
    const start = await connection.begun()
    cursor ??= start
    return connection
  }
}

interface Connection {
  /** The id that the server sent first: where this stream begins. */
  begun(): Promise<string | undefined>
  readonly events: AsyncIterable<ServerEvent>
  /** Whether it ended because its time was up. */
  renewed(): boolean
}

function connectionOf(answer: Answer, outside: Outside, until: number): Connection {
  const decoder = new TextDecoder()
  const reader = createEventReader()
  const pieces = answer.pieces(silenceMs)
  const waiting: ServerEvent[] = []
  let ended = false
  let timeUp = false

  async function more(): Promise<void> {
    const { done, value } = await pieces.next()
    if (done) ended = true
    else waiting.push(...reader.feed(decoder.decode(value, { stream: true })))
  }

  return {
    async begun() {
      while (!ended && reader.firstId === undefined) await more()
      return reader.firstId
    },
    events: {
      async *[Symbol.asyncIterator]() {
        try {
          for (;;) {
            for (let event = waiting.shift(); event !== undefined; event = waiting.shift()) yield event
            if (ended) return
            // Looked at between pieces; the heartbeat brings one often enough.
            timeUp = outside.now() >= until
            if (timeUp) return
            await more()
          }
        } finally {
          await pieces.return(undefined)
        }
      },
    },
    renewed: () => timeUp,
  }
}

/** An event as an entry; the server's last word, that the cursor's entries are gone, as the refusal it is. */
function entryOf({ event, data }: ServerEvent): JournalEntry {
  let value: unknown
  try {
    value = JSON.parse(data)
  } catch {
    value = undefined
  }
  if (typeof value !== 'object' || value === null)
    throw new FleetFault('unexpected-answer', {
      thing: `event ${event}`,
      wanted: 'a journal entry in JSON',
      got: data.slice(0, 80),
    })
  if (event === 'gone') {
    const { kind, ...facts } = value as { kind?: unknown }
    throw problemFrom(410, {
      type: typeof kind === 'string' ? kind : 'cursor-too-old',
      detail: 'entries after this cursor have been dropped; begin again at `oldest`',
      ...facts,
    })
  }
  // The shape is the contract's, from whose schemas the type was generated.
  return value as JournalEntry
}

/** Whether trying again can help: a broken line, a server that is busy or starts anew. */
function isPassing(error: unknown): error is Error {
  if (error instanceof Interrupted) return true
  if (error instanceof FleetFault) return error.kind === 'unreachable'
  return error instanceof FleetProblem && (error.status >= 500 || error.status === 429)
}
