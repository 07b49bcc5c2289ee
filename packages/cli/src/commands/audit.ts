/** `waymark audit`: what people did, when and from where. */
import type { Fleet } from '@waymark/sdk'
import { connect, type FleetFlags, namedCommand, runFleetCommand, withFleetFlags } from '../fleet-access.ts'
import type { Context, Io } from '../io.ts'
import { type Outside, processOutside } from '../outside.ts'
import { type Column, printList } from '../show/table.ts'
import { printable } from '../show/words.ts'

interface AuditFlags extends FleetFlags {
  readonly of?: string
}

type Entry = Awaited<ReturnType<Fleet['readAudit']>>['items'][number]

export function run(
  args: readonly string[],
  context: Context,
  outside: Outside = processOutside(),
): Promise<number> {
  const { io } = context
  return runFleetCommand(args, context, () =>
    withFleetFlags(namedCommand('audit'))
      .description('Lists what people did in the tenant, oldest first: when, who, from where, and what.')
      .option('--of <tenant>', 'another tenant by id or nick, or `house`: for who runs the installation')
      .action((flags: AuditFlags) => list(flags, io, outside)),
  )
}

const columns: Column<Entry>[] = [
  { title: 'AT', cell: ({ at }) => at },
  { title: 'WHO', cell: ({ by }) => `${by.kind} ${by.id}` },
  { title: 'FROM', cell: ({ data }) => (typeof data.address === 'string' ? data.address : '') },
  { title: 'WHAT', cell: ({ kind }) => kind },
  { title: 'DEVICE', cell: ({ device }) => device ?? '' },
  {
    title: 'FACTS',
    cell: ({ data: { address: _, ...facts } }) => printable(JSON.stringify(facts)),
  },
]

async function list(flags: AuditFlags, io: Io, outside: Outside): Promise<void> {
  const { fleet } = await connect(flags, io, outside)
  await printList(io, entries(fleet, flags.of), {
    json: flags.json,
    columns,
    width: outside.screen?.columns,
    none: 'nothing yet',
  })
}

async function* entries(fleet: Fleet, tenant: string | undefined): AsyncGenerator<Entry> {
  let after: string | undefined
  for (;;) {
    const page = await fleet.readAudit({
      limit: 500,
      ...(tenant === undefined ? {} : { tenant }),
      ...(after === undefined ? {} : { after }),
    })
    yield* page.items
    if (page.items.length === 0 || page.next === after) return
    after = page.next
  }
}
