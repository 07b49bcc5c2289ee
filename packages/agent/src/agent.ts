/**
 * The shell around the machine: hands it what happened, carries out what it wishes, one turn after another.
 *
 * Driven by its ports alone. Many agents live in one process without knowing of each other, and a simulated
 * clock makes a month of them run in a moment. It decides nothing; read `machine.ts` for that.
 */
import { type CarrySettings, createCarrier } from './carry.ts'
import { type Book, createBook } from './control/book.ts'
import { isUpdating, type Order } from './control/orders.ts'
import { type AgentEvent, describeEvent } from './events.ts'
import { createFilesDriver } from './files-driver.ts'
import { type Answer, type CredentialHelper, createHub, type HubFailure } from './hub.ts'
import { linkedController } from './linked.ts'
import { createLogSpool } from './logs.ts'
import { aboutOf, advance, newMachine } from './machine.ts'
import {
  deviceMeta,
  keepUserMeta,
  type Meta,
  metaFingerprint,
  presentKeys,
  readOwnMeta,
  userMetaPath,
} from './meta.ts'
import type {
  AboutDevice,
  Chore,
  Failure,
  Input,
  Machine,
  MachineSettings,
  Outcome,
  TimerName,
  Wish,
} from './model.ts'
import { createPool, type Pool } from './pool.ts'
import type {
  Clock,
  Disk,
  FactoryFolder,
  Json,
  Logger,
  LogLevel,
  Luck,
  RevisionDriver,
  SystemFacts,
  Transport,
} from './ports.ts'
import { createRoomyDisk } from './room.ts'
import { runLevelOf } from './run-level.ts'
import { suspendMark } from './try-mark.ts'
import { createFormsChoice, type Forms } from './walk/choice.ts'
import { createDebugFiles } from './walk/debug-files.ts'
import { createWalkHub } from './walk/hub.ts'
import type { LogEntry } from './wire.ts'

/** Everything an agent is told at start; `parseAgentConfig` makes one from files, environment and flags. */
export interface AgentConfig extends Omit<MachineSettings, 'judge'>, Omit<CarrySettings, 'hub' | 'startId'> {
  /** The hub's address, `https://host:port`, without a trailing slash. */
  readonly hub: string
  /** How trails are spoken of: as Pantahub does today unless given, in the walkthrough's forms of 2016, or as is found. */
  readonly forms?: Forms | 'auto'
  /** Where is asked first which it is, for `auto`; an address without a trailing slash. */
  readonly registry?: string
  readonly userAgent: string
  /** How long a call waits without a byte. Milliseconds. */
  readonly patienceMs: number
  /** Ship the logs. */
  readonly logPush: boolean
  readonly logMs: number
}

/** What an agent acts through. */
export interface AgentPorts {
  readonly transport: Transport
  /** Registers and logs in by means of its own (`creds.type=ext-…`). */
  readonly helper?: CredentialHelper
  readonly disk: Disk
  readonly factory?: FactoryFolder
  readonly clock: Clock
  readonly luck: Luck
  /** A fresh id; names each run in the evidence of finished steps. */
  readonly newId: () => string
  readonly facts: SystemFacts
  readonly logger?: Logger
  /** Carries revisions out; `files` unless given. */
  readonly driver?: RevisionDriver | ((house: DriverHouse) => RevisionDriver)
  readonly onEvent?: (event: AgentEvent) => void
  /** Lets programs on the device see and steer the agent; opened before anything runs, closed when it stops. */
  readonly control?: (house: ControlHouse) => Promise<ControlEnd>
}

/** What the control socket is given of the agent around it. */
export interface ControlHouse {
  readonly disk: Disk
  readonly clock: Clock
  readonly driver: RevisionDriver
  readonly pool: Pool
  readonly book: Book
  /** What the machine knows now. */
  machine(): Machine
  /** False: the slot is taken. */
  submit(order: Order): boolean
  /** An update is under way. */
  updating(): boolean
  /** Device-meta as it stands, with what the machine and the agent say. */
  deviceMeta(): Promise<Meta>
  /** Hears every event; answers how to stop that. */
  hear(listener: (event: AgentEvent) => void): () => void
  /** Spools a line for the hub. */
  log(entry: LogEntry): Promise<void>
}

