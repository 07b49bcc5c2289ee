/**
 * The agent as a program of its own, for tests that kill it: `agent-program.ts <config file>`, one event per line.
 */
import { runAgentCommand } from '../../src/real/run.ts'
import { startProgramAnew } from '../../src/real/start-anew.ts'

const stop = new AbortController()
process.on('SIGTERM', () => stop.abort())
process.exitCode = await runAgentCommand(
  { flags: {}, configFile: process.argv[2] ?? '', json: true },
  {
    line: (text) => process.stdout.write(`${text}\n`),
    complain: (text) => process.stderr.write(`${text}\n`),
    signal: stop.signal,
    startAnew: startProgramAnew,
  },
)
