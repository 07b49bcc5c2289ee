/** `waymark keys`: the keys of an installation, for who runs it. */
import { connect, type FleetFlags, namedCommand, runFleetCommand, withFleetFlags } from '../fleet-access.ts'
import { type Context, type Io, print } from '../io.ts'
import { type Outside, processOutside } from '../outside.ts'

export function run(
  args: readonly string[],
  context: Context,
  outside: Outside = processOutside(),
): Promise<number> {
  const { io } = context
  return runFleetCommand(args, context, () => {
    const keys = namedCommand('keys').description('The keys that logins are signed with.')
    withFleetFlags(keys.command('rotate'))
      .description(
        'Begins a new key. Nobody is logged out: the key before is believed until the last login it signed is over.',
      )
      .action((flags: FleetFlags) => rotate(flags, io, outside))
    return keys
  })
}

async function rotate(flags: FleetFlags, io: Io, outside: Outside): Promise<void> {
  const { fleet } = await connect(flags, io, outside)
  const rotated = await fleet.rotateKeys()
  print(io, flags.json, {
    data: rotated,
    lines: () => [
      `logins are signed with the new key from ${rotated.signsFrom}`,
      `the one before is believed until ${rotated.olderUntil}`,
    ],
  })
}
