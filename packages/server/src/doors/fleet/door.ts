/**
 * The fleet door: our own REST and events, for the console, the CLI and everything new.
 *
 * The tables of operations are its truth: here each row becomes a route that checks login, right and scope, validates
 * by the row's schemas, runs, and answers; and a page of the OpenAPI document at `/fleet/v1/openapi.json`.
 */
import { Type } from '@sinclair/typebox'
import {
  type Env,
  Instant,
  idempotentReplies,
  mayDo,
  ok,
  type Result,
  type Right,
  refuse,
  type Tx,
} from '@waymark/domain'
import type { ScopeWanted } from '@waymark/pantahub'
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import { carries, seenFrom, type UserCaller } from '../../access.ts'
import type { House } from '../../house.ts'
import type { HttpApp } from '../../http.ts'
import { problemBody, problemType } from '../../problem.ts'
import { accessTokenOperations } from './access-tokens.ts'
import { appOperations } from './apps.ts'
import { configurationOperations } from './configurations.ts'
import { deadLetterOperations } from './dead-letters.ts'
import { deviceTypeOperations } from './device-types.ts'
import { deviceOperations } from './devices.ts'
import { groupOperations } from './groups.ts'
import { importOperations } from './imports.ts'
import { installationOperations } from './installation.ts'
import { journalOperations } from './journal.ts'
import { objectOperations } from './objects.ts'
import type { Asked, Operation, Work } from './operation.ts'
import { packageOperations } from './packages.ts'
import { detailOf, type FleetRefusal, statusOf } from './refusals.ts'
import { rpcOperations } from './rpc.ts'
import { Problem } from './schemas.ts'
import { bearerOf, sessionOperations } from './session.ts'
import { trailOperations } from './trails.ts'
import { passwordOperations, userOperations } from './users.ts'
import { compileValidator } from './validate.ts'
import { whyOperations } from './why.ts'

/** Everything the fleet door can be asked. */
export const fleetOperations: readonly Operation[] = [
  ...sessionOperations,
  ...passwordOperations,
  ...accessTokenOperations,
  ...appOperations,
  ...userOperations,
  ...deviceOperations,
  ...trailOperations,
  ...objectOperations,
  ...journalOperations,
  ...whyOperations,
  ...groupOperations,
  ...deviceTypeOperations,
  ...packageOperations,
  ...configurationOperations,
  ...deadLetterOperations,
  ...rpcOperations,
  ...importOperations,
  ...installationOperations,
]

/** How long an idempotent reply is kept: a day. */
const replyKeptMs = 24 * 3600 * 1000

/** The scope a token needs for a right, where tokens are narrower than their bearer. */
const scopeFor = {
  'devices.read': 'devices.readonly',
  'devices.write': 'devices.write',
  'trails.read': 'trails.readonly',
  'trails.write': 'trails.write',
  'objects.read': 'objects.readonly',
  'objects.write': 'objects.write',
  'journal.read': 'trails.readonly',
  'members.write': 'all',
} as const satisfies Record<Right, ScopeWanted>

/** Registers the door's routes below `/fleet/v1`. */
export async function fleetDoor({ app }: HttpApp, house: House): Promise<void> {
  await app.register(
    async (door) => {
      door.addSchema({ ...Problem, $id: problemId })
      door.setValidatorCompiler(compileValidator)
      // Views are made field by field (`views.ts`): compiling a serializer for every shape would only cost the start.
      door.setSerializerCompiler(() => (answer) => JSON.stringify(answer))
      // Bytes of objects pass by unparsed; everything else here is JSON.
      door.addContentTypeParser('*', (_request, payload, done) => done(null, payload))
      for (const operation of fleetOperations) door.route(routeOf(operation, house))
      // Few ever ask, and what it takes to write it is as much code as all the doors.
      let openapi: Promise<object> | undefined
      door.get('/openapi.json', () => {
        openapi ??= fleetOpenapi()
        return openapi
      })
    },
    { prefix: '/fleet/v1' },
  )
}

