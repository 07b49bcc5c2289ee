/**
 * A small hub for tests: real HTTP, the wire as Pantahub Base serves it to a device, and faults on demand.
 *
 * Holds one owner, any number of devices. `on` lets a test look at each request first and answer it, cut it,
 * or let it pass. What it refuses to do is remember anything cleverly: tests read its plain maps.
 */
import { createHash, randomBytes } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { canonicalJson, stateSha } from '@waymark/pantahub'

export interface FakeStep {
  rev: number
  state: unknown
  message: string
  progress: { status: string; [key: string]: unknown }
  history: { status: string; [key: string]: unknown }[]
}

export interface FakeDevice {
  id: string
  prn: string
  secret: string
  owner: string
  challenge: string
  userMeta: Record<string, unknown>
  deviceMeta: Record<string, unknown>
  steps: FakeStep[] | undefined
}

export interface Seen {
  method: string
  path: string
  url: URL
  headers: IncomingMessage['headers']
  body: string
}

/** What a test may do to a request before the hub does. */
export type Fault =
  | undefined
  | { status: number; body?: string; headers?: Record<string, string> }
  | { cut: true }
  | { silent: true }
  /** For bytes of objects: send this instead, or only so many bytes and then cut the connection. */
  | { bytes?: Buffer; cutAfter?: number; ignoreRange?: boolean }

export const sha256 = (bytes: Buffer | string): string => createHash('sha256').update(bytes).digest('hex')
export const owner = 'prn:::accounts:/5f1a00000000000000000001'
export const spec = 'pantavisor-service-system@1'

