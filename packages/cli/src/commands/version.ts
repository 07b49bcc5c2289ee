/** `waymark version`: what is installed. */
import { readVersion } from '@waymark/server/shell'
import { Command } from 'commander'
import { type Context, print } from '../io.ts'
import { withCommander } from '../with-commander.ts'

export function run(args: readonly string[], { io }: Context): Promise<number> {
  const command = new Command('version')
    .description('Tells what is installed.')
    .option('--json', 'as JSON')
    .action(({ json }: { json?: boolean }) => {
      const version = readVersion()
      print(io, json, {
        data: version,
        lines: () => [
          `${version.name} ${version.version} (node ${version.node}${version.commit ? `, commit ${version.commit.slice(0, 12)}` : ''})`,
        ],
      })
    })
  return withCommander(command, args, io)
}
