/** All commands, by name; and how a method, whatever it is called, leads to its row. */
import type { Command, Commands } from './command.ts'
import { accountCommands } from './commands/accounts.ts'
import { configSetCommands } from './commands/config-sets.ts'
import { deviceTypeCommands } from './commands/device-types.ts'
import { deviceCommands } from './commands/devices.ts'
import { groupCommands } from './commands/groups.ts'
import { userCommands } from './commands/users.ts'
import { yangModuleCommands } from './commands/yang-modules.ts'

export const commands: Commands = {
  ...accountCommands,
  ...userCommands,
  ...deviceTypeCommands,
  ...deviceCommands,
  ...groupCommands,
  ...yangModuleCommands,
  ...configSetCommands,
}

export interface NamedCommand {
  readonly name: string
  readonly command: Command
}

const byMethod: ReadonlyMap<string, NamedCommand> = new Map(
  Object.entries(commands).flatMap(([name, command]) =>
    [name, ...(command.aliases ?? [])].flatMap((method) => {
      const row = [{ name, command }] as const
      // Without a prefix a method of the server's own is meant.
      return [`exodm:${method}`, method].map((spelt): [string, NamedCommand] => [spelt, row[0]])
    }),
  ),
)

export function commandOf(method: string): NamedCommand | undefined {
  return byMethod.get(method)
}
