/** `waymark device-type`: types of devices, each with the protocol by which its devices are reached. */
import type { Fleet } from '@waymark/sdk'
import { connect, type FleetFlags, namedCommand, runFleetCommand, withFleetFlags } from '../fleet-access.ts'
import { type Context, type Io, print } from '../io.ts'
import { type Outside, processOutside } from '../outside.ts'
import { type Column, printList, sheetLines } from '../show/table.ts'
import { printable } from '../show/words.ts'

type DeviceType = Awaited<ReturnType<Fleet['getDeviceType']>>

export function run(
  args: readonly string[],
  context: Context,
  outside: Outside = processOutside(),
): Promise<number> {
  const { io } = context
  return runFleetCommand(args, context, () => {
    const type = namedCommand('device-type').description('Types of devices, named by name.')
    withFleetFlags(type.command('ls'))
      .description('Lists types, by name.')
      .action(async (flags: FleetFlags) => {
        const { fleet } = await connect(flags, io, outside)
        await printList(io, fleet.each('listDeviceTypes'), {
          json: flags.json,
          columns,
          width: outside.screen?.columns,
          none: 'no device types',
        })
      })
    withFleetFlags(type.command('show <type>'))
      .description('Shows a type.')
      .action(async (named: string, flags: FleetFlags) => {
        const { fleet } = await connect(flags, io, outside)
        const found = await fleet.getDeviceType({ type: named })
        const { name, protocol, schema, createdAt } = found
        const pairs = Object.entries({ name, protocol, schema, created: createdAt })
        print(io, flags.json, { data: found, lines: () => sheetLines(pairs) })
      })
    withFleetFlags(type.command('create <name> <protocol>'))
      .description('Makes a type whose devices are reached by a protocol, such as exodm_bert.')
      .action(async (name: string, protocol: string, flags: FleetFlags) => {
        const { fleet } = await connect(flags, io, outside)
        tell('created', await fleet.createDeviceType({ body: { name, protocol } }), flags, io)
      })
    withFleetFlags(type.command('rm <type>'))
      .description('Removes a type that no device has.')
      .action(async (named: string, flags: FleetFlags) => {
        const { fleet } = await connect(flags, io, outside)
        tell('removed', await fleet.removeDeviceType({ type: named }), flags, io)
      })
    return type
  })
}

const columns: readonly Column<DeviceType>[] = [
  { title: 'NAME', cell: ({ name }) => name },
  { title: 'PROTOCOL', cell: ({ protocol }) => protocol },
  { title: 'SCHEMA', cell: ({ schema }) => schema ?? '' },
  { title: 'CREATED', cell: ({ createdAt }) => createdAt },
]

function tell(did: string, type: DeviceType, flags: FleetFlags, io: Io): void {
  print(io, flags.json, {
    data: type,
    lines: () => [`${did} ${printable(type.name)}, reached by ${printable(type.protocol)}`],
  })
}
