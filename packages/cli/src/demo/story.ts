/**
 * The demo: a server and five devices, from registering to a second step with tens of megabytes. One device loses its
 * connection in the middle of a download and takes it up where it stopped; one is served bytes that have rotted on the
 * server's disk, and stays on its old revision. Then three weather stations that call in over ExoPort (`weather.ts`). Every
 * byte goes over real connections; the lines are printed as things happen.
 */
import { createHash, randomBytes } from 'node:crypto'
import { mkdir, mkdtemp, open, readlink, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type AgentEvent, describeEvent, runAgentCommand } from '@waymark/agent'
import { createFleet, type Fleet } from '@waymark/sdk'
import { Failure, type Io } from '../io.ts'
import { tableLines } from '../show/table.ts'
import { type Cable, layCable } from './cable.ts'
import { startServer } from './server-process.ts'
import { playWeather, type WeatherOutcome } from './weather.ts'

const MiB = 1024 * 1024
const names = ['badger', 'heron', 'lynx', 'moth', 'otter'] as const
type Name = (typeof names)[number]
/** Comes in by its challenge; the others by a join token. */
const claimed: Name = 'heron'
/** Loses its connection mid-download. */
const cutOff: Name = 'otter'
/** Is served rotten bytes. */
const unlucky: Name = 'moth'

interface Actor {
  readonly name: Name
  readonly folder: string
  id?: string
  synced: boolean
  ended: boolean
  downloaded: number
  resumedAt?: number
  outcome?: string
}

interface Stage {
  readonly io: Io
  readonly folder: string
  readonly cable: Cable
  readonly fleet: Fleet
  readonly actors: readonly Actor[]
  readonly started: number
  /** Woken by every event of every agent. */
  changed: () => void
}

/** How long any act may take before the demo gives up and says where. */
const patienceMs = 60_000

/** Plays the demo. With `exit` it ends when the story does; else it leaves the server up until it is asked to stop. */
export async function playDemo(io: Io, asked: { exit: boolean }): Promise<void> {
  const stop = io.stopSignal()
  const folder = await mkdtemp(join(tmpdir(), 'waymark-demo-'))
  const adminPassword = randomBytes(12).toString('base64url')
  const cable = await layCable()
  const server = await startServer({ data: join(folder, 'server'), publicUrl: cable.url, adminPassword })
  cable.plugInto(server.port)
  const agentsStop = new AbortController()
  let agents: Promise<unknown> = Promise.resolve()
  try {
    const { token } = await createFleet({ url: cable.url }).login({
      body: { name: 'admin', password: adminPassword },
    })
    const fleet = createFleet({ url: cable.url, token })
    const stage: Stage = {
      io,
      folder,
      cable,
      fleet,
      started: performance.now(),
      actors: names.map((name) => ({
        name,
        folder: join(folder, name),
        synced: false,
        ended: false,
        downloaded: 0,
      })),
      changed: () => {},
    }
    say(stage, 'server', `up at ${cable.url}, data in ${join(folder, 'server')}`)
    const watching = watch(stage, agentsStop.signal)
    agents = startAgents(stage, await laySupplies(stage), agentsStop.signal)
    await openingAct(stage)
    await secondAct(stage, join(folder, 'server', 'objects'))
    const stations = await playWeather({
      say: (who, what) => say(stage, who, what),
      adminPassword,
      url: cable.url,
      exoport: server.exoport,
    })
    for (const line of await closingTable(stage)) io.out(line)
    for (const line of weatherTable(stations)) io.out(line)
    if (!asked.exit && !stop.aborted) {
      io.out('')
      io.out(
        `The server stays up at ${cable.url} and the devices go on; Ctrl-C ends the demo. Look around with:`,
      )
      io.out(`  npx waymark login --server ${cable.url} --name admin    (password ${adminPassword})`)
      io.out('  npx waymark device ls')
      io.out(`  npx waymark trail ls ${unlucky}`)
      await new Promise((resolve) => stop.addEventListener('abort', resolve, { once: true }))
    }
    agentsStop.abort()
    await Promise.all([agents, watching])
  } finally {
    agentsStop.abort()
    await agents
    await server.stop()
    cable.close()
    await rm(folder, { recursive: true, force: true })
  }
}

