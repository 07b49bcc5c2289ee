/**
 * A claimed device that runs containers in a simulated world: fake hub, forgetful disk, simulated clock and processes.
 */
import {
  type AgentConfig,
  type AgentEvent,
  type AgentPorts,
  createAgent,
  createMemoryDisk,
  type Disk,
} from '../../src/index.ts'
import { createProcessDriver } from '../../src/process/driver.ts'
import type { StopSignal } from '../../src/process/manifest.ts'
import type { Launched } from '../../src/process/ports.ts'
import { owner, sha256, spec, startFakeHub } from './fake-hub.ts'
import { quick } from './rig.ts'
import { createSimClock, seededLuck } from './sim.ts'
import { createSimProcesses } from './sim-processes.ts'

/** Something whose every function fails once its owner is dead; so do those of the files it opens. */
function whileAlive<T extends object>(port: T, dead: () => boolean): T {
  return new Proxy(port, {
    get(target, name, self) {
      const found: unknown = Reflect.get(target, name, self)
      if (typeof found !== 'function') return found
      return (...args: unknown[]) => {
        if (dead()) {
          if (name === 'read') throw new Error('dead')
          return Promise.reject(new Error('dead'))
        }
        const made: unknown = found.apply(target, args)
        if (name === 'open' && made instanceof Promise)
          return made.then((file: object) => whileAlive(file, dead))
        if (name === 'launch' && made instanceof Promise)
          return made.then((launched: Launched) => ({
            ...launched,
            signal: (signal: StopSignal) => (dead() ? undefined : launched.signal(signal)),
          }))
        return made
      }
    },
  })
}

/** A container's manifest; `group: 'app'` updates live unless told otherwise. */
export const container = (command: string, more: Readonly<Record<string, unknown>> = {}) => {
  const [first, ...args] = command.split(' ')
  return { '#spec': 'service-manifest-run@1', type: 'process', command: first, args, group: 'app', ...more }
}

/** A state of containers, each by its manifest. */
export const stateOf = (containers: Readonly<Record<string, unknown>>, more = {}) => ({
  '#spec': spec,
  'device.json': {
    groups: [
      { name: 'base', restart_policy: 'system' },
      { name: 'app', timeout: 30 },
    ],
  },
  ...Object.fromEntries(Object.entries(containers).map(([name, run]) => [`${name}/run.json`, run])),
  ...more,
})

export async function createTrialRig(
  first: unknown,
  overrides: Partial<AgentConfig> = {},
  driver = 'process',
) {
  const hub = await startFakeHub({ listen: false })
  const clock = createSimClock()
  const luck = seededLuck(1)
  const sim = createSimProcesses(clock)
  const device = hub.register(owner)
  const { id, prn, secret } = device
  const given: AgentConfig = {
    ...quick,
    hub: hub.base,
    identity: { id, prn, secret },
    pollMs: 5000,
    userMetaMs: 5000,
    deviceMetaMs: 10_000,
    backoffFirstMs: 1000,
    backoffCapMs: 10_000,
    patienceMs: 10_000,
    logMs: 1000,
    commitDelayMs: 25_000,
    hubWaitMs: 120_000,
    ...overrides,
  }
  const disk = createMemoryDisk()
  const events: AgentEvent[] = []
  let lives = 0
  hub.addStep(device, { '#spec': spec }).progress = { status: 'DONE' }
  hub.addStep(device, first)

  const rig = {
    hub,
    clock,
    sim,
    device,
    disk,
    events,
    /** A test may change it between lives. */
    config: given,
    /** What stands for the control socket in the next life. */
    control: undefined as AgentPorts['control'],
    /** The longest a life may be. */
    lifeMs: 3_600_000,
    /**
     * One life on a disk: until it is idle, wants a restart, or an hour has passed; or until it is killed, by its disk or
     * because `until` holds after a request. A killed one leaves its processes behind and does nothing more.
     */
    async live(
      makeDisk: (kill: () => void) => Disk = () => disk,
      until = () => false,
      /** Asks it to end, politely, once so. */
      polite?: { readonly stop: AbortController; readonly when: () => boolean },
    ): Promise<string> {
      const stop = polite?.stop ?? new AbortController()
      let killed = false
      const itsDisk = makeDisk(() => {
        killed = true
      })
      const ports: AgentPorts = {
        transport: async (request) => {
          if (killed) throw new Error('gone')
          const reply = await hub.transport(request)
          if (polite?.when()) polite.stop.abort()
          if (!until()) return reply
          // The process dies where it stands: nothing it still does may count.
          killed = true
          throw new Error('gone')
        },
        disk: whileAlive(itsDisk, () => killed),
        clock,
        luck,
        newId: () => `life-${++lives}`,
        facts: async () => ({}),
        onEvent: (event) => {
          if (!killed) events.push(event)
        },
        ...(rig.control ? { control: rig.control } : {}),
        ...(driver === 'process'
          ? {
              driver: (house) =>
                createProcessDriver(
                  { ...house, processes: whileAlive(sim.processes, () => killed), doors: sim.doors },
                  { goalsMs: 30_000, readyMs: 1000 },
                ),
            }
          : {}),
      }
      let ended: string | undefined
      void createAgent(rig.config, ports)
        .run(stop.signal)
        .then((outcome) => {
          ended = outcome.kind
        })
      await clock.play(() => ended !== undefined || killed, rig.lifeMs)
      if (!killed && ended !== undefined) return ended
      const how = killed ? 'killed' : 'still busy after an hour'
      killed = true
      stop.abort()
      return how
    },
    /** Lives until idle, through as many restarts as it wants. */
    async settle(): Promise<string[]> {
      const ends: string[] = []
      for (let n = 0; n < 6; n++) {
        ends.push(await rig.live())
        if (ends.at(-1) !== 'restart') break
      }
      return ends
    },
    running: async () => (await disk.readLink('current'))?.replace('revisions/', ''),
    marked: async () => (await disk.stat('update/try.json')) !== undefined,
    sha256,
  }
  return rig
}

export type TrialRig = Awaited<ReturnType<typeof createTrialRig>>
