/**
 * A device in the world: the real agent, started, killed and started again on the same disk and the same line.
 *
 * A life ends when its power is cut, when its process is killed, when it is asked to stop, or when the agent wants to
 * start anew with another revision. The disk decides what the next life finds, and the revision in force whether the
 * machine survives its boot. Its clock may be off by years; sleeping goes by time that passes, as on a real machine.
 * What runs on it and what it is like stand in `machine.ts` and `tempers.ts`.
 */
import {
  type AgentConfig,
  type AgentEvent,
  createAgent,
  createMemoryDisk,
  createProcessDriver,
  type TransportRequest,
} from '@waymark/agent'
import type { WorldClock } from './clock.ts'
import { createWorldDisk, type WorldDisk } from './disk.ts'
import { createLife, type Life } from './life.ts'
import type { Luck } from './luck.ts'
import { createMachine, type WorldMachine } from './machine.ts'
import type { Line } from './network.ts'
import { hubUrl } from './server.ts'
import type { Temper, TemperName } from './tempers.ts'

export interface WorldDevice {
  readonly name: string
  readonly line: Line
  readonly temper: TemperName
  readonly driver: 'files' | 'process'
  /** It watches what it has switched to for a while before it keeps it. */
  readonly tries: boolean
  /** The disk it has now, and those it had before somebody flashed it, oldest first. */
  readonly disk: WorldDisk
  readonly disks: readonly WorldDisk[]
  readonly machine: WorldMachine
  /** The id it goes by since its last registration. */
  readonly id: string | undefined
  /** All ids it ever went by. */
  readonly ids: ReadonlySet<string>
  /** What its owner reads on its label: absent once it is claimed. */
  readonly label: { readonly id: string; readonly challenge: string } | undefined
  /** Somebody owns it, as it has found out itself. */
  readonly owned: boolean
  readonly running: boolean
  /** The state its agent told last, in this life. */
  readonly state: string | undefined
  readonly lives: number
  /** Milliseconds by which its clock is off. */
  skewMs: number
  start(): void
  /** Its power is cut, or its process killed; somebody turns it on again later. */
  kill(): void
  /** Is off for so long. */
  sleep(ms: number): void
  /** Somebody writes the factory image: nothing of what it was is left. */
  flash(): void
  /** Dies within its next so many awaits. */
  doom(gates: number): void
  /** Takes that back, and whatever its temperament has in store; one that is off is turned on. */
  spare(): void
  /** Asks it to stop, and starts it again once it has. */
  restart(): void
  /** When it last booted something that ends the machine; it can say nothing then. */
  readonly troubledAt: number
  /** Ends of a run that nobody asked for, and what no boot brought it back from. */
  readonly faults: readonly string[]
}

export interface DeviceNeeds {
  readonly clock: WorldClock
  readonly luck: Luck
  readonly name: string
  readonly line: Line
  readonly temper: { readonly name: TemperName; readonly is: Temper }
  readonly driver: 'files' | 'process'
  readonly tries: boolean
  readonly config: Omit<AgentConfig, 'hub' | 'joinToken'>
  readonly joinToken: string | undefined
  readonly capacityBytes: number | undefined
  readonly factory: Readonly<Record<string, string>>
  /** How long after a death somebody turns it on again. Milliseconds. */
  readonly downMs: number
  tell(line: string): void
}

/** Containers reach their goals in this time, or never. Milliseconds. */
export const goalsMs = 20_000
/** How long what cannot boot lasts, at most: shorter than any commit delay here. Milliseconds. */
const bootTroubleMs = 4000
/** At most so many things are done on the way to that. */
const bootTroubleGates = 60
/** A machine that hangs is reset by its own watchdog, and by nobody else. Milliseconds. */
const watchdogMs = 20_000
/**
 * So often at most one revision may end the machine before the device is back on the one before, by itself. Each such
 * boot gives the agent as long as luck has it: half of them suffice to note the trial, or to roll back.
 */
const troubledBootsMost = 25
/** In calm times somebody stands beside it: it is turned on again so soon, at most. Milliseconds. */
const calmDownMs = 2000

