/**
 * A device in the world: the real agent, started, killed and started again on the same disk and the same line.
 *
 * A life ends when its power is cut, when its process is killed, or when it is asked to stop. The disk decides what the
 * next life finds. Its clock may be off by years; sleeping goes by time that passes, as on a real machine.
 */
import { type AgentConfig, type AgentEvent, createAgent, createMemoryDisk } from '@waymark/agent'
import type { WorldClock } from './clock.ts'
import { createWorldDisk, type WorldDisk } from './disk.ts'
import { createLife, type Life } from './life.ts'
import type { Luck } from './luck.ts'
import type { Line } from './network.ts'
import { hubUrl } from './server.ts'

export interface WorldDevice {
  readonly name: string
  readonly line: Line
  readonly disk: WorldDisk
  /** The id it goes by since its last registration. */
  readonly id: string | undefined
  /** What its owner reads on its label: absent once it is claimed. */
  readonly label: { readonly id: string; readonly challenge: string } | undefined
  /** Somebody owns it, as it has found out itself. */
  readonly owned: boolean
  readonly running: boolean
  readonly lives: number
  /** Milliseconds by which its clock is off. */
  skewMs: number
  start(): void
  /** Its power is cut, or its process killed; somebody turns it on again later. */
  kill(): void
  /** Dies within its next so many awaits. */
  doom(gates: number): void
  /** Takes that back. */
  spare(): void
  /** Asks it to stop, and starts it again once it has. */
  restart(): void
  /** Ends of a run that nobody asked for. */
  readonly faults: readonly string[]
}

export interface DeviceNeeds {
  readonly clock: WorldClock
  readonly luck: Luck
  readonly name: string
  readonly line: Line
  readonly config: Omit<AgentConfig, 'hub' | 'joinToken'>
  readonly joinToken: string | undefined
  readonly capacityBytes: number | undefined
  readonly factory: Readonly<Record<string, string>>
  /** How long after a death somebody turns it on again. Milliseconds. */
  readonly downMs: number
  tell(line: string): void
}

export async function createDevice(needs: DeviceNeeds): Promise<WorldDevice> {
  const { clock, luck, name, line, tell } = needs
  const disk = createWorldDisk(needs.capacityBytes)
  const factory = await folderOf(needs.factory)
  const config: AgentConfig = { ...needs.config, hub: hubUrl, joinToken: needs.joinToken }
  const deaths = luck.fork('deaths')
  let skewMs = 0
  let lives = 0
  let present: { life: Life; stop: AbortController } | undefined
  let id: string | undefined
  let label: WorldDevice['label']
  let owned = false

  function onEvent(life: Life, event: AgentEvent): void {
    if (life.dead || event.event === 'downloading') return
    const { event: word, ...facts } = event
    tell(`${name} ${word} ${JSON.stringify(facts)}`)
    if (event.event === 'registered') id = event.id
    if (event.event === 'challenge') label = { id: event.id, challenge: event.challenge }
    if (event.event === 'claimed') {
      id = event.id
      label = undefined
      owned = true
    }
  }

  const faults: string[] = []

  function afterDeath(how: 'power' | 'process'): void {
    present = undefined
    line.breakAll('the device is gone')
    clock.after(deaths.between(1, needs.downMs), start)
    if (how === 'power') void disk.powerCut(deaths)
  }

  function start(): void {
    if (present) return
    const number = ++lives
    const life = createLife(number, () => {
      const how = deaths.chance(0.6) ? 'power' : 'process'
      tell(`${name} dies (life ${number}, after ${life.passed} gates, ${how})`)
      afterDeath(how)
    })
    const stop = new AbortController()
    tell(`${name} starts (life ${number})`)
    const agent = createAgent(config, {
      transport: (request) =>
        life.gate(async () => {
          const body = request.body
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
      disk: disk.of(life),
      factory,
      clock: {
        now: () => clock.now() + skewMs,
        sleep: (ms, signal) => life.gate(() => clock.sleep(ms, signal)),
      },
      luck: luck.fork(`life-${number}`),
      newId: () => `${name}-life-${number}`,
      facts: async () => ({ 'pantavisor.arch': 'world' }),
      onEvent: (event) => onEvent(life, event),
    })
    void agent.run(stop.signal).then((outcome) => {
      if (life.dead) return
      tell(`${name} ends: ${outcome.kind}`)
      if (outcome.kind !== 'stopped') faults.push(`${name} ended by itself: ${JSON.stringify(outcome)}`)
      present = undefined
      clock.after(deaths.between(1, needs.downMs), start)
    })
    present = { life, stop }
  }

  return {
    name,
    line,
    disk,
    get id() {
      return id
    },
    get label() {
      return label
    },
    get owned() {
      return owned
    },
    get running() {
      return present !== undefined
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
    doom: (gates) => present?.life.doom(gates, deaths.pick(['before', 'after'])),
    spare: () => present?.life.spare(),
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
