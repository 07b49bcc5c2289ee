/** The menu: the command line as a function, for the launcher and for tests. */
export type { CommandModule, CommandRow } from './command-table.ts'
export { type Context, Failure, type Io, print } from './io.ts'
export { main, run } from './main.ts'
