/**
 * A fleet in one process: so many real agents, each with a small disk of its own in memory, over one transport.
 *
 * The agents are what runs on a device, unchanged: they register, are claimed or join, announce a factory state, poll,
 * take steps and report them, send metadata and logs. This file gives each its ports, bends them as its profile says,
 * and counts. It opens no socket and reads no clock; both come as ports.
 *
 * A poll is missed when it begins later than one interval after it was due, that is more than two intervals after the
 * one before it. Polls around an update are not counted: a device that works asks for nothing.
 */
import { randomUUID } from 'node:crypto'
import {
  type AgentConfig,
  type AgentEvent,
  type Clock,
  createAgent,
  type Disk,
  type FactoryFolder,
  type Luck,
  parseAgentConfig,
  type Transport,
} from '@waymark/agent'
import { type Counts, emptyCounts, type MutableCounts } from './counts.ts'
import { createLeanDisk, createShared } from './lean-disk.ts'
import { drawProfile, type Profile, type ProfileName } from './profiles.ts'
import { createSeeded } from './seeded.ts'

export interface SimSettings {
  /** The server's address, without a trailing slash. */
  readonly server: string
  readonly devices: number
  /** Devices that have one are owned as soon as they have registered; the others wait to be claimed. */
  readonly joinToken?: string
  /** How often a device polls. Milliseconds. */
  readonly intervalMs: number
  readonly profile: ProfileName | 'mixed'
  /** The same seed gives the same devices the same luck. */
  readonly seed: string
}

export interface SimPorts {
  readonly transport: Transport
  readonly clock: Clock
  /** Time that is never set back, for polls that are due. Milliseconds. */
  readonly steadyNow: () => number
  /** Somebody should claim this device. */
  readonly onChallenge?: (device: { readonly id: string; readonly challenge: string }) => void
  /** What a device says of itself, with its number from 0. */
  readonly onEvent?: (device: number, event: AgentEvent) => void
}

export interface SimFleet {
  /** Runs all devices until the signal. Resolves when the last has stopped; never rejects. */
  run(signal: AbortSignal): Promise<void>
  counts(): Counts
}

/** User metadata is asked for, and device metadata and logs are sent, once in so many polls. */
const pollsPerMeta = 6
/** Bytes a device's disk takes. */
const diskBytes = 512 * 1024 * 1024
const openSteps = /\/trails\/\w+\/steps\?progress\.status=/

/** Makes a fleet; nothing happens until `run`. Rejects settings that no agent would take. */
export async function createFleet(settings: SimSettings, ports: SimPorts): Promise<SimFleet> {
  const counts = emptyCounts()
  const shared = createShared()
  const factory = await factoryOf(createLeanDisk(shared))
  const config = configOf(settings)

  async function live(number: number, signal: AbortSignal): Promise<void> {
    const luck = createSeeded(`${settings.seed}/${number}`)
    // Spread over one interval, so that they do not all come at once, now or ever after.
    await ports.clock.sleep(luck.next() * settings.intervalMs, signal)
    if (signal.aborted) return
    const watch = watchOf(counts, settings.intervalMs, ports.steadyNow)
    const profile = drawProfile(settings.profile, luck)
    const agent = createAgent(config, {
      transport: watch.over(bent(ports.transport, profile, luck, ports.clock)),
      disk: failing(createLeanDisk(shared, diskBytes), profile, luck),
      factory,
      clock: ports.clock,
      luck,
      newId: randomUUID,
      facts: async () => ({ 'pantavisor.arch': 'sim', 'sim.number': number }),
      onEvent(event) {
        watch.heard(event)
        if (event.event === 'challenge') ports.onChallenge?.(event)
        ports.onEvent?.(number, event)
      },
    })
    counts.running++
    const outcome = await agent.run(signal)
    counts.running--
    if (outcome.kind !== 'stopped') counts.ended++
  }

  return {
    async run(signal) {
      await Promise.all(Array.from({ length: settings.devices }, (_, number) => live(number, signal)))
    },
    counts: () => ({ ...counts }),
  }
}

