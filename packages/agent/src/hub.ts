/**
 * The hub as the agent sees it: each call of the wire is a function, each outcome a value.
 *
 * Keeps the session: it logs in when a call needs a token, once for all calls that wait, and once more when
 * the hub answers 401 (Pantavisor enters its login again on any 401). Only status 200 is success. Knows the
 * shapes of requests; decides nothing about when to ask, nor what to do about a failure.
 *
 * The secret and the token never leave this file but towards the hub's own address.
 */
import { linkedController } from './linked.ts'
import type { Bytes, Clock, Json, Transport, TransportReply, TransportRequest } from './ports.ts'
import {
  asObject,
  type DeviceRecord,
  type LogEntry,
  type ObjectRecord,
  type OfferedStep,
  type Progress,
  parseDeviceRecord,
  parseObjectRecord,
  parseStep,
  parseSteps,
  parseToken,
  parseTrails,
} from './wire.ts'

/** Why a call brought nothing. `login-refused`: the hub does not take this device's secret. */
export type HubFailure =
  | { readonly kind: 'unreachable'; readonly detail: string }
  | { readonly kind: 'login-refused'; readonly status: number; readonly detail: string }
  | { readonly kind: 'refused'; readonly call: string; readonly status: number; readonly detail: string }
  | { readonly kind: 'garbled'; readonly call: string; readonly detail: string }

export type Answer<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly failure: HubFailure }

/** Who the agent is to the hub. */
export interface Identity {
  readonly id: string
  readonly prn: string
  readonly secret: string
}

/** Bytes of an object from `from` on, as they arrive. `from` is 0 when the hub sends the whole again. */
export interface ObjectStream {
  readonly from: number
  readonly bytes: Bytes
}

/** How a hub takes a login. */
export interface LoginForm {
  request(
    base: string,
    identity: Identity,
  ): { readonly method: 'GET' | 'POST'; readonly url: string; readonly body: string }
  /** The token of a reply with status 200. */
  token(raw: unknown): string | undefined
}

/** Asks whoever resolves names by which API this device's login id is served; undefined: by none it knows. */
export type AskApi = (registry: string) => Promise<Answer<string | undefined>>

/** Which form of login a hub takes, where that is not known from the start. */
export interface LoginChoice {
  form(): LoginForm
  /** Before each login. */
  before(ask: AskApi): Promise<void>
  /** After one that failed; true: the form is another now, and one more login worth while. */
  after(failure: HubFailure, ask: AskApi): Promise<boolean>
}

/** Registers and logs in by means of its own. Rejects when it cannot. */
export interface CredentialHelper {
  register(signal: AbortSignal): Promise<Identity & { readonly challenge: string }>
  /** The token; undefined when it has none to give. */
  login(identity: Identity, signal: AbortSignal): Promise<string | undefined>
}

/** What a device may ask of its hub. Every call ends by itself: by an answer, its patience, or the signal. */
export interface Hub {
  /** From now on this is who calls; an earlier token is forgotten. */
  identify(identity: Identity | undefined): void
  login(signal: AbortSignal): Promise<Answer<null>>
  register(joinToken: string | undefined, signal: AbortSignal): Promise<Answer<DeviceRecord>>
  device(id: string, signal: AbortSignal): Promise<Answer<DeviceRecord>>
  trails(signal: AbortSignal): Promise<Answer<readonly string[]>>
  openSteps(trail: string, signal: AbortSignal): Promise<Answer<readonly OfferedStep[]>>
  step(trail: string, rev: number, signal: AbortSignal): Promise<Answer<OfferedStep>>
  report(trail: string, rev: number, progress: Progress, signal: AbortSignal): Promise<Answer<null>>
  object(sha: string, signal: AbortSignal): Promise<Answer<ObjectRecord>>
  objectBytes(getUrl: string, from: number, signal: AbortSignal): Promise<Answer<ObjectStream>>
  /** `stored`: the hub has the bytes already; otherwise the URL to put them to. */
  offerObject(
    object: { readonly name: string; readonly sha: string; readonly size: number },
    signal: AbortSignal,
  ): Promise<Answer<'stored' | { readonly putUrl: string }>>
  putObject(putUrl: string, size: number, bytes: Bytes, signal: AbortSignal): Promise<Answer<null>>
  postTrail(stateText: string, signal: AbortSignal): Promise<Answer<null>>
  userMeta(id: string, signal: AbortSignal): Promise<Answer<Readonly<Record<string, Json>>>>
  putDeviceMeta(id: string, meta: Readonly<Record<string, Json>>, signal: AbortSignal): Promise<Answer<null>>
  postLogs(entries: readonly LogEntry[], signal: AbortSignal): Promise<Answer<null>>
  /** Any other call with the bearer: JSON in, JSON out. `name` stands in complaints. */
  ask<T>(
    name: string,
    request: {
      readonly method: TransportRequest['method']
      readonly path: string
      readonly json?: unknown
      readonly text?: string
    },
    parse: (raw: unknown) => T | undefined,
    signal: AbortSignal,
  ): Promise<Answer<T>>
}

