/**
 * Another Pantahub server, as its owner sees it through its API: Pantahub Base, or anything that speaks like it.
 *
 * It is read and never written. Nothing it says is believed without a look: answers are bounded in size, ids, revisions
 * and shas are held against what was asked for, bytes against their sha256. It is asked where it was said to be and
 * nowhere else: redirects are not followed, and a download address that leads elsewhere is refused unless it was named.
 * The login goes with requests to the API alone, never with those for bytes.
 */
import { type Answer, createExchange, type Exchange, FleetFault, FleetProblem, reasonOf } from '@waymark/sdk'
import type { Outside } from '../outside.ts'
import { printable } from '../show/words.ts'
import {
  describeJson,
  deviceOf,
  isRecord,
  type MovedDevice,
  type MovedObject,
  type MovedStep,
  objectOf,
  stepOf,
} from './records.ts'

/** What a source did that cannot be worked with; one line for people. */
export class SourceFault extends Error {
  override readonly name = 'SourceFault'
  /** It does not answer any more: there is no use in asking for the next thing. */
  readonly gone: boolean

  constructor(message: string, options: { cause?: unknown; gone?: boolean } = {}) {
    super(message, options)
    this.gone = options.gone ?? false
  }
}

export interface SourceOptions {
  /** Its address, without a slash at the end. */
  readonly url: string
  readonly name: string
  readonly password: string
  readonly outside: Outside
  readonly signal: AbortSignal
  /** A further origin that bytes may come from, where the source keeps them elsewhere. */
  readonly objectsFrom?: string | undefined
  /** How much of an answer is read, in bytes: of a list, and of one thing. */
  readonly limits?: { readonly list: number; readonly record: number }
}

export type Source = Awaited<ReturnType<typeof openSource>>

const limitsDefault = { list: 256 * 1024 * 1024, record: 32 * 1024 * 1024 }
/** Steps of one trail, and how many are listed at a time. */
const stepsMax = 100_000
const stepPage = 500
/** Base answers 500 for much that is over in a moment. */
const attemptsOn500 = 3
/** The longest that one answer may take from its first byte to its last, however steadily it drips. */
const answerMsMax = 10 * 60_000
const agent = 'waymark'

