/** `waymark demo`: a server and five devices at work, over real HTTP, in a temporary folder. */
import { Command } from 'commander'
import type { Context } from '../io.ts'
import { withCommander } from '../with-commander.ts'

export async function run(args: readonly string[], { io }: Context): Promise<number> {
  const command = new Command('waymark demo')
    .description('starts a server and five devices, and tells what happens as it happens')
    .option('--exit', 'end when the story does, instead of leaving the server up')
    .action(async (options: { exit?: boolean }) => {
      const { playDemo } = await import('../demo/story.ts')
      await playDemo(io, { exit: options.exit === true })
    })
  return withCommander(command, args, io)
}
