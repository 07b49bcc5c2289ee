/** `waymark whoami`: whom the server takes us for. */
import { connect, type FleetFlags, namedCommand, runFleetCommand, withFleetFlags } from '../fleet-access.ts'
import { type Context, print } from '../io.ts'
import { type Outside, processOutside } from '../outside.ts'
import { sheetLines } from '../show/table.ts'
import { timeWhole } from '../show/words.ts'

export function run(
  args: readonly string[],
  context: Context,
  outside: Outside = processOutside(),
): Promise<number> {
  const { io } = context
  return runFleetCommand(args, context, () =>
    withFleetFlags(namedCommand('whoami'))
      .description('Tells whom the server takes us for.')
      .action(async (flags: FleetFlags) => {
        const { fleet } = await connect(flags, io, outside)
        const me = await fleet.whoAmI()
        print(io, flags.json, {
          data: { server: fleet.url, ...me },
          lines: () =>
            sheetLines([
              ['server', fleet.url],
              ['name', me.nick],
              ['id', me.id],
              ['tenant', me.tenant],
              ['roles', me.roles.join(', ') || 'none'],
              ['administrator', me.admin ? 'of this server' : undefined],
              ['login ends', timeWhole(me.expiresAt, outside.now())],
            ]),
        })
      }),
  )
}
