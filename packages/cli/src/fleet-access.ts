/**
 * From flags, environment and kept logins to a client of the right server, and back from its errors to one line for
 * people. A login that is half used up is renewed in passing; nobody is told.
 */
import { createHash } from 'node:crypto'
import { createFleet, type Fleet, FleetFault, FleetProblem } from '@waymark/sdk'
import { Command } from 'commander'
import {
  type Credentials,
  credentialsFile,
  type Login,
  readCredentials,
  withLogin,
  writeCredentials,
} from './credentials.ts'
import { type Context, Failure, type Io } from './io.ts'
import type { Outside } from './outside.ts'
import { printable } from './show/words.ts'
import { withCommander } from './with-commander.ts'

/** Where a server is looked for when nothing says otherwise: where `waymark up` opens one. */
const serverDefault = 'http://127.0.0.1:8080'

/** Flags of every command that talks to a server. */
export interface FleetFlags {
  readonly server?: string
  readonly json?: boolean
}

/** A command whose help names it as it is typed, with all that stands before it. */
export function namedCommand(name: string): Command {
  return new Command(name).helpCommand(false).configureHelp({
    commandUsage(command) {
      let typed = `${command.name()} ${command.usage()}`
      for (let above = command.parent; above; above = above.parent) typed = `${above.name()} ${typed}`
      return `waymark ${typed}`
    },
  })
}

export function withFleetFlags(command: Command): Command {
  return command
    .option('--server <url>', 'the server; else WAYMARK_SERVER, else the one logged in to last')
    .option('--json', 'JSON: one document, or a line for each item of a list')
}

export interface Connected {
  readonly fleet: Fleet
  /** How long a stream may live on one token. */
  readonly renewMs: number
}

/** A client of the server that is meant, logged in if a login is kept or WAYMARK_TOKEN is set. */
export async function connect(flags: FleetFlags, io: Io, outside: Outside): Promise<Connected> {
  const file = credentialsFile(io.env, outside.home)
  const kept = await readCredentials(file)
  const url = serverUrl(flags, io, kept)
  const given = io.env.WAYMARK_TOKEN
  if (given) return { fleet: fleetAt(url, outside, () => given), renewMs: 5 * 60_000 }

  let login: Login | undefined = kept.logins[url]
  let renewing: Promise<void> | undefined
  const fleet = fleetAt(url, outside, async () => {
    if (login !== undefined && isHalfUsed(login, outside.now())) {
      renewing ??= renew(login).finally(() => {
        renewing = undefined
      })
      await renewing
    }
    return login?.token
  })
  return { fleet, renewMs: login === undefined ? 60_000 : (login.expiresAt - login.obtainedAt) / 3 }

  async function renew(old: Login): Promise<void> {
    try {
      const { token, expiresAt } = await fleetAt(url, outside, () => old.token).refreshToken()
      login = { name: old.name, token, obtainedAt: outside.now(), expiresAt: Date.parse(expiresAt) }
      const now = await readCredentials(file)
      await writeCredentials(file, { ...withLogin(now, url, login), server: now.server })
    } catch {
      // The old one may still do; when it does not, its refusal tells what to do.
    }
  }
}

/** A client with a token, or without one to log in by. */
export function fleetAt(
  url: string,
  outside: Outside,
  token?: () => string | Promise<string | undefined>,
): Fleet {
  return createFleet({
    url,
    token,
    outside,
    fetch: outside.fetch,
    createHash() {
      const hash = createHash('sha256')
      return { update: (bytes) => void hash.update(bytes), hex: () => hash.digest('hex') }
    },
  })
}

/** The server that is meant: `--server`, WAYMARK_SERVER, the last login, this machine. */
export function serverUrl(flags: FleetFlags, io: Io, kept: Credentials): string {
  if (flags.server !== undefined) return parsedUrl('--server', flags.server)
  if (io.env.WAYMARK_SERVER) return parsedUrl('WAYMARK_SERVER', io.env.WAYMARK_SERVER)
  return kept.server ?? serverDefault
}

function parsedUrl(thing: string, raw: string): string {
  const url = URL.parse(raw)
  if (!url || !/^https?:$/.test(url.protocol) || url.username !== '' || url.search !== '' || url.hash !== '')
    throw new Failure(2, `${thing}: wanted an address such as https://fleet.example.com, got ${raw}`)
  return `${url.origin}${url.pathname}`.replace(/\/+$/, '')
}

function isHalfUsed({ obtainedAt, expiresAt }: Login, now: number): boolean {
  return now < expiresAt && now - obtainedAt > (expiresAt - obtainedAt) / 2
}

/** Runs a command, and tells what went wrong at the server in one line. The action's answer is the exit code. */
export async function runFleetCommand(
  args: readonly string[],
  { io }: Context,
  build: (done: (code: number) => void) => Command,
): Promise<number> {
  let code = 0
  const command = build((answered) => {
    code = answered
  })
  try {
    const used = await withCommander(command, args, io)
    return used === 0 ? code : used
  } catch (error) {
    throw failureOf(error)
  }
}

/** What went wrong, as a line for people; what is not a server's doing passes through. */
export function failureOf(error: unknown): unknown {
  if (error instanceof FleetProblem) return new Failure(1, sentence(error), { cause: error })
  if (error instanceof FleetFault) return new Failure(1, printable(hinted(error)), { cause: error })
  if (error instanceof Error && error.name === 'AbortError')
    return new Failure(1, 'stopped', { cause: error })
  return error
}

function hinted(fault: FleetFault): string {
  const nobody = fault.kind === 'unreachable' && fault.got.includes('ECONNREFUSED')
  return nobody ? `${fault.message} (waymark up starts a server)` : fault.message
}

const loginKinds = ['no-login', 'bad-token', 'token-void']

function sentence(problem: FleetProblem): string {
  const { kind, detail, facts, status, request } = problem
  if (loginKinds.includes(kind)) {
    const [, url = ''] = /^\w+ (.*?)\/fleet\/v1\//.exec(request) ?? []
    const why = kind === 'no-login' ? `not logged in to ${url}` : `the login to ${url} is no longer good`
    return `${why}: run waymark login --server ${url}`
  }
  if (kind === 'about:blank') return printable(`the server answered ${status}: ${detail}`)
  const { errors, reason, wanted, got } = facts
  if (Array.isArray(errors)) {
    const each = errors.map((found: { at?: unknown; wanted?: unknown }) => `${found.at} ${found.wanted}`)
    return printable(`refused: ${each.join(', ')}`)
  }
  if (isFacts(reason)) return printable(`${reason.thing}: wanted ${reason.wanted}, got ${reason.got}`)
  const said = [wanted, got].every((fact) => fact === undefined || detail.includes(String(fact)))
  if (said) return printable(detail)
  const told = [wanted === undefined ? '' : `wanted ${wanted}`, got === undefined ? '' : `got ${got}`]
  return printable(`${detail}: ${told.filter((part) => part !== '').join(', ')}`)
}

function isFacts(value: unknown): value is { thing: string; wanted: string; got: string } {
  return (
    typeof value === 'object' && value !== null && 'thing' in value && 'wanted' in value && 'got' in value
  )
}
