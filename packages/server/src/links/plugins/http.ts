/**
 * HTTP on the server's own listener for plugins: `/plugins/NAME/…` is answered by the plugin of that name.
 *
 * What is asked goes to the plugin's process as plain data, and what it answers is a stranger's: statuses, headers and bodies
 * are read, bounded, and anything else is a bad gateway. A plugin answers on the origin of the console. So it never
 * sees a cookie, sets none, and every answer is sandboxed by its security policy: no script of a plugin acts for somebody
 * who is logged in. Who asks is not known here; a plugin that wants to know asks for a name and password.
 */
import type { HttpAnswer, HttpRequest } from '@waymark/plugin'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { HttpApp } from '../../http.ts'
import type { Log } from '../../log.ts'
import { sendProblem } from '../../problem.ts'
import type { PluginLink } from './link.ts'

const bodyMost = 1024 * 1024
const answerMs = 30_000
/** Requests at one plugin at once. */
const requestsMost = 100
const headersMost = 64
const headerMost = 8192

/** What belongs to the connection and not to the message (RFC 9110 7.6.1), or is made anew on the other side. */
const ofConnection = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'content-length',
  'expect',
])
/** What an answer of the house alone may say, because it changes what browsers do with all of its origin. */
const ofHouse = new Set([
  'set-cookie',
  'set-cookie2',
  'clear-site-data',
  'alt-svc',
  'date',
  'server',
  'nel',
  'origin-agent-cluster',
  'permissions-policy',
  'public-key-pins',
  'referrer-policy',
  'report-to',
  'reporting-endpoints',
  'service-worker-allowed',
  'sourcemap',
  'speculation-rules',
  'strict-transport-security',
  'timing-allow-origin',
  'x-accel-redirect',
  'x-content-type-options',
  'x-frame-options',
  'x-sendfile',
])
const ofHousePrefixes = ['content-security-policy', 'access-control-', 'cross-origin-']

/** Opens `/plugins/…` for these plugins. */
export function openPluginHttp(
  { app, peerAddress, peerScheme }: Pick<HttpApp, 'app' | 'peerAddress' | 'peerScheme'>,
  plugins: readonly PluginLink[],
  log: Log,
): void {
  if (plugins.length === 0) return
  const byName = new Map(plugins.map((link) => [link.name, { plugin: link.plugin, open: 0 }]))

  async function answer(request: FastifyRequest<{ Params: { name: string } }>, reply: FastifyReply) {
    const { name } = request.params
    const held = byName.get(name)
    if (held === undefined) return sendProblem(reply, { status: 404, kind: 'no-such-plugin' })
    const can = held.plugin.can()
    if (can === undefined) {
      reply.header('retry-after', '2')
      return sendProblem(reply, { status: 503, kind: 'plugin-away', detail: `${name} is not running` })
    }
    if (!can.includes('http')) return sendProblem(reply, { status: 404, kind: 'no-such-plugin' })
    if (held.open >= requestsMost) {
      reply.header('retry-after', '1')
      const detail = `${name} has ${requestsMost} requests to answer`
      return sendProblem(reply, { status: 503, kind: 'plugin-busy', detail })
    }
    held.open += 1
    try {
      const asked = requestOf(request, peerAddress(request), peerScheme(request) === 'https')
      const read = readAnswer(await held.plugin.do('http', asked, answerMs))
      if (read === undefined) throw new Error('wanted a status, headers and a body, got something else')
      return send(reply, read)
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error)
      log.warn({ plugin: name, why }, 'a plugin did not answer over HTTP')
      // The words of a stranger's code are for the log, not for whoever asks.
      return sendProblem(reply, { status: 502, kind: 'plugin-failed', detail: `${name} did not answer` })
    } finally {
      held.open -= 1
    }
  }

  app.register(async (scope) => {
    scope.removeAllContentTypeParsers()
    scope.addContentTypeParser<Buffer>(
      '*',
      { parseAs: 'buffer', bodyLimit: bodyMost },
      (_request, body, done) => done(null, body),
    )
    for (const url of ['/plugins/:name', '/plugins/:name/*']) scope.all(url, { bodyLimit: bodyMost }, answer)
  })
}

function requestOf(request: FastifyRequest, address: string, secure: boolean): HttpRequest {
  const url = request.raw.url ?? '/'
  const mark = url.indexOf('?')
  const whole = mark < 0 ? url : url.slice(0, mark)
  const headers: Record<string, string> = {}
  for (const [name, value] of Object.entries(request.headers)) {
    if (value === undefined || name === 'cookie' || name === '__proto__' || ofConnection.has(name)) continue
    headers[name] = typeof value === 'string' ? value : value.join(', ')
  }
  return {
    method: request.method,
    path: `/${whole.split('/').slice(3).join('/')}`,
    query: mark < 0 ? '' : url.slice(mark + 1),
    headers,
    body: request.body instanceof Uint8Array ? request.body : new Uint8Array(0),
    address,
    secure,
  }
}

interface ReadAnswer {
  readonly status: number
  readonly headers: readonly (readonly [name: string, value: string])[]
  readonly body: Buffer
}

/** What a plugin answered; undefined: it can not be sent. Headers that are not its own to set are left out. */
export function readAnswer(raw: unknown): ReadAnswer | undefined {
  if (typeof raw !== 'object' || raw === null) return undefined
  const { status, headers = {}, body = '' }: { [Name in keyof HttpAnswer]?: unknown } = raw
  if (typeof status !== 'number' || !Number.isInteger(status) || status < 200 || status > 599)
    return undefined
  if (typeof headers !== 'object' || headers === null || Array.isArray(headers)) return undefined
  if (typeof body !== 'string' && !(body instanceof Uint8Array)) return undefined
  const bytes =
    typeof body === 'string' ? Buffer.from(body) : Buffer.from(body.buffer, body.byteOffset, body.length)
  const entries: (readonly [string, unknown])[] = Object.entries(headers)
  if (bytes.length > bodyMost || entries.length > headersMost) return undefined
  const kept: [string, string][] = []
  for (const [given, value] of entries) {
    const name = given.toLowerCase()
    if (!/^[a-z0-9!#$%&'*+.^_`|~-]{1,100}$/.test(name) || typeof value !== 'string') return undefined
    // Visible characters of Latin 1, blanks and tabs: what Node would throw at, and nothing that ends a line.
    if (value.length > headerMost || !/^[\t\x20-\x7e\x80-\xff]*$/.test(value)) return undefined
    if (ofConnection.has(name) || ofHouse.has(name) || ofHousePrefixes.some((one) => name.startsWith(one)))
      continue
    kept.push([name, value])
  }
  return { status, headers: kept, body: bytes }
}

function send(reply: FastifyReply, { status, headers, body }: ReadAnswer): FastifyReply {
  reply.code(status)
  for (const [name, value] of headers) reply.header(name, value)
  reply.header('content-security-policy', "sandbox; default-src 'none'; frame-ancestors 'none'")
  reply.header('x-content-type-options', 'nosniff')
  if (status === 204 || status === 304) return reply.send()
  if (!reply.hasHeader('content-type')) reply.header('content-type', 'application/octet-stream')
  return reply.send(body)
}