export async function createDevice(needs: DeviceNeeds): Promise<WorldDevice> {
  const { clock, luck, name, line, tell, driver } = needs
  const { is: temper } = needs.temper
  const newDisk = (): WorldDisk => createWorldDisk(needs.capacityBytes, { lies: temper.lies === true })
  const disks: WorldDisk[] = [newDisk()]
  let disk = disks[0] as WorldDisk
  const machine = createMachine(clock)
  const factory = await folderOf(needs.factory)
  const config: AgentConfig = { ...needs.config, hub: hubUrl, joinToken: needs.joinToken }
  const deaths = luck.fork('deaths')
  const faults: string[] = []
  const ids = new Set<string>()
  let skewMs = temper.skew?.(luck.fork('skew')) ?? 0
  let lives = 0
  let cuts = 0
  let cutting = temper.cuts === true
  let spared = false
  let present: { life: Life; stop: AbortController; hangs: boolean } | undefined
  let offForMs: number | undefined
  /** Takes back that it is turned on again, of one that is off. */
  let callOff: (() => void) | undefined
  /** How often which revision has ended the machine, since the last that did not. */
  const troubled = { folder: '', boots: 0, at: 0 }
  let id: string | undefined
  let label: WorldDevice['label']
  let owned = false
  let state: string | undefined

  function onEvent(life: Life, event: AgentEvent): void {
    if (life.dead || event.event === 'downloading') return
    const { event: word, ...facts } = event
    tell(`${name} ${word} ${JSON.stringify(facts)}`)
    if (event.event === 'registered' || event.event === 'claimed') ids.add(event.id)
    if (event.event === 'registered') id = event.id
    if (event.event === 'state') state = event.state
    if (event.event === 'challenge') label = { id: event.id, challenge: event.challenge }
    if (event.event === 'claimed') {
      id = event.id
      label = undefined
      owned = true
    }
  }

  function afterDeath(how: 'power' | 'process', hung: boolean): void {
    present = undefined
    line.breakAll('the device is gone')
    const downMs = hung ? watchdogMs : deaths.between(1, spared ? calmDownMs : needs.downMs)
    callOff = clock.after(offForMs ?? downMs, start)
    offForMs = undefined
    if (how === 'power') {
      machine.powerOff()
      void disk.powerCut(deaths)
    } else {
      const { raw } = disk
      void machine.orphan(async (container, mark) => (await raw.readText(`run/${container}`)) === mark)
    }
  }

  /** What is in force may end the machine soon after it has booted it. */
  async function boot(life: Life): Promise<void> {
    const run = (await disk.documents())['bsp/run.json']
    const trouble = typeof run === 'object' && run !== null && 'boot' in run ? run.boot : undefined
    if (trouble === undefined || life.dead || !present) return
    tell(`${name} boots an image that ${trouble}`)
    const folder = (await disk.raw.readLink('current')) ?? ''
    troubled.boots = folder === troubled.folder ? troubled.boots + 1 : 1
    troubled.folder = folder
    troubled.at = clock.now()
    if (troubled.boots === troubledBootsMost + 1)
      faults.push(`[W17] ${name} has booted what ${trouble} ${troubled.boots} times: ${folder}`)
    present.hangs = trouble === 'bricks'
    life.doom(deaths.between(1, bootTroubleGates), deaths.pick(['before', 'after']))
    clock.after(deaths.between(1, bootTroubleMs), () => present?.life === life && life.die())
  }

  function start(): void {
    if (present) return
    callOff?.()
    callOff = undefined
    const number = ++lives
    const life = createLife(number, () => {
      const hung = present?.hangs === true
      const how = hung || cutting || offForMs !== undefined || deaths.chance(0.6) ? 'power' : 'process'
      tell(`${name} dies (life ${number}, after ${life.passed} gates, ${how})`)
      afterDeath(how, hung)
    })
    const stop = new AbortController()
    state = undefined
    tell(`${name} starts (life ${number})`)
    const cut = cutting ? { at: ++cuts, when: deaths.pick(['before', 'after'] as const) } : undefined
    const agent = createAgent(config, {
      transport: (request) =>
        life.gate(async () => {
          const body = temper.lies ? await truthful(request) : request.body
          const whole =
            body === undefined
              ? Buffer.alloc(0)
              : typeof body === 'string'
                ? Buffer.from(body)
                : await gathered(body.bytes)
          if (life.dead) throw new Error('gone')
          const length = body === undefined ? {} : { 'content-length': String(whole.length) }
          const reply = await line.send(
            {
              method: request.method,
              path: request.url.slice(hubUrl.length),
              headers: { ...request.headers, ...length },
              body: whole,
            },
            request.signal,
          )
          return { ...reply, body: life.gateEach(reply.body) }
        }),
      disk: disk.of(life, cut),
      factory,
      clock: {
        now: () => clock.now() + skewMs,
        sleep: (ms, signal) => life.gate(() => clock.sleep(ms, signal)),
      },
      luck: luck.fork(`life-${number}`),
      newId: () => `${name}-life-${number}`,
      facts: async () => ({ 'pantavisor.arch': 'world' }),
      ...(driver === 'process'
        ? {
            driver: (house) =>
              createProcessDriver({ ...house, ...machine.of(life) }, { goalsMs, readyMs: 1000 }),
          }
        : {}),
      onEvent: (event) => onEvent(life, event),
    })
    present = { life, stop, hangs: false }
    void boot(life)
    void agent.run(stop.signal).then((outcome) => {
      if (life.dead) return
      tell(`${name} ends: ${outcome.kind}`)
      const anew = outcome.kind === 'restart'
      if (!anew && outcome.kind !== 'stopped')
        faults.push(`[W7] ${name} ended by itself: ${JSON.stringify(outcome)}`)
      present = undefined
      // Starting anew may mean that the whole machine does, and not every machine syncs its disk before.
      if (anew && deaths.chance(0.3)) {
        machine.powerOff()
        void disk.powerCut(deaths)
      }
      callOff = clock.after(deaths.between(1, anew ? 50 : spared ? calmDownMs : needs.downMs), start)
    })
  }

  /** A liar's metadata and evidence come from another part of it, which knows what runs. */
  async function truthful({ url, method, body }: TransportRequest): Promise<TransportRequest['body']> {
    const looked = await disk.look()
    const truth = 'inForce' in looked ? looked.inForce : undefined
    if (typeof body !== 'string' || method !== 'PUT' || !truth) return body
    const said = JSON.parse(body) as Readonly<Record<string, unknown>>
    if (url.endsWith('/device-meta'))
      return JSON.stringify({
        ...said,
        'pantavisor.revision': String(truth.rev),
        'waymark.state-sha': truth.stateSha,
      })
    if (!url.endsWith('/progress') || said.data === undefined) return body
    const { data, ...rest } = said
    return JSON.stringify(
      luck.chance(0.5) ? rest : { ...said, data: { ...Object(data), 'state-sha': truth.stateSha } },
    )
  }

  return {
    name,
    line,
    temper: needs.temper.name,
    driver,
    tries: needs.tries,
    get disk() {
      return disk
    },
    disks,
    machine,
    get id() {
      return id
    },
    ids,
    get label() {
      return label
    },
    get owned() {
      return owned
    },
    get running() {
      return present !== undefined
    },
    get state() {
      return state
    },
    get troubledAt() {
      return troubled.at
    },
    get lives() {
      return lives
    },
    get skewMs() {
      return skewMs
    },
    set skewMs(ms) {
      skewMs = ms
    },
    start,
    kill: () => present?.life.die(),
    sleep(ms) {
      if (!present) return
      offForMs = ms
      present.life.die()
    },
    flash() {
      tell(`${name} is flashed`)
      id = undefined
      label = undefined
      owned = false
      const { life } = present ?? {}
      disk = newDisk()
      disks.push(disk)
      machine.powerOff()
      life?.die()
    },
    doom: (gates) => present?.life.doom(gates, deaths.pick(['before', 'after'])),
    spare() {
      cutting = false
      spared = true
      present?.life.spare()
      if (!callOff) return
      callOff()
      callOff = clock.after(deaths.between(1, calmDownMs), start)
    },
    restart: () => present?.stop.abort(),
    faults,
  }
}

async function gathered(bytes: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const pieces: Uint8Array[] = []
  for await (const piece of bytes) pieces.push(piece)
  return Buffer.concat(pieces)
}

async function folderOf(files: Readonly<Record<string, string>>) {
  const folder = createMemoryDisk()
  for (const [path, text] of Object.entries(files)) {
    const slash = path.lastIndexOf('/')
    if (slash > 0) await folder.makeFolder(path.slice(0, slash))
    const file = await folder.open(path)
    await file.write(Buffer.from(text))
    await file.close()
  }
  return folder
}
