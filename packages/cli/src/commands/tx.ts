/** `waymark tx`: what was asked of devices, how it stands, and calling it off. */
import type { Asked, Transaction } from '@waymark/sdk'
import { connect, type FleetFlags, namedCommand, runFleetCommand, withFleetFlags } from '../fleet-access.ts'
import { type Context, Failure, type Io, print } from '../io.ts'
import { type Outside, processOutside } from '../outside.ts'
import { type Column, printList, sheetLines } from '../show/table.ts'
import { printable } from '../show/words.ts'

interface TxFlags extends FleetFlags {
  readonly device?: string
  readonly state?: string
  readonly kind?: string
  readonly of?: string
}

const states = ['queued', 'sent', 'in-progress', 'done', 'failed', 'timed-out', 'cancelled'] as const

export function run(
  args: readonly string[],
  context: Context,
  outside: Outside = processOutside(),
): Promise<number> {
  const { io } = context
  return runFleetCommand(args, context, () => {
    const tx = namedCommand('tx').description('Transactions: things asked of devices.')
    withFleetFlags(tx.command('ls'))
      .description('Lists what was asked, newest first.')
      .option('--device <device>', 'of one device, by id or nick')
      .option('--state <state>', states.join(', '))
      .option('--kind <kind>', 'such as rpc, configuration, package, step')
      .option('--of <transaction>', 'the members of one that was asked of a group')
      .action((flags: TxFlags) => list(flags, io, outside))
    withFleetFlags(tx.command('show <transaction>'))
      .description('Shows one.')
      .action(async (id: string, flags: FleetFlags) => {
        const { fleet } = await connect(flags, io, outside)
        const found = await fleet.getTransaction({ id })
        print(io, flags.json, { data: found, lines: () => sheet(found) })
      })
    withFleetFlags(tx.command('cancel <transaction...>'))
      .description('Calls off what has not ended; members of a group with the whole.')
      .action(async (ids: string[], flags: FleetFlags) => {
        const { fleet } = await connect(flags, io, outside)
        for (const id of ids) {
          const ended = await fleet.cancelTransaction({ id })
          io.out(flags.json ? JSON.stringify(ended) : `called off ${id} (${ended.kind})`)
        }
      })
    return tx
  })
}

const columns: readonly Column<Transaction>[] = [
  { title: 'ID', cell: ({ id }) => id },
  { title: 'KIND', cell: ({ kind }) => kind },
  { title: 'DEVICE', cell: ({ device, group }) => device ?? (group === undefined ? '' : `group ${group}`) },
  { title: 'STATE', cell: ({ state }) => state },
  { title: 'ASKED', cell: ({ createdAt }) => createdAt },
  { title: 'REASON', cell: ({ reason }) => reason ?? '' },
]

async function list(flags: TxFlags, io: Io, outside: Outside): Promise<void> {
  const state = states.find((known) => known === flags.state)
  if (flags.state !== undefined && state === undefined)
    throw new Failure(2, `tx ls --state: wanted ${states.join(', ')}, got ${flags.state}`)
  const { fleet } = await connect(flags, io, outside)
  const asked: Asked<'listTransactions'> = {
    newest: true,
    device: flags.device,
    state,
    kind: flags.kind,
    parent: flags.of,
  }
  await printList(io, fleet.each('listTransactions', asked), {
    json: flags.json,
    columns,
    width: outside.screen?.columns,
    none: 'nothing was asked',
  })
}

function sheet(found: Transaction): string[] {
  const { id, kind, device, group, parent, lane, seq, state, percent, attempts } = found
  return sheetLines([
    ['id', id],
    ['kind', kind],
    ['device', device],
    ['group', group],
    ['member of', parent],
    ['lane', `${lane}, number ${seq}`],
    ['state', `${state}, ${percent} %`],
    ['reason', found.reason === undefined ? undefined : printable(found.reason)],
    ['handed over', `${attempts} times`],
    ['asked', found.createdAt],
    ['ended', found.endedAt],
    ['times out', found.expiresAt],
  ])
}
