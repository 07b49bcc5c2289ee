/**
 * `waymark gc`: collects objects that nothing refers to, as a running server does every hour. Beside a server at rest it
 * does so itself; a server that runs and holds the store is asked to.
 */
import type { Config } from '@waymark/server/shell'
import { connect, failureOf } from '../fleet-access.ts'
import { type Context, Failure, type Io, print } from '../io.ts'
import { type Outside, processOutside } from '../outside.ts'
import { lineOf, settingsOf } from '../server-settings.ts'
import { sizeSaid } from '../show/words.ts'

const help = `usage: waymark gc [--dry-run] [--json] [flags of waymark up]
       waymark gc [--dry-run] [--json] --server URL

Collects objects that no step refers to and that are older than --object-grace, and files that no record stands on.
A running server does this every hour. Where one holds the store, or with --server, it is asked to do it now, which takes
an administrator's login.`

interface Collected {
  readonly records: number
  readonly bytes: number
  readonly files: number
}

export async function run(
  args: readonly string[],
  { io }: Context,
  outside: Outside = processOutside(),
): Promise<number> {
  if (args.includes('--help') || args.includes('-h')) {
    io.out(help)
    return 0
  }
  const own = ['--dry-run', '--json']
  const dryRun = args.includes('--dry-run')
  const { server, rest } = serverOf(args.filter((argument) => !own.includes(argument)))
  if (server !== undefined && rest[0] !== undefined)
    throw new Failure(2, `gc --server: unexpected ${rest[0]}: the server has its own settings`)
  const collected =
    server === undefined ? await here(settingsOf(rest, io), dryRun, io, outside) : await there(server)
  const { records, bytes, files } = collected
  print(io, args.includes('--json'), {
    data: { dryRun, records, bytes, files },
    lines: () => [
      `${dryRun ? 'would collect' : 'collected'} ${records} objects (${sizeSaid(bytes)}) and ${files} files without a record`,
    ],
  })
  return 0

  function there(url: string): Promise<Collected> {
    return askServer(url, dryRun, io, outside)
  }
}

/** Beside the server, or by it, when it runs. */
async function here(config: Config, dryRun: boolean, io: Io, outside: Outside): Promise<Collected> {
  const { collectGarbage, createLog } = await import('@waymark/server')
  try {
    return await collectGarbage(config, { log: createLog(config) }, { dryRun })
  } catch (error) {
    const held = error instanceof Error && 'kind' in error && error.kind === 'held-elsewhere'
    const url = listensAt(config)
    if (!held || url === undefined) throw lineOf(error)
    return askServer(url, dryRun, io, outside)
  }
}

async function askServer(server: string, dryRun: boolean, io: Io, outside: Outside): Promise<Collected> {
  try {
    const { fleet } = await connect({ server }, io, outside)
    return await fleet.collectObjects({ body: { dryRun } })
  } catch (error) {
    throw failureOf(error)
  }
}

/** Where a server of these settings is spoken to; undefined where it has no plain listener of a known port. */
function listensAt({ host, http }: Config): string | undefined {
  if (typeof http !== 'number' || http === 0) return undefined
  const any = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host
  return `http://${any.includes(':') ? `[${any}]` : any}:${http}`
}

function serverOf(args: readonly string[]): { readonly server?: string; readonly rest: readonly string[] } {
  const at = args.findIndex((argument) => argument === '--server' || argument.startsWith('--server='))
  if (at < 0) return { rest: args }
  const [, inline] = /^--server=(.*)$/.exec(args[at] ?? '') ?? []
  const server = inline ?? args[at + 1]
  if (server === undefined || server === '') throw new Failure(2, 'gc --server: wanted an address, got none')
  return { server, rest: args.toSpliced(at, inline === undefined ? 2 : 1) }
}