export async function startFakeHub() {
  const devices = new Map<string, FakeDevice>()
  const objects = new Map<string, { size: number; bytes: Buffer | undefined }>()
  const tokens = new Map<string, string>()
  const joinTokens = new Set<string>()
  const logs: Record<string, unknown>[] = []
  const seen: Seen[] = []
  let on: (seen: Seen) => Fault | Promise<Fault> = () => undefined

  const server = createServer((request, response) => {
    void handle(request, response).catch((cause: unknown) => {
      if (!response.headersSent) reply(response, 500, { error: String(cause) })
      else response.destroy()
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`

  function reply(
    response: ServerResponse,
    status: number,
    body: unknown,
    headers: Record<string, string> = {},
  ) {
    const text = typeof body === 'string' ? body : JSON.stringify(body)
    response.writeHead(status, { 'content-type': 'application/json; charset=utf-8', ...headers }).end(text)
  }

  function register(ownerPrn: string): FakeDevice {
    const id = randomBytes(12).toString('hex')
    const device: FakeDevice = {
      id,
      prn: `prn:::devices:/${id}`,
      secret: randomBytes(8).toString('hex'),
      owner: ownerPrn,
      challenge: ownerPrn === '' ? 'likely-creative-troll' : '',
      userMeta: {},
      deviceMeta: {},
      steps: undefined,
    }
    devices.set(id, device)
    return device
  }

  const record = (device: FakeDevice, withSecret: boolean) => ({
    id: device.id,
    prn: device.prn,
    nick: 'quiet_red_fox',
    owner: device.owner,
    ...(withSecret ? { secret: device.secret } : {}),
    ...(device.challenge === '' ? {} : { challenge: device.challenge }),
    'user-meta': device.userMeta,
    'device-meta': device.deviceMeta,
  })

  const wireStep = (device: FakeDevice, step: FakeStep) => ({
    id: `${device.id}-${step.rev}`,
    rev: step.rev,
    progress: step.progress,
    state: step.state,
    'state-sha': stateSha(canonicalJson(step.state)),
    'commit-msg': step.message,
    'trail-id': device.id,
  })

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', base)
    const parts: Buffer[] = []
    for await (const part of request) parts.push(part as Buffer)
    const raw = Buffer.concat(parts)
    const isBytes = url.pathname.startsWith('/local-s3/')
    const body = isBytes ? '' : raw.toString('utf8')
    const about: Seen = {
      method: request.method ?? '',
      path: url.pathname,
      url,
      headers: request.headers,
      body,
    }
    seen.push(about)
    const fault = await on(about)
    if (fault && 'cut' in fault) return void request.socket.destroy()
    if (fault && 'silent' in fault) return
    if (fault && 'status' in fault) return reply(response, fault.status, fault.body ?? {}, fault.headers)
    const route = `${about.method} ${url.pathname.replace(/[0-9a-f]{64}/, ':sha').replace(/[0-9a-f]{24}/, ':id')}`
    if (isBytes) return bytes(request, response, url, raw, fault)
    if (route === 'POST /auth/login') {
      const { username, password } = JSON.parse(body) as { username: string; password: string }
      const device = [...devices.values()].find((each) => each.prn === username && each.secret === password)
      if (!device) return reply(response, 401, { error: 'REST-ERR-ID-1', code: 401 })
      const token = randomBytes(12).toString('hex')
      tokens.set(token, device.id)
      return reply(response, 200, { token })
    }
    if (route === 'POST /devices/') {
      if (body !== '') return reply(response, 400, { error: 'the registering POST has no body' })
      const join = request.headers['pantahub-devices-auto-token-v1']
      if (join !== undefined && !joinTokens.has(String(join))) return reply(response, 400, {})
      return reply(response, 200, record(register(join === undefined ? '' : owner), true))
    }
    const token = /^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1] ?? ''
    const device = devices.get(tokens.get(token) ?? '')
    if (!device) {
      const challenge = `JWT realm="pantahub services", ph-aeps="${base}/auth"`
      return reply(response, 401, { Error: 'Not Authorized' }, { 'www-authenticate': challenge })
    }
    const rev = Number(/steps\/(\d+)/.exec(url.pathname)?.[1] ?? -1)
    const step = device.steps?.find((each) => each.rev === rev)
    switch (route.replace(/steps\/\d+/, 'steps/:rev')) {
      case 'GET /devices/:id':
        return url.pathname.endsWith(device.id)
          ? reply(response, 200, record(device, false))
          : reply(response, 404, {})
      case 'GET /devices/:id/user-meta':
        return reply(response, 200, device.userMeta)
      case 'PUT /devices/:id/device-meta':
        device.deviceMeta = JSON.parse(body) as Record<string, unknown>
        return reply(response, 200, { status: 'ok' })
      case 'GET /trails/':
        return reply(response, 200, device.steps ? [{ id: device.id, device: device.prn }] : [])
      case 'POST /trails/': {
        if (device.steps) return reply(response, 500, {})
        device.steps = []
        addStep(device, JSON.parse(body), 'Factory State (rev 0)').progress = { status: 'DONE' }
        return reply(response, 200, { id: device.id })
      }
      case 'GET /trails/:id/steps': {
        const filter = JSON.parse(url.searchParams.get('progress.status') ?? '{"$in":["NEW"]}') as {
          $in: string[]
        }
        const open = (device.steps ?? []).filter((each) => filter.$in.includes(each.progress.status))
        return reply(
          response,
          200,
          open.map((each) => wireStep(device, each)),
        )
      }
      case 'GET /trails/:id/steps/:rev':
        return step ? reply(response, 200, wireStep(device, step)) : reply(response, 500, {})
      case 'PUT /trails/:id/steps/:rev/progress':
        if (!step) return reply(response, 400, {})
        step.progress = JSON.parse(body) as FakeStep['progress']
        step.history.push(step.progress)
        return reply(response, 200, step.progress)
      case 'POST /objects/': {
        const asked = JSON.parse(body) as { sha256sum: string; size: string }
        const known = objects.get(asked.sha256sum)
        if (!known) objects.set(asked.sha256sum, { size: Number(asked.size), bytes: undefined })
        return reply(response, known?.bytes ? 409 : 200, objectRecord(asked.sha256sum))
      }
      case 'GET /objects/:sha': {
        const sha = url.pathname.slice('/objects/'.length)
        return objects.get(sha)?.bytes ? reply(response, 200, objectRecord(sha)) : reply(response, 403, {})
      }
      case 'POST /logs/':
        logs.push(...[JSON.parse(body) as Record<string, unknown>].flat())
        return reply(response, 200, { status: 'ok' })
      default:
        return reply(response, 404, { Error: `Resource not found: ${route}` })
    }
  }

  function objectRecord(sha: string) {
    return {
      id: sha,
      sha256sum: sha,
      size: String(objects.get(sha)?.size ?? 0),
      'signed-geturl': `${base}/local-s3/get-${sha}`,
      'signed-puturl': `http://elsewhere.invalid/local-s3/put-${sha}`,
    }
  }

  function bytes(
    request: IncomingMessage,
    response: ServerResponse,
    url: URL,
    raw: Buffer,
    fault: Extract<Fault, { bytes?: Buffer }> | undefined,
  ): void {
    const [, verb, sha = ''] = /^\/local-s3\/(get|put)-([0-9a-f]{64})$/.exec(url.pathname) ?? []
    const object = objects.get(sha)
    if (!object) return reply(response, 404, {})
    if (verb === 'put') {
      if (raw.length !== object.size) return reply(response, 500, {})
      if (sha256(raw) !== sha) return reply(response, 400, {})
      object.bytes = raw
      return reply(response, 200, '')
    }
    const whole = fault?.bytes ?? object.bytes ?? Buffer.alloc(0)
    const from = fault?.ignoreRange ? 0 : Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0)
    const part = whole.subarray(from)
    response.writeHead(from > 0 ? 206 : 200, {
      'content-length': String(part.length),
      ...(from > 0 ? { 'content-range': `bytes ${from}-${whole.length - 1}/${whole.length}` } : {}),
    })
    if (fault?.cutAfter === undefined) return void response.end(part)
    response.write(part.subarray(0, fault.cutAfter), () => setTimeout(() => response.destroy(), 5))
  }

  function addStep(device: FakeDevice, state: unknown, message = ''): FakeStep {
    device.steps ??= []
    const step = { rev: device.steps.length, state, message, progress: { status: 'NEW' }, history: [] }
    device.steps.push(step)
    return step
  }

  return {
    base,
    devices,
    objects,
    joinTokens,
    logs,
    seen,
    addStep,
    register,
    /** Looks at every request first. */
    onRequest(look: (seen: Seen) => Fault | Promise<Fault>) {
      on = look
    },
    claim(device: FakeDevice, by = owner) {
      device.owner = by
      device.challenge = ''
    },
    putObject(content: Buffer): string {
      const sha = sha256(content)
      objects.set(sha, { size: content.length, bytes: content })
      return sha
    },
    dropTokens: () => tokens.clear(),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

export type FakeHub = Awaited<ReturnType<typeof startFakeHub>>
