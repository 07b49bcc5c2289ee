import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { get as getTls } from 'node:https'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { connect as connectTls } from 'node:tls'
import { StoreError } from '@waymark/store'
import { expect, onTestFinished, test } from 'vitest'
import { createHttpApp, type HttpApp } from '../src/http.ts'
import { createMetrics } from '../src/metrics.ts'
import { configOf, exchange, keptLog, open, startHttp, temporaryFolder, until } from './support.ts'

/** Routes as doors have them: a mount, an item, a body, a stream, and one that fails. */
function routes({ app, redirects, peerAddress, peerScheme, draining }: HttpApp): void {
  redirects.mount('/devices/')
  redirects.mount('/healthz/')
  app.get('/devices/', () => ({ here: 'devices' }))
  app.get('/devices/:id', (request) => request.params)
  app.post('/devices/', (request) => ({ host: request.headers.host, got: request.body ?? null }))
  app.get('/healthz', () => 'ours')
  app.get('/stream', (_, reply) => reply.send(Readable.from(['one ', 'two ', 'three'])))
  app.get('/peer', (request) => `${peerScheme(request)} ${peerAddress(request)}`)
  app.get('/defect', () => {
    throw new Error('the password=hunter2 is wrong')
  })
  app.get('/events', (_, reply) => {
    reply.hijack()
    reply.raw.writeHead(200, { 'content-type': 'text/event-stream' })
    reply.raw.write('data: first\n\n')
    draining.addEventListener('abort', () => reply.raw.end('data: last\n\n'), { once: true })
  })
}

const absolute = ['https://host:443/devices/', 'HTTP://host/devices/', 'http://user@host:80/devices/']
for (const target of absolute)
  test(`[HT1] POST ${target} is routed by its path`, async () => {
    const { at } = await startHttp(routes)
    const answer = await exchange(
      at.port,
      `POST ${target} HTTP/1.0\r\nHost: other:1\r\nContent-Length: 0\r\n\r\n`,
    )
    expect(answer).toMatch(/^HTTP\/1\.1 200 /)
    expect(answer).toContain(`"host":"${target.split('/')[2]}"`)
  })

test('[HT1] an absolute target without a path is the root, and its query is kept', async () => {
  const { at } = await startHttp(({ app }) => {
    app.get('/', (request) => request.query)
  })
  expect(await exchange(at.port, 'GET http://host?a=1 HTTP/1.0\r\n\r\n')).toContain('{"a":"1"}')
})

const nowhere = ['ftp://host/devices/', '*', 'devices/', 'http://']
for (const target of nowhere)
  test(`[HT1] the target ${target} leads nowhere and harms nobody`, async () => {
    const { at } = await startHttp(routes)
    expect(await exchange(at.port, `OPTIONS ${target} HTTP/1.0\r\n\r\n`)).toMatch(/^HTTP\/1\.1 4\d\d /)
  })

const oldClients = [
  { says: 'plainly', head: '' },
  { says: 'asking to keep the connection', head: 'Connection: keep-alive\r\n' },
  { says: 'claiming to take chunks', head: 'TE: chunked\r\n' },
]
for (const { says, head } of oldClients)
  for (const path of ['/devices/', '/stream'])
    test(`[HT2] HTTP/1.0 ${path}, ${says}: no chunks, and closed`, async () => {
      const { at } = await startHttp(routes)
      const answer = await exchange(at.port, `GET ${path} HTTP/1.0\r\nHost: h:1\r\n${head}\r\n`)
      expect(answer).toMatch(/^HTTP\/1\.1 200 /)
      expect(answer).toMatch(/\r\nconnection: close\r\n/i)
      expect(answer).not.toMatch(/transfer-encoding/i)
      expect(answer.slice(answer.indexOf('\r\n\r\n') + 4)).toBe(
        path === '/stream' ? 'one two three' : '{"here":"devices"}',
      )
    })

