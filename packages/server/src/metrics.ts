/**
 * What the server counts about itself, told at /metrics.
 *
 * The hot path touches plain numbers only; names, labels and text are made when somebody asks. Labels are bounded by
 * what the program contains (route patterns, methods, status classes), never by what callers send. prom-client is
 * loaded at the first question: it writes the text, and adds the process's own figures (memory, CPU, event loop lag).
 */
import type { Registry } from 'prom-client'
import { METHODS } from './node-http.ts'

/** One figure with its labels, as it stands now. `suffix` is put behind the name (`_bucket`, `_sum`, `_count`). */
export interface Sample {
  readonly labels: Readonly<Record<string, string | number>>
  readonly value: number
  readonly suffix?: string
}

export interface Metric {
  /** Prometheus form: `waymark_…`, counters end in `_total`. */
  readonly name: string
  readonly help: string
  readonly type: 'counter' | 'gauge' | 'histogram'
  /** Called at each scrape. */
  read(): Iterable<Sample>
}

export interface Metrics {
  /** Adds a metric. A name added again gathers the samples of both (their labels have to differ). */
  add(metric: Metric): void
  /** Adds a counter with fixed labels and answers how to raise it. */
  counter(name: string, help: string, labels?: Sample['labels']): (by?: number) => void
  /** Called once per HTTP answer: route pattern (not the path), method, status, duration in milliseconds. */
  countRequest(route: string | undefined, method: string, status: number, durationMs: number): void
  /** The text of all metrics and its content type. */
  text(): Promise<{ body: string; contentType: string }>
}

export function createMetrics(): Metrics {
  const metrics = new Map<string, Metric>()
  const routes = new Map<string, Map<string, RouteFigures>>()
  let registry: Promise<Registry> | undefined

  const self: Metrics = {
    add(metric) {
      const before = metrics.get(metric.name)
      const read = before
        ? function* () {
            yield* before.read()
            yield* metric.read()
          }
        : metric.read
      metrics.set(metric.name, { ...metric, read })
      registry = undefined
    },
    counter(name, help, labels = {}) {
      let value = 0
      self.add({ name, help, type: 'counter', read: () => [{ labels, value }] })
      return (by = 1) => {
        value += by
      }
    },
    countRequest(route = '(none)', method, status, durationMs) {
      const figures = figuresOf(routes, route, knownMethods.has(method) ? method : 'OTHER')
      const statusClass = Math.floor(status / 100)
      figures.classes[statusClass] = (figures.classes[statusClass] ?? 0) + 1
      figures.sumMs += durationMs
      let bucket = 0
      while (bucket < bucketsMs.length && durationMs > (bucketsMs[bucket] ?? 0)) bucket++
      figures.buckets[bucket] = (figures.buckets[bucket] ?? 0) + 1
    },
    async text() {
      registry ??= createRegistry(metrics)
      const made = await registry
      return { body: await made.metrics(), contentType: made.contentType }
    },
  }

  self.add({
    name: 'waymark_http_requests_total',
    help: 'HTTP requests answered, by route pattern, method and status class',
    type: 'counter',
    *read() {
      for (const { route, method, figures } of eachRoute(routes))
        for (const [statusClass, value] of figures.classes.entries())
          if (value) yield { labels: { route, method, status: `${statusClass}xx` }, value }
    },
  })
  self.add({
    name: 'waymark_http_request_seconds',
    help: 'time from the request to the end of its answer',
    type: 'histogram',
    *read() {
      for (const { route, method, figures } of eachRoute(routes)) {
        let total = 0
        for (const [index, value] of figures.buckets.entries()) {
          total += value
          const bound = bucketsMs[index]
          const le = bound === undefined ? '+Inf' : bound / 1000
          yield { labels: { le, route, method }, value: total, suffix: '_bucket' }
        }
        yield { labels: { route, method }, value: figures.sumMs / 1000, suffix: '_sum' }
        yield { labels: { route, method }, value: total, suffix: '_count' }
      }
    },
  })
  return self
}

interface RouteFigures {
  /** Answers by the first digit of their status. */
  readonly classes: number[]
  readonly buckets: number[]
  sumMs: number
}

const bucketsMs = [1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 10_000]
const knownMethods = new Set(METHODS)

function figuresOf(
  routes: Map<string, Map<string, RouteFigures>>,
  route: string,
  method: string,
): RouteFigures {
  const found = routes.get(route)?.get(method)
  if (found !== undefined) return found
  const figures = newFigures()
  const methods = routes.get(route) ?? new Map<string, RouteFigures>()
  routes.set(route, methods.set(method, figures))
  return figures
}

function newFigures(): RouteFigures {
  return {
    classes: [0, 0, 0, 0, 0, 0],
    buckets: Array.from({ length: bucketsMs.length + 1 }, () => 0),
    sumMs: 0,
  }
}

function* eachRoute(routes: ReadonlyMap<string, ReadonlyMap<string, RouteFigures>>) {
  for (const [route, methods] of routes)
    for (const [method, figures] of methods) yield { route, method, figures }
}

async function createRegistry(metrics: ReadonlyMap<string, Metric>): Promise<Registry> {
  const { Registry, collectDefaultMetrics } = await import('prom-client')
  const registry = new Registry()
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: 20 })
  for (const metric of metrics.values()) registry.registerMetric(asPromMetric(metric))
  return registry
}

/** prom-client asks a metric for `get()` and nothing else when it writes text; its types want one of its own classes. */
function asPromMetric(metric: Metric): Parameters<Registry['registerMetric']>[0] {
  const { name, help, type } = metric
  const adapted = {
    name,
    help,
    type,
    async get() {
      const values = Array.from(metric.read(), ({ labels, value, suffix }) => ({
        labels,
        value,
        metricName: `${name}${suffix ?? ''}`,
      }))
      return { name, help, type, values, aggregator: 'sum' }
    },
    reset() {},
  }
  return adapted as unknown as Parameters<Registry['registerMetric']>[0]
}