/** The OpenAPI document alone, from the same rows, without a house. */
export async function fleetOpenapi(): Promise<object> {
  const app = fastify()
  await app.register(
    async (door) => {
      await describe(door)
      for (const operation of fleetOperations)
        door.route({
          ...schemaOf(operation),
          method: operation.method,
          url: operation.path,
          handler: () => '',
        })
      door.get('/openapi.json', { schema: { hide: true } }, () => door.swagger())
    },
    { prefix: '/fleet/v1' },
  )
  const answer = await app.inject('/fleet/v1/openapi.json')
  await app.close()
  return answer.json<object>()
}

async function describe(door: FastifyInstance): Promise<void> {
  const { default: swagger } = await import('@fastify/swagger')
  door.addSchema({ ...Problem, $id: problemId })
  await door.register(swagger, {
    refResolver: { buildLocalReference: (schema, _base, _fragment, i) => String(schema.$id ?? `part-${i}`) },
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Waymark fleet door',
        version: '1',
        description: 'Devices, trails, objects and the journal',
      },
      components: { securitySchemes: { bearer: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT' } } },
    },
  })
}

function schemaOf(operation: Operation) {
  const { params, query, body, answer } = operation
  const answers =
    typeof answer === 'string'
      ? {
          description: answer === 'bytes' ? 'the bytes' : 'server-sent events',
          content: {
            [answer === 'bytes' ? 'application/octet-stream' : 'text/event-stream']: {
              schema: Type.String(),
            },
          },
        }
      : answer
  return {
    schema: {
      operationId: operation.id,
      tags: [operation.tag],
      summary: operation.summary,
      security: operation.right === 'none' ? [] : [{ bearer: [] }],
      ...(params === undefined ? {} : { params }),
      ...(query === undefined ? {} : { querystring: query }),
      ...(body === undefined ? {} : { body }),
      ...(operation.takes === undefined ? {} : takesBytes),
      ...(operation.idempotent && operation.method === 'POST'
        ? {
            headers: Type.Object({
              'idempotency-key': Type.Optional(Type.String({ minLength: 1, maxLength: 128 })),
            }),
          }
        : {}),
      response: { [operation.status]: answers, '4xx': problems, '5xx': problems },
    },
  }
}

/** The bytes pass by unparsed and unchecked: here they are only described. */
const takesBytes = {
  body: { content: { 'application/octet-stream': { schema: { type: 'string', format: 'binary' } } } },
}

/** What refusals look like stands once in the document. */
const problemId = 'Problem'
const problems = {
  description: 'Problem details (RFC 9457): `type` names the refusal, its facts stand beside',
  content: { 'application/problem+json': { schema: { $ref: `${problemId}#` } } },
}

function routeOf(operation: Operation, house: House) {
  return {
    ...schemaOf(operation),
    method: operation.method,
    url: operation.path,
    handler: async (request: FastifyRequest, reply: FastifyReply) => {
      const caller = await admitted(operation, house, request)
      if (!caller.ok) return refused(reply, caller.refusal)
      const asked = {
        house,
        caller: caller.value,
        params: request.params,
        query: request.query,
        body: request.body,
        request,
        reply,
      } as unknown as Asked<never, never, never>
      const answer = (await operation.run(asked)) as Result<unknown, FleetRefusal>
      if (!answer.ok) return refused(reply, answer.refusal)
      if (typeof answer.value !== 'function')
        return reply.sent ? reply : reply.code(operation.status).send(answer.value)
      const done = await carriedOut(
        operation,
        house,
        caller.value as UserCaller,
        request,
        answer.value as Work<unknown>,
      )
      return done.ok ? reply.code(done.value.status).send(done.value.body) : refused(reply, done.refusal)
    },
  }
}

