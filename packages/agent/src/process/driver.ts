/**
 * The driver `process`: a revision's containers are supervised child processes.
 *
 * Files are laid down and switched as the driver `files` does; which containers run, and when, is decided in
 * `supervisor.ts`. Here its wishes meet the machine. What changes no container's own files leaves it running; the folder
 * of the revision it was started from stays for as long as it runs.
 */
import { parseStateText, transition } from '@waymark/pantahub'
import type { DriverHouse } from '../agent.ts'
import { createFilesDriver, revisionFolderOf } from '../files-driver.ts'
import type { ContainerDesk, Disk, Fault, Health, Revision, RevisionDriver, Trials } from '../ports.ts'
import {
  type Container,
  type ContainerType,
  emptySystem,
  type Probe,
  readSystem,
  type System,
} from './manifest.ts'
import { createOutput } from './output.ts'
import type { Doors, Launched, Processes } from './ports.ts'
import {
  type Happening,
  idleSupervisor,
  reached,
  type Supervised,
  type SupervisorWish,
  standing,
  supervise,
} from './supervisor.ts'

export interface ProcessDriverPorts extends Pick<DriverHouse, 'disk' | 'clock' | 'tell' | 'log'> {
  readonly processes: Processes
  readonly doors: Doors
  /** What the container's environment tells of the agent's own doors. Made ready before the container runs. */
  readonly environment?: (name: string) => Promise<Readonly<Record<string, string>>>
}

export interface ProcessDriverSettings {
  /** How long a group has for its goals when it does not say. Milliseconds. */
  readonly goalsMs: number
  /** How often a container with goal READY is asked whether it is. Milliseconds. */
  readonly readyMs: number
  /** What containers are; processes unless given. */
  readonly type?: ContainerType
}

export interface ProcessDriver extends RevisionDriver {
  readonly trials: Trials
  readonly desk: ContainerDesk
  /** What is supervised now. */
  containers(): readonly Supervised[]
  /** The container says it is ready. */
  signalReady(name: string): void
}

const marksFolder = 'run'
const basePath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