/** What the client needs. Times in milliseconds. */
export interface HubSettings {
  /** The hub's address without a trailing slash. */
  readonly base: string
  readonly userAgent: string
  /** How long without any byte before a call counts as unanswered. */
  readonly patienceMs: number
  readonly transport: Transport
  readonly clock: Clock
  /** By which login; Pantahub Base's, unless given. */
  readonly logins?: LoginChoice
  /** Registers and logs in in place of the hub's own ways. */
  readonly helper?: CredentialHelper
  /** Told after every call whether a reply came. */
  readonly onContact?: (reached: boolean, detail: string) => void
}

/** Replies beyond this are no reply at all (Pantavisor's own bound is 2 MiB; a state may be large). */
const replyLimitBytes = 8 * 1024 * 1024

/** Statuses after which a device asks again, in the order a hub finds them most natural to send. */
const openStatuses = '{"$in":["NEW","DOWNLOADING","INPROGRESS","TESTING","QUEUED"]}'

/**
 * The condition as Pantavisor writes it: `$`, `:` and `,` stay, the rest is percent-encoded.
 */
export const openStepsQuery = `progress.status=${encodeURIComponent(openStatuses)
  .replaceAll('%24', '$')
  .replaceAll('%3A', ':')
  .replaceAll('%2C', ',')}`

interface TextReply {
  readonly status: number
  readonly text: string
}

/** Pantahub Base's login: POST with username and password; `token` comes back. */
export const baseLogin: LoginForm = {
  request: (base, { prn, secret }) => ({
    method: 'POST',
    url: `${base}/auth/login`,
    body: JSON.stringify({ username: prn, password: secret }),
  }),
  token: parseToken,
}

