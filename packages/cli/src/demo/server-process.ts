/** A server of its own for the demo: the same program anybody starts, in a child process, on free ports. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { Failure } from '../io.ts'

export interface ServerProcess {
  readonly port: number
  /** Where devices dial in over ExoPort. */
  readonly exoport: number
  /** Asks it to stop and waits until it has. */
  stop(): Promise<void>
}

const program = fileURLToPath(new URL('../../bin/waymark.mjs', import.meta.url))

export async function startServer(asked: {
  data: string
  publicUrl: string
  adminPassword: string
}): Promise<ServerProcess> {
  const child = spawn(
    process.execPath,
    [
      program,
      'up',
      '--data',
      asked.data,
      '--http',
      '0',
      '--exoport',
      '0',
      // The back end that the demo plays is on this machine.
      '--allow-private-targets',
      '--public-url',
      asked.publicUrl,
      '--log-level',
      'warn',
    ],
    {
      env: { ...process.env, WAYMARK_ADMIN_PASSWORD: asked.adminPassword },
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  )
  const lines = createInterface({ input: child.stdout })
  let port: number | undefined
  let exoport: number | undefined
  for await (const line of lines) {
    const listening = /^listening http \S+:(\d+)$/.exec(line)
    if (listening) port = Number(listening[1])
    exoport = Number(/^listening exoport \S+:(\d+)$/.exec(line)?.[1] ?? exoport)
    if (line === 'ready') break
  }
  if (port === undefined || exoport === undefined) throw new Failure(1, 'the server did not start')
  return {
    port,
    exoport,
    async stop() {
      if (child.exitCode !== null) return
      child.kill('SIGTERM')
      await once(child, 'exit')
    },
  }
}
