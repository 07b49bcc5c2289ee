/**
 * The agent as a whole process: nothing but itself is loaded, and V8 is told to be small (`lean.ts` puts it in the place
 * of the command line's process). Its one argument is the command as JSON; words and signals are those of the command.
 */
import { type AgentCommand, runAgentCommand } from './run.ts'
import { startProgramAnew } from './start-anew.ts'

/** A process that has ended its work lets what is still open hold it for so long. Milliseconds. */
const lingerMs = 2000

const stop = new AbortController()
for (const signal of ['SIGTERM', 'SIGINT'] as const)
  process.on(signal, () => {
    if (stop.signal.aborted) process.exit(1)
    stop.abort()
  })

// Written by `lean.ts` of the same build; settings within are judged by `runAgentCommand`.
const command = JSON.parse(process.argv[2] ?? '{}') as AgentCommand
process.exitCode = await runAgentCommand(
  { ...command, env: process.env },
  {
    line: (text) => void process.stdout.write(`${text}\n`),
    complain: (text) => void process.stderr.write(`waymark: ${text}\n`),
    signal: stop.signal,
    startAnew: startProgramAnew,
  },
)
setTimeout(() => process.exit(), lingerMs).unref()