// ── first act: five devices come in ──────────────────────────────────────────────────────────────────────────────

/** The files every device is made with, and the token that four of them come in by. */
async function laySupplies(stage: Stage): Promise<{ factory: string; token: string }> {
  const factory = join(stage.folder, 'factory')
  await mkdir(join(factory, 'bsp'), { recursive: true })
  await mkdir(join(factory, 'app'), { recursive: true })
  await writeFile(
    join(factory, 'bsp', 'run.json'),
    JSON.stringify({ initrd: 'initrd.img', linux: 'kernel.img' }),
  )
  await writeFile(join(factory, 'bsp', 'kernel.img'), randomBytes(2 * MiB))
  await writeFile(
    join(factory, 'app', 'run.json'),
    JSON.stringify({ name: 'app', 'root-volume': 'root.img' }),
  )
  await writeFile(join(factory, 'app', 'root.img'), randomBytes(1 * MiB))
  const { token } = await stage.fleet.createJoinToken({ body: { nick: 'demo line' } })
  say(stage, 'admin', 'made a join token for four devices; the fifth will be claimed by its challenge')
  return { factory, token }
}

/** The devices' programs; resolves when they have stopped. */
async function startAgents(
  stage: Stage,
  { factory, token }: { factory: string; token: string },
  signal: AbortSignal,
): Promise<void> {
  await Promise.all(
    stage.actors.map((actor) =>
      runAgentCommand(
        {
          flags: {
            hub: stage.cable.url,
            data: actor.folder,
            factory,
            interval: '500ms',
            ...(actor.name === claimed ? {} : { token }),
          },
        },
        {
          line: () => {},
          complain: (text) => say(stage, actor.name, text),
          signal,
          onEvent: (event) => heard(stage, actor, event),
        },
      ),
    ),
  )
}

async function openingAct(stage: Stage): Promise<void> {
  await until(stage, 'all devices are synced', () => stage.actors.every((actor) => actor.synced))
  for (const actor of stage.actors)
    if (actor.id) await stage.fleet.changeDevice({ device: actor.id, body: { nick: actor.name } })
}

function heard(stage: Stage, actor: Actor, event: AgentEvent): void {
  switch (event.event) {
    case 'registered':
      actor.id = event.id
      break
    case 'challenge':
      void stage.fleet
        .claimDevice({ device: event.id, body: { challenge: event.challenge } })
        .then(() => say(stage, 'admin', `claimed ${actor.name} with ${event.challenge}`))
        .catch((error: Error) => say(stage, 'admin', `${actor.name}: ${error.message}`))
      break
    case 'synced':
      actor.synced = true
      break
    case 'downloading':
      actor.downloaded = event.bytes
      break
    case 'resumed':
      actor.resumedAt = event.from
      break
    case 'done':
      actor.outcome = 'done'
      actor.ended = true
      break
    case 'error':
      actor.outcome = `${event.status}: ${event.message}`
      actor.ended = true
      break
    default:
      break
  }
  const line = event.event === 'stopped' ? undefined : describeEvent(event)
  if (line !== undefined) say(stage, actor.name, line)
  stage.changed()
}

// ── second act: a step with real files ───────────────────────────────────────────────────────────────────────────

async function secondAct(stage: Stage, objectFolder: string): Promise<void> {
  const root = await upload(stage, 'app/root.img', 16 * MiB)
  for (const actor of stage.actors) {
    const site = await upload(stage, `${actor.name}/site.img`, (actor.name === cutOff ? 12 : 4) * MiB)
    if (actor.name === cutOff)
      stage.cable.snapOnce(site, 5 * MiB, (bytes) =>
        say(stage, 'cable', `snapped ${megabytes(bytes)} into ${cutOff}'s download`),
      )
    if (actor.name === unlucky) {
      await rot(join(objectFolder, site.slice(0, 2), site.slice(2, 4), site))
      say(stage, 'disk', `a bit of ${unlucky}'s file has rotted on the server's disk`)
    }
    const held = await stage.fleet.getState({ device: actor.name, rev: 0 })
    const step = await stage.fleet.postStep({
      device: actor.name,
      body: {
        state: { ...held, 'app/root.img': root, 'app/site.img': site },
        commitMsg: 'root file system and site data',
      },
    })
    say(stage, 'admin', `posted step ${step.rev} for ${actor.name}`)
  }
  await until(stage, 'every device has finished the step', () => stage.actors.every((actor) => actor.ended))
}

