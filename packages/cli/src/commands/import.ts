/** `waymark import`: devices with their trails and objects, out of a folder, or another server, into ours. */
import { connect, type FleetFlags, namedCommand, runFleetCommand, withFleetFlags } from '../fleet-access.ts'
import { type Context, Failure, type Io, print } from '../io.ts'
import { type Folder, folderAt } from '../move/folder.ts'
import { type ImportOutcome, importDevices, planImport, refusedThere } from '../move/import.ts'
import { countsSaid, said, tallyOf } from '../move/tally.ts'
import { type Outside, processOutside } from '../outside.ts'
import { printable, sizeSaid } from '../show/words.ts'
import {
  exported,
  type SourceFlags,
  secretSaid,
  sourceOf,
  tellExport,
  tellPlan,
  withSourceFlags,
} from './export.ts'

type Flags = FleetFlags & SourceFlags

export function run(
  args: readonly string[],
  context: Context,
  outside: Outside = processOutside(),
): Promise<number> {
  const { io } = context
  return runFleetCommand(args, context, (done) =>
    withSourceFlags(withFleetFlags(namedCommand('import')))
      .argument('[folder]', 'one that waymark export wrote; with --from: where the copy is kept meanwhile')
      .description(
        'Puts devices with their trails and objects into the server, as they stood where they come from: out of a folder, or with --from straight out of another Pantahub server. Broken off, it goes on next time.',
      )
      .action(async (path: string | undefined, flags: Flags) => {
        done(await imported(path, flags, io, outside))
      }),
  )
}

async function imported(path: string | undefined, flags: Flags, io: Io, outside: Outside): Promise<number> {
  if (flags.from === undefined && path === undefined)
    throw new Failure(2, 'import: wanted a folder, or --from for another server')
  if (flags.from === undefined && (flags.user ?? flags.objectsFrom ?? flags.passwordStdin) !== undefined)
    throw new Failure(2, 'import: wanted --from beside --user, --password-stdin and --objects-from')
  const { fleet } = await connect(flags, io, outside)
  // Asked before anything is fetched: without a login here there is no use in a copy.
  await fleet.whoAmI()
  if (flags.from === undefined) return fromFolder(folderAt(path ?? ''), flags, io, outside)

  const source = await sourceOf(flags, 'import', io, outside)
  if (flags.dryRun)
    return tellPlan(source, flags, io, (device) => refusedThere(fleet, device, io.stopSignal()))
  const folder = folderAt(path ?? `waymark-from-${new URL(source.url).host.replace(/[^\w.-]/g, '-')}`)
  const copied = await exported(source, folder, flags, io, outside)
  const fetched = tellExport(copied, flags.json, io, false)
  const failed = new Set(
    copied.outcomes.flatMap((outcome) => (outcome.failed === undefined ? [] : [outcome.id])),
  )
  // What did not come whole waits for its rest: a trail is not begun that cannot go on.
  const ids = copied.outcomes.flatMap(({ id }) => (id === '' || failed.has(id) ? [] : [id]))
  return Math.max(fetched, await intoServer(folder, ids, flags, io, outside))
}

async function fromFolder(folder: Folder, flags: Flags, io: Io, outside: Outside): Promise<number> {
  const { completeAt } = await folder.state()
  if (completeAt === undefined)
    io.err(`${folder.path} is not complete: waymark export goes on with it; what is there is taken`)
  const ids = await wanted(folder, flags.device ?? [])
  return flags.dryRun
    ? tellImportPlan(folder, ids, flags, io, outside)
    : intoServer(folder, ids, flags, io, outside)
}

/** The devices of the folder that are asked for. */
async function wanted(folder: Folder, only: readonly string[]): Promise<string[]> {
  const ids = await folder.deviceIds()
  if (only.length === 0) return ids
  const nicks = new Map<string, string>()
  for (const id of ids) nicks.set((await folder.device(id)).nick, id)
  return only.map((name) => {
    const id = ids.includes(name) ? name : nicks.get(name)
    if (id === undefined)
      throw new Failure(1, `--device ${printable(name)}: ${folder.path} has no such device`)
    return id
  })
}

async function intoServer(
  folder: Folder,
  ids: readonly string[],
  flags: Flags,
  io: Io,
  outside: Outside,
): Promise<number> {
  const { fleet } = await connect(flags, io, outside)
  const tally = tallyOf(outside, 'importing')
  let outcomes: ImportOutcome[]
  try {
    outcomes = await importDevices({ folder, fleet, outside, signal: io.stopSignal(), tally }, ids)
  } finally {
    tally.end()
  }
  for (const { nick, id, notes, failed, secret } of outcomes) {
    const told = [...notes, ...(failed === undefined ? [] : [failed])]
    if (failed === undefined && secret === 'new')
      told.push(`${secretSaid('new')}, which stands in ${folder.path}/state.json`)
    for (const line of told) io.err(`${printable(nick)} (${id}): ${printable(line)}`)
  }
  const failed = outcomes.filter((outcome) => outcome.failed !== undefined).length
  print(io, flags.json, {
    data: { server: fleet.url, folder: folder.path, devices: outcomes },
    lines: () => [
      `imported ${countsSaid({ ...tally.counts, devices: outcomes.length - failed })} into ${fleet.url}`,
    ],
  })
  if (failed > 0) io.err(`${said(failed, 'device')} did not get there; run it again to go on`)
  return failed === 0 ? 0 : 1
}

async function tellImportPlan(
  folder: Folder,
  ids: readonly string[],
  flags: Flags,
  io: Io,
  outside: Outside,
): Promise<number> {
  const { fleet } = await connect(flags, io, outside)
  const plans = await planImport({ folder, fleet, signal: io.stopSignal() }, ids)
  print(io, flags.json, {
    data: { server: fleet.url, devices: plans },
    lines: () => [
      ...plans.map(({ nick, id, existed, steps, objects, bytes, secret, failed }) => {
        const named = `${printable(nick)} (${id})`
        if (failed !== undefined) return `would be refused: ${named}: ${printable(failed)}`
        const what = `${said(steps, 'step')}, ${said(objects, 'object')} (${sizeSaid(bytes)})`
        return `would ${existed ? 'go on with' : 'import'} ${named}: ${what}, ${secretSaid(secret)}`
      }),
      `would import ${said(plans.filter(({ failed }) => failed === undefined).length, 'device')} into ${fleet.url}`,
    ],
  })
  return plans.every(({ failed }) => failed === undefined) ? 0 : 1
}