test('[HT2] HTTP/1.1 keeps the connection: two requests, two answers', async () => {
  const { at } = await startHttp(routes)
  const request = 'GET /devices/ HTTP/1.1\r\nHost: h\r\n'
  const answer = await exchange(at.port, `${request}\r\n`, `${request}Connection: close\r\n\r\n`)
  expect(answer.match(/HTTP\/1\.1 200 /g)).toHaveLength(2)
})

const moved = [
  { from: '/devices', to: '/devices/' },
  { from: '/devices?a=1', to: '/devices/?a=1' },
  { from: '//devices', to: '/devices/' },
  { from: '/devices//x', to: '/devices/x' },
  { from: '///devices///x//?a=//b', to: '/devices/x/?a=//b' },
  { from: '/healthz//', to: '/healthz/' },
]
for (const { from, to } of moved)
  test(`[HT3] ${from} is answered 301 to ${to}`, async () => {
    const { at } = await startHttp(routes)
    for (const method of ['GET', 'POST']) {
      const answer = await exchange(at.port, `${method} ${from} HTTP/1.0\r\nContent-Length: 0\r\n\r\n`)
      expect(answer).toMatch(/^HTTP\/1\.1 301 /)
      expect(answer).toContain(`\r\nlocation: ${to}\r\n`)
    }
  })

const unmoved = ['//evil.example/', '/\\evil.example//', '/devicesx//', '/other//devices', '/devices/?x=//y']
for (const path of unmoved)
  test(`[HT3] ${path} is not redirected`, async () => {
    const { at } = await startHttp(routes)
    expect(await exchange(at.port, `GET ${path} HTTP/1.0\r\n\r\n`)).not.toMatch(/^HTTP\/1\.1 30/)
  })

test('[HT3] a mount that does not end in a slash is a defect', async () => {
  await startHttp(({ redirects }) => expect(() => redirects.mount('/devices')).toThrow('slash'))
})

test('[HT4] /healthz stays ours when a door mounts /healthz/', async () => {
  const { at } = await startHttp(routes)
  expect(await exchange(at.port, 'GET /healthz HTTP/1.0\r\n\r\n')).toMatch(/^HTTP\/1\.1 200 .*ours$/s)
})