/** The caller, if there has to be one, with the right and the scope that the operation asks for. */
async function admitted(
  operation: Operation,
  house: House,
  request: FastifyRequest,
): Promise<Result<UserCaller | undefined, FleetRefusal>> {
  if (operation.right === 'none') return ok(undefined)
  const token = bearerOf(request.headers.authorization)
  if (token === undefined) return refuse({ kind: 'no-login' })
  const caller = await house.access.callerOf(token)
  if (!caller.ok) return caller
  if (caller.value.kind !== 'user')
    return refuse({ kind: 'no-right', wanted: 'a user', got: caller.value.kind })
  const bytes = Number(request.headers['content-length'] ?? 0)
  const retryAfterMs = house.traffic.take(caller.value.tenant, bytes)
  if (retryAfterMs > 0) return refuse({ kind: 'too-many-requests', retryAfterMs })
  const seen = seenFrom(caller.value, house.peerAddress(request))
  if (operation.right === 'any') return ok(seen)
  for (const right of operation.also === undefined ? [operation.right] : [operation.right, operation.also]) {
    if (!mayDo(caller.value.roles, right))
      return refuse({ kind: 'no-right', wanted: right, got: caller.value.roles.join(' ') || 'no role' })
    if (!carries(caller.value, scopeFor[right]))
      return refuse({
        kind: 'no-right',
        wanted: `scope ${scopeFor[right]}`,
        got: caller.value.scopes.join(' '),
      })
  }
  return ok(seen)
}

interface Reply {
  readonly status: number
  readonly body: unknown
}

/** Runs the work in one commit, together with the reply that its idempotency key will be answered with. */
async function carriedOut(
  operation: Operation,
  house: House,
  caller: UserCaller,
  request: FastifyRequest,
  work: Work<unknown>,
): Promise<Result<Reply, FleetRefusal>> {
  const header = operation.method === 'POST' ? request.headers['idempotency-key'] : undefined
  const key =
    typeof header === 'string'
      ? house.keys.lookup('idempotency', `${caller.principal.id} ${header}`)
      : undefined
  // Keyed: a body may hold a password, and what is kept of it must not help to guess that.
  const digest = house.keys.lookup(
    'request',
    `${operation.id}\n${request.url}\n${JSON.stringify(request.body ?? null)}`,
  )
  return house.store.transactHouse<Reply, FleetRefusal>(async (directory) => {
    const tx = directory.tenant(caller.tenant)
    if (key !== undefined) {
      const before = await repliedBefore(tx, house.env(), key, digest)
      if (before) return before
    }
    const done = await work(directory, tx)
    if (!done.ok) return done
    const reply: Reply = { status: operation.status, body: done.value }
    // A reply with a secret is sealed like the secret itself.
    if (key !== undefined)
      await tx.put(idempotentReplies, {
        key,
        request: digest,
        status: reply.status,
        body: house.keys.seal(JSON.stringify(reply.body), `reply/${key}`),
        expiresAt: Instant.after(house.env().now, replyKeptMs),
      })
    return ok(reply)
  })

  async function repliedBefore(
    tx: Tx,
    env: Env,
    of: string,
    asked: string,
  ): Promise<Result<Reply, FleetRefusal> | undefined> {
    const held = await tx.get(idempotentReplies, { key: of })
    if (!held || held.expiresAt <= env.now) return undefined
    if (held.request !== asked) return refuse({ kind: 'key-reused', got: String(header) })
    const body = house.keys.unseal(held.body, `reply/${of}`)
    return body.ok ? ok({ status: held.status, body: JSON.parse(body.value) as unknown }) : undefined
  }
}

function refused(reply: FastifyReply, refusal: FleetRefusal): FastifyReply {
  const status = statusOf[refusal.kind]
  const { kind, ...facts } = refusal
  if (status === 401) reply.header('www-authenticate', 'Bearer realm="waymark"')
  if ('retryAfterMs' in refusal) reply.header('retry-after', Math.ceil(refusal.retryAfterMs / 1000))
  return reply
    .code(status)
    .header('content-type', problemType)
    .serializer((body: unknown) => JSON.stringify(body))
    .send(problemBody({ status, kind, detail: detailOf(refusal), facts }))
}
