/**
 * `waymark config show|set|diff|push|history|rollback`: configuration of packages on a device, or the defaults of a group.
 * It shares its word with the settings of a server (`config print`), which are read from here and never from a server.
 */
import type { Answered, Asked, Fleet } from '@waymark/sdk'
import { connect, type FleetFlags, namedCommand, runFleetCommand, withFleetFlags } from '../fleet-access.ts'
import { type Context, Failure, type Io, print } from '../io.ts'
import { type Outside, processOutside } from '../outside.ts'
import { diffLines } from '../show/diff.ts'
import { printable } from '../show/words.ts'
import { valuesOf } from './package.ts'

type Shown = Answered<'getDeviceConfig'>

interface SubjectFlags extends FleetFlags {
  readonly device?: string
  readonly group?: string
}

export function run(
  args: readonly string[],
  context: Context,
  outside: Outside = processOutside(),
): Promise<number> {
  const { io } = context
  return runFleetCommand(args, context, () => {
    const root = namedCommand('config').description('Configuration of packages on devices and groups.')
    const subject = (usage: string) =>
      withFleetFlags(root.command(usage))
        .option('-d, --device <device>', 'of a device, by id or nick')
        .option('-g, --group <group>', 'of a group, by id or name: the defaults of its members')
    subject('show [package]')
      .description('Shows what is confirmed and what is staged, of one package or of all.')
      .action((name: string | undefined, flags: SubjectFlags) => show(name, flags, io, outside))
    subject('set <package> <values>')
      .description(
        'Stages an edit: JSON, or @FILE; judged by the package’s module, merged, sent nowhere yet.',
      )
      .action(async (name: string, values: string, flags: SubjectFlags) => {
        const of = of_(await connect(flags, io, outside), 'set', flags)
        const staged = await of.stage(name, await valuesOf(values))
        print(io, flags.json, { data: staged, lines: () => lines(staged) })
      })
    subject('diff <package>')
      .description('Shows what a push would change.')
      .option('--version <number>', 'against a version of the device’s history, instead of what is staged')
      .action((name: string, flags: SubjectFlags & { version?: string }) => diff(name, flags, io, outside))
    subject('push [package]')
      .description('Sends what is staged, of one package or of all, as one transaction.')
      .action(async (name: string | undefined, flags: SubjectFlags) => {
        const of = of_(await connect(flags, io, outside), 'push', flags)
        const { transaction } = await of.push(name)
        print(io, flags.json, {
          data: transaction ?? {},
          lines: () => [
            transaction
              ? `pushed: ${transaction.state} (waymark tx show ${transaction.id})`
              : 'nothing is staged',
          ],
        })
      })
    withFleetFlags(root.command('history <package>'))
      .description('Lists what a device has confirmed, newest first.')
      .requiredOption('-d, --device <device>', 'the device, by id or nick')
      .action(async (name: string, flags: SubjectFlags) => {
        const { fleet } = await connect(flags, io, outside)
        const asked = { device: flags.device ?? '', package: name }
        const { items } = await fleet.listDeviceConfigVersions(asked)
        for (const item of items)
          io.out(flags.json ? JSON.stringify(item) : printable(`${item.version}  ${item.at}  ${item.values}`))
        if (items.length === 0 && !flags.json) io.err('nothing was confirmed')
      })
    withFleetFlags(root.command('rollback <package> <version>'))
      .description('Stages what a device had before, whole; `config push` sends it.')
      .requiredOption('-d, --device <device>', 'the device, by id or nick')
      .action(async (name: string, given: string, flags: SubjectFlags) => {
        const version = versionOf('rollback', given)
        const { fleet } = await connect(flags, io, outside)
        const asked = { device: flags.device ?? '', package: name, body: { version } }
        const staged = await fleet.rollbackDeviceConfig(asked)
        print(io, flags.json, { data: staged, lines: () => lines(staged) })
      })
    return root
  })
}

/** What is asked of whom: a device or a group, one of the two. */
function of_({ fleet }: { readonly fleet: Fleet }, what: string, { device, group }: SubjectFlags) {
  if ((device === undefined) === (group === undefined))
    throw new Failure(2, `config ${what}: wanted --device or --group, got ${device ? 'both' : 'neither'}`)
  type Push = Asked<'pushDeviceConfig'>['body']
  const body = (name: string | undefined): Push => (name === undefined ? {} : { package: name })
  if (device !== undefined)
    return {
      all: () => fleet.listDeviceConfig({ device }),
      one: (name: string) => fleet.getDeviceConfig({ device, package: name }),
      stage: (name: string, values: string) =>
        fleet.stageDeviceConfig({ device, package: name, body: { values } }),
      push: (name: string | undefined) => fleet.pushDeviceConfig({ device, body: body(name) }),
    }
  const of = { group: group ?? '' }
  return {
    all: () => fleet.listGroupConfig(of),
    one: (name: string) => fleet.getGroupConfig({ ...of, package: name }),
    stage: (name: string, values: string) =>
      fleet.stageGroupConfig({ ...of, package: name, body: { values } }),
    push: (name: string | undefined) => fleet.pushGroupConfig({ ...of, body: body(name) }),
  }
}

async function show(name: string | undefined, flags: SubjectFlags, io: Io, outside: Outside): Promise<void> {
  const of = of_(await connect(flags, io, outside), 'show', flags)
  const found = name === undefined ? (await of.all()).items : [await of.one(name)]
  for (const each of found)
    if (flags.json) io.out(JSON.stringify(each))
    else for (const line of lines(each)) io.out(line)
  if (found.length === 0 && !flags.json) io.err('no configuration')
}

function lines({ package: name, version, current, staged }: Shown): string[] {
  return [
    `${name}${version === 0 ? '' : `, version ${version}`}`,
    ...(current === undefined ? [] : [`  has     ${current}`]),
    ...(staged === undefined ? [] : [`  staged  ${staged}`]),
  ].map(printable)
}

async function diff(
  name: string,
  flags: SubjectFlags & { readonly version?: string },
  io: Io,
  outside: Outside,
): Promise<void> {
  const connected = await connect(flags, io, outside)
  const held = await of_(connected, 'diff', flags).one(name)
  let edits = held.staged
  const whole = held.whole === true || flags.version !== undefined
  if (flags.version !== undefined) {
    const wanted = versionOf('diff --version', flags.version)
    if (flags.device === undefined) throw new Failure(2, 'config diff --version: wanted --device')
    const asked = { device: flags.device, package: name }
    const { items } = await connected.fleet.listDeviceConfigVersions(asked)
    edits = items.find(({ version }) => version === wanted)?.values
    if (edits === undefined) throw new Failure(1, `there was no version ${wanted} of it`)
  }
  const changes = edits === undefined ? [] : diffLines(held.current ?? '{}', edits, whole)
  if (flags.json) io.out(JSON.stringify({ package: name, changes }))
  else for (const line of changes) io.out(printable(line))
  if (changes.length === 0 && !flags.json) io.err('no difference')
}

function versionOf(what: string, given: string): number {
  const version = Number(given)
  if (!Number.isSafeInteger(version) || version < 1)
    throw new Failure(2, `config ${what}: wanted the number of a version, got ${given}`)
  return version
}
