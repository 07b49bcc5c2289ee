/**
 * The Pantahub door: from HTTP to the handlers of the route table and back.
 *
 * For each row it answers, in this order: is the body's type taken; is there a good bearer, where one is needed (401
 * with the header that pvr reads, before anything else is said); may this kind of caller ask; does the token carry the
 * scope and the account the right (403). Only then is the handler called. What it refuses is told by `errors.ts`. Paths
 * under a mount that no row has are 404, methods no row has 405, both in the framework's shape.
 */
import type { OutgoingHttpHeaders } from 'node:http'
import { mayDo } from '@waymark/domain'
import { acceptedScopes, canonicalJson, Prn } from '@waymark/pantahub'
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { type Caller, seenFrom } from '../../access.ts'
import type { House } from '../../house.ts'
import type { HttpApp } from '../../http.ts'
import { pour } from '../../pour.ts'
import type { Answer, Asked, Handler, Handlers } from './answer.ts'
import {
  bearerWanted,
  createIncidents,
  errorBody,
  type Refusal,
  scopeWantedHeader,
  type Told,
  tell,
} from './errors.ts'
import {
  type Mount,
  type MountPath,
  methodsOf,
  mountOf,
  mounts,
  type Row,
  rightFor,
  routes,
  type Who,
} from './routes.ts'

const json = 'application/json; charset=utf-8'
const notFound = 'Resource not found'
const everyMethod = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'] as const

