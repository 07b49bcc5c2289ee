/**
 * How an HTTP answer says no, where no door says it its own way: problem details (RFC 9457).
 */
import { StoreError } from '@waymark/store'
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import type { Log } from './log.ts'
import { STATUS_CODES } from './node-http.ts'

/** What is told. `kind` is the refusal's name and becomes `type`: `urn:waymark:<kind>`. */
export interface Problem {
  readonly status: number
  readonly kind?: string
  readonly detail?: string
  /** Further members: thing, wanted, got, nearest … */
  readonly facts?: Readonly<Record<string, unknown>>
}

export const problemType = 'application/problem+json; charset=utf-8'

/** The JSON of a problem, its members in the order people read them. */
export function problemBody({ status, kind, detail, facts }: Problem): Record<string, unknown> {
  return {
    type: kind === undefined ? 'about:blank' : `urn:waymark:${kind}`,
    title: STATUS_CODES[status] ?? 'Error',
    status,
    ...(detail === undefined ? {} : { detail }),
    ...facts,
  }
}

export function sendProblem(reply: FastifyReply, problem: Problem): FastifyReply {
  return reply.code(problem.status).header('content-type', problemType).send(problemBody(problem))
}

/**
 * Answers what a handler threw. What the framework refused (a body too large, no JSON, not by the schema) is the
 * caller's and told, and so is that we are too busy or that the store has no room or does not answer; everything else is
 * ours: logged with an incident id, and the caller is told only that id. A sender that hung up in the middle of its body
 * is nobody's defect, and there is nobody to tell.
 */
export function createErrorHandler(log: Log) {
  return (error: FastifyError, request: FastifyRequest, reply: FastifyReply): FastifyReply => {
    if (request.raw.destroyed && !request.raw.complete) return reply.code(400).send()
    const status = error.statusCode ?? 500
    if (status >= 400 && status < 500) return sendProblem(reply, refusedByFramework(error, status))
    if (status === 503) return sendProblem(reply, { status, kind: 'busy', detail: error.message })
    const incident = String(request.id)
    log.error(
      { err: error, incident, method: request.method, route: request.routeOptions.url },
      'request failed',
    )
    if (reply.sent || reply.raw.headersSent) {
      reply.raw.destroy()
      return reply
    }
    if (error instanceof StoreError) return sendProblem(reply, refusedByStore(error, incident))
    return sendProblem(reply, { status: 500, kind: 'defect', facts: { incident } })
  }
}

/** What the store could not do: the caller is told which it was, the log the rest. */
function refusedByStore({ kind }: StoreError, incident: string): Problem {
  const facts = { incident }
  if (kind === 'disk-full')
    return { status: 507, kind, detail: 'the disk is full: nothing was kept; wanted room', facts }
  if (kind === 'too-large') return { status: 413, kind, detail: 'record: wanted a smaller one', facts }
  return { status: 503, kind, detail: 'the store does not answer: try again', facts }
}

export function notFound(request: FastifyRequest, reply: FastifyReply): FastifyReply {
  return sendProblem(reply, {
    status: 404,
    kind: 'no-such-route',
    detail: `nothing answers ${request.method} here`,
  })
}

const kindsByCode: Readonly<Record<string, string>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: 'body-too-large',
  FST_ERR_CTP_INVALID_JSON_BODY: 'not-json',
  FST_ERR_CTP_EMPTY_JSON_BODY: 'not-json',
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'wrong-media-type',
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: 'wrong-length',
  FST_ERR_VALIDATION: 'not-by-the-schema',
  FST_ERR_BAD_URL: 'bad-url',
}

function refusedByFramework(error: FastifyError, status: number): Problem {
  const kind = kindsByCode[error.code] ?? 'refused'
  const problem = { status, kind, detail: error.message }
  if (error.validation === undefined) return problem
  const errors = error.validation.slice(0, 16).map((found) => ({
    at: `${error.validationContext ?? ''}${found.instancePath}`,
    wanted: found.message ?? found.keyword,
  }))
  return { ...problem, facts: { errors } }
}