/** Makes a client of one hub for one device. */
export function createHub(settings: HubSettings): Hub {
  const { base, clock, transport, logins } = settings
  let identity: Identity | undefined
  let token: string | undefined
  let loggingIn: Promise<Answer<null>> | undefined

  /** Sends and hands over the reply with its body still open; `release` ends the watch over it. */
  async function send(
    request: Omit<TransportRequest, 'signal'>,
    signal: AbortSignal,
  ): Promise<Answer<{ reply: TransportReply; release: () => void }>> {
    const watch = watchSilence(clock, settings.patienceMs, signal)
    try {
      const reply = await transport({
        ...request,
        headers: { 'user-agent': settings.userAgent, ...request.headers },
        signal: watch.signal,
      })
      settings.onContact?.(true, '')
      return { ok: true, value: { reply: { ...reply, body: watch.over(reply.body) }, release: watch.end } }
    } catch (cause) {
      watch.end()
      const silent = watch.signal.aborted && !signal.aborted
      const answer = unreachable(cause, silent ? settings.patienceMs : undefined)
      if (!signal.aborted) settings.onContact?.(false, answer.failure.detail)
      return answer
    }
  }

  async function exchange(
    request: Omit<TransportRequest, 'signal'>,
    signal: AbortSignal,
  ): Promise<Answer<TextReply>> {
    const sent = await send(request, signal)
    if (!sent.ok) return sent
    const { reply, release } = sent.value
    try {
      const text = await readText(reply.body, replyLimitBytes)
      if (text === undefined)
        return {
          ok: false,
          failure: { kind: 'garbled', call: request.method, detail: `a reply over ${replyLimitBytes} bytes` },
        }
      return { ok: true, value: { status: reply.status, text } }
    } catch (cause) {
      return unreachable(cause)
    } finally {
      release()
    }
  }

  async function loginNow(signal: AbortSignal): Promise<Answer<null>> {
    if (!identity)
      return {
        ok: false,
        failure: { kind: 'login-refused', status: 0, detail: 'this device has no identity' },
      }
    if (settings.helper) {
      const got = await settings.helper.login(identity, signal).catch((cause: unknown) => unreachable(cause))
      if (typeof got === 'object') return got
      if (got === undefined) return garbled('login', 'no TOKEN from the helper')
      token = got
      return { ok: true, value: null }
    }
    const { prn } = identity
    const ask: AskApi = (registry) => resolve(registry, prn, signal)
    await logins?.before(ask)
    const first = await loginBy(logins?.form() ?? baseLogin, identity, signal)
    if (first.ok || !logins || !(await logins.after(first.failure, ask))) return first
    return loginBy(logins.form(), identity, signal)
  }

  async function loginBy(form: LoginForm, identity: Identity, signal: AbortSignal): Promise<Answer<null>> {
    const sent = await exchange(
      { ...form.request(base, identity), headers: { 'content-type': 'application/json' } },
      signal,
    )
    if (!sent.ok) return sent
    const { status, text } = sent.value
    if (status === 401 || status === 403)
      return { ok: false, failure: { kind: 'login-refused', status, detail: excerpt(text) } }
    if (status !== 200) return refused('login', status, text)
    const got = form.token(parseJson(text))
    if (got === undefined) return garbled('login', text)
    token = got
    return { ok: true, value: null }
  }

  /** No credentials go along. */
  async function resolve(
    registry: string,
    id: string,
    signal: AbortSignal,
  ): Promise<Answer<string | undefined>> {
    const url = `${registry}/resolve?id=${encodeURIComponent(id)}`
    const sent = await exchange({ method: 'GET', url, headers: {} }, signal)
    if (!sent.ok) return sent
    const { status, text } = sent.value
    if (status >= 500) return refused('resolve', status, text)
    const api = status === 200 ? asObject(parseJson(text))?.api : undefined
    return { ok: true, value: typeof api === 'string' ? api : undefined }
  }

  function login(signal: AbortSignal): Promise<Answer<null>> {
    // Whoever asks while a login is under way waits for that one: a lost token costs one login, not eleven.
    loggingIn ??= loginNow(signal).finally(() => {
      loggingIn = undefined
    })
    return loggingIn
  }

  /** A call with the bearer: logs in first when needed, and again once when the hub says 401. */
  async function authorised(
    request: Omit<TransportRequest, 'signal' | 'url'> & { path: string },
    signal: AbortSignal,
  ): Promise<Answer<TextReply>> {
    const { path, ...rest } = request
    for (let attempt = 0; ; attempt++) {
      if (token === undefined) {
        const session = await login(signal)
        if (!session.ok) return session
      }
      const used = token
      const sent = await exchange(
        { ...rest, url: `${base}${path}`, headers: { ...rest.headers, authorization: `Bearer ${used}` } },
        signal,
      )
      if (!sent.ok || sent.value.status !== 401) return sent
      if (token === used) token = undefined
      if (attempt > 0) return refused(path, 401, sent.value.text)
    }
  }

  /** The usual call: JSON in, JSON out, parsed once. */
  async function call<T>(
    name: string,
    request: { method: TransportRequest['method']; path: string; json?: unknown; text?: string },
    parse: (raw: unknown) => T | undefined,
    signal: AbortSignal,
  ): Promise<Answer<T>> {
    const body = request.text ?? (request.json === undefined ? undefined : JSON.stringify(request.json))
    const sent = await authorised(
      {
        method: request.method,
        path: request.path,
        headers: body === undefined ? {} : { 'content-type': 'application/json' },
        ...(body === undefined ? {} : { body }),
      },
      signal,
    )
    if (!sent.ok) return sent
    if (sent.value.status !== 200) return refused(name, sent.value.status, sent.value.text)
    const value = parse(parseJson(sent.value.text))
    return value === undefined ? garbled(name, sent.value.text) : { ok: true, value }
  }

  const nothing = (): null => null

  return {
    identify(next) {
      identity = next
      token = undefined
    },
    login(signal) {
      token = undefined
      return login(signal)
    },
    async register(joinToken, signal) {
      if (settings.helper) {
        const made = await settings.helper.register(signal).catch((cause: unknown) => unreachable(cause))
        if ('ok' in made) return made
        const record = parseDeviceRecord({ ...made, owner: '', nick: '' })
        return record ? { ok: true, value: record } : garbled('register', 'no identity from the helper')
      }
      // Neither a body nor a bearer: a bad bearer would be a refusal, not an anonymous registration.
      const sent = await exchange(
        {
          method: 'POST',
          url: `${base}/devices/`,
          headers: joinToken === undefined ? {} : { 'pantahub-devices-auto-token-v1': joinToken },
        },
        signal,
      )
      if (!sent.ok) return sent
      if (sent.value.status !== 200) return refused('register', sent.value.status, sent.value.text)
      const record = parseDeviceRecord(parseJson(sent.value.text))
      if (!record || record.secret === '') return garbled('register', sent.value.text)
      return { ok: true, value: record }
    },
    device: (id, signal) =>
      call('device', { method: 'GET', path: `/devices/${id}` }, parseDeviceRecord, signal),
    trails: (signal) => call('trails', { method: 'GET', path: '/trails/' }, parseTrails, signal),
    openSteps: (trail, signal) =>
      call('steps', { method: 'GET', path: `/trails/${trail}/steps?${openStepsQuery}` }, parseSteps, signal),
    step: (trail, rev, signal) =>
      call('step', { method: 'GET', path: `/trails/${trail}/steps/${rev}` }, parseStep, signal),
    report: (trail, rev, progress, signal) =>
      call(
        'progress',
        { method: 'PUT', path: `/trails/${trail}/steps/${rev}/progress`, json: progress },
        nothing,
        signal,
      ),
    object: (sha, signal) =>
      call('object', { method: 'GET', path: `/objects/${sha}` }, parseObjectRecord, signal),
    async objectBytes(getUrl, from, signal) {
      const sent = await send(
        { method: 'GET', url: getUrl, headers: from > 0 ? { range: `bytes=${from}-` } : {} },
        signal,
      )
      if (!sent.ok) return sent
      const { reply, release } = sent.value
      const begins = reply.status === 206 ? rangeStart(reply.headers['content-range']) : 0
      if (reply.status === 200 || (reply.status === 206 && begins === from))
        return { ok: true, value: { from: begins ?? 0, bytes: endingWith(reply.body, release) } }
      const text = await readText(reply.body, 4096).catch(() => '')
      release()
      return refused('object bytes', reply.status, text ?? '')
    },
    async offerObject(object, signal) {
      const sent = await authorised(
        {
          method: 'POST',
          path: '/objects/',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({ objectname: object.name, size: String(object.size), sha256sum: object.sha }),
        },
        signal,
      )
      if (!sent.ok) return sent
      if (sent.value.status === 409) return { ok: true, value: 'stored' }
      if (sent.value.status !== 200) return refused('offer object', sent.value.status, sent.value.text)
      const putUrl = asObject(parseJson(sent.value.text))?.['signed-puturl']
      if (typeof putUrl !== 'string' || putUrl === '') return garbled('offer object', sent.value.text)
      return { ok: true, value: { putUrl } }
    },
    async putObject(putUrl, size, bytes, signal) {
      const sent = await exchange(
        {
          method: 'PUT',
          url: putAddress(base, putUrl),
          headers: { 'content-type': 'application/octet-stream' },
          body: { length: size, bytes },
        },
        signal,
      )
      if (!sent.ok) return sent
      return sent.value.status === 200
        ? { ok: true, value: null }
        : refused('put object', sent.value.status, sent.value.text)
    },
    postTrail: (text, signal) =>
      call('announce', { method: 'POST', path: '/trails/', text }, nothing, signal),
    userMeta: (id, signal) =>
      call('user-meta', { method: 'GET', path: `/devices/${id}/user-meta` }, asJsonMap, signal),
    putDeviceMeta: (id, meta, signal) =>
      call('device-meta', { method: 'PUT', path: `/devices/${id}/device-meta`, json: meta }, nothing, signal),
    ask: call,
    postLogs: (entries, signal) =>
      call('logs', { method: 'POST', path: '/logs/', json: entries }, nothing, signal),
  }
}

