/** `waymark export`: devices with their trails and objects, out of another Pantahub server into a folder. */
import type { Command } from 'commander'
import { secrets } from '../ask.ts'
import { namedCommand, runFleetCommand } from '../fleet-access.ts'
import { type Context, Failure, type Io, print } from '../io.ts'
import { type DeviceOutcome, exportDevices, planExport } from '../move/export.ts'
import { type Folder, folderAt } from '../move/folder.ts'
import { openSource, type Source, SourceFault } from '../move/source.ts'
import { countsSaid, said, tallyOf } from '../move/tally.ts'
import { type Outside, processOutside } from '../outside.ts'
import { printable } from '../show/words.ts'

/** What says where devices come from. */
export interface SourceFlags {
  readonly from?: string
  readonly user?: string
  readonly passwordStdin?: boolean
  readonly device?: string[]
  readonly objectsFrom?: string
  readonly dryRun?: boolean
  readonly json?: boolean
}

export function withSourceFlags(command: Command): Command {
  return command
    .option('--from <url>', 'the server they come from: Pantahub Base, or one that speaks like it')
    .option('--user <name>', 'nick, e-mail address or personal token there; asked for when absent')
    .option('--password-stdin', 'read the password there from standard input instead of asking')
    .option('--device <device>', 'only this one, by id or nick; may be repeated', gathered)
    .option(
      '--objects-from <origin>',
      'a further address that bytes may come from, where they are kept elsewhere',
    )
    .option('--dry-run', 'say what would be done, and do nothing')
}

const gathered = (value: string, before: readonly string[] = []): string[] => [...before, value]

export function run(
  args: readonly string[],
  context: Context,
  outside: Outside = processOutside(),
): Promise<number> {
  const { io } = context
  return runFleetCommand(args, context, (done) =>
    withSourceFlags(namedCommand('export'))
      .argument('<folder>', 'where to: a new folder, or one to go on with')
      .option('--json', 'JSON: one document')
      .description(
        'Copies your devices with their trails and objects out of another Pantahub server into a folder. Broken off, it goes on next time.',
      )
      .action(async (path: string, flags: SourceFlags) => {
        const source = await sourceOf(flags, 'export', io, outside)
        const folder = folderAt(path)
        if (flags.dryRun) return done(await tellPlan(source, flags, io))
        done(tellExport(await exported(source, folder, flags, io, outside), flags.json, io, true))
      }),
  )
}

/** Logs in to the source that the flags name. */
export async function sourceOf(flags: SourceFlags, what: string, io: Io, outside: Outside): Promise<Source> {
  if (flags.from === undefined)
    throw new Failure(2, `${what}: wanted --from, the server that devices come from`)
  const url = addressOf('--from', flags.from)
  const objectsFrom =
    flags.objectsFrom === undefined
      ? undefined
      : new URL(addressOf('--objects-from', flags.objectsFrom)).origin
  if (flags.user === undefined && !outside.interactive)
    throw new Failure(2, `${what}: wanted --user, since there is no terminal to ask on`)
  const name = flags.user ?? (await outside.ask(`name at ${url}: `, { hidden: false }))
  const asked = [{ named: `password of ${printable(name)} at ${url}` }]
  const [password = ''] = await secrets(outside, what, asked, flags.passwordStdin)
  return lineOf(() => openSource({ url, name, password, outside, objectsFrom, signal: io.stopSignal() }))
}

export interface Exported {
  readonly folder: Folder
  readonly outcomes: readonly DeviceOutcome[]
  readonly counts: string
}

export async function exported(
  source: Source,
  folder: Folder,
  flags: SourceFlags,
  io: Io,
  outside: Outside,
): Promise<Exported> {
  const tally = tallyOf(outside, 'exporting')
  try {
    const only = flags.device ?? []
    const outcomes = await lineOf(() =>
      exportDevices({ source, folder, outside, signal: io.stopSignal(), tally, only }),
    )
    return { folder, outcomes, counts: countsSaid(tally.counts) }
  } finally {
    tally.end()
  }
}

/** Says what came, and what did not; answers the exit code. `whole`: it is all that was asked for. */
export function tellExport(
  { folder, outcomes, counts }: Exported,
  json: boolean | undefined,
  io: Io,
  whole: boolean,
): number {
  for (const { nick, id, failed } of outcomes)
    if (failed !== undefined) io.err(`${id === '' ? '' : `${printable(nick)} (${id}): `}${printable(failed)}`)
  const failed = outcomes.filter((outcome) => outcome.failed !== undefined).length
  if (whole)
    print(io, json, {
      data: { folder: folder.path, devices: outcomes.filter(({ id }) => id !== '') },
      lines: () => [`exported ${counts} to ${folder.path}`],
    })
  if (failed > 0) io.err(`${said(failed, 'device')} did not come whole; run it again to go on`)
  return failed === 0 ? 0 : 1
}

/** Says what a copy would be; answers the exit code. */
export async function tellPlan(
  source: Source,
  flags: SourceFlags,
  io: Io,
  refused: Parameters<typeof planExport>[1] = async () => undefined,
): Promise<number> {
  const { plans, faults } = await lineOf(() => planExport({ source, only: flags.device ?? [] }, refused))
  for (const fault of faults) io.err(printable(fault))
  const good = plans.filter(({ failed }) => failed === undefined)
  print(io, flags.json, {
    data: { from: source.url, devices: plans },
    lines: () => [
      ...plans.map(({ nick, id, steps, objects, secret, failed }) => {
        const named = `${printable(nick)} (${id})`
        if (failed !== undefined) return `would fail: ${named}: ${printable(failed)}`
        return `would copy ${named}: ${said(steps, 'step')}, ${said(objects, 'object')}, ${secretSaid(secret)}`
      }),
      `would copy ${said(good.length, 'device')} from ${source.url}`,
    ],
  })
  return good.length === plans.length && faults.length === 0 ? 0 : 1
}

export function secretSaid(secret: 'kept' | 'new'): string {
  return secret === 'kept' ? 'its secret is kept' : 'its secret is not shown there: it gets a new one'
}

function addressOf(flag: string, raw: string): string {
  const url = URL.parse(raw)
  if (!url || !/^https?:$/.test(url.protocol) || url.username !== '' || url.search !== '' || url.hash !== '')
    throw new Failure(2, `${flag}: wanted an address such as https://api.pantahub.com, got ${printable(raw)}`)
  return `${url.origin}${url.pathname}`.replace(/\/+$/, '')
}

/** What the source did wrong becomes a line for people. */
export async function lineOf<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof SourceFault) throw new Failure(1, printable(error.message), { cause: error })
    throw error
  }
}
