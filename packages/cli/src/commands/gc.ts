/** `waymark gc`: collects objects that nothing refers to, as a running server does every hour. */
import { type Context, print } from '../io.ts'
import { lineOf, settingsOf } from '../server-settings.ts'
import { sizeSaid } from '../show/words.ts'

const help = `usage: waymark gc [--dry-run] [--json] [flags of waymark up]

Collects objects that no step refers to and that are older than --object-grace, and files that no record stands on.
A running server does this every hour; with SQLite, stop it first.`

export async function run(args: readonly string[], { io }: Context): Promise<number> {
  if (args.includes('--help') || args.includes('-h')) {
    io.out(help)
    return 0
  }
  const own = ['--dry-run', '--json']
  const dryRun = args.includes('--dry-run')
  const config = settingsOf(
    args.filter((argument) => !own.includes(argument)),
    io,
  )
  const { collectGarbage, createLog } = await import('@waymark/server')
  try {
    const collected = await collectGarbage(config, { log: createLog(config) }, { dryRun })
    const { records, bytes, files } = collected
    print(io, args.includes('--json'), {
      data: { dryRun, ...collected },
      lines: () => [
        `${dryRun ? 'would collect' : 'collected'} ${records} objects (${sizeSaid(bytes)}) and ${files} files without a record`,
      ],
    })
    return 0
  } catch (error) {
    throw lineOf(error)
  }
}
