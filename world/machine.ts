/**
 * The programs on a device: simulated processes that are nothing but their story, and doors to look at them through.
 *
 * A program is its words: `steady`; `dies 300` (milliseconds after each start); `stubborn` (heeds only SIGKILL);
 * `unready` (runs, but its door says 503); `sickens 4000` (its door says 503 from then on); `missing` (cannot be
 * started). Programs belong to the machine, not to the agent that started them: they outlive a killed agent and end
 * with the power. What an agent holds of them goes through the gates of its life.
 *
 * The machine watches one thing: a container never runs twice at a time. A program that an agent was killed over before
 * it could note that it had started it is ended here; no later life could know of it.
 */
import type { createProcessDriver } from '@waymark/agent'
import type { WorldClock } from './clock.ts'
import type { Life } from './life.ts'

type DriverPorts = Parameters<typeof createProcessDriver>[0]
type Processes = DriverPorts['processes']
type Launch = Parameters<Processes['launch']>[0]
type Launched = Awaited<ReturnType<Processes['launch']>>

export interface WorldMachine {
  /** The machine as one life of the agent sees it. */
  of(life: Life): Pick<DriverPorts, 'processes' | 'doors'>
  /** Names of the containers whose programs run now, sorted. */
  running(): readonly string[]
  /** No program outlives its power. */
  powerOff(): void
  /** The agent was killed: what it had started and noted runs on. */
  orphan(noted: (name: string, mark: string) => Promise<boolean>): Promise<void>
  /** What was found running twice. */
  readonly faults: readonly string[]
}

interface Program {
  readonly launch: Launch
  readonly life: Life
  readonly startedMs: number
  /** By this its agent notes it. */
  readonly mark: string
  alive: boolean
  end(how: string): void
}

const probeCommand = 'look'

export function createMachine(clock: WorldClock): WorldMachine {
  const programs: Program[] = []
  const faults: string[] = []
  let started = 0

  const alive = (): Program[] => programs.filter((each) => each.alive && each.launch.command !== probeCommand)
  const [ok, sick] = [200, 503]

  /** What the door of a container says; undefined when nobody is behind it. */
  function answer(name: string): number | undefined {
    const program = alive().find((each) => each.launch.name === name)
    if (!program) return undefined
    const [word, after] = program.launch.args
    if (word === 'unready') return sick
    return word === 'sickens' && clock.now() - program.startedMs >= Number(after) ? sick : ok
  }

  function start(launch: Launch, life: Life): { program: Program; exited: Promise<string> } {
    const [word = '', after = '0'] = launch.args
    if (word === 'missing') throw new Error('no such program')
    for (const each of alive())
      if (each.launch.name === launch.name && launch.command !== probeCommand)
        faults.push(`container ${launch.name} runs twice (lives ${each.life.number} and ${life.number})`)
    const { promise: exited, resolve } = Promise.withResolvers<string>()
    const program: Program = {
      launch,
      life,
      startedMs: clock.now(),
      mark: String(++started),
      alive: true,
      end(how) {
        if (!program.alive) return
        program.alive = false
        programs.splice(programs.indexOf(program), 1)
        resolve(how)
      },
    }
    programs.push(program)
    if (word === 'dies') clock.after(Number(after), () => program.end('exited with code 3'))
    if (launch.command === probeCommand)
      program.end(answer(launch.name) === ok ? 'exited with code 0' : 'exited with code 1')
    return { program, exited }
  }

  async function* wordsOf({
    args,
    name,
  }: Launch): AsyncGenerator<{ from: 'out' | 'err'; bytes: Uint8Array }> {
    if (args[0] === 'dies') yield { from: 'err', bytes: Buffer.from(`${name}: I do not feel well\n`) }
  }

  return {
    of: (life) => ({
      processes: {
        async launch(launch): Promise<Launched> {
          const { program, exited } = await life.gate(async () => start(launch, life))
          return {
            mark: program.mark,
            output: life.gateEach(wordsOf(launch)),
            exited: life.gate(() => exited),
            signal(signal) {
              if (life.dead) return
              if (launch.args[0] !== 'stubborn' || signal === 'SIGKILL') program.end(`was ended by ${signal}`)
            },
          }
        },
        endLeftover: (mark) =>
          life.gate(async () => {
            programs.find((each) => each.mark === mark)?.end('was ended as a leftover')
          }),
      },
      doors: {
        http: (url) =>
          life.gate(async () => {
            const said = answer(new URL(url).hostname)
            if (said === undefined) throw new Error('connection refused')
            return said
          }),
        tcp: (host) =>
          life.gate(async () => {
            if (answer(host) === undefined) throw new Error('connection refused')
          }),
      },
    }),
    running: () =>
      alive()
        .map((each) => each.launch.name)
        .sort(),
    powerOff() {
      for (const each of [...programs]) each.end('lost its power')
    },
    async orphan(noted) {
      for (const each of [...programs])
        if (!(await noted(each.launch.name, each.mark))) each.end('was ended with its agent')
    },
    faults,
  }
}
