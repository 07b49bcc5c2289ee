/**
 * Devices that speak ExoPort's requests over HTTP: `POST /exoport`, JSON-RPC, Basic with the name `*account*id` and the
 * device's password.
 *
 * The device asks for what waits (`exoport:get-messages`, with as much patience as it likes) and says what it has to say
 * by calling `module:method`. An unknown device, a device of another protocol and a wrong password answer alike: 401.
 */
import { parseExternalName } from '@waymark/exoport'
import type { JsonObject, JsonValue } from '@waymark/yang'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { createHttpApp, readTls } from '../../http.ts'
import { type Listener, StartFailure } from '../../serve.ts'
import type { Carried, Known, Link, LinkHouse, OpenLink } from '../link.ts'
import { badParameter, type DeviceCall, readBody, type Said, saidOf, writeBody } from './calls.ts'
import { type Batch, DeviceSession } from './session.ts'

const protocols = [{ name: 'exoport_http', delivery: 'queued' }] as const

export interface HttpLinkLimits {
  /** Longest body, bytes. */
  readonly bodyBytes: number
  /** Longest wait of a poll, milliseconds: well below what proxies allow. */
  readonly pollMs: number
  /** Most messages in one answer. */
  readonly messages: number
  /** Without a request for so long a device counts as away, unless its own session time-out says otherwise. */
  readonly restMs: number
  readonly sweepMs: number
}

const defaultLimits: HttpLinkLimits = {
  bodyBytes: 2 ** 20,
  pollMs: 60_000,
  messages: 1000,
  restMs: 90_000,
  sweepMs: 5000,
}

/** The link, with other limits where a test wants to see them. */
export function exoportHttpLink(limits: Partial<HttpLinkLimits> = {}): Link {
  return {
    name: 'exoport-http',
    protocols,
    open: (house) => openDoor(house, { ...defaultLimits, ...limits }),
  }
}

interface Present {
  readonly known: Known
  readonly session: DeviceSession
}

function openDoor(house: LinkHouse, limits: HttpLinkLimits): OpenLink {
  const { config, log, metrics } = house
  const tls = certificateOf(config)
  const http = createHttpApp({ config, log, metrics, listener: 'exoport-http' })
  const present = new Map<string, Present>()
  const names = protocols.map(({ name }) => name)
  const now = () => performance.now()

  http.app.removeAllContentTypeParsers()
  // Devices label their JSON as they like.
  http.app.addContentTypeParser(
    '*',
    { parseAs: 'string', bodyLimit: limits.bodyBytes },
    (_request, body, done) => done(null, body),
  )
  http.app.post('/exoport', { bodyLimit: limits.bodyBytes }, receive)

  async function receive(request: FastifyRequest, reply: FastifyReply): Promise<unknown> {
    const address = http.peerAddress(request)
    const login = basicLogin(request.headers.authorization)
    if (login === undefined) return unauthorised(reply)
    const name = parseExternalName(login.user)
    if (name === undefined) return unauthorised(reply)
    const waitMs = house.waitMs(name, address)
    if (waitMs > 0)
      return reply
        .code(429)
        .header('retry-after', Math.ceil(waitMs / 1000))
        .send()
    const known = await house.identify(name, names)
    const isSafe = http.peerScheme(request) === 'https'
    const isRight = known?.passwordIs(login.password) === true && (isSafe || !known.tlsOnly)
    house.attempted(name, address, isRight)
    if (!isRight || known === undefined) return unauthorised(reply)

    const gone = new Promise<void>((resolve) => {
      reply.raw.once('close', resolve)
      http.draining.addEventListener('abort', () => resolve(), { once: true })
    })
    const written = new Promise<boolean>((resolve) =>
      reply.raw.once('close', () => resolve(reply.raw.writableFinished)),
    )
    const { calls, isBatch } = readBody(typeof request.body === 'string' ? request.body : '')
    const { session } = sessionOf(known, address)
    let polls = 0
    const said: Said[] = []
    await session.during(now, async (opened) => {
      for (const read of calls) {
        if ('refused' in read) {
          said.push(read.refused)
          continue
        }
        const { call } = read
        const answer = isPoll(call)
          ? await poll(call, polls++ > 0, async (most, waitMs) => {
              const batch = await session.poll(opened, { most, waitMs, gone })
              void written
                .then(batch.delivered)
                .catch((error: unknown) => log.error({ err: error }, 'a delivery could not be written down'))
              return batch
            })
          : saidOf(await opened.call(call), call)
        if (call.id !== undefined) said.push(answer)
      }
    })
    const body = writeBody(said, isBatch)
    return reply.type('application/json').send(body ?? '')
  }

  async function poll(
    call: DeviceCall,
    isSecond: boolean,
    take: (most: number, waitMs: number) => Promise<Batch>,
  ): Promise<Said> {
    const id = call.id ?? null
    const { n = 50, timeout = 0 } = call.params
    const most = wholeNumber(n)
    const waitMs = wholeNumber(timeout)
    if (most === undefined) return badParameter('n', id)
    if (waitMs === undefined) return badParameter('timeout', id)
    // Nobody would see what an unanswered call is given, and two polls of one body would wait for each other.
    if (call.id === undefined || isSecond) return { result: { result: 'ok', messages: [] }, id }
    const batch = await take(Math.min(most, limits.messages), Math.min(waitMs, limits.pollMs))
    return { result: { result: 'ok', messages: batch.carried.map(messageOf) }, id }
  }

  function sessionOf(known: Known, address: string): Present {
    const found = present.get(known.device)
    if (found) return found
    const made: Present = {
      known,
      session: new DeviceSession(
        house,
        known,
        address,
        () => {
          if (present.get(known.device) === made) present.delete(known.device)
        },
        now(),
      ),
    }
    present.set(known.device, made)
    return made
  }

  function leave({ known, session }: Present): Promise<void> {
    present.delete(known.device)
    return session
      .close()
      .catch((error: unknown) => log.error({ err: error }, 'a session could not be closed'))
  }

  const sweeping = setInterval(() => {
    for (const one of present.values()) {
      const most = one.known.idleMs > 0 ? one.known.idleMs : limits.restMs
      if (one.session.restedMs(now()) >= most) void leave(one)
    }
  }, limits.sweepMs)
  sweeping.unref()

  const listener: Listener = {
    name: 'exoport-http',
    listen: ({ host, port }) => http.listen({ host, port, ...(tls === undefined ? {} : { tls }) }),
    async drain(timeoutMs) {
      await http.drain(timeoutMs)
    },
  }

  return {
    listeners: [listener],
    async close() {
      clearInterval(sweeping)
      await http.drain(0)
      await Promise.all([...present.values()].map(leave))
    },
  }
}

