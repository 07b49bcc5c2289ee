/** `waymark package`: software for devices of every link; an image is uploaded first, as an object, and streamed. */
import { readFile } from 'node:fs/promises'
import { basename } from 'node:path'
import type { Answered, Asked } from '@waymark/sdk'
import { Option } from 'commander'
import { confirm } from '../ask.ts'
import { connect, type FleetFlags, namedCommand, runFleetCommand, withFleetFlags } from '../fleet-access.ts'
import { type Context, Failure, type Io, print } from '../io.ts'
import { type Outside, processOutside } from '../outside.ts'
import { type Column, printList, sheetLines } from '../show/table.ts'
import { printable, sizeSaid } from '../show/words.ts'
import { upload } from '../transfer.ts'

type Package = Answered<'getPackage'>
type OnDevice = Answered<'listPackageDevices'>['items'][number]

interface PushFlags extends FleetFlags {
  readonly name?: string
  readonly module?: string
  readonly container?: string
  readonly needs: readonly string[]
  readonly upgrades: readonly string[]
}

interface OperateFlags extends FleetFlags {
  readonly device: readonly string[]
  readonly group: readonly string[]
  readonly recursive?: boolean
  readonly from?: string
  readonly removeUnused?: boolean
  readonly keepUnused?: boolean
  readonly values?: string
  readonly ttl?: string
}

type Operation = Asked<'operatePackage'>['body']['operation']

export function run(
  args: readonly string[],
  context: Context,
  outside: Outside = processOutside(),
): Promise<number> {
  const { io } = context
  const many = (value: string, before: readonly string[]) => [...before, value]
  return runFleetCommand(args, context, () => {
    const root = namedCommand('package').description('Software packages for devices.')
    withFleetFlags(root.command('push <file>'))
      .description('Uploads an image and makes a package of it.')
      .option('--name <name>', 'what it is called; else what the file is')
      .option('--module <file>', 'the module of its operations and configuration')
      .option('--container <name>', 'the container of its configuration, in the module')
      .option('--needs <package>', 'what has to be installed first; may be given again', many, [])
      .option('--upgrades <package>', 'what it can take the place of; may be given again', many, [])
      .action((file: string, flags: PushFlags) => push(file, flags, io, outside))
    withFleetFlags(root.command('ls'))
      .description('Lists packages, by name.')
      .action(async (flags: FleetFlags) => {
        const { fleet } = await connect(flags, io, outside)
        const how = { json: flags.json, columns, width: outside.screen?.columns, none: 'no packages' }
        await printList(io, fleet.each('listPackages'), how)
      })
    withFleetFlags(root.command('show <package>'))
      .description('Shows a package, and the types of devices that may have it.')
      .action(async (name: string, flags: FleetFlags) => {
        const { fleet } = await connect(flags, io, outside)
        const found = await fleet.getPackage({ package: name })
        print(io, flags.json, { data: found, lines: () => sheet(found) })
      })
    withFleetFlags(root.command('status <package>'))
      .description('Tells how it stands on each device that has it, had it, or is to have it.')
      .action(async (name: string, flags: FleetFlags) => {
        const { fleet } = await connect(flags, io, outside)
        const how = {
          json: flags.json,
          columns: devices,
          width: outside.screen?.columns,
          none: 'on no device',
        }
        await printList(io, fleet.each('listPackageDevices', { package: name }), how)
      })
    const allow = root.command('allow <package> <type>')
    withFleetFlags(allow)
      .description('Lets devices of a type have it; `pantahub` is the type of those that follow a trail.')
      .option('--install-arguments <text>', 'what the device’s installer is told')
      .option('--upgrade-arguments <text>', 'the same for an upgrade')
      .option('--uninstall-arguments <text>', 'the same for a removal')
      .option('--not', 'no longer; where it is installed it stays')
      .action(
        (name: string, type: string, flags: FleetFlags & Record<string, string | boolean | undefined>) =>
          allowed(name, type, flags, io, outside),
      )
    for (const operation of ['install', 'upgrade', 'uninstall', 'transmit'] as const) {
      const command = withFleetFlags(root.command(`${operation} <package>`))
        .description(told[operation])
        .option('-d, --device <device>', 'a device, by id or nick; may be given again', many, [])
        .option('-g, --group <group>', 'a group, by id or name; may be given again', many, [])
        .option('--ttl <seconds>', 'how long it may wait; a week if nothing is said')
      if (operation === 'install')
        command.option('--values <json>', 'its first configuration; @FILE reads one')
      if (operation === 'install' || operation === 'upgrade')
        command.option('-r, --recursive', 'install what it needs first')
      if (operation === 'upgrade') command.option('--from <package>', 'what it replaces; else what it finds')
      if (operation === 'upgrade') command.option('--remove-unused', 'uninstall what nothing needs any more')
      if (operation === 'uninstall')
        command.addOption(new Option('--keep-unused', 'leave what nothing needs any more'))
      command.action((name: string, flags: OperateFlags) => operate(operation, name, flags, io, outside))
    }
    withFleetFlags(root.command('rm <package>'))
      .description('Removes a package that no device has or is getting, no other needs and no type allows.')
      .option('-y, --yes', 'do not ask')
      .action(async (name: string, flags: FleetFlags & { yes?: boolean }) => {
        await confirm(outside, { what: 'package rm', question: `remove ${printable(name)}?`, yes: flags.yes })
        const { fleet } = await connect(flags, io, outside)
        const gone = await fleet.removePackage({ package: name })
        print(io, flags.json, { data: gone, lines: () => [`removed ${printable(gone.name)}`] })
      })
    return root
  })
}

