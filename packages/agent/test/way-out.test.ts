/** Proxies, helpers for credentials, and the lock of a data folder, each for real. */
import { spawnSync } from 'node:child_process'
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, request } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { runAgentCommand } from '../src/index.ts'
import { lockFolder } from '../src/real/lock.ts'
import { createRealTransport, isExcepted } from '../src/real/transport.ts'
import { owner, startFakeHub } from './support/fake-hub.ts'
import { temporaryFolder } from './support/rig.ts'

/** A proxy that goes nowhere but to `to`, and tells what it was asked. */
async function startProxy(to: number) {
  const asked: string[] = []
  const sockets = new Set<Socket>()
  const proxy = createServer((came: IncomingMessage, answer) => {
    asked.push(`${came.method} ${came.url}`)
    const { pathname, search } = new URL(came.url ?? '/', 'http://none')
    const on = request(
      { host: '127.0.0.1', port: to, method: came.method, path: pathname + search, headers: came.headers },
      (got) => {
        answer.writeHead(got.statusCode ?? 500, got.headers)
        got.pipe(answer)
      },
    )
    on.on('error', () => answer.destroy())
    came.pipe(on)
  })
  proxy.on('connect', (came, socket) => {
    asked.push(`CONNECT ${came.url}`)
    const through = connect(to, '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n')
      socket.pipe(through).pipe(socket)
    })
    for (const end of [through, socket]) end.on('error', () => undefined)
    sockets.add(through)
  })
  await new Promise<void>((listening) => proxy.listen(0, '127.0.0.1', listening))
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy()
    proxy.closeAllConnections()
    proxy.close()
  })
  return { port: (proxy.address() as AddressInfo).port, asked }
}

const run = async (flags: Record<string, string | boolean>, file = '', folder = '', env = {}) => {
  const complaints: string[] = []
  const configFile = join(folder, 'agent.config')
  await writeFile(configFile, file)
  const io = { line: () => undefined, complain: (text: string) => complaints.push(text) }
  const code = await runAgentCommand(
    { flags, configFile, env },
    { ...io, signal: AbortSignal.timeout(20_000) },
  )
  return { code, complaints }
}

describe('[AG52] a proxy', () => {
  test('stands between the device and the hub, its stores included, whatever the hub is called', async () => {
    await using hub = await startFakeHub()
    await using folder = await temporaryFolder()
    hub.joinTokens.add('join')
    const proxy = await startProxy(Number(new URL(hub.base).port))
    const data = join(folder.path, 'data')
    const flags = { hub: 'http://hub.invalid', data, token: 'join', interval: '20ms', untilIdle: true }
    const file = `PH_CREDS_PROXY_HOST=127.0.0.1\nPH_CREDS_PROXY_PORT=${proxy.port}\n`
    expect(await run(flags, file, folder.path)).toEqual({ code: 0, complaints: [] })
    expect(proxy.asked).toContain('POST http://hub.invalid/devices/')
    expect(hub.device().steps).toHaveLength(1)
  })

  test('is passed by for what is excepted', async () => {
    await using hub = await startFakeHub()
    await using folder = await temporaryFolder()
    hub.joinTokens.add('join')
    const proxy = await startProxy(1)
    const flags = {
      hub: hub.base,
      data: join(folder.path, 'data'),
      token: 'join',
      interval: '20ms',
      untilIdle: true,
    }
    const file = `creds.proxy.host=127.0.0.1\ncreds.proxy.port=${proxy.port}\n`
    const env = { NO_PROXY: 'localhost,127.0.0.1' }
    expect(await run(flags, file, folder.path, env)).toEqual({ code: 0, complaints: [] })
    expect(proxy.asked).toEqual([])
  })

  const certificate = async (folder: string) => {
    const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')]
    const made = spawnSync('openssl', [
      ...[
        'req',
        '-x509',
        '-newkey',
        'ec',
        '-pkeyopt',
        'ec_paramgen_curve:prime256v1',
        '-nodes',
        '-days',
        '2',
      ],
      ...[
        '-subj',
        '/CN=hub.invalid',
        '-addext',
        'subjectAltName=DNS:hub.invalid',
        '-keyout',
        key,
        '-out',
        cert,
      ],
    ])
    return made.status === 0 ? { key: await readFile(key), cert: await readFile(cert) } : undefined
  }

  test('tunnels https, or is entrusted with it', async ({ skip }) => {
    await using folder = await temporaryFolder()
    const tls = await certificate(folder.path)
    if (!tls) return skip('no openssl to make a certificate with')
    const secure = createSecureServer(tls, (came, answer) =>
      answer.end(`${came.method} ${came.url} ${came.headers.host}`),
    )
    await new Promise<void>((listening) => secure.listen(0, '127.0.0.1', listening))
    onTestFinished(() => void secure.close())
    const tunnel = await startProxy((secure.address() as AddressInfo).port)
    const ask = async (port: number, noConnect: boolean) => {
      const { transport, close } = createRealTransport({ host: '127.0.0.1', port, noConnect, except: '' })
      onTestFinished(close)
      const { signal } = new AbortController()
      const reply = await transport({
        method: 'GET',
        url: 'https://hub.invalid/trails/?a=b',
        headers: {},
        signal,
      })
      let text = ''
      for await (const part of reply.body) text += Buffer.from(part).toString()
      return text
    }
    // A tunnel does not make an unknown certificate known: what is inside is verified as ever.
    await expect(ask(tunnel.port, false)).rejects.toThrow(/self-signed/)
    expect(tunnel.asked).toEqual(['CONNECT hub.invalid:443'])
    const plain = createServer((came, answer) =>
      answer.end(`${came.method} ${came.url} ${came.headers.host}`),
    )
    await new Promise<void>((listening) => plain.listen(0, '127.0.0.1', listening))
    onTestFinished(() => void plain.close())
    const entrusted = await startProxy((plain.address() as AddressInfo).port)
    expect(await ask(entrusted.port, true)).toBe('GET /trails/?a=b hub.invalid')
    expect(entrusted.asked).toEqual(['GET https://hub.invalid/trails/?a=b'])
  })

  for (const [host, except, is] of [
    ['hub.example.com', 'example.com', true],
    ['hub.example.com', '.example.com', true],
    ['hub.example.com', '*.example.com, other', true],
    ['hub.example.com', 'hub.example.com', true],
    ['hub.example.com', 'ample.com', false],
    ['hub.example.com', '*', true],
    ['hub.example.com', '', false],
  ] as const)
    test(`${host} is ${is ? '' : 'not '}excepted by "${except}"`, () => {
      expect(isExcepted(host, except)).toBe(is)
    })
})

