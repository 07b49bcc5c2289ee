/** `waymark user`: the members of a tenant, for its owners; and everybody's own password. */
import type { User } from '@waymark/sdk'
import { nearest } from '@waymark/server/nearest'
import { secrets } from '../ask.ts'
import { credentialsFile, readCredentials, withLogin, writeCredentials } from '../credentials.ts'
import {
  connect,
  type FleetFlags,
  fleetAt,
  namedCommand,
  runFleetCommand,
  serverUrl,
  withFleetFlags,
} from '../fleet-access.ts'
import { type Context, Failure, type Io, print } from '../io.ts'
import { type Outside, processOutside } from '../outside.ts'
import { type Column, printList, sheetLines } from '../show/table.ts'
import { printable, timeFelt, timeWhole } from '../show/words.ts'

interface Flags extends FleetFlags {
  readonly tenant?: string
}

interface NewFlags extends Flags {
  readonly role?: string[]
  readonly email?: string
  readonly passwordStdin?: boolean
}

interface PasswordFlags extends Flags {
  readonly passwordStdin?: boolean
  readonly invited?: boolean
}

type Role = User['roles'][number]
const roles: readonly Role[] = ['owner', 'operator', 'viewer']

export function run(
  args: readonly string[],
  context: Context,
  outside: Outside = processOutside(),
): Promise<number> {
  const { io } = context
  return runFleetCommand(args, context, () => {
    const user = namedCommand('user').description(
      'The members of the tenant, named by nick, e-mail address or id.',
    )
    const within = (name: string) =>
      withFleetFlags(user.command(name)).option(
        '--tenant <tenant>',
        'another tenant, by nick or id: for who runs the installation',
      )
    within('ls')
      .description('Lists the members.')
      .action((flags: Flags) => list(flags, io, outside))
    within('show <user>')
      .description('Shows one member.')
      .action((named: string, flags: Flags) => show(named, flags, io, outside))
    within('create <nick>')
      .description('Makes a member with a password, which is asked for.')
      .option('--role <role>', `${roles.join(', ')}; may be repeated; else viewer`, gathered)
      .option('--email <address>', 'an e-mail address to log in by as well')
      .option('--password-stdin', 'read the password from standard input instead of asking')
      .action((nick: string, flags: NewFlags) => create(nick, flags, io, outside))
    within('invite <nick> <email>')
      .description(
        'Makes a member who sets the password themselves: by mail, or by the token that is printed.',
      )
      .option('--role <role>', `${roles.join(', ')}; may be repeated; else viewer`, gathered)
      .action((nick: string, email: string, flags: NewFlags) => invite(nick, email, flags, io, outside))
    within('role <user> <role...>')
      .description(`Sets the roles of a member: ${roles.join(', ')}.`)
      .action((named: string, words: string[], flags: Flags) =>
        changed(flags, io, outside, (fleet, tenant) =>
          fleet.setUserRoles({ user: named, tenant, body: { roles: rolesOf(words, 'user role') } }),
        ),
      )
    within('disable <user>')
      .description('Keeps a member from logging in; logins that stand are void at once.')
      .action((named: string, flags: Flags) =>
        changed(flags, io, outside, (fleet, tenant) => fleet.disableUser({ user: named, tenant })),
      )
    within('enable <user>')
      .description('Lets a member log in again.')
      .action((named: string, flags: Flags) =>
        changed(flags, io, outside, (fleet, tenant) => fleet.enableUser({ user: named, tenant })),
      )
    within('password [user]')
      .description('Sets a member’s password, or your own; logins that stand are void at once.')
      .option('--password-stdin', 'read what would be asked for from standard input, a line each')
      .option('--invited', 'with the token of an invitation or of a recovery mail, without a login')
      .action((named: string | undefined, flags: PasswordFlags) => password(named, flags, io, outside))
    return user
  })
}

const gathered = (value: string, before: readonly string[] = []): string[] => [...before, value]

const columns: readonly Column<User>[] = [
  { title: 'NICK', cell: ({ nick }) => nick },
  { title: 'E-MAIL', cell: ({ email }) => email ?? '' },
  { title: 'ROLES', cell: (user) => [...user.roles, ...(user.admin ? ['(admin)'] : [])].join(' ') },
  { title: 'LOGIN', cell: loginSaid },
]

function loginSaid({ disabled, verified }: User): string {
  if (disabled) return 'disabled'
  return verified ? 'yes' : 'invited'
}

async function list(flags: Flags, io: Io, outside: Outside): Promise<void> {
  const { fleet } = await connect(flags, io, outside)
  await printList(io, fleet.each('listUsers', { tenant: flags.tenant, limit: 200 }), {
    json: flags.json,
    columns,
    width: outside.screen?.columns,
    none: 'no users',
  })
}

async function show(named: string, flags: Flags, io: Io, outside: Outside): Promise<void> {
  const { fleet } = await connect(flags, io, outside)
  const user = await fleet.getUser({ user: named, tenant: flags.tenant })
  print(io, flags.json, {
    data: user,
    lines: () =>
      sheetLines([
        ['nick', user.nick],
        ['id', user.id],
        ['e-mail', user.email],
        ['roles', user.roles.join(' ')],
        ['admin', user.admin ? 'runs the installation' : undefined],
        ['login', loginSaid(user)],
        ['made', timeWhole(user.createdAt, outside.now())],
      ]),
  })
}

