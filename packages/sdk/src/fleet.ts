/**
 * The client of the fleet door: one method per operation, made from the table that was generated from the door's own
 * document, so that the two cannot drift apart. By hand there is only what a table cannot say: going through the pages
 * of a list, following the journal, and moving the bytes of objects.
 */
import { createExchange } from './exchange.ts'
import { type Following, type FollowOptions, followJournal } from './follow.ts'
import { type Operations, operations, type StoredObject } from './generated/operations.ts'
import {
  type GetOptions,
  getObject,
  lengthIsOurs,
  type ObjectNeeds,
  type PutOptions,
  putObject,
} from './objects.ts'
import { type Outside, realOutside } from './outside.ts'
import { type RetryPolicy, retryDefault } from './retry.ts'
import { createSha256, type Hash } from './sha256.ts'

export type OperationId = keyof Operations
export type Asked<K extends OperationId> = Operations[K]['asked']
export type Answered<K extends OperationId> = Operations[K]['answer']

type Table = typeof operations
/** Operations that ask in JSON, or with nothing, and answer in JSON. */
export type CallId = {
  [K in OperationId]: Table[K] extends { answer: 'json'; body: 'json' | 'none' } ? K : never
}[OperationId]
/** Operations that answer a page of a list. */
export type ListId = { [K in OperationId]: Table[K] extends { paged: true } ? K : never }[OperationId]
/** What a list is a list of. */
export type Item<K extends ListId> = Answered<K>['items'][number]

export interface CallOptions {
  readonly signal?: AbortSignal | undefined
  /** Under which a POST is carried out once, however often it is sent. Absent: one is made for each call. */
  readonly idempotencyKey?: string | undefined
}

export type Call<K extends CallId> =
  Record<string, never> extends Asked<K>
    ? (asked?: Asked<K>, options?: CallOptions) => Promise<Answered<K>>
    : (asked: Asked<K>, options?: CallOptions) => Promise<Answered<K>>

export type Calls = { readonly [K in CallId]: Call<K> }

/**
 * Every method rejects with a `FleetProblem` when the server refuses, with a `FleetFault` when there is no answer to be
 * had, and with the signal's reason when it is aborted.
 */
export interface Fleet extends Calls {
  /** The address it talks to. */
  readonly url: string
  /** All items of a list, page by page as they are taken. */
  each<K extends ListId>(
    id: K,
    asked?: Omit<Asked<K>, 'cursor'>,
    options?: CallOptions,
  ): AsyncGenerator<Item<K>, void, undefined>
  /** The journal: what comes after a cursor, and then what happens. */
  follow(options?: FollowOptions): Following
  /** Stores bytes under their sha256; those that are stored already are not sent. */
  putObject(bytes: Blob | Uint8Array<ArrayBuffer>, options?: PutOptions): Promise<StoredObject>
  /** The bytes of an object, which are proved to be whole by the end of the iteration. */
  getObject(sha256: string, options?: GetOptions): AsyncGenerator<Uint8Array, void, undefined>
}

export interface FleetOptions {
  /** The server's address, such as `http://127.0.0.1:8080`. */
  readonly url: string
  /** A login token, or where to get one: asked before every attempt, so that it may be renewed in between. */
  readonly token?: string | (() => string | undefined | Promise<string | undefined>) | undefined
  readonly fetch?: typeof fetch
  readonly retry?: Partial<RetryPolicy>
  /** How long the head of an answer, or the next piece of a body, may take. Default: 30 s. */
  readonly patienceMs?: number
  /** A SHA-256 that is faster than the portable one. */
  readonly createHash?: () => Hash
  /** Whether uploads are sent as streams that are counted, not as whole Blobs. Default: where a stream may say its length. */
  readonly streamUploads?: boolean
  readonly outside?: Outside
}

