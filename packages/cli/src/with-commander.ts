/**
 * Runs a command built with commander under our conventions: help to stdout with exit code 0, wrong usage as one line
 * that names the nearest option or sub-command and exit code 2.
 *
 *     export const run = (args, { io }) => withCommander(new Command('whoami').option('--json').action(…), args, io)
 */
import { nearest } from '@waymark/server/nearest'
import { type Command, CommanderError } from 'commander'
import { Failure, type Io } from './io.ts'

export async function withCommander(command: Command, args: readonly string[], io: Io): Promise<number> {
  prepare(command, io)
  try {
    await command.parseAsync([...args], { from: 'user' })
    return 0
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    if (error.exitCode === 0) return 0
    throw new Failure(2, usage(command, error))
  }
}

function prepare(command: Command, io: Io): void {
  command
    .exitOverride()
    .showSuggestionAfterError(false)
    .configureOutput({ writeOut: (text) => io.out(text.trimEnd()), writeErr: () => {} })
  for (const child of command.commands) prepare(child, io)
}

function usage(command: Command, error: CommanderError): string {
  const said = error.message.replace(/^error: /, '')
  // Called without its sub-command, commander shows the help as an error.
  if (error.code === 'commander.help') return `${command.name()}: wanted one of ${names(command).join(', ')}`
  const [, written] = /'([^']*)'/.exec(said) ?? []
  const known =
    error.code === 'commander.unknownOption'
      ? options(command)
      : error.code === 'commander.unknownCommand'
        ? names(command)
        : []
  const begun = (word: string) => (word.length < 3 ? undefined : known.find((name) => name.startsWith(word)))
  const meant = written === undefined ? undefined : (nearest(written, known) ?? begun(written))
  return `${command.name()}: ${said}${meant === undefined ? '' : ` (did you mean ${meant}?)`}`
}

/** All long flags of a command and its sub-commands: where the mistake was made is not told to us. */
function options(command: Command): string[] {
  const own = command.options.flatMap(({ long }) => (long === undefined || long === null ? [] : [long]))
  return [...own, '--help', ...command.commands.flatMap(options)]
}

function names(command: Command): string[] {
  return command.commands.flatMap((child) => [child.name(), ...names(child)])
}