async function upload(stage: Stage, name: string, size: number): Promise<string> {
  const bytes = randomBytes(size)
  const sha256 = createHash('sha256').update(bytes).digest('hex')
  await stage.fleet.putObject(new Uint8Array(bytes), { name, sha256 })
  say(stage, 'admin', `uploaded ${name}, ${megabytes(size)}`)
  return sha256
}

/** Turns one bit of a file over, in its middle. */
async function rot(file: string): Promise<void> {
  const handle = await open(file, 'r+')
  try {
    const { size } = await handle.stat()
    const byte = Buffer.alloc(1)
    await handle.read(byte, 0, 1, size >> 1)
    byte[0] = (byte[0] ?? 0) ^ 1
    await handle.write(byte, 0, 1, size >> 1)
  } finally {
    await handle.close()
  }
}

// ── watching ─────────────────────────────────────────────────────────────────────────────────────────────────────

/** What the server says, live: the ends of steps, as its journal tells them. */
async function watch(stage: Stage, signal: AbortSignal): Promise<void> {
  try {
    for await (const entry of stage.fleet.follow({ signal })) {
      if (entry.kind !== 'transaction.ended' || entry.data.kind !== 'step') continue
      const actor = stage.actors.find(({ id }) => id === entry.device)
      const reason = entry.data.reason === undefined ? '' : `: ${String(entry.data.reason)}`
      if (actor) say(stage, 'journal', `${actor.name}'s step ended ${String(entry.data.state)}${reason}`)
    }
  } catch (error) {
    if (!signal.aborted) say(stage, 'journal', error instanceof Error ? error.message : String(error))
  }
}

async function closingTable(stage: Stage): Promise<string[]> {
  const rows = await Promise.all(
    stage.actors.map(async (actor) => ({
      actor,
      step: await stage.fleet.getStep({ device: actor.name, rev: 1 }),
      runs: await readlink(join(actor.folder, 'current')).catch(() => 'nothing'),
    })),
  )
  return [
    '',
    ...tableLines(
      [
        { title: 'DEVICE', cell: ({ actor }) => actor.name },
        { title: 'REPORTED', cell: ({ step }) => step.status },
        { title: 'OUTCOME', cell: ({ step }) => step.outcome },
        { title: 'PROOF', cell: ({ step }) => step.proof ?? '-' },
        { title: 'DOWNLOADED', cell: ({ actor }) => megabytes(actor.downloaded), right: true },
        {
          title: 'RESUMED AT',
          cell: ({ actor }) => (actor.resumedAt === undefined ? '-' : megabytes(actor.resumedAt)),
          right: true,
        },
        { title: 'RUNS', cell: ({ runs }) => runs },
        { title: 'WHY', cell: ({ step }) => step.reason ?? '' },
      ],
      rows,
    ),
  ]
}

function weatherTable(stations: readonly WeatherOutcome[]): string[] {
  return [
    '',
    ...tableLines(
      [
        { title: 'STATION', cell: ({ station }) => station },
        { title: 'SAMPLE RATE', cell: ({ sampleRate }) => sampleRate ?? '-', right: true },
        { title: 'INSTALLED', cell: ({ installed }) => installed.join(', ') },
        {
          title: 'IMAGE RESUMED AT',
          cell: ({ resumedAt }) => (resumedAt === undefined ? '-' : megabytes(resumedAt)),
          right: true,
        },
      ],
      stations,
    ),
  ]
}

async function until(stage: Stage, what: string, reached: () => boolean): Promise<void> {
  const deadline = performance.now() + patienceMs
  while (!reached()) {
    const left = deadline - performance.now()
    if (left <= 0) throw new Failure(1, `waited ${patienceMs / 1000} s in vain until ${what}`)
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, Math.min(left, 1000))
      stage.changed = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }
}

function say(stage: Stage, who: string, what: string): void {
  const seconds = ((performance.now() - stage.started) / 1000).toFixed(1).padStart(5)
  stage.io.out(`${seconds}s  ${who.padEnd(8)} ${what}`)
}

function megabytes(bytes: number): string {
  return `${(bytes / MiB).toFixed(1)} MiB`
}