/** The control socket, open. */
export interface ControlEnd {
  /** Makes a container's own door ready; what its environment has to tell of it. */
  environment(container: string): Promise<Readonly<Record<string, string>>>
  /** Ends what is under way soon, and all doors. */
  close(): Promise<void>
}

/** What a driver that runs things is given by the agent around it. */
export interface DriverHouse {
  readonly disk: Disk
  readonly clock: Clock
  readonly luck: Luck
  readonly tell: (event: AgentEvent) => void
  /** Spools a line for the hub; resolves when it is written. Whoever writes waits for it. */
  readonly log: (entry: LogEntry) => Promise<void>
  /** What a container's environment has to tell of the agent's own doors. */
  readonly environment: (container: string) => Promise<Readonly<Record<string, string>>>
}

/** One device's program. */
export interface Agent {
  /** Follows the trail until the signal, or until nothing is left to do when so configured. Never rejects. */
  run(signal: AbortSignal): Promise<Outcome>
}

/** Device-meta that has not changed is sent again after so many intervals. */
const metaRefresh = 6

/** Makes an agent; nothing happens until `run`. */
export function createAgent(config: AgentConfig, ports: AgentPorts): Agent {
  return { run: (signal) => follow(config, ports, signal) }
}

async function follow(config: AgentConfig, ports: AgentPorts, outer: AbortSignal): Promise<Outcome> {
  const { clock, luck } = ports
  const disk = createRoomyDisk(ports.disk, config.spareBytes)
  const { controller: halt, unlink } = linkedController(outer)
  const { signal } = halt
  const inputs: Input[] = [{ kind: 'start' }]
  let ring: () => void = () => undefined
  const post = (input: Input): void => {
    inputs.push(input)
    ring()
  }

  const forms = createFormsChoice(config.forms ?? 'today', config.hub, config.registry)
  const today = createHub({
    base: config.hub,
    userAgent: config.userAgent,
    patienceMs: config.patienceMs,
    transport: ports.transport,
    clock,
    logins: forms.logins,
    ...(ports.helper ? { helper: ports.helper } : {}),
    onContact: (reached, detail) => post({ kind: 'contact', reached, detail }),
  })
  const walk = createWalkHub({
    hub: today,
    disk,
    own: () => machine.running?.rev ?? 0,
    debugFiles: createDebugFiles(disk, today),
  })
  const hub = forms.hubOf(today, walk)
  const spool = createLogSpool(disk)
  const working = new Set<Promise<unknown>>()
  const during = (work: Promise<unknown>): void => {
    const watched = work.finally(() => working.delete(watched))
    working.add(watched)
  }
  const startId = ports.newId()
  let machine = newMachine(config, startId)

  let pushes = config.logPush
  /** The owner's overrides of settings, in place of those before. */
  function override(meta: Meta): void {
    const { machine: own, logPush = config.logPush, refused } = runLevelOf(meta)
    const { pollMs, userMetaMs, deviceMetaMs, progressMs, revisionRetries, commitDelayMs = 0 } = config
    const first = { pollMs, userMetaMs, deviceMetaMs, progressMs, revisionRetries, commitDelayMs }
    post({ kind: 'settings', settings: { ...first, ...own } })
    pushes = logPush
    for (const detail of refused) tell({ event: 'trouble', during: 'user-meta', detail, againInMs: 0 })
  }

  function log(level: LogLevel, message: string, facts?: Readonly<Record<string, Json>>): void {
    ports.logger?.(level, message, facts)
    const rev = String(machine.running?.rev ?? '')
    if (pushes)
      during(spool.add({ src: 'agent', msg: message, lvl: level, tsec: 0, tnano: 0, rev, plat: 'waymark' }))
  }
  const listeners = new Set<(event: AgentEvent) => void>()
  function tell(event: AgentEvent): void {
    ports.onEvent?.(event)
    for (const listen of listeners) listen(event)
    const line = describeEvent(event)
    if (line !== undefined && event.event !== 'challenge' && event.event !== 'downloading')
      log(event.event === 'error' ? 'ERROR' : event.event === 'trouble' ? 'WARN' : 'INFO', line)
  }

  let control: ControlEnd | undefined
  const environment = async (name: string) => (await control?.environment(name)) ?? {}
  const book = createBook(disk)
  const pool = createPool(disk)
  const driver =
    typeof ports.driver === 'function'
      ? ports.driver({ disk, clock, luck, tell, log: (entry) => spool.add(entry), environment })
      : (ports.driver ?? createFilesDriver(disk))
  if (driver.judge) machine = newMachine({ ...config, judge: driver.judge }, startId)
  const carry = createCarrier(
    { ...config, startId },
    {
      ...ports,
      disk,
      factory: ports.factory,
      hub,
      driver,
      pool,
      book,
      tell,
      post,
    },
  )
  const metaNow = async (about: AboutDevice): Promise<Meta> =>
    deviceMeta({ ...(await ports.facts()), 'pantahub.address': config.hub }, about, {
      revision: about.rev === undefined ? undefined : book.nameOf(about.rev),
      mode: machine.remote ? 'remote' : 'local',
      ...(ports.control ? { own: await readOwnMeta(disk) } : {}),
    })
  const chores = createChores(metaNow, config, disk, hub, tell, override)
  const timers = new Map<TimerName, AbortController>()

  function wake(timer: TimerName, afterMs: number): void {
    timers.get(timer)?.abort()
    const { controller, unlink } = linkedController(signal)
    timers.set(timer, controller)
    during(
      clock.sleep(afterMs, controller.signal).then(() => {
        unlink()
        if (!controller.signal.aborted) post({ kind: 'timer', timer })
      }),
    )
  }

  let outcome: Outcome | undefined
  let doing: ReturnType<typeof linkedController> | undefined
  function fulfil(wish: Wish): void {
    switch (wish.wish) {
      case 'do': {
        // A task that was given up for another (a trial that has failed) is stopped, and its result is nobody's.
        doing?.controller.abort()
        doing?.unlink()
        const mine = linkedController(signal)
        doing = mine
        during(
          carry(wish.task, mine.controller.signal).then((input) => {
            mine.unlink()
            if (doing === mine) post(input)
          }),
        )
        break
      }
      case 'chore':
        during(
          chores(wish.chore, signal).then((failure) =>
            post({ kind: 'chore-over', chore: wish.chore.chore, ...(failure ? { failure } : {}) }),
          ),
        )
        break
      case 'wake':
        wake(wish.timer, wish.afterMs)
        break
      case 'tell':
        tell(wish.event)
        break
      case 'end':
        outcome = wish.outcome
    }
  }

  const ship = async (): Promise<boolean> =>
    pushes && machine.me?.claimed && machine.remote
      ? spool.drain(async (entries) => failureOf(await hub.postLogs(entries, signal)))
      : false
  during(
    (async () => {
      while (!signal.aborted) {
        await clock.sleep(config.logMs, signal)
        if (!signal.aborted) await ship().catch(() => false)
      }
    })(),
  )
  // What the owner had overridden before counts from the first moment.
  override(await readOwnMeta(disk, userMetaPath).catch(() => ({})))

  try {
    control = await ports.control?.({
      disk,
      clock,
      driver,
      pool,
      book,
      machine: () => machine,
      // One that only has its last word to say is as good as over: an order waits that long.
      updating: () => isUpdating(machine) && !(machine.phase.state === 'update' && machine.phase.concluding),
      submit(order) {
        if (outcome !== undefined || outer.aborted) return false
        if (machine.order || inputs.some((input) => input.kind === 'order')) return false
        post({ kind: 'order', order })
        return true
      },
      deviceMeta: () => metaNow(aboutOf(machine)),
      hear(listener) {
        listeners.add(listener)
        return () => listeners.delete(listener)
      },
      log: (entry) => spool.add(entry),
    })
  } catch (cause) {
    const detail = cause instanceof Error ? cause.message : String(cause)
    tell({ event: 'trouble', during: 'control socket', detail, againInMs: 0 })
  }

  const onAbort = (): void => ring()
  outer.addEventListener('abort', onAbort)
  while (outcome === undefined && !outer.aborted) {
    const input = inputs.shift()
    if (input === undefined) {
      await new Promise<void>((resolve) => {
        ring = resolve
      })
      continue
    }
    const turn = advance(machine, input, { now: clock.now(), luck: luck.next() })
    machine = turn.machine
    for (const wish of turn.wishes) fulfil(wish)
  }
  if (outcome?.kind === 'idle') await ship().catch(() => false)
  outer.removeEventListener('abort', onAbort)
  unlink()
  const ended: Outcome = outcome ?? { kind: 'stopped' }
  halt.abort()
  tell({ event: 'stopped', why: describeOutcome(ended) })
  await control?.close()
  while (working.size > 0) await Promise.allSettled(working)
  // A trial that is going well is gone on with by the next start.
  const goes = machine.trial !== undefined && machine.trial.step !== 'falling' && !driver.trials?.fault()
  if (ended.kind === 'stopped' && goes) await suspendMark(disk).catch(() => undefined)
  await driver.trials?.stop()
  // What was said of the stopping is written too.
  while (working.size > 0) await Promise.allSettled(working)
  return ended
}

