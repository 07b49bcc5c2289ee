/** `waymark join-token`: tokens by which devices register straight into the tenant, with what they are told from the start. */
import type { JoinToken } from '@waymark/sdk'
import { connect, type FleetFlags, namedCommand, runFleetCommand, withFleetFlags } from '../fleet-access.ts'
import { type Context, type Io, print } from '../io.ts'
import { type Outside, processOutside } from '../outside.ts'
import { type Column, printList, sortedEntries } from '../show/table.ts'
import { timeFelt } from '../show/words.ts'
import { metaOf } from './device-changes.ts'

export function run(
  args: readonly string[],
  context: Context,
  outside: Outside = processOutside(),
): Promise<number> {
  const { io } = context
  return runFleetCommand(args, context, () => {
    const token = namedCommand('join-token').description(
      'Join tokens: devices that bring one register straight into the tenant.',
    )
    withFleetFlags(token.command('ls'))
      .description('Lists the join tokens of the tenant, without the tokens themselves.')
      .action((flags: FleetFlags) => list(flags, io, outside))
    withFleetFlags(token.command('create [assignments...]'))
      .description(
        'Makes a join token, printed this once; by key=value or key:=json what its devices are to know (user-meta).',
      )
      .option('--nick <nick>', 'what it is called')
      .action((assignments: string[], flags: FleetFlags & { nick?: string }) =>
        create(assignments, flags, io, outside),
      )
    withFleetFlags(token.command('disable <id...>'))
      .description('Lets nobody in by these any more.')
      .action((ids: string[], flags: FleetFlags) => disable(ids, flags, io, outside))
    return token
  })
}

const columns = (now: number): Column<JoinToken>[] => [
  { title: 'ID', cell: ({ id }) => id },
  { title: 'NICK', cell: ({ nick }) => nick },
  { title: 'MADE', cell: ({ createdAt }) => timeFelt(createdAt, now) },
  { title: 'STATE', cell: ({ disabled }) => (disabled ? 'disabled' : 'good') },
  {
    title: 'USER-META',
    cell: ({ defaultUserMeta }) =>
      sortedEntries(defaultUserMeta)
        .map(([key, value]) => `${key}=${typeof value === 'string' ? value : JSON.stringify(value)}`)
        .join(' '),
  },
]

async function list(flags: FleetFlags, io: Io, outside: Outside): Promise<void> {
  const { fleet } = await connect(flags, io, outside)
  const { items } = await fleet.listJoinTokens()
  await printList(
    io,
    (async function* () {
      yield* items
    })(),
    {
      json: flags.json,
      columns: columns(outside.now()),
      width: outside.screen?.columns,
      none: 'no join tokens',
    },
  )
}

async function create(
  assignments: readonly string[],
  flags: FleetFlags & { nick?: string },
  io: Io,
  outside: Outside,
): Promise<void> {
  const defaultUserMeta = metaOf(assignments, 'join-token create')
  const { fleet } = await connect(flags, io, outside)
  const made = await fleet.createJoinToken({ body: { nick: flags.nick, defaultUserMeta } })
  print(io, flags.json, { data: made, lines: () => [made.token] })
  if (!flags.json) io.err(`join token ${made.joinToken.id}; it is not shown again`)
}

async function disable(ids: readonly string[], flags: FleetFlags, io: Io, outside: Outside): Promise<void> {
  const { fleet } = await connect(flags, io, outside)
  for (const id of ids) {
    const gone = await fleet.disableJoinToken({ id })
    if (flags.json) io.out(JSON.stringify(gone))
    else io.out(`disabled ${gone.id}`)
  }
}
