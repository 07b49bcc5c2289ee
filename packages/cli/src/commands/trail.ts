/** `waymark trail`: what devices are wanted to be, step by step, and what came of it. */
import { type Fleet, FleetProblem, type Step } from '@waymark/sdk'
import { connect, type FleetFlags, namedCommand, runFleetCommand, withFleetFlags } from '../fleet-access.ts'
import { type Context, Failure, type Io, print } from '../io.ts'
import { type Outside, processOutside } from '../outside.ts'
import { watchList } from '../show/live.ts'
import { printList, sheetLines, sortedEntries } from '../show/table.ts'
import { printable, timeWhole } from '../show/words.ts'
import { type PostFlags, postStep } from './trail-post.ts'
import { hasEnded, outcomeSaid, stepColumns, type TrailRow, trailColumns, trailOf } from './trail-views.ts'

interface ListFlags extends FleetFlags {
  readonly watch?: boolean
}

interface ShowFlags extends FleetFlags {
  readonly state?: boolean
  readonly watch?: boolean
}

export function run(
  args: readonly string[],
  context: Context,
  outside: Outside = processOutside(),
): Promise<number> {
  const { io } = context
  return runFleetCommand(args, context, (exit) => {
    const trail = namedCommand('trail').description('The steps that devices are sent, and what came of them.')
    withFleetFlags(trail.command('ls [device]'))
      .description('Lists where all trails stand, or the steps of one, newest first.')
      .option('-w, --watch', 'keep the list true until stopped')
      .action((name: string | undefined, flags: ListFlags) =>
        name === undefined ? listTrails(flags, io, outside) : listSteps(name, flags, io, outside),
      )
    withFleetFlags(trail.command('show <device> [step]'))
      .description('Shows a step, the newest one when none is named.')
      .option('--state', 'print the state it asks for, as JSON')
      .option('-w, --watch', 'follow it to its end; the exit code is 1 when it does not end done')
      .action(async (name: string, rev: string | undefined, flags: ShowFlags) =>
        exit(await show(name, rev, flags, io, outside)),
      )
    withFleetFlags(trail.command('post <device> <source>'))
      .description(
        'Posts a step. SOURCE is a file that holds a whole state, or a folder: its *.json become documents, its other files objects, on top of the newest step.',
      )
      .option('-m, --message <text>', 'what this step is about')
      .option('--replace', 'a folder is the whole state, not put on top of the newest step')
      .option('-w, --watch', 'follow it to its end; the exit code is 1 when it does not end done')
      .action(async (name: string, source: string, flags: PostFlags) => {
        const connected = await connect(flags, io, outside)
        const step = await postStep(connected.fleet, name, source, flags, io, outside)
        if (!flags.watch || !flags.json)
          print(io, flags.json, {
            data: step,
            lines: () => [`posted step ${step.rev} to ${printable(name)}`],
          })
        if (flags.watch) exit(await watchStep(connected, step, flags, io, outside))
      })
    withFleetFlags(trail.command('cancel <device> <step>'))
      .description('Takes back a step that no device has taken yet.')
      .action((name: string, rev: string, flags: FleetFlags) => cancel(name, rev, flags, io, outside))
    withFleetFlags(trail.command('abort <device> <step>'))
      .description('Asks the device to give up a step that it has taken and not finished.')
      .action((name: string, rev: string, flags: FleetFlags) => abort(name, rev, flags, io, outside))
    withFleetFlags(trail.command('clear <device> <step>'))
      .description('Clears a failed step: what waits behind it may go on.')
      .action((name: string, rev: string, flags: FleetFlags) => clear(name, rev, flags, io, outside))
    return trail
  })
}

async function listTrails(flags: ListFlags, io: Io, outside: Outside): Promise<void> {
  const { fleet, renewMs } = await connect(flags, io, outside)
  const columns = trailColumns(() => outside.now())
  if (!flags.watch) {
    const how = { json: flags.json, columns, width: outside.screen?.columns, none: 'no devices' }
    await printList(io, trailRows(fleet), how)
    return
  }
  await watchList<TrailRow>(
    { io, outside, fleet, renewMs, json: flags.json },
    {
      columns,
      list: () => trailRows(fleet),
      key: ({ device }) => device.id,
      device: ({ device }) => device.id,
      async reload(id) {
        try {
          return [await trailRow(fleet, await fleet.getDevice({ device: id }))]
        } catch (error) {
          if (error instanceof FleetProblem && error.status === 404) return []
          throw error
        }
      },
    },
  )
}

/** Trails asked for at once. */
const atOnce = 8

/** All devices with their trails, a few at a time. */
async function* trailRows(fleet: Fleet): AsyncGenerator<TrailRow> {
  let waiting: Promise<TrailRow>[] = []
  for await (const device of fleet.each('listDevices', { limit: 200 })) {
    const row = trailRow(fleet, device)
    // It is awaited in its turn; until then nobody else may call it unhandled.
    row.catch(() => {})
    waiting.push(row)
    if (waiting.length < atOnce) continue
    yield* await Promise.all(waiting)
    waiting = []
  }
  yield* await Promise.all(waiting)
}