const tooLarge = [
  {
    says: 'a body announced too long',
    request: 'POST /devices/ HTTP/1.0\r\nContent-Type: application/json\r\nContent-Length: 5000\r\n\r\n',
    status: 413,
  },
  {
    says: 'a chunked body that grows too long',
    request: `POST /devices/ HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n7d0\r\n${'1'.repeat(2000)}\r\n0\r\n\r\n`,
    status: 413,
  },
  {
    says: 'headers too large',
    request: `GET /devices/ HTTP/1.0\r\nX: ${'x'.repeat(3000)}\r\n\r\n`,
    status: 431,
  },
  { says: 'a parameter too long', request: `GET /devices/${'x'.repeat(5000)} HTTP/1.0\r\n\r\n`, status: 431 },
]
for (const { says, request, status } of tooLarge)
  test(`[HT6] ${says}: ${status}`, async () => {
    const { at } = await startHttp(routes, { flags: ['--body-limit', '1KiB', '--header-limit', '2KiB'] })
    const { socket, soFar } = open(at.port)
    socket.write(request)
    await until(() => soFar().includes('\r\n\r\n'))
    expect(soFar()).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `))
  })

test('[HT6] a path segment of 4096 characters (a signed URL) is a parameter, a longer one is none', async () => {
  const { http } = await startHttp(routes)
  expect((await http.app.inject(`/devices/${'x'.repeat(4096)}`)).statusCode).toBe(200)
  expect((await http.app.inject(`/devices/${'x'.repeat(4097)}`)).statusCode).toBeGreaterThanOrEqual(400)
})

test('[HT7] headers that do not come in time get 408', async () => {
  const { at } = await startHttp(routes, { flags: ['--header-timeout', '1'], sweepMs: 100 })
  expect(await exchange(at.port, 'GET /devices/ HTTP/1.1\r\nHost:')).toMatch(/^HTTP\/1\.1 408 /)
})

test('[HT7] a connection on which nothing comes is closed', async () => {
  const { at } = await startHttp(routes, { flags: ['--header-timeout', '1'], sweepMs: 100 })
  await open(at.port).all
})

test('[HT7] a body that comes too slowly is cut off and counted', async () => {
  const { at, metrics } = await startHttp(routes, { flags: ['--body-rate', '1000'], sweepMs: 50 })
  const { socket, all } = open(at.port)
  socket.write(
    'POST /devices/ HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nContent-Length: 900\r\n\r\n',
  )
  const drip = setInterval(() => socket.write('1'), 20)
  onTestFinished(() => clearInterval(drip))
  await all
  expect((await metrics.text()).body).toMatch(/waymark_http_slow_senders_total\{listener="http"\} 1/)
})

test('[HT7] a body that we are slow to take is not cut off', async () => {
  let taken: () => void = () => {}
  const wait = new Promise<void>((resolve) => {
    taken = resolve
  })
  const { at } = await startHttp(
    ({ app }) => {
      app.addContentTypeParser('application/octet-stream', (_request, payload, done) => done(null, payload))
      app.post<{ Body: Readable }>('/put', async ({ body }) => {
        await wait
        let bytes = 0
        for await (const piece of body) bytes += piece.length
        return { bytes }
      })
    },
    { flags: ['--body-rate', '1000'], sweepMs: 20 },
  )
  const { socket, all } = open(at.port)
  socket.write(
    'POST /put HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Type: application/octet-stream\r\nContent-Length: 1000000\r\n\r\n',
  )
  socket.write('x'.repeat(1_000_000))
  setTimeout(taken, 200)
  expect(await all).toContain('{"bytes":1000000}')
})

test('[HT7] a connection that is silent while an answer is owed is closed', async () => {
  const { at } = await startHttp(
    ({ app }) => {
      app.get('/never', () => new Promise(() => {}))
    },
    { flags: ['--idle-timeout', '1'], sweepMs: 100 },
  )
  expect(await exchange(at.port, 'GET /never HTTP/1.1\r\nHost: h\r\n\r\n')).toBe('')
})

test('[HT8] connections over the limit are refused and counted', async () => {
  const { at, metrics } = await startHttp(routes, { flags: ['--max-connections', '1'] })
  const first = open(at.port)
  first.socket.write('GET /devices/ HTTP/1.1\r\nHost: h\r\n\r\n')
  await until(() => first.soFar().includes('devices'))
  expect(await exchange(at.port, 'GET /devices/ HTTP/1.1\r\nHost: h\r\n\r\n')).toBe('')
  expect((await metrics.text()).body).toMatch(/connections_refused_total\{listener="http"\} 1/)
})

test('[HT9] draining: streams are told, requests in flight finish with Connection: close, nobody new comes in', async () => {
  let finish: () => void = () => {}
  const inFlight = new Promise<void>((resolve) => {
    finish = resolve
  })
  let began = false
  const { at, http } = await startHttp((made) => {
    routes(made)
    made.app.get('/slow', async () => {
      began = true
      await inFlight
      return 'finished'
    })
  })
  const [idle, stream, slow] = [open(at.port), open(at.port), open(at.port)]
  idle.socket.write('GET /devices/ HTTP/1.1\r\nHost: h\r\n\r\n')
  stream.socket.write('GET /events HTTP/1.1\r\nHost: h\r\n\r\n')
  slow.socket.write('GET /slow HTTP/1.1\r\nHost: h\r\n\r\n')
  await until(() => began && idle.soFar().includes('devices') && stream.soFar().includes('first'))
  const drained = http.drain(20_000)
  expect(await stream.all).toContain('data: last')
  await idle.all
  expect(await exchange(at.port, 'GET /devices/ HTTP/1.1\r\nHost: h\r\n\r\n')).toBe('')
  finish()
  expect(await slow.all).toMatch(/\r\nconnection: close\r\n.*finished$/is)
  expect(await drained).toEqual({ cut: 0 })
})

test('[HT9] what does not finish in time is cut', async () => {
  let began = false
  const { at, http } = await startHttp(({ app }) => {
    app.get('/never', () => {
      began = true
      return new Promise(() => {})
    })
  })
  const { socket, all } = open(at.port)
  socket.write('GET /never HTTP/1.1\r\nHost: h\r\n\r\n')
  await until(() => began)
  expect(await http.drain(30)).toEqual({ cut: 1 })
  expect(await all).toBe('')
})

test('[HT10] a defect tells an incident id and nothing else; the log has it without the secret', async () => {
  const { http, lines } = await startHttp(routes)
  const answer = await http.app.inject('/defect')
  expect(answer.statusCode).toBe(500)
  expect(answer.headers['content-type']).toMatch('application/problem+json')
  const { incident, ...rest } = answer.json()
  expect(rest).toEqual({ type: 'urn:waymark:defect', title: 'Internal Server Error', status: 500 })
  expect(lines.find((line) => line.incident === incident)).toMatchObject({ route: '/defect', level: 'error' })
  expect(JSON.stringify(lines)).not.toContain('hunter2')
})

for (const [kind, status] of [
  ['disk-full', 507],
  ['too-large', 413],
  ['unreachable', 503],
  ['conflict', 503],
] as const)
  test(`[HT10] a store that says ${kind}: ${status}, named, the cause in the log alone`, async () => {
    const { http, lines } = await startHttp(({ app }) => {
      app.get('/x', () => {
        throw new StoreError(kind, 'store /secret/path: broken')
      })
    })
    const answer = await http.app.inject('/x')
    expect(answer.json()).toMatchObject({ status, type: `urn:waymark:${kind}` })
    expect(answer.body).not.toContain('/secret/path')
    expect(lines).toContainEqual(
      expect.objectContaining({ incident: answer.json().incident, level: 'error' }),
    )
  })

const refused = [
  {
    says: 'no such route',
    ask: { url: '/nothing' },
    gets: { status: 404, type: 'urn:waymark:no-such-route' },
  },
  {
    says: 'a body that is not JSON',
    ask: { method: 'POST', url: '/devices/', headers: { 'content-type': 'application/json' }, payload: '{' },
    gets: { status: 400, type: 'urn:waymark:not-json' },
  },
  {
    says: 'a media type nobody reads',
    ask: { method: 'POST', url: '/devices/', headers: { 'content-type': 'text/x' }, payload: '{' },
    gets: { status: 415, type: 'urn:waymark:wrong-media-type' },
  },
  {
    says: 'a path that is not one',
    ask: { url: '/devices/%zz' },
    gets: { status: 400, type: 'urn:waymark:bad-url' },
  },
] as const
for (const { says, ask, gets } of refused)
  test(`[HT10] ${says}: problem+json ${gets.status}`, async () => {
    const { http } = await startHttp(routes)
    const answer = await http.app.inject(ask)
    expect(answer.json()).toMatchObject(gets)
    expect(answer.headers['content-type']).toMatch('application/problem+json')
  })

test('[HT10] a schema that is not met says where and what was wanted', async () => {
  const { http } = await startHttp(({ app }) => {
    app.post('/x', { schema: { body: { type: 'object', required: ['name'] } } }, () => 'ok')
  })
  const answer = await http.app.inject({ method: 'POST', url: '/x', payload: {} })
  expect(answer.json()).toMatchObject({
    status: 400,
    type: 'urn:waymark:not-by-the-schema',
    errors: [{ at: 'body' }],
  })
})

test('[HT11] what is not HTTP is answered 400 and closed', async () => {
  const { at } = await startHttp(routes)
  expect(await exchange(at.port, '\x16\x03\x01\x02\x00\x01\x00')).toMatch(/^HTTP\/1\.1 400 /)
  expect(await exchange(at.port, 'GET / HTTP/1.1\r\n\r\n')).toMatch(/^HTTP\/1\.1 400 /)
})

test('[HT11] garbage behind a request never lands inside its answer', async () => {
  let answer: () => void = () => {}
  let began = false
  const { at } = await startHttp(({ app }) => {
    app.get('/slow', async () => {
      began = true
      await new Promise<void>((resolve) => {
        answer = resolve
      })
      return 'whole'
    })
  })
  const { socket, all } = open(at.port)
  socket.write('GET /slow HTTP/1.1\r\nHost: h\r\n\r\n')
  await until(() => began)
  socket.write('\x00garbage\r\n\r\n')
  await all
  answer()
  expect(await all).not.toContain('400')
})

test('[HT12] the same routes answer over TLS, and the scheme is told', async () => {
  const folder = temporaryFolder()
  const [key, cert] = [join(folder, 'k.pem'), join(folder, 'c.pem')]
  makeCertificate(key, cert)
  const { http } = await startHttp(routes)
  const at = await http.listen({
    host: '127.0.0.1',
    port: 0,
    tls: { key: readFileSync(key), cert: readFileSync(cert) },
  })
  expect(at.url).toBe(`https://127.0.0.1:${at.port}`)
  const body = await new Promise<string>((resolve, reject) => {
    getTls(
      {
        port: at.port,
        host: '127.0.0.1',
        path: '/peer',
        ca: readFileSync(cert),
        servername: 'localhost',
        agent: false,
      },
      (answer) => {
        answer.setEncoding('utf8').on('data', resolve)
      },
    ).on('error', reject)
  })
  expect(body).toBe('https 127.0.0.1')
})

