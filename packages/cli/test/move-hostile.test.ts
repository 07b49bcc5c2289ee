/** Sources that do not do what they should: by malice, by accident, or because they are older than their notes. */
import { existsSync, readdirSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { realOutside } from '@waymark/sdk'
import { describe, expect, onTestFinished, test } from 'vitest'
import { exportDevices } from '../src/move/export.ts'
import { folderAt } from '../src/move/folder.ts'
import { openSource, type SourceOptions } from '../src/move/source.ts'
import { tallyOf } from '../src/move/tally.ts'
import type { Outside } from '../src/outside.ts'
import { person, temporaryFolder } from './fleet-support.ts'
import { sha256 } from './move-support.ts'

const bytes = Buffer.alloc(400_000, 'the bytes of an object ')
const sha = sha256(bytes)
const pump = 'a'.repeat(24)
const fan = 'b'.repeat(24)

type Handler = (request: IncomingMessage, answer: ServerResponse, hits: number) => void

/** What stands in for a well-behaved answer at some path; `hits`: how often it was asked before. */
type Quirks = Readonly<Record<string, Handler>>

interface Wild {
  readonly url: string
  readonly asked: { path: string; authorization: string | undefined }[]
}

const send = (answer: ServerResponse, value: unknown, status = 200): void => {
  answer.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value))
}

const deviceRow = (id: string, nick: string) => ({
  id,
  nick,
  secret: `secret-${nick}`,
  public: false,
  'user-meta': {},
  'device-meta': {},
  'time-created': '2019-05-06T07:08:09.123456789Z',
})
const stepRow = (rev: number) => ({
  rev,
  'commit-msg': 'so',
  state: { '#spec': 'pantavisor-service-system@1', 'app/root.bin': sha },
  'state-sha': '',
  progress: { status: 'DONE', progress: 100 },
  'progress-time': '1970-01-01T00:00:00Z',
  'step-time': '2019-05-06T07:08:09.5Z',
})

