/**
 * `waymark yang`: modules and documents, judged and shown without a server.
 *
 * The commands and their flags are the library's own (`@waymark/yang`); here they get files, folders and streams.
 * What a module says may be quoted in a finding, so findings are made harmless to a terminal.
 */
import { readdir, readFile } from 'node:fs/promises'
import { runYangCommand } from '@waymark/yang'
import type { Context } from '../io.ts'
import { printable } from '../show/words.ts'

/** Exit codes: 0 all is valid, 1 something is not or cannot be read, 2 wrong usage. */
export function run(args: readonly string[], { io }: Context): Promise<number> {
  return runYangCommand(args, {
    program: 'waymark yang',
    readFile: (path) => readFile(path),
    readdir: (path) => readdir(path),
    stdout: (text) => io.out(withoutLastBreak(text)),
    stderr(text) {
      for (const line of withoutLastBreak(text).split('\n')) io.err(printable(line))
    },
  })
}

/** `Io` ends the lines itself. */
const withoutLastBreak = (text: string): string => (text.endsWith('\n') ? text.slice(0, -1) : text)
