/** `waymark why`: why a device or a step stands where it stands, as a chain of sentences. */
import { connect, type FleetFlags, namedCommand, runFleetCommand, withFleetFlags } from '../fleet-access.ts'
import { type Context, Failure, type Io, print } from '../io.ts'
import { type Outside, processOutside } from '../outside.ts'
import { printable } from '../show/words.ts'

interface WhyFlags extends FleetFlags {
  readonly entries?: boolean
}

export function run(
  args: readonly string[],
  context: Context,
  outside: Outside = processOutside(),
): Promise<number> {
  const { io } = context
  return runFleetCommand(args, context, () =>
    withFleetFlags(namedCommand('why').arguments('<device> [step]'))
      .description(
        'Tells why a device stands where it stands: the oldest step that has not ended, else the newest one, or the step that is named. The effect comes first, then what causes it.',
      )
      .option('--entries', 'name the journal entries that show each sentence')
      .action((device: string, step: string | undefined, flags: WhyFlags) =>
        explain(device, step, flags, io, outside),
      ),
  )
}

async function explain(
  device: string,
  step: string | undefined,
  flags: WhyFlags,
  io: Io,
  outside: Outside,
): Promise<void> {
  if (step !== undefined && !/^\d{1,9}$/.test(step))
    throw new Failure(2, `step: wanted its number, got ${step}`)
  const { fleet } = await connect(flags, io, outside)
  const told = await fleet.explainDevice({ device, ...(step === undefined ? {} : { rev: Number(step) }) })
  print(io, flags.json, {
    data: told,
    lines: () =>
      told.chain
        .map(({ says, cursors }, depth) => {
          const shown = flags.entries && cursors.length > 0 ? `  [${cursors.join(' ')}]` : ''
          return `${'  '.repeat(depth)}${depth === 0 ? `${told.nick}: ` : '- '}${says}${shown}`
        })
        .map(printable),
  })
}
