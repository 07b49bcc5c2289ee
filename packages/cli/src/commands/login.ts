/** `waymark login`: name and password for a token, which is kept for the commands that follow. The password is not. */
import { credentialsFile, readCredentials, withLogin, writeCredentials } from '../credentials.ts'
import {
  type FleetFlags,
  fleetAt,
  namedCommand,
  runFleetCommand,
  serverUrl,
  withFleetFlags,
} from '../fleet-access.ts'
import { type Context, Failure, print } from '../io.ts'
import { type Outside, processOutside } from '../outside.ts'
import { timeFelt } from '../show/words.ts'

interface Flags extends FleetFlags {
  readonly name?: string
  readonly passwordStdin?: boolean
}

/** Longer than any password the server takes. */
const passwordBytesMax = 4096

export function run(
  args: readonly string[],
  context: Context,
  outside: Outside = processOutside(),
): Promise<number> {
  const { io } = context
  return runFleetCommand(args, context, () =>
    withFleetFlags(namedCommand('login'))
      .description('Logs in to a server; its address and the token are kept in ~/.config/waymark.')
      .option('--name <name>', 'nick or e-mail address; asked for when absent')
      .option('--password-stdin', 'read the password from standard input instead of asking')
      .action(async (flags: Flags) => {
        const file = credentialsFile(io.env, outside.home)
        const url = serverUrl(flags, io, await readCredentials(file))
        const { name, password } = await asked(flags, outside, url)
        const { token, expiresAt } = await fleetAt(url, outside).login({ body: { name, password } })
        const me = await fleetAt(url, outside, () => token).whoAmI()
        const now = outside.now()
        const login = { name: me.nick, token, obtainedAt: now, expiresAt: Date.parse(expiresAt) }
        await writeCredentials(file, withLogin(await readCredentials(file), url, login))
        print(io, flags.json, {
          data: { server: url, nick: me.nick, tenant: me.tenant, expiresAt },
          lines: () => [`logged in to ${url} as ${me.nick} (the login ends ${timeFelt(expiresAt, now)})`],
        })
      }),
  )
}

async function asked(
  flags: Flags,
  outside: Outside,
  url: string,
): Promise<{ name: string; password: string }> {
  if (!outside.interactive && (flags.name === undefined || !flags.passwordStdin))
    throw new Failure(2, 'login: wanted a terminal to ask on, or --name and --password-stdin')
  const name = flags.name ?? (await outside.ask(`name at ${url}: `, { hidden: false }))
  const password = flags.passwordStdin
    ? (await outside.readInput(passwordBytesMax)).replace(/\r?\n$/, '')
    : await outside.ask(`password of ${name}: `, { hidden: true })
  if (name === '' || password === '') throw new Failure(2, 'login: wanted a name and a password, got nothing')
  return { name, password }
}
