/**
 * A device that is killed, for real: a program with containers as processes on a real disk, a whole server, and SIGKILL at
 * a named point of an update. `play` kills it there, starts it anew, and answers what is then true.
 *
 * Each point is played `rounds` times, each time a little later, so that what lies between two named points is hit too.
 * `WAYMARK_KILLS=7 npx vitest run packages/cli/test/kill-` plays each seven times: 217 kills.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, readlinkSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { admin, startServer, type TestServer, temporaryFolder } from './fleet-support.ts'

const program = fileURLToPath(new URL('../../agent/test/support/agent-program.ts', import.meta.url))

/** How often each point is played; WAYMARK_KILLS says otherwise. */
export const rounds = Math.max(1, Number(process.env.WAYMARK_KILLS ?? 1))
/** Each round kills so much later. Milliseconds. */
const laterMs = 9

type Told = Readonly<Record<string, unknown>>
type Fits = (event: Told) => boolean

export interface Point {
  readonly at: string
  /** Made anew for each life, since it may count. */
  readonly fits: () => Fits
}

export const event =
  (name: string, more: Told = {}): (() => Fits) =>
  () =>
  (told) =>
    told.event === name && Object.entries(more).every(([key, value]) => told[key] === value)

export const reported = (status: string): (() => Fits) => event('reported', { rev: 1, status })

export const container = (status: string): (() => Fits) => event('container', { status })

/** The n-th event of its kind. */
export const nth = (n: number, fits: () => Fits) => (): Fits => {
  let seen = 0
  const one = fits()
  return (told) => one(told) && ++seen >= n
}

export interface Story {
  /** The group of the container: `app` is replaced live, `base` wants a restart. */
  readonly group: 'app' | 'base'
  /** What the new revision runs. */
  readonly command: string
  /** How the step may end. */
  readonly ends: readonly string[]
  readonly points: readonly Point[]
}

/** Declares a test for each point and round. */
export function playKills(name: string, story: Story): void {
  describe(`[AG84] a real agent killed in ${name} comes back to old or new, whole, with one container, and the server knows`, () => {
    let server: TestServer
    beforeAll(async () => {
      server = await startServer()
    })
    afterAll(() => server.stop())
    for (let round = 0; round < rounds; round++)
      for (const { at, fits } of story.points)
        test(`${at}, round ${round + 1}`, () => play(story, server, fits(), round * laterMs), 60_000)
  })
}

async function play(story: Story, server: TestServer, fits: Fits, afterMs: number): Promise<void> {
  const me = await admin(server)
  const { token } = (await me.run('join-token', 'create', '--json')).json() as { token: string }
  const home = temporaryFolder()
  const mark = `mark-${createHash('sha256').update(home).digest('hex').slice(0, 16)}`
  const states = ['exec sleep 3600', story.command].map((command, version) => {
    const folder = join(home, `state-${version}`)
    mkdirSync(join(folder, 'core'), { recursive: true })
    const groups = [
      { name: 'base', restart_policy: 'system' },
      { name: 'app', timeout: 20 },
    ]
    writeFileSync(join(folder, 'device.json'), JSON.stringify({ groups }))
    const run = { '#spec': 'service-manifest-run@1', type: 'process', command: 'sh', args: ['-c', command] }
    const more = { group: story.group, env: { MARK: mark, V: `${version}` }, stop: { grace: 1 } }
    writeFileSync(join(folder, 'core', 'run.json'), JSON.stringify({ ...run, ...more }))
    writeFileSync(join(folder, 'core', 'data.bin'), `${version} ${home}`.repeat(1000))
    return folder
  })
  const [factory = '', update = ''] = states
  const data = join(home, 'data')
  const config = join(home, 'agent.config')
  const intervals = ['updater.interval', 'metadata.usrmeta.interval', 'metadata.devmeta.interval']
  const settings = {
    ...Object.fromEntries(intervals.map((key) => [key, '100ms'])),
    hub: server.url,
    data,
    factory,
    driver: 'process',
    'factory.autotok': token,
    'updater.commit.delay': '200ms',
  }
  const text = Object.entries(settings).map((pair) => `${pair.join('=')}\n`)
  writeFileSync(config, text.join(''))

  let agent = startAgent(config)
  onTestFinished(() => agent.end('SIGKILL'))
  const { id } = (await agent.until((told) => told.event === 'synced')) as { id: string }
  await agent.until(container('STARTED')())
  const death = agent.until(fits, () => agent.told.length)
  expect(await me.run('trail', 'post', id, update, '--replace')).toMatchObject({ code: 0 })
  await death
  if (afterMs > 0) await new Promise((wait) => setTimeout(wait, afterMs))
  await agent.end('SIGKILL')
  expect(['0', '1']).toContain(revisionIn(data))

  agent = startAgent(config)
  // Whatever it is to run runs by then, and what the killed one had started does not.
  await agent.until(container('STARTED')())
  // The server's view is the device's truth: the step has ended, and the revision that runs is known to run.
  const seen = await eventually(async () => {
    const shown = (await me.run('device', 'show', id, '--json')).json() as Shown
    const { head, running } = shown.trail
    if (!['done', 'failed'].includes(head.outcome) || `${running}` !== revisionIn(data)) return undefined
    return aliveWith(mark).length === 1 && !existsAt(join(data, 'update/try.json')) ? head : undefined
  })
  expect(story.ends).toContain(seen.status)
  const now = seen.outcome === 'done' ? 1 : 0
  expect(revisionIn(data)).toBe(`${now}`)
  for (const path of ['core/data.bin', 'core/run.json', 'device.json'])
    expect(JSON.stringify(read(join(data, 'current', path)))).toBe(
      JSON.stringify(read(join(states[now] ?? '', path))),
    )
  await agent.end('SIGTERM')
  expect(aliveWith(mark)).toEqual([])
}

interface Shown {
  readonly trail: {
    readonly running?: number
    readonly head: { readonly status: string; readonly outcome: string }
  }
}

/** Starts the agent; `until` resolves with the first event that fits, after those it is told to pass over. */
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
    until: (fits: Fits, from = () => 0) =>
      new Promise<Told>((resolve, reject) => {
        let looked = from()
        const watch = (): void => {
          const found = told.slice(looked).find(fits)
          looked = told.length
          if (!found && !over) return
          watchers.delete(watch)
          if (found) resolve(found)
          else reject(new Error(`the agent ended: ${complaint} ${told.map((each) => each.event).join(' ')}`))
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

async function eventually<T>(look: () => Promise<T | undefined>): Promise<T> {
  for (;;) {
    const found = await look()
    if (found !== undefined) return found
    await new Promise((wait) => setTimeout(wait, 50))
  }
}

/** Processes of this machine with this mark in their environment, but for those that already end. */
function aliveWith(mark: string): string[] {
  return readdirSync('/proc').filter((pid) => {
    if (!/^\d+$/.test(pid)) return false
    try {
      if (readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') Z ')) return false
      return readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0').includes(`MARK=${mark}`)
    } catch {
      return false
    }
  })
}

const revisionIn = (data: string): string =>
  readlinkSync(join(data, 'current')).replace(/^revisions\/|\..*$/g, '')
const existsAt = (path: string): boolean => statSync(path, { throwIfNoEntry: false }) !== undefined

/** A file; documents by what they say, whatever the order of their members. */
function read(path: string): unknown {
  const text = readFileSync(path, 'utf8')
  return path.endsWith('.json') ? sorted(JSON.parse(text)) : text
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, each]) => [key, sorted(each)]),
  )
}