/**
 *     const fleet = createFleet({ url: 'http://127.0.0.1:8080', token })
 *     const pump = await fleet.getDevice({ device: 'pump' })
 *     await fleet.postStep({ device: pump.id, body: { state, commitMsg: 'new firmware' } })
 *     for await (const device of fleet.each('listDevices', { label: 'site=north' })) …
 */
export function createFleet(options: FleetOptions): Fleet {
  const outside = options.outside ?? realOutside
  const retry = { ...retryDefault, ...options.retry }
  const { token } = options
  const url = options.url.replace(/\/+$/, '')
  const exchange = createExchange({
    url,
    token: async () => (typeof token === 'function' ? token() : token),
    fetch: options.fetch ?? ((input, init) => fetch(input, init)),
    outside,
    retry,
    patienceMs: options.patienceMs ?? 30_000,
  })

  async function call(
    id: OperationId,
    asked: Readonly<Record<string, unknown>>,
    { signal, idempotencyKey }: CallOptions,
  ): Promise<unknown> {
    const { method, body, key } = operations[id]
    const sent = body === 'json' ? JSON.stringify(asked.body) : undefined
    return exchange.json({
      method,
      path: pathOf(id, asked),
      headers: {
        ...(sent === undefined ? {} : { 'content-type': 'application/json' }),
        ...(key ? { 'idempotency-key': idempotencyKey ?? outside.newKey() } : {}),
      },
      ...(sent === undefined ? {} : { body: () => sent }),
      mayRepeat: method !== 'POST' || key,
      signal,
    })
  }

  const calls = Object.fromEntries(
    Object.entries(operations)
      .filter(([, { body, answer }]) => body !== 'bytes' && answer === 'json')
      .map(([id]) => [
        id,
        (asked: Readonly<Record<string, unknown>> = {}, given: CallOptions = {}) =>
          call(id as OperationId, asked, given),
      ]),
    // The one cast: the types were generated together with the table, from the same schemas.
  ) as unknown as Calls

  async function* each<K extends ListId>(
    id: K,
    asked: Omit<Asked<K>, 'cursor'> | undefined,
    given: CallOptions = {},
  ): AsyncGenerator<Item<K>, void, undefined> {
    let cursor: string | undefined
    do {
      const page = (await call(id, { ...asked, cursor }, given)) as {
        readonly items: readonly Item<K>[]
        readonly next?: string
      }
      yield* page.items
      cursor = page.next
    } while (cursor !== undefined)
  }

  const objects: ObjectNeeds = {
    exchange,
    outside,
    retry,
    createHash: options.createHash ?? createSha256,
    streams: options.streamUploads ?? lengthIsOurs(),
    path: pathOf,
    info: (sha256, signal) => calls.getObjectInfo({ sha256 }, { signal }),
  }

  return {
    ...calls,
    url,
    each,
    follow: (given = {}) =>
      followJournal({ exchange, outside, path: (query) => pathOf('followJournal', query) }, given),
    putObject: (bytes, given = {}) =>
      putObject(objects, bytes instanceof Blob ? bytes : new Blob([bytes]), given),
    getObject: (sha256, given = {}) => getObject(objects, sha256, given),
  }
}

/** The path of an operation with its parameters in place, and its query. */
function pathOf(id: OperationId, asked: Readonly<Record<string, unknown>>): string {
  const { path, query } = operations[id]
  const filled = path.replace(/\{(\w+)\}/g, (_, name: string) => segment(asked[name]))
  const pairs = query.flatMap((name) => {
    const value = asked[name]
    return value === undefined ? [] : [`${name}=${encodeURIComponent(String(value))}`]
  })
  return pairs.length === 0 ? filled : `${filled}?${pairs.join('&')}`
}

/** `.` and `..` are steps in a path even when they are written as %2E (URL standard): no device can be called so. */
function segment(value: unknown): string {
  const text = encodeURIComponent(String(value))
  return text === '.' || text === '..' || text === '' ? '%20' : text
}
