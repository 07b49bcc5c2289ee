/** `waymark app`: apps of third parties, which people may let in with some of their scopes. */
import type { App } from '@waymark/sdk'
import { confirm } from '../ask.ts'
import { connect, type FleetFlags, namedCommand, runFleetCommand, withFleetFlags } from '../fleet-access.ts'
import { type Context, Failure, type Io, print } from '../io.ts'
import { type Outside, processOutside } from '../outside.ts'
import { type Column, printList } from '../show/table.ts'
import { printable } from '../show/words.ts'

interface AppFlags extends FleetFlags {
  readonly name?: string
  readonly type?: string
  readonly redirect?: string[]
  readonly scope?: string[]
  readonly newSecret?: boolean
}

const types = ['public', 'confidential', 'pkce'] as const

export function run(
  args: readonly string[],
  context: Context,
  outside: Outside = processOutside(),
): Promise<number> {
  const { io } = context
  return runFleetCommand(args, context, () => {
    const app = namedCommand('app').description('Apps of third parties, named by id or nick.')
    withFleetFlags(app.command('ls'))
      .description('Lists your apps, without their secrets.')
      .action((flags: FleetFlags) => list(flags, io, outside))
    withFleetFlags(app.command('create <nick>'))
      .description('Registers an app; the secret of a confidential one is printed this once.')
      .option('--type <type>', `${types.join(', ')}`, 'confidential')
      .option('--redirect <url>', 'where people are sent back to; may be repeated', gathered)
      .option('--scope <scope>', 'what it may ask for, such as devices.readonly; may be repeated', gathered)
      .option('--name <name>', 'what people read; else the nick')
      .action((nick: string, flags: AppFlags) => create(nick, flags, io, outside))
    withFleetFlags(app.command('update <app>'))
      .description('Changes an app; its nick stays.')
      .option('--type <type>', `${types.join(', ')}`)
      .option(
        '--redirect <url>',
        'where people are sent back to, in place of all before; may be repeated',
        gathered,
      )
      .option('--scope <scope>', 'what it may ask for, in place of all before; may be repeated', gathered)
      .option('--name <name>', 'what people read')
      .option('--new-secret', 'make another secret: the one before is void')
      .action((named: string, flags: AppFlags) => update(named, flags, io, outside))
    withFleetFlags(app.command('rm <app...>'))
      .description('Removes apps: tokens that were given to them are void.')
      .option('-y, --yes', 'do not ask')
      .action((named: string[], flags: FleetFlags & { yes?: boolean }) => remove(named, flags, io, outside))
    return app
  })
}

const gathered = (value: string, before: readonly string[] = []): string[] => [...before, value]

const columns: readonly Column<App>[] = [
  { title: 'NICK', cell: ({ nick }) => nick },
  { title: 'ID', cell: ({ id }) => id },
  { title: 'TYPE', cell: ({ type }) => type },
  { title: 'SCOPES', cell: ({ scopes }) => scopes.join(' ') },
  { title: 'REDIRECTS', cell: ({ redirectUris }) => redirectUris.join(' ') },
]

async function list(flags: FleetFlags, io: Io, outside: Outside): Promise<void> {
  const { fleet } = await connect(flags, io, outside)
  const { items } = await fleet.listApps()
  await printList(
    io,
    (async function* () {
      yield* items
    })(),
    { json: flags.json, columns, width: outside.screen?.columns, none: 'no apps' },
  )
}

async function create(nick: string, flags: AppFlags, io: Io, outside: Outside): Promise<void> {
  const type = typeOf(flags.type ?? 'confidential', 'app create')
  const { redirect: redirectUris, scope: scopes, name } = flags
  if (redirectUris === undefined || scopes === undefined)
    throw new Failure(2, 'app create: wanted --redirect and --scope, at least one of each')
  const { fleet } = await connect(flags, io, outside)
  const made = await fleet.createApp({ body: { nick, type, redirectUris, scopes, name } })
  tell(
    made,
    `registered ${printable(made.app.nick)} (${made.app.id}), which logs in as ${made.app.prn}`,
    flags,
    io,
  )
}

async function update(named: string, flags: AppFlags, io: Io, outside: Outside): Promise<void> {
  const type = flags.type === undefined ? undefined : typeOf(flags.type, 'app update')
  const { redirect: redirectUris, scope: scopes, name, newSecret } = flags
  if ([type, redirectUris, scopes, name, newSecret].every((part) => part === undefined))
    throw new Failure(2, 'app update: wanted --name, --type, --redirect, --scope or --new-secret')
  const { fleet } = await connect(flags, io, outside)
  const made = await fleet.changeApp({ app: named, body: { type, redirectUris, scopes, name, newSecret } })
  tell(made, `changed ${printable(made.app.nick)} (${made.app.id})`, flags, io)
}

/** The secret alone goes to stdout, so that a script can take it; what is said to people, elsewhere. */
function tell(
  made: { readonly app: App; readonly secret?: string },
  said: string,
  flags: FleetFlags,
  io: Io,
): void {
  const { secret } = made
  print(io, flags.json, { data: made, lines: () => [secret ?? said] })
  if (!flags.json && secret !== undefined) io.err(`${said}; its secret is not shown again`)
}

async function remove(
  named: readonly string[],
  flags: FleetFlags & { yes?: boolean },
  io: Io,
  outside: Outside,
): Promise<void> {
  const said = named.map(printable).join(', ')
  await confirm(outside, { what: 'app rm', question: `remove ${said}?`, yes: flags.yes })
  const { fleet } = await connect(flags, io, outside)
  for (const app of named) {
    const gone = await fleet.removeApp({ app })
    if (flags.json) io.out(JSON.stringify(gone))
    else io.out(`removed ${printable(gone.nick)} (${gone.id})`)
  }
}

function typeOf(word: string, what: string): App['type'] {
  const type = types.find((known) => known === word)
  if (type === undefined) throw new Failure(2, `${what} --type: wanted ${types.join(', ')}, got ${word}`)
  return type
}
