/**
 * `waymark`: finds the command, runs it, and turns whatever happens into a line and an exit code.
 *
 * Knows no command: they stand in `command-table.ts`. People see no stack traces; WAYMARK_DEBUG=1 shows them.
 */
import { nearest } from '@waymark/server/nearest'
import { type CommandRow, commands } from './command-table.ts'
import { Failure, type Io, processIo } from './io.ts'

/** Runs the command line and sets the process's exit code. */
export async function main(argv: readonly string[], table: readonly CommandRow[] = commands): Promise<void> {
  process.exitCode = await run(argv, processIo(), table)
  // A command that is done is done: what it left open may not hold the process for long.
  setTimeout(() => process.exit(), lingerMs).unref()
}

/** Runs the command line and answers the exit code. Never throws. */
export async function run(
  argv: readonly string[],
  io: Io,
  table: readonly CommandRow[] = commands,
): Promise<number> {
  try {
    return await dispatch(argv, io, table)
  } catch (error) {
    const failure = error instanceof Error ? error : new Error(String(error))
    for (const line of failure.message.split('\n')) io.err(`waymark: ${line}`)
    if (io.env.WAYMARK_DEBUG === '1') io.err(stackOf(failure))
    return failure instanceof Failure ? failure.exitCode : 1
  }
}

const lingerMs = 2000

async function dispatch(argv: readonly string[], io: Io, table: readonly CommandRow[]): Promise<number> {
  const [name, ...args] = argv
  if (name === undefined) {
    io.err(helpText(table))
    return 2
  }
  if (name === '--version' || name === '-V') return dispatch(['version'], io, table)
  if (name === 'help' || name === '--help' || name === '-h') {
    if (name === 'help' && args[0] !== undefined) return dispatch([args[0], '--help'], io, table)
    io.out(helpText(table))
    return 0
  }
  const row = table.find((known) => known.name === name)
  if (row === undefined) throw new Failure(2, unknown(name, table))
  const command = await row.load()
  return (await command.run(args, { io })) ?? 0
}

function unknown(name: string, table: readonly CommandRow[]): string {
  const flag = name.startsWith('-')
  const known = flag ? ['--help', '--version'] : [...table.map((row) => row.name), 'help']
  const meant = nearest(name, known)
  const hint = meant === undefined ? 'waymark help lists them' : `did you mean ${meant}?`
  return `${name}: unknown ${flag ? 'flag' : 'command'} (${hint})`
}

function helpText(table: readonly CommandRow[]): string {
  const width = Math.max(...table.map((row) => row.name.length))
  const list = table.map(({ name, summary }) => `  ${name.padEnd(width)}  ${summary}`).join('\n')
  return `usage: waymark <command> [arguments]\n\n${list}\n\nwaymark help <command> tells more about one; waymark --version what is installed.`
}

function stackOf(error: Error): string {
  const cause = error.cause instanceof Error ? `\ncaused by ${stackOf(error.cause)}` : ''
  return `${error.stack ?? error.message}${cause}`
}
