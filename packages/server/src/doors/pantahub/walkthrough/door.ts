/**
 * The door of the walkthrough of 2016: the same devices, trails and objects as behind today's forms, asked for as its
 * clients ask.
 *
 * From HTTP to the handlers of the table and back. In this order: who asks (401, or for a browser the way to the login);
 * may this kind of caller ask, with these scopes and rights (403); then the handler. Replies are JSON; what is refused
 * is told as `{"status", "text"}`. Other sites' pages may not read any of it: no CORS here, since cookies count.
 */

import type { IncomingMessage } from 'node:http'
import { mayDo, type Result } from '@waymark/domain'
import { acceptedScopes, Prn } from '@waymark/pantahub'
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { type Caller, seenFrom } from '../../../access.ts'
import { bodyOf } from '../../../body.ts'
import type { Door } from '../../../house.ts'
import type { Asked } from '../answer.ts'
import { scopeWantedHeader } from '../errors.ts'
import { createObjectUrls } from '../object-urls.ts'
import type { WalkAnswer, WalkHandlers, WalkSaid } from './answer.ts'
import { createCredentials, type Service } from './credentials.ts'
import { createDance } from './dance.ts'
import { walkLoginHandlers } from './login.ts'
import { walkObjectHandlers } from './objects.ts'
import { tellWalker, type WalkDoorRefusal } from './refusals.ts'
import { resolveHandlers } from './resolve.ts'
import { pathsOf, rightFor, type WalkRow, walkRoutes } from './routes.ts'
import { walkStepHandlers } from './steps.ts'
import { walkTrailHandlers } from './trails.ts'

const minuteMs = 60_000
const everyMethod = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'] as const
/** Bytes of a GET's body: identity and secret, or a name. */
export const getBodyBytesMax = 16 * 1024

