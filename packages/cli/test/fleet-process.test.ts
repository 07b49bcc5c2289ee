/** The same commands as people start them: processes, pipes, signals. */
import { type ChildProcess, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { fakeDevice } from './fake-device.ts'
import { password, startServer, type TestServer, temporaryFolder } from './fleet-support.ts'

const main = fileURLToPath(new URL('../src/main.ts', import.meta.url))
const script = `const { main } = await import(${JSON.stringify(main)}); await main(process.argv.slice(1))`

let server: TestServer
beforeAll(async () => {
  server = await startServer()
})
afterAll(() => server.stop())

interface Child {
  readonly process: ChildProcess
  readonly out: () => Buffer
  readonly ended: Promise<{ code: number | null; out: Buffer; err: string }>
}

function waymark(home: string, args: readonly string[], input = ''): Child {
  const child = spawn(
    process.execPath,
    ['--conditions=source', '--input-type=module', '-e', script, '--', ...args],
    { env: { PATH: process.env.PATH, HOME: home, WAYMARK_SERVER: server.url } },
  )
  onTestFinished(() => void child.kill('SIGKILL'))
  const out: Buffer[] = []
  const err: Buffer[] = []
  child.stdout.on('data', (piece: Buffer) => out.push(piece))
  child.stderr.on('data', (piece: Buffer) => err.push(piece))
  child.stdin.end(input)
  const ended = new Promise<{ code: number | null; out: Buffer; err: string }>((resolve) => {
    child.on('close', (code) =>
      resolve({ code, out: Buffer.concat(out), err: Buffer.concat(err).toString() }),
    )
  })
  return { process: child, out: () => Buffer.concat(out), ended }
}

async function loggedIn(): Promise<string> {
  const home = temporaryFolder()
  const args = ['login', '--name', 'admin', '--password-stdin']
  const { code, err } = await waymark(home, args, `${password}\n`).ended
  expect({ code, err }).toEqual({ code: 0, err: '' })
  return home
}

test('[CL16] [CL15] a password through a pipe, a file up, its bytes down a pipe, and nothing drawn', async () => {
  const home = await loggedIn()
  const file = join(home, 'image')
  const bytes = Buffer.alloc(5_000_000, 'waymark ')
  writeFileSync(file, bytes)
  const sha256 = createHash('sha256').update(bytes).digest('hex')
  const put = await waymark(home, ['object', 'put', file]).ended
  expect({ ...put, out: put.out.toString() }).toEqual({ code: 0, out: `${sha256}  ${file}\n`, err: '' })
  const get = await waymark(home, ['object', 'get', sha256]).ended
  expect({ code: get.code, err: get.err, same: get.out.equals(bytes) }).toEqual({
    code: 0,
    err: '',
    same: true,
  })
})

test('[CL4] a reader that has had enough ends it without a word', async () => {
  const home = await loggedIn()
  const file = join(home, 'image')
  writeFileSync(file, Buffer.alloc(20_000_000, 'x'))
  const put = await waymark(home, ['object', 'put', file]).ended
  const child = waymark(home, ['object', 'get', put.out.toString().slice(0, 64)])
  child.process.stdout?.once('data', () => child.process.stdout?.destroy())
  expect(await child.ended).toMatchObject({ code: 1, err: '' })
})

test('[CL14] a signal ends the watching with 0', async () => {
  const home = await loggedIn()
  const device = await fakeDevice(server)
  const claimed = await waymark(home, ['device', 'claim', device.id, device.challenge, '--nick', 'seen'])
    .ended
  expect(claimed.code).toBe(0)
  const child = waymark(home, ['device', 'ls', '--watch', '--json'])
  const line = Promise.withResolvers<void>()
  child.process.stdout?.on('data', () => line.resolve())
  await line.promise
  child.process.kill('SIGTERM')
  const { code, out, err } = await child.ended
  expect({ code, err }).toEqual({ code: 0, err: '' })
  expect(JSON.parse(out.toString())).toMatchObject({ id: device.id, nick: 'seen' })
})

test('[CL20] [CL10] wrong usage ends with 2, a refusal with 1', async () => {
  const home = temporaryFolder()
  const usage = await waymark(home, ['login']).ended
  expect({ code: usage.code, err: usage.err }).toEqual({
    code: 2,
    err: 'waymark: login: wanted a terminal to ask on, or --name and --password-stdin\n',
  })
  const refused = await waymark(home, ['device', 'ls']).ended
  expect(refused.code).toBe(1)
  expect(refused.err).toBe(
    `waymark: not logged in to ${server.url}: run waymark login --server ${server.url}\n`,
  )
})

test('[CL30] an agent is started by its own flags, claimed, and follows what is posted', async () => {
  const home = await loggedIn()
  const factory = join(home, 'factory')
  mkdirSync(join(factory, 'bsp'), { recursive: true })
  writeFileSync(join(factory, 'bsp', 'run.json'), '{}')
  writeFileSync(join(factory, 'bsp', 'kernel.img'), 'kernel')
  const data = join(home, 'agent')
  const agentArgs = [
    'agent',
    '--hub',
    server.url,
    '--data',
    data,
    '--factory',
    factory,
    '--interval',
    '100ms',
  ]
  const agent = waymark(home, [...agentArgs, '--json'])
  const [id, challenge] = await seen(
    agent,
    /"event":"challenge","id":"([0-9a-f]{24})","challenge":"([a-z-]+)"/,
  )
  expect(
    (await waymark(home, ['device', 'claim', id ?? '', challenge ?? '', '--nick', 'pump']).ended).code,
  ).toBe(0)

  const update = join(home, 'update')
  mkdirSync(join(update, 'app'), { recursive: true })
  writeFileSync(join(update, 'app', 'run.json'), '{"name":"app"}')
  writeFileSync(join(update, 'app', 'root.squashfs'), 'x'.repeat(100_000))
  for (;;) {
    const posted = await waymark(home, ['trail', 'post', 'pump', update, '-m', 'app', '--watch', '--json'])
      .ended
    // Until the device has announced its factory state there is nothing to put a step on.
    if (posted.err.includes('has not announced')) continue
    expect({ code: posted.code, err: posted.err }).toEqual({ code: 0, err: '' })
    expect(JSON.parse(posted.out.toString().trimEnd().split('\n').at(-1) ?? '')).toMatchObject({
      outcome: 'done',
    })
    break
  }
  agent.process.kill('SIGTERM')
  expect((await agent.ended).code).toBe(0)
})

test('[CL30] an agent’s wrong settings are wrong usage', async () => {
  const home = temporaryFolder()
  const { code, err } = await waymark(home, ['agent', '--hub', 'nowhere', '--interval', 'soon']).ended
  expect(code).toBe(2)
  expect(err.split('\n')).toEqual([
    'waymark: interval: wanted a time above zero, such as 5, 500ms or 2m, got soon',
    'waymark: hub: wanted an address such as https://hub.example.com or http://127.0.0.1:8080, got nowhere',
    '',
  ])
  const unknown = await waymark(home, ['agent', '--intervall', '5']).ended
  expect(unknown).toMatchObject({
    code: 2,
    err: "waymark: agent: unknown option '--intervall' (did you mean --interval?)\n",
  })
})

/** The groups of the first match in what a child prints. */
function seen(child: Child, pattern: RegExp): Promise<readonly (string | undefined)[]> {
  return new Promise((resolve, reject) => {
    const look = (): void => {
      const found = pattern.exec(child.out().toString())
      if (found) resolve(found.slice(1))
    }
    child.process.stdout?.on('data', look)
    void child.ended.then(({ err }) => reject(new Error(`ended: ${err}`)))
    look()
  })
}

test('[CL16] the file of logins holds no password', async () => {
  const home = await loggedIn()
  const text = readFileSync(join(home, '.config', 'waymark', 'credentials.json'), 'utf8')
  expect(text).not.toContain(password)
})
