import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { promisify } from 'node:util'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parseCommand } from '../src/control/commands.ts'
import { controlDocument } from '../src/control/document.ts'
import { parseLogMessage } from '../src/control/log-socket.ts'
import { findRoute, routes } from '../src/control/routes.ts'
import { openControlSocket, socketLimits } from '../src/control/server.ts'
import { ask, groups, sleeper, startControlRig, until } from './support/control-rig.ts'
import { sha256, spec } from './support/fake-hub.ts'
import { temporaryFolder } from './support/rig.ts'

const factory = {
  'device.json': groups,
  'boss/run.json': sleeper(),
  'listed/run.json': sleeper('', { roles: ['mgmt'] }),
  'plain/run.json': sleeper('', { roles: [] }),
  'nobody/run.json': sleeper('', { roles: ['nobody'] }),
}

let rig: Awaited<ReturnType<typeof startControlRig>>
beforeAll(async () => {
  rig = await startControlRig({ factory })
  await rig.settled()
})
afterAll(() => rig[Symbol.asyncDispose]())

/** Sends raw text and collects what comes back until the other end closes. */
function raw(text: string | Uint8Array, then?: (socket: Socket) => void): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(rig.socket)
    let got = ''
    socket.on('data', (bytes) => {
      got += bytes
    })
    socket.on('error', () => undefined)
    socket.on('close', () => resolve(got))
    socket.write(text)
    then?.(socket)
  })
}
const well = async () => expect((await rig.ask('GET', '/buildinfo')).status).toBe(200)

describe('[LC2] who may ask what', () => {
  const sample = (path: string) =>
    path
      .replace('{rev}', 'locals/none')
      .replace('{sha}', 'f'.repeat(64))
      .replace('{name}', 'nothing')
      .replace('{key}', 'k')
  for (const { method, path, needs } of routes)
    test(`${method} ${path} is for ${needs}`, async () => {
      // Without its body a request does nothing; what counts here is whether it gets as far.
      const status = async (name: string) => (await ask(rig.socketOf(name), method, sample(path))).status
      for (const name of ['plain', 'nobody'])
        if (needs === 'mgmt') expect([name, await status(name)]).toEqual([name, 403])
        else expect(await status(name)).not.toBe(403)
      for (const name of ['boss', 'listed']) expect([name, await status(name)]).not.toEqual([name, 403])
    })

  test('roles are those of the running revision', async () => {
    expect((await ask(rig.socketOf('plain'), 'GET', '/containers')).status).toBe(403)
    const state = { '#spec': spec, ...factory, 'plain/run.json': sleeper('', { roles: ['mgmt'] }) }
    await rig.run('locals/roles', state)
    expect((await ask(rig.socketOf('plain'), 'GET', '/containers')).status).toBe(200)
  })
})

test('the document is written from the tables', async () => {
  await expect(controlDocument()).toMatchFileSnapshot('../CONTROL.md')
})

describe('[LC10] [LC11] the dialect', () => {
  const rows: [string, RegExp][] = [
    ['GET /buildinfo HTTP/1.0\r\n\r\n', /^HTTP\/1\.1 200 /],
    ['GET /buildinfo HTTP/1.1\r\nHost: localhost:80\r\nConnection: close\r\n\r\n', /^HTTP\/1\.1 200 /],
    ['GET /buildinfo HTTP/1.1\r\nHost:\r\nConnection: close\r\n\r\n', /^HTTP\/1\.1 200 /],
    ['GET /buildinfo HTTP/1.1\r\nHost: example.org\r\n\r\n', /^$/],
    ['GET /nothing HTTP/1.0\r\n\r\n', /^HTTP\/1\.1 400 [\s\S]*\{"Error":"unknown endpoint: \/nothing"\}$/],
    ['GET /containers/ HTTP/1.0\r\n\r\n', /^HTTP\/1\.1 400 /],
    ['DELETE /containers HTTP/1.0\r\n\r\n', /^HTTP\/1\.1 400 /],
    ['PATCH /containers HTTP/1.0\r\n\r\n', /^HTTP\/1\.1 501 [\s\S]*\{"Error":"Unsupported protocol"\}$/],
    ['EHLO mail\r\n\r\n', /^HTTP\/1\.1 400 [\s\S]*\{"Error":"Unsupported protocol"\}$/],
    [`GET /${'x'.repeat(20_000)} HTTP/1.1\r\n\r\n`, /^HTTP\/1\.1 431 /],
    ['PUT /user-meta/a HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n', /^HTTP\/1\.1 400 /],
  ]
  for (const [request, reply] of rows)
    test(`${JSON.stringify(request.slice(0, 70))} gets ${reply}`, async () =>
      expect(await raw(request)).toMatch(reply))

  test('a success without content says so', async () => {
    const reply = await rig.ask('PUT', '/user-meta/a', 'b')
    expect([reply.status, reply.headers['content-length'], reply.text]).toEqual([200, '0', ''])
  })
})