export function createProcessDriver(
  ports: ProcessDriverPorts,
  settings: ProcessDriverSettings,
): ProcessDriver {
  const { disk, clock, processes, doors } = ports
  const live = new Map<string, { run: number; launched: Launched; folder: string }>()
  const files = createFilesDriver(disk, () => [...live.values()].map((each) => each.folder))
  const output = createOutput(disk, ports.log)
  const states = new Map<number, string>()
  const over = new AbortController()
  const working = new Set<Promise<void>>()
  let supervisor = idleSupervisor
  let rev = ''
  let listeners: (() => void)[] = []

  const during = (work: Promise<void>): void => {
    const watched = work.finally(() => working.delete(watched))
    working.add(watched)
  }

  function feed(happening: Happening): void {
    const turn = supervise(supervisor, happening)
    supervisor = turn.supervisor
    for (const wish of turn.wishes) fulfil(wish)
    const told = listeners
    listeners = []
    for (const listen of told) listen()
  }

  /** Resolves at the next thing that happens, or when the signal is aborted. */
  function nextHappening(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (signal.aborted) return resolve()
      const done = (): void => {
        signal.removeEventListener('abort', done)
        resolve()
      }
      listeners.push(done)
      signal.addEventListener('abort', done, { once: true })
    })
  }

  function fulfil(wish: SupervisorWish): void {
    switch (wish.wish) {
      case 'spawn':
        during(launch(wish.container, wish.run))
        break
      case 'signal': {
        const found = live.get(wish.name)
        if (found?.run === wish.run) found.launched.signal(wish.signal)
        break
      }
      case 'wake':
        during(
          clock.sleep(wish.afterMs, over.signal).then(() => {
            const { name, run, what } = wish
            if (!over.signal.aborted) feed({ kind: 'timer', name, run, what })
          }),
        )
        break
      case 'tell':
        ports.tell({ event: 'container', name: wish.name, status: wish.status, detail: wish.detail })
    }
  }

  async function launch(container: Container, run: number): Promise<void> {
    const { name } = container
    let launched: Launched
    try {
      const folder = await revisionFolderOf(disk)
      if (folder === undefined) throw new Error('no revision is current')
      const told = await ports.environment?.(name)
      launched = await processes.launch(launchOf(container, folder, told))
      // What was found running may run from the folder of an earlier revision.
      const from = launched.cwd?.split('/')[1]
      live.set(name, { run, launched, folder: from ?? folder })
      await writeQuickly(disk, name, launched.mark)
    } catch (cause) {
      const found = live.get(name)
      if (found?.run === run) found.launched.signal('SIGKILL')
      live.delete(name)
      return feed({ kind: 'exited', name, run, how: `could not be started: ${messageOf(cause)}`, logs: '' })
    }
    feed({ kind: 'spawned', name, run })
    // Asked to stop while it was being started: it could not be signalled then.
    const now = supervisor.containers.find((each) => each.spec.name === name)
    if (now?.run !== run || now.status === 'STOPPING') launched.signal(container.stop.signal)
    if (container.goal === 'READY' && container.probes.length > 0) during(awaitReady(container, run))
    const written = output.follow(name, () => rev, launched)
    const how = await launched.exited
    // Whatever it started may hold the pipe open; its last words are waited for only briefly.
    await Promise.race([written, clock.sleep(1000, over.signal)])
    if (live.get(name)?.run === run) live.delete(name)
    await disk.remove(`${marksFolder}/${name}`).catch(() => undefined)
    feed({ kind: 'exited', name, run, how, logs: output.tail(name) })
  }

  async function awaitReady(container: Container, run: number): Promise<void> {
    while (live.get(container.name)?.run === run && !over.signal.aborted) {
      if ((await lookAt(container)).ok) return feed({ kind: 'ready', name: container.name })
      await clock.sleep(settings.readyMs, over.signal)
    }
  }

  /** Tries all probes of a container. */
  async function lookAt(container: Container): Promise<{ ok: boolean; said: string[] }> {
    const said: string[] = []
    for (const probe of container.probes) {
      const { ok, words } = await tryProbe(container, probe).catch((cause: unknown) => ({
        ok: false,
        words: `${probe.kind}: ${messageOf(cause)}`,
      }))
      said.push(`${container.name} ${words}`)
      if (!ok) return { ok, said }
    }
    return { ok: true, said }
  }

  async function tryProbe(container: Container, probe: Probe): Promise<{ ok: boolean; words: string }> {
    switch (probe.kind) {
      case 'http': {
        const status = await doors.http(probe.url, probe.timeoutMs)
        return { ok: status >= 200 && status < 400, words: `http ${probe.url}: ${status}` }
      }
      case 'tcp':
        await doors.tcp(probe.host, probe.port, probe.timeoutMs)
        return { ok: true, words: `tcp ${probe.host}:${probe.port}: open` }
      case 'command': {
        const folder = live.get(container.name)?.folder ?? (await revisionFolderOf(disk)) ?? ''
        const { command, args } = probe
        const asked = await processes.launch({
          ...launchOf({ ...container, command, args }, folder),
          beside: true,
        })
        during(drain(asked))
        const late = new AbortController()
        const how = await Promise.race([
          asked.exited,
          clock.sleep(probe.timeoutMs, late.signal).then(() => 'no answer in time'),
        ])
        late.abort()
        asked.signal('SIGKILL')
        return { ok: how === 'exited with code 0', words: `command ${command}: ${how}` }
      }
    }
  }

  async function systemOf(text: string): Promise<System> {
    const parsed = parseStateText(text)
    if (!parsed.ok) throw new Error(`${parsed.refusal.thing}: wanted ${parsed.refusal.wanted}`)
    const read = readSystem(parsed.state.json, settings.goalsMs, settings.type)
    if (!read.ok)
      throw new Error(`${read.refusal.thing}: wanted ${read.refusal.wanted}, got ${read.refusal.got}`)
    return read.system
  }

  /** Runs what the links say is in force. */
  async function applyCurrent(): Promise<void> {
    const current = await files.current()
    rev = String(current?.rev ?? '')
    feed({ kind: 'apply', system: current ? await systemOf(current.stateText) : emptySystem })
  }

  /** What no container of the running revision needs is forgotten; that it cannot be is no harm. */
  async function tidy(): Promise<void> {
    const wanted = supervisor.containers.map(({ spec }) => ({
      name: spec.name,
      fingerprint: spec.fingerprint,
    }))
    await processes.tidy?.(wanted).catch(() => undefined)
  }

  const trials: Trials = {
    async passage(next) {
      const from = parseStateText((await files.current())?.stateText ?? '{}')
      const to = parseStateText(states.get(next) ?? '')
      if (!to.ok) throw new Error(`revision ${next}: wanted a prepared one`)
      const way = from.ok
        ? transition({ from: from.state, to: to.state })
        : { kind: 'reboot' as const, because: ['nothing runs yet'] }
      if (way.kind === 'reboot') return { kind: 'restart', because: way.because }
      return { kind: 'live', containers: way.kind === 'live' ? way.containers : [] }
    },
    arrange: (next) => files.switchTo(next),
    async start() {
      for (const { name } of await disk.list(marksFolder)) {
        await processes.endLeftover((await disk.readText(`${marksFolder}/${name}`)) ?? '')
        await disk.remove(`${marksFolder}/${name}`)
      }
      await processes.endStrays?.()
      // What is in force but cannot be run (a factory folder written for another driver) is said; updates go on.
      await applyCurrent().catch((cause: unknown) =>
        ports.tell({ event: 'trouble', during: 'start', detail: messageOf(cause), againInMs: 0 }),
      )
      await tidy()
    },
    async stop() {
      feed({ kind: 'stop' })
      const never = new AbortController().signal
      while (supervisor.containers.some((each) => each.status === 'STOPPING')) await nextHappening(never)
      over.abort()
      while (working.size > 0) await Promise.allSettled(working)
    },
    begin: () => feed({ kind: 'trial', on: true }),
    end: () => feed({ kind: 'trial', on: false }),
    async settled(signal) {
      for (;;) {
        const now = standing(supervisor)
        if (now === 'settled' || signal.aborted) return undefined
        if (now !== 'waiting') return now
        await nextHappening(signal)
      }
    },
    fault: (): Fault | undefined => supervisor.fault,
  }

  const desk: ContainerDesk = {
    containers: () => supervisor.containers,
    signalReady: (name) => feed({ kind: 'ready', name }),
    act: (name, action) => feed({ kind: 'wanted', name, action }),
  }

  return {
    trials,
    judge(revision: Revision) {
      const parsed = parseStateText(revision.stateText)
      if (!parsed.ok) return parsed.refusal
      const read = readSystem(parsed.state.json, settings.goalsMs, settings.type)
      return read.ok ? undefined : read.refusal
    },
    async prepare(revision) {
      await files.prepare(revision)
      states.clear()
      states.set(revision.rev, revision.stateText)
    },
    async switchTo(next) {
      await files.switchTo(next)
      await applyCurrent()
    },
    current: () => files.current(),
    async health(): Promise<Health> {
      const laid = await files.health()
      if (laid.kind !== 'healthy') return laid
      const probes = [...laid.probes]
      for (const each of supervisor.containers) {
        const { spec, status } = each
        if (each.userStopped) continue
        if (!reached(each))
          return status === 'RECOVERING' && spec.recovery
            ? { kind: 'unproven', why: `Container ${spec.name} is ${status}` }
            : { kind: 'ill', why: `Container ${spec.name} is ${status}, wanted ${spec.goal}` }
        probes.push(`${spec.name} process: ${status}`)
        const looked = await lookAt(spec)
        if (!looked.ok) return { kind: 'ill', why: `Health probe failed: ${looked.said.at(-1)}` }
        probes.push(...looked.said)
      }
      const shaky = supervisor.containers.find((each) => !each.stable && !each.userStopped)
      return shaky
        ? { kind: 'unproven', why: `Container ${shaky.spec.name} has not proved stable` }
        : { kind: 'healthy', probes }
    },
    async forgetOld() {
      await files.forgetOld()
      await tidy()
    },
    desk,
    containers: desk.containers,
    signalReady: desk.signalReady,
  }
}

function launchOf(container: Container, folder: string, told: Readonly<Record<string, string>> = {}) {
  const { name, args, limits, command, fingerprint, image, overlay } = container
  return {
    name,
    command,
    args,
    limits,
    fingerprint,
    ...(image ? { image } : {}),
    ...(overlay.length > 0 ? { overlay } : {}),
    cwd: `revisions/${folder}/${name}`,
    env: { PATH: basePath, WAYMARK_CONTAINER: name, ...told, ...container.env },
  }
}

/** Only a killed agent needs it, not a power cut: no program outlives that. */
async function writeQuickly(disk: Disk, name: string, mark: string): Promise<void> {
  await disk.makeFolder(marksFolder)
  const file = await disk.open(`${marksFolder}/${name}`)
  try {
    await file.write(new TextEncoder().encode(mark))
  } finally {
    await file.close()
  }
}

async function drain(launched: Launched): Promise<void> {
  try {
    for await (const _ of launched.output);
  } catch {
    // Nobody wants what a probe writes.
  }
}

const messageOf = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause))
