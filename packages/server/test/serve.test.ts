import { existsSync, mkdirSync, statSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { join } from 'node:path'
import { StoreError } from '@waymark/store'
import { expect, onTestFinished, test } from 'vitest'
import {
  describeStartRefusal,
  type Listener,
  type Open,
  type Opened,
  type Services,
  StartFailure,
  serve,
} from '../src/serve.ts'
import { configOf, keptLog, temporaryFolder, until } from './support.ts'

interface Run {
  readonly out: string[]
  readonly lines: Record<string, unknown>[]
  readonly stop: () => void
  readonly ended: ReturnType<typeof serve>
  url(): string
}

const house: Opened = { ping: async () => {}, close: async () => {} }

function run(open: Open = async () => house, ...flags: string[]): Run {
  const { log, lines } = keptLog()
  const out: string[] = []
  const stopped = new AbortController()
  const config = configOf('--data', join(temporaryFolder(), 'data'), ...flags)
  const ended = serve({ config, open, out: (line) => out.push(line), log, signal: stopped.signal })
  const stop = () => stopped.abort()
  onTestFinished(async () => {
    stop()
    await ended
  })
  const url = () => /^listening http (\S+)$/m.exec(out.join('\n'))?.[1] ?? ''
  return { out, lines, stop, ended, url }
}

test('[LC1] one line per listener, then ready, and nothing else', async () => {
  const { out, url, stop, ended } = run()
  await until(() => out.includes('ready'))
  expect(out).toEqual([expect.stringMatching(/^listening http http:\/\/127\.0\.0\.1:\d+$/), 'ready'])
  expect((await fetch(`${url()}/readyz`)).status).toBe(200)
  stop()
  expect(await ended).toEqual({ ok: true, value: undefined })
  expect(out).toHaveLength(2)
})

test('[LC1] what the house announces comes before the listeners', async () => {
  const { out } = run(async (_, services) => {
    services.announce('admin password: x')
    return house
  })
  await until(() => out.includes('ready'))
  expect(out[0]).toBe('admin password: x')
})

test('[LC2] the data folder is made for its owner alone', async () => {
  const path = join(temporaryFolder(), 'deep', 'data')
  const { out } = run(async () => house, '--data', path)
  await until(() => out.includes('ready'))
  expect(statSync(path).mode & 0o777).toBe(0o700)
})

test('[LC3] a port in use is one clear line', async () => {
  const taken = createServer().listen(0, '127.0.0.1')
  onTestFinished(() => {
    taken.close()
  })
  await until(() => taken.listening)
  const { port } = taken.address() as AddressInfo
  let closed = 0
  const { ended, out } = run(
    async () => ({ ...house, close: async () => void closed++ }),
    '--http',
    String(port),
  )
  const result = await ended
  expect(result).toMatchObject({ ok: false, refusal: { kind: 'port-in-use' } })
  if (!result.ok)
    expect(describeStartRefusal(result.refusal)).toBe(
      `http on 127.0.0.1:${port}: wanted a free port (choose one with --http; 0 picks any), got one in use`,
    )
  expect(out).toEqual([])
  expect(closed).toBe(1)
})

test('[LC3] an address that is not ours is one clear line', async () => {
  expect(await run(undefined, '--host', '192.0.2.1').ended).toMatchObject({
    ok: false,
    refusal: { kind: 'no-such-address' },
  })
})

test('[LC3] a data folder that is a file is one clear line', async () => {
  const path = join(temporaryFolder(), 'file')
  writeFileSync(path, '')
  expect(await run(undefined, '--data', path).ended).toMatchObject({
    ok: false,
    refusal: { kind: 'unusable-file' },
  })
})

test('[LC3] a data folder where none can be made is one clear line', async () => {
  expect(await run(undefined, '--data', '/proc/waymark/data').ended).toMatchObject({
    ok: false,
    refusal: { kind: 'unusable-file', thing: 'data /proc/waymark/data' },
  })
})

for (const content of [undefined, 'no certificate'])
  test(`[LC3] a TLS file that ${content ? 'holds none' : 'is not there'} is one clear line`, async () => {
    const folder = temporaryFolder()
    const flags = ['--tls-cert', join(folder, 'c'), '--tls-key', join(folder, 'k')]
    mkdirSync(folder, { recursive: true })
    if (content !== undefined) for (const name of ['c', 'k']) writeFileSync(join(folder, name), content)
    const result = await run(undefined, '--https', '0', ...flags).ended
    expect(result).toMatchObject({
      ok: false,
      refusal: { kind: 'unusable-file', thing: 'tls-cert and tls-key' },
    })
  })

test('[LC3] a store that does not open is one clear line, and no stack in the log', async () => {
  const failing = run(async () => {
    throw new StoreError('unreachable', 'store postgres://h/db: connect ECONNREFUSED')
  })
  expect(await failing.ended).toMatchObject({
    ok: false,
    refusal: { kind: 'not-opened', got: 'store postgres://h/db: connect ECONNREFUSED' },
  })
  expect(failing.lines).toEqual([])
})

test('[LC3] a house that cannot be opened says why; a defect leaves its stack in the log', async () => {
  const failing = run(async () => {
    throw new StartFailure('keys/master.key is open to others')
  })
  expect(await failing.ended).toMatchObject({
    ok: false,
    refusal: { kind: 'not-opened', got: 'keys/master.key is open to others' },
  })
  expect(failing.lines).toEqual([])
  const defect = run(async () => ({ ...house, started: () => Promise.reject(new Error('impossible')) }))
  expect(await defect.ended).toMatchObject({ ok: false, refusal: { kind: 'not-opened', got: 'impossible' } })
  expect(defect.lines[0]).toMatchObject({ level: 'error', err: { stack: expect.any(String) } })
})

function doorListener(name: Listener['name'], events: string[]): Listener {
  return {
    name,
    listen: async ({ host }) => {
      events.push(`${name} opened`)
      return { url: `tcp://${host}:1` }
    },
    drain: async () => void events.push(`${name} drained`),
  }
}

test('[LC4] a door’s listener is announced by its flag’s name; off or not there, it is absent', async () => {
  const events: string[] = []
  const listeners = [doorListener('mqtt', events), doorListener('exoport', events)]
  const { out, stop, ended } = run(async () => ({ ...house, listeners }), '--exoport', 'off')
  await until(() => out.includes('ready'))
  expect(out.slice(1)).toEqual(['listening mqtt tcp://127.0.0.1:1', 'ready'])
  stop()
  await ended
  expect(events).toEqual(['mqtt opened', 'mqtt drained', 'exoport drained'])
})

test('[LC4] with http off the server lives without it', async () => {
  const { out } = run(undefined, '--http', 'off')
  await until(() => out.includes('ready'))
  expect(out).toEqual(['ready'])
})

test('[LC5] the public URL is the listener’s own, or what is configured', async () => {
  const services: Services[] = []
  const open: Open = async (_, given) => {
    expect(() => given.publicUrl()).toThrow('only while listening')
    services.push(given)
    return house
  }
  const own = run(open)
  await until(() => own.out.includes('ready'))
  expect(services[0]?.publicUrl()).toBe(own.url())
  const set: string[] = []
  const configured = run(
    async (_, given) => {
      set.push(given.publicUrl())
      return house
    },
    '--public-url',
    'https://hub.example/w/',
  )
  await until(() => configured.out.includes('ready'))
  expect(set).toEqual(['https://hub.example/w'])
})

test('[LC6] the signal: readiness goes first, streams end, the house closes last', async () => {
  const events: string[] = []
  const { out, url, stop, ended } = run(
    async (_, { http, draining }) => {
      http.app.get('/events', (_request, reply) => {
        reply.hijack()
        reply.raw.writeHead(200)
        reply.raw.write('first ')
        draining.addEventListener('abort', () => reply.raw.end('last'))
      })
      draining.addEventListener('abort', () => events.push('draining'))
      return { ...house, close: async () => void events.push('closed') }
    },
    '--drain-delay',
    '1',
  )
  await until(() => out.includes('ready'))
  const streamed = (await fetch(`${url()}/events`)).text()
  stop()
  await until(async () => (await fetch(`${url()}/readyz`)).status === 503)
  expect(events).toEqual([])
  expect(await streamed).toBe('first last')
  expect(await ended).toMatchObject({ ok: true })
  expect(events).toEqual(['draining', 'closed'])
})

test('[LC2] an existing data folder is used as it is', async () => {
  const path = temporaryFolder()
  const { out } = run(undefined, '--data', path)
  await until(() => out.includes('ready'))
  expect(existsSync(path)).toBe(true)
})
