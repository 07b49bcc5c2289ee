/** `waymark dead-letter`: messages to back ends that were given up, and sending them again. */
import type { Fleet } from '@waymark/sdk'
import { connect, type FleetFlags, namedCommand, runFleetCommand, withFleetFlags } from '../fleet-access.ts'
import { type Context, Failure, type Io, print } from '../io.ts'
import { type Outside, processOutside } from '../outside.ts'
import { type Column, printList, sheetLines } from '../show/table.ts'
import { printable } from '../show/words.ts'

type Letter = Awaited<ReturnType<Fleet['getDeadLetter']>>

export function run(
  args: readonly string[],
  context: Context,
  outside: Outside = processOutside(),
): Promise<number> {
  const { io } = context
  return runFleetCommand(args, context, () => {
    const letter = namedCommand('dead-letter').description(
      'Messages to back ends that were given up, named as `ls` lists them: LANE/NUMBER.',
    )
    withFleetFlags(letter.command('ls'))
      .description('Lists them; a lane is the same for messages to the same address.')
      .action(async (flags: FleetFlags) => {
        const { fleet } = await connect(flags, io, outside)
        await printList(io, fleet.each('listDeadLetters'), {
          json: flags.json,
          columns,
          width: outside.screen?.columns,
          none: 'no message was given up',
        })
      })
    withFleetFlags(letter.command('show <message>'))
      .description('Shows one.')
      .action(async (named: string, flags: FleetFlags) => {
        const asked = placeOf(named)
        const { fleet } = await connect(flags, io, outside)
        const found = await fleet.getDeadLetter(asked)
        print(io, flags.json, {
          data: found,
          lines: () =>
            sheetLines([
              ['message', nameOf(found)],
              ['about', JSON.stringify(found.about)],
              ['given up', found.reason],
              ['made', found.createdAt],
            ]),
        })
      })
    withFleetFlags(letter.command('redrive [message...]'))
      .description('Puts messages at the end of their lanes again.')
      .option('--all', 'all there are')
      .action((named: string[], flags: FleetFlags & { all?: boolean }) => again(named, flags, io, outside))
    return letter
  })
}

const columns: readonly Column<Letter>[] = [
  { title: 'MESSAGE', cell: nameOf },
  { title: 'ABOUT', cell: ({ about }) => printable(JSON.stringify(about)) },
  { title: 'GIVEN UP', cell: ({ reason }) => reason ?? '' },
  { title: 'MADE', cell: ({ createdAt }) => createdAt },
]

async function again(
  named: readonly string[],
  flags: FleetFlags & { all?: boolean },
  io: Io,
  outside: Outside,
): Promise<void> {
  if (named.length === 0 && !flags.all) throw new Failure(2, 'dead-letter redrive: wanted a message or --all')
  const places = named.map(placeOf)
  const { fleet } = await connect(flags, io, outside)
  if (flags.all) for await (const letter of fleet.each('listDeadLetters')) places.push(letter)
  for (const { lane, seq } of places) {
    const sent = await fleet.redriveDeadLetter({ lane, seq })
    io.out(flags.json ? JSON.stringify(sent) : `put back ${nameOf(sent)}`)
  }
}

function nameOf({ lane, seq }: Pick<Letter, 'lane' | 'seq'>): string {
  return `${lane}/${seq}`
}

function placeOf(named: string): { lane: string; seq: number } {
  const [, lane, seq] = /^(.+)\/(\d{1,15})$/.exec(named) ?? []
  if (lane === undefined) throw new Failure(2, `message: wanted LANE/NUMBER, got ${named}`)
  return { lane, seq: Number(seq) }
}
