/** What the commands share that work beside a server, on its own settings: the flags of `waymark up`. */
import { type Config, describeRefusal, loadConfig } from '@waymark/server/shell'
import { Failure, type Io } from './io.ts'

/** The settings that flags, environment and file give; wrong ones are wrong usage. */
export function settingsOf(flags: readonly string[], io: Io): Config {
  const settings = loadConfig(flags, io.env)
  if (!settings.ok) throw new Failure(2, settings.refusal.map(describeRefusal).join('\n'))
  return settings.value.config
}

/** Faults that name what is wrong are a line for people; anything else is a defect and passes through. */
export function lineOf(error: unknown): unknown {
  const named = error instanceof Error && ['BackupFault', 'StoreError', 'StartFailure'].includes(error.name)
  return named ? new Failure(1, error.message, { cause: error }) : error
}
