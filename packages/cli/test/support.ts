import type { CommandRow } from '../src/command-table.ts'
import type { Io } from '../src/io.ts'
import { run } from '../src/main.ts'

export interface Ran {
  readonly code: number
  readonly out: string
  readonly err: string
}

/** Runs a command line without a process. */
export async function waymark(
  argv: readonly string[],
  { env = {}, table, signal }: { env?: Io['env']; table?: readonly CommandRow[]; signal?: AbortSignal } = {},
): Promise<Ran> {
  const out: string[] = []
  const err: string[] = []
  const io: Io = {
    out: (line) => out.push(line),
    err: (line) => err.push(line),
    env,
    terminal: false,
    stopSignal: () => signal ?? new AbortController().signal,
  }
  const code = await run(argv, io, table)
  return { code, out: out.join('\n'), err: err.join('\n') }
}