/** A source of two devices with a step each that share an object, but for its quirks. */
async function wild(quirks: Quirks = {}): Promise<Wild> {
  const asked: Wild['asked'] = []
  const hits = new Map<string, number>()
  let url = ''
  const server = createServer((request, answer) => {
    const [path = ''] = (request.url ?? '').split('?')
    asked.push({ path, authorization: request.headers.authorization })
    const before = hits.get(path) ?? 0
    hits.set(path, before + 1)
    const quirk = quirks[path]
    if (quirk) return quirk(request, answer, before)
    if (path === '/auth/login') return send(answer, { token: 'a.good.token' })
    if (path.startsWith('/local-s3/')) return void answer.writeHead(200).end(bytes)
    if (request.headers.authorization !== 'Bearer a.good.token') return send(answer, { Error: 'no' }, 401)
    if (path === '/devices/') return send(answer, [deviceRow(pump, 'pump'), deviceRow(fan, 'fan')])
    if (path === '/trails/') return send(answer, [{ id: pump }, { id: fan }])
    if (/^\/trails\/\w+\/steps$/.test(path)) return send(answer, [{ rev: 0 }])
    if (/^\/trails\/\w+\/steps\/0$/.test(path)) return send(answer, stepRow(0))
    if (path.endsWith(`/objects/${sha}`)) return send(answer, objectRow(`${url}/local-s3/good`))
    send(answer, { error: 'REST-ERR-ID-1', code: 404, msg: 'no such thing' }, 404)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return { url, asked }
}

const objectRow = (geturl: string, rest: object = {}) => ({
  sha256sum: sha,
  size: String(bytes.length),
  sizeint: bytes.length,
  objectname: 'app/root.bin',
  'signed-geturl': geturl,
  ...rest,
})

const outside: Outside = {
  ...realOutside,
  // Waiting is not what is tested here.
  after: (ms, then) => realOutside.after(ms < 10_000 ? 0 : ms, then),
  fetch,
  home: '/nowhere',
  interactive: false,
  ask: async () => '',
  readInput: async () => '',
  writeBytes: async () => {},
  bars: undefined,
  screen: undefined,
}

async function exportOf(url: string, rest: Partial<SourceOptions> = {}) {
  const { signal } = new AbortController()
  const source = await openSource({ url, name: 'me', password: 'mine', outside, signal, ...rest })
  const folder = folderAt(join(temporaryFolder(), 'moved'))
  const run = () =>
    exportDevices({ source, folder, outside, signal, tally: tallyOf(outside, 'exporting'), only: [] })
  return { folder, run, outcomes: await run() }
}

const object = `/trails/${pump}/steps/0/objects/${sha}`
const local = '/local-s3/good'

test('[CL49] a source that behaves is copied whole, and the login goes to its API alone', async () => {
  const source = await wild()
  const { outcomes, folder } = await exportOf(source.url)
  expect(outcomes.map(({ nick, steps, failed }) => [nick, steps, failed])).toEqual([
    ['pump', 1, undefined],
    ['fan', 1, undefined],
  ])
  expect(readdirSync(join(folder.path, 'objects'))).toEqual([sha])
  expect(await folder.step(pump, 0)).toMatchObject({ createdAt: '2019-05-06T07:08:09.500Z', status: 'DONE' })
  expect((await folder.step(pump, 0)).reportedAt).toBeUndefined()
  expect((await folder.device(pump)).createdAt).toBe('2019-05-06T07:08:09.123Z')
  for (const { path, authorization } of source.asked)
    expect([path, authorization]).toEqual([
      path,
      path === '/auth/login' || path.startsWith('/local-s3/') ? undefined : 'Bearer a.good.token',
    ])
})

describe('[CL47] what one device has wrong is named, and the others come', () => {
  const others = Buffer.alloc(bytes.length, 'other bytes ')
  const cases: { what: string; quirks: Quirks; says: string; leaves?: 'nothing' }[] = [
    {
      what: 'bytes of another sha256',
      quirks: { '/local-s3/bad': (_, answer) => void answer.writeHead(200).end(others) },
      says: `object ${sha}: wanted 400000 bytes of that sha256, got others`,
      leaves: 'nothing',
    },
    {
      what: 'more bytes than were announced',
      quirks: {
        '/local-s3/bad': (_, answer) => {
          answer.writeHead(200)
          const flood = () => {
            while (answer.write(bytes)) if (answer.destroyed) return
            answer.once('drain', flood)
          }
          answer.on('error', () => {})
          flood()
        },
      },
      says: `object ${sha}: wanted 400000 bytes of that sha256, got more`,
      leaves: 'nothing',
    },
    {
      what: 'bytes that end too early, each time',
      quirks: { '/local-s3/bad': (_, answer) => void answer.writeHead(200).end(bytes.subarray(0, 100)) },
      says: `object ${sha}: ended at 100 of 400000 bytes`,
    },
    {
      what: 'a part that was not asked for',
      quirks: {
        '/local-s3/bad': (_, answer) =>
          void answer.writeHead(206, { 'content-range': 'bytes 5-9/400000' }).end(bytes.subarray(5, 10)),
      },
      says: `object ${sha}: wanted bytes from 0 on, got bytes 5-9/400000`,
    },
    {
      what: 'a redirect of the bytes',
      quirks: {
        '/local-s3/bad': (_, answer) => void answer.writeHead(302, { location: 'http://127.0.0.1:1/' }).end(),
      },
      says: 'unexpected redirect',
    },
    {
      what: 'an object of another sha',
      quirks: {
        [object]: (_, answer) => send(answer, objectRow('http://x/', { sha256sum: 'f'.repeat(64) })),
      },
      says: 'wanted the object itself, got "ffff',
    },
    {
      what: 'an object without a size',
      quirks: {
        [object]: (_, answer) => send(answer, objectRow('http://x/', { size: 'big', sizeint: null })),
      },
      says: 'wanted a size, got "big"',
    },
    {
      what: 'bytes that are elsewhere',
      quirks: { [object]: (_, answer) => send(answer, objectRow('http://169.254.169.254/latest/meta-data')) },
      says: '--objects-from http://169.254.169.254 takes them from there',
    },
    {
      what: 'bytes at an address that is none',
      quirks: { [object]: (_, answer) => send(answer, objectRow('file:///etc/passwd')) },
      says: 'wanted an address to get it from, got file:///etc/passwd',
    },
    {
      what: 'a step of another revision',
      quirks: { [`/trails/${pump}/steps/0`]: (_, answer) => send(answer, stepRow(7)) },
      says: 'wanted rev 0, got 7',
    },
    {
      what: 'a state with a way out of its folder',
      quirks: {
        [`/trails/${pump}/steps/0`]: (_, answer) =>
          send(answer, {
            ...stepRow(0),
            state: { '#spec': 'pantavisor-service-system@1', '../../etc/x.json': {} },
          }),
      },
      says: 'wanted a path without "." and ".." names',
    },
    {
      what: 'steps that are no steps',
      quirks: { [`/trails/${pump}/steps`]: (_, answer) => send(answer, [{ rev: '0' }]) },
      says: 'wanted steps with a rev, got an object of 1 members',
    },
    {
      what: 'a 500 that stays',
      quirks: { [`/trails/${pump}/steps`]: (_, answer) => send(answer, { msg: 'no\u001b[2J db' }, 500) },
      says: 'wanted 200, got 500 (no\\x1b[2J db)',
    },
    {
      what: 'no JSON at all',
      quirks: { [`/trails/${pump}/steps`]: (_, answer) => void answer.writeHead(200).end('<html>') },
      says: 'wanted an answer in JSON',
    },
    {
      what: 'an answer that is too large',
      quirks: {
        [`/trails/${pump}/steps/0`]: (_, answer) =>
          send(answer, { ...stepRow(0), meta: { x: 'x'.repeat(70_000) } }),
      },
      says: 'wanted at most 65536 bytes, got more',
    },
  ]
  for (const { what, quirks, says, leaves } of cases)
    test(what, async () => {
      const bad: Quirks = quirks['/local-s3/bad']
        ? {
            [object]: (request, answer) =>
              send(answer, objectRow(`http://${request.headers.host}/local-s3/bad`)),
          }
        : {}
      const source = await wild({ ...bad, ...quirks })
      const { outcomes, folder } = await exportOf(source.url, { limits: { list: 65_536, record: 65_536 } })
      expect(outcomes.map(({ nick }) => nick)).toEqual(['pump', 'fan'])
      expect(outcomes[0]?.failed).toContain(says)
      expect(outcomes[1]?.failed).toBeUndefined()
      expect(await folder.revisions(pump)).toEqual([])
      expect((await folder.state()).completeAt).toBeUndefined()
      if (leaves === 'nothing') expect(readdirSync(join(folder.path, 'objects'))).toEqual([sha])
    })
})

describe('[CL46] what broke off goes on', () => {
  const cut = (answer: ServerResponse, from: number, to: number, status: number): void => {
    answer.writeHead(status, {
      'content-length': bytes.length - (status === 206 ? from : 0),
      ...(status === 206 ? { 'content-range': `bytes ${from}-${bytes.length - 1}/${bytes.length}` } : {}),
    })
    // Ended, not reset: a reset may take along what was already sent.
    answer.write(bytes.subarray(status === 206 ? from : 0, to), () => answer.socket?.end())
  }

  test('bytes cut again and again, from a server that knows of ranges', async () => {
    const ranges: (string | undefined)[] = []
    const source = await wild({
      [local]: (request, answer) => {
        ranges.push(request.headers.range)
        const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0)
        cut(answer, from, Math.min(bytes.length, from + 90_000), from === 0 ? 200 : 206)
      },
    })
    const { outcomes } = await exportOf(source.url)
    expect(outcomes.map(({ failed }) => failed)).toEqual([undefined, undefined])
    expect(ranges.length).toBeGreaterThan(3)
    expect(ranges.slice(1).every((range) => range?.startsWith('bytes='))).toBe(true)
  })

  test('bytes cut once, from a server that sends the whole again', async () => {
    const source = await wild({
      [local]: (_, answer, hits) =>
        hits === 0 ? cut(answer, 0, 100_000, 200) : void answer.writeHead(200).end(bytes),
    })
    const { outcomes } = await exportOf(source.url)
    expect(outcomes.map(({ failed }) => failed)).toEqual([undefined, undefined])
  })

  test('a 500 that is over in a moment, and a login that has run out', async () => {
    const source = await wild({
      [`/trails/${pump}/steps`]: (_, answer, hits) =>
        hits < 2 ? send(answer, { Error: 'Internal Server Error' }, 500) : send(answer, [{ rev: 0 }]),
      [`/trails/${fan}/steps`]: (_, answer, hits) =>
        hits === 0 ? send(answer, { Error: 'Not Authorized' }, 401) : send(answer, [{ rev: 0 }]),
    })
    const { outcomes } = await exportOf(source.url)
    expect(outcomes.map(({ failed, steps }) => [failed, steps])).toEqual([
      [undefined, 1],
      [undefined, 1],
    ])
    expect(source.asked.filter(({ path }) => path === '/auth/login')).toHaveLength(2)
  })

  test('a device that failed is whole the next time', async () => {
    let broken = true
    const source = await wild({
      [`/trails/${pump}/steps/0`]: (_, answer) => (broken ? send(answer, {}, 403) : send(answer, stepRow(0))),
    })
    const { run, outcomes, folder } = await exportOf(source.url)
    expect(outcomes[0]?.failed).toContain('got 403')
    broken = false
    expect((await run())[0]?.failed).toBeUndefined()
    expect((await folder.state()).completeAt).toBeDefined()
  })
})

describe('[CL49] a source is believed in nothing', () => {
  test('a list without an end is left', async () => {
    const source = await wild({
      '/devices/': (_, answer) => {
        answer.writeHead(200, { 'content-type': 'application/json' })
        const row = `${JSON.stringify(deviceRow(pump, 'pump'))},`.repeat(100)
        answer.write('[')
        const flood = () => {
          while (answer.write(row)) if (answer.destroyed) return
          answer.once('drain', flood)
        }
        answer.on('error', () => {})
        flood()
      },
    })
    await expect(exportOf(source.url, { limits: { list: 1_000_000, record: 65_536 } })).rejects.toThrow(
      'wanted at most 1000000 bytes, got more',
    )
  })

  test('a list of steps that only repeats itself ends, and one that never does is refused', async () => {
    const all = Array.from({ length: 700 }, (_, rev) => ({ rev }))
    const same = await wild({ [`/trails/${pump}/steps`]: (_, answer) => send(answer, all) })
    const { signal } = new AbortController()
    const options = { name: 'me', password: 'mine', outside, signal }
    const source = await openSource({ ...options, url: same.url })
    expect((await source.revisions(pump)).size).toBe(700)
    const growing = await wild({
      [`/trails/${pump}/steps`]: (_, answer, hits) =>
        send(
          answer,
          Array.from({ length: 40_000 }, (__, i) => ({ rev: hits * 40_000 + i })),
        ),
    })
    const endless = await openSource({ ...options, url: growing.url })
    await expect(endless.revisions(pump)).rejects.toThrow('wanted at most 100000 steps, got more')
  })

  test('an answer that drips for ever is left after a while', async () => {
    let dripping: NodeJS.Timeout | undefined
    onTestFinished(() => clearInterval(dripping))
    const source = await wild({
      [`/trails/${pump}/steps`]: (_, answer) => {
        answer.writeHead(200, { 'content-type': 'application/json' }).write('[')
        dripping = setInterval(() => answer.write(' '), 5)
      },
    })
    // Ten minutes pass at once; a silence of one would be noticed by itself.
    const after: Outside['after'] = (ms, then) => realOutside.after(ms === 600_000 ? 300 : ms, then)
    const { outcomes } = await exportOf(source.url, { outside: { ...outside, after } })
    expect(outcomes.map(({ failed }) => failed?.replace(/^.*: /, ''))).toEqual([
      'wanted an answer within 10 min, got a part',
      undefined,
    ])
  })

  test('a redirect to elsewhere is not followed, and nothing is told there', async () => {
    const elsewhere = await wild()
    for (const path of ['/auth/login', '/devices/']) {
      const source = await wild({
        [path]: (_, answer) => void answer.writeHead(307, { location: `${elsewhere.url}${path}` }).end(),
      })
      await expect(exportOf(source.url)).rejects.toThrow(/unexpected redirect/)
    }
    expect(elsewhere.asked).toEqual([])
  })

  test('bytes come from elsewhere when that was named, without the login', async () => {
    const elsewhere = await wild({ '/bucket/x': (_, answer) => void answer.writeHead(200).end(bytes) })
    const source = await wild({
      [object]: (_, answer) => send(answer, objectRow(`${elsewhere.url}/bucket/x?signature=s`)),
    })
    const { outcomes } = await exportOf(source.url, { objectsFrom: elsewhere.url })
    expect(outcomes[0]?.failed).toBeUndefined()
    expect(elsewhere.asked).toEqual([{ path: '/bucket/x', authorization: undefined }])
  })

  test('the public address of a server behind a proxy is asked for where it was found', async () => {
    const source = await wild({
      [object]: (_, answer) => send(answer, objectRow('https://api.example.com/local-s3/good')),
    })
    expect((await exportOf(source.url)).outcomes[0]?.failed).toBeUndefined()
  })

  const logins = [
    { answer: { token: 'one\ntwo' }, says: 'wanted a token' },
    { answer: {}, says: 'wanted a token' },
    { answer: { token: 'x'.repeat(5000) }, says: 'wanted a token' },
    { answer: [], says: 'wanted a token' },
  ]
  for (const { answer: told, says } of logins)
    test(`a login that answers ${JSON.stringify(told).slice(0, 40)} is none`, async () => {
      const source = await wild({ '/auth/login': (_, answer) => send(answer, told) })
      await expect(exportOf(source.url)).rejects.toThrow(says)
    })

  test('devices that are none are named, deleted ones passed over, one told twice is one', async () => {
    const rows = [
      deviceRow(pump, 'pump'),
      deviceRow(pump, 'pump'),
      { ...deviceRow(fan, 'fan'), garbage: true },
      { ...deviceRow('../../etc', 'evil') },
      { ...deviceRow('c'.repeat(24), '') },
      null,
    ]
    const source = await wild({ '/devices/': (_, answer) => send(answer, rows) })
    const { outcomes, folder } = await exportOf(source.url)
    expect(outcomes.filter(({ failed }) => failed === undefined).map(({ nick }) => nick)).toEqual(['pump'])
    expect(outcomes.filter(({ failed }) => failed !== undefined)).toHaveLength(3)
    expect(await folder.deviceIds()).toEqual([pump])
  })

  test('once nobody answers any more the move ends, in one line', async () => {
    const source = await wild({
      [`/trails/${pump}/steps`]: (request) => void request.socket.destroy(),
    })
    const folder = join(temporaryFolder(), 'moved')
    const ran = await person({ input: 'mine' }).run(
      'export',
      '--from',
      source.url,
      '--user',
      'me',
      '--password-stdin',
      folder,
    )
    expect(ran.code).toBe(1)
    expect(ran.err).toHaveLength(1)
    expect(ran.err[0]).toContain(`waymark: GET ${source.url}/trails/${pump}/steps`)
    expect(existsSync(join(folder, 'devices', `${pump}.json`))).toBe(true)
  })
})
