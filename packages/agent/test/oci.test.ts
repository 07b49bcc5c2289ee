/** Containers of a real engine. Needs podman or docker that can run one, and a static busybox to make an image of. */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { copyFile, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type AgentEvent, runAgentCommand } from '../src/index.ts'
import type { Launch } from '../src/process/ports.ts'
import { createOciProcesses, type Engine, findEngine } from '../src/real/oci.ts'
import { createRealProcesses } from '../src/real/processes.ts'
import { type FakeHub, startFakeHub, wordsOf } from './support/fake-hub.ts'
import { temporaryFolder } from './support/rig.ts'
import { stateOf } from './support/trial-rig.ts'

const busybox = ['/bin/busybox', '/usr/bin/busybox'].find((path) => existsSync(path))
const engine: Engine | undefined = busybox === undefined ? undefined : await findEngine()

const call = (args: readonly string[]): string => {
  const { status, stdout, stderr } = spawnSync(engine ?? '', args, { encoding: 'utf8' })
  return status === 0 ? stdout.trim() : `failed: ${stderr.trim()}`
}

/** A root file system with a shell, as a tar. */
const root = await mkdtemp(join(tmpdir(), 'waymark-oci-'))
const tar = join(root, 'root.tar')
const tag = `localhost/waymark-test-${root.slice(-6).toLowerCase()}:1`
let able = false
if (engine !== undefined && busybox !== undefined) {
  await mkdir(join(root, 'fs', 'bin'), { recursive: true })
  await copyFile(busybox, join(root, 'fs', 'bin', 'busybox'))
  for (const name of ['sh', 'sleep', 'echo', 'cat', 'env', 'test'])
    await symlink('busybox', join(root, 'fs', 'bin', name))
  spawnSync('tar', ['-cf', tar, '-C', join(root, 'fs'), '.'])
  call(['import', tar, tag])
  const tried = createOciProcesses(engine, root, createRealProcesses(root))
  const launched = await tried.launch(launchOf('able', 'exit 7', tag)).catch(() => undefined)
  able = (await launched?.exited) === 'exited with code 7'
}

function launchOf(name: string, script: string, image: string, more: Partial<Launch> = {}): Launch {
  return {
    name,
    command: '/bin/sh',
    args: ['-c', script],
    env: { PATH: '/bin', A: 'one two' },
    cwd: '.',
    limits: {},
    fingerprint: `${name} ${script}`,
    image: { from: image, network: 'none' },
    ...more,
  }
}

