/** `waymark device`: the devices of the tenant. They are named by id or nick everywhere. */
import { type Device, type Fleet, FleetProblem } from '@waymark/sdk'
import { connect, type FleetFlags, namedCommand, runFleetCommand, withFleetFlags } from '../fleet-access.ts'
import { type Context, Failure, type Io, print } from '../io.ts'
import { type Outside, processOutside } from '../outside.ts'
import { watchList } from '../show/live.ts'
import { type Column, printList, sheetLines, sortedEntries } from '../show/table.ts'
import { printable, timeFelt, timeWhole } from '../show/words.ts'
import { changeOf, metaOf } from './device-changes.ts'
import { printLogs } from './device-logs.ts'
import { outcomeSaid, trailOf } from './trail-views.ts'

interface ListFlags extends FleetFlags {
  readonly nick?: string
  readonly label?: string
  readonly type?: string
  readonly watch?: boolean
}

export function run(
  args: readonly string[],
  context: Context,
  outside: Outside = processOutside(),
): Promise<number> {
  const { io } = context
  return runFleetCommand(args, context, () => {
    const device = namedCommand('device').description('The devices of the tenant, named by id or nick.')
    withFleetFlags(device.command('ls'))
      .description('Lists devices.')
      .option('--nick <prefix>', 'whose nick begins so')
      .option('--label <label=value>', 'that have this label')
      .option('--type <type>', 'of this type')
      .option('-w, --watch', 'keep the list true until stopped')
      .action((flags: ListFlags) => list(flags, io, outside))
    withFleetFlags(device.command('show <device>'))
      .description('Shows one device: its trail, its metadata.')
      .action((name: string, flags: FleetFlags) => show(name, flags, io, outside))
    withFleetFlags(device.command('claim <id> <challenge>'))
      .description('Claims an unclaimed device by its id and challenge.')
      .option('--nick <nick>', 'the name it gets')
      .action((id: string, challenge: string, flags: FleetFlags & { nick?: string }) =>
        claim(id, challenge, flags, io, outside),
      )
    withFleetFlags(device.command('set <device> [assignments...]'))
      .description(
        'Sets nick and labels, and by key=value or key:=json what the device is to know (user-meta).',
      )
      .option('--nick <nick>', 'another name')
      .option('--label <label=value>', 'set a label; may be repeated', gathered)
      .option('--unlabel <label>', 'take a label away; may be repeated', gathered)
      .option('--public', 'let everybody who is logged in read it')
      .option('--private', 'let only the tenant read it')
      .action((name: string, assignments: string[], flags: SetFlags) =>
        set(name, assignments, flags, io, outside),
      )
    withFleetFlags(device.command('rm <device...>'))
      .description('Deletes devices: gone from every list, refused at login.')
      .option('-y, --yes', 'do not ask')
      .action((names: string[], flags: FleetFlags & { yes?: boolean }) => remove(names, flags, io, outside))
    withFleetFlags(device.command('logs <device>'))
      .description('Prints the newest lines of a device’s log.')
      .option('-f, --follow', 'go on with what arrives, until stopped')
      .option('-n, --lines <count>', 'how many lines to begin with', '100')
      .option('--level <level>', 'only of this level')
      .option('--source <source>', 'only from this source')
      .action((name: string, flags) => printLogs(name, flags, io, outside))
    return device
  })
}

interface SetFlags extends FleetFlags {
  readonly nick?: string
  readonly label?: string[]
  readonly unlabel?: string[]
  readonly public?: boolean
  readonly private?: boolean
}

/** Every mention of an option. Commander's own lists would swallow the arguments behind them. */
const gathered = (value: string, before: readonly string[] = []): string[] => [...before, value]

const labelsSaid = (device: Device): string =>
  sortedEntries(device.labels)
    .map(([label, value]) => `${label}=${value}`)
    .join(' ')

function deviceColumns(now: () => number): Column<Device>[] {
  return [
    { title: 'NICK', cell: ({ nick }) => nick },
    { title: 'ID', cell: ({ id }) => id },
    { title: 'SEEN', cell: ({ lastSeenAt }) => timeFelt(lastSeenAt, now()) },
    { title: 'LABELS', cell: labelsSaid },
  ]
}

async function list(flags: ListFlags, io: Io, outside: Outside): Promise<void> {
  const { fleet, renewMs } = await connect(flags, io, outside)
  const { nick, label, type } = flags
  const columns = deviceColumns(() => outside.now())
  const all = () => fleet.each('listDevices', { nick, label, type, limit: 200 })
  if (!flags.watch) {
    await printList(io, all(), {
      json: flags.json,
      columns,
      width: outside.screen?.columns,
      none: 'no devices',
    })
    return
  }
  await watchList(
    { io, outside, fleet, renewMs, json: flags.json },
    {
      columns,
      list: all,
      key: ({ id }) => id,
      device: ({ id }) => id,
      async reload(id) {
        const found = await deviceIfThere(fleet, id)
        return found && fits(found, flags) ? [found] : []
      },
    },
  )
}

/** Whether a device belongs into the list that was asked for: what the server would answer, of one device. */
function fits(device: Device, { nick, label, type }: ListFlags): boolean {
  if (nick !== undefined && !device.nick.toLowerCase().startsWith(nick.toLowerCase())) return false
  if (type !== undefined && device.type !== type) return false
  if (label === undefined) return true
  const [name = '', ...value] = label.split('=')
  const held = device.labels[name]
  return held !== undefined && (value.length === 0 || held === value.join('='))
}