async function create(nick: string, flags: NewFlags, io: Io, outside: Outside): Promise<void> {
  const wanted = rolesOf(flags.role ?? ['viewer'], 'user create --role')
  const [chosen = ''] = await secrets(
    outside,
    'user create',
    [{ named: `password of ${printable(nick)}`, chosen: true }],
    flags.passwordStdin,
  )
  const { fleet } = await connect(flags, io, outside)
  const user = await fleet.createUser({
    tenant: flags.tenant,
    body: { nick, email: flags.email, password: chosen, roles: wanted },
  })
  print(io, flags.json, { data: user, lines: () => [`made ${user.nick} (${user.roles.join(' ')})`] })
}

async function invite(nick: string, email: string, flags: NewFlags, io: Io, outside: Outside): Promise<void> {
  const wanted = rolesOf(flags.role ?? ['viewer'], 'user invite --role')
  const { fleet } = await connect(flags, io, outside)
  const invited = await fleet.inviteUser({ tenant: flags.tenant, body: { nick, email, roles: wanted } })
  const { token, user, expiresAt } = invited
  const until = `until ${timeFelt(expiresAt, outside.now())}`
  print(io, flags.json, {
    data: invited,
    lines: () => [
      token ?? `invited ${user.nick}: a mail is on its way to ${printable(email)}, good ${until}`,
    ],
  })
  if (!flags.json && token !== undefined)
    io.err(
      `invited ${user.nick}, good ${until}: no mail goes out from here; hand over this token for waymark user password --invited --server ${fleet.url}`,
    )
}

async function changed(
  flags: Flags,
  io: Io,
  outside: Outside,
  change: (fleet: Awaited<ReturnType<typeof connect>>['fleet'], tenant: string | undefined) => Promise<User>,
): Promise<void> {
  const { fleet } = await connect(flags, io, outside)
  const user = await change(fleet, flags.tenant)
  print(io, flags.json, {
    data: user,
    lines: () => [`${user.nick}: ${user.roles.join(' ')}, login ${loginSaid(user)}`],
  })
}

async function password(
  named: string | undefined,
  flags: PasswordFlags,
  io: Io,
  outside: Outside,
): Promise<void> {
  if (flags.invited) {
    if (named !== undefined)
      throw new Failure(2, 'user password --invited: wanted no user: the token names them')
    return byToken(flags, io, outside)
  }
  return named === undefined ? own(flags, io, outside) : ofMember(named, flags, io, outside)
}

async function ofMember(named: string, flags: PasswordFlags, io: Io, outside: Outside): Promise<void> {
  const asked = [{ named: `new password of ${printable(named)}`, chosen: true as const }]
  const [chosen = ''] = await secrets(outside, 'user password', asked, flags.passwordStdin)
  const { fleet } = await connect(flags, io, outside)
  const user = await fleet.setUserPassword({ user: named, tenant: flags.tenant, body: { password: chosen } })
  print(io, flags.json, { data: user, lines: () => [`${user.nick} has a new password`] })
}

async function own(flags: PasswordFlags, io: Io, outside: Outside): Promise<void> {
  const asked = [{ named: 'present password' }, { named: 'new password', chosen: true as const }]
  const [current = '', chosen = ''] = await secrets(outside, 'user password', asked, flags.passwordStdin)
  const { fleet } = await connect(flags, io, outside)
  const { nick } = await fleet.whoAmI()
  const { token, expiresAt } = await fleet.changeOwnPassword({ body: { current, password: chosen } })
  // The login that is kept is void with the old password: the new one takes its place.
  const file = credentialsFile(io.env, outside.home)
  const kept = await readCredentials(file)
  const login = { name: nick, token, obtainedAt: outside.now(), expiresAt: Date.parse(expiresAt) }
  if (!io.env.WAYMARK_TOKEN)
    await writeCredentials(file, { ...withLogin(kept, fleet.url, login), server: kept.server ?? fleet.url })
  print(io, flags.json, { data: { nick, expiresAt }, lines: () => [`${nick} has a new password`] })
  if (io.env.WAYMARK_TOKEN) io.err('the token in WAYMARK_TOKEN is void now')
}

async function byToken(flags: PasswordFlags, io: Io, outside: Outside): Promise<void> {
  const url = serverUrl(flags, io, await readCredentials(credentialsFile(io.env, outside.home)))
  const asked = [{ named: 'token' }, { named: 'new password', chosen: true as const }]
  const [token = '', chosen = ''] = await secrets(outside, 'user password', asked, flags.passwordStdin)
  const { nick } = await fleetAt(url, outside).setPasswordByToken({
    body: { token: token.trim(), password: chosen },
  })
  print(io, flags.json, {
    data: { nick },
    lines: () => [`${nick} has a password: waymark login --server ${url} --name ${nick}`],
  })
}

function rolesOf(words: readonly string[], what: string): Role[] {
  return words.map((word) => {
    const role = roles.find((known) => known === word)
    if (role !== undefined) return role
    const meant = nearest(word, [...roles])
    const hint = meant === undefined ? '' : ` (did you mean ${meant}?)`
    throw new Failure(2, `${what}: wanted ${roles.join(', ')}, got ${printable(word)}${hint}`)
  })
}