async function trailRow(fleet: Fleet, device: TrailRow['device']): Promise<TrailRow> {
  const trail = await trailOf(fleet, device.id)
  return trail === undefined ? { device } : { device, trail }
}

async function listSteps(name: string, flags: ListFlags, io: Io, outside: Outside): Promise<void> {
  const { fleet, renewMs } = await connect(flags, io, outside)
  const { id: device } = await fleet.getDevice({ device: name })
  const columns = stepColumns(() => outside.now())
  if (!flags.watch) {
    const all = fleet.each('listSteps', { device, limit: 200 })
    await printList(io, all, {
      json: flags.json,
      columns,
      width: outside.screen?.columns,
      none: 'no steps yet',
    })
    return
  }
  const newest = async (): Promise<readonly Step[]> =>
    (await fleet.listSteps({ device, limit: 50 })).items.toReversed()
  await watchList<Step>(
    { io, outside, fleet, renewMs, json: flags.json },
    {
      columns,
      only: device,
      async *list() {
        yield* await newest()
      },
      reload: newest,
      key: ({ generation, rev }) => `${generation}/${rev}`,
      device: (step) => step.device,
    },
  )
}

async function show(
  name: string,
  asked: string | undefined,
  flags: ShowFlags,
  io: Io,
  outside: Outside,
): Promise<number> {
  const connected = await connect(flags, io, outside)
  const { fleet } = connected
  const step =
    asked === undefined
      ? (await fleet.getTrail({ device: name })).head
      : await fleet.getStep({ device: name, rev: revisionOf(asked) })
  if (flags.watch) return watchStep(connected, step, flags, io, outside)
  const [state, device] = await Promise.all([
    fleet.getState({ device: step.device, rev: step.rev }),
    fleet.getDevice({ device: step.device }),
  ])
  if (flags.state) {
    io.out(JSON.stringify(state, undefined, 2))
    return 0
  }
  const now = outside.now()
  const said = step.report['status-msg']
  print(io, flags.json, {
    data: { step, state },
    lines: () => [
      ...sheetLines([
        ['device', `${device.nick} (${device.id})`],
        ['step', step.generation > 1 ? `${step.rev} of trail ${step.generation}` : String(step.rev)],
        ['outcome', outcomeSaid(step)],
        ['status', step.status],
        ['says', typeof said === 'string' && said !== '' ? said : undefined],
        ['message', step.commitMsg || undefined],
        ['state', step.stateSha],
        ['posted', timeWhole(step.createdAt, now)],
        ['reported', step.reportedAt === undefined ? undefined : timeWhole(step.reportedAt, now)],
      ]),
      '',
      ...sheetLines(
        sortedEntries(state).map(([path, value]) => [
          `  ${printable(path)}`,
          typeof value === 'string' ? value : 'document',
        ]),
      ),
    ],
  })
  return 0
}

async function cancel(name: string, rev: string, flags: FleetFlags, io: Io, outside: Outside): Promise<void> {
  const { fleet } = await connect(flags, io, outside)
  const step = await fleet.cancelStep({ device: name, rev: revisionOf(rev) })
  print(io, flags.json, { data: step, lines: () => [`cancelled step ${step.rev} of ${printable(name)}`] })
}

async function abort(name: string, rev: string, flags: FleetFlags, io: Io, outside: Outside): Promise<void> {
  const { fleet } = await connect(flags, io, outside)
  const step = await fleet.abortStep({ device: name, rev: revisionOf(rev) })
  const said = `asked ${printable(name)} to give up step ${step.rev}`
  print(io, flags.json, { data: step, lines: () => [said] })
}

async function clear(name: string, rev: string, flags: FleetFlags, io: Io, outside: Outside): Promise<void> {
  const { fleet } = await connect(flags, io, outside)
  const step = await fleet.clearStep({ device: name, rev: revisionOf(rev) })
  print(io, flags.json, { data: step, lines: () => [`cleared step ${step.rev} of ${printable(name)}`] })
}

/** Follows one step until nothing more will come of it; answers the exit code. */
async function watchStep(
  { fleet, renewMs }: { fleet: Fleet; renewMs: number },
  { device, rev }: Step,
  flags: FleetFlags,
  io: Io,
  outside: Outside,
): Promise<number> {
  const now = async (): Promise<readonly Step[]> => [await fleet.getStep({ device, rev })]
  const rows = await watchList<Step>(
    { io, outside, fleet, renewMs, json: flags.json },
    {
      columns: stepColumns(() => outside.now()),
      only: device,
      async *list() {
        yield* await now()
      },
      reload: now,
      key: (step) => String(step.rev),
      device: (step) => step.device,
      until: (steps) => [...steps.values()].every(hasEnded),
    },
  )
  const [end] = rows.values()
  return end && hasEnded(end) && end.outcome !== 'done' ? 1 : 0
}

function revisionOf(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new Failure(2, `step: wanted its number, got ${text}`)
  return Number(text)
}
