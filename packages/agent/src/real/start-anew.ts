/**
 * A fresh copy of this program in the place of this one: same process id, same arguments, same environment.
 *
 * What supervises the agent (an init system, a shell) does not notice. Where the system cannot do that, the caller goes
 * on, and a fresh agent within the same program has to do.
 */

/** Does not return where `execve` exists (not on Windows, not in a worker thread). */
export function startProgramAnew(): void {
  const { execve, execPath, execArgv, argv, env } = process
  if (typeof execve !== 'function' || process.platform === 'win32') return
  const plain = Object.fromEntries(Object.entries(env).flatMap(([k, v]) => (v === undefined ? [] : [[k, v]])))
  execve(execPath, [execPath, ...execArgv, ...argv.slice(1)], plain)
}
