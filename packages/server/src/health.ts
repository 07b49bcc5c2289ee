/**
 * What machines ask a server about itself: alive (/healthz), fit for traffic (/readyz), counted (/metrics), built from
 * what (/version). Without a trailing slash these are the house's own; with one they are Pantahub's.
 */
import { readFileSync } from 'node:fs'
import type { FastifyInstance } from 'fastify'
import type { Metrics } from './metrics.ts'
import { sendProblem } from './problem.ts'

export interface Version {
  readonly name: 'waymark'
  readonly version: string
  readonly node: string
  /** The commit of the checkout the server runs from, where one can be read. */
  readonly commit?: string
}

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

/** Name, version, Node's version and, in a checkout, the commit. Reads two small files; never fails. */
export function readVersion(): Version {
  const own = readText(new URL('../package.json', import.meta.url))
  const version = /"version":\s*"([^"]+)"/.exec(own ?? '')?.[1] ?? 'unknown'
  const commit = readCommit(new URL('../../../.git/', import.meta.url))
  return {
    name: 'waymark',
    version,
    node: process.versions.node,
    ...(commit === undefined ? {} : { commit }),
  }
}

function readCommit(git: URL): string | undefined {
  const head = readText(new URL('HEAD', git))?.trim()
  if (head === undefined) return undefined
  const ref = /^ref: (refs\/[\w./-]+)$/.exec(head)?.[1]
  const commit = ref === undefined ? head : readText(new URL(ref, git))?.trim()
  return commit !== undefined && /^[0-9a-f]{40,64}$/.test(commit) ? commit : undefined
}

function readText(path: URL): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}
