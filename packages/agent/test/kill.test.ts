import { type ChildProcess, spawn } from 'node:child_process'
import { mkdir, readdir, readFile, readlink, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { startFakeHub } from './support/fake-hub.ts'
import { temporaryFolder } from './support/rig.ts'
import { container, stateOf } from './support/trial-rig.ts'

const program = fileURLToPath(new URL('./support/agent-program.ts', import.meta.url))

type Told = Record<string, unknown>

/** Starts the agent; `until` resolves with the first event that fits, and rejects when the agent ends before. */
function startAgent(configFile: string) {
  const child: ChildProcess = spawn(process.execPath, ['--conditions=source', program, configFile], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const told: Told[] = []
  let complaint = ''
  child.stderr?.on('data', (part: Buffer) => {
    complaint += part.toString()
  })
  const watchers = new Set<() => void>()
  let over = false
  if (child.stdout)
    createInterface({ input: child.stdout }).on('line', (line) => {
      told.push(JSON.parse(line) as Told)
      for (const watch of watchers) watch()
    })
  const ended = new Promise<void>((resolve) => {
    child.once('close', () => {
      over = true
      for (const watch of watchers) watch()
      resolve()
    })
  })
  return {
    told,
    until: (fits: (event: Told) => boolean) =>
      new Promise<void>((resolve, reject) => {
        const watch = (): void => {
          const found = told.some(fits)
          if (!found && !over) return
          watchers.delete(watch)
          if (found) resolve()
          else reject(new Error(`the agent ended: ${complaint}`))
        }
        watchers.add(watch)
        watch()
      }),
    async end(signal: 'SIGKILL' | 'SIGTERM') {
      child.kill(signal)
      await ended
    },
  }
}

/** Processes of this machine with this mark in their environment, but for those that already end. */
async function aliveWith(mark: string): Promise<string[]> {
  const found: string[] = []
  for (const pid of await readdir('/proc')) {
    if (!/^\d+$/.test(pid)) continue
    const environment = await readFile(`/proc/${pid}/environ`, 'utf8').catch(() => '')
    if (environment.split('\0').includes(`MARK=${mark}`)) found.push(pid)
  }
  return found
}

async function createWorld(group: string) {
  const folder = await temporaryFolder()
  const hub = await startFakeHub()
  hub.joinTokens.add('join')
  const mark = `mark-${folder.path.split('-').at(-1)}`
  const steady = (version: number) =>
    container('sleep 3600', { group, env: { V: String(version), MARK: mark } })
  const state = (version: number) => stateOf({ core: steady(version) })
  const factory = join(folder.path, 'factory')
  await mkdir(join(factory, 'core'), { recursive: true })
  await writeFile(join(factory, 'core', 'run.json'), JSON.stringify(steady(0)))
  await writeFile(join(factory, 'device.json'), JSON.stringify(state(0)['device.json']))
  const data = join(folder.path, 'data')
  const config = join(folder.path, 'agent.config')
  const settings = {
    hub: hub.base,
    data,
    factory,
    'factory.autotok': 'join',
    driver: 'process',
    'updater.interval': '100ms',
    'metadata.usrmeta.interval': '100ms',
    'metadata.devmeta.interval': '100ms',
    'updater.commit.delay': '300ms',
  }
  await writeFile(
    config,
    Object.entries(settings)
      .map((pair) => `${pair.join('=')}\n`)
      .join(''),
  )
  return {
    hub,
    mark,
    data,
    config,
    state,
    async [Symbol.asyncDispose]() {
      await hub[Symbol.asyncDispose]()
      await folder[Symbol.asyncDispose]()
    },
  }
}

const reported = (status: string) => (event: Told) =>
  event.event === 'reported' && event.rev === 1 && event.status === status
const containerIs = (status: string) => (event: Told) =>
  event.event === 'container' && event.status === status
/** The n-th event of its kind. */
function nth(n: number, fits: (event: Told) => boolean) {
  const seen = new Set<Told>()
  return (event: Told) => {
    if (fits(event)) seen.add(event)
    return seen.size >= n
  }
}

const points: { group: string; at: string; fits: () => (event: Told) => boolean }[] = [
  { group: 'app', at: 'QUEUED', fits: () => reported('QUEUED') },
  { group: 'app', at: 'DOWNLOADING', fits: () => reported('DOWNLOADING') },
  { group: 'app', at: 'INPROGRESS', fits: () => reported('INPROGRESS') },
  { group: 'app', at: 'the old container stopping', fits: () => containerIs('STOPPING') },
  { group: 'app', at: 'the switch', fits: () => (event) => event.event === 'switched' },
  { group: 'app', at: 'the new container started', fits: () => nth(2, containerIs('STARTED')) },
  { group: 'app', at: 'TESTING', fits: () => reported('TESTING') },
  { group: 'app', at: 'the last word kept', fits: () => (event) => event.event === 'done' },
  { group: 'base', at: 'INPROGRESS', fits: () => reported('INPROGRESS') },
  { group: 'base', at: 'the end before the restart', fits: () => (event) => event.event === 'stopped' },
  { group: 'base', at: 'the new container started', fits: () => nth(2, containerIs('STARTED')) },
  { group: 'base', at: 'Trying', fits: () => nth(2, reported('INPROGRESS')) },
  { group: 'base', at: 'TESTING', fits: () => reported('TESTING') },
  { group: 'base', at: 'the last word kept', fits: () => (event) => event.event === 'done' },
]

describe('[AG84] a real agent killed at a named point comes back to old or new, with one container', () => {
  for (const { group, at, fits } of points)
    test(`${group === 'app' ? 'live' : 'restart'}: ${at}`, async () => {
      await using world = await createWorld(group)
      const { hub, mark, data, config } = world
      let agent = startAgent(config)
      try {
        await agent.until((event) => event.event === 'synced')
        await agent.until(containerIs('STARTED'))
        const step = hub.addStep(hub.device(), world.state(1))
        await agent.until(fits())
        await agent.end('SIGKILL')
        const running = (await readlink(join(data, 'current'))).replace('revisions/', '')
        expect(['0', '1']).toContain(running)

        agent = startAgent(config)
        const final = (event: Told) => ['UPDATED', 'DONE', 'ERROR'].some((word) => reported(word)(event))
        await agent.until(final)
        // Whatever it was told to run runs by now, and only that.
        await agent.until(containerIs('STARTED'))
        const word = step.progress.status
        const now = (await readlink(join(data, 'current'))).replace('revisions/', '')
        expect(now).toBe(word === 'ERROR' ? '0' : '1')
        expect(await stat(join(data, 'update/try.json')).catch(() => undefined)).toBeUndefined()
        expect(await aliveWith(mark)).toHaveLength(1)
      } finally {
        await agent.end('SIGTERM')
      }
      expect(await aliveWith(mark)).toEqual([])
    })
})
