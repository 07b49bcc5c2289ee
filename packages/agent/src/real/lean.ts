/**
 * A small process for a program that rests for months: no command line, no compiler of hot code, little room for what is
 * new.
 *
 * A device's agent waits; what it does in between is done by the system (hashing, copying, TLS), not by its own loops. So
 * V8's optimising compilers and their profiles are memory for nothing. The flags for that count only from a process's
 * first moment, and the process is therefore replaced, as a shell's `exec` does: same process id, same streams, same
 * environment; whoever started it, supervises it or sends it signals notices nothing, and there is no second process that
 * could be left behind.
 */
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { AgentCommand } from './run.ts'

/** `--lite-mode` compiles nothing but bytecode; a semi-space of 1 MiB is what a resting agent needs. */
export const leanFlags: readonly string[] = ['--lite-mode', '--max-semi-space-size=1']

/**
 * The program that a lean process runs instead, or undefined when there is to be none: where processes cannot be replaced
 * (Windows), where the agent runs from sources (the types of which Node.js takes away by WebAssembly, and a lean process has
 * none) or was bundled into another file, or when whoever started this one gave flags of their own.
 */
export function leanArguments(
  command: Omit<AgentCommand, 'env'>,
  execArgv: readonly string[] = process.execArgv,
): readonly string[] | undefined {
  const program = fileURLToPath(new URL('./program.js', import.meta.url))
  if (execArgv.length > 0 || !existsSync(program)) return undefined
  return [...leanFlags, program, JSON.stringify(command)]
}

/** Replaces this process by a lean one that carries the command out. Returns only when that cannot be. */
export function becomeLean(command: Omit<AgentCommand, 'env'>): void {
  const { execve, execPath, platform, env } = process
  const args = leanArguments(command)
  if (typeof execve !== 'function' || platform === 'win32' || args === undefined) return
  const plain = Object.fromEntries(Object.entries(env).flatMap(([k, v]) => (v === undefined ? [] : [[k, v]])))
  execve(execPath, [execPath, ...args], plain)
}