describe.skipIf(!able)(`containers of ${engine ?? 'podman or docker'}`, () => {
  let hub: FakeHub
  let folder: Awaited<ReturnType<typeof temporaryFolder>>
  beforeAll(async () => {
    hub = await startFakeHub()
    folder = await temporaryFolder()
    hub.joinTokens.add('token')
  })
  afterAll(async () => {
    await hub[Symbol.asyncDispose]()
    await folder[Symbol.asyncDispose]()
    call(['rmi', '-f', tag])
    await rm(root, { recursive: true, force: true })
  })

  const heard = async (output: AsyncIterable<{ readonly from: string; readonly bytes: Uint8Array }>) => {
    const all: Record<string, string> = { out: '', err: '' }
    for await (const { from, bytes } of output) all[from] += Buffer.from(bytes).toString()
    return all
  }

  test('[AG110] [AG94] it has the environment of its manifest; what it writes and how it ends are told apart', async () => {
    await using at = await temporaryFolder()
    const processes = createOciProcesses(engine as Engine, at.path, createRealProcesses(at.path))
    const launched = await processes.launch(launchOf('said', 'env; echo trouble >&2; exit 3', tag))
    const [said, how] = await Promise.all([heard(launched.output), launched.exited])
    expect(said.out).toContain('A=one two\n')
    expect(said.out).not.toContain('HOME=/root/')
    expect(said.err).toContain('trouble')
    expect(how).toBe('exited with code 3')
  })

  test('[AG110] an image that is not there, and a program that is not in it, are refused by name', async () => {
    await using at = await temporaryFolder()
    const processes = createOciProcesses(engine as Engine, at.path, createRealProcesses(at.path))
    await expect(processes.launch(launchOf('none', 'x', './nothing.tar'))).rejects.toThrow(/nothing\.tar/)
    const missing = launchOf('none', 'x', tag, { command: '/no/such/program' })
    await expect(processes.launch(missing)).rejects.toThrow(/no such/i)
    await processes.tidy?.([])
  })

  test('[AG111] what runs is taken over by the next agent when nothing changed, replaced when it did, tidied when unwanted', async () => {
    await using at = await temporaryFolder()
    const make = () => createOciProcesses(engine as Engine, at.path, createRealProcesses(at.path))
    const sleeping = launchOf('kept', 'sleep 600', tag)
    const idOf = () => call(['ps', '-q', '--no-trunc', '--filter', `label=waymark.container=kept`])
    const first = await make().launch(sleeping)
    const id = idOf()
    const next = make()
    await next.endLeftover(first.mark)
    const second = await next.launch({ ...sleeping, cwd: 'revisions/9/kept' })
    expect([second.cwd, idOf()]).toEqual(['.', id])
    const changed = await make().launch({ ...sleeping, fingerprint: 'another' })
    expect(changed.cwd).toBeUndefined()
    expect(idOf()).not.toBe(id)
    await first.exited
    await make().tidy?.([])
    await changed.exited
    expect(idOf()).toBe('')
  })

  /** All that was read so far once these texts were; reading goes on, as an agent does it. */
  const until = async (
    output: AsyncIterable<{ readonly from: 'out' | 'err'; readonly bytes: Uint8Array }>,
    ...texts: readonly string[]
  ) => {
    const all = { out: '', err: '' }
    const { promise, resolve } = Promise.withResolvers<void>()
    void (async () => {
      for await (const { from, bytes } of output) {
        all[from] += Buffer.from(bytes).toString()
        if (texts.every((text) => `${all.out}${all.err}`.includes(text))) resolve()
      }
    })()
    await promise
    return { ...all }
  }
  const containerOf = (path: string, name: string): string =>
    `waymark-${createHash('sha256').update(path).digest('hex').slice(0, 16)}-${name}`

  test('[AG113] what a container writes while no agent runs is read by the next, once', async () => {
    await using at = await temporaryFolder()
    const make = () => createOciProcesses(engine as Engine, at.path, createRealProcesses(at.path))
    const script =
      'echo one; echo begun >&2; until [ -e /waymark/go ]; do sleep 1; done; echo two; echo three >&2; sleep 600'
    const launch = launchOf('heard', script, tag)
    const first = await make().launch(launch)
    expect(await until(first.output, 'one', 'begun')).toEqual({ out: 'one\n', err: 'begun\n' })
    // The place is noted a second later; the container writes on.
    const place = join(at.path, 'output/heard/read.json')
    while (!(await readFile(place, 'utf8').catch(() => '')).includes('"err":6'))
      await new Promise((done) => setTimeout(done, 100))
    const noted = await readFile(place)
    await writeFile(join(at.path, 'go'), '')
    while (!call(['logs', containerOf(at.path, 'heard')]).includes('two'))
      await new Promise((done) => setTimeout(done, 200))
    // What a dead agent could not note.
    await writeFile(place, noted)
    const second = await make().launch(launch)
    expect(await until(second.output, 'two', 'three')).toEqual({ out: 'two\n', err: 'three\n' })
    await make().tidy?.([])
    await Promise.all([first.exited, second.exited])
  }, 60_000)

  test('[AG113] so is what one wrote that has ended meanwhile, before it is started anew', async () => {
    await using at = await temporaryFolder()
    const name = containerOf(at.path, 'ended')
    call([
      'run',
      '-d',
      '--name',
      name,
      ...['--network', 'none', '--ulimit', 'nofile=64:64', '--ulimit', 'nproc=64:64'],
      tag,
      '/bin/sh',
      '-c',
      'echo one; echo two; echo three >&2',
    ])
    call(['wait', name])
    await mkdir(join(at.path, 'output/ended'), { recursive: true })
    await writeFile(join(at.path, 'output/ended/read.json'), '{"out":4,"err":0}')
    const processes = createOciProcesses(engine as Engine, at.path, createRealProcesses(at.path))
    const launched = await processes.launch(launchOf('ended', 'echo anew; sleep 600', tag))
    expect(await until(launched.output, 'anew', 'three')).toEqual({ out: 'two\nanew\n', err: 'three\n' })
    await processes.tidy?.([])
    await launched.exited
  }, 60_000)

  test('[AG110] [AG112] [AG70] a whole life: started in order, replaced live, overlaid, limited, rolled back, and gone at the end', async () => {
    const container = (command: string, more: Readonly<Record<string, unknown>> = {}) => ({
      '#spec': 'service-manifest-run@1',
      type: 'oci',
      image: './root.tar',
      network: 'none',
      command: '/bin/sh',
      args: ['-c', command],
      group: 'app',
      stop: { grace: 1 },
      ...more,
    })
    const image = hub.putObject(await readFile(tar))
    const conf = hub.putObject(Buffer.from('from _config'))
    const files = { 'web/root.tar': image, 'db/root.tar': image }
    const db = container('echo db is up; trap "exit 0" TERM; while :; do sleep 1; done', {
      status_goal: 'READY',
      probes: [{ command: '/bin/test', args: ['-e', '/bin/sh'] }],
      limits: { data_bytes: 64 * 1024 * 1024, open_files: 64, processes: 20 },
      group: 'base',
    })
    const web = (say: string) => container(`echo ${say}; cat /etc/app.conf; exec sleep 600`)
    const device = () => hub.device()
    const flags = {
      hub: hub.base,
      data: join(folder.path, 'data'),
      token: 'token',
      driver: 'oci',
      interval: '50ms',
      commitDelay: '200ms',
      untilIdle: true,
    }
    const events: AgentEvent[] = []
    const live = async (more = {}, signal = AbortSignal.timeout(60_000)) => {
      const complaints: string[] = []
      const io = { line: () => undefined, complain: (text: string) => complaints.push(text), signal }
      const code = await runAgentCommand(
        { flags: { ...flags, ...more } },
        { ...io, onEvent: (e) => events.push(e) },
      )
      expect({ code, complaints }).toEqual({ code: 0, complaints: [] })
    }
    await live()
    const more = { ...files, '_config/web/etc/app.conf': conf }
    const one = hub.addStep(device(), stateOf({ db, web: web('one') }, more))
    await live()
    const started = events.flatMap((e) => (e.event === 'container' && e.status === 'STARTED' ? [e.name] : []))
    expect(started[0]).toBe('db')
    const two = hub.addStep(device(), stateOf({ db, web: web('two') }, more))
    const ids = new Set<string>()
    const watch = setInterval(() => {
      const id = spawnSync(engine ?? '', ['ps', '-q', '--filter', 'label=waymark.container=db'], {
        encoding: 'utf8',
      })
      if (id.stdout.trim() !== '') ids.add(id.stdout.trim())
    }, 500)
    await live()
    clearInterval(watch)
    const three = hub.addStep(device(), stateOf({ db, web: container('echo I break; exit 9') }, more))
    const four = hub.addStep(device(), stateOf({ db, web: { ...web('x'), type: 'process' } }, more))
    await live()
    expect([one, two, three, four].map((step) => step.progress.status)).toEqual([
      'DONE',
      'UPDATED',
      'ERROR',
      'WONTGO',
    ])
    expect(three.progress['status-msg']).toBe('Container web exited with code 9')
    expect(three.progress.logs).toContain('I break')
    expect(wordsOf(two)).toContain('TESTING')
    // One db through the whole of the second life: what does not change runs on.
    expect(ids.size).toBe(1)
    for (const msg of ['db is up', 'one', 'two', 'from _config'])
      expect(hub.logs.map((entry) => entry.msg)).toContain(msg)
    const own = createHash('sha256').update(flags.data).digest('hex').slice(0, 16)
    expect(call(['ps', '-aq', '--filter', `label=waymark.data=${own}`])).toBe('')
  }, 180_000)
})

test.skipIf(able)(
  'containers of an engine are skipped: no podman or docker here runs one, or there is no busybox',
  () => {
    expect(able).toBe(false)
  },
)

test('[AG110] without an engine the driver is refused by name', async () => {
  await using at = await temporaryFolder()
  await writeFile(join(at.path, 'none'), '')
  const before = process.env.PATH
  const complaints: string[] = []
  process.env.PATH = at.path
  try {
    const flags = { hub: 'http://127.0.0.1:1', data: join(at.path, 'data'), driver: 'oci' }
    const io = { line: () => undefined, complain: (text: string) => complaints.push(text) }
    expect(await runAgentCommand({ flags }, { ...io, signal: AbortSignal.timeout(10_000) })).toBe(2)
  } finally {
    process.env.PATH = before
  }
  expect(complaints).toEqual(['driver oci: wanted podman or docker that answers, got none'])
})