/** Logs in; throws `SourceFault` when that is refused. */
export async function openSource(options: SourceOptions) {
  const { url, outside, signal, limits = limitsDefault } = options
  let token: string | undefined
  const api = exchangeAt(url, outside, async () => token)
  await login()

  async function login(): Promise<void> {
    token = undefined
    const body = JSON.stringify({ username: options.name, password: options.password, scope: '' })
    let answer: unknown
    try {
      answer = await api.json({
        method: 'POST',
        path: '/auth/login',
        headers: { 'content-type': 'application/json', 'user-agent': agent },
        body: () => body,
        mayRepeat: true,
        jsonBytesMax: limits.record,
        signal,
      })
    } catch (error) {
      if (error instanceof FleetProblem && error.status === 401)
        throw new SourceFault(`${url}: the name is unknown there or the password is wrong`, { cause: error })
      throw faultOf(error, `POST ${url}/auth/login`)
    }
    if (!isRecord(answer) || typeof answer.token !== 'string' || !/^[\w.-]{1,4096}$/.test(answer.token))
      throw new SourceFault(`${url}/auth/login: wanted a token, got ${describeJson(answer)}`)
    token = answer.token
  }

  /** An answer of the API in JSON. A login that has run out is renewed, a 500 is asked again. */
  async function get(path: string, jsonBytesMax = limits.record): Promise<unknown> {
    let renewed = false
    for (let attempt = 1; ; attempt++) {
      const slow = new AbortController()
      const cancel = outside.after(answerMsMax, () =>
        slow.abort(
          new SourceFault(
            `GET ${url}${path}: wanted an answer within ${answerMsMax / 60_000} min, got a part`,
          ),
        ),
      )
      try {
        return await api.json({
          method: 'GET',
          path,
          headers: { 'user-agent': agent },
          mayRepeat: true,
          jsonBytesMax,
          signal: AbortSignal.any([signal, slow.signal]),
        })
      } catch (error) {
        const status = error instanceof FleetProblem ? error.status : undefined
        if (status === 401 && !renewed) {
          renewed = true
          await login()
        } else if (status !== 500 || attempt >= attemptsOn500) throw faultOf(error, `GET ${url}${path}`)
      } finally {
        cancel()
      }
    }
  }

  return {
    url,

    /** Own devices, each once. What has no usable id is told of and left out. */
    async devices(): Promise<{ devices: MovedDevice[]; faults: string[] }> {
      const rows = await get('/devices/', limits.list)
      if (!Array.isArray(rows))
        throw new SourceFault(`${url}/devices/: wanted an array, got ${describeJson(rows)}`)
      const devices = new Map<string, MovedDevice>()
      const faults: string[] = []
      for (const row of rows) {
        const parsed = deviceOf(row)
        if (typeof parsed === 'string') faults.push(`${url}/devices/: ${parsed}`)
        else if (parsed !== undefined) devices.set(parsed.id, parsed)
      }
      return { devices: [...devices.values()], faults }
    },

    /** The ids of devices that have a trail: Base answers 500 to who asks for one that is not there. */
    async trails(): Promise<ReadonlySet<string>> {
      const rows = await get('/trails/', limits.list)
      if (!Array.isArray(rows))
        throw new SourceFault(`${url}/trails/: wanted an array, got ${describeJson(rows)}`)
      return new Set(rows.flatMap((row) => (isRecord(row) && typeof row.id === 'string' ? [row.id] : [])))
    },

    /**
     * All revisions of a trail, ascending, with the sha of what each asks for (empty where it is not told); whether or
     * not the source knows of pages.
     */
    async revisions(device: string): Promise<ReadonlyMap<number, string>> {
      const seen = new Map<number, string>()
      for (let offset = 0; ; ) {
        const status = encodeURIComponent('{"$ne":"-"}')
        const page = `page%5Bsize%5D=${stepPage}&page%5Boffset%5D=${offset}`
        const path = `/trails/${device}/steps?progress.status=${status}&fields=rev,state-sha&${page}`
        const rows = await get(path, limits.list)
        if (!Array.isArray(rows))
          throw new SourceFault(`${url}${path}: wanted an array, got ${describeJson(rows)}`)
        const before = seen.size
        for (const row of rows) {
          const rev = isRecord(row) ? row.rev : undefined
          if (!Number.isSafeInteger(rev) || Number(rev) < 0)
            throw new SourceFault(`${url}${path}: wanted steps with a rev, got ${describeJson(row)}`)
          const sha = isRecord(row) ? row['state-sha'] : undefined
          seen.set(Number(rev), typeof sha === 'string' ? sha : '')
        }
        if (seen.size > stepsMax)
          throw new SourceFault(`trail ${device}: wanted at most ${stepsMax} steps, got more`)
        // A server that does not know of pages answers the same again: nothing new means that it has ended.
        if (seen.size === before) return new Map([...seen].sort(([a], [b]) => a - b))
        offset += rows.length
      }
    },

    /** One step, whole. */
    async step(device: string, rev: number): Promise<MovedStep> {
      const path = `/trails/${device}/steps/${rev}`
      const parsed = stepOf(await get(path), rev)
      if (typeof parsed === 'string') throw new SourceFault(`${url}${path}: ${parsed}`)
      return parsed
    },

    /** An object that a step names: its size and where its bytes are. */
    async object(device: string, rev: number, sha: string): Promise<MovedObject> {
      const path = `/trails/${device}/steps/${rev}/objects/${sha}`
      const parsed = objectOf(await get(path, limits.record), sha)
      if (typeof parsed === 'string') throw new SourceFault(`${url}${path}: ${parsed}`)
      return parsed
    },

    /** The bytes of an object from an offset on, as far as they come in one answer. */
    async *bytes(object: MovedObject, from: number): AsyncGenerator<Uint8Array> {
      const { origin, path } = placeOf(object)
      const bytes = exchangeAt(origin, outside, async () => undefined)
      let answer: Answer
      try {
        answer = await bytes.send({
          method: 'GET',
          path,
          headers: { accept: '*/*', 'user-agent': agent, ...(from === 0 ? {} : { range: `bytes=${from}-` }) },
          mayRepeat: true,
          signal,
        })
      } catch (error) {
        const fault = faultOf(error, `GET ${origin}/… (object ${object.sha256})`)
        throw fault instanceof SourceFault ? new SourceFault(fault.message, { cause: error }) : fault
      }
      const range = answer.headers.get('content-range')
      if (answer.status === 206 && !range?.startsWith(`bytes ${from}-`))
        throw new SourceFault(`object ${object.sha256}: wanted bytes from ${from} on, got ${range}`)
      let skip = answer.status === 206 ? 0 : from
      for await (const piece of answer.pieces()) {
        const rest = piece.subarray(Math.min(skip, piece.byteLength))
        skip -= piece.byteLength - rest.byteLength
        if (rest.byteLength > 0) yield rest
      }
    },
  }

  /**
   * Where the bytes are. A server behind a proxy tells its public address, which need not be the one we know it by:
   * `/local-s3/` is its own in any case, and is asked for where we found the server (as Pantavisor does).
   */
  function placeOf({ sha256, getUrl }: MovedObject): { origin: string; path: string } {
    const at = URL.parse(getUrl)
    if (!at || !/^https?:$/.test(at.protocol) || at.username !== '')
      throw new SourceFault(
        `object ${sha256}: wanted an address to get it from, got ${printable(getUrl).slice(0, 80)}`,
      )
    const path = `${at.pathname}${at.search}`
    if (at.origin === new URL(url).origin || at.origin === options.objectsFrom)
      return { origin: at.origin, path }
    const local = at.pathname.indexOf('/local-s3/')
    if (local >= 0) return { origin: url, path: path.slice(local) }
    throw new SourceFault(
      `object ${sha256}: its bytes are at ${at.origin}, which is not ${url} (--objects-from ${at.origin} takes them from there)`,
    )
  }
}

function exchangeAt(url: string, outside: Outside, token: () => Promise<string | undefined>): Exchange {
  return createExchange({
    url,
    token,
    outside,
    fetch: outside.fetch,
    retry: { attempts: 4, firstMs: 200, capMs: 8000, patienceMs: 60_000 },
    patienceMs: 60_000,
  })
}

/** What went wrong at the source, in a line; what is nobody's doing there passes through. */
function faultOf(error: unknown, request: string): unknown {
  if (error instanceof FleetProblem) {
    const { msg, Error: said } = error.facts
    const why = [msg, said].find((text) => typeof text === 'string' && text !== '')
    const told = why === undefined ? '' : ` (${printable(String(why)).slice(0, 200)})`
    return new SourceFault(`${request}: wanted 200, got ${error.status}${told}`, { cause: error })
  }
  if (error instanceof FleetFault)
    return new SourceFault(
      error.kind === 'unreachable' ? `${request}: ${reasonOf(error)}` : `${request}: ${error.message}`,
      { cause: error, gone: error.kind === 'unreachable' },
    )
  return error
}