/** Carries out what runs beside the task. Resolves with the failure, if any. */
function createChores(
  metaNow: (about: AboutDevice) => Promise<Meta>,
  { patienceMs, deviceMetaMs }: AgentConfig,
  disk: Disk,
  hub: ReturnType<typeof createHub>,
  tell: (event: AgentEvent) => void,
  override: (userMeta: Meta) => void,
) {
  let shown: string | undefined
  let unchanged = 0
  // One that was given up may still be on its way, and arrive after the next: for so many intervals it is overwritten.
  const repeats = Math.ceil(patienceMs / deviceMetaMs)
  let unsure = 0

  async function carry(chore: Chore, signal: AbortSignal): Promise<Failure | undefined> {
    switch (chore.chore) {
      case 'user-meta': {
        const answer = await hub.userMeta(chore.id, signal)
        if (!answer.ok) return answer.failure
        if (await keepUserMeta(disk, answer.value)) {
          tell({ event: 'user-meta', keys: Object.keys(presentKeys(answer.value)) })
          override(answer.value)
        }
        return undefined
      }
      case 'device-meta': {
        const meta = await metaNow(chore.about)
        const print = metaFingerprint(meta)
        if (!chore.afresh && print === shown && unsure-- <= 0 && ++unchanged < metaRefresh) return undefined
        // Until it is answered nobody knows what the hub has: to say again what it had before may be news to it.
        shown = undefined
        const failure = failureOf(await hub.putDeviceMeta(chore.id, meta, signal))
        if (failure?.kind === 'unreachable') unsure = repeats
        if (!failure) {
          shown = print
          unchanged = 0
        }
        return failure
      }
      case 'figures':
        return failureOf(await hub.report(chore.trail, chore.rev, chore.progress, signal))
    }
  }

  return (chore: Chore, signal: AbortSignal): Promise<Failure | undefined> =>
    carry(chore, signal).catch(
      (cause: unknown): Failure => ({
        kind: 'disk',
        detail: cause instanceof Error ? cause.message : String(cause),
      }),
    )
}

const failureOf = (answer: Answer<unknown>): HubFailure | undefined =>
  answer.ok ? undefined : answer.failure

function describeOutcome(outcome: Outcome): string {
  switch (outcome.kind) {
    case 'stopped':
      return 'asked to'
    case 'idle':
      return `nothing left to do, running revision ${outcome.rev ?? 'none'}`
    case 'restart':
      return `to start anew with revision ${outcome.rev}`
    case 'refused':
      return `${outcome.refusal.thing}: wanted ${outcome.refusal.wanted}, got ${outcome.refusal.got}`
  }
}