export const walkthroughDoor: Door = async ({ app, redirects }, house) => {
  const urls = createObjectUrls({
    key: house.keys.objectUrls,
    clock: house.clock,
    lifeMs: house.config.objectUrlLife * minuteMs,
    publicUrl: () => house.publicUrl(),
  })
  const credentials = createCredentials(house)
  const dance = createDance(house, credentials)
  const handlers: WalkHandlers = {
    ...resolveHandlers(house),
    ...walkLoginHandlers(house, credentials),
    ...dance.handlers,
    ...walkObjectHandlers(house, urls),
    ...walkTrailHandlers(house),
    ...walkStepHandlers(house),
  }

  for (const mount of ['/api/v1/', '/v1/', '/api/v1/trails/', '/v1/trails/']) redirects.mount(mount)
  await app.register(async (scope) => open(scope))

  function open(scope: FastifyInstance): void {
    scope.removeAllContentTypeParsers()
    scope.addContentTypeParser<Buffer>('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body))
    scope.setErrorHandler((error: FastifyError, request, reply) => answerError(error, request, reply))
    const rows = walkRoutes as readonly WalkRow[]
    const paths = new Set(rows.flatMap(pathsOf))
    for (const path of paths) {
      const own = rows.filter((row) => pathsOf(row).includes(path))
      const allow = own.map(({ method }) => method).join(', ')
      for (const url of path.endsWith('/') ? [path] : [path, `${path}/`]) {
        for (const row of own)
          scope.route({ method: row.method, url, exposeHeadRoute: false, handler: handlerOf(row) })
        scope.route({
          method: everyMethod.filter((method) => !own.some((row) => row.method === method)),
          url,
          exposeHeadRoute: false,
          handler: (_request, reply) => sendText(reply.header('allow', allow), 405, `wanted ${allow}`),
        })
      }
    }
    for (const url of ['/api/v1/*', '/v1/*'])
      scope.route({
        method: [...everyMethod],
        url,
        exposeHeadRoute: false,
        handler: (_request, reply) => sendText(reply, 404, 'nothing answers here'),
      })
  }

  function handlerOf(row: WalkRow) {
    const handler = handlers[row.handler as keyof WalkHandlers] as (
      asked: Asked<Caller | undefined>,
    ) => Promise<WalkSaid>
    const open = row.who.includes('none')

    return async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
      const params = request.params as Record<string, string>
      for (const name in params) if (params[name] === '') return sendText(reply, 404, 'nothing answers here')
      const peer = house.peerAddress(request)
      const { headers } = request
      let caller: Caller | undefined
      let token = ''
      if (!open) {
        const service = serviceOf(request.routeOptions.url ?? '')
        const known = await credentials.knownOf(headers, request.method !== 'GET', service)
        if (known.kind !== 'caller') {
          const led = dance.begin({ method: request.method, url: request.url, headers })
          return led?.ok ? send(reply, led.value) : sendRefusal(request, reply, { kind: 'no-login' })
        }
        // The first call by the auth service's session: from now on this service has one of its own.
        if (service && known.by === 'session')
          reply.header(
            'set-cookie',
            credentials.ownSessionCookieFor(service, known.token, known.caller.claims),
          )
        caller = seenFrom(known.caller, peer)
        token = known.token
        if (caller.kind === 'device') house.presence.heard(caller.device.id, peer)
        const refusal = tooMuch(request, caller) ?? mayNot(row, caller)
        if (refusal) return sendRefusal(request, reply, refusal)
      }
      const body = row.bodyOnGet && request.method === 'GET' ? await bodyOnGet(request.raw) : bodyIn(request)
      if (!body.ok) return sendRefusal(request, reply, body.refusal)
      const said = await handler({
        caller,
        bearer: token,
        params,
        query: queryOf(request.query),
        body: body.value,
        headers,
        peer,
        raw: request.raw,
      })
      return said.ok ? send(reply, said.value) : sendRefusal(request, reply, said.refusal)
    }
  }

  /** Why this has to wait: its tenant has asked for too much. */
  function tooMuch({ headers }: FastifyRequest, caller: Caller): WalkDoorRefusal | undefined {
    if (!('tenant' in caller)) return undefined
    const retryAfterMs = house.traffic.take(caller.tenant, Number(headers['content-length'] ?? 0))
    return retryAfterMs > 0 ? { kind: 'too-many-requests', retryAfterMs } : undefined
  }

  function send(reply: FastifyReply, answer: WalkAnswer): FastifyReply {
    spoken(reply, answer.status ?? 200)
    if (answer.headers) reply.headers(answer.headers)
    if (answer.cookies) reply.header('set-cookie', [...answer.cookies])
    if (answer.stream) return reply.send(answer.stream)
    return reply.send(answer.text ?? JSON.stringify(answer.value))
  }

  function sendRefusal(request: FastifyRequest, reply: FastifyReply, refusal: WalkDoorRefusal): FastifyReply {
    const told = tellWalker(refusal)
    house.log.info(
      { status: told.status, method: request.method, route: request.routeOptions.url, kind: refusal.kind },
      'refused',
    )
    if (told.status === 401) reply.header('www-authenticate', 'Bearer realm="pantahub services"')
    if (refusal.kind === 'insufficient-scope')
      reply.header('www-authenticate', scopeWantedHeader(house.publicUrl(), refusal.wanted))
    if (told.headers) reply.headers(told.headers)
    return sendText(reply, told.status, told.msg ?? 'refused')
  }

  /** What was thrown: the caller's fault where the framework says so, the store's when it says why, else ours. */
  function answerError(error: FastifyError, request: FastifyRequest, reply: FastifyReply): FastifyReply {
    if (reply.raw.headersSent) {
      house.log.error({ err: error, route: request.routeOptions.url }, 'an answer broke off')
      reply.raw.destroy()
      return reply
    }
    // A sender that is gone has nobody to tell.
    if (request.raw.destroyed && !request.raw.complete) return reply.code(400).send('')
    if (error.name === 'StoreError') {
      const kind = 'kind' in error ? error.kind : undefined
      if (kind === 'disk-full') return sendText(reply, 507, 'the disk is full: nothing was kept')
      if (kind === 'too-large') return sendText(reply, 413, 'record: wanted a smaller one')
      return sendText(reply.header('retry-after', '2'), 503, 'the store does not answer: try again')
    }
    const status = error.statusCode ?? 500
    if (status === 503) return sendText(reply.header('retry-after', '2'), 503, 'busy: try again')
    if (status >= 400 && status < 500) return sendText(reply, status, error.message)
    house.log.error({ err: error, method: request.method, route: request.routeOptions.url }, 'defect')
    return sendText(reply, 500, 'Internal Server Error')
  }
}

