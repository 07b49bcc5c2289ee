/** `waymark token`: personal tokens, by which programs log in for a person with some of the person's scopes. */
import type { AccessToken } from '@waymark/sdk'
import { confirm } from '../ask.ts'
import { connect, type FleetFlags, namedCommand, runFleetCommand, withFleetFlags } from '../fleet-access.ts'
import { type Context, Failure, type Io, print } from '../io.ts'
import { type Outside, processOutside } from '../outside.ts'
import { type Column, printList } from '../show/table.ts'
import { printable, timeFelt } from '../show/words.ts'

interface NewFlags extends FleetFlags {
  readonly scope?: string[]
  readonly expires?: string
}

export function run(
  args: readonly string[],
  context: Context,
  outside: Outside = processOutside(),
): Promise<number> {
  const { io } = context
  return runFleetCommand(args, context, () => {
    const token = namedCommand('token').description(
      'Personal tokens: programs log in by the name and the secret of one, with its scopes.',
    )
    withFleetFlags(token.command('ls'))
      .description('Lists your tokens, without their secrets.')
      .action((flags: FleetFlags) => list(flags, io, outside))
    withFleetFlags(token.command('create <name>'))
      .description('Makes a token; its secret is printed this once.')
      .option(
        '--scope <scope>',
        'what it may do, such as devices.readonly; may be repeated; else all',
        gathered,
      )
      .option('--expires <when>', 'how long it lives (12h, 30d), or until when (2027-01-31); else a year')
      .action((name: string, flags: NewFlags) => create(name, flags, io, outside))
    withFleetFlags(token.command('rm <token...>'))
      .description('Removes tokens, by id or name: logins that stand on them are void.')
      .option('-y, --yes', 'do not ask')
      .action((named: string[], flags: FleetFlags & { yes?: boolean }) => remove(named, flags, io, outside))
    return token
  })
}

const gathered = (value: string, before: readonly string[] = []): string[] => [...before, value]

const columns = (now: number): Column<AccessToken>[] => [
  { title: 'NAME', cell: ({ name }) => name },
  { title: 'ID', cell: ({ id }) => id },
  { title: 'ENDS', cell: ({ expiresAt }) => timeFelt(expiresAt, now) },
  { title: 'SCOPES', cell: ({ scopes }) => scopes.join(' ') },
]

async function list(flags: FleetFlags, io: Io, outside: Outside): Promise<void> {
  const { fleet } = await connect(flags, io, outside)
  const { items } = await fleet.listAccessTokens()
  await printList(io, oneByOne(items), {
    json: flags.json,
    columns: columns(outside.now()),
    width: outside.screen?.columns,
    none: 'no tokens',
  })
}

async function create(name: string, flags: NewFlags, io: Io, outside: Outside): Promise<void> {
  const expiresAt = flags.expires === undefined ? undefined : endOf(flags.expires, outside.now())
  const { fleet } = await connect(flags, io, outside)
  const made = await fleet.createAccessToken({ body: { name, scopes: flags.scope, expiresAt } })
  const { token, secret } = made
  print(io, flags.json, { data: made, lines: () => [secret] })
  if (!flags.json)
    io.err(
      `token ${printable(token.name)} ends ${timeFelt(token.expiresAt, outside.now())}; log in with its name and this secret, which is not shown again`,
    )
}

async function remove(
  named: readonly string[],
  flags: FleetFlags & { yes?: boolean },
  io: Io,
  outside: Outside,
): Promise<void> {
  const { fleet } = await connect(flags, io, outside)
  const { items } = await fleet.listAccessTokens()
  const meant = named.map((name) => only(name, items))
  const said = meant.map(({ name, id }) => `${printable(name)} (${id})`).join(', ')
  await confirm(outside, { what: 'token rm', question: `remove ${said}?`, yes: flags.yes })
  for (const { id } of meant) {
    const gone = await fleet.removeAccessToken({ id })
    if (flags.json) io.out(JSON.stringify(gone))
    else io.out(`removed ${printable(gone.name)} (${gone.id})`)
  }
}

/** The one token of this id or name: names may be had twice, and then only the id will do. */
function only(named: string, items: readonly AccessToken[]): AccessToken {
  const found = items.filter(({ id, name }) => id === named || name === named)
  const [token] = found
  if (token === undefined) throw new Failure(1, `you have no token ${printable(named)}`)
  if (found.length > 1)
    throw new Failure(
      1,
      `token ${printable(named)}: wanted one, got ${found.length}: ${found.map(({ id }) => id).join(', ')}`,
    )
  return token
}

const unitMs = { h: 3_600_000, d: 86_400_000, w: 7 * 86_400_000 } as const

/** `12h`, `30d`, `4w`, or a date or time, as a time. */
export function endOf(text: string, now: number): string {
  const [, count, unit] = /^(\d{1,5})([hdw])$/.exec(text) ?? []
  if (unit === 'h' || unit === 'd' || unit === 'w')
    return new Date(now + Number(count) * unitMs[unit]).toISOString()
  const at = /^\d{4}-\d\d-\d\d/.test(text) ? Date.parse(text) : Number.NaN
  if (Number.isNaN(at))
    throw new Failure(2, `token create --expires: wanted 12h, 30d or 2027-01-31, got ${text}`)
  return new Date(at).toISOString()
}

async function* oneByOne<R>(items: readonly R[]): AsyncGenerator<R> {
  yield* items
}
