/**
 * A small hub for tests: the wire as Pantahub Base serves it to a device, and faults on demand.
 *
 * One answering function with two ways in: real HTTP on a free port, or a transport without any socket for
 * simulated worlds. `onRequest` lets a test look at each request first and spoil it. What the hub holds are
 * plain maps for tests to read.
 */
import { createHash } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { canonicalJson, stateSha } from '@waymark/pantahub'
import type { Transport } from '../../src/index.ts'

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
  headers: Record<string, string | string[] | undefined>
  body: string
}

/** For bytes of objects: send these instead, break off after so many, or send the whole again. */
export interface BytesFault {
  bytes?: Buffer
  cutAfter?: number
  ignoreRange?: boolean
  /** Answer with a range that begins so many bytes later than asked. */
  shiftRange?: number
}

/** What a test may do to a request. `loseReply`: the hub does as asked, but the answer is lost. */
export type Fault =
  | undefined
  | { status: number; body?: string }
  | { cut: true }
  | { silent: true }
  | { loseReply: true }
  | BytesFault

interface Answered {
  status: number
  headers: Record<string, string>
  bytes: Buffer
  cutAfter?: number
}

export const sha256 = (bytes: Buffer | string): string => createHash('sha256').update(bytes).digest('hex')
export const owner = 'prn:::accounts:/5f1a00000000000000000001'
export const spec = 'pantavisor-service-system@1'