/** The service that a route belongs to: the first word behind the prefix, `/v1/trails` or `/api/v1/objects`. */
function serviceOf(route: string): Service | undefined {
  const [path, name] = /^(?:\/api)?\/v1\/([a-z]+)/.exec(route) ?? []
  return path === undefined || name === undefined ? undefined : { name, path }
}

/** Why this caller may not ask that, if it may not. */
function mayNot(row: WalkRow, caller: Caller): WalkDoorRefusal | undefined {
  const thing = `${row.method} ${row.path}`
  const who = caller.kind === 'user' && caller.principal.kind === 'session' ? 'session' : caller.kind
  if (!row.who.includes(who)) return { kind: 'not-allowed', thing, wanted: row.who.join(' or '), got: who }
  const wanted = row.scope === undefined ? [] : acceptedScopes(row.scope)
  if (
    row.scope !== undefined &&
    !wanted.some((word) => caller.scopes.includes(word) || caller.scopes.includes(Prn.scope(word)))
  )
    return { kind: 'insufficient-scope', wanted: wanted.map((word) => Prn.scope(word)) }
  const right = rightFor(row)
  if (right !== undefined && caller.kind === 'user' && !mayDo(caller.roles, right))
    return { kind: 'not-allowed', thing, wanted: `the right ${right}`, got: 'none' }
  return undefined
}

function sendText(reply: FastifyReply, status: number, text: string): FastifyReply {
  return spoken(reply, status).send(JSON.stringify({ status, text }))
}

/** What every answer says of itself. Browsers keep none of it: 301s lead to what is good for a while, the rest is private. */
function spoken(reply: FastifyReply, status: number): FastifyReply {
  return reply
    .code(status)
    .header('content-type', 'application/json; charset=utf-8')
    .header('cache-control', 'no-store')
}

function bodyIn({ body }: FastifyRequest): Result<Buffer | undefined, never> {
  return { ok: true, value: Buffer.isBuffer(body) ? body : undefined }
}

/** The body of a GET: the framework does not look at it, and few are meant to have one. */
async function bodyOnGet(raw: IncomingMessage): Promise<Result<Buffer | undefined, WalkDoorRefusal>> {
  if (raw.headers['content-length'] === undefined && raw.headers['transfer-encoding'] === undefined)
    return { ok: true, value: undefined }
  const pieces: Uint8Array[] = []
  let bytes = 0
  for await (const piece of bodyOf(raw, getBodyBytesMax * 64)) {
    bytes += piece.length
    if (bytes > getBodyBytesMax)
      return {
        ok: false,
        refusal: { kind: 'body-too-large', thing: 'body of the GET', wanted: getBodyBytesMax },
      }
    pieces.push(piece)
  }
  return { ok: true, value: Buffer.concat(pieces) }
}

/** Of a key given twice, the first value. */
function queryOf(query: unknown): Readonly<Record<string, string | undefined>> {
  const first: Record<string, string | undefined> = Object.create(null) as Record<string, string | undefined>
  for (const [key, value] of Object.entries(query as Record<string, string | string[]>))
    first[key] = typeof value === 'string' ? value : value[0]
  return first
}
