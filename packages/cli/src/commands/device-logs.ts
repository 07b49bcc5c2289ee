/** `waymark device logs`: lines in the order of their arrival. Logs are no part of the journal, so `-f` asks again and again. */
import { type LogLine, sleep } from '@waymark/sdk'
import { connect, type FleetFlags } from '../fleet-access.ts'
import { Failure, type Io } from '../io.ts'
import type { Outside } from '../outside.ts'
import { printable } from '../show/words.ts'

export interface LogFlags extends FleetFlags {
  readonly follow?: boolean
  readonly lines: string
  readonly level?: string
  readonly source?: string
}

/** Most lines of one answer. */
const linesMax = 1000
const askEveryMs = 1000
/** The most a sleepy log is left alone. */
const askSeldomMs = 4000

export async function printLogs(name: string, flags: LogFlags, io: Io, outside: Outside): Promise<void> {
  const limit = /^\d{1,4}$/.test(flags.lines) ? Number(flags.lines) : Number.NaN
  if (!(limit >= 1 && limit <= linesMax))
    throw new Failure(2, `device logs --lines: wanted 1 to ${linesMax}, got ${flags.lines}`)
  const { fleet } = await connect(flags, io, outside)
  const { id: device } = await fleet.getDevice({ device: name })
  const { level, source } = flags
  const say = (lines: readonly LogLine[]): void => {
    for (const line of lines) {
      if (flags.json) io.out(JSON.stringify(line))
      else for (const text of logText(line)) io.out(text)
    }
  }

  const first = await fleet.listLogs({ device, limit, level, source })
  say(first.items)
  if (!flags.follow) {
    if (first.items.length === 0 && !flags.json) io.err('no log lines')
    return
  }
  const signal = io.stopSignal()
  let after = first.items.at(-1)?.id
  let waitMs = askEveryMs
  try {
    for (;;) {
      await sleep(outside, waitMs, signal)
      const { items } = await fleet.listLogs({ device, limit: linesMax, after, level, source }, { signal })
      say(items)
      after = items.at(-1)?.id ?? after
      waitMs = items.length === 0 ? Math.min(askSeldomMs, waitMs * 1.5) : askEveryMs
    }
  } catch (error) {
    if (!signal.aborted) throw error
  }
}

/** `14:03:22  warn   pantavisor  message`, with further lines of the message below it. */
export function logText({ at, level, source, message }: LogLine): string[] {
  const head = `${at.slice(0, 19).replace('T', ' ')}  ${printable(level).padEnd(5)}  ${printable(source)}`
  const [first = '', ...rest] = message.trimEnd().split('\n')
  return [`${head}  ${printable(first)}`.trimEnd(), ...rest.map((line) => `    ${printable(line)}`)]
}