async function deviceIfThere(fleet: Fleet, name: string): Promise<Device | undefined> {
  try {
    return await fleet.getDevice({ device: name })
  } catch (error) {
    if (error instanceof FleetProblem && error.status === 404) return undefined
    throw error
  }
}

async function show(name: string, flags: FleetFlags, io: Io, outside: Outside): Promise<void> {
  const { fleet } = await connect(flags, io, outside)
  const device = await fleet.getDevice({ device: name })
  const of = { device: device.id }
  const [trail, userMeta, deviceMeta] = await Promise.all([
    trailOf(fleet, device.id),
    fleet.getUserMeta(of),
    fleet.getDeviceMeta(of),
  ])
  const now = outside.now()
  print(io, flags.json, {
    data: { device, ...(trail === undefined ? {} : { trail }), userMeta, deviceMeta },
    lines: () => [
      ...sheetLines([
        ['nick', device.nick],
        ['id', device.id],
        ['type', device.type],
        ['link', linkSaid(device.link)],
        ['labels', labelsSaid(device) || undefined],
        ['public', device.public ? 'yes' : undefined],
        ['created', timeWhole(device.createdAt, now)],
        ['claimed', device.claimedAt === undefined ? 'no' : timeWhole(device.claimedAt, now)],
        ['seen', timeWhole(device.lastSeenAt, now)],
        ['address', device.address],
        // What is reached over a link follows no trail.
        [
          'trail',
          trail === undefined && device.link === undefined
            ? 'has not announced its factory state yet'
            : undefined,
        ],
        ['newest step', trail && `${trail.head.rev} ${outcomeSaid(trail.head)}`],
        ['running', trail && (trail.running === undefined ? 'not known' : String(trail.running))],
      ]),
      ...metaLines('user-meta', userMeta),
      ...metaLines('device-meta', deviceMeta),
    ],
  })
}

function metaLines(title: string, meta: Readonly<Record<string, unknown>>): string[] {
  const pairs = sortedEntries(meta).map(
    ([key, value]) => [`  ${key}`, typeof value === 'string' ? value : JSON.stringify(value)] as const,
  )
  return pairs.length === 0 ? [] : ['', title, ...sheetLines(pairs)]
}

async function claim(
  id: string,
  challenge: string,
  flags: FleetFlags & { nick?: string },
  io: Io,
  outside: Outside,
): Promise<void> {
  if (!/^[0-9a-f]{24}$/.test(id))
    throw new Failure(2, `device claim: wanted the id of a device (24 hex digits), got ${id}`)
  const { fleet } = await connect(flags, io, outside)
  let device = await fleet.claimDevice({ device: id, body: { challenge } })
  if (flags.nick !== undefined)
    try {
      device = await fleet.changeDevice({ device: id, body: { nick: flags.nick } })
    } catch (error) {
      io.err(`claimed ${device.id} as ${device.nick}, and not as ${printable(flags.nick)}:`)
      throw error
    }
  print(io, flags.json, { data: device, lines: () => [`claimed ${device.id} as ${device.nick}`] })
}

async function set(
  name: string,
  assignments: readonly string[],
  flags: SetFlags,
  io: Io,
  outside: Outside,
): Promise<void> {
  const change = changeOf(flags)
  const meta = metaOf(assignments)
  if (change === undefined && meta === undefined)
    throw new Failure(2, 'device set: wanted key=value, --nick, --label, --unlabel, --public or --private')
  const { fleet } = await connect(flags, io, outside)
  // The name may be what is changed: from here on the id is meant.
  const { id } = await fleet.getDevice({ device: name })
  const userMeta = meta && (await fleet.patchUserMeta({ device: id, body: meta }))
  const device = change
    ? await fleet.changeDevice({ device: id, body: change })
    : await fleet.getDevice({ device: id })
  print(io, flags.json, {
    data: { device, ...(userMeta === undefined ? {} : { userMeta }) },
    lines: () => [`set ${device.nick}`],
  })
}

async function remove(
  names: readonly string[],
  flags: FleetFlags & { yes?: boolean },
  io: Io,
  outside: Outside,
): Promise<void> {
  if (!flags.yes && !outside.interactive)
    throw new Failure(2, 'device rm: wanted --yes, since there is no terminal to ask on')
  const { fleet } = await connect(flags, io, outside)
  const devices = await Promise.all(names.map((device) => fleet.getDevice({ device })))
  if (!flags.yes) {
    const answer = await outside.ask(
      `delete ${devices.map(({ nick, id }) => `${nick} (${id})`).join(', ')}? [y/N] `,
      { hidden: false },
    )
    if (!/^y(es)?$/i.test(answer.trim())) throw new Failure(1, 'nothing deleted')
  }
  for (const { id } of devices) {
    const gone = await fleet.deleteDevice({ device: id })
    if (flags.json) io.out(JSON.stringify(gone))
    else io.out(`deleted ${gone.nick} (${gone.id})`)
  }
}

/** How a device that is connected to is reached, and what waits for it. */
function linkSaid(link: Device['link']): string | undefined {
  if (link === undefined) return undefined
  const there = link.connected ? 'connected' : 'offline'
  const waiting = link.waiting > 1000 ? 'more than 1000' : String(link.waiting)
  return `${link.protocol ?? 'no protocol'}, ${there}, ${waiting} in its queue`
}