test('[HT12] a client that offers HTTP/1.0 alone is welcome over TLS', async () => {
  const folder = temporaryFolder()
  const [key, cert] = [join(folder, 'k.pem'), join(folder, 'c.pem')]
  makeCertificate(key, cert)
  const { http } = await startHttp(routes)
  const tls = { key: readFileSync(key), cert: readFileSync(cert) }
  const { port } = await http.listen({ host: '127.0.0.1', port: 0, tls })
  const ca = readFileSync(cert)
  const socket = connectTls({
    port,
    host: '127.0.0.1',
    ca,
    servername: 'localhost',
    ALPNProtocols: ['http/1.0'],
  })
  let got = ''
  socket.setEncoding('latin1').on('data', (text: string) => {
    got += text
  })
  socket.write('GET /healthz HTTP/1.0\r\n\r\n')
  await once(socket, 'close')
  expect(got).toMatch(/^HTTP\/1\.[01] 200 [\s\S]*ours$/)
})

test('[LG4] requests are logged as configured, without the secrets of their URLs', async () => {
  const { at, lines } = await startHttp(routes, { flags: ['--log-requests', 'all'] })
  await fetch(`${at.url}/local-s3/abc.def.ghi?token=geheim`)
  await until(() => lines.length > 0)
  expect(lines[0]).toMatchObject({ msg: 'request', status: 404, url: '/local-s3/[token]?token=[redacted]' })
})