describe('[LC12] [LC13] [LC14] hostile callers', () => {
  test('a body beyond its bound is refused, announced or not', async () => {
    expect(await rig.ask('POST', '/commands', 'x'.repeat(5000))).toMatchObject({
      status: 507,
      json: { Error: 'Not enough disk space available' },
    })
    expect(await rig.ask('PUT', '/steps/locals/a/commitmsg', 'x'.repeat(300))).toMatchObject({ status: 507 })
    const chunk = `${(0x10000).toString(16)}\r\n${'x'.repeat(0x10000)}\r\n`
    expect(await raw(`POST /commands HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n${chunk}`)).toMatch(
      /^HTTP\/1\.1 507 /,
    )
    expect(await raw('PUT /steps/locals/a HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n')).toMatch(
      /^HTTP\/1\.1 507 /,
    )
    await well()
  })

  test('an upload that breaks off, or announces more than the disk holds, leaves nothing', async () => {
    const sha = sha256(Buffer.from('never whole'))
    await raw(`PUT /objects/${sha} HTTP/1.1\r\nContent-Length: 1000\r\n\r\nnever`, (socket) =>
      setTimeout(() => socket.destroy(), 50),
    )
    expect(
      (await raw(`PUT /objects/${sha} HTTP/1.1\r\nContent-Length: 900719925474099\r\n\r\n`)).slice(0, 12),
    ).toBe('HTTP/1.1 507')
    expect((await rig.ask('GET', `/objects/${sha}`)).status).toBe(400)
    expect((await rig.ask('GET', '/objects')).json).toEqual([])
    await well()
  })

  test('paths that climb lead nowhere', async () => {
    for (const path of [
      '/logs/..',
      '/logs/../../phconfig',
      '/logs/%2e%2e',
      '/steps/..',
      '/steps/locals/../../0',
      '/objects/../device-id',
      '/steps/0/../../x',
      '/containers/..',
      '/user-meta/__proto__',
    ])
      for (const method of ['GET', 'PUT']) {
        const reply = await raw(`${method} ${path} HTTP/1.0\r\nContent-Length: 1\r\n\r\nx`)
        expect([path, reply.slice(9, 12)]).toEqual([path, expect.stringMatching(/^(400|404|422)$/)])
      }
    await well()
  })

  test('a hundred connections that say nothing cost nobody else more than a moment', async () => {
    const sockets: Socket[] = []
    for (let n = 0; n < 100; n++) {
      const socket = connect(rig.socket)
      socket.on('error', () => undefined)
      sockets.push(socket)
    }
    const told = await raw('GET /buildinfo HTTP/1.0\r\n\r\n')
    expect(told).toMatch(/^HTTP\/1\.1 503 [\s\S]*Retry-After: 1[\s\S]*Too many connections/)
    // Another caller's socket has its own count.
    expect((await ask(rig.socketOf('boss'), 'GET', '/buildinfo')).status).toBe(200)
    for (const socket of sockets) socket.destroy()
    await until(async () => (await rig.ask('GET', '/buildinfo').catch(() => undefined))?.status === 200)
    expect(socketLimits.connections).toBeLessThan(100)
  })

  test('[LC31] one order waits; the second is told when to come again', async () => {
    const answers = await Promise.all(Array.from({ length: 20 }, () => rig.command('GO_LOCAL')))
    const words = new Set(answers.map(({ status, headers }) => `${status} ${headers['retry-after'] ?? ''}`))
    expect([...words].every((word) => ['200 ', '204 ', '503 120'].includes(word))).toBe(true)
    expect(words).toContain('200 ')
    for (const body of [
      '',
      '{',
      '[]',
      '{"op":"LOCAL_RUN"}',
      '{"op":"NONE","payload":""}',
      '{"op":"LOCAL_RUN","payload":""}',
      '{"op":"LOCAL_RUN","payload":7}',
    ])
      expect(await rig.ask('POST', '/commands', body)).toMatchObject({
        status: 400,
        json: { Error: 'Command has bad format' },
      })
    for (const op of ['ENABLE_SSH', 'DISABLE_SSH', 'DEFER_REBOOT'])
      expect((await rig.command(op)).status).toBe(409)
  })
})