/** Starts a hub; without `listen` it answers only through its `transport`. */
export async function startFakeHub({ listen = true } = {}) {
  const devices = new Map<string, FakeDevice>()
  const objects = new Map<string, { size: number; bytes: Buffer | undefined }>()
  const tokens = new Map<string, string>()
  const joinTokens = new Set<string>()
  const logs: Record<string, unknown>[] = []
  const seen: Seen[] = []
  let look: (seen: Seen) => Fault | Promise<Fault> = () => undefined
  let made = 0
  let signature = ''
  const fresh = (length: number): string => sha256(`fake hub ${++made}`).slice(0, length)

  const server = createServer((request, response) => void serve(request, response))
  if (listen) await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const base = listen ? `http://127.0.0.1:${(server.address() as AddressInfo).port}` : 'http://hub.invalid'

  /** One request over real HTTP. */
  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const parts: Buffer[] = []
    for await (const part of request) parts.push(part as Buffer)
    const body = Buffer.concat(parts)
    const answered = await handle(request.method ?? '', request.url ?? '/', request.headers, body)
    if (answered === 'cut') request.socket.destroy()
    if (answered === 'cut' || answered === 'silent') return
    const { status, headers, bytes, cutAfter } = answered
    response.writeHead(status, { ...headers, 'content-length': String(bytes.length) })
    if (cutAfter === undefined) response.end(bytes)
    else response.write(bytes.subarray(0, cutAfter), () => setTimeout(() => response.destroy(), 5))
  }

  /** One request without a socket. */
  const transport: Transport = async ({ method, url, headers, body, signal }) => {
    const parts: Uint8Array[] = []
    if (typeof body === 'string') parts.push(Buffer.from(body))
    else if (body) for await (const part of body.bytes) parts.push(part)
    const answered = await handle(method, url, headers, Buffer.concat(parts))
    if (answered === 'cut') throw new Error('connection reset')
    if (answered === 'silent')
      return new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Error('aborted'))))
    const { status, bytes, cutAfter } = answered
    async function* stream() {
      const end = cutAfter ?? bytes.length
      for (let at = 0; at < end; at += 16_384) yield bytes.subarray(at, Math.min(end, at + 16_384))
      if (cutAfter !== undefined) throw new Error('connection reset')
    }
    return { status, headers: answered.headers, body: stream() }
  }

  async function handle(
    method: string,
    target: string,
    headers: Seen['headers'],
    raw: Buffer,
  ): Promise<Answered | 'cut' | 'silent'> {
    const url = new URL(target, base)
    const isBytes = url.pathname.startsWith('/local-s3/')
    const about: Seen = {
      method,
      path: url.pathname,
      url,
      headers,
      body: isBytes ? '' : raw.toString('utf8'),
    }
    seen.push(about)
    const fault = await look(about)
    if (fault && 'cut' in fault) return 'cut'
    if (fault && 'silent' in fault) return 'silent'
    if (fault && 'status' in fault) return reply(fault.status, fault.body ?? {})
    const lost = fault !== undefined && 'loseReply' in fault
    const spoilt = fault && !('loseReply' in fault) ? fault : undefined
    const answered = isBytes ? answerBytes(about, raw, spoilt) : answer(about)
    return lost ? 'cut' : answered
  }

  function answer({ method, url, headers, body }: Seen): Answered {
    const name = `${method} ${url.pathname.replace(/[0-9a-f]{64}/, ':sha').replace(/[0-9a-f]{24}/, ':id')}`
    if (name === 'POST /auth/login') return answerLogin(body)
    if (name === 'POST /devices/') return answerRegister(headers, body)
    const token = /^Bearer (.+)$/.exec(String(headers.authorization ?? ''))?.[1] ?? ''
    const device = devices.get(tokens.get(token) ?? '')
    if (!device) {
      const challenge = `JWT realm="pantahub services", ph-aeps="${base}/auth"`
      return reply(401, { Error: 'Not Authorized' }, { 'www-authenticate': challenge })
    }
    return answerDevice(name, device, url, body)
  }

  function answerLogin(body: string): Answered {
    const { username, password } = JSON.parse(body) as { username: string; password: string }
    const device = [...devices.values()].find((each) => each.prn === username && each.secret === password)
    if (!device) return reply(401, { error: 'REST-ERR-ID-1', code: 401 })
    const token = fresh(24)
    tokens.set(token, device.id)
    return reply(200, { token })
  }

  function answerRegister(headers: Seen['headers'], body: string): Answered {
    if (body !== '' || headers.authorization !== undefined) return reply(400, {})
    const join = headers['pantahub-devices-auto-token-v1']
    if (join !== undefined && !joinTokens.has(String(join))) return reply(400, {})
    return reply(200, record(register(join === undefined ? '' : owner), true))
  }

  function answerDevice(name: string, device: FakeDevice, url: URL, body: string): Answered {
    const rev = Number(/steps\/(\d+)/.exec(url.pathname)?.[1] ?? -1)
    const step = device.steps?.find((each) => each.rev === rev)
    switch (name.replace(/steps\/\d+/, 'steps/:rev')) {
      case 'GET /devices/:id':
        return url.pathname.endsWith(device.id) ? reply(200, record(device, false)) : reply(404, {})
      case 'GET /devices/:id/user-meta':
        return reply(200, device.userMeta)
      case 'PUT /devices/:id/device-meta':
        device.deviceMeta = JSON.parse(body) as Record<string, unknown>
        return reply(200, { status: 'ok' })
      case 'GET /trails/':
        return reply(200, device.steps ? [{ id: device.id, device: device.prn }] : [])
      case 'POST /trails/':
        if (device.steps) return reply(500, {})
        addStep(device, JSON.parse(body), 'Factory State (rev 0)').progress = { status: 'DONE' }
        return reply(200, { id: device.id })
      case 'GET /trails/:id/steps': {
        const filter = JSON.parse(url.searchParams.get('progress.status') ?? '{"$in":["NEW"]}') as {
          $in: string[]
        }
        const open = (device.steps ?? []).filter((each) => filter.$in.includes(each.progress.status))
        return reply(
          200,
          open.map((each) => wireStep(device, each)),
        )
      }
      case 'GET /trails/:id/steps/:rev':
        return step ? reply(200, wireStep(device, step)) : reply(500, {})
      case 'PUT /trails/:id/steps/:rev/progress':
        if (!step) return reply(400, {})
        step.progress = JSON.parse(body) as FakeStep['progress']
        step.history.push(step.progress)
        return reply(200, step.progress)
      case 'POST /objects/': {
        const asked = JSON.parse(body) as { sha256sum: string; size: string }
        const known = objects.get(asked.sha256sum)
        if (!known) objects.set(asked.sha256sum, { size: Number(asked.size), bytes: undefined })
        return reply(known?.bytes ? 409 : 200, objectRecord(asked.sha256sum))
      }
      case 'GET /objects/:sha': {
        const sha = url.pathname.slice('/objects/'.length)
        return objects.get(sha)?.bytes ? reply(200, objectRecord(sha)) : reply(403, {})
      }
      case 'POST /logs/':
        logs.push(...[JSON.parse(body) as Record<string, unknown>].flat())
        return reply(200, { status: 'ok' })
      default:
        return reply(404, { Error: `Resource not found: ${name}` })
    }
  }

  function answerBytes({ url, headers }: Seen, raw: Buffer, fault: BytesFault | undefined): Answered {
    const [, verb, sha = ''] = /^\/local-s3\/(get|put)-([0-9a-f]{64})/.exec(url.pathname) ?? []
    const object = objects.get(sha)
    if (!object) return reply(404, {})
    if (verb === 'put') {
      if (raw.length !== object.size) return reply(500, {})
      if (sha256(raw) !== sha) return reply(400, {})
      object.bytes = raw
      return reply(200, '')
    }
    const whole = fault?.bytes ?? object.bytes ?? Buffer.alloc(0)
    const range = /^bytes=(\d+)-$/.exec(String(headers.range ?? ''))?.[1]
    const asked = fault?.ignoreRange ? 0 : Number(range ?? 0)
    const from = asked > 0 ? asked + (fault?.shiftRange ?? 0) : 0
    const part = whole.subarray(from)
    return {
      status: from > 0 ? 206 : 200,
      headers: from > 0 ? { 'content-range': `bytes ${from}-${whole.length - 1}/${whole.length}` } : {},
      bytes: part,
      ...(fault?.cutAfter === undefined ? {} : { cutAfter: Math.min(part.length, fault.cutAfter) }),
    }
  }

  function reply(status: number, body: unknown, headers: Record<string, string> = {}): Answered {
    const text = typeof body === 'string' ? body : JSON.stringify(body)
    return {
      status,
      headers: { 'content-type': 'application/json; charset=utf-8', ...headers },
      bytes: Buffer.from(text),
    }
  }

  function register(ownerPrn: string): FakeDevice {
    const id = fresh(24)
    const device: FakeDevice = {
      id,
      prn: `prn:::devices:/${id}`,
      secret: fresh(15),
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

  function objectRecord(sha: string) {
    return {
      id: sha,
      sha256sum: sha,
      size: String(objects.get(sha)?.size ?? 0),
      'signed-geturl': `${base}/local-s3/get-${sha}${signature}`,
      // A hub may know itself by another name than the device does.
      'signed-puturl': `http://elsewhere.invalid/local-s3/put-${sha}`,
    }
  }

  function addStep(device: FakeDevice, state: unknown, message = ''): FakeStep {
    device.steps ??= []
    const step: FakeStep = {
      rev: device.steps.length,
      state,
      message,
      progress: { status: 'NEW' },
      history: [],
    }
    device.steps.push(step)
    return step
  }

  return {
    base,
    transport,
    devices,
    objects,
    joinTokens,
    logs,
    seen,
    addStep,
    register,
    /** Looks at every request first. */
    onRequest(next: (seen: Seen) => Fault | Promise<Fault>) {
      look = next
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
    /** The only device. */
    device(): FakeDevice {
      const [device] = devices.values()
      if (!device || devices.size !== 1) throw new Error(`wanted one device, got ${devices.size}`)
      return device
    },
    dropTokens: () => tokens.clear(),
    /** From now on get URLs end in this. */
    signWith(next: string) {
      signature = next
    },
    async [Symbol.asyncDispose]() {
      if (!listen) return
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

export type FakeHub = Awaited<ReturnType<typeof startFakeHub>>

/** The status words a step went through, each once in a row. */
export const wordsOf = (step: FakeStep): string[] =>
  step.history.map((each) => each.status).filter((word, i, all) => word !== all[i - 1])