/** Binds handlers to the routes of the table, on an app where slashes are put right. */
export async function openMounts(
  { app, redirects }: Pick<HttpApp, 'app' | 'redirects'>,
  house: House,
  handlers: Handlers,
): Promise<void> {
  const incidentOf = createIncidents(house.clock)

  for (const path of Object.keys(mounts) as MountPath[]) {
    redirects.mount(path)
    await app.register(async (scope) => openMount(scope, path, mounts[path]))
  }

  function openMount(app: FastifyInstance, path: MountPath, mount: Mount): void {
    app.removeAllContentTypeParsers()
    if (mount.bytes) app.addContentTypeParser('*', (_request, _payload, done) => done(null))
    else
      app.addContentTypeParser<Buffer>('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body))
    app.setErrorHandler((error: FastifyError, request, reply) => answerError(mount, error, request, reply))
    app.addHook('onRequest', (request, reply, done) => {
      if (request.headers.origin !== undefined) allowOrigin(request, reply)
      done()
    })
    const allowed = methodsOf(path).join(', ')

    const rows = (routes as readonly Row[]).filter((row) => mountOf(row.path) === path)
    for (const url of new Set(rows.map((row) => row.path))) {
      const own = rows.filter((row) => row.path === url)
      const other = everyMethod.filter((method) => !own.some((row) => row.method === method))
      for (const spelt of spellings(url, mount)) {
        for (const row of own)
          app.route({
            method: row.method,
            url: spelt,
            exposeHeadRoute: false,
            handler: handlerOf(row, mount),
          })
        app.route({
          method: [...other],
          url: spelt,
          exposeHeadRoute: false,
          handler: (request, reply) => otherMethod(mount, allowed, request, reply),
        })
      }
    }
    app.route({
      method: [...everyMethod],
      url: `${path}*`,
      exposeHeadRoute: false,
      handler: (request, reply) =>
        isPreflight(request)
          ? preflight(allowed, request, reply)
          : sendFrameworkError(mount, reply, 404, notFound),
    })
  }

  function handlerOf(row: Row, mount: Mount) {
    const handler = handlers[row.handler as keyof Handlers] as Handler<Caller | undefined>
    const needed: Needed = { right: rightFor(row), accepted: acceptedBy(row) }
    const open = row.who.includes('none')
    const openOnly = open && row.who.length === 1

    return async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
      const began = performance.now()
      const params = request.params as Record<string, string>
      if (lacksParam(params)) return sendFrameworkError(mount, reply, 404, notFound)
      if (mount.jsonOnly && !isTakenType(request))
        return sendFrameworkError(
          mount,
          reply,
          415,
          "Bad Content-Type or charset, expected 'application/json'",
        )

      const bearer = openOnly ? undefined : bearerOf(request.headers.authorization)
      let caller: Caller | undefined
      if (bearer !== undefined) {
        const known = bearer === '' ? undefined : await house.access.callerOf(bearer)
        if (!known?.ok) return sendUnauthorized(mount, reply)
        caller = known.value
      } else if (!open) return sendUnauthorized(mount, reply)

      const peer = house.peerAddress(request)
      if (caller?.kind === 'device') house.presence.heard(caller.device.id, peer)
      if (caller !== undefined) {
        const refusal = tooMuch(request, caller) ?? mayNot(row, needed, caller)
        if (refusal) return sendRefusal(mount, request, reply, refusal)
        caller = seenFrom(caller, peer)
      }
      const asked: Asked<Caller | undefined> = {
        caller,
        bearer: bearer ?? '',
        params,
        query: queryOf(request.query),
        body: Buffer.isBuffer(request.body) ? request.body : undefined,
        headers: request.headers,
        peer,
        raw: request.raw,
      }
      const said = await handler(asked)
      if (!said.ok) return sendRefusal(mount, request, reply, said.refusal)
      return send(mount, reply, said.value, began)
    }
  }

  /** Why this has to wait: its tenant has asked for too much. */
  function tooMuch({ headers }: FastifyRequest, caller: Caller): Refusal | undefined {
    if (!('tenant' in caller)) return undefined
    const retryAfterMs = house.traffic.take(caller.tenant, Number(headers['content-length'] ?? 0))
    return retryAfterMs > 0 ? { kind: 'too-many-requests', retryAfterMs } : undefined
  }

  function mayNot(row: Row, { right, accepted }: Needed, caller: Caller): Refusal | undefined {
    const who = whoIs(caller)
    if (!row.who.includes(who)) {
      const wanted = row.who.filter((other) => other !== 'none').join(' or ')
      return { kind: 'not-allowed', thing: `${row.method} ${row.path}`, wanted, got: who }
    }
    if (accepted !== undefined && !caller.scopes.some((scope) => accepted.has(scope)))
      return { kind: 'insufficient-scope', wanted: [...accepted].filter((scope) => scope.startsWith('prn:')) }
    if (right !== undefined && caller.kind === 'user' && !mayDo(caller.roles, right))
      return {
        kind: 'not-allowed',
        thing: `${row.method} ${row.path}`,
        wanted: `the right ${right}`,
        got: 'none',
      }
    return undefined
  }

  function send(mount: Mount, reply: FastifyReply, answer: Answer, began: number): FastifyReply {
    reply.code(answer.status ?? 200)
    common(mount, reply, began)
    if (answer.headers) reply.headers(answer.headers)
    if (answer.pieces) {
      reply.hijack()
      reply.raw.writeHead(reply.statusCode, reply.getHeaders() as OutgoingHttpHeaders)
      void pour(answer.pieces, reply.raw)
      return reply
    }
    if (answer.stream) return reply.send(answer.stream)
    if (answer.text !== undefined) return reply.send(answer.text)
    return reply.send(answer.value === undefined ? '' : written(mount, answer.value))
  }

  function common(mount: Mount, reply: FastifyReply, began = performance.now()): void {
    reply.header('content-type', json)
    reply.header('x-powered-by', 'go-json-rest')
    reply.header('x-runtime', ((performance.now() - began) / 1000).toFixed(6))
    if (mount.format === 'canonical') reply.header('phjsonformat', 'gibson042-canonicaljson')
  }

  function sendRefusal(
    mount: Mount,
    request: FastifyRequest,
    reply: FastifyReply,
    refusal: Refusal,
  ): FastifyReply {
    if (refusal.kind === 'login-too-old') return sendUnauthorized(mount, reply)
    if (refusal.kind === 'insufficient-scope')
      reply.header('www-authenticate', scopeWantedHeader(house.publicUrl(), refusal.wanted))
    return sendTold(mount, request, reply, tell(refusal), refusal)
  }

  /** The first shape: an incident id for the caller, the reason for the log. */
  function sendTold(
    mount: Mount,
    request: FastifyRequest,
    reply: FastifyReply,
    told: Told,
    reason: unknown,
  ): FastifyReply {
    const incident = incidentOf()
    const facts = { incident, status: told.status, method: request.method, route: request.routeOptions.url }
    if (told.status >= 500) house.log.error({ ...facts, reason }, 'refused')
    else house.log.info({ ...facts, reason }, 'refused')
    reply.code(told.status)
    common(mount, reply)
    if (told.headers) reply.headers(told.headers)
    return reply.send(written(mount, errorBody(incident, told)))
  }

  /** The second shape: what the framework says. */
  function sendFrameworkError(mount: Mount, reply: FastifyReply, status: number, text: string): FastifyReply {
    reply.code(status)
    common(mount, reply)
    return reply.send(written(mount, { Error: text }))
  }

  function sendUnauthorized(mount: Mount, reply: FastifyReply): FastifyReply {
    reply.header('www-authenticate', bearerWanted(house.publicUrl()))
    return sendFrameworkError(mount, reply, 401, 'Not Authorized')
  }

  function otherMethod(mount: Mount, allowed: string, request: FastifyRequest, reply: FastifyReply) {
    if (isPreflight(request)) return preflight(allowed, request, reply)
    if (lacksParam(request.params as Record<string, string>))
      return sendFrameworkError(mount, reply, 404, notFound)
    return sendFrameworkError(mount, reply, 405, 'Method not allowed')
  }

  /** What was thrown: the caller's fault where the framework says so, the store's when it says why, else ours. */
  function answerError(mount: Mount, error: FastifyError, request: FastifyRequest, reply: FastifyReply) {
    if (reply.raw.headersSent) {
      house.log.error({ err: error, route: request.routeOptions.url }, 'an answer broke off')
      reply.raw.destroy()
      return reply
    }
    // A sender that is gone has nobody to tell.
    if (request.raw.destroyed && !request.raw.complete) return reply.code(400).send('')
    const told = toldOf(error, house.config.bodyLimit)
    if (told) return sendTold(mount, request, reply, told, error)
    const incident = incidentOf()
    house.log.error(
      { err: error, incident, method: request.method, route: request.routeOptions.url },
      'defect',
    )
    return sendFrameworkError(mount, reply, 500, 'Internal Server Error')
  }
}