describe('[LC12] [LC13] slow callers', () => {
  const limits = { ...socketLimits, headerMs: 200, idleMs: 400, closeMs: 100 }
  async function slow(say: (socket: Socket) => void): Promise<string> {
    await using folder = await temporaryFolder()
    const open = await openControlSocket(
      join(folder.path, 'door'),
      { kind: 'host' },
      async ({ body }) => {
        for await (const _ of body);
        return { status: 200 }
      },
      limits,
    )
    const got = await new Promise<string>((resolve) => {
      const socket = connect(open.path)
      let text = ''
      socket.on('data', (bytes) => {
        text += bytes
      })
      socket.on('error', () => undefined)
      socket.on('close', () => resolve(text))
      say(socket)
    })
    await open.close()
    return got
  }

  test('a head that never ends is 408', async () => {
    const dripping = (socket: Socket) => {
      socket.write('GET / HTTP/1.1\r\n')
      const drip = setInterval(() => socket.write('x: y\r\n'), 50)
      socket.on('close', () => clearInterval(drip))
    }
    expect(await slow(dripping)).toMatch(/^HTTP\/1\.1 408 [\s\S]*Request was not sent in time/)
  })

  test('a connection without a byte is closed', async () => {
    expect(await slow(() => undefined)).toMatch(/^(HTTP\/1\.1 408 [\s\S]*)?$/)
    expect(await slow((socket) => socket.write('PUT /x HTTP/1.1\r\nContent-Length: 5\r\n\r\nab'))).toBe('')
  })

  test('a small body that drips is 408 after its time, whatever its pace', async () => {
    const told = await raw('PUT /user-meta/slow HTTP/1.1\r\nContent-Length: 4000\r\n\r\n', (socket) => {
      const drip = setInterval(() => socket.write('x'), 200)
      socket.on('close', () => clearInterval(drip))
    })
    expect(told).toMatch(/^HTTP\/1\.1 408 /)
    await well()
  }, 25_000)
})

test('a path that is too long for a socket is refused in words', async () => {
  const folder = `/tmp/${'x'.repeat(120)}`
  await expect(openControlSocket(folder, { kind: 'host' }, async () => ({ status: 200 }))).rejects.toThrow(
    'wanted a path of at most 107 bytes',
  )
})

test('many who write at once lose nothing of each other', async () => {
  const keys = Array.from({ length: 20 }, (_, n) => `many.${n}`)
  await Promise.all(keys.map((key) => rig.ask('PUT', `/device-meta/${key}`, key)))
  expect((await rig.ask('GET', '/device-meta')).json).toMatchObject(
    Object.fromEntries(keys.map((key) => [key, key])),
  )
  expect((await rig.ask('DELETE', '/device-meta/__proto__')).status).toBe(404)
  const put = (n: number) =>
    rig.ask('PUT', '/steps/locals/many', JSON.stringify({ '#spec': spec, 'a.json': { n } }))
  await Promise.all(keys.map((_, n) => put(n)))
  const named = (await rig.ask('GET', '/steps')).json.filter(
    (step: { name: string }) => step.name === 'locals/many',
  )
  expect(named).toHaveLength(1)
})

test('bytes of any kind are read without harm', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.string(), (bytes, text) => {
      parseLogMessage(bytes)
      parseLogMessage(Buffer.from(`<13>${text}`))
      parseLogMessage(Buffer.from(`level=INFO ${text}`))
      parseCommand(text)
      parseCommand(JSON.stringify({ op: 'LOCAL_RUN', payload: text }))
      findRoute('GET', text)
    }),
  )
  fc.assert(
    fc.property(fc.json(), (text) => {
      parseCommand(text)
      parseLogMessage(Buffer.from(text))
    }),
  )
})

