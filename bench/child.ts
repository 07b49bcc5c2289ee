/** Programs under measurement run in processes of their own, so that the load generator does not slow them. */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

export interface Child {
  readonly process: ChildProcess
  /** Sends a message and waits for the one that answers it. */
  ask<T>(message: object): Promise<T>
  /** Largest resident memory so far, bytes. */
  stop(): Promise<void>
}

/** Starts `bench/<script>`; resolves once it has sent its first message, which is answered as `first`. */
export async function startChild<T>(script: string, args: readonly string[]): Promise<Child & { first: T }> {
  const child = fork(fileURLToPath(new URL(script, import.meta.url)), args, {
    execArgv: ['--conditions=source', '--max-semi-space-size=32'],
  })
  const first = await heard<T>(child)
  return {
    first,
    process: child,
    async ask<A>(message: object) {
      child.send(message)
      return heard<A>(child)
    },
    async stop() {
      if (child.exitCode !== null) return
      child.kill('SIGKILL')
      await once(child, 'exit')
    },
  }
}

function heard<T>(child: ChildProcess): Promise<T> {
  return new Promise((resolve, reject) => {
    const gone = (code: number | null) => reject(new Error(`the measured process ended with ${code}`))
    child.once('exit', gone)
    child.once('message', (message) => {
      child.off('exit', gone)
      resolve(message as T)
    })
  })
}