/** What a row asks of a caller, worked out once. */
interface Needed {
  readonly right: ReturnType<typeof rightFor>
  readonly accepted: ReadonlySet<string> | undefined
}

/** The scopes a row accepts, as prns and as the bare words that Base takes as well. */
function acceptedBy({ scope }: Row): ReadonlySet<string> | undefined {
  if (scope === undefined) return undefined
  return new Set(acceptedScopes(scope).flatMap((word) => [word, Prn.scope(word)]))
}

/** Which of the table's words a caller is. */
function whoIs(caller: Caller): Who {
  if (caller.kind !== 'user') return caller.kind
  return caller.principal.kind === 'session' ? 'session' : 'user'
}

/** What is told of errors that are not ours; undefined: a defect. */
function toldOf(
  error: Error & { code?: string; statusCode?: number; kind?: string },
  bodyLimit: number,
): Told | undefined {
  if (error.code === 'FST_ERR_CTP_BODY_TOO_LARGE')
    return { status: 413, msg: `body: wanted at most ${bodyLimit} bytes, got more` }
  if (error.name === 'StoreError') {
    if (error.kind === 'disk-full') return { status: 507, msg: 'the disk is full: nothing was kept' }
    if (error.kind === 'too-large') return { status: 413, msg: 'record: wanted a smaller one' }
    return { status: 503, msg: 'the store does not answer: try again', headers: { 'retry-after': '2' } }
  }
  const status = error.statusCode ?? 500
  if (status === 503) return { status, msg: 'busy: try again', headers: { 'retry-after': '2' } }
  return status >= 400 && status < 500 ? { status, msg: error.message } : undefined
}

function written(mount: Mount, value: unknown): string {
  switch (mount.format) {
    case 'indented':
      return JSON.stringify(value, null, 2)
    case 'canonical':
      return canonicalJson(value)
    default:
      return JSON.stringify(value)
  }
}

/** The token of a bearer; '' when something else is sent, undefined when nothing is. The scheme's case counts. */
function bearerOf(header: string | undefined): string | undefined {
  if (header === undefined) return undefined
  return header.startsWith('Bearer ') ? header.slice(7).trim() : ''
}

function queryOf(query: unknown): Readonly<Record<string, string | undefined>> {
  const given = query as Record<string, string | string[]>
  for (const key in given) if (typeof given[key] !== 'string') return firstValues(given)
  return given as Record<string, string>
}

function firstValues(given: Record<string, string | string[]>): Record<string, string | undefined> {
  const first: Record<string, string | undefined> = Object.create(null) as Record<string, string | undefined>
  for (const [key, value] of Object.entries(given)) first[key] = typeof value === 'string' ? value : value[0]
  return first
}

/** Whether a name in the path is empty: `/devices/tokens/` is one slash too many, not a token without a name. */
function lacksParam(params: Record<string, string>): boolean {
  for (const name in params) if (params[name] === '') return true
  return false
}

/** Whether a body under `/auth/` may be looked at: none, or JSON in UTF-8. */
function isTakenType({ body, headers }: FastifyRequest): boolean {
  if (!Buffer.isBuffer(body) || body.length === 0) return true
  const [type = '', ...parameters] = (headers['content-type'] ?? '').toLowerCase().split(';')
  const charset = parameters.map((part) => part.trim()).find((part) => part.startsWith('charset='))
  const named = charset?.slice('charset='.length).replaceAll('"', '') ?? 'utf-8'
  return type.trim() === 'application/json' && (named === 'utf-8' || named === 'utf8')
}

/** The path as it stands, and with the one more slash that some mounts tolerate. */
function spellings(path: string, mount: Mount): string[] {
  return mount.looseSlash && !path.endsWith('/') ? [path, `${path}/`] : [path]
}

// ── CORS: any origin, credentials allowed ────────────────────────────────────────────────────────────────────────

function isPreflight({ method, headers }: FastifyRequest): boolean {
  return (
    method === 'OPTIONS' &&
    headers.origin !== undefined &&
    headers['access-control-request-method'] !== undefined
  )
}

function allowOrigin(request: FastifyRequest, reply: FastifyReply): void {
  reply.header('access-control-allow-origin', request.headers.origin)
  reply.header('access-control-allow-credentials', 'true')
  reply.header('access-control-expose-headers', 'WWW-Authenticate, Pantahub-Object-Type, Retry-After')
  reply.header('vary', 'Origin')
}

function preflight(allowed: string, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  reply.header('access-control-allow-methods', allowed)
  const wanted = request.headers['access-control-request-headers']
  if (typeof wanted === 'string') reply.header('access-control-allow-headers', wanted)
  reply.header('access-control-max-age', '3600')
  return reply.code(200).send('')
}