const told = {
  install: 'Installs it on devices and groups, as one transaction.',
  upgrade: 'Installs it in the place of what it can replace.',
  uninstall: 'Uninstalls it, and what then nothing needs any more.',
  transmit: 'Brings its image to devices, and does not install it.',
} as const satisfies Record<Operation, string>

const columns: readonly Column<Package>[] = [
  { title: 'NAME', cell: ({ name }) => name },
  { title: 'SIZE', cell: ({ size }) => sizeSaid(size), right: true },
  { title: 'MODULE', cell: ({ module: file }) => file ?? '' },
  { title: 'NEEDS', cell: ({ needs }) => needs.join(' ') },
  { title: 'UPGRADES', cell: ({ upgrades }) => upgrades.join(' ') },
]

const devices: readonly Column<OnDevice>[] = [
  { title: 'DEVICE', cell: ({ nick }) => nick },
  { title: 'INSTALLED', cell: ({ installed }) => (installed ? 'yes' : 'no') },
  { title: 'LAST', cell: ({ operation }) => operation },
  { title: 'STATUS', cell: ({ status }) => status },
  { title: 'SINCE', cell: ({ since }) => since },
]

function sheet(found: Package): string[] {
  const list = (names: readonly string[] | undefined) => (names?.length ? names.join(' ') : undefined)
  return sheetLines([
    ['name', found.name],
    ['image', found.image],
    ['size', sizeSaid(found.size)],
    ['module', found.module],
    ['container', found.container],
    ['needs', list(found.needs)],
    ['upgrades', list(found.upgrades)],
    ['types', list(found.types)],
    ['created', found.createdAt],
  ])
}

async function push(file: string, flags: PushFlags, io: Io, outside: Outside): Promise<void> {
  const { fleet } = await connect(flags, io, outside)
  const name = flags.name ?? basename(file)
  const { sha256 } = await upload({ fleet, io, outside, file, name })
  const { module: module_, container, needs, upgrades } = flags
  const body = { name, image: sha256, module: module_, container, needs, upgrades }
  const made = await fleet.createPackage({ body })
  print(io, flags.json, {
    data: made,
    lines: () => [`pushed ${printable(made.name)}, ${sizeSaid(made.size)}, ${made.image}`],
  })
}

async function allowed(
  name: string,
  type: string,
  flags: FleetFlags & Readonly<Record<string, string | boolean | undefined>>,
  io: Io,
  outside: Outside,
): Promise<void> {
  const { fleet } = await connect(flags, io, outside)
  const text = (flag: string) => (typeof flags[flag] === 'string' ? flags[flag] : undefined)
  const done = flags.not
    ? await fleet.disallowPackage({ package: name, body: { type } })
    : await fleet.allowPackage({
        package: name,
        body: {
          type,
          installArguments: text('installArguments'),
          upgradeArguments: text('upgradeArguments'),
          uninstallArguments: text('uninstallArguments'),
        },
      })
  const may = flags.not ? 'may have it no longer' : 'may have it'
  print(io, flags.json, {
    data: done,
    lines: () => [`${printable(done.package)}: devices of type ${printable(done.type)} ${may}`],
  })
}

async function operate(
  operation: Operation,
  name: string,
  flags: OperateFlags,
  io: Io,
  outside: Outside,
): Promise<void> {
  if (flags.device.length + flags.group.length === 0)
    throw new Failure(2, `package ${operation}: wanted --device or --group, got neither`)
  const seconds = flags.ttl === undefined ? undefined : Number(flags.ttl)
  if (seconds !== undefined && !(Number.isSafeInteger(seconds) && seconds > 0))
    throw new Failure(2, `package ${operation} --ttl: wanted a number of seconds, got ${flags.ttl}`)
  const { fleet } = await connect(flags, io, outside)
  const asked = await fleet.operatePackage({
    package: name,
    body: {
      operation,
      devices: flags.device,
      groups: flags.group,
      recursive: flags.recursive,
      from: flags.from,
      removeUnused: flags.removeUnused ?? (flags.keepUnused ? false : undefined),
      values: flags.values === undefined ? undefined : await valuesOf(flags.values),
      ttlMs: seconds === undefined ? undefined : seconds * 1000,
    },
  })
  print(io, flags.json, {
    data: asked,
    lines: () => [`${operation} ${printable(name)}: ${asked.state} (waymark tx show ${asked.id})`],
  })
  if (asked.state === 'failed') throw new Failure(1, printable(asked.reason ?? 'failed'))
}

/** JSON as it was typed, or what a file holds. */
export async function valuesOf(given: string): Promise<string> {
  if (!given.startsWith('@')) return given
  const file = given.slice(1)
  return readFile(file, 'utf8').catch(() => {
    throw new Failure(1, `${file}: wanted a file of JSON, got nothing that can be read`)
  })
}
