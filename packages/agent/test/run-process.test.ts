import { generateKeyPairSync } from 'node:crypto'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { parseState, signState } from '@waymark/pantahub'
import { expect, test } from 'vitest'
import { runAgentCommand } from '../src/index.ts'
import { sha256, spec, startFakeHub, wordsOf } from './support/fake-hub.ts'
import { temporaryFolder } from './support/rig.ts'
import { container, stateOf } from './support/trial-rig.ts'

async function program(flags: Record<string, string | boolean>, configFile?: string) {
  const complaints: string[] = []
  const code = await runAgentCommand(
    { flags, ...(configFile === undefined ? {} : { configFile }) },
    {
      line: () => undefined,
      complain: (text) => complaints.push(text),
      signal: AbortSignal.timeout(25_000),
    },
  )
  return { code, complaints }
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  const address = server.address()
  await new Promise((closed) => server.close(closed))
  return typeof address === 'object' && address ? address.port : 0
}

test('[AG70] [AG75] real containers: a server that answers is kept, live and with a restart; one that does not is not', async () => {
  await using hub = await startFakeHub()
  await using folder = await temporaryFolder()
  hub.joinTokens.add('token')
  const port = await freePort()
  const server = (status: number) =>
    `console.log('serving ${status}'); require('http').createServer((q, r) => { r.statusCode = ${status}; r.end() }).listen(${port}, '127.0.0.1')`
  const state = (script: string, group: string) =>
    stateOf(
      {
        web: container('x', {
          command: process.execPath,
          args: ['main.cjs'],
          group,
          status_goal: 'READY',
          probes: [{ tcp: `127.0.0.1:${port}` }, { http: `http://127.0.0.1:${port}/` }],
        }),
      },
      { 'web/main.cjs': hub.putObject(Buffer.from(script)) },
    )
  const config = join(folder.path, 'agent.config')
  const intervals = ['metadata.usrmeta.interval', 'metadata.devmeta.interval', 'updater.commit.delay']
  await writeFile(config, [...intervals.map((key) => `${key}=200ms`), 'updater.goals.timeout=10'].join('\n'))
  const flags = {
    hub: hub.base,
    data: join(folder.path, 'data'),
    token: 'token',
    driver: 'process',
    interval: '50ms',
    untilIdle: true,
  }
  expect(await program(flags, config)).toEqual({ code: 0, complaints: [] })
  const device = hub.device()
  const ends: unknown[] = []
  for (const [script, group] of [
    [server(200), 'base'],
    [server(204), 'app'],
    [server(200), 'app'],
    [server(500), 'app'],
    ['throw new Error("no good")', 'app'],
  ] as const) {
    const step = hub.addStep(device, {
      ...state(script, group),
      'device.json': { groups: [{ name: 'base', restart_policy: 'system' }, { name: 'app' }] },
    })
    expect(await program(flags, config)).toEqual({ code: 0, complaints: [] })
    ends.push([step.progress.status, step.progress['status-msg'], wordsOf(step).includes('TESTING')])
  }
  expect(ends).toEqual([
    ['DONE', 'Update finished', true],
    // The old one was the system's, so a restart it was; the next is live.
    ['DONE', 'Update finished', true],
    ['UPDATED', 'Update finished', true],
    ['ERROR', 'Status goal not reached: container web is STARTED, wanted READY', false],
    ['ERROR', 'Container web exited with code 1', false],
  ])
  const last = device.steps?.at(-1)
  expect(last?.progress.logs).toMatch(/no good/)
  expect(hub.logs).toContainEqual(expect.objectContaining({ plat: 'web', msg: 'serving 200', src: 'stdout' }))
  expect(await readFile(join(flags.data, 'output/web/0.log'), 'utf8')).toContain('serving 204')
}, 90_000)

test('[AG112] what _config holds for a container is laid over its files, but for the manifest', async () => {
  await using hub = await startFakeHub()
  await using folder = await temporaryFolder()
  hub.joinTokens.add('token')
  const [own, over] = ['own', 'over'].map((text) => hub.putObject(Buffer.from(text)))
  const flags = {
    hub: hub.base,
    data: join(folder.path, 'data'),
    token: 'token',
    interval: '20ms',
    untilIdle: true,
  }
  expect((await program(flags)).code).toBe(0)
  const manifest = container('x')
  hub.addStep(
    hub.device(),
    stateOf(
      { web: manifest },
      {
        'web/etc/a.conf': own,
        'web/etc/b.conf': own,
        '_config/web/etc/b.conf': over,
        '_config/web/etc/c.json': { c: 1 },
        '_config/web/run.json': { not: 'the manifest' },
        '_config/other/etc/a.conf': over,
      },
    ),
  )
  expect((await program(flags)).code).toBe(0)
  const at = (path: string) => readFile(join(flags.data, 'current', path), 'utf8')
  expect([await at('web/etc/a.conf'), await at('web/etc/b.conf')]).toEqual(['own', 'over'])
  expect(JSON.parse(await at('web/etc/c.json'))).toEqual({ c: 1 })
  expect(JSON.parse(await at('web/run.json'))).toEqual(manifest)
  await expect(at('other/etc/a.conf')).rejects.toThrow(/ENOENT/)
})

test('[AG80] the program trusts the keys it is given, and no others', async () => {
  await using hub = await startFakeHub()
  await using folder = await temporaryFolder()
  hub.joinTokens.add('token')
  const keys = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const folderOfKeys = join(folder.path, 'keys')
  await mkdir(folderOfKeys)
  await writeFile(join(folderOfKeys, 'maker.pem'), keys.publicKey.export({ type: 'spki', format: 'pem' }))
  const flags = {
    hub: hub.base,
    data: join(folder.path, 'data'),
    token: 'token',
    interval: '20ms',
    untilIdle: true,
    securebootMode: 'strict',
    securebootKeys: folderOfKeys,
  }
  expect((await program(flags)).code).toBe(0)
  const device = hub.device()
  const plain = { '#spec': spec, 'app/root': hub.putObject(Buffer.from('app')) }
  const parsed = parseState(plain)
  if (!parsed.ok) throw new Error(parsed.refusal.thing)
  const { path, document } = signState({
    state: parsed.state,
    name: 'maker',
    selection: { include: ['**'], exclude: [] },
    key: keys.privateKey,
  })
  const unsigned = hub.addStep(device, plain)
  const tampered = hub.addStep(device, { ...plain, 'app/root': sha256('else'), [path]: document })
  const signed = hub.addStep(device, { ...plain, [path]: document })
  expect((await program(flags)).code).toBe(0)
  expect([unsigned, tampered, signed].map((step) => step.progress.status)).toEqual([
    'WONTGO',
    'WONTGO',
    'DONE',
  ])
  const wrong = await program({ ...flags, securebootKeys: join(folder.path, 'nowhere') })
  expect(wrong).toMatchObject({ code: 2, complaints: [expect.stringMatching(/^secureboot.keys/)] })
})