function configOf(settings: SimSettings): AgentConfig {
  const { server, intervalMs, joinToken } = settings
  const flags = { hub: server, ...(joinToken === undefined ? {} : { token: joinToken }) }
  const parsed = parseAgentConfig({ file: '', env: {}, flags })
  if (!parsed.ok) {
    const [{ thing, wanted, got } = { thing: 'settings', wanted: 'sound ones', got: 'others' }] =
      parsed.refusals
    throw new Error(`${thing}: wanted ${wanted}, got ${got}`)
  }
  return {
    ...parsed.config,
    userAgent: 'waymark-sim/0.1',
    pollMs: intervalMs,
    userMetaMs: pollsPerMeta * intervalMs,
    deviceMetaMs: pollsPerMeta * intervalMs,
    logMs: pollsPerMeta * intervalMs,
    progressMs: intervalMs,
    backoffCapMs: Math.max(intervalMs, 10_000),
  }
}

/** Two small files, the same for all, so that the server keeps them once. */
async function factoryOf(disk: Disk): Promise<FactoryFolder> {
  const files = {
    'bsp/run.json': '{"kernel":"kernel.img"}',
    'bsp/kernel.img': 'the kernel of a simulated device\n',
  }
  await disk.makeFolder('bsp')
  for (const [path, text] of Object.entries(files)) {
    const file = await disk.open(path)
    await file.write(new TextEncoder().encode(text))
    await file.sync()
    await file.close()
  }
  return disk
}

/** Counts what one device does. */
function watchOf(counts: MutableCounts, intervalMs: number, steadyNow: () => number) {
  let polledAt: number | undefined
  let updating = false
  let polling = false
  const known = { registered: false, owned: false }

  function become(what: 'registered' | 'owned'): void {
    if (!known[what]) counts[what]++
    known[what] = true
  }

  return {
    heard(event: AgentEvent): void {
      switch (event.event) {
        case 'registered':
          become('registered')
          break
        case 'claimed':
          become('registered')
          become('owned')
          break
        case 'state': {
          const works = event.state === 'update'
          if (works !== updating) counts.updating += works ? 1 : -1
          updating = works
          polledAt = undefined
          if (event.state === 'idle' && !polling) {
            polling = true
            counts.polling++
          }
          break
        }
        case 'done':
          counts.stepsDone++
          break
        case 'error':
          counts.stepsFailed++
          break
        default:
      }
    },
    over(transport: Transport): Transport {
      return async (request) => {
        counts.requests++
        if (request.method === 'GET' && openSteps.test(request.url)) {
          const now = steadyNow()
          counts.polls++
          if (polledAt !== undefined && now - polledAt > 2 * intervalMs) counts.missed++
          polledAt = now
        }
        try {
          const reply = await transport(request)
          // A hub that has an object already says so by 409: that is no refusal.
          if (reply.status >= 400 && reply.status !== 409) counts.refused++
          return reply
        } catch (cause) {
          if (!request.signal.aborted) counts.lost++
          throw cause
        }
      }
    },
  }
}

/** A line as bad as the profile says. What is lost was never sent. */
function bent(transport: Transport, { lost, slowMs }: Profile, luck: Luck, clock: Clock): Transport {
  if (lost === 0 && slowMs === 0) return transport
  return async (request) => {
    if (slowMs > 0) await clock.sleep(luck.next() * slowMs, request.signal)
    if (luck.next() < lost) throw new Error('connection reset')
    return transport(request)
  }
}

/** A disk that fails some switches to a new revision; never the first, which makes the device. */
function failing(disk: Disk, { failing: share }: Profile, luck: Luck): Disk {
  if (share === 0) return disk
  return {
    ...disk,
    async rename(from, to) {
      const first = (await disk.readLink('current')) === undefined
      if (to === 'current' && !first && luck.next() < share)
        throw new Error(`EIO: ${to}: the disk does not answer`)
      await disk.rename(from, to)
    },
  }
}