/**
 * Where bytes are put: a URL that holds `/local-s3` belongs to the hub itself, and the hub is reached at the
 * configured address whatever name it gives itself (Pantavisor cuts the URL at that word).
 */
export function putAddress(base: string, putUrl: string): string {
  const at = putUrl.indexOf('/local-s3')
  return at < 0 ? putUrl : base + putUrl.slice(at)
}

/** First byte named by `Content-Range: bytes 100-199/200`. */
function rangeStart(header: string | undefined): number | undefined {
  const found = /^bytes (\d+)-/.exec(header ?? '')
  return found ? Number(found[1]) : undefined
}

const asJsonMap = (raw: unknown): Readonly<Record<string, Json>> | undefined =>
  // What JSON.parse gave is JSON all the way down.
  asObject(raw) as Readonly<Record<string, Json>> | undefined

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

const excerpt = (text: string): string => (text.length > 200 ? `${text.slice(0, 200)}…` : text)

const refused = (call: string, status: number, text: string): { ok: false; failure: HubFailure } => ({
  ok: false,
  failure: { kind: 'refused', call, status, detail: excerpt(text) },
})

// What such a reply holds is not shown: it may be half of a token or a signed address.
const garbled = (call: string, text: string): { ok: false; failure: HubFailure } => ({
  ok: false,
  failure: { kind: 'garbled', call, detail: `${text.length} characters that are not what was asked for` },
})

