/** `waymark group`: devices that are asked together. */
import type { Device, Fleet } from '@waymark/sdk'
import { confirm } from '../ask.ts'
import { connect, type FleetFlags, namedCommand, runFleetCommand, withFleetFlags } from '../fleet-access.ts'
import { type Context, type Io, print } from '../io.ts'
import { type Outside, processOutside } from '../outside.ts'
import { type Column, printList, sheetLines } from '../show/table.ts'
import { printable } from '../show/words.ts'

type Group = Awaited<ReturnType<Fleet['getGroup']>>

export function run(
  args: readonly string[],
  context: Context,
  outside: Outside = processOutside(),
): Promise<number> {
  const { io } = context
  return runFleetCommand(args, context, () => {
    const group = namedCommand('group').description('Groups of devices, named by id or name.')
    withFleetFlags(group.command('ls'))
      .description('Lists groups, by name.')
      .action((flags: FleetFlags) => list(flags, io, outside))
    withFleetFlags(group.command('show <group>'))
      .description('Shows a group and its devices.')
      .action((named: string, flags: FleetFlags) => show(named, flags, io, outside))
    withFleetFlags(group.command('create <name>'))
      .description('Makes a group, which has no members yet.')
      .action(async (name: string, flags: FleetFlags) => {
        const { fleet } = await connect(flags, io, outside)
        tell('created', await fleet.createGroup({ body: { name } }), flags, io)
      })
    withFleetFlags(group.command('add <group> <device...>'))
      .description('Adds devices, all of them or none; they are of one type.')
      .action(async (named: string, devices: string[], flags: FleetFlags) => {
        const { fleet } = await connect(flags, io, outside)
        tell('changed', await fleet.addToGroup({ group: named, body: { devices } }), flags, io)
      })
    withFleetFlags(group.command('rm <group> <device...>'))
      .description('Takes devices out of a group; who is no member is passed over.')
      .action(async (named: string, devices: string[], flags: FleetFlags) => {
        const { fleet } = await connect(flags, io, outside)
        tell('changed', await fleet.removeFromGroup({ group: named, body: { devices } }), flags, io)
      })
    withFleetFlags(group.command('delete <group>'))
      .description('Removes a group; its devices stay, and what was asked of it goes on.')
      .option('-y, --yes', 'do not ask')
      .action(async (named: string, flags: FleetFlags & { yes?: boolean }) => {
        const question = `delete group ${printable(named)}?`
        await confirm(outside, { what: 'group delete', question, yes: flags.yes })
        const { fleet } = await connect(flags, io, outside)
        tell('deleted', await fleet.removeGroup({ group: named }), flags, io)
      })
    return group
  })
}

const columns: readonly Column<Group>[] = [
  { title: 'NAME', cell: ({ name }) => name },
  { title: 'ID', cell: ({ id }) => id },
  { title: 'TYPE', cell: ({ type }) => type ?? '' },
  { title: 'DEVICES', cell: ({ size }) => String(size), right: true },
  { title: 'OPEN', cell: ({ open }) => String(open), right: true },
]

async function list(flags: FleetFlags, io: Io, outside: Outside): Promise<void> {
  const { fleet } = await connect(flags, io, outside)
  await printList(io, fleet.each('listGroups'), {
    json: flags.json,
    columns,
    width: outside.screen?.columns,
    none: 'no groups',
  })
}

async function show(named: string, flags: FleetFlags, io: Io, outside: Outside): Promise<void> {
  const { fleet } = await connect(flags, io, outside)
  const group = await fleet.getGroup({ group: named })
  const devices: Device[] = []
  for await (const device of fleet.each('listGroupMembers', { group: named })) devices.push(device)
  print(io, flags.json, {
    data: { ...group, devices },
    lines: () => [
      ...sheetLines([
        ['name', group.name],
        ['id', group.id],
        ['type', group.type],
        ['devices', String(group.size)],
        ['open', String(group.open)],
        ['created', group.createdAt],
      ]),
      ...devices.map(({ nick, id }) => printable(`  ${nick}  ${id}`)),
    ],
  })
}

function tell(did: string, group: Group, flags: FleetFlags, io: Io): void {
  print(io, flags.json, {
    data: group,
    lines: () => [`${did} ${printable(group.name)} (${group.id}), ${group.size} devices`],
  })
}
