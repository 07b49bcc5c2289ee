/** `waymark object`: bytes under their sha256, up and down. */
import { basename } from 'node:path'
import { connect, type FleetFlags, namedCommand, runFleetCommand, withFleetFlags } from '../fleet-access.ts'
import { type Context, Failure, type Io } from '../io.ts'
import { type Outside, processOutside } from '../outside.ts'
import { progressOf } from '../show/progress.ts'
import { sizeSaid } from '../show/words.ts'
import { download, upload } from '../transfer.ts'

export function run(
  args: readonly string[],
  context: Context,
  outside: Outside = processOutside(),
): Promise<number> {
  const { io } = context
  return runFleetCommand(args, context, () => {
    const object = namedCommand('object').description('Bytes, named by their sha256.')
    withFleetFlags(object.command('put <file...>'))
      .description('Stores files; prints the sha256 of each. What is stored already is not sent.')
      .action((files: string[], flags: FleetFlags) => put(files, flags, io, outside))
    withFleetFlags(object.command('get <sha256>'))
      .description('Fetches an object, and sees that its bytes are those its name promises.')
      .option('-o, --output <file>', 'where to; else standard output. A broken transfer goes on next time')
      .action((sha256: string, flags: FleetFlags & { output?: string }) => get(sha256, flags, io, outside))
    return object
  })
}

async function put(files: readonly string[], flags: FleetFlags, io: Io, outside: Outside): Promise<void> {
  const { fleet } = await connect(flags, io, outside)
  for (const file of files) {
    const stored = await upload({ fleet, io, outside, file, name: basename(file) })
    io.out(flags.json ? JSON.stringify({ file, ...stored }) : `${stored.sha256}  ${file}`)
  }
}

async function get(
  sha256: string,
  flags: FleetFlags & { output?: string },
  io: Io,
  outside: Outside,
): Promise<void> {
  if (!/^[0-9a-f]{64}$/.test(sha256))
    throw new Failure(2, `object get: wanted a sha256 (64 hex digits), got ${sha256}`)
  if (flags.output === undefined && (outside.screen !== undefined || flags.json))
    throw new Failure(2, 'object get: wanted -o FILE, since standard output is no place for bytes here')
  const { fleet } = await connect(flags, io, outside)
  if (flags.output !== undefined) {
    const { file, size } = await download({ fleet, io, outside, sha256, file: flags.output })
    if (flags.json) io.out(JSON.stringify({ file, sha256, size }))
    else io.out(`${file}  ${sizeSaid(size)}`)
    return
  }
  const progress = progressOf(outside, sha256.slice(0, 12))
  try {
    const pieces = fleet.getObject(sha256, { signal: io.stopSignal(), onProgress: progress.onProgress })
    for await (const piece of pieces) await outside.writeBytes(piece)
  } finally {
    progress.end()
  }
}