function unreachable(cause: unknown, silentMs?: number) {
  const detail =
    silentMs !== undefined
      ? `no byte within ${silentMs} ms`
      : cause instanceof Error
        ? cause.message || cause.name
        : String(cause)
  return { ok: false, failure: { kind: 'unreachable', detail } } as const
}

/** Reads a body as text; undefined beyond the limit. */
async function readText(body: Bytes, limit: number): Promise<string | undefined> {
  const parts: Uint8Array[] = []
  let size = 0
  for await (const part of body) {
    size += part.length
    if (size > limit) return undefined
    parts.push(part)
  }
  return Buffer.concat(parts).toString('utf8')
}

async function* endingWith(bytes: Bytes, release: () => void): Bytes {
  try {
    yield* bytes
  } finally {
    release()
  }
}

/** Silence is counted in this many sleeps. */
const silenceParts = 4

/**
 * A watch that aborts its signal after `patienceMs` without a byte. Works on the clock handed in, so that a
 * silent hub costs a simulated world nothing; counts slept time and never reads the time of day, which may be
 * set back by years while a reply is waited for.
 */
function watchSilence(clock: Clock, patienceMs: number, outer: AbortSignal) {
  const request = linkedController(outer)
  const watching = linkedController(outer)
  const { signal: stop } = watching.controller
  let silent = 0
  void (async () => {
    while (silent < silenceParts) {
      await clock.sleep(patienceMs / silenceParts, stop)
      if (stop.aborted) return
      silent++
    }
    request.controller.abort(new Error(`no byte within ${patienceMs} ms`))
  })()
  return {
    signal: request.controller.signal,
    end(): void {
      watching.controller.abort()
      watching.unlink()
      request.unlink()
    },
    async *over(body: Bytes): Bytes {
      for await (const part of body) {
        silent = 0
        yield part
        silent = 0
      }
    },
  }
}
