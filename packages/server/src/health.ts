/**
 * What machines ask a server about itself: alive (/healthz), fit for traffic (/readyz), counted (/metrics), built from
 * what (/version). Without a trailing slash these are the house's own; with one they are Pantahub's.
 */
import type { FastifyInstance } from 'fastify'
import type { Metrics } from './metrics.ts'
import { sendProblem } from './problem.ts'
import type { Version } from './version.ts'

export interface Health {
  /** `starting` until everything is open, `draining` from the first signal on. */
  phase(): 'starting' | 'ready' | 'draining'
  /** Resolves when the store answers. */
  ping(): Promise<void>
  readonly version: Version
  readonly metrics: Metrics
  /** How long a ping may take, in milliseconds, before the store counts as not answering. */
  readonly pingTimeoutMs?: number
}

export function registerHealth(app: FastifyInstance, health: Health): void {
  const { metrics, version, pingTimeoutMs = 2000 } = health
  app.get('/healthz', () => ({ status: 'alive' }))
  app.get('/version', () => version)
  app.get('/metrics', async (_, reply) => {
    const { body, contentType } = await metrics.text()
    return reply.header('content-type', contentType).send(body)
  })
  app.get('/readyz', async (_, reply) => {
    const phase = health.phase()
    if (phase !== 'ready') return sendProblem(reply, { status: 503, kind: phase, facts: { retry: true } })
    if (!(await answersInTime(health.ping, pingTimeoutMs)))
      return sendProblem(reply, { status: 503, kind: 'store-does-not-answer', facts: { retry: true } })
    return { status: 'ready' }
  })
}

async function answersInTime(ping: () => Promise<void>, timeoutMs: number): Promise<boolean> {
  const late = Promise.withResolvers<boolean>()
  const timer = setTimeout(() => late.resolve(false), timeoutMs)
  try {
    const answered = ping().then(
      () => true,
      () => false,
    )
    return await Promise.race([answered, late.promise])
  } finally {
    clearTimeout(timer)
  }
}