/** The server's certificate and key, where it has them. */
function certificateOf({ exoportHttp, tlsCert, tlsKey }: LinkHouse['config']) {
  if (exoportHttp === 'off' || tlsCert === undefined || tlsKey === undefined) return undefined
  try {
    return readTls({ cert: tlsCert, key: tlsKey })
  } catch (error) {
    const got = error instanceof Error ? error.message : String(error)
    throw new StartFailure(`tls-cert and tls-key: wanted readable files, got ${got}`)
  }
}

function unauthorised(reply: FastifyReply): FastifyReply {
  return reply.code(401).header('www-authenticate', 'Basic realm="exodm@feuerlabs.com"').send()
}

function isPoll({ module, method }: DeviceCall): boolean {
  return module === 'exoport' && method === 'get-messages'
}

/** What waits for the device, as it is told; an entry in an answer counts as delivered. */
function messageOf(carried: Carried): JsonObject {
  return carried.kind === 'configuration'
    ? {
        class: 'call',
        method: 'exodm:push_config_set',
        params: { name: carried.name, values: carried.values },
      }
    : { class: 'call', method: `${carried.module}:${carried.method}`, params: carried.input }
}

/** Numbers may come as texts of digits. */
function wholeNumber(value: JsonValue): number | undefined {
  const number = typeof value === 'string' && /^\d{1,9}$/.test(value) ? Number(value) : value
  return typeof number === 'number' && Number.isSafeInteger(number) && number >= 0 ? number : undefined
}

/** Name and password of a Basic header (RFC 7617): everything up to the first colon is the name. */
function basicLogin(header: string | undefined): { user: string; password: string } | undefined {
  const [, encoded] = /^basic +([\w+/=-]{1,4096})$/i.exec(header ?? '') ?? []
  if (encoded === undefined) return undefined
  const text = Buffer.from(encoded, 'base64').toString()
  const colon = text.indexOf(':')
  return colon < 0 ? undefined : { user: text.slice(0, colon), password: text.slice(colon + 1) }
}