test('[HT9] an app that never listened closes as well', async () => {
  const { log } = keptLog()
  const http = createHttpApp({ config: configOf(), log, metrics: createMetrics() })
  expect(await http.drain(0)).toEqual({ cut: 0 })
})

test('a listener on every address tells one that can be reached', async () => {
  const { http } = await startHttp(routes)
  const { log } = keptLog()
  const everywhere = createHttpApp({ config: configOf(), log, metrics: createMetrics() })
  everywhere.app.get('/', () => 'here')
  const at = await everywhere.listen({ host: '0.0.0.0', port: 0 })
  onTestFinished(async () => {
    await everywhere.drain(0)
    await http.drain(0)
  })
  expect(at.url).not.toContain('0.0.0.0')
  expect(await (await fetch(at.url)).text()).toBe('here')
})

/** A certificate for localhost, made by OpenSSL's command, which Node's own build machine and Debian both have. */
function makeCertificate(key: string, cert: string): void {
  const args = [
    'req',
    '-x509',
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:prime256v1',
    '-nodes',
    '-days',
    '2',
  ]
  execFileSync(
    'openssl',
    [
      ...args,
      '-subj',
      '/CN=localhost',
      '-addext',
      'subjectAltName=DNS:localhost',
      '-keyout',
      key,
      '-out',
      cert,
    ],
    { stdio: 'ignore' },
  )
}