describe('[AG53] a helper for credentials', () => {
  const scriptOf = (hub: string, id: string, prn: string, secret: string) => `#!/bin/sh
case $1 in
  register) echo "PH_CREDS_ID=${id}"; echo "PH_CREDS_PRN=${prn}";;
  login) test "$PH_CREDS_ID" = "${id}" || exit 4
    ${process.execPath} -e 'fetch("${hub}/auth/login", { method: "POST", body: JSON.stringify({ username: "${prn}", password: "${secret}" }) }).then(r => r.json()).then(j => console.log("TOKEN=" + j.token))';;
esac
`

  test('registers and logs in; the agent never sees the secret', async () => {
    await using hub = await startFakeHub()
    await using folder = await temporaryFolder()
    const { id, prn, secret } = hub.register(owner)
    const helpers = join(folder.path, 'helpers')
    await mkdir(helpers)
    await writeFile(join(helpers, 'chip'), scriptOf(hub.base, id, prn, secret))
    await chmod(join(helpers, 'chip'), 0o755)
    const data = join(folder.path, 'data')
    const flags = { hub: hub.base, data, interval: '20ms', untilIdle: true }
    const file = `creds.type=ext-chip\ncreds.helpers=${helpers}\n`
    expect(await run(flags, file, folder.path)).toEqual({ code: 0, complaints: [] })
    expect(hub.seen.some(({ method, path }) => method === 'POST' && path === '/devices/')).toBe(false)
    const kept = await readFile(join(data, 'phconfig/pantahub.config'), 'utf8')
    expect(kept).toContain(`PH_CREDS_ID=${id}`)
    expect(kept).not.toContain(secret)
  })

  test('that fails is asked again, and says why', async () => {
    await using hub = await startFakeHub()
    await using folder = await temporaryFolder()
    await writeFile(join(folder.path, 'chip'), '#!/bin/sh\necho the chip is cold >&2\nexit 3\n')
    await chmod(join(folder.path, 'chip'), 0o755)
    const stop = new AbortController()
    const details: string[] = []
    const configFile = join(folder.path, 'agent.config')
    await writeFile(configFile, `creds.type=ext-chip\ncreds.helpers=${folder.path}\n`)
    const flags = { hub: hub.base, data: join(folder.path, 'data') }
    await runAgentCommand(
      { flags, configFile },
      {
        line: () => undefined,
        complain: () => undefined,
        signal: stop.signal,
        onEvent(event) {
          if (event.event !== 'trouble') return
          details.push(event.detail)
          stop.abort()
        },
      },
    )
    expect(details[0]).toMatch(/helper chip register: exit code 3 the chip is cold/)
  })
})

describe('[AG54] a data folder', () => {
  test('is locked for one agent, and free once that one has ended', async () => {
    await using folder = await temporaryFolder()
    const first = await lockFolder(folder.path)
    expect(first).toBeDefined()
    expect(await lockFolder(folder.path)).toBeUndefined()
    await first?.release()
    const again = await lockFolder(folder.path)
    expect(again).toBeDefined()
    await again?.release()
  })

  test('that is in use is refused by name, and left alone', async () => {
    await using hub = await startFakeHub()
    await using folder = await temporaryFolder()
    const data = join(folder.path, 'data')
    await mkdir(data)
    const other = await lockFolder(data)
    const { code, complaints } = await run({ hub: hub.base, data }, '', folder.path)
    expect(code).toBe(1)
    expect(complaints).toEqual([
      `data ${data}: wanted a folder that no other agent works in, got one that is in use`,
    ])
    expect(hub.seen).toEqual([])
    await other?.release()
  })
})
