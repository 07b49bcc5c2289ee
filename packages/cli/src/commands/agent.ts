/** `waymark agent`: follows a trail on this machine. Its flags are the agent's own table of settings. */
import {
  type AgentSetting,
  agentSettings,
  becomeLean,
  runAgentCommand,
  startProgramAnew,
} from '@waymark/agent'
import { namedCommand, runFleetCommand } from '../fleet-access.ts'
import type { Context } from '../io.ts'

interface Flags {
  readonly config?: string
  readonly json?: boolean
  readonly [flag: string]: string | boolean | undefined
}

export function run(args: readonly string[], context: Context): Promise<number> {
  const { io } = context
  return runFleetCommand(args, context, (exit) => {
    const agent = namedCommand('agent')
      .description('Follows a trail on this machine, as a device does.')
      .option('--config <file>', 'a KEY=value file of settings, as Pantavisor has them')
      .option('--json', 'a line of JSON for each event')
    for (const setting of agentSettings)
      if (setting.flag !== undefined) agent.option(usageOf(setting), aboutOf(setting))
    return agent.action(async ({ config, json, ...flags }: Flags) => {
      const command = {
        flags,
        ...(config === undefined ? {} : { configFile: config }),
        ...(json === undefined ? {} : { json }),
      }
      // The process may be replaced where the command is all there is to it; who calls it from a program of their own
      // hands in an environment of their own.
      const alone = io.env === process.env
      if (alone) becomeLean(command)
      const code = await runAgentCommand(
        { ...command, env: io.env },
        {
          line: io.out,
          complain: (line) => io.err(`waymark: ${line}`),
          signal: io.stopSignal(),
          ...(alone ? { startAnew: startProgramAnew } : {}),
        },
      )
      exit(code)
    })
  })
}

function usageOf({ flag, kind, choices }: AgentSetting): string {
  if (kind === 'switch') return `--${flag}`
  const value = choices ? choices.join('|') : { text: 'text', seconds: 'time', count: 'count' }[kind]
  return `--${flag} <${value}>`
}

function aboutOf({ about, fallback, kind }: AgentSetting): string {
  return fallback === undefined || kind === 'switch' ? about : `${about} (default: ${fallback})`
}
