/** `waymark up`: a server, until the first signal. Its flags are the settings of the server's table. */
import type { Open } from '@waymark/server/serve'
import { type Context, Failure } from '../io.ts'

export async function run(args: readonly string[], context: Context): Promise<number> {
  return runServer(args, context, async () => (await import('@waymark/server')).openHouse)
}

/** The same with another house: what is loaded is loaded only when the settings are right. */
export async function runServer(
  args: readonly string[],
  { io }: Context,
  house: () => Promise<Open>,
): Promise<number> {
  const { describeRefusal, loadConfig, settingsHelp } = await import('@waymark/server/shell')
  if (args.includes('--help') || args.includes('-h')) {
    io.out(
      `usage: waymark up [flags]\n\nStarts a server and runs until SIGTERM or SIGINT.\n\n${settingsHelp()}`,
    )
    return 0
  }
  const settings = loadConfig(args, io.env)
  if (!settings.ok) throw new Failure(2, settings.refusal.map(describeRefusal).join('\n'))
  const signal = io.stopSignal()
  const [open, { describeStartRefusal, serve }] = await Promise.all([
    house(),
    import('@waymark/server/serve'),
  ])
  const served = await serve({ config: settings.value.config, open, out: io.out, signal })
  if (!served.ok) throw new Failure(1, describeStartRefusal(served.refusal))
  return 0
}