test('whatever is sent as a path is routed at most once, and never throws', () => {
  for (const path of ['', '/', '//', '/steps/locals/a/b/progress', '/steps/locals/', '/objects/', '*', '/\0'])
    expect(findRoute('GET', path).kind).toBe('unknown')
  expect(findRoute('GET', '/steps/locals/a/progress')).toMatchObject({
    route: { name: 'progress' },
    values: ['locals/a'],
  })
  expect(findRoute('GET', '/steps/progress')).toMatchObject({ route: { name: 'step' } })
})

const curl = ['/usr/bin/curl', '/bin/curl'].find((path) => existsSync(path))
test.skipIf(curl === undefined)('[LC10] curl, as Pantavisor’s own scripts use it, works whole', async () => {
  const run = promisify(execFile)
  const call = async (...args: string[]) =>
    (await run(curl ?? 'curl', ['-s', '-w', ' %{http_code}', '--unix-socket', rig.socket, ...args])).stdout
  const file = join(rig.folder, 'object')
  await writeFile(file, Buffer.alloc(2_000_000, 'c'))
  const sha = sha256(Buffer.alloc(2_000_000, 'c'))
  expect(await call('-T', file, `http://localhost/objects/${sha}`)).toBe(' 200')
  expect(await call('-T', file, `http://localhost/objects/${'0'.repeat(64)}`)).toBe(
    '{"Error":"Object has bad checksum"} 422',
  )
  const copy = join(rig.folder, 'copy')
  expect(await call('-0', '-o', copy, `http://localhost/objects/${sha}`)).toBe(' 200')
  expect(sha256(await readFile(copy))).toBe(sha)
  expect(await call('-X', 'PUT', '--data', '{"action":"none"}', 'http://localhost/containers/boss')).toBe(
    '{"Error":"Request has bad format"} 400',
  )
  expect(await call('-H', 'Host: other', 'http://localhost/containers').catch(() => 'unanswered')).toBe(
    'unanswered',
  )
})

describe('[LC52] the log socket', () => {
  const binary = (code: number, text: string) => {
    const bytes = Buffer.alloc(8 + Buffer.byteLength(text))
    bytes.writeInt32LE(code, 0)
    bytes.writeInt32LE(Buffer.byteLength(text), 4)
    bytes.write(text, 8)
    return bytes
  }
  const rows: [string | Buffer, unknown][] = [
    ['<14>1 2026-01-01T00:00:00Z host app 12 - - hello', { level: 'INFO', source: 'app', text: 'hello' }],
    [
      '<11>Jan  2 03:04:05 host app[12]: hello: there\n',
      { level: 'ERROR', source: 'app', text: 'hello: there' },
    ],
    ['<15>app: hello', { level: 'DEBUG', source: 'app', text: 'hello' }],
    [
      '{"version":"0","level":"WARN","src":"app","message":"hi"}',
      { level: 'WARN', source: 'app', text: 'hi' },
    ],
    ['level=INFO src=app message="hi \\"there\\""', { level: 'INFO', source: 'app', text: 'hi "there"' }],
    [binary(0, '1\0other\0app\0hi'), { level: 'ERROR', source: 'app', text: 'hi' }],
    [binary(7, '1\0other\0app\0hi'), undefined],
    ['<999>app: x', undefined],
    ['{"level":"LOUD","message":"x"}', undefined],
    ['{', undefined],
    ['hello', undefined],
    ['', undefined],
  ]
  for (const [sent, message] of rows)
    test(`${JSON.stringify(String(sent))} is ${JSON.stringify(message) ?? 'dropped'}`, () =>
      expect(parseLogMessage(Buffer.from(sent))).toEqual(message))

  test('a line goes up under the name of the container whose socket it is', async () => {
    await using other = await startControlRig({
      factory: { 'device.json': groups, 'web/run.json': sleeper() },
    })
    await other.settled()
    const socket = connect(`${other.socketOf('web')}-log`)
    socket.on('error', () => undefined)
    socket.write('level=INFO src=app message=hello')
    await until(() =>
      other.hub.logs.some(
        (line) => JSON.stringify(line).includes('"plat":"web"') && JSON.stringify(line).includes('hello'),
      ),
    )
  })
})
