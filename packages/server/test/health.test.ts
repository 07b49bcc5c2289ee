import { expect, test } from 'vitest'
import { type Health, registerHealth } from '../src/health.ts'
import { createMetrics } from '../src/metrics.ts'
import { readVersion } from '../src/version.ts'
import { startHttp } from './support.ts'

async function started(health: Partial<Health> = {}) {
  const made = await startHttp(({ app }) => {
    app.get('/devices/:id', () => 'x')
    registerHealth(app, {
      phase: () => 'ready',
      ping: async () => {},
      version: readVersion(),
      metrics: createMetrics(),
      pingTimeoutMs: 20,
      ...health,
    })
  })
  return made.http.app
}

test('[HM1] /healthz is 200 while starting, draining and without a store', async () => {
  for (const phase of ['starting', 'ready', 'draining'] as const) {
    const app = await started({ phase: () => phase, ping: () => Promise.reject(new Error('gone')) })
    expect((await app.inject('/healthz')).json()).toEqual({ status: 'alive' })
  }
})

const states: { says: string; health: Partial<Health>; status: number; type?: string }[] = [
  { says: 'all is open', health: {}, status: 200 },
  { says: 'it is starting', health: { phase: () => 'starting' }, status: 503, type: 'urn:waymark:starting' },
  { says: 'it is draining', health: { phase: () => 'draining' }, status: 503, type: 'urn:waymark:draining' },
  {
    says: 'the store refuses',
    health: { ping: () => Promise.reject(new Error('x')) },
    status: 503,
    type: 'urn:waymark:store-does-not-answer',
  },
  {
    says: 'the store is silent',
    health: { ping: () => new Promise(() => {}) },
    status: 503,
    type: 'urn:waymark:store-does-not-answer',
  },
]
for (const { says, health, status, type } of states)
  test(`[HM2] /readyz when ${says}: ${status}`, async () => {
    const answer = await (await started(health)).inject('/readyz')
    expect(answer.statusCode).toBe(status)
    if (type !== undefined) expect(answer.json()).toMatchObject({ type })
  })

test('[HM3] requests are counted by route pattern, method and status class; foreign paths make no label', async () => {
  const { at, metrics } = await startHttp(({ app }) => {
    app.get('/devices/:id', () => 'x')
  })
  for (let i = 0; i < 50; i++) {
    await (await fetch(`${at.url}/devices/${i}`)).text()
    await (await fetch(`${at.url}/unknown-${i}`)).text()
  }
  const { body, contentType } = await metrics.text()
  expect(contentType).toMatch('text/plain')
  expect(body).toContain('waymark_http_requests_total{route="/devices/:id",method="GET",status="2xx"} 50')
  expect(body).toContain('waymark_http_requests_total{route="(none)",method="GET",status="4xx"} 50')
  expect(body).toContain('waymark_http_request_seconds_count{route="/devices/:id",method="GET"} 50')
  expect(body).toMatch(
    /waymark_http_request_seconds_bucket\{le="\+Inf",route="\/devices\/:id",method="GET"\} 50/,
  )
  expect(body).not.toContain('unknown-')
  expect(body).toContain('nodejs_eventloop_lag_seconds')
})

test('[HM3] doors add their own; a name added twice gathers both', async () => {
  const metrics = createMetrics()
  const commits = metrics.counter('waymark_store_commits_total', 'commits')
  commits()
  commits(2)
  for (const door of ['pantahub', 'fleet'])
    metrics.add({
      name: 'waymark_sessions',
      help: 'x',
      type: 'gauge',
      read: () => [{ labels: { door }, value: 7 }],
    })
  const { body } = await metrics.text()
  expect(body).toContain('waymark_store_commits_total 3')
  expect(body).toContain('waymark_sessions{door="pantahub"} 7')
  expect(body).toContain('waymark_sessions{door="fleet"} 7')
})

test('[HM3] an unheard-of method makes no label of its own', async () => {
  const metrics = createMetrics()
  metrics.countRequest('/x', 'FROBNICATE', 200, 1)
  expect((await metrics.text()).body).toContain('method="OTHER"')
})

test('[HM4] /version tells name, version and Node', async () => {
  const answer = await (await started()).inject('/version')
  expect(answer.json()).toMatchObject({
    name: 'waymark',
    version: expect.stringMatching(/^\d+\.\d+/),
    node: process.versions.node,
  })
})
