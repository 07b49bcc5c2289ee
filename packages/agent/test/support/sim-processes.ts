/**
 * Processes that are nothing but their story, on the simulated clock.
 *
 * A program is its words: `steady`; `dies 300` (after so many milliseconds); `stubborn` (heeds only SIGKILL);
 * `missing` (cannot be started); `chatty` (writes two lines, then runs). What an agent leaves behind when it dies runs on
 * until a later one ends it.
 */
import type { Clock } from '../../src/index.ts'
import type { Doors, Launch, Launched, Processes } from '../../src/process/ports.ts'

export interface SimProcess {
  readonly launch: Launch
  readonly number: number
  alive: boolean
}

export function createSimProcesses(clock: Clock) {
  const all: (SimProcess & { end: (how: string) => void })[] = []
  const signals: string[] = []
  let status = 200
  const doors: Doors = {
    http: async () => {
      if (status === 0) throw new Error('connection refused')
      return status
    },
    tcp: async () => undefined,
  }
  const processes: Processes = {
    async launch(launch): Promise<Launched> {
      const [word = '', after = '0'] = [launch.command, ...launch.args]
      if (word === 'missing') throw new Error('no such program')
      const number = all.length
      const { promise: exited, resolve } = Promise.withResolvers<string>()
      const over = new AbortController()
      const own = {
        launch,
        number,
        alive: true,
        end(how: string) {
          if (!own.alive) return
          own.alive = false
          over.abort()
          resolve(how)
        },
      }
      all.push(own)
      if (word === 'dies')
        void clock.sleep(Number(after), over.signal).then(() => own.end('exited with code 3'))
      async function* output() {
        if (word === 'chatty' || word === 'dies')
          yield { from: 'out' as const, bytes: Buffer.from(`${launch.name} says hello\nand goes on\n`) }
      }
      return {
        mark: String(number),
        output: output(),
        exited,
        signal(signal) {
          signals.push(`${launch.name} ${signal}`)
          if (word !== 'stubborn' || signal === 'SIGKILL') own.end(`was ended by ${signal}`)
        },
      }
    },
    async endLeftover(mark) {
      all[Number(mark)]?.end('was ended as a leftover')
    },
  }
  return {
    processes,
    doors,
    signals,
    /** All that was ever started, in order, as `name`. */
    started: () => all.map((each) => each.launch.name),
    /** What runs now, as `name` and its number. */
    alive: () => all.filter((each) => each.alive).map((each) => `${each.launch.name}#${each.number}`),
    /** What the doors answer from now on; 0 refuses the connection. */
    answer(next: number) {
      status = next
    },
    /** Ends the living one of this name as by its own fault. */
    crash(name: string) {
      for (const each of all) if (each.alive && each.launch.name === name) each.end('exited with code 9')
    },
  }
}

export type SimProcesses = ReturnType<typeof createSimProcesses>
