/**
 * What a command has of the world: two streams, an environment, and the wish to stop. Commands get it handed in, so
 * that tests run them without a process.
 *
 * Conventions: results go to stdout, everything said to people about them to stderr; with `--json` stdout holds JSON and
 * nothing else. Exit codes: 0 done, 1 failed, 2 wrong usage.
 */
export interface Io {
  /** Writes a line to stdout. */
  out(line: string): void
  /** Writes a line to stderr. */
  err(line: string): void
  readonly env: Readonly<Record<string, string | undefined>>
  /** Whether stdout is a terminal: progress bars and colours only then. */
  readonly terminal: boolean
  /**
   * Aborted by the first SIGTERM or SIGINT; a second one ends the process at once. Before a command asks for it,
   * signals end the process as they always do.
   */
  stopSignal(): AbortSignal
}

export interface Context {
  readonly io: Io
}

/** Ends a command with one line for people and an exit code: 1 when it failed, 2 when it was used wrongly. */
export class Failure extends Error {
  override readonly name = 'Failure'
  readonly exitCode: 1 | 2

  constructor(exitCode: 1 | 2, message: string, options?: ErrorOptions) {
    super(message, options)
    this.exitCode = exitCode
  }
}

/** Prints a result: as one JSON document with `--json`, else as the lines for people. */
export function print(
  io: Io,
  json: boolean | undefined,
  result: { data: unknown; lines: () => readonly string[] },
): void {
  if (json) io.out(JSON.stringify(result.data, undefined, 2))
  else for (const line of result.lines()) io.out(line)
}

/** The world as it is. */
export function processIo(): Io {
  let stopping: AbortController | undefined
  return {
    out: (line) => void process.stdout.write(`${line}\n`),
    err: (line) => void process.stderr.write(`${line}\n`),
    env: process.env,
    terminal: process.stdout.isTTY === true,
    stopSignal() {
      if (stopping !== undefined) return stopping.signal
      const controller = new AbortController()
      stopping = controller
      const stop = (): void => {
        if (controller.signal.aborted) process.exit(1)
        controller.abort()
      }
      process.on('SIGTERM', stop)
      process.on('SIGINT', stop)
      return controller.signal
    },
  }
}
