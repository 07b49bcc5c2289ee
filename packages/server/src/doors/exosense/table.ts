/** All commands, by name; and how a method, whatever it is called, leads to its row. */
import type { JsonObject } from '@waymark/yang'
import type { Command, Commands } from './command.ts'
import { accountCommands } from './commands/accounts.ts'
import { configSetCommands } from './commands/config-sets.ts'
import { deviceTypeCommands } from './commands/device-types.ts'
import { deviceCommands } from './commands/devices.ts'
import { groupCommands } from './commands/groups.ts'
import { packageConfigCommands } from './commands/package-configs.ts'
import { packageCommands } from './commands/packages.ts'
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
  ...packageCommands,
  ...packageConfigCommands,
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

/**
 * The row a method leads to. `push-config-data` was 1.x's name for pushing a set, which it then names; without one it is
 * the 2.x command.
 */
export function commandOf(method: string, params: JsonObject): NamedCommand | undefined {
  const found = byMethod.get(method)
  const set = params['config-data'] ?? params.name
  return found?.name === 'push-config-data' && set !== undefined ? byMethod.get('push-config-set') : found
}
